"""The contract that every registered still-image dataset keeps."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from datasets_vos import StillDataset, open_stills
from tests.fakes.registry import STILL_FAKES, litter
from tests.fakes.stills import IMAGES
from vos_core.errors import ConfigError, CorruptFileError, DatasetError
from vos_core.types import VOID


@pytest.fixture(scope="module", params=sorted(STILL_FAKES))
def dataset(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> StillDataset:
    return STILL_FAKES[request.param](tmp_path_factory.mktemp(request.param)).open_stills()


def test_names_and_access(dataset: StillDataset) -> None:
    assert len(dataset) == len(dataset.names) == len(set(dataset.names)) == IMAGES
    assert [still.name for still in dataset] == list(dataset.names)
    assert [still.name for still in dataset[1:3]] == list(dataset.names[1:3])
    assert dataset[-1] == dataset.still(dataset.names[-1])
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    with pytest.raises(DatasetError, match=f"nearest is {dataset.names[0]!r}"):
        dataset.still(f"{dataset.names[0]}x")


def test_image_contract(dataset: StillDataset) -> None:
    for still in dataset:
        still.check()
        assert still.size == (48, 64)
        image, instances, mask = still.image(), still.instances(), still.mask()
        assert image.shape == (*still.size, 3)
        assert still.image((24, 32)).shape == (24, 32, 3)
        assert instances.shape == mask.shape == still.size
        assert image.dtype == instances.dtype == mask.dtype == np.uint8
        np.testing.assert_array_equal(mask == VOID, instances == VOID)
        np.testing.assert_array_equal(mask == 1, (instances > 0) & (instances != VOID))
        assert set(np.unique(mask)) <= {0, 1, VOID}
        if still.format.single:
            assert instances.max() <= 1
    assert not (dataset[-1].mask() == 1).any()  # the last one shows no object


@pytest.mark.parametrize("name", sorted(STILL_FAKES))
def test_files_of_other_programs_are_passed_over(name: str, tmp_path: Path) -> None:
    fake = STILL_FAKES[name](tmp_path)
    names = fake.open_stills().names
    litter(fake.root)
    stills = fake.open_stills()
    assert stills.names == names
    for still in stills:
        still.check()


def test_an_image_can_be_handed_to_a_worker_process(dataset: StillDataset) -> None:
    copy = pickle.loads(pickle.dumps(dataset[0]))
    np.testing.assert_array_equal(copy.instances(), dataset[0].instances())


@pytest.mark.parametrize("name", sorted(STILL_FAKES))
@pytest.mark.parametrize("which", ["image_path", "mask"])
def test_opening_reads_nothing_and_damage_is_named(name: str, which: str, tmp_path: Path) -> None:
    fake = STILL_FAKES[name](tmp_path)
    first = fake.open_stills()[0]
    path = first.image_path if which == "image_path" else first.mask_paths[0]
    path.write_bytes(path.read_bytes()[:-20])
    still = fake.open_stills()[0]
    with pytest.raises(CorruptFileError, match=path.name):
        still.check()
    path.unlink()
    with pytest.raises(DatasetError, match=path.name):
        still.check()
    with pytest.raises(DatasetError, match=path.name):
        still.image() if which == "image_path" else still.instances()


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="'ecsd'; the nearest is 'ecssd'"):
        open_stills("ecsd", "anywhere")
    with pytest.raises(ConfigError, match="'davis2017' holds videos"):
        open_stills("davis2017", "anywhere")


@pytest.mark.parametrize("name", sorted(STILL_FAKES))
def test_an_empty_folder_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=str(tmp_path)):
        open_stills(name, tmp_path)
    with pytest.raises(DatasetError, match="nowhere"):
        open_stills(name, tmp_path / "nowhere")
