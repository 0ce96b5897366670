"""``dream`` and ``data`` through the command line, and what all commands share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from augment.geometry import affine_matrix
from datasets_vos.commands.output import counted, number_table, plain_console, some
from datasets_vos.masks import read_mask, write_mask
from datasets_vos.toy import generate_toy
from datasets_vos.video import VideoClip
from tests.fakes import fake_frame, fake_label_map, make_davis
from vos_core.flow.files import flow_to_colour, read_flo
from vos_core.palette import davis_palette


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "davis", frames=6)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail, and return its one sentence."""
    capsys.readouterr()
    assert cli.main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("evaluate --datset davis2016", "no option '--datset'. Did you mean '--dataset'?"),
        ("evaluate --dataset davis2106 --results x", "Did you mean 'davis2016'?"),
        ("evaluate --dataset folder --results x", "'folder' cannot be scored"),
        ("evaluate --dataset toy", "evaluate needs --results, a folder of masks, or --baseline"),
        ("evaluate --results x", "evaluate needs --dataset"),
        ("evaluate --dataset toy --results x --baseline box_oracle", "two things to score"),
        ("evaluate --dataset toy --results x --annotate-every 3", "--baseline nearest_annotation"),
        ("evaluate --dataset toy --results x --protocol davis2071", "Did you mean 'davis2017'?"),
        ("evaluate --dataset toy --results x --seen y", "--seen does not go with 'toy'"),
        ("evaluate --dataset ecssd --results x --stability", "--stability does not go with"),
        ("evaluate --dataset ecssd --results x --official-decay", "--official-decay does not go"),
        (
            "evaluate --dataset toy --baseline box_oracle --annotate-every 3",
            "--annotate-every goes with --baseline nearest_annotation only",
        ),
        ("evaluate --dataset mots20 --baseline box_oracle", "does not go with 'mots20'"),
        ("evaluate --dataset davis2016 --results x", "'davis2016' needs root"),
        ("evaluate --dataset toy --results x --out y.txt", "y.txt: give a file that ends in .json"),
        ("evaluate --dataset toy --results x --workers 0", "'0' is no whole number from 1 on"),
        ("evaluate --interactions x --root y", "--root does not go with --interactions"),
        ("evaluate --data toy", "no option '--data'"),
        (
            "evaluate --dataset toy --root no/tyo --results x",
            "no/tyo: no toy dataset is there; check the path",
        ),
        ("data stats --dataset toy --root no/tyo", "python cli.py data toy --root no/tyo"),
        ("dream --image x --mask y --out z --cuont 3", "Did you mean '--count'?"),
        ("dream --image x --mask y --out z --count 2.5", "'2.5' is no whole number from 1 on"),
        ("dream --image x --mask y --out z --count 1 --preset papre", "Did you mean 'paper'?"),
        ("dream --image no.jpg --mask y --out z --count 1", "no.jpg: no such file"),
        ("data tyo", "Did you mean 'toy'?"),
        ("data toy --rot x", "no option '--rot'. Did you mean '--root'?"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    arguments: str, answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer in refusal(capsys, *arguments.split())


@pytest.mark.parametrize("command", ["evaluate", "dream", "data", "data toy"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([*command.split(), "--help"])
    assert exit_.value.code == 0
    assert f"usage: cli.py {command}" in capsys.readouterr().out


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
    expected |= {f"{k:03d}{ending}" for k in range(3) for ending in endings.split()}
    for k in range(3):
        picture = np.asarray(PIL.Image.open(out / f"{k:03d}.jpg")).astype(int)
        stored = PIL.Image.open(out / f"{k:03d}_mask.png")
        assert stored.mode == "P"
        assert stored.getpalette() == davis_palette().ravel().tolist()
        label_map = np.asarray(stored)
        previous = read_mask(out / f"{k:03d}_previous_mask.png")
        rough = read_mask(out / f"{k:03d}_rough_mask.png")
        assert picture.shape[:2] == label_map.shape == rough.shape == previous.shape == (48, 64)
        # where the mask says object 1 or 2 the picture is red or green, but for rims and JPEG
        for i, colour in ((1, 0), (2, 1)):
            inside = picture[label_map == i]
            if len(inside) > 20:
                assert (inside.argmax(axis=1) == colour).mean() > 0.8
        assert set(np.unique(rough)) <= {0, 1, 2}
        assert (rough != previous).any()
        flow, forward = (read_flo(out / f"{k:03d}{name}_flow.flo") for name in ("", "_previous"))
        assert flow.shape == forward.shape == (48, 64, 2)
        hidden, lost = (
            np.asarray(PIL.Image.open(out / f"{k:03d}_{name}.png"))
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
        colours = np.asarray(PIL.Image.open(out / f"{k:03d}_flow.png"))
        flow[hidden > 0] = np.nan
        np.testing.assert_array_equal(colours, flow_to_colour(flow))
        assert (out / f"{k:03d}_previous.jpg").read_bytes() != (out / f"{k:03d}.jpg").read_bytes()
    drawn = json.loads((out / "dreams.json").read_text())
    assert (drawn["preset"], drawn["seed"], list(drawn["dreams"])) == (
        "paper",
        0,
        ["000", "001", "002"],
    )
    for k, each in drawn["dreams"].items():
        assert sorted(o["object"] for o in each["objects"]) == [1, 2]
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
    film = list(VideoClip(out / "dreams.mp4", out / "000_mask.png").frames())
    assert [picture.shape for picture in film] == [(48, 128, 3)] * 6
    second = np.asarray(PIL.Image.open(out / "001.jpg")).astype(int)
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
    few, many, other = [(folder / "000.jpg").read_bytes() for folder in folders]
    assert few == many
    assert few != other
    assert (folders[1] / "001.jpg").read_bytes() != many


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


def test_data_toy_tells_what_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "toy"
    generate_toy(root, train_clips=2, val_clips=1, frames=3, size=(48, 64), workers=1)
    sequences = json.loads((root / "toy.json").read_text())["sequences"].values()
    assert cli.main(["data", "toy", f"--root={root}"]) == 0
    printed = capsys.readouterr().out
    assert f"toy dataset in {root}, ready in " in printed
    rows = [line.split() for line in printed.splitlines()]
    for split, clips in (("train", 2), ("val", 1)):
        objects = sum(len(s["object_ids"]) for s in sequences if s["split"] == split)
        assert [split, str(clips), str(3 * clips), str(objects)] in rows


def test_data_toy_leaves_other_folders_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "will not be overwritten" in refusal(capsys, "data", "toy", f"--root={root}")


def test_data_without_a_tool_shows_the_tools(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["data"])
    assert exit_.value.code == 2
    assert "toy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["data", "list", "--json"],
        ["data", "list"],
        ["data", "stats", "--dataset=davis2017"],
        ["evaluate", "--dataset=davis2017", "--baseline=box_oracle"],
    ],
    ids=["print", "rich and print", "rich", "tables"],
)
def test_nobody_reads_the_output_any_more(command: list[str], root: Path) -> None:
    rooted = [f"--root={root}"] if "--dataset=davis2017" in command else []
    command = [sys.executable, cli.__file__, *command, *rooted]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_other_exits_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(_: list[str]) -> None:
        raise SystemExit(3)

    monkeypatch.setattr("datasets_vos.commands.evaluate.main", leave)
    with pytest.raises(SystemExit, match="3"):
        cli.main(["evaluate"])


def test_other_broken_pipes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_pipe(_: list[str]) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("datasets_vos.commands.evaluate.main", break_pipe)
    with pytest.raises(BrokenPipeError):
        cli.main(["evaluate"])


def test_unreadable_data_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def deny(_: list[str]) -> None:
        raise PermissionError(13, "Permission denied", "/data/DAVIS")

    monkeypatch.setattr("datasets_vos.commands.evaluate.main", deny)
    assert "/data/DAVIS: permission denied" in refusal(capsys, "evaluate")


def test_names_beyond_the_terminals_encoding_are_escaped(tmp_path: Path) -> None:
    command = [sys.executable, cli.__file__, "data", "list", "--roots", str(tmp_path / "ö")]
    (tmp_path / "ö").mkdir()
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"searched: " in done.stdout
    assert b"\\xf6)" in done.stdout


def test_nothing_is_cut_and_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Also on a narrow terminal, and whatever names hold."""
    name = "[red]alpha[/] :car: " + "long" * 30
    table = number_table(name, "J&F", "[b]")
    table.add_row(name, "0.123", "-0.456")
    console = plain_console()
    console.print(table)
    console.print(f"{name} 0.789", soft_wrap=True)
    heading, _, row, line = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert heading.strip() == f"{name}     J&F      [b]"
    assert row.strip() == f"{name}   0.123   -0.456"
    assert line == f"{name} 0.789"


def test_lists_in_sentences() -> None:
    names = [str(k) for k in range(1, 7)]
    assert some(names[:5]) == "1, 2, 3, 4, 5"
    assert some(names, "; ") == "1; 2; 3; 4; 5 and 1 more"
    assert some(names, shown=1) == "1 and 5 more"
    assert [counted(k, "mask") for k in range(3)] == ["0 masks", "1 mask", "2 masks"]
