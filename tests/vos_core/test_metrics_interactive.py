"""Quality against time of interactive sessions: closed forms and a second implementation."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics.interactive import InteractiveScores, Round, interactive_scores

ONE_OBJECT = 240.0  # seconds: 8 rounds x 30 s


def play(
    qualities: Iterable[float], seconds: Iterable[float], sequence: str = "bear", scribble: int = 1
) -> list[Round]:
    """Return the rounds of one sample with one object."""
    played = enumerate(zip(qualities, seconds, strict=True), start=1)
    return [Round(sequence, scribble, number, t, {1: q}) for number, (q, t) in played]


@pytest.mark.parametrize(("quality", "first"), [(0.8, 60), (0.5, 240), (1.0, 0), (0.0, 10)])
def test_flat_curve(quality: float, first: float) -> None:
    scores = interactive_scores(play([quality] * 3, [first, 0, 0]))
    assert scores["AUC"] == pytest.approx(quality * (1 - first / (2 * ONE_OBJECT)))
    at_60 = quality if first <= 60 else quality * 60 / first
    assert scores["J&F@60s"] == pytest.approx(at_60)


def test_later_rounds_of_the_same_quality_change_nothing() -> None:
    once = interactive_scores(play([0.7], [20]))
    often = interactive_scores(play([0.7] * 8, [20, 9, 8, 7, 6, 5, 4, 3]))
    assert often["AUC"] == pytest.approx(once["AUC"])
    assert often["J&F@60s"] == pytest.approx(once["J&F@60s"])


def test_budget_of_the_validation_set() -> None:
    """30 sequences with 61 objects, each with three sets of scribbles."""
    scores = validation_set([0.7], 10)
    assert scores["budget_seconds"] == pytest.approx(488)
    assert (scores["samples"], scores["objects"]) == (90, 61)
    assert "mean over 183 objects of 90 samples" in scores["rule"]
    assert "flat to 488 s = 61/30 objects x 8 rounds x 30 s" in scores["rule"]


@pytest.mark.parametrize(
    ("seconds", "auc", "at_60"),
    [(5, 0.773, 0.780), (20, 0.751, 0.730), (40, 0.721, 0.675), (60, 0.692, 0.650)],
)
def test_same_quality_at_four_speeds(seconds: float, auc: float, at_60: float) -> None:
    """These numbers fix q1, q2, q3, q8 and the sum, once the budget is 488 s."""
    scores = validation_set([0.65, 0.70, 0.73, 0.75, 0.76, 0.77, 0.775, 0.78], seconds)
    assert scores["AUC"] == pytest.approx(auc, abs=5.1e-4)
    assert scores["J&F@60s"] == pytest.approx(at_60)


def validation_set(qualities: Sequence[float], seconds: float) -> InteractiveScores:
    return interactive_scores(
        [
            Round(f"s{s}", scribble, k, seconds, dict.fromkeys(range(1, 4 if s == 0 else 3), q))
            for s in range(30)
            for scribble in (1, 2, 3)
            for k, q in enumerate(qualities, start=1)
        ]
    )


def test_objects_weigh_the_same_but_times_are_means_over_samples() -> None:
    rounds = [
        Round("bear", 1, 1, 10.0, {1: 0.2}),
        Round("dogs", 1, 1, 40.0, {1: 0.8, 2: 0.8, 5: 0.8}),
    ]
    scores = interactive_scores(rounds)
    assert scores["rounds"] == [
        {"played": 2, "seconds": 25.0, "quality": pytest.approx((0.2 + 3 * 0.8) / 4)}
    ]
    assert scores["budget_seconds"] == 4 / 2 * ONE_OBJECT


def test_budget_counts_each_sequence_once() -> None:
    """Two sets of scribbles for the sequence with three objects, one for the other."""
    rounds = [Round("dogs", k, 1, 1.0, {1: 0.5, 2: 0.5, 3: 0.5}) for k in (1, 2)]
    scores = interactive_scores([*rounds, Round("bear", 1, 1, 1.0, {1: 0.5})])
    assert scores["budget_seconds"] == 4 / 2 * ONE_OBJECT
    assert (scores["samples"], scores["objects"]) == (3, 4)


def test_ended_sample_repeats_its_result_in_no_time() -> None:
    short = play([0.6], [10], "bear")
    long = play([0.2, 0.4], [30, 50], "cow")
    scores = interactive_scores(short + long)
    assert scores["rounds"] == [
        {"played": 2, "seconds": 20, "quality": pytest.approx(0.4)},
        {"played": 1, "seconds": 45, "quality": pytest.approx(0.5)},
    ]
    assert scores == interactive_scores(play([0.6, 0.6], [10, 0], "bear") + long) | {
        "rounds": scores["rounds"]
    }


def test_minute_is_read_off_the_averaged_curve() -> None:
    """Each sample alone would give 0.3 (half of 0.6 at 120 s) and 1.0, mean 0.65."""
    rounds = play([0.6], [120], "bear") + play([1.0], [20], "cow")
    assert interactive_scores(rounds)["J&F@60s"] == pytest.approx(0.8 * 60 / 70)


def test_curve_ends_flat_at_the_budget() -> None:
    scores = interactive_scores(play([0.5, 0.7], [10, 15]))
    assert scores["curve"] == {"seconds": [0, 10, 25, 240], "quality": [0, 0.5, 0.7, 0.7]}
    assert scores["J&F@60s"] == 0.7


def test_what_lies_beyond_the_budget_is_cut() -> None:
    """A single round at 480 s has come half the way up when the 240 s end."""
    scores = interactive_scores(play([0.8], [480]))
    assert scores["curve"] == {"seconds": [0, 240], "quality": [0, pytest.approx(0.4)]}
    assert scores["AUC"] == pytest.approx(0.2)
    assert scores["rounds"][0]["seconds"] == 480
    more = interactive_scores(play([0.8, 0.9, 1.0], [480, 10, 10]))
    assert (more["AUC"], more["J&F@60s"]) == (scores["AUC"], scores["J&F@60s"])


def test_budget_below_a_minute() -> None:
    scores = interactive_scores(play([0.6], [4]), seconds_per_object=5, rounds_allowed=2)
    assert scores["budget_seconds"] == 10
    assert scores["AUC"] == pytest.approx(0.6 * 0.8)
    assert scores["J&F@60s"] == 0.6


def test_unusable_rounds_are_named() -> None:
    good = play([0.5, 0.6], [10, 10])
    with pytest.raises(MaskError, match="no round"):
        interactive_scores([])
    with pytest.raises(MaskError, match=r"'bear', scribbles 1: the rounds are 1, 2, 2;"):
        interactive_scores([*good, good[1]])
    with pytest.raises(MaskError, match=r"the rounds are 2;"):
        interactive_scores(good[1:])
    with pytest.raises(MaskError, match=r"the rounds are 1, 3;"):
        interactive_scores([good[0], replace(good[1], number=3)])
    with pytest.raises(MaskError, match="only 1 rounds are allowed"):
        interactive_scores(good, rounds_allowed=1)
    for seconds in (math.nan, math.inf, -1.0):
        with pytest.raises(MaskError, match=r"round 1: .* is no time"):
            interactive_scores([replace(good[0], seconds=seconds)])
    for quality in (math.nan, 1.01, -0.01):
        with pytest.raises(MaskError, match=r"J&F of object 7 is .*, not in 0\.\.1"):
            interactive_scores([replace(good[0], objects={7: quality})])
    with pytest.raises(MaskError, match="has no object"):
        interactive_scores([replace(good[0], objects={})])
    with pytest.raises(MaskError, match=r"round 2 has objects \[2\], another round \[1\]"):
        interactive_scores([good[0], replace(good[1], objects={2: 0.5})])
    with pytest.raises(MaskError, match="scribbles 2, round 1 has objects"):
        interactive_scores([*good, replace(good[0], scribble=2, objects={1: 0.5, 2: 0.5})])
    with pytest.raises(ConfigError, match="must be positive"):
        interactive_scores(good, seconds_per_object=0)


@st.composite
def reports(draw: st.DrawFn) -> list[list[Round]]:
    """Return samples: each sequence with its objects, sets of scribbles and rounds."""
    # multiples of 1/8 keep jumps in no time apart from steep rises, whose height is not defined
    seconds = st.integers(0, 8 * 400).map(lambda n: n / 8)
    samples = []
    for s in range(draw(st.integers(1, 3))):
        ids = draw(st.sets(st.integers(1, 9), min_size=1, max_size=3))
        for scribble in range(draw(st.integers(1, 3))):
            samples.append(
                [
                    Round(
                        f"s{s}",
                        scribble,
                        number,
                        draw(seconds),
                        {i: draw(st.floats(0, 1)) for i in ids},
                    )
                    for number in range(1, draw(st.integers(1, 8)) + 1)
                ]
            )
    return samples


@given(reports(), st.randoms(use_true_random=False))
def test_equals_definition(samples: list[list[Round]], random: Random) -> None:
    rounds = [each for sample in samples for each in sample]
    random.shuffle(rounds)
    scores = interactive_scores(rounds)
    points, budget = defined_curve(samples)
    assert scores["budget_seconds"] == pytest.approx(budget)
    assert scores["AUC"] == pytest.approx(defined_area(points, budget) / budget, abs=1e-9)
    assert scores["J&F@60s"] == pytest.approx(defined_height(points, 60), abs=1e-9)
    seconds = scores["curve"]["seconds"]
    assert seconds == sorted(seconds)
    assert seconds[-1] == scores["budget_seconds"]


def defined_curve(samples: list[list[Round]]) -> tuple[list[tuple[float, float]], float]:
    """Return the points (seconds, quality) of eight rounds, all samples filled up, and the budget.

    The time is cumulated for each sample first and averaged then.
    """
    filled = [[*s, *(replace(s[-1], seconds=0.0) for _ in range(8 - len(s)))] for s in samples]
    points = [(0.0, 0.0)]
    for k in range(8):
        spent = [sum(each.seconds for each in sample[: k + 1]) for sample in filled]
        values = [value for sample in filled for value in sample[k].objects.values()]
        points.append((sum(spent) / len(spent), sum(values) / len(values)))
    sizes = {sample[0].sequence: len(sample[0].objects) for sample in samples}
    return points, sum(sizes.values()) / len(sizes) * 240


def defined_area(points: list[tuple[float, float]], budget: float) -> float:
    """Integrate each straight piece from its start to its end or the budget."""
    area = max(0.0, budget - points[-1][0]) * points[-1][1]
    for (t0, q0), (t1, q1) in pairwise(points):
        width = min(t1, budget) - t0
        if width > 0:
            area += width * (q0 + (q1 - q0) * width / (t1 - t0) / 2)
    return area


def defined_height(points: list[tuple[float, float]], at: float) -> float:
    for (t0, q0), (t1, q1) in pairwise(points):
        if t0 <= at < t1:
            return q0 + (q1 - q0) * (at - t0) / (t1 - t0)
    return points[-1][1]
