"""The loss of mask refinement against its closed form."""

import math

import pytest
import torch

from vos_core.losses import refinement_loss


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
