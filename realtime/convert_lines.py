"""What `retimbre convert --json` prints for another program: one JSON object a line, as things happen.

    {"file": "in/a.wav", "state": "waiting", "part": 0.0, "result": null, "sentence": ""}
    {"file": "in/a.wav", "state": "running", "part": 0.42, "result": null, "sentence": ""}
    {"file": "in/a.wav", "state": "done", "part": 1.0, "result": "out/a.wav", "sentence": ""}

Every file begins as waiting and ends as done, failed or cancelled, once. sentence: why it failed, or what its user
should know. Any one thread.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Literal

from realtime.convert_files import Result, Task

State = Literal["waiting", "running", "done", "failed", "cancelled"]
_EVERY_S = 0.1


class Lines:
    """Tells of every file what became of it."""

    def __init__(self, tasks: Sequence[Task], write: Callable[[str], None]) -> None:
        """write: takes one line, without its end; all files are told as waiting at once."""
        self._write = write
        self._open = dict.fromkeys(tasks, 0.0)
        self._told_s: dict[Task, float] = {}
        for task in self._open:
            self._tell(task, "waiting", 0.0)

    def running(self, task: Task, part: float) -> None:
        """So much of a file is done; told ten times a second at most."""
        now = time.monotonic()
        if task in self._open and now - self._told_s.get(task, 0.0) >= _EVERY_S:
            self._told_s[task] = now
            self._open[task] = max(self._open[task], min(part, 1.0))
            self._tell(task, "running", self._open[task])

    def finished(self, result: Result) -> None:
        """What became of a file."""
        part = self._open.pop(result.task, 0.0)
        if result.failure is None:
            notes = "; ".join(result.notes)
            sentence = f"{notes[0].upper()}{notes[1:]}." if notes else ""
            self._tell(result.task, "done", 1.0, str(result.task.destination), sentence)
        else:
            self._tell(result.task, "failed", part, sentence=result.failure)

    def all_failed(self, sentence: str) -> None:
        """Something stopped all that were not done."""
        for task in tuple(self._open):
            self.finished(Result(task, failure=sentence))

    def cancelled(self) -> None:
        """Nothing more comes of those that were not done."""
        for task, part in self._open.items():
            self._tell(task, "cancelled", part)
        self._open.clear()

    def _tell(self, task: Task, state: State, part: float, result: str | None = None, sentence: str = "") -> None:
        line = {"file": str(task.source), "state": state, "part": round(part, 3), "result": result}
        self._write(json.dumps({**line, "sentence": sentence}))
