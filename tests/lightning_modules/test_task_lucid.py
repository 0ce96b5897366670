"""LucidTracker: its dreams, what its networks see, the slots of its objects."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from augment.deformation import PREVIOUS_MASKS
from augment.lucid import PRESETS
from augment.lucid.sampler import LucidSampler
from lightning_modules.tasks import LucidTask
from tests.fakes import fake_frame, fake_label_map
from tests.lightning_modules.task_fakes import SMALL, job_of, lucid
from vos_core.errors import ConfigError


def lucid_sampler(**settings: object) -> LucidSampler:
    task = LucidTask(network_options=SMALL, **settings)
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
        LucidTask(network_options=SMALL, dreams={"objct_scale": 0.1})


def test_the_config_says_how_plates_are_filled() -> None:
    plates = [lucid_sampler(filling=f).scenes[0].plates[0] for f in ("patches", "telea")]
    assert (plates[0] != plates[1]).any()


@pytest.mark.parametrize(
    ("inputs", "channels"),
    [
        (["image"], 3),
        (["image+motion"], 4),
        (["motion"], 4),
        (["image", "image+semantics"], 4),
        (["image", "image+motion+semantics"], 5),
    ],
)
@pytest.mark.filterwarnings("ignore:objectness is a stand-in")
def test_what_networks_see_is_the_same_in_dreams_and_in_clips(
    inputs: list[str], channels: int, davis_root: Path
) -> None:
    task = lucid(inputs=inputs)
    seen: list[tuple[str, Tensor]] = []

    def watch(network: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        seen.append(("dream" if network.training else "clip", args[0]))

    task.network.register_forward_pre_hook(watch)
    job = job_of(davis_root)
    networks = task._adapt_to(job)
    list(task._propagate(networks, job))
    kinds = {kind for kind, _ in seen}
    assert kinds == {"dream", "clip"}
    for _, image in seen:
        assert image.shape[1:] == (channels, 48, 64)
        assert 0 <= image.min() <= image.max() <= 1
    if channels > 3:  # and cues are not empty
        assert max(float(image[:, 3:].max()) for kind, image in seen if kind == "dream") > 0.1


@pytest.mark.parametrize(
    ("settings", "estimated"),
    [
        ({}, True),
        ({"motion": "estimated"}, True),
        ({"motion": "exact"}, False),
    ],
)
def test_dreams_tell_motion_as_it_will_be_seen(
    settings: dict[str, object], estimated: bool
) -> None:
    task = lucid(inputs=["image+motion"], **settings)
    cues = task._dream_cues()
    assert cues is not None
    assert cues.motion
    assert (cues.flow is not None) == estimated
    if not settings:  # RAFT, whose weights are not here, would be too slow on the CPU
        task.hparams["flow"] = "raft_small"
        cues = task._dream_cues()
        assert cues is not None
        assert cues.flow is None


def test_a_stand_in_for_semantics_is_said_to_be_one() -> None:
    with pytest.warns(UserWarning, match="stand-in for a segmentation network"):
        lucid(inputs=["image+semantics"])


def test_objects_keep_their_slots_from_one_annotation_to_the_next(davis_root: Path) -> None:
    job = replace(job_of(davis_root), both_ways=True)
    first, *_ = job.given
    one, two = first.object_ids[:2]
    late = replace(first, object_ids=(two,))
    both = replace(first, frame=2, object_ids=(one, two))
    job = replace(job, annotations=[late, both])
    assert job.object_ids == [two, one]
    task = lucid(slots=4)
    seen = []
    task.network.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    list(task._propagate(task.network, job))
    # the later object's slot is the second, whichever annotation is begun from
    with_both = [masks[0] for masks in seen if (masks[0, 1] > 0.5).any()]
    assert with_both
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(both.label_map == two)[None, None].float(), (48, 64), mode="area"
    )[0, 0]
    assert ((with_both[0][0] > 0.5) & (expected > 0.5)).sum() > 0.3 * (expected > 0.5).sum()
