"""The loss of mask refinement against its closed form."""

import math

import pytest
import torch

from vos_core.losses import object_masks, refinement_loss


def test_closed_form() -> None:
    logits = torch.tensor([[[[0.0, 2.0], [-1.0, 3.0]]]])
    target = torch.tensor([[[1, 0], [0, 1]]])
    expected = (
        math.log(2)
        + math.log(1 + math.exp(2))
        + math.log(1 + math.exp(-1))
        + math.log(1 + math.exp(-3))
    ) / 4
    assert refinement_loss(logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_void_is_ignored() -> None:
    logits = torch.tensor([[[[0.0, 50.0], [-50.0, 0.0]]]], requires_grad=True)
    target = torch.tensor([[[1, 255], [255, 0]]])
    loss = refinement_loss(logits, target)
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    torch.testing.assert_close(logits.grad, torch.tensor([[[[-0.25, 0.0], [0.0, 0.25]]]]))


def test_all_void_is_zero_with_a_finite_gradient() -> None:
    logits = torch.randn(2, 1, 3, 4, requires_grad=True)
    loss = refinement_loss(logits, torch.full((2, 3, 4), 255))
    assert loss.item() == 0
    loss.backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_right_answers_cost_less_than_wrong_ones() -> None:
    target = (torch.arange(12).view(1, 3, 4) % 2).long()
    right = 8.0 * (2 * target[:, None] - 1)
    assert refinement_loss(right, target) < 0.01
    assert refinement_loss(-right, target) > 7


def test_several_objects_compete() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 4, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    target[0, 0] = 255
    total, count = 0.0, 0
    for b in range(2):
        for y in range(4):
            for x in range(5):
                if (label := int(target[b, y, x])) != 255:
                    scores = [0.0, *logits[b, :, y, x].tolist()]
                    total += math.log(sum(map(math.exp, scores))) - scores[label]
                    count += 1
    assert refinement_loss(logits, target).item() == pytest.approx(total / count, rel=1e-5)


def test_one_of_several_is_the_binary_loss() -> None:
    logits = torch.randn(1, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 2, (1, 4, 5), generator=torch.Generator().manual_seed(1))
    silent = torch.cat([logits, torch.full_like(logits, -100)], dim=1)
    torch.testing.assert_close(refinement_loss(silent, target), refinement_loss(logits, target))


def test_networks_side_by_side_share_a_target() -> None:
    logits = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 2, (2, 3, 3), generator=torch.Generator().manual_seed(1))
    apart = [refinement_loss(each, target) for each in logits.chunk(2)]
    # added, so that the gradient of each is what it would be alone
    torch.testing.assert_close(refinement_loss(logits, target), apart[0] + apart[1])


def test_objects_are_taken_apart() -> None:
    # over three pixels: background, object 2, object 1
    logits = torch.tensor([[-3.0, -1.0, 9.0], [-1.0, 4.0, 5.0], [-9.0, -9.0, -9.0]])[None, :, None]
    target = torch.tensor([[[0, 2, 255]]])
    found, true = object_masks(logits, target)
    # the others are not shown
    assert (found > 0).tolist() == [[[False, True, False]]]
    assert true.tolist() == [[[0, 1, 255]]]
    one = logits[:, :1]
    assert torch.equal(object_masks(one, target.clamp(max=1))[0], one[:, 0])
