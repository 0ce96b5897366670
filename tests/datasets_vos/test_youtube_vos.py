"""YouTube-VOS: late objects, partial masks, required frames, all frames, and refusals."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_vos import open_dataset
from datasets_vos.masks import write_mask
from datasets_vos.youtube_vos import YouTubeVOS, YouTubeVOSClip
from tests.fakes import SIZE, fake_frame
from tests.fakes.youtube_vos import ALL_NAMES, NAMES, make_youtube_vos, youtube_labels
from vos_core.errors import CorruptFileError, DatasetError, MaskError, VOSError


@pytest.fixture(scope="module")
def youtube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_youtube_vos(
        tmp_path_factory.mktemp("youtube") / "2019",
        splits=("train", "valid", "test"),
        all_frames=True,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One to break."""
    return make_youtube_vos(tmp_path / "root", splits=("valid",))


def open_clip(root: Path, split: str, name: str) -> YouTubeVOSClip:
    clip = YouTubeVOS(root, split=split).clip(name)
    assert isinstance(clip, YouTubeVOSClip)
    clip.check()
    return clip


def given_objects(clip: YouTubeVOSClip) -> list[tuple[str, tuple[int, ...]]]:
    return [(clip.frame_names[a.frame], a.object_ids) for a in clip.annotations]


