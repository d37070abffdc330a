"""Run `nanot-bpe train` from a file: learn a tokenizer's vocabulary from text."""

import sys

from nano_transformer.cli.bpe.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
