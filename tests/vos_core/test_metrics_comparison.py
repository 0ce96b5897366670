"""Intervals and comparisons over sequences: closed forms, coverage, and definitions in loops."""

import math
from collections.abc import Mapping
from random import Random
from statistics import NormalDist, fmean

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics.comparison import (
    Comparison,
    SequenceValues,
    bootstrap_interval,
    caution,
    compare,
    mean_of,
)
from vos_core.metrics.protocols import Average

Groups = dict[str, SequenceValues]

AVERAGES: tuple[Average, ...] = ("object", "sequence", "category")
NAN = math.nan


def singles(values: npt.ArrayLike) -> Groups:
    """Return sequences with one object each."""
    flat = np.asarray(values, dtype=float).tolist()
    return {f"s{i:03}": SequenceValues((value,)) for i, value in enumerate(flat)}


def test_three_averages_of_the_same_values() -> None:
    groups = [
        SequenceValues((0.1, 0.2, 0.6), ("cat", "cat", "dog")),
        SequenceValues((0.8, NAN), ("dog", "cow")),
        SequenceValues((NAN,), ("cow",)),
    ]
    assert mean_of(groups, "object") == pytest.approx((0.1 + 0.2 + 0.6 + 0.8) / 4)
    assert mean_of(groups, "sequence") == pytest.approx((0.3 + 0.8) / 2)
    assert mean_of(groups, "category") == pytest.approx((0.15 + 0.7) / 2)


def test_mean_of_nothing() -> None:
    for average in AVERAGES:
        assert math.isnan(mean_of([], average))
        assert math.isnan(mean_of([SequenceValues((NAN,), ("cat",))], average))


def test_categories_must_be_known() -> None:
    with pytest.raises(MaskError, match="category of an object is unknown"):
        mean_of([SequenceValues((0.5,))], "category")
    with pytest.raises(MaskError, match="2 objects have 1 categories"):
        SequenceValues((0.5, 0.5), ("cat",))


def test_interval_of_zero_and_one() -> None:
    """The mean of a draw is 0, 0.5, 1 with probability 1/4, 1/2, 1/4."""
    groups = singles([0, 1])
    assert bootstrap_interval(groups, "object") == (0.0, 1.0)
    assert bootstrap_interval(groups, "object", level=0.52) == (0.0, 1.0)
    assert bootstrap_interval(groups, "object", level=0.48) == (0.5, 0.5)


def test_draws_are_sequences_not_objects() -> None:
    """A draw is a (0/3), b (1/1), or both (1/4 as objects, 1/2 as sequences)."""
    groups = {"a": SequenceValues((0.0, 0.0, 0.0)), "b": SequenceValues((1.0,))}
    assert bootstrap_interval(groups, "object", level=0.1) == (0.25, 0.25)
    assert bootstrap_interval(groups, "sequence", level=0.1) == (0.5, 0.5)
    assert bootstrap_interval(groups, "object") == (0.0, 1.0)


def test_category_that_a_draw_lacks_takes_no_part() -> None:
    """Draws are a (mean 0.2), b (mean of 0.4 and 0.9), or both (of 0.3 and 0.9)."""
    groups = {
        "a": SequenceValues((0.2,), ("cat",)),
        "b": SequenceValues((0.4, 0.9), ("cat", "dog")),
    }
    assert bootstrap_interval(groups, "category") == pytest.approx((0.2, 0.65))
    assert bootstrap_interval(groups, "category", level=0.1) == pytest.approx((0.6, 0.6))


def test_interval_needs_two_scored_sequences() -> None:
    for groups in ({}, singles([0.5]), singles([0.5, NAN])):
        assert all(map(math.isnan, bootstrap_interval(groups, "object")))


def test_unscored_sequences_change_nothing() -> None:
    values = [0.3, 0.5, 0.9, 0.8]
    scored = bootstrap_interval(singles(values), "object")
    assert bootstrap_interval(singles([*values, NAN]), "object") == scored


