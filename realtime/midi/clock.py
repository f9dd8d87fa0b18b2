"""When a MIDI message sounds: from the time that it came to an offset in the block being made, with a constant delay.

    stamped t ─▶ t + delay, on the stream's own count of samples ─▶ offset in [0, frames) of some coming block

The delay is one block (and a margin), because a message that comes during a block can sound in the next at the soonest;
that it is the same for all messages is what keeps a rhythm even. `FrameClock` is exact: JACK stamps messages in the
frames of its own cycles. `TimeClock` follows the times at which blocks are asked for through a delay-locked loop, and
`ArrivalTimes` undoes the hold-ups between a driver and Python. `collect` runs in the audio thread: no locks, no waits.

Adriaensen: Using a DLL to filter time, LAC 2005.
"""

from __future__ import annotations

import math

_WRAP = 1 << 32
_SETTLED_CYCLES = 8
_LONGEST_GAP = 1 << 20


class FrameClock:
    """Offsets from JACK frames (32 bits, wrapping): exactly one period later, whichever client ran first in a cycle."""

    def __init__(self) -> None:
        """Starts with the first block."""
        self.delay_samples = 0
        self._cycle: int | None = None
        self._frames = self._drift = self._seen = self._streak = 0

    def begin(self, cycle: int, frames: int, period: int) -> None:
        """A block of `frames` is asked for in the cycle that begins at frame `cycle`, of `period` frames."""
        delay = max(frames, period)
        if self._cycle is None or delay != self.delay_samples:
            self._drift = self._seen = self._streak = 0
        else:
            passed = (cycle - self._cycle) % _WRAP
            if passed > _LONGEST_GAP:  # another server, or hours of rest
                self._drift = 0
            else:
                self._drift += self._frames - passed
            if passed:
                self._settle()
        self.delay_samples = delay
        self._cycle, self._frames = cycle, frames

    def offset(self, stamp: int) -> int:
        """Where in this block a message stamped with a frame sounds; below 0 late, from `frames` on not yet."""
        assert self._cycle is not None
        since = (stamp - self._cycle) % _WRAP
        if since >= _WRAP // 2:
            since -= _WRAP
        return since + self.delay_samples - self._drift

    def _settle(self) -> None:
        # After lost cycles (an xrun) the count of samples lags behind the frames; when it stays so, it is the new law.
        if self._drift == 0:
            self._streak = 0
        elif self._drift == self._seen:
            self._streak += 1
            if self._streak >= _SETTLED_CYCLES:
                self._drift = self._streak = 0
        else:
            self._seen, self._streak = self._drift, 0


class TimeClock:
    """Offsets from seconds, where the sound card's clock is known only by when it asks for blocks."""

    def __init__(self, rate_hz: int, margin_s: float = 0.001) -> None:
        """margin_s: what the delay exceeds one block by, for messages that are late and callbacks that are early."""
        self.delay_samples = 0
        self._rate_hz, self._margin = rate_hz, round(margin_s * rate_hz)
        self._time: float | None = None
        self._next = 0.0
        self._per_sample = 1.0 / rate_hz
        self._blocks = 0

    def begin(self, now: float, frames: int) -> None:
        """A block of `frames` is asked for at the time `now`, in seconds."""
        self.delay_samples = max(self.delay_samples, frames + self._margin)
        error = now - self._next
        span = frames * self._per_sample
        if self._time is None or abs(error) > max(0.02, 3.0 * span):
            self._next, error = now, 0.0
            self._per_sample, self._blocks = 1.0 / self._rate_hz, 0
            span = frames * self._per_sample
            self.delay_samples = frames + self._margin
        # Wide at first, to find the phase; narrow later, to average the jitter away.
        width_hz = max(0.15, 2.0 / (1.0 + self._blocks * span))
        self._blocks += 1
        omega = min(2.0 * math.pi * width_hz * span, 0.5)
        self._time = self._next
        self._next += span + math.sqrt(2.0) * omega * error
        if frames:
            bent = self._per_sample + omega * omega * error / frames
            # No sound card is wrong by more than a thousandth.
            self._per_sample = min(max(bent, 0.999 / self._rate_hz), 1.001 / self._rate_hz)

    def offset(self, stamp: float) -> int:
        """Where in this block a message of the time `stamp` sounds; below 0 late, from `frames` on not yet."""
        assert self._time is not None
        return round((stamp - self._time) / self._per_sample) + self.delay_samples


class ArrivalTimes:
    """When messages left the driver, from the driver's own intervals and the times at which Python heard of them.

    Python hears late by a varying time, never early; so the least lateness of late is the truth, and it is let rise
    slowly to follow a driver whose clock runs at another pace.
    """

    _RISE = 0.0002  # seconds per second, more than any two clocks differ by
    _LOST_S = 0.1

    def __init__(self) -> None:
        """Starts with the first message."""
        self._driver = 0.0
        self._offset: float | None = None

    def stamp(self, heard: float, interval: float) -> float:
        """The time, on the clock of `heard`, of a message that followed the last one after `interval` seconds."""
        self._driver += interval
        offset = heard - self._driver
        if self._offset is None or abs(offset - self._offset) > self._LOST_S:
            self._offset = offset
        else:
            self._offset = min(offset, self._offset + self._RISE * interval)
        return self._driver + self._offset
