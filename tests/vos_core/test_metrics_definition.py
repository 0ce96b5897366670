"""Every score of random masks equals what follows straight from the definitions."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vos_core import metric_definitions as definition
from vos_core.errors import MaskError
from vos_core.metrics import (
    Average,
    GlobalScores,
    Protocol,
    SequenceResult,
    SequenceScorer,
    Statistics,
    Truth,
    boundary_map,
    collect_scores,
    contour_accuracy,
    jaccard,
    statistics,
)

Mask = npt.NDArray[np.bool_]
LabelMap = npt.NDArray[np.uint8]
Video = tuple[list[LabelMap], list[Truth | None]]  # prediction and truth of each frame

AVERAGES: tuple[Average, ...] = ("object", "sequence", "category")
IDS = (1, 2, 5, 254)
SHAPES = ("empty", "full", "pixel", "corner", "noise", "box")
near = dict(rel=0, abs=1e-12, nan_ok=True)


def draw_mask(rng: np.random.Generator, kind: str, size: tuple[int, int]) -> Mask:
    """Empty, full, one pixel, one pixel in a corner, noise, or a box that may touch the borders."""
    mask = np.zeros(size, dtype=np.bool_)
    if kind == "full":
        mask[:] = True
    elif kind == "pixel":
        mask[rng.integers(size[0]), rng.integers(size[1])] = True
    elif kind == "corner":
        mask[rng.choice([0, -1]), rng.choice([0, -1])] = True
    elif kind == "noise":
        mask |= rng.random(size) < rng.choice([0.02, 0.5, 0.98])
    elif kind == "box":
        (top, bottom), (left, right) = (np.sort(rng.integers(0, n + 1, 2)) for n in size)
        mask[top:bottom, left:right] = True
    return mask


sizes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.just(1), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.just(1)),
)
shapes = st.sampled_from(SHAPES)
generators = st.builds(np.random.default_rng, st.integers(0, 2**32 - 1))


@settings(max_examples=300, deadline=None)
@given(generators, sizes, shapes, shapes, st.none() | shapes, st.sampled_from([0.008, 0.08, 0.3]))
def test_one_pair(
    rng: np.random.Generator,
    size: tuple[int, int],
    predicted: str,
    true: str,
    void: str | None,
    tolerance: float,
) -> None:
    prediction, truth = (draw_mask(rng, kind, size) for kind in (predicted, true))
    ignored = draw_mask(rng, void, size) if void else None
    counted = np.ones(size, dtype=np.bool_) if ignored is None else ~ignored
    np.testing.assert_array_equal(boundary_map(truth), definition.boundary(truth))
    want_j = definition.jaccard(prediction, truth, counted)
    assert jaccard(prediction, truth, ignored) == pytest.approx(want_j, **near)
    want_f = definition.contour_accuracy(prediction, truth, counted, tolerance)
    got_f = contour_accuracy(prediction, truth, ignored, tolerance)
    assert got_f == pytest.approx(want_f, **near)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), max_size=40), st.booleans())
def test_statistics_of_short_sequences(scores: list[float], wrap: bool) -> None:
    got = statistics(scores, wrap_decay=wrap)
    assert tuple(got.values()) == pytest.approx(definition.numbers(scores), **near)


@settings(max_examples=60, deadline=None)
@given(generators, st.integers(250, 1100), st.booleans())
@example(np.random.default_rng(0), 255, True)
@example(np.random.default_rng(0), 256, True)
@example(np.random.default_rng(0), 257, True)
def test_statistics_of_long_sequences(rng: np.random.Generator, frames: int, wrap: bool) -> None:
    scores = rng.random(frames).tolist()
    got = statistics(scores, wrap_decay=wrap)
    assert tuple(got.values()) == pytest.approx(definition.numbers(scores, wrap=wrap), **near)


@st.composite
def videos(draw: st.DrawFn, binary: bool) -> Video:
    """Up to three objects, some late, some gone for a while, with void or overlaps; ids have gaps.

    The prediction is a shifted, relabelled or unrelated copy of the truth, with ids of its own.
    """
    rng = draw(generators)
    size = draw(sizes)
    frames = draw(st.integers(1, 6))
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    starts = [draw(st.integers(0, frames - 1)) for _ in ids]
    masks = [
        {
            i: draw_mask(rng, rng.choice(SHAPES), size)
            for i, start in zip(ids, starts, strict=True)
            if t >= start
        }
        for t in range(frames)
    ]
    painted = [paint(each, size) for each in masks]
    prediction = [disturb(rng, each) for each in painted]
    truth: list[Truth | None]
    if draw(st.booleans()):
        truth = list(masks)
    else:
        void = draw(st.booleans())
        truth = [draw_void(rng, each) if void else each for each in painted]
        if binary and draw(st.booleans()):  # as stored by DAVIS 2016
            truth = [np.where(each > 0, np.uint8(255), np.uint8(0)) for each in painted]
    for t in draw(st.sets(st.integers(1, 6))):
        if t < frames:
            truth[t] = None
    return prediction, truth


def paint(masks: Mapping[int, Mask], size: tuple[int, int]) -> LabelMap:
    label_map = np.zeros(size, dtype=np.uint8)
    for i, mask in masks.items():
        label_map[mask] = i
    return label_map


def draw_void(rng: np.random.Generator, label_map: LabelMap) -> LabelMap:
    """Lay a band of void across the image, or along every change of label, or all over it."""
    kind = rng.choice(["rows", "columns", "edges", "all", "none"])
    void = np.zeros(label_map.shape, dtype=np.bool_)
    if kind == "rows":
        void[rng.integers(void.shape[0]) :][:3] = True
    elif kind == "columns":
        void[:, rng.integers(void.shape[1]) :][:, :3] = True
    elif kind == "edges":
        void = definition.boundary(label_map > 0)
    elif kind == "all":
        void[:] = True
    return np.where(void, np.uint8(255), label_map)


def disturb(rng: np.random.Generator, label_map: LabelMap) -> LabelMap:
    kind = rng.choice(["same", "shifted", "relabelled", "unrelated", "empty"])
    if kind == "same":
        return label_map.copy()
    if kind == "shifted":
        return np.roll(label_map, rng.integers(-2, 3, 2), axis=(0, 1))
    if kind == "relabelled":
        table = np.zeros(256, dtype=np.uint8)
        table[list(IDS)] = rng.permutation([*IDS[1:], 7])
        return table[label_map]
    if kind == "unrelated":
        return rng.choice(np.array([0, *IDS, 7, 255], dtype=np.uint8), size=label_map.shape)
    return np.zeros_like(label_map)


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    flags = [draw(st.booleans()) for _ in range(4)]
    averages = tuple(draw(st.permutations(AVERAGES)))
    return Protocol("random", *flags, averages=averages, quantiles=(5, 30, 50, 95))


@st.composite
def runs(draw: st.DrawFn) -> tuple[Protocol, list[Video]]:
    rules = draw(protocols())
    return rules, draw(st.lists(videos(rules.binary), min_size=1, max_size=3))


def score(rules: Protocol, name: str, video: Video) -> SequenceResult:
    prediction, truth = video
    scorer = SequenceScorer(rules, name, len(truth))
    for t, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        if true is None:
            scorer.skip(t)
        else:
            scorer.update(t, predicted, true)
    return scorer.result()


def assert_statistics(got: Statistics, want: definition.Numbers) -> None:
    assert (got["mean"], got["recall"], got["decay"]) == pytest.approx(want, **near)


@settings(max_examples=250, deadline=None)
@given(runs())
def test_whole_run(run: tuple[Protocol, list[Video]]) -> None:
    rules, pairs = run
    wanted = [definition.score_sequence(rules, *video) for video in pairs]
    names = [f"clip{k}" for k in range(len(pairs))]
    for name, video, want in zip(names, pairs, wanted, strict=True):
        if not want:
            with pytest.raises(MaskError, match=f"{name!r}.*no object"):
                score(rules, name, video)
            return
    results = [score(rules, name, video) for name, video in zip(names, pairs, strict=True)]
    for result, want, video in zip(results, wanted, pairs, strict=True):
        assert list(result.objects) == sorted(want)
        assert result.scored == {i: each.scored for i, each in want.items()}
        assert result.extra_ids == definition.extra_ids(rules, *video)
        for i, each in want.items():
            assert result.objects[i]["J_frames"] == pytest.approx(each.j, **near)
            assert result.objects[i]["F_frames"] == pytest.approx(each.f, **near)
            assert_statistics(result.objects[i]["J"], definition.numbers(each.j))
            assert_statistics(result.objects[i]["F"], definition.numbers(each.f))

    categories = {name: {i: category(i) for i in IDS} for name in names}
    scores = collect_scores(rules, results, categories)
    for kind in AVERAGES:
        units = list(group(kind, wanted).values())
        assert_global(scores["averages"][kind], units)
        assert scores["averages"][kind]["units"] == sum(any(o.j for o in unit) for unit in units)
    for metric in ("J", "F"):
        headline = scores["averages"][rules.averages[0]][metric]
        assert scores["global"][metric] == pytest.approx(headline, **near)
    for name, unit in group("category", wanted).items():
        assert_global(scores["per_category"][name], [[each] for each in unit])
    all_j = [j for want in wanted for each in want.values() for j in each.j]
    quantiles = {str(q): definition.quantile(all_j, q) for q in rules.quantiles if all_j}
    assert scores["quantiles"] == pytest.approx(quantiles, **near)


def category(object_id: int) -> str:
    return "odd" if object_id % 2 else "even"


def group(
    kind: Average, wanted: list[dict[int, definition.Object]]
) -> dict[str, list[definition.Object]]:
    """Return name -> objects of every unit that counts the same."""
    groups: dict[str, list[definition.Object]] = {}
    for k, objects in enumerate(wanted):
        for i, each in objects.items():
            names = {"object": f"{k}_{i}", "sequence": str(k), "category": category(i)}
            groups.setdefault(names[kind], []).append(each)
    return groups


def assert_global(got: GlobalScores, units: list[list[definition.Object]]) -> None:
    """Compare with the mean over units of the mean over each one's objects."""
    j = definition.average(definition.average(definition.numbers(o.j) for o in u) for u in units)
    f = definition.average(definition.average(definition.numbers(o.f) for o in u) for u in units)
    assert_statistics(got["J"], j)
    assert_statistics(got["F"], f)
    assert got["J&F_mean"] == pytest.approx((j.mean + f.mean) / 2, **near)
