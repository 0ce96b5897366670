"""LucidTracker: trained and adapted on lucid dreams, guided by optical flow.

Khoreva, Benenson, Ilg, Brox, Schiele: "Lucid Data Dreaming for Video Object Segmentation"
(arXiv:1703.09554) and the DAVIS 2017 challenge report. The network sees a frame and the object's
last mask, moved along the flow; it was trained on dreams of annotated first frames only.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import track

from augment.clean_plate import Filling
from augment.deformation import PREVIOUS_MASKS
from augment.lucid import PRESETS, LucidDreamer, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.refinement import AnnotatedFrame, RefinementSampler
from augment.settings import configured
from lightning_modules.tasks.base import BaseVOSTask, Setting
from vos_core.errors import ConfigError
from vos_core.flow import flow_source
from vos_core.networks import MaskRefiner
from vos_core.optimisation import Solver
from vos_core.precision import Precision
from vos_core.propagation import AdaptationSettings, MaskPropagator, Networks, Propagator
from vos_core.types import VOID, ClipJob

# Ours: at 240 x 432 a scene takes half a second to make and 0.6 MB to keep.
_MAX_SCENES = 1000
_MANY_SCENES = 5  # from here on a bar is shown


class LucidTask(BaseVOSTask):
    """Mask refinement on lucid dreams.

    Args:
        encoder: Any timm model that supports ``features_only``.
        pretrained: Start from ImageNet weights.
        depth: How many stages of the encoder to use.
        width: Channels of the decoder.
        lr: Peak learning rate of the offline (per-dataset) stage.
        weight_decay: Of both stages.
        adapt_iterations: Steps per sequence, shared by its objects; 0 switches them off.
        adapt_lr: Its peak learning rate.
        adapt_batch_size: Its samples per step.
        adapt_workers: Processes that draw them, which pays where a GPU waits for samples.
        compile: Compile the network for training and adaptation (torch.compile), which takes a
            minute at first.
        time_per_sequence: Stop adapting after this many seconds, too.
        patience: Stop when the Jaccard index of held-out dreams has not risen for this many times
            25 steps; 0 goes on.
        dreams: What dreams are drawn from: "preset" (paper, official_code, frtm, adaptation) and
            any range of ``LucidRanges`` to change.
        previous_masks: What makes their earlier masks rough: "preset" (lucid, official_code,
            masktrack, roi, box, jittered_box, adaptation) and any range of ``MaskDeformation``.
        filling: How the objects' places on the clean plate are filled.
        flow: Move the last mask along the optical flow of this estimator: dis_ultrafast, dis_fast,
            dis_medium, farneback, raft_small or raft_large; null leaves the mask in place.
        flow_weights: File with the weights of RAFT; null downloads them.
        flow_cache: Folder in which flow is kept; null keeps nothing, as DIS is as fast as a disk.
        flip_average: Average the answers for each frame and its mirror image.
        dilation: Radius in pixels by which the guiding mask is grown.
        coherence: Drop parts of an answer farther than this many pixels from its guide; null
            keeps all.
        crf: Sharpen the answers with a dense CRF.
        crf_settings: "preset" (default, mpnet, deeplab, pydensecrf) and any parameter of
            ``DenseCRF``, such as its backend.
        baselines: Also score the unadapted network and the copied first mask.
        precision: "auto" computes in bfloat16 where the machine does so natively.
    """

    def __init__(
        self,
        encoder: str = "resnet18",
        pretrained: bool = False,
        depth: int = 4,
        width: int = 16,
        lr: float = 1e-2,
        weight_decay: float = 1e-4,
        adapt_iterations: int = 280,
        adapt_lr: float = 1e-2,
        adapt_batch_size: int = 4,
        adapt_workers: int = 0,
        compile: bool = False,
        time_per_sequence: float | None = None,
        patience: int = 0,
        dreams: dict[str, Setting] | None = None,
        previous_masks: dict[str, Setting] | None = None,
        filling: Filling = "patches",
        flow: str | None = "dis_fast",
        flow_weights: str | None = None,
        flow_cache: str | None = None,
        flip_average: bool = True,
        dilation: int = 0,
        coherence: int | None = 8,
        crf: bool = False,
        crf_settings: dict[str, int | float | str] | None = None,
        baselines: bool = True,
        precision: Precision = "auto",
    ) -> None:
        super().__init__(
            MaskRefiner(encoder, pretrained, depth, width),
            Solver("adamw", lr, weight_decay),
            AdaptationSettings(
                adapt_iterations,
                Solver("adamw", adapt_lr, weight_decay),
                adapt_batch_size,
                adapt_workers,
                precision,
                time_per_sequence,
                patience,
                compile=compile,
            ),
            baselines,
            crf,
            crf_settings,
            precision,
        )
        self.save_hyperparameters()
        self._flow = flow_source(flow, flow_weights, flow_cache)
        chosen = {"preset": "adaptation"}
        self._dreamer = LucidDreamer(configured(PRESETS, {**chosen, **(dreams or {})}, "dreams"))
        self._rough = configured(
            PREVIOUS_MASKS, {**chosen, **(previous_masks or {})}, "previous masks"
        )

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
        return LucidSampler(scenes, self._dreamer, self._rough)

    def make_propagator(self, network: Networks, job: ClipJob) -> Propagator:
        """Refine masks that moved along the flow."""
        return MaskPropagator(
            network,
            flow=self._flow.of(job.clip, job.size, self.device) if self._flow else None,
            dilation=self.hparams["dilation"],
            coherence=self.hparams["coherence"],
            flip_average=self.hparams["flip_average"],
            precision=self.precision,
        )
