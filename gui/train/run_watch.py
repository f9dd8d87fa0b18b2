"""Looks at the known runs again and again, in the background, and tells what it saw.

    memory "train.runs": folders, newest first ──▶ read in the background ──▶ runs_changed, seen (the chosen run, whole)

Every second while the panel is seen and something runs, else every five; nothing at all when nothing runs and nobody
looks. One look at a time: a slow disk makes it slower, never the app. GUI thread, but for the reading.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.live_state import Notice, Severity
from gui.train.asking import ask
from gui.train.run_folder import Follower, Run, Seen, read_run

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.memory import Memory

SEEN_MS: Final = 1000
HIDDEN_MS: Final = 5000
MEMORY_KEY: Final = "train.runs"


class RunWatch(QObject):
    """`follow` chooses the run that is read whole."""

    runs_changed = pyqtSignal(object)  # tuple[Run, ...]
    seen = pyqtSignal(object)  # Seen

    def __init__(self, bridge: Bridge, memory: Memory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._follower: Follower | None = None
        self._shown = False
        self._looking = False
        self._again = False
        self.runs: tuple[Run, ...] = ()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)

    @property
    def folders(self) -> list[Path]:
        """The runs that this app knows, newest first."""
        kept: list[Any] = self._memory.get(MEMORY_KEY, [])
        return [Path(path) for path in kept if isinstance(path, str)]

    def add(self, folder: Path) -> None:
        """One more run."""
        self._memory.set(MEMORY_KEY, [str(folder), *(str(f) for f in self.folders if f != folder)])
        self.look()

    def forget(self, folder: Path) -> None:
        """Show this run no more."""
        self._memory.set(MEMORY_KEY, [str(f) for f in self.folders if f != folder])
        self.look()

    def follow(self, folder: Path | None) -> None:
        """Read this run whole at every look."""
        self._follower = None if folder is None else Follower(folder)
        self.look()

    def set_shown(self, shown: bool) -> None:
        """Whether anybody looks."""
        self._shown = shown
        if shown:
            self.look()
        else:
            self._pace()

    def look(self) -> None:
        """Read now."""
        if self._looking:
            self._again = True
            return
        self._looking, self._again = True, False
        folders, follower = self.folders, self._follower

        def read() -> tuple[tuple[Run, ...], Seen | None]:
            return tuple(read_run(folder) for folder in folders), None if follower is None else follower.look()

        def tell(found: tuple[tuple[Run, ...], Seen | None]) -> None:
            self._looking = False
            self._take(*found, follower)

        def failed(sentence: str) -> None:
            self._looking = False
            self._bridge.say(Notice(sentence, "train", "error"))

        ask(self, self._bridge, read, tell, failed)

    def _take(self, runs: tuple[Run, ...], seen: Seen | None, follower: Follower | None) -> None:
        before, self.runs = {run.folder: run for run in self.runs}, runs
        if runs != tuple(before.values()):
            self.runs_changed.emit(runs)
        if seen is not None and follower is self._follower:
            self.seen.emit(seen)
        for run in runs:
            was = before.get(run.folder)
            if was is not None and was.live and not run.live and not self._shown:
                self._tell_end(run)
        if self._again:
            self.look()
        self._pace()

    def _tell_end(self, run: Run) -> None:
        """A training ended while the player was elsewhere."""
        words = {
            "done": f"The training {run.title} is done.",
            "stopped": f"The training {run.title} has stopped.",
        }.get(run.state, f"The training {run.title} ended by itself: {run.sentence}")
        severity: Severity = "error" if run.state == "broken" else "info"
        show = "" if run.state == "stopped" else "Show it"
        self._bridge.say(Notice(words, "everywhere", severity, show, lambda: self._bridge.ask_for_panel("train")))

    def _pace(self) -> None:
        if self._shown or any(run.live for run in self.runs):
            live = self._shown and any(run.live for run in self.runs)
            self._timer.start(SEEN_MS if live else HIDDEN_MS)
        else:
            self._timer.stop()
