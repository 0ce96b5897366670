"""What needs no network: fusion of logits, label maps by object, the copied first mask."""

import torch

from tests.vos_core.propagation_fakes import SIZE, frame, labels
from vos_core.propagation import (
    FirstMaskCopier,
    merge_logits,
)
from vos_core.propagation.baselines import split_objects


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
