"""J while training: a mean over the samples of all batches and ranks."""

import torch
from torch import Tensor
from torchmetrics import Metric

from vos_core.errors import MaskError
from vos_core.types import VOID

# A sum of whole numbers does not depend on the order of batches and ranks, nor does it lose digits
# as float32 would; float64 is not on every device.
_UNITS = 2**30  # to a score of 1


class MaskJaccard(Metric):
    """Mean region similarity J (:func:`vos_core.metrics.jaccard`) of samples; NaN before the first.

    Computed on the masks' device. States are sums, so ranks may see different numbers of batches
    and samples.

    Args:
        threshold: Above it is object: 0 for logits, 0.5 for probabilities; either for bool.
        sync_on_compute: Whether the mean is over all ranks, who then must all ask for it.

    Example:
        >>> import torch
        >>> metric = MaskJaccard()
        >>> metric.update(torch.tensor([[[4.0, 4.0, -4.0]]]), torch.tensor([[[1, 0, 0]]]))
        >>> metric.compute()
        tensor(0.5000)
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
        scores = _jaccard(prediction > self.threshold, target == 1, target == VOID)
        self.total += scores.sum()
        self.samples += len(target)

    def compute(self) -> Tensor:
        """Return the mean, () float32."""
        return self.total / (self.samples * _UNITS)


def _jaccard(predicted: Tensor, true: Tensor, void: Tensor) -> Tensor:
    """Return J of each sample in units, (B,) int64, from (B, H, W) bool masks."""
    shared = (predicted & true & ~void).sum(dim=(1, 2))
    union = ((predicted | true) & ~void).sum(dim=(1, 2))
    scores = (shared * _UNITS).div(union.clamp(min=1), rounding_mode="floor")
    return torch.where(union > 0, scores, _UNITS)
