"""A whole sound through a package: the live chain, step by step, with the latency taken out and the loudness kept.

    signal ─▶ strip ─▶ [plugins] ─▶ resample ─▶ zeros behind ─▶ chain, steps ─▶ drop latency_samples ─▶ resample
                                                         ─▶ match loudness ─▶ [plugins] ─▶ strip ─▶ signal

The steps are those of the live engine, so that with `match_loudness=False, learn_level=False` a file equals a live
recording sample for sample. Each channel starts a chain afresh, and the plugins in front of it; a package that takes
pitch and loudness hears the middle of both, and the result stands on both channels with their balance of levels. Of the
strip the limiter is left out: a file that would clip is turned down as a whole when it is written, which is better.
Runs anywhere but in audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realtime.chain import Chain
from realtime.controls import RANGES, Controls, db_to_gain
from realtime.convert_plugins import through_plugins
from realtime.desk.strip import Strip
from realtime.errors import AudioFileError
from realtime.features import PitchLoudnessFeatures
from realtime.model_io import WholeOutput
from realtime.package import Package
from realtime.phase import PhaseMethod
from realtime.plugins.spec import PluginSpec
from realtime.resample import resample_signal
from realtime.session import Provider

FloatArray = NDArray[np.float32]
Progress = Callable[[float], None]

MOST_MATCH_DB = 24.0
LEVEL_PERCENTILE = 95.0
_SILENCE_DB = -90.0
_CANCELLED = 0.25  # the middle of both channels below this part of their level: they oppose each other
_PROGRESS_S = 0.5


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came out, and what was done to it."""

    signal: FloatArray
    match_gain_db: float
    """Gain that gave the model's sound the loudness of the input."""
    limited_db: float
    """How much less gain that was than asked for, so that nothing clips."""
    player_level_db: float
    """The level taken as the player's forte."""
    faults: int
    """Steps in which the model failed and the input was heard instead."""
    last_fault: str | None


def convert_signal(
    signal: FloatArray,
    sample_rate: int,
    package: Package,
    controls: Controls | None = None,
    *,
    match_loudness: bool = True,
    learn_level: bool = True,
) -> FloatArray:
    """`convert` without its report: the converted signal, shaped, timed and as long as `signal`."""
    return convert(
        signal, sample_rate, package, controls, match_loudness=match_loudness, learn_level=learn_level
    ).signal


def convert(
    signal: FloatArray,
    sample_rate: int,
    package: Package,
    controls: Controls | None = None,
    *,
    match_loudness: bool = True,
    learn_level: bool = True,
    phase: PhaseMethod | None = None,
    provider: Provider = "cpu",
    progress: Progress | None = None,
    before: Sequence[PluginSpec] = (),
    after: Sequence[PluginSpec] = (),
) -> Conversion:
    """`signal` (samples,) or (channels, samples) at `sample_rate` through `package`; same shape and rate out, aligned.

    before, after: plugins around the model, as they stand live; behind those after it there are always two channels.

    match_loudness: give the model's sound the RMS of the input, by at most MOST_MATCH_DB either way and never into
        clipping. learn_level: find the player's forte in the signal itself (the 95th percentile of its loudness),
        instead of `controls.player_level_db`; only packages that take pitch and loudness care.
    phase: "griffin_lim" finds the phase of a spectrum from the whole file, which a stream cannot; None: the package's.
    progress: told the seconds of input done since it was last told.
    Raises `AudioFileError` for an empty signal, other than one or two channels, or values that are not finite, and
    `PluginError` for a plugin that cannot play.
    """
    controls = controls or Controls()
    channels = np.atleast_2d(np.asarray(signal, np.float32))
    check_sound(channels, signal.ndim)
    manifest = package.manifest
    takes_pitch = isinstance(manifest.input, PitchLoudnessFeatures)
    told = _Progress(progress, channels.shape[1] / sample_rate)
    controls = replace(controls, limiter=False)
    channels = _stripped_before(channels, sample_rate, controls)
    if before:
        channels = np.concatenate([through_plugins(row[None], sample_rate, before, 1) for row in channels])
    at_model_rate = resample_signal(channels, sample_rate, manifest.sample_rate)
    fed = _middle(at_model_rate) if takes_pitch and len(channels) == 2 else at_model_rate
    if learn_level and isinstance(manifest.input, PitchLoudnessFeatures):
        gain_db = 0.0 if controls.bypass else controls.input_gain_db
        level = _player_level_db(fed[0] * np.float32(db_to_gain(gain_db)), manifest.sample_rate, manifest.input)
        controls = replace(controls, player_level_db=level)
    # Mixed here, not in the chain, when the wet sound needs a gain or a channel of its own first.
    whole = WholeOutput(manifest) if "griffin_lim" in (phase, manifest.phase) else None
    apart = not controls.bypass and (match_loudness or whole is not None or len(fed) != len(channels))
    asked = replace(controls, mix=1.0, output_gain_db=0.0) if apart else controls
    chain = Chain(package, asked, provider=provider, output=None if controls.bypass else whole)
    wet_rows = [_through(chain, row, told.part(len(fed)), None if controls.bypass else whole) for row in fed]
    made = resample_signal(np.stack(wet_rows), manifest.sample_rate, sample_rate, channels.shape[1])
    match_db = limited_db = 0.0
    if apart:
        dry = channels * np.float32(db_to_gain(controls.input_gain_db))
        made = _balanced(made, channels) if len(made) != len(channels) else made
        if match_loudness:
            match_db, limited_db = match_gain_db(made, dry)
            made = made * np.float32(db_to_gain(match_db))
        mixed = made if controls.mix == 1.0 else controls.mix * made + (1.0 - controls.mix) * dry
        made = mixed * np.float32(db_to_gain(controls.output_gain_db))
    told.finish()
    if after:
        made = through_plugins(made.astype(np.float32), sample_rate, after, 2)
    made = np.ascontiguousarray(made, np.float32)
    _strip(sample_rate, controls).after(made)
    result = made[0] if signal.ndim == 1 and not after else made
    return Conversion(
        result,
        match_db,
        limited_db,
        controls.player_level_db,
        chain.faults,
        chain.last_fault,
    )


