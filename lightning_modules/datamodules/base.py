"""The common type of all datamodules, by which the command line finds them."""

from abc import ABC, abstractmethod

import lightning as L
import torch

from vos_core.types import ClipJob


class BaseVOSDataModule(L.LightningDataModule, ABC):
    """Training batches of refinement samples; one clip a step everywhere else."""

    @abstractmethod
    def open(self) -> None:
        """Open what is on disk and check it, before anything is spent or written."""

    def transfer_batch_to_device(
        self, batch: object, device: torch.device, dataloader_idx: int
    ) -> object:
        """Move training batches; a clip stays where it is and is read frame by frame."""
        if isinstance(batch, ClipJob):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)
