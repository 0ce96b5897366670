"""Proposals matched to objects, against all possible matchings and the reference scores."""

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos_core.errors import MaskError
from vos_core.metrics import (
    DAVIS2017_UNSUPERVISED,
    ProposalScorer,
    Protocol,
    SequenceResult,
    SequenceScorer,
    collect_scores,
    contour_accuracy,
    jaccard,
    make_scorer,
)

GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "golden" / "metrics"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no reference scores at {GOLDEN}")

LabelMaps = npt.NDArray[np.uint8]  # (T, H, W)


def squares(*boxes: tuple[int, int, int], frames: int = 4) -> LabelMaps:
    """Return still label maps with a 10 px square per (id, top, left)."""
    label_maps = np.zeros((frames, 40, 60), dtype=np.uint8)
    for label, top, left in boxes:
        label_maps[:, top : top + 10, left : left + 10] = label
    return label_maps


def score(
    prediction: LabelMaps, truth: LabelMaps, rules: Protocol = DAVIS2017_UNSUPERVISED
) -> SequenceResult:
    scorer = make_scorer(rules, "clip", len(truth))
    for index, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        scorer.update(index, predicted, true)
    return scorer.result()


def proposals(result: SequenceResult) -> dict[int, int | None]:
    return {i: scores["proposal"] for i, scores in result.objects.items()}


def agreement(result: SequenceResult) -> float:
    return sum(s["J"]["mean"] + s["F"]["mean"] for s in result.objects.values())


@needs_golden
def test_equals_reference_scores() -> None:
    reference = json.loads((GOLDEN / "reference_scores.json").read_text())["multi_unsup"]
    folder, results = GOLDEN / "multi_unsup", []
    for sequence in sorted((folder / "gt").iterdir()):
        frames = sorted(sequence.iterdir())
        scorer = ProposalScorer(DAVIS2017_UNSUPERVISED, sequence.name, len(frames))
        for index, path in enumerate(frames):
            predicted = folder / "pred" / sequence.name / path.name
            scorer.update(index, np.asarray(Image.open(predicted)), np.asarray(Image.open(path)))
        results.append(scorer.result())
    scores = collect_scores(DAVIS2017_UNSUPERVISED, results)
    for metric in ("J", "F", "J&F_mean"):
        want = reference["global"][metric]
        assert scores["global"][metric] == pytest.approx(want, abs=1e-12, rel=0)
    # the official rows of a sequence are in the order of the proposals
    matched = [sorted(r.objects.values(), key=lambda s: s["proposal"] or 0) for r in results]
    rows = {
        f"{result.sequence}_{row}": found
        for result, each in zip(results, matched, strict=True)
        for row, found in enumerate(each, start=1)
    }
    assert rows.keys() == reference["per_object"].keys()
    for name, want in reference["per_object"].items():
        for key in ("J", "F", "J_frames", "F_frames"):
            assert rows[name][key] == pytest.approx(want[key], abs=1e-12, rel=0)
    # two proposals are swapped, and motorbike has a fourth one
    assert proposals(results[0]) == {1: 1, 2: 3, 3: 2}
    assert proposals(results[2]) == {1: 2, 2: 1}


