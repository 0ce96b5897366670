"""Saliency of still images: mean absolute error and F-beta (Achanta et al., CVPR 2009).

A saliency map says of each pixel how likely it belongs to what stands out. It has 256 levels;
level k is the saliency k / 255, and a threshold selects the pixels **at or above** it. Void pixels
are left out of every number. All of an image's scores follow from how often each level occurs
over its background and over its object, so images are counted first and scored from the counts.

The edges, where published scripts differ:

* nothing selected: precision is 0;
* no object in the truth: recall is 0, and so are precision and F; by default such images take no
  part in precision, recall and F, and count in the error and in the Jaccard index alone;
* an empty map: its adaptive threshold is 0, so that every pixel is selected, as the definition
  has it;
* threshold 0 selects every pixel of every map, so even perfect maps have a mean F just below 1.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vos_core.errors import ConfigError, MaskError
from vos_core.types import VOID, LabelMap

LEVELS = 256
BETA_SQUARED = 0.3
"""Weight of recall in F; below 1, precision counts more."""

LevelCounts = npt.NDArray[np.int64]  # (2, 256), of background and of object
_Floats = npt.NDArray[np.float64]


def level_counts(prediction: LabelMap | npt.NDArray[np.floating], truth: LabelMap) -> LevelCounts:
    """Count the pixels of each level of a map, over the background and over the object.

    Args:
        prediction: (H, W) saliency: uint8 levels, or floats in [0, 1], which are rounded to the
            nearest level as if they were stored.
        truth: (H, W); 0 background, 1 object, 255 void.

    Returns:
        (2, 256) int64; row 0 counts background pixels, row 1 those of the object.

    Raises:
        MaskError: If the sizes differ, a value is out of its range, or all of the truth is void.

    Example:
        >>> truth = np.array([[0, 1, 255]], dtype=np.uint8)
        >>> counts = level_counts(np.array([[0.0, 1.0, 1.0]]), truth)
        >>> [(int(row), int(level)) for row, level in np.argwhere(counts)]
        [(0, 0), (1, 255)]
    """
    if prediction.ndim != 2 or prediction.shape != truth.shape:
        raise MaskError(
            f"the saliency map has shape {prediction.shape}, the truth {truth.shape}; "
            "both must be (H, W) of one size"
        )
    levels = _levels(prediction)
    background, foreground = truth == 0, truth == 1
    counts = np.stack(
        [np.bincount(levels[chosen], minlength=LEVELS) for chosen in (background, foreground)]
    ).astype(np.int64)
    if counts.sum() + np.count_nonzero(truth == VOID) != truth.size:
        raise MaskError("the truth holds other values than 0, 1 and 255 (void); merge its objects")
    if not counts.any():
        raise MaskError("all of the truth is void or it has no pixel; there is nothing to score")
    return counts


def mean_absolute_error(counts: LevelCounts) -> float:
    """Return the mean difference between a map in [0, 1] and its truth, in [0, 1]; 0 is best.

    Args:
        counts: What :func:`level_counts` returned for one image.

    Example:
        >>> truth = np.array([[0, 0, 0, 1]], dtype=np.uint8)
        >>> mean_absolute_error(level_counts(np.array([[0, 0, 255, 255]], dtype=np.uint8), truth))
        0.25
    """
    levels = np.arange(LEVELS)
    wrong = int(counts[0] @ levels + counts[1] @ levels[::-1])
    return wrong / (LEVELS - 1) / int(counts.sum())


def precision_recall(counts: LevelCounts) -> tuple[_Floats, _Floats]:
    """Return precision and recall of one image at each threshold.

    Args:
        counts: What :func:`level_counts` returned for one image.

    Returns:
        Two (256,) float64 in [0, 1], at the thresholds 0/255, 1/255, ..., 255/255. Precision is 0
        where nothing is selected, recall is 0 where the truth has no object.

    Example:
        >>> truth = np.array([[0, 0, 0, 1]], dtype=np.uint8)
        >>> p, r = precision_recall(level_counts(np.array([[0, 0, 9, 9]], dtype=np.uint8), truth))
        >>> [(float(p[k]), float(r[k])) for k in (0, 9, 10)]
        [(0.25, 1.0), (0.5, 1.0), (0.0, 0.0)]
    """
    false, true = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    precision = true / np.maximum(true + false, 1)
    recall = true / max(int(true[0]), 1)
    return precision, recall


def f_measure(precision: _Floats, recall: _Floats) -> _Floats:
    """Return F-beta, the weighted harmonic mean of precision and recall, with beta squared 0.3.

    Args:
        precision: (...) float in [0, 1].
        recall: (...) float in [0, 1].

    Returns:
        (...) float64 in [0, 1]; 0 where both are 0.

    Example:
        >>> f_measure(np.array([1.0, 0.5, 0.0]), np.array([1.0, 1.0, 0.0])).round(4).tolist()
        [1.0, 0.5652, 0.0]
    """
    weighted = BETA_SQUARED * precision + recall
    product = (1 + BETA_SQUARED) * precision * recall
    return np.divide(product, weighted, out=np.zeros_like(weighted), where=weighted != 0)


def adaptive_f_measure(counts: LevelCounts) -> float:
    """Return F-beta of one image at the threshold min(2 x mean saliency, 1), in [0, 1].

    Args:
        counts: What :func:`level_counts` returned for one image. Where the map is empty, the
            threshold is 0 and every pixel is selected.

    Example:
        >>> truth = np.array([[0, 0, 0, 1]], dtype=np.uint8)
        >>> adaptive_f_measure(level_counts(np.array([[0, 0, 90, 110]], dtype=np.uint8), truth))
        1.0
        >>> round(adaptive_f_measure(level_counts(np.zeros((1, 4), dtype=np.uint8), truth)), 4)
        0.3023
    """
    total = int(counts.sum(axis=0) @ np.arange(LEVELS))
    pixels = int(counts.sum())
    # in whole numbers: the lowest level that is at or above twice the mean
    level = min(-(-2 * total // pixels), LEVELS - 1)
    return float(f_measure(*precision_recall(counts))[level])


def jaccard_at_half(counts: LevelCounts) -> float:
    """Return intersection over union of the map at or above 0.5 and the object, in [0, 1].

    Args:
        counts: What :func:`level_counts` returned for one image.

    Returns:
        1 where both are empty.

    Example:
        >>> truth = np.array([[0, 0, 1, 1]], dtype=np.uint8)
        >>> jaccard_at_half(level_counts(np.array([[0, 127, 127, 128]], dtype=np.uint8), truth))
        0.5
    """
    false, true = counts[:, LEVELS // 2 :].sum(axis=1).tolist()
    union = int(counts[1].sum()) + false
    return true / union if union else 1.0


class ImageScores(NamedTuple):
    """Scores of one image that need no other: mean absolute error and Jaccard index at 0.5."""

    mae: float
    jaccard: float


@dataclass(frozen=True)
class SaliencyResult:
    """Scores of a set of images.

    Attributes:
        images: How many there are.
        without_object: How many of them have no object in the truth.
        mae: Mean over images of the mean absolute error, in [0, 1]; 0 is best.
        max_f: Highest F over the thresholds, of precision and recall averaged over images first.
        max_f_threshold: The lowest threshold in [0, 1] that reaches it.
        mean_f: Mean of that F over the 256 thresholds.
        adaptive_f: Mean over images of F at each one's own threshold.
        jaccard: Mean over images of the Jaccard index at 0.5.
        precision: Mean over images at the thresholds 0/255, 1/255, ..., 255/255.
        recall: Likewise.

    F, its threshold, precision and recall are NaN where no image counts in them.
    """

    images: int
    without_object: int
    mae: float
    max_f: float
    max_f_threshold: float
    mean_f: float
    adaptive_f: float
    jaccard: float
    precision: tuple[float, ...]
    recall: tuple[float, ...]


class SaliencyScorer:
    """Score images one after the other, in constant memory.

    Example:
        >>> scorer = SaliencyScorer()
        >>> truth = np.array([[0, 1]], dtype=np.uint8)
        >>> scorer.update(np.array([[0, 255]], dtype=np.uint8), truth)
        ImageScores(mae=0.0, jaccard=1.0)
        >>> scorer.result().max_f
        1.0
    """

    def __init__(self, *, empty_truth: Literal["skip", "zero"] = "skip") -> None:
        """Start without images.

        Args:
            empty_truth: What an image without an object does to precision, recall and F: ``skip``
                leaves it out, so that perfect maps reach 1; ``zero`` counts it as 0.

        Raises:
            ConfigError: If ``empty_truth`` is another word.
        """
        if empty_truth not in ("skip", "zero"):
            raise ConfigError(f"empty_truth is {empty_truth!r}; choose 'skip' or 'zero'.")
        self._skips_empty = empty_truth == "skip"
        self._images = 0
        self._without_object = 0
        self._mae = self._jaccard = self._adaptive_f = 0.0
        self._curves = np.zeros((2, LEVELS))  # sums of precision and of recall

    def update(
        self, prediction: LabelMap | npt.NDArray[np.floating], truth: LabelMap
    ) -> ImageScores:
        """Score the next image; arguments and errors are those of :func:`level_counts`."""
        return self.update_counts(level_counts(prediction, truth))

    def update_counts(self, counts: LevelCounts) -> ImageScores:
        """Score the next image from what :func:`level_counts` returned for it."""
        scores = ImageScores(mean_absolute_error(counts), jaccard_at_half(counts))
        self._images += 1
        self._mae += scores.mae
        self._jaccard += scores.jaccard
        if counts[1].any():
            self._curves += precision_recall(counts)
            self._adaptive_f += adaptive_f_measure(counts)
        else:
            self._without_object += 1
        return scores

    def result(self) -> SaliencyResult:
        """Return the scores of all images so far.

        Raises:
            MaskError: If there was none.
        """
        if not self._images:
            raise MaskError("no image was scored; check the dataset and the folder of results")
        counted = self._images - (self._without_object if self._skips_empty else 0)
        share = 1 / counted if counted else float("nan")
        precision, recall = self._curves * share
        f = f_measure(precision, recall)
        best = int(np.argmax(f))
        return SaliencyResult(
            images=self._images,
            without_object=self._without_object,
            mae=self._mae / self._images,
            max_f=float(f[best]),
            max_f_threshold=best / (LEVELS - 1) if counted else float("nan"),
            mean_f=float(f.mean()),
            adaptive_f=self._adaptive_f * share,
            jaccard=self._jaccard / self._images,
            precision=tuple(precision.tolist()),
            recall=tuple(recall.tolist()),
        )


def _levels(prediction: LabelMap | npt.NDArray[np.floating]) -> LabelMap:
    if prediction.dtype == np.uint8:
        return prediction.astype(np.uint8, copy=False)
    if not np.issubdtype(prediction.dtype, np.floating):
        raise MaskError(
            f"a saliency map must be uint8 or float in [0, 1], not {prediction.dtype}; "
            "multiply a mask of 0 and 1 by 255"
        )
    # NaN fails every comparison
    if not ((prediction >= 0) & (prediction <= 1)).all():
        raise MaskError("a float saliency map must lie in [0, 1] and hold no NaN; rescale it")
    return np.rint(prediction * np.float64(LEVELS - 1)).astype(np.uint8)
