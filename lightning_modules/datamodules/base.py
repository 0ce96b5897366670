"""What all datamodules share: the clips to segment, and endless training samples."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from augment.refinement import drawing_processes, settle_worker
from datasets_vos import PROTOCOLS, VOSDataset, open_dataset
from datasets_vos.annotating import Annotate, annotate_frames, frames_to_annotate
from datasets_vos.base import DiskClip
from datasets_vos.scoring import categories_of
from lightning_modules.datamodules.samplers import IDLE, BalancedSampler, StreamSampler
from vos_core.errors import ConfigError
from vos_core.metrics import DataInfo
from vos_core.types import Annotation, ClipJob

_DEFAULT_SPLIT = {"toy": "val"}

Sample = TypeVar("Sample", covariant=True)


class SampleSource(ABC, Generic[Sample]):
    """Draws training samples; it is copied to worker processes, so drawing must not change it."""

    @abstractmethod
    def draw(self, epoch: int, rng: np.random.Generator) -> Sample:
        """Draw one sample of an epoch, counted from 0; all else that is random is ``rng``'s."""

    def gather(self, samples: list[Any]) -> object:
        """Put samples together where they are drawn."""
        return default_collate(samples)

    def join(self, gathered: object, device: torch.device) -> object:
        """Make a batch of gathered samples where training is to have it."""
        return gathered


class _Jobs(Dataset[ClipJob | None]):
    """One clip per item."""

    def __init__(
        self,
        clips: VOSDataset,
        size: tuple[int, int],
        protocol: str | None,
        annotate: Annotate | None,
    ) -> None:
        self._clips = clips
        self._size = size
        self._protocol = protocol
        self._annotate = annotate

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> ClipJob | None:
        if index == IDLE:
            return None
        clip = self._clips[index]
        # The first mask is given, and in the test splits of DAVIS 2017 it is the only one.
        protocol = self._protocol if len(clip.truth_frames) > 1 else None
        categories = categories_of(clip) if protocol else {}
        given = None if self._annotate is None else annotate_frames(clip, self._annotate)
        return ClipJob(clip, self._size, protocol, categories, given, given is not None)


