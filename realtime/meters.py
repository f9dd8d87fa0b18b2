"""What the engine shows while it plays, in memory that two processes share: numbers, and times as histograms.

    [ one float64 per name of NUMBERS | counts of callback times | counts of model times | scope ]

One writer a number (the audio callback, the worker or the control thread), any reader, no lock: a reader may see
numbers of two neighbouring blocks, never half a number (aligned 64-bit stores). Times fall into bins of 2 % width
from 1 µs up, so that percentiles over hours cost no memory.
"""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

NUMBERS: Final = (
    "state", "block", "rate_hz", "muted", "callbacks", "samples", "xruns", "late_callbacks", "late_model_calls",
    "faults", "clipped_blocks", "input_peak", "input_rms", "output_peak", "output_rms", "load", "callback_max_us",
    "model_max_us", "recorded_samples", "recording_lost_samples", "howls", "model_faults", "slack", "missed_plugins",
    "reduction_db", "gate_open", "scope_end", "made_peak", "made_rms", "file_s",
    "midi_messages", "midi_last", "midi_file_s", "midi_file_length_s",
)  # fmt: skip
(
    STATE, BLOCK, RATE_HZ, MUTED, CALLBACKS, SAMPLES, XRUNS, LATE_CALLBACKS, LATE_MODEL_CALLS, FAULTS,
    CLIPPED_BLOCKS, INPUT_PEAK, INPUT_RMS, OUTPUT_PEAK, OUTPUT_RMS, LOAD, CALLBACK_MAX_US, MODEL_MAX_US,
    RECORDED_SAMPLES, RECORDING_LOST_SAMPLES, HOWLS, MODEL_FAULTS, SLACK, MISSED_PLUGINS, REDUCTION_DB, GATE_OPEN,
    SCOPE_END, MADE_PEAK, MADE_RMS, FILE_S, MIDI_MESSAGES, MIDI_LAST, MIDI_FILE_S, MIDI_FILE_LENGTH_S,
) = range(len(NUMBERS))  # fmt: skip

Cause = Literal["xrun", "late callback", "model missed", "model failed", "model not finite", "plugins missed", "defect"]

_FILES: Final = (FILE_S, MIDI_FILE_S, MIDI_FILE_LENGTH_S)

# Values of STATE.
CLOSED, RUNNING, STALLED = 0, 1, 2

_BINS_PER_E = 50.0  # bins per factor e: each 2 % wide
_BINS = 800  # to e^16 µs, 8.9 s
SCOPE_SAMPLES: Final = 1 << 14
_TIMES_END = len(NUMBERS) + 2 * _BINS
SHARED_FLOATS: Final = _TIMES_END + SCOPE_SAMPLES  # two rings of samples, which take half the room of these numbers


@dataclass(frozen=True, slots=True)
class Times:
    """A distribution of durations: how many, and percentiles in µs (to 2 %, the upper edge of a bin)."""

    count: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float

    def to_mapping(self) -> dict[str, float]:
        """Plain numbers for JSON, rounded to 0.1 µs."""
        return {
            "count": self.count,
            **{name: round(getattr(self, name), 1) for name in ("p50_us", "p99_us", "p999_us", "max_us")},
        }


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that may have been heard: when (seconds of the monotonic clock), at which sample, why, and how long."""

    monotonic_s: float
    sample: int
    cause: Cause
    took_us: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The engine at one moment.

    Levels are linear, 1 being full scale: of the input, of what model and plugins made, and of the output, after the
    leveller, limiter and mute. `load` is the callback's time over the period. `file_s` is the place in the sound file
    that plays, `midi_file_s` that in the MIDI file and `midi_file_length_s` its length, NaN while none plays.
    `midi_messages` counts what MIDI brought since the stream was opened, notes and controllers, from the port, a file
    or the host; `midi_last` is the newest message's bytes in one number (see `midi_bytes`).
    """

    state: int
    block: int
    rate_hz: int
    muted: bool
    callbacks: int
    samples: int
    xruns: int
    late_callbacks: int
    late_model_calls: int
    faults: int
    model_faults: int
    missed_plugins: int
    clipped_blocks: int
    howls: int
    slack: int
    input_peak: float
    input_rms: float
    made_peak: float
    made_rms: float
    output_peak: float
    output_rms: float
    load: float
    reduction_db: float
    gate_open: bool
    file_s: float
    midi_messages: int
    midi_last: int
    midi_file_s: float
    midi_file_length_s: float
    recorded_samples: int
    recording_lost_samples: int
    callback: Times
    model: Times

    @property
    def seconds(self) -> float:
        """Seconds of sound since the stream was opened."""
        return self.samples / self.rate_hz if self.rate_hz else 0.0

    @property
    def stalled(self) -> bool:
        """Whether the sound card or server has stopped asking for sound."""
        return self.state == STALLED

    @property
    def midi_bytes(self) -> bytes:
        """The newest MIDI message, its last byte 0 where it has only two; empty before the first."""
        return self.midi_last.to_bytes(3, "big") if self.midi_last else b""


def shared_memory() -> Any:
    """Memory for one engine's meters, to hand to the engine process when it is spawned."""
    memory = multiprocessing.get_context("spawn").RawArray("d", SHARED_FLOATS)
    for place in _FILES:
        memory[place] = math.nan
    return memory


