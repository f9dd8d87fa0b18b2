"""What an engine and the process of its rack share: blocks of sound, counters, the places of knobs. No locks.

    [ POSTED | DONE | RUNNING ] [ per plugin: changes, bypass, faults, latency, values ] [ slots: frames, in, out ]

    engine: in[POSTED mod SLOTS], then POSTED + 1        rack: out[DONE mod SLOTS], then DONE + 1

Each number has one writer, and aligned 64-bit stores are whole. RUNNING is the plugin that runs now, or NOBODY, so that
the engine knows whose fault the death of the process is. A new process gets new memory.
"""

from __future__ import annotations

import multiprocessing
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

MOST_PLUGINS: Final = 16
MOST_PARAMETERS: Final = 1024
SLOTS: Final = 4
"""Blocks that a rack may be behind before the engine stops handing it more."""
POSTED, DONE, RUNNING = range(3)
NOBODY: Final = -1
_COUNTERS = 8  # a cache line


class RackMemory:
    """Views of the memory, the same on both sides."""

    def __init__(self, channels: tuple[int, int], longest: int, memory: Any | None = None) -> None:
        """channels: in and out; longest: the most frames of a block; memory: of the other side, None makes it."""
        inputs, outputs = channels
        numbers = _COUNTERS + SLOTS + MOST_PLUGINS * (4 + MOST_PARAMETERS)
        size = 8 * numbers + 4 * SLOTS * longest * (inputs + outputs)
        # An array of ctypes, because it travels to a spawned process, and is freed with its last user, by any death.
        self.memory = multiprocessing.get_context("spawn").RawArray("b", size) if memory is None else memory
        whole: NDArray[np.uint8] = np.frombuffer(self.memory, np.uint8)
        self._place = 0

        def take(type_: Any, *shape: int) -> NDArray[Any]:
            count = int(np.prod(shape)) * np.dtype(type_).itemsize
            view: NDArray[Any] = whole[self._place : self._place + count].view(type_).reshape(shape)
            self._place += count
            return view

        self.counters: NDArray[np.int64] = take(np.int64, _COUNTERS)
        self.frames: NDArray[np.int64] = take(np.int64, SLOTS)
        self.changes: NDArray[np.int64] = take(np.int64, MOST_PLUGINS)
        self.bypass: NDArray[np.int64] = take(np.int64, MOST_PLUGINS)
        self.faults: NDArray[np.int64] = take(np.int64, MOST_PLUGINS)
        self.latencies: NDArray[np.int64] = take(np.int64, MOST_PLUGINS)
        self.values: NDArray[np.float64] = take(np.float64, MOST_PLUGINS, MOST_PARAMETERS)
        self.inputs: NDArray[np.float32] = take(np.float32, SLOTS, inputs, longest)
        self.outputs: NDArray[np.float32] = take(np.float32, SLOTS, outputs, longest)
        if memory is None:
            whole[:] = 0  # touches each page, so that none is fetched while sound runs
            self.counters[RUNNING] = NOBODY