def _strip(sample_rate: int, controls: Controls) -> Strip:
    strip = Strip(sample_rate, 1)
    strip.adopt(controls, at_once=True)
    return strip


def _stripped_before(channels: FloatArray, sample_rate: int, controls: Controls) -> FloatArray:
    """What stands before the model, each channel by itself."""
    made = channels.copy()
    for row in made:
        _strip(sample_rate, controls).before(row)
    return made


def check_sound(channels: FloatArray, dimensions: int) -> None:
    """AudioFileError unless it is one or two channels of at least one finite sample."""
    if dimensions > 2 or len(channels) not in (1, 2):
        raise AudioFileError(
            f"The sound has the shape {' × '.join(map(str, channels.shape))}, but one or two channels are needed; "
            "mix it down first."
        )
    if channels.shape[1] == 0:
        raise AudioFileError("The sound is empty (0 samples), but at least one sample is needed; record it again.")
    if not np.isfinite(channels).all():
        raise AudioFileError("The sound holds values that are not finite numbers; export it again.")


def _through(chain: Chain, row: FloatArray, progress: Progress, whole: WholeOutput | None = None) -> FloatArray:
    """One channel (samples,) through the chain from its start, latency removed."""
    step, late = chain.step_samples, chain.latency_samples
    chain.reset()
    steps = -(-(row.size + late) // step)
    padded = np.zeros(steps * step, np.float32)
    padded[: row.size] = row
    made = np.empty_like(padded)
    often = max(1, round(_PROGRESS_S * chain.sample_rate / step))
    for index in range(steps):
        piece = slice(index * step, (index + 1) * step)
        chain.process(padded[piece], made[piece])
        if index % often == often - 1:
            progress(often * step / chain.sample_rate)
    if whole is not None:
        made = whole.sound()
    return made[late : late + row.size]


def _middle(channels: FloatArray) -> FloatArray:
    """The sum of two channels, halved, (1, samples); the louder one where they cancel each other."""
    middle: FloatArray = channels.mean(axis=0, keepdims=True, dtype=np.float32)
    levels = [_rms(row) for row in channels]
    if _rms(middle) < _CANCELLED * max(levels):
        louder = int(np.argmax(levels))
        return channels[louder : louder + 1]
    return middle


def _balanced(mono: FloatArray, like: FloatArray) -> FloatArray:
    """One row on two channels, each as much louder or softer than their mean power as in `like`."""
    levels = np.array([_rms(row) for row in like])
    mean = float(np.sqrt(np.mean(np.square(levels))))
    gains = levels / mean if mean > 0 else np.ones(len(levels))
    rows: FloatArray = (mono * gains[:, None]).astype(np.float32)
    return rows


def _player_level_db(row: FloatArray, sample_rate: int, features: PitchLoudnessFeatures) -> float:
    """The loudness that this player exceeds in one frame of twenty, among those that are not silence."""
    from realtime.pitch import PitchLoudnessTracker  # numba: slow to import, and needed only here

    padded = np.zeros(-(-row.size // features.hop) * features.hop, np.float32)
    padded[: row.size] = row
    loudness_db = PitchLoudnessTracker(sample_rate, features).track(padded)[1]
    sounding = loudness_db[loudness_db > _SILENCE_DB]
    low, high, _ = RANGES["player_level_db"]
    level = float(np.percentile(sounding, LEVEL_PERCENTILE)) if sounding.size else Controls().player_level_db
    return min(max(level, low), high)


def match_gain_db(wet: FloatArray, dry: FloatArray) -> tuple[float, float]:
    """The gain for `wet` and how far peaks held it back: no peak above full scale, or above the dry sound's own."""
    wet_rms, dry_rms = _rms(wet), _rms(dry)
    if min(wet_rms, dry_rms) < db_to_gain(_SILENCE_DB):
        return 0.0, 0.0
    wanted = 20.0 * math.log10(dry_rms / wet_rms)
    gain_db = min(max(wanted, -MOST_MATCH_DB), MOST_MATCH_DB)
    ceiling = max(1.0, float(np.abs(dry).max()))
    room_db = 20.0 * math.log10(ceiling / float(np.abs(wet).max()))
    limited_db = max(0.0, gain_db - room_db)
    return gain_db - limited_db, limited_db


def _rms(signal: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))


class _Progress:
    """Passes on seconds done so that they add up to the duration exactly, whatever the number of channels."""

    def __init__(self, tell: Progress | None, seconds: float) -> None:
        self._tell, self._left = tell, seconds

    def part(self, parts: int) -> Progress:
        def tell(seconds: float) -> None:
            self._give(seconds / parts)

        return tell

    def finish(self) -> None:
        self._give(self._left)

    def _give(self, seconds: float) -> None:
        given = min(seconds, self._left)
        self._left -= given
        if self._tell is not None and given > 0.0:
            self._tell(given)
