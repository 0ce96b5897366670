"""An argument parser that answers mistakes in one sentence, with the nearest valid name."""

import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import lightning as L
from lightning.pytorch.cli import LightningArgumentParser

from lightning_modules.datamodules import BaseVOSDataModule
from lightning_modules.tasks import BaseVOSTask
from vos_core.errors import ConfigError, nearest

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

_CONFIG = ("--config", "-c")
_UNKNOWN_OPTION = re.compile(
    r"[Oo]ption '([\w.]+)' is not accepted"
    r"|does not accept option '([\w.]+)'"
    r"|unrecognized arguments: -*([\w.]+)"
)
_WRONG_VALUE = re.compile(r'Parser key "([\w.]+)": Expected an? (.+)\. Got value: (.*)')
_NONE_OF_SEVERAL = re.compile(
    r'Parser key "([\w.]+)": Does not validate against any of the Union subtypes '
    r"Subtypes: \[(.+?)\] Errors: .* Given value: (.*)"
)
_KINDS = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "str": "a text",
    "NoneType": "null",
    "list": "a list, as in [a, b]",
    "tuple": "all values, as in [240,432]",
}
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: ([\w.]+)")


class SuiteParser(LightningArgumentParser):
    """Lightning's parser with short error messages."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print one sentence and exit with status 2."""
        names = {name for action in self._actions for name in [action.dest, *_flags(action)]}
        sys.stderr.write(f"error: {explain(str(message), names)}\n")
        raise SystemExit(2)


def explain(message: str, known: Iterable[str] = ()) -> str:
    """Turn a parser's message into one sentence that names the nearest valid spelling.

    Args:
        message: What jsonargparse says.
        known: Option names of the parser at hand, beside those of tasks, data and trainer.
    """
    if match := _UNKNOWN_OPTION.search(message):
        name = next(filter(None, match.groups()))
        if owners := _owners(name):
            return f"{name!r} is not an option here; there is {' and '.join(owners)}."
        options = {*known, *_argument_names()}
        hint = nearest(name, options) or nearest(name.rsplit(".", 1)[-1], options)
        return f"{name!r} is not an option here.{hint}"
    if match := _UNKNOWN_CLASS.search(message):
        classes = [c.__name__ for base in (BaseVOSTask, BaseVOSDataModule) for c in _family(base)]
        return f"There is no class {match[1]!r}.{nearest(match[1], classes)}"
    if match := _WRONG_VALUE.search(" ".join(message.split())):
        return f"{match[1]} is {match[3]}; give {_kind(match[2])}."
    if match := _NONE_OF_SEVERAL.search(" ".join(message.split())):
        kinds = [_kind(each) for each in re.split(r", (?=<class|typing\.)", match[2])]
        return f"{match[1]} is {match[3]}; give {' or '.join(kinds)}."
    if re.search(r"arguments are required:.*\bmodel\b", message):
        return "There is no experiment to run; give one, e.g. --config lucid.yaml."
    return " ".join(message.split())


def _kind(told: str) -> str:
    """Say in plain words what jsonargparse expects."""
    if choices := re.search(r"Literal\[(.*)\]", told):
        return f"one of {choices[1].replace(chr(39), '')}"
    name = re.sub(r"<class '(\w+)'>", r"\1", told)
    return _KINDS.get(name, f"a {name}")


def find_config(args: Sequence[str]) -> tuple[list[str], str]:
    """Replace bare config names by the paths they stand for, and put them before all else.

    A name is looked up as it is, then in ``configs/``, with or without ``.yaml``. The parser takes
    arguments in their order, but what is typed is to win over configs wherever it stands.

    Args:
        args: A command line.

    Returns:
        The command line, and the experiment's name: those of its configs, as in
        "lucid+one_stream" or "small-masktrack", but for what they say of data and trainer.

    Raises:
        ConfigError: If there is no such config; the message holds the nearest.
    """
    configs: list[Path] = []
    others: list[str] = []
    pending = False
    for arg in args:
        if pending:
            configs.append(_config_path(arg))
        elif arg.startswith(("--config=", "-c=")):
            configs.append(_config_path(arg.split("=", 1)[1]))
        elif arg not in _CONFIG:
            others.append(arg)
        pending = arg in _CONFIG and not pending
    found = [f"--config={config}" for config in configs] + (["--config"] if pending else [])
    names = dict.fromkeys(name for config in configs for name in _name(config))
    return [*found, *others], "+".join(names) or "run"


def _name(config: Path) -> list[str]:
    """Return what a config adds to the name of an experiment."""
    if not config.is_relative_to(CONFIGS):
        return [config.stem]
    match config.relative_to(CONFIGS).with_suffix("").parts:
        case ("data" | "trainer", *_):
            return []
        case ("ablation", _, *row):
            return ["-".join(row)]
        case parts:
            return ["-".join(parts)]


def _config_path(name: str) -> Path:
    for candidate in (Path(name), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if candidate.is_file():
            return candidate.resolve()
    shipped = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
    shipped = [each for each in shipped if not each.startswith("sweep")]
    own = sorted(path.name for path in Path().glob("[!.]*.yaml"))
    methods = [each for each in shipped if "/" not in each]
    hint = nearest(name, [*own, *shipped]) or f" There are {', '.join([*own, *methods])}, ..."
    raise ConfigError(f"There is no config {name!r}, neither here nor in {CONFIGS}.{hint}")


def _argument_names() -> set[str]:
    """Names that a config can hold, alone and behind their section."""
    names = {"model", "data", "trainer", "model.class_path", "data.class_path"}
    for section, owner in _sections():
        for name in inspect.signature(owner).parameters:
            names |= {name, f"{section}.{name}"}
    return names


def _owners(name: str) -> list[str]:
    """Return where an option of this very name is, and whose it is."""
    return [
        f"{section}.{name} of {owner.__name__}"
        for section, owner in _sections()
        if name in inspect.signature(owner).parameters
    ]


def _sections() -> list[tuple[str, type]]:
    """Return what a config describes, and the section it does so in."""
    tasks, data = _family(BaseVOSTask), _family(BaseVOSDataModule)
    return [*(("model", c) for c in tasks), *(("data", c) for c in data), ("trainer", L.Trainer)]


def _family(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [c for child in children for c in [child, *_family(child)]]


def _flags(action: object) -> list[str]:
    return [flag.lstrip("-") for flag in getattr(action, "option_strings", [])]
