"""How pre-tokens are counted in plain Python, for merges to be learnt: as the Rust extension does."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.merge_learner import MergeLearner
from nano_transformer.tokenization.pre_tokens import pre_token_splitter, special_token_pattern
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.throttle import throttled

BLOCK_BYTES = 1 << 20
LARGEST_COUNT = (1 << 64) - 1


class ReferenceCounter:
    """Counts pre-tokens of one text after another, and learns merges from the counts."""

    def __init__(self, pattern: str, special_tokens: Sequence[bytes]) -> None:
        self._pattern = pattern
        self._special_tokens = tuple(token.decode() for token in special_tokens)
        self._counts: Counter[bytes] = Counter()

    def count_files(
        self,
        paths: Sequence[str],
        replace_invalid_utf8: bool,
        num_threads: int,  # noqa: ARG002 (Python runs one thread at a time)
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of files in bounded memory; after an error, none."""
        sizes = sum(Path(path).stat().st_size for path in paths)
        sources = ((f"`{path}`", _file_blocks(path)) for path in paths)
        self._count(sources, sizes, "replace" if replace_invalid_utf8 else "strict", progress)

    def count_texts(
        self,
        texts: Sequence[bytes],
        first_number: int,
        replace_invalid_utf8: bool,
        num_threads: int,  # noqa: ARG002
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of texts, the first of which messages call by `first_number`."""
        sources = (
            (f"text number {number}", _text_blocks(text))
            for number, text in enumerate(texts, start=first_number)
        )
        errors: EncodingErrors = "replace" if replace_invalid_utf8 else "strict"
        self._count(sources, sum(map(len, texts)), errors, progress)

    def _count(
        self,
        sources: Iterable[tuple[str, Iterator[bytes]]],
        num_bytes: int,
        errors: EncodingErrors,
        progress: Progress | None,
    ) -> None:
        report = throttled(progress, "counting", num_bytes)
        specials = special_token_pattern(self._special_tokens)
        split = pre_token_splitter(self._pattern)
        counts: Counter[str] = Counter()
        done = 0

        def watched(blocks: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal done
            for block in blocks:
                yield block
                done += len(block)
                report(done)

        for name, blocks in sources:
            characters = decode_blocks(watched(blocks), errors, name=name)
            for chunk in separable_chunks(
                characters, self._special_tokens, BLOCK_BYTES, self._pattern
            ):
                for stretch in specials.split(chunk):
                    counts.update(split(stretch))
        self.add([(piece.encode(), count) for piece, count in counts.items()])

    def add(self, pieces: Iterable[tuple[bytes, int]]) -> None:
        """Add counts that were made elsewhere; a sum beyond 64 bits stays at their largest number."""
        for piece, count in pieces:
            self._counts[piece] = min(self._counts[piece] + count, LARGEST_COUNT)

    def items(self) -> list[tuple[bytes, int]]:
        """Return every pre-token with its count, in the order of their bytes."""
        return sorted(self._counts.items())

    def learn_merges(
        self, num_merges: int, tie_break: str, min_frequency: int, progress: Progress | None
    ) -> list[tuple[bytes, bytes]]:
        """Learn up to `num_merges` merges, in the order learnt.

        Raises:
            DataError: When the counts add up to more than 64 bits hold, as in Rust.
        """
        if sum(len(p) * count for p, count in self._counts.items() if len(p) > 1) > LARGEST_COUNT:
            raise DataError(
                "the counts of all pre-tokens add up to more than 2**64; give fewer counts"
            )
        reserved = [token.encode() for token in self._special_tokens]
        learner = MergeLearner(self._counts, tie_break, reserved)
        return learner.learn(num_merges, min_frequency, progress)


def _file_blocks(path: str) -> Iterator[bytes]:
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _text_blocks(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), BLOCK_BYTES):
        yield text[start : start + BLOCK_BYTES]
