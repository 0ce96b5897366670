"""Online adaptation: a copy is fitted, the network itself is not."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError
from vos_core.losses import refinement_loss
from vos_core.optimisation import Solver
from vos_core.propagation import AdaptationSettings, adapt, adaptation
from vos_core.types import RefinementSample

ADAMW = Solver("adamw", lr=1e-2, weight_decay=1e-4)


class Tiny(nn.Module):
    """Enough to tell red pixels from others."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1)
        )

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        answer: Tensor = self.layers(torch.cat([image, previous_mask], dim=1))
        return answer


def network() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


def batches(seed: int = 0) -> Iterator[RefinementSample]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        image = torch.rand(2, 3, 16, 24, generator=generator)
        target = (image[:, 0] > 0.5).long()
        yield {"image": image, "previous_mask": target[:, None].float(), "target": target}


def settings(iterations: int = 30) -> AdaptationSettings:
    return AdaptationSettings(iterations, ADAMW, precision="float32")


def losses(iterations: int, net: nn.Module) -> list[float]:
    told: list[tuple[int, Tensor]] = []
    adapt(net, batches(), refinement_loss, settings(iterations), lambda *step: told.append(step))
    assert [step for step, _ in told] == list(range(iterations))
    return [float(loss) for _, loss in told]


def test_the_network_itself_is_untouched() -> None:
    net = network().train()
    before = copy.deepcopy(net.state_dict())
    adapted = adapt(net, batches(), refinement_loss, settings())
    assert net.training
    assert not adapted.training
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(parameter.grad is None for parameter in net.parameters())
    changed = adapted.state_dict()
    assert all(not torch.equal(changed[key], before[key]) for key in before)


def test_the_loss_falls_on_an_easy_problem() -> None:
    told = losses(60, network())
    assert told[-1] < 0.3 * told[0]


def test_weights_are_new_in_each_step_whatever_arithmetic_is_in_force_around() -> None:
    """Torch remembers weights as it has converted them, for as long as that is in force."""
    told: list[Tensor] = []
    auto = replace(settings(60), precision="auto")
    with torch.autocast("cpu", torch.bfloat16):
        adapt(network(), batches(), refinement_loss, auto, lambda _, loss: told.append(loss))
    assert float(told[-1]) < 0.4 * float(told[0])


@pytest.mark.parametrize("iterations", [1, 2, 9, 10, 11, 20])
def test_any_number_of_iterations(iterations: int) -> None:
    net = network()
    adapted = adapt(net, batches(), refinement_loss, settings(iterations))
    assert not torch.equal(adapted.layers[0].weight, net.layers[0].weight)
    assert all(parameter.isfinite().all() for parameter in adapted.parameters())


def test_no_iterations_are_the_identity() -> None:
    net = network()
    adapted = adapt(net, iter(()), refinement_loss, settings(0))
    assert adapted is not net
    assert not adapted.training
    for key, value in net.state_dict().items():
        assert torch.equal(value, adapted.state_dict()[key])


