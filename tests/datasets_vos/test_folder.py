"""A user's own folder of frames or video file."""

from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

from datasets_vos import FolderClip, VideoClip, open_clip
from datasets_vos.masks import write_mask
from tests.fakes import SIZE, fake_frame, fake_label_map, make_frames, make_video
from vos_core.errors import CorruptFileError, DatasetError, MaskError


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    write_mask(tmp_path / "mask.png", fake_label_map(0))
    return tmp_path / "mask.png"


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "movie.mp4", frames=8)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "bmp", "webp"])
def test_folder(tmp_path: Path, mask: Path, suffix: str) -> None:
    folder = make_frames(tmp_path / "mine", 11, pattern="shot {}." + suffix)
    clip = open_clip(folder, mask)
    assert isinstance(clip, FolderClip)
    assert clip.name == "mine"
    assert clip.frame_names == tuple(f"shot {t}" for t in range(11))
    for t, frame in enumerate(clip.frames()):
        assert np.abs(frame.astype(int) - fake_frame(t).astype(int)).mean() < 4
    assert clip.ground_truth(0) is not None
    assert clip.ground_truth(1) is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_video(tmp_path: Path, mask: Path, suffix: str) -> None:
    clip = open_clip(make_video(tmp_path / f"my.{suffix}", frames=8), mask)
    assert isinstance(clip, VideoClip)
    assert (clip.name, clip.size) == ("my", SIZE)
    assert clip.frame_names == tuple(f"{t:05d}" for t in range(8))
    frames = list(clip.frames())
    assert len(frames) == 8
    for t, frame in enumerate(frames):
        assert np.abs(frame.astype(int) - fake_frame(t).astype(int)).mean() < 8
    (annotation,) = clip.annotations
    assert (annotation.frame, annotation.object_ids) == (0, (1, 2))
    np.testing.assert_array_equal(annotation.label_map, fake_label_map(0))
    truth = clip.ground_truth(0)
    assert truth is not None
    np.testing.assert_array_equal(truth, fake_label_map(0))
    assert clip.ground_truth(7) is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_any_frame_of_a_video_is_found(tmp_path: Path, mask: Path, suffix: str) -> None:
    # longer than one group of pictures of the encoder's default (12 frames, with B-frames)
    clip = open_clip(make_video(tmp_path / f"my.{suffix}", frames=40), mask)
    frames = list(clip.frames())
    for index in (0, 39, 1, 13, 26, 25, -2):
        np.testing.assert_array_equal(clip.frame(index), frames[index])
    np.testing.assert_array_equal(clip.frame("00017"), frames[17])
    with pytest.raises(IndexError):
        clip.frame(40)
    with pytest.raises(DatasetError, match=r"my\.\w+: no frame '17'"):
        clip.frame("17")


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV writes no rotation"
)
@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_rotation_is_honoured(tmp_path: Path, angle: int, turns: int) -> None:
    want = np.rot90(fake_frame(0), turns)
    write_mask(tmp_path / "mask.png", np.rot90(fake_label_map(0), turns))
    clip = open_clip(make_video(tmp_path / "phone.mp4", rotation=angle), tmp_path / "mask.png")
    assert clip.size == want.shape[:2]
    assert np.abs(next(clip.frames()).astype(int) - want.astype(int)).mean() < 8


def test_frames_hidden_by_an_edit_list_are_not_counted(
    tmp_path: Path, movie: Path, mask: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(movie)) as source, av.open(str(cut), "w", options=options) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        shift = round(3 / 24 / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                target.mux(packet)
    with av.open(str(cut)) as container:
        assert container.streams.video[0].frames == 8
    clip = open_clip(cut, mask)
    frames = list(clip.frames())
    assert len(clip.frame_names) == len(frames) == 5
    np.testing.assert_array_equal(clip.frame(3), frames[3])


def test_video_is_decoded_lazily(movie: Path, mask: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets_vos import video

    converted = []
    original = video._upright
    monkeypatch.setattr(video, "_upright", lambda f: (converted.append(f.pts), original(f))[1])
    clip = VideoClip(movie, mask)
    assert clip.size == SIZE
    converted.clear()
    frames = clip.frames()
    next(frames)
    next(frames)
    assert len(converted) == 2
    frames.close()


def test_unreadable_videos(tmp_path: Path, movie: Path, mask: Path) -> None:
    data = movie.read_bytes()
    contents = {
        "cut.mp4": data[: len(data) // 2],
        "empty.mp4": b"",
        "text.mp4": b"no video\n" * 50,
        "notes.txt": b"plain words\n" * 50,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorruptFileError, match=rf"{name}: is not a (readable )?video"):
            open_clip(tmp_path / name, mask)
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "photo.jpg")
    with pytest.raises(CorruptFileError, match=r"photo\.jpg: is not a video"):
        open_clip(tmp_path / "photo.jpg", mask)


def test_truncated_video_with_its_index_in_front(tmp_path: Path, movie: Path, mask: Path) -> None:
    path = tmp_path / "front.mp4"
    options = {"movflags": "faststart"}
    with av.open(str(movie)) as source, av.open(str(path), "w", options=options) as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    open_clip(path, mask)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(CorruptFileError, match=r"front\.mp4: \d of its frames are missing"):
        open_clip(path, mask)


def test_damaged_video_says_so_instead_of_ending_early(movie: Path, mask: Path) -> None:
    clip = VideoClip(movie, mask)
    clip.frame_names = (*clip.frame_names, "00008")
    with pytest.raises(CorruptFileError, match=r"movie\.mp4: frame 8 of 9"):
        list(clip.frames())


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_unusable_masks(tmp_path: Path, movie: Path, kind: str) -> None:
    video = movie if kind == "video" else make_frames(tmp_path / "mine")
    path = tmp_path / "mask.png"
    write_mask(path, fake_label_map(0, size=(48, 66)))
    with pytest.raises(MaskError, match=r"mask\.png: the mask is 66x48 .* frames are 64x48"):
        open_clip(video, path)
    write_mask(path, fake_label_map(0, ()))
    with pytest.raises(MaskError, match=r"mask\.png: holds no object"):
        open_clip(video, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptFileError, match=r"mask\.png: is truncated"):
        open_clip(video, path)


def test_missing_paths_and_short_clips(tmp_path: Path, mask: Path, movie: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.mp4: no such file"):
        open_clip(tmp_path / "none.mp4", mask)
    with pytest.raises(DatasetError, match=r"none\.png: no such file"):
        open_clip(movie, tmp_path / "none.png")
    with pytest.raises(DatasetError, match="has one frame"):
        open_clip(make_frames(tmp_path / "mine", 1), mask)
    with pytest.raises(DatasetError, match="has 1 frame,"):
        open_clip(make_video(tmp_path / "still.mp4", 1), mask)
