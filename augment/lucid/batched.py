"""Painting many dreams at once, as torch tensors on any device.

What :mod:`augment.lucid.painting` and :mod:`augment.lucid.flow` do for one dream in numpy, from the
same plans and with the same maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from augment.device import (
    look_up,
    mirrored,
    pixel_centres,
    sampling_maps,
    stack_maps,
)
from augment.lucid.flow import PLATE
from augment.lucid.layers import Curve
from augment.lucid.painting import blur_kernel
from augment.lucid.plan import DreamPlan, DreamtObject
from augment.lucid.scene import LucidScene
from augment.shapes import Window
from vos_core.errors import ConfigError
from vos_core.types import VOID, FloatArray


@dataclass(frozen=True, eq=False)
class FlowBatch:
    """Exact flow and occlusion of B dreams; see :class:`augment.lucid.flow.DreamFlow`.

    Attributes:
        backward: (B, 2, H, W) float32 in pixels, x first.
        forward: (B, 2, H, W) float32.
        newly_visible: (B, H, W) bool.
        disappearing: (B, H, W) bool.
    """

    backward: Tensor
    forward: Tensor
    newly_visible: Tensor
    disappearing: Tensor


@dataclass(frozen=True, eq=False)
class DreamBatch:
    """B dreams; see :class:`augment.lucid.dreamer.Dream`.

    Attributes:
        image: (B, 3, H, W) float32 RGB in [0, 1].
        label_map: (B, H, W) uint8.
        previous_label_map: (B, H, W) uint8.
        previous_image: (B, 3, H, W) float32, if asked for.
        flow: If asked for.
    """

    image: Tensor
    label_map: Tensor
    previous_label_map: Tensor
    previous_image: Tensor | None = None
    flow: FlowBatch | None = None


@dataclass(frozen=True, eq=False)
class _Slot:
    """The k-th objects, from the back, of those dreams that have so many.

    Attributes:
        rows: (b,) int64, which dreams.
        objects: One for each.
        crops: (b, 5, h, w) float in [0, 1], RGB in the dream's light, soft and solid mask; smaller
            crops are padded with zeros.
        corners: (b, 2) float, where the crops begin in their source frames.
    """

    rows: Tensor
    objects: list[DreamtObject]
    crops: Tensor
    corners: Tensor

    def warped(self, size: tuple[int, int], *, now: bool, reach: int) -> Tensor:
        """Return the crops as they are seen in a frame and ``reach`` pixels beyond.

        Args:
            size: (H, W) of the frame.
            now: In the dreamt frame, not the one before.
            reach: Pixels beyond the frame.

        Returns:
            (b, 5, H + 2 reach, W + 2 reach).
        """
        layers = [each.layer.now if now else each.layer.before for each in self.objects]
        wide = (size[0] + 2 * reach, size[1] + 2 * reach)
        maps = stack_maps(layers, self.crops.device)
        fine = self.fine(size, now=now, reach=reach)
        positions = sampling_maps(wide, maps, corner=(-reach, -reach), fine=fine)
        return _sample(self.crops, positions - self.corners[:, None, None], "zeros")

    def fine(self, size: tuple[int, int], *, now: bool, reach: int = 0) -> list[Window | None]:
        """Return where grids have to be fine: around small objects."""
        windows = [
            each.window(size, now=now, beyond=reach) if each.shape.step == 1 else None
            for each in self.objects
        ]
        return [window.shifted(reach) if window else None for window in windows]

    def object_ids(self) -> Tensor:
        """Return the (b, 1, 1) uint8 ids."""
        ids = [each.object_id for each in self.objects]
        return torch.tensor(ids, dtype=torch.uint8, device=self.crops.device)[:, None, None]


class BatchPainter:
    """Paints dreams of some scenes on a device; what it uploads it keeps.

    Args:
        scenes: Of one size.
        device: Where to paint.

    Raises:
        ConfigError: If the scenes differ in size.
    """

    def __init__(self, scenes: Sequence[LucidScene], device: torch.device | str) -> None:
        if len(sizes := {scene.size for scene in scenes}) > 1:
            raise ConfigError(f"scenes of {sorted(sizes)} cannot be painted together; resize them.")
        self._scenes = scenes
        self.device = torch.device(device)
        self._plates: dict[tuple[int, int], Tensor] = {}
        self._voids: dict[tuple[int, int], Tensor] = {}
        self._crops: dict[tuple[int, int], Tensor] = {}

    def __call__(
        self, dreams: Sequence[tuple[int, DreamPlan]], *, pair: bool = False, flow: bool = False
    ) -> DreamBatch:
        """Paint dreams, each given by the index of its scene and what was drawn.

        Raises:
            ConfigError: If there is none.
        """
        if not dreams:
            raise ConfigError("there is no dream to paint; give at least one.")
        plans = [plan for _, plan in dreams]
        curves = self._tables([plan.curves(plate=True) for plan in plans])
        plates = _relight(torch.stack([self._plate(*dream) for dream in dreams]), curves)
        voids = None
        if any(self._scenes[scene].voids[plan.plate_index] is not None for scene, plan in dreams):
            voids = torch.stack([self._void(*dream) for dream in dreams])
        slots = [self._slot(dreams, k) for k in range(max(len(plan.objects) for plan in plans))]
        image, label_map = self._paint(plates, voids, plans, slots, now=True)
        previous, previous_labels = self._paint(
            plates, voids, plans, slots, now=False, picture=pair
        )
        found = _flow(label_map, previous_labels, plans, slots) if flow else None
        return DreamBatch(image, label_map, previous_labels, previous if pair else None, found)

    def _plate(self, scene: int, plan: DreamPlan) -> Tensor:
        key = (scene, plan.plate_index)
        if key not in self._plates:
            self._plates[key] = self._upload(self._scenes[scene].plates[plan.plate_index])
        return self._plates[key]

    def _void(self, scene: int, plan: DreamPlan) -> Tensor:
        key = (scene, plan.plate_index)
        if key not in self._voids:
            void = self._scenes[scene].voids[plan.plate_index]
            nothing = np.zeros(self._scenes[scene].size, dtype=np.uint8)
            self._voids[key] = torch.from_numpy(nothing if void is None else void).to(self.device)
        return self._voids[key]

    def _crop(self, scene: int, source: int) -> Tensor:
        key = (scene, source)
        if key not in self._crops:
            cut_out = self._scenes[scene].cut_outs[source]
            self._crops[key] = self._upload(np.dstack([cut_out.rgba, cut_out.solid]))
        return self._crops[key]

    def _slot(self, dreams: Sequence[tuple[int, DreamPlan]], k: int) -> _Slot:
        rows = [row for row, (_, plan) in enumerate(dreams) if len(plan.objects) > k]
        scenes, plans = zip(*(dreams[row] for row in rows), strict=True)
        objects = [plan.objects[k] for plan in plans]
        crops = [self._crop(s, o.source) for s, o in zip(scenes, objects, strict=True)]
        height, width = (max(crop.shape[dim] for crop in crops) for dim in (1, 2))
        padded = torch.stack(
            [F.pad(c, (0, width - c.shape[2], 0, height - c.shape[1])) for c in crops]
        )
        curves = self._tables(
            [plan.curves(plate=o.on_plate) for plan, o in zip(plans, objects, strict=True)]
        )
        lit = torch.cat([_relight(padded[:, :3], curves), padded[:, 3:]], dim=1)
        corners = [
            self._scenes[s].cut_outs[o.source].corner for s, o in zip(scenes, objects, strict=True)
        ]
        return _Slot(
            torch.tensor(rows, device=self.device),
            objects,
            lit,
            torch.tensor(corners, device=self.device).float(),
        )

    def _upload(self, picture: npt.NDArray[np.uint8]) -> Tensor:
        """Return a (H, W, C) picture as (C, H, W) float in [0, 1]."""
        tensor = torch.from_numpy(np.ascontiguousarray(picture)).to(self.device)
        return tensor.permute(2, 0, 1).float() / 255

    def _tables(self, curves: Sequence[tuple[Curve, Curve]]) -> Tensor:
        """Return the (B, 2, 256) tables of saturation and value in [0, 1]."""
        tables = torch.from_numpy(np.array(curves)).to(self.device).float() / 255
        tables[:, 0, 0] = 0  # gray has no hue that could become stronger
        return tables

    def _paint(
        self,
        plates: Tensor,
        voids: Tensor | None,
        plans: Sequence[DreamPlan],
        slots: Sequence[_Slot],
        *,
        now: bool,
        picture: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Paint one of the two frames, back to front; without a picture, its labels alone."""
        size = (plates.shape[2], plates.shape[3])
        layers = [plan.plate.now if now else plan.plate.before for plan in plans]
        positions = sampling_maps(size, stack_maps(layers, self.device), step=64)
        image = plates
        if picture:
            image = _sample(plates, positions, "reflection")
            kernels = [blur_kernel(p.plate_blur, p.shutter * p.plate.way) for p in plans]
            if reach := _reach(kernels):
                image = _blurred(_mirrored_out(image, reach), kernels)
        labels = torch.zeros((len(plans), *size), dtype=torch.uint8, device=self.device)
        if voids is not None:
            labels = look_up(voids, positions, outside=None)
        for slot in slots:
            kernels = [
                blur_kernel(each.blur, plans[row].shutter * each.layer.way)
                for each, row in zip(slot.objects, slot.rows.tolist(), strict=True)
            ]
            reach = _reach(kernels) if picture else 0
            layer = slot.warped(size, now=now, reach=reach)
            frame = (..., slice(reach, reach + size[0]), slice(reach, reach + size[1]))
            solid = _solid(layer[:, 4][frame])
            labels[slot.rows] = torch.where(solid, slot.object_ids(), labels[slot.rows])
            if picture:
                colours = torch.cat([layer[:, :3] * layer[:, 3:4], layer[:, 3:4]], dim=1)
                colours = _blurred(colours, kernels) if reach else colours
                image[slot.rows] = image[slot.rows] * (1 - colours[:, 3:]) + colours[:, :3]
        return image, labels