def test_seed_decides() -> None:
    groups = singles(np.random.default_rng(3).random(20))
    first = bootstrap_interval(groups, "object", seed=1)
    assert bootstrap_interval(groups, "object", seed=1) == first
    assert bootstrap_interval(groups, "object", seed=2) != first
    assert bootstrap_interval(groups, "object", seed=2) == pytest.approx(first, abs=0.01)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_of_a_normal_sample(level: float) -> None:
    values = np.random.default_rng(0).normal(0.7, 0.15, 90)
    half = NormalDist().inv_cdf((1 + level) / 2) * values.std() / math.sqrt(90)
    low, high = bootstrap_interval(singles(values), "object", level=level)
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 300 samples of 40 sequences with 1 to 3 objects; 0.95 +- 3 standard errors (0.038)."""
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(300):
        groups = {}
        for s in range(40):
            level = rng.normal(0.6, 0.1)
            objects = rng.normal(level, 0.05, rng.integers(1, 4))
            groups[f"s{s}"] = SequenceValues(tuple(objects.tolist()))
        low, high = bootstrap_interval(groups, "object", samples=400, seed=seed)
        hits += low <= 0.6 <= high
    assert 0.90 <= hits / 300 <= 0.988


def test_level_and_samples_are_checked() -> None:
    for level in (0.0, 1.0, 95.0, NAN):
        with pytest.raises(ConfigError, match="no share between 0 and 1"):
            bootstrap_interval(singles([0, 1]), "object", level=level)
    with pytest.raises(ConfigError, match="0 draws"):
        bootstrap_interval(singles([0, 1]), "object", samples=0)


def test_comparison_counts_sequences_by_their_mean() -> None:
    a = {
        "up": SequenceValues((0.9, 0.1)),  # mean 0.5 against 0.4, though one object is worse
        "down": SequenceValues((0.3,)),
        "same": SequenceValues((0.5, NAN)),
        "unscored": SequenceValues((NAN,)),
        "only_a": SequenceValues((1.0,)),
    }
    b = {
        "up": SequenceValues((0.4, 0.4)),
        "down": SequenceValues((0.6,)),
        "same": SequenceValues((0.5, NAN)),
        "unscored": SequenceValues((NAN,)),
        "only_b": SequenceValues((0.0,)),
        "also_only_b": SequenceValues((0.0,)),
    }
    outcome = compare(a, b, "object")
    assert (outcome.sequences, outcome.better, outcome.worse, outcome.equal) == (3, 1, 1, 1)
    assert outcome.left_out == 3
    assert outcome.difference == pytest.approx((1.8 - 1.9) / 4)
    by_sequence = compare(a, b, "sequence")
    assert by_sequence.difference == pytest.approx((0.1 - 0.3 + 0.0) / 3)
    back = compare(b, a, "object")
    assert (back.better, back.worse, back.difference) == (1, 1, -outcome.difference)
    assert back.interval == pytest.approx((-outcome.interval[1], -outcome.interval[0]))


def test_paired_interval_is_narrower_where_runs_are_alike() -> None:
    """The width is that of the differences (0.01 each), not that of the scores (0.2)."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(0.6, 0.2, 60)
    gains = rng.normal(0.02, 0.01, 60)
    a, b = singles(hardness + gains), singles(hardness)
    outcome = compare(a, b, "object")
    low, high = outcome.interval
    assert high - low == pytest.approx(2 * 1.96 * gains.std() / math.sqrt(60), rel=0.05)
    assert low > 0
    half = compare(a, b, "object", level=0.5).interval
    assert half[1] - half[0] == pytest.approx(2 * 0.674 * gains.std() / math.sqrt(60), rel=0.05)
    unpaired = bootstrap_interval(a, "object")
    assert high - low < 0.1 * (unpaired[1] - unpaired[0])


def test_run_against_itself() -> None:
    run = singles(np.random.default_rng(0).random(12))
    outcome = compare(run, run, "sequence")
    assert (outcome.equal, outcome.difference, outcome.interval) == (12, 0.0, (0.0, 0.0))
    assert outcome.sentence("A", "B") == "A and B are equal on all 12 sequences"


