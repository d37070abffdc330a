"""tiktoken's file of ranks, one token in base64 and its rank a line, and how ranks are merges."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path

from nano_transformer import files
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.reading import brief, read_text
from nano_transformer.tokenization.vocabulary import (
    LARGEST_ID,
    append_special_tokens,
    ordinary_ids,
    text_bytes,
)

Merge = tuple[bytes, bytes]


def read_tiktoken(
    path: Path, *, pattern: str, special_tokens: Mapping[str, int] | Sequence[str] = ()
) -> TokenizerDefinition:
    """Read ranks; the pattern and the special tokens must be given, because the file has neither.

    A special token that has a rank too keeps that id; ordinary text becomes it by merging only.

    Raises:
        TokenizerError: When a line is malformed, a byte has no rank, or a special token does not fit.
        OSError: When the file cannot be read.
    """
    ranks = read_ranks(path)
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(
            f"`{path}` gives no rank to {len(missing)} of the 256 single bytes, the first of them "
            f"0x{missing[0]:02X}; a byte-level vocabulary has them all"
        )
    merges, has_unreachable = merges_of_ranks(ranks)
    vocab = {rank: token for token, rank in ranks.items()}
    if isinstance(special_tokens, Mapping):
        for name, token_id in special_tokens.items():
            token = text_bytes(name)
            if ranks.get(token, token_id) != token_id or vocab.get(token_id, token) != token:
                raise TokenizerError(
                    f"special token {name!r} cannot have the id {token_id}: `{path}` gives it to "
                    f"{vocab.get(token_id, token)!r}, and to the token {ranks.get(token)}"
                )
            vocab[token_id] = token
    return TokenizerDefinition(
        vocab=append_special_tokens(vocab, list(special_tokens)),
        merges=merges,
        special_tokens=list(special_tokens),
        pattern=pattern,
        # tiktoken looks each pre-token up as a whole first. That changes something only for tokens
        # that merging does not reach.
        ignore_merges=has_unreachable,
    )


def write_tiktoken(path: Path, definition: TokenizerDefinition) -> None:
    """Replace `path` by the ranks of all ordinary tokens: their ids.

    The merges that ever happen must be those of the ranks, in the order of ids. That is more than
    equal ids need: the order of two merges that never meet decides nothing, and is refused too.

    Raises:
        TokenizerError: When ranks cannot say what the merges do.
        OSError: When the file cannot be written; `path` keeps its old content.
    """
    ids = ordinary_ids(definition.vocab, definition.merges, definition.special_tokens)
    merges, has_unreachable = merges_of_ranks(ids)
    if merges != definition.merges and merges != (used := used_merges(definition.merges)):
        ours, theirs = next(pair for pair in zip_longest(used, merges) if pair[0] != pair[1])
        raise TokenizerError(
            "tiktoken merges in the order of ids, and this tokenizer does not: next it joins "
            f"{ours or 'nothing'}, and tiktoken would join {theirs or 'nothing'}; export it in another "
            "format"
        )
    if has_unreachable and not definition.ignore_merges:
        raise TokenizerError(
            "tiktoken takes a pre-token that is a token as a whole, and this tokenizer has tokens that "
            "no merge reaches; export it in another format"
        )
    lines = [
        f"{base64.b64encode(token).decode()} {rank}\n"
        for token, rank in sorted(ids.items(), key=lambda item: item[1])
    ]
    files.write_text_atomically(path, "".join(lines))


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read the rank of each token.

    Raises:
        TokenizerError: When a line is malformed, or a token or rank is there twice; names the line.
        OSError: When the file cannot be read.
    """
    ranks: dict[bytes, int] = {}
    lines_of_ranks: dict[int, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        text = line.removesuffix("\r")
        if not text:
            continue
        parts = text.split(" ")
        try:
            token, rank = base64.b64decode(parts[0], validate=True), int(parts[1])
            is_fine = len(parts) == 2 and parts[1].isascii() and parts[1].isdigit() and bool(token)
        except (binascii.Error, ValueError, IndexError):
            is_fine = False
        if not is_fine or rank > LARGEST_ID:
            raise TokenizerError(
                f"`{path}` line {number} must be a token in base64, one space and its rank; found "
                f"{brief(text)}"
            )
        if token in ranks or rank in lines_of_ranks:
            what = f"token {token!r}" if token in ranks else f"rank {rank}"
            raise TokenizerError(f"`{path}` line {number} gives the {what} a second time")
        ranks[token] = rank
        lines_of_ranks[rank] = number
    return ranks


def merges_of_ranks(ranks: Mapping[bytes, int]) -> tuple[list[Merge], bool]:
    """Return the merges that do what merging by rank does, and whether a token is unreachable.

    tiktoken joins neighbours whose bytes together have the lowest rank, whichever pair they are. But
    as long as nothing is joined across the ends of a stretch of text, what happens inside is what
    happens to that stretch alone. So a token is only ever joined from the two parts that its own
    bytes come to, and if they get stuck at more than two, never.
    """
    merges: list[Merge] = []
    has_unreachable = False
    never = LARGEST_ID + 1
    for token in sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__):
        parts = _last_parts(token, lambda left, right: ranks.get(left + right, never), never)
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
        else:
            has_unreachable = True
    return merges, has_unreachable


def used_merges(merges: Sequence[Merge]) -> list[Merge]:
    """Return the merges that ever happen: those that the bytes of their own token come to.

    The reason is the one above, so that of several pairs that make one token only one is used.
    """
    order = {merge: number for number, merge in enumerate(merges)}
    never = len(merges)
    return [
        (left, right)
        for left, right in merges
        if _last_parts(left + right, lambda *pair: order.get(pair, never), never) == [left, right]
    ]


def _last_parts(token: bytes, rank: Callable[[bytes, bytes], int], never: int) -> list[bytes]:
    """Merge the bytes of `token` by rank until two parts are left, or none can be joined."""
    parts = [token[i : i + 1] for i in range(len(token))]
    ranks = [rank(left, right) for left, right in pairwise(parts)]
    while len(parts) > 2 and (lowest := min(ranks)) < never:
        index = ranks.index(lowest)  # the leftmost of equals
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
        del ranks[index]
        for place in range(max(index - 1, 0), min(index + 1, len(ranks))):
            ranks[place] = rank(parts[place], parts[place + 1])
    return parts