class Meters:
    """A view of the shared memory: the engine writes numbers and two histograms, a host reads snapshots."""

    def __init__(self, memory: Any | None = None) -> None:
        """memory: of `shared_memory`; None: private (in one process, as tests and the benchmark use it)."""
        whole = np.zeros(SHARED_FLOATS) if memory is None else np.frombuffer(memory, dtype=np.float64)
        self.numbers: NDArray[np.float64] = whole[: len(NUMBERS)]
        self.callback = Histogram(whole[len(NUMBERS) :][:_BINS], self.numbers[CALLBACK_MAX_US : CALLBACK_MAX_US + 1])
        self.model = Histogram(whole[len(NUMBERS) + _BINS : _TIMES_END], self.numbers[MODEL_MAX_US : MODEL_MAX_US + 1])
        self.scope = Scope(whole[_TIMES_END:], self.numbers[SCOPE_END : SCOPE_END + 1])
        self._whole = whole
        if memory is None:
            self.clear()

    def clear(self) -> None:
        """All zeros and no file, for a stream that begins."""
        self._whole[:] = 0.0
        self.forget_files()

    def forget_files(self) -> None:
        """No file plays any more."""
        for place in _FILES:
            self.numbers[place] = math.nan

    def copy(self) -> NDArray[np.float64]:
        """Everything as it is now, to count from."""
        return self._whole.copy()

    def times_since(self, earlier: NDArray[np.float64]) -> tuple[Times, Times]:
        """Callback times and model times since `earlier`, which `copy` gave; the longest to 2 %."""
        counts = (self._whole - earlier)[len(NUMBERS) : _TIMES_END]
        return _times(counts[:_BINS]), _times(counts[_BINS:])

    def snapshot(self) -> Snapshot:
        """Read everything."""
        now = self.numbers.copy()
        whole = [name for name in NUMBERS if Snapshot.__annotations__.get(name) == "int"]
        levels = [name for name in NUMBERS if Snapshot.__annotations__.get(name) == "float"]
        values: dict[str, Any] = {name: int(now[NUMBERS.index(name)]) for name in whole}
        values |= {name: float(now[NUMBERS.index(name)]) for name in levels}
        values |= {"muted": bool(now[MUTED]), "gate_open": bool(now[GATE_OPEN])}
        return Snapshot(callback=self.callback.times(), model=self.model.times(), **values)


class Scope:
    """The newest samples of input and output, for pictures: the callback writes, a reader copies."""

    def __init__(self, memory: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        """memory: SCOPE_SAMPLES numbers; end: one, how many samples were ever written."""
        self._rings, self._end = memory.view(np.float32).reshape(2, -1), end

    def push(self, heard: NDArray[np.float32], played: NDArray[np.float32]) -> None:
        """One block of each, (frames,)."""
        kept = min(heard.size, SCOPE_SAMPLES)
        begin = (int(self._end[0]) + heard.size - kept) % SCOPE_SAMPLES
        first = min(kept, SCOPE_SAMPLES - begin)
        for ring, block in zip(self._rings, (heard, played), strict=True):
            ring[begin : begin + first] = block[block.size - kept :][:first]
            ring[: kept - first] = block[block.size - kept + first :]
        self._end[0] += heard.size

    def since(self, end: int) -> tuple[NDArray[np.float32], int]:
        """(2, samples) that came after the first `end`, and the new end; what is older than the rings is lost."""
        now = int(self._end[0])
        # A new stream counts from zero again. Half of the rings is left alone: the callback may be writing there.
        new = now - end if 0 <= end <= now else 0
        return self.latest(min(new, SCOPE_SAMPLES // 2)), now

    def latest(self, samples: int) -> NDArray[np.float32]:
        """(2, samples): the newest of input and output; at most SCOPE_SAMPLES less the block that is being written."""
        end = int(self._end[0])
        places = np.arange(end - samples, end) % SCOPE_SAMPLES
        latest: NDArray[np.float32] = self._rings[:, places]
        return latest


class Histogram:
    """Counts of durations by size; adding costs one logarithm."""

    def __init__(self, counts: NDArray[np.float64] | None = None, longest: NDArray[np.float64] | None = None) -> None:
        """counts, longest: where to count and to keep the longest; None: memory of its own."""
        self._counts = np.zeros(_BINS) if counts is None else counts
        self._longest = np.zeros(1) if longest is None else longest

    def add(self, duration_s: float) -> None:
        """Count one duration."""
        us = duration_s * 1e6
        bin_ = int(_BINS_PER_E * math.log(us)) if us > 1.0 else 0
        self._counts[min(bin_, _BINS - 1)] += 1.0
        self._longest[0] = max(self._longest[0], us)

    def times(self) -> Times:
        """The distribution so far."""
        return _times(self._counts.copy(), float(self._longest[0]))


def _times(counts: NDArray[np.float64], longest: float | None = None) -> Times:
    """longest: where it is known exactly; else the upper edge of the last bin that is not empty."""
    total = int(counts.sum())
    if not total:
        return Times(0, 0.0, 0.0, 0.0, 0.0)
    places = np.ceil(np.array((0.5, 0.99, 0.999, 1.0)) * total)
    p50, p99, p999, edge = (
        math.exp((int(bin_) + 1) / _BINS_PER_E) for bin_ in np.searchsorted(np.cumsum(counts), places)
    )
    top = edge if longest is None else longest
    return Times(total, min(p50, top), min(p99, top), min(p999, top), top)


def level_db(level: float) -> float:
    """Level in dBFS of a linear level, not under -120."""
    return 20.0 * math.log10(max(level, 1e-6))
