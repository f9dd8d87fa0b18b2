"""The ways to a phase, compared on the same clips in one table: `retimbre phase`.

Every way is given what a conversion has: the input's frames X (complex) and the target's magnitudes M, here the true
ones of an aligned recording, so that what is measured is phase alone. The first and last row are the ends of the scale.

    true phase             the target's own                                     what the frames themselves lose
    input                  ∠X                                                   realtime.phase, streaming
    gradient               integrated from M, no look-ahead                     realtime.phase, streaming
    griffin_lim            100 times from random phases                         realtime.phase, whole files
    magnitude_and_phase    one network's second channel, on M                   trainer.models.phase_networks
      …, its own magnitude     both its channels
    phase_network          a second network, from X and M                       trainer.models.phase_networks
    random                 no phase at all

Measured, means over clips: spectral convergence 20·log ‖|STFT(y)| − M‖ / ‖M‖ (dB) and log-spectral distance (dB, RMS
over bins, 80 dB deep) of the sound y that came out; SI-SDR against the true sound (dB: how much of the waveform is
right); distance of the log-mel spectra, which an ear is nearest to (dB); computing time over duration on one core; and
latency: the frames' own delay n_fft − hop and each way's look-ahead, measured by a change in the future.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from realtime.features import ComplexArray, FloatArray, SpectrumFeatures
from realtime.phase import griffin_lim, streaming_phase
from realtime.spectrum import analyse, synthesise
from trainer.export import load_recipe
from trainer.metrics import log_mel_distance_db
from trainer.pairs import PairedIndex, read_slice
from trainer.recipe import Recipe

LEARNT = ("magnitude_and_phase", "phase_network")
_ITERATIONS = 100
_DEPTH_DB = 80.0
Way = Callable[[ComplexArray, FloatArray, ComplexArray], ComplexArray]
"""The input's frames, the target's magnitudes, the target's frames (for the truth alone) to frames of sound."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way's means over all clips. `lookahead_frames` None: it needs the whole file."""

    way: str
    convergence_db: float
    log_spectral_db: float
    si_sdr_db: float
    log_mel_db: float
    real_time_factor: float
    lookahead_frames: int | None
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class PhaseClip:
    """An aligned passage of both instruments (samples,)."""

    name: str
    heard: FloatArray
    truth: FloatArray


def read_clips(index: PairedIndex, count: int, seconds: float) -> list[PhaseClip]:
    """The beginnings of the first `count` validation passages."""
    samples = round(seconds * index.sample_rate)
    return [
        PhaseClip(pair.id, *(read_slice(path, 0, min(samples, pair.samples)) for path in (pair.origin, pair.target)))
        for pair in index.validation[:count]
    ]


def compare(
    clips: Sequence[PhaseClip],
    features: SpectrumFeatures,
    sample_rate: int,
    learnt: Sequence[Path] = (),
    *,
    on_way: Callable[[str], None] | None = None,
    on_sound: Callable[[str, str, FloatArray], None] | None = None,
) -> list[Row]:
    """All ways on the same clips; `learnt` are run folders of the networks, trained on the same frames.

    `on_way` hears the name of each way before it begins, `on_sound` way, clip and what came out.
    """
    ways: dict[str, Way] = {
        "true phase": lambda _x, _m, y: y,
        "input": lambda x, m, _y: _streamed("input", features, x, m),
        "gradient": lambda x, m, _y: _streamed("gradient", features, x, m),
        "griffin_lim": lambda _x, m, _y: griffin_lim(m, features, _ITERATIONS),
    }
    for folder in learnt:
        recipe = load_recipe(folder)
        ways[recipe.name] = _network(recipe, own=False)
        if cast("Any", recipe).makes_magnitude:
            ways["…, its own magnitude"] = _network(recipe, own=True)
    ways["random"] = _random
    rows = []
    for name, way in ways.items():
        if on_way is not None:
            on_way(name)
        found = [_measured(way, clip, features, sample_rate) for clip in clips]
        if on_sound is not None:
            for clip, (_, sound) in zip(clips, found, strict=True):
                on_sound(name, clip.name, sound)
        ahead = None if name == "griffin_lim" else lookahead_frames(way, features)
        latency = None if ahead is None else 1000 * (features.delay_samples + ahead * features.hop) / sample_rate
        a, b, c, d, e = (float(x) for x in np.mean([numbers for numbers, _ in found], axis=0))
        rows.append(Row(name, a, b, c, d, e, ahead, latency))
    return rows


def si_sdr_db(made: FloatArray, truth: FloatArray) -> float:
    """Scale-invariant signal-to-distortion ratio (dB): of the part of `made` along `truth` to the rest.

    Le Roux, Wisdom, Erdogan, Hershey: SDR, half-baked or well done?, ICASSP 2019.
    """
    a, b = made.astype(np.float64), truth.astype(np.float64)
    part = b * (a @ b / max(float(b @ b), 1e-12))
    rest = a - part
    return float(10 * np.log10(max(float(part @ part), 1e-12) / max(float(rest @ rest), 1e-12)))


def lookahead_frames(way: Way, features: SpectrumFeatures, frames: int = 48) -> int:
    """How many frames before a change of the input the output changes: 0 for a way that knows no future."""
    random = np.random.default_rng(0)
    shape = (2, features.full_bins, frames)
    given = (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(np.complex64)
    at = 2 * frames // 3
    other = given.copy()
    other[..., at:] *= np.complex64(0.5j)
    one, two = (way(x, np.abs(y).astype(np.float32), y).copy() for x, y in (given, other))
    changed = np.flatnonzero(np.abs(one - two).max(0) > 1e-4)
    return max(0, at - int(changed[0])) if changed.size else 0


def _measured(
    way: Way, clip: PhaseClip, features: SpectrumFeatures, sample_rate: int
) -> tuple[tuple[float, ...], FloatArray]:
    heard, truth = (analyse(signal, features, flush=True) for signal in (clip.heard, clip.truth))
    wanted = np.abs(truth).astype(np.float32)
    began = time.perf_counter()
    frames = way(heard, wanted, truth)
    spent = time.perf_counter() - began
    sound = synthesise(frames, features, aligned=True, samples=clip.truth.size)
    seen = np.abs(analyse(sound, features, flush=True)).astype(np.float32)
    error = float(np.linalg.norm(seen - wanted) / max(float(np.linalg.norm(wanted)), 1e-9))
    numbers = (
        20 * np.log10(max(error, 1e-9)),
        log_spectral_distance_db(seen, wanted),
        si_sdr_db(sound, clip.truth),
        log_mel_distance_db(sound, clip.truth, sample_rate),
        spent * sample_rate / clip.truth.size,
    )
    return numbers, sound


def log_spectral_distance_db(seen: FloatArray, wanted: FloatArray) -> float:
    """Mean over frames of the RMS over bins of the levels' difference, down to 80 dB below the loudest wanted."""
    floor = float(wanted.max()) * 10 ** (-_DEPTH_DB / 20) + 1e-12
    levels = [20 * np.log10(np.maximum(x, floor)) for x in (seen, wanted)]
    return float(np.sqrt(np.square(levels[0] - levels[1]).mean(axis=0)).mean())


def _streamed(method: Any, features: SpectrumFeatures, heard: ComplexArray, wanted: FloatArray) -> ComplexArray:
    phases = streaming_phase(method, features)
    frames = zip(np.ascontiguousarray(wanted.T), np.ascontiguousarray(heard.T), strict=True)
    return np.stack([phases.apply(m, x).copy() for m, x in frames], 1)


def _network(recipe: Recipe, *, own: bool) -> Way:
    for network in recipe.networks().values():
        network.eval()

    def way(heard: ComplexArray, wanted: FloatArray, _truth: ComplexArray) -> ComplexArray:
        x, m = (torch.from_numpy(np.ascontiguousarray(a))[None].to(recipe.device) for a in (heard, wanted))
        with torch.no_grad():
            phase, size = cast("Any", recipe).estimate(x, m)
        made: npt.NDArray[np.complex64] = (phase * (size if own else m))[0].cpu().numpy()
        return made

    return way


def _random(_heard: ComplexArray, wanted: FloatArray, _truth: ComplexArray) -> ComplexArray:
    turns = np.random.default_rng(1).random(wanted.shape)
    made: ComplexArray = (wanted * np.exp(2j * np.pi * turns)).astype(np.complex64)
    return made
