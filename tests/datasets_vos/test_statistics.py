"""Sizes, motion and absence, on squares whose numbers are known."""

import math
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import Davis, StillImage, open_dataset
from datasets_vos.mask_formats import BINARY, INDEXED
from datasets_vos.masks import write_mask
from datasets_vos.statistics import (
    Region,
    clip_statistics,
    measure,
    object_statistics,
    still_statistics,
    summarise,
)
from tests.fakes import LATE_FRAME, SIZE, fake_label_map, make_davis, make_frames
from tests.fakes.youtube_vos import make_youtube_vos
from vos_core.types import VOID

PIXELS = SIZE[0] * SIZE[1]


def test_measure() -> None:
    label_map = np.zeros((10, 20), dtype=np.uint8)
    label_map[2:5, 6:8] = 7
    label_map[0, 19] = 254
    label_map[9] = VOID
    assert measure(label_map) == {7: Region(6, 3.0, 6.5), 254: Region(1, 0.0, 19.0)}
    assert measure(np.zeros((4, 4), dtype=np.uint8)) == {}


def test_measure_equals_one_object_at_a_time() -> None:
    label_map = np.random.default_rng(0).integers(0, 5, (31, 17), dtype=np.uint8)
    for object_id, region in measure(label_map).items():
        rows, columns = np.nonzero(label_map == object_id)
        assert region.area == len(rows)
        assert (region.y, region.x) == pytest.approx((rows.mean(), columns.mean()))


def test_summarise() -> None:
    assert summarise([4, math.nan, 1, 1]) == (2, 1, 1, 4)
    assert all(math.isnan(value) for value in summarise([math.nan]))


def test_moving_squares(tmp_path: Path) -> None:
    make_davis(tmp_path, frames=6)
    clip = clip_statistics(Davis(tmp_path).clip("beta"))
    assert (clip.name, clip.size, clip.frames, clip.annotated) == ("beta", SIZE, 6, 6)
    one, two, three = clip.objects
    assert [each.object_id for each in clip.objects] == [1, 2, 3]
    # squares of 12 and 8 pixels that move by 2 pixels a frame, in opposite directions
    assert one.area == pytest.approx((144 / PIXELS,) * 4)
    assert (one.motion_pixels, one.motion) == pytest.approx((2, 2 / 12))
    assert (two.motion_pixels, two.motion) == pytest.approx((2, 2 / 8))
    # one of 6 pixels that appears late and rests: it is not absent before
    assert three.area.mean == pytest.approx(36 / PIXELS)
    assert (three.motion_pixels, three.motion) == (0, 0)
    assert (one.absent, two.absent, three.absent) == (0, 0, 0)


def test_size_is_counted_where_the_object_is_seen() -> None:
    track = {1: Region(100, 0, 0), 2: Region(300, 3, 4), 5: Region(200, 90, 90)}
    found = object_statistics(8, track, range(6), pixels=1000)
    assert found.area == pytest.approx((0.2, 0.1, 0.2, 0.3))
    # frames 1 to 5 count; only 1 and 2 follow one another
    assert found.absent == pytest.approx(2 / 5)
    assert found.motion_pixels == 5
    assert found.motion == pytest.approx(5 / math.sqrt(200))


def test_sparse_truth_counts_by_frame() -> None:
    track = {0: Region(16, 0, 0), 10: Region(16, 0, 20), 30: Region(16, 40, 20)}
    found = object_statistics(1, track, [0, 10, 30], pixels=64)
    assert (found.motion_pixels, found.motion, found.absent) == (2, 0.5, 0)


def test_objects_without_truth_count_where_they_are_given(tmp_path: Path) -> None:
    make_davis(tmp_path / "first", annotate="first")
    clip = clip_statistics(Davis(tmp_path / "first").clip("alpha"))
    assert (clip.frames, clip.annotated, len(clip.objects)) == (6, 1, 2)
    assert all(math.isnan(each.motion) and math.isnan(each.absent) for each in clip.objects)
    write_mask(tmp_path / "mask.png", fake_label_map(0))
    make_frames(tmp_path / "own")
    own = open_dataset("folder", tmp_path / "own", mask=tmp_path / "mask.png")
    assert clip_statistics(own[0]).objects[0].area.mean == pytest.approx(144 / PIXELS)


def test_masks_of_late_objects_say_nothing_of_the_others(tmp_path: Path) -> None:
    make_youtube_vos(tmp_path, splits=["valid"])
    clip = clip_statistics(open_dataset("youtube_vos2019", tmp_path).clip("late"))
    assert clip.annotated == 2
    assert [each.object_id for each in clip.objects] == [1, 2, 3]
    assert [each.area.mean * PIXELS for each in clip.objects] == pytest.approx([144, 64, 36])
    assert all(math.isnan(each.absent) for each in clip.objects)


def test_stills(tmp_path: Path) -> None:
    picture = make_frames(tmp_path / "frames", 1) / "00000.jpg"
    write_mask(tmp_path / "two.png", fake_label_map(LATE_FRAME))
    write_mask(tmp_path / "none.png", np.zeros(SIZE, dtype=np.uint8))

    def areas(*masks: str, binary: bool = False) -> tuple[float, ...] | None:
        paths = tuple(tmp_path / mask for mask in masks)
        still = StillImage("a", picture, paths, BINARY if binary else INDEXED)
        assert still_statistics(still).size == SIZE
        return still_statistics(still).areas

    assert areas("two.png") == pytest.approx((144 / PIXELS, 64 / PIXELS))
    assert areas("two.png", binary=True) == pytest.approx((208 / PIXELS,))
    assert areas("none.png") == ()
    assert areas() is None
