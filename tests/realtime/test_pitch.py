"""The streaming tracker: right, quick, steady, and never upset by bad samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.errors import ConfigError
from realtime.features import PitchLoudnessFeatures
from realtime.pitch import SILENCE_DB, PitchLoudnessTracker

RATE = 48_000
FEATURES = PitchLoudnessFeatures(hop=128, delay_samples=256, f0_min_hz=55.0, f0_max_hz=2000.0)


def tone(f0_hz: NDArray[np.float64], harmonics: int = 8) -> NDArray[np.float32]:
    """Harmonics falling as 1/k along a pitch given per sample."""
    phase = np.cumsum(f0_hz) / RATE
    return np.asarray(sum(0.1 * np.sin(2 * np.pi * k * phase) / k for k in range(1, harmonics + 1)), np.float32)


def cents(found: NDArray[np.float32], wanted: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """How far off, in cents."""
    distance: NDArray[np.float64] = np.abs(1200 * np.log2(found.astype(np.float64) / wanted))
    return distance


@pytest.mark.parametrize("f0_hz", [65.4, 82.4, 110.0, 261.6, 440.0, 987.8, 1864.7])
def test_a_steady_tone_is_found_within_three_cents(f0_hz: float) -> None:
    """A steady tone of any playable pitch is found within three cents."""
    frames = PitchLoudnessTracker(RATE, FEATURES).track(tone(np.full(RATE // 2, f0_hz)))
    assert cents(frames[0, 40:], f0_hz).max() < 3
    assert frames[2, 40:].min() > 0.95


@pytest.mark.parametrize("f0_hz", [110.0, 146.8, 220.0, 440.0, 880.0])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.75, 1.5, 2.0])
def test_a_new_note_is_right_within_22_ms_and_stays_so(f0_hz: float, ratio: float) -> None:
    """After silence, an octave or a fourth, a note above A2 is within 50 cents 22 ms after its onset, for good."""
    before = tone(np.full(RATE // 2, f0_hz * ratio)) if ratio else np.zeros(RATE // 2, np.float32)
    frames = PitchLoudnessTracker(RATE, FEATURES).track(np.concatenate([before, tone(np.full(RATE // 2, f0_hz))]))
    first = (RATE // 2 + int(0.022 * RATE)) // FEATURES.hop
    assert cents(frames[0, first:], f0_hz).max() < 50


def test_vibrato_is_followed() -> None:
    """A vibrato of half a semitone at 6 Hz is followed within 20 cents, at the delay of the windows (about 6 ms)."""
    time = np.arange(RATE) / RATE
    f0 = 440 * 2 ** (0.5 / 12 * np.sin(2 * np.pi * 6 * time))
    frames = PitchLoudnessTracker(RATE, FEATURES).track(tone(f0))
    heard = f0[np.maximum(0, (np.arange(frames.shape[1]) + 1) * FEATURES.hop - int(0.006 * RATE))]
    assert cents(frames[0, 20:], heard[20:]).max() < 20


def test_noise_20_db_below_leaves_the_pitch_right() -> None:
    """White noise 20 dB below the tone leaves 99 % of the frames within 50 cents."""
    rng = np.random.default_rng(0)
    clean = tone(np.full(RATE, 330.0))
    noisy = clean + rng.normal(0, clean.std() / 10, RATE).astype(np.float32)
    frames = PitchLoudnessTracker(RATE, FEATURES).track(noisy)
    assert np.mean(cents(frames[0, 20:], 330.0) < 50) > 0.99


def test_a_strong_second_harmonic_is_no_octave_jump() -> None:
    """A tone whose second harmonic is 12 dB over its first keeps the pitch of its period."""
    n = np.arange(RATE // 2)
    sound = sum(a * np.sin(2 * np.pi * 200 * k * n / RATE) for k, a in ((1, 0.02), (2, 0.08), (3, 0.02), (5, 0.02)))
    frames = PitchLoudnessTracker(RATE, FEATURES).track(np.asarray(sound, np.float32))
    assert cents(frames[0, 40:], 200.0).max() < 50


def test_loudness_is_the_level_in_dbfs() -> None:
    """A sine of amplitude 0.1 at 1 kHz reads −23 dBFS, and silence the floor."""
    n = np.arange(RATE // 4)
    sine = (0.1 * np.sin(2 * np.pi * 1000 * n / RATE)).astype(np.float32)
    frames = PitchLoudnessTracker(RATE, FEATURES).track(sine)
    assert frames[1, 10:] == pytest.approx(-23.01, abs=0.1)
    assert PitchLoudnessTracker(RATE, FEATURES).track(np.zeros(1280, np.float32))[1].max() == SILENCE_DB


def test_pushed_frames_equal_tracked_frames_after_a_reset() -> None:
    """A reset forgets everything: the second pass over a signal equals the first, bit for bit."""
    signal = tone(np.linspace(200, 500, 90 * FEATURES.hop))
    tracker = PitchLoudnessTracker(RATE, FEATURES)
    first = tracker.track(signal)
    tracker.reset()
    again = np.stack([tracker.push(block).copy() for block in signal.reshape(-1, FEATURES.hop)], axis=1)
    np.testing.assert_array_equal(first, again)


def test_bad_samples_are_taken_for_silence() -> None:
    """NaN and infinity in the input give finite frames, then and afterwards."""
    signal = tone(np.full(RATE // 2, 300.0))
    signal[5000:5100] = np.nan
    signal[9000] = np.inf
    frames = PitchLoudnessTracker(RATE, FEATURES).track(signal)
    assert np.isfinite(frames).all()
    assert cents(frames[0, -40:], 300.0).max() < 5


def test_a_hop_that_does_not_divide_is_refused() -> None:
    """A hop that the decimation does not divide is refused with a sentence that says by what."""
    with pytest.raises(ConfigError, match="multiple"):
        PitchLoudnessTracker(RATE, PitchLoudnessFeatures(hop=130, delay_samples=0, f0_min_hz=55.0, f0_max_hz=2000.0))
