"""Which backend builds the package: maturin where cargo can, else setuptools without Rust.

Pip calls these hooks (PEP 517 and 660). `NANOT_NATIVE=1` makes a missing cargo an error,
`NANOT_NATIVE=0` leaves Rust out.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

MATURIN = "maturin>=1.9,<2"
SETUPTOOLS = "setuptools>=77.0.3"  # the first to read `license` as pyproject.toml gives it
SOURCE = Path(__file__).resolve().parent.parent


def missing_rust() -> str | None:
    """Say what keeps the extension from being built with Rust, or None when nothing does."""
    manifest = tomllib.loads((SOURCE / "Cargo.toml").read_text(encoding="utf-8"))
    needed = str(manifest["workspace"]["package"]["rust-version"])
    cargo = shutil.which("cargo")
    if cargo is None:
        return f"cargo was not found; install Rust {needed} or newer"
    # Rustup leaves a `cargo` on PATH that fails while no toolchain is chosen.
    answer = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"cargo (\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or found is None:
        return f"`cargo --version` fails; install Rust {needed} or newer"
    if tuple(map(int, found.groups())) < tuple(map(int, needed.split(".")[:2])):
        return f"cargo is {found[1]}.{found[2]}; install Rust {needed} or newer"
    return None


def wants_rust(*, announce: bool = False) -> bool:
    """Choose maturin (True) or setuptools (False); `announce` says when the result will be slow.

    Raises:
        SystemExit: When `NANOT_NATIVE=1` and Rust is missing, or `NANOT_NATIVE` has another value.
    """
    choice = os.environ.get("NANOT_NATIVE", "")
    if choice not in ("", "0", "1"):
        raise SystemExit(f"NANOT_NATIVE is `{choice}`; expected 0 (no Rust), 1 (Rust) or unset")
    missing = "NANOT_NATIVE is 0; unset it" if choice == "0" else missing_rust()
    if missing and choice == "1":
        raise SystemExit(f"NANOT_NATIVE=1 asks for the Rust extension, but {missing}, or unset it")
    if missing and announce:
        print(
            f"nano-transformer: building without Rust, so the tokenizer will be slow: {missing} "
            "and install again for the fast one",
            file=sys.stderr,
        )
    return not missing


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:  # noqa: ARG001
    """Name what the chosen backend needs installed."""
    return [MATURIN] if wants_rust() else [SETUPTOOLS]


get_requires_for_build_editable = get_requires_for_build_wheel
get_requires_for_build_sdist = get_requires_for_build_wheel


@contextmanager
def _backend(*, announce: bool = False) -> Iterator[Any]:
    """Lend the chosen backend's hooks."""
    if wants_rust(announce=announce):
        # Otherwise maturin may download a whole toolchain by itself.
        os.environ["MATURIN_NO_INSTALL_RUST"] = "1"
        yield import_module("maturin")
        return
    with tempfile.TemporaryDirectory() as folder:
        # A fresh build folder, so that no file of an earlier build gets into the wheel.
        config = Path(folder, "build.cfg")
        config.write_text(f"[build]\nbuild_base = {folder}\n", encoding="utf-8")
        os.environ["DIST_EXTRA_CONFIG"] = str(config)
        yield import_module("setuptools.build_meta")


def _delegate(name: str, *, announce: bool = False) -> Callable[..., str]:
    """Return the hook `name`, which calls the chosen backend's hook with the same arguments."""

    def hook(*args: Any, **kwargs: Any) -> str:
        with _backend(announce=announce) as backend:
            return str(getattr(backend, name)(*args, **kwargs))

    return hook


prepare_metadata_for_build_wheel = _delegate("prepare_metadata_for_build_wheel")
prepare_metadata_for_build_editable = _delegate("prepare_metadata_for_build_editable")
build_wheel = _delegate("build_wheel", announce=True)
build_editable = _delegate("build_editable", announce=True)
build_sdist = _delegate("build_sdist")
