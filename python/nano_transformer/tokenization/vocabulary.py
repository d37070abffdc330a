"""What a vocabulary, its merges and its special tokens must fulfil to make a tokenizer."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from nano_transformer.errors import ConfigError, TokenizerError

END_OF_TEXT = "<|endoftext|>"

LARGEST_ID = (1 << 32) - 2  # ids are stored as uint32, and the last one is kept free


def text_bytes(text: str | bytes) -> bytes:
    """Return `text` as bytes, a str as UTF-8.

    Raises:
        TokenizerError: When a str holds a lone surrogate; names its index.
        TypeError: When it is neither str nor bytes.
    """
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"text must be str or bytes, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"text holds the lone surrogate U+{ord(text[error.start]):04X} at index {error.start}, "
            "which UTF-8 cannot express; remove it, or pass bytes"
        ) from None


def check_thread_count(num_threads: int) -> None:
    """Refuse a number of threads below 0.

    Raises:
        ConfigError: With the number.
    """
    if num_threads < 0:
        raise ConfigError(
            f"`num_threads` is {num_threads}; it must be at least 0, which means one for each core"
        )


def refuse_stand_ins(special_tokens: Iterable[str]) -> None:
    """Refuse special tokens that malformed bytes could become when they are replaced.

    Raises:
        ConfigError: With the token.
    """
    for token in special_tokens:
        if "\ufffd" in token:
            raise ConfigError(
                f'special token {token!r} holds U+FFFD, which `encoding_errors` "replace" puts for '
                "malformed bytes; leave one of them out"
            )


def append_special_tokens(
    vocab: Mapping[int, bytes], special_tokens: Sequence[str]
) -> dict[int, bytes]:
    """Return a copy of `vocab` with the special tokens it lacks after its largest id.

    Raises:
        TokenizerError: When a special token is empty.
    """
    complete = {int(token_id): bytes(token) for token_id, token in vocab.items()}
    known = set(complete.values())
    next_id = max(complete, default=-1) + 1
    for token in special_tokens:
        if not token:
            raise TokenizerError(
                "a special token is the empty string; give it at least one character"
            )
        data = text_bytes(token)
        if data not in known:
            complete[next_id] = data
            known.add(data)
            next_id += 1
    return complete


def check_role(
    role: str, token: str | None, special_tokens: Sequence[str], *, default: str | None
) -> str | None:
    """Return the special token that plays a role: `token`, or `default` where that is one.

    Raises:
        TokenizerError: When `token` is no special token.
    """
    if token is None:
        return default if default in special_tokens else None
    if token not in special_tokens:
        raise TokenizerError(
            f"`{role}` is {token!r}, which is no special token; add it to `special_tokens`, which "
            f"are {list(special_tokens)}"
        )
    return token


def unknown_id(token_id: int, largest: int) -> TokenizerError:
    """Return the error that says which id is not in the vocabulary."""
    return TokenizerError(
        f"token id {token_id} is not in the vocabulary, whose largest id is {largest}"
    )


def ordinary_ids(
    vocab: Mapping[int, bytes],
    merges: Sequence[tuple[bytes, bytes]],
    special_tokens: Collection[str],
) -> dict[bytes, int]:
    """Return the ids of the tokens that ordinary text can become.

    A special token is among them only when it is a single byte or what a merge makes.
    """
    specials = {token.encode() for token in special_tokens}
    merged = {left + right for left, right in merges}
    return {
        token: token_id
        for token_id, token in vocab.items()
        if token not in specials or len(token) == 1 or token in merged
    }


def check_vocabulary(vocab: Mapping[int, bytes]) -> dict[bytes, int]:
    """Return the id of each token.

    Raises:
        TokenizerError: When an id is out of range, two ids share their bytes, a token is empty, or
            a single byte has no id.
    """
    ids: dict[bytes, int] = {}
    for token_id, token in vocab.items():
        if not 0 <= token_id <= LARGEST_ID:
            raise TokenizerError(f"token id {token_id} of {token!r} is not in 0 to {LARGEST_ID}")
        if not token:
            raise TokenizerError(
                f"token id {token_id} stands for no bytes; a token needs at least one"
            )
        if token in ids:
            raise TokenizerError(
                f"ids {ids[token]} and {token_id} both stand for {token!r}; each token has one id"
            )
        ids[token] = token_id
    missing = [byte for byte in range(256) if bytes([byte]) not in ids]
    if missing:
        raise TokenizerError(
            f"the vocabulary lacks {len(missing)} of the 256 single bytes, the first of them "
            f"0x{missing[0]:02X}; a byte-level vocabulary has them all"
        )
    return ids


def check_merges(merges: Sequence[tuple[bytes, bytes]], ids: Mapping[bytes, int]) -> None:
    """Check that every merge joins two tokens into a third, and none is given twice.

    Raises:
        TokenizerError: With the number of the merge, from 1, and its fault.
    """
    seen: set[tuple[bytes, bytes]] = set()
    for number, (left, right) in enumerate(merges, start=1):
        for token in (left, right, left + right):
            if token not in ids:
                raise TokenizerError(
                    f"merge {number} joins {left!r} and {right!r}, but {token!r} is not in the "
                    "vocabulary; vocabulary and merges must come from the same training"
                )
        if (left, right) in seen:
            raise TokenizerError(f"merge {number} repeats {left!r} and {right!r}")
        seen.add((left, right))
