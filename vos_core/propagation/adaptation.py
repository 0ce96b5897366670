"""Online adaptation: fit a copy of the network to one sequence before propagating."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vos_core.optimisation import one_cycle
from vos_core.precision import Precision, autocast
from vos_core.types import RefinementSample

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AdaptationSettings:
    """How a network is fitted to one sequence.

    Attributes:
        iterations: Optimisation steps; 0 leaves the network as it is.
        lr: Peak learning rate of AdamW, reached after a tenth of the steps, zero at the end.
        weight_decay: Of AdamW.
        precision: Arithmetic of the network.
    """

    iterations: int = 200
    lr: float = 1e-2
    weight_decay: float = 1e-4
    precision: Precision = "auto"


def adapt(
    network: nn.Module,
    batches: Iterator[RefinementSample],
    loss: Loss,
    settings: AdaptationSettings,
    on_step: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """Return a copy of ``network`` fitted to ``batches``; the network itself stays as it is.

    Safe to call where gradients are off (Lightning's test and predict loops): gradients and
    fresh, trainable weights are made here.

    Args:
        network: ``network(image, previous_mask) -> (B, 1, H, W) logits``.
        batches: Endless training batches on the network's device.
        loss: Of (B, 1, H, W) logits and (B, H, W) targets.
        settings: Length, optimiser, arithmetic.
        on_step: Told the step and its loss, for progress bars and logs.
    """
    with torch.inference_mode(False), torch.enable_grad():
        adapted = copy.deepcopy(network).to(memory_format=torch.channels_last).train()
        if settings.iterations == 0:
            return adapted.eval()
        optimizer, schedule = one_cycle(
            adapted.parameters(), settings.lr, settings.weight_decay, settings.iterations
        )
        for step in range(settings.iterations):
            batch = next(batches)
            image = batch["image"].to(memory_format=torch.channels_last)
            with autocast(image.device, settings.precision):
                logits = adapted(image, batch["previous_mask"])
            value = loss(logits.float(), batch["target"])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            optimizer.step()
            schedule.step()
            if on_step:
                on_step(step, value.item())
    return adapted.eval()
