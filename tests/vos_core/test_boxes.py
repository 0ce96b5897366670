"""Masks from boxes: what a network is shown, and what becomes of its answer."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vos_core.propagation import masks_from_boxes
from vos_core.types import Annotation, Image

SIZE = (40, 60)


class Bright(nn.Module):
    """Finds what is bright within the box; remembers the boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.boxes = torch.empty(0)

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        self.boxes = previous_mask[:, 0]
        bright = image.mean(dim=1, keepdim=True) > 0.5
        return 20 * (bright & (previous_mask > 0)).float() - 10


class Pictures:
    """A clip of one picture: two bright discs, each with a dark hole."""

    name, size, frame_names = "pictures", SIZE, ("00000", "00001")
    annotations: tuple[Annotation, ...] = ()

    def frame(self, which: int, size: tuple[int, int] | None = None) -> Image:
        image = np.zeros((*SIZE, 3), dtype=np.uint8)
        image[truth() > 0] = 255
        return image


def truth() -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    labels = np.zeros(SIZE, dtype=np.uint8)
    for object_id, cx in ((3, 15), (7, 42)):
        distance = np.hypot(x - cx, y - 20)
        labels[(distance <= 10) & (distance > 3)] = object_id
    return labels


def find(network: nn.Module, annotation: Annotation) -> Annotation:
    clip = Pictures()
    (found,) = masks_from_boxes(network, clip, [annotation], None, torch.device("cpu"), "float32")
    assert (found.frame, found.object_ids) == (annotation.frame, annotation.object_ids)
    return found


def test_only_the_boxes_are_shown_and_the_answer_is_taken() -> None:
    network = Bright()
    corners = np.zeros(SIZE, dtype=np.uint8)  # the same boxes as those of the discs
    for object_id, cx in ((3, 15), (7, 42)):
        corners[10, cx - 10] = corners[30, cx + 10] = object_id
    found = find(network, Annotation(1, corners, (3, 7)))
    assert [int(box.sum()) for box in network.boxes] == [21 * 21] * 2
    assert network.boxes[0, 10:31, 5:26].all()
    np.testing.assert_array_equal(found.label_map, truth())


def test_an_object_of_which_nothing_is_found_keeps_its_box() -> None:
    dark = np.zeros(SIZE, dtype=np.uint8)
    dark[2:5, 28:32] = 9
    with pytest.warns(UserWarning, match="nothing is found in the box of object 9 in frame 00000"):
        found = find(Bright(), Annotation(0, dark, (9,)))
    np.testing.assert_array_equal(found.label_map, dark)


def test_an_object_of_which_nothing_is_found_erases_no_other() -> None:
    class FirstOnly(nn.Module):
        def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
            first = torch.arange(len(image)).view(-1, 1, 1, 1) == 0
            return torch.where(first, 10.0, -10.0).expand_as(previous_mask)

    label_map = np.zeros(SIZE, dtype=np.uint8)
    label_map[10:20, 10:30] = 3
    inner, outer = label_map.copy(), label_map.copy()
    inner[12:16, 15:25] = 9
    outer[5, 5] = outer[24, 34] = 9
    around = label_map.copy()
    around[5:25, 5:35] = np.where(label_map[5:25, 5:35] == 3, 3, 9)
    with pytest.warns(UserWarning, match="nothing is found in the box of object 9"):
        found = find(FirstOnly(), Annotation(0, outer, (3, 9)))
    np.testing.assert_array_equal(found.label_map, around)
    with pytest.warns(UserWarning, match="nothing is found in the box of object 9"):
        found = find(FirstOnly(), Annotation(0, inner, (3, 9)))
    # all of the box is the other's, which keeps all but a pixel
    assert (found.label_map[12:16, 15:25] == 9).sum() == (found.label_map == 9).sum() == 1
    assert (found.label_map == 3).sum() == 199


def test_nothing_is_found_outside_of_the_box() -> None:
    class Everything(nn.Module):
        def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
            return torch.full_like(previous_mask, 5.0)

    label_map = np.zeros(SIZE, dtype=np.uint8)
    label_map[10:20, 30:45] = 4
    found = find(Everything(), Annotation(0, label_map, (4,)))
    np.testing.assert_array_equal(found.label_map, label_map)
