"""Runs on sets with rules of their own: whole objects, sparse truth, categories, headline J."""

import csv
import html
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli import main
from datasets_vos import open_dataset
from datasets_vos.masks import read_mask
from lightning_modules.recording import ClipRecord, record_clip
from tests.fakes import make_davis
from tests.fakes.segtrack import make_segtrack, object_mask
from tests.fakes.youtube_objects import CLIPS, LABELLED, make_youtube_objects
from vos_core.metrics import jaccard
from vos_core.types import Clip, ClipJob, LabelMap, SegmentedClip

OPTIONS = [
    "--config=lucid.yaml",
    "--model.network_options={encoder: resnet10t, width: 8}",
    "--model.adapt_iterations=0",
    "--model.precision=float32",
    "--trainer.accelerator=cpu",
    "--data.size=[48,64]",
]


def run_test(dataset: str, root: Path, runs: Path) -> Path:
    """Run ``test`` on a set and return the run folder."""
    data = (f"--data.dataset={dataset}", f"--data.root={root}")
    assert main(["test", *OPTIONS, *data, f"--trainer.default_root_dir={runs}"]) == 0
    return runs / "lucid" / "version_0"


def copied_jaccard(clip: Clip, t: int) -> float:
    """Return J of the first mask, copied to frame ``t``, of a clip with one object."""
    first, truth = clip.ground_truth(0), clip.ground_truth(t)
    assert first is not None
    assert truth is not None
    return jaccard(first == 1, truth == 1)


def record(clip: Clip, rules: str, maps: list[LabelMap], categories: dict[int, str]) -> ClipRecord:
    job = ClipJob(clip, None, rules, categories)
    return record_clip(SegmentedClip(job, {"own": iter(maps)}, 0.0), None)


def test_a_perfect_label_map_still_lacks_what_another_object_hides(tmp_path: Path) -> None:
    clip = open_dataset("segtrack_v2", make_segtrack(tmp_path)).clip("pair")
    maps = [m for t in range(5) if (m := clip.ground_truth(t)) is not None]
    kept = record(clip, "segtrack_v2", maps, {})
    objects = kept.results["own"].objects
    assert objects[2]["J_frames"] == [1.0] * 4
    # of its 12 rows the other object covers 4
    assert objects[1]["J_frames"] == pytest.approx([8 / 12] * 4)
    assert pytest.approx((1 + 8 / 12) / 2) == kept.worst[0].J


def test_frames_without_truth_are_passed_over(tmp_path: Path) -> None:
    clip = open_dataset("youtube_objects", make_youtube_objects(tmp_path))[0]
    nothing = np.zeros((48, 64), dtype=np.uint8)
    kept = record(clip, "youtube_objects", [nothing] * 10, {1: "cat"})
    assert kept.results["own"].scored == {1: list(LABELLED[1:])}
    assert kept.results["own"].objects[1]["J_frames"] == [0.0, 0.0]
    assert [frame.name for frame in kept.worst] == [clip.frame_names[i] for i in LABELLED[1:]]
    assert kept.categories == {1: "cat"}


def test_masks_worst_frames_and_time_are_of_the_first_variant(tmp_path: Path) -> None:
    clip = open_dataset("davis2017", make_davis(tmp_path / "davis")).clip("alpha")
    truth = [m for t in range(6) if (m := clip.ground_truth(t)) is not None]

    def slowly() -> Iterator[LabelMap]:
        for label_map in truth:
            time.sleep(0.02)
            yield label_map

    nothing = (np.zeros_like(truth[0]) for _ in truth)
    variants = {"own": slowly(), "nothing": nothing}
    segmented = SegmentedClip(ClipJob(clip, None, "davis2017", {}), variants, seconds_adapt=100.0)
    kept = record_clip(segmented, tmp_path / "run")
    means = {name: result.objects[1]["J"]["mean"] for name, result in kept.results.items()}
    assert means == {"own": 1, "nothing": 0}
    assert {frame.J for frame in kept.worst} == {1.0}
    stored = read_mask(tmp_path / "run" / "masks" / "alpha" / "00003.png")
    assert np.array_equal(stored, truth[3])
    assert 6 * 0.02 <= kept.seconds_propagate < 100
    assert kept.seconds_adapt == 100


def test_segtrack_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_segtrack(tmp_path / "data")
    folder = run_test("segtrack_v2", root, tmp_path / "runs")
    scores = json.loads((folder / "scores.json").read_text())
    assert (scores["protocol"], scores["headline"]) == ("segtrack_v2", "J")
    # the copied mask is the label map of frame 0, the truth the whole objects of frame t
    copied = {}
    for name, number in (("alone", 1), ("pair", 1), ("pair", 2)):
        first = object_mask(name, number, 0)
        if (name, number) == ("pair", 1):
            first = first & ~object_mask(name, 2, 0)
        copied[name, number] = np.mean(
            [jaccard(first, object_mask(name, number, t)) for t in range(1, 5)]
        )
    with (folder / "metrics.csv").open(newline="") as file:
        [logged] = csv.DictReader(file)
    for metric in ("J", "F"):
        want = scores["global"][metric]["mean"]
        assert float(logged[f"test/{metric}"]) == pytest.approx(want, abs=1e-6)
    found = scores["baselines"]["copied first mask"]["J"]["mean"]
    assert found == pytest.approx(np.mean(list(copied.values())), abs=1e-12)
    assert {name: each["units"] for name, each in scores["averages"].items()} == {
        "object": 3,
        "sequence": 2,
    }
    told = capsys.readouterr().err
    assert "J&F" not in told
    assert f"copied first mask: J {found:.3f}" in told
    assert f"J {scores['global']['J']['mean']:.3f} (F " in told
    assert scores["rule"] == "mean over 3 objects, frames after each object's first, void left out"

    assert scores["data"] == {"dataset": "segtrack_v2", "split": None, "root": str(root)}
    run = scores["run"]
    assert run["config"] == str(folder / "config.yaml")
    assert isinstance(run["seed"], int)
    assert run["peak_memory_mib"] > 100  # torch alone takes more
    page = (folder / "report.html").read_text()
    shown = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert html.unescape(shown["rule"]) == scores["rule"]
    assert shown["hardware"] == run["hardware"]
    assert shown["seed"] == str(run["seed"])
    assert shown.get("commit") == run["commit"]
    assert shown["peak memory"] == f"{run['peak_memory_mib']:,.0f} MiB"
    assert "J&amp;F" not in page


def test_youtube_objects_run_counts_every_class_the_same(tmp_path: Path) -> None:
    root = make_youtube_objects(tmp_path / "data")
    folder = run_test("youtube_objects", root, tmp_path / "runs")
    scores = json.loads((folder / "scores.json").read_text())
    copied: dict[str, list[float]] = {"cat": [], "dog": []}
    for clip in open_dataset("youtube_objects", root):
        j = [copied_jaccard(clip, t) for t in LABELLED[1:]]
        copied[clip.name.split("_")[0]].append(float(np.mean(j)))
    assert [len(each) for each in copied.values()] == [2, 1]
    expected = np.mean([np.mean(each) for each in copied.values()])
    plain = np.mean([*copied["cat"], *copied["dog"]])
    assert abs(expected - plain) > 1e-3  # or it would not tell them apart
    found = scores["baselines"]["copied first mask"]["J"]["mean"]
    assert found == pytest.approx(expected, abs=1e-12)
    assert set(scores["per_category"]) == {"cat", "dog"}
    assert {name: each["categories"] for name, each in scores["sequences"].items()} == {
        name: {"1": name.split("_")[0]} for name in CLIPS
    }
