"""Every command and every Python block of the documents below works as it stands.

A `bash` block runs in an empty folder; the `python` blocks of a document run in order, as scripts
in one folder. Blocks that install the package or run the checks belong to `.ci/run`. A comment
right above a block says what it needs and how it is shortened here:

    <!-- test: needs="demo-run story.txt" append="--max-iters 20" -->

`needs`: `demo-run` is a finished run of `nanot-pretrain`, a name in `.txt` a small text of stories.
`append`: flags put after the block's last line. What is no program stands in a `text`, `toml` or
`json` block.
"""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/large-corpora.md")
NO_PROGRAM = {"text", "toml", "json"}
# They install or act on the checkout: `.ci/run` or the developer's own hands run these.
GATE = ("pip install", "pytest", ".ci/run", "pre-commit", "git clone", "cd nano-transformer")
GATE += ("python3 -m venv", ". .venv/bin/activate", "ruff", "mypy", "cargo")
SMALL_RUN = (
    "--max-iters=4 --context-length=32 --d-model=32 --num-layers=1 --num-heads=2 --batch-size=4 "
    "--warmup-iters=1 --eval-iters=1 --device=cpu"
).split()
STORIES = "".join(
    f"{name} had a {thing}. One day the {thing} was lost. {name} looked for it all day.\n"
    f"In the evening a friend brought it back, and {name} was happy.\n<|endoftext|>\n"
    for name in ("Anna", "Ben", "Clara", "David", "Emma", "Finn", "Greta", "Hugo")
    for thing in ("kite", "red ball", "little boat", "drum", "story book", "wooden horse") * 5
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, its language and text, and what its comment says."""

    document: str
    line: int
    language: str
    text: str
    needs: tuple[str, ...]
    append: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    def is_gate(self) -> bool:
        """Say whether all commands of a bash block are run by `.ci/run` and developers instead."""
        commands = self.text.replace("\\\n", " ").splitlines()
        commands = [line for line in commands if line.strip() and not line.startswith("#")]
        gate = [line.startswith(GATE) for line in commands]
        assert all(gate) or not any(gate), f"{self}: put what installs into a block of its own"
        return all(gate)


def blocks_of(document: str) -> list[Block]:
    path = CHECKOUT / document
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    fence = re.compile(
        r"^(?:<!-- test: (?P<marker>.*?) -->\n+)?^```(?P<language>.*)\n(?P<text>(?s:.*?))^```$",
        re.MULTILINE,
    )
    blocks = []
    for match in fence.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        settings = dict(word.split("=", 1) for word in shlex.split(match["marker"] or ""))
        needs = tuple(settings.pop("needs", "").split())
        append = settings.pop("append", "")
        assert not settings, f"{document}:{line}: unknown {settings}; expected needs and append"
        blocks.append(Block(document, line, match["language"], match["text"], needs, append))
    assert text.count("<!-- test:") == sum(bool(b.needs or b.append) for b in blocks), (
        f"{document}: a `<!-- test: ... -->` says nothing or stands above no block"
    )
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(blocks), (
        f"{document}: a fence is indented or not closed"
    )
    return blocks


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
COMMANDS = [block for block in BLOCKS if block.language == "bash" and not block.is_gate()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_document_is_there(document):
    assert (CHECKOUT / document).exists()


def test_the_readme_has_the_two_commands_that_the_gate_runs():
    lines = [
        line for block in BLOCKS if block.language == "bash" for line in block.text.split("\n")
    ]
    assert "pip install . && nanot-pretrain" in lines
    assert "pip install '.[dev]' && pytest" in lines


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_is_no_program(block):
    assert block.language in {"bash", "python", *NO_PROGRAM}, (
        f"{block}: `{block.language}` is run by nothing; use bash or python, or one of {NO_PROGRAM}"
    )
    shortened = block.language == "python" or (block.language == "bash" and not block.is_gate())
    assert shortened or not (block.needs or block.append), f"{block}: its comment has no effect"
    assert block.language == "bash" or not block.append, f"{block}: only commands take flags"


def test_the_reading_path_is_as_long_as_it_says():
    section = (CHECKOUT / "README.md").read_text().split("## Read it")[1].split("\n## ")[0]
    said = int(re.search(r"about ([\d,]+) lines", section)[1].replace(",", ""))
    files = re.findall(r"^\d+\. \[.*?\]\((.*?)\)", section, re.MULTILINE)
    lines = sum((CHECKOUT / file).read_text().count("\n") for file in files)
    assert 12 <= len(files) <= 20
    assert abs(lines - said) <= 100
    assert lines <= 2_500


def run(arguments: list[str], folder: Path) -> None:
    """Run a program as a person would in this environment; show its output when it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory):
    """The folder in which `nanot-pretrain`, made small, has run once."""
    folder = tmp_path_factory.mktemp("demo")
    run(["nanot-pretrain", *SMALL_RUN], folder)
    return folder


@pytest.fixture
def provide(request):
    """Put what a block needs into a folder."""

    def put(block: Block, folder: Path) -> None:
        for need in block.needs:
            if need == "demo-run":
                shutil.copytree(request.getfixturevalue("demo_run"), folder, dirs_exist_ok=True)
            else:
                assert need.endswith(".txt"), f"{block}: `{need}` is neither demo-run nor a .txt"
                (folder / need).write_text(STORIES, encoding="utf-8")

    return put


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_a_block_of_commands_works(block, tmp_path, provide):
    provide(block, tmp_path)
    script = f"{block.text.rstrip()} {block.append}"
    run(["bash", "-euo", "pipefail", "-c", script], tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_python_blocks_work(document, tmp_path, provide):
    for block in blocks_of(document):
        if block.language == "python":
            provide(block, tmp_path)
            script = tmp_path / f"line_{block.line}.py"
            script.write_text(block.text, encoding="utf-8")
            run([sys.executable, script.name], tmp_path)
