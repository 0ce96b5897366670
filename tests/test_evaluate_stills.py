"""Saliency scores of stored maps, on generated sets."""

import argparse
import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos.commands.evaluate import stills as evaluate_stills
from datasets_vos.masks import write_mask
from tests.fakes.registry import STILL_FAKES, Fake, litter
from tests.fakes.stills import still_area, white_on_black, write_gray
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import LabelMap

PIXELS = 48 * 64
AREAS = [still_area(k) for k in range(6)]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return STILL_FAKES["ecssd"](tmp_path / "set")


def store(fake: Fake, folder: Path, *, high: int = 255, low: int = 0) -> Path:
    """Write the truth of each image with other values for object and background."""
    for still in fake.open_stills():
        levels = np.where(still.mask() == 1, np.uint8(high), np.uint8(low))
        write_gray(folder / f"{still.name}.png", levels)
    return folder


def evaluate(fake: Fake, results: Path, out: Path | None = None, **changes: object) -> None:
    options = {
        "dataset": fake.dataset,
        "root": fake.root,
        "split": fake.split,
        "sequences": None,
        "results": results,
        "out": out,
        "workers": 1,
        "allow_missing": False,
        "allow_perfect": True,
    }
    evaluate_stills.main(argparse.Namespace(**options | changes))


def printed(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str, str]:
    """Return the table's cells, the rule, and the warnings."""
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines() if line.strip()]
    row = next(cells for cells in lines if cells[0].isdigit())
    return row, out.strip().splitlines()[-1], err


