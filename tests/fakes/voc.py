"""Fakes of PASCAL VOC 2012 and SBD: the scene's objects as instances of known categories."""

from pathlib import Path

import numpy as np
from scipy.io import savemat
from scipy.ndimage import binary_dilation
from scipy.sparse import csc_matrix

from datasets_vos.masks import write_mask
from tests.fakes.scene import fake_label_map
from tests.fakes.stills import IMAGES, still_objects, write_picture
from vos_core.types import VOID, LabelMap

CATEGORY_OF = {1: 15, 2: 8}  # object 1 is a person, object 2 a cat
SPLITS = {"train": range(4), "val": range(4, IMAGES)}


def voc_name(k: int) -> str:
    return f"2007_{k + 32:06d}"


def with_void(label_map: LabelMap) -> LabelMap:
    """Return the label map with a ring of void, one pixel wide, around each object."""
    ringed = label_map.copy()
    ringed[binary_dilation(label_map > 0) & (label_map == 0)] = VOID
    return ringed


def categories_of(label_map: LabelMap) -> LabelMap:
    """Return the label map with category numbers instead of object ids."""
    classes = label_map.copy()
    for instance, category in CATEGORY_OF.items():
        classes[label_map == instance] = category
    return classes


def make_voc2012(root: Path) -> Path:
    """Write the folder that holds ``VOCdevkit``; one picture has no masks, as most of VOC."""
    home = root / "VOCdevkit" / "VOC2012"
    for k in range(IMAGES):
        write_picture(home / "JPEGImages" / f"{voc_name(k)}.jpg", k)
        label_map = with_void(fake_label_map(k, still_objects(k)))
        write_mask(home / "SegmentationObject" / f"{voc_name(k)}.png", label_map)
        write_mask(home / "SegmentationClass" / f"{voc_name(k)}.png", categories_of(label_map))
    write_picture(home / "JPEGImages" / "2008_000001.jpg", 0)
    lists = home / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, numbers in {**SPLITS, "trainval": range(IMAGES)}.items():
        (lists / f"{split}.txt").write_text("".join(f"{voc_name(k)}\n" for k in numbers))
    (lists / "test.txt").write_text("2008_000001\n")
    return root


def make_sbd(root: Path) -> Path:
    """Write the folder that holds ``benchmark_RELEASE``."""
    home = root / "benchmark_RELEASE" / "dataset"
    (home / "inst").mkdir(parents=True)
    for k in range(IMAGES):
        write_picture(home / "img" / f"{voc_name(k)}.jpg", k)
        objects = still_objects(k)
        numbers = np.array([[CATEGORY_OF[i]] for i in objects], dtype=np.uint8).reshape(-1, 1)
        label_map = fake_label_map(k, objects)
        outlines = np.empty((len(objects), 1), dtype=object)  # a cell of sparse matrices
        for row, i in enumerate(objects):
            outlines[row, 0] = csc_matrix(binary_dilation(label_map == i) & (label_map != i))
        instances = {
            "Segmentation": label_map,
            "Categories": numbers,
            "Boundaries": outlines,
        }
        path = home / "inst" / f"{voc_name(k)}.mat"
        savemat(path, {"GTinst": instances}, do_compression=k % 2 == 0)
    for split, numbers in SPLITS.items():
        (home / f"{split}.txt").write_text("".join(f"{voc_name(k)}\n" for k in numbers))
    return root
