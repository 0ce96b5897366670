"""LucidTracker: trained and adapted on lucid dreams, guided by optical flow.

Khoreva, Benenson, Ilg, Brox, Schiele: "Lucid Data Dreaming for Video Object Segmentation"
(arXiv:1703.09554) and the DAVIS 2017 challenge report. The network sees a frame and the object's
last mask, moved along the flow; it was trained on dreams of annotated first frames only.
"""

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from augment.deformation import MaskDeformation
from augment.lucid import LucidDreamer, LucidRanges, LucidScene
from augment.refinement import LucidSampler, RefinementSampler
from lightning_modules.tasks.base import BaseVOSTask, OptimizerConfig
from vos_core.flow import DISFlow
from vos_core.networks import MaskRefiner
from vos_core.precision import Precision
from vos_core.propagation import AdaptationSettings, MaskPropagator, Propagator
from vos_core.types import Image, LabelMap


class LucidTask(BaseVOSTask):
    """Mask refinement on lucid dreams.

    Args:
        encoder: Any timm model that supports ``features_only``.
        pretrained: Start from ImageNet weights.
        depth: How many stages of the encoder to use.
        width: Channels of the decoder.
        lr: Peak learning rate of the offline (per-dataset) stage.
        weight_decay: Of both stages.
        adapt_iterations: Steps of the per-sequence stage; 0 switches it off.
        adapt_lr: Its peak learning rate.
        adapt_batch_size: Its samples per step.
        flow: Move the last mask along the optical flow.
        flip_average: Average the answers for each frame and its mirror image.
        dilation: Radius in pixels by which the guiding mask is grown.
        coherence: Drop parts of the guiding mask that the frame before does not support.
        crf: Sharpen the answers with a dense CRF (needs the extra ``crf``).
        baselines: Also score the unadapted network and the copied first mask.
        precision: "auto" computes in bfloat16 where the machine does so natively.
    """

    def __init__(
        self,
        encoder: str = "resnet18",
        pretrained: bool = False,
        depth: int = 4,
        width: int = 32,
        lr: float = 1e-2,
        weight_decay: float = 1e-4,
        adapt_iterations: int = 150,
        adapt_lr: float = 1e-2,
        adapt_batch_size: int = 4,
        flow: bool = True,
        flip_average: bool = True,
        dilation: int = 0,
        coherence: bool = False,
        crf: bool = False,
        baselines: bool = True,
        precision: Precision = "auto",
    ) -> None:
        super().__init__(
            MaskRefiner(encoder, pretrained, depth, width),
            AdaptationSettings(adapt_iterations, adapt_lr, weight_decay, precision),
            adapt_batch_size,
            baselines,
            crf,
            precision,
        )
        self.save_hyperparameters()

    def make_sampler(self, frames: list[tuple[Image, LabelMap]]) -> RefinementSampler:
        """Dream from each annotated frame."""
        scenes = [LucidScene.from_frame(image, label_map) for image, label_map in frames]
        deformation = MaskDeformation(dilation=2, empty=0.1)
        return LucidSampler(scenes, LucidDreamer(LucidRanges()), deformation)

    def make_propagator(self, network: nn.Module) -> Propagator:
        """Refine masks that moved along the flow."""
        return MaskPropagator(
            network,
            flow=DISFlow() if self.hparams["flow"] else None,
            dilation=self.hparams["dilation"],
            coherence=self.hparams["coherence"],
            flip_average=self.hparams["flip_average"],
            precision=self.precision,
        )

    def configure_optimizers(self) -> OptimizerConfig:
        """AdamW under a one-cycle schedule."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.hparams["lr"],
            weight_decay=self.hparams["weight_decay"],
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = OneCycleLR(optimizer, self.hparams["lr"], total_steps=steps, pct_start=0.1)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
