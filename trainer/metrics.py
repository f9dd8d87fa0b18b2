"""What an evaluation measures, as functions of signals alone, so that each is tested where the truth is known.

    pitch_kept            share of the input's voiced frames where the output's f0 is within 50 cents of what was asked
    onset_f_measure       2·hits / (onsets of one + onsets of the other), a hit being a pair at most 50 ms apart
    log_mel_distance_db   mean |difference| of 128-band log-mel spectra, in dB below their own loudest value (floor −80)
    contour_correlation   Pearson's r of two loudness contours (RMS of 50 ms, dB, floor 50 dB below the loudest)

All signals are mono float32 (samples,). Pitch comes from swift-f0, onsets and mel bands from librosa: trackers that no
model of ours has ever been trained against. Offline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

Audio = NDArray[np.float32]
Numbers = NDArray[np.float64]

CENTS = 50.0
CONFIDENT, VOICED = 0.9, 0.5  # of the input, so that only sure frames are asked about; of the output
LOWEST_HZ, HIGHEST_HZ = 50.0, 2000.0  # where the reference tracker can hear
ONSET_WINDOW_S = 0.05
MEL_BANDS, MEL_N_FFT, MEL_HOP, MEL_FLOOR_DB = 128, 2048, 512, 80.0
CONTOUR_WINDOW_S, CONTOUR_HOP_S, CONTOUR_FLOOR_DB = 0.05, 0.01, 50.0
_detectors: list[SwiftF0] = []


@dataclass(frozen=True, slots=True)
class PitchTrack:
    """Pitch of each frame in Hz and how sure the tracker is, 0…1; `times_s` are the frames' centres."""

    times_s: Numbers
    f0_hz: Numbers
    confidence: Numbers


@dataclass(frozen=True, slots=True)
class PitchAgreement:
    """`kept` of `voiced` frames are right; `octave_errors` of the others are a whole number of octaves off."""

    voiced: int
    kept: int
    octave_errors: int
    unvoiced: int

    @property
    def share(self) -> float | None:
        """kept / voiced; None where the input has no voiced frame."""
        return self.kept / self.voiced if self.voiced else None


def track_pitch(signal: Audio, sample_rate: int) -> PitchTrack:
    """The reference tracker's view of `signal`; ConfigError when swift-f0 is not installed."""
    if not _detectors:
        try:
            from swift_f0 import SwiftF0
        except ImportError as error:
            raise ConfigError(
                "Measuring pitch needs swift-f0, which is not installed: run `pip install --no-deps swift-f0`."
            ) from error
        _detectors.append(SwiftF0(threads=1, spin=False))
    found = _detectors[0].detect(signal, sample_rate)
    return PitchTrack(
        np.asarray(found.timestamps, np.float64),
        np.asarray(found.pitch_hz, np.float64),
        np.asarray(found.confidence, np.float64),
    )


