"""``fit``, ``validate``, ``test`` and ``predict``: Lightning's command line, tuned.

What differs from a plain ``LightningCLI``: configs are found by their bare name; mistakes are
answered in one sentence with the nearest valid name; every run has its own folder under ``runs/``
with CSV and W&B logs; ``after_fit: test`` in a config goes on to test what was trained; a
checkpoint brings its weights only, never settings that override what was typed; and ``--resume``
goes on with a training that was stopped.
"""

import logging
import netrc
import os
import shutil
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import lightning as L
import wandb
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import (
    ArgsType,
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from lightning_modules.callbacks import KeepTraining, RecordRun, SuiteProgressBar
from lightning_modules.checkpoints import read_checkpoint, require_same_training
from lightning_modules.datamodules import BaseVOSDataModule
from lightning_modules.parser import SuiteParser, find_config
from lightning_modules.tasks import BaseVOSTask, training_settings
from vos_core.errors import ConfigError, VOSError

PROJECT = "vos-suite"
"""The W&B project of all runs."""

_RUNS = "runs"

_TRAINER_DEFAULTS = {
    # adaptation needs gradients inside test and predict
    "inference_mode": False,
    # our samplers shard clips by length and never repeat one
    "use_distributed_sampler": False,
    "num_sanity_val_steps": 0,
    "max_epochs": 1,
    "log_every_n_steps": 10,
    "default_root_dir": _RUNS,
    "enable_model_summary": False,
}

_WHOLE = ("bf16-true", "16-true", "64-true", "64", 64, "transformer-engine")

_DESCRIPTION = """What methods and data take is told by --model.help and --data.help, as in
--model.help LucidTask or --data.help VideoDataModule; below are the trainer's options."""

_NOISE = (
    ".*LeafSpec.*",  # one part of Lightning calls another in a way that torch has deprecated
    "The number of training batches .* is smaller than the logging interval",  # the epoch's is told
    "It is recommended to use .self.log.*sync_dist",  # all ranks log the same
    "The dirpath has changed",  # a training that is resumed has a folder of its own
    "You're resuming from a checkpoint that ended before",  # our samplers know where
    "The AccumulateGrad node's stream does not match",  # passes are recorded on another one
)


class SaveRunConfig(SaveConfigCallback):
    """Saves the full config with the run and sends it to W&B."""

    def save_config(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Send to W&B what the file says (rank 0 only; the file itself is the parent's)."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update(config, allow_val_change=True)


class SuiteCLI(LightningCLI):
    """The wiring; see the module's docstring."""

    def __init__(self, args: Sequence[str], experiment: str) -> None:
        self._args = list(args)
        self._experiment = experiment
        super().__init__(
            BaseVOSTask,
            BaseVOSDataModule,
            save_config_callback=SaveRunConfig,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={
                **_TRAINER_DEFAULTS,
                "callbacks": [RecordRun(), KeepTraining(), SuiteProgressBar()],
            },
            seed_everything_default=0,
            parser_class=SuiteParser,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,  # tasks know theirs
            parser_kwargs={"allow_abbrev": False},
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what a config may say beside model, data and trainer."""
        parser.add_argument(
            "--after_fit",
            type=Literal["test"] | None,
            default=None,
            help="What to do with the trained weights when the fit is over.",
        )

    def setup_parser(self, *args: Any, **kwargs: Any) -> None:
        """Change defaults of Lightning's own arguments."""
        super().setup_parser(*args, **kwargs)
        for command in self.subcommands():
            parser = self._parser(command)
            parser.usage = f"python cli.py {command} --config NAME.yaml [options]"
            parser.description = _DESCRIPTION
            parser.set_defaults(weights_only=True)
            if command == "fit":
                parser.add_argument(
                    "--resume",
                    type=str | None,
                    default=None,
                    help="Checkpoint of a training that was stopped, to go on with it.",
                )
            if command in ("validate", "test"):
                parser.set_defaults(verbose=False)
            if command == "predict":
                parser.set_defaults(return_predictions=False)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse what was handed over, which need not be ``sys.argv`` word for word."""
        self.config = parser.parse_args(self._args)

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Give the run its folder and its loggers, unless the config names loggers itself.

        What can be wrong with data and weights is found out first, so that a mistake leaves no
        folder behind.
        """
        chosen = self.config_init[self.subcommand]
        settings = chosen.trainer
        if settings.precision in _WHOLE:
            raise ConfigError(
                f"trainer.precision is {settings.precision}, which would convert frames and masks, "
                "too; give bf16-mixed, 16-mixed or 32-true."
            )
        self.datamodule.open(self.subcommand)
        self.datamodule.require_slots(self.model.slots)
        for path in filter(None, (chosen.get("ckpt_path"), chosen.get("resume"))):
            self.model.check_weights(path)
        folder: Path | None = None
        root = Path(settings.default_root_dir or _RUNS)
        made = [each for each in (root / self._experiment, root) if not each.exists()]
        try:
            if settings.logger in (None, True) and not settings.fast_dev_run:
                kwargs["logger"] = run_loggers(root, self._experiment)
                folder = Path(kwargs["logger"][0].log_dir)
            trainer = super().instantiate_trainer(**kwargs)
            if path := chosen.get("resume"):
                told = training_settings(trainer, self.model, self.datamodule)
                require_same_training(path, read_checkpoint(path), told)
            return trainer
        except (VOSError, MisconfigurationException, ValueError, OSError) as err:
            if folder:
                shutil.rmtree(folder)
                with suppress(OSError):  # other runs are there
                    for parent in made:
                        parent.rmdir()
            if isinstance(err, VOSError):
                raise
            raise ConfigError(
                f"The trainer cannot be set up: {' '.join(str(err).split())}"
            ) from err

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Take weights from a checkpoint; only a training that is resumed takes all of it."""
        kwargs: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if path := kwargs.pop("ckpt_path", None):
            self.model.begin_from(path)
        if path := self.config_init[subcommand].get("resume"):
            kwargs["ckpt_path"] = path
        return kwargs

    def after_fit(self) -> None:
        """Go on with what the config asks for."""
        if self.config.fit.after_fit == "test" and not self.config.fit.trainer.fast_dev_run:
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)

    def _parse_ckpt_path(self) -> None:
        """Take nothing but weights from a checkpoint: what is typed is what runs."""


def run_loggers(root: str | Path, experiment: str) -> list[Logger]:
    """Return the CSV and W&B loggers of a new run folder ``<root>/<experiment>/version_<n>``.

    W&B stays offline unless the user is logged in or has set ``WANDB_MODE``.
    """
    csv = CSVLogger(root, experiment)
    csv.experiment  # noqa: B018  # makes the folder before W&B does, which it would warn about
    mode = os.environ.get("WANDB_MODE")
    offline = mode == "offline" or (mode is None and not _wandb_logged_in())
    wandb_logger = WandbLogger(
        name=f"{experiment}/version_{csv.version}",
        save_dir=csv.log_dir,
        project=PROJECT,
        offline=offline,
        settings=wandb.Settings(silent=offline),
    )
    wandb_logger._wandb_init.pop("anonymous", None)  # wandb warns of it, whatever it says
    return [csv, wandb_logger]


def _wandb_logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        return netrc.netrc().authenticators(host or "") is not None
    except (FileNotFoundError, netrc.NetrcParseError):
        return False


def run(command: str, args: Sequence[str]) -> None:
    """Run one of Lightning's stages.

    Args:
        command: "fit", "validate", "test" or "predict".
        args: What follows it on the command line, e.g. ``["--config", "lucid.yaml"]``.
    """
    # hardware summaries and advertisements; warnings still show
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOISE:
        warnings.filterwarnings("ignore", message=message, module="lightning.*")
    args, experiment = find_config(args)
    try:
        SuiteCLI([command, *args], experiment)
    except ValueError as error:
        if mistake := _user_mistake(error):
            raise mistake from None
        raise
    finally:
        wandb.finish()


def _user_mistake(error: BaseException | None) -> VOSError | None:
    """Find what a constructor refused; jsonargparse wraps it in errors of its own."""
    while error is not None and not isinstance(error, VOSError):
        error = error.__cause__ or error.__context__
    return error


fit, validate, test, predict = (
    partial(run, command) for command in ("fit", "validate", "test", "predict")
)
