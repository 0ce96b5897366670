"""The loop over a clip, from annotations to label maps."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.vos_core.propagation_fakes import SIZE, Echo, annotate, clip, frame, labels
from vos_core.errors import ConfigError, MaskError
from vos_core.flow import DISFlow
from vos_core.propagation import (
    FirstMaskCopier,
    MaskPropagator,
    run_sequence,
)
from vos_core.propagation.run import to_tensor
from vos_core.types import Annotation, Image


class TestRunSequence:
    def test_frames_are_read_one_at_a_time(self) -> None:
        read = []

        def frames() -> Iterator[Image]:
            for t, image in enumerate(clip(4)):
                read.append(t)
                yield image

        answers = run_sequence(FirstMaskCopier(), frames(), [annotate(0, labels((1, 2, 2)))])
        assert read == []
        for t in range(4):
            next(answers)
            assert read == list(range(t + 1))
        assert next(answers, None) is None

    def test_ids_come_back_as_given_whatever_their_order(self) -> None:
        start = labels((200, 2, 2), (3, 12, 12), (254, 20, 30))
        answers = list(run_sequence(FirstMaskCopier(), clip(3), [annotate(0, start)]))
        for answer in answers:
            assert answer.dtype == np.uint8
            np.testing.assert_array_equal(answer, start.numpy())

    def test_frames_before_the_first_annotation_are_empty(self) -> None:
        start = labels((1, 2, 2))
        answers = list(run_sequence(FirstMaskCopier(), clip(4), [annotate(2, start)]))
        assert [bool(answer.any()) for answer in answers] == [False, False, True, True]
        np.testing.assert_array_equal(answers[2], start.numpy())

    def test_late_objects_join(self) -> None:
        first, late = labels((7, 2, 2)), labels((2, 12, 12))
        annotations = [annotate(0, first), annotate(2, late)]
        answers = list(run_sequence(FirstMaskCopier(), clip(4), annotations))
        np.testing.assert_array_equal(answers[1], first.numpy())
        for answer in answers[2:]:
            np.testing.assert_array_equal(answer, (first + late).numpy())

    def test_a_late_annotation_adds_only_what_it_introduces(self) -> None:
        first = labels((7, 2, 2))
        late = labels((7, 20, 30), (2, 12, 12))  # shows object 7 elsewhere, as truth would
        copier = FirstMaskCopier()
        annotations = [annotate(0, first), annotate(2, late, (2,))]
        answers = list(run_sequence(copier, clip(4), annotations))
        assert copier.object_ids == [7, 2]
        np.testing.assert_array_equal(answers[3], labels((7, 2, 2), (2, 12, 12)).numpy())

    def test_two_annotations_of_one_frame(self) -> None:
        annotations = [annotate(0, labels((1, 2, 2))), annotate(0, labels((2, 12, 12)))]
        answers = list(run_sequence(FirstMaskCopier(), clip(2), annotations))
        for answer in answers:
            np.testing.assert_array_equal(answer, labels((1, 2, 2), (2, 12, 12)).numpy())

    def test_the_annotation_answers_at_its_frame_without_void(self) -> None:
        start = labels((1, 2, 2), (255, 20, 20))
        answer = next(run_sequence(FirstMaskCopier(), clip(1), [annotate(0, start)]))
        np.testing.assert_array_equal(answer, labels((1, 2, 2)).numpy())

    @pytest.mark.parametrize("size", [None, (24, 40), (65, 90)])
    def test_answers_have_the_native_size(self, size: tuple[int, int] | None) -> None:
        seen: list[torch.Size] = []

        class Spy(FirstMaskCopier):
            def step(self, frame: Tensor) -> Tensor:
                seen.append(frame.shape)
                return super().step(frame)

        start = labels((5, 10, 10), size=(33, 47))
        answers = list(run_sequence(Spy(), clip(2), [annotate(0, start)], size))
        assert seen == [(3, *(size or SIZE))]
        np.testing.assert_array_equal(answers[0], start.numpy())
        assert answers[1].shape == SIZE
        truth = start.numpy() == 5
        overlap = ((answers[1] == 5) & truth).sum() / ((answers[1] == 5) | truth).sum()
        assert overlap > (0.99 if size is None else 0.7)

    def test_refinement_sees_the_frame_and_is_not_fed_back(self) -> None:
        frames, calls = clip(3), []

        def erase(image: Image, probabilities: Tensor) -> Tensor:
            calls.append((image, probabilities.shape))
            return torch.stack([torch.ones(SIZE), torch.zeros(SIZE)])

        propagator = MaskPropagator(Echo(), precision="float32")
        start = [annotate(0, labels((1, 2, 2)))]
        answers = list(run_sequence(propagator, frames, start, refine=erase))
        assert [bool(answer.any()) for answer in answers] == [True, False, False]
        assert [shape for _, shape in calls] == [(2, *SIZE)] * 2
        np.testing.assert_array_equal(calls[0][0], frames[1])
        assert propagator.step(frame())[1].max() > 0.9

    @pytest.mark.parametrize("size", [None, (24, 16)])
    def test_refinement_sees_the_probabilities_as_they_are(
        self, size: tuple[int, int] | None
    ) -> None:
        def flip(image: Image, probabilities: Tensor) -> Tensor:
            assert image.shape[:2] == probabilities.shape[1:]
            return probabilities.flip(0)

        start = [annotate(0, labels((1, 2, 2)))]
        plain, flipped = (
            list(
                run_sequence(
                    MaskPropagator(Echo(), precision="float32"), clip(2), start, size, refine=r
                )
            )
            for r in (None, flip)
        )
        np.testing.assert_array_equal(flipped[1] == 1, plain[1] == 0)

    def test_a_real_flow_follows_a_moving_square(self) -> None:
        rng = np.random.default_rng(0)
        background = rng.integers(0, 60, (64, 96, 3), dtype=np.uint8)
        square = rng.integers(150, 255, (20, 20, 3), dtype=np.uint8)
        frames, truth = [], []
        for t in range(6):
            image, label_map = background.copy(), np.zeros((64, 96), dtype=np.uint8)
            image[20:40, 10 + 3 * t : 30 + 3 * t] = square
            label_map[20:40, 10 + 3 * t : 30 + 3 * t] = 1
            frames.append(image)
            truth.append(label_map)
        propagator = MaskPropagator(Echo(), flow=DISFlow(), precision="float32")
        start = [Annotation(0, truth[0], (1,))]
        *_, last = run_sequence(propagator, frames, start)
        overlap = ((last == 1) & (truth[5] == 1)).sum() / ((last == 1) | (truth[5] == 1)).sum()
        still = ((truth[0] == 1) & (truth[5] == 1)).sum() / ((truth[0] | truth[5]) == 1).sum()
        assert overlap > 0.6 > 0.2 > still

    @pytest.mark.parametrize(
        ("annotations", "said"),
        [
            ([], "no annotation to begin from"),
            ([annotate(3, labels((1, 2, 2))), annotate(0, labels((2, 2, 2)))], "in order"),
            ([annotate(0, labels((1, 2, 2))), annotate(9, labels((2, 2, 2)))], "clip has 4 frames"),
            ([annotate(0, labels((1, 2, 2)), (1, 5))], r"object 5 is not in its mask, .*\[1\]"),
            ([annotate(0, labels((255, 2, 2)), (255,))], "object 255 is not in its mask"),
            ([annotate(0, labels((1, 2, 2), size=(9, 9)))], r"size \(9, 9\), the frame \(33, 47\)"),
        ],
    )
    def test_annotations_that_cannot_be_followed_are_refused(
        self, annotations: list[Annotation], said: str
    ) -> None:
        with pytest.raises(MaskError, match=said):
            list(run_sequence(FirstMaskCopier(), clip(4), annotations))

    def test_frames_are_bytes(self) -> None:
        for wrong in (np.zeros((*SIZE, 3), np.float32), np.zeros(SIZE, np.uint8)):
            with pytest.raises(ConfigError, match=r"give \(H, W, 3\) uint8"):
                to_tensor(wrong)

    def test_to_tensor(self) -> None:
        image = clip(1)[0]
        tensor = to_tensor(image[:, ::-1])
        assert tensor.shape == (3, *SIZE)
        assert tensor[1, 4, 0].item() == pytest.approx(image[4, -1, 1] / 255)
