"""``data stats`` and ``data preview`` on a fake of every dataset, and mistakes in all tools."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest

import cli
from datasets_vos.commands.data.preview import chosen_evenly, fitted
from datasets_vos.commands.output import whole_file
from datasets_vos.commands.parallel import work_through
from tests.data_commands import Capture, data, refusal
from tests.fakes import SIZE, fake_frame, fake_label_map, make_davis
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES, Fake
from tests.fakes.youtube_vos import make_youtube_vos
from vos_core.visual import overlay

FRAMES = 6


@pytest.fixture(scope="module")
def davis(make_fake: Callable[[str], Fake]) -> Fake:
    return make_fake("davis2017")


@pytest.mark.parametrize("name", sorted(VIDEO_FAKES | STILL_FAKES))
def test_stats(
    name: str, make_fake: Callable[[str], Fake], tmp_path: Path, capsys: Capture
) -> None:
    fake = make_fake(name)
    out, numbers = tmp_path / "new" / "a.png", tmp_path / "a.json"
    assert data("stats", fake, f"--out={out}", f"--json={numbers}") == 0
    names = fake.open().names if name in VIDEO_FAKES else fake.open_stills().names
    what = "clip" if name in VIDEO_FAKES else "image"
    printed = capsys.readouterr().out
    assert f": {len(names)} {what}" in printed
    assert f"histograms in {out}" in printed
    assert PIL.Image.open(out).format == "PNG"
    content = json.loads(numbers.read_text())
    assert [record["name"] for record in content["records"]] == list(names)
    assert 0 < content["totals"]["area"]["mean"] < 100
    assert [path.name for path in out.parent.iterdir()] == ["a.png"]


def test_stats_of_known_squares(
    davis: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert data("stats", davis, "--json=a.json", "--per-clip") == 0
    totals = json.loads(Path("a.json").read_text())["totals"]
    shares = [100 * area / (SIZE[0] * SIZE[1]) for area in (144, 64, 144, 64, 36)]
    assert totals["area"]["mean"] == pytest.approx(np.mean(shares))
    assert totals["objects"] == {"mean": 2.5, "minimum": 2, "median": 2.5, "maximum": 3}
    # four objects move by two pixels a frame, one rests
    assert totals["motion_pixels"]["mean"] == pytest.approx(8 / 5)
    assert totals["motion"]["maximum"] == pytest.approx(100 * 2 / 8)
    printed = capsys.readouterr().out
    assert "davis2017: 2 clips, 12 frames (12 annotated), 5 objects, 64x48 pixels" in printed
    (row,) = [line.split() for line in printed.splitlines() if line.startswith(" alpha")]
    # mean and range of both areas in percent of 3072 pixels; (1/6 + 1/4) / 2 of an object size
    assert row == ["alpha", "6", "2", "64x48", "3.39", "2.08-4.69", "2", "20.83", "0"]
    assert (tmp_path / "davis2017_stats.png").is_file()


def test_stats_in_processes(davis: Fake, tmp_path: Path) -> None:
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    for workers, numbers in enumerate(files, start=1):
        options = (f"--workers={workers}", f"--json={numbers}", f"--out={tmp_path / 'a.png'}")
        assert data("stats", davis, *options) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_stats_name_what_is_not_known(tmp_path: Path, capsys: Capture) -> None:
    fake = Fake("davis2017", make_davis(tmp_path / "davis", annotate="first"))
    options = (f"--out={tmp_path / 'a.png'}", f"--json={tmp_path / 'a.json'}", "--per-clip")
    assert data("stats", fake, *options) == 0
    printed = capsys.readouterr().out
    assert "12 frames (2 annotated)" in printed
    (row,) = [line.split() for line in printed.splitlines() if line.startswith(" alpha")]
    assert row == ["alpha", "6", "(1)", "2", "64x48", "3.39", "2.08-4.69", "-", "-", "-"]
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["totals"]["motion"]["mean"] is None


def test_no_terminal_is_too_narrow_for_names_and_numbers(
    davis: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert data("stats", davis, "--per-clip", f"--out={tmp_path / 'a.png'}") == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "2.08-4.69" in line]
    assert row.split()[:4] == ["alpha", "6", "2", "64x48"]


@pytest.mark.parametrize("tool", ["stats", "preview", "export"])
def test_a_read_only_folder_is_refused_before_the_work(
    tool: str, davis: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path) != tmp_path)
    out = {"stats": tmp_path / "a.png", "preview": tmp_path, "export": tmp_path / "a.zip"}[tool]
    results = [f"--results={davis.root}"] if tool == "export" else []
    (line,) = refusal(capsys, tool, davis, f"--out={out}", *results)
    assert f"{tmp_path}: nothing can be written there" in line
    assert not list(tmp_path.iterdir())


def _holds_interrupts_back(_job: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_ctrl_c_reaches_this_process_only() -> None:
    held = work_through("asking", _holds_interrupts_back, [1, 2], files=2, workers=2)
    assert held == [True, True]
    assert not _holds_interrupts_back(0)


def test_stats_refuse_damaged_masks(tmp_path: Path, capsys: Capture) -> None:
    fake = Fake("davis2017", make_davis(tmp_path / "davis"))
    path = fake.root / "Annotations" / "480p" / "beta" / "00002.png"
    path.write_bytes(path.read_bytes()[:-20])
    out = tmp_path / "a.png"
    (line,) = refusal(capsys, "stats", fake, f"--out={out}")
    assert f"{path}: is truncated" in line
    assert not out.exists()


# preview


@pytest.mark.parametrize("name", sorted(VIDEO_FAKES | STILL_FAKES))
def test_preview(name: str, make_fake: Callable[[str], Fake], tmp_path: Path) -> None:
    fake, out = make_fake(name), tmp_path / "new" / "look"
    assert data("preview", fake, f"--out={out}", "--count=3", "--clips=1") == 0
    expected = {"contact_sheet.png"}
    dataset = fake.open() if name in VIDEO_FAKES else None
    if dataset is not None:
        expected.add(f"{dataset.names[0]}.mp4")
        with av.open(str(out / f"{dataset.names[0]}.mp4")) as video:
            assert sum(1 for _ in video.decode(video=0)) == len(dataset[0].frame_names)
    assert {path.name for path in out.iterdir()} == expected
    shown = min(3, len(dataset if dataset is not None else fake.open_stills()))
    sheet = PIL.Image.open(out / "contact_sheet.png")
    assert sheet.width <= shown * (360 + 4)
    assert sheet.height <= 240 + 26


def test_sheet_shows_the_objects(davis: Fake, tmp_path: Path) -> None:
    assert data("preview", davis, f"--out={tmp_path}", "--clips=0") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["contact_sheet.png"]
    sheet = np.asarray(PIL.Image.open(tmp_path / "contact_sheet.png")).astype(int)
    # two pictures of 240 rows, five times their size, with a caption below
    assert sheet.shape == (240 + 22, 2 * 320 + 4, 3)
    painted = overlay(fake_frame(0), fake_label_map(0)).astype(int)
    for x in (0, 324):
        for object_id, (row, column) in {1: (10, 10), 2: (34, 54)}.items():
            assert fake_label_map(0)[row, column] == object_id
            shown = sheet[5 * row + 2, x + 5 * column + 2]
            assert np.abs(shown - painted[row, column]).max() < 12
    captions = sheet[240:]
    assert (captions.max(axis=2) > 180).any()


def test_video_paints_only_what_is_known(tmp_path: Path) -> None:
    fake = Fake("youtube_vos2019", make_youtube_vos(tmp_path / "data", splits=["valid"]))
    assert data("preview", fake, f"--out={tmp_path}", "--sequences", "gap", "--fps=6") == 0
    with av.open(str(tmp_path / "gap.mp4")) as video:
        assert video.streams.video[0].average_rate == 6
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    clip = fake.open().clip("gap")
    assert clip.ground_truth(0) is None
    inside = clip.annotations[0].label_map == 4  # green, and painted blue
    originals = list(clip.frames())
    differences = [
        np.abs(shown.astype(int) - original)[inside].mean()
        for shown, original in zip(frames, originals, strict=True)
    ]
    assert differences[0] > 30
    assert max(differences[1:]) < 12


def test_tall_videos_are_shrunk(davis: Fake, tmp_path: Path) -> None:
    options = ("--sequences", "beta", "--height=24", f"--out={tmp_path}")
    assert data("preview", davis, *options) == 0
    with av.open(str(tmp_path / "beta.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.height, stream.width) == (24, 32)


def test_chosen_evenly() -> None:
    assert chosen_evenly("abcdefghi", 3) == ["a", "e", "i"]
    assert chosen_evenly("abc", 5) == ["a", "b", "c"]
    assert chosen_evenly("abc", 1) == ["a"]
    assert chosen_evenly("abc", 0) == []
    assert len(set(chosen_evenly(range(1000), 24))) == 24


def test_fitted() -> None:
    assert fitted((480, 854), (240, 360)) == (202, 360)
    assert fitted((800, 400), (240, 360)) == (240, 120)
    assert fitted((2, 4000), (240, 360)) == (1, 360)


# export


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("stats --dataset davis2071 --root x", "Did you mean 'davis2017'?"),
        ("stats --dataset davis2017", "'davis2017' needs root"),
        ("stats --dataset davis2017 --root x --out a.jpg", "--out a.jpg: give a file that ends"),
        ("stats --dataset davis2017 --root x --json a.txt", "--json a.txt: give a file that"),
        ("stats --dataset davis2017 --root x --perclip", "Did you mean '--per-clip'?"),
        ("stats --dataset davis2017 --root no-such-place", "no such folder"),
        ("preview --dataset davis2017 --root x --count 0", "'0' is no whole number from 1 on"),
        ("preview --dataset davis2017 --root x --height 2", "'2' is no whole number from 16 on"),
        ("export --dataset davis2017 --root x", "arguments are required: --results"),
        ("export --dataset davis2017 --root x --results y --out z.tar", "ends in .zip"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    arguments: str, answer: str, capsys: Capture
) -> None:
    assert cli.main(["data", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert answer in err


def test_mistakes_in_paths(
    davis: Fake, make_fake: Callable[[str], Fake], tmp_path: Path, capsys: Capture
) -> None:
    out = f"--out={tmp_path / 'a.zip'}"
    for fake in (davis, make_fake("ecssd")):
        (line,) = refusal(capsys, "export", fake, f"--results={tmp_path / 'none'}", out)
        assert f"{tmp_path / 'none'}: no such folder" in line
    (tmp_path / "file").touch()
    for tool, option in (("stats", "file/a.png"), ("preview", "file")):
        (line,) = refusal(capsys, tool, davis, f"--out={tmp_path / option}")
        assert f"{tmp_path / 'file'}: cannot be made" in line


def test_still_images_have_no_clips(
    make_fake: Callable[[str], Fake], tmp_path: Path, capsys: Capture
) -> None:
    options = ("--per-clip", f"--out={tmp_path / 'a.png'}")
    (line,) = refusal(capsys, "stats", make_fake("ecssd"), *options)
    assert "--per-clip is for videos" in line


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_text("older")

    def interrupted() -> None:
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("tool", ["stats", "preview", "export"])
def test_help(tool: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["data", tool, "--help"])
    assert exit_.value.code == 0
    assert f"usage: cli.py data {tool}" in capsys.readouterr().out
