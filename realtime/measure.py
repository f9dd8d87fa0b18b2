"""Latency, measured: sweeps are put in where the sound card's input would be, and looked for where they come back.

    sweep ─▶ [the engine's whole way in to out] ─▶ card out ─▶ cable, JACK loopback or air ─▶ card in ─▶ found here

What is put into the callback's input at sample n and is heard there again at sample n + d has gone through everything
that the latency law adds up, so d is to be compared with the law's total. The sweeps come at uneven distances, so that
every place within a block is tried, and each is found by correlation: a loudspeaker and a room may stand between.
Threads: `LoopProbe.fill` is the audio callback; the rest the control thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError, EngineError

FloatArray = NDArray[np.float32]

MOST_EVENTS = 5000
_SWEEP_S, _LOW_HZ, _HIGH_PART = 0.004, 300.0, 0.4
_LEVEL = 0.5
_LEAST_GAP_S = 0.05
_CLEAR = 8.0  # a found sweep stands out of what else is heard by this factor
_SLOPE = 0.35  # of a peak's height: where the edge of it begins


@dataclass(frozen=True, slots=True)
class Measuring:
    """How to measure: how many sweeps."""

    events: int = 500

    def __post_init__(self) -> None:
        if not 1 <= self.events <= MOST_EVENTS:
            raise ConfigError(f"{self.events} events were asked for, but it must be from 1 to {MOST_EVENTS}.")


@dataclass(frozen=True, slots=True)
class Measured:
    """Delays in samples at the device's rate, over `events` sweeps of which `found` came back."""

    events: int
    found: int
    shortest: int
    median: float
    longest: int
    declared: float
    rate_hz: int

    @property
    def jitter(self) -> int:
        """Longest less shortest, in samples."""
        return self.longest - self.shortest


class LoopProbe:
    """Puts sweeps in and keeps what is heard meanwhile."""

    def __init__(self, events: int, expected_samples: float, rate_hz: int, seed: int = 0) -> None:
        """expected_samples: what the law says, so that sweeps do not overlap."""
        self.mixed = False
        self._sweep = sweep(rate_hz)
        self._reach = round(2 * expected_samples) + round(_LEAST_GAP_S * rate_hz)
        gaps = self._reach + self._sweep.size + np.random.default_rng(seed).integers(0, 1024, events)
        self._starts = np.concatenate([[0], np.cumsum(gaps[:-1])]) + rate_hz // 10
        self._played = np.zeros(int(self._starts[-1] + gaps[-1]), np.float32)
        for start in self._starts:
            self._played[start : start + self._sweep.size] = self._sweep
        self._heard = np.zeros_like(self._played)
        self._place = 0

    @property
    def done(self) -> bool:
        """Whether every sweep has had its time."""
        return self._place >= self._played.size

    def seconds(self, rate_hz: int) -> float:
        """How long it takes in real time."""
        return self._played.size / rate_hz

    def fill(self, block: FloatArray) -> None:
        """Keep what the card heard, put the next samples in its place."""
        part = min(block.size, self._played.size - self._place)
        self._heard[self._place : self._place + part] = block[:part]
        block[:part] = self._played[self._place : self._place + part]
        block[part:] = 0.0
        self._place += part

    def result(self, declared: float, rate_hz: int) -> Measured:
        """The delays. Raises `EngineError` when too few sweeps came back."""
        delays = []
        for start in self._starts:
            found = find(self._sweep, self._heard[start : start + self._reach + self._sweep.size])
            if found is not None:
                delays.append(found)
        if len(delays) < max(1, len(self._starts) // 2):
            raise EngineError(
                f"Only {len(delays)} of {len(self._starts)} test sweeps came back to the input: connect the output to "
                "the input by a cable (or let the microphone hear the loudspeaker), and turn the level up."
            )
        return Measured(
            events=len(self._starts),
            found=len(delays),
            shortest=int(min(delays)),
            median=float(np.median(delays)),
            longest=int(max(delays)),
            declared=declared,
            rate_hz=rate_hz,
        )


def sweep(rate_hz: int) -> FloatArray:
    """A short exponential sweep, faded at both ends: (samples,)."""
    time = np.arange(round(_SWEEP_S * rate_hz)) / rate_hz
    high = _HIGH_PART * rate_hz
    growth = np.log(high / _LOW_HZ) / _SWEEP_S
    phase = 2 * np.pi * _LOW_HZ / growth * np.expm1(growth * time)
    return np.asarray(_LEVEL * np.hanning(time.size) * np.sin(phase), dtype=np.float32)


def find(wanted: FloatArray, heard: FloatArray) -> int | None:
    """How many samples after its beginning `heard` holds `wanted`; None when it does not. A polarity does not matter.

    Of several echoes the first counts that is at least a third as strong as the strongest.
    """
    likeness = np.abs(np.correlate(heard.astype(np.float64), wanted.astype(np.float64), "valid"))
    highest = float(likeness.max(initial=0.0))
    if highest <= 1e-9 or highest < _CLEAR * float(np.median(likeness)):
        return None
    edge = int(np.argmax(likeness >= _SLOPE * highest))
    near = likeness[edge : edge + wanted.size // 4]
    return edge + int(np.argmax(near))
