"""Ids that look permuted are told apart from objects that a method confuses."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from vos_core.metrics import DAVIS2016, DAVIS2017, Protocol, SequenceScorer, Swap

LabelMaps = npt.NDArray[np.uint8]  # (T, H, W)


def boxes(*ids: int, frames: int = 8, shift: int = 0) -> LabelMaps:
    """Return still label maps with a 10x10 box per id, side by side, ``shift`` columns right."""
    label_maps = np.zeros((frames, 14, 15 * len(ids)), dtype=np.uint8)
    for k, i in enumerate(ids):
        label_maps[:, 2:12, 15 * k + 2 + shift : 15 * k + 12 + shift] = i
    return label_maps


def swap(prediction: LabelMaps, truth: LabelMaps, rules: Protocol = DAVIS2017) -> Swap | None:
    scorer = SequenceScorer(rules, "clip", len(truth))
    for t, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        scorer.update(t, predicted, true)
    return scorer.result().swap


def test_swapped_pair() -> None:
    found = swap(boxes(2, 1, shift=2), boxes(1, 2))
    # two of twelve columns are shared by neither
    assert found == Swap({1: 2, 2: 1}, 0.0, pytest.approx(8 / 12))


def test_cycle_of_ids_with_gaps() -> None:
    truth, prediction = boxes(3, 7, 250), boxes(7, 250, 3)
    assert swap(prediction, truth) == Swap({3: 7, 7: 250, 250: 3}, 0.0, 1.0)


def test_only_the_swapped_ones_are_named() -> None:
    assert swap(boxes(1, 4, 3, 2), boxes(1, 2, 3, 4)) == Swap({2: 4, 4: 2}, 0.0, 1.0)


@pytest.mark.parametrize("swapped", list(combinations(range(1, 6), 2)))
def test_objects_that_are_not_predicted_are_not_named(swapped: tuple[int, int]) -> None:
    first, second = swapped
    other = {first: second, second: first}
    prediction = boxes(*(other.get(i, 0) for i in range(1, 6)))
    assert swap(prediction, boxes(1, 2, 3, 4, 5)) == Swap(other, 0.0, 1.0)


def test_late_objects() -> None:
    truth = boxes(1, 2, 3)
    truth[:3][truth[:3] == 3] = 0
    prediction = boxes(1, 3, 2)
    assert swap(prediction, truth) == Swap({2: 3, 3: 2}, 0.0, pytest.approx(1.0))


def test_confused_on_the_way() -> None:
    prediction = boxes(1, 2)
    prediction[2:] = boxes(2, 1)[2:]  # right in the first scored frame alone
    assert swap(prediction, boxes(1, 2)) is None
    prediction[1:] = boxes(2, 1)[1:]  # right in the given frame alone
    assert swap(prediction, boxes(1, 2)) is None
    prediction[0] = 0  # which need not be stored
    assert swap(prediction, boxes(1, 2)) is not None


def test_swapped_though_the_first_mask_is_missing() -> None:
    prediction = boxes(2, 1)
    prediction[1] = 0
    assert swap(prediction, boxes(1, 2)) == Swap({1: 2, 2: 1}, 0.0, pytest.approx(5 / 6))


def test_ghosts_and_lost_objects_are_no_swap() -> None:
    """Where object 2 is gone after the first frame an empty mask fits it, but tells nothing."""
    truth = boxes(1, 2)
    truth[1:][truth[1:] == 2] = 0
    ghost = boxes(0, 2)
    ghost[0] = boxes(1, 2)[0]
    assert swap(ghost, truth) is None
    # label 1 jumps to object 2 at once, and object 1 is lost: no id fits that
    assert swap(boxes(0, 1), boxes(1, 2)) is None


def merged(prediction: LabelMaps, truth: LabelMaps) -> bool:
    scorer = SequenceScorer(DAVIS2017, "clip", len(truth))
    for t, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        scorer.update(t, predicted, true)
    return scorer.result().merged


def test_objects_predicted_as_one() -> None:
    assert merged(boxes(1, 1, shift=1), boxes(1, 2))
    assert merged(boxes(7, 7), boxes(1, 2))


def test_other_predictions_are_not_merged() -> None:
    truth = boxes(1, 2)
    assert not merged(boxes(1, 2), truth)
    assert not merged(boxes(1, 0), truth)  # one object is lost
    assert not merged(np.zeros_like(truth), truth)
    assert not merged(boxes(1, 1), boxes(1, 0))
    now_and_then = boxes(1, 1)
    now_and_then[4] = truth[4]
    assert not merged(now_and_then, truth)
    # one id on all of object 1 and a bit of object 2: J of both rises by 0.05
    bit = boxes(1, 0)
    bit[:, 2:12, 17:18] = 1
    assert not merged(bit, truth)


@pytest.mark.parametrize(("wrong", "named"), [(1, False), (5, False), (6, False), (7, True)])
def test_swapped_at_first_and_right_later(wrong: int, named: bool) -> None:
    """Of eleven scored frames so many are swapped; with six J is 5/11 and would be 6/11."""
    truth, prediction = boxes(1, 2, frames=13), boxes(1, 2, frames=13)
    prediction[: wrong + 1] = boxes(2, 1)[0]
    assert (swap(prediction, truth) is not None) is named


@pytest.mark.parametrize("ids", [(1,), (1, 2), (5, 9, 11)])
def test_right_ids(ids: tuple[int, ...]) -> None:
    truth = boxes(*ids)
    for prediction in (truth, boxes(*ids, shift=2), np.zeros_like(truth)):
        assert swap(prediction, truth) is None


def test_single_object() -> None:
    assert swap(boxes(4), boxes(1)) is None
    assert swap(boxes(2, 1), boxes(1, 2), DAVIS2016) is None


def test_no_scored_frame() -> None:
    assert swap(boxes(2, 1, frames=2), boxes(1, 2, frames=2)) is None


def test_one_id_on_both_objects() -> None:
    # object 1 fits id 2 better than its own, but then nothing is left for object 2
    prediction = boxes(2, 2)
    prediction[:, 2:5, 2:5] = 1
    assert swap(prediction, boxes(1, 2)) is None


@pytest.mark.parametrize(("pixels", "expected"), [(48, None), (40, {1: 2, 2: 1})])
def test_small_gain_is_chance(pixels: int, expected: dict[int, int] | None) -> None:
    """J is 48 / 152 as predicted and 52 / 148 with the other ids, or 40 / 160 and 60 / 140."""
    truth, prediction = boxes(1, 2), boxes(2, 1)
    for i in (1, 2):
        ys, xs = np.nonzero(truth[0] == i)
        prediction[:, ys[:pixels], xs[:pixels]] = i
    found = swap(prediction, truth)
    assert (found and found.ids) == expected
    if found:
        assert (found.jaccard, found.swapped_jaccard) == pytest.approx((40 / 160, 60 / 140))
