"""Does the installed package tokenize, without torch, and with the backend named as argument?"""

import importlib.metadata
import importlib.util
import sys

import nano_transformer
from nano_transformer.tokenization import Tokenizer, train_bpe

TEXT = "low lower lowest, das Größte: 最低 🙂\n<|endoftext|>"


def main(expected: str) -> None:
    """Train, encode and decode with what is installed, and check what it is.

    Args:
        expected: `native` or `python`.
    """
    native_is_there = importlib.util.find_spec("nano_transformer._native") is not None
    assert native_is_there == (expected == "native"), f"extension installed: {native_is_there}"
    vocab, merges = train_bpe(texts=[TEXT], vocab_size=270, special_tokens=["<|endoftext|>"])
    tokenizer = Tokenizer(vocab, merges, special_tokens=["<|endoftext|>"])
    assert tokenizer.backend_name == expected, f"the backend is {tokenizer.backend_name}"
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT, "the text does not come back"
    version = importlib.metadata.version("nano-transformer")
    assert version == nano_transformer.__version__, f"the metadata says {version}"


if __name__ == "__main__":
    main(sys.argv[1])
