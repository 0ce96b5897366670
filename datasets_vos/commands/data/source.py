"""The options by which the tools are pointed at a dataset."""

import argparse

from datasets_vos import (
    StillDataset,
    VOSDataset,
    list_datasets,
    list_still_datasets,
    open_dataset,
    open_stills,
)
from datasets_vos.commands import CommandParser, user_path
from vos_core.errors import ConfigError, nearest


def add_source_options(parser: CommandParser) -> None:
    """Add ``--dataset``, ``--root``, ``--split``, ``--sequences`` and ``--mask``."""
    known = ", ".join(list_datasets() + list_still_datasets())
    parser.add_argument("--dataset", required=True, help=f"one of {known}")
    parser.add_argument("--root", type=user_path, help="the dataset's folder")
    parser.add_argument("--split", help="name of a split; default: everything found")
    parser.add_argument("--sequences", nargs="+", metavar="NAME", help="only these sequences")
    parser.add_argument("--mask", type=user_path, help="for folder: the first frame's mask")


def open_source(options: argparse.Namespace) -> VOSDataset | StillDataset:
    """Open what the options of :func:`add_source_options` point at.

    Raises:
        ConfigError: If the dataset is unknown, or an option is missing or does not apply.
        DatasetError: If the data is missing or laid out wrongly.
    """
    name, stills = options.dataset, list_still_datasets()
    known = list_datasets() + stills
    if name not in known:
        raise ConfigError(f"unknown --dataset {name!r}.{nearest(name, known)} See data list.")
    if name not in stills:
        return open_dataset(
            name, options.root, options.split, sequences=options.sequences, mask=options.mask
        )
    if options.root is None:
        raise ConfigError(f"--dataset {name} needs --root, the folder of its data.")
    if options.sequences or options.mask:
        raise ConfigError(f"--dataset {name} holds still images; leave --sequences and --mask out.")
    return open_stills(name, options.root, options.split)
