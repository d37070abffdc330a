"""Strict conversion between configuration dataclasses and plain data."""

import dataclasses
import difflib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nano_transformer.errors import ConfigError

T = TypeVar("T")


def to_plain(config: Any) -> dict[str, Any]:
    """Return a configuration dataclass as a dict that JSON can hold, paths as strings."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_plain(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def from_plain(cls: type[T], values: Mapping[str, Any], *, where: str = "configuration") -> T:
    """Build the dataclass `cls` from plain data, the inverse of `to_plain`.

    Args:
        cls: A dataclass whose annotations are int, float, str, bool, Path, Literal, tuple[X, ...],
            another dataclass, or a union of such with None.
        values: One entry per field; fields with a default may be absent.
        where: What the values came from, for messages.

    Raises:
        ConfigError: For an unknown key (with the nearest known one), a missing key or a wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected an object with keys, found {type(values).__name__}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key `{key}`{did_you_mean(key, fields)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise ConfigError(f"{where}: key `{name}` is missing")
    return cls(**{key: _typed(values[key], hints[key], f"{where}.{key}") for key in values})


def did_you_mean(word: str, known: Any) -> str:
    """Return `; did you mean ...?` for the nearest known word, or nothing."""
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{nearest[0]}`?" if nearest else ""


def _typed(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _typed_union(value, get_args(hint), where)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise ConfigError(f"{where}: expected one of {_listed(get_args(hint))}, found {value!r}")
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_typed(item, get_args(hint)[0], where) for item in value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value, where=where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is a subclass of int in Python, but `true` is no count.
    if (
        isinstance(hint, type)
        and isinstance(value, hint)
        and (hint is bool) == (type(value) is bool)
    ):
        return value
    raise ConfigError(f"{where}: expected {getattr(hint, '__name__', hint)}, found {value!r}")


def _typed_union(value: Any, options: tuple[Any, ...], where: str) -> Any:
    if value is None and types.NoneType in options:
        return None
    others = [option for option in options if option is not types.NoneType]
    for option in others[:-1]:
        try:
            return _typed(value, option, where)
        except ConfigError:
            continue
    return _typed(value, others[-1], where)


def _listed(values: tuple[Any, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)
