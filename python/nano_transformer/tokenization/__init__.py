"""Byte-level BPE: training, encoding and decoding, in Rust or in plain Python."""

from nano_transformer.tokenization.tokenizer import Tokenizer
from nano_transformer.tokenization.training import train_bpe

__all__ = ["Tokenizer", "train_bpe"]
