"""Guides: masks that are grown, and pruned by the published temporal coherence."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.vos_core.propagation_fakes import (
    frame,
    labels,
)
from vos_core.propagation import (
    MaskPropagator,
)
from vos_core.propagation.guides import dilate_masks, prune_masks


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

    def test_nothing_is_left_of_the_soft_edge_of_a_part(self) -> None:
        """Else a dilation makes the part anew."""
        true, false = (
            F.avg_pool2d((labels((1, *corner)) == 1).float()[None], 5, 1, 2)
            for corner in ((4, 4), (20, 30))
        )
        pruned = prune_masks(true + false, (labels((1, 4, 4)) == 1).float()[None])
        assert (true + false)[0, 25, 35] > 0.5
        assert torch.equal(pruned, true)
        assert torch.equal(dilate_masks(pruned, 5), dilate_masks(true, 5))

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
