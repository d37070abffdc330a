"""Data can be prepared with a tokenizer that comes from anywhere, and is cut by its own delimiter."""

import json

import numpy as np
import pytest

from nano_transformer import prepare_pretraining_data
from nano_transformer.data.config import DataConfig
from nano_transformer.errors import ConfigError, TokenizerError
from nano_transformer.tokenization import Tokenizer, train_bpe

DOCUMENTS = [f"story {number}: the dog sat.\n" for number in range(400)]


def tokenizer_with(folder, eos: str) -> Tokenizer:
    vocab, merges = train_bpe(texts=DOCUMENTS, vocab_size=300, special_tokens=[], pattern="gpt4")
    tokenizer = Tokenizer(vocab, merges, [eos], pattern="gpt4", eos_token=eos)
    tokenizer.save_huggingface(folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": eos}))
    return tokenizer


def test_a_tokenizer_of_another_library_cuts_documents_at_its_own_eos(tmp_path):
    tokenizer = tokenizer_with(tmp_path, "</s>")
    (tmp_path / "text.txt").write_text("</s>".join(DOCUMENTS))
    train, valid, loaded = prepare_pretraining_data(
        tmp_path / "text.txt",
        tokenizer_path=tmp_path / "tokenizer.json",
        data_dir=tmp_path / "data",
    )
    assert loaded == tokenizer
    assert train.num_documents + valid.num_documents == len(DOCUMENTS)
    assert 0 < valid.num_documents < 60
    assert np.count_nonzero(train.tokens == tokenizer.eos_id) == train.num_documents


def test_two_tokenizers_of_one_text_keep_caches_of_their_own(tmp_path):
    (tmp_path / "text.txt").write_text("</s>".join(DOCUMENTS))
    paths = set()
    for eos in ("</s>", "<|endoftext|>"):
        tokenizer_with(tmp_path, eos).save(tmp_path / "own.json")
        train, _, _ = prepare_pretraining_data(
            tmp_path / "text.txt", tokenizer_path=tmp_path / "own.json", data_dir=tmp_path / "data"
        )
        paths.add(train.cache_path)
    assert len(paths) == 2
    assert all(path.exists() for path in paths)


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(TokenizerError, match=r"none\.json` does not exist"):
        prepare_pretraining_data(tmp_path / "text.txt", tokenizer_path=tmp_path / "none.json")


@pytest.mark.parametrize(
    "others", [{"vocab_size": 300}, {"vocab_path": "vocab.json", "merges_path": "merges.txt"}]
)
def test_a_whole_tokenizer_goes_with_no_other_choice(others):
    with pytest.raises(ConfigError, match="does not go with `tokenizer_path`"):
        DataConfig(tokenizer_path="tok.json", **others)