def edit_meta(root: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = root / "valid" / "meta.json"
    meta = json.loads(path.read_text())
    edit(meta["videos"])
    path.write_text(json.dumps(meta))


def test_train_has_truth_everywhere(youtube: Path) -> None:
    clip = open_clip(youtube, "train", "late")
    assert clip.frame_names == clip.required_names == NAMES
    assert given_objects(clip) == [("00000", (1, 2)), ("00005", (3,))]
    for index, name in enumerate(NAMES):
        truth = clip.ground_truth(index)
        assert truth is not None
        np.testing.assert_array_equal(truth, youtube_labels("late", name))


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_late_objects_and_gaps(youtube: Path, split: str) -> None:
    assert given_objects(open_clip(youtube, split, "gap")) == [("00000", (1, 4))]
    clip = open_clip(youtube, split, "late")
    assert given_objects(clip) == [("00000", (1, 2)), ("00005", (3,))]
    want = youtube_labels("late", "00005")
    np.testing.assert_array_equal(clip.annotations[1].label_map, np.where(want == 3, 3, 0))
    (only,) = open_clip(youtube, split, "only_late").annotations
    assert (only.frame, only.object_ids) == (1, (2,))
    np.testing.assert_array_equal(only.label_map, youtube_labels("only_late", "00005"))


def test_a_partial_mask_is_no_truth(youtube: Path) -> None:
    clip = open_clip(youtube, "valid", "late")
    assert [clip.ground_truth(index) for index in range(5)] == [None] * 5
    # the older objects are there, but their pixels are unlabelled
    assert sorted(clip.mask_paths) == [0, 1]
    assert np.unique(clip.read_labels(1)).tolist() == [0, 3]


def test_required_frames_are_those_of_the_objects(youtube: Path) -> None:
    assert open_clip(youtube, "valid", "late").required_names == NAMES
    assert open_clip(youtube, "valid", "only_late").required_names == NAMES[1:]
    assert open_clip(youtube, "train", "only_late").required_names == NAMES


def test_what_a_scorer_needs(youtube: Path) -> None:
    clip = open_clip(youtube, "valid", "late")
    assert clip.categories == {1: "cat", 2: "boat", 3: "dog"}
    assert clip.scored_frames == {1: NAMES[1:], 2: NAMES[1:], 3: NAMES[2:]}
    assert clip.object_ids == (1, 2, 3)


def test_unknown_category(root: Path) -> None:
    edit_meta(root, lambda videos: videos["gap"]["objects"]["4"].pop("category"))
    assert open_clip(root, "valid", "gap").categories == {1: "cat"}


@pytest.mark.parametrize("split", ["train", "valid"])
def test_all_frames(youtube: Path, split: str) -> None:
    clip = open_clip(youtube, f"{split}_all_frames", "late")
    assert clip.frame_names == ALL_NAMES
    assert given_objects(clip) == [("00000", (1, 2)), ("00005", (3,))]
    assert clip.required_names == (NAMES if split == "valid" else ALL_NAMES)
    image = clip.frame("00007").astype(int)
    assert np.abs(image - fake_frame(7, (1, 2, 3)).astype(int)).mean() < 4
    truths = [clip.ground_truth(index) is not None for index in range(len(ALL_NAMES))]
    assert truths == [split == "train" and name in NAMES for name in ALL_NAMES]


def test_opening_lists_no_video(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []
    for function in ("listdir", "scandir"):
        original = getattr(os, function)
        monkeypatch.setattr(os, function, lambda p, f=original: (listed.append(Path(p)), f(p))[1])
    dataset = YouTubeVOS(root, split="valid")
    assert dataset.names == ("gap", "late", "only_late")
    assert dataset[1].object_ids == (1, 2, 3)
    assert listed == [root / "valid" / "JPEGImages"]


def test_finding_the_split(youtube: Path, root: Path) -> None:
    assert YouTubeVOS(root).split == "valid"
    assert YouTubeVOS(youtube / "train").split == "train"
    assert YouTubeVOS(youtube / "valid", split="valid_all_frames")[0].frame_names == ALL_NAMES
    assert open_dataset("youtube_vos2018", youtube, "train").names == ("gap", "late", "only_late")
    with pytest.raises(DatasetError, match="choose a split; splits there are: train, valid, test"):
        YouTubeVOS(youtube)
    with pytest.raises(DatasetError, match="no split 'val'; the nearest is 'valid'"):
        YouTubeVOS(youtube, split="val")
    with pytest.raises(DatasetError, match=r"no train/meta\.json; splits there are: valid\. Point"):
        YouTubeVOS(root, split="train")
    with pytest.raises(DatasetError, match=r"no train/meta\.json"):
        YouTubeVOS(root / "valid", split="train")
    with pytest.raises(DatasetError, match="valid_all_frames/JPEGImages: no such folder"):
        YouTubeVOS(root, split="valid_all_frames")


def test_a_renamed_split_must_be_named(root: Path) -> None:
    renamed = (root / "valid").rename(root / "mine")
    with pytest.raises(DatasetError, match="mine: name the split that this is: train, valid, test"):
        YouTubeVOS(renamed)
    assert YouTubeVOS(renamed, split="valid")[0].ground_truth(0) is None


def test_folders_and_entries_must_agree(root: Path) -> None:
    shutil.rmtree(root / "valid" / "JPEGImages" / "late")
    with pytest.raises(DatasetError, match=r"meta\.json: 1 videos \(first 'late'\) have no folder"):
        YouTubeVOS(root)
    with pytest.raises(DatasetError, match="first 'late'"):
        YouTubeVOS(root, sequences=["late"])
    assert YouTubeVOS(root, sequences=["only_late", "gap"]).names == ("only_late", "gap")
    edit_meta(root, lambda videos: videos.pop("late"))
    assert YouTubeVOS(root).names == ("gap", "only_late")
    edit_meta(root, lambda videos: videos.pop("gap"))
    with pytest.raises(DatasetError, match=r"JPEGImages: 1 videos \(first 'gap'\) have no entry"):
        YouTubeVOS(root)
    with pytest.raises(DatasetError, match=r"meta\.json: no sequence 'gap'; there are: only_late"):
        YouTubeVOS(root, sequences=["gap"])
    assert YouTubeVOS(root, sequences=["only_late"]).names == ("only_late",)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b'{"videos": {', CorruptFileError, r"meta\.json: is no JSON file"),
        (b'{"videos": {"caf\xe9": 1}}', CorruptFileError, r"meta\.json: is no JSON file"),
        (b"", CorruptFileError, r"meta\.json: is no JSON file"),
        (b"[" * 100_000, CorruptFileError, r"meta\.json: is no JSON file"),
        (b"[]", DatasetError, r'meta\.json: has no "videos"'),
        (b'{"videos": []}', DatasetError, r'meta\.json: has no "videos"'),
        (b'{"videos": {}}', DatasetError, "3 videos"),
    ],
)
def test_unusable_meta(root: Path, content: bytes, error: type[Exception], message: str) -> None:
    (root / "valid" / "meta.json").write_bytes(content)
    with pytest.raises(error, match=message):
        YouTubeVOS(root)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "videos/late has no objects"),
        ({"objects": {}}, "videos/late has no objects"),
        ({"objects": {"cat": {}}}, "videos/late: object id 'cat' is no whole number from 1 to 254"),
        ({"objects": {"255": {}}}, "object id '255' is no"),
        ({"objects": {"0": {}}}, "object id '0' is no"),
        ({"objects": {"01": {}}}, "object id '01' is no"),
        ({"objects": {"²": {}}}, "object id '²' is no"),
        ({"objects": {"7": None}}, "videos/late/objects/7 has no frames"),
        ({"objects": {"7": {"frames": "00000"}}}, "videos/late/objects/7 has no frames"),
        ({"objects": {"7": {"frames": []}}}, "videos/late/objects/7 has no frames"),
        ({"objects": {"7": {"frames": ["00000", 5]}}}, "objects/7: frame 5 is no number"),
        ({"objects": {"7": {"frames": ["../0"]}}}, r"objects/7: frame '\.\./0' is no number"),
        ({"objects": {"7": {"frames": ["0"], "category": 1}}}, "objects/7: category 1 is no text"),
    ],
)
def test_damaged_entries(root: Path, entry: object, message: str) -> None:
    edit_meta(root, lambda videos: videos.update(late=entry))
    with pytest.raises(DatasetError, match=rf"valid/meta\.json: .*{message}"):
        YouTubeVOS(root)
    assert YouTubeVOS(root, sequences=["gap"])[0].object_ids == (1, 4)