@st.composite
def sequences(draw: st.DrawFn, objects: int = 3, most: int = 4) -> tuple[LabelMaps, LabelMaps]:
    """Return prediction and truth of blocks that flicker; every object is in the first frame."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames, n, p = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, objects)),
        draw(st.integers(0, most)),
    )
    labels = [*range(n + 1), 255]
    small = rng.choice(np.array(labels, dtype=np.uint8), size=(frames, 4, 5))
    small[0, 0, 1 : n + 1] = range(1, n + 1)
    predicted = rng.integers(0, p + 1, size=small.shape).astype(np.uint8)
    # partly right, by a numbering of its own
    own = np.zeros(256, dtype=np.uint8)
    own[1 : min(n, p) + 1] = 1 + rng.permutation(p)[: min(n, p)]
    right = rng.random(small.shape) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    predicted[right] = own[small[right]]
    predicted[0, 3, :p] = range(1, p + 1)
    block = np.ones((1, 6, 5), dtype=np.uint8)
    return np.kron(predicted, block), np.kron(small, block)


def pair_scores(
    prediction: LabelMaps, truth: LabelMaps, proposal: int, label: int
) -> npt.NDArray[np.float64]:
    """Return (T, 2) J and F of one pair, from the definitions of J and F."""
    pairs = [(p == proposal, t == label, t == 255) for p, t in zip(prediction, truth, strict=True)]
    return np.array([(jaccard(*pair), contour_accuracy(*pair)) for pair in pairs])


@settings(max_examples=60, deadline=None)
@given(sequences())
def test_no_other_matching_is_better(sequence: tuple[LabelMaps, LabelMaps]) -> None:
    prediction, truth = sequence
    result = score(prediction, truth)
    ids = list(result.objects)
    assert ids == [int(i) for i in np.unique(truth[0]) if i not in (0, 255)]
    # ids beyond the predicted ones are the empty proposals that are left for other objects
    rows = range(1, max(int(prediction.max()), len(ids)) + 1)
    table = {(p, i): pair_scores(prediction, truth, p, i) for p in rows for i in ids}
    best = max(
        sum(table[p, i].mean(axis=0).sum() for p, i in zip(chosen, ids, strict=True))
        for chosen in permutations(rows, len(ids))
    )
    assert agreement(result) == pytest.approx(best, abs=1e-12)
    matched = [p for p in proposals(result).values() if p is not None]
    assert len(set(matched)) == len(matched)
    for i, scores in result.objects.items():
        want = table[scores["proposal"] or max(rows), i]
        if scores["proposal"] is None:
            want = pair_scores(np.zeros_like(truth), truth, 1, i)
        np.testing.assert_allclose(scores["J_frames"], want[:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(scores["F_frames"], want[:, 1], rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(sequences(), st.randoms(use_true_random=False))
def test_the_numbering_of_proposals_means_nothing(
    sequence: tuple[LabelMaps, LabelMaps], random: Random
) -> None:
    prediction, truth = sequence
    numbers = list(range(1, int(prediction.max()) + 1))
    random.shuffle(numbers)
    anew = np.array([0, *numbers], dtype=np.uint8)[prediction]
    before, after = score(prediction, truth), score(anew, truth)
    assert agreement(after) == pytest.approx(agreement(before), abs=1e-12)


def test_relabelled_proposals_give_the_same_scores() -> None:
    truth = squares((1, 2, 2), (2, 2, 30), (3, 25, 10))
    prediction = squares((1, 2, 4), (2, 3, 30), (3, 28, 10), (4, 25, 40))
    anew = np.array([0, 3, 4, 2, 1], dtype=np.uint8)[prediction]
    before, after = score(prediction, truth), score(anew, truth)
    assert proposals(before) == {1: 1, 2: 2, 3: 3}
    assert proposals(after) == {1: 3, 2: 4, 3: 2}
    for i in (1, 2, 3):
        assert {**before.objects[i], "proposal": 0} == {**after.objects[i], "proposal": 0}


@settings(max_examples=40, deadline=None)
@given(sequences(objects=1, most=1), st.booleans(), st.booleans(), st.booleans())
def test_one_proposal_and_one_object_need_no_matching(
    sequence: tuple[LabelMaps, LabelMaps], drop_first: bool, drop_last: bool, background: bool
) -> None:
    prediction, truth = sequence
    rules = Protocol("own", drop_first, drop_last, background, binary=False)
    want = score(prediction, truth, rules)
    got = score(prediction, truth, replace(rules, proposals=1))
    assert got.scored == want.scored
    for key in ("J_frames", "F_frames"):
        assert got.objects[1][key] == pytest.approx(want.objects[1][key], abs=1e-12)


def test_a_proposal_is_one_object_in_all_frames() -> None:
    truth = squares((1, 2, 2), (2, 25, 40))
    swapped = squares((2, 2, 2), (1, 25, 40))
    prediction = truth.copy()
    prediction[3] = swapped[3]
    result = score(prediction, truth)
    assert proposals(result) == {1: 1, 2: 2}
    assert result.objects[1]["J_frames"] == [1.0, 1.0, 1.0, 0.0]
    prediction[1:] = swapped[1:]
    assert proposals(score(prediction, truth)) == {1: 2, 2: 1}


def test_update_matches_the_frames_so_far() -> None:
    truth, prediction = squares((1, 2, 2), frames=3), squares((1, 2, 2), frames=3)
    prediction[1:] = squares((1, 25, 40), (7, 2, 2))[1:3]
    scorer = ProposalScorer(DAVIS2017_UNSUPERVISED, "clip", 3)
    returned = [scorer.update(t, prediction[t], truth[t]) for t in range(3)]
    # one frame each after the second frame: the first proposal is kept; the third frame decides
    assert returned == [{1: (1.0, 1.0)}, {1: (0.0, 0.0)}, {1: (1.0, 1.0)}]
    assert scorer.result().objects[1]["J_frames"] == [0.0, 1.0, 1.0]


def test_what_is_left_over() -> None:
    truth = squares((1, 2, 2), (2, 25, 40))
    truth[3][truth[3] == 2] = 0
    # too few proposals: the object without one is right where it is not there
    result = score(squares((5, 2, 2)), truth)
    assert proposals(result) == {1: 5, 2: None}
    few = score(squares((1, 2, 2)), truth)
    assert proposals(few) == {1: 1, 2: None}
    assert few.objects[2]["J_frames"] == few.objects[2]["F_frames"] == [0.0, 0.0, 0.0, 1.0]
    assert score(np.zeros_like(truth), truth).objects[1]["J"]["mean"] == 0.0
    # too many cost nothing
    many = score(squares((1, 2, 2), (2, 25, 40), (3, 25, 2), (20, 2, 40)), truth[[0, 1, 2, 2]])
    assert agreement(many) == 4.0
    assert many.extra_ids == {}


def test_a_proposal_is_matched_even_where_none_would_be_better() -> None:
    truth = squares((1, 2, 2))
    truth[1:] = 0
    lone = score(squares((1, 25, 40)), truth)
    assert proposals(lone) == {1: 1}
    assert lone.objects[1]["J_frames"] == [0.0] * 4
    # as in the official script, a lower id that is never predicted is an empty proposal
    gap = score(squares((2, 25, 40)), truth)
    assert proposals(gap) == {1: None}
    assert gap.objects[1]["J_frames"] == [0.0, 1.0, 1.0, 1.0]


def test_void_counts_for_nobody() -> None:
    truth = squares((1, 2, 2), (255, 2, 12))
    assert score(squares((3, 2, 2), (3, 2, 12)), truth).objects[1]["J_frames"] == [1.0] * 4


def test_objects_are_those_of_the_first_true_mask() -> None:
    truth = squares((1, 2, 2), (4, 25, 40))
    truth[:2][truth[:2] == 4] = 0
    result = score(truth, truth)
    assert list(result.objects) == [1]
    assert result.left_out == (4,)
    # ids that the truth skips are no objects
    assert list(score(truth[2:], truth[2:]).objects) == [1, 4]
    scorer = ProposalScorer(DAVIS2017_UNSUPERVISED, "clip", 4)
    scorer.skip(0)
    scorer.skip(1)
    for t in (2, 3):
        scorer.update(t, truth[t], truth[t])
    assert scorer.result().scored == {1: [2, 3], 4: [2, 3]}


def test_more_objects_than_proposals_may_be() -> None:
    truth = np.zeros((1, 10, 120), dtype=np.uint8)
    for i in range(1, 25):
        truth[:, 2:6, 5 * i - 4 : 5 * i - 1] = i
    prediction = np.where(truth > 20, 0, truth).astype(np.uint8)
    result = score(prediction, truth)
    assert agreement(result) == 40.0
    assert list(proposals(result).values()) == [*range(1, 21), None, None, None, None]


@pytest.mark.parametrize(("label", "named"), [(21, "21"), (255, "255")])
def test_too_many_proposals_are_refused(label: int, named: str) -> None:
    truth = squares((1, 2, 2))
    prediction = squares((1, 2, 2), (20, 25, 2))
    score(prediction, truth)
    prediction[2, 0, 0] = label
    with pytest.raises(MaskError, match=rf"'clip', frame 2: .*holds {named}; .*20 proposals"):
        score(prediction, truth)


def test_bad_input_is_named() -> None:
    truth = squares((1, 2, 2))
    scorer = make_scorer(DAVIS2017_UNSUPERVISED, "clip", 4)
    with pytest.raises(MaskError, match=r"'clip'.*frame 3, expected frame 0"):
        scorer.update(3, truth[0], truth[0])
    with pytest.raises(MaskError, match=r"frame 0: .*\(20, 60\)"):
        scorer.update(0, truth[0][:20], truth[0])
    with pytest.raises(MaskError, match="0 of 4 frames"):
        scorer.result()
    for nothing in (np.zeros_like(truth), squares((255, 2, 2))):
        with pytest.raises(MaskError, match="first true mask shows no object"):
            score(nothing * 0, nothing)


def test_protocol_chooses_the_scorer() -> None:
    assert isinstance(make_scorer(DAVIS2017_UNSUPERVISED, "clip", 1), ProposalScorer)
    own_ids = replace(DAVIS2017_UNSUPERVISED, proposals=None)
    assert isinstance(make_scorer(own_ids, "clip", 1), SequenceScorer)
