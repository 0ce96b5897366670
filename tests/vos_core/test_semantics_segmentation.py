"""Segmentation networks from a file of weights, on frames of any size; the weights are random."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import get_model
from torchvision.transforms._presets import SemanticSegmentation

from vos_core.errors import CheckpointError, ConfigError, DatasetError
from vos_core.semantics import SegmentationSemantics, build_semantics, list_semantics, segmentation
from vos_core.types import FloatArray, Image

NAME = "deeplabv3_mobilenet_v3_large"
SHORT_SIDE = 96


@cache
def seeded() -> nn.Module:
    """Return a network with both heads, as it is published, whose answers are not flat."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_model(NAME, weights=None, weights_backbone=None, aux_loss=True)
        nn.init.normal_(network.classifier[-1].weight, std=0.3)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None
        with torch.no_grad():  # the averages of its layers, without which nothing gets through
            network.train()(torch.randn(4, 3, SHORT_SIDE, SHORT_SIDE))
    return network.eval()


def frame(size: tuple[int, int]) -> Image:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def estimator(path: Path) -> SegmentationSemantics:
    return SegmentationSemantics(NAME, path, short_side=SHORT_SIDE)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("semantics") / "mobilenet.pth"
    torch.save(seeded().state_dict(), path)
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder for what torchvision downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def expected(image: Image) -> FloatArray:
    """Follow torchvision's own recipe from the frame to the probabilities."""
    recipe = SemanticSegmentation(resize_size=SHORT_SIDE)
    batch = recipe(torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255)))[None]
    with torch.no_grad():
        probabilities = seeded()(batch)["out"].softmax(dim=1)
    likely = torch.stack(list(probabilities[0, 1:])).max(dim=0).values
    resized = F.interpolate(likely[None, None], image.shape[:2], mode="bilinear", antialias=True)
    return resized[0, 0].numpy()


@pytest.mark.parametrize("size", [(96, 128), (60, 107), (151, 133), (240, 432)])
def test_same_as_torchvision_s_recipe(size: tuple[int, int], weights: Path) -> None:
    image = frame(size)
    found = estimator(weights)(image)
    assert found.dtype == np.float32
    assert found.shape == size
    assert found.flags.c_contiguous
    assert 0 <= found.min() <= found.max() <= 1
    assert found.std() > 0.02
    np.testing.assert_allclose(found, expected(image), atol=1e-4)


