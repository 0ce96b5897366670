"""What all methods share: training on refinement samples, adapting to a clip, propagating."""

import math
import time
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch import Tensor, nn

from augment.held_out import predict_held_out
from augment.refinement import RefinementSampler
from augment.settings import configured
from lightning_modules.callbacks.progress import announce
from lightning_modules.checkpoints import read_checkpoint, require_fit
from lightning_modules.metrics import MaskJaccard
from lightning_modules.tasks.adapting import AdaptingModule
from vos_core.clips import annotated_frames
from vos_core.errors import ConfigError
from vos_core.losses import object_masks, refinement_loss
from vos_core.optimisation import Solver
from vos_core.postprocess import CRF_PRESETS, CRFTuning, HeldOut, tune_crf
from vos_core.precision import Precision
from vos_core.propagation import (
    AdaptationSettings,
    FirstMaskCopier,
    Networks,
    Propagator,
    Refinement,
    run_both_ways,
    run_sequence,
)
from vos_core.training_pass import Recorded, training_pass
from vos_core.types import ClipJob, LabelMap, RefinementSample, SegmentedClip


class OptimizerConfig(TypedDict):
    """What ``configure_optimizers`` answers."""

    optimizer: torch.optim.Optimizer
    lr_scheduler: LRSchedulerConfigType


Answer = dict[str, SegmentedClip]
"""What a step hands to the callbacks, under "segmented"."""

ADAPTED, UNADAPTED = "adapted", "not adapted"
COPIED, COPIED_NEAREST = "copied first mask", "copied nearest mask"
# arguments that do not change a training, beside "adapt..." and what comes after adaptation
_NOT_OF_TRAINING = {"root", "train_root", "num_workers", "online", "patience", "time_per_sequence"}
_PRECISIONS: dict[str, Precision] = {"16-mixed": "float16", "bf16-mixed": "bfloat16"}
_HELD_OUT_SEED = zlib.crc32(b"held out")  # the k-th training sample is drawn from (seed, k)
Setting = int | float | bool | list[float] | str  # of a config; text is tried in this order


def training_settings(
    trainer: L.Trainer, task: AdaptingModule, data: L.LightningDataModule | None
) -> dict[str, Any]:
    """Return what a training depends on: where one of these differs, it cannot be gone on with."""
    settings: dict[str, Any] = {
        "seed": torch.initial_seed(),
        "trainer.max_epochs": trainer.max_epochs,
        "trainer.max_steps": trainer.max_steps,
        "the number of ranks": trainer.world_size,
    }
    for section, told in (("model", task.learnt_with()), ("data", data.hparams if data else {})):
        for name, value in told.items():
            if name not in _NOT_OF_TRAINING and not name.startswith("adapt"):
                settings[f"{section}.{name}"] = value
    return settings


