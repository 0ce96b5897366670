"""A frame taken apart: what the plate and the cut-outs hold."""

from dataclasses import replace

import numpy as np
import pytest

from augment.deformation import PREVIOUS_MASKS
from augment.lucid import LucidDreamer, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.shapes import dilate
from tests.augment.lucid.scenes import FROZEN, SIZE, frame, scene_of
from vos_core.errors import ConfigError, MaskError


@pytest.mark.parametrize("filling", ["patches", "navier_stokes", "telea"])
def test_a_frame_is_taken_apart(filling: str) -> None:
    image, labels = frame()
    scene = LucidScene.from_frame(image, labels, filling)
    assert scene.size == SIZE
    assert scene.object_ids == [3, 200]
    for cut_out in scene.cut_outs:
        mask = cut_out.mask(SIZE)
        np.testing.assert_array_equal(mask, labels == cut_out.object_id)
        (x, y), (height, width) = cut_out.corner, cut_out.solid.shape
        window = np.s_[y : y + height, x : x + width]
        assert cut_out.rgba.shape == (height, width, 4)
        np.testing.assert_array_equal(cut_out.solid, np.where(mask[window], 255, 0))
        # plain objects keep their colour up to their edge and a little beyond
        near = dilate(mask.astype(np.uint8), 3)[window] > 0
        colour = image[mask][0]
        assert (cut_out.rgba[near][:, :3] == colour).all()
    (plate,) = scene.plates
    reds = (plate.astype(int) - (220, 40, 40))[labels == 3]
    assert (np.abs(reds).max(axis=-1) > 20).all()


