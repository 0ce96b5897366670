"""Painting a dream on the CPU: each layer is resampled once, within the window that shows it."""

from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from augment.geometry import Points, sampling_map, warp, warp_affine, warp_labels
from augment.lucid.layers import Curve
from augment.lucid.plan import DreamPlan, DreamtObject
from augment.lucid.scene import LucidScene
from augment.lucid.seams import solve_seam
from augment.shapes import Window
from vos_core.types import BinaryMask, FloatArray, Image, LabelMap

Seam = Literal["feather", "poisson"]
"""How a cut-out meets the plate: with a soft edge, or solved for."""

_SHARP = 0.3  # a smaller standard deviation leaves no trace


class Painter:
    """Paints the two frames of a dream.

    Args:
        scene: What it was drawn from.
        plan: What was drawn.
        seam: How cut-outs meet the plate.
    """

    def __init__(self, scene: LucidScene, plan: DreamPlan, seam: Seam = "feather") -> None:
        self._scene = scene
        self._plan = plan
        self._seam = seam

    def frame(self, *, now: bool) -> tuple[Image, LabelMap]:
        """Paint the dreamt frame or the one before, and its labels.

        A pixel belongs to the topmost object that covers half of it.
        """
        image, label_map = self._paint_plate(now), self._void(now)
        for each, rgba in zip(self._plan.objects, self._lit_cut_outs, strict=True):
            self._paint_object(image, label_map, each, rgba, now)
        return image, label_map

    def labels(self, *, now: bool) -> LabelMap:
        """Return the labels alone."""
        label_map = self._void(now)
        for each in self._plan.objects:
            if window := each.window(self._scene.size, now=now):
                solid = self._solid(each, self._positions(each, window, now))
                label_map[window.part][solid] = each.object_id
        return label_map

    def carry(self, label_map: LabelMap) -> LabelMap:
        """Move another (H, W) uint8 label map of the source frame as the picture is moved.

        What lies on an object goes with the object, what lies beside goes with the plate; behind
        the objects' old places there is nothing. The scene must be of one frame.
        """
        size = self._scene.size
        objects = np.logical_or.reduce([cut_out.mask(size) for cut_out in self._scene.cut_outs])
        carried = self._with_plate(np.where(objects, 0, label_map).astype(np.uint8), now=True)
        for each in self._plan.objects:
            if window := each.window(size, now=True):
                positions = self._positions(each, window, now=True)
                solid = self._solid(each, positions)
                corner = np.array(self._scene.cut_outs[each.source].corner, np.float32)
                carried[window.part][solid] = warp_labels(label_map, positions + corner)[solid]
        return carried

    @cached_property
    def _lit_plate(self) -> Image:
        plate = self._scene.plates[self._plan.plate_index]
        return _relight(plate, self._plan.curves(plate=True))

    @cached_property
    def _lit_cut_outs(self) -> list[Image]:
        lit = []
        for each in self._plan.objects:
            rgba = self._scene.cut_outs[each.source].rgba
            rgb = _relight(rgba[..., :3], self._plan.curves(plate=each.on_plate))
            lit.append(np.dstack([rgb, rgba[..., 3]]))
        return lit

    def _with_plate(self, label_map: LabelMap, *, now: bool) -> LabelMap:
        """Move a label map of the source frame as the plate is moved."""
        layer = self._plan.plate
        positions = sampling_map(self._scene.size, layer.now if now else layer.before, step=64)
        return warp_labels(label_map, positions, border=cv2.BORDER_REFLECT_101)

    def _void(self, now: bool) -> LabelMap:
        """Return the labels of the plate: void or nothing."""
        void = self._scene.voids[self._plan.plate_index]
        if void is None:
            return np.zeros(self._scene.size, dtype=np.uint8)
        return self._with_plate(void, now=now)

    def _paint_plate(self, now: bool) -> Image:
        layer, plan = self._plan.plate, self._plan
        image = warp_affine(self._lit_plate, layer.now if now else layer.before)
        kernel = blur_kernel(plan.plate_blur, plan.shutter * layer.way)
        if kernel is None:
            return image
        blurred = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(blurred, dtype=np.uint8)

    def _paint_object(
        self, image: Image, label_map: LabelMap, each: DreamtObject, rgba: Image, now: bool
    ) -> None:
        kernel = blur_kernel(each.blur, self._plan.shutter * each.layer.way)
        reach = 0 if kernel is None else len(kernel) // 2
        # what is beyond the frame is blurred into it
        wide = each.window(self._scene.size, now=now, beyond=reach)
        if wide is None:
            return
        positions = self._positions(each, wide, now)
        warped = warp(rgba, positions, border=cv2.BORDER_CONSTANT)
        window, inner = wide.within(self._scene.size)
        solid = self._solid(each, positions[inner])
        part = image[window].astype(np.float32)
        if kernel is not None:
            _blend(part, _blurred(warped, kernel)[inner])
        elif self._seam == "poisson":
            colours = warp(rgba[..., :3], positions, border=cv2.BORDER_REPLICATE)
            solve_seam(part, colours.astype(np.float32), solid)
        else:
            alpha = warped[..., 3:].astype(np.float32) / 255
            part += alpha * (warped[..., :3] - part)
        image[window] = np.rint(part)
        label_map[window][solid] = each.object_id

    def _positions(self, each: DreamtObject, window: Window, now: bool) -> FloatArray:
        """Return where each pixel of a window is in an object's crop."""
        backward = each.layer.now if now else each.layer.before
        corner = np.array(self._scene.cut_outs[each.source].corner)
        return sampling_map(
            window.size, lambda points: backward(points) - corner, each.shape.step, window.corner
        )

    def _solid(self, each: DreamtObject, positions: FloatArray) -> BinaryMask:
        """Return which pixels an object covers by half or more; one if there is none such."""
        solid = self._scene.cut_outs[each.source].solid
        covering = warp(solid, positions, border=cv2.BORDER_CONSTANT)
        most = covering.max(initial=0)
        covered: BinaryMask = covering > 127
        if 0 < most <= 127:
            covered.flat[covering.argmax()] = True
        return covered


