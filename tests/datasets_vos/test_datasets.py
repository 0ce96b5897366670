"""The contract that every registered dataset keeps."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import VOSDataset, list_datasets, list_still_datasets, open_dataset
from datasets_vos.masks import object_ids
from datasets_vos.youtube_vos import YouTubeVOS
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES, litter
from vos_core.errors import ConfigError, DatasetError
from vos_core.resize import resize_image

ROOT = Path(__file__).resolve().parents[2]

# Elsewhere an object can be tracked from the first frame of every clip.
OPENS_BEFORE_ITS_OBJECTS = (YouTubeVOS,)


def test_every_dataset_has_a_fake() -> None:
    assert sorted(VIDEO_FAKES) == list_datasets()
    assert sorted(STILL_FAKES) == list_still_datasets()


@pytest.fixture(scope="module", params=sorted(VIDEO_FAKES))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VOSDataset:
    return VIDEO_FAKES[request.param](tmp_path_factory.mktemp(request.param)).open()


def test_names_and_access(dataset: VOSDataset) -> None:
    assert len(dataset) == len(dataset.names) == len(set(dataset.names)) > 0
    assert [clip.name for clip in dataset] == list(dataset.names)
    assert [clip.name for clip in dataset[:1]] == [dataset.names[0]]
    assert dataset[-1].name == dataset.clip(dataset.names[-1]).name
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    with pytest.raises(DatasetError, match=f"nearest is {dataset.names[0]!r}"):
        dataset.clip(f"{dataset.names[0]}x")


def test_clip_contract(dataset: VOSDataset) -> None:
    for clip in dataset:
        clip.check()
        assert Path(clip.name).name == clip.name
        assert len(set(clip.frame_names)) == len(clip.frame_names) >= 2
        shapes = [frame.shape for frame in clip.frames()]
        assert shapes == [(*clip.size, 3)] * len(clip.frame_names)
        assert clip.annotations[0].frame == 0 or isinstance(dataset, OPENS_BEFORE_ITS_OBJECTS)
        introduced: list[int] = []
        for annotation in clip.annotations:
            assert annotation.label_map.shape == clip.size
            assert object_ids(annotation.label_map) == annotation.object_ids != ()
            truth = clip.ground_truth(annotation.frame)
            if truth is None:
                continue
            kept = np.isin(truth, annotation.object_ids)
            np.testing.assert_array_equal(annotation.label_map, np.where(kept, truth, 0))
            introduced.extend(annotation.object_ids)
        assert len(set(introduced)) == len(introduced)
        with pytest.raises(IndexError):
            clip.ground_truth(len(clip.frame_names))


def test_frames_start_anew_each_time(dataset: VOSDataset) -> None:
    clip = dataset[0]
    first = next(clip.frames())
    np.testing.assert_array_equal(next(clip.frames()), first)


def test_one_frame_by_index_and_by_name(dataset: VOSDataset) -> None:
    clip = dataset[-1]
    for index, frame in enumerate(clip.frames()):
        np.testing.assert_array_equal(dataset[-1].frame(index), frame)
        np.testing.assert_array_equal(dataset[-1].frame(clip.frame_names[index]), frame)
    np.testing.assert_array_equal(clip.frame(-1), frame)
    with pytest.raises(IndexError):
        clip.frame(len(clip.frame_names))
    with pytest.raises(DatasetError, match=f"no frame '{clip.frame_names[-1]}x'"):
        clip.frame(f"{clip.frame_names[-1]}x")


def test_one_name_is_no_list_of_sequences(davis_root: Path) -> None:
    with pytest.raises(ConfigError, match="give a list of names"):
        open_dataset("davis2017", davis_root, sequences="dog")


def test_a_clip_has_its_name_elsewhere(dataset: VOSDataset) -> None:
    name = dataset.names[-1]
    with pytest.raises(TypeError, match=rf"by its name with clip\({name!r}\)"):
        dataset[name]
    assert dataset.clip(name).name == dataset[-1].name == name


def test_frames_at_another_size(dataset: VOSDataset) -> None:
    clip = dataset[0]
    half = (clip.size[0] // 2, clip.size[1] // 2)
    small = list(clip.frames(half))
    assert [frame.shape for frame in small] == [(*half, 3)] * len(clip.frame_names)
    np.testing.assert_array_equal(clip.frame(1, half), small[1])
    reference = resize_image(clip.frame(1), half)
    assert np.abs(small[1].astype(int) - reference.astype(int)).mean() < 4


def test_required_frames_are_frames(dataset: VOSDataset) -> None:
    for clip in dataset:
        assert clip.required_names
        assert set(clip.required_names) <= set(clip.frame_names)
        assert list(clip.required_names) == [
            name for name in clip.frame_names if name in clip.required_names
        ]


def test_clips_can_be_sent_to_other_processes(dataset: VOSDataset) -> None:
    clip = dataset[0]
    copy = pickle.loads(pickle.dumps(clip))
    assert copy.frame_names == clip.frame_names
    np.testing.assert_array_equal(copy.frame(0), clip.frame(0))


# The toy set is not fetched but generated, and a changed one anew.
@pytest.mark.parametrize("name", sorted(set(VIDEO_FAKES) - {"toy"}))
def test_files_of_other_programs_are_passed_over(name: str, tmp_path: Path) -> None:
    fake = VIDEO_FAKES[name](tmp_path)
    before = [(clip.name, clip.frame_names, clip.truth_frames) for clip in fake.open()]
    litter(fake.root)
    for clip, want in zip(fake.open(), before, strict=True):
        clip.check()
        assert (clip.name, clip.frame_names, clip.truth_frames) == want


def test_unknown_name_points_to_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'davis2107'; the nearest is 'davis2017'"):
        open_dataset("davis2107", "anywhere")
    with pytest.raises(ConfigError, match="there are: davis2016, davis2017, "):
        open_dataset("zzz", "anywhere")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("davis2017", {"root": None}, "needs root"),
        ("davis2017", {"root": "x", "mask": "m.png"}, "leave mask unset"),
        ("folder", {"root": "x"}, "needs mask"),
        ("segtrack_v2", {"root": "x", "split": "val"}, "has no splits"),
        ("ecssd", {"root": "x"}, "open it with open_stills"),
        ("folder", {"root": "x", "mask": "m.png", "split": "val"}, "leave split"),
        ("folder", {"root": "x", "mask": "m.png", "sequences": ["a"]}, "leave split and seq"),
    ],
)
def test_contradictory_arguments(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_dataset(name, **options)


def test_the_toolkit_needs_neither_lightning_nor_torch(davis_root: Path) -> None:
    script = f"""
import sys
sys.modules["lightning"] = sys.modules["torch"] = sys.modules["wandb"] = None
from datasets_vos import open_dataset
for clip in open_dataset("davis2017", {str(davis_root)!r}):
    clip.check()
    print(clip.name, sum(1 for _ in clip.frames()), clip.annotations[0].object_ids)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "cat 6 (1, 2)\ndog 6 (1, 2)\n"
