"""Giving more masks of a clip than its first."""

from pathlib import Path

import numpy as np
import pytest

from datasets_vos import open_dataset
from datasets_vos.annotating import annotate_frames, frames_to_annotate
from datasets_vos.base import DiskClip
from tests.fakes import make_davis
from vos_core.errors import ConfigError
from vos_core.types import VOID


@pytest.fixture
def clip(tmp_path: Path) -> DiskClip:
    """Ten frames, of which the fake scene shows two objects at first and three later."""
    root = make_davis(tmp_path, sequences=("solo",), frames=10)
    return open_dataset("davis2017", root).clip("solo")


@pytest.mark.parametrize(
    ("annotate", "frames"),
    [
        (1, list(range(10))),
        (4, [0, 4, 8]),
        (100, [0]),
        ([0], [0]),
        ([-1], [9]),
        ([7, 2, -3], [2, 7]),
    ],
)
def test_which_frames(clip: DiskClip, annotate: int | list[int], frames: list[int]) -> None:
    assert frames_to_annotate(clip, annotate) == frames


def test_an_annotation_has_all_objects_of_its_frame(clip: DiskClip) -> None:
    annotations = annotate_frames(clip, 3)
    assert [annotation.frame for annotation in annotations] == [0, 3, 6, 9]
    for annotation in annotations:
        truth = clip.ground_truth(annotation.frame)
        assert truth is not None
        ids = [i for i in np.unique(truth) if 0 < i < VOID]
        assert annotation.object_ids == tuple(ids)
        np.testing.assert_array_equal(annotation.label_map, np.where(truth == VOID, 0, truth))
    assert len({annotation.object_ids for annotation in annotations}) > 1


@pytest.mark.parametrize(
    ("annotate", "message"),
    [
        (0, "give 1 or more"),
        (-2, "give 1 or more"),
        ([], "at least one frame"),
        ([10], "has no frame 10, only 10 frames"),
        ([-11], "has no frame -11"),
    ],
)
def test_what_cannot_be_annotated(clip: DiskClip, annotate: int | list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        frames_to_annotate(clip, annotate)


def test_a_frame_without_truth_is_refused_or_passed_over(tmp_path: Path) -> None:
    root = make_davis(tmp_path, sequences=("solo",), frames=10)
    masks = sorted(root.glob("Annotations/*/solo/*.png"))
    masks[4].unlink()
    clip = open_dataset("davis2017", root).clip("solo")
    assert frames_to_annotate(clip, 2) == [0, 2, 6, 8]
    with pytest.raises(ConfigError, match="frame 4 has no true mask"):
        frames_to_annotate(clip, [0, 4])
