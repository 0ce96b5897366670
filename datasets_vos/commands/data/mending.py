"""A copy of a dataset in which masks are mended; the source is not touched."""

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from datasets_vos import integrity
from datasets_vos.commands import make_folder, progress_bar
from datasets_vos.commands.data.contents import map_contents, open_contents
from vos_core.errors import ConfigError, DatasetError, VOSError
from vos_core.files import whole_folder


def repair(options: argparse.Namespace, out: Path) -> tuple[argparse.Namespace, Counter[str]]:
    """Copy a dataset and mend the masks of the copy.

    Args:
        options: Those of ``add_source_options``, with a root, and ``workers``.
        out: Where to; appears when complete. May exist if it is an empty folder.

    Returns:
        The options that open the copy, and what was mended: in words -> number of files.

    Raises:
        ConfigError: If an option is wrong, the source lies in ``out`` or ``out`` in the source, or
            ``out`` is the working directory.
        DatasetError: If ``out`` holds something or cannot be written, or the source is another
            edition than it is taken for.
    """
    sources = {"root": options.root, "mask": options.mask}
    sources = {key: path for key, path in sources.items() if path is not None}
    _require_apart(out, sources)
    _require_valid(options)
    # The files of one's own clip lie side by side in the copy; a dataset is the copy.
    own = options.dataset == "folder"
    names = {key: path.resolve().name if own else "" for key, path in sources.items()}
    target = out.resolve()  # a link to an empty folder stays one
    make_folder(target.parent)
    try:
        with whole_folder(target) as temporary:
            if own:
                temporary.mkdir()
            _copy(sources, {key: temporary / name for key, name in names.items()})
            mended = _mend(_at(options, temporary, names))
    except OSError as err:
        msg = f"{out}: cannot be written ({err.strerror or err}); choose another place."
        raise DatasetError(msg) from err
    return _at(options, out, names), mended


def _require_apart(out: Path, sources: Mapping[str, Path]) -> None:
    target = out.resolve()
    if target == Path.cwd():
        raise ConfigError(f"--repair {out}: is the working directory; choose a new folder.")
    for source in sources.values():
        path = source.resolve()
        if target.is_relative_to(path) or path.is_relative_to(target):
            raise ConfigError(f"--repair {out}: choose a folder outside of {source}.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out}: already holds something; choose a new folder for --repair.")


def _require_valid(options: argparse.Namespace) -> None:
    """Refuse wrong options, and the wrong edition, before anything is copied."""
    try:
        contents = open_contents(options)
    except ConfigError:
        raise
    except VOSError:
        return  # the data itself: verifying the copy tells why
    integrity.require_edition(options.dataset, options.root, contents.items)


def _at(options: argparse.Namespace, folder: Path, names: Mapping[str, str]) -> argparse.Namespace:
    """Return the options that open the copy in a folder."""
    return argparse.Namespace(
        **{**vars(options), **{key: folder / name for key, name in names.items()}}
    )


def _copy(sources: Mapping[str, Path], targets: Mapping[str, Path]) -> None:
    total = sum(
        1 if path.is_file() else sum(len(files) for _, _, files in os.walk(path, followlinks=True))
        for path in sources.values()
    )
    with progress_bar("copying", total) as advance:
        for key, source in sources.items():
            integrity.copy_tree(source, targets[key], advance)


def _mend(options: argparse.Namespace) -> Counter[str]:
    try:
        contents = open_contents(options)
    except VOSError:  # nothing can be mended; verifying the copy tells why
        return Counter()
    mend = partial(integrity.mend_masks, usage=integrity.usage(options.dataset))
    return sum(map_contents("mending", mend, contents, options.workers), Counter[str]())
