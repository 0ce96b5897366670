"""From datasets on disk to batches."""

from lightning_modules.datamodules.base import BaseVOSDataModule
from lightning_modules.datamodules.clips import ClipDataModule
from lightning_modules.datamodules.video import VideoDataModule

__all__ = ["BaseVOSDataModule", "ClipDataModule", "VideoDataModule"]