def _solid(covering: Tensor) -> Tensor:
    """Return which pixels are covered by half or more; one of (b, H, W) if there is none such."""
    # as in the 8 bits of the CPU, where halves are rounded up
    covering = (covering * 255 + 0.5).floor()
    most, where = covering.flatten(1).max(dim=1)
    solid = covering > 127
    faint = (most > 0) & (most <= 127)
    solid.flatten(1)[faint, where[faint]] = True
    return solid


def _sample(values: Tensor, positions: Tensor, padding: str) -> Tensor:
    """Resample (B, C, h, w) values at (B, H, W, 2) positions in pixels."""
    ends = torch.tensor([values.shape[3] - 1, values.shape[2] - 1], device=values.device)
    grid = 2 * positions / ends.clamp_min(1) - 1
    return F.grid_sample(values, grid, padding_mode=padding, align_corners=True)


def _relight(rgb: Tensor, tables: Tensor) -> Tensor:
    """Change saturation and value of (B, 3, h, w) pictures by (B, 2, 256) tables.

    With the hue as it is, each channel is V (1 - S f) with an f of its own that does not change.
    """
    value, least = rgb.amax(dim=1, keepdim=True), rgb.amin(dim=1, keepdim=True)
    span = value - least
    saturation = span / value.clamp_min(1e-6)
    new = []
    for old, table in zip((saturation, value), tables.unbind(1), strict=True):
        index = (old * 255).round().long().flatten(1)
        new.append(table.gather(1, index).view(old.shape))
    share = (value - rgb) / span.clamp_min(1e-6)
    return new[1] * (1 - new[0] * share)


