"""Imports go one way, leave torch out where promised, and do no work; no file is out of place."""

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import nano_transformer

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = Path(nano_transformer.__file__).parent

# Part of the package -> the parts it may import; imports inside functions count too.
BOTTOM = {"errors", "files", "config_io", "lazy"}
ALLOWED = {
    "errors": set(),
    "lazy": set(),
    "files": {"errors"},
    "config_io": {"errors"},
    "_native": set(),
    "tokenization": {*BOTTOM, "_native"},
    "data": {*BOTTOM, "tokenization"},
    "model": {"errors", "config_io", "lazy"},
    "inference": {*BOTTOM, "model"},
    "evaluation": {*BOTTOM, "model", "data"},
    "training": {*BOTTOM, "tokenization", "data", "model", "evaluation"},
    "interop": {*BOTTOM, "tokenization", "data", "model", "training"},
    "cli": {
        *BOTTOM,
        *("tokenization", "data", "model", "inference", "evaluation", "training", "interop"),
    },
    # The package itself names the public things of every part, and no command.
    "nano_transformer": {
        "lazy",
        *("tokenization", "data", "model", "inference", "evaluation", "training", "interop"),
    },
}
ONLY_CLI = {"argparse", "tyro"}
DISTRIBUTED_VARIABLES = {"RANK", "WORLD_SIZE", "LOCAL_RANK"}
LARGEST_FILE = 250_000
# Assembled, so that this file does not hold what it forbids.
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:work|root|home|tmp|opt)" + rb"/")


def module_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = ("nano_transformer", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Yield what a file imports, wherever in it, and the homes of its lazy names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} is a relative import; write it out"
            # `from nano_transformer import files` names a module too.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOMES":
            yield from (f"nano_transformer.{home}" for home in ast.literal_eval(node.value))
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def part_of(module: str) -> str:
    """Return the part a module of ours belongs to: `nano_transformer.data.batches` -> `data`."""
    names = module.split(".")
    return names[1] if len(names) > 1 and names[1] in ALLOWED else names[0]


def test_the_allowed_directions_hold_no_circle():
    graph = {part: allowed for part, allowed in ALLOWED.items() if part != "nano_transformer"}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)


@pytest.mark.parametrize("path", module_files(), ids=module_name)
def test_imports_go_one_way(path):
    part = part_of(module_name(path))
    ours = {name for name in imported_modules(path) if name.split(".")[0] == "nano_transformer"}
    reached = {part_of(name) for name in ours} - {part}
    assert reached <= ALLOWED[part], f"`{part}` may import only {sorted(ALLOWED[part])}"


def test_no_modules_import_each_other_in_a_circle():
    modules = {module_name(path) for path in module_files() if path.name != "__init__.py"}

    def module_of(name: str) -> str:
        return name if name in modules else name.rpartition(".")[0]

    graph = {
        module_name(path): {module_of(name) for name in imported_modules(path)} & modules
        for path in module_files()
        if path.name != "__init__.py"  # these only name what their modules offer
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(modules)


def test_every_part_has_a_place_in_the_table():
    entries = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in module_files()}
    assert entries - {"__init__"} <= set(ALLOWED)


def test_only_the_commands_read_flags():
    for path in module_files():
        found = {name.split(".")[0] for name in imported_modules(path)} & ONLY_CLI
        assert not found or part_of(module_name(path)) == "cli", f"{path.name} imports {found}"


def test_only_one_file_reads_the_variables_of_torchrun():
    for path in module_files():
        constants = (
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        found = DISTRIBUTED_VARIABLES.intersection(constants)
        assert not found or module_name(path) == "nano_transformer.training.distributed", path.name


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_tokenization_caches_and_configurations_import_without_torch():
    configurations = [module_name(path) for path in module_files() if path.name == "config.py"]
    assert configurations
    code = (
        "import importlib, sys\n"
        "sys.modules['torch'] = None  # importing it fails, and the traceback names who did\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
    )
    done = run_python(
        code,
        "nano_transformer",
        "nano_transformer.tokenization",
        "nano_transformer.data.token_cache",
        *configurations,
    )
    assert done.returncode == 0, done.stderr


IMPORT_ALL = """
import importlib, os, sys, threading
import filelock, numpy, rich.console, rich.progress, torch, tyro  # what these do is not ours
seen = []
def watch(event, arguments):
    if event == "open" and arguments[2] is not None and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        seen.append(f"opened {arguments[0]} for writing")
    elif event in ("os.mkdir", "os.rename", "os.remove", "subprocess.Popen", "os.fork"):
        seen.append(f"{event} {arguments}")
    elif event.startswith(("socket.", "urllib.")):
        seen.append(event)
def state():
    tasks = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else []
    settings = (torch.get_num_threads(), torch.get_default_dtype(), torch.initial_seed())
    return len(tasks), threading.active_count(), dict(os.environ), settings
sys.addaudithook(watch)
before = state()
for name in sys.argv[1:]: importlib.import_module(name)
assert not seen, seen
assert state() == before, (before, state())
"""


def test_importing_any_module_does_no_work():
    names = [module_name(path) for path in module_files() if path.stem != "__main__"]
    done = run_python(IMPORT_ALL, *names)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_dev_extra_and_the_dependency_group_are_one_list():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["optional-dependencies"]["dev"] == project["dependency-groups"]["dev"]


def files_of_the_repository() -> list[Path]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("this is no git checkout")
    paths = (CHECKOUT / name for name in done.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_of_the_repository_is_large():
    sizes = {str(path): path.stat().st_size for path in files_of_the_repository()}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}


def test_no_file_of_the_repository_names_a_path_of_one_machine():
    found = {
        str(path.relative_to(CHECKOUT)): match[0]
        for path in files_of_the_repository()
        if (match := MACHINE_PATH.search(path.read_bytes()))
    }
    assert found == {}
