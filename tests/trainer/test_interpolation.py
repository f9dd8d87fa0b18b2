from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.audio_file import read_audio
from realtime.errors import ConfigError
from realtime.package import Package
from tests.realtime.small_packages import RATE, blend_package, noise
from trainer.evaluate import Clip
from trainer.interpolation import Way, along_mixture, along_package, glide, glide_mixture, rank_correlation, write
from trainer.judge import SAMPLE_RATE, Judge

Audio = NDArray[np.float32]


class SignJudge:
    """Hears "minus" the more, the more negative a sound that was positive is."""

    classes = ("plus", "minus", "nothing")

    def probabilities(self, signal: Audio, sample_rate: int) -> NDArray[np.float64]:
        """Of "nothing" always a fifth."""
        share = float(np.clip(0.5 - 0.5 * signal.mean(), 0.0, 1.0))
        return np.array([0.8 * (1 - share), 0.8 * share, 0.2])


class Adder:
    """Mixes two sounds by adding them."""

    def mixed(self, first: Audio, second: Audio, origins: tuple[str, str], position: float) -> Audio:
        """Their weighted sum."""
        assert origins == ("plus", "minus")
        return ((1 - position) * first + position * second).astype(np.float32)


JUDGE = cast("Judge", SignJudge())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Two targets, y = x · (w0 − w1)."""
    return blend_package(tmp_path_factory.mktemp("packages"))


def test_rank_correlation_is_spearmans() -> None:
    """1 for any rising curve, -1 for a falling one, 0 for a flat one; ties share their rank."""
    place = (0.0, 0.5, 1.0)
    assert rank_correlation(place, np.array([0.1, 0.11, 0.9], np.float32)) == pytest.approx(1.0)
    assert rank_correlation(place, np.array([3.0, 2.0, 1.0], np.float32)) == pytest.approx(-1.0)
    assert rank_correlation(place, np.zeros(3, np.float32)) == 0.0
    assert rank_correlation(place, np.array([0.0, 1.0, 1.0], np.float32)) == pytest.approx(0.866, abs=1e-3)


def test_a_way_knows_whether_it_rises() -> None:
    """A curve that steps back says by how much; the mean over clips decides."""
    shares = ((0.0, 0.6, 0.4, 1.0), (0.2, 0.6, 0.6, 1.0))
    way = Way("a", "b", (0.0, 0.3, 0.6, 1.0), ("x", "y"), shares)
    assert way.largest_fall == pytest.approx(0.1)
    assert way.rank < 1.0
    assert way.travelled == pytest.approx(0.9)


def test_every_clip_is_judged_at_every_position(package: Package) -> None:
    """Between two targets the judge hears the package's own blend; the curve rises from one end to the other."""
    clips = [Clip(f"{n}", "plus", 0.9 + 0.1 * noise(4800, seed=n), RATE) for n in (1, 2)]
    heard: list[tuple[str, float]] = []
    way = along_package(
        package, clips, "plus", "minus", JUDGE, points=5, heard=lambda clip, p, _made: heard.append((clip.name, p))
    )
    assert len(heard) == 10 and heard[0] == ("1", 0.0)
    assert way.largest_fall == 0.0 and way.mean[0] < 0.1 and way.mean[-1] > 0.9


def test_the_glide_moves_the_live_blend_from_end_to_end(package: Package) -> None:
    """At the time t of a sound of length T the glide is at the position t / T, on the input to the sample."""
    clip = Clip("one", "plus", np.ones(RATE, np.float32), RATE)
    made = glide(package, clip, "plus", "minus")
    expected = 1.0 - 2.0 * np.arange(RATE) / RATE
    assert made.shape == (RATE,)
    assert np.abs(made - expected)[1000:-1000].max() < 0.05  # a blend walks in 20 ms, 0.04 of this way


def test_two_recordings_are_mixed_at_the_judges_rate(tmp_path: Path) -> None:
    """A mixer's way rises from the first recording to the second, and is written as sound, picture and numbers."""
    first = Clip("one", "plus", np.ones(RATE // 2, np.float32), RATE)
    second = Clip("two", "minus", -np.ones(RATE // 2, np.float32), RATE)
    way = along_mixture(Adder(), [(first, second)], JUDGE, points=3)
    assert (way.start, way.end) == ("plus", "minus")
    assert way.rank == pytest.approx(1.0)
    glided = glide_mixture(Adder(), first, second, points=3)
    assert glided.size == SAMPLE_RATE // 2
    assert glided[100] > 0.9 and glided[-100] < -0.9 and abs(glided[glided.size // 2]) < 0.1
    write(way, glided, SAMPLE_RATE, tmp_path)
    table = json.loads((tmp_path / "interpolation.json").read_text(encoding="utf-8"))
    assert table["rank"] == way.rank and len(table["mean"]) == 3
    assert read_audio(tmp_path / "glide.wav").seconds == pytest.approx(0.5)
    assert (tmp_path / "interpolation.png").stat().st_size > 1000


def test_a_way_that_is_none_is_refused(package: Package) -> None:
    """Unknown targets, one target twice, one point, and a judge that knows neither have their sentences."""
    clip = Clip("one", "plus", noise(4800), RATE)
    for start, end, sentence in (("plus", "violin", "has no target 'violin'"), ("plus", "plus", "name two targets")):
        with pytest.raises(ConfigError, match=sentence):
            along_package(package, [clip], start, end, JUDGE)
    with pytest.raises(ConfigError, match="a way has two ends"):
        along_package(package, [clip], "plus", "minus", JUDGE, points=1)
    with pytest.raises(ConfigError, match="does not know 'plus'"):
        along_package(package, [clip], "plus", "minus", Judge())
