"""The DAVIS / PASCAL-VOC colour map: one fixed colour per object id."""

import numpy as np
import numpy.typing as npt


def davis_palette() -> npt.NDArray[np.uint8]:
    """Return the (256, 3) uint8 RGB palette in which indexed masks are stored.

    The bits of the id are dealt out to the three channels, lowest bit to the channels' highest
    bit (PASCAL-VOC development kit): 0 is black, 1 (128, 0, 0), 2 (0, 128, 0), 3 (128, 128, 0).
    """
    ids = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return palette
