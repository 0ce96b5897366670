"""``dream`` and ``data`` through the command line, and what all commands share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from datasets_vos.commands.output import number_table, plain_console, some
from datasets_vos.toy import generate_toy
from tests.fakes import make_davis
from vos_core.wording import counted


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
        ("evaluate --dataset toy --baseline box_orcle", "Did you mean 'box_oracle'?"),
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
        ("dream --image x --mask y z --out z --count 1", "--image has 1 files and --mask 2"),
        (
            "dream --image x --mask y --out z --count 1 --previous-masks boxes",
            "Did you mean 'box'?",
        ),
        ("dream --image x --mask y --out z --count 1 --range object_scal=1", "'object_scale'?"),
        ("dream --image x --mask y --out z --count 1 --range object_scale", "NAME=VALUE"),
        ("dream --image x --mask y --out z --count 1 --range object_scale=", "NAME=VALUE"),
        ("dream --image x --mask y --out z --count 1 --range object_scale=[]", "NAME=VALUE"),
        ("dream --image x --mask y --out z --count 1 --range object_scale=[1,x]", "NAME=VALUE"),
        ("dream --image x --mask y --out z --count 1 --range preset=frtm", "NAME=VALUE"),
        ("dream --image x --mask y --out z --count 1 --range object_scale=nan", "give a number"),
        ("dream --image x --mask y --out z --count 1 --range spline_points=1e3", "a whole number"),
        ("dream --image x --mask y --out z --count 1 --range group=maybe", "true or false"),
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


def test_ctrl_c_is_told_apart_where_lightning_makes_an_exit_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(_: list[str]) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    monkeypatch.setattr("datasets_vos.commands.evaluate.main", leave)
    assert cli.main(["evaluate"]) == 130
    assert capsys.readouterr().err == "stopped; what was finished is kept\n"


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