@pytest.mark.parametrize("dataset", sorted(STILL_FAKES))
def test_truth_is_perfect_in_every_set(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = STILL_FAKES[dataset](tmp_path / "set")
    out = tmp_path / "new" / "scores.json"
    evaluate(fake, store(fake, tmp_path / "maps"), out)
    assert printed(capsys)[2] == ""
    scores = json.loads(out.read_text())
    assert scores["protocol"] == "saliency"
    numbers = scores["global"]
    assert [numbers[key] for key in ("MAE", "max_F", "adaptive_F", "J_mean")] == [0, 1, 1, 1]
    assert scores["per_image"].keys() == set(fake.open_stills().names)
    assert all(image == {"MAE": 0, "J": 1} for image in scores["per_image"].values())


def test_known_maps(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects at 204 (0.8) on 51 (0.2): MAE 0.2 everywhere, F 1 from level 52 to 204."""
    out = tmp_path / "scores.json"
    evaluate(fake, store(fake, tmp_path / "maps", high=204, low=51), out)
    row, rule, warnings = printed(capsys)
    assert warnings == ""
    share = np.mean([area / PIXELS for area in AREAS[:5]])
    f_low = 1.3 * share / (0.3 * share + 1)
    mean_f = (52 * f_low + 153) / 256
    assert row == ["6", "0.200", "1.000", f"{52 / 255:.3f}", f"{mean_f:.3f}", "1.000", "1.000"]
    assert rule.startswith(
        "max-F 1.000 (saliency: over 6 images, truth above 127, 1 image without an object left out"
    )
    scores = json.loads(out.read_text())
    assert scores["global"]["mean_F"] == pytest.approx(mean_f, abs=1e-12)
    assert scores["global"]["max_F_threshold"] == 52 / 255
    assert (scores["images"], scores["without_object"]) == (6, 1)
    assert scores["rule"] in rule
    assert scores["curve"]["recall"] == [1.0] * 205 + [0.0] * 51
    assert scores["curve"]["precision"][52:205] == [1.0] * 153
    with out.with_suffix(".csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["image"] for row in rows] == ["1", "2", "3", "4", "5", "10"]
    for image in rows:
        assert float(image["MAE"]) == pytest.approx(0.2, abs=1e-12)
        assert float(image["J"]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        "set",
        "maps",
        "scores.json",
        "scores.csv",
    }


def test_one_image_is_wrong(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, out = store(fake, tmp_path / "maps"), tmp_path / "scores.json"
    write_gray(results / "3.png", np.zeros((48, 64), dtype=np.uint8))
    evaluate(fake, results, out)
    assert capsys.readouterr().err == ""
    scores = json.loads(out.read_text())
    assert scores["per_image"]["3"] == {"MAE": AREAS[2] / PIXELS, "J": 0}
    assert scores["per_image"]["4"] == {"MAE": 0, "J": 1}
    assert scores["global"]["J_mean"] == pytest.approx(5 / 6, abs=1e-15)
    assert scores["global"]["MAE"] == pytest.approx(AREAS[2] / PIXELS / 6, abs=1e-15)
    assert scores["curve"]["recall"][255] == pytest.approx(4 / 5, abs=1e-15)


def as_palette(path: Path, levels: LabelMap) -> None:
    write_mask(path, (levels > 0).astype(np.uint8))


def as_bits(path: Path, levels: LabelMap) -> None:
    PIL.Image.fromarray(levels > 0).save(path)


def as_gray_rgb(path: Path, levels: LabelMap) -> None:
    PIL.Image.fromarray(np.repeat(levels[..., None], 3, axis=2)).save(path)


def as_gray_palette(path: Path, levels: LabelMap) -> None:
    image = PIL.Image.fromarray((levels > 0).astype(np.uint8))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(path)


@pytest.mark.parametrize("save", [as_palette, as_bits, as_gray_rgb, as_gray_palette])
def test_masks_of_other_modes(
    save: Callable[[Path, LabelMap], None],
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "run"
    (results / "masks").mkdir(parents=True)
    for k, name in enumerate(fake.open_stills().names):
        save(results / "masks" / f"{name}.png", white_on_black(k))
    evaluate(fake, results)
    row, rule, _ = printed(capsys)
    assert (row[1], row[2], row[5:]) == ("0.000", "1.000", ["1.000", "1.000"])
    assert "0 and 1" not in rule


def test_zero_and_one_are_masks_if_all_maps_agree(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = store(fake, tmp_path / "maps", high=1)
    evaluate(fake, results)
    row, rule, _ = printed(capsys)
    assert (row[1], row[2], row[6]) == ("0.000", "1.000", "1.000")
    assert "hold only 0 and 1 and are read as masks" in rule


@pytest.mark.parametrize("stray", [255, 2])
def test_masks_of_one_beside_higher_levels_are_refused(
    stray: int, fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, out = store(fake, tmp_path / "maps", high=1), tmp_path / "scores.json"
    levels = white_on_black(2)
    write_gray(results / "3.png", np.minimum(levels, np.uint8(stray)))
    # 10.png is black and says nothing
    want = r"hold only 0 and 1 \(1.png, 2.png, 4.png, 5.png\) beside .* higher levels \(3.png\)"
    with pytest.raises(MaskError, match=want):
        evaluate(fake, results, out)
    levels[levels == 0] = 9  # so that it is graded
    write_gray(results / "3.png", levels)
    with pytest.raises(MaskError, match=want):
        evaluate(fake, results, out)
    assert not out.exists()
    assert capsys.readouterr().out == ""


def test_a_nearly_black_map_is_plausible_only_among_graded_ones(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = store(fake, tmp_path / "maps", low=3)
    nearly_black = np.zeros(PIXELS, dtype=np.uint8)
    nearly_black[: PIXELS // 100] = 1  # just not more than one in a hundred
    write_gray(results / "3.png", nearly_black.reshape(48, 64))
    with pytest.raises(MaskError, match=r"hold only 0 and 1 \(3.png\) beside others"):
        evaluate(fake, results)
    graded = white_on_black(0)
    graded[-1] = 100
    write_gray(results / "1.png", graded)
    evaluate(fake, results)
    assert "0 and 1" not in printed(capsys)[1]
    nearly_black[PIXELS // 100] = 1
    write_gray(results / "3.png", nearly_black.reshape(48, 64))
    with pytest.raises(MaskError, match=r"hold only 0 and 1 \(3.png\) beside others"):
        evaluate(fake, results)


def test_inverted_maps_are_noticed(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(fake, store(fake, tmp_path / "maps", high=0, low=255))
    row, _, warnings = printed(capsys)
    assert row[1] == "1.000"
    assert "look inverted" in warnings
    assert "0.000" in warnings


def test_workers_change_nothing(fake: Fake, tmp_path: Path) -> None:
    results = store(fake, tmp_path / "maps", high=180, low=20)
    outs = [tmp_path / f"{n}.json" for n in (1, 2)]
    for n, out in enumerate(outs, start=1):
        evaluate(fake, results, out, workers=n)
    one, two = (json.loads(out.read_text()) for out in outs)
    one.pop("scored_by"), two.pop("scored_by")
    assert one == two


def test_the_truth_itself_is_refused(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, maps = tmp_path / "scores.json", store(fake, tmp_path / "maps")
    with pytest.raises(MaskError, match="prediction equals ground truth: is the results folder"):
        evaluate(fake, maps, out, allow_perfect=False)
    assert capsys.readouterr().out == ""  # no numbers that are not to be used
    assert not out.exists()


def test_graded_truth_itself_is_refused(tmp_path: Path) -> None:
    """As stored its maps have an error, because half of the observers make an object."""
    fake = STILL_FAKES["pascal_s"](tmp_path / "set")
    out, maps = tmp_path / "scores.json", tmp_path / "maps"
    shutil.copytree(fake.root / "masks", maps)
    with pytest.raises(MaskError, match="prediction equals ground truth"):
        evaluate(fake, maps, out, allow_perfect=False)
    write_gray(maps / "3.png", white_on_black(2))  # as it is once it is cut
    with pytest.raises(MaskError, match="prediction equals ground truth"):
        evaluate(fake, maps, out, allow_perfect=False)
    assert not out.exists()
    write_gray(maps / "3.png", white_on_black(2) // 2 + 100)  # cut right, but another map
    evaluate(fake, maps, out, allow_perfect=False)
    assert json.loads(out.read_text())["global"]["J_mean"] == 1


def test_soft_maps_that_are_right_when_cut_are_no_truth(fake: Fake, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    evaluate(fake, store(fake, tmp_path / "maps", high=204, low=51), out, allow_perfect=False)
    numbers = json.loads(out.read_text())["global"]
    assert (numbers["J_mean"], numbers["MAE"]) == (1, pytest.approx(0.2))


def test_scores_are_stored_before_they_are_shown(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_reads() -> None:
        raise BrokenPipeError

    monkeypatch.setattr(evaluate_stills, "plain_console", nobody_reads)
    out = tmp_path / "scores.json"
    with pytest.raises(BrokenPipeError):
        evaluate(fake, store(fake, tmp_path / "maps"), out)
    assert json.loads(out.read_text())["images"] == 6


def test_missing_maps_can_be_left_out(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = store(fake, tmp_path / "maps")
    (maps / "2.png").unlink()
    evaluate(fake, maps, allow_missing=True)
    row, rule, _ = printed(capsys)
    assert row[0] == "5"
    assert "1 without a map left out" in rule
    for path in maps.iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="6 of 6 images"):
        evaluate(fake, maps, allow_missing=True)


def test_missing_and_foreign_maps_are_named(fake: Fake, tmp_path: Path) -> None:
    results, out = store(fake, tmp_path / "maps"), tmp_path / "scores.json"
    litter(results)
    evaluate(fake, results)
    (results / "2.png").rename(results / "2.jpg")
    (results / "10.png").unlink()
    want = r"maps of 2 of 6 images are missing \(2.png, 10.png\) and files are .* \(2.jpg\)"
    with pytest.raises(DatasetError, match=want):
        evaluate(fake, results, out)
    assert not out.exists()


def test_results_of_another_split(tmp_path: Path) -> None:
    duts = STILL_FAKES["duts"](tmp_path / "set")
    results = store(duts, tmp_path / "maps")
    evaluate(duts, results, split="test")
    (results / "test" / "b.png").unlink()
    evaluate(duts, results, split="train")
    with pytest.raises(
        DatasetError, match=re.escape("maps of 1 of 2 images are missing (test/b.png)")
    ):
        evaluate(duts, results, split="test")


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (PIL.Image.new("L", (32, 48)), r"3\.png: the map is 32x48 pixels but the image is 64x48"),
        (PIL.Image.new("I;16", (64, 48)), r"3\.png: pixel mode I;16 is no 8-bit gray"),
        (PIL.Image.new("RGBA", (64, 48)), r"3\.png: pixel mode RGBA is no 8-bit gray"),
        (PIL.Image.new("RGB", (64, 48), (9, 9, 8)), r"3\.png: has colours"),
    ],
)
def test_unusable_maps_are_named(
    image: PIL.Image.Image, complaint: str, fake: Fake, tmp_path: Path
) -> None:
    results, out = store(fake, tmp_path / "maps"), tmp_path / "scores.json"
    image.save(results / "3.png")
    with pytest.raises(MaskError, match=complaint):
        evaluate(fake, results, out)
    assert not out.exists()


def test_unusable_options(fake: Fake, tmp_path: Path) -> None:
    results = store(fake, tmp_path / "maps")
    with pytest.raises(ConfigError, match="--root"):
        evaluate(fake, results, root=None)
    with pytest.raises(ConfigError, match="--sequences"):
        evaluate(fake, results, sequences=["3"])
    with pytest.raises(DatasetError, match="no such folder"):
        evaluate(fake, tmp_path / "nowhere")


def test_set_without_objects(fake: Fake, tmp_path: Path) -> None:
    for path in (fake.root / "ground_truth_mask").iterdir():
        write_gray(path, np.zeros((48, 64), dtype=np.uint8))
    with pytest.raises(DatasetError, match="no image of the set has an object"):
        evaluate(fake, store(fake, tmp_path / "maps"))
