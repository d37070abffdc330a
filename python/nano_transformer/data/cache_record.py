"""What a token cache's `x.json` says: how its arrays are laid out and what they were made from."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

from nano_transformer import config_io, files
from nano_transformer.errors import ConfigError, DataError

FORMAT_VERSION = 1

DIGEST_BLOCK_BYTES = 4 << 20


class CachePaths(NamedTuple):
    """The three files of a token cache."""

    tokens: Path
    documents: Path
    record: Path

    @classmethod
    def of(cls, cache_path: Path) -> Self:
        """Return the files that go with the tokens file `x.npy`.

        Raises:
            ConfigError: When the name does not end in `.npy`.
        """
        if cache_path.suffix != ".npy":
            raise ConfigError(f"the token cache `{cache_path}` must have a name ending in `.npy`")
        return cls(
            cache_path, cache_path.with_suffix(".documents.npy"), cache_path.with_suffix(".json")
        )


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """Identity of a text file when it was read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TokenizerRecord:
    """The tokenizer the ids belong to."""

    digest: str
    vocab_size: int
    end_of_text_id: int | None


@dataclass(frozen=True, kw_only=True)
class OptionsRecord:
    """What was chosen when the cache was built."""

    encoding_errors: Literal["strict", "replace"] = "strict"
    held_out_share: float = 0.0
    keep_held_out: bool = False

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if self.encoding_errors not in ("strict", "replace"):
            raise ConfigError(
                f'`encoding_errors` must be "strict" or "replace", found {self.encoding_errors!r}'
            )
        if not 0 <= self.held_out_share < 1:
            raise ConfigError(
                f"`held_out_share` must be at least 0 and below 1, found {self.held_out_share}"
            )

    @property
    def held_out_below(self) -> int:
        """The content hash, of 64 bits, below which a document is held out."""
        return int(self.held_out_share * 2.0**64)


@dataclass(frozen=True, kw_only=True)
class DigestsRecord:
    """One hexadecimal SHA-256 for each `block_bytes` of the arrays' files, headers included."""

    block_bytes: int
    tokens: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CacheRecord:
    """All of `x.json`; `spans` holds [source, first byte, end] of each stretch that was read."""

    format_version: int
    dtype: Literal["uint16", "uint32"]
    num_tokens: int
    num_documents: int
    num_bytes: int
    tokenizer: TokenizerRecord
    sources: tuple[SourceRecord, ...]
    spans: tuple[tuple[int, ...], ...]
    options: OptionsRecord
    digests: DigestsRecord


def read_record(path: Path) -> CacheRecord:
    """Read `x.json`.

    Raises:
        DataError: When it is missing, malformed or of a later format.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"`{path}` does not exist, so there is no finished token cache") from None
    except ValueError as error:
        raise DataError(f"`{path}` is not the JSON of a token cache: {error}") from None
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise DataError(
            f"`{path}` has format version {version}, this program reads {FORMAT_VERSION}; "
            "build the token cache again"
        )
    try:
        return config_io.from_plain(CacheRecord, values, where=f"`{path}`")
    except ConfigError as error:
        raise DataError(str(error)) from None


def write_record(path: Path, record: CacheRecord) -> None:
    """Replace `x.json`, which makes the arrays beside it a cache."""
    files.write_json_atomically(path, config_io.to_plain(record))


def content_digest(record: CacheRecord) -> str:
    """Return a hexadecimal SHA-256 over the digests of both arrays."""
    blocks = (*record.digests.tokens, *record.digests.documents)
    return hashlib.sha256("".join(blocks).encode()).hexdigest()


def differing_options(found: OptionsRecord, wanted: OptionsRecord) -> list[str]:
    """Return a phrase for each option that differs."""
    return [
        f"`{field.name}` {getattr(found, field.name)!r} instead of {getattr(wanted, field.name)!r}"
        for field in dataclasses.fields(OptionsRecord)
        if getattr(found, field.name) != getattr(wanted, field.name)
    ]
