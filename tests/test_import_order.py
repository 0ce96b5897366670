"""The rooms of the house: an import may only point down, and only the top knows Lightning."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RANK = {"vos_core": 0, "augment": 1, "datasets_vos": 2, "lightning_modules": 3, "cli": 4}
OUTSIDE = {"benchmarks", "tests"}  # they use the rooms, and no room uses them
LIGHTNING_USERS = {"lightning_modules", "cli"}


def source_files() -> list[Path]:
    files = [ROOT / "cli.py"]
    for room in RANK:
        files += sorted((ROOT / room).rglob("*.py"))
    return files


def imported_modules(source: str) -> Iterator[str]:
    """Yield every module named in an import statement, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def forbidden(room: str) -> set[str]:
    """Return the packages that a file of a room must not import."""
    above = {other for other, rank in RANK.items() if rank > RANK[room]}
    lightning = set() if room in LIGHTNING_USERS else {"lightning", "pytorch_lightning"}
    return above | OUTSIDE | lightning


def violations(room: str, source: str) -> list[str]:
    """Return the imports that a file of a room must not have, by statement or by name."""
    tops = forbidden(room)
    bad = [module for module in imported_modules(source) if module.split(".")[0] in tops]
    by_name = rf"import_module\(\s*f?['\"](?:{'|'.join(sorted(tops))})\b[\w.]*"
    return bad + re.findall(by_name, source)


@pytest.mark.parametrize("path", source_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert violations(room, path.read_text(encoding="utf-8")) == []


def test_tasks_and_datasets_meet_at_the_sample_types_only() -> None:
    for path in (ROOT / "lightning_modules" / "tasks").glob("*.py"):
        modules = list(imported_modules(path.read_text(encoding="utf-8")))
        assert not [m for m in modules if m.startswith("datasets_vos")], path


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("vos_core", "def f():\n    from augment.lucid import LucidScene"),
        ("vos_core", 'importlib.import_module("datasets_vos.registry")'),
        ("vos_core", "from benchmarks.command import machine"),
        ("vos_core", 'import_module(\n    f"augment.{name}")'),
        ("augment", "import tests.fakes"),
        ("augment", 'import_module("lightning.pytorch")'),
        ("datasets_vos", "import lightning as L"),
        ("datasets_vos", "import_module('cli')"),
        ("lightning_modules", 'import_module("benchmarks.crf")'),
        ("lightning_modules", "from cli import main"),
        ("cli", "from tests.fakes import make_davis"),
    ],
)
def test_a_planted_violation_is_found(room: str, line: str) -> None:
    assert violations(room, f"{line}\n")


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("lightning_modules", "import lightning\nimport datasets_vos"),
        ("datasets_vos", 'import_module("datasets_vos.toy")\nimport_module("client")'),
        ("vos_core", "import testsuite"),
        ("cli", 'import_module("lightning_modules.cli")'),
    ],
)
def test_what_may_be_imported_is_no_violation(room: str, line: str) -> None:
    assert not violations(room, f"{line}\n")


def test_every_room_has_files() -> None:
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in source_files()}
    assert rooms == set(RANK)
