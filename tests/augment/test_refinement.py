"""Training samples of mask refinement."""

import gc
import multiprocessing
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest
import torch

from augment.deformation import MaskDeformation
from augment.lucid import LucidDreamer, LucidRanges, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.refinement import (
    AnnotatedFrame,
    RefinementSampler,
    StillSampler,
    drawing_processes,
    sample_batches,
)
from tests.fakes import COLOURS, fake_frame, fake_label_map
from vos_core.errors import MaskError

SIZE = (48, 64)
ROUGH = MaskDeformation(dilation=2)


def sampler(kind: str) -> RefinementSampler:
    frames = [(fake_frame(t, size=SIZE), fake_label_map(t, size=SIZE)) for t in (0, 4)]
    if kind == "still":
        return StillSampler(frames, ROUGH)
    scenes = [LucidScene.from_frame(*pair) for pair in frames]
    return LucidSampler(scenes, LucidDreamer(LucidRanges()), ROUGH)


both = pytest.mark.parametrize("kind", ["still", "lucid"])


@both
def test_sample_contract(kind: str) -> None:
    draw, rng = sampler(kind), np.random.default_rng(0)
    for _ in range(10):
        sample = draw(rng)
        assert sample["image"].shape == (3, *SIZE)
        assert sample["image"].dtype == torch.float32
        assert 0 <= sample["image"].min() <= sample["image"].max() <= 1
        assert sample["image"].max() > 0.3
        assert sample["previous_mask"].shape == (1, *SIZE)
        assert sample["previous_mask"].dtype == torch.float32
        assert set(sample["previous_mask"].unique().tolist()) <= {0.0, 1.0}
        assert sample["target"].shape == SIZE
        assert sample["target"].dtype == torch.int64
        assert set(sample["target"].unique().tolist()) <= {0, 1, 255}


@both
def test_same_seed_same_sample(kind: str) -> None:
    draw = sampler(kind)
    first, second, other = (draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
    for key in ("image", "previous_mask", "target"):
        assert torch.equal(first[key], second[key])
    assert not torch.equal(first["image"], other["image"])


@both
def test_target_and_rough_mask_agree_with_the_picture(kind: str) -> None:
    draw, rng = sampler(kind), np.random.default_rng(1)
    asked = set()
    for _ in range(30):
        sample = draw(rng)
        target = sample["target"] == 1
        if target.sum() < 30:
            continue
        channel = int(sample["image"][:, target].mean(dim=1).argmax())
        asked.add(channel)
        others = torch.arange(3) != channel
        stands_out = sample["image"][channel] - sample["image"][others].amax(dim=0) > 0.25
        known = sample["target"] != 255
        assert (stands_out == target)[known].float().mean() > 0.97
        rough = sample["previous_mask"][0] > 0
        assert (rough & target).sum() > 0.4 * target.sum()
    assert asked == {0, 1}  # the red and the green object


def test_still_target_is_void_where_the_picture_is_mirrored_in() -> None:
    label_map = np.zeros(SIZE, dtype=np.uint8)
    label_map[16:32, :10] = 1
    image = np.full((*SIZE, 3), 80, dtype=np.uint8)
    image[label_map == 1] = COLOURS[1]
    draw = StillSampler([(image, label_map)], ROUGH, angle=30.0, scale=0.2)
    rng, seen = np.random.default_rng(0), 0
    for _ in range(20):
        sample = draw(rng)
        red = sample["image"][0] - sample["image"][1] > 0.45
        seen += int((sample["target"] == 255).sum())
        assert (sample["target"] == 0)[red].float().mean() < 0.1
    assert seen > 0


def test_still_keeps_void() -> None:
    label_map = fake_label_map(0, size=SIZE)
    label_map[40:44, 10:20] = 255
    draw = StillSampler([(fake_frame(0), label_map)], ROUGH, angle=0.0, scale=0.0)
    for seed in range(4):
        target = draw(np.random.default_rng(seed))["target"]
        assert (target == 255).sum() == 40
        assert (target == 1).sum() in (144, 64)


def test_still_flips_rotates_and_zooms() -> None:
    label_map = np.zeros(SIZE, dtype=np.uint8)
    label_map[14:34, 14:24] = 1
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    draw = StillSampler([(image, label_map)], ROUGH, angle=20.0, scale=0.2)
    rng = np.random.default_rng(0)
    centres, areas = [], []
    for _ in range(60):
        xs = torch.nonzero(draw(rng)["target"] == 1)[:, 1]
        centres.append(float(xs.float().mean()))
        areas.append(len(xs))
    left = np.array(centres) < SIZE[1] / 2
    assert 0.3 < left.mean() < 0.7
    assert 0.6 * 200 < min(areas) < 0.75 * 200
    assert 1.3 * 200 < max(areas) < 1.5 * 200


def test_still_passes_over_frames_without_objects() -> None:
    empty = (np.zeros((*SIZE, 3), np.uint8), np.full(SIZE, 255, dtype=np.uint8))
    draw = StillSampler([empty, empty, (fake_frame(0), fake_label_map(0)), empty], ROUGH)
    rng = np.random.default_rng(0)
    assert all(draw(rng)["image"].max() > 0.3 for _ in range(20))
    with pytest.raises(MaskError, match="100 annotated frames in a row hold no object"):
        StillSampler([empty], ROUGH)(rng)


def test_still_reads_one_frame_for_each_sample() -> None:
    read: list[int] = []

    class Lazy(Sequence[AnnotatedFrame]):
        def __len__(self) -> int:
            return 1000

        def __getitem__(self, index: int) -> AnnotatedFrame:  # type: ignore[override]
            read.append(index)
            return fake_frame(0), fake_label_map(0)

    draw, rng = StillSampler(Lazy(), ROUGH), np.random.default_rng(0)
    assert read == []
    for _ in range(5):
        draw(rng)
    assert len(set(read)) == len(read) == 5


@both
def test_batches_are_endless_and_reproducible(kind: str) -> None:
    def first_two(*seed: int, workers: int = 0) -> list[torch.Tensor]:
        drawing = sample_batches(sampler(kind), 3, seed, torch.device("cpu"), workers)
        with closing(drawing) as batches:
            return [next(batches)["image"] for _ in range(2)]

    images = first_two(5, 0)
    assert images[0].shape == (3, 3, *SIZE)
    assert not torch.equal(images[0], images[1])
    assert not torch.equal(images[0], first_two(5, 1)[0])
    for workers in (0, 1, 2):
        for again, image in zip(first_two(5, 0, workers=workers), images, strict=True):
            assert torch.equal(again, image)


def test_batches_leave_random_numbers_of_torch_alone() -> None:
    state = torch.get_rng_state()
    next(sample_batches(sampler("still"), 2, [0], torch.device("cpu")))
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_for_a_gpu_are_drawn_on_the_other_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for cores, alone, one_of_four in ((16, 8, 3), (4, 3, 0), (1, 0, 0), (100, 8, 8)):
        monkeypatch.setattr("augment.refinement.usable_cores", lambda cores=cores: cores)
        assert drawing_processes(None, gpu) == alone
        assert drawing_processes(None, gpu, sharers=4) == one_of_four
        assert drawing_processes(None, cpu) == drawing_processes(None, torch.device("mps")) == 0
        assert drawing_processes(5, gpu, sharers=4) == drawing_processes(5, cpu) == 5


@both
def test_workers_end_with_the_batches(kind: str) -> None:
    before = set(multiprocessing.active_children())
    batches = sample_batches(sampler(kind), 2, [0], torch.device("cpu"), workers=2)
    next(batches)
    started = set(multiprocessing.active_children()) - before
    assert len(started) == 2
    batches.close()
    assert not started & set(multiprocessing.active_children())


def test_workers_leave_garbage_of_their_parent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*_: object) -> torch.Tensor:
        return torch.full((1, 1, 5), gc.get_freeze_count() > 0, dtype=torch.uint8)

    monkeypatch.setattr(StillSampler, "draw", look)
    for workers in (0, 1):
        batches = sample_batches(sampler("still"), 1, [0], torch.device("cpu"), workers)
        with closing(batches):
            assert bool(next(batches)["target"].all()) == (workers > 0)


