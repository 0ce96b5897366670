"""MaskTrack: learning video object segmentation from still images.

Perazzi, Khoreva, Benenson, Schiele, Sorkine-Hornung (CVPR 2017). The network refines a rough mask
on a still image (section 3.1); trained offline on images with deformed masks, it follows an object
through a video when each frame's rough mask is the dilated answer to the frame before. For each
video it is fine-tuned online on the annotated frame, flipped, rotated and with deformed masks
(section 3.2). The arguments ``online`` to ``crf`` are the rows of the paper's Table 1; the others
("offline", "reduced offline", "training on video") are said by trainer and data, see
``configs/ablation/masktrack``.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from augment.deformation import PREVIOUS_MASKS, MaskDeformation
from augment.refinement import AnnotatedFrame, RefinementSampler, StillSampler
from augment.settings import configured
from lightning_modules.checkpoints import load_refiner, read_checkpoint
from lightning_modules.tasks.base import BaseVOSTask, Setting
from vos_core.errors import CheckpointError, ConfigError
from vos_core.flow import flow_source
from vos_core.networks import build_network
from vos_core.optimisation import Solver, SolverKind
from vos_core.precision import Precision
from vos_core.propagation import (
    AdaptationSettings,
    Guidance,
    MaskPropagator,
    MotionStream,
    Networks,
    Propagator,
    masks_from_boxes,
    require_propagation,
)
from vos_core.types import ClipJob

_PRESETS = {"mask": "masktrack", "box": "jittered_box", "none": "masktrack"}


class MaskTrackTask(BaseVOSTask):
    """Mask refinement on still images.

    Args:
        network: "deeplabv2_vgg16" as published, "deeplabv2" on another encoder, or the lighter
            "mask_refiner".
        network_options: What else the network is built from, such as "encoder".
        pretrained: Start from ImageNet weights.
        solver: Optimiser of training and fine-tuning: "sgd" under DeepLab's "poly" schedule as
            published, "sgd_constant", or "adamw".
        lr: Initial learning rate of the offline stage (section 4: 1e-3).
        momentum: Momentum of SGD (section 4).
        weight_decay: Weight decay of training and fine-tuning (section 4).
        head_rate: Factor of the last layers' learning rate, their biases' twice that (DeepLabv2).
        adapt_iterations: Fine-tuning steps per video (section 4: 200), shared by its objects.
        adapt_lr: Learning rate of the fine-tuning (section 4: as offline).
        adapt_batch_size: Samples per fine-tuning step.
        adapt_workers: Processes that draw the samples of the fine-tuning; null chooses: on a GPU,
            which would wait for samples, one a core, eight at most, on the CPU none.
        compile: Compile the network for training and adaptation (torch.compile), which takes a
            minute at first. On a GPU that pays with large networks only.
        adapter: What fine-tuning trains: all, last_layers, decoder, normalisation, or lora:RANK.
        time_per_sequence: Stop fine-tuning after this many seconds, too.
        patience: Stop fine-tuning when the Jaccard index of held-out samples has not risen for this
            many checks, one every 25 steps, or every quarter of an object's if it has fewer than
            100; 0 goes on.
        adapted_cache: Folder in which fine-tuned networks are kept, so that runs that differ in
            flow, coherence or CRF alone need not fine-tune again; null keeps nothing.
        online: Fine-tune at all.
        guidance: What the network is told of the frame before, in training and afterwards: its
            mask, only the box around it, or nothing.
        deform: Rough masks are moved, scaled, bent and grown; else they are the true ones.
        nonrigid: Rough masks are bent.
        dilate: Rough masks are grown, as is the mask of the frame before.
        previous_masks: What rough masks are drawn from: "preset" (masktrack, jittered_box, roi,
            ...) and any range of ``MaskDeformation``. A network guided by boxes is shown the boxes
            of moved and scaled masks, whatever else this says.
        box_network: MaskTrack_Box (section 3.3): only the box of each annotated mask is given, and
            the network of this checkpoint, trained with guidance "box", finds the mask in it.
            null gives the masks.
        coherence: Drop parts of an answer farther than this many pixels from the mask that guided
            it, as LucidTracker does; null keeps all, as published.
        flow: Add the second stream, which looks at the optical flow of this estimator: dis_medium,
            farneback, raft_large, ...; null leaves it out.
        flow_weights: File with the weights of RAFT; null downloads them.
        flow_cache: Folder in which flow is kept; null keeps nothing.
        flow_network: Whether the second stream has the weights of the offline stage, as fine-tuning
            is on colours, or those fine-tuned. The paper does not say.
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
        *("flow", "flow_weights", "flow_cache", "flow_network", "coherence"),
    }

    def __init__(
        self,
        network: str = "deeplabv2_vgg16",
        network_options: dict[str, Setting] | None = None,
        pretrained: bool = True,
        solver: SolverKind = "sgd",
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        head_rate: float = 10.0,
        adapt_iterations: int = 200,
        adapt_lr: float = 1e-3,
        adapt_batch_size: int = 10,
        adapt_workers: int | None = None,
        compile: bool = False,
        adapter: str = "all",
        time_per_sequence: float | None = None,
        patience: int = 0,
        adapted_cache: str | None = None,
        online: bool = True,
        guidance: Guidance = "mask",
        deform: bool = True,
        nonrigid: bool = True,
        dilate: bool = True,
        previous_masks: dict[str, Setting] | None = None,
        box_network: str | None = None,
        coherence: int | None = None,
        flow: str | None = None,
        flow_weights: str | None = None,
        flow_cache: str | None = None,
        flow_network: Literal["offline", "adapted"] = "offline",
        crf: bool = False,
        crf_settings: dict[str, int | float | str] | None = None,
        crf_tuning: int = 0,
        baselines: bool = True,
        precision: Precision = "auto",
    ) -> None:
        if {"pretrained", "slots", "cues"} & set(network_options or {}):
            raise ConfigError("pretrained, slots and cues are no network options here; see --help.")
        require_propagation(coherence, guidance=guidance)
        ranges = {"preset": _PRESETS[guidance], **(previous_masks or {})}
        rough = configured(PREVIOUS_MASKS, ranges, "previous masks")
        offline = Solver(solver, lr, weight_decay, momentum, head_rate)
        super().__init__(
            partial(build_network, network, pretrained=pretrained, **(network_options or {})),
            offline,
            AdaptationSettings(
                adapt_iterations if online else 0,
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
        # in a list, for its weights are not this task's
        self._box_network = [load_refiner(box_network, guidance="box")] if box_network else []
        self._flow = flow_source(flow, flow_weights, flow_cache)
        self._rough = ablated(
            rough, guidance=guidance, deform=deform, nonrigid=nonrigid, dilate=dilate
        )

    def check_weights(self, path: str | Path) -> None:
        """Refuse a checkpoint of another network, or of one that was guided otherwise."""
        super().check_weights(path)
        own = self.hparams["guidance"]
        told = read_checkpoint(path).get("hyper_parameters", {}).get("guidance", own)
        if told != own:
            raise CheckpointError(
                f"{path} was trained with guidance {told!r}, not {own!r}; give the same under "
                "--model.guidance."
            )

    def on_fit_start(self) -> None:
        """Refuse to train on masks of which only the boxes are to be known.

        Raises:
            ConfigError: If so, or as in the base class.
        """
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        if self._box_network and getattr(data, "trains_on_given", False):
            raise ConfigError(
                "box_network leaves only boxes to be known of what is tested on, so it cannot be "
                "trained on; give data.train_sets or data.train_split."
            )

    def understand(self, job: ClipJob) -> ClipJob:
        """Find the masks in the boxes, if only these are to be known."""
        if not self._box_network:
            return job
        network = self._box_network[0].to(self.device)
        precision = self.adaptation.precision
        return replace(
            job,
            annotations=masks_from_boxes(
                network, job.clip, job.given, job.size, self.device, precision
            ),
        )

    def make_sampler(self, frames: Sequence[AnnotatedFrame]) -> RefinementSampler:
        """Flip, rotate and deform each annotated frame."""
        return StillSampler(frames, self._rough)

    def make_propagator(self, network: Networks, job: ClipJob) -> Propagator:
        """Refine the dilated mask of the frame before, or what else guides the network."""
        return MaskPropagator(
            network,
            motion=self._motion_stream(network, job),
            dilation=self._rough.dilation,
            guidance=self.hparams["guidance"],
            coherence=self.hparams["coherence"],
            precision=self.adaptation.precision,
        )

    def _motion_stream(self, network: Networks, job: ClipJob) -> MotionStream | None:
        if self._flow is None:
            return None
        flow = self._flow.of(job.clip, job.size, self.device)
        if self.hparams["flow_network"] == "adapted":
            return MotionStream(network, flow)
        if not self._is_trained:
            warnings.warn(
                "nothing was trained offline, so the second stream has the fine-tuned weights; "
                "give --ckpt_path, or say --model.flow_network adapted.",
                stacklevel=2,
            )
            return MotionStream(network, flow)
        return MotionStream(self.network, flow)


def ablated(
    ranges: MaskDeformation, *, guidance: Guidance, deform: bool, nonrigid: bool, dilate: bool
) -> MaskDeformation:
    """Return ranges of rough masks with parts switched off (Table 1).

    Args:
        ranges: With all parts.
        guidance: "none" leaves the rough mask empty, "box" shows the box of a moved and scaled one.
        deform: Move, scale, bend and grow; without it the network sees perfect masks.
        nonrigid: Bend.
        dilate: Grow.
    """
    if guidance == "none":
        return replace(ranges, dilation=0, growth=0, empty=1.0)
    if guidance == "box":
        ranges = replace(ranges, box=True, angle=0, shear=0, removed=0, added=0, partial=0)
        nonrigid = dilate = False
    if not deform:
        ranges = replace(ranges, scale=0, angle=0, shear=0, shift=0)
        ranges = replace(ranges, removed=0, added=0, partial=0, empty=0)
    if not (deform and nonrigid):
        ranges = replace(ranges, spline_points=0)
    return ranges if deform and dilate else replace(ranges, dilation=0, growth=0)
