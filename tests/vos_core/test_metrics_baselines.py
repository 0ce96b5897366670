"""Oracles and copied annotations: what they paint, and that they are the same every time."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics.baselines import (
    BASELINES,
    baseline_masks,
    box_oracle,
    grabcut_oracle,
    nearest_annotation,
)
from vos_core.types import Annotation, BinaryMask, Image, LabelMap

HEIGHT, WIDTH = 40, 60


class FakeClip:
    """A gray object that moves one pixel a frame; masks are kept for some frames only."""

    def __init__(self, length: int, truth: Sequence[int], first: int = 0) -> None:
        self.name = "fake"
        self.size = (HEIGHT, WIDTH)
        self.frame_names = [f"{i:05d}" for i in range(length)]
        self.annotations = (Annotation(first, moved(first), (1,)),)
        self._truth = truth
        self.read: list[int] = []

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Image]:
        raise NotImplementedError

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        assert isinstance(which, int)
        self.read.append(which)
        return picture(moved(which))

    def ground_truth(self, index: int) -> LabelMap | None:
        if index not in self._truth:
            return None
        truth = moved(index)
        truth[0, 0] = 255
        return truth


def moved(shift: int) -> LabelMap:
    """A triangle, so that its box is not its mask."""
    truth = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    truth[10:30, 10 + shift : 30 + shift] = np.tril(np.ones((20, 20), dtype=np.uint8))
    return truth


def picture(truth: LabelMap) -> Image:
    rng = np.random.default_rng(0)
    gray = np.where(truth == 1, 200, 60)[..., None] + rng.integers(-20, 20, (*truth.shape, 3))
    return gray.astype(np.uint8)


def drawn() -> npt.NDArray[np.uint8]:
    """Draw from OpenCV's generator of this thread."""
    numbers = np.zeros((1, 8), dtype=np.uint8)
    cv2.randu(numbers, 0, 255)
    return numbers


