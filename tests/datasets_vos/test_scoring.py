"""What clips are scored by: whole objects, and categories of each dataset."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import open_dataset
from datasets_vos.scoring import categories_of, seen_categories, truth_to_score
from tests.fakes import fake_label_map, mots, segtrack, youtube_objects
from tests.fakes.registry import Fake
from vos_core.errors import CorruptFileError, DatasetError

MakeFake = Callable[[str], Fake]


def test_objects_that_overlap_are_scored_whole(make_fake: MakeFake) -> None:
    clip = make_fake("segtrack_v2").open().clip("pair")
    for t in range(segtrack.FRAMES):
        truth = truth_to_score(clip, t)
        assert isinstance(truth, dict)
        assert list(truth) == [1, 2]
        for number, mask in truth.items():
            np.testing.assert_array_equal(mask, segtrack.object_mask("pair", number, t))
        assert (truth[1] & truth[2]).any()


def test_frames_without_truth_give_none(make_fake: MakeFake, tmp_path: Path) -> None:
    clip = make_fake("youtube_objects").open()[0]
    labelled = [t for t in range(10) if truth_to_score(clip, t) is not None]
    assert tuple(labelled) == youtube_objects.LABELLED
    root = segtrack.make_segtrack(tmp_path)
    for folder in ("1", "2"):
        next((root / "GroundTruth" / "pair" / folder).glob("pair_20.*")).unlink()
    clip = open_dataset("segtrack_v2", root).clip("pair")
    assert [truth_to_score(clip, t) is None for t in range(5)] == [False, False, True, False, False]


def test_other_clips_are_scored_by_their_label_maps(make_fake: MakeFake) -> None:
    clip = make_fake("davis2017").open().clip("alpha")
    truth = truth_to_score(clip, 2)
    assert isinstance(truth, np.ndarray)
    np.testing.assert_array_equal(truth, fake_label_map(2))


def test_categories_of_each_dataset(make_fake: MakeFake) -> None:
    assert categories_of(make_fake("davis2017").open()[0]) == {}
    assert categories_of(make_fake("segtrack_v2").open()[0]) == {}
    objects = make_fake("youtube_objects").open()
    assert {clip.name: categories_of(clip) for clip in objects} == {
        name: {1: name.split("_")[0]} for name in youtube_objects.CLIPS
    }
    clip = make_fake("kitti_mots").open()[0]
    names = {1: "car", 2: "pedestrian"}
    expected = {mots.IDS[i]: names[code // 1000] for i, code in mots.CODES.items()}
    assert categories_of(clip) == expected


def test_youtube_vos_knows_seen_and_unseen(tmp_path: Path) -> None:
    root = tmp_path / "data"
    categories: dict[str, dict[str, str | None]] = {
        "a": {"1": "cat", "3": "dog", "4": None},
        "b": {"2": "boat"},
    }
    videos = {}
    for video, objects in categories.items():
        for kind in ("JPEGImages", "Annotations"):
            (root / "valid" / kind / video).mkdir(parents=True)
        entries = {i: {"category": name, "frames": ["00000"]} for i, name in objects.items()}
        videos[video] = {"objects": entries}
    (root / "valid" / "meta.json").write_text(json.dumps({"videos": videos}))
    first, second = open_dataset("youtube_vos2018", root, "valid")
    assert categories_of(first, {"cat", "boat"}) == {1: "seen", 3: "unseen"}
    assert categories_of(second, {"cat", "boat"}) == {2: "seen"}
    assert categories_of(first) == {1: "seen", 3: "seen"}
    assert categories_of(first, set()) == {1: "unseen", 3: "unseen"}


def test_seen_categories_from_meta_and_from_a_list(make_fake: MakeFake, tmp_path: Path) -> None:
    root = make_fake("youtube_vos2018").root
    assert seen_categories(root / "train" / "meta.json") == {"cat", "dog", "boat"}
    names = tmp_path / "seen.txt"
    names.write_text("giant panda\n\n  cat \n")
    assert seen_categories(names) == {"giant panda", "cat"}


def test_files_without_categories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        seen_categories(tmp_path / "meta.json")
    for number, content in enumerate(
        ("{", "[]", '{"videos": [1]}', '{"videos": {"a": {"objects": {"1": "cat"}}}}', "\xff")
    ):
        path = tmp_path / f"{number}.json"
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(CorruptFileError, match=r"is no meta\.json"):
            seen_categories(path)
    for name, content in (("a.json", '{"videos": {}}'), ("b.txt", "\n \n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(DatasetError, match="names no category"):
            seen_categories(tmp_path / name)
    # test files keep the categories secret
    path = tmp_path / "secret.json"
    path.write_text('{"videos": {"a": {"objects": {"1": {"category": null, "frames": ["0"]}}}}}')
    with pytest.raises(DatasetError, match="names no category"):
        seen_categories(path)
