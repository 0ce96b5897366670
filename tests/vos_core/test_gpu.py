"""Whatever runs on a GPU gives what it gives on the CPU."""

import copy
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augment.deformation import MaskDeformation
from augment.refinement import StillSampler, sample_batches
from lightning_modules.metrics import MaskJaccard
from tests.vos_core.moving_texture import texture
from vos_core.adapters import TrainedCopy
from vos_core.flow import is_consistent, magnitude_image, warp_backward
from vos_core.losses import refinement_loss
from vos_core.networks import build_network
from vos_core.networks.streams import build_streams, used_cues
from vos_core.optimisation import Solver
from vos_core.precision import Precision, autocast
from vos_core.propagation import (
    AdaptationSettings,
    FirstMaskCopier,
    MaskPropagator,
    MotionStream,
    Propagator,
    adapt,
    run_sequence,
)
from vos_core.training_pass import Recorded
from vos_core.types import Annotation, FloatArray, Image, RefinementSample

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZE = (96, 128)
NETWORKS = [
    ("mask_refiner", {"encoder": "resnet18", "width": 16}),
    ("deeplabv2", {"encoder": "resnet18"}),
    ("deeplabv2_vgg16", {}),
]


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """Switch off the short float32 of matrix units, whose rounding would hide mistakes."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed


def refiner() -> nn.Module:
    torch.manual_seed(0)
    return build_network("mask_refiner", pretrained=False, encoder="resnet18", width=16).eval()


def samples(count: int = 2) -> RefinementSample:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, *SIZE, generator=generator)
    target = (image.mean(dim=1) > 0.5).long()
    return {"image": image, "previous_mask": target[:, None].float(), "target": target}


def parameters(network: nn.Module) -> Tensor:
    return torch.cat([p.detach().cpu().flatten() for p in network.parameters()])


def on(device: torch.device, batch: RefinementSample) -> RefinementSample:
    return {
        "image": batch["image"].to(device),
        "previous_mask": batch["previous_mask"].to(device),
        "target": batch["target"].to(device),
    }


def distance(one: Tensor, other: Tensor) -> float:
    """Return the norm of the difference, relative to that of the second."""
    return float((one.cpu().double() - other.cpu().double()).norm() / other.cpu().double().norm())


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=[name for name, _ in NETWORKS])
@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-4), ("bfloat16", 5e-2)])
def test_answers_and_gradients(
    name: str, options: dict[str, object], precision: Precision, error: float
) -> None:
    torch.manual_seed(0)
    # in evaluation, for dropout draws other numbers there
    network = build_network(name, pretrained=False, **options).eval()
    found = []
    for device in (CPU, GPU):
        net, batch = copy.deepcopy(network).to(device), on(device, samples())
        with autocast(device, precision if device is GPU else "float32"):
            logits = net(batch["image"], batch["previous_mask"])
        refinement_loss(logits.float(), batch["target"]).backward()
        gradients = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        found.append((logits.float().detach(), torch.cat(gradients)))
    assert distance(found[1][0], found[0][0]) < error
    assert distance(found[1][1], found[0][1]) < 4 * error


def test_a_network_adapts_as_on_the_cpu() -> None:
    losses: list[list[float]] = []
    statistics: list[Tensor] = []
    for device in (CPU, GPU):
        told: list[float] = []
        batch = on(device, samples(4))
        settings = AdaptationSettings(8, Solver("sgd", 1e-3, 1e-4), precision="float32")
        adapted = adapt(
            refiner().to(device),
            iter([batch] * 8),
            refinement_loss,
            settings,
            lambda _, loss, told=told: told.append(loss.item()),
        )
        losses.append(told)
        statistics.append(torch.cat([b.cpu().double().flatten() for b in adapted.buffers()]))
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    torch.testing.assert_close(statistics[1], statistics[0], rtol=1e-3, atol=1e-5)


class Undecided(nn.Module):
    """Looks at its answer before it gives it, which no CUDA graph can."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1), nn.Dropout2d(), nn.Conv2d(8, 1, 1)
        )

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        logits: Tensor = self.layers(torch.cat([image, previous_mask], dim=1))
        return logits if float(logits.mean()) > 0 else 2 * logits


