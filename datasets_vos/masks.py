"""Label maps on disk: palette PNGs out, and every harmless way of storing a mask in.

What :func:`read_mask` makes of each pixel mode:

* **P** (palette): the indices, exactly. Index 255 is void here, even in a file that holds only
  0 and 255, because palettes are how benchmarks store void.
* **L** (gray), and **LA** by its gray channel: only 0 and 255 are background and object 1; values
  up to 32 are object ids. Anything else is refused: soft edges look like many small objects, and
  255 beside ids may mean an object or void.
* **RGB**, **RGBA**: every colour must be in the DAVIS palette, else every pixel must be gray and
  is read as L. Fully transparent pixels are background; partly transparent ones are refused.
* **1**: 0 and 1.
* 16-bit and float files are refused; they hold other encodings (class times 1000 plus instance).
"""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from datasets_vos.images import PNG_SIGNATURE, load_pillow
from vos_core.errors import MaskError
from vos_core.files import whole_file
from vos_core.palette import davis_palette
from vos_core.types import VOID, LabelMap

# Ours: no frame of a VOS benchmark holds more objects, and soft edges always reach beyond it.
MAX_GRAY_ID = 32
_REPAIR = "save it without smoothing, as an 8-bit palette PNG with one index per object"


def read_mask(path: Path, *, binary: bool = False) -> LabelMap:
    """Read one mask; the module's docstring says what each pixel mode becomes.

    Args:
        path: A PNG, or any image Pillow reads.
        binary: Merge all objects into object 1. Index 255 of a palette then counts as object, but
            beside other ids it is void and becomes background. A gray mask that reaches beyond 32,
            or whose palette is gray, is cut above 127 (graded saliency masks).

    Returns:
        (H, W) uint8; 0 background, 1..254 object ids, 255 void.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is truncated or not an image.
        MaskError: If its mode or values cannot be read as object ids without guessing.
    """
    image = load_pillow(path)
    if image.mode == "P":
        return _merged(image) if binary else np.array(image)
    if image.mode == "1":
        return np.array(image).astype(np.uint8)
    # Pillow narrows 16-bit colour to 8 bits without a word, so the file itself is asked.
    if image.mode[0] in "IF" or _bit_depth(path) > 8:
        raise MaskError(f"{path}: has more than 8 bits a pixel (mode {image.mode}); {_REPAIR}.")
    if image.mode in ("L", "LA"):
        gray = image if image.mode == "L" else image.getchannel("L")
        return _from_gray(np.array(gray), path, binary)
    if image.mode in ("RGB", "RGBA"):
        return _from_colours(image, path, binary)
    raise MaskError(f"{path}: pixel mode {image.mode} cannot hold object ids; {_REPAIR}.")


def encode_mask(label_map: LabelMap) -> bytes:
    """Return a (H, W) uint8 label map as an 8-bit palette PNG with the DAVIS colours."""
    image = PIL.Image.fromarray(label_map)
    image.putpalette(davis_palette().tobytes())
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()


def write_mask(path: Path, label_map: LabelMap) -> None:
    """Write a label map as an 8-bit palette PNG with the DAVIS colours.

    The file appears complete or not at all; missing parent folders are made.

    Args:
        path: Where to; an older file is replaced.
        label_map: (H, W) uint8.

    Raises:
        MaskError: If ``label_map`` is not two-dimensional uint8, or empty.
    """
    if label_map.ndim != 2 or label_map.dtype != np.uint8 or label_map.size == 0:
        raise MaskError(
            f"{path}: a label map must be (H, W) uint8, got {label_map.shape} {label_map.dtype}."
        )
    encoded = encode_mask(label_map)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(encoded)


def object_ids(label_map: LabelMap) -> tuple[int, ...]:
    """Return the object ids present in a (H, W) label map, ascending, without 0 and void."""
    counts = np.bincount(label_map.ravel(), minlength=VOID + 1)
    return tuple(int(i) for i in np.flatnonzero(counts[1:VOID]) + 1)


