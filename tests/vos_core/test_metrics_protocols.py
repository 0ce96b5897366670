"""The numbers of each named protocol on small examples, worked out by hand."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from vos_core.errors import MaskError
from vos_core.metrics import (
    DAVIS2016,
    DAVIS2017,
    DAVIS2017_UNSUPERVISED,
    PROTOCOLS,
    SEGTRACK_V2,
    YOUTUBE_OBJECTS,
    YOUTUBE_VOS,
    Average,
    Protocol,
    SequenceResult,
    Truth,
    collect_scores,
    headline_number,
    make_scorer,
    protocol,
)
from vos_core.metrics.sequence import object_scores

LabelMaps = npt.NDArray[np.uint8]  # (T, H, W)
MASKTRACK_DAVIS2016 = PROTOCOLS["masktrack_davis2016"]
MASKTRACK_YOUTUBE_OBJECTS = PROTOCOLS["masktrack_youtube_objects"]
MASKTRACK_SEGTRACK_V2 = PROTOCOLS["masktrack_segtrack_v2"]


def squares(*boxes: tuple[int, int, int], frames: int = 6) -> LabelMaps:
    """Return still label maps with a 10 px square per (id, top, left)."""
    label_maps = np.zeros((frames, 40, 60), dtype=np.uint8)
    for object_id, top, left in boxes:
        label_maps[:, top : top + 10, left : left + 10] = object_id
    return label_maps


def score(
    rules: Protocol, prediction: LabelMaps, truth: LabelMaps | list[Truth], name: str = "clip"
) -> SequenceResult:
    scorer = make_scorer(rules, name, len(truth))
    for index, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        scorer.update(index, predicted, true)
    return scorer.result()


def made_up(sequence: str, objects: Mapping[int, float], f: float = 0.5) -> SequenceResult:
    """Return a sequence of four scored frames with the given mean J of each object."""
    return SequenceResult(
        sequence=sequence,
        frames=6,
        objects={i: object_scores([j] * 4, [f] * 4) for i, j in objects.items()},
        scored={i: [1, 2, 3, 4] for i in objects},
        extra_ids={},
    )


# Objects 1 and 3; 3 comes in frame 2. Protocols of one object take both as one.
SCORED = {
    "davis2016": {1: [1, 2, 3, 4]},
    "davis2017": {1: [1, 2, 3, 4], 3: [3, 4]},
    "davis2017_unsupervised": {1: [0, 1, 2, 3, 4, 5]},
    "youtube_vos": {1: [1, 2, 3, 4, 5], 3: [3, 4, 5]},
    "segtrack_v2": {1: [1, 2, 3, 4, 5], 3: [3, 4, 5]},
    "youtube_objects": {1: [1, 2, 3, 4, 5]},
    "masktrack_davis2016": {1: [1, 2, 3, 4]},
    "masktrack_youtube_objects": {1: [1, 2, 3, 4, 5]},
    "masktrack_segtrack_v2": {1: [1, 2, 3, 4, 5], 3: [3, 4, 5]},
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_which_frames_count(name: str) -> None:
    truth = squares((1, 5, 5), (3, 20, 20))
    truth[:2][truth[:2] == 3] = 0
    result = score(protocol(name), truth, truth)
    assert result.scored == SCORED[name]
    assert all(
        scores["J_frames"] == [1.0] * len(result.scored[i]) for i, scores in result.objects.items()
    )
    assert result.left_out == ((3,) if name == "davis2017_unsupervised" else ())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_void(name: str) -> None:
    """Half of the prediction lies on void: wrong where it is background, else of no account."""
    truth, prediction = squares((1, 5, 5), (255, 5, 15)), squares((1, 5, 5), (1, 5, 15))
    scores = score(protocol(name), prediction, truth).objects[1]
    counts_against = name in ("davis2016", "davis2017", "masktrack_davis2016")
    assert scores["J"]["mean"] == pytest.approx(0.5 if counts_against else 1.0)
    assert (scores["F"]["mean"] == 1.0) is not counts_against


@pytest.mark.parametrize("name", PROTOCOLS)
def test_labels_or_one_object(name: str) -> None:
    """All labels are swapped and so wrong, but where all are one object or of no meaning."""
    truth, prediction = squares((1, 5, 5), (2, 20, 20)), squares((2, 5, 5), (1, 20, 20))
    result = score(protocol(name), prediction, truth)
    one = name in (
        "davis2016",
        "youtube_objects",
        "masktrack_davis2016",
        "masktrack_youtube_objects",
    )
    assert list(result.objects) == ([1] if one else [1, 2])
    right = one or name == "davis2017_unsupervised"
    assert all(scores["J"]["mean"] == right for scores in result.objects.values())


def test_youtube_vos_g_is_the_mean_of_four_numbers() -> None:
    results = [
        made_up("a", {1: 0.9, 2: 0.7}, f=0.8),
        made_up("b", {1: 0.2, 5: 0.5}, f=0.1),
    ]
    seen = {"a": {1: "seen", 2: "seen"}, "b": {1: "unseen", 5: "seen"}}
    scores = collect_scores(YOUTUBE_VOS, results, seen)
    j_seen, j_unseen = (0.9 + 0.7 + 0.5) / 3, 0.2
    f_seen, f_unseen = (0.8 + 0.8 + 0.1) / 3, 0.1
    for name, j, f in (("seen", j_seen, f_seen), ("unseen", j_unseen, f_unseen)):
        assert scores["per_category"][name]["J"]["mean"] == pytest.approx(j)
        assert scores["per_category"][name]["F"]["mean"] == pytest.approx(f)
        assert scores["per_category"][name]["J&F_mean"] == pytest.approx((j + f) / 2)
    g = (j_seen + j_unseen + f_seen + f_unseen) / 4
    assert headline_number(scores) == scores["global"]["J&F_mean"] == pytest.approx(g)
    plain = scores["averages"]["object"]
    assert plain["J"]["mean"] == pytest.approx((0.9 + 0.7 + 0.2 + 0.5) / 4)
    assert (scores["averages"]["category"]["units"], plain["units"]) == (2, 4)


def test_youtube_vos_without_unseen_objects() -> None:
    """An object without a scored frame takes no part, nor does a category of such alone."""
    late = SequenceResult("b", 6, {1: object_scores([], [])}, {1: []}, {})
    categories = {"a": {1: "seen"}, "b": {1: "unseen"}}
    scores = collect_scores(YOUTUBE_VOS, [made_up("a", {1: 0.5}), late], categories)
    assert headline_number(scores) == 0.5
    assert scores["averages"]["category"]["units"] == 1
    assert scores["rule"].startswith("mean over 1 category, each the mean over its objects, ")


@pytest.mark.parametrize("rules", [SEGTRACK_V2, MASKTRACK_SEGTRACK_V2])
def test_segtrack_averages_differ(rules: Protocol) -> None:
    results = [made_up("birdfall", {1: 1.0}), made_up("penguin", {1: 0.1, 2: 0.3, 3: 0.2})]
    scores = collect_scores(rules, results)
    by_object, by_sequence = scores["averages"]["object"], scores["averages"]["sequence"]
    assert by_object["J"]["mean"] == pytest.approx((1.0 + 0.1 + 0.3 + 0.2) / 4)
    assert by_sequence["J"]["mean"] == pytest.approx((1.0 + 0.2) / 2)
    assert (by_object["units"], by_sequence["units"]) == (4, 2)
    assert headline_number(scores) == by_object["J"]["mean"]
    assert by_object["rule"].startswith("mean over 4 objects, ")
    assert by_sequence["rule"].startswith("mean over 2 sequences, ")


@pytest.mark.parametrize("rules", [YOUTUBE_OBJECTS, MASKTRACK_YOUTUBE_OBJECTS])
def test_youtube_objects_balanced_and_plain(rules: Protocol) -> None:
    numbers = {"cat1": 0.9, "cat2": 0.6, "cat3": 0.9, "train1": 0.2}
    results = [made_up(name, {1: j}) for name, j in numbers.items()]
    categories = {name: {1: name[:-1]} for name in numbers}
    scores = collect_scores(rules, results, categories)
    balanced, plain = (0.8 + 0.2) / 2, (0.9 + 0.6 + 0.9 + 0.2) / 4
    assert scores["averages"]["category"]["J"]["mean"] == pytest.approx(balanced)
    assert scores["averages"]["sequence"]["J"]["mean"] == pytest.approx(plain)
    assert headline_number(scores) == pytest.approx(balanced if rules is YOUTUBE_OBJECTS else plain)
    with pytest.raises(MaskError, match=r"'train1'.*category of object 1 is unknown"):
        collect_scores(rules, results, {**categories, "train1": {}})


def test_masktrack_davis2016() -> None:
    results = [made_up("a", {1: 1.0}), made_up("b", {1: 0.5}), made_up("c", {1: 0.0})]
    scores = collect_scores(MASKTRACK_DAVIS2016, results)
    assert headline_number(scores) == scores["averages"]["sequence"]["J"]["mean"] == 0.5
    assert list(scores["averages"]) == ["sequence"]
    assert scores["per_category"] == {}


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name.startswith("masktrack")])
def test_quantiles_are_over_all_frames(name: str) -> None:
    rng = np.random.default_rng(0)
    frames = {"a": rng.random(13).tolist(), "b": rng.random(4).tolist()}
    results = [
        SequenceResult(s, 15, {1: object_scores(j, j)}, {1: list(range(len(j)))}, {})
        for s, j in frames.items()
    ]
    scores = collect_scores(protocol(name), results, {"a": {1: "x"}, "b": {1: "y"}})
    assert list(map(int, scores["quantiles"])) == [5, 10, 20, 30, 70, 80, 90, 95]
    for percentage, value in scores["quantiles"].items():
        want = np.quantile(frames["a"] + frames["b"], int(percentage) / 100)
        assert value == pytest.approx(want, abs=1e-12)


def test_davis_has_no_quantiles() -> None:
    assert collect_scores(DAVIS2017, [made_up("a", {1: 0.5})])["quantiles"] == {}


def overlapping(*, with_second: bool) -> Truth:
    """Two 10x10 squares that share a 10x5 strip."""
    masks = {i: np.zeros((40, 60), dtype=np.bool_) for i in ((1, 2) if with_second else (1,))}
    masks[1][5:15, 5:15] = True
    if with_second:
        masks[2][5:15, 10:20] = True
    return masks


def test_overlapping_truth() -> None:
    """A label map cannot show the strip twice, so one of the two objects loses it."""
    truth = [overlapping(with_second=True)] * 3 + [overlapping(with_second=False), {}]
    prediction = squares((1, 5, 5), (2, 5, 10), frames=5)
    result = score(SEGTRACK_V2, prediction, truth)
    assert result.objects[1]["J_frames"] == [0.5, 0.5, 0.5, 0.0]
    assert result.objects[2]["J_frames"] == [1.0, 1.0, 0.0, 0.0]
    assert result.objects[1]["F_frames"][-1] == 0.0
    assert result.objects[2]["F_frames"][:2] == [1.0, 1.0]
    empty = score(SEGTRACK_V2, np.zeros_like(prediction), truth)
    assert empty.objects[2]["J_frames"] == [0.0, 0.0, 1.0, 1.0]
    one = score(YOUTUBE_OBJECTS, prediction, truth)
    assert one.objects[1]["J_frames"] == pytest.approx([1.0, 1.0, 100 / 150, 0.0])
    with pytest.raises(MaskError, match="'clip': true objects overlap"):
        score(DAVIS2017_UNSUPERVISED, prediction, truth)


def test_one_of_the_overlapping_masks_has_another_size() -> None:
    truth = {1: np.ones((40, 60), dtype=np.bool_), 2: np.ones((40, 50), dtype=np.bool_)}
    with pytest.raises(MaskError, match=r"frame 0: .*\(40, 60\), the truth \(40, 50\)"):
        score(SEGTRACK_V2, squares(frames=1), [truth])


@pytest.mark.parametrize(
    ("rules", "average", "units", "words"),
    [
        (
            DAVIS2017,
            "object",
            61,
            "mean over 61 objects, frames 1..T-2, void as background",
        ),
        (
            DAVIS2016,
            "object",
            1,
            "mean over 1 object, frames 1..T-2, void as background, all labels as one object",
        ),
        (
            DAVIS2017_UNSUPERVISED,
            "object",
            66,
            "mean over 66 objects, one proposal for each, frames 0..T-1, void left out",
        ),
        (
            YOUTUBE_VOS,
            "category",
            2,
            "mean over 2 categories, each the mean over its objects, frames after each object's "
            "first, void left out",
        ),
        (
            SEGTRACK_V2,
            "sequence",
            14,
            "mean over 14 sequences, each the mean over its objects, frames after each object's "
            "first, void left out",
        ),
        (
            Protocol("own", True, False, True, False, wrap_decay=True),
            "object",
            2,
            "mean over 2 objects, frames after each object's first, void as background, "
            "decay wraps at 256 frames",
        ),
    ],
)
def test_rule_in_words(rules: Protocol, average: Average, units: int, words: str) -> None:
    assert rules.rule(average, units) == words


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_number_says_its_rule(name: str) -> None:
    rules = protocol(name)
    scores = collect_scores(rules, [made_up("a", {1: 0.5}, f=0.1)], {"a": {1: "cat"}})
    assert scores["protocol"] == rules.name == name
    assert tuple(scores["averages"]) == rules.averages
    for average, numbers in scores["averages"].items():
        assert numbers["rule"] == rules.rule(average, 1)
    assert scores["rule"] == scores["averages"][rules.averages[0]]["rule"]
    by_j = name.startswith(("segtrack", "youtube_objects", "masktrack"))
    assert headline_number(scores) == pytest.approx(0.5 if by_j else 0.3)