def test_batch_keeps_image_and_target_together() -> None:
    draw = sampler("still")
    batch = next(sample_batches(draw, 2, [7], torch.device("cpu")))
    for i in range(2):
        single = draw(np.random.default_rng([7, i]))
        for key in ("image", "previous_mask", "target"):
            assert torch.equal(batch[key][i], single[key])


@both
@pytest.mark.parametrize("object_id", [1, 2])
def test_only_asks_for_one_object(kind: str, object_id: int) -> None:
    draw, rng = sampler(kind).only(object_id), np.random.default_rng(2)
    seen = 0
    for _ in range(20):
        sample = draw(rng)
        target = sample["target"] == 1
        # rims are mixed with their surroundings
        inner = -torch.nn.functional.max_pool2d(-target.float()[None], 5, 1, 2)[0] > 0
        if not inner.any():
            continue
        # red and green stay the brightest channel in any light
        colour = sample["image"][:, inner].mean(dim=1)
        assert int(colour.argmax()) == object_id - 1
        seen += 1
    assert seen > 5


def test_only_uses_the_frames_that_show_the_object() -> None:
    late = fake_label_map(4, objects=(1, 2, 3), size=SIZE)
    frames = [(fake_frame(0), fake_label_map(0)), (fake_frame(4, (1, 2, 3)), late)]
    still = StillSampler(frames, ROUGH)
    assert len(still.only(3).frames) == 1
    assert len(still.only(1).frames) == 2
    lucid = LucidSampler(
        [LucidScene.from_frame(*pair) for pair in frames], LucidDreamer(LucidRanges()), ROUGH
    )
    assert len(lucid.only(3).scenes) == 1


@both
def test_only_refuses_an_object_that_no_frame_shows(kind: str) -> None:
    with pytest.raises(MaskError, match="object 7"):
        sampler(kind).only(7)
