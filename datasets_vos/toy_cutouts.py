"""Photographs and outlines of the toy dataset: everything that is drawn once per clip."""

from importlib import resources

import cv2
import numpy as np

from augment.geometry import Points, pixel_grid
from datasets_vos.toy_scenes import Actor, Photo
from vos_core.errors import DatasetError
from vos_core.types import FloatArray

CANVAS = 1.2  # half side of the canvas in units of the shape's half extent
_JOINT = 16.0  # larger makes the joints between bones sharper
# bones (x0, y0, radius0, x1, y1, radius1) of shapes that live in [-1, 1]^2 and face right
_SKELETONS = {
    "bird": (
        (-0.35, 0.0, 0.2, 0.45, 0.0, 0.24),
        (0.45, 0.0, 0.2, 0.75, 0.0, 0.17),
        (0.8, 0.0, 0.12, 0.97, 0.0, 0.02),
        (0.2, -0.15, 0.25, -0.15, -0.88, 0.1),
        (0.2, 0.15, 0.25, -0.15, 0.88, 0.1),
        (-0.4, 0.0, 0.15, -0.85, -0.2, 0.12),
        (-0.4, 0.0, 0.15, -0.85, 0.2, 0.12),
    ),
    "fish": (
        (0.15, 0.0, 0.44, 0.68, 0.0, 0.26),
        (0.1, 0.0, 0.42, -0.6, 0.0, 0.13),
        (-0.5, 0.0, 0.12, -0.86, -0.4, 0.13),
        (-0.5, 0.0, 0.12, -0.86, 0.4, 0.13),
        (0.2, -0.35, 0.2, -0.15, -0.65, 0.1),
        (0.2, 0.35, 0.18, -0.1, 0.58, 0.09),
    ),
    "lizard": (
        (-0.2, 0.0, 0.27, 0.35, 0.0, 0.25),
        (0.35, 0.0, 0.18, 0.72, 0.0, 0.22),
        (-0.2, 0.0, 0.24, -0.98, 0.1, 0.05),
        (0.25, 0.1, 0.15, 0.55, 0.62, 0.12),
        (0.25, -0.1, 0.15, 0.5, -0.62, 0.12),
        (-0.2, 0.1, 0.16, -0.5, 0.62, 0.12),
        (-0.2, -0.1, 0.16, -0.4, -0.62, 0.12),
    ),
    "star": tuple(
        (0.0, 0.0, 0.32, 0.88 * np.cos(turn), 0.88 * np.sin(turn), 0.1)
        for turn in 2 * np.pi * np.arange(5) / 5
    ),
}


def load_photo(photo: Photo, size: tuple[int, int]) -> FloatArray:
    """Read a crop of a photograph, scaled to just cover ``size`` and trimmed about its centre.

    Args:
        photo: What to read.
        size: (H, W) in pixels.

    Returns:
        (H, W, 3) float32 RGB in [0, 1].

    Raises:
        DatasetError: If the installed scikit-image lacks the photograph.
    """
    try:
        encoded = resources.files("skimage.data").joinpath(photo.file).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as err:
        msg = (
            f"the toy dataset needs {photo.file!r} from the scikit-image package, which is not "
            "there; reinstall it: pip install --force-reinstall scikit-image"
        )
        raise DatasetError(msg) from err
    decoded = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR)
    image = cv2.cvtColor(np.asarray(decoded), cv2.COLOR_BGR2RGB)
    corners = np.array(photo.crop).reshape(2, 2) * [image.shape[1], image.shape[0]]
    (left, top), (right, bottom) = np.rint(corners).astype(int)
    image = image[top:bottom, left:right]
    factor = max(size[0] / image.shape[0], size[1] / image.shape[1])
    rows = max(size[0], round(image.shape[0] * factor))
    columns = max(size[1], round(image.shape[1] * factor))
    # area averaging avoids aliasing when shrinking but shows blocks when enlarging
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image, (columns, rows), interpolation=method)
    y, x = (rows - size[0]) // 2, (columns - size[1]) // 2
    trimmed = image[y : y + size[0], x : x + size[1]].astype(np.float32) / 255
    return np.asarray(
        np.clip(trimmed * np.array(photo.tint, dtype=np.float32), 0, 1), dtype=np.float32
    )


def make_cutout(
    actor: Actor, half_extent: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw the texture and the outline of an actor on a square canvas.

    Args:
        actor: Photograph and shape.
        half_extent: Half the extent of the shape in pixels.
        rng: Varies the outline.

    Returns:
        (S, S, 3) float32 RGB in [0, 1] that fills the canvas, and (S, S) float32 alpha in [0, 1]
        whose edge is anti-aliased and whose 0.5 level is the outline.
    """
    side = 2 * round(CANVAS * half_extent)
    points = (pixel_grid((side, side)) - (side - 1) / 2) / half_extent
    distance = _signed_distance(actor.shape, points, rng) * np.float32(half_extent)
    # rounded shading makes the cut-out look solid and sets it off from a similar backdrop
    depth = np.clip(cv2.GaussianBlur(distance, (0, 0), 1.5) / (0.3 * half_extent), 0, 1)
    texture = load_photo(actor.photo, (side, side)) * (0.6 + 0.45 * np.sqrt(depth))[..., None]
    return np.clip(texture, 0, 1), np.clip(0.5 + distance / 1.5, 0, 1)


def _signed_distance(shape: str, points: Points, rng: np.random.Generator) -> FloatArray:
    """Distance to the outline, positive inside, in units of the shape's half extent."""
    if shape == "blob":
        distance = _blob_distance(points, rng)
    elif shape == "horse":
        distance = _horse_distance(len(points))
    else:
        distance = _skeleton_distance(shape, points, rng)
    return np.asarray(distance, dtype=np.float32)


def _blob_distance(points: Points, rng: np.random.Generator) -> Points:
    """Radial distance to a smooth star-convex outline."""
    turn = np.arctan2(points[..., 1], points[..., 0])
    outline = np.full(turn.shape, 0.82)
    for order in range(2, 6):
        amplitude, phase = rng.uniform(0.03, 0.25 / order), rng.uniform(0, 2 * np.pi)
        outline += amplitude * np.cos(order * turn + phase)
    radial: Points = outline - np.linalg.norm(points, axis=-1)
    return radial


def _skeleton_distance(shape: str, points: Points, rng: np.random.Generator) -> Points:
    """Distance to a union of tapered capsules whose joints are rounded."""
    union = np.zeros(points.shape[:-1])
    for x0, y0, radius0, x1, y1, radius1 in _SKELETONS[shape]:
        start, end = np.array([x0, y0]), np.array([x1, y1]) + rng.normal(0, 0.03, 2)
        axis = end - start
        along = np.clip((points - start) @ axis / (axis @ axis), 0, 1)
        gap = np.linalg.norm(points - start - along[..., None] * axis, axis=-1)
        union += np.exp(_JOINT * (radius0 + (radius1 - radius0) * along - gap))
    rounded: Points = np.log(union) / _JOINT
    return rounded


def _horse_distance(side: int) -> Points:
    """Distance to the horse silhouette of scikit-image, which faces right."""
    picture = load_photo(Photo("horse.png"), (328, 400))
    silhouette = np.zeros((480, 480), dtype=np.uint8)  # 400 px are the extent, CANVAS the margin
    silhouette[76:404, 40:440] = picture[..., 0] < 0.5
    inside = cv2.distanceTransform(silhouette, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - silhouette, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    resized = cv2.resize((inside - outside) / 200, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.float64)
