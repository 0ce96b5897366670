"""Parameters of a dense CRF, chosen on samples whose masks are known.

LucidTracker tunes them per dataset on lucid dreams, whose masks are exact (Khoreva et al., DAVIS
2017 challenge report). DeepLab (Chen et al., ICLR 2015) searches those of the appearance kernel on
a hundred images of its validation set and fixes the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vos_core.errors import ConfigError
from vos_core.metrics.jaccard import jaccard
from vos_core.postprocess.crf import DenseCRF
from vos_core.postprocess.mean_field import FrameKernels
from vos_core.types import VOID, Image, LabelMap, TunedCRF

CRF_GRID: Mapping[str, Sequence[float]] = {
    "bilateral_weight": (3, 4, 5, 7, 10),
    "bilateral_sigma_xy": (30, 50, 80),
    "bilateral_sigma_rgb": (3, 5, 8, 10, 13),
    "smooth_weight": (1, 3, 5),
    "smooth_sigma": (1, 3, 5),
}
"""Values by parameter, in the order of the search. The choice is ours: it spans the presets."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A sample that no network was trained on, and what one says of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        probabilities: (N + 1, H, W) that sum to 1, channel 0 background, on any device.
        truth: (H, W) uint8, the true channel of each pixel, 255 where it does not count.
    """

    image: Image
    probabilities: Tensor
    truth: LabelMap


@dataclass(frozen=True)
class CRFTuning:
    """What a search found.

    Attributes:
        crf: The best of the settings, see :attr:`worthwhile`.
        scores: Mean Jaccard index in [0, 1] of everything that was tried, in that order, and of no
            CRF at all, which is None and may be better than all of them.
    """

    crf: DenseCRF
    scores: Mapping[DenseCRF | None, float]

    @property
    def worthwhile(self) -> DenseCRF | None:
        """The best of the settings, or None if no CRF at all is better."""
        return self.crf if self.scores[self.crf] >= self.scores[None] else None

    def plain(self) -> TunedCRF:
        """Return the settings as a config takes them, and their score with that of no CRF."""
        return TunedCRF(
            settings=asdict(self.crf), J=self.scores[self.crf], J_without=self.scores[None]
        )

    def __str__(self) -> str:
        """Say the settings and what they gained, in a line."""
        settings = ", ".join(f"{name} {value}" for name, value in asdict(self.crf).items())
        scores = f"J {self.scores[self.crf]:.3f}, without it {self.scores[None]:.3f}"
        verdict = "" if self.worthwhile else ", so none is used"
        return f"tuned CRF ({settings}) on held-out samples: {scores}{verdict}"


def tune_crf(
    examples: Sequence[HeldOut],
    start: DenseCRF | None = None,
    grid: Mapping[str, Sequence[float]] = CRF_GRID,
) -> CRFTuning:
    """Search the settings of a CRF with the best mean Jaccard index over objects and examples.

    One parameter after the other takes each of its values while all others stay at the best found
    so far: 15 settings of the default grid instead of 675. Equals keep the one that was tried
    first, so that a parameter which does not matter stays as it was.

    Args:
        examples: What is scored; every object of every example counts the same.
        start: Where the search begins, and what the grid leaves as it is; ``DenseCRF()`` by
            default.
        grid: Parameter of ``DenseCRF`` -> values to try, in the order of the search.

    Raises:
        ConfigError: If there is no object in the examples, or a value is out of its range.
        MaskError: If image, probabilities and truth of an example differ in size.
    """
    if not any(len(example.probabilities) > 1 for example in examples):
        raise ConfigError("there is no object to tune a CRF on; give some held-out samples.")
    best = start or DenseCRF()
    without = np.mean([j for each in examples for j in _jaccards(each.probabilities, each.truth)])
    scores = _mean_jaccards([best], examples)
    for name, values in grid.items():
        changes: list[dict[str, Any]] = [{name: value} for value in values]
        candidates = dict.fromkeys(replace(best, **change) for change in changes)
        scores |= _mean_jaccards([each for each in candidates if each not in scores], examples)
        best = max(scores, key=scores.__getitem__)  # the first of equals
    found: dict[DenseCRF | None, float] = {None: float(without)}
    return CRFTuning(best, found | dict(scores.items()))


def _mean_jaccards(
    candidates: Sequence[DenseCRF], examples: Sequence[HeldOut]
) -> dict[DenseCRF, float]:
    """Score candidates together, so that on each example they can share kernels."""
    per_object: dict[DenseCRF, list[float]] = {crf: [] for crf in candidates}
    for example in examples:
        colours = torch.from_numpy(np.ascontiguousarray(example.image))
        kernels = FrameKernels(colours.to(example.probabilities.device))
        for crf, scores in per_object.items():
            answer = crf(example.image, example.probabilities, kernels)
            scores += _jaccards(answer, example.truth)
    return {crf: float(np.mean(scores)) for crf, scores in per_object.items()}


def _jaccards(probabilities: Tensor, truth: LabelMap) -> list[float]:
    """Return the Jaccard index of each object."""
    labels = probabilities.argmax(dim=0).cpu().numpy()
    void = truth == VOID
    return [jaccard(labels == i, truth == i, void) for i in range(1, len(probabilities))]