class BaseVOSTask(AdaptingModule):
    """A refinement network, trained offline and adapted online.

    Subclasses build the network, say what it is adapted on and how it is propagated.

    Args:
        network: Builds it, which may load weights, so the rest is checked before.
        solver: How the network is trained offline.
        adaptation: How copies of the network are fitted to a clip.
        baselines: Also run the network unadapted and the copied first mask, for comparison.
        crf: Sharpen the answers with a dense CRF.
        crf_settings: Its "preset" in ``CRF_PRESETS`` and any parameter of ``DenseCRF`` to change.
        adapted_cache: Folder in which the adapted networks are kept; None keeps nothing.
        crf_tuning: Tune it, from these settings on, by this many held-out samples: before the first
            clip and for all of them if the network was trained, else for each clip by itself when
            the network has adapted to it. 0 keeps the settings; so does validation.
    """

    def __init__(
        self,
        network: Callable[[], nn.Module],
        solver: Solver,
        adaptation: AdaptationSettings,
        *,
        adapted_cache: str | None,
        baselines: bool,
        crf: bool,
        crf_settings: Mapping[str, object] | None,
        crf_tuning: int,
    ) -> None:
        settings = {"preset": "default", **(crf_settings or {})}
        chosen = configured(CRF_PRESETS, settings, "CRF settings")
        if crf_tuning < 0 or (crf_tuning and not crf):
            raise ConfigError(
                f"crf_tuning is {crf_tuning} with crf {str(crf).lower()}; give a number of samples "
                "from 0, and if it is above 0, say --model.crf true."
            )
        super().__init__(network(), adaptation, adapted_cache)
        self.solver = solver
        self.baselines = baselines
        self.crf = chosen if crf else None
        self.crf_tuning = crf_tuning
        self._tuning: CRFTuning | None = None
        self._is_trained = False
        self._train_jaccard = MaskJaccard()

    afterwards = AdaptingModule.afterwards | {"crf", "crf_settings", "crf_tuning", "baselines"}

    @abstractmethod
    def make_propagator(self, network: Networks, job: ClipJob) -> Propagator:
        """Return what carries masks through a clip, with one network or one per object id."""

    def understand(self, job: ClipJob) -> ClipJob:
        """Return a job with what is made of its annotations; here they are taken as they are."""
        return job

    def configure_optimizers(self) -> OptimizerConfig:
        """Return the optimiser of the offline stage and its schedule, which advances every step."""
        steps = int(self.trainer.estimated_stepping_batches)
        scaled = str(self.trainer.precision) == "16-mixed"
        optimizer, schedule = self.solver.build(self.network, steps, fused=not scaled)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def setup(self, stage: str) -> None:
        """Take over the trainer's arithmetic, if free to; clips are segmented outside of it."""
        chosen = _PRECISIONS.get(str(self.trainer.precision))
        if chosen and self.adaptation.precision == "auto":
            self.adaptation = replace(self.adaptation, precision=chosen)

    def on_fit_start(self) -> None:
        """Refuse to train where small gradients would vanish.

        Raises:
            ConfigError: If the network is to compute in float16, but not by the trainer's doing.
        """
        if self.hparams["precision"] == "float16":
            raise ConfigError(
                "precision float16 is for adaptation, which scales its losses; to train in it, say "
                "--trainer.precision 16-mixed and leave --model.precision at auto."
            )

    def on_train_start(self) -> None:
        """Note that the weights are worth trying without adaptation."""
        self._is_trained = True

    def on_train_end(self) -> None:
        """Make the network the same on all ranks, and free what was recorded of it."""
        self._share_statistics()
        forward = self.__dict__.get("_in_training")
        if isinstance(forward, Recorded):
            forward.release()

    def on_validation_start(self) -> None:
        """Make the network the same on all ranks, as each validates other clips."""
        self._share_statistics()

    def _share_statistics(self) -> None:
        """Take the first rank's statistics of batch normalisation, which are in the checkpoint.

        Each rank has its own, of its own samples.
        """
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def training_step(self, batch: RefinementSample, batch_idx: int) -> Tensor:
        """Return the loss of a batch of refinement samples."""
        forward = self._in_training
        if isinstance(forward, Recorded) and self.trainer.accumulate_grad_batches != 1:
            forward = self.network  # its gradients would be added to themselves
        logits = self.answer(forward, batch["image"], batch["previous_mask"])
        loss = refinement_loss(logits, batch["target"])
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch["target"]))
        self._train_jaccard.update(*object_masks(logits.detach(), batch["target"]))
        self.log("train/J", self._train_jaccard, on_step=False, on_epoch=True)
        return loss

    @cached_property  # which, unlike an attribute, makes no second network of it
    def _in_training(self) -> Callable[..., Tensor]:
        compile = self.adaptation.compile
        # ranks exchange gradients while the backward pass still runs
        alone = self.trainer.world_size == 1
        return training_pass(self.network, compile=compile) if alone or compile else self.network

    def validation_step(self, job: ClipJob | None, batch_idx: int) -> Answer | None:
        """Segment a clip with the weights as they are; a rank that has none has nothing to do."""
        if job is None:
            return None
        job = self.understand(job)
        variants = {UNADAPTED: self._propagate(self.network, job)}
        return {"segmented": SegmentedClip(job, variants, seconds_adapt=0.0)}

    def on_test_start(self) -> None:
        """Tune the CRF to the dataset, if that is asked for and the network was trained."""
        self._tune_to_dataset(self.trainer.test_dataloaders)

    def on_predict_start(self) -> None:
        """Tune the CRF as for a test."""
        self._tune_to_dataset(self.trainer.predict_dataloaders)

    def test_step(self, job: ClipJob | None, batch_idx: int) -> Answer | None:
        """Adapt to a clip, then segment it; a callback draws the label maps frame by frame."""
        if job is None:
            return None
        job = self.understand(job)
        adapted, seconds = self.adapted_to(job)
        began = time.monotonic()
        tuning = self._tuning or self._tune_to_clip(job, adapted)
        seconds += time.monotonic() - began
        crf = tuning.worthwhile if tuning else self.crf
        propagator = self.make_propagator(adapted, job)
        adapts = self.adaptation.iterations > 0
        variants = {ADAPTED if adapts else UNADAPTED: self._run(propagator, job, crf)}
        if self.baselines and job.protocol:
            if self._is_trained and adapts:
                unadapted = self.make_propagator(self.network, job)
                variants[UNADAPTED] = self._run(unadapted, job, crf)
            label = COPIED_NEAREST if job.both_ways else COPIED
            variants[label] = self._run(FirstMaskCopier(), job)
        tuned = tuning.plain() if tuning else None
        propagator.counts.update(self.adaptation_counts)
        segmented = SegmentedClip(job, variants, seconds, propagator.counts, tuned)
        return {"segmented": segmented}

    def predict_step(self, job: ClipJob | None, batch_idx: int) -> Answer | None:
        """Adapt to a clip, then segment it; it is neither scored nor compared."""
        return self.test_step(job and replace(job, protocol=None), batch_idx)

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Note that the weights are worth trying without adaptation."""
        self._is_trained = True

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Note what the training depends on, for :func:`training_settings` to be compared with."""
        data = getattr(self.trainer, "datamodule", None)
        checkpoint["training"] = training_settings(self.trainer, self, data)

    def begin_from(self, path: str | Path) -> None:
        """Take the weights of a checkpoint, and nothing else."""
        self.load_state_dict(read_checkpoint(path)["state_dict"])
        self._is_trained = True

    def check_weights(self, path: str | Path) -> None:
        """Refuse a checkpoint that is unreadable or belongs to another network."""
        require_fit(path, read_checkpoint(path), self.state_dict())

    def _tune_to_dataset(self, loader: object) -> None:
        """Tune the CRF on the annotated frames of all clips, those of the other ranks included."""
        self._tuning = None
        if not (self.crf and self.crf_tuning and self._is_trained):
            return
        clips: Sequence[ClipJob] = cast("Any", loader).dataset
        seed = [torch.initial_seed() % 2**32, _HELD_OUT_SEED]
        count = min(self.crf_tuning, len(clips))  # no sample would be of the others
        chosen = np.random.default_rng(seed).choice(len(clips), count, replace=False)
        jobs = [self.understand(clips[int(index)]) for index in chosen]
        frames = [pair for job in jobs for pair in annotated_frames(job.clip, job.size, job.given)]
        examples = self._predicted(self.make_sampler(frames), self.network, self.crf_tuning, seed)
        # sums on a GPU may differ in their last digits, and so on the ranks which of two is better
        self._tuning = self.trainer.strategy.broadcast(tune_crf(examples, self.crf))
        announce(self.trainer, f"dataset: {self._tuning}")

    def _tune_to_clip(self, job: ClipJob, networks: Networks) -> CRFTuning | None:
        """Tune the CRF, if that is asked for, to the networks that have adapted to a clip.

        Raises:
            ConfigError: If the network has learnt nothing that could be tuned for.
        """
        if not (self.crf and self.crf_tuning):
            return None
        if not self.adaptation.iterations:
            raise ConfigError(
                "a CRF is tuned to a network that has learnt something; give --ckpt_path, let it "
                "adapt, or leave --model.crf_tuning at 0."
            )
        sampler = self.make_sampler(annotated_frames(job.clip, job.size, job.given))
        if isinstance(networks, nn.Module):  # of several slots
            adapted = {0: (sampler.all_of(job.object_ids), networks)}
        else:
            adapted = {i: (sampler.only(i), network) for i, network in networks.items()}
        name, share = zlib.crc32(job.clip.name.encode()), math.ceil(self.crf_tuning / len(adapted))
        examples = []
        for object_id, (own, network) in adapted.items():
            # what ends in 0 and 1 was drawn by the adaptation
            seed = [torch.initial_seed() % 2**32, name, object_id, 2]
            examples += self._predicted(own, network, share, seed)
        tuning = tune_crf(examples, self.crf)
        announce(self.trainer, f"{job.clip.name}: {tuning}")
        return tuning

    def _predicted(
        self, sampler: RefinementSampler, network: nn.Module, count: int, seed: Sequence[int]
    ) -> list[HeldOut]:
        size, precision = self.adaptation.batch_size, self.adaptation.precision
        return predict_held_out(network, sampler, count, seed, self.device, size, precision)

    def _propagate(self, network: Networks, job: ClipJob) -> Iterator[LabelMap]:
        return self._run(self.make_propagator(network, job), job, self.crf)

    def _run(
        self, propagator: Propagator, job: ClipJob, refine: Refinement | None = None
    ) -> Iterator[LabelMap]:
        clip, given = job.clip, job.given
        if job.both_ways:
            return run_both_ways(propagator, clip, given, job.size, self.device, refine)
        return run_sequence(propagator, clip.frames(), given, job.size, self.device, refine)