def test_what_cannot_be_recorded_adapts_step_by_step() -> None:
    batches = iter([on(GPU, samples())] * 3)
    settings = AdaptationSettings(3, Solver("sgd", 1e-3, 1e-4))
    adapted = adapt(Undecided().to(GPU), batches, refinement_loss, settings)
    assert all(bool(p.isfinite().all()) for p in adapted.parameters())


RECORDED = [
    ("mask_refiner", {"encoder": "resnet18", "width": 16}, ["image"], 1, "all"),
    ("mask_refiner", {"encoder": "resnet18", "width": 16}, ["image"], 3, "lora:2"),
    ("mask_refiner", {"encoder": "resnet18"}, ["image", "image+motion"], 1, "all"),
    ("mask_refiner", {"encoder": "resnet18"}, ["image", "motion"], 1, "stream:1"),
    ("mask_refiner", {"encoder": "mobilenetv3_small_050"}, ["image"], 1, "all"),
    ("deeplabv2", {"encoder": "resnet18"}, ["image+motion"], 1, "all"),
]


@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-4), ("bfloat16", 5e-2)])
@pytest.mark.parametrize(("name", "options", "inputs", "slots", "adapter"), RECORDED)
def test_recorded_passes_are_the_same_passes(
    name: str,
    options: dict[str, object],
    inputs: list[str],
    slots: int,
    adapter: str,
    precision: Precision,
    error: float,
) -> None:
    torch.manual_seed(0)
    network = build_streams(name, inputs, pretrained=False, slots=slots, **options).to(GPU)
    for module in network.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    generator = torch.Generator().manual_seed(2)
    found = []
    for recorded in (False, True):
        torch.manual_seed(0)  # low-rank updates are drawn
        trained = TrainedCopy(network, adapter).network
        forward = Recorded(trained) if recorded else trained
        optimizer, _ = Solver("sgd", 1e-3, 1e-4).build(trained, 3)
        generator.manual_seed(2)
        for _ in range(3):  # each step with another batch and other weights
            image = torch.rand(2, 3 + len(used_cues(inputs)), *SIZE, generator=generator)
            masks = (torch.rand(2, slots, *SIZE, generator=generator) > 0.5).float()
            with autocast(GPU, precision):
                logits = forward(image.to(GPU), masks.to(GPU))
            trained.zero_grad(set_to_none=True)
            refinement_loss(logits.float(), masks[:, 0].long().to(GPU)).backward()
            optimizer.step()
        gradients = [p.grad.flatten() for p in trained.parameters() if p.grad is not None]
        buffers = [buffer.double().flatten() for buffer in trained.buffers()]
        found.append((logits.float().detach(), torch.cat(gradients), torch.cat(buffers)))
    for with_graphs, without in zip(found[1], found[0], strict=True):
        assert distance(with_graphs, without) < error


def test_workers_survive_what_was_recorded_before() -> None:
    """A record of the GPU that is garbage here cannot be destroyed in another process."""
    still = StillSampler(
        [(texture((0, 0), SIZE), np.eye(*SIZE, dtype=np.uint8))], MaskDeformation()
    )
    for seed in range(3):
        Recorded(refiner().train().to(GPU))(
            on(GPU, samples())["image"], torch.zeros(2, 1, *SIZE).to(GPU)
        )
        with closing(sample_batches(still, 2, [seed], GPU, workers=2)) as batches:
            for _ in range(40):
                assert next(batches)["image"].is_cuda


