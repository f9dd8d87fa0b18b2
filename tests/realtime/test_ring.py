from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.errors import ConfigError
from realtime.ring import BlockAdapter, DelayLine, FloatArray, SampleQueue


class Counted:
    """A step in, the same step out, remembering what it was given."""

    sample_rate = 48000

    def __init__(self, step: int) -> None:
        self.step_samples = step
        self.calls = 0

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """Copy."""
        assert block.size == out.size == self.step_samples
        out[:] = block
        self.calls += 1

    def reset(self) -> None:
        """Count from zero."""
        self.calls = 0


def ramp(samples: int, first: int = 1) -> FloatArray:
    """Numbers that are all different and never 0."""
    return np.arange(first, first + samples, dtype=np.float32)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=40))
def test_queue_is_first_in_first_out(moves: list[tuple[int, int]]) -> None:
    """What is popped is what was pushed, in order, through any pushes and pops and growth."""
    queue, pushed, popped = SampleQueue(4), 0, 0
    for count, asked in moves:
        queue.push(ramp(count, pushed + 1))
        pushed += count
        wanted = min(asked, len(queue))
        assert queue.pop(wanted).tolist() == ramp(wanted, popped + 1).tolist()
        popped += wanted
        assert len(queue) == pushed - popped
    with pytest.raises(ValueError, match="queued"):
        queue.pop(len(queue) + 1)


@given(st.integers(0, 300), st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_delay_line_delays_exactly(delay: int, blocks: list[int]) -> None:
    """Sample n comes out at n + delay, zeros before."""
    line = DelayLine(delay, 16)
    signal = ramp(sum(blocks))
    heard, at = [], 0
    for block in blocks:
        heard.append(line.push(signal[at : at + block]).copy())
        at += block
    expected = np.concatenate([np.zeros(delay, np.float32), signal])[: signal.size]
    assert np.concatenate(heard).tolist() == expected.tolist()


@pytest.mark.parametrize("step", [1, 64, 100, 256])
@pytest.mark.parametrize("block", [1, 64, 65, 128, 441, 8193])
def test_a_constant_block_is_delayed_by_step_minus_gcd(step: int, block: int) -> None:
    """Blocks of one size come out exactly step − gcd(block, step) samples late."""
    adapter = BlockAdapter(Counted(step))
    signal = ramp(block * max(3, 1000 // block))
    heard = np.zeros_like(signal)
    for start in range(0, signal.size, block):
        adapter.process(signal[start : start + block], heard[start : start + block])
    delay = step - int(np.gcd(block, step))
    assert heard.tolist() == [0.0] * min(delay, signal.size) + signal[: max(0, signal.size - delay)].tolist()


@example(6, [2, 3, 3, 3])  # the second size begins where it does not divide what was taken in
@given(st.integers(1, 130), st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_changing_blocks_lose_and_double_nothing(step: int, blocks: list[int]) -> None:
    """Whatever the block sizes, the output is the input in order, with silence put in only where more delay was due."""
    adapter = BlockAdapter(Counted(step))
    signal, heard, at = ramp(sum(blocks)), [], 0
    for block in blocks:
        out = np.full(block, np.nan, np.float32)
        adapter.process(signal[at : at + block], out)
        heard.append(out)
        at += block
    played = np.concatenate(heard)
    sounding = played[played != 0.0]
    assert sounding.tolist() == signal[: sounding.size].tolist()
    silence = int((played == 0.0).sum())
    assert silence <= adapter.delay_samples <= max(0, step - 1)


def test_output_may_be_the_input() -> None:
    """The adapter may write over the block that it reads."""
    adapter = BlockAdapter(Counted(64))
    block = ramp(128)
    adapter.process(block, block)
    assert block.tolist() == ramp(128).tolist()


def test_reset_starts_anew() -> None:
    """After a reset nothing old is heard and the delay is chosen anew."""
    chain = Counted(64)
    adapter = BlockAdapter(chain)
    out = np.zeros(65, np.float32)
    adapter.process(ramp(65), out)
    assert adapter.delay_samples == 63
    adapter.reset()
    assert chain.calls == adapter.delay_samples == 0
    out = np.zeros(64, np.float32)
    adapter.process(ramp(64), out)
    assert out.tolist() == ramp(64).tolist()


def test_refuses_unequal_blocks() -> None:
    """Input and output must have one shape."""
    with pytest.raises(ConfigError, match="alike"):
        BlockAdapter(Counted(64)).process(ramp(64), np.zeros(32, np.float32))


@pytest.mark.parametrize("rate", [44100, 32000, 96000])
def test_another_rate_never_runs_dry(rate: int) -> None:
    """With resamplers on both sides every block is served whole, also when blocks change, and the tone survives."""
    adapter = BlockAdapter(Counted(128), rate)
    signal = (0.5 * np.sin(2 * np.pi * 997.0 * np.arange(rate) / rate)).astype(np.float32)
    heard, at = np.zeros_like(signal), 0
    for block in [64] * 50 + [65] * 20 + [512] * 1000:
        part = slice(at, min(at + block, signal.size))
        adapter.process(signal[part], heard[part])
        at = min(at + block, signal.size)
    spectrum = np.abs(np.fft.rfft(heard[-rate // 2 :] * np.hanning(rate // 2)))
    tone = round(997.0 / 2)
    assert spectrum[tone - 4 : tone + 5].max() > 1e3 * np.delete(spectrum, np.arange(tone - 20, tone + 21)).max()
