"""MaskPropagator: what networks are told, what they answer, and what is passed on."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.vos_core.propagation_fakes import (
    SIZE,
    Blur,
    Constant,
    ConstantFlow,
    Echo,
    RightShift,
    SquareMoves,
    frame,
    labels,
)
from vos_core.errors import ConfigError
from vos_core.networks import FREE
from vos_core.propagation import (
    FirstMaskCopier,
    MaskPropagator,
    merge_logits,
)
from vos_core.propagation.guides import box_masks
from vos_core.propagation.mask_propagation import Guidance


class TestMaskPropagator:
    def make(self, network: nn.Module | None = None, **options: object) -> MaskPropagator:
        return MaskPropagator(network or Echo(), precision="float32", **options)

    def test_the_mask_moves_by_the_flow_exactly(self) -> None:
        flow = ConstantFlow(-3, 2)  # it came from 3 px left and 2 px below
        propagator = self.make(flow=flow)
        propagator.start(frame(0), labels((5, 12, 12), (9, 20, 30)))
        for steps in (1, 2, 3):
            channels = propagator.step(frame(steps)).argmax(dim=0)
            expected = labels(
                (1, 12 - 2 * steps, 12 + 3 * steps), (2, 20 - 2 * steps, 30 + 3 * steps)
            )
            assert torch.equal(channels.to(torch.uint8), expected)

    def test_the_flow_goes_from_each_frame_to_the_one_before(self) -> None:
        flow = ConstantFlow(0, 0)
        propagator = self.make(flow=flow)
        propagator.start(frame(0), labels((5, 12, 12)))
        propagator.step(frame(1))
        propagator.step(frame(2))
        images = [(frame(t) * 255).round().byte().permute(1, 2, 0).numpy() for t in range(3)]
        for t, (source, target) in enumerate(flow.pairs, start=1):
            np.testing.assert_array_equal(source, images[t])
            np.testing.assert_array_equal(target, images[t - 1])

    def test_without_flow_the_mask_stays(self) -> None:
        propagator = self.make()
        start = labels((5, 12, 12), (3, 2, 2))
        propagator.start(frame(0), start)
        assert propagator.object_ids == [3, 5]
        for t in range(3):
            probabilities = propagator.step(frame(t))
            ids = torch.tensor([0, 3, 5], dtype=torch.uint8)
            assert torch.equal(ids[probabilities.argmax(dim=0)], start)
            torch.testing.assert_close(probabilities.sum(dim=0), torch.ones(SIZE))

    def test_probabilities_are_fed_back_not_decisions(self) -> None:
        propagator = self.make(Blur())
        propagator.start(frame(0), labels((1, 12, 12)))
        first = propagator.step(frame(1))
        second = propagator.step(frame(2))
        expected = merge_logits(Blur()(frame(2)[None], first[None, 1:])[0])
        torch.testing.assert_close(second, expected)

    def test_dilation_grows_the_guide(self) -> None:
        propagator = self.make(dilation=2)
        label_map = torch.zeros(SIZE, dtype=torch.uint8)
        label_map[16, 20] = 1
        propagator.start(frame(), label_map)
        assert (propagator.step(frame())[1] > 0.5).sum() == 13

    def test_flip_averaging_changes_nothing_for_a_symmetric_network(self) -> None:
        plain, averaged = self.make(Blur()), self.make(Blur(), flip_average=True)
        for propagator in (plain, averaged):
            propagator.start(frame(0), labels((1, 12, 12), (2, 3, 30)))
        for t in (1, 2):
            torch.testing.assert_close(plain.step(frame(t)), averaged.step(frame(t)))

    def test_flip_averaging_averages_both_views(self) -> None:
        propagator = self.make(RightShift(), flip_average=True)
        start = labels((1, 12, 12))
        propagator.start(frame(0), start)
        guide = (start > 0).float()[None, None]
        image = frame(1)[None]
        right = RightShift()(image, guide)
        left = 20 * F.pad(guide, (0, 1))[..., 1:] - 10 + image[:, :1]
        expected = merge_logits((right + left)[0] / 2)
        torch.testing.assert_close(propagator.step(frame(1)), expected)

    def test_late_objects_own_their_pixels(self) -> None:
        propagator = self.make()
        propagator.start(frame(0), labels((8, 10, 10)))
        propagator.step(frame(1))
        propagator.add_objects(labels((2, 12, 14)))
        assert propagator.object_ids == [8, 2]
        probabilities = propagator.step(frame(2))
        late = labels((1, 12, 14)) > 0
        early = (labels((1, 10, 10)) > 0) & ~late
        torch.testing.assert_close(probabilities[2], late.float(), atol=1e-3, rtol=0)
        torch.testing.assert_close(probabilities[1], early.float(), atol=1e-3, rtol=0)

    def test_a_clip_without_objects_is_background(self) -> None:
        propagator = self.make(flow=ConstantFlow(0, 0))
        propagator.start(frame(0), labels())
        assert torch.equal(propagator.step(frame(1)), torch.ones(1, *SIZE))
        propagator.add_objects(labels((3, 5, 5)))
        assert propagator.step(frame(2)).shape == (2, *SIZE)

    def test_an_object_that_vanishes_stays_away_quietly(self) -> None:
        propagator = self.make(flow=ConstantFlow(-20, 0))
        propagator.start(frame(0), labels((1, 10, 10), (2, 20, 20)))
        for t, there in ((1, 2), (2, 0), (3, 0)):
            probabilities = propagator.step(frame(t))
            assert probabilities.isfinite().all()
            assert len(probabilities.argmax(dim=0).unique()) == there + 1
        assert not propagator.counts

    def test_start_forgets_the_last_clip(self) -> None:
        flow = ConstantFlow(0, 0)
        propagator = self.make(flow=flow)
        propagator.start(frame(0), labels((1, 10, 10)))
        propagator.step(frame(1))
        propagator.start(torch.zeros(3, *SIZE), labels((4, 2, 2)))
        assert propagator.object_ids == [4]
        channels = propagator.step(frame(2)).argmax(dim=0)
        assert torch.equal(channels > 0, labels((4, 2, 2)) > 0)
        assert (flow.pairs[-1][1] == 0).all()

    def test_weights_stay_as_they_are_and_no_graph_is_kept(self) -> None:
        network = nn.Conv2d(4, 1, 3, padding=1)
        before = copy.deepcopy(network.state_dict())

        class Wrap(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = network

            def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
                assert not self.training
                return self.inner(torch.cat([image, previous_mask], dim=1))

        propagator = self.make(Wrap())
        propagator.start(frame(0), labels((1, 10, 10)))
        assert not propagator.step(frame(1)).requires_grad
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[key])


class TestGuidance:
    def start(self, guidance: Guidance, label_map: Tensor, dilation: int = 0) -> Tensor:
        """Return the mask that answers the second frame if the network repeats what it is told."""
        propagator = MaskPropagator(Echo(), dilation=dilation, guidance=guidance)
        propagator.start(frame(), label_map)
        return propagator.step(frame(1))[1] > 0.5

    def corner_and_speck(self) -> Tensor:
        label_map = torch.zeros(SIZE, dtype=torch.uint8)
        label_map[5:15, 10:13] = 1
        label_map[12:15, 10:24] = 1
        label_map[28:30, 40:42] = 1
        return label_map

    def test_a_box_is_that_of_the_largest_part(self) -> None:
        told = self.start("box", self.corner_and_speck())
        box = torch.zeros(SIZE, dtype=torch.bool)
        box[5:15, 10:24] = True
        assert torch.equal(told, box)

    def test_a_mask_is_told_as_it_is(self) -> None:
        label_map = self.corner_and_speck()
        assert torch.equal(self.start("mask", label_map), label_map == 1)

    @pytest.mark.parametrize("dilation", [0, 3])
    def test_nothing_is_told(self, dilation: int) -> None:
        assert not self.start("none", self.corner_and_speck(), dilation).any()

    def test_each_object_has_its_own_box_and_an_absent_one_has_none(self) -> None:
        masks = torch.stack([(labels((1, 2, 3)) == 1).float(), torch.zeros(SIZE)])
        boxes = box_masks(masks)
        assert torch.equal(boxes, masks)
        assert boxes.dtype == masks.dtype


class TestNetworkPerObject:
    def test_each_object_is_answered_by_its_own_network(self) -> None:
        networks = {7: Constant(1.0), 3: Constant(-2.0), 9: Constant(0.5)}
        propagator = MaskPropagator(networks, flip_average=True)
        propagator.start(frame(), labels((3, 2, 2), (7, 20, 20)))
        propagator.add_objects(labels((9, 10, 30)))
        odds = torch.tensor([0.0, -2.0, 1.0, 0.5])
        expected = odds.softmax(dim=0)[:, None, None].expand(-1, *SIZE)
        assert propagator.object_ids == [3, 7, 9]
        torch.testing.assert_close(propagator.step(frame(1)), expected)

    def test_an_object_without_a_network_is_refused(self) -> None:
        propagator = MaskPropagator({3: Constant(1.0)})
        with pytest.raises(ConfigError, match="no network for object 7"):
            propagator.start(frame(), labels((3, 2, 2), (7, 20, 20)))

    def test_the_mask_of_an_object_that_is_there_is_corrected(self) -> None:
        for propagator in (MaskPropagator(Echo()), FirstMaskCopier()):
            propagator.start(frame(), labels((3, 2, 2), (7, 20, 20)))
            propagator.add_objects(labels((3, 12, 12), (5, 2, 30)))
            assert propagator.object_ids == [3, 7, 5]
            channels = propagator.step(frame(1)).argmax(dim=0)
            expected = labels((1, 12, 12), (2, 20, 20), (3, 2, 30))
            assert torch.equal(channels, expected.long())

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"coherence": "publishd"}, "coherence is 'publishd'"),
            ({"coherence": -1}, "coherence is -1"),
            ({"guidance": "boxx"}, "guidance is 'boxx'; give one of mask, box, none"),
            ({"dilation": -3}, "dilation is -3"),
            ({"precision": "float61"}, "precision is 'float61'"),
        ],
    )
    def test_settings_that_mean_nothing_are_refused(
        self, settings: dict[str, object], said: str
    ) -> None:
        with pytest.raises(ConfigError, match=said):
            MaskPropagator(Echo(), **settings)  # type: ignore[arg-type]

    def test_coherence_drops_what_is_far_from_the_guide(self) -> None:
        class TwoBlobs(nn.Module):
            def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
                logits = torch.full_like(previous_mask, -10)
                logits[..., 2:8, 2:10] = 10
                logits[..., 25:30, 35:42] = 10
                return logits

        start = labels((1, 2, 2))
        for coherence, kept in ((None, 6 * 8 + 5 * 7), (4, 6 * 8)):
            propagator = MaskPropagator(TwoBlobs(), coherence=coherence)
            propagator.start(frame(), start)
            assert int((propagator.step(frame(1))[1] > 0.5).sum()) == kept


class TestCuesAndSlots:
    def test_cues_come_after_colours(self) -> None:
        class Show(nn.Module):
            def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
                self.seen = image
                return 20 * previous_mask - 10

        network = Show()
        propagator = MaskPropagator(
            network,
            flow=SquareMoves(),
            warp=False,
            cues=("motion", "semantics"),
            semantics=lambda image: image[..., 1].astype(np.float32) / 255,
        )
        propagator.start(frame(), labels((1, 2, 3)))
        propagator.step(frame(1))
        assert network.seen.shape == (1, 5, *SIZE)
        torch.testing.assert_close(network.seen[0, :3], frame(1))
        speed = network.seen[0, 3]
        assert (speed[10:20, 15:28] > 0.99).all()
        assert speed[25:].max() == 0
        torch.testing.assert_close(network.seen[0, 4], frame(1)[1], atol=0.51 / 255, rtol=0)

    @pytest.mark.parametrize("cue", ["motion", "semantics"])
    def test_cues_that_cannot_be_made_are_refused(self, cue: str) -> None:
        with pytest.raises(ConfigError, match="need flow and semantics"):
            MaskPropagator(Echo(), cues=[cue])

    @pytest.mark.parametrize("flip_average", [False, True])
    def test_one_network_answers_for_all_objects_at_once(self, flip_average: bool) -> None:
        class Joint(nn.Module):
            def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
                self.masks = previous_mask
                return 20 * previous_mask - 10

        network = Joint()
        propagator = MaskPropagator(network, slots=4, order=[7, 5, 3], flip_average=flip_average)
        start = labels((3, 2, 2), (7, 20, 20))
        propagator.start(frame(), start)
        propagator.step(frame(1))
        # the place of what has not come yet is empty, but not free
        assert (network.masks[:, 1] == 0).all()
        propagator.add_objects(labels((5, 10, 30)))
        channels = propagator.step(frame(1)).argmax(dim=0)
        assert propagator.object_ids == [3, 7, 5]
        assert (network.masks[0, 0] > 0.5).nonzero()[0].tolist() == [20, 20]
        for channel, (y, x) in enumerate([(2, 2), (20, 20), (10, 30)], start=1):
            assert torch.equal(channels == channel, labels((1, y, x)) == 1)
        assert network.masks.shape == (1 + flip_average, 4, *SIZE)
        assert (network.masks[:, 3] == FREE).all()
        assert (network.masks[:, :3] >= 0).all()

    def test_slots_are_taken_as_objects_come_unless_an_order_is_given(self) -> None:
        propagator = MaskPropagator(Echo(), slots=2)
        for _ in range(2):  # a new clip takes them anew
            propagator.start(frame(), labels((9, 2, 2)))
            propagator.add_objects(labels((4, 20, 20)))
            channels = propagator.step(frame(1)).argmax(dim=0)
            assert torch.equal(channels, (labels((1, 2, 2), (2, 20, 20))).long())
        with pytest.raises(ConfigError, match="3 objects, but the network 2 slots"):
            propagator.add_objects(labels((5, 20, 4)))
        ordered = MaskPropagator(Echo(), slots=2, order=[4])
        with pytest.raises(ConfigError, match="object 9 has no slot; the order names 4"):
            ordered.start(frame(), labels((9, 2, 2)))

    def test_more_objects_than_slots_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="3 objects, but the network 2 slots"):
            MaskPropagator(Echo(), slots=2, order=[3, 7, 5])
