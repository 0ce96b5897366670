"""The rooms of the house: an import may only point down, and only the top knows Lightning."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RANK = {"vos_core": 0, "augment": 1, "datasets_vos": 2, "lightning_modules": 3, "cli": 4}
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


def violations(room: str, source: str) -> list[str]:
    """Return the imports that a file of a room must not have."""
    bad = []
    for module in imported_modules(source):
        top = module.split(".")[0]
        if RANK.get(top, -1) > RANK[room]:
            bad.append(module)
        if top in ("lightning", "pytorch_lightning") and room not in LIGHTNING_USERS:
            bad.append(module)
    # cli.py names the modules of its commands as strings
    if room != "cli":
        bad += re.findall(r"import_module\(\s*['\"](?:lightning_modules|cli)[\w.]*", source)
    return bad


@pytest.mark.parametrize("path", source_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert violations(room, path.read_text(encoding="utf-8")) == []


def test_tasks_and_datasets_meet_at_the_sample_types_only() -> None:
    for path in (ROOT / "lightning_modules" / "tasks").glob("*.py"):
        modules = list(imported_modules(path.read_text(encoding="utf-8")))
        assert not [m for m in modules if m.startswith("datasets_vos")], path


def test_a_planted_violation_is_found() -> None:
    assert violations("vos_core", "def f():\n    from augment.lucid import LucidScene\n")
    assert violations("datasets_vos", "import lightning as L\n")
    assert not violations("lightning_modules", "import lightning\nimport datasets_vos\n")


def test_every_room_has_files() -> None:
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in source_files()}
    assert rooms == set(RANK)
