"""The high-pass: scipy's Butterworth, whatever the cut-off, and no click while it moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.desk.filters import HighPass

RATE = 48_000


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("cutoff_hz", [20.0, 80.0, 250.0, 1000.0])
def test_it_is_the_butterworth_of_scipy(rate_hz: int, cutoff_hz: float) -> None:
    """White noise comes out as scipy's second-order Butterworth high-pass gives it, to −120 dB."""
    signal = pytest.importorskip("scipy.signal")
    noise = np.random.default_rng(0).normal(0.0, 0.2, rate_hz).astype(np.float32)
    wanted = signal.sosfilt(signal.butter(2, cutoff_hz, "highpass", fs=rate_hz, output="sos"), noise.astype(np.float64))
    high_pass = HighPass(rate_hz)
    high_pass.adopt(cutoff_hz, at_once=True)
    high_pass.process(noise)
    np.testing.assert_allclose(noise, wanted, atol=1e-6)


@pytest.mark.parametrize(("frequency_hz", "gain_db"), [(25.0, -24.1), (50.0, -12.3), (100.0, -3.01), (400.0, 0.0)])
def test_the_cut_off_is_where_it_says(frequency_hz: float, gain_db: float) -> None:
    """At the cut-off a sine loses 3 dB, below it 12 dB for every octave, and far above nothing."""
    high_pass = HighPass(RATE)
    high_pass.adopt(100.0, at_once=True)
    sine = np.sin(2 * np.pi * frequency_hz * np.arange(2 * RATE) / RATE).astype(np.float32)
    high_pass.process(sine)
    assert 20 * np.log10(np.sqrt(2) * sine[RATE:].std()) == pytest.approx(gain_db, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 30.0, 300.0, 1000.0]), st.integers(1, 3000)), max_size=12))
def test_a_moving_cut_off_never_clicks(turns: list[tuple[float, int]]) -> None:
    """However the cut-off is turned, a soft low tone stays bounded and makes no step larger than a crossfade of it."""
    tone = (0.5 * np.sin(2 * np.pi * 50 * np.arange(48_000) / RATE)).astype(np.float32)
    high_pass, begin = HighPass(RATE), 0
    for cutoff_hz, samples in [*turns, (0.0, 5000)]:
        high_pass.adopt(cutoff_hz)
        if not high_pass.idle:
            high_pass.process(tone[begin : begin + samples])
        begin += samples
    heard = tone[:begin]
    assert np.abs(heard).max() < 1.5
    # The tone itself moves by 0.0033 a sample, a crossfade over 20 ms between two such tones by 0.001 to 0.002 more.
    assert np.abs(np.diff(heard)).max() < 0.012


def test_off_is_nothing_at_all() -> None:
    """Turned off, the filter first fades, then stands idle with its output equal to its input bit by bit."""
    high_pass = HighPass(RATE)
    high_pass.adopt(200.0)
    noise = np.random.default_rng(1).normal(0.0, 0.2, 4000).astype(np.float32)
    sound = noise.copy()
    high_pass.process(sound[:2000])
    high_pass.adopt(0.0)
    fading = not high_pass.idle
    high_pass.process(sound[2000:])
    assert fading
    assert high_pass.idle
    assert not np.array_equal(sound[2000:2900], noise[2000:2900])
    assert np.array_equal(sound[2960:], noise[2960:])
