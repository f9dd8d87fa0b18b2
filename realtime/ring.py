"""Queues of samples, and the adapter that lets a chain of fixed steps serve blocks of any size, at any rate.

    device block ─▶ [resample] ─▶ pending step ─▶ chain ─▶ [resample] ─▶ queue ─▶ device block
                                                             delay = step − gcd(block, step), put in front once

The output queue starts with exactly as many zeros as the worst moment lacks (`realtime.latency.buffering_samples`), so
that the delay is the same for every sample. A block of another size may need more: then zeros are added at that moment,
nothing is lost or played twice, and the delay stays at the larger value until `reset`. All of it runs on the thread
that owns the chain, and makes no memory while the block size stays.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError
from realtime.latency import buffering_samples
from realtime.resample import StreamResampler

FloatArray = NDArray[np.float32]


class SampleQueue:
    """First in, first out, over one piece of memory; grows when a block is longer than any before."""

    def __init__(self, capacity: int) -> None:
        """capacity: samples that it holds without new memory."""
        self._memory = np.zeros(2 * max(1, capacity), np.float32)
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    def push(self, samples: FloatArray) -> None:
        """Append samples (n,)."""
        self._space(samples.size)[:] = samples

    def push_zeros(self, count: int) -> None:
        """Append `count` samples of silence."""
        self._space(count)[:] = 0.0

    def pop(self, count: int) -> FloatArray:
        """Take the oldest `count` samples: a view, valid until the next push; more than there is would be a defect."""
        if count > len(self):
            raise ValueError(f"asked for {count} of {len(self)} queued samples")
        self._first += count
        return self._memory[self._first - count : self._first]

    def clear(self) -> None:
        """Forget everything."""
        self._first = self._end = 0

    def _space(self, count: int) -> FloatArray:
        held = len(self)
        if self._end + count > self._memory.size:
            # Twice what is held, so that the next move is as many samples away as this one costs.
            if 2 * (held + count) > self._memory.size:
                grown = np.zeros(4 * (held + count), np.float32)
                grown[:held] = self._memory[self._first : self._end]
                self._memory = grown
            else:
                self._memory[:held] = self._memory[self._first : self._end]
            self._first, self._end = 0, held
        self._end += count
        return self._memory[self._end - count : self._end]


class DelayLine:
    """Gives back what it is given, `delay_samples` later: y[n] = x[n − delay], zeros before the start."""

    def __init__(self, delay_samples: int, longest: int) -> None:
        """longest: samples per push that need no new memory."""
        self.delay_samples = delay_samples
        self._queue = SampleQueue(delay_samples + longest)
        self.reset()

    def push(self, samples: FloatArray) -> FloatArray:
        """Samples (n,) in, the n samples from `delay_samples` ago out: a view, valid until the next push."""
        self._queue.push(samples)
        return self._queue.pop(samples.size)

    def reset(self) -> None:
        """Back to zeros."""
        self._queue.clear()
        self._queue.push_zeros(self.delay_samples)


class Stepper(Protocol):
    """What the adapter drives: a `Chain`, or anything that turns steps of samples into steps of samples."""

    @property
    def step_samples(self) -> int:
        """Samples per `process`."""

    @property
    def sample_rate(self) -> int:
        """Hz, the model's."""

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """One step in, one step out."""

    def reset(self) -> None:
        """Forget the sound so far."""


class BlockAdapter:
    """Serves blocks of any length around a `Stepper`, at the sound card's rate."""

    def __init__(self, chain: Stepper, device_rate: int | None = None) -> None:
        """device_rate: Hz of the blocks; None: the chain's own."""
        self.chain = chain
        self.device_rate = device_rate or chain.sample_rate
        step = chain.step_samples
        self._pending = np.zeros(step, np.float32)
        self._stepped = np.zeros(step, np.float32)
        self._queue = SampleQueue(4 * step)
        self._to_model: StreamResampler | None = None
        self._to_device: StreamResampler | None = None
        if self.device_rate != chain.sample_rate:
            self._to_model = StreamResampler(self.device_rate, chain.sample_rate)
            self._to_device = StreamResampler(chain.sample_rate, self.device_rate)
        self._filled = self._taken = self._block = self._delay = 0

    @property
    def delay_samples(self) -> int:
        """Samples at the device's rate by which blocks that are not whole steps delay; one part of `latency`."""
        return self._delay

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """A block (n,) in, n samples out; both at the device's rate; `out` may be `block` itself."""
        if block.shape != out.shape or block.ndim != 1:
            raise ConfigError(f"A block {block.shape} met an output {out.shape}; both must be (samples,) alike.")
        if block.size != self._block and block.size:
            self._prepare(block.size)
        self._feed(block if self._to_model is None else self._to_model.process(block))
        self._taken += block.size
        out[:] = self._queue.pop(block.size)

    def reset(self) -> None:
        """Forget the sound so far, also in the chain; the next block decides the delay anew."""
        self.chain.reset()
        self._queue.clear()
        for resampler in (self._to_model, self._to_device):
            if resampler is not None:
                resampler.reset()
        self._filled = self._taken = self._block = self._delay = 0

    def _prepare(self, block: int) -> None:
        needed = buffering_samples(
            block, self._pending.size, self.device_rate, self.chain.sample_rate, start=self._taken
        )
        if needed > self._delay:
            self._queue.push_zeros(needed - self._delay)
            self._delay = needed
        self._block = block

    def _feed(self, samples: FloatArray) -> None:
        step, used = self._pending.size, 0
        while used < samples.size:
            part = min(step - self._filled, samples.size - used)
            self._pending[self._filled : self._filled + part] = samples[used : used + part]
            self._filled += part
            used += part
            if self._filled == step:
                self.chain.process(self._pending, self._stepped)
                stepped = self._stepped if self._to_device is None else self._to_device.process(self._stepped)
                self._queue.push(stepped)
                self._filled = 0
