"""The embedded toy dataset: short clips with exact masks and flow, generated at first use.

Textured cut-outs of photographs move, deform, occlude each other, leave and enter over a
photographic backdrop. The photographs lie inside the scikit-image wheel, so nothing is downloaded.

Layout under the root (DAVIS 2017, plus flow)::

    toy.json                               version, settings and sequences
    ImageSets/2017/{train,val}.txt         one sequence name a line
    JPEGImages/480p/<sequence>/00000.jpg
    Annotations/480p/<sequence>/00000.png  8-bit palette, object ids
    Flow/480p/<sequence>/00001.png         from this frame to the one before; none for 00000

A flow file is a 16-bit RGB PNG in the encoding of KITTI 2015: red and green are ``64 * flow +
32768`` along x and y, and blue is 1 where the previous frame shows the same point of the same
surface, 0 where it is newly visible. Unlike in KITTI the flow is stored at every pixel. It is
rounded to 1/64 px and saturates at 512 px.

Equal settings give equal bytes, whatever the number of workers.
"""

import json
import multiprocessing
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress

from datasets_vos.masks import write_mask
from datasets_vos.toy_render import render_scene
from datasets_vos.toy_scenes import TRAIN_SCENES, VAL_SCENES, Scene
from vos_core.errors import ConfigError, CorruptFileError, DatasetError
from vos_core.types import BinaryMask, FloatArray

TOY_VERSION = 3  # raise it whenever the bytes of the dataset change
_MANIFEST = "toy.json"
_FOLDERS = {"JPEGImages": ".jpg", "Annotations": ".png", "Flow": ".png"}
_FLOW_SCALE, _FLOW_ZERO = 64, 2**15
_JPEG_QUALITY = 92
_MIN_SIDE = 32
_SILENT_SECONDS = 2.0
_STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class _Settings:
    """What decides the bytes of the dataset."""

    train_clips: int
    val_clips: int
    frames: int
    size: tuple[int, int]
    seed: int
    version: int = TOY_VERSION

    def check(self) -> None:
        """Raise a ConfigError that names the first setting out of range."""
        upper = 2**15
        for name, value, low, high in (
            ("train_clips", self.train_clips, 1, len(TRAIN_SCENES)),
            ("val_clips", self.val_clips, 1, len(VAL_SCENES)),
            ("frames", self.frames, 2, upper),
            ("size (height)", self.size[0], _MIN_SIDE, upper),
            ("size (width)", self.size[1], _MIN_SIDE, upper),
            ("seed", self.seed, 0, 2**63),
        ):
            if not low <= value <= high:
                msg = f"toy dataset: {name} is {value}; choose a value from {low} to {high}."
                raise ConfigError(msg)

    def splits(self) -> dict[str, tuple[Scene, ...]]:
        """Return the scenes of each split."""
        return {"train": TRAIN_SCENES[: self.train_clips], "val": VAL_SCENES[: self.val_clips]}

    def manifest(self) -> dict[str, Any]:
        """Return what is stored as the mark of completeness, in the types JSON reads back."""
        sequences = {
            scene.name: {"split": split, "frames": self.frames, "object_ids": scene.object_ids}
            for split, scenes in self.splits().items()
            for scene in scenes
        }
        manifest: dict[str, Any] = json.loads(json.dumps({**asdict(self), "sequences": sequences}))
        return manifest


def ensure_toy(root: str | Path | None = None) -> Path:
    """Return the folder of the toy dataset; generate it first if it is absent or incomplete.

    A complete dataset of this version is taken as it is, whatever its settings. The folder appears
    complete or not at all, and several processes may ask at the same time.

    Args:
        root: Where it is or shall be; default ``$XDG_CACHE_HOME/vos-suite/toy-<version>``, or the
            same under ``~/.cache``.

    Raises:
        DatasetError: If the folder holds something else, or cannot be written.
    """
    if root is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(cache) / "vos-suite" / f"toy-{TOY_VERSION}"
    folder = Path(root).expanduser().resolve()
    return folder if _complete_manifest(folder) else generate_toy(folder)


