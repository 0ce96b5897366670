"""Networks side by side."""

import pytest
import torch
from torch import Tensor, nn

from vos_core.adapters import TrainedCopy
from vos_core.errors import ConfigError
from vos_core.networks import (
    Streams,
    average_logits,
    build_streams,
    seen_channels,
    used_cues,
)


class Sum(nn.Module):
    """Answers with a weighted sum of the channels it sees; one slot for each mask."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, inputs + 1))

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        seen = (image * self.weight[:, None, None]).sum(dim=1, keepdim=True)
        return seen + previous_mask


def test_what_networks_see() -> None:
    assert used_cues(["image"]) == ()
    assert used_cues(["image+semantics", "motion"]) == ("motion", "semantics")
    cues = ("motion", "semantics")
    assert seen_channels("image", cues) == [0, 1, 2]
    assert seen_channels("motion+image", cues) == [0, 1, 2, 3]
    assert seen_channels("semantics", cues) == [4, 4, 4]
    assert seen_channels("motion+semantics", cues) == [3, 3, 3, 4]
    assert seen_channels("image+semantics", ("semantics",)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "name no network"),
        (["image+moton"], "Did you mean 'motion'"),
        (["image", "motion+motion"], "the same twice"),
        ([""], "cannot see ''"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(inputs: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        used_cues(inputs)


def test_answers_are_averaged_as_probabilities() -> None:
    one, other = torch.randn(2, 3, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    mean = average_logits([one, other])
    zeros = torch.zeros(3, 1, 4, 5)
    shares = [torch.cat([zeros, each], dim=1).softmax(dim=1) for each in (one, other, mean)]
    torch.testing.assert_close(shares[2], (shares[0] + shares[1]) / 2)
    # of one object: the logit of the mean of two sigmoids
    single = average_logits([one[:, :1], other[:, :1]])
    expected = ((one[:, :1].sigmoid() + other[:, :1].sigmoid()) / 2).logit()
    torch.testing.assert_close(single, expected)
    assert average_logits([one]) is one


def test_sure_answers_stay_finite() -> None:
    answers = [torch.full((1, 1, 1, 1), value) for value in (-200.0, -300.0)]
    assert average_logits(answers).isfinite().all()
    assert average_logits(answers) < -10


def test_each_network_sees_its_channels_and_learns_for_itself() -> None:
    networks = [Sum(3), Sum(4)]
    streams = Streams(networks, [[3, 3, 3], [0, 1, 2, 3]])
    image = torch.rand(2, 4, 5, 6)
    masks = torch.rand(2, 1, 5, 6)
    answers = streams.train()(image, masks)
    torch.testing.assert_close(answers[:2], 6 * image[:, 3:] + masks)
    weights = torch.tensor([1.0, 2, 3, 4])[:, None, None]
    torch.testing.assert_close(answers[2:], (image * weights).sum(1, keepdim=True) + masks)
    answers[:2].sum().backward()
    assert networks[0].weight.grad is not None
    assert (networks[1].weight.grad == 0).all()
    mean = streams.eval()(image, masks)
    torch.testing.assert_close(mean, average_logits(answers.chunk(2)))


def test_parts_are_those_of_all_networks() -> None:
    streams = build_streams(
        "mask_refiner", ["image", "motion"], pretrained=False, slots=1, encoder="resnet10t", width=8
    )
    assert isinstance(streams, Streams)
    one, other = streams.networks
    assert streams.encoder == [one.encoder, other.encoder]
    assert streams.last_layers == [one.head, other.head]
    plain = Streams([Sum(3)], [[0, 1, 2]])
    assert getattr(plain, "encoder", None) is None


class ColoursOnly(nn.Conv2d):
    """A network that knows of nothing but colours and one mask, nor of pretrained weights."""

    def __init__(self) -> None:
        super().__init__(3, 1, 1)

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return super().forward(image) + previous_mask


def test_a_network_is_told_only_of_what_it_knows() -> None:
    own = f"{__name__}.ColoursOnly"
    assert isinstance(build_streams(own, ["image"], pretrained=False, slots=1), ColoursOnly)
    with pytest.raises(ConfigError, match="no option 'pretrained'"):
        build_streams(own, ["image"], pretrained=True, slots=1)
    with pytest.raises(ConfigError, match="answers for one object"):
        build_streams(own, ["image"], pretrained=False, slots=3)
    with pytest.raises(ConfigError, match=r"no option 'cues' for the inputs image\+motion"):
        build_streams(own, ["image+motion"], pretrained=False, slots=1)


def test_the_network_that_lacks_a_part_is_named_not_the_streams() -> None:
    streams = build_streams(
        f"{__name__}.ColoursOnly", ["image", "motion"], pretrained=False, slots=1
    )
    with pytest.raises(ConfigError, match="ColoursOnly does not name its encoder"):
        TrainedCopy(streams, "decoder")
