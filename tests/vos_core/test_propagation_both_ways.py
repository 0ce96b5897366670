"""A clip with annotations anywhere, propagated both ways."""

import numpy as np
import torch
from torch import Tensor

from tests.vos_core.propagation_fakes import SIZE, labels
from vos_core.propagation import (
    run_both_ways,
)
from vos_core.propagation.baselines import split_objects
from vos_core.types import Annotation, Image


class Counter:
    """Answers with the annotated masks, moved one pixel to the right at each step."""

    def __init__(self) -> None:
        self.object_ids: list[int] = []
        self.starts = 0
        self.steps = 0

    def start(self, frame: Tensor, label_map: Tensor) -> None:
        self.object_ids, self._masks = split_objects(label_map)
        self.starts += 1

    def add_objects(self, label_map: Tensor) -> None:
        raise AssertionError("an annotation begins anew")

    def step(self, frame: Tensor) -> Tensor:
        self.steps += 1
        self._masks = self._masks.roll(1, dims=-1)
        return torch.cat([1 - self._masks.sum(dim=0, keepdim=True), self._masks])


class ListClip:
    """A clip of gray frames."""

    name, size = "list", SIZE

    def __init__(self, length: int) -> None:
        self.frame_names = [str(i) for i in range(length)]
        self.annotations: list[Annotation] = []

    def frame(self, which: int, size: tuple[int, int] | None = None) -> Image:
        return np.full((*SIZE, 3), which, dtype=np.uint8)


class TestRunBothWays:
    @staticmethod
    def annotation(frame: int, *ids: int) -> Annotation:
        boxes = [(i, 3 + 7 * k, 10) for k, i in enumerate(ids)]
        return Annotation(frame, labels(*boxes).numpy(), tuple(ids))

    def run(self, length: int, *annotations: Annotation) -> tuple[list[np.ndarray], Counter]:
        counter = Counter()
        return list(run_both_ways(counter, ListClip(length), annotations)), counter

    def test_each_frame_comes_from_the_nearest_annotation(self) -> None:
        answers, counter = self.run(12, self.annotation(2, 1), self.annotation(7, 1, 5))
        moved = [2, 1, 0, 1, 2, 2, 1, 0, 1, 2, 3, 4]  # how far each frame is from its annotation
        source = [2] * 5 + [7] * 7
        for answer, distance, frame in zip(answers, moved, source, strict=True):
            given = self.annotation(frame, *([1] if frame == 2 else [1, 5])).label_map
            np.testing.assert_array_equal(answer, np.roll(given, distance, axis=1))
        assert counter.starts == 4
        assert counter.steps == 10  # of two annotated frames none is segmented, no other twice

    def test_of_two_equally_near_the_earlier_counts(self) -> None:
        answers, _ = self.run(5, self.annotation(0, 1), self.annotation(4, 2))
        assert [int(answer.max()) for answer in answers] == [1, 1, 1, 2, 2]

    def test_an_annotation_of_the_last_frame_alone_is_enough(self) -> None:
        answers, _ = self.run(6, self.annotation(5, 3))
        given = self.annotation(5, 3).label_map
        for index, answer in enumerate(answers):
            np.testing.assert_array_equal(answer, np.roll(given, 5 - index, axis=1))

    def test_every_frame_annotated_gives_the_annotations(self) -> None:
        given = [self.annotation(i, i + 1) for i in range(4)]
        answers, counter = self.run(4, *given)
        for answer, annotation in zip(answers, given, strict=True):
            np.testing.assert_array_equal(answer, annotation.label_map)
        assert counter.steps == 0

    def test_frames_are_read_in_the_order_of_the_pass(self) -> None:
        seen: list[int] = []

        class Reader(Counter):
            def step(self, frame: Tensor) -> Tensor:
                seen.append(round(float(frame[0, 0, 0]) * 255))
                return super().step(frame)

        list(run_both_ways(Reader(), ListClip(6), [self.annotation(3, 1)]))
        assert seen == [2, 1, 0, 4, 5]
