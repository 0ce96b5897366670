"""Saliency scores against their definitions, closed forms, and the edges."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics.saliency import (
    SaliencyScorer,
    adaptive_f_measure,
    jaccard_at_half,
    level_counts,
    mean_absolute_error,
    precision_recall,
)
from vos_core.types import LabelMap

Pair = tuple[LabelMap, LabelMap]


def definition_f(p: float, r: float) -> float:
    return 1.3 * p * r / (0.3 * p + r) if p + r > 0 else 0.0


def definition_at(
    values: list[Fraction], objects: list[bool], threshold: Fraction
) -> tuple[float, float]:
    selected = [value >= threshold for value in values]
    hits = sum(s and o for s, o in zip(selected, objects, strict=True))
    precision = hits / sum(selected) if any(selected) else 0.0
    return precision, hits / sum(objects) if any(objects) else 0.0


def definition(pairs: list[Pair], *, skip: bool) -> dict[str, float]:
    """Every score straight from its definition, pixel by pixel and threshold by threshold."""
    thresholds = [Fraction(k, 255) for k in range(256)]
    maes, overlaps, adaptive, curves = [], [], [], []
    for prediction, truth in pairs:
        counted = [(Fraction(int(v), 255), t == 1) for v, t in _pixels(prediction, truth)]
        values, objects = [v for v, _ in counted], [bool(o) for _, o in counted]
        maes.append(float(sum(abs(v - o) for v, o in counted) / len(counted)))
        high = [v >= Fraction(1, 2) for v in values]
        union = sum(a or b for a, b in zip(high, objects, strict=True))
        both = sum(a and b for a, b in zip(high, objects, strict=True))
        overlaps.append(both / union if union else 1.0)
        if any(objects) or not skip:
            own = min(2 * sum(values) / len(values), Fraction(1))
            adaptive.append(
                definition_f(*definition_at(values, objects, own)) if any(objects) else 0.0
            )
            curves.append([definition_at(values, objects, t) for t in thresholds])
    scores = {"mae": float(np.mean(maes)), "jaccard": float(np.mean(overlaps))}
    if not curves:
        return scores
    means = np.mean(curves, axis=0)
    f = [definition_f(p, r) for p, r in means]
    return scores | {
        "max_f": max(f),
        "mean_f": float(np.mean(f)),
        "adaptive_f": float(np.mean(adaptive)),
        "precision": means[:, 0],
        "recall": means[:, 1],
    }


def _pixels(prediction: LabelMap, truth: LabelMap) -> list[tuple[int, int]]:
    both = zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True)
    return [(v, t) for v, t in both if t != 255]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=5))
    levels = st.sampled_from([0, 1, 2, 64, 127, 128, 200, 254, 255]) | st.integers(0, 255)
    prediction = draw(hnp.arrays(np.uint8, shape, elements=levels))
    truth = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 1, 255])))
    truth[0, 0] = draw(st.integers(0, 1))  # never void alone
    return prediction, truth


@settings(max_examples=60, deadline=None)
@given(st.lists(pairs(), min_size=1, max_size=3), st.booleans())
def test_scores_equal_their_definitions(images: list[Pair], skip: bool) -> None:
    scorer = SaliencyScorer(empty_truth="skip" if skip else "zero")
    for prediction, truth in images:
        scorer.update(prediction, truth)
    result = scorer.result()
    want = definition(images, skip=skip)
    for name, value in want.items():
        np.testing.assert_allclose(getattr(result, name), value, rtol=0, atol=1e-12, err_msg=name)
    if "max_f" in want:
        at = round(result.max_f_threshold * 255)
        p, r = result.precision[at], result.recall[at]
        assert definition_f(p, r) == pytest.approx(result.max_f, abs=1e-12)
    else:
        assert math.isnan(result.max_f)


def square(size: int, side: int, value: int = 1) -> LabelMap:
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[:side, :side] = value
    return mask


def test_constant_map() -> None:
    """Of a map of level 51 (0.2) over an object of share 1/4, everything is known."""
    truth = square(8, 4)
    counts = level_counts(np.full((8, 8), 51, dtype=np.uint8), truth)
    assert mean_absolute_error(counts) == pytest.approx(0.75 * 0.2 + 0.25 * 0.8, abs=1e-15)
    precision, recall = precision_recall(counts)
    assert precision.tolist() == [0.25] * 52 + [0.0] * 204
    assert recall.tolist() == [1.0] * 52 + [0.0] * 204
    assert adaptive_f_measure(counts) == 0  # 0.4 selects nothing
    assert jaccard_at_half(counts) == 0


def test_square_twice_as_wide() -> None:
    """Precision 1/4 and recall 1 at every threshold but 0."""
    scorer = SaliencyScorer()
    scores = scorer.update(square(16, 8, 255), square(16, 4))
    assert scores == (48 / 256, 0.25)
    result = scorer.result()
    f = 1.3 * 0.25 / (0.3 * 0.25 + 1)
    f_all = 1.3 / 16 / (0.3 / 16 + 1)
    assert result.max_f == pytest.approx(f, abs=1e-15)
    assert result.max_f_threshold == 1 / 255
    assert result.adaptive_f == pytest.approx(f, abs=1e-15)
    assert result.mean_f == pytest.approx((255 * f + f_all) / 256, abs=1e-14)
    assert result.precision[1:] == (0.25,) * 255


def test_curve_is_averaged_over_images_before_f() -> None:
    """One map is too small (P 1, R 1/4), one too large (P 1/4, R 1): means 5/8, so F 5/8."""
    scorer = SaliencyScorer()
    scorer.update(square(8, 2, 255), square(8, 4))
    scorer.update(square(8, 4, 255), square(8, 2))
    result = scorer.result()
    assert result.precision[255] == result.recall[255] == 0.625
    assert result.max_f == pytest.approx(0.625, abs=1e-15)
    small, large = 1.3 * 0.25 / (0.3 + 0.25), 1.3 * 0.25 / (0.3 * 0.25 + 1)
    assert result.adaptive_f == pytest.approx((small + large) / 2, abs=1e-15)


def test_adaptive_threshold_lies_between_levels() -> None:
    """Twice the mean is 1.5, above level 1; where it is a level, that level is selected."""
    between = np.array([[0, 0, 1, 2]], dtype=np.uint8)
    assert adaptive_f_measure(level_counts(between, square(4, 1)[:1, ::-1])) == 1
    on_level = np.array([[0, 0, 7, 7]], dtype=np.uint8)
    truth = np.array([[0, 0, 1, 1]], dtype=np.uint8)
    assert adaptive_f_measure(level_counts(on_level, truth)) == 1


@pytest.mark.parametrize("side", [1, 4, 7, 8])
def test_truth_is_perfect(side: int) -> None:
    scorer = SaliencyScorer()
    assert scorer.update(square(8, side, 255), square(8, side)) == (0, 1)
    result = scorer.result()
    assert (result.max_f, result.adaptive_f, result.mae, result.jaccard) == (1, 1, 0, 1)
    share = side**2 / 64
    at_zero = 1.3 * share / (0.3 * share + 1)
    assert result.mean_f == pytest.approx((255 + at_zero) / 256, abs=1e-14)


def test_empty_map_selects_all_at_zero_and_nothing_above() -> None:
    counts = level_counts(square(8, 0), square(8, 4))
    precision, recall = precision_recall(counts)
    assert (precision[0], recall[0]) == (0.25, 1)
    assert not precision[1:].any()
    assert not recall[1:].any()
    assert mean_absolute_error(counts) == 0.25
    assert adaptive_f_measure(counts) == pytest.approx(1.3 * 0.25 / (0.3 * 0.25 + 1))


def test_image_without_object() -> None:
    perfect, empty = (square(8, 4, 255), square(8, 4)), (square(8, 0), square(8, 0))
    scores = {}
    for choice in ("skip", "zero"):
        scorer = SaliencyScorer(empty_truth=choice)
        scorer.update(*perfect)
        assert scorer.update(*empty) == (0, 1)
        scores[choice] = scorer.result()
        assert (scores[choice].images, scores[choice].without_object) == (2, 1)
        assert (scores[choice].mae, scores[choice].jaccard) == (0, 1)
    assert (scores["skip"].max_f, scores["skip"].adaptive_f) == (1, 1)
    assert scores["zero"].max_f == pytest.approx(0.5)
    assert scores["zero"].adaptive_f == 0.5


def test_no_image_with_object_has_no_f() -> None:
    scorer = SaliencyScorer()
    scorer.update(square(8, 1, 51), square(8, 0))
    result = scorer.result()
    assert result.mae == pytest.approx(0.2 / 64)
    assert all(map(math.isnan, (result.max_f, result.max_f_threshold, result.adaptive_f)))
    assert math.isnan(result.mean_f)


def test_full_truth() -> None:
    counts = level_counts(np.full((4, 4), 255, dtype=np.uint8), square(4, 4))
    assert [each.tolist() for each in precision_recall(counts)] == [[1.0] * 256] * 2
    assert mean_absolute_error(counts) == 0
    assert adaptive_f_measure(counts) == 1


def test_void_does_not_count() -> None:
    truth = square(8, 4)
    truth[6:] = 255
    noisy = square(8, 4, 255)
    noisy[6:] = np.arange(16).reshape(2, 8) * 17
    assert np.array_equal(level_counts(noisy, truth), level_counts(square(8, 4, 255), truth))
    assert level_counts(noisy, truth).sum() == 48


def test_floats_are_rounded_to_levels() -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    truth = rng.integers(0, 2, (9, 7), dtype=np.uint8)
    for dtype in (np.float32, np.float64):
        floats = levels.astype(dtype) / dtype(255)
        assert np.array_equal(level_counts(floats, truth), level_counts(levels, truth))
    near = level_counts(np.array([[0.4 / 255, 0.6 / 255, 1.0]]), np.zeros((1, 3), dtype=np.uint8))
    assert np.flatnonzero(near[0]).tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("prediction", "truth", "complaint"),
    [
        (square(8, 1), square(9, 1), "shape"),
        (np.zeros((2, 2, 3), dtype=np.uint8), np.zeros((2, 2, 3), dtype=np.uint8), "shape"),
        (square(8, 1), square(8, 1, 2), "other values"),
        (square(8, 1), np.full((8, 8), 255, dtype=np.uint8), "void"),
        (square(8, 1).astype(np.int64), square(8, 1), "int64"),
        (square(8, 1).astype(bool), square(8, 1), "bool"),
        (np.full((8, 8), 1.01), square(8, 1), r"\[0, 1\]"),
        (np.full((8, 8), -0.01), square(8, 1), r"\[0, 1\]"),
        (np.full((8, 8), np.nan), square(8, 1), "NaN"),
    ],
)
def test_unusable_maps(prediction: npt.NDArray[np.uint8], truth: LabelMap, complaint: str) -> None:
    with pytest.raises(MaskError, match=complaint):
        SaliencyScorer().update(prediction, truth)


def test_unusable_calls() -> None:
    with pytest.raises(MaskError, match="no image"):
        SaliencyScorer().result()
    with pytest.raises(ConfigError, match="'skip' or 'zero'"):
        SaliencyScorer(empty_truth="one")  # type: ignore[arg-type]
