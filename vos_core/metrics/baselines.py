"""What methods are compared with: oracles that know each object's box, and copied annotations.

The box and GrabCut oracles are rows of table 2 of MaskTrack (Khoreva et al., CVPR 2017, section
5.3), copies of the nearest annotation the baseline of its figure 4 (section 5.4). The paper does
not say how many iterations GrabCut (Rother et al., SIGGRAPH 2004) runs; five are ours.

Baselines predict label maps, one id a pixel, also where the truth gives overlapping objects whole:
an oracle's boxes are then tight around the whole masks, the object with the smaller box on top;
copies are of the label map that a method is given, which says itself what is on top.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Literal, get_args

import cv2
import numpy as np

from vos_core.errors import ConfigError, MaskError, nearest
from vos_core.metrics.sequence import Truth
from vos_core.types import VOID, BinaryMask, Clip, Image, LabelMap

Baseline = Literal["box_oracle", "grabcut_oracle", "nearest_annotation"]
BASELINES: tuple[str, ...] = get_args(Baseline)

_Box = tuple[int, int, int, int]  # left, top, width, height


def baseline_masks(
    name: Baseline,
    clip: Clip,
    every: int | None = None,
    *,
    truth: Callable[[int], Truth | None] | None = None,
) -> Iterator[LabelMap | None]:
    """Return what a baseline predicts for each frame of a clip, computed as it is drawn.

    Oracles predict None for a frame without truth. Annotations are copied from the first annotated
    frame and, with ``every``, from each that lies a multiple of ``every`` frames behind it and has
    truth; void is copied as background.

    Args:
        name: One of ``BASELINES``.
        clip: The clip, with its truth.
        every: Distance of the annotated frames; None copies the first annotation alone.
        truth: What oracles know of each frame, by its index; default ``clip.ground_truth``. Give
            object id -> whole mask where objects may overlap.

    Returns:
        One (H, W) uint8 label map, or None, for each frame, in order.

    Raises:
        ConfigError: If there is no such baseline, or ``every`` is below 1 or has no meaning.
    """
    if name not in BASELINES:
        raise ConfigError(
            f"there is no baseline {name!r}.{nearest(name, BASELINES)} "
            f"Choose one of {', '.join(BASELINES)}."
        )
    if name == "nearest_annotation":
        if every is not None and every < 1:
            raise ConfigError(f"every {every}th frame cannot be annotated; choose 1 or more.")
        return _copies(clip, every)
    if every is not None:
        raise ConfigError(f"{name} sees the truth of every frame; leave out every={every}.")
    return _oracle(name, clip, truth or clip.ground_truth)


def box_oracle(truth: Truth) -> LabelMap:
    """Return each object's filled tight bounding box; the smaller of two boxes is on top.

    Args:
        truth: (H, W) uint8, of which 255 (void) is no object; or object id -> (H, W) bool whole
            mask, which may overlap.

    Returns:
        (H, W) uint8.

    Raises:
        MaskError: If whole masks differ in size, or there is none.

    Example:
        >>> box_oracle(np.array([[1, 0, 0], [1, 1, 0]], np.uint8))
        array([[1, 1, 0],
               [1, 1, 0]], dtype=uint8)
    """
    prediction = np.zeros(_size(truth), dtype=np.uint8)
    for object_id, box in _boxes(truth):
        prediction[_inside(box)] = object_id
    return prediction


def grabcut_oracle(image: Image, truth: Truth, iterations: int = 5) -> LabelMap:
    """Return what GrabCut finds in each object's tight bounding box.

    Where two objects claim a pixel it goes to the one with the smaller box. A box in which GrabCut
    finds nothing, or outside of which there is nothing to tell it from, is filled.

    The whole frame outside of the box is background to learn from: a part of it would be faster
    but gives other masks. GrabCut draws its first clusters at random from OpenCV's generator, of
    which every thread has its own; it runs in a thread of its own with a fixed seed, so the result
    depends on the arguments alone and the caller's generator stays as it is.

    Args:
        image: (H, W, 3) uint8 RGB.
        truth: As for :func:`box_oracle`; of each object only the box is used.
        iterations: How often colour models and masks are improved.

    Returns:
        (H, W) uint8.

    Raises:
        MaskError: If image and truth differ in size, or see :func:`box_oracle`.

    Example:
        >>> truth = np.zeros((20, 20), np.uint8)
        >>> truth[5:15, 5:10] = 1
        >>> truth[5:10, 5:15] = 1
        >>> image = np.repeat(truth[..., None] * np.uint8(200), 3, axis=2)
        >>> bool((grabcut_oracle(image, truth) == truth).all())
        True
    """
    size = _size(truth)
    if image.shape[:2] != size:
        raise MaskError(
            f"the frame has size {image.shape[:2]}, its truth {size}; use the native size"
        )
    prediction = np.zeros(size, dtype=np.uint8)
    with ThreadPoolExecutor(max_workers=1) as pool:
        for object_id, box in _boxes(truth):
            prediction[pool.submit(_grab_cut, image, box, iterations).result()] = object_id
    return prediction


def nearest_annotation(length: int, annotated: Sequence[int]) -> list[int]:
    """Return for each frame the annotated frame nearest in time, the earlier one of two.

    Args:
        length: Number of frames.
        annotated: Indices of the annotated frames, in any order.

    Raises:
        ConfigError: If no frame is annotated, or one that is not there.

    Example:
        >>> nearest_annotation(6, [0, 4])
        [0, 0, 0, 4, 4, 4]
    """
    if not annotated or min(annotated) < 0 or max(annotated) >= length:
        raise ConfigError(
            f"the annotated frames {list(annotated)} must be at least one of 0..{length - 1}."
        )
    return [min(annotated, key=lambda each: (abs(each - frame), each)) for frame in range(length)]


def _oracle(
    name: Baseline, clip: Clip, truth: Callable[[int], Truth | None]
) -> Iterator[LabelMap | None]:
    for index in range(len(clip.frame_names)):
        known = truth(index)
        if known is None:
            yield None
        elif name == "box_oracle":
            yield box_oracle(known)
        else:
            yield grabcut_oracle(clip.frame(index), known)


def _copies(clip: Clip, every: int | None) -> Iterator[LabelMap | None]:
    length, start = len(clip.frame_names), clip.annotations[0].frame
    wanted = range(start, length, every or length)
    annotated = [index for index in wanted if _annotation(clip, index) is not None]
    # equal neighbours are drawn from one decoded mask
    for source, frames in groupby(nearest_annotation(length, annotated)):
        label_map = _annotation(clip, source)
        for _ in frames:
            yield label_map


def _annotation(clip: Clip, index: int) -> LabelMap | None:
    """Return the mask of a frame as it would be given to a method, without void."""
    first = clip.annotations[0]
    if index == first.frame:
        return first.label_map
    truth = clip.ground_truth(index)
    return None if truth is None else np.where(truth == VOID, np.uint8(0), truth)


def _size(truth: Truth) -> tuple[int, ...]:
    """Return (height, width)."""
    if isinstance(truth, np.ndarray):
        return truth.shape
    sizes = {mask.shape for mask in truth.values()}
    if len(sizes) != 1:
        raise MaskError(f"the masks of a frame must have one size, not {sorted(sizes) or 'none'}")
    return sizes.pop()


def _boxes(truth: Truth) -> list[tuple[int, _Box]]:
    """Return the id and the tight box of each visible object, smaller boxes later."""
    if isinstance(truth, np.ndarray):
        areas = np.bincount(truth.ravel(), minlength=VOID + 1)
        truth = {int(i): truth == i for i in np.flatnonzero(areas) if i not in (0, VOID)}
    visible = {i: mask.view(np.uint8) for i, mask in truth.items() if mask.any()}
    boxes = [(i, cv2.boundingRect(mask)) for i, mask in visible.items()]
    return sorted(boxes, key=lambda each: each[1][2] * each[1][3], reverse=True)


def _inside(box: _Box) -> tuple[slice, slice]:
    left, top, width, height = box
    return slice(top, top + height), slice(left, left + width)


def _grab_cut(image: Image, box: _Box, iterations: int) -> BinaryMask:
    """Return the (H, W) bool mask of the object in a box; sets the seed of this thread."""
    labels = np.full(image.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    labels[_inside(box)] = cv2.GC_PR_FGD
    filled: BinaryMask = labels == cv2.GC_PR_FGD
    if filled.all():
        return filled
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((2, 1, 65))  # colour models that OpenCV fills
    mode = cv2.GC_INIT_WITH_MASK
    cv2.grabCut(image, labels, None, background, foreground, iterations, mode)
    found: BinaryMask = labels == cv2.GC_PR_FGD
    return found if found.any() else filled
