"""The DAVIS layouts: values, splits, late objects and refusals."""

import os
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image
import pytest

from datasets_vos import Davis
from datasets_vos.masks import write_mask
from tests.fakes import AREAS, COLOURS, LATE_FRAME, SIZE, fake_frame, fake_label_map, make_davis
from vos_core.errors import ConfigError, CorruptFileError, DatasetError, MaskError

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def davis2017(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_davis(tmp_path_factory.mktemp("davis") / "2017")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One sequence to break."""
    return make_davis(tmp_path / "davis", sequences=("alpha",), frames=3)


def images(root: Path, sequence: str = "alpha") -> Path:
    return root / "JPEGImages" / "480p" / sequence


def masks(root: Path, sequence: str = "alpha") -> Path:
    return root / "Annotations" / "480p" / sequence


def test_values_2017(davis2017: Path) -> None:
    clip = Davis(davis2017).clip("alpha")
    assert clip.size == SIZE
    assert clip.frame_names == tuple(f"{t:05d}" for t in range(6))
    (annotation,) = clip.annotations
    assert (annotation.frame, annotation.object_ids) == (0, (1, 2))
    for t, frame in enumerate(clip.frames()):
        truth = clip.ground_truth(t)
        assert truth is not None
        np.testing.assert_array_equal(truth, fake_label_map(t))
        for i in (1, 2):
            inside = frame[truth == i]
            assert len(inside) == AREAS[i]
            np.testing.assert_allclose(inside.mean(axis=0), COLOURS[i], atol=16)
    last = clip.ground_truth(-1)
    assert last is not None
    np.testing.assert_array_equal(last, fake_label_map(5))


def test_late_object_has_an_annotation_of_its_own(davis2017: Path) -> None:
    first, late = Davis(davis2017).clip("beta").annotations
    assert (first.frame, first.object_ids) == (0, (1, 2))
    assert (late.frame, late.object_ids) == (LATE_FRAME, (3,))
    want = fake_label_map(LATE_FRAME, (1, 2, 3))
    np.testing.assert_array_equal(late.label_map, np.where(want == 3, 3, 0))


def test_scan_is_done_once_and_only_on_demand(
    davis2017: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    from datasets_vos import mask_formats

    original = mask_formats.read_mask
    monkeypatch.setattr(
        mask_formats, "read_mask", lambda path, **kw: (reads.append(path), original(path, **kw))[1]
    )
    clip = Davis(davis2017)[0]
    list(clip.frames())
    assert reads == []
    assert clip.annotations is clip.annotations
    assert len(reads) == 6


def test_values_2016(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", year="2016")
    clip = Davis(root, year="2016", split="val")[0]
    (annotation,) = clip.annotations
    assert annotation.object_ids == (1,)
    np.testing.assert_array_equal(annotation.label_map, fake_label_map(0, (1,)))


def test_year_2016_merges_objects(davis2017: Path) -> None:
    clip = Davis(davis2017, year="2016").clip("beta")
    assert [(a.frame, a.object_ids) for a in clip.annotations] == [(0, (1,))]
    truth = clip.ground_truth(LATE_FRAME)
    assert truth is not None
    assert truth.sum() == sum(AREAS.values())
    assert truth.max() == 1


def test_void_is_ground_truth_but_no_annotation(root: Path) -> None:
    label_map = fake_label_map(0)
    label_map[40:] = 255
    write_mask(masks(root) / "00000.png", label_map)
    clip = Davis(root)[0]
    np.testing.assert_array_equal(
        clip.annotations[0].label_map, fake_label_map(0) * (label_map < 255)
    )
    truth = clip.ground_truth(0)
    assert truth is not None
    assert (truth[40:] == 255).all()


def test_only_the_first_frame_annotated(tmp_path: Path) -> None:
    clip = Davis(make_davis(tmp_path / "davis", annotate="first"), split="val")[0]
    clip.check()
    assert [a.frame for a in clip.annotations] == [0]
    assert [clip.ground_truth(t) is None for t in range(6)] == [False] + [True] * 5


def test_frames_are_decoded_one_at_a_time(root: Path) -> None:
    (images(root) / "00001.jpg").write_bytes(b"broken")
    frames = Davis(root)[0].frames()
    error = np.abs(next(frames).astype(int) - fake_frame(0, (1, 2, 3)).astype(int))
    assert error.mean() < 4
    with pytest.raises(CorruptFileError, match=r"00001\.jpg"):
        next(frames)


def test_splits(davis2017: Path, tmp_path: Path) -> None:
    assert Davis(davis2017).names == ("alpha", "beta")
    assert Davis(davis2017, split="train").names == ("alpha",)
    assert Davis(davis2017, split="val").names == ("beta",)
    with pytest.raises(DatasetError, match=r"2017/test\.txt; there are: 2017/train\.txt, 2017/val"):
        Davis(davis2017, split="test")
    paired = make_davis(tmp_path / "davis", year="2016", sequences=("s10", "s9", "s1"), frames=2)
    assert Davis(paired, year="2016", split="train").names == ("s10", "s9")
    assert Davis(paired, year="2016").names == ("s1", "s9", "s10")
    shutil.move(paired / "ImageSets" / "480p", paired / "ImageSets" / "2016")
    assert Davis(paired, year="2016", split="val").names == ("s1",)
    shutil.rmtree(paired / "ImageSets")
    with pytest.raises(
        DatasetError, match="no split lists, so 'val' is not known; leave split unset"
    ):
        Davis(paired, year="2016", split="val")


def test_lists_of_the_2016_archive_are_explained(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", year="2016")
    with pytest.raises(DatasetError, match=r"has 480p/val\.txt, which is how DAVIS 2016 is packed"):
        Davis(root, year="2017", split="val")


@pytest.mark.parametrize("split", ["test-dev", "test-challenge"])
def test_test_splits_give_the_first_mask(tmp_path: Path, split: str) -> None:
    root = make_davis(tmp_path / "davis", annotate="first")
    (root / "ImageSets" / "2017" / f"{split}.txt").write_text("alpha\n")
    (clip,) = Davis(root, split=split)
    clip.check()
    assert [(a.frame, a.object_ids) for a in clip.annotations] == [(0, (1, 2))]
    assert [clip.ground_truth(t) is None for t in range(6)] == [False] + [True] * 5
    assert clip.required_names == clip.frame_names


@pytest.mark.parametrize(("year", "resolution"), [("2016", "1080p"), ("2017", "Full-Resolution")])
def test_other_resolutions(tmp_path: Path, year: Literal["2016", "2017"], resolution: str) -> None:
    root = make_davis(tmp_path / "davis", year=year)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder / "480p").rename(root / folder / resolution)
    if year == "2016":
        (root / "ImageSets" / "480p").rename(root / "ImageSets" / resolution)
    (clip,) = Davis(root, year=year, split="val", resolution=resolution)
    assert clip.name == "beta"
    clip.check()


def test_unsupervised_masks_are_a_folder_of_their_own(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", task="unsupervised")
    other = make_davis(tmp_path / "other", annotate="first")
    shutil.move(other / "Annotations", root / "Annotations")
    clip = Davis(root, task="unsupervised", split="val")[0]
    assert [(a.frame, a.object_ids) for a in clip.annotations] == [(0, (1, 2)), (LATE_FRAME, (3,))]
    np.testing.assert_array_equal(clip.ground_truth(5), fake_label_map(5, (1, 2, 3)))
    assert Davis(root, split="val")[0].ground_truth(5) is None
    with pytest.raises(DatasetError, match="Annotations_unsupervised/480p: no such folder"):
        Davis(other, task="unsupervised")
    with pytest.raises(ConfigError, match="leave task unset"):
        Davis(root, year="2016", task="unsupervised")


def test_unsupervised_lists_of_2019_come_first(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", task="unsupervised")
    assert Davis(root, task="unsupervised", split="train").names == ("alpha",)
    lists = root / "ImageSets" / "2019"
    lists.mkdir()
    for split in ("train", "test-dev"):
        (lists / f"{split}.txt").write_text("beta\n")
    assert Davis(root, task="unsupervised", split="train").names == ("beta",)
    with pytest.raises(DatasetError, match=r"no list 2019/none\.txt; there are: 2017/train\.txt,"):
        Davis(root, task="unsupervised", split="none")
    # the masks of the test splits are withheld
    shutil.rmtree(root / "Annotations_unsupervised")
    (clip,) = Davis(root, task="unsupervised", split="test-dev")
    clip.check()
    assert len(list(clip.frames())) == 6
    assert clip.ground_truth(0) is None
    with pytest.raises(DatasetError, match="beta: the masks of this split are withheld"):
        _ = clip.annotations
    with pytest.raises(DatasetError, match="no such folder"):
        Davis(root, task="unsupervised", split="train")


def test_names_that_are_not_utf8(root: Path) -> None:
    path = root / "ImageSets" / "2017" / "latin.txt"
    path.write_bytes(b"alpha\ncaf\xe9\n")
    with pytest.raises(DatasetError, match=r"latin\.txt: byte 9 is not UTF-8"):
        Davis(root, split="latin")
    path.write_bytes(b"\xef\xbb\xbfalpha\r\n")  # as some editors on Windows save it
    assert Davis(root, split="latin").names == ("alpha",)
    (images(root).parent / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DatasetError, match=r"480p: the folder name b'caf\\xe9' is not UTF-8"):
        Davis(root)


def test_bad_lists(root: Path) -> None:
    lists = root / "ImageSets" / "2017"
    (lists / "empty.txt").write_text("\n\n")
    with pytest.raises(DatasetError, match=r"empty\.txt: the list is empty"):
        Davis(root, split="empty")
    (lists / "more.txt").write_text("alpha\ngamma\n")
    with pytest.raises(DatasetError, match=r"more\.txt: lists gamma, not in JPEGImages"):
        Davis(root, split="more")


def test_chosen_sequences(davis2017: Path) -> None:
    assert Davis(davis2017, sequences=["beta", "alpha"]).names == ("beta", "alpha")
    with pytest.raises(DatasetError, match="'betta'; the nearest is 'beta'"):
        Davis(davis2017, sequences=["betta"])
    with pytest.raises(DatasetError, match=r"2017/val\.txt: no sequence 'alpha'"):
        Davis(davis2017, split="val", sequences=["alpha"])


def test_wrong_root(davis2017: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"JPEGImages/480p: no such folder.*holds: 2017"):
        Davis(davis2017.parent)
    with pytest.raises(DatasetError, match="does not exist"):
        Davis(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="1080p: no such folder"):
        Davis(davis2017, resolution="1080p")


def remove_first_mask(root: Path) -> None:
    (masks(root) / "00000.png").unlink()


def remove_all_masks(root: Path) -> None:
    shutil.rmtree(masks(root))


def empty_first_mask(root: Path) -> None:
    write_mask(masks(root) / "00000.png", fake_label_map(0, ()))


def void_first_mask(root: Path) -> None:
    write_mask(masks(root) / "00000.png", np.full(SIZE, 255, np.uint8))


def other_mask_size(root: Path) -> None:
    write_mask(masks(root) / "00002.png", fake_label_map(2, size=(48, 66)))


def other_frame_size(root: Path) -> None:
    PIL.Image.new("RGB", (66, 48)).save(images(root) / "00002.jpg")


def one_frame(root: Path) -> None:
    for t in (1, 2):
        (images(root) / f"0000{t}.jpg").unlink()
        (masks(root) / f"0000{t}.png").unlink()


def no_frames(root: Path) -> None:
    for path in images(root).iterdir():
        path.unlink()


def stray_mask(root: Path) -> None:
    (images(root) / "00002.jpg").unlink()


def cut_frame(root: Path) -> None:
    path = images(root) / "00002.jpg"
    path.write_bytes(path.read_bytes()[:-30])


def cut_mask(root: Path) -> None:
    path = masks(root) / "00002.png"
    path.write_bytes(path.read_bytes()[:-13])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (remove_first_mask, DatasetError, "alpha: the first frame 00000 has no mask"),
        (remove_all_masks, DatasetError, "alpha: the first frame 00000 has no mask"),
        (empty_first_mask, MaskError, r"00000\.png: holds no object"),
        (void_first_mask, MaskError, r"00000\.png: holds only void"),
        (other_mask_size, MaskError, r"00002\.png: the mask is 66x48 .* frames are 64x48"),
        (other_frame_size, DatasetError, r"00002\.jpg: is 66x48 .* first frame is 64x48"),
        (one_frame, DatasetError, "alpha: has one frame"),
        (no_frames, DatasetError, "alpha: holds no image"),
        (
            stray_mask,
            DatasetError,
            r"alpha: masks belong to no frame \(1, the first is 00002\.png\)",
        ),
        (cut_frame, CorruptFileError, r"00002\.jpg: is truncated"),
        (cut_mask, CorruptFileError, r"00002\.png: is truncated"),
    ],
)
def test_check_refuses(root: Path, damage, error: type[Exception], message: str) -> None:  # noqa: ANN001
    Davis(root)[0].check()
    damage(root)
    with pytest.raises(error, match=message):
        Davis(root)[0].check()


def test_no_object_anywhere(root: Path) -> None:
    for path in masks(root).iterdir():
        write_mask(path, fake_label_map(0, ()))
    with pytest.raises(MaskError, match="alpha: no mask holds an object"):
        _ = Davis(root)[0].annotations


def test_frame_of_another_size_is_refused_when_read(root: Path) -> None:
    other_frame_size(root)
    with pytest.raises(DatasetError, match=r"00002\.jpg: is 66x48"):
        list(Davis(root)[0].frames())


@pytest.mark.skipif(not REAL.is_dir(), reason="real data is not beside the repository")
def test_real_sequences() -> None:
    dataset = Davis(REAL / "davis2016_dev", year="2016")
    assert len(dataset) == 10
    assert sum(len(clip.frame_names) for clip in dataset) == 611
    clip = dataset.clip("bmx-bumps")
    clip.check()
    truths = [clip.ground_truth(t) for t in range(len(clip.frame_names))]
    assert sum(truth is not None and not truth.any() for truth in truths) == 14
    fish = Davis(REAL / "davis2017_firstframe").clip("gold-fish")
    assert len(fish.frame_names) == 78
    assert fish.annotations[0].object_ids == (1, 2, 3, 4, 5)
