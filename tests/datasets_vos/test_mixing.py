"""Several sets as one list: what stands in it, how often, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_vos.mixing import Mixture, TrainSet, open_clips, open_frames
from tests.fakes import SIZE, fake_label_map, make_davis
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES
from vos_core.errors import ConfigError, DatasetError, MaskError, VOSError


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 5)), min_size=1, max_size=5))
def test_list_is_what_concatenation_gives(shape: list[tuple[int, int]]) -> None:
    sets = [[(k, i) for i in range(count)] for k, (count, _) in enumerate(shape)]
    repeats = [repeat for _, repeat in shape]
    expected = [item for s, repeat in zip(sets, repeats, strict=True) for item in s * repeat]
    mixture = Mixture(sets, repeats)
    assert len(mixture) == len(expected)
    assert list(mixture) == expected
    assert mixture[-1] == expected[-1]
    assert mixture[1::2] == expected[1::2]
    with pytest.raises(IndexError):
        mixture[len(expected)]


def test_davis_eight_times_youtube_once() -> None:
    mixture = Mixture([["davis"] * 60, ["youtube"] * 3471], [8, 1])
    rng = np.random.default_rng(0)
    draws = 20000
    davis = sum(mixture[int(rng.integers(len(mixture)))] == "davis" for _ in range(draws))
    share = 480 / 3951
    deviation = (draws * share * (1 - share)) ** 0.5
    assert abs(davis - draws * share) < 4 * deviation


@pytest.mark.parametrize(
    ("sets", "repeats", "message"),
    [([], [], "no dataset"), ([[1]], [0], "repeat is 0"), ([[1], []], [1, 1], "empty")],
)
def test_senseless_mixtures_are_refused(sets: list, repeats: list, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture(sets, repeats)


@pytest.mark.parametrize("name", sorted(STILL_FAKES))
def test_every_still_set_can_be_trained_on(name: str, tmp_path: Path) -> None:
    fake = STILL_FAKES[name](tmp_path)
    train_set = TrainSet(name, str(fake.root), fake.split)
    frames = open_frames([train_set], size=SIZE)
    assert len(frames) == len(open_clips([train_set], frames=3)) == len(fake.open_stills())
    image, label_map = frames[0]
    assert image.shape == (*SIZE, 3)
    assert label_map.shape == SIZE


@pytest.mark.parametrize("name", sorted(set(VIDEO_FAKES) - {"folder"}))
def test_frames_of_a_video_set_are_those_with_truth(name: str, tmp_path: Path) -> None:
    fake = VIDEO_FAKES[name](tmp_path)
    clips = fake.open()
    known = [(clip, t) for clip in clips for t in clip.truth_frames]
    for clip in clips:
        indices = range(len(clip.frame_names))
        truth = [t for t in indices if clip.ground_truth(t) is not None]
        assert list(clip.truth_frames) == truth
    train_set = TrainSet(name, str(fake.root), fake.split, repeat=2)
    if not known:  # a benchmark's own split
        with pytest.raises(DatasetError, match="has no ground truth; choose a training split"):
            open_frames([train_set], size=None)
        return
    frames = open_frames([train_set], size=None)
    assert len(frames) == 2 * len(known)
    for index in (0, len(known) // 2, len(known) - 1):
        clip, t = known[index]
        image, label_map = frames[len(known) + index]
        np.testing.assert_array_equal(label_map, clip.ground_truth(t))
        np.testing.assert_array_equal(image, clip.frame(t))


def test_frames_of_sets_of_different_kinds(tmp_path: Path) -> None:
    make_davis(tmp_path / "davis", frames=4)
    STILL_FAKES["ecssd"](tmp_path / "stills")
    root = STILL_FAKES["ecssd"](tmp_path / "more").root.relative_to(tmp_path)
    sets = [
        TrainSet("davis2017", "davis", "train", repeat=3),
        TrainSet("ecssd", str(root)),
    ]
    frames = open_frames(sets, folder=tmp_path, size=None)
    stills = len(frames) - 3 * 4
    assert stills > 0
    np.testing.assert_array_equal(frames[11][1], fake_label_map(3))
    assert set(np.unique(frames[12][1])) == {0, 1}


def test_short_clips_are_left_out_and_named(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", sequences=("long", "short"), frames=6)
    for t in range(2, 6):
        (root / "Annotations" / "480p" / "short" / f"{t:05d}.png").unlink()
    sets = [TrainSet("davis2017", str(root))]
    with pytest.warns(UserWarning, match="1 of 2 clips have fewer than 3 .* the first is short"):
        clips = open_clips(sets, frames=3)
    assert [getattr(clip, "name", None) for clip in clips] == ["long"]
    assert len(open_clips(sets, frames=2)) == 2
    with pytest.raises(DatasetError, match="no clip has 7 frames with ground truth"):
        open_clips(sets, frames=7)


def test_files_are_checked_before_training(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis")
    path = root / "JPEGImages" / "480p" / "alpha" / "00003.jpg"
    path.write_bytes(path.read_bytes()[:300])
    for opened in (open_frames, open_clips):
        options = {"size": None} if opened is open_frames else {"frames": 2}
        with pytest.raises(VOSError, match=r"alpha/00003\.jpg"):
            opened([TrainSet("davis2017", str(root))], **options)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("train_set", "message"),
    [
        (TrainSet("ecsd", "x"), "unknown dataset 'ecsd' in train_sets; the nearest is 'ecssd'"),
        (TrainSet("ecssd"), "'ecssd' in train_sets needs root"),
        (TrainSet("davis2017"), "needs root"),
        (TrainSet("davis2017", "nowhere"), "nowhere"),
        (TrainSet("folder", "nowhere"), "needs mask"),
    ],
)
def test_wrong_sets_are_refused(train_set: TrainSet, message: str) -> None:
    with pytest.raises((ConfigError, DatasetError, MaskError), match=message):
        open_clips([train_set], frames=2)
