"""Seams of a composite solved for, as the lucid-dreaming paper does it ("Poisson matting")."""

import cv2
import numpy as np

from vos_core.types import BinaryMask, FloatArray

_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def solve_seam(part: FloatArray, colours: FloatArray, solid: BinaryMask) -> None:
    """Paste an object and smooth its seam, in place (Perez et al., "Poisson Image Editing", 2003).

    Only a band of two to three pixels around the silhouette is solved for: there the differences
    of neighbours become those of the object's picture, with the object inside and the plate outside
    as they are. The object's own colours are not changed to suit the plate.

    Args:
        part: (H, W, 3) float32 picture behind the object; receives the composite.
        colours: (H, W, 3) float32 picture of the object, which goes on a little beyond its edge.
        solid: (H, W) bool, where the object is.
    """
    # soft edges, which are usual, do not wait for this
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    kernel = np.ones((3, 3), np.uint8)
    mask = solid.astype(np.uint8)
    inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_REPLICATE)
    band = cv2.dilate(mask, kernel) > inner
    part[solid] = colours[solid]
    # pixels at the border of the part have no neighbours beyond to hold on to
    band[[0, -1], :] = band[:, [0, -1]] = False
    ys, xs = np.nonzero(band)
    if not len(ys):
        return
    index = np.full(solid.shape, -1)
    index[ys, xs] = np.arange(len(ys))
    rows, columns, values = [np.arange(len(ys))], [np.arange(len(ys))], [np.full(len(ys), 4.0)]
    right_side = np.zeros((len(ys), 3))
    for dy, dx in _NEIGHBOURS:
        beside = index[ys + dy, xs + dx]
        unknown = beside >= 0
        rows.append(np.flatnonzero(unknown))
        columns.append(beside[unknown])
        values.append(np.full(int(unknown.sum()), -1.0))
        right_side[~unknown] += part[ys + dy, xs + dx][~unknown]
        right_side += colours[ys, xs] - colours[ys + dy, xs + dx]
    places = (np.concatenate(rows), np.concatenate(columns))
    system = csc_array((np.concatenate(values), places), shape=(len(ys), len(ys)))
    part[ys, xs] = np.clip(splu(system).solve(right_side), 0, 255)
