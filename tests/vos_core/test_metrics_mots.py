"""MOTSA, MOTSP, sMOTSA: closed forms, the rules' edges, and a second implementation."""

import json
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_core.errors import MaskError
from vos_core.metrics.mots import (
    Codes,
    MotsCounts,
    MotsMeasures,
    MotsScorer,
    MotsSequenceResult,
    collect_mots,
    mots_measures,
)

CLASSES = {1: "car", 2: "pedestrian"}
IGNORED = 10000


def strip(*parts: tuple[int, int]) -> Codes:
    """Return (1, W) codes from pairs of a code and its number of pixels."""
    return np.repeat([code for code, _ in parts], [n for _, n in parts])[None].astype(np.uint16)


def score(
    predictions: Sequence[Codes], truths: Sequence[Codes], name: str = "0002"
) -> MotsSequenceResult:
    scorer = MotsScorer(name, len(truths), CLASSES)
    for index, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        scorer.update(index, prediction, truth)
    return scorer.result()


def track(*ids: int, extra: int = 0) -> MotsCounts:
    """Score one car of 4 pixels that is found under the given ids; 0 is a miss."""
    truths = [strip((1001, 4), (0, 2)) for _ in ids]
    return score([strip((i, 4), (extra, 2)) for i in ids], truths).classes["car"]


def test_perfect_tracks_under_other_ids() -> None:
    truths = [strip((1001, 3), (2004, 5), (IGNORED, 2), (0, 9)), strip((2004, 6), (0, 13))]
    predictions = [strip((1900, 3), (2000, 5), (0, 11)), strip((2000, 6), (0, 13))]
    scores = collect_mots([score(predictions, truths)])
    for name, masks in (("car", 1), ("pedestrian", 2)):
        m = scores["per_class"][name]
        assert (m["M"], m["TP"], m["FP"], m["FN"], m["IDS"], m["tracks"]) == (
            masks,
            masks,
            0,
            0,
            0,
            1,
        )
        shares = ("sMOTSA", "MOTSA", "MOTSP", "MODSA", "MOTSAL", "recall", "precision", "F1", "MT")
        assert [m[key] for key in shares] == [1.0] * len(shares)  # type: ignore[literal-required]
        assert (m["ML"], m["FAR"]) == (0, 0)


def test_sum_of_iou_and_false_positives() -> None:
    # IoU 4/5, 3/4, a miss; one prediction on nothing
    truths = [strip((1001, 5), (1002, 3), (0, 1), (1003, 2), (0, 5))]
    predictions = [strip((1001, 4), (0, 1), (1002, 4), (0, 2), (1009, 3), (0, 2))]
    counts = score(predictions, truths).classes["car"]
    assert counts.iou == pytest.approx(0.8 + 0.75, abs=1e-15)
    m = mots_measures(counts)
    assert (m["M"], m["TP"], m["FP"], m["FN"]) == (3, 2, 1, 1)
    assert m["sMOTSA"] == pytest.approx((1.55 - 1) / 3, abs=1e-15)
    assert m["MOTSA"] == m["MODSA"] == pytest.approx(1 / 3, abs=1e-15)
    assert m["MOTSP"] == pytest.approx(1.55 / 2, abs=1e-15)
    assert m["recall"] == m["precision"] == m["F1"] == pytest.approx(2 / 3, abs=1e-15)
    assert m["FAR"] == 1


@pytest.mark.parametrize(
    ("ids", "switches"),
    [
        ((1001, 1001, 1002, 1002), 1),
        ((1001, 1002, 1001), 2),
        ((1001, 0, 1002), 1),  # a gap does not reset
        ((1001, 0, 0, 1001), 0),
        ((0, 0, 1001), 0),  # the first match is no switch
        ((0, 0), 0),
    ],
)
def test_ids_are_compared_with_those_of_the_last_match(ids: tuple[int, ...], switches: int) -> None:
    m = mots_measures(track(*ids))
    found = sum(i > 0 for i in ids)
    assert m["IDS"] == switches
    assert m["MOTSA"] == m["sMOTSA"] == pytest.approx((found - switches) / len(ids), abs=1e-15)
    assert m["MODSA"] == pytest.approx(found / len(ids), abs=1e-15)


def test_an_object_that_is_away_keeps_its_last_id() -> None:
    here, away = strip((1001, 4)), strip((0, 4))
    counts = score([strip((1005, 4)), away, strip((1006, 4))], [here, away, here]).classes["car"]
    assert (counts.masks, counts.switches) == (2, 1)


