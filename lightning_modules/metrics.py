"""J and F while training: means over the samples of all batches and ranks."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from vos_core.errors import MaskError
from vos_core.metrics import contour_accuracy
from vos_core.types import VOID

# A sum of whole numbers does not depend on the order of batches and ranks, nor does it lose digits
# as float32 would; float64 is not on every device.
_UNITS = 2**30  # to a score of 1


class _MeanOverSamples(Metric):
    """The mean of a score in [0, 1] over samples; NaN before the first.

    States are sums, so ranks may see different numbers of batches and samples.

    Args:
        threshold: Of predictions; what lies above is object.
        sync_on_compute: Whether the mean is over all ranks, who then must all ask for it.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    total: Tensor  # () int64, sum of the scores, in units
    samples: Tensor  # () int64

    def __init__(self, threshold: float = 0.0, *, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.threshold = threshold
        for name in ("total", "samples"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add the samples of a batch.

        Args:
            prediction: (B, H, W) or (B, 1, H, W): logits, probabilities or bool; what lies above
                the threshold is object.
            target: (B, H, W); 1 object, 255 void, which does not count; all else is background.

        Raises:
            MaskError: If the shapes differ.
        """
        if prediction.ndim == 4 and prediction.shape[1] == 1:
            prediction = prediction[:, 0]
        if prediction.ndim != 3 or prediction.shape != target.shape:
            raise MaskError(
                f"the prediction has shape {tuple(prediction.shape)}, the target "
                f"{tuple(target.shape)}; give (B, 1, H, W) or (B, H, W) and (B, H, W)"
            )
        scores = self._score(prediction > self.threshold, target == 1, target == VOID)
        self.total += scores.sum()
        self.samples += len(target)

    def compute(self) -> Tensor:
        """Return the mean, () float32."""
        return self.total / (self.samples * _UNITS)

    @abstractmethod
    def _score(self, predicted: Tensor, true: Tensor, void: Tensor) -> Tensor:
        """Return the score of each sample in units, (B,) int64, from (B, H, W) bool masks."""


class MaskJaccard(_MeanOverSamples):
    """Region similarity J (:func:`vos_core.metrics.jaccard`), computed on the masks' device.

    Args:
        threshold: Above it is object: 0 for logits, 0.5 for probabilities; either for bool.

    Example:
        >>> import torch
        >>> metric = MaskJaccard()
        >>> metric.update(torch.tensor([[[4.0, 4.0, -4.0]]]), torch.tensor([[[1, 0, 0]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    def _score(self, predicted: Tensor, true: Tensor, void: Tensor) -> Tensor:
        shared = (predicted & true & ~void).sum(dim=(1, 2))
        union = ((predicted | true) & ~void).sum(dim=(1, 2))
        scores = (shared * _UNITS).div(union.clamp(min=1), rounding_mode="floor")
        return torch.where(union > 0, scores, _UNITS)


class MaskContour(_MeanOverSamples):
    """Contour accuracy F (:func:`vos_core.metrics.contour_accuracy`), computed on the CPU.

    Masks are copied there, sample by sample a millisecond or more: for validation rather than for
    every step.

    Args:
        threshold: Above it is object: 0 for logits, 0.5 for probabilities; either for bool.

    Example:
        >>> import torch
        >>> square = torch.zeros(1, 20, 20, dtype=torch.int64)
        >>> square[:, 5:15, 5:15] = 1
        >>> metric = MaskContour(threshold=0.5)
        >>> metric.update(square.float(), square)
        >>> metric.compute()
        tensor(1.)
    """

    def _score(self, predicted: Tensor, true: Tensor, void: Tensor) -> Tensor:
        masks = [each.cpu().numpy() for each in (predicted, true, void)]
        scores = np.array([contour_accuracy(*sample) for sample in zip(*masks, strict=True)])
        units = torch.from_numpy(np.rint(scores * _UNITS).astype(np.int64))
        return units.to(predicted.device)
