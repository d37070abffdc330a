"""The formats in which tokenizers are stored: our own, GPT-2's, tiktoken's and Hugging Face's."""

from nano_transformer.tokenization.formats.detect import OWN_NAME, load_definition
from nano_transformer.tokenization.formats.gpt2 import read_gpt2, write_gpt2
from nano_transformer.tokenization.formats.huggingface import read_huggingface, write_huggingface
from nano_transformer.tokenization.formats.own import read_own, write_own
from nano_transformer.tokenization.formats.tiktoken import read_tiktoken, write_tiktoken

__all__ = [
    "OWN_NAME",
    "load_definition",
    "read_own",
    "write_own",
    "read_gpt2",
    "write_gpt2",
    "read_tiktoken",
    "write_tiktoken",
    "read_huggingface",
    "write_huggingface",
]
