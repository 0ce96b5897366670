"""Bringing annotations to a smaller size without losing an object."""

from pathlib import Path

import numpy as np
import pytest

from datasets_vos import open_clip
from datasets_vos.masks import write_mask
from tests.fakes import make_frames
from vos_core.clips import annotated_frames
from vos_core.errors import MaskError
from vos_core.resize import resize_annotation, resize_labels
from vos_core.types import Annotation, LabelMap


def speck(rows: slice, columns: slice, object_id: int = 3) -> LabelMap:
    label_map = np.zeros((90, 160), dtype=np.uint8)
    label_map[20:60, 10:70] = 1
    label_map[rows, columns] = object_id
    return label_map


def test_large_objects_are_resized_as_labels() -> None:
    label_map = speck(slice(60, 80), slice(100, 140))
    resized = resize_annotation(Annotation(0, label_map, (1, 3)), (45, 80))
    np.testing.assert_array_equal(resized, resize_labels(label_map, (45, 80)))


@pytest.mark.parametrize(
    ("row", "column", "kept"), [(44, 80, (7, 13)), (0, 0, (0, 0)), (89, 159, (14, 26))]
)
def test_a_speck_keeps_one_pixel_in_its_place(row: int, column: int, kept: tuple[int, int]) -> None:
    label_map = speck(slice(row, row + 1), slice(column, column + 1))
    resized = resize_annotation(Annotation(0, label_map, (1, 3)), (15, 27))
    assert np.argwhere(resized == 3).tolist() == [list(kept)]
    others = resize_labels(np.where(label_map == 1, label_map, 0), (15, 27))
    np.testing.assert_array_equal(np.where(resized == 3, others, resized), others)


def test_objects_that_are_not_introduced_are_left_out() -> None:
    label_map = speck(slice(60, 80), slice(100, 140))
    resized = resize_annotation(Annotation(4, label_map, (3,)), (45, 80))
    assert set(np.unique(resized)) == {0, 3}


def test_the_annotation_is_not_changed() -> None:
    label_map = speck(slice(5, 6), slice(5, 6))
    before = label_map.copy()
    for size in (None, (90, 160), (9, 16)):
        resize_annotation(Annotation(0, label_map, (1, 3)), size)[:] = 0
        np.testing.assert_array_equal(label_map, before)


def test_two_specks_in_one_pixel_are_refused(tmp_path: Path) -> None:
    label_map = np.zeros((90, 160), dtype=np.uint8)
    label_map[44, 80], label_map[44, 81] = 1, 2
    write_mask(tmp_path / "mask.png", label_map)
    make_frames(tmp_path / "mine", 2, size=(90, 160))
    clip = open_clip(tmp_path / "mine", tmp_path / "mask.png")
    with pytest.raises(MaskError, match=r"'mine', frame 00000: object 1 vanishes at the size"):
        annotated_frames(clip, (15, 27))
    [(image, labels)] = annotated_frames(clip, (90, 160))
    assert image.shape == (90, 160, 3)
    assert set(np.unique(labels)) == {0, 1, 2}
