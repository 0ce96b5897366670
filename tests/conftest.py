"""Fakes shared by all tests; nothing here touches the network or the user's caches."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from datasets_vos.toy import generate_toy
from tests.fakes import make_davis
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES, Fake


@pytest.fixture(scope="session", autouse=True)
def _quiet_and_private(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep W&B silent and caches out of the user's home."""
    patch = pytest.MonkeyPatch()  # the session-wide sibling of the `monkeypatch` fixture
    patch.setenv("WANDB_MODE", "disabled")
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors: threads that wait for each other take a hundred times longer than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def davis_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences of moving squares in the DAVIS 2017 layout."""
    return make_davis(tmp_path_factory.mktemp("davis"), sequences=("dog", "cat"), frames=6)


@pytest.fixture(scope="session")
def tiny_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy set, small: one training and two validation clips of 5 frames at 48x80."""
    root = tmp_path_factory.mktemp("toy") / "toy"
    return generate_toy(root, train_clips=1, val_clips=2, frames=5, size=(48, 80), workers=1)


@pytest.fixture(scope="session")
def make_fake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Fake]:
    """Make each dataset's fake once, for tests that only read it."""
    made: dict[str, Fake] = {}

    def make(name: str) -> Fake:
        if name not in made:
            makers = VIDEO_FAKES | STILL_FAKES
            made[name] = makers[name](tmp_path_factory.mktemp(name))
        return made[name]

    return make