def find_toy(root: str | Path | None = None) -> Path:
    """Return the folder of the toy dataset to be read; only at its default place it is made anew.

    Were it made wherever it is missing, a mistyped root would be filled and taken for the one that
    is meant. One that is there but incomplete is repaired.

    Args:
        root: Where it is; default as for :func:`ensure_toy`.

    Raises:
        DatasetError: If it is not there, or the folder cannot be written.
    """
    if root is not None and not (Path(root).expanduser() / _MANIFEST).is_file():
        raise DatasetError(
            f"{root}: no toy dataset is there; check the path, leave it out to take the one in the "
            f"user's cache, or make one there: python cli.py data toy --root {root}"
        )
    return ensure_toy(root)


def generate_toy(
    root: str | Path,
    *,
    train_clips: int = 6,
    val_clips: int = 4,
    frames: int = 26,
    size: tuple[int, int] = (240, 432),
    seed: int = 20170,
    workers: int | None = None,
) -> Path:
    """Generate the toy dataset, unless it is there with the same settings.

    A toy dataset of other settings or an incomplete one is replaced.

    Args:
        root: Folder to make.
        train_clips: Number of training clips, 1 to 6.
        val_clips: Number of validation clips, 1 to 4.
        frames: Frames of each clip, at least 2; the same story is told in fewer or more frames.
        size: (H, W) of the frames in pixels, at least 32 each.
        seed: Source of the outlines, the deformations, the light and the noise.
        workers: Processes that render clips; default one per CPU.

    Returns:
        The absolute path of the folder.

    Raises:
        ConfigError: If a setting is out of range.
        DatasetError: If the folder holds something else, or cannot be written.
    """
    settings = _Settings(train_clips, val_clips, frames, (size[0], size[1]), seed)
    settings.check()
    folder = Path(root).expanduser().resolve()
    manifest = settings.manifest()
    if _complete_manifest(folder) == manifest:
        return folder
    if folder.exists() and not _is_replaceable(folder):
        raise DatasetError(
            f"{folder}: is not a toy dataset and will not be overwritten; "
            "give a new folder as root, or remove this one."
        )
    with _building_site(folder) as site:
        built = site / folder.name
        _write_clips(built, settings, workers)
        lists = built / "ImageSets" / "2017"
        lists.mkdir(parents=True)
        for split, scenes in settings.splits().items():
            (lists / f"{split}.txt").write_text("".join(f"{scene.name}\n" for scene in scenes))
        (built / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        _publish(site, folder, manifest)
    return folder


def read_toy_flow(root: str | Path, sequence: str, frame: int) -> tuple[FloatArray, BinaryMask]:
    """Read the exact flow from a frame of the toy dataset into the frame before it.

    Args:
        root: Folder of the dataset.
        sequence: Name of the clip.
        frame: Index of the frame, from 1.

    Returns:
        (H, W, 2) float32 displacement (x right, y down) in pixels on the grid of ``frame``, exact
        to 1/128 px; and (H, W) bool, True where the previous frame does not show the same point:
        it was covered, or outside the image.

    Raises:
        DatasetError: If there is no such file; frame 0 has none.
        CorruptFileError: If it cannot be decoded.
    """
    path = Path(root) / "Flow" / "480p" / sequence / f"{frame:05d}.png"
    try:
        encoded = path.read_bytes()
    except FileNotFoundError as err:
        msg = (
            f"{path}: no such file; flow exists from frame 1 on, for the sequences in {_MANIFEST}."
        )
        raise DatasetError(msg) from err
    buffer = np.frombuffer(encoded, dtype=np.uint8)
    stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if encoded else None
    if stored is None or stored.dtype != np.uint16 or stored.ndim != 3:
        raise CorruptFileError(f"{path}: is not a 16-bit RGB PNG; remove {root} to regenerate it.")
    blue, green, red = np.moveaxis(stored, -1, 0)
    flow = (np.stack([red, green], axis=-1).astype(np.float32) - _FLOW_ZERO) / _FLOW_SCALE
    return flow.astype(np.float32), blue == 0


def _complete_manifest(root: Path) -> dict[str, Any] | None:
    """Return the manifest of a dataset of this version all of whose files exist, else None."""
    try:
        manifest: dict[str, Any] = json.loads((root / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("version") != TOY_VERSION:
        return None
    lists = [root / "ImageSets" / "2017" / f"{split}.txt" for split in ("train", "val")]
    whole = all(path.is_file() for path in lists)
    for name, sequence in manifest["sequences"].items():
        for folder, suffix in _FOLDERS.items():
            expected = sequence["frames"] - (folder == "Flow")
            files = (root / folder / "480p" / name).glob(f"*{suffix}")
            whole &= sum(1 for _ in files) == expected
    return manifest if whole else None


def _is_replaceable(root: Path) -> bool:
    """Tell whether nothing of the user's is lost when ``root`` is replaced."""
    return root.is_dir() and ((root / _MANIFEST).is_file() or not any(root.iterdir()))


@contextmanager
def _building_site(root: Path) -> Iterator[Path]:
    """Make a hidden folder beside ``root``, on the same file system, and clear it up at the end."""
    prefix = f".{root.name}.building-"
    site = root.with_name(prefix + secrets.token_hex(4))
    try:
        site.mkdir(parents=True)
    except OSError as err:
        msg = f"{root}: cannot be made ({err.strerror}); give a writable folder as root."
        raise DatasetError(msg) from err
    for other in root.parent.glob(f"{prefix}*"):
        # left by a process that was killed; one at work is much younger
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
    try:
        yield site
    finally:
        shutil.rmtree(site, ignore_errors=True)


def _publish(site: Path, root: Path, manifest: dict[str, Any]) -> None:
    """Move the finished dataset from the building site into place."""
    if _complete_manifest(root) == manifest:
        return  # another process was faster, with the same bytes
    with suppress(FileNotFoundError):
        root.rename(site / "replaced")
    try:
        (site / root.name).rename(root)
    except OSError:
        if _complete_manifest(root) != manifest:
            raise


def _write_clips(root: Path, settings: _Settings, workers: int | None) -> None:
    """Render every clip, in parallel, with a progress bar once it takes noticeably long."""
    scenes = [scene for scenes in settings.splits().values() for scene in scenes]
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("Generating the toy dataset", total=len(scenes))
    start = time.monotonic()
    try:
        for _ in _run_clips(root, scenes, settings, workers or os.cpu_count() or 1):
            progress.advance(task)
            if time.monotonic() - start > _SILENT_SECONDS:
                progress.start()
    finally:
        progress.stop()


def _run_clips(
    root: Path, scenes: list[Scene], settings: _Settings, workers: int
) -> Iterator[None]:
    """Write the clips and yield after each."""
    workers = min(workers, len(scenes))
    if workers == 1:
        for scene in scenes:
            _write_clip(root, scene, settings)
            yield
        return
    # spawned, because a forked child may inherit locks of the threads of torch and OpenCV
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
        jobs = [pool.submit(_write_clip, root, scene, settings) for scene in scenes]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_clip(root: Path, scene: Scene, settings: _Settings) -> None:
    """Render one clip into the folders of the dataset."""
    # the clip's own stream of random numbers: independent of the other clips and their order
    rng = np.random.default_rng([settings.seed, zlib.crc32(scene.name.encode())])
    images, masks, flows = (root / folder / "480p" / scene.name for folder in _FOLDERS)
    for folder in (images, masks, flows):
        folder.mkdir(parents=True)
    for index, frame in enumerate(render_scene(scene, settings.frames, settings.size, rng)):
        _write_image(images / f"{index:05d}.jpg", frame.image[..., ::-1])
        write_mask(masks / f"{index:05d}.png", frame.label_map)
        if frame.flow is not None and frame.newly_visible is not None:
            limits = (0, 2**16 - 1)
            u, v = np.moveaxis(np.rint(frame.flow * _FLOW_SCALE + _FLOW_ZERO).clip(*limits), -1, 0)
            visible_before = ~frame.newly_visible
            stored = np.stack([visible_before, v, u], axis=-1).astype(np.uint16)
            _write_image(flows / f"{index:05d}.png", stored)


def _write_image(path: Path, bgr: npt.NDArray[np.generic]) -> None:
    """Encode an (H, W, 3) image in OpenCV's channel order by the path's suffix."""
    quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY) if path.suffix == ".jpg" else ()
    # OpenCV's own writing does not say when the disk is full
    path.write_bytes(cv2.imencode(path.suffix, np.ascontiguousarray(bgr), quality)[1].tobytes())
