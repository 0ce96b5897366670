"""Which frames are drawn, which objects are kept, and what is read."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_vos import open_dataset, open_stills
from datasets_vos.masks import write_mask
from datasets_vos.sampling import (
    ClipSampler,
    choose_objects,
    growing_gap,
    read_still,
    read_truth,
    sample_reference_and_validation,
    sample_window,
)
from tests.fakes import AREAS, LATE_FRAME, SIZE, fake_frame, fake_label_map, make_davis
from vos_core.errors import ConfigError, DatasetError, MaskError, VOSError
from vos_core.types import VOID


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 30), st.integers(0, 2**32))
def test_windows_are_in_range_in_order_and_close(
    length: int, frames: int, max_gap: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    if length < frames:
        with pytest.raises(DatasetError, match="too short"):
            sample_window(length, frames, max_gap=max_gap, rng=rng)
        return
    window = sample_window(length, frames, max_gap=max_gap, rng=rng)
    assert len(window) == frames
    assert window[0] >= 0
    assert window[-1] < length
    assert all(1 <= gap <= max_gap for gap in np.diff(window))


def test_windows_of_neighbours_start_anywhere_alike() -> None:
    rng = np.random.default_rng(0)
    starts = Counter(sample_window(9, 3, max_gap=1, rng=rng)[0] for _ in range(7000))
    # 7 starts, each 1000 times: the standard deviation is 29
    assert sorted(starts) == list(range(7))
    assert all(880 < count < 1120 for count in starts.values())


def test_pairs_have_every_gap_alike() -> None:
    rng = np.random.default_rng(0)
    pairs = [sample_window(50, 2, max_gap=5, rng=rng) for _ in range(5000)]
    gaps = Counter(b - a for a, b in pairs)
    assert sorted(gaps) == [1, 2, 3, 4, 5]
    assert all(890 < count < 1110 for count in gaps.values())
    assert {a for a, _ in pairs} | {b for _, b in pairs} == set(range(50))


def test_gap_shrinks_in_a_short_clip() -> None:
    rng = np.random.default_rng(0)
    windows = {sample_window(5, 3, max_gap=25, rng=rng) for _ in range(300)}
    # two gaps of at most (5 - 1) // 2
    assert windows == {
        *((i, i + 1, i + 2) for i in range(3)),
        *((i, i + 1, i + 3) for i in range(2)),
        *((i, i + 2, i + 3) for i in range(2)),
        (0, 2, 4),
    }
    assert {sample_window(4, 3, max_gap=25, rng=rng) for _ in range(50)} == {(0, 1, 2), (1, 2, 3)}
    assert sample_window(3, 3, max_gap=25, rng=rng) == (0, 1, 2)


@pytest.mark.parametrize(("frames", "max_gap"), [(0, 1), (2, 0)])
def test_senseless_windows_are_refused(frames: int, max_gap: int) -> None:
    with pytest.raises(ConfigError):
        sample_window(9, frames, max_gap=max_gap, rng=np.random.default_rng(0))


def test_gap_grows_as_stm_trains() -> None:
    gaps = [growing_gap(epoch, first=1, step=5, every=20, last=26) for epoch in range(140)]
    assert gaps[::20] == [1, 6, 11, 16, 21, 26, 26]
    assert gaps[19] == 1
    assert gaps == sorted(gaps)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32))
def test_reference_and_validation_differ(length: int, validation: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if length <= validation:
        with pytest.raises(DatasetError, match="too short"):
            sample_reference_and_validation(length, validation, rng=rng)
        return
    reference, *others = sample_reference_and_validation(length, validation, rng=rng)
    assert len({reference, *others}) == validation + 1
    assert others == sorted(others)
    assert set(range(length)) >= {reference, *others}


def test_every_reference_and_every_set_is_alike() -> None:
    rng = np.random.default_rng(0)
    draws = Counter(sample_reference_and_validation(4, 2, rng=rng) for _ in range(6000))
    # 4 references, each with 3 pairs of others
    assert len(draws) == 12
    assert all(400 < count < 600 for count in draws.values())
    with pytest.raises(ConfigError):
        sample_reference_and_validation(4, 0, rng=rng)


def test_objects_of_the_first_frame_are_renumbered_and_void_stays() -> None:
    first = np.array([[0, 7, 9, 200, VOID]], dtype=np.uint8)
    later = np.array([[3, 9, VOID, 0, 200]], dtype=np.uint8)
    seen = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        (a, b), count = choose_objects([first, later], 2, rng=rng)
        assert count == 2
        kept = tuple(int(i) for i in first[0, 1:4][a[0, 1:4] > 0])
        table = {0: 0, VOID: VOID, kept[0]: 1, kept[1]: 2}
        assert a[0].tolist() == [table.get(int(i), 0) for i in first[0]]
        assert b[0].tolist() == [table.get(int(i), 0) for i in later[0]]
        assert a.dtype == np.uint8
        seen.add(kept)
    assert seen == {(7, 9), (7, 200), (9, 200)}
    assert first[0, 1] == 7  # the input is left alone
    assert choose_objects([first], 9, rng=np.random.default_rng(0))[1] == 3


def test_no_object_to_choose() -> None:
    empty = np.array([[0, VOID]], dtype=np.uint8)
    (first, later), count = choose_objects(
        [empty, np.array([[4, 0]], np.uint8)], 3, rng=np.random.default_rng(0)
    )
    assert count == 0
    assert first[0].tolist() == [0, VOID]
    assert later[0].tolist() == [0, 0]


def time_of(label_map: np.ndarray) -> int:
    """Tell the frame of the fake scene by where its red square is."""
    return (int(np.nonzero(label_map == 1)[1].min()) - 4) // 2


@pytest.mark.parametrize("order", ["window", "reference"])
def test_clips_are_read_as_they_lie_on_disk(davis_root: Path, order: str) -> None:
    clips = open_dataset("davis2017", davis_root, sequences=["dog"])
    sampler = ClipSampler(clips, SIZE, frames=3, order=order)  # type: ignore[arg-type]
    rng, orders = np.random.default_rng(0), set()
    for _ in range(40):
        sample = sampler(2, rng)
        assert sample.images.shape == (3, *SIZE, 3)
        assert sample.label_maps.dtype == sample.images.dtype == np.uint8
        assert sample.objects == 2
        times = [time_of(label_map) for label_map in sample.label_maps]
        for t, image, label_map in zip(times, sample.images, sample.label_maps, strict=True):
            np.testing.assert_array_equal(label_map, fake_label_map(t))
            assert np.abs(image.astype(int) - fake_frame(t)).mean() < 3
        orders.add(tuple(times))
    if order == "window":
        assert all(0 < np.diff(times).max() <= 2 for times in orders)
    else:
        assert any(times[0] > times[-1] for times in orders)
        assert all(times[1] < times[2] for times in orders)


def test_late_objects_are_background_where_the_reference_lacks_them(davis_root: Path) -> None:
    clips = open_dataset("davis2017", davis_root, sequences=["cat"])
    sampler, rng = ClipSampler(clips, SIZE, frames=2), np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        sample = sampler(5, rng)
        shown = time_of(sample.label_maps[0]) >= LATE_FRAME
        seen.add(shown)
        assert sample.objects == (3 if shown else 2)
        assert (sample.label_maps == 3).sum() == (2 * AREAS[3] if shown else 0)
    assert seen == {True, False}


def test_at_most_so_many_objects(davis_root: Path) -> None:
    clips = open_dataset("davis2017", davis_root, sequences=["dog"])
    sampler, rng = ClipSampler(clips, SIZE, frames=2, max_objects=1), np.random.default_rng(0)
    areas = set()
    for _ in range(20):
        sample = sampler(1, rng)
        assert set(np.unique(sample.label_maps)) == {0, 1}
        areas.add(int((sample.label_maps[0] == 1).sum()))
    assert areas == {AREAS[1], AREAS[2]}


def test_only_frames_with_truth_are_used(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "data", sequences=("solo",), frames=9)
    for t in (1, 2, 3, 5, 6, 7):
        (root / "Annotations" / "480p" / "solo" / f"{t:05d}.png").unlink()
    clips = open_dataset("davis2017", root)
    assert list(clips[0].truth_frames) == [0, 4, 8]
    sampler, rng = ClipSampler(clips, SIZE, frames=2), np.random.default_rng(0)
    times = {tuple(time_of(m) for m in sampler(1, rng).label_maps) for _ in range(20)}
    assert times == {(0, 4), (4, 8)}
    with pytest.raises(DatasetError, match="'solo': frame 00001 has no ground truth"):
        read_truth(clips[0], 1, None)


def test_size_is_that_of_pictures_and_labels(davis_root: Path) -> None:
    clips = open_dataset("davis2017", davis_root)
    sample = ClipSampler(clips, (24, 32), frames=2)(1, np.random.default_rng(0))
    assert sample.images.shape == (2, 24, 32, 3)
    assert sample.label_maps.shape == (2, 24, 32)


def make_stills(root: Path, *, empty: bool = False) -> Path:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for t in range(2):
        label_map = fake_label_map(t) * (not empty)
        PIL.Image.fromarray(fake_frame(t)).save(root / "images" / f"{t}.jpg")
        write_mask(root / "masks" / f"{t}.png", (label_map == 1).astype(np.uint8))
    return root


def test_stills_become_clips(tmp_path: Path) -> None:
    stills = open_stills("stills", make_stills(tmp_path))
    sample = ClipSampler(stills, SIZE, frames=4)(1, np.random.default_rng(0))
    assert sample.images.shape == (4, *SIZE, 3)
    assert sample.objects == 1
    areas = [(label_map == 1).sum() for label_map in sample.label_maps]
    assert 0.5 * AREAS[1] < min(areas)
    assert max(areas) < 1.6 * AREAS[1]
    red = sample.images[..., 0].astype(int) - sample.images[..., 1] > 120
    known = sample.label_maps != VOID
    assert (red == (sample.label_maps == 1))[known].mean() > 0.98


def test_stills_without_object_are_named_once_and_passed_over(tmp_path: Path) -> None:
    stills = open_stills("stills", make_stills(tmp_path, empty=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with pytest.raises(MaskError, match="100 training samples in a row"):
            ClipSampler(stills, SIZE, frames=2)(1, np.random.default_rng(0))
    said = sorted(str(warning.message) for warning in caught)
    assert len(said) == 2
    for t in range(2):
        assert f"{t}.png: shows no object" in said[t]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    root = make_stills(tmp_path)
    for t in range(2):
        path = root / "images" / f"{t}.jpg"
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(VOSError, match=r"[01]\.jpg"):
        read_still(open_stills("stills", root)[0], SIZE)
