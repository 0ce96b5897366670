"""YouTube-Objects: JPEG labels of half size on few frames, late starts, the full variant."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos.youtube_objects import YouTubeObjects, YouTubeObjectsClip
from tests.fakes.scene import AREAS, SIZE, fake_frame, fake_label_map
from tests.fakes.youtube_objects import LABELLED, make_youtube_objects, shot_folder
from vos_core.errors import CorruptFileError, DatasetError, MaskError, VOSError

CLIP = "cat_0001_002"
NAMES = tuple(f"{t + 1:05d}" for t in range(10))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_youtube_objects(tmp_path / "youtube_masks")


@pytest.fixture
def shot(root: Path) -> Path:
    return shot_folder(root, CLIP)


def open_clip(root: Path, name: str = CLIP) -> YouTubeObjectsClip:
    clip = YouTubeObjects(root).clip(name)
    assert isinstance(clip, YouTubeObjectsClip)
    return clip


def test_values(root: Path) -> None:
    clip = open_clip(root)
    assert (clip.name, clip.category, clip.size) == (CLIP, "cat", SIZE)
    assert clip.frame_names == NAMES
    np.testing.assert_array_equal(clip.frame(3), fake_frame(3, (2,)))
    assert [i for i in range(10) if clip.ground_truth(i) is not None] == list(LABELLED)
    for t in LABELLED:
        with PIL.Image.open(clip.mask_paths[t][0]) as label:
            assert (label.height, label.width) == (24, 32)
            assert len(np.unique(np.asarray(label))) > 2  # noise, or this test shows nothing
        truth = clip.ground_truth(t)
        assert truth is not None
        assert truth.dtype == np.uint8
        assert truth.sum() == AREAS[2]
        np.testing.assert_array_equal(truth, fake_label_map(t) == 2)
    (annotation,) = clip.annotations
    assert (annotation.frame, annotation.object_ids) == (0, (1,))
    assert clip.required_names == ("00005", "00009")


def test_labels_of_full_or_odd_size(root: Path, shot: Path) -> None:
    mask = fake_label_map(4, (2,))
    PIL.Image.fromarray(mask // 2 * 255).save(shot / "labels" / "00005.jpg")
    # a column less than half, as rounding leaves it
    PIL.Image.fromarray(mask[::2, 1:62:2] // 2 * 255).save(shot / "labels" / "00009.jpg")
    clip = open_clip(root)
    clip.check()
    np.testing.assert_array_equal(clip.ground_truth(4), mask > 0)
    truth = clip.ground_truth(8)
    assert truth is not None
    assert truth.shape == SIZE
    assert int(truth.sum()) == pytest.approx(AREAS[2], rel=0.25)


def test_labels_are_cut_above_127(root: Path, shot: Path) -> None:
    gray = np.repeat(np.uint8([[127, 128]]), 16, axis=1).repeat(24, axis=0)
    PIL.Image.fromarray(gray).save(shot / "labels" / "00001.jpg", quality=100)
    with PIL.Image.open(shot / "labels" / "00001.jpg") as stored:
        np.testing.assert_array_equal(stored, gray)  # whole blocks, so nothing is lost
    np.testing.assert_array_equal(
        open_clip(root).ground_truth(0), np.tile(np.arange(64) >= 32, (48, 1))
    )


def test_late_start(tmp_path: Path) -> None:
    root = make_youtube_objects(tmp_path / "late", labelled=(2, 4, 8))
    clip = open_clip(root)
    clip.check()
    assert [a.frame for a in clip.annotations] == [2]
    assert clip.ground_truth(0) is None
    assert clip.required_names == ("00005", "00009")
    # a label without the object gives nothing
    blank = PIL.Image.new("L", (32, 24))
    blank.save(shot_folder(root, CLIP) / "labels" / "00003.jpg")
    clip = open_clip(root)
    clip.check()
    assert [a.frame for a in clip.annotations] == [4]
    np.testing.assert_array_equal(clip.annotations[0].label_map, fake_label_map(4) == 2)
    assert clip.required_names == ("00009",)


def test_one_label_leaves_nothing_to_score(tmp_path: Path) -> None:
    clip = open_clip(make_youtube_objects(tmp_path / "one", labelled=(3,)))
    clip.check()
    assert clip.required_names == ()


def test_one_image_as_in_two_of_the_packed_shots(tmp_path: Path) -> None:
    clip = open_clip(make_youtube_objects(tmp_path / "one", frames=1, labelled=(0,)))
    clip.check()
    assert [a.frame for a in clip.annotations] == [0]
    assert clip.required_names == ()


def test_full_variant(tmp_path: Path) -> None:
    make_youtube_objects(tmp_path / "youtube_masks_full", full=True)
    clip = open_clip(tmp_path)
    clip.check()
    assert clip.frame_names[:2] == ("frame0001", "frame0002")
    assert clip.truth_frames == LABELLED
    np.testing.assert_array_equal(clip.ground_truth(8), fake_label_map(8) == 2)
    assert clip.required_names == ("frame0005", "frame0009")


def test_names_and_roots(root: Path) -> None:
    names = ("cat_0001_001", "cat_0001_002", "dog_0003_001")
    (root / "notes").mkdir()
    for folder in (root, root.parent):
        assert YouTubeObjects(folder).names == names
    # beside the full variant the plain one is taken
    make_youtube_objects(root.parent / "youtube_masks_full", full=True)
    assert open_clip(root.parent).frame_names == NAMES
    assert YouTubeObjects(root, sequences=[names[2], names[0]]).names == (names[2], names[0])
    assert open_clip(root, names[2]).category == "dog"
    with pytest.raises(DatasetError, match="no sequence 'cat_0001_03'; the nearest is"):
        YouTubeObjects(root, sequences=["cat_0001_03"])


def test_wrong_root(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        YouTubeObjects(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="cat: holds no <class>/data"):
        YouTubeObjects(root / "cat")
    shutil.rmtree(root / "dog" / "data" / "0003" / "shots")
    with pytest.raises(DatasetError, match="0003/shots: no such folder"):
        YouTubeObjects(root)


def no_labels(shot: Path) -> None:
    shutil.rmtree(shot / "labels")


def no_images(shot: Path) -> None:
    shutil.rmtree(shot / "images")


def label_without_frame(shot: Path) -> None:
    (shot / "images" / "00009.png").unlink()


def label_without_number(shot: Path) -> None:
    (shot / "labels" / "00009.jpg").rename(shot / "labels" / "label.jpg")


def number_twice(shot: Path) -> None:
    shutil.copy(shot / "images" / "00003.png", shot / "images" / "frame0003.png")


def cut_label(shot: Path) -> None:
    path = shot / "labels" / "00005.jpg"
    path.write_bytes(path.read_bytes()[:-20])


def larger_label(shot: Path) -> None:
    PIL.Image.new("L", (128, 96)).save(shot / "labels" / "00005.jpg")


def label_of_another_shape(shot: Path) -> None:
    PIL.Image.new("L", (24, 32)).save(shot / "labels" / "00005.jpg")


def palette_label(shot: Path) -> None:
    PIL.Image.new("P", (32, 24), 1).save(shot / "labels" / "00001.png")
    (shot / "labels" / "00001.jpg").unlink()


def empty_labels(shot: Path) -> None:
    for path in (shot / "labels").iterdir():
        PIL.Image.new("L", (32, 24)).save(path)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (no_labels, MaskError, "shots/002/labels: no such folder"),
        (no_images, DatasetError, "shots/002/images: no such folder"),
        (label_without_frame, DatasetError, r"labels/00009\.jpg: belongs to no frame"),
        (label_without_number, DatasetError, r"labels/label\.jpg: has no number"),
        (number_twice, DatasetError, r"frame0003\.png: has the number of 00003\.png"),
        (cut_label, CorruptFileError, r"labels/00005\.jpg: is truncated"),
        (larger_label, MaskError, r"labels/00005\.jpg: the mask is 128x96 .* 64x48"),
        (label_of_another_shape, MaskError, r"labels/00005\.jpg: the mask is 24x32"),
        (palette_label, MaskError, r"labels/00001\.png: pixel mode P"),
        (empty_labels, MaskError, "shots/002/images: no mask holds an object"),
    ],
)
def test_check_refuses(
    root: Path, shot: Path, damage: Callable[[Path], None], error: type[VOSError], message: str
) -> None:
    damage(shot)
    clip = open_clip(root)  # nothing is opened yet
    with pytest.raises(error, match=message):
        clip.check()


def test_no_labels_no_annotations(root: Path, shot: Path) -> None:
    no_labels(shot)
    clip = open_clip(root)
    assert len(list(clip.frames())) == 10
    assert clip.ground_truth(0) is None
    with pytest.raises(MaskError, match="labels: no such folder"):
        _ = clip.annotations
