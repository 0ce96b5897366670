"""What a run says of itself: the right repository, the right memory, and no guess."""

import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from vos_core import provenance
from vos_core.provenance import describe_run

ROOT = Path(__file__).resolve().parents[2]
Git = Callable[..., str]


@pytest.fixture
def git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Git:
    """Run git in a folder, without the user's settings."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))

    def run(folder: Path, *args: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", *identity, *args]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run


def make_project(root: Path) -> Path:
    """Write what a checkout of this project holds, as far as it matters here."""
    (root / "vos_core").mkdir(parents=True)
    (root / "cli.py").write_text("one\n")
    (root / "vos_core" / "provenance.py").write_text("one\n")
    return root


def commit_all(git: Git, root: Path) -> str:
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return git(root, "rev-parse", "HEAD")


def test_commit_of_the_checkout(git: Git, tmp_path: Path) -> None:
    root = make_project(tmp_path / "with space")
    head = commit_all(git, root)
    assert provenance._commit(root / "vos_core") == head
    (root / "notes.txt").write_text("not tracked\n")
    assert provenance._commit(root / "vos_core") == head
    (root / "cli.py").write_text("two\n")
    assert provenance._commit(root / "vos_core") == head + "+"
    git(root, "add", "cli.py")  # a change that is staged is a change, too
    assert provenance._commit(root / "vos_core") == head + "+"


def test_commit_of_a_surrounding_repository_is_not_ours(git: Git, tmp_path: Path) -> None:
    users = tmp_path / "users"
    installed = make_project(users / "lib" / "site-packages")
    (users / "thesis.tex").write_text("mine\n")
    commit_all(git, users)
    assert provenance._commit(installed / "vos_core") is None
    # even if that is a checkout of this project beside the package in use
    make_project(tmp_path / "fork")
    inside = tmp_path / "fork" / "env" / "vos_core"
    inside.mkdir(parents=True)
    commit_all(git, tmp_path / "fork")
    assert provenance._commit(inside) is None


def test_no_commit_without_a_repository_or_git(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project(tmp_path / "plain")
    assert provenance._commit(root / "vos_core") is None
    git(root, "init", "-q")  # without a commit
    assert provenance._commit(root / "vos_core") is None
    commit_all(git, root)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance._commit(root / "vos_core") is None


def test_a_program_that_hangs_or_fails_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_SECONDS", 0.2)
    assert provenance._answer([sys.executable, "-c", "import time; time.sleep(30)"]) is None
    assert provenance._answer([sys.executable, "-c", "raise SystemExit(1)"]) is None


def test_description_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cli.py", "test", "--data.root=my data", "a'b"])
    monkeypatch.chdir(tmp_path)
    info = describe_run(7, Path("run") / "config.yaml")
    assert shlex.split(info["command"]) == [
        "python",
        "cli.py",
        "test",
        "--data.root=my data",
        "a'b",
    ]
    assert info["config"] == str(tmp_path / "run" / "config.yaml")
    assert info["seed"] == 7
    finished = datetime.fromisoformat(info["finished"])
    assert finished.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - finished) < timedelta(seconds=60)
    assert json.loads(json.dumps(info)) == info
    nothing = describe_run()
    assert nothing["config"] is None
    assert nothing["seed"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="compares with /proc")
def test_hardware_counts_what_may_be_used() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        parts = provenance._hardware().split(", ")
    finally:
        os.sched_setaffinity(0, allowed)
    assert "1 CPU" in parts
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1])
    assert f"{total / 2**20:.0f} GiB" in parts
    assert len(parts[0]) > 2


def test_cpu_without_a_name_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert provenance._cpu_model() == platform.machine()


def run_python(code: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


_MEASURE = """
import json, sys
from vos_core.provenance import describe_run
before = describe_run()["peak_memory_mib"]
block = b"x" * (200 << 20)
del block
info = describe_run()
info["before"] = before
info["torch"] = "torch" in sys.modules
print(json.dumps(info))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="memory is not known there")
def test_peak_memory_is_that_of_this_process_alone() -> None:
    ballast = b"x" * (300 << 20)  # which must not count for the child
    info = run_python(_MEASURE)
    assert len(ballast) > 0
    assert 5 < info["before"] < 100
    assert info["peak_memory_mib"] - info["before"] == pytest.approx(200, abs=5)
    # to be described costs no import of torch
    assert info["torch"] is False
    assert info["peak_gpu_memory_mib"] is None


def test_memory_is_unknown_without_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(provenance._peak_memory())


def test_gpus_are_named_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 3,
        get_device_name=lambda i: ["A", "B", "A"][i],
        max_memory_allocated=lambda i: [2**20, 5 * 2**20, 0][i],
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    info = describe_run()
    assert info["hardware"].endswith(", 2 x A, B")
    assert info["peak_gpu_memory_mib"] == 5.0
    cuda.is_initialized = lambda: False
    assert describe_run()["peak_gpu_memory_mib"] is None
