"""One flat set of flags made of the component configurations, without writing a field twice."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro

T = TypeVar("T")


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, inherited ones too: its help text."""
    docs = {}
    for base in reversed([base for base in cls.__mro__ if dataclasses.is_dataclass(base)]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef), "a dataclass's source is a class"
        for node, following in zip(body.body, body.body[1:], strict=False):
            match node, following:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(doc))):
                    docs[name] = " ".join(doc.split())
    return docs


def flag_group(cls: type, *, derived: Collection[str] = ()) -> type:
    """Return a plain dataclass with one flag per field of `cls`, for tyro.

    The group has no checks of its own: the values are checked when the component configuration is
    built from them, where the message can name the field.

    Args:
        cls: A component configuration.
        derived: Its fields that get no flag, because another group or the data decides them.
    """
    docs, hints = field_docs(cls), get_type_hints(cls)
    columns = []
    for field in dataclasses.fields(cls):
        if field.name in derived:
            continue
        name = field.name.removeprefix("use_").replace("_", "-")
        argument = tyro.conf.arg(name=name, help=docs[field.name])
        default = dataclasses.field(default=field.default)
        columns.append((field.name, Annotated[hints[field.name], argument], default))
    group = dataclasses.make_dataclass(cls.__name__.replace("Config", ""), columns, frozen=True)
    group.__doc__ = cls.__doc__
    return group


def flags_type(name: str, groups: Mapping[str, type]) -> type:
    """Return a dataclass that holds one flag group per entry, for `parse`."""
    columns = [
        (key, group, dataclasses.field(default_factory=group)) for key, group in groups.items()
    ]
    return dataclasses.make_dataclass(name, columns, frozen=True)


def values(group: Any) -> dict[str, Any]:
    """Return the values of a parsed flag group by field name."""
    return {field.name: getattr(group, field.name) for field in dataclasses.fields(group)}


def parse(
    flags: type[T],
    argv: Sequence[str] | None,
    *,
    prog: str,
    description: str,
    default: T | None = None,
) -> T:
    """Parse a command line into `flags`; a mistake ends the process with status 2 and a hint."""
    parsed: T = tyro.cli(
        flags,
        args=argv,
        prog=prog,
        description=description,
        default=flags() if default is None else default,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return parsed
