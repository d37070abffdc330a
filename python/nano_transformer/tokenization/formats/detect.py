"""Which format a file or folder holds a tokenizer in."""

from pathlib import Path

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.gpt2 import read_gpt2
from nano_transformer.tokenization.formats.huggingface import parse_huggingface
from nano_transformer.tokenization.formats.own import parse_own
from nano_transformer.tokenization.formats.reading import read_json
from nano_transformer.tokenization.vocabulary import END_OF_TEXT

OWN_NAME = "tokenizer.nanot.json"
"""What our own file is called in a folder or run, where Hugging Face's is `tokenizer.json`."""

_JSON_NAMES = (OWN_NAME, "tokenizer.json")
_GPT2_NAMES = ("vocab.json", "merges.txt")


def load_definition(path: Path) -> TokenizerDefinition:
    """Read a tokenizer from a file of our own or Hugging Face's, or from a folder.

    Of a folder, our own file is taken, else `tokenizer.json`, else `vocab.json` with `merges.txt`, in
    which `<|endoftext|>` is special if it is there.

    Raises:
        TokenizerError: When there is none, or it is malformed, or its format does not say enough.
        OSError: When a file cannot be read.
    """
    if path.is_dir():
        return _load_from_folder(path)
    if not path.exists():
        raise TokenizerError(f"`{path}` does not exist; give a tokenizer's file or folder")
    if path.suffix in (".tiktoken", ".bpe"):
        raise TokenizerError(
            f"`{path}` holds ranks without pattern and special tokens; name them with `nanot-bpe "
            "import --pattern` or `Tokenizer.from_tiktoken`"
        )
    values = read_json(path)
    if isinstance(values, dict) and "format" in values:
        return parse_own(path, values)
    if isinstance(values, dict) and "model" in values:
        return parse_huggingface(path, values)
    raise TokenizerError(
        f"`{path}` is neither our own tokenizer file nor a tokenizer.json; GPT-2's vocab.json is read "
        "together with its merges.txt, by naming their folder or both files"
    )


def _load_from_folder(folder: Path) -> TokenizerDefinition:
    for name in _JSON_NAMES:
        if (folder / name).is_file():
            return load_definition(folder / name)
    vocab_path, merges_path = (folder / name for name in _GPT2_NAMES)
    if not (vocab_path.is_file() and merges_path.is_file()):
        raise TokenizerError(
            f"`{folder}` holds no tokenizer: expected {' or '.join(_JSON_NAMES)}, or "
            f"{' with '.join(_GPT2_NAMES)}"
        )
    definition = read_gpt2(vocab_path, merges_path)
    if END_OF_TEXT.encode() in definition.vocab.values():
        definition.special_tokens.append(END_OF_TEXT)
    return definition
