"""Protocols, scoring over a sequence, and the written files."""

import csv
import json
import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics import (
    DAVIS2016,
    DAVIS2017,
    YOUTUBE_VOS,
    ObjectScores,
    Protocol,
    SequenceResult,
    SequenceScorer,
    collect_scores,
    contour_accuracy,
    jaccard,
    per_sequence_rows,
    protocol,
    write_scores,
)
from vos_core.metrics.sequence import object_scores
from vos_core.metrics.statistics import mean_statistics

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "metrics"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no reference scores at {GOLDEN}")

LabelMaps = npt.NDArray[np.uint8]  # (T, H, W)


def squares(*boxes: tuple[int, int, int], frames: int = 6) -> LabelMaps:
    """Return still label maps with a 10 px square per (id, top, left)."""
    label_maps = np.zeros((frames, 40, 60), dtype=np.uint8)
    for object_id, top, left in boxes:
        label_maps[:, top : top + 10, left : left + 10] = object_id
    return label_maps


def score(rules: Protocol, prediction: LabelMaps, truth: LabelMaps) -> SequenceResult:
    scorer = SequenceScorer(rules, "clip", len(truth))
    for index, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        scorer.update(index, predicted, true)
    return scorer.result()


def read(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(path))


@needs_golden
@pytest.mark.parametrize(
    ("task", "rules"),
    [
        ("single", DAVIS2016),
        ("single", DAVIS2017),
        ("multi", DAVIS2017),
        ("multi", replace(DAVIS2017, wrap_decay=True)),
    ],
)
def test_equals_reference_scores(task: str, rules: Protocol) -> None:
    reference = json.loads((GOLDEN / "reference_scores.json").read_text())[task]
    results = []
    for folder in sorted((GOLDEN / task / "gt").iterdir()):
        frames = sorted(folder.iterdir())
        scorer = SequenceScorer(rules, folder.name, len(frames))
        for index, path in enumerate(frames):
            predicted = GOLDEN / task / "pred" / folder.name / path.name
            scorer.update(index, read(predicted), read(path))
        results.append(scorer.result())
    scores = collect_scores(rules, results)
    assert scores["per_object"].keys() == reference["per_object"].keys()
    for name, want in reference["per_object"].items():
        assert_same_object(scores["per_object"][name], want)
    for metric in ("J", "F"):
        assert scores["global"][metric] == pytest.approx(reference["global"][metric], abs=1e-12)
    assert scores["global"]["J&F_mean"] == pytest.approx(reference["global"]["J&F_mean"], abs=1e-12)


def assert_same_object(got: ObjectScores, want: ObjectScores) -> None:
    for metric in ("J", "F"):
        assert got[metric] == pytest.approx(want[metric], abs=1e-12)
    assert got["J_frames"] == pytest.approx(want["J_frames"], abs=1e-12)
    assert got["F_frames"] == pytest.approx(want["F_frames"], abs=1e-12)


@needs_golden
def test_void_equals_reference() -> None:
    """The unsupervised reference ignores void; its objects are matched, so try each matching."""
    task, sequence = GOLDEN / "multi_unsup", "rollerblade"
    reference = json.loads((GOLDEN / "reference_scores.json").read_text())["multi_unsup"]
    want = [reference["per_object"][f"{sequence}_{i}"] for i in (1, 2)]
    pairs = [
        (read(task / "pred" / sequence / p.name), read(p))
        for p in sorted((task / "gt" / sequence).iterdir())
    ]
    assert any((true == 255).any() for _, true in pairs)

    def frames(metric: str, predicted_id: int, true_id: int) -> list[float]:
        measure = {"J": jaccard, "F": contour_accuracy}[metric]
        return [measure(p == predicted_id, t == true_id, t == 255) for p, t in pairs]

    for metric in ("J", "F"):
        found = [
            [frames(metric, p, t) for p, t in enumerate(order, start=1)]
            for order in permutations((1, 2))
        ]
        wanted = [scores[f"{metric}_frames"] for scores in want]
        assert any(np.allclose(f, wanted, rtol=0, atol=1e-12) for f in found)