def test_equal_sequences_but_not_categories() -> None:
    """Of a mean over categories, equal means of each sequence do not make the same number."""
    a = {"x": SequenceValues((0.2, 0.4), ("cat", "dog")), "y": SequenceValues((0.3,), ("dog",))}
    b = {"x": SequenceValues((0.4, 0.2), ("cat", "dog")), "y": SequenceValues((0.3,), ("dog",))}
    outcome = compare(b, a, "category")
    assert (outcome.equal, outcome.difference) == (2, pytest.approx(0.05))
    assert "B beats A on 0 of 2 sequences (2 equal), mean difference +0.050" in outcome.sentence(
        "B", "A"
    )


def test_constant_gain_has_no_width() -> None:
    run = singles([0.1, 0.4, 0.6])
    gained = {name: SequenceValues((each.values[0] + 0.125,)) for name, each in run.items()}
    outcome = compare(gained, run, "object")
    assert outcome.better == 3
    assert outcome.interval == pytest.approx((0.125, 0.125))


def test_runs_that_cannot_be_compared() -> None:
    a = {"bear": SequenceValues((0.5, 0.5), ("bear", "bear"))}
    others = (
        SequenceValues((0.5,), ("bear",)),
        SequenceValues((0.5, NAN), ("bear", "bear")),
        SequenceValues((0.5, 0.5), ("bear", "cow")),
    )
    for other in others:
        with pytest.raises(MaskError, match="'bear': the runs have scores of different objects"):
            compare(a, {"bear": other}, "object")
    unscored = {"bear": SequenceValues((NAN,))}
    for b in ({}, {"cow": SequenceValues((0.5,))}):
        with pytest.raises(MaskError, match="share no scored sequence"):
            compare(a, b, "object")
    with pytest.raises(MaskError, match="share no scored sequence"):
        compare(unscored, unscored, "object")


def test_sentences() -> None:
    def say(*args: float, interval: tuple[float, float], left_out: int = 0, **names: str) -> str:
        sequences, better, worse, equal = map(int, args[:4])
        outcome = Comparison(
            sequences, better, worse, equal, args[4], interval, level=0.9, left_out=left_out
        )
        return outcome.sentence("new", "old", **names)

    assert say(20, 17, 3, 0, 0.021, interval=(0.004, 0.039)) == (
        "new beats old on 17 of 20 sequences, mean difference +0.021 J&F, 90 % interval +0.004 to "
        "+0.039"
    )
    assert say(20, 11, 7, 2, 0.01, interval=(-0.02, 0.04), left_out=1, unit="J") == (
        "new beats old on 11 of 20 sequences (2 equal), mean difference +0.010 J, 90 % interval "
        "-0.020 to +0.040; not told apart from chance; left out: 1 sequence that only one of them "
        "has"
    )
    # the one with the higher mean comes first, though it is better on fewer sequences
    assert say(20, 12, 8, 0, -0.1, interval=(-0.3, -0.05)) == (
        "old beats new on 8 of 20 sequences, mean difference +0.100 J&F, 90 % interval +0.050 to "
        "+0.300"
    )
    assert say(5, 4, 1, 0, 0.0, interval=(-0.1, 0.1)) == (
        "new and old have the same mean J&F: new is better on 4 and old on 1 of 5 sequences, "
        "90 % interval -0.100 to +0.100; not told apart from chance; an interval over fewer than "
        "10 sequences is too narrow"
    )
    assert say(5, 0, 0, 5, 0.0, interval=(0, 0)) == "new and old are equal on all 5 sequences"
    assert say(1, 0, 0, 1, 0.0, interval=(NAN, NAN)) == "new and old are equal on 1 sequence"