def _relight(image: Image, curves: tuple[Curve, Curve]) -> Image:
    """Change saturation and value of a (H, W, 3) picture."""
    unchanged = np.arange(256)
    if all((curve == unchanged).all() for curve in curves):
        return image
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)
    table = np.stack([unchanged, *curves], axis=-1)[:, None].astype(np.uint8)
    table[0, 0, 1] = 0  # gray has no hue that could become stronger
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL), dtype=np.uint8)


def blur_kernel(sigma: float, motion: Points) -> FloatArray | None:
    """Return the (2 r + 1, 2 r + 1) kernel of defocus and motion together; None for a sharp one.

    Args:
        sigma: Standard deviation of the defocus, pixels.
        motion: (2,) how far things move while the shutter is open, pixels.
    """
    length = float(np.linalg.norm(motion))
    if sigma < _SHARP and length < 1:
        return None
    radius = int(np.ceil(3 * sigma + length / 2)) + 1
    # where a point of light leaves its trace; each moment is shared by the four pixels around
    moments = (np.arange(4 * radius)[:, None] + 0.5) / (4 * radius) - 0.5
    trace = radius + moments * motion
    corner = np.floor(trace).astype(int)
    kernel: FloatArray = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.float32)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = np.prod(1 - np.abs(trace - corner - (dx, dy)), axis=1)
        np.add.at(kernel, (corner[:, 1] + dy, corner[:, 0] + dx), weight)
    if sigma >= _SHARP:
        kernel = np.asarray(cv2.GaussianBlur(kernel, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT))
    kernel /= kernel.sum()
    return kernel


def _blurred(rgba: Image, kernel: FloatArray) -> FloatArray:
    """Blur a (h, w, 4) picture; its colours are returned multiplied by its alpha."""
    layer = rgba.astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255  # what is transparent has no colour to spread
    blurred = cv2.filter2D(layer, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, dtype=np.float32)


def _blend(part: FloatArray, layer: FloatArray) -> None:
    """Put a (h, w, 4) layer, its colours multiplied by alpha, onto a (h, w, 3) part, in place."""
    part *= 1 - layer[..., 3:] / 255
    part += layer[..., :3]
