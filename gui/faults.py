"""Whatever goes wrong unforeseen becomes one sentence in the window and a line in the log, never a traceback on screen.

    slot or event raises ─▶ sys.excepthook ┐
    thread raises ─▶ threading.excepthook  ├─▶ report file, log line, one Notice (the same fault once in QUIET_S)
    Qt says something ─▶ message handler   ┘   Qt's own words go to the log alone

Installed once, by `gui.app`; any thread.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

from PyQt6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

QUIET_S: Final = 10.0
LONGEST_LOG: Final = 1 << 20


def log_file() -> Path:
    """The app's log, in the user's state folder."""
    from platformdirs import user_log_path

    return user_log_path("retimbre", appauthor=False) / "desktop.log"


class Faults:
    """Takes what nobody else caught."""

    def __init__(self, say: Callable[[str], None], path: Path | None = None) -> None:
        """say: takes the sentence, on whatever thread; path: the log."""
        self.path = log_file() if path is None else path
        self._say = say
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def install(self) -> None:
        """From now on."""
        sys.excepthook = self._from_main
        threading.excepthook = self._from_thread
        qInstallMessageHandler(self._from_qt)

    def take(self, error: BaseException) -> str:
        """Report one fault; the sentence, which is also said unless it just was."""
        from realtime.errors import RetimbreError
        from realtime.report import save_report

        words = " ".join(str(error).split())[:200]
        self.log(f"{type(error).__name__}: {words}")
        if isinstance(error, RetimbreError):
            sentence = str(error)
        else:
            saved = save_report(error) if isinstance(error, Exception) else None
            where = f"; the report is in {saved}" if saved else ""
            sentence = f"Something went wrong in the app ({type(error).__name__}: {words[:80]}){where}. You can go on."
        key = f"{type(error).__name__} {words}"
        now = time.monotonic()
        if now - self._said.get(key, -QUIET_S) >= QUIET_S:
            self._said[key] = now
            self._say(sentence)
        return sentence

    def log(self, line: str) -> None:
        """One line with the time; a log that has grown long begins anew beside the old."""
        with self._lock, contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > LONGEST_LOG:
                self.path.replace(self.path.with_suffix(".old.log"))
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _from_main(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            from PyQt6.QtWidgets import QApplication

            QApplication.quit()
            return
        self.take(error)

    def _from_thread(self, what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None:
            self.take(what.exc_value)

    def _from_qt(self, kind: QtMsgType, where: QMessageLogContext, words: str | None) -> None:
        if kind != QtMsgType.QtDebugMsg:
            self.log(f"Qt {kind.name}: {words}")
