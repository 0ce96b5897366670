"""Rendering of the toy clips with exact masks and exact optical flow.

A layer is shown through the backward map ``V_t(x) = p + d_t(p)`` with ``p = A_t^-1 x``: an affine
pose A_t and a smooth displacement field d_t on the layer's texture. The pose is inverted in closed
form and the field by fixed-point iteration, so whatever is seen at a pixel can be followed into
any other frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from augment.geometry import (
    Matrix,
    Points,
    ThinPlateSpline,
    affine_matrix,
    apply_affine,
    pixel_grid,
    sampling_map,
    warp,
)
from datasets_vos.toy_cutouts import load_photo, make_cutout
from datasets_vos.toy_scenes import Scene, Track
from vos_core.types import BinaryMask, FloatArray, Image, LabelMap

_BACKDROP = 1.4  # side of the backdrop in frames, so that the camera can move
_LATTICE = 4
_INVERSION_STEPS = 12  # the field contracts by 0.4 at worst: far below 0.01 px
_SHUTTER = 0.4  # exposure as a fraction of the frame interval
_EXPOSURES = 3
_NOISE = 2.5 / 255


class Frame(NamedTuple):
    """One rendered frame and how it follows from the one before.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        label_map: (H, W) uint8 ids.
        flow: (H, W, 2) float32 from this frame into the previous one; None in the first frame.
        newly_visible: (H, W) bool, what the previous frame does not show; None in the first frame.
    """

    image: Image
    label_map: LabelMap
    flow: FloatArray | None
    newly_visible: BinaryMask | None


@dataclass(frozen=True)
class Layer:
    """A texture with an outline, and its motion.

    Attributes:
        texture: (S, S', 3) float32 RGB in [0, 1].
        alpha: (S, S') float32 in [0, 1]; None covers everything (the backdrop).
        object_id: Label of its pixels.
        track: Pose of the texture's centre.
        frame_size: (H, W) of the frames in pixels.
        wobble: Amplitude of the deformation in texture pixels; 0 for a rigid layer.
        wave: (2, 4) phase, frequencies per lattice step along x and y, and frequency per clip, in
            turns; one row for the deformation along x and one for y.
    """

    texture: FloatArray
    alpha: FloatArray | None
    object_id: int
    track: Track
    frame_size: tuple[int, int]
    wobble: float
    wave: npt.NDArray[np.float64]

    def at(self, time: float) -> "PlacedLayer":
        """Return the layer as it lies in the frame at ``time`` in [0, 1]."""
        x, y, scale, angle = interpolate(self.track, time)
        height, width = self.frame_size
        centre = (np.array(self.texture.shape[1::-1]) - 1) / 2
        place = np.array([x * width, y * height]) - 0.5
        pose = affine_matrix(tuple(centre), (scale, scale), angle, tuple(place - centre))
        return PlacedLayer(self, pose, self._field(time) if self.wobble else None)

    def _field(self, time: float) -> FloatArray:
        """Displacement (S, S, 2) of the texture: a wave that runs over a lattice, splined."""
        side = len(self.texture)
        lattice = pixel_grid((_LATTICE, _LATTICE)).reshape(-1, 2)
        phase, along_x, along_y, rate = self.wave.T
        turns = phase + lattice[:, :1] * along_x + lattice[:, 1:] * along_y + rate * time
        nodes = lattice * (side - 1) / (_LATTICE - 1)
        spline = ThinPlateSpline.fit(nodes, nodes + self.wobble * np.sin(2 * np.pi * turns))
        field = sampling_map((side, side), spline) - pixel_grid((side, side))
        return np.asarray(field, dtype=np.float32)


@dataclass(frozen=True)
class PlacedLayer:
    """A layer at one moment.

    Attributes:
        layer: What is placed.
        pose: (3, 3) undeformed texture to frame.
        field: (S, S, 2) float32 displacement on the texture in pixels; None for a rigid layer.
    """

    layer: Layer
    pose: Matrix
    field: FloatArray | None

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the frame, never none, outside which the layer is not seen."""
        height, width = self.layer.frame_size
        if self.layer.alpha is None:
            return slice(0, height), slice(0, width)
        side = len(self.layer.texture)
        reach = self.layer.wobble
        square = pixel_grid((2, 2)) * (side + 2 * reach) - reach
        corners = apply_affine(self.pose, square)
        low = np.floor(corners.min(axis=(0, 1))).astype(int).clip(0, (width - 1, height - 1))
        high = np.ceil(corners.max(axis=(0, 1))).astype(int).clip(low + 1, (width, height))
        return slice(low[1], high[1]), slice(low[0], high[0])

    def to_texture(self, points: Points) -> Points:
        """Map (M, N, 2) frame points to where the texture shows them."""
        inverse: Matrix = np.asarray(np.linalg.inv(self.pose), dtype=np.float64)
        undeformed = apply_affine(inverse, points)
        return undeformed + self._displacement(undeformed)

    def to_frame(self, points: Points) -> Points:
        """Map (M, N, 2) texture points to the frame: the inverse of :meth:`to_texture`."""
        undeformed = points
        for _ in range(_INVERSION_STEPS if self.field is not None else 0):
            undeformed = points - self._displacement(undeformed)
        return apply_affine(self.pose, undeformed)

    def covers(self, points: Points) -> BinaryMask:
        """Tell which (M, N, 2) frame points the layer covers (alpha above one half)."""
        return np.asarray(self.alpha_at(self.to_texture(points)) > 0.5)

    def alpha_at(self, texture_points: Points) -> FloatArray:
        """Alpha (M, N) at (M, N, 2) texture points."""
        if self.layer.alpha is None:
            return np.ones(texture_points.shape[:-1], dtype=np.float32)
        positions = texture_points.astype(np.float32)
        alpha = warp(self.layer.alpha, positions, border=cv2.BORDER_CONSTANT)
        return np.asarray(alpha, dtype=np.float32)

    def _displacement(self, points: Points) -> Points:
        if self.field is None:
            return np.zeros_like(points)
        moved = warp(self.field, points.astype(np.float32), border=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.float64)


def interpolate(track: Track, time: float) -> npt.NDArray[np.float64]:
    """Return (x, y, scale, angle) at ``time``: a Catmull-Rom curve through the keys of a track."""
    keys = np.array(track, dtype=np.float64)
    times, values = keys[:, 0], keys[:, 1:]
    slopes = np.gradient(values, times, axis=0)
    left = int(np.clip(np.searchsorted(times, time) - 1, 0, len(times) - 2))
    span = times[left + 1] - times[left]
    s = (time - times[left]) / span
    blend = np.array([2 * s**3 - 3 * s**2 + 1, 3 * s**2 - 2 * s**3])
    bend = np.array([s**3 - 2 * s**2 + s, s**3 - s**2]) * span
    pose: npt.NDArray[np.float64] = blend @ values[left : left + 2] + bend @ slopes[left : left + 2]
    return pose


def make_layers(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> list[Layer]:
    """Draw the backdrop and the objects of a scene for frames of ``size`` (H, W), bottom first."""
    canvas = (round(size[0] * _BACKDROP), round(size[1] * _BACKDROP))
    still = np.zeros((2, 4))
    backdrop = load_photo(scene.backdrop, canvas)
    layers = [Layer(backdrop, None, 0, scene.camera, size, 0.0, still)]
    ids = iter(scene.object_ids)
    for actor in scene.actors:
        half_extent = actor.size * float(np.sqrt(size[0] * size[1]))
        texture, alpha = make_cutout(actor, half_extent, rng)
        # at most a fifth of a turn between neighbours bends the body smoothly
        bends = rng.uniform(0.1, 0.2, (2, 2)) * rng.choice([-1, 1], (2, 2))
        waves = np.c_[rng.random(2), bends, rng.uniform(1.2, 2.2, 2)]
        object_id = next(ids) if actor.annotated else 0
        wobble = actor.wobble * half_extent
        layers.append(Layer(texture, alpha, object_id, actor.track, size, wobble, waves))
    return layers


def render_scene(
    scene: Scene, frames: int, size: tuple[int, int], rng: np.random.Generator
) -> Iterator[Frame]:
    """Yield the frames of a scene in order.

    Args:
        scene: The script.
        frames: Number of frames, at least 2; the script is spread over them.
        size: (H, W) in pixels.
        rng: Source of the outlines, the deformations, the light and the noise.
    """
    layers = make_layers(scene, size, rng)
    light_phase = rng.random(2)
    grid = pixel_grid(size)
    previous: list[PlacedLayer] = []
    for index in range(frames):
        time = index / (frames - 1)
        placed = [layer.at(time) for layer in layers]
        owner = visible_layer(placed, grid)
        ids = np.array([layer.object_id for layer in layers], dtype=np.uint8)
        flow, newly_visible = backward_flow(placed, previous, owner) if previous else (None, None)
        image = _expose(layers, time, 1 / (frames - 1))
        swing = np.sin(2 * np.pi * (light_phase + time))
        image = image ** np.float32(1 + scene.gamma * swing[0]) * (1 + scene.gain * swing[1])
        image = image + rng.normal(0, _NOISE, image.shape)
        pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
        yield Frame(pixels, ids[owner], flow, newly_visible)
        previous = placed


def visible_layer(placed: list[PlacedLayer], points: Points) -> npt.NDArray[np.intp]:
    """Return the (H, W) index of the topmost layer that covers each pixel of the (H, W, 2) grid."""
    owner = np.zeros(points.shape[:-1], dtype=np.intp)
    for index, layer in enumerate(placed):
        owner[layer.box][layer.covers(points[layer.box])] = index
    return owner


def backward_flow(
    placed: list[PlacedLayer], previous: list[PlacedLayer], owner: npt.NDArray[np.intp]
) -> tuple[FloatArray, BinaryMask]:
    """Follow what each pixel shows into the previous frame.

    Args:
        placed: The layers in this frame, bottom first.
        previous: The same layers in the previous frame.
        owner: (H, W) index of the layer that each pixel shows.

    Returns:
        (H, W, 2) float32 displacement in pixels, and (H, W) bool: the point lies outside the
        previous frame or is covered there.
    """
    height, width = owner.shape
    grid = pixel_grid((height, width))
    target = grid.copy()
    for index, (now, before) in enumerate(zip(placed, previous, strict=True)):
        followed = before.to_frame(now.to_texture(grid[now.box]))
        mine = owner[now.box] == index
        target[now.box][mine] = followed[mine]
    x, y = target[..., 0], target[..., 1]
    hidden = (x < -0.5) | (x >= width - 0.5) | (y < -0.5) | (y >= height - 0.5)
    for index, before in enumerate(previous[1:], start=1):
        hidden |= (owner < index) & before.covers(target)
    return (target - grid).astype(np.float32), hidden


def _expose(layers: list[Layer], time: float, interval: float) -> FloatArray:
    """Average the composite over the exposure; (H, W, 3) float32 in [0, 1]."""
    offsets = (np.arange(_EXPOSURES) - (_EXPOSURES - 1) / 2) / _EXPOSURES * _SHUTTER * interval
    images = [_composite([layer.at(time + offset) for layer in layers]) for offset in offsets]
    return np.asarray(np.mean(images, axis=0), dtype=np.float32)


def _composite(placed: list[PlacedLayer]) -> FloatArray:
    """Paint the layers over each other, bottom first; (H, W, 3) float32 in [0, 1]."""
    size = placed[0].layer.frame_size
    grid = pixel_grid(size)
    image = np.zeros((*size, 3), dtype=np.float32)
    for layer in placed:
        positions = layer.to_texture(grid[layer.box])
        alpha = layer.alpha_at(positions)[..., None]
        texture = warp(layer.layer.texture, positions.astype(np.float32))
        colour = np.asarray(texture, dtype=np.float32)
        image[layer.box] += alpha * (colour - image[layer.box])
    return image
