"""What nanot-pretrain says before and after training."""

import sys

import torch

from nano_transformer.cli.console import logger
from nano_transformer.data.prepare import PreparedData
from nano_transformer.inference.decoding import generate
from nano_transformer.training.trainer import Trainer, TrainResult


def announce(trainer: Trainer, data: PreparedData) -> None:
    """Log what will be trained, on what, and where the files go."""
    train, valid, config = data.train_dataset, data.valid_dataset, trainer.config
    logger.info(
        "data     %s training tokens in %s documents, %s validation tokens | %.2f bytes per token",
        f"{len(train):,}",
        f"{len(train.documents):,}",
        f"{len(valid):,}",
        train.num_bytes / len(train),
    )
    model = trainer.model.config
    logger.info(
        "model    %.2f M parameters | %d layers, width %d, %d heads, vocabulary %s, context %d",
        trainer.model.num_parameters() / 1e6,
        model.num_layers,
        model.d_model,
        model.num_heads,
        f"{model.vocab_size:,}",
        model.context_length,
    )
    logger.info(
        "device   %s, %s, %d threads | %s tokens a step, %d steps | %s",
        trainer.device,
        str(trainer.dtype).removeprefix("torch."),
        torch.get_num_threads(),
        f"{config.tokens_per_step:,}",
        config.max_iters,
        trainer.output_dir,
    )


def tell_story(trainer: Trainer, result: TrainResult) -> None:
    """Log how the run ended, and print one text that the model makes up."""
    logger.info(
        "done     valid loss %.4f | valid bits per byte %.4f (uniform bytes: 8)",
        result.valid_loss,
        result.valid_bits_per_byte,
    )
    sys.stdout.write(f"\n{sample_text(trainer)}\n\n")
    sys.stdout.flush()
    logger.info("more     nanot-sample --run-dir %s --num-samples 3", result.output_dir)
    logger.info(
        "go on    nanot-pretrain --resume-from %s --max-iters %d",
        result.output_dir,
        2 * trainer.config.max_iters,
    )


def sample_text(trainer: Trainer) -> str:
    """Return one sampled document, drawn with the run's seed."""
    tokenizer, device = trainer.tokenizer, trainer.device
    stop = tokenizer.end_of_text_id
    generator = torch.Generator(device).manual_seed(trainer.config.seed)
    tokens = generate(
        trainer.model,
        torch.tensor([stop if stop is not None else 0], device=device),
        max_new_tokens=2 * trainer.model.config.context_length,
        strategy="top_p",
        temperature=0.8,
        stop_token_id=stop,
        generator=generator,
    )
    text = tokenizer.decode([token for token in tokens.tolist() if token != stop])
    return text.strip()
