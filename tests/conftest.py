"""Hypothesis profiles and the fixtures that several tests share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import settings

from nano_transformer.tokenization.backend_choice import native_module

settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """Undo that a shell lets its background jobs, and what they start, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", params=["native", "python"])
def backend(request: pytest.FixtureRequest) -> Literal["native", "python"]:
    """Every backend that is built, one after the other."""
    if request.param == "native" and native_module() is None:
        pytest.skip("the Rust extension is not built")
    return request.param


@pytest.fixture(scope="session")
def both_backends() -> None:
    """Skip a comparison of the backends where only one is there."""
    if native_module() is None:
        pytest.skip("the Rust extension is not built")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Leave other cores idle: on matrices this small, torch's threads mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of corpora and models beside the repository, where there is one."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder `../shared` with corpora and models")
    return folder
