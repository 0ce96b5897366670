"""Component pruning."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos_core.postprocess import prune_components


def blocks(*corners: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((40, 60), dtype=bool)
    for y, x, side in corners:
        mask[y : y + side, x : x + side] = True
    return mask


def test_a_part_from_nowhere_is_removed() -> None:
    mask = blocks((5, 5, 12), (25, 40, 6))
    np.testing.assert_array_equal(prune_components(mask, blocks((6, 6, 12))), blocks((5, 5, 12)))


def test_reach_is_a_distance() -> None:
    mask = blocks((5, 5, 12), (5, 20, 6))  # three empty columns between the parts
    guide = blocks((5, 5, 12))
    np.testing.assert_array_equal(prune_components(mask, guide, reach=3), guide)
    np.testing.assert_array_equal(prune_components(mask, guide, reach=4), mask)


def test_an_object_that_comes_back_keeps_all_its_parts() -> None:
    mask = blocks((5, 5, 12), (25, 40, 6))
    np.testing.assert_array_equal(prune_components(mask, np.zeros_like(mask)), mask)


@given(
    hnp.arrays(bool, (12, 15)),
    hnp.arrays(bool, (12, 15)),
    st.booleans(),
)
def test_never_adds_and_never_empties(mask: np.ndarray, earlier: np.ndarray, same: bool) -> None:
    kept = prune_components(mask, mask if same else earlier)
    assert not (kept & ~mask).any()
    assert kept.any() == mask.any()
    if same:
        np.testing.assert_array_equal(kept, mask)
