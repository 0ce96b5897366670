"""Dreams as a dataset."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from augment.lucid import LucidDreamer
from augment.lucid.dataset import LucidDreams
from tests.augment.lucid.scenes import SIZE, frame, scene_of, scene_of_a_disc
from vos_core.errors import ConfigError


def dreams(count: int = 6, seed: int = 0) -> LucidDreams:
    scenes = [scene_of(*frame()), scene_of_a_disc()]
    return LucidDreams(scenes, LucidDreamer(pair=True, flow=True), count, seed)


def test_samples_are_those_of_the_dreamer() -> None:
    sample = dreams()[4]
    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(4,)))
    dream = LucidDreamer(pair=True, flow=True)(scene_of(*frame()), rng)
    assert dream.flow is not None
    assert dream.previous_image is not None
    for name, picture in (("image", dream.image), ("previous_image", dream.previous_image)):
        assert sample[name].shape == (3, *SIZE)
        np.testing.assert_array_equal((sample[name] * 255).round().permute(1, 2, 0), picture)
    np.testing.assert_array_equal(sample["labels"], dream.label_map)
    np.testing.assert_array_equal(sample["previous_labels"], dream.previous_label_map)
    np.testing.assert_array_equal(sample["backward_flow"].permute(1, 2, 0), dream.flow.backward)
    np.testing.assert_array_equal(sample["forward_flow"].permute(1, 2, 0), dream.flow.forward)
    np.testing.assert_array_equal(sample["newly_visible"], dream.flow.newly_visible)
    np.testing.assert_array_equal(sample["disappearing"], dream.flow.disappearing)


def test_what_the_dreamer_does_not_make_is_left_out() -> None:
    plain = LucidDreams([scene_of_a_disc()], LucidDreamer(), 2)
    assert set(plain[0]) == {"image", "labels", "previous_labels"}


def test_a_dream_is_the_same_in_any_order_and_worker() -> None:
    alone = DataLoader(dreams(), batch_size=3)
    shared = DataLoader(dreams(), batch_size=3, num_workers=2)
    for one, other in zip(alone, shared, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            assert torch.equal(one[name], other[name])
    backwards = [dreams()[k]["image"] for k in reversed(range(6))]
    assert torch.equal(torch.stack(backwards[::-1][:3]), next(iter(alone))["image"])
    assert not torch.equal(dreams()[0]["image"], dreams(seed=1)[0]["image"])
    assert not torch.equal(dreams()[0]["image"], dreams()[2]["image"])


def test_the_scenes_take_turns() -> None:
    seen = [set(np.unique(dreams()[k]["labels"])) for k in range(4)]
    assert 200 in seen[0] | seen[2]
    assert 200 not in seen[1] | seen[3]


def test_there_are_so_many_and_no_more() -> None:
    assert len(dreams()) == 6
    for index in (6, -7):
        with pytest.raises(IndexError, match="there are 6 dreams"):
            dreams()[index]
    for index in (5, 0):
        assert torch.equal(dreams()[index - 6]["image"], dreams()[index]["image"])
    with pytest.raises(ConfigError, match="no scene"):
        LucidDreams([], LucidDreamer(), 3)
    with pytest.raises(ConfigError, match="seed -1"):
        dreams(seed=-1)
    with pytest.raises(ConfigError, match="count is -3"):
        dreams(count=-3)