def test_compiled_steps_are_the_same_steps() -> None:
    losses: list[list[float]] = []
    adapted = []
    for compile in (False, True):
        settings = AdaptationSettings(
            8, Solver("sgd", 1e-3, 1e-4), precision="float32", compile=compile
        )
        for _ in range(1 + compile):  # a second copy, of which nothing is compiled any more
            told: list[float] = []
            adapted.append(
                adapt(
                    refiner().to(GPU),
                    (on(GPU, samples(4)) for _ in range(8)),
                    refinement_loss,
                    settings,
                    lambda _, loss, told=told: told.append(loss.item()),
                )
            )
            losses.append(told)
    began = parameters(refiner())
    for told, network in zip(losses[1:], adapted[1:], strict=True):
        np.testing.assert_allclose(told, losses[0], rtol=1e-3)
        assert distance(parameters(network) - began, parameters(adapted[0]) - began) < 0.03


class SteadyFlow:
    """Everything moves by (2, -1) pixels a frame."""

    description = "steady"

    def __call__(self, source: Image, target: Image) -> FloatArray:
        return np.broadcast_to(np.float32([-2, 1]), (*source.shape[:2], 2)).copy()


def propagator(kind: str, device: torch.device) -> Propagator:
    network = refiner().to(device)
    motion = MotionStream(network, SteadyFlow())
    propagators: dict[str, Propagator] = {
        "copy": FirstMaskCopier(),
        "plain": MaskPropagator(network, dilation=3, precision="float32"),
        "boxes": MaskPropagator(network, guidance="box", precision="float32"),
        "pruned": MaskPropagator(network, coherence=4, precision="float32"),
        "flow": MaskPropagator(network, SteadyFlow(), flip_average=True, precision="float32"),
        "motion": MaskPropagator(network, motion=motion, precision="float32"),
        "each its own": MaskPropagator({1: network, 2: network}, precision="float32"),
    }
    return propagators[kind]


@pytest.mark.parametrize(
    "kind", ["copy", "plain", "boxes", "pruned", "flow", "motion", "each its own"]
)
def test_clips_are_segmented_as_on_the_cpu(kind: str) -> None:
    frames = [texture((2 * k, -k), SIZE) for k in range(4)]
    labels = np.zeros(SIZE, np.uint8)
    labels[20:60, 30:70], labels[50:80, 60:100] = 1, 2
    found = [
        np.stack(
            list(
                run_sequence(
                    propagator(kind, device), frames, [Annotation(0, labels, (1, 2))], None, device
                )
            )
        )
        for device in (CPU, GPU)
    ]
    assert (found[0][1:] > 0).any()
    assert (found[0] != found[1]).mean() < 1e-3


def test_flow_tools() -> None:
    generator = torch.Generator().manual_seed(0)
    flow, back = (5 * torch.randn(2, 2, *SIZE, generator=generator) for _ in range(2))
    values = torch.rand(2, 3, *SIZE, generator=generator)
    warped = [warp_backward(values.to(d), flow.to(d)).cpu() for d in (CPU, GPU)]
    torch.testing.assert_close(warped[1], warped[0], rtol=1e-3, atol=1e-3)
    pictures = [magnitude_image(flow.to(d), back.to(d)).cpu() for d in (CPU, GPU)]
    torch.testing.assert_close(pictures[1], pictures[0], rtol=1e-3, atol=1e-3)
    agree = [is_consistent(flow.to(d), back.to(d)).cpu() for d in (CPU, GPU)]
    assert (agree[0] != agree[1]).float().mean() < 1e-3


def test_jaccard_of_training() -> None:
    batch = samples()
    logits = batch["image"].mean(dim=1, keepdim=True) - 0.4
    found = []
    for device in (CPU, GPU):
        jaccard = MaskJaccard().to(device)
        jaccard.update(logits.to(device), batch["target"].to(device))
        found.append(float(jaccard.compute()))
    assert 0 < found[0] < 1
    assert found[1] == pytest.approx(found[0], abs=1e-5)