def test_object_that_is_not_where_meta_says(root: Path) -> None:
    write_mask(root / "valid" / "Annotations" / "late" / "00005.png", np.zeros(SIZE, np.uint8))
    clip = YouTubeVOS(root)[1]
    with pytest.raises(MaskError, match=r"late/00005\.png: lacks object 3, which is said to enter"):
        _ = clip.annotations
    (root / "valid" / "Annotations" / "late" / "00005.png").unlink()
    with pytest.raises(DatasetError, match="late: objects enter in frame 00005"):
        _ = YouTubeVOS(root)[1].annotations


def test_check_finds_missing_files(youtube: Path, tmp_path: Path) -> None:
    root = shutil.copytree(youtube, tmp_path / "root")
    (root / "valid" / "JPEGImages" / "gap" / "00015.jpg").unlink()
    with pytest.raises(DatasetError, match="gap: frame 00015 is missing"):
        YouTubeVOS(root, split="valid")[0].check()
    (root / "train" / "Annotations" / "gap" / "00020.png").unlink()
    with pytest.raises(DatasetError, match="gap: mask of frame 00020 is missing"):
        YouTubeVOS(root, split="train")[0].check()


def test_missing_folders(root: Path) -> None:
    shutil.rmtree(root / "valid" / "Annotations")
    with pytest.raises(DatasetError, match="valid/Annotations: no such folder"):
        YouTubeVOS(root)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 300) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["videos", "objects", "frames", "gap", "1", "category"]), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(content=json_values)
def test_any_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_json" / "valid"
    for part in ("JPEGImages/gap", "Annotations/gap"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps(content))
    with contextlib.suppress(VOSError):
        assert YouTubeVOS(folder).names == ("gap",)
