"""The examples in docstrings do what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

import nano_transformer

PACKAGE = Path(nano_transformer.__file__).parent
WITH_EXAMPLES = sorted(
    path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings_give_what_they_show(path):
    name = ".".join(("nano_transformer", *path.relative_to(PACKAGE).with_suffix("").parts))
    tried = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert tried.attempted > 0
    assert tried.failed == 0
