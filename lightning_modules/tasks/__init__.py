"""One file per method."""

from lightning_modules.tasks.base import BaseVOSTask, training_settings
from lightning_modules.tasks.lucid import LucidTask
from lightning_modules.tasks.masktrack import MaskTrackTask

__all__ = ["BaseVOSTask", "LucidTask", "MaskTrackTask", "training_settings"]
