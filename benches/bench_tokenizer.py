"""How fast does the tokenizer train, encode and decode, beside the peers that are installed?

python benches/bench_tokenizer.py TEXT... [--rounds 5] [--threads 1 2] [--only WORK...] [--json FILE]
"""

import argparse
import hashlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import harness
import numpy as np
from hostile_texts import SIZES
from libraries import PEERS, SPECIAL, installed_peers
from tokenizer_floors import left_out, rows, table
from tokenizer_jobs import NEED_VOCABULARY, WORKS, Plan, chosen_jobs

from nano_transformer.tokenization import Tokenizer

SHARED = Path(__file__).resolve().parents[2] / "shared"
GPT2 = SHARED / "models" / "gpt2-tokenizer"
QUICK_BYTES = 2_000_000


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("texts", type=Path, nargs="*", help="documents between <|endoftext|>")
    parser.add_argument("--large", type=Path, help="a text of 1 GB, to measure memory with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--libraries", nargs="+", choices=PEERS, default=installed_peers())
    parser.add_argument("--vocab-size", type=int, default=32_000, help="entries to learn")
    parser.add_argument("--hostile-vocab-size", type=int, default=32_000)
    parser.add_argument("--gpt2", type=Path, default=GPT2, help="folder of GPT-2's two files")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round with 2 MB of each text, hostile ones of 0.1 MB",
    )
    parser.add_argument("--json", type=Path, help="where every round's figures go")
    parser.add_argument("--show", type=Path, help="print the table of such a file; measure nothing")
    flags = parser.parse_args(arguments)
    if flags.show is None and not flags.texts and set(flags.only) - {"hostile", "memory"}:
        parser.error("name a text; benches/make_english.py makes one of 100 MB")
    return flags


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table of what was asked and found, and write the figures."""
    flags = parse(arguments)
    if flags.show is not None:
        _, found = harness.read_json(flags.show)
        show(found)
        return
    with tempfile.TemporaryDirectory(prefix="bench-tokenizer-") as name:
        tokenizer = open_gpt2(flags.gpt2)
        end_of_text_id = None if tokenizer is None else tokenizer.end_of_text_id
        plan = make_plan(flags, Path(name), end_of_text_id)
        works = list(flags.only)
        if tokenizer is None:
            works = [work for work in works if work not in NEED_VOCABULARY]
            print(f"`{flags.gpt2}` holds no GPT-2 vocabulary, so only training is measured")
        else:
            prepare_vocabulary(tokenizer, plan)
        if "decode" in works and tokenizer is not None:
            for text, path in plan.texts.items():
                np.save(plan.folder / f"{text}.npy", tokenizer.encode_file(path))
        if "memory" in works and plan.large is None:
            print("the memory of 1 GB is not measured: --large names no text")
        jobs = chosen_jobs(plan, works)
        found = harness.measure(jobs, 1 if flags.quick else flags.rounds, report)
        facts = run_facts(flags, plan)
    if flags.json:
        harness.write_json(flags.json, facts, found)
    show(found)


def report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def make_plan(flags: argparse.Namespace, folder: Path, end_of_text_id: int | None) -> Plan:
    """Settle texts and sizes; a quick run takes the beginning of each text."""
    texts = {path.stem: path for path in flags.texts}
    sizes: tuple[int, ...] = SIZES
    hostile_vocab_size = flags.hostile_vocab_size
    if flags.quick:
        # Of a small text, tokens as long as half of it would be learnt.
        hostile_vocab_size = min(hostile_vocab_size, 400)
        sizes = tuple(size // 100 for size in SIZES)
        for name, path in texts.items():
            with path.open("rb") as file:
                start = file.read(QUICK_BYTES).decode("utf-8", "ignore")
            texts[name] = folder / path.name
            texts[name].write_text(start, encoding="utf-8", newline="")
    return Plan(
        texts=texts,
        large=flags.large,
        folder=folder,
        threads=tuple(flags.threads),
        libraries=flags.libraries,
        vocab_size=flags.vocab_size,
        hostile_vocab_size=hostile_vocab_size,
        hostile_sizes=sizes,
        end_of_text_id=-1 if end_of_text_id is None else end_of_text_id,
    )


def open_gpt2(folder: Path) -> Tokenizer | None:
    """Return GPT-2's tokenizer if its files are there."""
    files = folder / "gpt2_vocab.json", folder / "gpt2_merges.txt"
    if not all(path.exists() for path in files):
        return None
    return Tokenizer.from_files(*files, [SPECIAL])


def prepare_vocabulary(tokenizer: Tokenizer, plan: Plan) -> None:
    """Write the vocabulary in each format that a library reads."""
    folder = Path(plan.vocabulary)
    folder.mkdir()
    tokenizer.save_gpt2(folder / "vocab.json", folder / "merges.txt")
    tokenizer.save_tiktoken(folder / "ranks.tiktoken")
    tokenizer.save_huggingface(folder / "tokenizer.json")


def run_facts(flags: argparse.Namespace, plan: Plan) -> dict[str, object]:
    texts = {}
    for name, path in plan.texts.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        texts[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return harness.machine_facts(["nano-transformer", "numpy", *PEERS]) | {
        "texts": texts,
        "rounds": 1 if flags.quick else flags.rounds,
        "vocab_size": plan.vocab_size,
        "hostile_vocab_size": plan.hostile_vocab_size,
    }


def show(found: Sequence[harness.Measurement]) -> None:
    """Print every median, then the table of what was asked for."""
    heading = f"{'work':16}{'text':34}{'threads':>8}  {'library':18}"
    print(f"{heading}{'median s':>10}{'min s':>9}{'CPU s':>9}{'MB/s':>9}{'peak MB':>9}")
    for m in found:
        line = f"{m.work:16}{m.text:34}{m.threads:>8}  {m.library:18}"
        if m.error is not None:
            print(f"{line} {m.error}")
            continue
        median = statistics.median(m.seconds)
        speed = m.megabytes / median
        cells = f"{median:10.3f}{min(m.seconds):9.3f}{statistics.median(m.cpu_seconds):9.3f}"
        print(f"{line}{cells}{speed:9.1f}{m.median_peak:9.0f}")
    print(f"\n{table(rows(found))}")
    for sentence in left_out(found):
        print(sentence)


if __name__ == "__main__":
    main()
