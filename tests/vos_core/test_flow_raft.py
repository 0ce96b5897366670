"""RAFT from a file of weights, on frames of any size; the weights are random ones."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.optical_flow import raft_large, raft_small

from vos_core.errors import CheckpointError, ConfigError, DatasetError
from vos_core.flow import build_flow, raft
from vos_core.types import Image

NETWORKS: dict[str, Callable[[], nn.Module]] = {"raft_small": raft_small, "raft_large": raft_large}


def seeded(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NETWORKS[name]().eval()


def frames(size: tuple[int, int]) -> tuple[Image, Image]:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 255, (*size, 3), dtype=np.uint8) for _ in range(2))
    return first, second


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("raft")
    for name in NETWORKS:
        torch.save(seeded(name).state_dict(), folder / f"{name}.pth")
    return {name: folder / f"{name}.pth" for name in NETWORKS}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder for what torchvision downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("size", "padding"),  # left, right, top, bottom
    [((128, 136), (0, 0, 0, 0)), ((133, 129), (0, 7, 0, 3)), ((30, 170), (0, 6, 0, 98))],
)
def test_same_as_the_network_on_a_padded_pair(
    name: str, size: tuple[int, int], padding: tuple[int, ...], weights: dict[str, Path]
) -> None:
    source, target = frames(size)
    size_name = name.removeprefix("raft_")
    flow = raft.RAFTFlow(size_name, weights[name], updates=2)(source, target)  # type: ignore[arg-type]
    assert flow.dtype == np.float32
    assert flow.flags.c_contiguous
    inputs = [
        F.pad(torch.from_numpy(each / 255).permute(2, 0, 1)[None].float(), padding, "replicate")
        for each in (source, target)
    ]
    with torch.no_grad():
        expected = seeded(name)(*(2 * each - 1 for each in inputs), num_flow_updates=2)[-1]
    expected = expected[0, :, : size[0], : size[1]].permute(1, 2, 0)
    np.testing.assert_allclose(flow, expected.numpy(), atol=2e-3)
    assert flow.std() > 0.05


def test_updates_are_heeded_and_torchvision_s_by_default(weights: dict[str, Path]) -> None:
    pair = frames((128, 128))
    path = weights["raft_small"]
    default = build_flow("raft_small", path)
    np.testing.assert_array_equal(default(*pair), raft.RAFTFlow("small", path, 12)(*pair))
    assert not np.allclose(default(*pair), raft.RAFTFlow("small", path, 3)(*pair))
    with pytest.raises(ConfigError, match="1 update at least, got 0"):
        raft.RAFTFlow("small", path, 0)


def test_it_is_described_by_weights_and_updates(weights: dict[str, Path], tmp_path: Path) -> None:
    path = weights["raft_small"]
    told = build_flow("raft_small", path).description
    state = torch.load(path, weights_only=True)
    torch.save(dict(reversed(state.items())), tmp_path / "same.pth")
    state["update_block.flow_head.conv1.bias"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    assert build_flow("raft_small", tmp_path / "same.pth").description == told
    assert build_flow("raft_small", tmp_path / "other.pth").description != told
    assert raft.RAFTFlow("small", path, 5).description != told


def test_building_draws_no_random_numbers(weights: dict[str, Path]) -> None:
    before = torch.get_rng_state()
    build_flow("raft_large", weights["raft_large"])
    assert torch.equal(torch.get_rng_state(), before)


def test_frames_of_two_sizes_are_refused(weights: dict[str, Path]) -> None:
    estimator = build_flow("raft_small", weights["raft_small"])
    with pytest.raises(DatasetError, match="of one size"):
        estimator(frames((128, 128))[0], frames((128, 136))[0])


def test_weights_of_another_network_are_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"raft_small.pth does not fit raft_large; \d+ tensors differ: feature_encoder"
        r"\S+ is \(32, 3, 7, 7\), not \(64, 3, 7, 7\); .*\.\.\.",
    ):
        build_flow("raft_large", weights["raft_small"])
    state = torch.load(weights["raft_small"], weights_only=True)
    state["head.bias"] = state.pop("update_block.flow_head.conv1.bias")
    torch.save(state, tmp_path / "renamed.pth")
    with pytest.raises(
        CheckpointError,
        match=r"2 tensors differ: update_block.flow_head.conv1.bias is missing; head.bias is "
        r"unknown",
    ):
        build_flow("raft_small", tmp_path / "renamed.pth")


@pytest.mark.parametrize("content", [{"state_dict": {}}, {"epoch": 3}, [torch.zeros(1)]])
def test_files_of_something_else_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="something other than the tensors of a network"):
        build_flow("raft_small", tmp_path / "other.pth")


def test_missing_and_damaged_files_are_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*none.pth .*; download https://.*small"):
        build_flow("raft_small", tmp_path / "none.pth")
    whole = weights["raft_small"].read_bytes()
    for damaged in (b"", b"version https://git-lfs", whole[:9000]):
        (tmp_path / "damaged.pth").write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"damaged.pth is no file of PyTorch weights"):
            build_flow("raft_small", tmp_path / "damaged.pth")
    with pytest.raises(CheckpointError, match="is no file of PyTorch weights"):
        build_flow("raft_small", tmp_path)


class _Planted:
    """What an unpickler would run."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("planted"),)


def test_files_that_run_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": _Planted()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="is no file of PyTorch weights"):
        build_flow("raft_small", tmp_path / "evil.pth")
    assert not (tmp_path / "planted").exists()


def test_published_weights_are_downloaded_once(
    weights: dict[str, Path], hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(weights["raft_small"].read_bytes()).hexdigest()[:8]
    there = tmp_path / f"raft-{digest}.pth"
    there.write_bytes(weights["raft_small"].read_bytes())
    monkeypatch.setattr(raft, "_published", lambda _: there.as_uri())
    downloaded = build_flow("raft_small")
    assert downloaded.description == build_flow("raft_small", weights["raft_small"]).description
    there.unlink()
    assert build_flow("raft_small").description == downloaded.description
    assert [each.name for each in hub.iterdir()] == [there.name]


def test_downloads_that_fail_never_end_in_random_weights(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "raft-00000000.pth"
    monkeypatch.setattr(raft, "_published", lambda _: there.as_uri())
    with pytest.raises(CheckpointError, match=r"cannot be downloaded .* or choose dis_fast"):
        build_flow("raft_small")
    there.write_bytes(b"not what its name says")
    with pytest.raises(CheckpointError, match=r"downloaded from \S+ is damaged; remove it from"):
        build_flow("raft_small")
    assert not list(hub.iterdir())


def test_the_published_weights_are_torchvision_s_default_ones() -> None:
    assert raft._published("large").endswith("/raft_large_C_T_SKHT_V2-ff5fadd5.pth")
    assert raft._published("small").endswith("/raft_small_C_T_V2-01064c6d.pth")
