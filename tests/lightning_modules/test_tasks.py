"""What a task hands to the adaptation of each object."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets_vos import open_dataset
from lightning_modules.tasks import LucidTask, base
from vos_core.propagation import AdaptationSettings
from vos_core.types import ClipJob, RefinementSample

Seen = list[tuple[int, AdaptationSettings]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Collect the colour channel of what each adaptation asks for, and its settings."""
    calls: Seen = []

    def fake_adapt(
        network: nn.Module,
        batches: Iterator[RefinementSample],
        loss: object,
        settings: AdaptationSettings,
        on_step: Callable[[int, float], None],
    ) -> nn.Module:
        colours = torch.zeros(3)
        for _ in range(4):
            batch = next(batches)
            inside = batch["target"] == 1
            colours += batch["image"].permute(1, 0, 2, 3)[:, inside].sum(dim=1)
        calls.append((int(colours.argmax()), settings))
        return nn.Identity()

    monkeypatch.setattr(base, "adapt", fake_adapt)
    return calls


def test_each_object_is_adapted_to_on_its_own_and_they_share_the_steps(
    davis_root: Path, seen: Seen
) -> None:
    task = LucidTask(encoder="resnet10t", width=8, adapt_iterations=7, adapt_batch_size=4)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    networks = task._adapt_to(ClipJob(clip, (48, 64), "davis2017"))
    assert list(networks) == [1, 2, 3]
    # the fakes are red, green and blue squares; the third enters late
    assert [channel for channel, _ in seen] == [0, 1, 2]
    assert [settings.iterations for _, settings in seen] == [3, 3, 3]
