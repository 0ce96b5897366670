"""Flow on disk: what is read again, what is computed again, and what it may differ by."""

import errno
import json
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from tests.vos_core.moving_texture import texture
from vos_core.errors import ConfigError, CorruptFileError
from vos_core.flow import FlowEstimator, build_flow, cache_flow
from vos_core.flow.cache import STEP, decode, encode, read_field
from vos_core.propagation import MaskPropagator
from vos_core.types import Annotation, FloatArray, Image, LabelMap

SIZE = (96, 128)


class Counting:
    """An estimator that counts what it is asked."""

    def __init__(self, name: str = "dis_fast") -> None:
        self._estimator = build_flow(name)
        self.description = self._estimator.description
        self.asked = 0

    def __call__(self, source: Image, target: Image) -> FloatArray:
        self.asked += 1
        return self._estimator(source, target)


class TextureClip:
    """A texture that moves by (2, 1) px a frame."""

    def __init__(self, name: str = "sea", length: int = 4, start: int = 0) -> None:
        self.name = name
        self.size = SIZE
        self.frame_names = [f"{i:05d}" for i in range(length)]
        self.annotations: Sequence[Annotation] = ()
        self._start = start

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Image]:
        return (self.frame(i, size) for i in range(len(self.frame_names)))

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        t = int(which) + self._start
        return texture((2 * t, t), size or SIZE)

    def ground_truth(self, index: int) -> LabelMap | None:
        return None


def run(
    flow: FlowEstimator, clip: TextureClip, size: tuple[int, int] | None = None
) -> list[FloatArray]:
    frames = list(clip.frames(size))
    return [flow(now, before) for before, now in pairwise(frames)]


def stored(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class TestHits:
    def test_each_pair_is_estimated_once(self, tmp_path: Path) -> None:
        clip, estimator = TextureClip(), Counting()
        first = run(cache_flow(estimator, tmp_path, clip), clip)
        assert estimator.asked == 3
        again = Counting()
        second = run(cache_flow(again, tmp_path, clip), clip)
        assert again.asked == 0
        for one, two in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, two)
        exact = run(build_flow(), clip)
        assert all(np.abs(a - b).max() <= STEP / 2 for a, b in zip(exact, second, strict=True))

    def test_both_directions_are_kept_apart(self, tmp_path: Path) -> None:
        clip, estimator = TextureClip(), Counting()
        flow = cache_flow(estimator, tmp_path, clip)
        one, two = clip.frame(0), clip.frame(1)
        there, back = flow(one, two), flow(two, one)
        assert np.median(there[..., 0]) == pytest.approx(2, abs=0.1)
        assert np.median(back[..., 0]) == pytest.approx(-2, abs=0.1)
        flow(one, two)
        assert estimator.asked == 2

    def test_the_folder_says_what_it_holds(self, tmp_path: Path) -> None:
        clip = TextureClip()
        run(cache_flow(Counting(), tmp_path, clip), clip)
        assert stored(tmp_path) == ["sea"]
        *fields, fingerprint = sorted(stored(tmp_path / "sea"), key=lambda x: x.endswith("json"))
        assert fingerprint == "fingerprint.json"
        told = json.loads((tmp_path / "sea" / fingerprint).read_text())
        assert told["estimator"].startswith("DIS fast, OpenCV")
        assert told["size"] == "128x96"
        assert told["frames"].startswith("4 of sea, ")
        assert len(fields) == 3
        for name in fields:
            with np.load(tmp_path / "sea" / name) as field:
                assert field["flow"].shape == (*SIZE, 2)
                assert field["flow"].dtype == np.int16
            assert (tmp_path / "sea" / name).stat().st_size < 4 * 96 * 128 + 1000

    def test_without_a_folder_nothing_is_kept(self) -> None:
        estimator = Counting()
        assert cache_flow(estimator, None, TextureClip()) is estimator

    def test_it_describes_itself_as_what_it_keeps(self, tmp_path: Path) -> None:
        flow = cache_flow(Counting(), tmp_path, TextureClip())
        assert flow.description == Counting().description

    def test_frames_may_be_views(self, tmp_path: Path) -> None:
        estimator = Counting()
        flow = cache_flow(estimator, tmp_path, TextureClip())
        one, two = texture(), texture((2, 1))
        whole = flow(one, two)
        wide = [np.concatenate([each, each], axis=1) for each in (one, two)]
        np.testing.assert_array_equal(flow(wide[0][:, :128], wide[1][:, :128]), whole)
        assert estimator.asked == 1

    def test_masks_are_the_same_with_and_without_hits(self, tmp_path: Path) -> None:
        clip = TextureClip()
        runs, asked = [], []
        for _ in range(2):
            estimator = Counting()
            propagator = MaskPropagator(
                Echo(), flow=cache_flow(estimator, tmp_path, clip), precision="float32"
            )
            frames = [torch.from_numpy(each).permute(2, 0, 1) / 255 for each in clip.frames()]
            labels = torch.zeros(SIZE, dtype=torch.uint8)
            labels[30:60, 40:80] = 3
            propagator.start(frames[0], labels)
            runs.append(torch.stack([propagator.step(each) for each in frames[1:]]))
            asked.append(estimator.asked)
        # there and back
        assert asked == [6, 0]
        assert torch.equal(*runs)


