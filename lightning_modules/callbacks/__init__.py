"""What happens around a run: progress, pictures, scores, report."""

from lightning_modules.callbacks.keep_training import KeepTraining
from lightning_modules.callbacks.progress import SuiteProgressBar
from lightning_modules.callbacks.record import RecordRun

__all__ = ["KeepTraining", "RecordRun", "SuiteProgressBar"]
