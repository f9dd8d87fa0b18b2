from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("librosa")
from trainer import metrics

RATE = 16_000
Audio = NDArray[np.float32]


def track(f0_hz: NDArray[np.floating[Any]], confidence: float = 1.0) -> metrics.PitchTrack:
    times = (np.arange(len(f0_hz)) * 0.016).astype(np.float64)
    sure: NDArray[np.float64] = np.full(len(f0_hz), confidence, np.float64)
    return metrics.PitchTrack(times, f0_hz.astype(np.float64), sure)


def vibrato(semitones: float = 0.0, seconds: float = 3.0) -> Audio:
    """440 Hz with ±15 cents of vibrato at 5 Hz and five harmonics, moved by `semitones`."""
    t = np.arange(int(seconds * RATE)) / RATE
    cents = 15.0 * np.sin(2 * np.pi * 5.0 * t) + 100.0 * semitones
    phase = 2 * np.pi * np.cumsum(440.0 * 2.0 ** (cents / 1200.0)) / RATE
    tone: Audio = np.sum([0.2 * np.sin(k * phase) / k for k in range(1, 6)], axis=0).astype(np.float32)
    return tone


def clicks(times_s: list[float], seconds: float = 4.0) -> Audio:
    """A decaying tone that starts at each of the times."""
    signal = np.zeros(int(seconds * RATE), np.float32)
    for number, start in enumerate(times_s):
        t = np.arange(int(0.4 * RATE)) / RATE
        tone = np.sin(2 * np.pi * 330.0 * 2 ** (number % 5 / 12) * t) * np.exp(-t / 0.1) * (1 - t / 0.4)
        begin = int(start * RATE)
        stop = min(len(signal), begin + len(tone))
        signal[begin:stop] += tone[: stop - begin].astype(np.float32) * 0.5
    return signal


STARTS = [0.3, 0.8, 1.4, 1.9, 2.5, 3.1]


def test_same_pitch_is_kept_wholly() -> None:
    """A vibrato tone agrees with itself on every frame that the tracker is sure of."""
    pytest.importorskip("swift_f0")
    found = metrics.track_pitch(vibrato(), RATE)
    agreement = metrics.pitch_kept(found, found)
    assert agreement.voiced > 150
    assert agreement.share == 1.0


@pytest.mark.parametrize(("cents", "kept"), [(25.0, True), (60.0, False), (-60.0, False)])
def test_fifty_cents_decide(cents: float, kept: bool) -> None:
    """A constant offset of 25 cents keeps the pitch, one of 60 cents loses it."""
    line = np.full(100, 440.0)
    agreement = metrics.pitch_kept(track(line), track(line * 2 ** (cents / 1200)))
    assert agreement.share == (1.0 if kept else 0.0)


def test_a_heard_vibrato_shifted_by_60_cents_fails() -> None:
    """The whole measurement, tracker included, calls a vibrato tone 60 cents sharp wrong and 10 cents right."""
    pytest.importorskip("swift_f0")
    given = metrics.track_pitch(vibrato(), RATE)
    sharp, near = (metrics.track_pitch(vibrato(shift), RATE) for shift in (0.6, 0.1))
    wrong, right = metrics.pitch_kept(given, sharp).share, metrics.pitch_kept(given, near).share
    # The vibrato moves by at most 8 cents within the neighbouring frame that is forgiven.
    assert wrong is not None and wrong < 0.05
    assert right == 1.0


def test_the_engine_s_own_shift_is_asked_for() -> None:
    """An octave that the engine added is right, one that it did not add is an octave error."""
    line = np.full(100, 220.0)
    assert metrics.pitch_kept(track(line), track(2 * line), 12.0).share == 1.0
    unasked = metrics.pitch_kept(track(line), track(2 * line))
    assert (unasked.kept, unasked.octave_errors) == (0, 100)


def test_only_one_frame_of_misalignment_is_forgiven() -> None:
    """A melody one frame late keeps its pitch; three frames late it loses the frames around every step."""
    line = np.repeat([220.0, 262.0, 330.0, 294.0, 247.0], 20)
    assert metrics.pitch_kept(track(line), track(np.roll(line, 1))).kept >= 99
    assert metrics.pitch_kept(track(line), track(np.roll(line, 3))).kept <= 92


def test_silence_in_the_output_is_wrong_and_in_the_input_is_not_asked() -> None:
    """Frames that the output leaves unvoiced count as lost; frames where the input is unsure do not count."""
    line = np.full(100, 440.0)
    assert metrics.pitch_kept(track(line), track(line, 0.1)).unvoiced == 100
    assert metrics.pitch_kept(track(line, 0.5), track(line)).share is None


def test_onsets_within_50_ms_are_hits() -> None:
    """Onsets 40 ms late are all kept; 70 ms late none is."""
    times = np.array(STARTS)
    assert metrics.onset_f_measure(times, times + 0.04) == 1.0
    assert metrics.onset_f_measure(times, times + 0.07) == 0.0
    assert metrics.onset_f_measure(times, times[:3]) == pytest.approx(2 * 3 / 9)
    assert metrics.onset_f_measure(np.zeros(0), np.zeros(0)) is None


def test_one_onset_is_hit_once() -> None:
    """Two onsets near a single one make one hit, so that a stutter costs."""
    assert metrics.onset_f_measure(np.array([1.0]), np.array([0.98, 1.02])) == pytest.approx(2 / 3)


def test_heard_onsets_shifted_by_70_ms_fail() -> None:
    """The detector finds every attack, and the same playing 70 ms late shares none of them."""
    given = metrics.onset_times(clicks(STARTS), RATE)
    assert metrics.onset_f_measure(given, np.array(STARTS)) == 1.0
    late = metrics.onset_times(clicks([start + 0.07 for start in STARTS]), RATE)
    assert (metrics.onset_f_measure(given, late) or 0.0) <= 0.2


def test_equal_sounds_have_no_distance_whatever_their_gain() -> None:
    """Log-mel distance is 0 for equal signals and for a gain, and several dB for another instrument's spectrum."""
    tone = vibrato()
    assert metrics.log_mel_distance_db(tone, tone, RATE) == 0.0
    assert metrics.log_mel_distance_db(tone, 0.25 * tone, RATE) < 0.05
    assert metrics.log_mel_distance_db(tone, np.sign(tone) * np.float32(0.1), RATE) > 3.0


def test_loudness_contour_follows_gain_and_shape() -> None:
    """The contour's correlation is 1 under a gain, negative when the swell is mirrored, None without movement."""
    tone = vibrato() * np.linspace(0.02, 1.0, 3 * RATE, dtype=np.float32)
    assert metrics.contour_correlation(tone, 0.3 * tone, RATE) == pytest.approx(1.0)
    mirrored = metrics.contour_correlation(tone, tone[::-1].copy(), RATE)
    assert mirrored is not None and mirrored < -0.5
    assert metrics.contour_correlation(np.ones(RATE, np.float32), tone[:RATE], RATE) is None
