"""One process of `retimbre convert` and the files that it was given: what it says of each, and how it ended.

    stdout: {"file": …, "state": "waiting|running|done|failed|cancelled", "part": 0…1, "result": …, "sentence": …} lines
    stderr: "retimbre: SENTENCE" when nothing can be converted at all

Its end is asked for first (SIGTERM) and forced `_GRACE_MS` later. On the GUI thread, where nothing of it waits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from gui.convert.job import Job, arguments
from gui.own_command import own_command, yield_to_sound

_GRACE_MS = 3000
_KEPT_STDERR_BYTES = 8192


class Batch(QObject):
    """One process and the jobs that it was given."""

    told = pyqtSignal(object, object)  # Job, the line's values
    ended = pyqtSignal(object)  # this

    def __init__(self, jobs: Sequence[Job], staging: Path, parent: QObject) -> None:
        super().__init__(parent)
        self.jobs = list(jobs)
        self.staging = staging
        self.stopping = False
        """Whether its end was asked for."""
        self.over = False
        self.unplaced = 0
        """Files that it made and that are being moved out of the staging folder."""
        self._failed_to_start = False
        self.process = QProcess(self)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self.process.kill)
        self._by_name = {str(job.source): job for job in jobs}
        self._rest = b""
        self._stderr = b""
        request = jobs[0].request
        assert request is not None
        program, *rest = own_command(*arguments(request, [job.source for job in jobs], staging))
        environment = QProcessEnvironment.systemEnvironment()
        # A library's idle threads would spin beside live sound.
        environment.insert("OMP_NUM_THREADS", "1")
        environment.insert("PYTHONIOENCODING", "utf-8")
        self.process.setProcessEnvironment(environment)
        self.process.setProgram(program)
        self.process.setArguments(rest)
        self.process.started.connect(lambda: yield_to_sound(self.process.processId()))
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.readyReadStandardError.connect(self._read_errors)
        self.process.finished.connect(self._end)
        self.process.errorOccurred.connect(self._fail)

    def start(self) -> None:
        """Begin."""
        self.process.start()
        self.process.closeWriteChannel()

    def stop(self) -> None:
        """Ask the process to leave, and make it leave when it does not."""
        if not self.stopping:
            self.stopping = True
            self.process.terminate()
            self._patience.start(_GRACE_MS)

    def complaint(self) -> str:
        """What made it refuse everything, in its own sentence; "" when it said nothing."""
        if self._failed_to_start:
            return f"The converter could not be started ({self.process.errorString()}); install the app again."
        lines = self._stderr.decode(errors="replace").splitlines()
        ours = [line.removeprefix("retimbre: ").strip() for line in lines if line.startswith("retimbre: ")]
        return ours[-1] if ours else ""

    def how_it_ended(self) -> str:
        """A sentence for the file that it was at when it died."""
        how = "crashed" if self.process.exitStatus() == QProcess.ExitStatus.CrashExit else "stopped early"
        return f"The converter {how} with code {self.process.exitCode()} at this file; try it again, by itself."

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self.process.readAllStandardOutput().data()).split(b"\n")
        last: dict[int, tuple[Job, dict[str, Any]]] = {}
        for line in lines:
            try:
                values = json.loads(line)
            except ValueError:
                continue  # words among the lines are for people
            job = self._by_name.get(str(values.get("file"))) if isinstance(values, dict) else None
            if job is not None:
                last[id(job)] = job, values  # of several about one file the last says all
        for job, values in last.values():
            self.told.emit(job, values)

    def _read_errors(self) -> None:
        self._stderr = (self._stderr + self.process.readAllStandardError().data())[-_KEPT_STDERR_BYTES:]

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._failed_to_start = True
            self._end()

    def _end(self, *_: object) -> None:
        if not self.over:
            self.over = True
            self._patience.stop()
            if not self._failed_to_start:
                self._read()
                self._read_errors()
            self.ended.emit(self)
