"""Geometry and mask deformation for many samples at once, as torch tensors on any device.

What :mod:`augment.stacks` stacks is evaluated here; the grids are made as in
:mod:`augment.geometry`, so the positions equal those on the CPU to a thousandth of a pixel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from augment.geometry import (
    STEP,
    BackwardMap,
    Points,
    Step,
    ThinPlateSpline,
    apply_affine,
    grid_nodes,
    is_curved,
)
from augment.shapes import Window
from augment.stacks import DeformationStack
from vos_core.propagation.guides import dilate_masks

StackedMap = BackwardMap[Tensor]


def upload_maps(stacked: BackwardMap[Points], device: torch.device) -> StackedMap:
    """Bring maps of :func:`augment.stacks.stack_maps` to a device."""
    steps = []
    for matrix, spline in stacked.steps:
        there = None
        if spline is not None:
            parts = (spline.control, spline.weights, spline.origin, spline.unit)
            there = ThinPlateSpline(*(_upload_exact(part, device) for part in parts))
        steps.append(Step(_upload_exact(matrix, device), there))
    return BackwardMap(tuple(steps))


def upload(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Bring numbers to a device, as they are, without waiting for what it still has to do.

    Args:
        values: Of any shape, and any type that torch has.
        device: Where they are wanted.
    """
    tensor = torch.from_numpy(values)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _upload_exact(values: Points, device: torch.device) -> Tensor:
    return upload(values.astype(np.float32) if device.type == "mps" else values, device)


def _precision(device: torch.device) -> torch.dtype:
    """Double, but where the device has none (MPS)."""
    return torch.float32 if device.type == "mps" else torch.float64


def _take(maps: StackedMap, which: Tensor) -> StackedMap:
    """Return the maps of some samples, given by their indices."""
    steps = []
    for matrix, spline in maps.steps:
        if spline is not None:
            parts = (spline.control, spline.weights, spline.origin, spline.unit)
            spline = ThinPlateSpline(*(part[which] for part in parts))
        steps.append(Step(matrix[which], spline))
    return BackwardMap(tuple(steps))


def sampling_maps(
    size: tuple[int, int],
    maps: StackedMap,
    step: int = STEP,
    corner: tuple[int, int] = (0, 0),
    *,
    inverse: bool = False,
    fine: Sequence[Window | None] = (),
) -> Tensor:
    """Evaluate B smooth maps on every pixel of a frame, see :func:`geometry.sampling_map`.

    Args:
        size: (H, W) of the output.
        maps: One for each sample.
        step: Distance of the nodes in pixels.
        corner: (x, y) of the first pixel.
        inverse: Evaluate the inverse maps instead.
        fine: For each sample, a window in which each pixel of the output is evaluated, or None.

    Returns:
        (B, H, W, 2) float32 input positions in pixels, x first.
    """
    evaluate = BackwardMap.inverse if inverse else BackwardMap.__call__
    device = maps.steps[0].matrix.device
    nodes, inside = grid_nodes(size, step, corner)
    reached = evaluate(maps, _upload_exact(nodes[None], device))
    upsampled = F.interpolate(
        reached.permute(0, 3, 1, 2).float(), scale_factor=step, mode="bilinear", align_corners=False
    )
    positions = upsampled[(..., *inside)].permute(0, 2, 3, 1).contiguous()
    curved = is_curved(reached)
    if any(fine) or bool(curved.any()):
        around = F.max_pool2d(F.pad(curved.float(), (1, 1, 1, 1))[:, None], 3, 1, 1)[:, 0] > 0
        exact = around.repeat_interleave(step, dim=1).repeat_interleave(step, dim=2)
        exact = exact[(..., *inside)]
        for row, window in zip(exact, fine, strict=False):
            if window:
                row[window.within(size)[0]] = True
        sample, ys, xs = exact.nonzero(as_tuple=True)
        points = torch.stack([xs + corner[0], ys + corner[1]], dim=-1).to(reached.dtype)
        positions[exact] = evaluate(_take(maps, sample), points[:, None, None])[:, 0, 0].float()
    return positions


def look_up(labels: Tensor, positions: Tensor, outside: int | None = 0) -> Tensor:
    """Resample (B, H, W) label maps at (B, H', W', 2) positions without mixing ids.

    Args:
        labels: Where to look.
        positions: In pixels, x first.
        outside: What is found beyond the border; None mirrors the map there.
    """
    height, width = labels.shape[-2:]
    xs, ys = positions.round().long().unbind(-1)
    if outside is None:
        xs, ys = mirrored(xs, width), mirrored(ys, height)
    known = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    flat = (ys.clamp(0, height - 1) * width + xs.clamp(0, width - 1)).flatten(1)
    found = labels.flatten(1).gather(1, flat).view(xs.shape)
    return torch.where(known, found, outside or 0)


def mirrored(index: Tensor, length: int) -> Tensor:
    """Bring indices into 0, ..., length - 1, mirrored about the first and the last of these."""
    period = max(2 * (length - 1), 1)
    index = index % period
    return torch.minimum(index, period - index) if length > 1 else index


def deform_masks(masks: Tensor, stack: DeformationStack) -> Tensor:
    """Deform (B, H, W) bool masks, each as :meth:`Deformation.apply` does."""
    device, size = masks.device, (masks.shape[1], masks.shape[2])
    boxes, empty = (upload(each, device) for each in (stack.boxes, stack.empty))
    masks = torch.where(boxes[:, None, None], _filled_boxes(masks), masks)
    shown = masks.flatten(1).any(dim=1) & ~empty
    positions = sampling_maps(size, upload_maps(stack.backward, device), fine=stack.fine)
    deformed = look_up(masks, positions) > 0
    points = pixel_centres(size, device)
    for ellipses, value in ((stack.removed, False), (stack.added, True)):
        for matrices in _upload_exact(ellipses, device):
            within = apply_affine(matrices[:, None], points)
            deformed = torch.where((within**2).sum(-1) <= 1, value, deformed)
    if stack.missing is not None:
        missing = _upload_exact(stack.missing, device)[:, None, None]
        deformed &= (points * missing[..., :2]).sum(-1) <= missing[..., 2]
    for radius in np.unique(stack.dilations).tolist():
        same = upload(np.flatnonzero(stack.dilations == radius), device)
        deformed[same] = dilate_masks(deformed[same].float(), radius) > 0
    return deformed & shown[:, None, None]


def _filled_boxes(masks: Tensor) -> Tensor:
    """Return the filled bounding boxes of (B, H, W) masks."""
    sides = []
    for dim in (2, 1):
        there = masks.any(dim=dim).int()
        begun, ends = there.cummax(dim=1).values, there.flip(1).cummax(dim=1).values.flip(1)
        sides.append((begun & ends).bool().unsqueeze(dim))
    return sides[0] & sides[1]


def pixel_centres(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the (1, H, W, 2) coordinates of every pixel centre of a frame."""
    rows, columns = (torch.arange(side, device=device, dtype=_precision(device)) for side in size)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
