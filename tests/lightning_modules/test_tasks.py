"""What a task hands to the adaptation of each object."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from augment.deformation import PREVIOUS_MASKS
from augment.lucid import PRESETS
from augment.refinement import LucidSampler
from datasets_vos import open_dataset
from lightning_modules.tasks import LucidTask, base
from tests.fakes import fake_frame, fake_label_map
from vos_core.errors import ConfigError
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
        score: Callable[[nn.Module], float] | None,
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


def lucid_sampler(**settings: object) -> LucidSampler:
    task = LucidTask(encoder="resnet10t", width=8, **settings)
    sampler = task.make_sampler([(fake_frame(0), fake_label_map(0))])
    assert isinstance(sampler, LucidSampler)
    return sampler


def test_lucid_dreams_are_drawn_from_what_the_config_says() -> None:
    usual = lucid_sampler()
    assert usual.dreamer.ranges == PRESETS["adaptation"]
    assert usual.deformation == PREVIOUS_MASKS["adaptation"]
    other = lucid_sampler(
        dreams={"preset": "frtm", "object_angle": [-90, 90]},
        previous_masks={"dilation": 7},
    )
    assert other.dreamer.ranges == replace(PRESETS["frtm"], object_angle=(-90, 90))
    assert other.deformation == replace(PREVIOUS_MASKS["adaptation"], dilation=7)
    with pytest.raises(ConfigError, match="Did you mean 'object_scale'"):
        LucidTask(encoder="resnet10t", width=8, dreams={"objct_scale": 0.1})


def test_the_config_says_how_plates_are_filled() -> None:
    plates = [lucid_sampler(filling=f).scenes[0].plates[0] for f in ("patches", "telea")]
    assert (plates[0] != plates[1]).any()
