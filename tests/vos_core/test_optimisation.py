"""Solvers: which layers learn how fast, and when."""

import pytest
import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError
from vos_core.networks import build_network, list_networks
from vos_core.optimisation import Solver, SolverKind


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 2, 3)
        self.head = nn.Conv2d(2, 1, 1)

    @property
    def last_layers(self) -> list[nn.Module]:
        return [self.head]


def rates(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    names = {id(p): name for name, p in network.named_parameters()}
    groups = optimizer.param_groups
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_sgd_decays_by_the_poly_rule() -> None:
    network = Two()
    optimizer, schedule = Solver("sgd", lr=0.1, weight_decay=5e-4, momentum=0.8).build(network, 10)
    seen = []
    for _ in range(10):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen == pytest.approx([0.1 * (1 - t / 10) ** 0.9 for t in range(10)])
    assert optimizer.param_groups[0]["momentum"] == 0.8
    assert optimizer.param_groups[0]["weight_decay"] == 5e-4
    assert optimizer.param_groups[0]["lr"] == 0


def test_a_constant_rate_stays() -> None:
    optimizer, schedule = Solver("sgd_constant", lr=0.1, weight_decay=0, momentum=0.8).build(
        Two(), 3
    )
    for _ in range(5):
        assert optimizer.param_groups[0]["lr"] == 0.1
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["momentum"] == 0.8


def test_the_last_layers_learn_faster_and_their_biases_twice_as_fast() -> None:
    network = Two()
    optimizer, schedule = Solver("sgd", lr=0.1, weight_decay=0, head_rate=10).build(network, 4)
    assert rates(network, optimizer) == pytest.approx(
        {"body.weight": 0.1, "body.bias": 0.1, "head.weight": 1.0, "head.bias": 2.0}
    )
    for _ in range(2):
        optimizer.step()
        schedule.step()
    half = 0.5**0.9
    assert rates(network, optimizer)["head.bias"] == pytest.approx(2 * half)


def test_adamw_peaks_at_a_tenth_and_ends_near_nothing() -> None:
    network = Two()
    optimizer, schedule = Solver("adamw", lr=0.1, weight_decay=0, head_rate=3).build(network, 100)
    seen = []
    for _ in range(100):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert seen.index(max(seen)) == pytest.approx(9, abs=1)
    assert max(seen) == pytest.approx(0.1)
    assert seen[-1] < 1e-3
    assert max(rates(network, optimizer).values()) < 1e-3


def test_without_a_rate_of_its_own_the_head_is_as_the_rest() -> None:
    network = nn.Conv2d(1, 1, 1)
    optimizer, _ = Solver("sgd", lr=0.1, weight_decay=0).build(network, 4)
    assert rates(network, optimizer) == {"weight": 0.1, "bias": 0.1}
    with pytest.raises(ConfigError, match="last layers"):
        Solver("sgd", lr=0.1, weight_decay=0, head_rate=10).build(network, 4)


@pytest.mark.parametrize("kind", ["adamw", "sgd", "sgd_constant"])
def test_a_first_step_that_a_scaler_skips_leaves_no_trace(kind: SolverKind) -> None:
    def trained(first: list[float], *, fused: bool) -> Tensor:
        network = nn.Linear(1000, 1, bias=False)
        nn.init.ones_(network.weight)
        optimizer, _ = Solver(kind, lr=0.1, weight_decay=0).build(network, 20, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
        for gradient in [*first, 1.0, 2.0]:
            torch.full((1, 1000), 7.0)  # what lies in memory that is used again
            optimizer.zero_grad()
            scaler.scale(gradient * network.weight.sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        return network.weight.detach()

    never = trained([], fused=False)
    for fused in (False, True):
        torch.testing.assert_close(trained([float("inf")] * 3, fused=fused), never)


@pytest.mark.parametrize("name", list_networks())
def test_every_network_names_the_layers_that_answer(name: str) -> None:
    network = build_network(name)
    optimizer, _ = Solver("sgd", lr=1.0, weight_decay=0, head_rate=10).build(network, 4)
    fast = {key for key, lr in rates(network, optimizer).items() if lr > 1}
    assert fast
    image, mask = torch.rand(1, 3, 33, 41), torch.rand(1, 1, 33, 41)
    network.eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key in fast:
                parameter.zero_()
        # with nothing in the last layers there is no answer, whatever the others say
        assert (network(image, mask) == 0).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "adam"}, "solver is 'adam'; give one of adamw, sgd, sgd_constant"),
        ({"lr": -1.0}, "the learning rate is -1.0"),
        ({"lr": float("nan")}, "the learning rate is nan"),
        ({"weight_decay": -0.1}, "the weight decay is -0.1"),
        ({"momentum": -0.5}, "the momentum is -0.5"),
    ],
)
def test_what_no_optimiser_takes_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Solver(**{"kind": "sgd", "lr": 0.1, "weight_decay": 0.0, **settings})  # type: ignore[arg-type]
