"""Small tasks, and a clip for them."""

from pathlib import Path

from datasets_vos import open_dataset
from lightning_modules.tasks import LucidTask, MaskTrackTask
from vos_core.types import ClipJob

SMALL = {"encoder": "resnet10t", "width": 8}


def masktrack(**settings: object) -> MaskTrackTask:
    return MaskTrackTask(
        network="mask_refiner",
        network_options={"encoder": "resnet10t", "width": 8},
        pretrained=False,
        **settings,
    )


def job_of(root: Path) -> ClipJob:
    return ClipJob(open_dataset("davis2017", root).clip("cat"), (48, 64), "davis2017")


def small_task(kind: str, **settings: object) -> LucidTask | MaskTrackTask:
    if kind == "lucid":
        return LucidTask(network_options=SMALL, **settings)
    return MaskTrackTask(network="mask_refiner", pretrained=False, **settings)


def lucid(**settings: object) -> LucidTask:
    task = LucidTask(network_options=SMALL, adapt_iterations=2, adapt_batch_size=2, **settings)
    task._watch = lambda *_: lambda *_: None  # there is no trainer to tell
    return task
