"""Geometry, deformation and dreams as torch tensors: the same as in numpy."""

import pickle
from contextlib import closing
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from augment.deformation import PREVIOUS_MASKS, Deformation, MaskDeformation
from augment.device import deform_masks, look_up, sampling_maps, upload_maps
from augment.geometry import BackwardMap, Points, affine_matrix, pixel_grid, sampling_map
from augment.lucid import PRESETS, LucidDreamer, LucidRanges
from augment.lucid.batched import BatchPainter, DreamBatch, FlowBatch
from augment.lucid.sampler import LucidSampler, SampleStack
from augment.refinement import sample_batches
from augment.shapes import MaskShape, draw_spline
from augment.stacks import stack_deformations, stack_maps
from tests.augment.lucid.scenes import SIZE, frame, scene_of, scene_of_a_disc
from tests.augment.test_deformation import disc
from vos_core.errors import ConfigError

CPU = torch.device("cpu")


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device there is."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    return torch.device(request.param)


def maps() -> list[BackwardMap[Points]]:
    """Maps of two steps with splines of different kinds, or none."""
    drawn = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shape = MaskShape.of(disc(20 + 8 * seed))
        splines = [draw_spline(shape, count, 0.1, rng) for count in (5, 2 * (seed % 2))]
        turn = affine_matrix((80, 60), (1 + 0.1 * seed,) * 2, 20 * seed, mirror=seed == 3)
        move = affine_matrix((80, 60), shift=(3 * seed, -2), shear=0.1)
        drawn.append(BackwardMap.undo(turn, splines[0]) + BackwardMap.undo(move, splines[1]))
    return drawn


@pytest.mark.parametrize("size", [(121, 161), (33, 250), (1, 1)])
def test_stacked_maps_reach_the_same_places(size: tuple[int, int], device: torch.device) -> None:
    stacked = upload_maps(stack_maps(maps()), device)
    grid = pixel_grid(size)
    exact = stacked(torch.from_numpy(grid)[None].to(device)).cpu().numpy()
    grids = sampling_maps(size, stacked)
    assert grids.shape == (5, *size, 2)
    assert grids.dtype == torch.float32
    for each, points, positions in zip(maps(), exact, grids.cpu().numpy(), strict=True):
        np.testing.assert_allclose(points, each(grid), atol=1e-6)
        np.testing.assert_allclose(positions, sampling_map(size, each), atol=1e-3)


def test_inverse_maps_reach_the_same_places(device: torch.device) -> None:
    size = (121, 161)
    grids = sampling_maps(size, upload_maps(stack_maps(maps()), device), inverse=True)
    for each, positions in zip(maps(), grids.cpu().numpy(), strict=True):
        np.testing.assert_allclose(positions, sampling_map(size, each.inverse), atol=3e-3)


def test_labels_are_looked_up_without_mixing() -> None:
    labels = torch.arange(12, dtype=torch.uint8).view(1, 3, 4) + 1
    positions = torch.tensor([[0.0, 0.0], [3.4, 1.6], [-0.6, 0.0], [1.0, 2.6], [0.5, 1.5]])
    found = look_up(labels, positions.view(1, 1, 5, 2), outside=255)
    # halves go to the even neighbour, as in numpy
    assert found.flatten().tolist() == [1, 12, 255, 255, 9]


@pytest.mark.parametrize("name", PREVIOUS_MASKS)
def test_deformed_masks_are_the_same(name: str, device: torch.device) -> None:
    ranges = replace(PREVIOUS_MASKS[name], partial=0.4, empty=0.3, growth=0.02)
    rng = np.random.default_rng(0)
    masks, drawn = [], []
    for seed in range(12):
        mask = disc(8 + 3 * seed, (20 + 10 * seed, 60)) & ~disc(4, (20 + 10 * seed, 50))
        masks.append(mask)
        drawn.append(ranges.draw(MaskShape.of(mask), rng))
    expected = np.stack([each.apply(mask) for each, mask in zip(drawn, masks, strict=True)])
    together = stack_deformations(drawn, (121, 161))
    found = deform_masks(torch.from_numpy(np.stack(masks)).to(device), together).cpu().numpy()
    assert (found != expected).mean() < 1e-5
    assert len({each.empty for each in drawn}) == 2


def test_an_empty_mask_stays_empty_whatever_is_added() -> None:
    ranges = MaskDeformation(added=5)
    drawn: list[Deformation] = [
        ranges.draw(MaskShape.of(disc()), np.random.default_rng(k)) for k in range(4)
    ]
    masks = torch.zeros((4, 121, 161), dtype=torch.bool)
    assert not deform_masks(masks, stack_deformations(drawn, (121, 161))).any()
    assert not drawn[0].apply(masks[0].numpy()).any()


def on_cpu(batch: DreamBatch) -> DreamBatch:
    """Return a batch that numpy can read."""
    parts = {field.name: getattr(batch, field.name) for field in fields(batch)}
    for name, part in parts.items():
        if isinstance(part, FlowBatch):
            moved = [getattr(part, field.name).cpu() for field in fields(part)]
            parts[name] = FlowBatch(*moved)
        elif part is not None:
            parts[name] = part.cpu()
    return DreamBatch(**parts)


BLURRED = replace(
    PRESETS["frtm"], spline_points=5, light=1, plate_light=1, camera_shift=0.05, motion_shift=0.3
)


