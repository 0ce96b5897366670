"""Samples that are kept aside, and a network's answers to them."""

import numpy as np
import torch
from torch import Tensor, nn

from augment.deformation import MaskDeformation
from augment.held_out import predict_held_out
from augment.lucid import LucidDreamer, LucidRanges, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.refinement import sample_batches
from tests.fakes import fake_frame, fake_label_map
from vos_core.networks.normalise import FREE
from vos_core.types import VOID

SIZE = (48, 64)
CPU = torch.device("cpu")


class Believer(nn.Module):
    """Believes its mask by a third; while it trains it says that all is object."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        self.batches.append(len(image))
        logits = (previous_mask * 2 - 1) * self.weight / 3
        return torch.full_like(logits, 9.0) if self.training else logits


def sampler() -> LucidSampler:
    labels = fake_label_map(0, size=SIZE)
    labels[:3, :3] = VOID
    scene = LucidScene.from_frame(fake_frame(0, size=SIZE), labels)
    return LucidSampler([scene], LucidDreamer(LucidRanges()), MaskDeformation(dilation=2))


def test_examples_are_the_samples_of_the_seed_with_the_answers_to_them() -> None:
    network = Believer().train()
    examples = predict_held_out(network, sampler(), 5, [3, 2], CPU, 2, "float32")
    assert len(examples) == 5
    assert network.batches == [2, 2, 2]
    for index, example in enumerate(examples):
        # the k-th sample is drawn from the seed and k
        sample = sampler()(np.random.default_rng([3, 2, index]))
        assert example.image.dtype == example.truth.dtype == np.uint8
        picture = sample["image"].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(example.image, np.rint(picture * 255))
        np.testing.assert_array_equal(example.truth, sample["target"])
        odds = ((sample["previous_mask"][0] * 2 - 1) / 3).sigmoid()
        torch.testing.assert_close(example.probabilities, torch.stack([1 - odds, odds]))
        assert not example.probabilities.requires_grad
    assert any((example.truth == VOID).any() for example in examples)


def test_other_seeds_give_other_samples() -> None:
    training = next(sample_batches(sampler(), 8, [3, 0], CPU))["image"]
    held_out = predict_held_out(Believer(), sampler(), 8, [3, 2], CPU)
    images = torch.stack([torch.from_numpy(each.image) for each in held_out])
    for image in training:
        same = (image * 255).round().byte().permute(1, 2, 0) == images
        assert not same.flatten(1).all(dim=1).any()


def test_slots_of_no_object_are_left_out_and_the_others_move_up() -> None:
    labels = fake_label_map(0, size=SIZE)
    labels[:3, :3] = VOID
    scene = LucidScene.from_frame(fake_frame(0, size=SIZE), labels)
    slots = LucidSampler([scene], LucidDreamer(LucidRanges()), MaskDeformation(), slots=4)
    places = set()
    for index, example in enumerate(predict_held_out(Believer(), slots, 6, [3], CPU, 2)):
        sample = slots(np.random.default_rng([3, index]))
        taken = [slot for slot, mask in enumerate(sample["previous_mask"]) if mask.max() > FREE]
        places.add(tuple(taken))
        assert len(taken) == 2
        scores = torch.cat([torch.zeros(1, *SIZE), (sample["previous_mask"][taken] * 2 - 1) / 3])
        torch.testing.assert_close(example.probabilities, scores.softmax(dim=0))
        for channel, slot in enumerate(taken, start=1):
            np.testing.assert_array_equal(example.truth == channel, sample["target"] == slot + 1)
        np.testing.assert_array_equal(example.truth == VOID, sample["target"] == VOID)
    assert len(places) > 1  # they were not the first ones each time
