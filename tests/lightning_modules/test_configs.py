"""Every shipped config runs through the real command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import masktrack
from cli import main
from datasets_vos import list_datasets, list_still_datasets
from lightning_modules.cli import PROJECT
from lightning_modules.parser import CONFIGS
from tests.fakes.registry import STILL_FAKES

EXPERIMENTS = sorted(CONFIGS.glob("*.yaml"))
SMALL = sorted((CONFIGS / "small").glob("*.yaml"))
SWEEPS = sorted((CONFIGS / "sweep").glob("*.yaml"))
ROWS = sorted((CONFIGS / "ablation").glob("*/*.yaml"))


def name(path: Path) -> str:
    return str(path.relative_to(CONFIGS).with_suffix(""))


def test_there_are_configs() -> None:
    names = list(map(name, [*EXPERIMENTS, *SMALL, *ROWS]))
    assert {"lucid", "small/masktrack", "ablation/lucid/ensemble"} <= set(names)


@pytest.mark.parametrize("config", [*EXPERIMENTS, *SMALL], ids=name)
def test_config_fits_and_tests_on_the_toy_set(config: Path, tiny_toy: Path, tmp_path: Path) -> None:
    scores = fit([config], tiny_toy, tmp_path, quick=True)
    assert 0 <= scores["global"]["J&F_mean"] <= 1


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_row_of_an_ablation_is_a_change_of_its_config(
    row: Path, tiny_toy: Path, tmp_path: Path
) -> None:
    file = f"{row.parent.name}.yaml"
    small = CONFIGS / "small" / file
    base = small if small.exists() else CONFIGS / file
    scores = fit([base, row], tiny_toy, tmp_path)
    assert 0 <= scores["global"]["J&F_mean"] <= 1
    changed = yaml.safe_load(row.read_text())
    (file,) = tmp_path.glob("*/version_0/config.yaml")
    assert file.parts[-3].endswith(f"+{row.stem}")
    used = yaml.safe_load(file.read_text())
    for section, settings in changed.items():
        told = used[section].get("init_args", used[section])
        for key, value in settings.get("init_args", settings).items():
            # the data is that of the test
            assert key == "train_sets" or told[key] == value


def fit(configs: list[Path], toy: Path, runs: Path, *, quick: bool = False) -> dict[str, Any]:
    """Run configs, the later ones changing the earlier, and return the scores.

    Quick, they need no download and tune no CRF for long.
    """
    still = STILL_FAKES["ecssd"](runs / "stills").root
    options = [
        f"--data.root={toy}",
        "--data.size=[48,80]",
        "--data.samples_per_epoch=2",
        "--data.batch_size=2",
        "--model.adapt_batch_size=2",
        "--model.pretrained=false",
        "--data.num_workers=0",
        "--trainer.accelerator=cpu",
        f"--trainer.default_root_dir={runs}",
    ]
    if any("train_sets" in config.read_text() for config in configs):
        options.append(f"--data.train_sets=[{{dataset: ecssd, root: {still}}}]")
    if not any("max_epochs: 0" in config.read_text() for config in configs):
        options.append("--trainer.max_epochs=1")
    if not any("adapt_iterations: 0" in config.read_text() for config in configs):
        options.append("--model.adapt_iterations=1")
    if quick and any("raft" in config.read_text() for config in configs):
        options.append("--model.flow=dis_fast")
    if quick and any("crf_tuning" in config.read_text() for config in configs):
        options.append("--model.crf_tuning=1")
    assert main(["fit", *(f"--config={config}" for config in configs), *options]) == 0
    (file,) = runs.glob("*/version_0/scores.json")
    scores: dict[str, Any] = json.loads(file.read_text())
    return scores


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=name)
def test_sets_to_train_on_are_known(path: Path) -> None:
    data = yaml.safe_load(path.read_text()).get("data", {})
    train_sets = data.get("init_args", {}).get("train_sets") or []
    known = {*list_datasets(), *list_still_datasets()}
    assert {each["dataset"] for each in train_sets} <= known
    assert all(set(each) <= {"dataset", "root", "split", "repeat"} for each in train_sets)


@pytest.mark.parametrize("sweep", SWEEPS, ids=name)
def test_a_row_of_a_sweep_leaves_the_data_alone(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = yaml.safe_load(sweep.read_text())
    command = [part for part in plan["command"] if part not in ("${env}", "${interpreter}")]
    # as W&B writes them; each value once, the others left out
    rows = [f"--{key}={v}" for key, told in plan["parameters"].items() for v in values_of(told)]
    for row in rows:
        args: list[str] = []
        for part in command[1:]:
            args += [row] if part == "${args}" else [part]
        with pytest.raises(SystemExit) as stop:
            main([*args, "--print_config"])
        assert not stop.value.code, row
        used = yaml.safe_load(capsys.readouterr().out)
        wanted = "DAVIS" if "DAVIS" in args else None
        assert used["data"]["init_args"]["root"] == wanted
        assert used["data"]["init_args"]["dataset"] == ("davis2016" if wanted else "toy")


def values_of(parameter: dict[str, Any]) -> list[object]:
    """Return what a sweep may choose for an option: all values, or the ends of their range."""
    if "distribution" in parameter:
        return [parameter["min"], parameter["max"]]
    return list(parameter["values"])


@pytest.mark.parametrize("sweep", SWEEPS, ids=name)
def test_a_sweep_is_kept_where_its_runs_are(sweep: Path) -> None:
    assert yaml.safe_load(sweep.read_text()).get("project") == PROJECT


@pytest.mark.parametrize("method", sorted({row.parent.name for row in ROWS}))
def test_a_sweep_has_all_rows_of_an_ablation(method: str) -> None:
    tables = []
    for sweep in SWEEPS:
        parameters = yaml.safe_load(sweep.read_text())["parameters"]
        rows = parameters.get("config", {}).get("values", [])
        tables.append({row for row in rows if row.startswith(f"ablation/{method}/")})
    assert {f"{name(row)}.yaml" for row in ROWS if row.parent.name == method} in tables


def test_the_table_of_masktrack_has_all_rows() -> None:
    assert set(masktrack.ROWS) == {"full", *(r.stem for r in ROWS if r.parent.name == "masktrack")}
