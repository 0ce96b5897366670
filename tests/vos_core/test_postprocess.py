"""Component pruning and dense CRF."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos_core.errors import DependencyNotFoundError
from vos_core.postprocess import DenseCRF, prune_components


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


def test_crf_moves_a_rough_border_to_the_edge_in_the_picture() -> None:
    pytest.importorskip("pydensecrf", reason="extra 'crf' is not installed")
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    image[:, 40:] = 220
    probability = np.full((60, 80), 0.1, dtype=np.float32)
    probability[:, 36:] = 0.7  # 4 px too far left
    answer = DenseCRF()(image, np.stack([1 - probability, probability]))
    np.testing.assert_allclose(answer.sum(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(answer.argmax(axis=0), image[..., 0] > 0)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydensecrf.densecrf", None)
    with pytest.raises(DependencyNotFoundError, match=r'pip install "\.\[crf\]"'):
        DenseCRF()(np.zeros((4, 4, 3), np.uint8), np.full((2, 4, 4), 0.5, np.float32))
