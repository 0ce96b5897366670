"""What a run tells W&B, and when it does so online."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import yaml
from lightning.pytorch.loggers import WandbLogger

from lightning_modules import cli
from tests.fakes import make_davis
from tests.lightning_modules.small_runs import on, run, small


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """What W&B's logger is made with, on a machine where nobody has logged in."""
    options: dict[str, object] = {}

    def make(**given: object) -> SimpleNamespace:
        options.update(given)
        return SimpleNamespace(_wandb_init={})

    monkeypatch.setattr(cli, "WandbLogger", make)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return options


def log_in(home: Path, host: str) -> None:
    (home / ".netrc").write_text(f"machine {host}\n  login user\n  password secret\n")
    (home / ".netrc").chmod(0o600)


def test_wandb_is_offline_until_the_user_logs_in(told: dict[str, object], tmp_path: Path) -> None:
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is True
    log_in(tmp_path, "example.org")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is True
    log_in(tmp_path, "api.wandb.ai")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is False


def test_a_server_of_ones_own_has_its_own_login(
    told: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org:8080")
    log_in(tmp_path, "api.wandb.ai")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is True
    log_in(tmp_path, "wandb.example.org")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is False


def test_a_key_is_a_login_and_the_mode_wins(
    told: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is False
    monkeypatch.setenv("WANDB_MODE", "offline")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is True
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_MODE", "online")
    cli.run_loggers(tmp_path / "runs", "lucid")
    assert told["offline"] is False


def test_a_run_bears_the_name_of_its_folder(told: dict[str, object], tmp_path: Path) -> None:
    for version in range(2):
        cli.run_loggers(tmp_path / "runs", "lucid")
        assert told["name"] == f"lucid/version_{version}"
        assert told["save_dir"] == str(tmp_path / "runs" / "lucid" / f"version_{version}")
        assert told["project"] == cli.PROJECT


def test_wandb_is_told_the_whole_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Mock()
    monkeypatch.setattr(WandbLogger, "experiment", experiment)
    root = make_davis(tmp_path / "data", sequences=("solo",), frames=2, annotate="first")
    runs = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    seed = "--seed_everything=3"
    run("predict", *on(root), *small(), runs, seed, "--model.adapt_iterations=0")
    updates = [call.args[0] for call in experiment.config.update.call_args_list]
    (config,) = [each for each in updates if "trainer" in each]
    written = tmp_path / "runs" / "lucid" / "version_0" / "config.yaml"
    assert config == yaml.safe_load(written.read_text())
    assert config["seed_everything"] == 3
    assert config["model"]["init_args"]["adapt_iterations"] == 0
    assert config["data"]["init_args"]["root"] == str(root)
    assert config["trainer"]["max_epochs"] == 1
