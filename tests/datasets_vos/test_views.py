"""One object as a clip of its own: ids, late starts, void, refusals."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datasets_vos import Davis, open_clip, open_dataset
from datasets_vos.clips import ImageClip
from datasets_vos.masks import write_mask
from datasets_vos.views import one_object, one_object_views
from datasets_vos.youtube_vos import YouTubeVOS
from tests.fakes import LATE_FRAME, fake_label_map, make_davis, make_video
from tests.fakes.segtrack import FRAMES, make_segtrack, object_mask
from tests.fakes.youtube_vos import NAMES, make_youtube_vos
from vos_core.errors import CorruptFileError, DatasetError


@pytest.fixture(scope="module")
def davis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_davis(tmp_path_factory.mktemp("views") / "davis")


@pytest.mark.parametrize(("object_id", "start"), [(1, 0), (2, 0), (3, LATE_FRAME)])
def test_values(davis: Path, object_id: int, start: int) -> None:
    clip = Davis(davis).clip("beta")
    view = one_object(clip, object_id)
    view.check()
    assert (view.name, view.size) == (f"beta_{object_id}", clip.size)
    assert view.frame_names == view.required_names == clip.frame_names[start:]
    assert view.truth_frames == tuple(range(6 - start))
    frames = list(view.frames())
    assert len(frames) == 6 - start
    for index, frame in enumerate(frames):
        mask = fake_label_map(start + index, (1, 2, 3)) == object_id
        np.testing.assert_array_equal(view.ground_truth(index), mask.astype(np.uint8))
        np.testing.assert_array_equal(frame, clip.frame(start + index))
        np.testing.assert_array_equal(frame, view.frame(index))
        np.testing.assert_array_equal(frame, view.frame(view.frame_names[index]))
    (annotation,) = view.annotations
    assert (annotation.frame, annotation.object_ids) == (0, (1,))
    np.testing.assert_array_equal(annotation.label_map, view.ground_truth(0))
    np.testing.assert_array_equal(view.ground_truth(-1), view.ground_truth(len(frames) - 1))
    assert [frame.shape for frame in view.frames((24, 32))] == [(24, 32, 3)] * (6 - start)
    assert view.frame(0, (24, 32)).shape == (24, 32, 3)


def test_void_stays_void_in_the_truth_only(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", sequences=("alpha",), frames=3)
    label_map = fake_label_map(0)
    label_map[40:] = 255
    write_mask(root / "Annotations" / "480p" / "alpha" / "00000.png", label_map)
    view = one_object(Davis(root)[0], 1)
    truth = view.ground_truth(0)
    assert truth is not None
    assert (truth[40:] == 255).all()
    assert set(np.unique(truth[:40])) == {0, 1}
    assert set(np.unique(view.annotations[0].label_map)) == {0, 1}


def test_frames_before_the_object_are_not_read(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis")
    view = one_object(Davis(root).clip("beta"), 3)
    damaged = root / "JPEGImages" / "480p" / "beta" / "00001.jpg"
    damaged.write_bytes(b"damaged")
    assert len(list(view.frames())) == 3
    with pytest.raises(CorruptFileError, match=r"00001\.jpg"):
        view.check()


def test_unknown_frames_and_objects(davis: Path) -> None:
    clip = Davis(davis).clip("beta")
    with pytest.raises(DatasetError, match="beta: has no object 4; there are: 1, 2, 3"):
        one_object(clip, 4)
    view = one_object(clip, 3)
    for index in (3, -4):
        with pytest.raises(IndexError):
            view.ground_truth(index)
        with pytest.raises(IndexError):
            view.frame(index)
    with pytest.raises(DatasetError, match="beta_3: the object has no frame '00002'"):
        view.frame("00002")


def test_object_of_the_last_frame(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", frames=LATE_FRAME + 1)
    view = one_object(Davis(root).clip("beta"), 3)
    assert view.frame_names == ("00003",)
    with pytest.raises(DatasetError, match="beta_3: the object enters in the last frame 00003"):
        view.check()


def test_video_file(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", fake_label_map(0))
    clip = open_clip(make_video(tmp_path / "mine.mp4"), tmp_path / "mask.png")
    view = one_object(clip, 2)
    view.check()
    frames = list(view.frames())
    assert len(frames) == 6
    np.testing.assert_array_equal(frames[4], clip.frame(4))
    np.testing.assert_array_equal(view.ground_truth(0), fake_label_map(0) == 2)


def test_views_of_a_dataset(davis: Path) -> None:
    views = one_object_views(Davis(davis))
    assert views.names == ("alpha_1", "alpha_2", "beta_1", "beta_2", "beta_3")
    assert [len(view.frame_names) for view in views] == [6, 6, 6, 6, 6 - LATE_FRAME]
    with pytest.raises(DatasetError, match="'alpha_3' in this dataset; the nearest is 'alpha_2'"):
        views.clip("alpha_3")


def test_listed_objects_are_named_without_reading(tmp_path: Path) -> None:
    root = make_youtube_vos(tmp_path / "root", splits=("valid",))
    views = one_object_views(YouTubeVOS(root))
    late = views.clip("late_3")
    assert late.required_names == NAMES[1:]
    assert late.annotations[0].label_map.sum() == 6 * 6
    assert [late.ground_truth(index) for index in range(4)] == [None] * 4
    assert late.truth_frames == ()
    shutil.rmtree(root / "valid" / "Annotations" / "gap")
    shutil.rmtree(root / "valid" / "JPEGImages" / "late")
    names = ("gap_1", "gap_4", "late_1", "late_2", "late_3", "only_late_2")
    assert views.names == names
    assert one_object_views(YouTubeVOS(root, sequences=["gap"])).names == names[:2]


label_maps = st.lists(
    arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 0, 1, 2, 7, 254, 255])),
    min_size=2,
    max_size=4,
).filter(lambda maps: any(((m > 0) & (m < 255)).any() for m in maps))


@settings(max_examples=40, deadline=None)
@given(truths=label_maps)
def test_merged_views_give_back_the_truth(
    tmp_path_factory: pytest.TempPathFactory, truths: list[np.ndarray]
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    for index, truth in enumerate(truths):
        write_mask(folder / f"{index}.png", truth)
    files = sorted(folder.iterdir())
    clip = ImageClip("clip", files, {index: (path,) for index, path in enumerate(files)})
    merged = [np.where(truth == 255, 255, 0) for truth in truths]
    for object_id in clip.object_ids:
        view = one_object(clip, object_id)
        start = len(truths) - len(view.frame_names)
        assert not any((truth == object_id).any() for truth in truths[:start])
        for index in range(len(view.frame_names)):
            truth = view.ground_truth(index)
            assert truth is not None
            merged[start + index] += object_id * (truth == 1)
            np.testing.assert_array_equal(truth == 255, truths[start + index] == 255)
    np.testing.assert_array_equal(merged, truths)


def test_overlapping_objects_are_whole(tmp_path: Path) -> None:
    views = one_object_views(open_dataset("segtrack_v2", make_segtrack(tmp_path)))
    assert views.names == ("alone_1", "pair_1", "pair_2")
    view = views.clip("pair_1")
    for t in range(FRAMES):
        truth = view.ground_truth(t)
        assert truth is not None
        np.testing.assert_array_equal(truth, object_mask("pair", 1, t))
    np.testing.assert_array_equal(view.annotations[0].label_map, object_mask("pair", 1, 0))
