"""``dream`` through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from augment.geometry import affine_matrix
from augment.lucid import LucidDreamer
from datasets_vos import commands
from datasets_vos.masks import read_mask, write_mask
from datasets_vos.video import VideoClip
from tests.fakes import fake_frame, fake_label_map
from tests.test_commands import refusal
from vos_core.flow.files import flow_to_colour, read_flo
from vos_core.palette import davis_palette


@pytest.fixture
def frame(tmp_path: Path) -> tuple[Path, Path]:
    """Picture and mask of two objects."""
    image, mask = tmp_path / "frame.png", tmp_path / "mask.png"
    PIL.Image.fromarray(fake_frame(0)).save(image)
    write_mask(mask, fake_label_map(0))
    return image, mask


def dream(frame: tuple[Path, Path], out: Path, *options: str) -> int:
    image, mask = frame
    return cli.main(["dream", f"--image={image}", f"--mask={mask}", f"--out={out}", *options])


def test_dream_writes_what_belongs_together(frame: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "dreams"
    assert dream(frame, out, "--count=3") == 0
    expected = {"contact_sheet.png", "dreams.json", "dreams.mp4"}
    endings = ".jpg _mask.png _flow.flo _flow.png _newly_visible.png _rough_mask.png"
    endings += " _previous.jpg _previous_mask.png _previous_flow.flo _previous_disappearing.png"
    expected |= {f"{k:05d}{ending}" for k in range(3) for ending in endings.split()}
    for k in range(3):
        picture = np.asarray(PIL.Image.open(out / f"{k:05d}.jpg")).astype(int)
        stored = PIL.Image.open(out / f"{k:05d}_mask.png")
        assert stored.mode == "P"
        assert stored.getpalette() == davis_palette().ravel().tolist()
        label_map = np.asarray(stored)
        previous = read_mask(out / f"{k:05d}_previous_mask.png")
        rough = read_mask(out / f"{k:05d}_rough_mask.png")
        assert picture.shape[:2] == label_map.shape == rough.shape == previous.shape == (48, 64)
        # where the mask says object 1 or 2 the picture is red or green, but for rims and JPEG
        for i, colour in ((1, 0), (2, 1)):
            inside = picture[label_map == i]
            if len(inside) > 20:
                assert (inside.argmax(axis=1) == colour).mean() > 0.8
        assert set(np.unique(rough)) <= {0, 1, 2}
        assert (rough != previous).any()
        flow, forward = (read_flo(out / f"{k:05d}{name}_flow.flo") for name in ("", "_previous"))
        assert flow.shape == forward.shape == (48, 64, 2)
        hidden, lost = (
            np.asarray(PIL.Image.open(out / f"{k:05d}_{name}.png"))
            for name in ("newly_visible", "previous_disappearing")
        )
        for labels, others, field, unseen in (
            (label_map, previous, flow, hidden),
            (previous, label_map, forward, lost),
        ):
            assert set(np.unique(unseen)) <= {0, 255}
            there = (np.mgrid[:48, :64][::-1].transpose(1, 2, 0) + field).round().astype(int)
            shown = labels.copy()
            for y, x in np.argwhere(unseen == 0):
                shown[y, x] = others[there[y, x, 1], there[y, x, 0]]
            np.testing.assert_array_equal(shown, labels)
        colours = np.asarray(PIL.Image.open(out / f"{k:05d}_flow.png"))
        flow[hidden > 0] = np.nan
        np.testing.assert_array_equal(colours, flow_to_colour(flow))
        assert (out / f"{k:05d}_previous.jpg").read_bytes() != (out / f"{k:05d}.jpg").read_bytes()
    drawn = json.loads((out / "dreams.json").read_text())
    assert (drawn["preset"], drawn["seed"], list(drawn["dreams"])) == (
        "paper",
        0,
        ["00000", "00001", "00002"],
    )
    for k, each in drawn["dreams"].items():
        assert sorted(o["object"] for o in each["objects"]) == [1, 2]
        assert sorted(each["rough_masks"]) == ["1", "2"]
        # the flow of the background is the way back of the camera
        flow, label_map = read_flo(out / f"{k}_flow.flo"), read_mask(out / f"{k}_mask.png")
        camera = each["plate"]["motion"]
        assert camera["mirror"] is False
        scale = (camera["scale"],) * 2
        matrix = affine_matrix(camera["centre"], scale, camera["angle"], camera["shift"])
        y, x = np.argwhere(label_map == 0)[100]
        back = np.linalg.inv(matrix) @ [x, y, 1]
        assert flow[y, x] == pytest.approx(back[:2] - [x, y], abs=1e-3)
    assert drawn["ranges"]["object_scale"] == 0.15
    assert drawn["previous_masks"]["preset"] == "lucid"
    assert (drawn["images"], drawn["masks"]) == ([str(frame[0])], [str(frame[1])])
    film = list(VideoClip(out / "dreams.mp4", out / "00000_mask.png").frames())
    assert [picture.shape for picture in film] == [(48, 128, 3)] * 6
    second = np.asarray(PIL.Image.open(out / "00001.jpg")).astype(int)
    assert np.abs(film[3][:, :64] - second).mean() < 12  # but for two lossy encodings
    # four columns of 64 px; one row for the source and one per dream, each with a caption
    sheet = np.asarray(PIL.Image.open(out / "contact_sheet.png"))
    assert sheet.shape[1] == 4 * 64 + 3 * 4
    np.testing.assert_array_equal(sheet[:48, :64], fake_frame(0))
    assert sheet.shape[0] > 4 * 48


def test_dream_k_depends_on_the_seed_only(frame: tuple[Path, Path], tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("few", "many", "other")]
    for folder, options in zip(
        folders, (["--count=1"], ["--count=2"], ["--count=1", "--seed=1"]), strict=True
    ):
        assert dream(frame, folder, *options) == 0
    few, many, other = [(folder / "00000.jpg").read_bytes() for folder in folders]
    assert few == many
    assert few != other
    assert (folders[1] / "00001.jpg").read_bytes() != many


def test_dream_refuses_masks(
    frame: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, mask = frame
    out = tmp_path / "dreams"
    command = ["dream", f"--image={image}", f"--mask={mask}", f"--out={out}", "--count=1"]
    write_mask(mask, np.zeros((48, 64), dtype=np.uint8))
    assert f"{mask}: holds no object" in refusal(capsys, *command)
    write_mask(mask, np.ones((24, 64), dtype=np.uint8))
    assert f"{mask}: the mask is 64x24 pixels but" in refusal(capsys, *command)
    assert not out.exists()
    write_mask(mask, fake_label_map(0))
    out.touch()
    assert f"{out}: cannot be made" in refusal(capsys, *command)


def test_ranges_are_read_as_numbers_lists_and_words(
    frame: tuple[Path, Path], tmp_path: Path
) -> None:
    options = "object_scale=1e-1 object_angle=[010,-20.5] group=true object_placement=anywhere"
    chosen = [f"--range={each}" for each in options.split()]
    assert dream(frame, tmp_path / "a", "--count=1", "--preset=official_code", *chosen) == 0
    ranges = json.loads((tmp_path / "a" / "dreams.json").read_text())["ranges"]
    assert ranges["object_scale"] == 0.1
    assert ranges["object_angle"] == [10, -20.5]
    assert ranges["group"] is True
    assert ranges["object_placement"] == "anywhere"
    assert ranges["bent"] == 0.5  # the preset's


def test_several_frames_make_one_set_of_dreams(tmp_path: Path) -> None:
    images, masks = (
        [tmp_path / "0.png", tmp_path / "1.png"],
        [tmp_path / "2.png", tmp_path / "3.png"],
    )
    for t, (image, mask) in enumerate(zip(images, masks, strict=True)):
        PIL.Image.fromarray(fake_frame(t, (1, 2) if t else (1,))).save(image)
        write_mask(mask, fake_label_map(t, (1, 2) if t else (1,)))
    out = tmp_path / "out"
    command = ["dream", "--image", *map(str, images), "--mask", *map(str, masks)]
    assert cli.main([*command, "--out", str(out), "--count", "6"]) == 0
    told = json.loads((out / "dreams.json").read_text())
    assert told["cut_outs"] == [
        {"object": 1, "frame": 0},
        {"object": 1, "frame": 1},
        {"object": 2, "frame": 1},
    ]
    assert {d["plate"]["frame"] for d in told["dreams"].values()} == {0, 1}
    for name, each in told["dreams"].items():
        assert sorted(o["object"] for o in each["objects"]) == [1, 2]
        assert {o["cut_out"] for o in each["objects"] if o["object"] == 2} == {2}
        assert set(np.unique(read_mask(out / f"{name}_mask.png"))) <= {0, 1, 2}
    sheet = np.asarray(PIL.Image.open(out / "contact_sheet.png"))
    np.testing.assert_array_equal(sheet[:48, :64], fake_frame(0, (1,)))


def test_frames_of_one_place_have_one_size_and_an_object_somewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("a", (48, 64)), ("b", (24, 64))):
        PIL.Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / f"{name}.png")
        write_mask(tmp_path / f"{name}_mask.png", np.zeros(size, np.uint8))

    def command(*names: str) -> list[str]:
        images = [str(tmp_path / f"{name}.png") for name in names]
        masks = [str(tmp_path / f"{name}_mask.png") for name in names]
        out = str(tmp_path / "out")
        return ["dream", "--image", *images, "--mask", *masks, "--out", out, "--count", "1"]

    assert "b.png: is 64x24 pixels, but" in refusal(capsys, *command("a", "b"))
    assert "a_mask.png: holds no object" in refusal(capsys, *command("a", "a"))
    write_mask(tmp_path / "b_mask.png", np.ones((48, 64), np.uint8))
    PIL.Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "b.png")
    assert cli.main(command("a", "b")) == 0


def test_without_flow_there_is_none(frame: tuple[Path, Path], tmp_path: Path) -> None:
    assert dream(frame, tmp_path / "out", "--count=1", "--no-flow") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not [name for name in names if "flow" in name or "visible" in name]
    assert "00000_previous.jpg" in names


def test_an_earlier_run_is_replaced_and_nothing_else(
    frame: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert dream(frame, out, "--count=3") == 0
    own = [out / "00007.jpg", out / "notes.txt"]
    for path in own:
        path.touch()
    assert dream(frame, out, "--count=1", "--no-flow") == 0
    left = {path.name for path in out.iterdir() if path not in own}
    assert left == {
        "00000.jpg",
        "00000_mask.png",
        "00000_previous.jpg",
        "00000_previous_mask.png",
        "00000_rough_mask.png",
        "contact_sheet.png",
        "dreams.json",
        "dreams.mp4",
    }
    assert all(path.exists() for path in own)


def test_what_was_drawn_is_told_even_if_the_run_ends_early(
    frame: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, paint, done = tmp_path / "out", LucidDreamer.render, []

    def stop_at_the_third(self: LucidDreamer, *args: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return paint(self, *args)  # type: ignore[arg-type]

    assert dream(frame, out, "--count=5", "--preset=frtm") == 0
    monkeypatch.setattr(LucidDreamer, "render", stop_at_the_third)
    assert dream(frame, out, "--count=5") == 130
    told = json.loads((out / "dreams.json").read_text())
    assert told["preset"] == "paper"
    assert list(told["dreams"]) == ["00000", "00001"]
    assert sorted(path.name for path in out.glob("*[0-9].jpg")) == ["00000.jpg", "00001.jpg"]
    assert not (out / "dreams.mp4").exists()
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("name", ["00000.jpg", "00000_mask.png", "00000_flow.flo", "dreams.mp4"])
def test_what_cannot_be_written_is_told_in_one_sentence(
    name: str, frame: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    image, mask = frame
    command = ["dream", f"--image={image}", f"--mask={mask}", f"--out={tmp_path / 'out'}"]
    assert "cannot be written" in refusal(capsys, *command, "--count=1")


def test_a_warning_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PIL.Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(tmp_path / "i.png")
    write_mask(tmp_path / "m.png", np.eye(16, dtype=np.uint8))
    assert dream((tmp_path / "i.png", tmp_path / "m.png"), tmp_path / "out", "--count=1") == 0
    err = capsys.readouterr().err
    assert err.startswith("warning: an object leaves too little")
    assert err.count("\n") == 1


def test_a_mistake_does_not_wait_for_torch(frame: tuple[Path, Path], tmp_path: Path) -> None:
    image, mask = frame
    write_mask(mask, fake_label_map(0)[:-1])
    command = ["dream", f"--image={image}", f"--mask={mask}", "--count=1", f"--out={tmp_path}"]
    code = f"import sys, cli; print(cli.main({command}), {{'torch', 'scipy'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 set()\n"
    assert f"{mask}: the mask is 64x47 pixels but the frames are 64x48" in done.stderr


def test_long_stages_are_told_where_no_terminal_is(
    frame: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "_SILENT_SECONDS", 0.0)
    assert dream(frame, tmp_path / "out", "--count=2") == 0
    assert capsys.readouterr().err.splitlines() == [
        "cutting objects out and filling their places: 1 to do",
        "dreaming: 2 to do",
    ]
