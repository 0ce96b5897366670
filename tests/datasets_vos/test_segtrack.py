"""SegTrack-v2: frames of the list, objects one by one, refusals."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos.segtrack import SegTrackClip, SegTrackV2
from tests.fakes.scene import AREAS, SIZE, fake_frame, fake_label_map
from tests.fakes.segtrack import FRAMES, HIDDEN_ROWS, make_segtrack, object_mask
from vos_core.errors import CorruptFileError, DatasetError, MaskError, VOSError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_segtrack(tmp_path / "SegTrackv2")


def open_clip(root: Path, name: str = "pair") -> SegTrackClip:
    clip = SegTrackV2(root).clip(name)
    assert isinstance(clip, SegTrackClip)
    return clip


def gray(values: np.ndarray, path: Path) -> None:
    PIL.Image.fromarray(np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)).save(path)


def test_one_object(root: Path) -> None:
    clip = open_clip(root, "alone")
    # numbers as numbers: 10 comes after 9
    assert clip.frame_names == ("alone_7", "alone_8", "alone_9", "alone_10", "alone_11")
    assert clip.frame_paths[0].name == "alone_7.png"
    assert (clip.size, clip.object_ids) == (SIZE, (1,))
    for t, frame in enumerate(clip.frames()):
        np.testing.assert_array_equal(frame, fake_frame(t))
        truth = clip.ground_truth(t)
        assert truth is not None
        np.testing.assert_array_equal(truth, fake_label_map(t) == 2)


def test_overlapping_objects(root: Path) -> None:
    clip = open_clip(root)
    assert clip.frame_names[0] == "pair_18"
    assert [path.suffix for path in (clip.frame_paths[0], *clip.mask_paths[0])] == [
        ".bmp",
        ".bmp",
        ".png",
    ]
    (annotation,) = clip.annotations
    assert (annotation.frame, annotation.object_ids) == (0, (1, 2))
    hidden = 12 * HIDDEN_ROWS
    for t in range(FRAMES):
        truth = clip.ground_truth(t)
        assert truth is not None
        assert np.bincount(truth.ravel())[1:].tolist() == [AREAS[1] - hidden, AREAS[2] + hidden]
        for k, area in ((1, AREAS[1]), (2, AREAS[2] + hidden)):
            whole = clip.object_truth(t, k)
            assert whole is not None
            assert whole.dtype == np.bool_
            assert whole.sum() == area
            np.testing.assert_array_equal(whole, object_mask("pair", k, t))
    last = clip.object_truth(-1, 1)
    np.testing.assert_array_equal(last, object_mask("pair", 1, FRAMES - 1))
    for k in (0, 3):
        with pytest.raises(DatasetError, match=f"pair: has no object {k}; .* 1 to 2"):
            clip.object_truth(0, k)
    with pytest.raises(IndexError):
        clip.object_truth(FRAMES, 1)


def test_masks_are_cut_above_127(root: Path) -> None:
    clip = open_clip(root, "alone")
    soft = np.zeros(SIZE)
    soft[:2, :2] = [[127, 128], [126, 255]]
    gray(soft, clip.mask_paths[1][0])
    truth = clip.ground_truth(1)
    assert truth is not None
    assert truth[:2, :2].tolist() == [[0, 1], [0, 1]]
    assert truth.sum() == 2


def test_list_gives_order_and_membership(root: Path) -> None:
    path = root / "ImageSets" / "alone.txt"
    path.write_text("alone\nalone_9\n\nalone_8\nalone_11\n")
    clip = open_clip(root, "alone")
    clip.check()
    assert clip.frame_names == ("alone_9", "alone_8", "alone_11")
    np.testing.assert_array_equal(clip.frame(0), fake_frame(2))
    np.testing.assert_array_equal(clip.frame("alone_8"), fake_frame(1))
    np.testing.assert_array_equal(clip.annotations[0].label_map, fake_label_map(2) == 2)
    with pytest.raises(DatasetError, match="no frame 'alone_10'"):
        clip.frame("alone_10")  # on disk, but not listed


def test_without_list(root: Path) -> None:
    shutil.rmtree(root / "ImageSets")
    clip = open_clip(root, "alone")
    clip.check()
    assert clip.frame_names == ("alone_7", "alone_8", "alone_9", "alone_10", "alone_11")
    folder = root / "JPEGImages" / "pair"
    (folder / "pair_18.bmp").rename(folder / "first_18.bmp")
    with pytest.raises(DatasetError, match=r"pair\.txt: no such list.*do not tell their order"):
        _ = open_clip(root).frame_names


def test_frame_without_mask(root: Path) -> None:
    for path in (root / "GroundTruth" / "pair").glob("*/pair_20.*"):
        path.unlink()
    clip = open_clip(root)
    clip.check()
    assert clip.ground_truth(2) is None
    assert clip.object_truth(2, 1) is None
    assert clip.truth_frames == (0, 1, 3, 4)


def test_late_object(root: Path) -> None:
    for t in range(2):
        gray(np.zeros(SIZE), root / "GroundTruth" / "pair" / "2" / f"pair_{18 + t}.png")
    clip = open_clip(root)
    clip.check()
    assert [(a.frame, a.object_ids) for a in clip.annotations] == [(0, (1,)), (2, (2,))]


def test_sequences(root: Path) -> None:
    assert SegTrackV2(root).names == ("alone", "pair")
    assert SegTrackV2(root, sequences=["pair"]).names == ("pair",)
    with pytest.raises(DatasetError, match="no sequence 'par'; the nearest is 'pair'"):
        SegTrackV2(root, sequences=["par"])
    with pytest.raises(DatasetError, match="JPEGImages: no such folder"):
        SegTrackV2(root.parent)
    shutil.rmtree(root / "GroundTruth")
    with pytest.raises(DatasetError, match="GroundTruth: no such folder"):
        SegTrackV2(root)


def no_masks(root: Path) -> None:
    shutil.rmtree(root / "GroundTruth" / "pair")


def no_first_mask(root: Path) -> None:
    for path in (root / "GroundTruth" / "pair").glob("*/pair_18.*"):
        path.unlink()


def layer_with_a_gap(root: Path) -> None:
    (root / "GroundTruth" / "pair" / "2" / "pair_20.png").unlink()


def stray_mask(root: Path) -> None:
    folder = root / "GroundTruth" / "pair" / "1"
    shutil.copy(folder / "pair_18.bmp", folder / "pair_99.bmp")


def odd_object_folder(root: Path) -> None:
    folder = root / "GroundTruth" / "pair"
    (folder / "2").rename(folder / "3")


def listed_frame_missing(root: Path) -> None:
    (root / "JPEGImages" / "pair" / "pair_20.bmp").unlink()


def list_without_header(root: Path) -> None:
    path = root / "ImageSets" / "pair.txt"
    path.write_text(path.read_text().split("\n", 1)[1])


def list_of_header_only(root: Path) -> None:
    (root / "ImageSets" / "pair.txt").write_text("*pair 5\n")


def listed_twice(root: Path) -> None:
    with (root / "ImageSets" / "pair.txt").open("a") as file:
        file.write("pair_19\n")


def list_not_utf8(root: Path) -> None:
    (root / "ImageSets" / "pair.txt").write_bytes(b"pair\npair_\xff\n")


def no_frames(root: Path) -> None:
    shutil.rmtree(root / "JPEGImages" / "pair")
    (root / "JPEGImages" / "pair").mkdir()


def cut_mask(root: Path) -> None:
    path = root / "GroundTruth" / "pair" / "1" / "pair_20.bmp"
    path.write_bytes(path.read_bytes()[:-100])


def small_mask(root: Path) -> None:
    gray(np.zeros((24, 32)), root / "GroundTruth" / "pair" / "2" / "pair_20.png")


def coloured_mask(root: Path) -> None:
    image = PIL.Image.new("RGB", SIZE[::-1], (10, 200, 30))
    image.save(root / "GroundTruth" / "pair" / "2" / "pair_18.png")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (no_masks, MaskError, "GroundTruth/pair: has no mask of a frame of 'pair'"),
        (no_first_mask, DatasetError, "the first frame pair_18 has no mask"),
        (layer_with_a_gap, DatasetError, "pair/2: lacks frame pair_20"),
        (stray_mask, DatasetError, r"pair/1/pair_99\.bmp: belongs to no frame"),
        (odd_object_folder, DatasetError, "pair: holds the folders 1, 3,"),
        (listed_frame_missing, DatasetError, r"pair\.txt: lists frame pair_20 \(1 in all\)"),
        (list_without_header, DatasetError, r"pair\.txt: the first line is the frame pair_18"),
        (list_of_header_only, DatasetError, r"pair\.txt: lists no frame"),
        (listed_twice, DatasetError, r"pair\.txt: lists frame pair_19 twice"),
        (list_not_utf8, DatasetError, r"pair\.txt: byte 10 is not UTF-8"),
        (no_frames, DatasetError, "JPEGImages/pair: holds no image"),
        (cut_mask, CorruptFileError, r"1/pair_20\.bmp: is truncated"),
        (small_mask, MaskError, r"2/pair_20\.png: the mask is 32x24 .* frames are 64x48"),
        (coloured_mask, MaskError, r"2/pair_18\.png: colours outside"),
    ],
)
def test_check_refuses(
    root: Path, damage: Callable[[Path], None], error: type[VOSError], message: str
) -> None:
    damage(root)
    clip = open_clip(root)  # nothing is opened yet
    with pytest.raises(error, match=message):
        clip.check()


def test_no_masks_no_annotations(root: Path) -> None:
    no_masks(root)
    clip = open_clip(root)
    assert len(list(clip.frames())) == FRAMES
    assert clip.ground_truth(0) is None
    with pytest.raises(MaskError, match="has no mask of a frame"):
        _ = clip.annotations