def test_background_is_dark_and_any_class_is_white(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    state["classifier.4.weight"].zero_()
    for chosen, level in ((0, 0.0), (1, 1.0), (20, 1.0)):
        state["classifier.4.bias"].zero_()[chosen] = 50
        torch.save(state, tmp_path / "sure.pth")
        np.testing.assert_allclose(
            estimator(tmp_path / "sure.pth")(frame((50, 70))), level, atol=1e-6
        )


def test_in_lower_precision_it_still_answers_in_float32(weights: Path) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = estimator(weights)(frame((96, 128)))
    assert found.dtype == np.float32
    assert np.abs(found - expected(frame((96, 128)))).mean() < 0.05


def test_weights_without_the_head_for_training_fit_too(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    kept = {key: each for key, each in state.items() if not key.startswith("aux_classifier")}
    assert len(kept) < len(state)
    torch.save(kept, tmp_path / "kept.pth")
    image = frame((64, 64))
    np.testing.assert_array_equal(
        estimator(tmp_path / "kept.pth")(image), estimator(weights)(image)
    )


@pytest.mark.parametrize("name", list_semantics(weights=True))
def test_every_network_takes_its_weights(name: str, tmp_path: Path) -> None:
    """Zeros leave all 21 classes equally likely; expanded, they make a small file."""
    with torch.device("meta"):
        shapes = get_model(name, weights=None, weights_backbone=None, aux_loss=True).state_dict()
    state = {
        key: torch.zeros((), dtype=each.dtype).expand(each.shape) for key, each in shapes.items()
    }
    torch.save(state, tmp_path / "zeros.pth")
    built = build_semantics(name, tmp_path / "zeros.pth")
    assert built.description.startswith(f"{name}, weights ")
    assert built.description.endswith(", short side 520 px")
    small = SegmentationSemantics(name, tmp_path / "zeros.pth", short_side=32)  # type: ignore[arg-type]
    np.testing.assert_allclose(small(frame((33, 47))), np.full((33, 47), 1 / 21), rtol=1e-5)


def test_it_is_described_by_network_weights_and_size(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    state["classifier.4.bias"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    told = estimator(weights).description
    assert estimator(tmp_path / "other.pth").description != told
    assert build_semantics(NAME, weights).description != told


def test_nothing_global_changes(weights: Path) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    estimator(weights)(frame((64, 64)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert torch.get_default_device() == torch.device("cpu")


def test_other_frames_and_sizes_are_refused(weights: Path) -> None:
    with pytest.raises(DatasetError, match=r"\(H, W, 3\) uint8 RGB, got \(8, 8\) uint8"):
        estimator(weights)(np.zeros((8, 8), dtype=np.uint8))
    with pytest.raises(ConfigError, match="1 px at least, got 0"):
        SegmentationSemantics(NAME, weights, short_side=0)


def test_weights_of_another_network_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"mobilenet.pth does not fit deeplabv3_resnet50; \d+ tensors differ: backbone\S+ is "
        r"missing; .*\.\.\.. Give weights of torchvision's deeplabv3_resnet50",
    ):
        build_semantics("deeplabv3_resnet50", weights)
    state = torch.load(weights, weights_only=True)
    state["classifier.4.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "classes.pth")
    with pytest.raises(
        CheckpointError, match=r"1 tensors differ: classifier.4.bias is \(3,\), not \(21,\)"
    ):
        build_semantics(NAME, tmp_path / "classes.pth")


def test_missing_and_damaged_files_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*none.pth .*; download https://.*mobile"):
        build_semantics(NAME, tmp_path / "none.pth")
    (tmp_path / "damaged.pth").write_bytes(weights.read_bytes()[:9000])
    with pytest.raises(CheckpointError, match=r"damaged.pth is no file of PyTorch weights"):
        build_semantics(NAME, tmp_path / "damaged.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="something other than the tensors of a network"):
        build_semantics(NAME, tmp_path / "other.pth")


def test_published_weights_are_downloaded_once(
    weights: Path, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = weights.read_bytes()
    there = tmp_path / f"deeplab-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    there.write_bytes(content)
    monkeypatch.setattr(segmentation, "_published", lambda _: there.as_uri())
    downloaded = build_semantics(NAME)
    assert downloaded.description == build_semantics(NAME, weights).description
    there.unlink()
    assert build_semantics(NAME).description == downloaded.description
    assert [each.name for each in hub.iterdir()] == [there.name]


def test_downloads_that_fail_never_end_in_random_weights(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "deeplab-00000000.pth"
    monkeypatch.setattr(segmentation, "_published", lambda _: there.as_uri())
    with pytest.raises(CheckpointError, match=r"cannot be downloaded .* or choose objectness"):
        build_semantics(NAME)
    there.write_bytes(b"not what its name says")
    with pytest.raises(CheckpointError, match=r"downloaded from \S+ is damaged; remove it from"):
        build_semantics(NAME)
    assert not list(hub.iterdir())


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("deeplabv3_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large-fc3c493d.pth"),
        ("deeplabv3_resnet50", "deeplabv3_resnet50_coco-cd0a2569.pth"),
        ("deeplabv3_resnet101", "deeplabv3_resnet101_coco-586e9e4e.pth"),
    ],
)
def test_the_published_weights_are_those_of_pascal_s_classes(
    name: segmentation.SegmentationName, file: str
) -> None:
    assert segmentation._published(name).endswith(f"/{file}")
