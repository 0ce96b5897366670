"""The stand-in for semantics: closed forms, and what it must not depend on."""

import cv2
import numpy as np
import pytest
import torch

from vos_core.errors import ConfigError, DatasetError
from vos_core.semantics import build_semantics, list_semantics
from vos_core.types import FloatArray, Image

GROUND, DISC = (90, 120, 60), (230, 170, 40)


def disc(size: tuple[int, int], centre: tuple[int, int], radius: int) -> tuple[Image, Image]:
    """Return a disc on plain ground, and how far, in pixels, each pixel is from its rim inside."""
    rows, columns = np.indices(size)
    inside = radius - np.hypot(rows - centre[0], columns - centre[1])
    return np.where(inside[..., None] > 0, DISC, GROUND).astype(np.uint8), inside


def texture(size: tuple[int, int]) -> Image:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


def objectness(image: Image) -> FloatArray:
    found = build_semantics("objectness")(image)
    assert found.dtype == np.float32
    assert found.shape == image.shape[:2]
    assert found.flags.c_contiguous
    assert 0 <= found.min() <= found.max() <= 1
    return found


@pytest.mark.parametrize("size", [(120, 160), (121, 157), (240, 432), (480, 854), (333, 251)])
def test_a_disc_is_white_and_its_ground_black(size: tuple[int, int]) -> None:
    image, inside = disc(size, (size[0] // 2, size[1] // 3), size[1] // 6)
    found = objectness(image)
    rim = 3 * max(1, max(size) / 160)  # smoothing and resizing
    assert found[inside > rim].min() > 0.999
    assert found[inside < -rim].max() < 1e-3


def test_what_reaches_the_border_is_ground() -> None:
    image, inside = disc((120, 160), (60, 5), 30)
    found = objectness(image)
    assert found[np.abs(inside) > 3].max() < 1e-3


def test_the_distance_adds_the_barriers_of_the_channels() -> None:
    """A grey square has a barrier in lightness alone, one more in colour is brighter."""
    image = np.full((100, 150, 3), 128, dtype=np.uint8)
    image[30:70, 20:60], image[30:70, 90:130] = 188, (200, 90, 0)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    grey, brown = (float(np.abs(lab[50, x] - lab[0, 0]).sum()) for x in (40, 110))
    found = objectness(image)
    assert found[50, 110] == pytest.approx(1, abs=1e-4)
    assert found[50, 40] == pytest.approx(grey / brown, abs=1e-3)


def test_a_ring_shields_what_is_within() -> None:
    """What has the ground's colour, but is enclosed, stands out as its enclosure does."""
    image, inside = disc((120, 160), (60, 80), 40)
    image[inside > 15] = GROUND
    assert objectness(image)[60, 80] > 0.999


def test_a_ramp_with_a_way_out_is_no_barrier() -> None:
    """A path along the rows meets no change, so a strong gradient is still background."""
    image = np.repeat(np.linspace(0, 255, 100).astype(np.uint8)[:, None, None], 150, axis=1)
    assert objectness(np.repeat(image, 3, axis=2)).max() < 1e-3


@pytest.mark.parametrize("level", [0, 7, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 300), (31, 17), (240, 432)])
def test_a_constant_frame_has_nothing(level: int, size: tuple[int, int]) -> None:
    assert not objectness(np.full((*size, 3), level, dtype=np.uint8)).any()


def test_noise_stays_dark() -> None:
    noise = np.random.default_rng(0).normal(128, 2, (240, 432, 3)).round().astype(np.uint8)
    assert objectness(noise).max() < 0.3


def test_a_grey_disc_is_found() -> None:
    image, inside = disc((121, 161), (60, 80), 30)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    found = objectness(grey)
    assert found[inside > 3].min() > 0.5
    assert found[inside < -3].max() < 1e-3


@pytest.mark.parametrize("size", [(90, 150), (240, 432), (201, 333)])
def test_a_mirror_image_has_the_mirrored_map(size: tuple[int, int]) -> None:
    """But for ties: which of two equal paths goes on depends on the order of the sweeps."""
    image = texture(size)
    found, mirrored = objectness(image), objectness(image[:, ::-1])[:, ::-1]
    assert found.std() > 0.1
    assert np.abs(found - mirrored).mean() < 1e-3
    assert np.abs(found - mirrored).max() < 0.05


def test_maps_repeat_and_frames_stay_as_they_are() -> None:
    image = texture((100, 131))
    before, state = image.copy(), torch.get_rng_state()
    estimator = build_semantics("objectness")
    np.testing.assert_array_equal(estimator(image), estimator(image))
    np.testing.assert_array_equal(image, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_it_says_that_it_is_a_stand_in() -> None:
    assert build_semantics("objectness").description.startswith("objectness is a stand-in for")


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8), dtype=np.uint8),
        np.zeros((8, 8, 4), dtype=np.uint8),
        np.zeros((8, 8, 3), dtype=np.float32),
        np.zeros((0, 8, 3), dtype=np.uint8),
    ],
)
def test_other_frames_are_refused(frame: Image) -> None:
    with pytest.raises(DatasetError, match=r"\(H, W, 3\) uint8 RGB, got \("):
        build_semantics("objectness")(frame)


def test_names() -> None:
    networks = ["deeplabv3_mobilenet_v3_large", "deeplabv3_resnet101", "deeplabv3_resnet50"]
    assert list_semantics() == [*networks, "objectness"]
    assert list_semantics(weights=True) == networks
    assert list_semantics(weights=False) == ["objectness"]


def test_wrong_names_and_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'deeplabv3_resnet1O1'; .*mean 'deeplabv3_resnet101'\?"):
        build_semantics("deeplabv3_resnet1O1")
    with pytest.raises(ConfigError, match=r"'objectness' take no weights; .* deeplabv3_resnet50"):
        build_semantics("objectness", weights="some.pth")
