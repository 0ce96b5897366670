"""Holes filled with patches: texture goes on, nothing else changes."""

import cv2
import numpy as np
import pytest

from augment.patch_filling import fill_with_patches
from vos_core.types import BinaryMask, Image

SIZE = (96, 128)


def disc(radius: int = 14) -> BinaryMask:
    return cv2.circle(np.zeros(SIZE, np.uint8), (64, 48), radius, 1, -1) > 0


def stripes(period: int = 8) -> Image:
    xs = np.arange(SIZE[1])[None, :, None]
    return np.broadcast_to(np.where(xs % period < period // 2, 60, 190), (*SIZE, 3)).astype(
        np.uint8
    )


def spoilt(image: Image, hole: BinaryMask) -> Image:
    painted = image.copy()
    painted[hole] = (255, 0, 255)
    return painted


def filled(image: Image, hole: BinaryMask) -> Image:
    result = fill_with_patches(spoilt(image, hole), hole)
    assert result is not None
    return result


def test_regular_texture_is_continued_exactly() -> None:
    hole = disc()
    np.testing.assert_array_equal(filled(stripes(), hole), stripes())


def test_it_beats_a_smooth_filling_on_an_edge_and_on_noise() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 90, (*SIZE, 3)).astype(np.uint8)
    image[48:] += 120
    hole = disc()
    result = filled(image, hole)
    smooth = cv2.inpaint(spoilt(image, hole), hole.astype(np.uint8), 5, cv2.INPAINT_NS)
    # the edge stays where it is, and there is as much noise as around
    above, below = hole.copy(), hole.copy()
    above[44:], below[:52] = False, False
    for picture, better in ((result, True), (smooth, False)):
        texture = picture[above].std()
        assert bool(texture > 0.8 * image[:40].std()) is better
    assert result[above].max() < 105 < result[below].min()


def test_pixels_outside_the_hole_are_untouched_and_the_input_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    hole = disc()
    before = image.copy()
    result = fill_with_patches(image, hole)
    assert result is not None
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~hole], image[~hole])
    # each pixel is one of the surroundings'
    known = {tuple(colour) for colour in image[~hole]}
    assert all(tuple(colour) in known for colour in result[hole])


def test_the_same_frame_is_filled_in_the_same_way() -> None:
    image = np.random.default_rng(1).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(filled(image, disc()), filled(image, disc()))


@pytest.mark.parametrize(
    "window",
    [np.s_[:20, :30], np.s_[-15:, -40:], np.s_[:, :9], np.s_[30:60, :], np.s_[48, 64], np.s_[0, 0]],
)
def test_holes_at_the_border_and_of_one_pixel(window: tuple[slice, slice]) -> None:
    hole = np.zeros(SIZE, dtype=bool)
    hole[window] = True
    plain = np.full((*SIZE, 3), (13, 77, 201), dtype=np.uint8)
    np.testing.assert_array_equal(filled(plain, hole), plain)


def test_a_hole_in_many_parts() -> None:
    hole = np.random.default_rng(0).random(SIZE) < 0.002
    np.testing.assert_array_equal(filled(stripes(), hole), stripes())


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (12, 12)])
def test_too_little_around_is_told(size: tuple[int, int]) -> None:
    hole = np.zeros(size, dtype=bool)
    hole[0, 0] = True
    assert fill_with_patches(np.zeros((*size, 3), np.uint8), hole) is None


def test_a_frame_that_is_nearly_all_hole_is_told() -> None:
    hole = np.ones(SIZE, dtype=bool)
    hole[:6] = False
    assert fill_with_patches(stripes(), hole) is None


def test_the_rounds_of_a_level_share_their_components(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []
    solve = np.linalg.eigh

    def counting(matrix: np.ndarray) -> object:
        sides.append(len(matrix))
        return solve(matrix)

    monkeypatch.setattr(np.linalg, "eigh", counting)
    filled(stripes(), disc())
    assert sides == [147, 147]  # 7 x 7 patches of 3 colours, at 48 and at 96 pixels
