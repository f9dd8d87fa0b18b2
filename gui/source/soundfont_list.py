"""The instruments of a SoundFont, read by `retimbre midi instruments` in a process of its own: files may be gigabytes.

    read(path) ─▶ process ─▶ found(path, [(bank, program, name), …])   or   failed(path, sentence)

GUI thread; only the newest question is answered.
"""

from __future__ import annotations

import json
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from gui.own_command import own_command

Instrument = tuple[int, int, str]


class SoundFontList(QObject):
    """Asks one file at a time."""

    found = pyqtSignal(object, object)
    failed = pyqtSignal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        """Idle."""
        super().__init__(parent)
        self._process: QProcess | None = None

    def read(self, path: Path) -> None:
        """List this file; an older question is dropped."""
        self.close()
        process = QProcess(self)
        self._process = process
        program, *arguments = own_command("midi", "instruments", path, "--json")
        process.finished.connect(lambda code, _status: self._ended(process, path, code))
        process.errorOccurred.connect(lambda error: self._broke(process, path, error))
        process.start(program, arguments)

    def close(self) -> None:
        """Ask no more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # its end is heard, and its place given back, by `_ended`

    def _ended(self, process: QProcess, path: Path, code: int) -> None:
        process.deleteLater()
        if process is not self._process:
            return
        self._process = None
        if code == 0:
            rows = json.loads(process.readAllStandardOutput().data())["instruments"]
            self.found.emit(path, [(row["bank"], row["program"], row["name"]) for row in rows])
            return
        said = process.readAllStandardError().data().decode(errors="replace").strip()
        self.failed.emit(
            path,
            " ".join(said.split()).removeprefix("retimbre: ")
            or f"{path.name} could not be read: take another .sf2 file.",
        )

    def _broke(self, process: QProcess, path: Path, error: QProcess.ProcessError) -> None:
        if process is self._process and error == QProcess.ProcessError.FailedToStart:
            self._process = None
            process.deleteLater()
            self.failed.emit(
                path, f"{path.name} could not be read, because no process can be started: restart the app."
            )
