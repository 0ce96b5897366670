"""Adapters: what is trained, what stays to the last bit, and that updates of low rank fold away."""

import copy
from collections.abc import Iterator
from functools import partial

import pytest
import timm.layers
import torch
from torch import Tensor, nn

from vos_core.adapters import LowRankConv, TrainedCopy, trained_modules
from vos_core.errors import ConfigError
from vos_core.losses import refinement_loss
from vos_core.networks import build_network, list_networks
from vos_core.networks.streams import Streams
from vos_core.optimisation import Solver
from vos_core.propagation import AdaptationSettings, adapt
from vos_core.types import RefinementSample

ADAPTERS = ("all", "last_layers", "decoder", "normalisation", "lora:2")
every_adapter = pytest.mark.parametrize("adapter", ADAPTERS)


def refiner() -> nn.Module:
    """A refiner as if it had been trained on noise: with statistics, and no silent branches."""
    torch.manual_seed(0)
    network = build_network("mask_refiner", encoder="resnet10t", depth=2, width=8).train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
        for _ in range(30):
            network(torch.rand(2, 3, 32, 48), torch.rand(2, 1, 32, 48))
    return network


def batches(seed: int = 0) -> Iterator[RefinementSample]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        image = torch.rand(2, 3, 32, 48, generator=generator)
        target = (image[:, 0] > 0.5).long()
        yield {"image": image, "previous_mask": target[:, None].float(), "target": target}


def settings(adapter: str, iterations: int = 4, **others: object) -> AdaptationSettings:
    solver = Solver("sgd", lr=0.1, weight_decay=0.1, head_rate=2)
    return AdaptationSettings(
        iterations,
        solver,
        precision="float32",
        adapter=adapter,
        **others,  # type: ignore[arg-type]
    )


def answer(network: nn.Module) -> Tensor:
    batch = next(batches(seed=9))
    with torch.no_grad():
        logits: Tensor = network(batch["image"], batch["previous_mask"])
    return logits


def changed(network: nn.Module, adapted: nn.Module) -> set[str]:
    before, after = network.state_dict(), adapted.state_dict()
    assert list(before) == list(after)
    return {key for key in before if not torch.equal(before[key], after[key])}


def expected_to_change(network: nn.Module, adapter: str) -> set[str]:
    """By the names of the refiner's layers, which say what is what."""
    keys = set(network.state_dict())
    layers = {key.rpartition(".")[0] for key in keys if key.endswith("running_mean")}
    statistics = {key for key in keys if "running" in key or "num_batches" in key}
    in_encoder = {key for key in keys if key.startswith("encoder.")}
    head = {"head.weight", "head.bias"}
    return {
        "all": keys,
        "last_layers": head,
        "decoder": keys - in_encoder,
        "normalisation": {key for key in keys if key.rpartition(".")[0] in layers},
        "lora:2": {
            key
            for key, tensor in network.state_dict().items()
            if tensor.ndim == 4 and key not in statistics
        }
        | head,
    }[adapter]


@every_adapter
def test_what_is_trained_changes_and_the_rest_stays_to_the_last_bit(adapter: str) -> None:
    network = refiner()
    before = copy.deepcopy(network.state_dict())
    adapted = adapt(network, batches(), refinement_loss, settings(adapter))
    assert changed(network, adapted) == expected_to_change(network, adapter)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(isinstance(module, LowRankConv) for module in adapted.modules())
    assert all(parameter.requires_grad for parameter in adapted.parameters())
    assert not any(module.training for module in adapted.modules())


@every_adapter
def test_no_iterations_are_the_identity(adapter: str) -> None:
    network = refiner()
    adapted = adapt(network, iter(()), refinement_loss, settings(adapter, 0))
    assert adapted is not network
    assert not changed(network, adapted)
    assert not any(module.training for module in adapted.modules())


