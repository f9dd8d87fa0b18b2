"""The way from one target to another: heard as one gliding sound, judged step by step, drawn.

    clips × positions 0 … 1 ─▶ conversion at the weights (1 − p, p) ─▶ judge ─▶ P(to | from or to) at p
    one clip ─▶ the live chain, its target weights moved from one end to the other while it plays ─▶ glide.wav

A path is good when the judge's probability of the target rises with the position: `rank` is Spearman's correlation of
the mean curve with the position (1: monotone), `largest_fall` how far the curve ever steps back. Any package with two
targets has such a path; a VAE also mixes two recordings (`Mixer`), on the line between their encodings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.convert import convert_signal
from realtime.errors import ConfigError
from realtime.package import Package
from realtime.resample import resample_signal
from trainer import metrics
from trainer.evaluate import Clip
from trainer.judge import SAMPLE_RATE, Judge, class_of

Audio = NDArray[np.float32]
DRAWN_SECONDS = 10.0


class Mixer(Protocol):
    """A system that mixes two recordings in a latent space (trainer.models.vae)."""

    def mixed(self, first: Audio, second: Audio, origins: tuple[str, str], position: float) -> Audio:
        """(samples,) at the judge's rate, 0: the first, 1: the second."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """What the judge heard on the way; one row of `shares` for each clip, one column for each position."""

    start: str
    end: str
    positions: tuple[float, ...]
    clips: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    """P(end) / (P(start) + P(end)) by the judge."""

    @property
    def mean(self) -> Audio:
        """Over clips, (positions,)."""
        mean: Audio = np.mean(np.array(self.shares, np.float32), axis=0)
        return mean

    @property
    def rank(self) -> float:
        """Spearman's correlation of the mean curve with the position; 0 where the curve is flat."""
        return rank_correlation(self.positions, self.mean)

    @property
    def largest_fall(self) -> float:
        """How far the mean curve ever goes back in one step; 0: monotone."""
        return max(0.0, -float(np.diff(self.mean).min()))

    @property
    def travelled(self) -> float:
        """How much of the way from 0 to 1 the mean curve makes."""
        return float(self.mean[-1] - self.mean[0])


def rank_correlation(a: Sequence[float], b: Audio) -> float:
    """Spearman's, ties sharing their mean rank; 0 when one of them never changes."""
    ranks = [_ranks(np.asarray(values, np.float64)) for values in (a, b)]
    spread = [rank - rank.mean() for rank in ranks]
    size = float(np.linalg.norm(spread[0]) * np.linalg.norm(spread[1]))
    return float(spread[0] @ spread[1]) / size if size > 0 else 0.0


def positions(points: int) -> tuple[float, ...]:
    """`points` places from 0 to 1, both ends among them. Raises ConfigError for fewer than two."""
    if points < 2:
        raise ConfigError(f"--points is {points}, but a way has two ends: ask for 2 or more.")
    return tuple(float(p) for p in np.linspace(0.0, 1.0, points))


def along_package(
    package: Package,
    clips: Sequence[Clip],
    start: str,
    end: str,
    judge: Judge,
    *,
    points: int = 9,
    heard: Callable[[Clip, float, Audio], None] = lambda *_: None,
) -> Way:
    """Convert every clip at every position between two targets; `heard` gets each conversion, at the clip's rate."""
    weights = _weights(package, start, end)

    def at(clip: Clip, position: float) -> tuple[Audio, int]:
        controls = Controls().with_changes(target=weights(position))
        return convert_signal(clip.signal, clip.sample_rate, package, controls), clip.sample_rate

    return _along(clips, start, end, judge, points, at, heard)


def along_mixture(
    mixer: Mixer,
    pairs: Sequence[tuple[Clip, Clip]],
    judge: Judge,
    *,
    points: int = 9,
    heard: Callable[[Clip, float, Audio], None] = lambda *_: None,
) -> Way:
    """Mix both recordings of every pair (all of one domain to all of another) at every position."""
    found = {first.name: [_at_judge_rate(one) for one in (first, second)] for first, second in pairs}
    origins = (pairs[0][0].domain, pairs[0][1].domain)

    def at(clip: Clip, position: float) -> tuple[Audio, int]:
        first, second = found[clip.name]
        return mixer.mixed(first, second, origins, position), SAMPLE_RATE

    return _along([first for first, _ in pairs], *origins, judge, points, at, heard)


