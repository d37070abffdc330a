"""The build backend chooses rightly, and what several places say of the package agrees."""

import ast
import importlib.util
import inspect
import re
import stat
import tomllib
from pathlib import Path

import pytest

import nano_transformer

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def backend():
    """The module that pip calls to build the package."""
    path = CHECKOUT / "build_backend" / "nanot_build.py"
    spec = importlib.util.spec_from_file_location("nanot_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cargo(tmp_path, monkeypatch):
    """A function that puts a `cargo` with the given answer, alone, on PATH; None removes it."""
    monkeypatch.delenv("NANOT_NATIVE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(answer: str | None, status: int = 0) -> None:
        program = tmp_path / "cargo"
        program.unlink(missing_ok=True)
        if answer is not None:
            program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    install(None)
    return install


def required(backend) -> str:
    """Return the name of the one library that every kind of build asks for."""
    kinds = ("wheel", "editable", "sdist")
    asked = {tuple(getattr(backend, f"get_requires_for_build_{kind}")(None)) for kind in kinds}
    ((requirement,),) = asked
    return re.match(r"\w+", requirement)[0]


@pytest.mark.parametrize(
    ("answer", "status", "name", "reason"),
    [
        ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", 0, "maturin", None),
        ("cargo 2.0.0", 0, "maturin", None),
        (None, 0, "setuptools", "cargo was not found; install Rust 1.89 or newer"),
        ("cargo 1.63.0", 0, "setuptools", "cargo is 1.63; install Rust 1.89 or newer"),
        ("", 1, "setuptools", "`cargo --version` fails; install Rust 1.89 or newer"),
    ],
)
def test_maturin_builds_where_a_new_enough_cargo_works_and_setuptools_elsewhere(
    backend, cargo, answer, status, name, reason
):
    cargo(answer, status)
    assert required(backend) == name
    assert backend.missing_rust() == reason


def test_a_missing_cargo_is_an_error_where_rust_is_asked_for(backend, cargo, monkeypatch):
    monkeypatch.setenv("NANOT_NATIVE", "1")
    with pytest.raises(SystemExit, match=r"NANOT_NATIVE=1 asks .* cargo was not found; install"):
        backend.get_requires_for_build_wheel()


def test_rust_is_left_out_where_nobody_wants_it(backend, cargo, monkeypatch):
    cargo("cargo 1.95.0")
    monkeypatch.setenv("NANOT_NATIVE", "0")
    assert required(backend) == "setuptools"


def test_an_unknown_wish_is_refused(backend, cargo, monkeypatch):
    monkeypatch.setenv("NANOT_NATIVE", "yes")
    with pytest.raises(SystemExit, match="NANOT_NATIVE is `yes`; expected 0"):
        backend.get_requires_for_build_wheel()


def test_a_build_without_rust_says_so_once(backend, cargo, capsys):
    backend.get_requires_for_build_wheel()
    assert capsys.readouterr().err == ""
    assert not backend.wants_rust(announce=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search("tokenizer will be slow: cargo was not found; install Rust", line)


def test_all_places_name_one_version():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    workspace = tomllib.loads((CHECKOUT / "Cargo.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    assert workspace["workspace"]["package"]["version"] == version
    assert nano_transformer.__version__ == version


def test_all_places_name_one_range_of_maturin(backend):
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert backend.MATURIN in project["project"]["optional-dependencies"]["dev"]


def test_pre_commit_runs_commands_of_the_gate():
    hooks = (CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    gate = {line.strip() for line in (CHECKOUT / ".ci" / "run").read_text().splitlines()}
    commands = re.findall(r"entry: (.+)", hooks)
    assert len(commands) == hooks.count("- id:")
    assert set(commands) <= gate


def test_the_scripts_run_the_commands_of_their_names():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    modules = {target.split(":")[0] for target in project["project"]["scripts"].values()}
    called = {
        re.search(r"from (\S+) import main", path.read_text(encoding="utf-8"))[1]
        for path in (CHECKOUT / "scripts").glob("*.py")
    }
    assert called == modules


def names_of_class(node: ast.ClassDef) -> set[str]:
    return {item.name for item in node.body if isinstance(item, ast.FunctionDef)}


def test_the_stub_names_exactly_what_the_extension_has():
    native = pytest.importorskip("nano_transformer._native", exc_type=ModuleNotFoundError)
    stub = ast.parse((Path(nano_transformer.__file__).parent / "_native.pyi").read_text())
    classes = {node.name: names_of_class(node) for node in stub.body if type(node) is ast.ClassDef}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    constants = {node.target.id for node in stub.body if isinstance(node, ast.AnnAssign)}
    public = {name for name in vars(native) if not name.startswith("_")}
    assert public == {*classes, *functions, *constants} - {"__all__"}
    for name, members in classes.items():
        built = {key for key in vars(getattr(native, name)) if not key.startswith("_")}
        assert built == {member for member in members if not member.startswith("_")}
        assert inspect.isclass(getattr(native, name))