def test_first_and_last_frame_are_not_scored() -> None:
    truth = squares((1, 5, 5))
    prediction = truth.copy()
    prediction[[0, -1]] = 0
    prediction[2] = squares((1, 5, 10))[0]
    result = score(DAVIS2017, prediction, truth)
    assert result.scored == {1: [1, 2, 3, 4]}
    assert result.objects[1]["J_frames"] == pytest.approx([1, 1 / 3, 1, 1])


def test_late_object_is_scored_after_its_first_frame() -> None:
    truth = squares((1, 5, 5), (4, 20, 20))
    truth[:2][truth[:2] == 4] = 0
    prediction = truth.copy()
    prediction[2][prediction[2] == 4] = 0
    prediction[4][prediction[4] == 4] = 0
    result = score(DAVIS2017, prediction, truth)
    assert result.scored == {1: [1, 2, 3, 4], 4: [3, 4]}
    assert result.objects[4]["J_frames"] == [1.0, 0.0]
    assert result.objects[4]["F_frames"] == [1.0, 0.0]


def test_object_that_appears_too_late_takes_no_part() -> None:
    truth = squares((1, 5, 5), (2, 20, 20))
    truth[:4][truth[:4] == 2] = 0
    scores = collect_scores(DAVIS2017, [score(DAVIS2017, truth, truth)])
    assert scores["per_object"]["clip_2"]["J_frames"] == []
    assert math.isnan(scores["per_object"]["clip_2"]["J"]["mean"])
    assert scores["global"]["J&F_mean"] == 1.0


def test_gaps_and_extra_ids() -> None:
    truth = squares((1, 5, 5), (3, 20, 20))
    prediction = squares((1, 5, 5), (3, 20, 20), (9, 28, 45))
    prediction[3][prediction[3] == 9] = 0
    result = score(DAVIS2017, prediction, truth)
    assert list(result.objects) == [1, 3]
    assert result.extra_ids == {9: 3}  # of frames 1, 2 and 4; the first and the last do not count


def test_void_is_background_or_does_not_count() -> None:
    truth = squares((1, 5, 5), (255, 5, 15))
    prediction = squares((1, 5, 5), (1, 5, 15))
    ignoring = Protocol(
        "ignoring", drop_first=False, drop_last=False, void_as_background=False, binary=False
    )
    assert score(DAVIS2017, prediction, truth).objects[1]["J"]["mean"] == pytest.approx(0.5)
    strict = score(ignoring, prediction, truth).objects[1]
    assert strict["J_frames"] == [1.0] * 6


def test_davis2016_is_one_object() -> None:
    truth, prediction = squares((1, 5, 5), (2, 20, 20)), squares((3, 5, 5))
    result = score(DAVIS2016, prediction, truth)
    assert list(result.objects) == [1]
    assert result.extra_ids == {}
    assert result.objects[1]["J"]["mean"] == pytest.approx(0.5)
    # As stored by DAVIS 2016 (0 and 255), and with void beside an object.
    assert score(DAVIS2016, prediction, squares((255, 5, 5))).objects[1]["J"]["mean"] == 1.0
    with_void = squares((1, 5, 5), (255, 20, 20))
    assert score(DAVIS2016, prediction, with_void).objects[1]["J"]["mean"] == 1.0


def test_frames_without_truth_are_not_scored() -> None:
    truth = squares((1, 5, 5))
    scorer = SequenceScorer(DAVIS2017, "clip", 6)
    returned = []
    for i in range(6):
        if i % 2:
            scorer.skip(i)
        else:
            returned.append(scorer.update(i, truth[i], truth[i]))
    assert returned == [{}, {1: (1.0, 1.0)}, {1: (1.0, 1.0)}]
    assert scorer.result().scored == {1: [2, 4]}
    assert scorer.result().frames == 6


