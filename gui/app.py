"""The app from start to end: application, theme, memory, bridge, window; then everything closed in order.

    run ─▶ QApplication ─▶ theme ─▶ Memory ─▶ Bridge ─▶ MainWindow.show ─▶ (window on the screen) ─▶ begin
        ─▶ exec … ─▶ window closed, SIGTERM or Ctrl-C ─▶ Bridge.close: take written, engine ended ─▶ Memory.close

What may be late comes after the first picture: the panel, the devices, the setlist, the guide, and the power if the
player has set so. Training runs in processes of its own, which this end leaves alone. GUI thread.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6 import sip
from PyQt6.QtCore import QEvent, QSocketNotifier, QTimer
from PyQt6.QtWidgets import QApplication

from gui.collection import Collection
from gui.faults import Faults
from gui.live_state import Notice
from gui.memory import Memory
from gui.panels import EVERY_PANEL
from gui.remembered import POWER, START_ON, Remembering, remembered_settings, restore

if TYPE_CHECKING:
    from gui.main_window import MainWindow

NAME = "retimbre"


class App:
    """The running app; `gui.app.run` for users, the parts of it for tests."""

    def __init__(self, qt: QApplication, memory: Memory) -> None:
        """qt: the application, dressed here; memory: what is restored."""
        from gui.bridge import Bridge
        from gui.main_window import MainWindow
        from gui.settings_page import wear

        self.qt, self.memory = qt, memory
        self.ended = False
        self.collection = Collection()
        wear(memory)
        settings, problem = remembered_settings(memory)
        self.faults = Faults(self._say)
        self.bridge = Bridge(settings, report=self.faults.take)
        self.remembering = Remembering(self.bridge, memory)
        self.window: MainWindow = MainWindow(self.bridge, memory)
        self._problems = [sentence for sentence in (memory.problem, problem) if sentence]
        self.wanted_power = memory.get(START_ON, False) and memory.get(POWER, False)

    def begin(self) -> None:
        """Show the window, and when it is there the rest."""
        self.window.show()
        self.window.activateWindow()
        QTimer.singleShot(0, self._begin_late)

    def _begin_late(self) -> None:
        restore(self.bridge, self.memory)
        self.window.begin()
        for sentence in self._problems:
            self.bridge.say(Notice(sentence, severity="warning"))
        QTimer.singleShot(0, self._begin_last)

    def _begin_last(self) -> None:
        self.bridge.refresh_devices()
        if self.wanted_power:
            self.bridge.set_power(True)
        self.bridge.in_background(_read_panels, lambda _: None)
        gc.freeze()  # what is here now stays: collections need not look at it any more

    def end(self) -> None:
        """Close everything, in bounded time, and take the objects of Qt apart in order.

        Left to the interpreter's end they would be taken apart in any order, which can crash.
        """
        self.ended = True
        self.remembering.write()
        self.window.close()
        self.bridge.close()
        self.memory.close()
        self.qt.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.unfreeze()
        for one in (self.window, self.remembering, self.bridge):
            sip.delete(one)
        gc.collect()
        self.collection.end()

    def _say(self, sentence: str) -> None:
        # From any thread: a signal is delivered on the GUI thread.
        self.bridge.noticed.emit(Notice(sentence, severity="error"))


def _read_panels() -> None:
    for spec in EVERY_PANEL:
        spec.read()


def run(memory_path: Path | None = None, *, watch_stalls: bool = False) -> int:
    """Open the app and stay until it is closed; the exit code."""
    arguments = [NAME]
    if watch_stalls:
        from gui.stall_watch import WatchedApplication

        qt: QApplication = WatchedApplication(arguments)
    else:
        qt = QApplication(arguments)
    qt.setApplicationName(NAME)
    qt.setApplicationDisplayName("Retimbre")
    qt.setDesktopFileName(NAME)
    app = App(qt, Memory(memory_path))
    app.faults.install()
    with _ended_by_signals(qt):
        app.begin()
        code = qt.exec()
    app.end()
    if watch_stalls:
        qt.end_watch()  # type: ignore[attr-defined]  # it is a WatchedApplication
        for stall in qt.stalls:  # type: ignore[attr-defined]  # as above
            sys.stderr.write(f"{stall}\n")
    sys.stdout.flush()
    return code


@contextlib.contextmanager
def _ended_by_signals(qt: QApplication) -> Iterator[None]:
    """SIGTERM and Ctrl-C quit the app in order: Python's handlers run when the event loop is woken."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    before = {number: signal.signal(number, lambda *_: qt.quit()) for number in _signals()}
    wakeup = signal.set_wakeup_fd(theirs.fileno())
    notifier = QSocketNotifier(QSocketNotifier.Type.Read)
    notifier.setSocket(ours.fileno())  # type: ignore[arg-type]  # the stubs know only sip's own kind of number
    notifier.setEnabled(True)
    notifier.activated.connect(lambda: ours.recv(16))
    try:
        yield
    finally:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


def _signals() -> tuple[signal.Signals, ...]:
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if os.name == "posix" else (signal.SIGINT, signal.SIGTERM)
