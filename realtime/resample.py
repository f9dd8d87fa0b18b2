"""Changing the sample rate: whole files with soxr, streams with a filter bank whose delay is short, whole and declared.

soxr's own streams cost too much to play through: measured with soxr 1.1, a stream from 44.1 to 48 kHz and back lags 40
ms at HQ (10 ms one way at LQ), in lumps that depend on the blocks. The bank below lags 1.4 ms there and back, passes up
to 91 % of the lower rate's half, and keeps images 90 dB down.

    y[k] = Σ_i x[i] · h(t − i),   t = (k − delay) · rate_in / rate_out
    h(u) = c · sinc(c·u) · kaiser(u / half),   c = min(1, rate_out / rate_in),   one row of h per phase of t

After n samples in, exactly ⌊n · rate_out / rate_in⌋ samples have come out, however they were cut into blocks.
Whole-file resampling allocates and may run anywhere; a stream belongs to the thread that pushes and keeps its memory.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError

FloatArray = NDArray[np.float32]

STOPBAND_DB = 90.0
PASSBAND = 0.907  # of half the lower rate: 20 kHz at 44.1 kHz
_PIECE = 512  # samples taken at once: bounds the working memory


def resample_signal(signal: FloatArray, rate_in: int, rate_out: int, samples: int | None = None) -> FloatArray:
    """A whole signal (..., samples) at another rate, aligned: sample k lies at the time k / rate_out.

    samples: the length wanted, filled with zeros or cut; None: ⌈samples · rate_out / rate_in⌉.
    """
    import soxr  # not needed where one rate is used, and `--help` must be quick

    length = -(-signal.shape[-1] * rate_out // rate_in) if samples is None else samples
    out = np.zeros((*signal.shape[:-1], length), np.float32)
    if rate_in == rate_out:
        made = signal
    else:
        # soxr takes (samples, channels) and loses the very end of a signal; a little silence keeps it.
        flat = signal.reshape(-1, signal.shape[-1])
        padded = np.concatenate([flat, np.zeros((flat.shape[0], rate_in // 50), np.float32)], axis=1)
        moved = soxr.resample(np.ascontiguousarray(padded.T, dtype=np.float32), rate_in, rate_out, quality="VHQ")
        made = moved.T.reshape(*signal.shape[:-1], -1)
    count = min(length, made.shape[-1])
    out[..., :count] = made[..., :count]
    return out


def stream_delay(rate_in: int, rate_out: int) -> int:
    """Samples, at `rate_out`, by which a `StreamResampler` lags: the shortest delay that its filter's future allows."""
    if rate_in == rate_out:
        return 0
    return _half(rate_in, rate_out) * rate_out // rate_in


def _half(rate_in: int, rate_out: int) -> int:
    # Kaiser's estimate of the length, at the lower rate: (A − 8) / (2.285 · Δω), the transition straddling its half.
    taps = (STOPBAND_DB - 8.0) / (2.285 * 2.0 * math.pi * (1.0 - PASSBAND))
    return math.ceil(taps / 2.0 * max(1.0, rate_in / rate_out))


class StreamResampler:
    """A stream of samples at `rate_in` in, at `rate_out` out, `delay_samples` (at `rate_out`) late."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """Rates in Hz, whole numbers above 0."""
        if min(rate_in, rate_out) <= 0:
            raise ConfigError(f"The sample rates are {rate_in} and {rate_out} Hz, but both must be above 0.")
        common = math.gcd(rate_in, rate_out)
        self.rate_in, self.rate_out = rate_in, rate_out
        self.delay_samples = stream_delay(rate_in, rate_out)
        self._down, self._up = rate_in // common, rate_out // common
        self._half = _half(rate_in, rate_out)
        taps = 2 * self._half
        self._rows = _filter_rows(self._up, self._half, min(1.0, rate_out / rate_in))
        self._order = np.arange(taps, dtype=np.intp)
        # What the oldest output of a piece may still need, then the piece itself.
        self._kept = taps + math.ceil((self.delay_samples + 1) * self._down / self._up)
        self._history = np.zeros(self._kept + _PIECE, np.float32)
        most = math.ceil(_PIECE * self._up / self._down) + 1
        self._count = np.arange(most, dtype=np.int64)
        self._ticks = np.zeros(most, np.int64)
        self._first = np.zeros(most, np.int64)
        self._index = np.zeros((most, taps), np.intp)
        self._windows = np.zeros((most, taps), np.float32)
        self._chosen = np.zeros((most, taps), np.float32)
        self._out = np.zeros(most, np.float32)
        self._taken = self._given = 0

    def reset(self) -> None:
        """Forget the sound so far and count from zero."""
        self._history.fill(0.0)
        self._taken = self._given = 0

    def process(self, samples: FloatArray) -> FloatArray:
        """Samples (n,) in; out what is due, a view valid until the next call."""
        if self.rate_in == self.rate_out:
            return samples
        if samples.size <= _PIECE:
            made = self._piece(samples, self._out)
            return self._out[:made]
        total = (self._taken + samples.size) * self._up // self._down - self._given
        if total > self._out.size:
            self._out = np.zeros(total + 1, np.float32)
        made = 0
        for start in range(0, samples.size, _PIECE):
            made += self._piece(samples[start : start + _PIECE], self._out[made:])
        return self._out[:made]

    def _piece(self, samples: FloatArray, out: FloatArray) -> int:
        kept, size = self._kept, samples.size
        self._history[kept : kept + size] = samples
        due = (self._taken + size) * self._up // self._down - self._given
        if due:
            ticks, first = self._ticks[:due], self._first[:due]
            # Time of each output in 1/up of an input sample, counted from the first sample held: it stays small.
            origin = (self._given - self.delay_samples) * self._down - (self._taken - kept) * self._up
            np.multiply(self._count[:due], self._down, out=ticks)
            np.add(ticks, origin, out=ticks)
            np.floor_divide(ticks, self._up, out=first)
            index, windows, chosen = self._index[:due], self._windows[:due], self._chosen[:due]
            np.add(first[:, None], self._order - (self._half - 1), out=index, casting="same_kind")
            np.take(self._history, index, out=windows, mode="clip")
            np.remainder(ticks, self._up, out=ticks)
            np.take(self._rows, ticks, axis=0, out=chosen, mode="clip")
            np.einsum("ij,ij->i", windows, chosen, out=out[:due])
        self._history[:kept] = self._history[size : kept + size]
        self._taken += size
        self._given += due
        return due


def _filter_rows(phases: int, half: int, cutoff: float) -> FloatArray:
    """The filter (phases, 2·half): row p weighs the samples around a time p / phases after one; rows sum to 1."""
    position = np.arange(phases)[:, None] / phases + (half - 1) - np.arange(2 * half)
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    inside = np.sqrt(np.clip(1.0 - np.square(position / half), 0.0, None))
    rows = np.sinc(cutoff * position) * np.i0(beta * inside)
    normalised: FloatArray = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised
