"""MaskTrack: learning video object segmentation from still images.

Perazzi, Khoreva, Benenson, Schiele, Sorkine-Hornung (CVPR 2017). The network refines a rough mask
on a still image; trained on images with deformed masks, it follows an object through a video when
each frame's rough mask is the dilated answer to the frame before. For each video it is fine-tuned
on the annotated frame, flipped, rotated and with deformed masks.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch.optim.lr_scheduler import PolynomialLR

from augment.deformation import MaskDeformation
from augment.refinement import AnnotatedFrame, RefinementSampler, StillSampler
from lightning_modules.tasks.base import BaseVOSTask, Networks, OptimizerConfig
from vos_core.networks import build_network
from vos_core.precision import Precision
from vos_core.propagation import AdaptationSettings, MaskPropagator, Propagator


class MaskTrackTask(BaseVOSTask):
    """Mask refinement on still images.

    Args:
        network: "deeplabv2_vgg16" as published, or "mask_refiner" on a ResNet-18.
        pretrained: Start from ImageNet weights.
        lr: Initial learning rate of the offline stage (section 4: 1e-3, "poly").
        momentum: Of its SGD (section 4).
        weight_decay: Of both stages (section 4).
        adapt_iterations: Fine-tuning steps per video (section 4: 200), shared by its objects; 0
            switches them off.
        adapt_lr: Peak learning rate of the fine-tuning.
        adapt_batch_size: Its samples per step.
        dilation: Radius in pixels by which the last mask is grown (section 3.1).
        crf: Sharpen the answers with a dense CRF (needs the extra ``crf``).
        baselines: Also score the unadapted network and the copied first mask.
        precision: "auto" computes in bfloat16 where the machine does so natively.
    """

    def __init__(
        self,
        network: Literal["deeplabv2_vgg16", "mask_refiner"] = "deeplabv2_vgg16",
        pretrained: bool = True,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        adapt_iterations: int = 200,
        adapt_lr: float = 1e-4,
        adapt_batch_size: int = 10,
        dilation: int = 5,
        crf: bool = False,
        baselines: bool = True,
        precision: Precision = "auto",
    ) -> None:
        super().__init__(
            build_network(network, pretrained=pretrained),
            AdaptationSettings(adapt_iterations, adapt_lr, weight_decay, precision),
            adapt_batch_size,
            baselines,
            crf,
            precision,
        )
        self.save_hyperparameters()

    def make_sampler(self, frames: Sequence[AnnotatedFrame]) -> RefinementSampler:
        """Flip, rotate and deform each annotated frame."""
        return StillSampler(frames, MaskDeformation(dilation=self.hparams["dilation"]))

    def make_propagator(self, network: Networks) -> Propagator:
        """Refine the dilated mask of the frame before, without flow."""
        return MaskPropagator(network, dilation=self.hparams["dilation"], precision=self.precision)

    def configure_optimizers(self) -> OptimizerConfig:
        """SGD under the "poly" schedule (power 0.9, as DeepLab)."""
        optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=self.hparams["lr"],
            momentum=self.hparams["momentum"],
            weight_decay=self.hparams["weight_decay"],
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = PolynomialLR(optimizer, total_iters=steps, power=0.9)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
