from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import ConfigError
from realtime.resample import FloatArray, StreamResampler, resample_signal, stream_delay

RATES = [(44100, 48000), (48000, 44100), (48000, 16000), (22050, 48000), (96000, 44100)]


def stream(resampler: StreamResampler, signal: FloatArray, blocks: list[int]) -> FloatArray:
    """The stream of `signal`, cut into `blocks` in turn."""
    parts, at, turn = [], 0, 0
    while at < signal.size:
        block = blocks[turn % len(blocks)]
        parts.append(resampler.process(signal[at : at + block]).copy())
        at, turn = at + block, turn + 1
    return np.concatenate(parts)


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_stream_is_late_by_what_it_declares(rate_in: int, rate_out: int) -> None:
    """A tone comes out as the same tone, `delay_samples` late to a thousandth of a sample's worth."""
    resampler = StreamResampler(rate_in, rate_out)
    assert resampler.delay_samples == stream_delay(rate_in, rate_out)
    frequency = 0.2 * min(rate_in, rate_out)
    tone = np.sin(2 * np.pi * frequency * np.arange(rate_in // 2) / rate_in).astype(np.float32)
    heard = stream(resampler, tone, [128])
    times = (np.arange(heard.size) - resampler.delay_samples) / rate_out
    np.testing.assert_allclose(heard[2000:], np.sin(2 * np.pi * frequency * times)[2000:], atol=1e-4)


@settings(max_examples=25)
@given(st.sampled_from(RATES), st.lists(st.integers(1, 1500), min_size=1, max_size=8))
def test_stream_does_not_depend_on_blocks(rates: tuple[int, int], blocks: list[int]) -> None:
    """However the input is cut, the output is the same, and ⌊n · out / in⌋ samples long."""
    noise = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    whole = StreamResampler(*rates).process(noise).copy()
    assert whole.size == 4000 * rates[1] // rates[0]
    np.testing.assert_allclose(stream(StreamResampler(*rates), noise, blocks), whole, atol=1e-6)


def test_stream_keeps_images_and_aliases_down() -> None:
    """Above the lower rate's reach a tone is 85 dB down; up to 90 % of it, it stays within 0.1 dB."""
    times = np.arange(48000) / 48000
    heard = StreamResampler(48000, 32000).process(np.sin(2 * np.pi * 17600.0 * times).astype(np.float32))
    assert float(np.abs(heard[1000:]).max()) < 10 ** (-85 / 20)
    kept = StreamResampler(48000, 32000).process(np.sin(2 * np.pi * 14400.0 * times).astype(np.float32))
    assert float(np.sqrt(2 * np.mean(np.square(kept[1000:])))) == pytest.approx(1.0, rel=0.0116)


def test_stream_resets_and_makes_no_memory() -> None:
    """A reset stream is a new one, and a running one keeps no memory."""
    resampler = StreamResampler(44100, 48000)
    block = np.random.default_rng(0).uniform(-1, 1, 128).astype(np.float32)
    first = resampler.process(block).copy()
    for _ in range(50):
        resampler.process(block)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(500):
        resampler.process(block)
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 4096
    resampler.reset()
    assert resampler.process(block).tolist() == first.tolist()


def test_one_rate_is_untouched() -> None:
    """Equal rates change no bit and add no delay; a rate of zero is refused."""
    signal = np.random.default_rng(0).uniform(-1, 1, 100).astype(np.float32)
    assert StreamResampler(48000, 48000).process(signal) is signal
    assert stream_delay(48000, 48000) == 0
    assert resample_signal(signal, 48000, 48000).tolist() == signal.tolist()
    with pytest.raises(ConfigError, match="above 0"):
        StreamResampler(0, 48000)


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
@pytest.mark.parametrize("samples", [1, 7, 1000, 30011])
def test_whole_signals_stay_aligned(rate_in: int, rate_out: int, samples: int) -> None:
    """Whole-file resampling keeps time, channels and the wanted length, also of one sample."""
    times = np.arange(samples) / rate_in
    tones = np.stack([np.sin(2 * np.pi * 440.0 * times), np.cos(2 * np.pi * 333.0 * times)]).astype(np.float32)
    made = resample_signal(tones, rate_in, rate_out)
    assert made.shape == (2, -(-samples * rate_out // rate_in))
    back = resample_signal(made, rate_out, rate_in, samples)
    assert back.shape == tones.shape
    if samples > 2000:
        np.testing.assert_allclose(back[:, 500:-500], tones[:, 500:-500], atol=2e-5)
