"""How a tokenizer's text file or JSON is read, with the line of what is wrong with it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nano_transformer.config_io import did_you_mean
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.vocabulary import check_merges, check_vocabulary


def read_text(path: Path) -> str:
    """Return a file's text, line breaks as they are.

    Raises:
        TokenizerError: When it is not UTF-8; names the line.
        OSError: When it cannot be read.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TokenizerError(f"`{path}` line {line} is not valid UTF-8") from None


def read_json(path: Path, *, object_pairs_hook: Callable[[Any], Any] | None = None) -> Any:
    """Return what a JSON file holds.

    Raises:
        TokenizerError: When it is malformed or nested too deeply; names the line.
        OSError: When it cannot be read.
    """

    def refuse_constant(name: str) -> NoReturn:
        raise TokenizerError(f"`{path}` holds {name}, which is no JSON")

    try:
        return json.loads(
            read_text(path), object_pairs_hook=object_pairs_hook, parse_constant=refuse_constant
        )
    except json.JSONDecodeError as error:
        raise TokenizerError(f"`{path}` line {error.lineno} is not JSON: {error.msg}") from None
    except RecursionError:
        raise TokenizerError(f"`{path}` is nested too deeply to be a tokenizer") from None
    except ValueError as error:  # an integer of thousands of digits
        if isinstance(error, TokenizerError):
            raise
        raise TokenizerError(f"`{path}` holds a number that is too long") from None


def check_parts(
    path: Path, vocab: Mapping[int, bytes], merges: Sequence[tuple[bytes, bytes]]
) -> None:
    """Check that a file's vocabulary and merges make a tokenizer.

    Raises:
        TokenizerError: When they do not; names the file.
    """
    try:
        check_merges(merges, check_vocabulary(vocab))
    except TokenizerError as error:
        raise TokenizerError(f"`{path}` does not fit together: {error}") from None


class Fields:
    """The fields of a JSON object, taken one by one with their types checked."""

    def __init__(self, path: Path, values: object, where: str = "") -> None:
        self.path, self.where = path, where
        if not isinstance(values, Mapping):
            raise TokenizerError(
                f"`{path}`{self._at()} must be a JSON object, found {brief(values)}"
            )
        self.values = values

    def _at(self, name: str = "") -> str:
        full = ".".join(part for part in (self.where, name) if part)
        return f" field `{full}`" if full else ""

    def get(self, name: str, *types: type, default: Any = None) -> Any:
        """Return a field of one of `types`, or `default` where it is absent or null.

        Raises:
            TokenizerError: When it has another type.
        """
        value = self.values.get(name)
        if value is None:
            return default
        if type(value) not in types:
            expected = " or ".join(kind.__name__ for kind in types)
            raise self.refusal(name, f"must be {expected}, found {brief(value)}")
        return value

    def require(self, name: str, *types: type) -> Any:
        """Return a field that must be there.

        Raises:
            TokenizerError: When it is absent or has another type.
        """
        if self.values.get(name) is None:
            raise TokenizerError(f"`{self.path}` lacks the{self._at(name)}")
        return self.get(name, *types)

    def object(self, name: str) -> "Fields":
        """Return the fields of an object that must be there."""
        return Fields(self.path, self.require(name, dict), self._at(name)[8:-1])

    def refuse_others(self, *known: str) -> None:
        """Refuse a field that is not among `known`.

        Raises:
            TokenizerError: With the nearest known name.
        """
        for name in self.values:
            if name not in known:
                raise TokenizerError(
                    f"`{self.path}` has the unknown{self._at(str(name)[:80])}{did_you_mean(name, known)}"
                )

    def refusal(self, name: str, reason: str) -> TokenizerError:
        """Return the error that says what is wrong with a field."""
        return TokenizerError(f"`{self.path}`{self._at(name)} {reason}")


def brief(value: object) -> str:
    """Show a value in a few characters."""
    shown = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return shown if len(shown) <= 60 else shown[:57] + "..."
