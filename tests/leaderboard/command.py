"""Running ``leaderboard`` as typed, and the runs and published numbers that its tests show."""

import json
from pathlib import Path
from typing import Any

import pytest

import cli
import datasets_vos.commands.leaderboard.published_rows as rows_module
from datasets_vos.published import PublishedNumber
from vos_core.metrics import DAVIS2016, Protocol, SequenceResult, collect_scores, write_scores
from vos_core.metrics.sequence import object_scores

Capture = pytest.CaptureFixture[str]

INFO = {
    "command": "python cli.py test",
    "config": None,
    "commit": "0123456789abcdef+",
    "seed": 0,
    "hardware": "16 CPU cores <fast>",
    "peak_memory_mib": 1536.0,
    "peak_gpu_memory_mib": None,
    "finished": "2025-11-20T10:00:00+00:00",
}
DATA = {"dataset": "davis2016", "split": "val", "root": "/data"}

# sequence -> J of each object; F is 0.1 lower
Values = dict[str, list[float]]
A = {"bear": [0.9], "cow": [0.5], "dog": [0.8], "elk": [0.6], "fox": [0.7]}
B = {"bear": [0.6], "cow": [0.7], "dog": [0.75], "elk": [0.5], "fox": [0.7]}


def make_scores(
    values: Values,
    protocol: Protocol = DAVIS2016,
    categories: dict[str, dict[int, str]] | None = None,
    **extra: object,
) -> dict[str, Any]:
    """Score sequences of 10 frames whose objects have the same J in every frame."""
    frames = list(range(1, 9))
    results = [
        SequenceResult(
            name,
            10,
            {i: object_scores([j] * 8, [j - 0.1] * 8) for i, j in enumerate(objects, start=1)},
            {i: frames for i in range(1, len(objects) + 1)},
            {},
        )
        for name, objects in values.items()
    ]
    return {**collect_scores(protocol, results, categories), **extra}


def make_run(folder: Path, values: Values, **options: Any) -> Path:
    folder.mkdir(parents=True)
    write_scores(folder, make_scores(values, **options))  # type: ignore[arg-type]
    (folder / "config.yaml").write_text("seed_everything: 0\n")
    (folder / "report.html").write_text("<p>report</p>")
    return folder


def published(method: str, metric: str, value: float, **options: Any) -> PublishedNumber:
    known: dict[str, Any] = {"dataset": "davis2016", "split": "val", "printed": None}
    known |= {"source": "Doe et al. 2020 (DOE)", "table": "Table 1", "training": None}
    known |= {"fps": None, "note": None, **options}
    return PublishedNumber(method=method, metric=metric, value=value, **known)


NUMBERS = (
    published("Between", "J&F", 0.63, note="cited as [1]", fps=12.5),
    published("Between", "J", 0.68, printed=0.07, note="cited as [1]; misprint"),
    published("Between", "J&F", 0.61, table="Table 2"),
    published("Only J", "J", 0.99, split="all"),
    published("Worse variant", "J&F", 0.3, note="ablation: no tail"),
    published("Elsewhere", "J&F", 0.9, dataset="davis2017"),
    published("Clicks", "AUC", 0.7),
)


def publish(monkeypatch: pytest.MonkeyPatch, *numbers: PublishedNumber) -> None:
    """Let these be the only published numbers."""

    def choose(dataset: str | None) -> list[PublishedNumber]:
        return [number for number in numbers if dataset in (None, number.dataset)]

    monkeypatch.setattr(rows_module, "published_numbers", choose)


def make_two_runs(folder: Path) -> Path:
    """Make two runs of the same sequences; of the second, no times are known."""
    seconds = {"adapt": 30.0, "propagate": 6.0, "total": 36.0}
    make_run(folder / "lucid/version_0", A, data=DATA, run=INFO, seconds=seconds)
    make_run(folder / "osvos/version_0", B, data=DATA, run=INFO)
    return folder


def other_kinds(folder: Path) -> None:
    """Write scores of the kinds that are not J and F of given objects."""
    contents: dict[str, dict[str, Any]] = {
        "stills": {
            "protocol": "saliency",
            "rule": "over 2 images",
            "global": {
                "MAE": 0.05,
                "max_F": 0.9,
                "max_F_threshold": 120,
                "mean_F": 0.8,
                "J_mean": 0.75,
            },
            "images": 2,
            "per_image": {"a": {}, "b": {}},
        },
        "tracks": {
            "protocol": "mots",
            "per_class": {"car": {"sMOTSA": 0.6, "MOTSA": -0.25, "IDS": 7, "FAR": 0.5}},
            "sequences": {"0001": {"car": {}}},
        },
        "clicks": {
            "protocol": "interactive",
            "AUC": 0.766,
            "J&F@60s": 0.78,
            "budget_seconds": 488.0,
            "objects": 61,
            "data": DATA,
        },
    }
    for name, content in contents.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "scores.json").write_text(json.dumps(content))


def leaderboard(capsys: Capture, *options: object) -> str:
    """Run the command, which must succeed, and return what it prints."""
    capsys.readouterr()
    assert cli.main(["leaderboard", *map(str, options)]) == 0
    return capsys.readouterr().out


def refusal(capsys: Capture, *options: object) -> str:
    """Run the command, which must refuse in one sentence, and return that."""
    capsys.readouterr()
    assert cli.main(["leaderboard", *map(str, options)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    return err


def row(out: str, name: str) -> list[str]:
    """Return the words of the line that begins with a name."""
    [line, *_] = [line for line in out.splitlines() if line.strip().startswith(f"{name} ")]
    return line.strip().removeprefix(name).split()
