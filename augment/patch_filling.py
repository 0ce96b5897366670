"""Filling a hole with patches of its surroundings, so that texture goes on in it.

Wexler, Shechtman, Irani: "Space-Time Completion of Video" (PAMI 2007), for one image, as in the
released lucid-dreaming code: from coarse to fine, every patch that touches the hole is replaced by
the most similar patch of the surroundings, and overlapping patches vote for each pixel.

Differs: the most similar patch is found by comparing with all of many evenly taken ones, in
principal components, instead of by a randomised search; so there is nothing random in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.types import BinaryMask, FloatArray, Image

_RADIUS = 3  # patches of 7 x 7
_COARSEST = 32  # pixels of the shorter side, at least
_SOURCES = 8_000  # most patches to choose from
_FEWEST_SOURCES = 64
_COMPONENTS = 20
_ROUNDS = (7, 3, 0)  # at the coarsest level, the next, and each finer one; then one more
_BLOCK = 2048  # patches compared at once

Indices = npt.NDArray[np.intp]
Pixels = tuple[Indices, Indices]  # rows and columns


@dataclass(frozen=True, eq=False)
class _Sources:
    """The patches to choose from, in principal components.

    No pixel of the hole is in them, so all rounds of a level share them: the components cost more
    than a round, all the more where threads of BLAS wait for busy cores.

    Attributes:
        centres: (S, 2) pixels (y, x).
        mean: (P,) mean patch of P values.
        axes: (P, C) principal axes.
        known: (S, C) the patches along the axes.
    """

    centres: Indices
    mean: FloatArray
    axes: FloatArray
    known: FloatArray

    @classmethod
    def of(cls, image: FloatArray, centres: Indices) -> Self:
        """Take the patches of a (H, W, 3) float32 image around these pixels."""
        patches = _patches(image, centres)
        mean = patches.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
        axes = axes[:, -_COMPONENTS:].astype(np.float32)
        return cls(centres, mean, axes, (patches - mean) @ axes)

    def nearest(
        self, image: FloatArray, targets: Indices
    ) -> tuple[Indices, npt.NDArray[np.float32]]:
        """Return the centre of the most similar patch for each target, and how far it is off."""
        wanted = (_patches(image, targets) - self.mean) @ self.axes
        lengths = (self.known**2).sum(axis=1)
        best = np.empty(len(targets), dtype=np.intp)
        distance = np.empty(len(targets), dtype=np.float32)
        for begin in range(0, len(targets), _BLOCK):
            block = np.s_[begin : begin + _BLOCK]
            apart = lengths - 2 * wanted[block] @ self.known.T
            best[block] = apart.argmin(axis=1)
            distance[block] = apart.min(axis=1) + (wanted[block] ** 2).sum(axis=1)
        return self.centres[best], np.maximum(distance, 0)


def _patches(image: FloatArray, centres: Indices) -> FloatArray:
    """Return the (N, P) patches of an image around N pixels; beyond its border it is mirrored."""
    side = 2 * _RADIUS + 1
    margin = ((_RADIUS, _RADIUS), (_RADIUS, _RADIUS), (0, 0))
    padded = np.pad(image, margin, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    taken: FloatArray = patches[tuple(centres.T)].reshape(len(centres), -1)
    return taken


def fill_with_patches(image: Image, hole: BinaryMask) -> Image | None:
    """Fill a hole of an image with patches of its surroundings.

    Args:
        image: (H, W, 3) uint8 RGB.
        hole: (H, W) bool.

    Returns:
        (H, W, 3) uint8, unchanged outside the hole; None where too little is left around the hole
        to take patches from.
    """
    levels = [(_to_lab(image), hole)]
    while min(levels[-1][1].shape) >= 2 * _COARSEST:
        levels.append(_halved(*levels[-1]))
    if len(_sources(hole)) < _FEWEST_SOURCES:
        return None
    if not hole.any():
        return image
    filled = _to_lab(cv2.inpaint(image, hole.astype(np.uint8), 5, cv2.INPAINT_NS))
    for depth, (known, gap) in enumerate(reversed(levels)):
        size = (gap.shape[1], gap.shape[0])
        kind = cv2.INTER_CUBIC if depth else cv2.INTER_AREA  # to the coarsest, then finer again
        filled = np.where(gap[..., None], cv2.resize(filled, size, interpolation=kind), known)
        centres = _sources(gap)
        if len(centres) < _FEWEST_SOURCES or not gap.any():
            continue
        sources = _Sources.of(filled, centres)
        for _ in range(_ROUNDS[min(depth, len(_ROUNDS) - 1)]):
            filled[gap] = _mean_of_votes(filled, gap, sources)
        chosen = _strongest_votes(filled, gap, sources)
        filled[gap] = filled[chosen]
    painted = image.copy()
    painted[hole] = image[chosen]
    return painted


def _to_lab(image: Image) -> FloatArray:
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, dtype=np.float32)


def _halved(image: FloatArray, hole: BinaryMask) -> tuple[FloatArray, BinaryMask]:
    """Return image and hole at half the size, nothing of the hole mixed into its surroundings."""
    size = ((hole.shape[1] + 1) // 2, (hole.shape[0] + 1) // 2)
    known = (~hole).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    summed = cv2.resize(image * known[..., None], size, interpolation=cv2.INTER_AREA)
    return summed / np.maximum(weight, 1e-6)[..., None], weight < 0.5


def _sources(hole: BinaryMask) -> Indices:
    """Return the (S, 2) centres (y, x) of patches that are known altogether."""
    side = 2 * _RADIUS + 1
    known = cv2.erode(
        (~hole).astype(np.uint8),
        np.ones((side, side), np.uint8),
        borderValue=0,
        borderType=cv2.BORDER_CONSTANT,
    )
    centres = np.argwhere(known)
    return centres[:: max(1, -(-len(centres) // _SOURCES))]


def _mean_of_votes(image: FloatArray, hole: BinaryMask, sources: _Sources) -> FloatArray:
    """Return the weighted mean (N, 3) of the votes for each of the N pixels of a hole."""
    total = np.zeros((int(hole.sum()), 1), dtype=np.float32)
    colour = np.zeros((len(total), 3), dtype=np.float32)
    for weight, seen in _votes(image, hole, sources):
        colour += weight[:, None] * image[seen]
        total += weight[:, None]
    return np.asarray(colour / np.maximum(total, 1e-12), dtype=np.float32)


def _strongest_votes(image: FloatArray, hole: BinaryMask, sources: _Sources) -> Pixels:
    """Return the pixel that the most similar patch shows for each pixel of a hole."""
    most = np.full(int(hole.sum()), -1.0, dtype=np.float32)
    ys, xs = np.zeros(len(most), dtype=np.intp), np.zeros(len(most), dtype=np.intp)
    for weight, seen in _votes(image, hole, sources):
        better = weight > most
        most[better], ys[better], xs[better] = weight[better], seen[0][better], seen[1][better]
    return ys, xs


def _votes(
    image: FloatArray, hole: BinaryMask, sources: _Sources
) -> Iterator[tuple[npt.NDArray[np.float32], Pixels]]:
    """Yield what patches like those around each pixel of a hole show for it.

    Args:
        image: (H, W, 3) float32, the hole filled somehow.
        hole: (H, W) bool with N pixels.
        sources: The patches to choose from.

    Yields:
        For each place of a pixel in a patch: the (N,) weights of the votes, 0 for none, and the
        pixels of the image that are voted for.
    """
    side = 2 * _RADIUS + 1
    targets = np.argwhere(cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8)))
    nearest, distance = sources.nearest(image, targets)
    weights = np.exp(-distance / (2 * max(float(np.quantile(distance, 0.75)), 1e-6)))
    # which target each pixel is the centre of; -1 for none, a margin for patches beyond the frame
    index = np.full((hole.shape[0] + 2 * _RADIUS, hole.shape[1] + 2 * _RADIUS), -1)
    index[targets[:, 0] + _RADIUS, targets[:, 1] + _RADIUS] = np.arange(len(targets))
    ys, xs = np.nonzero(hole)
    for dy, dx in np.ndindex(side, side):
        target = index[ys - dy + 2 * _RADIUS, xs - dx + 2 * _RADIUS]
        weight = np.where(target >= 0, weights[target], 0).astype(np.float32)
        seen = nearest[target] + (dy - _RADIUS, dx - _RADIUS)
        yield weight, (seen[:, 0], seen[:, 1])
