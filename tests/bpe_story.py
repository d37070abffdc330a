"""A small text, a tokenizer learnt from it, and how `nanot-bpe` is started in a process of its own."""

import sys
from pathlib import Path

from nano_transformer.cli.bpe.main import main

COMMAND = [sys.executable, "-c", "from nano_transformer.cli.bpe.main import main; main()"]
STORY = "".join(
    f"{name} saw the {animal}. The {animal} ran to {name}, who wasn't afraid.\n<|endoftext|>\n"
    for name in ("Tom", "Ana", "Zoë", "李雷")
    for animal in ("dog", "grey goose", "horse", "café's cat")
)


def fill(folder: Path) -> Path:
    """Write the text, files that are none, and a tokenizer of 310 entries into a folder."""
    (folder / "story.txt").write_text(STORY, encoding="utf-8")
    (folder / "latin1.txt").write_bytes("caf\xe9 noir".encode("latin-1"))
    (folder / "empty.txt").touch()
    (folder / "broken.json").write_text('{"model": ')
    learn = ["train", "--input-path", folder / "story.txt", "--vocab-size", "310"]
    main([*map(str, learn), "--tokenizer-path", str(folder / "tok.json")])
    return folder