def glide(package: Package, clip: Clip, start: str, end: str) -> Audio:
    """A clip through the live chain, the target weights moved from `start` to `end` as it plays; aligned, its rate."""
    weights, manifest = _weights(package, start, end), package.manifest
    signal = resample_signal(clip.signal[None], clip.sample_rate, manifest.sample_rate)[0]
    chain = Chain(package, Controls().with_changes(target=weights(0.0)), provider="cpu")
    step, late = chain.step_samples, chain.latency_samples
    padded = np.zeros(-(-(signal.size + late) // step) * step, np.float32)
    padded[: signal.size] = signal
    made = np.empty_like(padded)
    for place in range(0, padded.size, step):
        chain.set_controls(Controls().with_changes(target=weights(min(1.0, place / max(1, signal.size)))))
        chain.process(padded[place : place + step], made[place : place + step])
    aligned = made[None, late : late + signal.size]
    glided: Audio = resample_signal(aligned, manifest.sample_rate, clip.sample_rate, clip.signal.size)[0]
    return glided


def glide_mixture(mixer: Mixer, first: Clip, second: Clip, points: int = 9) -> Audio:
    """The mixture of two recordings at the judge's rate, its position moving from 0 to 1: neighbours crossfaded."""
    ends, origins = [_at_judge_rate(one) for one in (first, second)], (first.domain, second.domain)
    made = [mixer.mixed(ends[0], ends[1], origins, position) for position in positions(points)]
    place = np.linspace(0.0, points - 1.0, made[0].size)
    total: Audio = np.zeros(made[0].size, np.float32)
    for number, signal in enumerate(made):
        # Griffin-Lim gives every position phases of its own: neighbours add up by power, not by amplitude.
        total += signal * np.sqrt(np.clip(1.0 - np.abs(place - number), 0.0, 1.0)).astype(np.float32)
    return total


def write(found: Way, glided: Audio, sample_rate: int, folder: Path) -> None:
    """interpolation.json, interpolation.png and glide.wav in `folder`."""
    from realtime.audio_file import write_audio

    folder.mkdir(parents=True, exist_ok=True)
    write_audio(folder / "glide.wav", glided[None], sample_rate, overwrite=True)
    summary: dict[str, Any] = {"rank": found.rank, "largest_fall": found.largest_fall, "travelled": found.travelled}
    table = {**asdict(found), "mean": [float(value) for value in found.mean], **summary}
    (folder / "interpolation.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    _draw(found, glided, sample_rate, folder / "interpolation.png")


def _draw(found: Way, glided: Audio, sample_rate: int, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1)
    level = metrics.log_mel_db(glided[: round(DRAWN_SECONDS * sample_rate)], sample_rate)
    seconds = min(glided.size / sample_rate, DRAWN_SECONDS)
    above.imshow(
        level, origin="lower", aspect="auto", vmin=-metrics.MEL_FLOOR_DB, vmax=0.0, cmap="magma",
        extent=(0.0, seconds, 0.0, float(metrics.MEL_BANDS)),
    )  # fmt: skip
    above.set_title(f"glide.wav: from {found.start} to {found.end}", fontsize="small", loc="left")
    above.set_ylabel("mel band")
    above.set_xlabel("seconds")
    for row in found.shares:
        below.plot(found.positions, row, color="0.75", linewidth=0.8)
    below.plot(found.positions, found.mean, color="C0", linewidth=2.0, marker="o", label="mean")
    below.set_ylim(-0.02, 1.02)
    below.set_xlabel(f"position: 0 {found.start}, 1 {found.end}")
    below.set_ylabel(f"judge: {found.end} against {found.start}")
    below.set_title(f"rank {found.rank:.2f}, largest fall {found.largest_fall:.3f}", fontsize="small", loc="left")
    below.legend(fontsize="small")
    figure.savefig(path, dpi=90)


def _along(
    clips: Sequence[Clip],
    start: str,
    end: str,
    judge: Judge,
    points: int,
    at: Callable[[Clip, float], tuple[Audio, int]],
    heard: Callable[[Clip, float, Audio], None],
) -> Way:
    where = positions(points)
    for name in (start, end):
        if class_of(name) not in judge.classes:
            raise ConfigError(f"The judge does not know {name!r}: it names {', '.join(judge.classes)}.")
    numbers = [judge.classes.index(class_of(name)) for name in (start, end)]
    shares = []
    for clip in clips:
        row = []
        for position in where:
            made, rate = at(clip, position)
            heard(clip, position, made)
            p_start, p_end = judge.probabilities(made, rate)[numbers]
            row.append(float(p_end / max(1e-12, p_start + p_end)))
        shares.append(tuple(row))
    return Way(start, end, where, tuple(clip.name for clip in clips), tuple(shares))


def _weights(package: Package, start: str, end: str) -> Callable[[float], tuple[float, ...]]:
    names = [target.name for target in package.manifest.targets]
    for name in (start, end):
        if name not in names:
            known = ", ".join(names) or "none"
            raise ConfigError(f"{package.name} has no target {name!r}: its targets are {known}.")
    if start == end:
        raise ConfigError(f"The way goes from {start} to {end}, which is no way: name two targets.")

    def weights(position: float) -> tuple[float, ...]:
        return tuple((1.0 - position) * (name == start) + position * (name == end) for name in names)

    return weights


def _at_judge_rate(clip: Clip) -> Audio:
    signal: Audio = resample_signal(clip.signal[None], clip.sample_rate, SAMPLE_RATE)[0]
    return signal


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    below = (values[:, None] > values[None]).sum(1)
    same = (values[:, None] == values[None]).sum(1)
    ranks: NDArray[np.float64] = below + (same - 1) / 2.0
    return ranks
