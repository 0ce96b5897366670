"""Fitting copies of a network to a clip."""

import inspect
import math
import time
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

import augment
import lightning_modules
import vos_core
from augment.refinement import (
    AnnotatedFrame,
    RefinementSampler,
    drawing_processes,
    sample_batches,
)
from lightning_modules.callbacks.progress import announce, report_progress
from lightning_modules.metrics import MaskJaccard
from vos_core.adapters import trained_modules
from vos_core.clips import annotated_frames
from vos_core.errors import ConfigError
from vos_core.losses import object_masks, refinement_loss
from vos_core.precision import autocast
from vos_core.propagation import (
    AdaptationSettings,
    AdaptedCache,
    Networks,
    Score,
    adapt,
    adaptation_key,
)
from vos_core.types import ClipJob

OUT_OF_TIME = "steps of adaptation that there was no time for"

_HELD_OUT_BATCHES = 4
_PACKAGES = [Path(package.__path__[0]) for package in (vos_core, augment, lightning_modules)]


class AdaptingModule(L.LightningModule, ABC):
    """A network of which copies are fitted to each clip.

    Subclasses say what it is adapted on. They keep their constructor arguments with
    ``save_hyperparameters``; these are plain values, so that a checkpoint reloads by itself.

    Attributes:
        slots: Objects that the network answers for at once.
        afterwards: Constructor arguments that matter after adaptation only.
        adaptation_counts: What happened how often in the last adaptation, said in plain words.

    Args:
        network: ``network(image, previous_mask) -> (B, S, H, W) logits``.
        adaptation: How copies of it are fitted to a clip; its objects share the iterations and the
            seconds. Its precision is that of the network everywhere.
        adapted_cache: Folder in which they are kept; None keeps nothing.
    """

    slots = 1
    afterwards = frozenset({"adapted_cache"})

    def __init__(
        self, network: nn.Module, adaptation: AdaptationSettings, adapted_cache: str | None
    ) -> None:
        super().__init__()
        if adaptation.seconds is not None and adaptation.seconds <= 0:
            raise ConfigError(f"time_per_sequence is {adaptation.seconds}; give some seconds.")
        trained_modules(network, adaptation.adapter)  # or it fails at the first clip
        self.network = network.to(memory_format=torch.channels_last)
        self.adaptation = adaptation
        self._adapted_cache = AdaptedCache(adapted_cache) if adapted_cache else None
        self.adaptation_counts: Counter[str] = Counter()

    @abstractmethod
    def make_sampler(self, frames: Sequence[AnnotatedFrame]) -> RefinementSampler:
        """Return what draws training samples from annotated frames at the network's size."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Refine (B, S, H, W) masks of S slots on (B, 3 + C, H, W) frames with C cues.

        Returns:
            (B, S, H, W) logits; in training (K B, S, H, W) of K networks that are averaged.
        """
        return self.answer(self.network, image, previous_mask)

    def answer(self, network: Callable[..., Tensor], image: Tensor, mask: Tensor) -> Tensor:
        """Ask a network in the arithmetic of this one; returns float32 logits."""
        with autocast(image.device, self.adaptation.precision):
            logits = network(image.to(memory_format=torch.channels_last), mask)
        return logits.float()

    def adapted_to(self, job: ClipJob) -> tuple[Networks, float]:
        """Return networks adapted to a clip, now or before, and the seconds that took."""
        began = time.monotonic()
        self.adaptation_counts.clear()
        if not self.adaptation.iterations:
            return self.network, 0.0
        if self._adapted_cache is None:
            return self._adapt_to(job), time.monotonic() - began
        key = self._adaptation_key(job)
        kept = self._adapted_cache.load(job.clip.name, key, self.network)
        if kept is not None:
            announce(self.trainer, f"{job.clip.name}: the networks adapted to it before are taken")
            return kept
        networks, seconds = self._adapt_to(job), time.monotonic() - began
        self._adapted_cache.store(job.clip.name, key, networks, seconds)
        return networks, seconds

    def learnt_with(self) -> dict[str, object]:
        """Return the settings that weights depend on, trained or adapted ones, by name."""
        return {name: it for name, it in self.hparams.items() if name not in self.afterwards}

    def _adaptation_key(self, job: ClipJob) -> str:
        """Return what tells networks apart that adapted to a clip in different ways."""
        told = self.learnt_with()
        told["here"] = [job.clip.name, job.object_ids, torch.initial_seed(), self.trainer.precision]
        frames = annotated_frames(job.clip, job.size, job.given)
        return adaptation_key(told, self.network, frames, self._code())

    def _code(self) -> set[Path]:
        """Return the Python files that adapt: this project's, and where its classes are from."""
        files = {path for folder in _PACKAGES for path in folder.rglob("*.py")}
        for each in {*type(self).__mro__, *map(type, self.network.modules())}:
            with suppress(TypeError, OSError):  # written in C, or at a prompt
                files.add(Path(inspect.getfile(each)))
        return files

    def _adapt_to(self, job: ClipJob) -> Networks:
        """Fit a copy of the network to each object of a clip, the others being background to it.

        The objects share the iterations, so a clip costs the same however many it shows. A network
        of several slots is fitted to all of them at once.
        The same whatever ran before and on which rank, unless the clock ends it.
        """
        clip = job.clip
        began = time.monotonic()
        sampler = self.make_sampler(annotated_frames(clip, job.size, job.given))
        ids = job.object_ids

        def left() -> float | None:
            """Return what is left of the seconds."""
            seconds = self.adaptation.seconds
            return None if seconds is None else seconds - (time.monotonic() - began)

        if self.slots > 1:
            settings = replace(self.adaptation, seconds=left())
            return self._adapt_on(clip.name, "all objects", sampler.all_of(ids), 0, settings)
        iterations = math.ceil(self.adaptation.iterations / len(ids))
        networks = {}
        for done, object_id in enumerate(ids):
            seconds = left()
            if seconds is not None:  # shared by the objects that are left
                seconds /= len(ids) - done
            share = replace(self.adaptation, iterations=iterations, seconds=seconds)
            what = f"object {object_id} ({done + 1} of {len(ids)})"
            own = sampler.only(object_id)
            networks[object_id] = self._adapt_on(clip.name, what, own, object_id, share)
        return networks

    def _adapt_on(
        self,
        clip: str,
        what: str,
        sampler: RefinementSampler,
        object_id: int,
        settings: AdaptationSettings,
    ) -> nn.Module:
        """Fit a copy of the network to samples of one object, or of all (object id 0)."""
        # a short adaptation is looked at, too
        check_every = max(1, min(settings.check_every, settings.iterations // 4))
        settings = replace(settings, check_every=check_every)
        seed = [torch.initial_seed() % 2**32, zlib.crc32(clip.encode()), object_id]
        score = self._held_out(sampler, [*seed, 1])
        metric = f"adapt/{clip}_{object_id}" if object_id else f"adapt/{clip}"
        on_step = self._watch(f"{clip}: adapting to {what}", metric, settings.iterations)
        sharers = self._trainer.num_devices if self._trainer else 1
        workers = drawing_processes(settings.workers, self.device, sharers)
        drawing = sample_batches(sampler, settings.batch_size, [*seed, 0], self.device, workers)
        began, done = time.monotonic(), 0

        def counted(step: int, loss: Tensor) -> None:
            nonlocal done
            done = step + 1
            on_step(step, loss)

        with torch.random.fork_rng(), torch.inference_mode(False), closing(drawing) as batches:
            state = np.random.SeedSequence(seed).generate_state(1)
            torch.manual_seed(int(state[0]))  # dropout
            adapted = adapt(self.network, batches, refinement_loss, settings, counted, score)
        late = settings.seconds is not None and time.monotonic() - began >= settings.seconds
        if late and done < settings.iterations:
            self.adaptation_counts[OUT_OF_TIME] += settings.iterations - done
        return adapted

    def _held_out(self, sampler: RefinementSampler, seed: Sequence[int]) -> Score | None:
        """Return what scores a network on samples kept aside, if adaptation asks for it."""
        if not (self.adaptation.patience and self.adaptation.iterations):
            return None
        drawing = sample_batches(sampler, self.adaptation.batch_size, seed, self.device)
        batches = list(islice(drawing, _HELD_OUT_BATCHES))

        def score(network: nn.Module) -> float:
            # the other ranks adapt to other clips
            jaccard = MaskJaccard(sync_on_compute=False).to(self.device)
            for batch in batches:
                logits = self.answer(network, batch["image"], batch["previous_mask"])
                jaccard.update(*object_masks(logits, batch["target"]))
            return float(jaccard.compute())

        return score

    def _watch(self, label: str, metric: str, total: int) -> Callable[[int, Tensor], None]:
        """Return what tells the progress bar and the loggers about an adaptation."""

        def on_step(step: int, loss: Tensor) -> None:
            report_progress(self.trainer, label, step + 1, total)
            if step % 10 == 0:
                for logger in self.loggers:
                    logger.log_metrics({metric: float(loss)}, step)

        return on_step
