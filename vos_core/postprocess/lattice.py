"""Gaussian filtering in a space of many dimensions, on a permutohedral lattice.

Adams, Baek and Davis: "Fast High-Dimensional Filtering Using the Permutohedral Lattice"
(Eurographics 2010). Points hand their values to the corners of the simplex they lie in (splat),
the corners blur them along the lattice's d + 1 directions, and the points collect what has arrived
(slice). Only corners of simplices that hold a point exist.

Written from the paper, in other coordinates. The lattice is the integer lattice Z^(d+1) seen along
its long diagonal, so adding (1, ..., 1) changes nothing, and every lattice point has exactly one
integer vector whose last entry is 0. In its other d entries

* the lattice is Z^d, and its simplices those of Kuhn's triangulation: from the corner that is the
  integer part of a point, step by 1 along the axes in descending order of the fractions; the
  corners met have the differences of successive fractions for barycentric weights;
* the d + 1 directions of the blur are the d axes and their diagonal.

Packed into one integer, a corner is found by a search, and a direction is a constant to add.
"""

import math

import torch
from torch import Tensor

from vos_core.errors import ConfigError

_FRACTION_BITS = 30  # what an int32 leaves beside its sign, with room for a fraction of exactly 1
_MAX_CODES = 2**62


class PermutohedralLattice:
    """The lattice around a set of points; filters any values on them.

    The filter is a matrix with entries near exp(-|f_i - f_j|² / 2), up to a common factor. It is
    symmetric but for corners that do not exist. Built once, it is applied to many values; on the
    CPU its answers are the same bit for bit every time.

    Args:
        features: (d, P) float32, a column per point, in standard deviations of the Gaussian.

    Raises:
        ConfigError: If the points are too far apart for their corners to be numbered.
    """

    def __init__(self, features: Tensor) -> None:
        codes, strides, axes, self.weights = _locate(features)
        corners, self.corner_ids = _number_corners(codes, strides, axes)
        self.neighbours = [_neighbours(corners, stride) for stride in (*strides, sum(strides))]
        self._size = len(corners)

    def filter(self, values: Tensor) -> Tensor:
        """Filter values, all with the same lattice.

        Args:
            values: (C, P) float32.

        Returns:
            (C, P) float32, each a weighted sum of the values near it; not normalised.
        """
        return self._slice(self._blur(self._splat(values)))

    def _splat(self, values: Tensor) -> Tensor:
        """Sum (C, P) values at the corners; one place more stands for those that do not exist."""
        sums = values.new_zeros(len(values), self._size + 1)
        share = torch.empty_like(self.weights[0])  # one row at a time, which caches hold
        for ids, weights in zip(self.corner_ids, self.weights, strict=True):
            for channel, at_corners in zip(values, sums, strict=True):
                at_corners.index_add_(0, ids, torch.mul(channel, weights, out=share))
        return sums

    def _blur(self, sums: Tensor) -> Tensor:
        """Convolve with (1/2, 1, 1/2) along each direction in turn, in place."""
        for neighbours in self.neighbours:
            for channel in sums:
                around = channel.index_select(0, neighbours.view(-1)).view_as(neighbours)
                channel[:-1].add_(around[0].add_(around[1]), alpha=0.5)
        return sums

    def _slice(self, sums: Tensor) -> Tensor:
        """Interpolate (C, M + 1) sums at the points."""
        values = sums.new_zeros(len(sums), self.weights.shape[1])
        share = torch.empty_like(self.weights[0])
        for ids, weights in zip(self.corner_ids, self.weights, strict=True):
            for at_corners, channel in zip(sums, values, strict=True):
                channel.addcmul_(torch.index_select(at_corners, 0, ids, out=share), weights)
        return values


def _basis(d: int) -> Tensor:
    """Return the (d, d) float32 map from features to the coordinates of the file's header.

    The paper's basis of the hyperplane of zero sum, stretched by sqrt(2/3) (d + 1) so that
    splat, blur and slice together have unit variance; there, lattice points are d + 1 apart.
    """
    hyperplane = torch.zeros(d + 1, d, dtype=torch.float64)
    for j in range(d):
        length = math.sqrt((j + 1) * (j + 2))
        hyperplane[: j + 1, j] = 1 / length
        hyperplane[j + 1, j] = -(j + 1) / length
    return ((hyperplane[:-1] - hyperplane[-1]) * math.sqrt(2 / 3)).float()


