"""Recording without a GPU: what is asked of torch, and when. That it is right, test_gpu tells."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vos_core.networks import build_network
from vos_core.networks.streams import Streams
from vos_core.training_pass import Forward, Recorded, training_pass


def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("mask_refiner", pretrained=False, encoder="resnet18", width=4)


def batch(count: int = 2) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3, 32, 48), torch.zeros(count, 1, 32, 48)


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """Stand in for torch, which first runs a network a few times, on the inputs it is given."""
    inputs: list[tuple[Tensor, Tensor]] = []

    def record(
        passes: nn.Module, given: tuple[Tensor, Tensor], *, allow_unused_input: bool
    ) -> Callable[..., Tensor]:
        assert allow_unused_input  # many encoders have layers beyond the last that is used
        inputs.append(given)
        forward = passes.forward
        for _ in range(3):
            forward(*given)

        def replay(*later: Tensor) -> Tensor:
            for place, value in zip(given, later, strict=True):
                place.copy_(value)
            answer: Tensor = forward(*given)
            return answer

        passes.forward = replay  # as torch does with a module
        return passes

    monkeypatch.setattr("torch.cuda.make_graphed_callables", record)
    return inputs


def test_a_recording_changes_nothing(recordings: list[tuple[Tensor, Tensor]]) -> None:
    plain, recorded = network().train(), network().train()
    forward = Recorded(recorded)
    batches = [batch() for _ in range(3)]
    kept = batches[0][0].clone()
    for each in batches:
        assert torch.equal(forward(*each), plain(*each))
    assert len(recordings) == 1
    assert torch.equal(batches[0][0], kept)  # later batches do not go into the first
    for here, there in zip(recorded.buffers(), plain.buffers(), strict=True):
        assert torch.equal(here, there)
    assert "forward" not in vars(recorded)


def test_what_is_not_as_recorded_goes_the_usual_way(
    recordings: list[tuple[Tensor, Tensor]],
) -> None:
    trained = network().train()
    forward = Recorded(trained)
    trained.eval()
    forward(*batch())
    trained.train()
    with torch.no_grad():
        forward(*batch())
    assert not recordings
    forward(*batch())
    first = recordings[0][0].clone()
    assert forward(*batch(1)).shape == (1, 1, 32, 48)
    trained.eval()
    forward(*batch())
    assert torch.equal(recordings[0][0], first)
    assert len(recordings) == 1


def test_what_was_recorded_is_freed(recordings: list[tuple[Tensor, Tensor]]) -> None:
    forward = Recorded(network().train())
    forward(*batch())
    inputs = [weakref.ref(each) for each in recordings.pop()]
    gc.collect()
    assert all(each() is not None for each in inputs)
    gc.disable()  # of itself it comes some time
    try:
        forward.release()
        assert all(each() is None for each in inputs)
    finally:
        gc.enable()
    forward(*batch())
    assert len(recordings) == 1


class CudaWeight(nn.Parameter):
    """Says that it is on a GPU."""

    is_cuda = True


class OnGpu(nn.Module):
    def __init__(self, can_be_recorded: bool | None) -> None:
        super().__init__()
        if can_be_recorded is not None:
            self.can_be_recorded = can_be_recorded
        self.weight = CudaWeight(torch.zeros(1))


@pytest.mark.parametrize(("says", "expected"), [(None, False), (False, False), (True, True)])
def test_networks_say_whether_they_can_be_recorded(says: bool | None, expected: bool) -> None:
    one: Forward = training_pass(OnGpu(says), compile=False)
    assert isinstance(one, Recorded) == expected
    both = Streams([OnGpu(says), OnGpu(True)], [[0], [1]])
    assert both.can_be_recorded == expected


def test_on_the_cpu_networks_go_as_they_are() -> None:
    plain = network()
    assert training_pass(plain, compile=False) is plain
