"""How the content of a vocabulary is told in a page of text."""

import sys
from collections.abc import Sequence

from nano_transformer.tokenization.inspection import spell, vocabulary_statistics
from nano_transformer.tokenization.tokenizer import Tokenizer

BAR_WIDTH = 50
MOST_LISTED = 10


def describe(tokenizer: Tokenizer) -> None:
    """Write what a tokenizer is made of, and how many tokens there are of each length."""
    statistics = vocabulary_statistics(tokenizer)
    count = max(statistics.num_tokens, 1)
    roles = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
    special = [f"{spell(t.encode())} {tokenizer.token_to_id(t)}" for t in tokenizer.special_tokens]
    unreachable = [f"{i} {spell(tokenizer.vocab[i], 40)!r}" for i in statistics.unreachable]
    lines = {
        "entries": f"{len(tokenizer):,} (ids 0 to {tokenizer.vocab_size - 1:,})",
        "merges": f"{len(tokenizer.merges):,}",
        "pattern": tokenizer.pattern,
        "special tokens": _listed(special) or "none",
        "roles": ", ".join(f"{role} {i}" for role, i in roles.items() if i is not None) or "none",
        "whole words": "looked up before merging" * tokenizer.definition.ignore_merges,
        "leading space": f"{statistics.num_leading_space / count:.1%} of the tokens",
        "no UTF-8 alone": f"{statistics.num_not_utf8:,} tokens",
        "unreachable": f"{len(unreachable):,} tokens {_listed(unreachable)}".rstrip(),
        "longest": " ".join(repr(spell(token, 40)) for token in statistics.longest),
        "digest": tokenizer.digest,
    }
    for name, value in lines.items():
        if value:
            sys.stdout.write(f"{name:16}{value}\n")
    sys.stdout.write("\nbytes    tokens\n")
    most = max(statistics.lengths.values(), default=1)
    for length, number in statistics.lengths.items():
        bar = "#" * round(BAR_WIDTH * number / most)
        sys.stdout.write(f"{length:5}{number:10,}  {bar}".rstrip() + "\n")


def _listed(words: Sequence[str]) -> str:
    more = [f"and {len(words) - MOST_LISTED:,} more"] if len(words) > MOST_LISTED else []
    return ", ".join([*words[:MOST_LISTED], *more])