def test_edges_are_soft_by_a_pixel_each_way() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:60, 40:80] = 1
    (cut_out,) = scene_of(np.full((*SIZE, 3), 90, np.uint8), labels).cut_outs
    alpha = cut_out.rgba[..., 3]
    across = alpha[alpha.shape[0] // 2]
    inside = np.flatnonzero(cut_out.solid[alpha.shape[0] // 2])
    assert across[inside[0] - 1] + across[inside[0]] == pytest.approx(255, abs=1)
    assert 40 < across[inside[0] - 1] < 90
    assert across[inside[0] - 2] == 0
    assert (across[inside[1:-1]] == 255).all()


def test_the_old_background_does_not_come_along() -> None:
    """A blurred edge mixes object and background; dark ground leaves no dark rim."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:60, 40:80] = 1
    image = np.where(labels[..., None] == 1, 200, 10).repeat(3, axis=-1).astype(np.uint8)
    image[30, 40:80] = image[59, 40:80] = 105  # as anti-aliasing leaves them
    image[30:60, 40] = image[30:60, 79] = 105
    (cut_out,) = scene_of(image, labels).cut_outs
    assert cut_out.rgba[cut_out.rgba[..., 3] > 0][:, :3].min() == 200


def test_thin_parts_of_a_thick_object_keep_their_colours() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:60, 20:60] = labels[44:46, 60:100] = 1  # a red body, a blue leash
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    image[labels == 1] = (200, 0, 0)
    image[44:46, 60:100] = (0, 0, 200)
    (cut_out,) = scene_of(image, labels).cut_outs
    (x, y), on_leash = cut_out.corner, np.s_[44:46, 63:100]
    shown = cut_out.rgba[on_leash[0].start - y : on_leash[0].stop - y, 63 - x : 100 - x, :3]
    assert (shown == (0, 0, 200)).all()


def test_what_the_frame_cuts_off_keeps_its_colours() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:60, :20] = 1
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    image[...] = (np.arange(SIZE[1]) % 250)[None, :, None]
    (cut_out,) = scene_of(image, labels).cut_outs
    y = 45 - cut_out.corner[1]
    np.testing.assert_array_equal(cut_out.rgba[y, 4:22, 0], image[45, :18, 0])


def test_thin_parts_keep_their_colours() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[50, 20:100] = 1
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    (cut_out,) = scene_of(image, labels).cut_outs
    np.testing.assert_array_equal(cut_out.rgba[cut_out.solid > 0][:, :3], image[50, 20:100])


def test_an_object_cut_off_by_the_frame_is_opaque_and_coloured_up_to_it() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[:40, :50] = 1
    image = np.full((*SIZE, 3), 180, dtype=np.uint8)
    (cut_out,) = scene_of(image, labels).cut_outs
    assert (cut_out.rgba[cut_out.solid > 0][:30, 3] == 255).all()
    assert cut_out.rgba[..., :3].min() == 180
    still = LucidDreamer(FROZEN)(scene_of(image, labels), np.random.default_rng(0))
    np.testing.assert_array_equal(still.image, image)


def test_several_frames_make_one_scene() -> None:
    """Dreams mix the plates and the looks of an object."""
    image, labels = frame()
    other, moved = np.full_like(image, 10), np.zeros_like(labels)
    moved[10:30, 90:120] = 3
    other[moved == 3] = (240, 240, 0)
    scene = LucidScene.from_frames([(image, labels), (other, moved)], "navier_stokes")
    assert scene.object_ids == [3, 200]
    assert [c.object_id for c in scene.cut_outs] == [3, 200, 3]
    seen = set()
    for seed in range(30):
        dream = LucidDreamer(FROZEN)(scene, np.random.default_rng(seed))
        assert set(np.unique(dream.label_map)) - {255} == {0, 3, 200}
        yellow = bool(dream.image[20, 105, 1] > 200)
        assert (dream.label_map[20, 105] == 3) == yellow
        seen.add((bool(dream.image[90, 10].max() > 20), yellow))
    assert seen == {(a, b) for a in (True, False) for b in (True, False)}


def test_what_cannot_be_used_is_refused() -> None:
    image, labels = frame()
    with pytest.raises(MaskError, match="no object"):
        LucidScene.from_frame(image, np.where(labels == 255, labels, 0))
    with pytest.raises(MaskError, match="129"):
        LucidScene.from_frame(image, labels[:-1])
    for wrong in (image[..., 0], image[..., :1], image / 255, np.dstack([image, image[..., :1]])):
        with pytest.raises(ConfigError, match=r"must be \(H, W, 3\) uint8 RGB"):
            LucidScene.from_frame(wrong, labels)
    with pytest.raises(ConfigError, match="no frame"):
        LucidScene.from_frames([])
    with pytest.raises(ConfigError, match="filling is 'glue'; choose one of patches"):
        LucidScene.from_frame(image, labels, "glue")  # type: ignore[arg-type]
    with pytest.raises(MaskError, match="frames of one scene have one size"):
        LucidScene.from_frames([(image, labels), (image[:-1], labels[:-1])], "telea")


def test_later_changes_of_a_frame_do_not_change_the_scene() -> None:
    image, labels = frame()
    empty = np.zeros_like(labels)
    scene = LucidScene.from_frames([(image, labels), (image, empty)], "navier_stokes")
    kept = [plate.copy() for plate in scene.plates]
    image[:] = 0
    np.testing.assert_array_equal(scene.plates, kept)


def test_void_stays_on_the_plate() -> None:
    image, labels = frame()
    scene = scene_of(image, labels)
    still = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(still.label_map, labels)
    moved = replace(FROZEN, background_shift=(0.1,), camera_shift=(0.05,))
    dream = LucidDreamer(moved, flow=True)(scene, np.random.default_rng(0))
    ys, xs = np.nonzero(dream.previous_label_map == 255)
    # what is mirrored in from the left and the top is void, too
    assert (xs.max(), ys.max()) == (round(5 + 12.9), round(5 + 9.7))
    assert (xs >= 15).sum() > 0
    # it belongs to the plate, so nothing comes into sight at its border
    assert dream.flow is not None
    around = dream.flow.newly_visible[14:30, 18:34]
    assert (dream.label_map[14:30, 18:34] == 255).any()
    assert not around[dream.label_map[14:30, 18:34] == 255].any()
    sampler = LucidSampler([scene], LucidDreamer(moved), PREVIOUS_MASKS["lucid"])
    assert (sampler(np.random.default_rng(0))["target"] == 255).sum() > 8


def test_void_around_an_object_is_filled_with_it() -> None:
    """The object goes on there, nobody knows how far: it must not come back on the plate."""
    image, labels = np.full((*SIZE, 3), 90, np.uint8), np.zeros(SIZE, np.uint8)
    labels[25:65, 35:85] = 255
    labels[30:60, 40:80] = 1
    labels[5:10, 5:10] = 255  # apart, so left as it is
    image[27:63, 37:83] = (250, 0, 250)  # the object reaches into the void
    image[5:10, 5:10] = (0, 90, 0)
    for filling in ("patches", "navier_stokes"):
        scene = LucidScene.from_frame(image, labels, filling)
        (plate,), (void,) = scene.plates, scene.voids
        assert void is not None
        np.testing.assert_array_equal(np.argwhere(void == 255).min(axis=0), [5, 5])
        np.testing.assert_array_equal(np.argwhere(void == 255).max(axis=0), [9, 9])
        np.testing.assert_array_equal(plate[5:10, 5:10], image[5:10, 5:10])
        assert (plate[20:70, 30:90] == 90).all()


def test_scenes_can_be_compared_and_kept_in_sets() -> None:
    one, other = scene_of(*frame()), scene_of(*frame())
    assert one != other
    assert len({one, other, one}) == 2
