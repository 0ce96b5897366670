"""Progress bars: steps while training, clips and the work inside each clip otherwise."""

from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class SuiteProgressBar(ProgressBar):
    """One bar for the whole stage and one for the clip at hand.

    Where no terminal is, a line for every tenth of a training in their place. Shown on rank 0
    only. Text printed through :meth:`print` stays above the bars.
    """

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._stage: TaskID | None = None
        self._inner: TaskID | None = None
        self._enabled = True
        self._steps: int | None = None

    def disable(self) -> None:
        """Show nothing (Lightning calls this on all ranks but the first)."""
        self._enabled = False

    def enable(self) -> None:
        """Show bars again."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print above the bars."""
        if self._enabled:
            self._console.print(*args, highlight=False, soft_wrap=True)

    def advance_inner(self, label: str, done: int, total: int) -> None:
        """Show how far the work inside a clip is; the bar vanishes when it is done."""
        if self._progress is None:
            return
        if self._inner is None:
            self._inner = self._progress.add_task(label, total=total)
        self._progress.update(self._inner, description=label, completed=done, total=total)
        if done >= total:
            self._progress.remove_task(self._inner)
            self._inner = None

    def on_train_start(self, trainer: L.Trainer, *args: Any) -> None:
        """Open the bar of the training."""
        self._steps = _total([trainer.estimated_stepping_batches])
        self._open("training", self._steps)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Advance by the steps done."""
        loss = trainer.progress_bar_metrics.get("train/loss")
        label = "training" + (f", loss {loss:.3f}" if loss else "")
        self._update(trainer.global_step, label)
        if self._steps and not self._console.is_terminal:
            step = trainer.global_step
            if step * 10 // self._steps > (step - 1) * 10 // self._steps:
                self.print(f"{label}, step {step} of {self._steps}")

    def on_train_end(self, *args: Any) -> None:
        """Close the bar of the training."""
        self._close()

    def on_test_start(self, trainer: L.Trainer, *args: Any) -> None:
        """Open the bar of the clips."""
        self._open("clips", _total(trainer.num_test_batches))

    def on_test_batch_end(self, *args: Any) -> None:
        """Advance by a clip."""
        self._update(args[4] + 1)

    def on_test_end(self, *args: Any) -> None:
        """Close the bar of the clips."""
        self._close()

    def on_predict_start(self, trainer: L.Trainer, *args: Any) -> None:
        """Open the bar of the clips."""
        self._open("clips", _total(trainer.num_predict_batches))

    def on_predict_batch_end(self, *args: Any) -> None:
        """Advance by a clip."""
        self._update(args[4] + 1)

    def on_predict_end(self, *args: Any) -> None:
        """Close the bar of the clips."""
        self._close()

    def on_exception(self, *args: Any) -> None:
        """Leave the terminal clean."""
        self._close()

    def _open(self, label: str, total: int | None) -> None:
        if not self._enabled:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._progress.start()
        self._stage = self._progress.add_task(label, total=total)

    def _update(self, done: int, label: str | None = None) -> None:
        if self._progress is not None and self._stage is not None:
            self._progress.update(self._stage, completed=done, description=label)

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._stage = self._inner = None


def report_progress(trainer: L.Trainer, label: str, done: int, total: int) -> None:
    """Tell the progress bar, if it is ours, about the work inside a clip."""
    if isinstance(bar := trainer.progress_bar_callback, SuiteProgressBar):
        bar.advance_inner(label, done, total)


def announce(trainer: L.Trainer, message: str) -> None:
    """Print a line on rank 0, above the progress bars if there are any."""
    if isinstance(bar := trainer.progress_bar_callback, ProgressBar):
        bar.print(message)
    elif trainer.is_global_zero:
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)


def _total(batches: Sequence[int | float]) -> int | None:
    count = sum(batches)
    return None if count == float("inf") else int(count)
