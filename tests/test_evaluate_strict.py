"""What ``evaluate`` refuses to score unless it is told to."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import cli
from datasets_vos.integrity.editions import davis_frames
from datasets_vos.masks import read_mask
from tests.evaluate_command import (
    FRAMES,
    OBJECTS,
    Capture,
    evaluate,
    refusal,
    write_result,
    write_results,
)
from tests.fakes import fake_label_map, make_davis


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "davis", frames=FRAMES)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / "results")


def scores_of(out: Path) -> dict:
    return json.loads(out.read_text())


def test_extra_ids(root: Path, results: Path, tmp_path: Path, capsys: Capture) -> None:
    label_map = read_mask(results / "beta" / "00003.png")
    label_map[0, 0] = 9
    write_result(results, "beta", 3, label_map)
    out = tmp_path / "scores.json"
    message = "beta: the masks hold ids that the truth never has: 9 (in 1 frames)"
    error = refusal(capsys, root, results, f"--out={out}")
    assert message in error
    assert "(pass --allow-extra-ids if" in error
    assert not out.exists()
    assert evaluate(root, results, f"--out={out}", "--allow-extra-ids") == 0
    assert f"warning: {message}.\n" in capsys.readouterr().err
    assert scores_of(out)["sequences"]["beta"]["extra_ids"] == {"9": 1}


def test_swapped_ids(root: Path, results: Path, capsys: Capture) -> None:
    for t in range(FRAMES):
        label_map = fake_label_map(t, OBJECTS["beta"])
        write_result(results, "beta", t, np.array([0, 2, 1, 3], dtype=np.uint8)[label_map])
    error = refusal(capsys, root, results)
    expected = "beta: ids 1 and 2 look swapped: J of these objects is 0.00 and would be 1.00"
    assert expected in error
    assert "(pass --allow-swapped-ids if" in error
    assert evaluate(root, results, "--allow-swapped-ids") == 0


def test_ids_that_go_round(root: Path, results: Path, capsys: Capture) -> None:
    for t in range(FRAMES):
        label_map = fake_label_map(t, OBJECTS["beta"])
        write_result(results, "beta", t, np.array([0, 2, 3, 1], dtype=np.uint8)[label_map])
    assert "beta: ids 2 for 1, 3 for 2, 1 for 3 look swapped" in refusal(capsys, root, results)


def test_objects_confused_on_the_way_are_no_swap(root: Path, results: Path) -> None:
    for t in range(2, FRAMES):
        label_map = fake_label_map(t, OBJECTS["beta"])
        write_result(results, "beta", t, np.array([0, 2, 1, 3], dtype=np.uint8)[label_map])
    assert evaluate(root, results) == 0


def test_the_truth_itself(root: Path, tmp_path: Path, capsys: Capture) -> None:
    truth, out = root / "Annotations" / "480p", tmp_path / "scores.json"
    error = refusal(capsys, root, truth, f"--out={out}")
    assert "prediction equals ground truth: is the results folder the annotation folder?" in error
    assert not out.exists()
    assert evaluate(root, truth, f"--out={out}", "--allow-perfect") == 0
    assert scores_of(out)["global"]["J&F_mean"] == 1


def test_missing_sequences(root: Path, results: Path, tmp_path: Path, capsys: Capture) -> None:
    (results / "beta").rename(tmp_path / "elsewhere")
    error = refusal(capsys, root, results)
    assert "1 of 2 sequences have no masks (beta)" in error
    assert "pass --allow-missing to leave them out" in error
    out = tmp_path / "scores.json"
    assert evaluate(root, results, f"--out={out}", "--allow-missing") == 0
    printed = capsys.readouterr()
    assert printed.err == "warning: 1 sequence without masks left out: beta.\n"
    assert "mean over 2 objects" in printed.out
    assert "1 of 2 sequences left out" in printed.out
    assert list(scores_of(out)["sequences"]) == ["alpha"]
    assert "left out" in scores_of(out)["rule"]


def test_missing_frames(root: Path, results: Path, tmp_path: Path, capsys: Capture) -> None:
    (results / "beta" / "00002.png").unlink()
    assert "pass --allow-missing to take them as empty" in refusal(capsys, root, results)
    out = tmp_path / "scores.json"
    assert evaluate(root, results, f"--out={out}", "--allow-missing") == 0
    assert scores_of(out)["per_object"]["beta_1"]["J_frames"] == [1, 0, 1, 1]
    printed = capsys.readouterr()
    assert printed.err == "warning: beta: 1 missing mask taken as empty.\n"
    assert "1 missing frames taken as empty" in printed.out


def test_masks_of_0_and_255_with_a_palette(root: Path, results: Path, capsys: Capture) -> None:
    for path in (results / "beta").iterdir():
        image = PIL.Image.fromarray((read_mask(path) > 0).astype(np.uint8) * 255)
        image.putpalette([0, 0, 0] * 255 + [255] * 3)
        image.save(path)
    error = refusal(capsys, root, results)
    assert "beta: the masks hold ids that the truth never has: 255 (in 4 frames)" in error
    assert "255 is void, so write objects as 1, 2 and so on" in error


def test_results_of_the_other_edition_by_name(root: Path, results: Path, capsys: Capture) -> None:
    for name in ("alpha", "beta"):
        (results / name).rename(results / f".{name}")
    for name in davis_frames("davis2016")["val"]:
        (results / name).mkdir()
    error = refusal(capsys, root, results)
    assert "2 of 2 sequences have no masks (alpha, beta)" in error
    assert "the folder holds those of DAVIS 2016 val" in error
    assert "--allow-missing" not in error  # nothing would be left
    assert refusal(capsys, root, results, "--allow-missing") == error


def test_one_object_where_there_are_several(root: Path, results: Path, capsys: Capture) -> None:
    for path in results.glob("*/*.png"):
        gray = (read_mask(path) > 0).astype(np.uint8) * 255
        PIL.Image.fromarray(gray).save(path)  # as DAVIS 2016 stores masks
    error = refusal(capsys, root, results)
    for name in ("alpha", "beta"):
        assert f"{name}: one id covers all objects, of which there are several" in error
    assert "are these results of DAVIS 2016?" in error
    assert evaluate(root, results, "--allow-merged-ids") == 0


def test_a_lost_object_is_no_mistake(root: Path, results: Path) -> None:
    for t in range(FRAMES):
        write_result(results, "alpha", t, fake_label_map(t, (1,)))
        write_result(results, "beta", t, np.zeros((48, 64), dtype=np.uint8))
    assert evaluate(root, results) == 0


def test_masks_of_no_frame(root: Path, results: Path, capsys: Capture) -> None:
    """As of frames that are numbered from 1."""
    for t in reversed(range(FRAMES)):
        (results / "beta" / f"{t:05d}.png").rename(results / "beta" / f"{t + 1:05d}.png")
    for options in ([], ["--allow-missing"]):
        error = refusal(capsys, root, results, *options)
        assert "masks belong to no frame (beta/00006.png (1 of that sequence))" in error


def test_results_one_folder_deeper(root: Path, results: Path, capsys: Capture) -> None:
    results.rename(root.parent / "inner")
    (results / "480p").mkdir(parents=True)
    for name in ("alpha", "beta"):
        (root.parent / "inner" / name).rename(results / "480p" / name)
    error = refusal(capsys, root, results)
    assert f"they seem to lie one folder deeper, in {results / '480p'}" in error


@pytest.mark.parametrize(
    ("high", "stray"), [(127, 0), (100, 0), (1, 255), (1, 40)], ids=["127", "100", "255", "40"]
)
def test_gray_maps_that_would_vanish(
    tmp_path: Path, capsys: Capture, high: int, stray: int
) -> None:
    """Cut above 127, nothing of the object would be left."""
    root = make_davis(tmp_path / "davis", year="2016", frames=FRAMES)
    results = tmp_path / "results"
    for name in ("alpha", "beta"):
        for t in range(FRAMES):
            gray = fake_label_map(t, (1,)) * np.uint8(high)
            gray[-1, -1] = stray
            write_gray(results / name / f"{t:05d}.png", gray)
    assert "alpha/00000.png: ambiguous gray values" in refusal(
        capsys, root, results, dataset="davis2016"
    )


def test_graded_maps_are_cut(tmp_path: Path) -> None:
    """As of a sigmoid: 240 on the object and a little everywhere else, or unsure all over."""
    root = make_davis(tmp_path / "davis", year="2016", frames=FRAMES)
    results, out = tmp_path / "results", tmp_path / "scores.json"
    for name in ("alpha", "beta"):
        for t in range(FRAMES):
            gray = fake_label_map(t, (1,)) * 237 + 3
            if name == "beta" and t == 2:
                gray = np.add.outer(np.arange(48), np.arange(64))  # at most 110
            write_gray(results / name / f"{t:05d}.png", gray)
    assert evaluate(root, results, f"--out={out}", dataset="davis2016") == 0
    j = {name: each["J_frames"] for name, each in scores_of(out)["per_object"].items()}
    assert j == {"alpha_1": [1, 1, 1, 1], "beta_1": [1, 0, 1, 1]}


def write_gray(path: Path, gray: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(gray.astype(np.uint8)).save(path)


def test_allowances_that_change_nothing(root: Path, capsys: Capture) -> None:
    command = ["evaluate", "--dataset=davis2017", f"--root={root}", "--baseline=box_oracle"]
    assert cli.main([*command, "--allow-missing"]) == 2
    assert "--allow-missing does not go with --baseline" in capsys.readouterr().err


def test_several_objects_where_there_is_one(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", year="2016", frames=FRAMES)
    results = write_results(tmp_path / "results")
    shutil.rmtree(results / "beta")
    options = ("--sequences", "alpha")
    error = refusal(capsys, root, results, *options, dataset="davis2016")
    assert "alpha: a mask holds ids 1, 2 but all count as one object" in error
    assert "are these results of a multi-object set (DAVIS 2017)?" in error
    allowed = evaluate(root, results, *options, "--allow-merged-ids", dataset="davis2016")
    assert allowed == 0
    # rules that merge objects are no mistake
    root = make_davis(tmp_path / "davis2017", frames=FRAMES)
    assert evaluate(root, results, "--protocol=davis2016", *options) == 0


def test_everything_wrong_is_named_at_once(root: Path, results: Path, capsys: Capture) -> None:
    for t in range(FRAMES):
        label_map = fake_label_map(t, OBJECTS["beta"])
        write_result(results, "beta", t, np.array([0, 2, 1, 7], dtype=np.uint8)[label_map])
    error = refusal(capsys, root, results)
    assert "beta: ids 1 and 2 look swapped" in error
    assert "beta: the masks hold ids that the truth never has: 7" in error
    assert "(pass --allow-extra-ids --allow-swapped-ids if" in error
    error = refusal(capsys, root, results, "--allow-extra-ids")  # what is not allowed remains
    assert "beta: ids 1 and 2 look swapped" in error
    assert "never has" not in error
    assert "(pass --allow-swapped-ids if" in error


def test_the_scores_of_another_run_are_not_replaced(
    root: Path, results: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("scores.json", "config.yaml"):
        (run / name).write_text("kept")
    out = f"--out={run / 'scores.json'}"
    assert "holds the scores of a run" in refusal(capsys, root, results, out)
    assert (run / "scores.json").read_text() == "kept"
    # its own may be
    shutil.move(results, run / "masks")
    assert evaluate(root, run, out) == 0
    assert scores_of(run / "scores.json")["headline"] == "J&F"


def test_truth_of_another_edition(tmp_path: Path, results: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "2016", year="2016", sequences=("surf",), frames=FRAMES)
    (results / "alpha").rename(results / "surf")
    error = refusal(capsys, root, results, "--sequences=surf")
    assert f"{root}: masks of surf are black and white: this is DAVIS 2016" in error


def test_a_run_on_another_dataset(
    root: Path, results: Path, tmp_path: Path, capsys: Capture
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    results.rename(run / "masks")
    (run / "scores.json").write_text(json.dumps({"data": {"dataset": "davis2016"}}))
    error = refusal(capsys, root, run)
    what = f"{run / 'scores.json'}: says that these are results on 'davis2016', not 'davis2017'"
    assert error == f"error: {what}; give --dataset davis2016, or pass --allow-other-dataset."
    assert evaluate(root, run / "masks", "--allow-other-dataset") == 0
    assert f"warning: {what}.\n" in capsys.readouterr().err
    (run / "scores.json").write_text(json.dumps({"data": {"dataset": "davis2017"}}))
    assert evaluate(root, run) == 0
