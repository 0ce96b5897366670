"""``evaluate`` of videos through the command line, on generated data."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import cli
from datasets_vos.masks import write_mask
from tests.evaluate_command import FRAMES, LATE_J, evaluate, refusal, write_results
from tests.fakes import make_davis

GOLDEN = Path(__file__).parents[1] / ".." / "shared" / "golden" / "metrics"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no reference scores at {GOLDEN}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_davis(tmp_path / "davis", frames=FRAMES)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / "results")


@needs_golden
@pytest.mark.parametrize(
    ("task", "dataset"), [("single", "davis2016"), ("single", "davis2017"), ("multi", "davis2017")]
)
def test_evaluate_equals_reference_scores(task: str, dataset: str, tmp_path: Path) -> None:
    reference = json.loads((GOLDEN / "reference_scores.json").read_text())[task]
    root, out = tmp_path / "davis", tmp_path / "scores.json"
    shutil.copytree(GOLDEN / task / "gt", root / "Annotations" / "480p")
    for mask in (GOLDEN / task / "gt").glob("*/*.png"):
        frame = root / "JPEGImages" / "480p" / mask.parent.name / f"{mask.stem}.jpg"
        frame.parent.mkdir(parents=True, exist_ok=True)
        # a header is all that scoring may need
        frame.write_bytes(_jpeg_header(height=480, width=854))
    command = ["evaluate", f"--dataset={dataset}", f"--root={root}", f"--out={out}"]
    assert cli.main([*command, f"--results={GOLDEN / task / 'pred'}"]) == 0
    scores = json.loads(out.read_text())
    assert scores["per_object"].keys() == reference["per_object"].keys()
    for name, want in reference["per_object"].items():
        for key in ("J", "F", "J_frames", "F_frames"):
            assert scores["per_object"][name][key] == pytest.approx(want[key], abs=1e-12, rel=0)
    for key in ("J", "F", "J&F_mean"):
        assert scores["global"][key] == pytest.approx(reference["global"][key], abs=1e-12, rel=0)


def _jpeg_header(height: int, width: int) -> bytes:
    """Return a JPEG file that ends before its pixels, so that decoding it fails."""
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    components = b"\x03" + b"".join(bytes([i, 0x11, 0]) for i in (1, 2, 3))
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + sides + components + b"\xff\xda\x00\x02"


def test_evaluate_scores_and_says_by_which_rule(
    root: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "scores.json"
    assert evaluate(root, results, f"--out={out}") == 0
    assert sorted(path.name for path in out.parent.iterdir()) == ["scores.csv", "scores.json"]
    scores = json.loads(out.read_text())
    assert scores["per_object"]["alpha_1"]["J_frames"] == pytest.approx([LATE_J] * 4)
    assert scores["per_object"]["beta_3"]["J_frames"] == [1.0]
    assert scores["global"]["J"]["mean"] == pytest.approx((LATE_J + 4) / 5)
    with out.with_suffix(".csv").open(newline="") as file:
        rows = {row["sequence"]: row for row in csv.DictReader(file)}
    assert rows["beta"] == {
        "sequence": "beta",
        "objects": "3",
        "frames": "6",
        "J_mean": "1.0",
        "F_mean": "1.0",
        "J&F_mean": "1.0",
    }
    printed, errors = capsys.readouterr()
    assert "davis2017: mean over 5 objects, frames 1..T-2" in printed
    assert f"J&F {scores['global']['J&F_mean']:.3f}" in printed
    assert errors == "warning: prediction equals ground truth in beta.\n"


def test_evaluate_run_folder_in_two_processes(root: Path, results: Path, tmp_path: Path) -> None:
    results.rename(tmp_path / "masks")
    outs = [tmp_path / f"scores{workers}.json" for workers in (1, 2)]
    for workers, out in enumerate(outs, start=1):
        assert evaluate(root, tmp_path, f"--out={out}", f"--workers={workers}") == 0
    one, two = (json.loads(out.read_text()) for out in outs)
    assert len(one["sequences"]) == 2
    one.pop("scored_by"), two.pop("scored_by")
    assert one == two


def test_evaluate_split_and_sequences(root: Path, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    shutil.rmtree(results / "alpha")
    for options in (["--split", "val"], ["--sequences", "beta"]):
        assert evaluate(root, results, f"--out={out}", "--allow-perfect", *options) == 0
        assert list(json.loads(out.read_text())["sequences"]) == ["beta"]


def test_evaluate_refuses_a_part(
    root: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    for name in ("alpha", "beta"):
        (results / name / "00002.png").unlink()
    (results / "beta" / "00004.png").unlink()
    error = refusal(capsys, root, results, f"--out={out}")
    assert "alpha lacks 1 of 6, first 00002.png; beta lacks 2 of 6, first 00002.png" in error
    for name in ("alpha", "beta"):
        (results / name).rename(results / f"other-{name}")
    assert "2 of 2 sequences have no masks (alpha, beta)" in refusal(capsys, root, results)
    assert not out.exists()


def test_evaluate_refuses_other_sizes(
    root: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mask(results / "beta" / "00003.png", np.ones((24, 32), dtype=np.uint8))
    error = refusal(capsys, root, results)
    assert f"{results}/beta/00003.png: the mask is 32x24 pixels but the frame is 64x48" in error


def test_evaluate_warns_of_frames_without_truth(
    root: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "Annotations" / "480p" / "alpha" / "00002.png").unlink()
    assert evaluate(root, results) == 0
    assert capsys.readouterr().err.splitlines() == [
        "warning: alpha: 1 of 6 frames without true mask, not scored.",
        "warning: prediction equals ground truth in beta.",
    ]


def test_evaluate_needs_truth(
    tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path / "test", frames=FRAMES, annotate="first")
    assert "no scored frame has a true mask" in refusal(capsys, root, results)


def test_scores_say_where_the_masks_come_from(root: Path, results: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "scored" / "scores.json", tmp_path / "run"
    assert evaluate(root, results, f"--out={out}", "--split=val", "--allow-perfect") == 0
    scores = json.loads(out.read_text())
    assert scores["data"] == {"dataset": "davis2017", "split": "val", "root": str(root)}
    assert scores["scored_by"]["command"].startswith("python ")
    assert "run" not in scores  # nobody knows who made these masks
    # a run folder tells of itself
    run.mkdir()
    results.rename(run / "masks")
    made_by = {"run": {"command": "python cli.py test", "seed": 7}, "seconds": {"adapt": 1.5}}
    (run / "scores.json").write_text(json.dumps(made_by))
    for folder in (run, run / "masks"):
        assert evaluate(root, folder, f"--out={out}") == 0
        scores = json.loads(out.read_text())
        assert {key: scores[key] for key in made_by} == made_by
    (run / "masks").rename(run / "others")  # in a folder that is no run's, next to one's scores
    assert evaluate(root, run / "others", f"--out={out}") == 0
    assert "run" not in json.loads(out.read_text())
    command = ["evaluate", "--dataset=davis2017", f"--root={root}", f"--out={out}"]
    assert cli.main([*command, "--baseline=nearest_annotation", "--annotate-every=3"]) == 0
    assert json.loads(out.read_text())["baseline"] == "nearest_annotation, every 3"


def test_unusable_outputs(root: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, tags = root / "scores.json", root / "tags.json"
    out.with_suffix(".csv").mkdir()
    assert f"{out.with_suffix('.csv')}: cannot be written" in refusal(
        capsys, root, results, f"--out={out}"
    )
    assert not out.exists()
    tags.write_text('{"alpha": [], "beta": []}')
    error = refusal(capsys, root, results, f"--attributes={tags}", f"--out={tags}")
    assert f"would replace the input {tags}" in error


def test_a_folder_called_masks(root: Path, results: Path, tmp_path: Path) -> None:
    """It is a run's if nothing else is there, and else a sequence, or some other pictures."""
    out = tmp_path / "scores.json"
    shutil.copytree(root / "Annotations" / "480p", results / "masks")
    assert evaluate(root, results, f"--out={out}") == 0
    assert json.loads(out.read_text())["per_object"]["alpha_1"]["J"]["mean"] < 1
