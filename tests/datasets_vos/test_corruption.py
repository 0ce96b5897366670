"""Damaged datasets: what is on disk is read right or refused by name, and ``verify`` says so too.

A fake of each registered dataset is copied, one thing in it is damaged at random, and everything is
read. The damage is what happens to real downloads: cut and missing files, wrong names, wrong bytes.
"""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets_vos.commands.data import verify
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES, Fake
from tests.fakes.scene import make_video
from vos_core.errors import VOSError

_EXAMPLES = 6  # a dataset; hundreds were run while this was written
_NAMES = (b"\xff\xfe.png", b"new\nline.jpg", b"[bold]x[.png", b"77", b"-1.jpg", "٣.png".encode())


def _video(root: Path) -> Fake:
    fake = VIDEO_FAKES["folder"](root)
    shutil.rmtree(fake.root)
    return replace(fake, root=make_video(root / "own.mp4"))


def _toy(root: Path) -> Fake:
    # Opened by its own name it would generate anew what is damaged.
    return replace(VIDEO_FAKES["toy"](root), dataset="davis2017")


_FAKES: dict[str, Callable[[Path], Fake]] = {
    **VIDEO_FAKES,
    **STILL_FAKES,
    "toy": _toy,
    "a video": _video,
}


@pytest.fixture(scope="module", params=sorted(_FAKES))
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fake:
    base = tmp_path_factory.mktemp("original")
    return _FAKES[request.param](base / "data")


@contextlib.contextmanager
def _copied(original: Fake) -> Iterator[tuple[Fake, Path]]:
    """Yield a copy of a fake, and the folder that holds all of it."""
    base = next(path for path in (original.root, *original.root.parents) if path.name == "data")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "data"
        shutil.copytree(base, target)
        mask = original.mask and target / original.mask.relative_to(base)
        yield replace(original, root=target / original.root.relative_to(base), mask=mask), target


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _delete(draw: st.DataObject, victim: Path, folder: Path) -> None:
    victim.unlink()


def _truncate(draw: st.DataObject, victim: Path, folder: Path) -> None:
    data = victim.read_bytes()
    victim.write_bytes(data[: draw.draw(st.integers(0, max(0, len(data) - 1)))])


def _flip(draw: st.DataObject, victim: Path, folder: Path) -> None:
    data = bytearray(victim.read_bytes())
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    victim.write_bytes(data)


def _swap(draw: st.DataObject, victim: Path, folder: Path) -> None:
    other = draw.draw(st.sampled_from(_files(folder)))
    mine, theirs = victim.read_bytes(), other.read_bytes()
    victim.write_bytes(theirs)
    other.write_bytes(mine)


def _resize(draw: st.DataObject, victim: Path, folder: Path) -> None:
    if victim.suffix in (".png", ".jpg", ".bmp"):
        with PIL.Image.open(victim) as image:
            smaller = image.resize(
                (image.width - 7, image.height + 3), PIL.Image.Resampling.NEAREST
            )
        smaller.save(victim)


def _odd_palette(draw: st.DataObject, victim: Path, folder: Path) -> None:
    if victim.suffix == ".png":
        with PIL.Image.open(victim) as image:
            indexed = image.convert("P")
        indexed.putpalette(draw.draw(st.binary(min_size=3, max_size=9)) * 3)
        indexed.save(victim)


def _extra_ids(draw: st.DataObject, victim: Path, folder: Path) -> None:
    if victim.suffix == ".png":
        with PIL.Image.open(victim) as image:
            pixels = np.array(image)
            palette = image.getpalette()
        pixels[:3, :3] = draw.draw(st.integers(1, 255))
        changed = PIL.Image.fromarray(pixels)
        if palette:
            changed.putpalette(palette)
        changed.save(victim)


def _rename(draw: st.DataObject, victim: Path, folder: Path) -> None:
    place = draw.draw(st.sampled_from([victim, victim.parent]))
    if place == folder:
        place = victim
    place.rename(place.with_name(os.fsdecode(draw.draw(st.sampled_from(_NAMES)))))


def _text(draw: st.DataObject, victim: Path, folder: Path) -> None:
    victim.write_text(draw.draw(st.sampled_from(["<html>404</html>", "a\nb\n", "\n", '{"a": 1}'])))


def _empty_folder(draw: st.DataObject, victim: Path, folder: Path) -> None:
    parent = victim.parent
    if parent == folder:
        return
    shutil.rmtree(parent)
    parent.mkdir()


def _directory(draw: st.DataObject, victim: Path, folder: Path) -> None:
    victim.unlink()
    victim.mkdir()


_DAMAGES = (
    _delete,
    _truncate,
    _flip,
    _swap,
    _resize,
    _odd_palette,
    _extra_ids,
    _rename,
    _text,
    _empty_folder,
    _directory,
)
# Where a file is missing or of another size, what belongs to it may be blamed instead.
_IN_PLACE = (_truncate, _flip, _odd_palette, _extra_ids, _text, _directory)


def _read_all(fake: Fake) -> None:
    """Read everything as a method, a loader or a scorer would."""
    if fake.dataset in STILL_FAKES:
        for still in fake.open_stills():
            still.check()
            still.image()
            if still.mask_paths:
                still.instances()
            if hasattr(still, "categories"):
                still.categories()
        return
    for clip in fake.open():
        clip.check()
        assert all(frame.shape == (*clip.size, 3) for frame in clip.frames())
        assert clip.annotations
        for index in range(len(clip.frame_names)):
            clip.ground_truth(index)


def _refusal(fake: Fake) -> str | None:
    try:
        _read_all(fake)
    except VOSError as err:
        return str(err)
    return None


def _errors_found(fake: Fake) -> bool:
    """Run ``data verify`` as a user would, on a terminal that takes nothing but UTF-8."""
    args = ["--dataset", fake.dataset, "--root", str(fake.root)]
    args += ["--split", fake.split] if fake.split else []
    args += ["--mask", str(fake.mask)] if fake.mask else []
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    try:
        with contextlib.redirect_stdout(terminal):
            verify.main(args)
    except SystemExit as leaving:
        return leaving.code == 1
    except VOSError:  # there is nothing at the paths that were given
        return True
    return False


@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(draw=st.data(), damage=st.sampled_from(_DAMAGES))
def test_damage_is_read_right_or_named(
    original: Fake, damage: Callable[[st.DataObject, Path, Path], None], draw: st.DataObject
) -> None:
    with _copied(original) as (fake, folder):
        victim = draw.draw(st.sampled_from(_files(folder)))
        damage(draw, victim, folder)
        refusal = _refusal(fake)
        found = _errors_found(fake)
    if refusal:
        assert str(folder) in refusal
        if damage in _IN_PLACE:
            assert victim.stem in refusal or str(victim.parent) in refusal
        assert found, f"verify is silent about: {refusal}"


def test_sound_fakes_have_no_errors(original: Fake) -> None:
    with _copied(original) as (fake, _):
        assert _refusal(fake) is None
        assert not _errors_found(fake)
