"""On what device and in what precision a model runs."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from nano_transformer.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Return the named device, or for "auto" the first of CUDA, MPS and CPU that is there.

    Raises:
        ConfigError: When the device is not there or the name means nothing to torch.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"`device` {name!r} cannot be used ({reason}); use auto, cpu, cuda or mps"
        ) from None
    return device


def choose_dtype(name: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """Return the precision of matrix products: for "auto" bfloat16 where it is done in hardware."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Private to torch, so asked for with care; where it is gone, float32 is the safe answer.
        cpu_has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        native = device.type == "cpu" and cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return a reusable context under which matrix products run in `dtype`."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