def test_bad_input_is_named() -> None:
    truth = squares((1, 5, 5))
    scorer = SequenceScorer(DAVIS2017, "clip", 6)
    scorer.update(0, truth[0], truth[0])
    with pytest.raises(MaskError, match=r"'clip'.*frame 3, expected frame 1"):
        scorer.update(3, truth[0], truth[0])
    with pytest.raises(MaskError, match=r"'clip'.*frame 2, expected frame 1"):
        scorer.skip(2)
    with pytest.raises(MaskError, match=r"'clip', frame 1: .*\(20, 60\)"):
        scorer.update(1, truth[1][:20], truth[1])
    with pytest.raises(MaskError, match="1 of 6 frames"):
        scorer.result()
    with pytest.raises(MaskError, match="no object"):
        score(DAVIS2017, truth, np.zeros_like(truth))
    with pytest.raises(MaskError, match="no sequence"):
        collect_scores(DAVIS2017, [])
    result = score(DAVIS2017, truth, truth)
    with pytest.raises(MaskError, match="'clip' was scored twice"):
        collect_scores(DAVIS2017, [result, result])


def test_protocol_by_name() -> None:
    assert protocol("davis2016") is DAVIS2016
    with pytest.raises(ConfigError, match=r"'davis17'.*Did you mean 'davis2017'\?"):
        protocol("davis17")


def test_wrapped_decay_is_that_of_j_and_f() -> None:
    """Of 298 scored frames the last wraps to 42, so that the last quarter is empty."""
    truth = squares((1, 5, 5), frames=300)
    rules = replace(DAVIS2017, wrap_decay=True)
    plain, wrapped = (score(each, truth, truth).objects[1] for each in (DAVIS2017, rules))
    assert (plain["J"]["decay"], plain["F"]["decay"]) == (0, 0)
    assert math.isnan(wrapped["J"]["decay"])
    assert math.isnan(wrapped["F"]["decay"])
    assert math.isnan(mean_statistics([plain["J"], wrapped["J"]])["decay"])  # as by the script


def test_order_is_that_of_the_names() -> None:
    results = [
        SequenceResult(name, 3, {1: object_scores([0.5], [f])}, {1: [1]}, {})
        for name, f in (("b", 0.25), ("a", 0.75))
    ]
    scores = collect_scores(YOUTUBE_VOS, results, {"a": {1: "unseen"}, "b": {1: "seen"}})
    assert list(scores["per_category"]) == ["seen", "unseen"]
    rows = [tuple(row.values()) for row in per_sequence_rows(scores)]
    assert rows == [("a", 1, 3, 0.5, 0.75, 0.625), ("b", 1, 3, 0.5, 0.25, 0.375)]


def test_written_files(tmp_path: Path) -> None:
    truth = squares((1, 5, 5), (2, 20, 20))
    truth[:4][truth[:4] == 2] = 0
    late = SequenceResult("late", 6, {1: object_scores([], [])}, {1: []}, {})
    scores = collect_scores(DAVIS2017, [score(DAVIS2017, truth, truth), late])
    write_scores(tmp_path, scores)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["per_sequence.csv", "scores.json"]
    stored = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    assert list(stored) == [
        "protocol",
        "headline",
        "rule",
        "global",
        "averages",
        "per_category",
        "quantiles",
        "per_object",
        "sequences",
    ]
    assert stored["protocol"] == "davis2017"
    assert stored["rule"] == stored["averages"]["object"]["rule"]
    assert stored["averages"]["object"]["units"] == 1
    assert stored["per_object"]["clip_2"]["J"] == {"mean": None, "recall": None, "decay": None}
    assert stored["per_object"]["clip_1"]["J_frames"] == [1.0] * 4
    assert stored["sequences"]["clip"]["scored"]["1"] == [1, 2, 3, 4]
    with (tmp_path / "per_sequence.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {
                "sequence": "clip",
                "objects": "2",
                "frames": "6",
                "J_mean": "1.0",
                "F_mean": "1.0",
                "J&F_mean": "1.0",
            },
            {
                "sequence": "late",
                "objects": "1",
                "frames": "6",
                "J_mean": "",
                "F_mean": "",
                "J&F_mean": "",
            },
        ]
    assert per_sequence_rows(scores)[0]["J&F_mean"] == 1.0
