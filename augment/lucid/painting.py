"""Painting a dream on the CPU: each layer is resampled once, within the window that shows it."""

from functools import cached_property
from typing import Literal, NamedTuple

import cv2
import numpy as np

from augment.geometry import Points, sampling_map, warp, warp_affine, warp_labels
from augment.lucid.layers import Curve
from augment.lucid.plan import DreamPlan, DreamtObject
from augment.lucid.scene import LucidScene
from augment.lucid.seams import solve_seam
from vos_core.types import BinaryMask, FloatArray, Image, LabelMap

Seam = Literal["feather", "poisson"]
"""How a cut-out meets the plate: with a soft edge, or solved for."""

_MARGIN = 6  # outlines are known by some of their points, and soft edges go beyond
_SHARP = 0.3  # a smaller standard deviation leaves no trace


class Window(NamedTuple):
    """A rectangle of the frame: its first pixel and the one after its last."""

    x: int
    y: int
    right: int
    bottom: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of a (H, W) array."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.y, self.right - self.x


def window_of(points: Points, size: tuple[int, int], margin: int = _MARGIN) -> Window | None:
    """Return the part of a frame of ``size`` (H, W) around some points; None if it is outside."""
    frame = np.array([size[1], size[0]])
    x, y = np.clip(np.floor(points.min(axis=0)) - margin, 0, frame).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)) + margin + 1, 0, frame).astype(int)
    return Window(x, y, right, bottom) if right > x and bottom > y else None


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
        image = self._paint_plate(now)
        label_map = np.zeros(self._scene.size, dtype=np.uint8)
        for each, rgba in zip(self._plan.objects, self._lit_cut_outs, strict=True):
            self._paint_object(image, label_map, each, rgba, now)
        return image, label_map

    def labels(self, *, now: bool) -> LabelMap:
        """Return the labels alone."""
        label_map = np.zeros(self._scene.size, dtype=np.uint8)
        for each in self._plan.objects:
            if window := _window(each, self._scene.size, now):
                solid = _solid(each, _positions(each, window, now))
                label_map[window.part][solid] = each.cut_out.object_id
        return label_map

    def carry(self, label_map: LabelMap) -> LabelMap:
        """Move another (H, W) uint8 label map of the source frame as the picture is moved.

        What lies on an object goes with the object, what lies beside goes with the plate; behind
        the objects' old places there is nothing. The scene must be of one frame.
        """
        objects = np.logical_or.reduce([cut_out.mask for cut_out in self._scene.cut_outs])
        beside = np.where(objects, 0, label_map).astype(np.uint8)
        size = self._scene.size
        carried = warp_labels(beside, sampling_map(size, self._plan.plate.now, step=64))
        for each in self._plan.objects:
            if window := _window(each, size, now=True):
                positions = _positions(each, window, now=True)
                solid = _solid(each, positions)
                positions = positions + np.array(each.cut_out.corner, np.float32)
                carried[window.part][solid] = warp_labels(label_map, positions)[solid]
        return carried

    @cached_property
    def _lit_plate(self) -> Image:
        plate = self._scene.plates[self._plan.plate_index]
        return _relight(plate, self._plan.curves(plate=True))

    @cached_property
    def _lit_cut_outs(self) -> list[Image]:
        curves = self._plan.curves(plate=False)
        pictures = [each.cut_out.rgba for each in self._plan.objects]
        return [np.dstack([_relight(p[..., :3], curves), p[..., 3]]) for p in pictures]

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
        margin = _MARGIN if kernel is None else _MARGIN + len(kernel) // 2
        window = _window(each, self._scene.size, now, margin)
        if window is None:
            return
        positions = _positions(each, window, now)
        solid = _solid(each, positions)
        warped = warp(rgba, positions, border=cv2.BORDER_CONSTANT)
        part = image[window.part].astype(np.float32)
        if kernel is not None:
            _blend_blurred(part, warped, kernel)
        elif self._seam == "poisson":
            solve_seam(part, warped[..., :3].astype(np.float32), solid)
        else:
            alpha = warped[..., 3:].astype(np.float32) / 255
            part += alpha * (warped[..., :3] - part)
        image[window.part] = np.rint(part)
        label_map[window.part][solid] = each.cut_out.object_id


def _window(
    each: DreamtObject, size: tuple[int, int], now: bool, margin: int = _MARGIN
) -> Window | None:
    return window_of(each.outline if now else each.shape.outline, size, margin)


def _positions(each: DreamtObject, window: Window, now: bool) -> FloatArray:
    """Return where each pixel of a window is in an object's crop."""
    backward = each.layer.now if now else each.layer.before
    corner = np.array(each.cut_out.corner)
    return sampling_map(
        window.size, lambda points: backward(points) - corner, corner=(window.x, window.y)
    )


def _solid(each: DreamtObject, positions: FloatArray) -> BinaryMask:
    """Return which pixels an object covers by half or more."""
    solid: BinaryMask = warp(each.cut_out.solid, positions, border=cv2.BORDER_CONSTANT) > 127
    return solid


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


def _blend_blurred(part: FloatArray, rgba: Image, kernel: FloatArray) -> None:
    """Put a blurred (h, w, 4) picture onto a (h, w, 3) part of the frame, in place."""
    layer = rgba.astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255  # what is transparent has no colour to spread
    layer = cv2.filter2D(layer, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    part *= 1 - layer[..., 3:] / 255
    part += layer[..., :3]
