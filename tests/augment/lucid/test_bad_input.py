"""Objects and frames of every awkward kind: a sensible dream, never NaN, never without end."""

import warnings

import numpy as np
import pytest

from augment.deformation import MaskDeformation, deform_mask
from augment.lucid import PRESETS, LucidDreamer, LucidRanges, LucidScene
from augment.lucid.batched import BatchPainter
from augment.lucid.sampler import LucidSampler
from augment.pseudo_clips import pseudo_clip
from tests.augment.lucid.scenes import FROZEN, SIZE, frame, scene_of
from vos_core.errors import ConfigError
from vos_core.types import LabelMap


def awkward() -> dict[str, LabelMap]:
    masks = {
        name: np.zeros(SIZE, dtype=np.uint8)
        for name in ("pixel", "corner", "row", "borders", "half", "holes", "ten", "dust", "nested")
    }
    masks["pixel"][50, 60] = 1
    masks["corner"][0, 0] = 1
    masks["row"][50] = 1
    masks["borders"][[0, -1]] = masks["borders"][:, [0, -1]] = 1
    masks["half"][5:92, 10:120] = 1
    masks["holes"][20:80, 20:100] = 1
    masks["holes"][30:40, 30:40] = masks["holes"][50:70, 60:90] = 0
    for i in range(10):
        y, x = 5 + 45 * (i // 5), 5 + 24 * (i % 5)
        masks["ten"][y : y + 20, x : x + 16] = 10 * (i + 1)
    masks["dust"][np.random.default_rng(0).random(SIZE) < 0.005] = 7
    masks["nested"][20:80, 20:100] = 1
    masks["nested"][40:60, 50:70] = 2
    masks["all"] = np.ones(SIZE, dtype=np.uint8)
    return masks


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", awkward())
def test_awkward_objects_are_dreamt_of(kind: str, preset: str) -> None:
    labels = awkward()[kind]
    scene = scene_of(frame()[0], labels)
    dreamer = LucidDreamer(PRESETS[preset], pair=True, flow=True)
    for seed in range(3):
        dream = dreamer(scene, np.random.default_rng(seed))
        assert dream.flow is not None
        assert np.isfinite(dream.flow.backward).all()
        assert np.isfinite(dream.flow.forward).all()
        assert set(np.unique(dream.label_map)) <= set(np.unique(labels)) | {0}


@pytest.mark.parametrize("kind", awkward())
def test_awkward_objects_stay_as_they_are_where_nothing_happens(kind: str) -> None:
    image, labels = frame()[0], awkward()[kind]
    still = LucidDreamer(FROZEN)(scene_of(image, labels), np.random.default_rng(0))
    np.testing.assert_array_equal(still.label_map, labels)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (5, 4), (9, 200)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    labels = np.zeros(size, dtype=np.uint8)
    labels[size[0] // 2, size[1] // 2] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too small for patches
        scene = LucidScene.from_frame(image, labels)
    for seed in range(10):
        dream = LucidDreamer(LucidRanges(), pair=True, flow=True)(
            scene, np.random.default_rng(seed)
        )
        assert dream.image.shape == (*size, 3)
        assert dream.flow is not None
        assert np.isfinite(dream.flow.backward).all()


def test_a_cut_out_of_one_pixel() -> None:
    labels = awkward()["corner"]
    (cut_out,) = scene_of(frame()[0], labels).cut_outs
    np.testing.assert_array_equal(cut_out.shape.extent, [1, 1])
    np.testing.assert_array_equal(cut_out.shape.outline, [[0, 0]])
    assert cut_out.solid.sum() == 255


@pytest.mark.parametrize("preset", ["paper", "adaptation"])
def test_an_object_of_one_pixel_is_seen_in_every_dream(preset: str) -> None:
    """Between four pixels it covers none of them by half."""
    scene = scene_of(frame()[0], awkward()["pixel"])
    dreamer, painter = LucidDreamer(PRESETS[preset]), BatchPainter([scene], "cpu")
    drawn = [dreamer.draw(scene, np.random.default_rng(seed)) for seed in range(30)]
    together = painter([(0, plan) for plan in drawn])
    for k, plan in enumerate(drawn):
        dream = dreamer.render(scene, plan)
        assert 1 <= (dream.label_map == 1).sum() <= 4
        assert (together.label_map[k].numpy() != dream.label_map).sum() <= 2


def test_what_is_asked_for_must_be_there() -> None:
    with pytest.raises(ConfigError, match="seam is 'glue'; choose one of feather, poisson"):
        LucidDreamer(seam="glue")  # type: ignore[arg-type]
    scene = scene_of(*frame())
    smaller = scene_of(*(part[:90] for part in frame()))
    with pytest.raises(ConfigError, match="cannot be painted together"):
        BatchPainter([scene, smaller], "cpu")
    with pytest.raises(ConfigError, match="no dream to paint"):
        BatchPainter([scene], "cpu")([])


def test_a_name_is_no_set_of_ranges() -> None:
    with pytest.raises(ConfigError, match=r"ranges is 'paper'; .* such as PRESETS\['paper'\]\."):
        LucidDreamer("paper")
    with pytest.raises(ConfigError, match=r"ranges is 0\.3; give LucidRanges, .*LucidRanges\(\)"):
        LucidDreamer(0.3)
    with pytest.raises(ConfigError, match=r"ranges is \{'bent': 0\}"):
        LucidDreamer({"bent": 0})


@pytest.mark.parametrize("rng", [0, np.random.RandomState(0)], ids=["seed", "state"])
def test_a_seed_is_no_generator(rng: object) -> None:
    image, labels = frame()
    scene = scene_of(image, labels)
    rough = MaskDeformation()
    for draws in (
        lambda: LucidDreamer()(scene, rng),
        lambda: LucidSampler([scene], LucidDreamer(), rough)(rng),
        lambda: deform_mask(labels > 0, rough, rng),
        lambda: pseudo_clip(image, labels, frames=2, rng=rng),
    ):
        with pytest.raises(ConfigError, match=r"rng is .*; give a generator: np\.random\.def"):
            draws()
