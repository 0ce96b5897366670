"""What a task makes of a propagated clip: kept flow, dense CRF."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datasets_vos import open_dataset
from tests.lightning_modules.task_fakes import job_of, masktrack, small_task
from vos_core.errors import ConfigError
from vos_core.postprocess import CRF_PRESETS, DenseCRF
from vos_core.types import ClipJob


def test_flow_is_kept_per_clip_where_the_config_says_so(davis_root: Path, tmp_path: Path) -> None:
    job = job_of(davis_root)
    task = masktrack(flow="dis_fast", flow_network="adapted", flow_cache=str(tmp_path))
    list(task._propagate(task.network, job))
    # of each pair of frames both ways
    kept = list((tmp_path / "cat").glob("*.flow.npz"))
    assert len(kept) == 2 * (len(job.clip.frame_names) - 1)


@pytest.mark.parametrize("kind", ["lucid", "masktrack"])
def test_a_crf_is_what_the_config_says(kind: str) -> None:
    assert small_task(kind).crf is None
    assert small_task(kind, crf=True).crf == DenseCRF()
    settings = {"preset": "deeplab", "iterations": 2, "bilateral_sigma_xy": 30}
    changed = small_task(kind, crf=True, crf_settings=settings)
    assert changed.crf == replace(CRF_PRESETS["deeplab"], iterations=2, bilateral_sigma_xy=30)
    assert changed.hparams["crf_settings"] == settings
    with pytest.raises(ConfigError, match="Did you mean 'smooth_sigma'"):
        small_task(kind, crf=True, crf_settings={"smoth_sigma": 3})
    with pytest.raises(ConfigError, match="'torch' or 'pydensecrf'"):
        small_task(kind, crf=True, crf_settings={"backend": "numpy"})
    with pytest.raises(ConfigError, match="smooth_sigma of a CRF is 0"):
        small_task(kind, crf=True, crf_settings={"smooth_sigma": 0})


def test_a_crf_changes_the_answers_without_the_extra(
    davis_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    clip = open_dataset("davis2017", davis_root).clip("cat")
    job = ClipJob(clip, None, None)
    torch.manual_seed(0)
    plain = small_task("lucid")
    sharpened = small_task("lucid", crf=True, crf_settings={"bilateral_weight": 20})
    sharpened.load_state_dict(plain.state_dict())
    before, after = (list(task._propagate(task.network, job)) for task in (plain, sharpened))
    assert len(before) == len(after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
