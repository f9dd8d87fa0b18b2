"""One of our commands that answers with JSON lines (`retimbre prepare --json`, `zoo --json`), or with a sentence.

    JsonCommand(own_command("zoo", "--json")) ── said(dict), for each line ── ended(ok, sentence)

The process belongs to the app and ends with it. Lines are read in slices, so that thousands of them take no long moment
of the GUI thread.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Final

from PyQt6 import sip
from PyQt6.QtCore import QByteArray, QCoreApplication, QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

LINES_A_TURN: Final = 25
_KEPT_CHARACTERS: Final = 4000


class JsonCommand(QObject):
    """A running command. `ended` comes once, after the last line."""

    said = pyqtSignal(dict)
    ended = pyqtSignal(bool, str)  # whether it did its work; else the sentence that it ended with

    def __init__(self, command: list[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._error = ""
        self._stopped = False
        self._finished = False
        # No child of this object: Qt warns when it deletes a process that runs, and so would a window that is closed.
        process = self._process = QProcess()
        self.destroyed.connect(lambda: _end_process(process))
        environment = QProcessEnvironment.systemEnvironment()
        for name, value in (("PYTHONUNBUFFERED", "1"), ("NO_COLOR", "1"), ("PYTHONIOENCODING", "utf-8")):
            environment.insert(name, value)
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read_error)
        self._process.finished.connect(self._finish)
        self._process.errorOccurred.connect(self._fail)
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._tell)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)
        self._process.start(command[0], command[1:])

    @property
    def running(self) -> bool:
        """Whether `ended` is still to come."""
        return not self._finished or self._turn.isActive()

    def stop(self) -> None:
        """End the command; `ended` says so with an empty sentence."""
        self._stopped = True
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.terminate()
            QTimer.singleShot(2000, self._process.kill)

    def close(self) -> None:
        """End the command now and say nothing any more."""
        self.blockSignals(True)
        self._turn.stop()
        _end_process(self._process)

    def _read(self) -> None:
        *whole, self._rest = (self._rest + _bytes(self._process.readAllStandardOutput())).split(b"\n")
        self._lines.extend(line for line in whole if line.strip())
        if self._lines:
            self._turn.start()

    def _read_error(self) -> None:
        text = _bytes(self._process.readAllStandardError()).decode("utf-8", errors="replace")
        self._error = (self._error + text)[-_KEPT_CHARACTERS:]

    def _tell(self) -> None:
        for _ in range(min(LINES_A_TURN, len(self._lines))):
            try:
                value = json.loads(self._lines.popleft())
            except ValueError:
                continue
            if isinstance(value, dict):
                self.said.emit(value)
        if not self._lines:
            self._turn.stop()
            if self._finished:
                self._end()

    def _finish(self) -> None:
        self._read()
        self._read_error()
        self._finished = True
        if not self._lines:
            self._end()

    def _fail(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._error = f"retimbre: The command line could not be started ({self._process.errorString()})."
            self._finished = True
            self.ended.emit(False, self._sentence())

    def _end(self) -> None:
        ok = self._process.exitStatus() == QProcess.ExitStatus.NormalExit and self._process.exitCode() == 0
        self.ended.emit(ok and not self._stopped, "" if ok or self._stopped else self._sentence())

    def _sentence(self) -> str:
        lines = [line.strip() for line in self._error.splitlines() if line.strip()]
        ours = [line.removeprefix("retimbre: ") for line in lines if line.startswith("retimbre: ")]
        said = ours[-1] if ours else (lines[-1] if lines else "The command ended without a word")
        return said[0].upper() + said[1:] + ("" if said[-1] in ".!?" else ".")


def _end_process(process: QProcess) -> None:
    if not sip.isdeleted(process) and process.state() != QProcess.ProcessState.NotRunning:
        process.kill()
        process.waitForFinished(2000)


def _bytes(data: QByteArray) -> bytes:
    return bytes(data.data())
