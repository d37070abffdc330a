"""All that makes a tokenizer, as data: what every format reads and writes."""

import hashlib
from dataclasses import dataclass

from nano_transformer.tokenization.unicode_classes import UNICODE_VERSION


@dataclass(frozen=True, kw_only=True)
class TokenizerDefinition:
    """Vocabulary, merges and everything else that decides ids, and the roles of special tokens."""

    vocab: dict[int, bytes]
    """Bytes of each id, special tokens included."""
    merges: list[tuple[bytes, bytes]]
    """Pairs of byte strings in the order learnt; the earlier wins."""
    special_tokens: list[str]
    """Strings that become one id wherever they stand."""
    pattern: str = "gpt2"
    """What cuts a text into pre-tokens: a name or a regular expression."""
    ignore_merges: bool = False
    """Whether a pre-token that is a token as a whole becomes it without merging."""
    bos_token: str | None = None
    """The special token that begins a text; None: `<|endoftext|>` where that is one."""
    eos_token: str | None = None
    """The special token that ends a text; None: likewise."""
    pad_token: str | None = None
    """The special token that fills a batch, if any."""


def definition_digest(definition: TokenizerDefinition) -> str:
    """Return the hexadecimal SHA-256 of everything that decides the ids; roles do not."""
    digest = hashlib.sha256(f"{definition.pattern} {UNICODE_VERSION}".encode())

    def add(*parts: bytes) -> None:
        for part in parts:  # lengths go before contents, so that no two lists read alike
            digest.update(len(part).to_bytes(8, "little") + part)

    vocab = definition.vocab
    add(*(part for i in sorted(vocab) for part in (str(i).encode(), vocab[i])))
    add(b"merges", *(part for pair in definition.merges for part in pair))
    # Their order decides nothing: the longest wins wherever two could match.
    add(b"special tokens", *sorted(token.encode() for token in definition.special_tokens))
    if definition.ignore_merges:
        add(b"ignore merges")
    return digest.hexdigest()
