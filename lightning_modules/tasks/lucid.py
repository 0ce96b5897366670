"""LucidTracker: trained and adapted on lucid dreams, guided by optical flow.

Khoreva, Benenson, Ilg, Brox, Schiele: "Lucid Data Dreaming for Video Object Segmentation"
(arXiv:1703.09554) and the DAVIS 2017 challenge report. The network sees a frame and the object's
last mask, moved along the flow; it was trained on dreams of annotated first frames only. It can see
how fast pixels move and where a segmentation network sees something, beside colours or in their
place; several such networks are averaged. It answers for one object or, with slots, for all.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import track

from augment.clean_plate import Filling
from augment.deformation import PREVIOUS_MASKS
from augment.lucid import PRESETS, LucidDreamer, LucidScene
from augment.lucid.cues import DreamCues
from augment.lucid.sampler import LucidSampler
from augment.refinement import AnnotatedFrame, RefinementSampler
from augment.settings import configured
from lightning_modules.checkpoints import read_checkpoint
from lightning_modules.tasks.base import BaseVOSTask, Setting
from vos_core.errors import CheckpointError, ConfigError
from vos_core.flow import build_flow, flow_source, list_flows
from vos_core.networks import build_streams, used_cues
from vos_core.optimisation import Solver, SolverKind
from vos_core.precision import Precision
from vos_core.propagation import (
    AdaptationSettings,
    MaskPropagator,
    Networks,
    Propagator,
    require_propagation,
)
from vos_core.semantics import SemanticsEstimator, build_semantics, list_semantics
from vos_core.types import VOID, ClipJob

# Ours: at 240 x 432 a scene takes half a second to make and 0.6 MB to keep.
_MAX_SCENES = 1000
_MANY_SCENES = 5  # from here on a bar is shown


class LucidTask(BaseVOSTask):
    """Mask refinement on lucid dreams.

    Args:
        network: "mask_refiner", "deeplabv2_vgg16" as published, any other that is registered, or
            the dotted path of your own class.
        network_options: What else the network is built from, such as "encoder" and "width".
        pretrained: Start from ImageNet weights.
        inputs: For each network what it sees: "image", "motion" (how fast pixels move),
            "semantics", or some joined by "+", such as "image+motion". The answers of several are
            averaged: [image, motion] are the two streams of the paper.
        slots: Objects that one network answers for at once; 1 adapts a network to each object.
        solver: Optimiser of training and adaptation: "adamw", "sgd" under DeepLab's "poly"
            schedule, or "sgd_constant", which is as published.
        lr: Peak learning rate of the offline (per-dataset) stage.
        weight_decay: Weight decay of training and adaptation.
        adapt_iterations: Adaptation steps per sequence, shared by its objects; 0 adapts nothing.
        adapt_lr: Peak learning rate of the adaptation.
        adapt_batch_size: Samples per adaptation step.
        adapt_workers: Processes that draw the samples of the adaptation; null chooses: on a GPU,
            which would wait for samples, one a core, eight at most, on the CPU none.
        compile: Compile the network for training and adaptation (torch.compile), which takes a
            minute at first. On a GPU that pays with large networks only.
        adapter: What adaptation trains: all, last_layers, decoder, normalisation, lora:RANK, or
            stream:K, the K-th of several inputs' networks.
        time_per_sequence: Stop adapting after this many seconds, too.
        patience: Stop adapting when the Jaccard index of held-out dreams has not risen for this
            many checks, one every 25 steps, or every quarter of an object's if it has fewer than
            100; 0 goes on.
        adapted_cache: Folder in which adapted networks are kept, so that runs that differ in
            warping, coherence or CRF alone need not adapt again; null keeps nothing.
        dreams: What dreams are drawn from: "preset" (paper, official_code, frtm, adaptation) and
            any range of ``LucidRanges`` to change.
        previous_masks: What makes their earlier masks rough: "preset" (lucid, official_code,
            masktrack, roi, box, jittered_box, adaptation) and any range of ``MaskDeformation``.
            Unlike those at test time they are not moved along the flow first.
        filling: How the objects' places on the clean plate are filled.
        flow: Estimates the optical flow: dis_ultrafast, dis_fast, dis_medium, farneback,
            raft_small or raft_large; null leaves the mask in place.
        flow_weights: File with the weights of RAFT; null downloads them.
        flow_cache: Folder in which flow is kept; null keeps nothing, as DIS is as fast as a disk.
        warp: Move the last mask along the flow; where flow there and back disagree it stays.
        motion: Whether the motion of dreams is told as it is ("exact") or as the same estimator
            finds it ("estimated"). null is estimated, but with RAFT, which would look at each dream
            on the CPU, exact.
        semantics: What looks for objects where inputs name semantics: a network of torchvision, or
            "objectness", which needs no weights and knows no classes.
        semantics_weights: File with the weights of that network; null downloads them.
        flip_average: Average the answers for each frame and its mirror image.
        dilation: Radius in pixels by which the guiding mask is grown.
        coherence: Drop parts of an answer farther than this many pixels from its guide, or, if
            "published", parts of a guiding mask that the mask before it did not overlap; null
            keeps all.
        crf: Sharpen the answers with a dense CRF.
        crf_settings: "preset" (default, mpnet, deeplab, pydensecrf) and any parameter of
            ``DenseCRF``, such as its backend.
        crf_tuning: Number of held-out samples by which the CRF is tuned, starting from
            crf_settings: for the whole dataset if the network was trained, else for each clip.
            0 keeps the settings.
        baselines: Also score the unadapted network and the copied first mask.
        precision: "auto" computes in bfloat16 where the machine does so natively.
    """

    afterwards = BaseVOSTask.afterwards | {
        *("flow", "flow_weights", "flow_cache", "warp"),  # but for estimated motion in dreams
        *("flip_average", "dilation", "coherence"),
    }

    def __init__(
        self,
        network: str = "mask_refiner",
        network_options: dict[str, Setting] | None = None,
        pretrained: bool = False,
        inputs: list[str] | None = None,
        slots: int = 1,
        solver: SolverKind = "adamw",
        lr: float = 1e-2,
        weight_decay: float = 1e-4,
        adapt_iterations: int = 280,
        adapt_lr: float = 1e-2,
        adapt_batch_size: int = 4,
        adapt_workers: int | None = None,
        compile: bool = False,
        adapter: str = "all",
        time_per_sequence: float | None = None,
        patience: int = 0,
        adapted_cache: str | None = None,
        dreams: dict[str, Setting] | None = None,
        previous_masks: dict[str, Setting] | None = None,
        filling: Filling = "patches",
        flow: str | None = "dis_fast",
        flow_weights: str | None = None,
        flow_cache: str | None = None,
        warp: bool = True,
        motion: Literal["exact", "estimated"] | None = None,
        semantics: str = "objectness",
        semantics_weights: str | None = None,
        flip_average: bool = True,
        dilation: int = 0,
        coherence: int | Literal["published"] | None = 8,
        crf: bool = False,
        crf_settings: dict[str, int | float | str] | None = None,
        crf_tuning: int = 0,
        baselines: bool = True,
        precision: Precision = "auto",
    ) -> None:
        if {"pretrained", "slots", "cues"} & set(network_options or {}):
            raise ConfigError("pretrained, slots and cues are no network options here; see --help.")
        require_propagation(coherence, dilation)
        seen = ["image"] if inputs is None else inputs
        self._cues = used_cues(seen)
        offline = Solver(solver, lr, weight_decay)
        chosen = {"preset": "adaptation"}
        dreamer = LucidDreamer(configured(PRESETS, {**chosen, **(dreams or {})}, "dreams"))
        ranges = {**chosen, **(previous_masks or {})}
        rough = configured(PREVIOUS_MASKS, ranges, "previous masks")
        super().__init__(
            partial(
                build_streams,
                network,
                seen,
                pretrained=pretrained,
                slots=slots,
                **(network_options or {}),
            ),
            offline,
            AdaptationSettings(
                adapt_iterations,
                replace(offline, lr=adapt_lr),
                adapt_batch_size,
                adapt_workers,
                precision,
                time_per_sequence,
                patience,
                compile=compile,
                adapter=adapter,
            ),
            adapted_cache=adapted_cache,
            baselines=baselines,
            crf=crf,
            crf_settings=crf_settings,
            crf_tuning=crf_tuning,
        )
        self.save_hyperparameters()
        self.slots = slots
        if motion is not None and "motion" not in self._cues:
            raise ConfigError("motion is seen by no network; name it among the inputs.")
        if motion == "estimated" and flow in list_flows(weights=True):
            raise ConfigError(
                f"{flow} would look at each dream on the CPU, for seconds; choose motion exact, or "
                "an estimator such as dis_medium."
            )
        self._flow = flow_source(flow, flow_weights, flow_cache)
        if "motion" in self._cues and flow is None:
            raise ConfigError("motion is seen through flow; name an estimator, such as dis_fast.")
        self._dreamer = dreamer
        self._rough = rough
        self._semantics: SemanticsEstimator | None = None
        self._semantics_device = torch.device("cpu")
        if "semantics" in self._cues:
            self._semantics = build_semantics(semantics, semantics_weights)
            if semantics in list_semantics(weights=False):
                warnings.warn(self._semantics.description, stacklevel=2)
        elif semantics_weights is not None or semantics != "objectness":
            raise ConfigError("semantics are seen by no network; name them among the inputs.")

    def learnt_with(self) -> dict[str, object]:
        """Return the settings that weights depend on, among them what dreams were looked at by."""
        told = super().learnt_with()
        if "motion" in self._cues:
            told["motion"] = "estimated" if self._motion_is_estimated else "exact"
        if self._motion_is_estimated:
            told["flow"] = self.hparams["flow"]
        if self._semantics is not None:
            told["semantics"] = self._semantics.description
        return told

    def make_sampler(self, frames: Sequence[AnnotatedFrame]) -> RefinementSampler:
        """Dream from each annotated frame that shows an object.

        Raises:
            ConfigError: If there are too many frames to be taken apart.
        """
        if len(frames) > _MAX_SCENES:
            raise ConfigError(
                f"there are {len(frames)} training frames, but each is taken apart beforehand, so "
                f"LucidTask takes {_MAX_SCENES} at most; train on fewer, or train a MaskTrackTask."
            )
        shown = [pair for pair in frames if ((pair[1] > 0) & (pair[1] != VOID)).any()]
        console = Console(stderr=True)
        hidden = len(shown) < _MANY_SCENES or self.global_rank > 0 or not console.is_terminal
        scenes = [
            LucidScene.from_frame(image, label_map, self.hparams["filling"])
            for image, label_map in track(
                shown, "taking frames apart", console=console, transient=True, disable=hidden
            )
        ]
        return LucidSampler(scenes, self._dreamer, self._rough, self.slots, cues=self._dream_cues())

    def _dream_cues(self) -> DreamCues | None:
        if not self._cues:
            return None
        return DreamCues(
            "motion" in self._cues,
            self._semantics_here(),
            build_flow(self.hparams["flow"]) if self._motion_is_estimated else None,
        )

    @property
    def _motion_is_estimated(self) -> bool:
        """Whether dreams tell the motion as the estimator finds it."""
        slow = self.hparams["flow"] in list_flows(weights=True)
        asked = self.hparams["motion"] or ("exact" if slow else "estimated")
        return "motion" in self._cues and asked == "estimated"

    def check_weights(self, path: str | Path) -> None:
        """Refuse a checkpoint of another network, or of one that saw something else."""
        super().check_weights(path)
        told = read_checkpoint(path).get("hyper_parameters", {}).get("inputs") or ["image"]
        own = self.hparams["inputs"] or ["image"]
        if [set(each.split("+")) for each in told] != [set(each.split("+")) for each in own]:
            raise CheckpointError(
                f"{path} is of networks that see {', '.join(told)}, not {', '.join(own)}; give "
                "the same under --model.inputs."
            )

    def _semantics_here(self) -> SemanticsEstimator | None:
        """Return what looks for objects, on the device where networks are, or will be, trained."""
        device = self._trainer.strategy.root_device if self._trainer else self.device
        if self._semantics is not None and self._semantics_device != device:
            name, weights = self.hparams["semantics"], self.hparams["semantics_weights"]
            self._semantics = build_semantics(name, weights, device)
            self._semantics_device = device
        return self._semantics

    def make_propagator(self, network: Networks, job: ClipJob) -> Propagator:
        """Refine masks that moved along the flow."""
        return MaskPropagator(
            network,
            flow=self._flow.of(job.clip, job.size, self.device) if self._flow else None,
            warp=self.hparams["warp"],
            dilation=self.hparams["dilation"],
            coherence=self.hparams["coherence"],
            flip_average=self.hparams["flip_average"],
            cues=self._cues,
            semantics=self._semantics_here(),
            slots=self.slots,
            order=job.object_ids,
            precision=self.adaptation.precision,
        )
