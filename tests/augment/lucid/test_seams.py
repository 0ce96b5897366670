"""Seams that are solved for."""

from dataclasses import replace

import numpy as np
import pytest

from augment.lucid import LucidDreamer, LucidRanges
from augment.lucid.seams import solve_seam
from tests.augment.lucid.scenes import FROZEN, frame, scene_of

SIZE = (40, 50)


def square() -> np.ndarray:
    solid = np.zeros(SIZE, dtype=bool)
    solid[10:30, 15:35] = True
    return solid


def paste(behind: np.ndarray, colours: np.ndarray, solid: np.ndarray) -> np.ndarray:
    part = behind.astype(np.float32)
    solve_seam(part, colours.astype(np.float32), solid)
    return part


def test_an_object_in_its_own_place_is_not_changed() -> None:
    picture = np.random.default_rng(0).uniform(20, 200, (*SIZE, 3))
    np.testing.assert_allclose(paste(picture, picture, square()), picture, atol=1e-3)


def test_only_the_seam_differs_from_a_plain_paste() -> None:
    rng = np.random.default_rng(0)
    behind, colours = rng.uniform(0, 80, (*SIZE, 3)), rng.uniform(150, 250, (*SIZE, 3))
    part, solid = paste(behind, colours, square()), square()
    inner, outer = np.zeros(SIZE, bool), np.ones(SIZE, bool)
    inner[11:29, 16:34], outer[9:31, 14:36] = True, False
    np.testing.assert_array_equal(part[inner], colours[inner].astype(np.float32))
    np.testing.assert_array_equal(part[outer], behind[outer].astype(np.float32))
    assert not np.allclose(
        part[~inner & ~outer], np.where(solid[..., None], colours, behind)[~inner & ~outer]
    )


def test_a_step_becomes_a_ramp() -> None:
    """Between plain colours the two pixels of the band stand at even steps."""
    behind, colours = np.full((*SIZE, 3), 30.0), np.full((*SIZE, 3), 150.0)
    part = paste(behind, colours, square())
    np.testing.assert_allclose(part[20, 12:18, 0], [30, 30, 70, 110, 150, 150], atol=2)


def test_nothing_to_paste() -> None:
    behind = np.full((*SIZE, 3), 30.0)
    np.testing.assert_array_equal(paste(behind, behind + 9, np.zeros(SIZE, bool)), behind)


@pytest.mark.parametrize("window", [np.s_[:, :], np.s_[:12, :], np.s_[:, -9:], np.s_[0, 0]])
def test_objects_at_the_border(window: tuple[slice, slice]) -> None:
    solid = np.zeros(SIZE, dtype=bool)
    solid[window] = True
    part = paste(np.full((*SIZE, 3), 30.0), np.full((*SIZE, 3), 150.0), solid)
    assert np.isfinite(part).all()
    assert 29.9 <= part.min() <= part.max() <= 150.1


def test_a_shrunken_object_brings_nothing_from_beyond_its_picture() -> None:
    image = np.full((97, 129, 3), 200, dtype=np.uint8)
    labels = np.zeros((97, 129), dtype=np.uint8)
    labels[20:80, 30:100] = 1
    image[labels == 1] = 180
    dreamer = LucidDreamer(replace(FROZEN, object_scale=(-0.8,)), seam="poisson")
    dreamt = dreamer(scene_of(image, labels), np.random.default_rng(0))
    assert 175 < dreamt.image.min() <= dreamt.image.max() < 215


def test_dreams_with_solved_seams_differ_at_the_seams_alone() -> None:
    scene = scene_of(*frame())
    plan = LucidDreamer().draw(scene, np.random.default_rng(2))
    soft, solved = (
        LucidDreamer(LucidRanges(), seam=s).render(scene, plan) for s in ("feather", "poisson")
    )
    np.testing.assert_array_equal(soft.label_map, solved.label_map)
    apart = (np.abs(soft.image.astype(int) - solved.image).max(axis=-1) > 3).mean()
    assert 0 < apart < 0.1
