"""Mistakes are answered in one sentence with the nearest valid name."""

from pathlib import Path

import pytest

from cli import main
from lightning_modules.parser import CONFIGS, explain, find_config
from vos_core.errors import ConfigError


def test_bare_config_name_is_found_in_configs() -> None:
    expected = [f"--config={CONFIGS / 'lucid.yaml'}", "--model.lr", "3"]
    assert find_config(["--config", "lucid.yaml", "--model.lr", "3"]) == (expected, "lucid")
    assert find_config(["--config=lucid", "--model.lr", "3"]) == (expected, "lucid")


def test_what_is_typed_wins_wherever_it_stands() -> None:
    typed = ["--model.lr", "3", "--trainer.max_epochs=7"]
    shipped = [f"--config={CONFIGS / name}" for name in ("lucid.yaml", "trainer/cpu.yaml")]
    args = [*typed[:2], "-c", "lucid.yaml", typed[2], "--config=trainer/cpu"]
    assert find_config(args) == ([*shipped, *typed], "lucid")


@pytest.mark.parametrize(
    ("configs", "expected"),
    [
        (["masktrack.yaml", "data/saliency.yaml"], "masktrack"),
        (["small/masktrack.yaml"], "small-masktrack"),
        (["trainer/gpus.yaml", "lucid.yaml", "ablation/lucid/crf.yaml"], "lucid+crf"),
        (["data/davis2016.yaml"], "run"),
        (["lucid.yaml", "lucid.yaml"], "lucid"),
        ([], "run"),
    ],
)
def test_an_experiment_bears_the_names_of_its_configs(configs: list[str], expected: str) -> None:
    assert find_config([f"--config={config}" for config in configs])[1] == expected


def test_own_configs_add_their_names(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{}")
    assert find_config(["-c", "lucid.yaml", "-c", str(tmp_path / "mine.yaml")])[1] == "lucid+mine"


def test_own_config_goes_before_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lucid.yaml").write_text("{}")
    assert find_config(["-c", "lucid.yaml"])[0] == [f"--config={tmp_path / 'lucid.yaml'}"]


def test_unknown_config_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no config 'lucd.yaml'.*Did you mean 'lucid.yaml'\?"):
        find_config(["--config", "lucd.yaml"])
    with pytest.raises(ConfigError, match=r"There are lucid.*masktrack.yaml, \.\.\.$"):
        find_config(["--config", "something.yaml"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["test", "--config", "lucd.yaml"], "Did you mean 'lucid.yaml'?"),
        (["test", "--config", "lucid.yaml", "--model.adapt_iteration", "3"], "'adapt_iterations'"),
        (["test", "--config", "lucid.yaml", "--trainer.max_epoch", "3"], "'trainer.max_epochs'"),
        (["test", "--config", "lucid.yaml", "--data.dataset", "davis2018"], "davis2017"),
        (["test", "--config", "lucid.yaml", "--model", "LucidTsk"], "Did you mean 'LucidTask'?"),
        (["test", "--config", "lucid.yaml", "--ckpt_path", "no.ckpt"], "no checkpoint no.ckpt"),
        (["test", "--config", "lucid.yaml", "--data.size", "[9,9]"], "at least 32x32 pixels"),
        (["fit", "-c", "lucid.yaml", "--data.batch_size", "0"], "data.batch_size is 0; give 1"),
        (
            ["test", "--config", "lucid.yaml", "--model.network_options.encoder", "resnet19"],
            "no model 'resnet19'",
        ),
        (["test", "--config", "lucid.yaml", "--trainer.devices", "0"], "cannot be set up: "),
        (["test", "-c", "lucid.yaml", "--trainer.precision", "bf16-true"], "give bf16-mixed"),
        (["test"], "give one, e.g. --config lucid.yaml"),
        (["tset"], "Did you mean 'test'?"),
    ],
)
def test_one_sentence_and_status_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str], tiny_toy: Path, tmp_path: Path
) -> None:
    rest = [f"--data.root={tiny_toy}", f"--trainer.default_root_dir={tmp_path}"]
    status: object
    try:
        status = main(args + (rest if len(args) > 1 else []))
    except SystemExit as stop:
        status = stop.code
    lines = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert lines[-1].startswith("error: ")
    assert said in lines[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("<class 'float'>. Got value: fast", "lr is fast; give a number."),
        ("<class 'int'>. Got value: 2.5", "lr is 2.5; give a whole number."),
        (
            "<class 'tuple'>. Got value: 96",
            "lr is 96; give all values, as in [240,432].",
        ),
        ("tuple with 2 elements. Got value: [1, 2, 3]", "[1, 2, 3]; give a tuple with 2 elements."),
        ("typing.Literal['a', 'b']. Got value: c", "lr is c; give one of a, b."),
    ],
)
def test_wrong_values_are_told_in_plain_words(told: str, expected: str) -> None:
    assert expected in explain(f'Parser key "lr": Expected a {told}')


def test_a_value_of_another_type_is_refused_in_plain_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["test", "--config", "lucid.yaml", "--model.lr", "fast"])
    assert capsys.readouterr().err.endswith("error: lr is fast; give a number.\n")


def test_help_leads_to_the_settings_of_methods(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["test", "--help"])
    assert not stop.value.code
    told = capsys.readouterr().out
    assert "--model.help LucidTask" in told
    assert "--optimizer" not in told  # tasks know theirs
    with pytest.raises(SystemExit):
        main(["test", "--model.help", "LucidTask"])
    assert "--model.adapt_iterations" in capsys.readouterr().out


def test_a_value_of_no_allowed_type_is_refused_in_plain_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["test", "--config", "lucid.yaml", "--model.coherence", "publishd"])
    told = "error: coherence is publishd; give a whole number or one of published or null.\n"
    assert capsys.readouterr().err.endswith(told)


def test_an_option_of_another_method_is_not_its_own_nearest_spelling(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["test", "--config", "lucid.yaml", "--model.online", "false"])
    message = capsys.readouterr().err
    assert "'online' is not an option here; there is model.online of MaskTrackTask" in message


def test_misspelt_key_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        "model:\n  class_path: LucidTask\n  init_args:\n    flw: dis_fast\n"
        "data:\n  class_path: VideoDataModule\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(["test", "--config", str(config)])
    assert stop.value.code == 2
    assert "'flw' is not an option here. Did you mean 'flow'?" in capsys.readouterr().err
