"""The permutohedral lattice: what each of its steps keeps, and what the whole comes near to."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vos_core.errors import ConfigError
from vos_core.postprocess.lattice import (
    PermutohedralLattice,
    _basis,
    _locate,
    _neighbours,
    _number_corners,
)

dimensions = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)


def points(d: int, count: int, seed: int, spread: float = 3.0) -> Tensor:
    """Return (d, count) points, some of them in one place or on borders of simplices."""
    drawn = np.random.default_rng(seed).normal(0, spread, (d, count))
    drawn[:, : count // 8] = 0
    drawn[:, count // 8 : count // 4] = drawn[:, -1:]
    drawn[0, count // 4 : count // 2] = 0
    return torch.from_numpy(drawn.astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(dimensions, seeds)
def test_barycentric_weights_sum_to_1_and_give_the_point_back(d: int, seed: int) -> None:
    features = points(d, 64, seed)
    codes, strides, axes, weights = _locate(features)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(64))
    assert torch.equal(axes.sort(dim=0).values, torch.arange(d).int()[:, None].expand(-1, 64))
    base = torch.stack([codes // stride for stride in strides])
    for row, (stride, following) in zip(base, itertools.pairwise(strides), strict=False):
        row %= following // stride
    steps = torch.nn.functional.one_hot(axes.long(), d).cumsum(dim=0)  # (d, P, d)
    corners = torch.cat([base.T[None], base.T + steps])  # (d + 1, P, d)
    found = (weights[..., None] * corners).sum(dim=0).T
    wanted = _basis(d) @ features
    offset = (wanted - found)[:, :1].round()  # codes count from the lowest cell
    torch.testing.assert_close(found + offset, wanted, atol=1e-4, rtol=0)


@settings(max_examples=40, deadline=None)
@given(dimensions, seeds)
def test_splatting_keeps_the_sum_and_slicing_a_constant(d: int, seed: int) -> None:
    lattice = PermutohedralLattice(points(d, 64, seed))
    values = torch.from_numpy(np.random.default_rng(seed).random((2, 64), dtype=np.float32))
    sums = lattice._splat(values)
    torch.testing.assert_close(sums.sum(dim=1), values.sum(dim=1))
    assert (sums[:, -1] == 0).all()  # the corner that does not exist
    constant = lattice._slice(torch.full_like(sums, 0.3))
    torch.testing.assert_close(constant, torch.full_like(values, 0.3))


@settings(max_examples=40, deadline=None)
@given(dimensions, seeds)
def test_neighbours_are_each_other_s(d: int, seed: int) -> None:
    lattice = PermutohedralLattice(points(d, 64, seed, spread=1.0))
    assert len(lattice.neighbours) == d + 1
    for ahead, behind in lattice.neighbours:
        size = len(ahead)
        here = torch.arange(size)
        there = ahead < size
        assert torch.equal(behind[ahead[there].long()].long(), here[there])
        assert (behind < size).sum() == there.sum()


def test_a_step_from_the_border_does_not_come_in_at_the_other_side() -> None:
    box = torch.from_numpy(np.mgrid[:12, :9].reshape(2, -1).astype(np.float32)) + 0.3
    codes, strides, axes, _ = _locate(torch.linalg.solve(_basis(2), box))
    corners, _ = _number_corners(codes, strides, axes)
    place = torch.stack([corners % strides[1], corners // strides[1]])
    for step, stride in zip([(1, 0), (0, 1), (1, 1)], (*strides, sum(strides)), strict=True):
        ahead = _neighbours(corners, stride)[0].long()
        exists = ahead < len(corners)
        assert 0.8 < exists.float().mean() < 1
        moved = place[:, ahead[exists]] - place[:, exists]
        assert torch.equal(moved, torch.tensor(step)[:, None].expand_as(moved))


def test_corners_are_blurred_along_all_directions() -> None:
    grid = np.stack(np.mgrid[:40, :40]).reshape(2, -1).astype(np.float32) / 4
    lattice = PermutohedralLattice(torch.from_numpy(grid))
    sums = torch.zeros(1, lattice._size + 1)
    middle = int(lattice.corner_ids[0, 820])
    sums[0, middle] = 8.0
    # (1, 2, 1) / 2 along e1, e2 and e1 + e2: the box spline whose weights these are
    blurred = lattice._blur(sums)[0, :-1]
    weights = sorted((blurred[blurred > 0]).tolist(), reverse=True)
    assert weights == [10, *[6] * 6, *[2] * 6, *[1] * 6]


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_symmetric_where_all_corners_exist(seed: int) -> None:
    line = torch.from_numpy(np.random.default_rng(seed).uniform(0, 5, (1, 200)).astype(np.float32))
    matrix = PermutohedralLattice(line).filter(torch.eye(200))
    torch.testing.assert_close(matrix, matrix.T, atol=1e-5, rtol=1e-4)
    assert matrix.min() >= 0


@pytest.mark.parametrize(
    ("d", "count", "error"), [(1, 300, 0.01), (2, 2000, 0.01), (5, 3000, 0.05)]
)
def test_near_the_gaussian_it_stands_for(d: int, count: int, error: float) -> None:
    rng = np.random.default_rng(d)
    features = rng.normal(size=(d, count)).astype(np.float32)
    values = rng.random(count).astype(np.float32)
    distances = np.square(features[:, :, None] - features[:, None]).sum(axis=0, dtype=np.float64)
    gaussian = np.exp(-distances / 2)
    wanted = gaussian @ values / gaussian.sum(axis=1)
    lattice = PermutohedralLattice(torch.from_numpy(features))
    both = lattice.filter(torch.from_numpy(np.stack([values, np.ones_like(values)]))).numpy()
    assert np.abs(both[0] / both[1] - wanted).mean() < error * wanted.mean()


def test_channels_are_filtered_alike_and_a_filter_is_linear() -> None:
    lattice = PermutohedralLattice(points(5, 100, 0, spread=1.0))
    values = torch.rand(3, 100, generator=torch.Generator().manual_seed(0))
    together = lattice.filter(values)
    for channel, alone in zip(values, together, strict=True):
        assert torch.equal(lattice.filter(channel[None])[0], alone)
    torch.testing.assert_close(lattice.filter(values.sum(0, True)), together.sum(0, True))


def test_points_too_far_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="standard deviations of a Gaussian are too small"):
        PermutohedralLattice(torch.tensor([[0.0, 1e6]] * 5) * torch.ones(5, 2))