def _locate(features: Tensor) -> tuple[Tensor, list[int], Tensor, Tensor]:
    """Find the simplex of each point.

    Args:
        features: (d, P) float32.

    Returns:
        Codes of the first corners, (P,) int64; by how much a step along each of the d axes changes
        a code; the axes along which one steps to the next corners, (d, P) int32; and the points'
        barycentric weights, (d + 1, P) float32 that sum to 1.
    """
    places = torch.zeros_like(features)
    for column, feature in zip(_basis(len(features)).T.to(features), features, strict=True):
        places.addr_(column, feature)  # a matrix product, but never in reduced precision
    cells = places.floor()
    low, high = cells.amin(1).long().tolist(), cells.amax(1).long().tolist()
    # one step up to the last corner, and one more that stays free, so that a step never wraps
    sizes = [last - first + 3 for first, last in zip(low, high, strict=True)]
    if math.prod(sizes) > _MAX_CODES:
        raise ConfigError(
            "the standard deviations of a Gaussian are too small beside the range of what it "
            "filters (positions in pixels, colours in 0..255); make them larger."
        )
    strides = [math.prod(sizes[:j]) for j in range(len(sizes))]
    offset = sum(first * stride for first, stride in zip(low, strides, strict=True))
    codes = torch.full_like(cells[0], -offset, dtype=torch.int64)
    for cell, stride in zip(cells, strides, strict=True):
        codes.add_(cell.long(), alpha=stride)
    axes, fractions = _descending(places.sub_(cells))
    weights = torch.cat([1 - fractions[:1], fractions])
    weights[1:-1] -= fractions[1:]
    return codes, strides, axes, weights


def _descending(fractions: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the fractions of each point, largest first; of equal ones the lower axis first.

    A fraction goes into the upper bits of an integer and its axis into the lower ones, so that a
    network of minima and maxima sorts both at once.

    Args:
        fractions: (d, P) float32 in [0, 1].

    Returns:
        (d, P) int32 axes and (d, P) float32 fractions in that order.
    """
    d = len(fractions)
    shift = (d - 1).bit_length()
    axis_bits = (1 << shift) - 1
    packed = (fractions * 2.0**_FRACTION_BITS).int().bitwise_and_(~axis_bits)
    rows = [row.bitwise_or_(d - 1 - axis) for axis, row in enumerate(packed)]
    for end in range(d - 1, 0, -1):
        for j in range(end):
            rows[j], rows[j + 1] = (
                torch.maximum(rows[j], rows[j + 1]),
                torch.minimum(rows[j], rows[j + 1]),
            )
    ordered = torch.stack(rows)
    axes = d - 1 - (ordered & axis_bits)
    return axes, (ordered >> shift).float().mul_(2.0 ** (shift - _FRACTION_BITS))


def _number_corners(codes: Tensor, strides: list[int], axes: Tensor) -> tuple[Tensor, Tensor]:
    """Number the corners of all simplices.

    A corner is a first corner and the set of axes stepped along since. Few points have a first
    corner to themselves, so these pairs fit into a small table; only its entries in use are
    looked at as corners, not the many more of the points.

    Args:
        codes: (P,) int64, see :func:`_locate`, as are the others.
        strides: d of them.
        axes: (d, P) int32.

    Returns:
        Codes of the distinct corners, (M,) int64 ascending, and the numbers of the points' corners
        among them, (d + 1, P) int32.
    """
    d, device = len(strides), codes.device
    first, which = torch.unique(codes, return_inverse=True)
    bits = torch.tensor([1 << axis for axis in range(d)], dtype=torch.int32, device=device)
    pairs = torch.empty(d + 1, len(codes), dtype=torch.int32, device=device)
    pairs[0] = which << d
    for k, axis in enumerate(axes):
        torch.add(pairs[k], bits.index_select(0, axis), out=pairs[k + 1])
    used = torch.zeros(len(first) << d, dtype=torch.bool, device=device)
    entries = used.index_fill_(0, pairs.view(-1).long(), True).nonzero().view(-1)
    steps = [sum(s for axis, s in enumerate(strides) if n >> axis & 1) for n in range(1 << d)]
    ends = first[entries >> d] + torch.tensor(steps, device=device)[entries & (1 << d) - 1]
    corners, numbers = torch.unique(ends, return_inverse=True)
    table = torch.zeros(len(used), dtype=torch.int32, device=device)
    table[entries] = numbers.int()
    return corners, table.index_select(0, pairs.view(-1)).view_as(pairs)


def _neighbours(corners: Tensor, stride: int) -> Tensor:
    """Find the corners one step ahead and one behind in a direction.

    Args:
        corners: (M,) int64, ascending codes.
        stride: What the step adds to a code.

    Returns:
        (2, M) int32 numbers of corners, M where there is none.
    """
    count = len(corners)
    wanted = corners + stride
    ahead = torch.searchsorted(corners, wanted).clamp_(max=count - 1)
    found = (corners.index_select(0, ahead) == wanted).nonzero().view(-1)
    neighbours = torch.full((2, count), count, dtype=torch.int32, device=corners.device)
    ahead = ahead.index_select(0, found)
    neighbours[0].index_copy_(0, found, ahead.int())
    neighbours[1].index_copy_(0, ahead, found.int())
    return neighbours
