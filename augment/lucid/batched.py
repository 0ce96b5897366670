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

from augment.device import look_up, mirrored, pixel_centres, sampling_maps, upload, upload_maps
from augment.lucid.flow import PLATE
from augment.lucid.plan import DreamPlan
from augment.lucid.scene import LucidScene
from augment.lucid.stack import DreamStack, LayerStack, stack_dreams
from augment.shapes import Window
from vos_core.errors import ConfigError
from vos_core.types import VOID


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
class _Objects:
    """The k-th objects, from the back, of those dreams that have so many, on a device.

    Attributes:
        stack: What was drawn.
        rows: (b,) int64, which dreams; a slice if all.
        object_ids: (b, 1, 1) uint8.
        crops: (b, 5, h, w) float in [0, 1], RGB in the dream's light, soft and solid mask; smaller
            crops are padded with zeros.
        corners: (b, 2) float, where the crops begin in their source frames.
    """

    stack: LayerStack
    rows: Tensor | slice
    object_ids: Tensor
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
        wide = (size[0] + 2 * reach, size[1] + 2 * reach)
        maps = upload_maps(self.stack.now if now else self.stack.before, self.crops.device)
        fine = self.fine(now=now, reach=reach)
        positions = sampling_maps(wide, maps, corner=(-reach, -reach), fine=fine)
        return _sample(self.crops, positions - self.corners[:, None, None], "zeros")

    def fine(self, *, now: bool, reach: int = 0) -> list[Window | None]:
        """Return where grids have to be fine: around small objects."""
        windows = self.stack.fine_now if now else self.stack.fine_before
        return [window.shifted(reach) if window else None for window in windows]