def plain_grabcut(image: Image, truth: LabelMap, seed: int) -> LabelMap:
    cv2.setRNGSeed(seed)
    labels = np.where(box_oracle(truth) > 0, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(image, labels, None, models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
    return labels


def test_box_oracle_fills_tight_boxes() -> None:
    truth = np.zeros((6, 8), dtype=np.uint8)
    truth[1, 1] = truth[4, 6] = 2  # a box of 4 x 6
    truth[2, 3] = truth[3, 4] = 5  # inside of it, 2 x 2
    truth[0, 7] = 1
    truth[5, :] = 255

    expected = np.zeros_like(truth)
    expected[1:5, 1:7] = 2
    expected[2:4, 3:5] = 5
    expected[0, 7] = 1
    assert (box_oracle(truth) == expected).all()


def test_box_oracle_puts_the_smaller_box_on_top_whatever_the_ids() -> None:
    truth = np.zeros((6, 8), dtype=np.uint8)
    truth[1, 1] = truth[4, 6] = 5
    truth[2, 3] = truth[3, 4] = 2

    assert (box_oracle(truth)[2:4, 3:5] == 2).all()


def test_box_oracle_of_nothing_is_background() -> None:
    assert not box_oracle(np.full((3, 4), 255, dtype=np.uint8)).any()


def whole_masks() -> dict[int, BinaryMask]:
    """Object 2 lies on top of the right half of object 1; object 7 is out of sight."""
    masks = {i: np.zeros((HEIGHT, WIDTH), dtype=bool) for i in (1, 2, 7)}
    masks[1][10:20, 10:30] = True
    masks[2][10:20, 20:30] = masks[2][5:35, 20:50] = True
    return masks


def test_boxes_of_overlapping_objects_are_of_the_whole_masks() -> None:
    masks = whole_masks()
    expected = np.where(masks[1], 1, np.where(masks[2], 2, 0))  # the smaller box is on top

    assert (box_oracle(masks) == expected).all()
    assert box_oracle(masks).dtype == np.uint8
    # of the flattened truth object 1 is cut in half
    assert (box_oracle(np.where(masks[2], 2, masks[1]).astype(np.uint8)) == 1).sum() == 100


def test_grabcut_uses_the_boxes_of_whole_masks() -> None:
    masks = whole_masks()
    image = np.full((HEIGHT, WIDTH, 3), 40, dtype=np.uint8)
    image[masks[2]] = (30, 30, 200)
    image[masks[1]] = (200, 30, 30)

    assert (grabcut_oracle(image, masks) == box_oracle(masks)).all()


def test_whole_masks_need_one_size() -> None:
    mask = np.ones((3, 4), dtype=bool)
    with pytest.raises(MaskError, match=r"one size, not \[\(3, 4\), \(4, 3\)\]"):
        box_oracle({1: mask, 2: mask.T})
    with pytest.raises(MaskError, match="one size, not none"):
        box_oracle({})


def test_oracles_know_the_truth_that_they_are_told() -> None:
    clip = FakeClip(3, truth=())
    told = {1: whole_masks()}.get

    boxes = list(baseline_masks("box_oracle", clip, truth=told))
    cuts = list(baseline_masks("grabcut_oracle", clip, truth=told))

    assert (
        [mask is None for mask in boxes] == [mask is None for mask in cuts] == [True, False, True]
    )
    assert boxes[1] is not None
    assert (boxes[1] == box_oracle(whole_masks())).all()
    assert cuts[1] is not None
    assert (cuts[1] == grabcut_oracle(picture(moved(1)), whole_masks())).all()


def test_grabcut_finds_what_differs_from_its_surroundings() -> None:
    truth = moved(0)

    prediction = grabcut_oracle(picture(truth), truth)

    assert (prediction != truth).sum() < 10
    assert (box_oracle(truth) != truth).sum() == 190  # half of the box, but for the diagonal


def test_grabcut_does_not_depend_on_opencvs_generator_nor_touch_it() -> None:
    truth, image = moved(0), picture(moved(0))
    image[::3] //= 2
    cv2.setRNGSeed(1)
    untouched = [drawn(), drawn()]

    cv2.setRNGSeed(1)
    before = drawn()
    first = grabcut_oracle(image, truth)
    after = drawn()
    others = []
    for seed in range(5):
        cv2.setRNGSeed(seed)
        others.append(grabcut_oracle(image, truth))

    assert (np.stack([before, after]) == np.stack(untouched)).all()
    assert all((other == first).all() for other in others)
    # a plain call does depend on it, or this test would prove nothing
    assert len({plain_grabcut(image, truth, seed).tobytes() for seed in range(5)}) > 1


def test_grabcut_of_an_object_does_not_depend_on_the_others() -> None:
    truth, image = moved(0), picture(moved(0))
    image[::3] //= 2
    both = truth.copy()
    both[2:38, 35:55] = 2  # larger, so that it is cut out first

    alone, together = grabcut_oracle(image, truth), grabcut_oracle(image, both)

    assert ((together == 1) == (alone == 1)).all()


def test_grabcut_of_overlapping_boxes_gives_the_smaller_one_its_pixels() -> None:
    truth = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    truth[5:35, 10:50] = 1
    truth[15:25, 20:30] = 3
    image = np.full((HEIGHT, WIDTH, 3), 40, dtype=np.uint8)
    image[truth == 1] = (200, 30, 30)
    image[truth == 3] = (30, 30, 200)

    assert (grabcut_oracle(image, truth) == truth).all()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(None), slice(None)),
        (slice(7, 8), slice(9, 10)),
        (slice(0, 1), slice(None)),
        (slice(0, HEIGHT), slice(0, WIDTH - 1)),
    ],
    ids=["frame", "pixel", "row", "all but a column"],
)
def test_grabcut_fills_boxes_in_which_nothing_can_be_found(rows: slice, columns: slice) -> None:
    """The image has one colour, so that nothing in the box differs from what is outside."""
    truth = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    truth[rows, columns] = 4
    image = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)

    assert (grabcut_oracle(image, truth) == truth).all()