class _Samples(Dataset[Sample]):
    """The i-th sample is drawn from (seed, i), whichever worker makes it; i tells the epoch."""

    def __init__(self, source: SampleSource[Sample], seed: int, per_epoch: int) -> None:
        self._source = source
        self._seed = seed
        self._per_epoch = per_epoch

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self._seed, index])
        return self._source.draw(index // self._per_epoch, rng)


class BaseVOSDataModule(L.LightningDataModule, ABC):
    """Training samples of some kind; one clip a step everywhere else.

    Everything is opened and checked before any time is spent on training. Subclasses say what is
    trained on; they name all their arguments, keep them with ``save_hyperparameters``, and hand
    over those that all have.

    Args:
        dataset: Name of the dataset to validate, test and predict on.
        root: Its folder.
        split: Its split.
        sequences: Restrict it to these sequences.
        mask: For "folder": the mask of the first frame.
        annotate: What is given of each clip, see :func:`datasets_vos.annotating.annotate_frames`.
        size: (height, width) at which networks work.
        batch_size: Training samples per step and rank.
        samples_per_epoch: Training samples per epoch, over all ranks.
        num_workers: Processes that draw training samples; None chooses.
    """

    def __init__(
        self,
        *,
        dataset: str,
        root: str | None,
        split: str | None,
        sequences: list[str] | None,
        mask: str | None,
        annotate: Annotate | None,
        size: tuple[int, int],
        batch_size: int,
        samples_per_epoch: int,
        num_workers: int | None,
    ) -> None:
        super().__init__()
        if min(size) < 32:
            raise ConfigError(f"data.size is {list(size)}; networks need at least 32x32 pixels.")
        self.size = (size[0], size[1])
        self._dataset = dataset
        self._root = Path(root).expanduser() if root else None
        self._split = split
        self._sequences = sequences
        self._mask = mask
        self._annotate = annotate
        for name, count in (("batch_size", batch_size), ("samples_per_epoch", samples_per_epoch)):
            if count < 1:
                raise ConfigError(f"data.{name} is {count}; give 1 or more.")
        self._batch_size = batch_size
        self._samples_per_epoch = samples_per_epoch
        self._num_workers = num_workers
        self._clips: VOSDataset | None = None
        self._source: SampleSource[object] | None = None
        self._resumed_at = (0, 0)

    @abstractmethod
    def open_training(self) -> None:
        """Open what is trained on and check it; may be called more than once."""

    @abstractmethod
    def make_source(self) -> SampleSource[object]:
        """Return what draws training samples; called once, when all is open."""

    def open(self, stage: str | None = None) -> None:
        """Open what is on disk and check it, before anything is spent or written.

        Args:
            stage: "fit" opens what is trained on, too.

        Raises:
            VOSError: If something is missing, unusable or contradictory.
        """
        self.test_clips()
        if stage == "fit":
            self.open_training()

    def require_slots(self, slots: int) -> None:
        """Refuse a network of too few slots for the clips.

        Args:
            slots: Objects that it answers for at once; 1 is a network an object.

        Raises:
            ConfigError: If a clip has more objects.
        """
        for clip in self.test_clips():
            annotations = self.given(clip) or clip.annotations
            count = len({i for given in annotations for i in given.object_ids})
            if 1 < slots < count:
                raise ConfigError(
                    f"{clip.name} has {count} objects, but the network {slots} slots; give more "
                    "slots, or 1 for a network an object."
                )

    def setup(self, stage: str) -> None:
        """Open everything, and make ready what draws training samples."""
        self.open(stage)
        task = self.trainer.lightning_module if self.trainer else None
        self.require_slots(getattr(task, "slots", 1))
        if stage == "fit" and self._source is None:
            self._source = self.make_source()

    def state_dict(self) -> dict[str, int]:
        """Return where in its samples a training is."""
        if self.trainer is None:
            return {}
        batches = self.trainer.fit_loop.epoch_loop.batch_progress.current.completed
        return {"epoch": self.trainer.current_epoch, "samples": batches * self._batch_size}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on there."""
        self._resumed_at = (state_dict["epoch"], state_dict["samples"])

    def train_dataloader(self) -> DataLoader[object]:
        """Return endless, never repeating samples, cut into epochs."""
        if self._source is None:
            raise RuntimeError("setup('fit') must be called first.")
        rank, world_size = self._ranks()
        sampler = StreamSampler(self._samples_per_epoch, rank, world_size, self._resumed_at)
        seed = torch.initial_seed() % 2**32
        workers = self._drawing_processes()
        return DataLoader(
            _Samples(self._source, seed, len(sampler) * world_size),
            batch_size=self._batch_size,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=self._source.gather,
            worker_init_fn=settle_worker,
        )

    def val_dataloader(self) -> DataLoader[ClipJob | None]:
        """Return the clips, one a step."""
        return self._clip_loader()

    def test_dataloader(self) -> DataLoader[ClipJob | None]:
        """Return the clips, one a step."""
        return self._clip_loader()

    def predict_dataloader(self) -> DataLoader[ClipJob | None]:
        """Return the clips, one a step."""
        return self._clip_loader()

    def transfer_batch_to_device(
        self, batch: object, device: torch.device, dataloader_idx: int
    ) -> object:
        """Move training batches; a clip stays where it is and is read frame by frame."""
        if batch is None or isinstance(batch, ClipJob):
            return batch
        if self._source is not None:
            batch = self._source.join(batch, device)
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def test_clips(self) -> VOSDataset:
        """Return the checked clips to validate, test and predict on."""
        if self._clips is None:
            self._clips = self.open_checked(self._split, self._sequences)
            if self._annotate is not None:
                for clip in self._clips:
                    frames_to_annotate(clip, self._annotate)
        return self._clips

    def given(self, clip: DiskClip) -> list[Annotation] | None:
        """Return what is given of a clip in place of its own annotations, if the config says so."""
        return None if self._annotate is None else annotate_frames(clip, self._annotate)

    def describe(self) -> DataInfo:
        """Say what is validated, tested and predicted on; the toy set's own root is left empty."""
        root = str(self._root.resolve()) if self._root else ""
        info = DataInfo(dataset=self._dataset, split=self._split_name(self._split), root=root)
        if self._annotate is not None:
            info["annotate"] = self._annotate
        return info

    def open_checked(self, split: str | None, sequences: Sequence[str] | None = None) -> VOSDataset:
        """Open a split of the dataset and check every clip of it; generate the toy set."""
        clips = open_dataset(
            self._dataset,
            self._root,
            self._split_name(split),
            sequences=sequences,
            mask=self._mask,
        )
        for clip in clips:
            clip.check()
        return clips

    def _split_name(self, split: str | None) -> str | None:
        return split or _DEFAULT_SPLIT.get(self._dataset)

    def _clip_loader(self) -> DataLoader[ClipJob | None]:
        clips = self.test_clips()
        lengths = [len(clip.frame_names) for clip in clips]
        return DataLoader(
            _Jobs(clips, self.size, PROTOCOLS.get(self._dataset), self._annotate),
            batch_size=None,
            sampler=BalancedSampler(lengths, *self._ranks()),
        )

    def _drawing_processes(self) -> int:
        trainer = self.trainer
        if trainer is None:
            return self._num_workers or 0
        device = trainer.strategy.root_device
        return drawing_processes(self._num_workers, device, trainer.num_devices)

    def _ranks(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