@every_adapter
@pytest.mark.parametrize("head_rate", [1, 10])
def test_the_optimiser_sees_only_what_is_trained(adapter: str, head_rate: float) -> None:
    network = refiner()
    trained = TrainedCopy(network, adapter)
    optimizer, _ = Solver("adamw", 1.0, weight_decay=0.5, head_rate=head_rate).build(
        trained.network, 20
    )
    names = {id(p): name for name, p in trained.network.named_parameters()}
    seen = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    assert len(seen) == len(set(seen))
    if adapter == "lora:2":
        updates = {name for name in names.values() if name.endswith((".down", ".up"))}
        assert len(updates) == 2 * sum(
            isinstance(module, LowRankConv) for module in trained.network.modules()
        )
        assert set(seen) == updates | {"head.weight", "head.bias"}
    else:
        weights = {name for name, _ in network.named_parameters()}
        assert set(seen) == expected_to_change(network, adapter) & weights
    assert trained.size == sum(p.numel() for g in optimizer.param_groups for p in g["params"])


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_number_of_parameters_of_low_rank_updates(rank: int) -> None:
    network = refiner()
    convs = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    head = convs.pop("head")
    expected = sum(
        rank * (c.in_channels * c.kernel_size[0] * c.kernel_size[1] + c.out_channels)
        for c in convs.values()
    )
    expected += head.in_channels + 1
    assert TrainedCopy(network, f"lora:{rank}").size == expected
    # of 3 x 3 and 8 -> 6 channels
    update = LowRankConv(nn.Conv2d(8, 6, 3), rank)
    assert update.down.numel() + update.up.numel() == rank * (8 * 9 + 6)


def test_low_rank_updates_begin_at_the_unchanged_answer() -> None:
    network = refiner()
    trained = TrainedCopy(network, "lora:2")
    assert any(isinstance(module, LowRankConv) for module in trained.network.modules())
    # in training mode, too, for all normalisation layers rest
    assert torch.equal(answer(trained.network), answer(TrainedCopy(network, "all").fold()))


def test_folded_updates_answer_as_before() -> None:
    network = refiner()
    trained = TrainedCopy(network, "lora:3")
    with torch.no_grad():
        for module in trained.network.modules():
            if isinstance(module, LowRankConv):
                module.up.normal_(std=0.1)
    trained.network.eval()
    before = answer(trained.network)
    folded = trained.fold()
    assert (before - answer(network.eval())).abs().max() > 0.1
    torch.testing.assert_close(answer(folded), before)
    assert [type(m) for m in folded.modules()] == [type(m) for m in network.modules()]


@pytest.mark.parametrize("size", [1, 3])
def test_the_update_is_alpha_over_rank_times_b_a(size: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 12, size)
    before = conv.weight.detach().clone()
    update = LowRankConv(conv, rank=2)
    with torch.no_grad():
        update.up.normal_()
    change = (update.folded().weight - before).flatten(1)
    assert torch.linalg.matrix_rank(change, rtol=1e-4) == 2
    # alpha is 4, the rank 2
    torch.testing.assert_close(change, 2 * update.up @ update.down, atol=1e-6, rtol=1e-4)


class Mobile(nn.Module):
    """A convolution that pads as TensorFlow, and a depthwise one."""

    def __init__(self) -> None:
        super().__init__()
        self.same = timm.layers.Conv2dSame(4, 6, 3, stride=2)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.head = nn.Conv2d(6, 1, 1)
        self.last_layers = [self.head]

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        x = self.depthwise(self.same(torch.cat([image, previous_mask], dim=1)))
        scores: Tensor = nn.functional.interpolate(self.head(x), image.shape[-2:])
        return scores


def test_subclasses_of_convolutions_stay_what_they_are_and_depthwise_ones_are_frozen() -> None:
    network = Mobile()
    trained = TrainedCopy(network, "lora:2")
    assert isinstance(trained.network.same, LowRankConv)
    assert torch.equal(answer(trained.network), answer(TrainedCopy(network, "all").fold()))
    adapted = adapt(network, batches(), refinement_loss, settings("lora:2"))
    assert changed(network, adapted) == {"same.weight", "head.weight", "head.bias"}


def test_parameters_that_were_frozen_before_stay_so() -> None:
    network = refiner()
    network.encoder.requires_grad_(False)
    adapted = adapt(network, batches(), refinement_loss, settings("decoder"))
    asks = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert asks == {name for name, _ in network.named_parameters() if "encoder" not in name}


@pytest.mark.parametrize("adapter", ["lora:2", "last_layers"])
def test_the_best_weights_come_back_and_checks_wake_no_resting_layer(adapter: str) -> None:
    network = refiner()
    scores = iter([0.2, 0.6, 0.5, 0.1, 0.1])  # the last once more, to compare
    answers = []

    def score(net: nn.Module) -> float:
        assert not any(module.training for module in net.modules())
        answers.append(answer(net))
        return next(scores)

    options = settings(adapter, 100, patience=2, check_every=3)
    adapted = adapt(network, batches(), refinement_loss, options, score=score)
    torch.testing.assert_close(answer(adapted), answers[1])
    assert not torch.allclose(answers[1], answers[2])
    assert changed(network, adapted) == expected_to_change(network, adapter)