def test_grabcut_refuses_a_frame_of_another_size() -> None:
    with pytest.raises(MaskError, match=r"\(10, 10\).*\(40, 60\)"):
        grabcut_oracle(np.zeros((10, 10, 3), dtype=np.uint8), moved(0))


def test_nearest_annotation_takes_the_earlier_of_two() -> None:
    assert nearest_annotation(9, [0, 4, 8]) == [0, 0, 0, 4, 4, 4, 4, 8, 8]
    assert nearest_annotation(5, [3, 1]) == [1, 1, 1, 3, 3]
    assert nearest_annotation(3, [2]) == [2, 2, 2]


@given(st.data())
def test_nearest_annotation_is_nearest(data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 30))
    annotated = data.draw(st.lists(st.integers(0, length - 1), min_size=1))

    chosen = nearest_annotation(length, annotated)

    assert len(chosen) == length
    for frame, source in enumerate(chosen):
        distance = abs(frame - source)
        assert source in annotated
        assert all(abs(frame - other) >= distance for other in annotated)
        assert all(abs(frame - other) > distance for other in annotated if other < source)


@pytest.mark.parametrize("annotated", [[], [3], [-1]])
def test_nearest_annotation_needs_frames_of_the_clip(annotated: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"at least one of 0\.\.2"):
        nearest_annotation(3, annotated)


def test_first_mask_is_copied() -> None:
    masks = list(baseline_masks("nearest_annotation", FakeClip(4, truth=range(4))))

    assert len(masks) == 4
    assert all(mask is not None and (mask == moved(0)).all() for mask in masks)


def test_every_third_annotation_is_copied_without_void() -> None:
    masks = list(baseline_masks("nearest_annotation", FakeClip(8, truth=range(8)), every=3))

    for mask, source in zip(masks, [0, 0, 3, 3, 3, 6, 6, 6], strict=True):
        assert mask is not None
        assert (mask == moved(source)).all()


def test_frames_without_truth_are_not_annotated() -> None:
    """The first annotation is given even where it is no truth, and lies behind the start."""
    clip = FakeClip(10, truth=(5, 8), first=2)

    masks = list(baseline_masks("nearest_annotation", clip, every=3))

    for mask, source in zip(masks, [2, 2, 2, 2, 5, 5, 5, 8, 8, 8], strict=True):
        assert mask is not None
        assert (mask == moved(source)).all()


def test_oracles_need_truth_and_read_no_other_frame() -> None:
    clip = FakeClip(4, truth=(0, 2))

    boxes = list(baseline_masks("box_oracle", clip))
    assert clip.read == []
    cuts = list(baseline_masks("grabcut_oracle", clip))
    assert clip.read == [0, 2]

    assert [mask is None for mask in boxes] == [mask is None for mask in cuts]
    assert [mask is None for mask in boxes] == [False, True, False, True]
    assert boxes[2] is not None
    assert (boxes[2] == box_oracle(moved(2))).all()
    assert cuts[2] is not None
    assert (cuts[2] == grabcut_oracle(picture(moved(2)), moved(2))).all()


def test_masks_are_computed_as_they_are_drawn() -> None:
    clip = FakeClip(4, truth=range(4))

    next(baseline_masks("grabcut_oracle", clip))

    assert clip.read == [0]


def test_wrong_requests_are_refused_at_once() -> None:
    clip = FakeClip(4, truth=range(4))
    with pytest.raises(ConfigError, match="Did you mean 'box_oracle'"):
        baseline_masks("box_oracel", clip)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="choose 1 or more"):
        baseline_masks("nearest_annotation", clip, every=0)
    with pytest.raises(ConfigError, match="leave out every=5"):
        baseline_masks("box_oracle", clip, every=5)
    assert BASELINES == ("box_oracle", "grabcut_oracle", "nearest_annotation")
