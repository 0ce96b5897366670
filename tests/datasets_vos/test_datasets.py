"""The contract that every registered dataset keeps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import VOSDataset, list_datasets, open_dataset, toy
from datasets_vos.masks import object_ids, write_mask
from tests.fakes import fake_label_map, make_davis, make_frames
from vos_core.errors import ConfigError, DatasetError


def open_folder(root: Path) -> VOSDataset:
    write_mask(root / "mask.png", fake_label_map(0))
    return open_dataset("folder", make_frames(root / "mine"), mask=root / "mask.png")


def open_toy(root: Path) -> VOSDataset:
    # A small one; what is complete is taken as it is.
    toy.generate_toy(root / "toy", train_clips=1, val_clips=1, frames=3, size=(48, 64), workers=1)
    return open_dataset("toy", root / "toy")


OPENERS: dict[str, Callable[[Path], VOSDataset]] = {
    "davis2016": lambda root: open_dataset("davis2016", make_davis(root, year="2016")),
    "davis2017": lambda root: open_dataset("davis2017", make_davis(root, year="2017")),
    "folder": open_folder,
    "toy": open_toy,
}


def test_every_dataset_has_a_fake() -> None:
    assert sorted(OPENERS) == list_datasets()


@pytest.fixture(scope="module", params=sorted(OPENERS))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VOSDataset:
    return OPENERS[request.param](tmp_path_factory.mktemp(request.param))


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
        assert clip.annotations[0].frame == 0
        introduced: list[int] = []
        for annotation in clip.annotations:
            assert annotation.label_map.shape == clip.size
            assert object_ids(annotation.label_map) == annotation.object_ids != ()
            truth = clip.ground_truth(annotation.frame)
            assert truth is not None
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


def test_unknown_name_points_to_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'davis2107'; the nearest is 'davis2017'"):
        open_dataset("davis2107", "anywhere")
    with pytest.raises(ConfigError, match="there are: davis2016, davis2017, folder, toy"):
        open_dataset("zzz", "anywhere")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("davis2017", {"root": None}, "needs root"),
        ("davis2017", {"root": "x", "mask": "m.png"}, "leave mask unset"),
        ("folder", {"root": "x"}, "needs mask"),
        ("folder", {"root": "x", "mask": "m.png", "split": "val"}, "leave split"),
        ("folder", {"root": "x", "mask": "m.png", "sequences": ["a"]}, "leave split and seq"),
    ],
)
def test_contradictory_arguments(name: str, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_dataset(name, **options)
