"""Solvers of both stages: an optimiser and the schedule that belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR, PolynomialLR

from vos_core.errors import ConfigError

SolverKind = Literal["adamw", "sgd", "sgd_constant"]


@dataclass(frozen=True)
class Solver:
    """How weights are fitted.

    Attributes:
        kind: "adamw", whose learning rate rises for a tenth of the steps and then falls to zero,
            "sgd" with momentum, whose rate falls by DeepLab's "poly" rule, (1 - t)^0.9, or
            "sgd_constant", whose rate stays.
        lr: Learning rate at its peak.
        weight_decay: Of either.
        momentum: Of either SGD.
        head_rate: Factor of the rate of the network's last layers; twice as much for their biases
            (DeepLabv2: 10 and 20). 1 treats all layers and biases alike.
    """

    kind: SolverKind
    lr: float
    weight_decay: float
    momentum: float = 0.9
    head_rate: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no optimiser takes.

        Raises:
            ConfigError: If the kind is unknown or a number is negative.
        """
        if self.kind not in get_args(SolverKind):
            kinds = get_args(SolverKind)
            raise ConfigError(f"solver is {self.kind!r}; give one of {', '.join(kinds)}.")
        told = {"learning rate": self.lr, "weight decay": self.weight_decay}
        for name, value in {**told, "momentum": self.momentum, "head_rate": self.head_rate}.items():
            if not value >= 0:
                raise ConfigError(f"the {name} is {value}; give 0 or more.")

    def build(
        self, network: nn.Module, steps: int, *, fused: bool = True
    ) -> tuple[torch.optim.Optimizer, LRScheduler]:
        """Return an optimiser of the network's weights that ask for gradients, and its schedule.

        Args:
            network: Where ``head_rate`` is not 1, its last layers are its ``last_layers``.
            steps: Length of the schedule; a very short one is cut off before it has come down.
            fused: AdamW changes all weights in one pass. Lightning does not clip gradients for one
                that also takes the scale off them (float16).

        Raises:
            ConfigError: If ``head_rate`` is not 1 and the network does not name its last layers.
        """
        groups = self._groups(network)
        if self.kind != "adamw":
            # never fused: where a loss scaler skips its first step, momentum would be whatever is
            # in memory (torch 2.15)
            sgd = torch.optim.SGD(groups, self.lr, self.momentum, weight_decay=self.weight_decay)
            if self.kind == "sgd_constant":
                return sgd, ConstantLR(sgd, factor=1.0)
            return sgd, PolynomialLR(sgd, total_iters=steps, power=0.9)
        adamw = torch.optim.AdamW(groups, self.lr, weight_decay=self.weight_decay, fused=fused)
        peaks = [float(group["lr"]) for group in adamw.param_groups]
        # a tenth of 10 steps is a warm-up of length 0, by which OneCycleLR divides
        return adamw, OneCycleLR(adamw, peaks, total_steps=max(steps, 11), pct_start=0.1)

    def _groups(self, network: nn.Module) -> list[dict[str, Any]]:
        # weights that are frozen would decay, too
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if self.head_rate == 1:
            return [{"params": trained}]
        layers: Sequence[nn.Module] | None = getattr(network, "last_layers", None)
        if layers is None:
            raise ConfigError(
                f"{type(network).__name__} does not name its last layers, so head_rate must be 1, "
                f"but is {self.head_rate}."
            )
        named = [
            (name, parameter)
            for layer in layers
            for name, parameter in layer.named_parameters()
            if parameter.requires_grad
        ]
        biases = [parameter for name, parameter in named if name.endswith("bias")]
        weights = [parameter for name, parameter in named if not name.endswith("bias")]
        head = {id(parameter) for _, parameter in named}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if id(p) not in head]},
            {"params": weights, "lr": self.lr * self.head_rate},
            {"params": biases, "lr": 2 * self.lr * self.head_rate},
        ]
        return [group for group in groups if group["params"]]
