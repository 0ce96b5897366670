"""The structuring element that all dilations share."""

import numpy as np
import numpy.typing as npt


def disc(radius: int) -> npt.NDArray[np.uint8]:
    """Return the (2r + 1, 2r + 1) uint8 mask of pixels at most ``radius`` from the centre.

    Equal to scikit-image's ``disk``; unlike OpenCV's ellipse it is a true disc (197 px for r = 8).
    """
    ys, xs = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(xs**2 + ys**2 <= radius**2, dtype=np.uint8)
