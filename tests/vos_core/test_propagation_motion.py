"""The second stream, and flow that cannot be believed."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.vos_core.propagation_fakes import (
    SIZE,
    Constant,
    ConstantFlow,
    Echo,
    SquareMoves,
    frame,
    labels,
)
from vos_core.errors import ConfigError
from vos_core.propagation import (
    MaskPropagator,
    MotionStream,
)
from vos_core.propagation.mask_propagation import FLOW_IGNORED
from vos_core.types import FloatArray, Image


class Brightness(nn.Module):
    """Answers with the picture, wherever the guide is."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return 20 * image.mean(dim=1, keepdim=True) - 10


class TestMotionStream:
    def test_its_answer_is_averaged_with_that_of_the_first(self) -> None:
        flow = SquareMoves()
        propagator = MaskPropagator(Echo(), motion=MotionStream(Brightness(), flow))
        propagator.start(frame(), labels((1, 2, 3)))
        answer = propagator.step(frame(1))[1]
        one, square = labels((1, 2, 3)) == 1, torch.zeros(SIZE, dtype=torch.bool)
        square[10:20, 15:28] = True  # from there on the flow leads out of the square
        assert answer[one].mean() == pytest.approx(0.5, abs=0.01)
        assert answer[square].mean() == pytest.approx(0.5, abs=0.01)
        edge = torch.zeros(SIZE, dtype=torch.bool)
        edge[10:20, 13:32] = True
        assert (answer[~(one | edge)] < 0.01).all()
        # from the frame to the last, and back
        earlier, later = ((frame(i) * 255).round().byte().permute(1, 2, 0).numpy() for i in (0, 1))
        np.testing.assert_array_equal(flow.pairs, [(later, earlier), (earlier, later)])

    def test_it_sees_the_pair_of_frames_at_hand(self) -> None:
        flow = SquareMoves()
        propagator = MaskPropagator(Echo(), motion=MotionStream(Brightness(), flow))
        propagator.start(frame(), torch.zeros(SIZE, dtype=torch.uint8))
        propagator.step(frame(1))  # shows nothing, but is remembered
        propagator.add_objects(labels((1, 2, 3)))
        propagator.step(frame(2))
        assert len(flow.pairs) == 2
        last = (frame(1) * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(flow.pairs[0][1], last)

    def test_each_object_has_its_own_network_in_both(self) -> None:
        own = {1: Constant(3.0), 2: Constant(-3.0)}
        other = {1: Constant(0.0), 2: Constant(0.0)}
        propagator = MaskPropagator(own, motion=MotionStream(other, SquareMoves()))
        propagator.start(frame(), labels((1, 2, 3), (2, 20, 30)))
        answer = propagator.step(frame(1))
        means = [(1 / (1 + np.exp(-logit)) + 0.5) / 2 for logit in (3.0, -3.0)]
        odds = [1.0, *(mean / (1 - mean) for mean in means)]
        np.testing.assert_allclose(answer[:, 0, 0], np.array(odds) / sum(odds), rtol=1e-4)


class Noise:
    """Flow that means nothing: other each time it is asked."""

    description = "noise"

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def __call__(self, source: Image, target: Image) -> FloatArray:
        return self._rng.normal(0, 12, (*source.shape[:2], 2)).astype(np.float32)


class TestFlowThatCannotBeBelieved:
    def test_masks_stay_in_place_and_that_is_counted(self) -> None:
        propagator = MaskPropagator(Echo(), flow=Noise())
        start = labels((1, 10, 10))
        propagator.start(frame(), start)
        for t in (1, 2, 3):
            assert torch.equal(propagator.step(frame(t))[1] > 0.5, start == 1)
        assert propagator.counts == {FLOW_IGNORED: 3}

    @pytest.mark.parametrize("length", [30, 100, 1e9, np.inf, -np.inf, np.nan])
    def test_flow_that_leads_too_far_to_be_true_loses_no_object(self, length: float) -> None:
        propagator = MaskPropagator(Echo(), flow=ConstantFlow(length, 0))
        start = labels((1, 10, 10))
        propagator.start(frame(), start)
        assert torch.equal(propagator.step(frame(1))[1] > 0.5, start == 1)
        assert propagator.counts == {FLOW_IGNORED: 1}

    def test_flow_of_another_size_is_refused(self) -> None:
        propagator = MaskPropagator(Echo(), flow=lambda source, target: np.zeros((4, 4, 2)))
        propagator.start(frame(), labels((1, 10, 10)))
        with pytest.raises(ConfigError, match=r"shape \(4, 4, 2\) for frames of \(33, 47\)"):
            propagator.step(frame(1))

    def test_good_flow_is_followed_and_nothing_counted(self) -> None:
        propagator = MaskPropagator(Echo(), flow=ConstantFlow(-4, 2))
        propagator.start(frame(), labels((1, 10, 10)))
        assert torch.equal(propagator.step(frame(1))[1] > 0.5, labels((1, 8, 14)) == 1)
        assert not propagator.counts

    def test_each_object_is_looked_at_by_itself(self) -> None:
        class OneIsWild:
            """Right everywhere but in the left third, where it leads nowhere twice alike."""

            description = "half"

            def __init__(self) -> None:
                self._rng, self._sign = np.random.default_rng(0), -1.0

            def __call__(self, source: Image, target: Image) -> FloatArray:
                self._sign = -self._sign
                flow = np.zeros((*source.shape[:2], 2), np.float32)
                flow[..., 0] = -4 * self._sign
                flow[:, :16] = self._rng.normal(0, 12, (len(source), 16, 2))
                return flow

        propagator = MaskPropagator(Echo(), flow=OneIsWild())
        propagator.start(frame(), labels((1, 10, 2), (2, 10, 24)))
        channels = propagator.step(frame(1)).argmax(dim=0)
        assert torch.equal(channels[:, 16:], labels((2, 10, 28)).long()[:, 16:])
        assert ((channels == 1) & (labels((1, 10, 2)) == 1)).sum() > 0.8 * 48
        assert ((channels == 1) & (labels((1, 10, 2)) != 1)).sum() == 0
        assert propagator.counts == {FLOW_IGNORED: 1}

    def test_flow_can_be_there_without_moving_masks(self) -> None:
        propagator = MaskPropagator(Echo(), flow=ConstantFlow(-4, 2), warp=False)
        propagator.start(frame(), labels((1, 10, 10)))
        assert torch.equal(propagator.step(frame(1))[1] > 0.5, labels((1, 10, 10)) == 1)

    def test_of_objects_that_left_nothing_is_asked(self) -> None:
        propagator = MaskPropagator(Constant(-9.0), flow=Noise())
        propagator.start(frame(), labels((1, 10, 10)))
        for t in (1, 2, 3):
            propagator.step(frame(t))
        assert propagator.counts == {FLOW_IGNORED: 1}