class Echo(nn.Module):
    """Answers with the guide mask."""

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        return 20 * previous_mask - 10


class TestRebuilt:
    def check(
        self,
        folder: Path,
        answer: str,
        clip: TextureClip,
        estimator: Counting,
        size: tuple[int, int] | None = None,
    ) -> None:
        """All is estimated again after one warning, and what was there is gone."""
        with pytest.warns(UserWarning, match=answer) as said:
            flow = cache_flow(estimator, folder, clip, size)
        assert len(said) == 1
        assert not list((folder / clip.name).glob("*.flow.npz"))
        fields = run(flow, clip, size)
        assert estimator.asked == len(fields)
        cache_flow(estimator, folder, clip, size)  # in silence
        run(flow, clip, size)
        assert estimator.asked == len(fields)

    def use(self, folder: Path, *clips: TextureClip) -> None:
        for clip in clips:
            cache_flow(Counting("dis_medium"), folder, clip)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        clip = TextureClip()
        run(cache_flow(Counting(), tmp_path, clip), clip)
        return tmp_path

    def test_for_another_estimator(self, folder: Path) -> None:
        answer = r"\(estimator DIS fast, \S+ \S+ instead of DIS medium, \S+ \S+\); it is estimated"
        self.check(folder, answer, TextureClip(), Counting("dis_medium"))

    def test_for_another_size(self, folder: Path) -> None:
        answer = r"origin \(size 128x96 instead of 96x72\)"
        self.check(folder, answer, TextureClip(), Counting(), (72, 96))

    def test_for_other_frames(self, folder: Path) -> None:
        answer = r"sea: the flow kept there .*\(frames 4 of sea, \w+ instead of 4 of sea, \w+\)"
        self.check(folder, answer, TextureClip(start=5), Counting())

    def test_for_another_length(self, folder: Path) -> None:
        self.check(folder, "frames 4 of sea, .* instead of 6", TextureClip(length=6), Counting())

    def test_for_an_unreadable_fingerprint(self, folder: Path) -> None:
        (folder / "sea" / "fingerprint.json").write_text("{")
        self.check(folder, "estimator unknown instead of DIS fast", TextureClip(), Counting())

    def test_later_frames_that_changed_are_estimated_again(self, folder: Path) -> None:
        """The fingerprint sees the first frame; each field is found by the pixels of its own."""
        clip, estimator = TextureClip(), Counting()
        flow = cache_flow(estimator, folder, clip)
        for changed in (0, 1):
            pair = [clip.frame(2), clip.frame(1)]
            pair[changed][40, 50, 1] ^= 1
            flow(*pair)
            assert estimator.asked == changed + 1

    def test_other_clips_and_files_of_the_user_stay(self, folder: Path) -> None:
        (folder / "sea" / "notes.npz").write_bytes(b"mine")
        other = TextureClip("lake")
        run(cache_flow(Counting(), folder, other), other)
        self.check(folder, "estimator", TextureClip(), Counting("dis_medium"))
        assert "notes.npz" in stored(folder / "sea")
        again = Counting()
        run(cache_flow(again, folder, other), other)
        assert again.asked == 0

    def test_a_change_for_all_clips_is_said_in_the_same_words(self, folder: Path) -> None:
        """So that Python shows it once."""
        lake = TextureClip("lake")
        run(cache_flow(Counting(), folder, lake), lake)
        with pytest.warns(UserWarning, match="instead of") as said:
            self.use(folder, TextureClip(), lake)
        assert len({str(each.message) for each in said}) == 1