def test_two_objects_that_swap_ids_count_twice() -> None:
    truths = [strip((1001, 3), (1002, 3))] * 2
    counts = score([truths[0], strip((1002, 3), (1001, 3))], truths).classes["car"]
    assert counts.switches == 2


def test_switches_count_by_their_logarithm_in_motsal() -> None:
    m = mots_measures(MotsCounts(masks=50, matched=45, false_positives=5, switches=10))
    assert m["MOTSAL"] == pytest.approx((45 - 5 - 1) / 50, abs=1e-15)
    assert mots_measures(track(1001, 1001))["MOTSAL"] == 1


@pytest.mark.parametrize(("pixels", "matched"), [(2, 0), (3, 1)])
def test_half_is_no_match(pixels: int, matched: int) -> None:
    counts = score([strip((1001, pixels), (0, 4 - pixels))], [strip((1001, 4))]).classes["car"]
    assert (counts.matched, counts.false_positives) == (matched, 1 - matched)


@pytest.mark.parametrize(("inside", "ignored"), [(2, 0), (3, 1), (4, 1)])
def test_unmatched_predictions_mostly_in_ignored_regions(inside: int, ignored: int) -> None:
    # two regions that count as one
    regions = strip((IGNORED, 2), (IGNORED + 1, inside - 2), (0, 4 - inside), (1001, 4))
    counts = score([strip((1001, 4), (0, 4))], [regions]).classes["car"]
    assert (counts.ignored, counts.false_positives, counts.masks) == (ignored, 1 - ignored, 1)


def test_a_match_beside_an_ignored_region_is_a_match() -> None:
    counts = score([strip((1001, 9))], [strip((1001, 5), (IGNORED, 4))]).classes["car"]
    assert (counts.matched, counts.ignored, counts.iou) == (1, 0, 5 / 9)


def test_classes_are_apart() -> None:
    result = score([strip((2001, 4), (IGNORED, 2))], [strip((1001, 4), (0, 2))])
    assert (result.classes["car"].masks, result.classes["car"].false_positives) == (1, 0)
    assert result.classes["car"].matched == 0
    assert result.classes["pedestrian"] == MotsCounts(frames=1, false_positives=1)


@pytest.mark.parametrize(
    ("found", "mostly_tracked", "mostly_lost"),
    [(10, 1, 0), (9, 1, 0), (8, 0, 0), (5, 0, 0), (2, 0, 0), (1, 0, 1), (0, 0, 1)],
)
def test_mostly_tracked_and_mostly_lost(found: int, mostly_tracked: int, mostly_lost: int) -> None:
    counts = track(*[1001] * found, *[0] * (10 - found))
    assert (counts.tracks, counts.mostly_tracked, counts.mostly_lost) == (
        1,
        mostly_tracked,
        mostly_lost,
    )


def test_scores_can_be_negative() -> None:
    assert mots_measures(track(0, 0, extra=1002))["MOTSA"] == -1


def test_numbers_without_a_divisor_are_nan() -> None:
    nothing = mots_measures(MotsCounts(frames=3))
    assert all(math.isnan(nothing[key]) for key in ("sMOTSA", "MOTSA", "MODSA", "MOTSAL", "MOTSP"))
    assert all(math.isnan(nothing[key]) for key in ("recall", "precision", "F1", "MT", "ML"))
    assert nothing["FAR"] == 0
    missed = mots_measures(track(0, 0))
    assert math.isnan(missed["MOTSP"])
    assert math.isnan(missed["precision"])
    assert (missed["sMOTSA"], missed["recall"], missed["F1"], missed["ML"]) == (0, 0, 0, 1)


def test_counts_are_added_before_they_are_divided() -> None:
    short = score([strip((0, 4))], [strip((1001, 4))], "0006")
    long = score([strip((1001, 4))] * 3, [strip((1001, 4))] * 3, "0002")
    scores = collect_mots([short, long])
    assert list(scores["sequences"]) == ["0002", "0006"]
    assert scores["sequences"]["0006"]["car"]["sMOTSA"] == 0
    assert scores["per_class"]["car"]["sMOTSA"] == 0.75
    assert scores["per_class"]["car"]["tracks"] == 2  # the same code in two sequences
    assert "2 sequences and 4 frames" in scores["rule"]
    assert json.loads(json.dumps(scores)).keys() == scores.keys()


