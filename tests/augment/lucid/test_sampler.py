"""Samples of dreams: many objects at once, and what is shown beside colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.lucid import LucidDreamer, LucidRanges
from augment.lucid.cues import DreamCues
from augment.lucid.sampler import LucidSampler
from tests.augment.lucid.scenes import FROZEN, frame, scene_of, scene_of_a_disc
from vos_core.errors import ConfigError
from vos_core.networks import FREE
from vos_core.types import FloatArray, Image

CPU = torch.device("cpu")
EXACT = MaskDeformation(scale=0, shift=0, spline_points=0, dilation=0)
LIVELY = replace(LucidRanges(), missing=0.3, light=1, spline_points=5)


def red(image: Image) -> FloatArray:
    """Semantics that can be checked: the red channel."""
    return image[..., 0].astype(np.float32) / 255


def sampler(ranges: LucidRanges = FROZEN, **options: object) -> LucidSampler:
    scenes = [scene_of(*frame())]
    return LucidSampler(scenes, LucidDreamer(ranges), EXACT, **options)


def test_each_object_has_a_slot_of_its_own_and_the_others_are_free() -> None:
    drawing = sampler(slots=4)
    seen = set()
    for seed in range(40):
        sample = drawing(np.random.default_rng(seed))
        masks, target = sample["previous_mask"], sample["target"]
        assert masks.shape == (4, *target.shape)
        free = [k for k in range(4) if (masks[k] == FREE).all()]
        assert len(free) == 2
        for slot in set(range(4)) - set(free):
            # nothing moves, so the masks of the frame before are the true ones
            mask = masks[slot] == 1
            assert torch.equal(mask, target == slot + 1)
            red_is_brightest = int(sample["image"][:, mask].mean(dim=1).argmax()) == 0
            seen.add((slot, red_is_brightest))
        assert set(target.unique().tolist()) <= {0, 255, *(k + 1 for k in range(4))}
    # any object can be in any slot
    assert len(seen) == 8


def test_the_objects_of_a_clip_keep_their_slots() -> None:
    drawing = sampler(slots=3).all_of([200, 7, 3])
    for seed in range(5):
        sample = drawing(np.random.default_rng(seed))
        green, red_one = (sample["image"][:, sample["target"] == k].mean(dim=1) for k in (1, 3))
        assert (int(green.argmax()), int(red_one.argmax())) == (1, 0)
        # what no frame shows is not there, but not free either
        assert (sample["previous_mask"][1] == 0).all()
        assert not (sample["target"] == 2).any()


def test_too_few_slots_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 objects, but the network has 2 slots"):
        sampler(slots=2).all_of([1, 2, 3])


def test_only_one_object_leaves_no_slots() -> None:
    sample = sampler(slots=4).only(200)(np.random.default_rng(0))
    assert sample["previous_mask"].shape[0] == 1
    assert torch.equal(sample["previous_mask"][0] == 1, sample["target"] == 1)


@pytest.mark.parametrize("slots", [1, 3])
def test_samples_with_cues_painted_together_are_those_painted_alone(slots: int) -> None:
    scenes = [scene_of(*frame()), scene_of_a_disc()]
    cues = DreamCues(motion=True, semantics=red)
    drawing = LucidSampler(
        scenes, LucidDreamer(LIVELY), PREVIOUS_MASKS["roi"], slots=slots, cues=cues
    )
    packed = [drawing.draw(np.random.default_rng(k), CPU) for k in range(6)]
    alone = drawing.join(drawing.gather(packed), CPU)
    plans = [drawing.plan(np.random.default_rng(k)) for k in range(6)]
    together = drawing.join(drawing.gather(plans), CPU)
    assert alone["image"].shape == (6, 5, *scenes[0].size)
    assert torch.equal(alone["target"], together["target"])
    assert (alone["previous_mask"] != together["previous_mask"]).float().mean() < 1e-4
    assert (alone["image"] - together["image"]).abs().max() < 12 / 255
    assert (alone["image"][:, 3:].flatten(2).amax(dim=2) > 0.3).all()


def test_motion_is_shown_where_things_move() -> None:
    ranges = replace(FROZEN, motion_shift=0.3)
    drawing = LucidSampler(
        [scene_of_a_disc()], LucidDreamer(ranges), EXACT, cues=DreamCues(motion=True)
    )
    bright = []
    for seed in range(8):
        sample = drawing(np.random.default_rng(seed))
        speed, there = sample["image"][3], sample["target"] == 1
        bright.append(float(speed[there].mean()))
        # the plate stands still, but for the object's old place, which moves forward from it
        assert speed[~there].median() == 0
    assert np.median(bright) > 0.6


def test_motion_can_be_estimated_from_the_dreamt_frames() -> None:
    asked: list[tuple[Image, Image]] = []

    class Right:
        description = "all moves right"

        def __call__(self, source: Image, target: Image) -> FloatArray:
            asked.append((source, target))
            flow = np.zeros((*source.shape[:2], 2), np.float32)
            flow[:, : source.shape[1] // 4, 0] = 8
            return flow

    drawing = sampler(replace(FROZEN, camera_shift=0.2), cues=DreamCues(motion=True, flow=Right()))
    elsewhere = drawing.draw(np.random.default_rng(0), torch.device("cuda"))
    assert isinstance(elsewhere, torch.Tensor)  # painted before it is there
    (image, before), (_, again) = asked
    assert (image != before).any()
    assert np.array_equal(image, again)
    speed = drawing(np.random.default_rng(0))["image"][3]
    assert speed[:, 10].min() == 1
    assert speed[:, -10:].max() == 0


def test_semantics_move_with_what_they_are_of() -> None:
    ranges = replace(LIVELY, missing=0, light=0, plate_light=0)
    drawing = sampler(ranges, cues=DreamCues(semantics=red))
    for seed in range(5):
        image = drawing(np.random.default_rng(seed))["image"]
        off = (image[0] - image[3]).abs()
        # but for the rims of cut-outs, which have the colours of their inside
        assert off.median() < 2 / 255
        assert (off > 0.1).float().mean() < 0.04


def test_what_an_annotation_does_not_mark_is_not_taught_to_be_background() -> None:
    image, labels = frame()
    first = scene_of(image, np.where(labels == 3, labels, 0).astype(np.uint8))
    # the box enters later, in a frame whose disc is not marked again
    later = scene_of(image, np.where(labels == 200, labels, 0).astype(np.uint8))
    for scenes in ([first, later], [scene_of(image, labels)]):
        # moved, so that an object left on a plate is not hidden by itself
        dreamer = LucidDreamer(replace(FROZEN, object_placement=0.3))
        drawing = LucidSampler(scenes, dreamer, EXACT, slots=2).all_of([3, 200])
        for seed in range(6):
            sample = drawing(np.random.default_rng(seed))
            reddish = sample["image"][0] > 0.8
            assert (
                sample["target"][reddish & (sample["image"][2] < 0.3)] == 1
            ).float().mean() > 0.9
            assert (sample["target"] == 1).any()