def pitch_kept(given: PitchTrack, made: PitchTrack, shift_semitones: Numbers | float = 0.0) -> PitchAgreement:
    """Compare frame by frame; `shift_semitones` is what the engine was asked to add, one number or one per frame.

    A frame counts when the input is confidently voiced and the pitch asked for lies where the tracker can hear. It is
    right when the output, in that frame or a neighbour (the tracker's own jitter), is voiced within 50 cents; the
    shift may be that of a neighbouring frame too, because the engine changes octave between frames.
    """
    frames = min(len(given.f0_hz), len(made.f0_hz))
    shift = (
        np.broadcast_to(np.asarray(shift_semitones, np.float64), (frames,))
        if np.ndim(shift_semitones) == 0
        else (np.asarray(shift_semitones, np.float64)[:frames])
    )
    if len(shift) < frames:
        shift = np.pad(shift, (0, frames - len(shift)), mode="edge")
    asked = given.f0_hz[:frames] * 2.0 ** (shift / 12.0)
    voiced = (given.confidence[:frames] >= CONFIDENT) & (asked >= LOWEST_HZ) & (asked <= HIGHEST_HZ)
    right, octave, heard = (np.zeros(frames, bool) for _ in range(3))
    for step in (-1, 0, 1):
        index = np.clip(np.arange(frames) + step, 0, frames - 1)
        sounding = made.confidence[index] >= VOICED
        heard |= sounding
        for turn in (-1, 0, 1):
            wanted = given.f0_hz[:frames] * 2.0 ** (shift[np.clip(np.arange(frames) + turn, 0, frames - 1)] / 12.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                cents = 1200.0 * np.log2(np.maximum(made.f0_hz[index], 1e-6) / np.maximum(wanted, 1e-6))
            right |= sounding & (np.abs(cents) <= CENTS)
            octave |= sounding & (np.abs(cents - 1200.0 * np.round(cents / 1200.0)) <= CENTS)
    return PitchAgreement(
        voiced=int(voiced.sum()),
        kept=int((voiced & right).sum()),
        octave_errors=int((voiced & ~right & octave).sum()),
        unvoiced=int((voiced & ~right & ~heard).sum()),
    )


def onset_times(signal: Audio, sample_rate: int) -> Numbers:
    """Seconds of the onsets: peaks of spectral flux in mel bands, as librosa picks them."""
    import librosa

    if len(signal) < MEL_N_FFT or float(np.abs(signal).max()) <= 0.0:
        return np.zeros(0)
    hop = max(1, round(sample_rate * 0.01))
    flux = librosa.onset.onset_strength(y=signal, sr=sample_rate, hop_length=hop, n_fft=MEL_N_FFT, max_size=3, lag=2)
    found: Numbers = librosa.onset.onset_detect(
        onset_envelope=flux, sr=sample_rate, hop_length=hop, units="time", delta=0.1
    )
    return found


def onset_f_measure(one: Numbers, other: Numbers, window_s: float = ONSET_WINDOW_S) -> float | None:
    """F-measure of two lists of onset times, each onset used once; None when neither has any."""
    if not len(one) and not len(other):
        return None
    a, b = np.sort(one), np.sort(other)
    hits = i = j = 0
    # On a line, pairing the earliest that can be paired gives the most pairs.
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= window_s + 1e-9:
            hits, i, j = hits + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return 2.0 * hits / (len(a) + len(b))


def log_mel_db(signal: Audio, sample_rate: int) -> NDArray[np.float32]:
    """(128, frames) in dB below the loudest value, floor −80."""
    import librosa

    mel = librosa.feature.melspectrogram(
        y=signal, sr=sample_rate, n_fft=MEL_N_FFT, hop_length=MEL_HOP, n_mels=MEL_BANDS, power=2.0
    )
    level: NDArray[np.float32] = librosa.power_to_db(mel, ref=np.max, amin=1e-12, top_db=MEL_FLOOR_DB)
    return level


def log_mel_distance_db(one: Audio, other: Audio, sample_rate: int) -> float:
    """Mean absolute difference of the log-mel spectra over the shorter of both; gain does not matter."""
    samples = min(len(one), len(other))
    a, b = log_mel_db(one[:samples], sample_rate), log_mel_db(other[:samples], sample_rate)
    return float(np.mean(np.abs(a - b)))


def loudness_contour_db(signal: Audio, sample_rate: int) -> Numbers:
    """RMS level in dB of 50 ms every 10 ms, floored 50 dB below its own maximum."""
    window, hop = int(CONTOUR_WINDOW_S * sample_rate), int(CONTOUR_HOP_S * sample_rate)
    energy = np.concatenate(([0.0], np.cumsum(np.square(signal, dtype=np.float64))))
    starts = np.arange(0, max(1, len(signal) - window + 1), hop)
    power = (energy[np.minimum(starts + window, len(signal))] - energy[starts]) / window
    level = 10.0 * np.log10(np.maximum(power, 1e-12))
    contour: Numbers = np.maximum(level, level.max() - CONTOUR_FLOOR_DB)
    return contour


def contour_correlation(one: Audio, other: Audio, sample_rate: int) -> float | None:
    """Pearson's r of both contours; None when one of them does not move at all."""
    a, b = loudness_contour_db(one, sample_rate), loudness_contour_db(other, sample_rate)
    frames = min(len(a), len(b))
    a, b = a[:frames] - a[:frames].mean(), b[:frames] - b[:frames].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-9 * frames else None
