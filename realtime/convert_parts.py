"""How much of each of several files is converted, told by the processes at work to the one that waits.

[ seconds done, seconds in all ] per file, in memory that processes may share; each file has one writer, so nothing
locks; −1 seconds in all: somebody has begun to read it
"""

from __future__ import annotations

from typing import Any


class Parts:
    """Of each of several files, the seconds done and those that it has."""

    def __init__(self, count: int, context: Any = None) -> None:
        """context: of multiprocessing; None: for this process alone."""
        self._numbers = [0.0] * (2 * count) if context is None else context.RawArray("d", 2 * count)

    def begin(self, index: int) -> None:
        """Somebody has taken the file up."""
        self._numbers[2 * index + 1] = -1.0

    def add(self, index: int, seconds: float, of: float) -> None:
        """So many seconds more are done, of so many."""
        self._numbers[2 * index] += seconds
        self._numbers[2 * index + 1] = of

    def begun(self, index: int) -> bool:
        """Whether anybody has."""
        return bool(self._numbers[2 * index + 1])

    def part(self, index: int) -> float:
        """How much is done, from 0 to 1."""
        done, of = self._numbers[2 * index : 2 * index + 2]
        return float(min(1.0, done / of)) if of > 0 else 0.0

    def seconds(self) -> float:
        """What is done of all files."""
        return float(sum(self._numbers[::2]))
