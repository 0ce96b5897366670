"""``evaluate`` by the rules of each benchmark, through the command line, on generated data."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import cli
from datasets_vos.masks import read_mask, write_mask
from tests.evaluate_command import FRAMES, LATE_J, Capture, evaluate, refusal, write_results
from tests.fakes import fake_label_map, make_davis
from tests.fakes.segtrack import SEQUENCES, frame_name, make_segtrack, object_mask
from tests.fakes.youtube_objects import CLIPS, LABELLED, make_youtube_objects
from tests.fakes.youtube_vos import NAMES, VIDEOS, make_youtube_vos, youtube_labels

SEGTRACK_FRAMES = 5


def scored(tmp_path: Path, root: Path, results: Path, dataset: str, *options: str) -> dict:
    out = tmp_path / "scores.json"
    assert evaluate(root, results, f"--out={out}", *options, dataset=dataset) == 0
    return json.loads(out.read_text())


def test_segtrack_prints_both_averages(tmp_path: Path, capsys: Capture) -> None:
    root, results = make_segtrack(tmp_path / "segtrack"), tmp_path / "results"
    for sequence, (objects, *_) in SEQUENCES.items():
        for t in range(SEGTRACK_FRAMES):
            label_map = np.zeros((48, 64), dtype=np.uint8)
            for number in range(1, len(objects) + 1):
                label_map[object_mask(sequence, number, t)] = number
            write_mask(results / sequence / f"{frame_name(sequence, t)}.png", label_map)
    scores = scored(tmp_path, root, results, "segtrack_v2")
    # object 2 lies on 4 of the 12 rows of object 1, whose truth is whole all the same
    j = {name: each["J_frames"] for name, each in scores["per_object"].items()}
    assert j == {
        "alone_1": [1] * 4,
        "pair_1": pytest.approx([8 / 12] * 4),
        "pair_2": [1] * 4,
    }
    averages = scores["averages"]
    assert averages["object"]["J"]["mean"] == pytest.approx((1 + 8 / 12 + 1) / 3)
    assert averages["sequence"]["J"]["mean"] == pytest.approx((1 + (8 / 12 + 1) / 2) / 2)
    printed = capsys.readouterr().out
    assert "J 0.889 (segtrack_v2: mean over 3 objects, frames after each object's first" in printed
    assert "J 0.917 (segtrack_v2: mean over 2 sequences" in printed


def write_youtube_objects(results: Path) -> None:
    """Write the shot ``cat_0001_001`` empty, and ``dog_0003_001`` a frame (2 px) late."""
    for clip, scene_id in CLIPS.items():
        for t in LABELLED:
            label_map = (fake_label_map(t, (scene_id,)) > 0).astype(np.uint8)
            if clip == "cat_0001_001":
                label_map[:] = 0
            if clip == "dog_0003_001" and t:
                label_map = fake_label_map(t - 1, (1,))
            write_mask(results / clip / f"{t + 1:05d}.png", label_map)


def test_youtube_objects_class_balanced_and_plain(tmp_path: Path, capsys: Capture) -> None:
    root = make_youtube_objects(tmp_path / "youtube_masks").parent
    results = tmp_path / "results"
    write_youtube_objects(results)
    scores = scored(tmp_path, root, results, "youtube_objects")
    assert scores["sequences"]["dog_0003_001"]["scored"] == {"1": [4, 8]}
    empty, perfect, late = (scores["per_object"][f"{clip}_1"]["J"]["mean"] for clip in CLIPS)
    assert empty == 0
    assert perfect > 0.95  # labels are JPEG of half the size
    assert late == pytest.approx(LATE_J, abs=0.06)
    averages = scores["averages"]
    assert scores["global"]["J"]["mean"] == averages["category"]["J"]["mean"]
    assert averages["category"]["J"]["mean"] == pytest.approx(((empty + perfect) / 2 + late) / 2)
    assert averages["sequence"]["J"]["mean"] == pytest.approx((empty + perfect + late) / 3)
    assert scores["per_category"]["cat"]["J"]["mean"] == pytest.approx((empty + perfect) / 2)
    printed = capsys.readouterr().out
    assert "(youtube_objects: mean over 2 categories, each the mean over its objects" in printed
    assert "(youtube_objects: mean over 3 sequences" in printed
    lines = [line.split() for line in printed.splitlines()]
    total, dog = scores["global"]["J"], scores["per_category"]["dog"]
    assert ["J", *(f"{total[key]:.3f}" for key in ("mean", "recall", "decay"))] in lines
    numbers = (dog["J"]["mean"], dog["F"]["mean"], dog["J&F_mean"])
    assert ["dog", *(f"{number:.3f}" for number in numbers)] in lines


def test_youtube_objects_needs_no_given_frame(tmp_path: Path, capsys: Capture) -> None:
    root = make_youtube_objects(tmp_path / "youtube_masks").parent
    results = tmp_path / "results"
    write_youtube_objects(results)
    (results / "dog_0003_001" / "00001.png").unlink()
    scores = scored(tmp_path, root, results, "youtube_objects")
    assert scores["sequences"]["dog_0003_001"]["scored"] == {"1": [4, 8]}
    scores = scored(tmp_path, root, results, "youtube_objects", "--allow-missing")
    assert "missing" not in scores["rule"]


def write_youtube_vos(results: Path) -> None:
    """Write perfect masks, but for every dog, which is missing."""
    for video, objects in VIDEOS.items():
        dogs = [disk_id for disk_id, category in objects.values() if category == "dog"]
        for name in NAMES:
            label_map = youtube_labels(video, name)
            label_map[np.isin(label_map, dogs)] = 0
            write_mask(results / video / f"{name}.png", label_map)


def test_youtube_vos_seen_and_unseen(tmp_path: Path, capsys: Capture) -> None:
    root, results, seen = (
        make_youtube_vos(tmp_path / "vos"),
        tmp_path / "results",
        tmp_path / "seen",
    )
    write_youtube_vos(results)
    seen.write_text("cat\nboat\n")
    options = ("--split=train", f"--seen={seen}")
    scores = scored(tmp_path, root, results, "youtube_vos2019", *options)
    each = scores["per_category"]
    assert [each["seen"][m]["mean"] for m in "JF"] == [1, 1]
    assert [each["unseen"][m]["mean"] for m in "JF"] == [0, 0]
    assert scores["global"]["J&F_mean"] == 0.5
    assert scores["averages"]["object"]["J"]["mean"] == pytest.approx(4 / 6)
    # a late object is scored from the frame after the one in which it is given
    assert scores["sequences"]["only_late"]["scored"] == {"2": [2, 3, 4]}
    printed = capsys.readouterr().out
    assert "G 0.500 (youtube_vos: mean over 2 categories" in printed
    assert "J&F 0.667 (youtube_vos: mean over 6 objects" in printed
    # without a list every category of the training set is seen
    scores = scored(tmp_path, root, results, "youtube_vos2019", "--split=train")
    assert list(scores["per_category"]) == ["seen"]


def test_seen_categories_of_another_set(tmp_path: Path, capsys: Capture) -> None:
    root, results, seen = (tmp_path / name for name in ("vos", "results", "seen"))
    make_youtube_vos(root)
    write_youtube_vos(results)
    seen.write_text("Cat\n")
    options = ("--split=train", f"--seen={seen}")
    error = refusal(capsys, root, results, *options, dataset="youtube_vos2019")
    assert "names no category of what was scored" in error


def test_youtube_vos_needs_only_the_required_frames(tmp_path: Path) -> None:
    root = make_youtube_vos(tmp_path / "vos", all_frames=True)
    results = tmp_path / "results"
    write_youtube_vos(results)
    scores = scored(tmp_path, root, results, "youtube_vos2019", "--split=train_all_frames")
    assert scores["sequences"]["gap"]["scored"]["1"] == [5, 10, 15, 20]


def test_youtube_vos_truth_is_withheld(tmp_path: Path, capsys: Capture) -> None:
    root, results = make_youtube_vos(tmp_path / "vos"), tmp_path / "results"
    write_youtube_vos(results)
    error = refusal(capsys, root, results, "--split=valid", dataset="youtube_vos2018")
    assert "no scored frame has a true mask" in error


def test_masktrack_quantiles(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", year="2016", frames=FRAMES)
    results = tmp_path / "results"
    shifts = {"alpha": [0, 0, 1, 2, 3, 4], "beta": [0] * 6}
    for sequence, late in shifts.items():
        for t in range(FRAMES):
            write_mask(results / sequence / f"{t:05d}.png", fake_label_map(t - late[t], (1,)))
    scores = scored(tmp_path, root, results, "davis2016", "--protocol=masktrack_davis2016")
    j = [(12 - 2 * k) / (12 + 2 * k) for k in (0, 1, 2, 3)]
    assert scores["per_object"]["alpha_1"]["J_frames"] == pytest.approx(j)
    quantiles = {q: np.quantile([*j, 1, 1, 1, 1], int(q) / 100) for q in scores["quantiles"]}
    assert list(quantiles) == ["5", "10", "20", "30", "70", "80", "90", "95"]
    assert scores["quantiles"] == pytest.approx(quantiles)
    assert scores["headline"] == "J"
    printed = capsys.readouterr().out
    assert "70 %" in printed
    assert f"J {(np.mean(j) + 1) / 2:.3f} (masktrack_davis2016: mean over 2 sequences" in printed


def test_attributes(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", frames=FRAMES)
    results = write_results(tmp_path / "results")
    listed = [
        {"name": "alpha", "attributes": ["FM", "OCC"]},
        {"name": "beta", "attributes": ["OCC"]},
    ]
    forms = {"a.yaml": {"sequences": listed}, "b.json": {"alpha": ["FM", "OCC"], "beta": ["OCC"]}}
    for name, content in forms.items():
        path = tmp_path / name
        path.write_text(json.dumps(content) if name.endswith("json") else yaml.safe_dump(content))
        scores = scored(tmp_path, root, results, "davis2017", f"--attributes={path}")
        alpha = (LATE_J + 1) / 2
        tags = {tag: each["J"]["mean"] for tag, each in scores["per_attribute"].items()}
        # a mean over sequences, though beta has more objects
        assert tags == pytest.approx({"FM": alpha, "OCC": (alpha + 1) / 2})
    assert "attribute" in capsys.readouterr().out
    path.write_text('{"alpha": ["FM"]}')
    error = refusal(capsys, root, results, f"--attributes={path}")
    assert f"{path}: has no tags of beta; add them" in error
    path.write_text("- alpha")
    error = refusal(capsys, root, results, f"--attributes={path}")
    assert "must map each sequence to its list of tags" in error


def test_official_decay_is_asked_for(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", year="2016", frames=FRAMES)
    command = ["evaluate", "--dataset=davis2016", f"--root={root}", "--baseline=nearest_annotation"]
    assert cli.main([*command, "--official-decay"]) == 0
    assert "decay wraps at 256 frames" in capsys.readouterr().out
    assert cli.main(command) == 0
    assert "wraps" not in capsys.readouterr().out


def test_stability(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", frames=FRAMES)
    results = write_results(tmp_path / "results")
    still = scored(tmp_path, root, results, "davis2017", "--stability")
    assert still["per_object"]["beta_1"]["T"] == pytest.approx(0, abs=1e-9)  # a moved square
    assert "instability of the contour" in capsys.readouterr().out
    for t in (1, 3):  # every other mask has a bite taken out
        path = results / "beta" / f"{t:05d}.png"
        label_map = read_mask(path)
        label_map[8:, :][label_map[8:, :] == 1] = 0
        write_mask(path, label_map)
    shaky = scored(tmp_path, root, results, "davis2017", "--stability")
    assert shaky["per_object"]["beta_1"]["T"] > 0.05
    means = [each["T"] for each in shaky["per_object"].values()]
    assert shaky["global"]["T"] == pytest.approx(np.mean(means))


def test_a_missing_mask_is_unstable(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "davis", year="2016", frames=8)
    results = tmp_path / "results"
    for sequence in ("alpha", "beta"):
        for t in range(8):
            mask = fake_label_map(t, (1,))
            mask[8:] *= t % 2 == 0  # every other mask is cut
            write_mask(results / sequence / f"{t:05d}.png", mask)
    whole = scored(tmp_path, root, results, "davis2016", "--stability")["global"]["T"]
    assert whole > 0.05
    (results / "alpha" / "00003.png").unlink()
    options = ("--stability", "--allow-missing")
    # masks on both sides of a gap are not compared; they are equal here
    gap = scored(tmp_path, root, results, "davis2016", *options)["per_object"]["alpha_1"]["T"]
    assert gap == pytest.approx(whole, rel=0.2)


def test_no_stability_of_proposals(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", task="unsupervised", frames=FRAMES)
    results = write_results(tmp_path / "results")
    error = refusal(capsys, root, results, "--stability", dataset="davis2017_unsupervised")
    assert "--stability does not go with 'davis2017_unsupervised'" in error


def test_stability_is_of_the_frames_that_count(tmp_path: Path) -> None:
    """Of DAVIS 2016: all but the first and the last, with truth or not."""
    root, results = make_davis(tmp_path / "davis", year="2016", frames=FRAMES), tmp_path / "results"
    (root / "Annotations" / "480p" / "alpha" / "00003.png").unlink()
    options = ("--stability", "--sequences=alpha", "--allow-perfect")

    def stability(bitten: int) -> float:
        for t in range(FRAMES):
            label_map = fake_label_map(t, (1,))
            if t == bitten:
                label_map[8:] = 0
            write_mask(results / "alpha" / f"{t:05d}.png", label_map)
        scores = scored(tmp_path, root, results, "davis2016", *options)
        return scores["per_object"]["alpha_1"]["T"]

    assert [stability(t) for t in (0, FRAMES - 1)] == pytest.approx([0, 0], abs=1e-9)
    assert stability(3) > 0.05


def test_baselines_of_the_truth(tmp_path: Path, capsys: Capture) -> None:
    root = make_davis(tmp_path / "davis", frames=FRAMES)
    command = ["evaluate", "--dataset=davis2017", f"--root={root}"]
    assert cli.main([*command, "--baseline=box_oracle"]) == 0  # squares are their own boxes
    assert "J&F 1.000" in capsys.readouterr().out
    out = tmp_path / "scores.json"
    nearest = [*command, "--baseline=nearest_annotation", f"--out={out}"]
    assert cli.main([*nearest, "--annotate-every=2"]) == 0
    j = json.loads(out.read_text())["per_object"]["alpha_1"]["J_frames"]
    assert j == pytest.approx([LATE_J, 1, LATE_J, 1])
    assert cli.main(nearest) == 0
    j = json.loads(out.read_text())["per_object"]["alpha_1"]["J_frames"]
    assert j == pytest.approx([(12 - 2 * k) / (12 + 2 * k) for k in (1, 2, 3, 4)])