def test_same_batches_same_network() -> None:
    first, second, other = (
        adapt(network(), batches(seed), refinement_loss, settings()).state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_works_where_gradients_are_off(mode: type) -> None:
    expected = adapt(network(), batches(), refinement_loss, settings()).state_dict()
    net = network()
    with mode():
        adapted = adapt(net, batches(), refinement_loss, settings())
        image = next(batches())["image"]
        assert adapted(image, image[:, :1]).isfinite().all()
    for key, value in adapted.state_dict().items():
        torch.testing.assert_close(value, expected[key])
    assert not any(parameter.is_inference() for parameter in adapted.parameters())


def test_a_network_made_in_inference_mode_can_be_adapted() -> None:
    with torch.inference_mode():
        net = network()
        adapted = adapt(net, batches(), refinement_loss, settings(3))
    assert not torch.equal(adapted.layers[0].weight, net.layers[0].weight)


def test_bfloat16_reaches_about_the_same_loss() -> None:
    told: list[float] = []
    options = AdaptationSettings(60, ADAMW, precision="bfloat16")
    adapted = adapt(
        network(), batches(), refinement_loss, options, lambda _, loss: told.append(loss)
    )
    assert told[-1] < 0.4 * told[0]
    assert all(parameter.dtype == torch.float32 for parameter in adapted.parameters())


class FakeClock:
    """A clock on which every look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_the_clock_ends_it_and_the_rate_has_come_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation.time, "monotonic", FakeClock())
    rates: list[float] = []
    build = Solver.build

    def watched(self: Solver, net: nn.Module, steps: int) -> tuple[object, object]:
        optimizer, schedule = build(self, net, steps)
        optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return optimizer, schedule

    monkeypatch.setattr(Solver, "build", watched)
    slow = replace(settings(1000), seconds=10.0, solver=Solver("sgd", 0.1, 0.0))
    adapt(network(), batches(), refinement_loss, slow)
    # the schedule of a thousand steps is gone through in ten
    assert rates == pytest.approx([0.1 * (1 - t / 10) ** 0.9 for t in range(10)], abs=1e-3)


def test_a_budget_that_is_long_enough_changes_nothing() -> None:
    free, ample = (
        adapt(network(), batches(), refinement_loss, each).state_dict()
        for each in (settings(), replace(settings(), seconds=1e6))
    )
    assert all(torch.equal(free[key], ample[key]) for key in free)


@pytest.mark.parametrize("seconds", [0.0, -3.0])
def test_a_budget_that_is_used_up_still_gives_a_step(seconds: float) -> None:
    net = network()
    told: list[int] = []
    options = replace(settings(), seconds=seconds)
    adapted = adapt(net, batches(), refinement_loss, options, lambda step, _: told.append(step))
    assert told == [0]
    assert not torch.equal(adapted.layers[0].weight, net.layers[0].weight)


def test_patience_ends_it_and_gives_back_the_best() -> None:
    scores = iter([0.2, 0.6, 0.5, 0.6, 0.1, 0.1])  # the last once more, to compare
    seen: list[dict[str, Tensor]] = []

    def score(net: nn.Module) -> float:
        assert not net.training
        seen.append(copy.deepcopy(net.state_dict()))
        return next(scores)

    told: list[int] = []
    options = replace(settings(1000), patience=3, check_every=5)
    adapted = adapt(
        network(), batches(), refinement_loss, options, lambda step, _: told.append(step), score
    )
    # checks after 5, 10, ... steps; the best is the second, and the third after it is the last
    assert len(told) == 25
    best = seen[1]
    assert all(torch.equal(value, best[key]) for key, value in adapted.state_dict().items())


def test_without_patience_nothing_is_scored() -> None:
    def score(net: nn.Module) -> float:
        raise AssertionError

    adapt(network(), batches(), refinement_loss, settings(), score=score)


def test_float16_reaches_about_the_same_loss() -> None:
    told: list[float] = []
    options = AdaptationSettings(60, ADAMW, precision="float16")
    adapted = adapt(
        network(), batches(), refinement_loss, options, lambda _, loss: told.append(loss)
    )
    assert told[-1] < 0.4 * told[0]
    assert all(parameter.isfinite().all() for parameter in adapted.parameters())


@pytest.mark.parametrize("change", [{"iterations": -1}, {"patience": -2}])
def test_numbers_that_mean_nothing_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give 0 or more"):
        replace(settings(), **change)


def test_no_gradient_outlives_an_adaptation() -> None:
    adapted = adapt(network(), batches(), refinement_loss, settings())
    assert all(parameter.grad is None for parameter in adapted.parameters())


def test_compiled_steps_are_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    # all that torch.compile does but for writing code, which takes a minute
    compile_graph = partial(torch.compile, backend="aot_eager", fullgraph=True)
    compiled = []

    def note(network: nn.Module, mode: str) -> object:
        compiled.append((network, mode))
        return compile_graph(network)

    net = network()
    plain = adapt(net, batches(), refinement_loss, settings())
    assert not compiled
    monkeypatch.setattr(torch, "compile", note)
    fast = adapt(net, batches(), refinement_loss, replace(settings(), compile=True))
    assert compiled == [(fast, "default")]
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], value, rtol=1e-4, atol=1e-5)
