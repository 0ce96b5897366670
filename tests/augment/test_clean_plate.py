"""What is painted over, and what is left alone."""

import numpy as np
import pytest

from augment.clean_plate import clean_plate
from augment.deformation import dilate

SIZE = (65, 97)
COLOUR = (13, 77, 201)
WINDOWS = [np.s_[20:40, 30:60], np.s_[:30, :40], np.s_[40:, 70:], np.s_[20:40, :]]


@pytest.mark.parametrize("filling", ["patches", "navier_stokes"])
@pytest.mark.parametrize("window", WINDOWS)
def test_uniform_background_is_filled_exactly(window: tuple[slice, slice], filling: str) -> None:
    image = np.full((*SIZE, 3), COLOUR, dtype=np.uint8)
    objects = np.zeros(SIZE, dtype=bool)
    objects[window] = True
    painted = image.copy()
    painted[objects] = (255, 0, 0)
    plate = clean_plate(painted, objects, margin=3, filling=filling)
    np.testing.assert_array_equal(plate, image)


def test_telea_is_there_too() -> None:
    image = np.full((*SIZE, 3), COLOUR, dtype=np.uint8)
    objects = np.zeros(SIZE, dtype=bool)
    objects[20:40, 30:60] = True
    plate = clean_plate(image, objects, filling="telea").astype(int)
    assert np.abs(plate - COLOUR).max() <= 7  # it rounds down
    assert (plate != clean_plate(image, objects, filling="navier_stokes")).any()


def test_a_frame_that_is_nearly_all_object_is_filled_smoothly_with_a_warning() -> None:
    image = np.full((*SIZE, 3), COLOUR, dtype=np.uint8)
    objects = np.zeros(SIZE, dtype=bool)
    objects[5:, 5:] = True
    with pytest.warns(UserWarning, match="filled smoothly"):
        plate = clean_plate(image, objects)
    np.testing.assert_array_equal(plate, image)


def test_pixels_outside_the_hole_are_untouched_and_the_rim_is_gone() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 100, (*SIZE, 3), dtype=np.uint8)
    objects = np.zeros(SIZE, dtype=bool)
    objects[20:40, 30:60] = True
    image[18:42, 28:62] = 255  # the object and a rim of 2 px that the mask misses
    before = image.copy()
    plate = clean_plate(image, objects, margin=3)
    hole = dilate(objects.astype(np.uint8), 3) > 0
    np.testing.assert_array_equal(plate[~hole], image[~hole])
    np.testing.assert_array_equal(image, before)
    assert plate[objects].max() < 160


def test_smooth_background_is_continued() -> None:
    image = np.broadcast_to(np.arange(SIZE[1], dtype=np.uint8)[None, :, None], (*SIZE, 3)).copy()
    objects = np.zeros(SIZE, dtype=bool)
    objects[25:35, 40:50] = True
    painted = image.copy()
    painted[objects] = 255
    plate = clean_plate(painted, objects).astype(int)
    assert np.abs(plate - image).max() <= 6


def test_no_object_gives_the_input() -> None:
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(clean_plate(image, np.zeros(SIZE, dtype=bool)), image)


def test_all_object_gives_the_mean_colour() -> None:
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    image[:, ::2] = 99  # 49 of 97 columns: the mean is 50.01
    plate = clean_plate(image, np.ones(SIZE, dtype=bool))
    assert (plate == 50).all()
    plate[0, 0] = 1  # the caller owns it