@every_adapter
def test_compiled_steps_are_the_same_steps_and_copies_share_them(
    adapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    compilations = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        compilations.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    def run(*, compile: bool) -> dict[str, Tensor]:
        torch.manual_seed(1)  # of the updates' A
        options = settings(adapter, 3, compile=compile)
        return adapt(network, batches(), refinement_loss, options).state_dict()

    network = refiner()
    plain = run(compile=False)
    compile_graph = partial(torch.compile, backend=backend, fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda net, mode: compile_graph(net))
    for _ in range(2):
        for key, value in run(compile=True).items():
            torch.testing.assert_close(value, plain[key], rtol=1e-3, atol=1e-4)
    assert len(compilations) == 1


class Grey(nn.Module):
    """Looks at one channel after dropout; counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 1)
        self.norm = nn.BatchNorm2d(1)
        self.drop = nn.Dropout(0.5)
        self.last_layers = [self.conv]
        self.asked = 0

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        self.asked += 1
        scores: Tensor = self.drop(self.norm(self.conv(torch.cat([image, previous_mask], dim=1))))
        return scores


@pytest.mark.parametrize("stream", [1, 2])
def test_one_stream_learns_as_if_alone_and_the_other_stays_and_is_not_run(stream: int) -> None:
    torch.manual_seed(0)
    streams = Streams([Grey(), Grey()], [[0], [1]])
    own, other = f"networks.{stream - 1}.", f"networks.{2 - stream}."
    trained = TrainedCopy(streams, f"stream:{stream}").network
    batch = next(batches())
    assert len(trained(batch["image"], batch["previous_mask"])) == 2
    assert trained.get_submodule(f"{other}conv").weight.grad is None
    assert trained.get_submodule(other[:-1]).asked == 0
    adapted = adapt(streams, batches(), refinement_loss, settings(f"stream:{stream}"))
    assert changed(streams, adapted) == {key for key in streams.state_dict() if own in key}
    # sgd, whose steps know the loss's scale
    alone = Streams([streams.networks[stream - 1]], [[stream - 1]])
    torch.manual_seed(5)
    expected = adapt(alone, batches(), refinement_loss, settings("all")).state_dict()
    torch.manual_seed(5)
    adapted = adapt(streams, batches(), refinement_loss, settings(f"stream:{stream}"))
    for key, value in expected.items():
        own_value = adapted.state_dict()[key.replace("networks.0.", own)]
        torch.testing.assert_close(own_value, value)


@pytest.mark.parametrize(
    ("network", "told"), [(Grey(), "there is one"), (Streams([Grey()], [[0]]), "there are 1")]
)
def test_a_stream_that_is_not_there_is_refused(network: nn.Module, told: str) -> None:
    with pytest.raises(ConfigError, match=f"'stream:2' trains one of several networks, but {told}"):
        TrainedCopy(network, "stream:2")


@pytest.mark.parametrize("name", list_networks())
@every_adapter
def test_every_network_names_what_adapters_train(name: str, adapter: str) -> None:
    network = build_network(name)
    if (name, adapter) == ("deeplabv2_vgg16", "normalisation"):
        with pytest.raises(ConfigError, match="DeepLabV2VGG16 has no normalisation layers"):
            trained_modules(network, adapter)
        return
    trained = trained_modules(network, adapter)
    count = sum(p.numel() for m in trained for p in m.parameters(recurse=False))
    total = sum(p.numel() for p in network.parameters())
    assert count == total if adapter == "all" else 0 < count < total


@pytest.mark.parametrize(
    "adapter", ["", "Lora:4", "lora", "lora:0", "lora:4.5", "stream", "stream:0", "head"]
)
def test_unknown_adapters_are_refused_with_the_choices(adapter: str) -> None:
    with pytest.raises(ConfigError, match="all, last_layers, decoder, normalisation, lora"):
        settings(adapter)


def test_misspelt_adapters_are_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'normalisation'"):
        settings("normalization")


@pytest.mark.parametrize(
    ("adapter", "part"),
    [("decoder", "encoder"), ("last_layers", "last_layers"), ("lora:4", "last_layers")],
)
def test_networks_that_do_not_name_their_parts_are_refused(adapter: str, part: str) -> None:
    network = nn.Sequential(nn.Conv2d(4, 1, 1))
    with pytest.raises(ConfigError, match=f"Sequential does not name its {part}, .*'{adapter}'"):
        TrainedCopy(network, adapter)