def require_objects(label_map: LabelMap, path: Path) -> None:
    """Refuse a mask that names no object.

    Raises:
        MaskError: If ``label_map`` holds nothing but background and void.
    """
    if object_ids(label_map):
        return
    held = "only void (index 255)" if (label_map == VOID).any() else "no object"
    raise MaskError(f"{path}: holds {held}; paint the object with id 1.")


def require_size(size: tuple[int, int], expected: tuple[int, int], path: Path) -> None:
    """Refuse a mask of another size than its frames.

    Args:
        size: (height, width) of the mask at ``path``.
        expected: (height, width) of the frames.
        path: Named in the message.

    Raises:
        MaskError: If the two differ.
    """
    if size != expected:
        raise MaskError(
            f"{path}: the mask is {size[1]}x{size[0]} pixels but the frames are "
            f"{expected[1]}x{expected[0]} (width x height); draw it at the frames' size."
        )


def _merged(image: PIL.Image.Image) -> LabelMap:
    """Merge the objects of a palette image; one that paints in grays is read by them, as mode L."""
    indices = np.array(image)
    colours = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    if used[-1] < len(colours):
        grays = colours[used]
        # A gray of DAVIS's own palette such as 7, (128, 128, 128), is an object either way.
        if (grays == grays[:, :1]).all() and grays.max() > 127:
            return np.asarray(colours[indices, 0] > 127, dtype=np.uint8)
    return _merged_ids(indices)


def _merged_ids(label_map: LabelMap) -> LabelMap:
    """Merge all ids; 255 is one of them only where there is no other (0 and 255, not void)."""
    objects = (label_map > 0) & (label_map < VOID)
    return (objects if objects.any() else label_map > 0).astype(np.uint8)


def _from_gray(gray: LabelMap, path: Path, binary: bool) -> LabelMap:
    if gray.max() <= MAX_GRAY_ID:
        return (gray > 0).astype(np.uint8) if binary else gray
    if binary or ((gray == 0) | (gray == 255)).all():
        return (gray > 127).astype(np.uint8)
    values = np.unique(gray).tolist()
    odd = [value for value in values if MAX_GRAY_ID < value < 255]
    if odd:
        reason = f"neither ids up to {MAX_GRAY_ID} nor only 0 and 255: {_some(odd)}"
    else:
        reason = f"255 beside {_some(values[:-1])} may mean an object or void"
    raise MaskError(f"{path}: ambiguous gray values ({reason}); {_REPAIR}.")


def _from_colours(image: PIL.Image.Image, path: Path, binary: bool) -> LabelMap:
    rgb = np.array(image.convert("RGB"))
    if image.mode == "RGBA":
        alpha = np.asarray(image.getchannel("A"))
        soft = np.unique(alpha[(alpha > 0) & (alpha < 255)]).tolist()
        if soft:
            raise MaskError(f"{path}: partly transparent pixels (alpha {_some(soft)}); {_REPAIR}.")
        rgb[alpha == 0] = 0
    colours, inverse = np.unique(_packed(rgb), return_inverse=True)
    id_of = {int(code): i for i, code in enumerate(_packed(davis_palette()))}
    ids = np.array([id_of.get(int(code), -1) for code in colours])
    if (ids >= 0).all():
        label_map = ids.astype(np.uint8)[inverse.reshape(rgb.shape[:2])]
        return _merged_ids(label_map) if binary else label_map
    if (rgb == rgb[..., :1]).all():
        return _from_gray(rgb[..., 0].copy(), path, binary)
    unknown = [(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in colours[ids < 0]]
    raise MaskError(f"{path}: colours outside the DAVIS palette: {_some(unknown)}; {_REPAIR}.")


def _packed(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    wide = rgb.astype(np.int32)  # (..., 3)
    packed: npt.NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _some(values: list[int] | list[tuple[int, int, int]]) -> str:
    shown = ", ".join(str(value) for value in values[:4])
    return shown if len(values) <= 4 else f"{shown} and {len(values) - 4} more"


def _bit_depth(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(25)
    return head[24] if head.startswith(PNG_SIGNATURE) else 8