def test_misuse_is_named() -> None:
    truth = strip((1001, 4))
    scorer = MotsScorer("0002", 2, CLASSES)
    with pytest.raises(MaskError, match=r"'0002': got frame 1, expected frame 0 of 2"):
        scorer.update(1, truth, truth)
    with pytest.raises(MaskError, match=r"frame 0: the prediction has shape \(1, 3\)"):
        scorer.update(0, strip((1001, 3)), truth)
    with pytest.raises(MaskError, match="type uint8"):
        scorer.update(0, np.ones((1, 4), np.uint8), truth)
    scorer.update(0, truth, truth)
    with pytest.raises(MaskError, match="1 of 2 frames"):
        scorer.result()
    scorer.update(1, truth, truth)
    with pytest.raises(MaskError, match="got frame 2"):
        scorer.update(2, truth, truth)
    with pytest.raises(MaskError, match="'0002' was scored twice"):
        collect_mots([scorer.result(), scorer.result()])
    with pytest.raises(MaskError, match="no sequence"):
        collect_mots([])


def by_definition(
    predictions: Sequence[Codes], truths: Sequence[Codes], number: int
) -> dict[str, float]:
    """Score one class from boolean masks, pair by pair, and the whole history of each object."""
    history: dict[int, list[int | None]] = {}
    tp = fp = ignored = 0
    soft = 0.0
    for prediction, truth in zip(predictions, truths, strict=True):
        known = {int(c): truth == c for c in np.unique(truth) if c // 1000 == number}
        guesses = {int(c): prediction == c for c in np.unique(prediction) if c // 1000 == number}
        void = truth // 1000 == 10
        taken = set()
        for code, mask in known.items():
            hit = None
            for guess, other in guesses.items():
                iou = (mask & other).sum() / (mask | other).sum()
                if iou > 0.5:
                    hit, soft, tp = guess, soft + iou, tp + 1
                    taken.add(guess)
            history.setdefault(code, []).append(hit)
        for guess in guesses.keys() - taken:
            hidden = (guesses[guess] & void).sum() / guesses[guess].sum() > 0.5
            ignored, fp = ignored + hidden, fp + (not hidden)
    m = sum(map(len, history.values()))
    ids = 0
    for hits in history.values():
        seen = [hit for hit in hits if hit is not None]
        ids += sum(a != b for a, b in pairwise(seen))
    ratios = [sum(hit is not None for hit in hits) / len(hits) for hits in history.values()]
    undefined = math.nan
    return {
        "sMOTSA": (soft - fp - ids) / m if m else undefined,
        "MOTSA": 1 - (m - tp + fp + ids) / m if m else undefined,
        "MODSA": 1 - (m - tp + fp) / m if m else undefined,
        "MOTSAL": 1 - (m - tp + fp + (math.log10(ids) if ids else 0)) / m if m else undefined,
        "MOTSP": soft / tp if tp else undefined,
        "recall": tp / m if m else undefined,
        "precision": tp / (tp + fp) if tp + fp else undefined,
        "MT": sum(r > 0.8 for r in ratios) / len(ratios) if ratios else undefined,
        "ML": sum(r < 0.2 for r in ratios) / len(ratios) if ratios else undefined,
        "M": m,
        "TP": tp,
        "FP": fp,
        "FN": m - tp,
        "IDS": ids,
        "ignored": ignored,
        "tracks": len(history),
    }


CODES = np.array([0, 1000, 1001, 1002, 2001, 2002, 10000, 10003], dtype=np.uint16)


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    frames=st.integers(1, 8),
    noise=st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    codes=st.integers(1, len(CODES)),
)
@settings(max_examples=150, deadline=None)
def test_equals_the_definition(
    seed: int, size: tuple[int, int], frames: int, noise: float, codes: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.choice(CODES[:codes], size)
    truths, predictions = [], []
    for _ in range(frames):
        changed = rng.random(size) < 0.1
        truth = np.where(changed, rng.choice(CODES[:codes], size), truth)
        prediction = np.where(rng.random(size) < noise, rng.choice(CODES[:codes], size), truth)
        if rng.random() < 0.3:  # a switch
            first, second = rng.choice(CODES[:codes], 2)
            prediction = np.where(prediction == first, second, prediction)
        truths.append(truth)
        predictions.append(prediction)
    result = score(predictions, truths)
    for number, name in CLASSES.items():
        measures: MotsMeasures = mots_measures(result.classes[name])
        for key, want in by_definition(predictions, truths, number).items():
            got = measures[key]  # type: ignore[literal-required]
            assert got == pytest.approx(want, abs=1e-12, nan_ok=True), key
