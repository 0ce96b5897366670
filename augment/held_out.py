"""Samples that a network was not trained on, and what it says of them."""

import math
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from augment.refinement import RefinementSampler, sample_batches
from vos_core.networks.normalise import FREE
from vos_core.postprocess import HeldOut
from vos_core.precision import Precision, autocast
from vos_core.propagation import merge_logits
from vos_core.types import VOID


@torch.no_grad()
def predict_held_out(
    network: nn.Module,
    sampler: RefinementSampler,
    count: int,
    seed: Sequence[int],
    device: torch.device,
    batch_size: int = 4,
    precision: Precision = "auto",
) -> list[HeldOut]:
    """Draw samples and segment them.

    Args:
        network: ``network(image, previous_mask) -> (B, S, H, W) logits``, on the device. Used in
            evaluation mode, never changed.
        sampler: Draws the samples, lucid dreams for example, whose masks are exact.
        count: How many.
        seed: The samples depend on this and on the device. For them to be held out it must be
            another than that of the training samples.
        device: Where the network is, and where the probabilities will be.
        batch_size: Samples that are segmented together.
        precision: Arithmetic of the network.

    Returns:
        One example for each sample, with the objects that have a slot, and background.
    """
    network.eval()
    examples: list[HeldOut] = []
    drawing = sample_batches(sampler, batch_size, seed, device)
    for batch in islice(drawing, math.ceil(count / batch_size)):
        with autocast(device, precision):
            images = batch["image"].to(memory_format=torch.channels_last)
            logits = network(images, batch["previous_mask"])
        examples += map(
            _example, batch["image"], batch["previous_mask"], logits.float(), batch["target"]
        )
    return examples[:count]


def _example(image: Tensor, masks: Tensor, logits: Tensor, target: Tensor) -> HeldOut:
    """Leave out the cues, and the slots of no object: the others move up."""
    picture = (image[:3] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    taken = masks.amax(dim=(1, 2)) > FREE
    channels = torch.zeros(256, dtype=torch.uint8, device=target.device)
    channels[1 : len(taken) + 1] = taken.cumsum(dim=0) * taken
    channels[VOID] = VOID
    return HeldOut(picture, merge_logits(logits[taken]), channels[target].cpu().numpy())
