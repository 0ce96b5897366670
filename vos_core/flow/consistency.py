"""Which flow can be relied on: going there and back must lead home."""

from torch import Tensor

from vos_core.flow.warp import warp_with_cover

_RELATIVE, _ABSOLUTE = 0.01, 0.5  # of squared pixels


def is_consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Check flow against the flow of the opposite direction.

    A pixel's flow f is reliable if the flow b found where it points leads back nearly to it:
    ``|f + b|^2 < 0.01 (|f|^2 + |b|^2) + 0.5`` (Sundaram, Brox and Keutzer, ECCV 2010).
    It is not where pixels are hidden in the other frame, or lie outside it.

    Args:
        flow: (N, 2, H, W) float in pixels, x first, from frame a to b.
        back: (N, 2, H, W), from frame b to a.

    Returns:
        (N, H, W) bool, on the grid of frame a.
    """
    warped, cover = warp_with_cover(back, flow)
    returned = warped / cover.clamp(min=0.5)
    gap = (flow + returned).square().sum(dim=1)
    scale = flow.square().sum(dim=1) + returned.square().sum(dim=1)
    return (gap < _RELATIVE * scale + _ABSOLUTE) & (cover[:, 0] > 0.5)
