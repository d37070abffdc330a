"""nanot-sample: let a trained model continue a prompt or make up a text."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from nano_transformer.cli.console import run_command
from nano_transformer.cli.flags import flag_group, flags_type, parse, values
from nano_transformer.cli.run_choice import RunChoice, open_run
from nano_transformer.errors import ConfigError
from nano_transformer.inference.config import SamplingConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Texts:
    """What to continue, how far, and how often."""

    prompt: str = ""
    """Text to continue; empty: a text from its beginning."""
    max_new_tokens: int = 256
    """Longest continuation, in tokens; a text also ends where the model ends it."""
    num_samples: int = 1
    """Texts to make."""
    use_kv_cache: bool = True
    """Remember keys and values between tokens; without, every token computes the whole context anew."""
    seed: int = 1337
    """Seed of the random choices."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.num_samples < 1:
            raise ConfigError(f"`num_samples` must be at least 1, found {self.num_samples}")


Flags = flags_type(
    "Flags",
    {
        "run": flag_group(RunChoice),
        "texts": flag_group(Texts),
        "sampling": flag_group(SamplingConfig),
    },
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, else the process's own."""
    run_command(lambda: _sample(parse(Flags, argv, prog="nanot-sample", description=__doc__ or "")))


def _sample(flags: Any) -> None:
    choice, texts = RunChoice(**values(flags.run)), Texts(**values(flags.texts))
    sampling = SamplingConfig(**values(flags.sampling))

    import torch

    from nano_transformer.inference.decoding import generate
    from nano_transformer.training.devices import autocast, choose_dtype

    run, device = open_run(choice)
    stop = run.tokenizer.end_of_text_id
    # Training shows every document after an end-of-text token, so sampling begins with one.
    prompt = ([] if stop is None else [stop]) + run.tokenizer.encode(texts.prompt)
    if not prompt:
        raise ConfigError("`prompt` is empty and the tokenizer has no <|endoftext|>; give a prompt")
    with autocast(device, choose_dtype(choice.dtype, device)):
        rows = generate(
            run.model,
            torch.tensor(prompt, device=device).repeat(texts.num_samples, 1),
            max_new_tokens=texts.max_new_tokens,
            **values(sampling),
            stop_token_id=stop,
            use_kv_cache=texts.use_kv_cache,
            generator=torch.Generator(device).manual_seed(texts.seed),
        )
    for number, row in enumerate(rows.tolist()):
        if number:
            sys.stdout.write("---\n")
        text = run.tokenizer.decode([token for token in row if token != stop])
        sys.stdout.write(text.strip("\n") + "\n")
