"""Networks, flows and clips of which every answer is known."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.propagation.baselines import split_objects
from vos_core.types import Annotation, FloatArray, Image

SIZE = (33, 47)


class Echo(nn.Module):
    """Answers with the guide mask: confident inside, confident outside."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return 20 * previous_mask - 10


class RightShift(nn.Module):
    """Answers with the guide moved one pixel to the right: not symmetric."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return 20 * F.pad(previous_mask, (1, 0))[..., :-1] - 10 + image[:, :1]


class Blur(nn.Module):
    """A mirror-symmetric network of image and guide."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        x = torch.cat([image, previous_mask], dim=1).mean(dim=1, keepdim=True)
        return 4 * F.avg_pool2d(x, 3, stride=1, padding=1) - 2


class ConstantFlow:
    """Says that everything came from ``(x, y)`` away; remembers what it was asked.

    Asked the other way round, it says the opposite, as flow should.
    """

    def __init__(self, x: float, y: float) -> None:
        self.shift = (x, y)
        self.pairs: list[tuple[Image, Image]] = []

    def __call__(self, source: Image, target: Image) -> FloatArray:
        sign = 1.0
        if self.pairs and all(map(np.array_equal, self.pairs[-1], (target, source))):
            sign = -1.0
        else:
            self.pairs.append((source, target))
        return np.broadcast_to(sign * np.float32(self.shift), (*source.shape[:2], 2)).copy()


def labels(*boxes: tuple[int, int, int], size: tuple[int, int] = SIZE) -> Tensor:
    """Label map of 6 x 8 boxes, each given as id, top, left."""
    label_map = torch.zeros(size, dtype=torch.uint8)
    for object_id, y, x in boxes:
        label_map[y : y + 6, x : x + 8] = object_id
    return label_map


def frame(seed: int = 0) -> Tensor:
    return torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(seed))


class SquareMoves:
    """Flow of a square that moves by two pixels before a still background."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Image, Image]] = []

    def __call__(self, source: Image, target: Image) -> FloatArray:
        self.pairs.append((source, target))
        flow = np.zeros((*source.shape[:2], 2), dtype=np.float32)
        flow[10:20, 15:30] = (2, 0)
        return flow


class Constant(nn.Module):
    """Answers with the same logit everywhere."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return torch.full_like(previous_mask, self.logit)


def clip(count: int, size: tuple[int, int] = SIZE) -> list[Image]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for _ in range(count)]


def annotate(index: int, label_map: Tensor, ids: tuple[int, ...] | None = None) -> Annotation:
    ids = ids or tuple(split_objects(label_map)[0])
    return Annotation(index, label_map.numpy(), ids)
