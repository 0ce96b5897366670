"""One small fake per registered dataset, in the dataset's true layout."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datasets_vos import StillDataset, VOSDataset, open_dataset, open_stills, toy
from datasets_vos.masks import write_mask
from tests.fakes.mots import make_mots
from tests.fakes.scene import fake_label_map, make_davis, make_frames
from tests.fakes.segtrack import make_segtrack
from tests.fakes.stills import make_saliency
from tests.fakes.voc import make_sbd, make_voc2012
from tests.fakes.youtube_objects import make_youtube_objects
from tests.fakes.youtube_vos import make_youtube_vos


@dataclass(frozen=True)
class Fake:
    """A fake on disk and how it is opened."""

    dataset: str
    root: Path
    split: str | None = None
    mask: Path | None = None

    def open(self) -> VOSDataset:
        return open_dataset(self.dataset, self.root, self.split, mask=self.mask)

    def open_stills(self) -> StillDataset:
        return open_stills(self.dataset, self.root, self.split)


def litter(root: Path) -> None:
    """Leave in a folder, and in all below it, what other programs leave there."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "._00000.jpg", "._00000.png", "Thumbs.db", "README.txt"):
            (folder / name).write_bytes(b"no picture")


def _folder(root: Path) -> Fake:
    write_mask(root / "mask.png", fake_label_map(0))
    return Fake("folder", make_frames(root / "mine"), mask=root / "mask.png")


def _toy(root: Path) -> Fake:
    # A small one; what is complete is taken as it is.
    toy.generate_toy(root / "toy", train_clips=1, val_clips=1, frames=3, size=(48, 64), workers=1)
    return Fake("toy", root / "toy")


VIDEO_FAKES: dict[str, Callable[[Path], Fake]] = {
    "davis2016": lambda root: Fake("davis2016", make_davis(root, year="2016")),
    "davis2017": lambda root: Fake("davis2017", make_davis(root, year="2017")),
    "davis2017_unsupervised": lambda root: Fake(
        "davis2017_unsupervised", make_davis(root, task="unsupervised")
    ),
    "folder": _folder,
    "kitti_mots": lambda root: Fake("kitti_mots", make_mots(root, layout="kitti")),
    "mots20": lambda root: Fake("mots20", make_mots(root, layout="mots20"), "train"),
    "segtrack_v2": lambda root: Fake("segtrack_v2", make_segtrack(root)),
    "toy": _toy,
    "youtube_objects": lambda root: Fake(
        "youtube_objects", make_youtube_objects(root / "youtube_masks").parent
    ),
    "youtube_vos2018": lambda root: Fake("youtube_vos2018", make_youtube_vos(root), "train"),
    "youtube_vos2019": lambda root: Fake("youtube_vos2019", make_youtube_vos(root), "valid"),
}


def _saliency(layout: str) -> Callable[[Path], Fake]:
    return lambda root: Fake(layout, make_saliency(root, layout))


STILL_FAKES: dict[str, Callable[[Path], Fake]] = {
    "dut_omron": _saliency("dut_omron"),
    "duts": _saliency("duts"),
    "ecssd": _saliency("ecssd"),
    "fss1000": _saliency("fss1000"),
    "hku_is": _saliency("hku_is"),
    "msra10k": _saliency("msra10k"),
    "pascal_s": _saliency("pascal_s"),
    "sbd": lambda root: Fake("sbd", make_sbd(root)),
    "sod": _saliency("sod"),
    "stills": _saliency("stills"),
    "voc2012": lambda root: Fake("voc2012", make_voc2012(root)),
}