@pytest.mark.parametrize(
    ("sequences", "end"),
    [
        (1, "+0.100 J&F; fewer than 5 sequences give no interval"),
        (4, "+0.100 J&F; fewer than 5 sequences give no interval"),
        (5, "+0.200; an interval over fewer than 10 sequences is too narrow"),
        (9, "+0.200; an interval over fewer than 10 sequences is too narrow"),
        (10, "90 % interval +0.050 to +0.200"),
    ],
)
def test_few_sequences_are_told(sequences: int, end: str) -> None:
    outcome = Comparison(sequences, sequences, 0, 0, 0.1, (0.05, 0.2), level=0.9, left_out=0)
    sentence = outcome.sentence("new", "old")
    assert sentence.endswith(end)
    assert ("interval +" in sentence) == (sequences >= 5)
    assert bool(caution(sequences)) == (sequences < 10)


SCORES = st.one_of(st.floats(0, 1), st.just(NAN))
OBJECTS = st.lists(st.tuples(SCORES, st.sampled_from("xyz")), min_size=1, max_size=4)


@st.composite
def runs(draw: st.DrawFn) -> Groups:
    sequences = draw(st.lists(OBJECTS, min_size=1, max_size=6))
    return {
        f"s{i}": SequenceValues(tuple(v for v, _ in each), tuple(c for _, c in each))
        for i, each in enumerate(sequences)
    }


def defined_mean(groups: list[SequenceValues], average: Average) -> float:
    """Return the mean, in loops."""
    units: dict[str, list[float]] = {}
    for i, each in enumerate(groups):
        for k, (value, category) in enumerate(zip(each.values, each.categories, strict=True)):
            name = {"object": f"{i} {k}", "sequence": str(i), "category": category}[average]
            if not math.isnan(value):
                units.setdefault(name, []).append(value)
    return fmean(map(fmean, units.values())) if units else NAN


@given(runs(), st.sampled_from(AVERAGES))
def test_mean_equals_definition(run: Groups, average: Average) -> None:
    expected = defined_mean(list(run.values()), average)
    assert mean_of(run.values(), average) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(runs(), st.sampled_from(AVERAGES), st.integers(0, 99))
def test_interval_equals_definition(run: Groups, average: Average, seed: int) -> None:
    """The same draws, each averaged by itself."""
    scored = [each for each in run.values() if not math.isnan(each.mean())]
    low, high = bootstrap_interval(run, average, samples=60, seed=seed)
    if len(scored) < 2:
        assert math.isnan(low)
        return
    draws = np.random.default_rng(seed).integers(len(scored), size=(60, len(scored)))
    means = [defined_mean([scored[i] for i in draw], average) for draw in draws]
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


@settings(max_examples=25, deadline=None)
@given(runs(), st.sampled_from(AVERAGES), st.floats(-1, 1), st.randoms(use_true_random=False))
def test_shift_and_order(run: Groups, average: Average, shift: float, random: Random) -> None:
    names = list(run)
    random.shuffle(names)
    shifted = {
        name: SequenceValues(tuple(v + shift for v in run[name].values), run[name].categories)
        for name in names
    }
    interval = bootstrap_interval(run, average, samples=100)
    moved = tuple(end + shift for end in interval)
    assert bootstrap_interval(shifted, average, samples=100) == pytest.approx(
        moved, abs=1e-9, nan_ok=True
    )
    assert within(interval, run)
    if any(not math.isnan(each.mean()) for each in run.values()):
        outcome = compare(shifted, run, average, samples=100)
        assert outcome.difference == pytest.approx(shift, abs=1e-9)
        assert outcome.interval == pytest.approx(
            (NAN, NAN) if outcome.sequences < 2 else (shift, shift), abs=1e-9, nan_ok=True
        )


def within(interval: tuple[float, float], run: Mapping[str, SequenceValues]) -> bool:
    """Tell whether an interval is ordered and within the values, or there is none."""
    values = [v for each in run.values() for v in each.values if not math.isnan(v)]
    low, high = interval
    slack = 1e-12
    return math.isnan(low) or min(values) - slack <= low <= high <= max(values) + slack
