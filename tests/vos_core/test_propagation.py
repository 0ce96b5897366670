"""From one annotated frame to a clip: baselines, fusion, mask propagation, the loop around them."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import ConfigError
from vos_core.flow import DISFlow
from vos_core.networks import FREE
from vos_core.propagation import (
    FirstMaskCopier,
    MaskPropagator,
    MotionStream,
    merge_logits,
    run_both_ways,
    run_sequence,
)
from vos_core.propagation.baselines import split_objects
from vos_core.propagation.guides import box_masks, dilate_masks, prune_masks
from vos_core.propagation.mask_propagation import FLOW_IGNORED, Guidance
from vos_core.propagation.run import to_tensor
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


class TestMergeLogits:
    def test_one_object_gives_the_sigmoid(self) -> None:
        logits = 5 * torch.randn(1, *SIZE)
        merged = merge_logits(logits)
        torch.testing.assert_close(merged[1], logits[0].sigmoid())
        torch.testing.assert_close(merged[0], (-logits[0]).sigmoid())

    def test_many_objects_give_the_normalised_odds(self) -> None:
        logits = 3 * torch.randn(4, *SIZE, dtype=torch.float64)
        odds = logits.sigmoid() / (1 - logits.sigmoid())
        total = 1 + odds.sum(dim=0)
        merged = merge_logits(logits)
        torch.testing.assert_close(merged[1:], odds / total)
        torch.testing.assert_close(merged[0], 1 / total)
        torch.testing.assert_close(merged.sum(dim=0), torch.ones_like(total))

    def test_extreme_logits_stay_finite(self) -> None:
        merged = merge_logits(torch.tensor([[[1e4, -1e4, 1e4]], [[-1e4, -1e4, 1e4]]]))
        expected = torch.tensor([[[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.5]], [[0.0, 0.0, 0.5]]])
        torch.testing.assert_close(merged, expected)

    def test_no_object_is_background(self) -> None:
        assert torch.equal(merge_logits(torch.empty(0, *SIZE)), torch.ones(1, *SIZE))


class TestSplitObjects:
    def test_ids_ascend_and_void_is_no_object(self) -> None:
        label_map = labels((200, 2, 2), (7, 12, 12), (255, 20, 20))
        ids, masks = split_objects(label_map)
        assert ids == [7, 200]
        assert masks.dtype == torch.float32
        for object_id, mask in zip(ids, masks, strict=True):
            assert torch.equal(mask, (label_map == object_id).float())

    def test_no_object(self) -> None:
        ids, masks = split_objects(labels((255, 2, 2)))
        assert ids == []
        assert masks.shape == (0, *SIZE)


class TestFirstMaskCopier:
    def test_copies_and_adds(self) -> None:
        copier = FirstMaskCopier()
        copier.start(frame(), labels((9, 2, 2), (4, 12, 12)))
        copier.add_objects(labels((6, 5, 6)))  # over a corner of object 9
        assert copier.object_ids == [4, 9, 6]
        probabilities = copier.step(frame(1))
        torch.testing.assert_close(probabilities.sum(dim=0), torch.ones(SIZE))
        channels = probabilities.argmax(dim=0)
        assert (channels[labels((1, 5, 6)) > 0] == 3).all()
        assert channels[2, 2] == 2
        assert channels[12, 12] == 1
        assert (channels == 0).sum() == SIZE[0] * SIZE[1] - 3 * 48 + 3 * 4

    def test_start_forgets(self) -> None:
        copier = FirstMaskCopier()
        copier.start(frame(), labels((9, 2, 2)))
        copier.start(frame(), labels((3, 12, 12)))
        assert copier.object_ids == [3]
        assert copier.step(frame()).shape == (2, *SIZE)


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
        propagator = self.make(flow=ConstantFlow(-60, 0))
        propagator.start(frame(0), labels((1, 10, 10), (2, 20, 20)))
        for t in (1, 2):
            probabilities = propagator.step(frame(t))
            assert probabilities.isfinite().all()
            assert (probabilities.argmax(dim=0) == 0).all()

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


class Brightness(nn.Module):
    """Answers with the picture, wherever the guide is."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return 20 * image.mean(dim=1, keepdim=True) - 10


class SquareMoves:
    """Flow of a square that moves by two pixels before a still background."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Image, Image]] = []

    def __call__(self, source: Image, target: Image) -> FloatArray:
        self.pairs.append((source, target))
        flow = np.zeros((*source.shape[:2], 2), dtype=np.float32)
        flow[10:20, 15:30] = (2, 0)
        return flow


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


class Constant(nn.Module):
    """Answers with the same logit everywhere."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return torch.full_like(previous_mask, self.logit)


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