def _reach(kernels: Sequence[FloatArray | None]) -> int:
    """Return how far the largest of some kernels reaches, in pixels."""
    return max((len(kernel) // 2 for kernel in kernels if kernel is not None), default=0)


def _mirrored_out(values: Tensor, reach: int) -> Tensor:
    """Return (B, C, H, W) values with ``reach`` mirrored ones on each side."""
    for dim in (2, 3):
        length = values.shape[dim]
        index = torch.arange(-reach, length + reach, device=values.device)
        values = values.index_select(dim, mirrored(index, length))
    return values


def _blurred(values: Tensor, kernels: Sequence[FloatArray | None]) -> Tensor:
    """Blur (B, C, H, W) values, each by its own kernel or not at all; the rim is used up."""
    radius = _reach(kernels)
    side = 2 * radius + 1
    stacked = np.zeros((len(kernels), 1, side, side), dtype=np.float32)
    for k, kernel in enumerate(kernels):
        inner = 0 if kernel is None else len(kernel) // 2
        part = np.s_[radius - inner : radius + inner + 1]
        stacked[k, 0, part, part] = 1.0 if kernel is None else kernel
    batch, channels, height, width = values.shape
    weights = torch.from_numpy(stacked).to(values.device).repeat_interleave(channels, dim=0)
    blurred = F.conv2d(values.flatten(0, 1)[None], weights, groups=batch * channels)
    return blurred.view(batch, channels, height - 2 * radius, width - 2 * radius)


def _flow(
    label_map: Tensor,
    previous_label_map: Tensor,
    plans: Sequence[DreamPlan],
    slots: Sequence[_Slot],
) -> FlowBatch:
    both = []
    for here, there, inverse in (
        (label_map, previous_label_map, False),
        (previous_label_map, label_map, True),
    ):
        here, there = (torch.where(each == VOID, PLATE, each) for each in (here, there))
        size, device = (here.shape[1], here.shape[2]), here.device
        plates = stack_maps([plan.plate.past for plan in plans], device)
        positions = sampling_maps(size, plates, step=64, inverse=inverse)
        for slot in slots:
            maps = stack_maps([each.layer.past for each in slot.objects], device)
            fine = slot.fine(size, now=not inverse)
            reached = sampling_maps(size, maps, inverse=inverse, fine=fine)
            owned = (here[slot.rows] == slot.object_ids())[..., None]
            positions[slot.rows] = torch.where(owned, reached, positions[slot.rows])
        hidden = look_up(there, positions, outside=VOID) != here
        flow = positions - pixel_centres(size, device).float()
        both += [flow.permute(0, 3, 1, 2), hidden]
    return FlowBatch(both[0], both[2], both[1], both[3])
