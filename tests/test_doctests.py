"""Examples in docstrings say what the code does; each public function of the metrics has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import vos_core.metrics
from tests.test_import_order import ROOT, source_files

METRICS = [
    f"vos_core.metrics.{module.name}" for module in pkgutil.iter_modules(vos_core.metrics.__path__)
]
NEED_FILES = {"baseline_masks"}  # works on a clip that is read from disk


def modules_with_examples() -> list[str]:
    paths = [path for path in source_files() if ">>> " in path.read_text(encoding="utf-8")]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    return [".".join(each).removesuffix(".__init__") for each in parts]


def test_modules_of_all_kinds_have_examples() -> None:
    assert {
        "datasets_vos.published",
        "datasets_vos.commands.output",
        "lightning_modules.metrics",
        "vos_core.metrics.jaccard",
        "vos_core.networks.streams",
    } <= set(modules_with_examples())


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=report.append)
    assert runner.tries > 0
    assert not runner.failures, "".join(report)


@pytest.mark.parametrize("name", METRICS)
def test_every_public_function_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    functions = {
        key: value
        for key, value in inspect.getmembers(module, inspect.isfunction)
        if value.__module__ == name and not key.startswith("_") and key not in NEED_FILES
    }
    parser = doctest.DocTestParser()
    without = [key for key, f in functions.items() if not parser.get_examples(f.__doc__ or "")]
    assert not without, f"{name}: add an `Example:` to the docstring of {', '.join(without)}"
