"""A training that is stopped can go on where it was."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L

from lightning_modules.callbacks.progress import announce
from vos_core.files import whole_file

INTERIM = "interim.ckpt"

_MINUTES = 10.0  # between two states
_ASK_EVERY = 20  # steps; the ranks have to agree on the time


class KeepTraining(L.Callback):
    """Keeps the state of a training in the run folder, every ten minutes and when it is stopped.

    ``fit --resume <run folder>/checkpoints/interim.ckpt`` goes on from there. The file goes when
    the training is over. Of several ranks not all may know of a stop, so then nothing is kept, nor
    where the trainer keeps no checkpoints.
    """

    def __init__(self) -> None:
        self._path = Path()
        self._kept = 0.0

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Find the run folder; the ranks agree on it here, so all of them must ask."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        self._path = folder / "checkpoints" / INTERIM

    def on_train_start(self, *args: Any) -> None:
        """Start the clock."""
        self._kept = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Keep the state if it is time."""
        if trainer.checkpoint_callback is None or trainer.global_step % _ASK_EVERY:
            return
        due = time.monotonic() - self._kept >= 60 * _MINUTES
        if trainer.strategy.broadcast(due):
            self._keep(trainer)

    def on_exception(
        self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException
    ) -> None:
        """Keep the state of a training that is stopped."""
        stopped = isinstance(exception, (KeyboardInterrupt, SystemExit))
        wanted = trainer.checkpoint_callback is not None and trainer.world_size == 1
        if stopped and wanted and trainer.training and trainer.global_step:
            self._keep(trainer)
            announce(
                trainer,
                f"stopped after {trainer.global_step} steps; fit --resume {self._path} goes on",
            )

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Remove the state; say where the weights are."""
        if trainer.is_global_zero:
            self._path.unlink(missing_ok=True)
        weights = getattr(trainer.checkpoint_callback, "best_model_path", "")
        if weights:
            announce(trainer, f"trained for {trainer.global_step} steps; the weights are {weights}")

    def _keep(self, trainer: L.Trainer) -> None:
        # all ranks have to ask for it, but only the first one writes
        with whole_file(self._path) if trainer.is_global_zero else nullcontext(self._path) as path:
            trainer.save_checkpoint(path)
        self._kept = time.monotonic()
