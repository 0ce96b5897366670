"""Overlays, sheets and videos."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from vos_core.errors import ConfigError, DatasetError, DependencyNotFoundError, MaskError
from vos_core.visual import (
    Mp4Writer,
    WorstFrames,
    contact_sheet,
    mp4,
    object_colours,
    overlay,
)

Picture = npt.NDArray[np.uint8]


def plain(height: int, width: int, value: int = 100) -> Picture:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_colours_are_visible_and_distinct() -> None:
    colours = object_colours()
    assert colours[0].tolist() == [0, 0, 0]
    assert (colours[1:] @ [0.299, 0.587, 0.114]).min() >= 90
    assert len(np.unique(colours, axis=0)) == 256
    assert colours[1].argmax() == 0  # id 1 stays red


def test_overlay_values() -> None:
    label_map = np.zeros((20, 30), dtype=np.uint8)
    label_map[5:15, 5:20] = 2
    frame = plain(20, 30)
    painted = overlay(frame, label_map, alpha=0.5)
    colour = object_colours()[2].astype(int)
    assert (painted[5, 5] == colour).all()  # the contour is opaque
    assert np.abs(painted[10, 12] - (100 + colour) / 2).max() <= 1
    assert (painted[label_map == 0] == 100).all()
    assert (frame == 100).all()
    outlined = overlay(frame, label_map, alpha=0)
    assert (outlined[10, 12] == 100).all()
    assert (outlined[14, 19] == colour).all()


def test_overlay_refuses_other_size() -> None:
    with pytest.raises(MaskError, match=r"\(20, 30, 3\).*\(30, 20\)"):
        overlay(plain(20, 30), np.zeros((30, 20), dtype=np.uint8))


def test_contact_sheet_layout() -> None:
    sheet = contact_sheet([plain(10, 20, v) for v in (50, 150, 250)], columns=2)
    assert sheet.shape == (10 + 4 + 10, 20 + 4 + 20, 3)
    assert (sheet[:10, :20] == 50).all()
    assert (sheet[:10, 24:] == 150).all()
    assert (sheet[14:, :20] == 250).all()
    row = contact_sheet(
        [plain(10, 200), plain(8, 200)], columns=2, captions=["first", "second" * 40]
    )
    assert row.shape[1] == 404
    assert row[10:, :200].max() > 200  # light letters under the picture
    assert (row[10:, 200:204] == row[9, 202]).all()  # the long caption was cut
    with pytest.raises(ValueError, match="captions"):
        contact_sheet([plain(4, 4)], columns=1, captions=[])
    with pytest.raises(ValueError, match="images"):
        contact_sheet([], columns=1)


def test_mp4_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    levels = [40, 120, 200]
    with Mp4Writer(path, fps=12.5) as writer:
        for level in levels:
            writer.write(plain(47, 63, level))
            assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (64, 48)
        assert stream.average_rate == 12.5
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert [abs(f.mean() - v) < 4 for f, v in zip(frames, levels, strict=True)] == [True] * 3
    stored = path.read_bytes()
    assert stored.index(b"moov") < stored.index(b"mdat")


def write_two_sizes(path: Path) -> None:
    with Mp4Writer(path, 25) as writer:
        writer.write(plain(16, 16))
        writer.write(plain(8, 8))


def test_mp4_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="frame 1 is 8x8, the first one was 16x16"):
        write_two_sizes(tmp_path / "a.mp4")
    with pytest.raises(DatasetError, match="no frame"), Mp4Writer(tmp_path / "b.mp4", 25):
        pass
    with pytest.raises(ConfigError, match="0 frames per second"):
        Mp4Writer(tmp_path / "c.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_mp4s_of_one_name_do_not_meet_while_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with Mp4Writer(path, 25) as one:
        one.write(plain(16, 16))
        with Mp4Writer(path, 25) as other:
            for _ in range(3):
                other.write(plain(16, 16))
        one.write(plain(16, 16))
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 2


def test_mp4_without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4, "_ENCODERS", ("no-such-encoder",))
    with pytest.raises(DependencyNotFoundError, match=r"H\.264"):
        mp4.h264_encoder()


def test_worst_frames_keeps_k() -> None:
    worst = WorstFrames(2)
    label_map = np.zeros((40, 80), dtype=np.uint8)
    label_map[10:30, 20:60] = 1
    frame = plain(40, 80)
    for name, j in [("a", 0.9), ("b", 0.2), ("c", 0.5), ("d", 0.1), ("e", 0.2)]:
        worst.offer(name, frame, label_map, label_map, {1: (j, 0.8), 2: (j, 0.6)})
    worst.offer("unscored", frame, label_map, label_map, {})
    frame[:] = 0  # a reader may reuse its buffer
    kept = worst.thumbnails(width=40)
    assert [(w.name, round(w.J, 6), round(w.F, 6)) for w in kept] == [
        ("d", 0.1, 0.7),
        ("b", 0.2, 0.7),
    ]
    assert kept[0].prediction.shape == (20, 40, 3)
    assert (kept[0].truth[10, 20] == 100).all()  # contour only
    assert (kept[0].prediction[10, 20] != 100).any()
    assert all(a.J <= b.J for a, b in pairwise(kept))


def test_worst_frames_of_none() -> None:
    worst = WorstFrames(0)
    worst.offer("a", plain(4, 4), *[np.ones((4, 4), dtype=np.uint8)] * 2, {1: (0.0, 0.0)})
    assert worst.thumbnails() == []