class TestDamage:
    @pytest.fixture
    def field(self, tmp_path: Path) -> Path:
        clip = TextureClip(length=2)
        run(cache_flow(Counting(), tmp_path, clip), clip)
        (path,) = (tmp_path / "sea").glob("*.npz")
        return path

    @pytest.mark.parametrize("content", ["half", "empty", "text", "flipped", "smaller"])
    def test_is_noticed_and_repaired(self, content: str, field: Path) -> None:
        whole = field.read_bytes()
        if content == "smaller":
            with field.open("wb") as file:
                np.savez(file, flow=np.zeros((9, 9, 2), np.int16), step=np.float32(STEP))
        else:
            flipped = bytearray(whole)
            flipped[len(whole) // 2] ^= 4
            field.write_bytes(
                {"half": whole[: len(whole) // 2], "empty": b"", "text": b"?", "flipped": flipped}[
                    content
                ]
            )
        clip, estimator = TextureClip(length=2), Counting()
        flow = cache_flow(estimator, field.parents[1], clip)
        with pytest.warns(UserWarning, match=rf"{field.name}: is .*\. The flow is estimated again"):
            run(flow, clip)
        assert estimator.asked == 1
        assert field.read_bytes() == whole
        run(flow, clip)
        assert estimator.asked == 1

    def test_no_bit_can_flip_unnoticed(self, tmp_path: Path) -> None:
        path = tmp_path / "small.flow.npz"
        values = np.random.default_rng(0).integers(-999, 999, (4, 5, 2)).astype(np.int16)
        np.savez(path, flow=values, step=np.float32(STEP))
        whole = path.read_bytes()
        noticed = 0
        for place in range(len(whole)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << place % 8
            path.write_bytes(damaged)
            try:
                found, step = read_field(path, (4, 5))
            except CorruptFileError:
                noticed += 1
            else:  # dates and the like
                np.testing.assert_array_equal(found, values)
                assert step == STEP
        assert noticed > len(whole) / 2


class TestWriting:
    @pytest.fixture
    def flow(self, tmp_path: Path) -> FlowEstimator:
        return cache_flow(Counting(), tmp_path, TextureClip())

    def test_an_interruption_leaves_nothing_half(
        self, flow: FlowEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(file: object, **arrays: object) -> None:
            file.write(b"PK half of it")
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(np, "savez", interrupted)
            with pytest.raises(KeyboardInterrupt):
                flow(texture(), texture((2, 1)))
        assert stored(tmp_path / "sea") == ["fingerprint.json"]
        flow(texture(), texture((2, 1)))
        assert len(stored(tmp_path / "sea")) == 2

    def test_a_full_disk_is_said_once_and_does_not_end_the_work(
        self, flow: FlowEstimator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(file: object, **arrays: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.warns(UserWarning, match=r"cannot be kept there \(No space left") as said:
            fields = run(flow, TextureClip())
        assert len(said) == 1
        assert np.median(fields[0][..., 0]) == pytest.approx(-2, abs=0.1)
        assert stored(tmp_path / "sea") == ["fingerprint.json"]

    def test_an_unusable_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=r"file/sea: flow cannot be kept there \(Not a dir"):
            cache_flow(Counting(), tmp_path / "file", TextureClip())

    def test_many_may_share_a_folder(self, tmp_path: Path) -> None:
        clip = TextureClip(length=6)

        def work(_: int) -> list[FloatArray]:
            return run(cache_flow(Counting(), tmp_path, clip), clip)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(work, range(16)))
        for answer in answers[1:]:
            np.testing.assert_array_equal(answer, answers[0])
        assert len(stored(tmp_path / "sea")) == 6


class TestFormat:
    @given(
        hnp.arrays(
            np.float32,
            st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(2)),
            elements=st.floats(-511, 511, width=32),
        )
    )
    def test_the_error_is_half_a_step(self, flow: FloatArray) -> None:
        values, step = encode(flow)
        assert values.dtype == np.int16
        assert step == STEP
        decoded = decode((values, step))
        assert decoded.dtype == np.float32
        assert np.abs(decoded.astype(np.float64) - flow).max() <= STEP / 2

    @given(st.floats(512, 1e6, width=32), st.sampled_from([-1, 1]))
    def test_longer_motion_takes_coarser_steps(self, length: float, sign: int) -> None:
        flow = np.array([[[sign * length, 0.3]]], np.float32)
        values, step = encode(flow)
        assert length / step <= 32767 < 2 * length / step + 2
        assert np.abs(decode((values, step)).astype(np.float64) - flow).max() <= step / 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_kept(value: float, tmp_path: Path) -> None:
    """It is for whoever moves masks to fall back and tell, as without a cache."""

    class Broken(Counting):
        def __call__(self, source: Image, target: Image) -> FloatArray:
            flow = super().__call__(source, target)
            flow[3, 4] = value
            return flow

    clip, estimator = TextureClip(), Broken()
    flow = cache_flow(estimator, tmp_path, clip)
    empty = stored(tmp_path / "sea")
    for asked in (1, 2):
        found = flow(clip.frame(0), clip.frame(1))
        np.testing.assert_array_equal(found[3, 4], [value, value])
        assert np.isfinite(found).sum() == found.size - 2
        assert estimator.asked == asked
    assert stored(tmp_path / "sea") == empty
