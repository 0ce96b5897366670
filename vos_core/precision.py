"""Arithmetic: bfloat16 where the machine computes it natively, float32 elsewhere."""

from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

from vos_core.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


def require_precision(precision: str) -> None:
    """Refuse an unknown arithmetic.

    Raises:
        ConfigError: If it is none of :data:`Precision`.
    """
    if precision not in get_args(Precision):
        raise ConfigError(
            f"precision is {precision!r}; give one of {', '.join(get_args(Precision))}."
        )


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return a context in which networks run in the chosen arithmetic.

    Args:
        device: Where the network lives.
        precision: "auto" takes bfloat16 on GPUs that support it and on processors with AVX-512
            bfloat16 instructions (about 1.7 times the speed), float32 elsewhere; and where such
            a context is in force already, as with Lightning's ``--trainer.precision``, that one.
            Training in float16 needs its losses scaled, see :func:`loss_scaler`.
    """
    if precision == "auto" and torch.is_autocast_enabled(device.type):
        enabled, dtype = True, torch.get_autocast_dtype(device.type)
    elif precision == "float16":
        enabled, dtype = True, torch.float16
    else:
        enabled = precision == "bfloat16" or (precision == "auto" and _has_native_bfloat16(device))
        dtype = torch.bfloat16
    # Weights are used once in a context, so a cache of them in this arithmetic gains nothing. It
    # cannot be recorded, and in an outer context it would keep weights that were changed since.
    return torch.autocast(device.type, dtype, enabled=enabled, cache_enabled=False)


def loss_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Return what keeps small gradients from vanishing in float16; it does nothing elsewhere.

    Args:
        device: Where the network lives.
        precision: Its arithmetic; "auto" is that of :func:`autocast` at this place.
    """
    in_force = precision == "auto" and torch.is_autocast_enabled(device.type)
    half = in_force and torch.get_autocast_dtype(device.type) is torch.float16
    return torch.amp.GradScaler(device.type, enabled=half or precision == "float16")


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