@pytest.mark.parametrize(
    "ranges",
    [*PRESETS.values(), replace(BLURRED, shutter=1), replace(LucidRanges(), missing=0.5)],
    ids=[*PRESETS, "blurred", "missing"],
)
def test_a_batch_of_dreams_is_that_of_single_dreams(
    ranges: LucidRanges, device: torch.device
) -> None:
    scenes = [scene_of(*frame()), scene_of_a_disc()]
    dreamer = LucidDreamer(ranges, pair=True, flow=True)
    plans = [(k % 2, dreamer.draw(scenes[k % 2], np.random.default_rng(k))) for k in range(6)]
    batch = on_cpu(BatchPainter(scenes, device)(plans, pair=True, flow=True))
    assert batch.image.shape == (6, 3, *SIZE)
    assert batch.flow is not None
    assert batch.previous_image is not None
    for k, (index, plan) in enumerate(plans):
        single = dreamer.render(scenes[index], plan)
        assert single.flow is not None
        np.testing.assert_array_equal(batch.label_map[k], single.label_map)
        np.testing.assert_array_equal(batch.previous_label_map[k], single.previous_label_map)
        for painted, expected in (
            (batch.image[k], single.image),
            (batch.previous_image[k], single.previous_image),
        ):
            assert 0 <= painted.min() <= painted.max() <= 1
            off = np.abs(painted.permute(1, 2, 0).numpy() * 255 - expected)
            # the hue has 8 bits on the CPU
            assert off.mean() < 1.5
            assert off.max() < 12
        for flow, truth in (
            (batch.flow.backward[k], single.flow.backward),
            (batch.flow.forward[k], single.flow.forward),
        ):
            np.testing.assert_allclose(flow.permute(1, 2, 0), truth, atol=3e-3)
        for hidden, truth in (
            (batch.flow.newly_visible[k], single.flow.newly_visible),
            (batch.flow.disappearing[k], single.flow.disappearing),
        ):
            assert (hidden.numpy() == truth).mean() > 0.9999


def test_what_was_not_asked_for_is_not_painted() -> None:
    scene = scene_of_a_disc()
    plan = LucidDreamer().draw(scene, np.random.default_rng(0))
    batch = BatchPainter([scene], CPU)([(0, plan)])
    assert batch.previous_image is None
    assert batch.flow is None


def sampler(**changes: object) -> LucidSampler:
    scenes = [scene_of(*frame()), scene_of_a_disc()]
    dreamer = LucidDreamer(replace(LucidRanges(), missing=0.3), **changes)
    return LucidSampler(scenes, dreamer, replace(PREVIOUS_MASKS["roi"], empty=0.1))


def test_samples_painted_together_are_those_painted_one_by_one(device: torch.device) -> None:
    drawing = sampler()
    packed = [drawing.draw(np.random.default_rng(k), CPU) for k in range(8)]
    one_by_one = drawing.join(drawing.gather(packed), CPU)
    elsewhere = torch.device("cuda")
    drawn = [drawing.draw(np.random.default_rng(k), elsewhere) for k in range(8)]
    together = drawing.join(drawing.gather(drawn), device)
    together = {name: values.cpu() for name, values in together.items()}
    assert torch.equal(one_by_one["target"], together["target"])
    assert (one_by_one["previous_mask"] != together["previous_mask"]).float().mean() < 1e-4
    assert (one_by_one["image"] - together["image"]).abs().max() < 12 / 255
    for name in ("image", "previous_mask", "target"):
        assert one_by_one[name].dtype == together[name].dtype
        assert one_by_one[name].shape == together[name].shape


@pytest.mark.parametrize("workers", [0, 1])
def test_elsewhere_than_on_the_cpu_batches_are_painted_together(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And more at a time than a batch has; which samples they are does not change."""
    drawing = sampler()
    painted = []

    def paint(self: LucidSampler, drawn: SampleStack, device: torch.device) -> dict:
        _, _, ids = drawn.asked
        painted.append((len(ids), device.type))
        return dict.fromkeys(("image", "previous_mask", "target"), torch.from_numpy(ids))

    monkeypatch.setattr(LucidSampler, "join", paint)
    with closing(sample_batches(drawing, 10, [7], torch.device("meta"), workers)) as batches:
        first = [next(batches)["target"] for _ in range(7)]
    assert painted == [(60, "meta"), (60, "meta")]
    assert all(len(each) == 10 for each in first)
    expected = [drawing.plan(np.random.default_rng([7, k])).asked[0].object_id for k in range(70)]
    assert torch.cat(first).tolist() == expected
    assert len(set(expected)) > 1


def test_seams_are_solved_for_on_the_cpu_only() -> None:
    drawn = [sampler().plan(np.random.default_rng(0))]
    with pytest.raises(ConfigError, match="for the CPU only"):
        sampler(seam="poisson").join(sampler().gather(drawn), CPU)


def test_a_plan_can_come_from_another_process() -> None:
    """Pictures are found by their place in the scene, whatever a plan was made of."""
    scenes = [scene_of(*frame()), scene_of_a_disc()]
    dreamer, painter = LucidDreamer(), BatchPainter(scenes, CPU)
    for seed in range(4):
        plan = dreamer.draw(scenes[0], np.random.default_rng(seed))
        sent = pickle.loads(pickle.dumps(plan))
        assert len(pickle.dumps(plan)) < 30_000
        one, other = painter([(0, plan)]), painter([(0, sent)])
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.label_map, other.label_map)


def test_blur_may_be_wider_than_the_frame(device: torch.device) -> None:
    image, labels = np.full((12, 16, 3), 90, np.uint8), np.zeros((12, 16), np.uint8)
    labels[4:8, 4:9] = 1
    scene = scene_of(image, labels)
    dreamer = LucidDreamer(replace(LucidRanges(), background_blur=(6.0,), light=0))
    plan = dreamer.draw(scene, np.random.default_rng(0))
    batch = on_cpu(BatchPainter([scene], device)([(0, plan)]))
    expected = dreamer.render(scene, plan).image
    assert np.abs(batch.image[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 3
