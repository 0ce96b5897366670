"""Adapted networks on disk: what comes back is what was kept, or nothing does."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vos_core.errors import ConfigError
from vos_core.propagation import AdaptedCache, adaptation_key


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2)).train()


def weights_equal(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return list(first) == list(second) and all(
        torch.equal(first[key], second[key]) for key in first
    )


def test_networks_come_back_with_their_seconds_and_in_evaluation_mode(tmp_path: Path) -> None:
    start, one, two = network(0), network(1), network(2)
    before = copy.deepcopy(start)
    AdaptedCache(tmp_path / "new" / "folder").store("cat", "k", {3: one, 7: two}, 12.5)
    found = AdaptedCache(tmp_path / "new" / "folder").load("cat", "k", start)
    assert found is not None
    networks, seconds = found
    assert seconds == 12.5
    assert isinstance(networks, dict)
    assert list(networks) == [3, 7]
    assert weights_equal(networks[3], one)
    assert weights_equal(networks[7], two)
    assert not any(module.training for each in networks.values() for module in each.modules())
    assert weights_equal(start, before)
    assert start.training


def test_one_network_for_all_comes_back_as_one(tmp_path: Path) -> None:
    cache = AdaptedCache(tmp_path)
    cache.store("cat", "k", network(1), 1.0)
    found = cache.load("cat", "k", network(0))
    assert found is not None
    assert isinstance(found[0], nn.Module)
    assert weights_equal(found[0], network(1))


def test_nothing_is_found_of_another_clip_or_key(tmp_path: Path) -> None:
    cache = AdaptedCache(tmp_path)
    cache.store("cat", "k", network(1), 1.0)
    assert cache.load("dog", "k", network(0)) is None
    assert cache.load("cat", "l", network(0)) is None


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_a_damaged_file_is_said_and_taken_for_none(tmp_path: Path, kept: int) -> None:
    cache = AdaptedCache(tmp_path)
    cache.store("cat", "k", network(1), 1.0)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.warns(UserWarning, match="cat-k.pt: is damaged .* cat is adapted to again"):
        assert cache.load("cat", "k", network(0)) is None


def test_a_folder_that_takes_no_file_is_warned_of(tmp_path: Path) -> None:
    cache = AdaptedCache(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.warns(UserWarning, match="networks adapted to cat cannot be kept there"):
        cache.store("cat", "k", network(1), 1.0)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file/cache: adapted networks cannot be kept there"):
        AdaptedCache(tmp_path / "file" / "cache")


def test_the_key_changes_with_all_that_the_result_depends_on(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1")
    settings = {"lr": 0.1, "dreams": {"preset": "paper"}, "seed": 3}
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    labels = np.array([[0, 1, 1, 0], [0, 0, 2, 2]], dtype=np.uint8)

    def key(**changes: object) -> str:
        given = {"settings": settings, "network": network(0), "frames": [(image, labels)]}
        return adaptation_key(**{**given, **changes}, code=tmp_path.rglob("*.py"))  # type: ignore[arg-type]

    first = key()
    assert key() == first
    assert key(settings=dict(reversed(settings.items()))) == first
    statistics = network(0)
    statistics[1].running_mean += 1e-6  # type: ignore[index, operator]
    others = [
        key(settings={**settings, "lr": 0.2}),
        key(settings={**settings, "dreams": {"preset": "frtm"}}),
        key(network=network(1)),
        key(network=statistics),
        key(frames=[(image + 1, labels)]),
        key(frames=[(image, labels[::-1].copy())]),
        key(frames=[(image, labels)] * 2),
        key(frames=[(image.reshape(4, 2, 3), labels.reshape(4, 2))]),
    ]
    (tmp_path / "code.py").write_text("x = 2")
    assert len({first, *others, key()}) == 10
