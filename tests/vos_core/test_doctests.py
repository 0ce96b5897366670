"""The examples in the metrics' docstrings are there, and say what the code does."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import vos_core.metrics

MODULES = [
    f"vos_core.metrics.{module.name}" for module in pkgutil.iter_modules(vos_core.metrics.__path__)
]
NEED_FILES = {"baseline_masks"}  # works on a clip that is read from disk


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        report: list[str] = []
        failed = runner.run(test, out=report.append).failed
        assert not failed, "".join(report)


@pytest.mark.parametrize("name", MODULES)
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