class BatchPainter:
    """Paints dreams of some scenes on a device; what it uploads it keeps.

    Args:
        scenes: Of one size.
        device: Where to paint.
        lit: In the light that was drawn; pictures that are not colours keep their values.

    Raises:
        ConfigError: If the scenes differ in size.
    """

    def __init__(
        self, scenes: Sequence[LucidScene], device: torch.device | str, *, lit: bool = True
    ) -> None:
        if len(sizes := {scene.size for scene in scenes}) > 1:
            raise ConfigError(f"scenes of {sorted(sizes)} cannot be painted together; resize them.")
        self._scenes = scenes
        self.device = torch.device(device)
        self._lit = lit
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
        return self.paint(stack_dreams(dreams, self._scenes[0].size), pair=pair, flow=flow)

    def paint(self, dreams: DreamStack, *, pair: bool = False, flow: bool = False) -> DreamBatch:
        """Paint dreams that were stacked."""
        plates = torch.stack([self._plate(*picture) for picture in dreams.plates.pictures])
        plates = self._relight(plates, dreams.plates)
        voids = None
        if any(self._scenes[scene].voids[k] is not None for scene, k in dreams.plates.pictures):
            voids = torch.stack([self._void(*picture) for picture in dreams.plates.pictures])
        objects = [self._objects(stack, len(plates)) for stack in dreams.objects]
        image, label_map = self._paint(plates, voids, dreams.plates, objects, now=True)
        previous, previous_labels = self._paint(
            plates, voids, dreams.plates, objects, now=False, picture=pair
        )
        found = _flow(label_map, previous_labels, dreams.plates, objects) if flow else None
        return DreamBatch(image, label_map, previous_labels, previous if pair else None, found)

    def _plate(self, scene: int, index: int) -> Tensor:
        key = (scene, index)
        if key not in self._plates:
            self._plates[key] = self._upload(self._scenes[scene].plates[index])
        return self._plates[key]

    def _void(self, scene: int, index: int) -> Tensor:
        key = (scene, index)
        if key not in self._voids:
            void = self._scenes[scene].voids[index]
            nothing = np.zeros(self._scenes[scene].size, dtype=np.uint8)
            self._voids[key] = upload(nothing if void is None else void, self.device)
        return self._voids[key]

    def _crop(self, scene: int, source: int) -> Tensor:
        key = (scene, source)
        if key not in self._crops:
            cut_out = self._scenes[scene].cut_outs[source]
            self._crops[key] = self._upload(np.dstack([cut_out.rgba, cut_out.solid]))
        return self._crops[key]

    def _objects(self, stack: LayerStack, dreams: int) -> _Objects:
        places = {picture: place for place, picture in enumerate(dict.fromkeys(stack.pictures))}
        crops = [self._crop(*picture) for picture in places]
        height, width = (max(crop.shape[dim] for crop in crops) for dim in (1, 2))
        different = torch.stack(
            [F.pad(c, (0, width - c.shape[2], 0, height - c.shape[1])) for c in crops]
        )
        which = np.array([places[picture] for picture in stack.pictures])
        padded = different[upload(which, self.device)]
        lit = torch.cat([self._relight(padded[:, :3], stack), padded[:, 3:]], dim=1)
        corners = [self._scenes[scene].cut_outs[k].corner for scene, k in stack.pictures]
        rows = slice(None) if len(stack.rows) == dreams else upload(stack.rows, self.device)
        ids = upload(stack.object_ids, self.device)[:, None, None]
        return _Objects(stack, rows, ids, lit, upload(np.array(corners, np.float32), self.device))

    def _upload(self, picture: npt.NDArray[np.uint8]) -> Tensor:
        """Return a (H, W, C) picture as (C, H, W) float in [0, 1]."""
        return upload(np.ascontiguousarray(picture), self.device).permute(2, 0, 1).float() / 255

    def _relight(self, rgb: Tensor, layers: LayerStack) -> Tensor:
        """Put (b, 3, h, w) pictures into the light of their dreams."""
        if not self._lit:
            return rgb
        tables = upload(layers.curves, self.device).float() / 255
        tables[:, 0, 0] = 0  # gray has no hue that could become stronger
        return _relight(rgb, tables)

    def _paint(
        self,
        plates: Tensor,
        voids: Tensor | None,
        drawn: LayerStack,
        objects: Sequence[_Objects],
        *,
        now: bool,
        picture: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Paint one of the two frames, back to front; without a picture, its labels alone."""
        size = (plates.shape[2], plates.shape[3])
        maps = upload_maps(drawn.now if now else drawn.before, self.device)
        positions = sampling_maps(size, maps, step=64)
        image = plates
        if picture:
            image = _blurred(_sample(plates, positions, "reflection"), drawn.kernels, mirror=True)
        labels = torch.zeros((len(plates), *size), dtype=torch.uint8, device=self.device)
        if voids is not None:
            labels = look_up(voids, positions, outside=None)
        for each in objects:
            reach = each.stack.reach if picture else 0
            layer = each.warped(size, now=now, reach=reach)
            frame = (..., slice(reach, reach + size[0]), slice(reach, reach + size[1]))
            solid = _solid(layer[:, 4][frame])
            labels[each.rows] = torch.where(solid, each.object_ids, labels[each.rows])
            if picture:
                layer[:, :3] *= layer[:, 3:4]
                colours = _blurred(layer[:, :4], each.stack.kernels)
                below = image[each.rows]
                below = torch.addcmul(below, below, colours[:, 3:], value=-1)
                image[each.rows] = below.add_(colours[:, :3])
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
    ends = np.array([values.shape[3] - 1, values.shape[2] - 1], dtype=np.float32)
    grid = positions / upload(ends.clip(min=1) / 2, values.device) - 1
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


def _mirrored_out(values: Tensor, reach: int) -> Tensor:
    """Return (B, C, H, W) values with ``reach`` mirrored ones on each side."""
    for dim in (2, 3):
        length = values.shape[dim]
        index = torch.arange(-reach, length + reach, device=values.device)
        values = values.index_select(dim, mirrored(index, length))
    return values


def _blurred(
    values: Tensor, kernels: npt.NDArray[np.float32] | None, *, mirror: bool = False
) -> Tensor:
    """Blur (B, C, H, W) values, each by its own kernel; the rim is used up, or mirrored before."""
    if kernels is None:
        return values
    radius = kernels.shape[-1] // 2
    if mirror:
        values = _mirrored_out(values, radius)
    batch, channels, height, width = values.shape
    weights = upload(kernels, values.device)[:, None].repeat_interleave(channels, 0)
    blurred = F.conv2d(values.flatten(0, 1)[None], weights, groups=batch * channels)
    return blurred.view(batch, channels, height - 2 * radius, width - 2 * radius)


def _flow(
    label_map: Tensor, previous_label_map: Tensor, plates: LayerStack, objects: Sequence[_Objects]
) -> FlowBatch:
    both = []
    for here, there, inverse in (
        (label_map, previous_label_map, False),
        (previous_label_map, label_map, True),
    ):
        here, there = (torch.where(each == VOID, PLATE, each) for each in (here, there))
        size, device = (here.shape[1], here.shape[2]), here.device
        maps = upload_maps(plates.past, device)
        positions = sampling_maps(size, maps, step=64, inverse=inverse)
        for each in objects:
            maps = upload_maps(each.stack.past, device)
            fine = each.fine(now=not inverse)
            reached = sampling_maps(size, maps, inverse=inverse, fine=fine)
            owned = (here[each.rows] == each.object_ids)[..., None]
            positions[each.rows] = torch.where(owned, reached, positions[each.rows])
        hidden = look_up(there, positions, outside=VOID) != here
        flow = positions - pixel_centres(size, device).float()
        both += [flow.permute(0, 3, 1, 2), hidden]
    return FlowBatch(both[0], both[2], both[1], both[3])
