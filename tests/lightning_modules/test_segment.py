"""``segment`` on one's own video, through the real command line."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import yaml

from cli import main
from datasets_vos.masks import read_mask, write_mask
from tests.fakes import fake_label_map, make_frames, make_video
from tests.lightning_modules.small_runs import SMALL, small


@pytest.mark.parametrize("kind", ["folder", "mp4"])
def test_segment_own_video(kind: str, tmp_path: Path) -> None:
    if kind == "folder":
        video = make_frames(tmp_path / "clip", 5)
    else:
        video = make_video(tmp_path / "clip.mp4", 5)
    write_mask(tmp_path / "first.png", fake_label_map(0))
    out = tmp_path / "out"
    args = ["segment", "--config=lucid.yaml", f"--video={video}", f"--mask={tmp_path}/first.png"]
    assert main([*args, f"--out={out}", *SMALL, *small()]) == 0
    masks = sorted((out / "masks" / "clip").glob("*.png"))
    assert len(masks) == 5
    assert (out / "overlays" / "clip.mp4").stat().st_size > 0
    np.testing.assert_array_equal(read_mask(masks[0]), fake_label_map(0))


def test_segment_joins_configs_and_writes_into_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_frames(tmp_path / "clip", 2)
    write_mask(tmp_path / "first.png", fake_label_map(0))
    for key, value in (("dilation", 1), ("coherence", 3)):
        content = f"model: {{init_args: {{{key}: {value}}}}}"
        (tmp_path / f"{key}.yaml").write_text(content)
    configs = [f"--config={tmp_path}/{name}.yaml" for name in ("dilation", "coherence")]
    command = ["segment", "--config=lucid.yaml", *configs, f"--video={video}"]
    command += [f"--mask={tmp_path}/first.png", *SMALL, f"--out={tmp_path}/out"]
    assert main(command) == 0
    used = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["model"]["init_args"]
    assert (used["dilation"], used["coherence"]) == (1, 3)
    assert main([*command[:-1], f"--out={tmp_path}/first.png"]) == 2
    assert "first.png: is a file; give a folder" in capsys.readouterr().err


def test_segment_takes_the_options_of_predict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_frames(tmp_path / "clip", 2)
    write_mask(tmp_path / "first.png", fake_label_map(0))
    own = [f"--video={video}", "--mask", f"{tmp_path}/first.png", "--out", f"{tmp_path}/out"]
    command = ["segment", "--seed_everything", "3", *own[:1], "--model.adapt_iterations", "7"]
    with pytest.raises(SystemExit):
        main([*command, *own[1:], "--data.size", "[48,64]", "--print_config"])
    used = yaml.safe_load(capsys.readouterr().out)
    assert used["seed_everything"] == 3
    assert used["model"]["init_args"]["adapt_iterations"] == 7
    assert used["data"]["init_args"]["size"] == [48, 64]
    assert used["data"]["init_args"]["root"] == str(video)
    assert used["trainer"]["default_root_dir"] == f"{tmp_path}/out"


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (["--vidoe", "clip"], "segment has no option '--vidoe'. Did you mean '--video'?"),
        (["--vidoe=clip"], "segment has no option '--vidoe'. Did you mean '--video'?"),
        (["--seed_everything", "3"], "the following arguments are required: --video"),
        (["--video"], "argument --video: expected one argument"),
        (["--video", "clip", "--ckpt_pth", "x"], "Did you mean 'ckpt_path'?"),
        (["--video", "clip", "--seed_evrything", "3"], "Did you mean 'seed_everything'?"),
    ],
)
def test_segment_answers_mistakes_in_one_sentence(
    mistake: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_frames(tmp_path / "clip", 2)
    write_mask(tmp_path / "first.png", fake_label_map(0))
    given = [part.replace("clip", f"{tmp_path}/clip") for part in mistake]
    status: object
    try:
        status = main(["segment", f"--mask={tmp_path}/first.png", f"--out={tmp_path}/out", *given])
    except SystemExit as stop:
        status = stop.code
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert told.startswith("error: ")
    assert said in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_unreadable_video_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    PIL.Image.fromarray(fake_label_map(0) * 100).save(tmp_path / "first.png")
    args = [f"--video={tmp_path}/clip.mp4", f"--mask={tmp_path}/first.png"]
    assert main(["segment", *args, f"--out={tmp_path / 'out'}"]) == 2
    assert "clip.mp4" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