class TestPublishedCoherence:
    def test_parts_that_the_mask_before_did_not_show_do_not_guide(self) -> None:
        masks = torch.stack([(labels((1, 2, 2), (1, 20, 30)) == 1).float()] * 2)
        masks[1, 25:31, 3:20] = 1  # larger than the others
        before = torch.stack([(labels((1, 4, 4)) == 1).float()] * 2)
        pruned = prune_masks(masks, before)
        assert torch.equal(pruned[0], (labels((1, 2, 2)) == 1).float())
        expected = pruned[0].clone()
        expected[25:31, 3:20] = 1
        assert torch.equal(pruned[1], expected)

    def test_nothing_in_common_keeps_all_and_new_objects_keep_theirs(self) -> None:
        masks = torch.stack([(labels((1, 2, 2), (1, 20, 30)) == 1).float()] * 2)
        before = (labels((1, 12, 12)) == 1).float()[None]
        assert torch.equal(prune_masks(masks, before), masks)

    def test_a_false_part_is_answered_once_but_not_passed_on(self) -> None:
        class Speck(nn.Module):
            """Repeats its guide, with a false part in the second frame."""

            def __init__(self) -> None:
                super().__init__()
                self.calls = 0

            def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
                self.calls += 1
                logits = 20 * previous_mask - 10
                if self.calls == 2:
                    logits[..., 25:30, 35:42] = 10
                return logits

        true = labels((1, 2, 2)) == 1
        for coherence, then in ((None, True), ("published", False)):
            propagator = MaskPropagator(Speck(), coherence=coherence)
            propagator.start(frame(), labels((1, 2, 2)))
            answers = [propagator.step(frame(t))[1] > 0.5 for t in (1, 2, 3)]
            assert torch.equal(answers[0], true)
            assert bool(answers[1][27, 38])
            assert bool(answers[2][27, 38]) == then
            assert (answers[2] & true).sum() == true.sum()


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

    def test_more_objects_than_slots_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="3 objects, but the network 2 slots"):
            MaskPropagator(Echo(), slots=2, order=[3, 7, 5])


class TestDilateMasks:
    @pytest.mark.parametrize(("radius", "area"), [(0, 1), (1, 5), (2, 13), (5, 81)])
    def test_a_true_disc(self, radius: int, area: int) -> None:
        masks = torch.zeros(2, 21, 25)
        masks[0, 10, 12] = 0.7
        grown = dilate_masks(masks, radius)
        ys, xs = torch.nonzero(grown[0], as_tuple=True)
        assert len(ys) == area
        assert ((ys - 10) ** 2 + (xs - 12) ** 2).max() <= radius**2
        torch.testing.assert_close(grown[0][ys, xs], torch.full((area,), 0.7))
        assert (grown[1] == 0).all()

    def test_corners_do_not_wrap(self) -> None:
        masks = torch.zeros(1, 9, 9)
        masks[0, 0, 8] = 1
        assert dilate_masks(masks, 3).sum() == 11  # the quarter disc


def clip(count: int, size: tuple[int, int] = SIZE) -> list[Image]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for _ in range(count)]


def annotate(index: int, label_map: Tensor, ids: tuple[int, ...] | None = None) -> Annotation:
    ids = ids or tuple(split_objects(label_map)[0])
    return Annotation(index, label_map.numpy(), ids)


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

        def erase(image: Image, probabilities: FloatArray) -> FloatArray:
            calls.append((image, probabilities.shape))
            return np.stack([np.ones(SIZE), np.zeros(SIZE)]).astype(np.float32)

        propagator = MaskPropagator(Echo(), precision="float32")
        start = [annotate(0, labels((1, 2, 2)))]
        answers = list(run_sequence(propagator, frames, start, refine=erase))
        assert [bool(answer.any()) for answer in answers] == [True, False, False]
        assert [shape for _, shape in calls] == [(2, *SIZE)] * 2
        np.testing.assert_array_equal(calls[0][0], frames[1])
        assert propagator.step(frame())[1].max() > 0.9

    def test_refinement_on_the_device_sees_the_probabilities_as_they_are(self) -> None:
        class OnDevice:
            def on_device(self, image: Image, probabilities: Tensor) -> Tensor:
                assert image.shape[:2] == probabilities.shape[1:]
                return probabilities.flip(0)

        start = [annotate(0, labels((1, 2, 2)))]
        plain, flipped = (
            list(
                run_sequence(MaskPropagator(Echo(), precision="float32"), clip(2), start, refine=r)
            )
            for r in (None, OnDevice())
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

    def test_to_tensor(self) -> None:
        image = clip(1)[0]
        tensor = to_tensor(image[:, ::-1])
        assert tensor.shape == (3, *SIZE)
        assert tensor[1, 4, 0].item() == pytest.approx(image[4, -1, 1] / 255)


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
