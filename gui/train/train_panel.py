"""Train: from recordings to a model in the library, in two steps and a watch.

    ┌ New training ┐  1 Data ─ 2 Recipe                                  new: gui.train.data_page, recipe_page
    │ horn  42 %   │  …
    │ flute done   │  or: state, curve, clips of the chosen training     watch: gui.train.watch_page
    └──────────────┘
           ⇅ files and processes: gui.train.run_folder, run_process, run_watch

The panel imports neither trainer nor torch: all of it goes through `retimbre` as processes of their own. A training
goes on when the app is closed, and is found again at the next start. Parts are built when first needed. GUI thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QTimer, QUrl
from PyQt6.QtGui import QCloseEvent, QDesktopServices, QHideEvent, QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gui import theme
from gui.live_state import Notice, Severity
from gui.own_command import own_command
from gui.train.asking import ask
from gui.train.failure import failure
from gui.train.json_command import JsonCommand
from gui.train.run_watch import RunWatch
from gui.train.runs_list import RunsList
from gui.widgets.bending import NARROW_UNITS, scrolling
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.train.new_page import NewPage
    from gui.train.run_folder import Run, Seen
    from gui.train.watch_page import WatchPage

LIST_UNITS: Final = 52
NARROW_LIST_UNITS: Final = 36


def _load_pages() -> None:
    import psutil  # noqa: F401

    import gui.train.new_page
    import gui.train.watch_page  # noqa: F401


class TrainPanel(QWidget):
    """The panel."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.new: NewPage | None = None
        self.watch: WatchPage | None = None
        self._folder: Path | None = None
        self._narrow = False
        self._watch_area: QWidget | None = None
        self._export: JsonCommand | None = None
        self._exported: tuple[Path, str] | None = None
        self.watcher = RunWatch(bridge, memory, self)
        self.runs, self.notices, self._stack = RunsList(), NoticeBar(), QStackedWidget()
        self._waiting = QWidget()
        self._stack.addWidget(self._waiting)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.notices)
        right.addWidget(self._stack, 1)
        self._row = QHBoxLayout(self)
        self._row.addWidget(self.runs)
        self._row.addLayout(right, 1)
        self.runs.chosen.connect(self.show_run)
        self.watcher.runs_changed.connect(self._take_runs)
        self.watcher.seen.connect(self._take_seen)
        bridge.noticed.connect(self._hear_notice)
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self._first_look = True
        # The pages' modules are read on another thread: that takes longer than an event may.
        ask(self, bridge, _load_pages, lambda _none: self._begin())

    def show_run(self, folder: Path | None) -> None:
        """Watch this training, or make a new one."""
        self._folder = folder
        self.notices.clear()
        self.watcher.follow(folder)
        # Built in an event of its own: each takes a few milliseconds.
        QTimer.singleShot(0, self._show_page)

    def wish(self, what: str) -> None:
        """Do what the watch page asks for, with the run that it shows."""
        run = self.watch.run if self.watch is not None else None
        if run is None:
            return
        from gui.train import run_process

        if what == "export":
            self._begin_export(run)
        elif what == "play":
            self._bridge.load_model(run.exported)
            self._bridge.ask_for_panel("play")
        elif what == "folder":
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder)))
        elif what == "forget":
            self._forget(run)
        elif what == "delete":
            words = f"Delete {run.title} with its checkpoints and clips? A model in the library stays."
            self._say(words, "warning", "Delete", lambda: self._delete(run))
        else:
            work = {
                "stop": lambda: run_process.ask_to_stop(run),
                "end": lambda: run_process.end_now(run),
                "resume": lambda: run_process.launch(run.folder),
                "longer": lambda: run_process.lengthen(run),
            }[what]
            self.notices.clear()
            ask(self, self._bridge, work, lambda _none: self.watcher.look(), self._fail)

    def _begin(self) -> None:
        from gui.train.data_page import DataPage

        data = DataPage(self._bridge, self._memory)

        def build() -> None:
            from gui.train.new_page import NewPage

            self.new = NewPage(self._bridge, data)
            self.new.started.connect(self._take_started)
            self.new.bend(self._narrow)
            self._stack.addWidget(self.new)
            self._show_page()
            self.watcher.look()

        QTimer.singleShot(0, build)

    def _show_page(self) -> None:
        if self._folder is None:
            if self.new is not None:
                self._stack.setCurrentWidget(self.new)
            return
        if self.watch is None:
            from gui.train.watch_page import WatchPage

            self.watch = WatchPage(self._bridge)
            self.watch.wanted.connect(self.wish)
            QTimer.singleShot(0, self._build_clips)
        elif self._watch_area is not None and self.watch.run is not None and self.watch.run.folder == self._folder:
            self._stack.setCurrentWidget(self._watch_area)

    def _build_clips(self) -> None:
        if self.watch is not None:
            self.watch.bend(self._narrow)
            self.watch.clips.set_clips(())
        QTimer.singleShot(0, self._place_watch)

    def _place_watch(self) -> None:
        if self.watch is not None and self._watch_area is None:
            self._watch_area = scrolling(self.watch)
            self._stack.addWidget(self._watch_area)
        self.watcher.look()

    def _take_started(self, folder: Path) -> None:
        self.watcher.add(folder)
        self.runs.set_runs(self.watcher.runs)
        self.runs.choose(folder)

    def _take_runs(self, runs: tuple[Run, ...]) -> None:
        self.runs.set_runs(runs)
        if self._folder is not None and self.runs.current() != self._folder:
            self.runs.mark(self._folder)
        if self._first_look:
            self._first_look = False
            live = next((run.folder for run in runs if run.live), None)
            if live is not None and self._folder is None:
                self.runs.choose(live)

    def _take_seen(self, seen: Seen) -> None:
        if self.watch is None or self._watch_area is None or seen.run.folder != self._folder:
            return
        self.watch.set_exporting(self._export is not None and self._exported_folder == seen.run.folder)
        self.watch.show_seen(seen)
        if self._stack.currentWidget() is not self._watch_area:
            QTimer.singleShot(0, self._show_page)

    @property
    def _exported_folder(self) -> Path | None:
        return None if self._exported is None else self._exported[0]

    def _begin_export(self, run: Run) -> None:
        if self._export is not None:
            return
        from gui.train import run_process

        models = run_process.models_folder()
        name = run.exported or run_process.free_folder(models, run_process.slug(run.title)).name
        self._exported = (run.folder, name)
        command = own_command("export", run.folder, "-o", models / name, "--title", run.title)
        self._export = JsonCommand(command, self)
        self._export.ended.connect(lambda ok, sentence: self._end_export(run, name, ok, sentence))
        self.notices.clear()
        if self.watch is not None:
            self.watch.set_exporting(True)

    def _end_export(self, run: Run, name: str, ok: bool, sentence: str) -> None:
        command, self._export = self._export, None
        if command is not None:
            command.deleteLater()
        if self.watch is not None:
            self.watch.set_exporting(False)
        if not ok:
            self._fail(sentence)
            return

        from gui.train import run_process

        def told(_none: None) -> None:
            self.watcher.look()
            self._say(f"{run.title} is in the library as {name}.", "info", "Play it", lambda: self._play(name))

        ask(self, self._bridge, lambda: run_process.remember_export(run.folder, name), told, self._fail)

    def _play(self, name: str) -> None:
        self._bridge.load_model(name)
        self._bridge.ask_for_panel("play")

    def _forget(self, run: Run) -> None:
        self.watcher.forget(run.folder)
        self.runs.choose(None)

    def _delete(self, run: Run) -> None:
        from gui.train import run_process

        self.notices.clear()
        ask(self, self._bridge, lambda: run_process.delete(run), lambda _none: self._forget(run), self._fail)

    def _hear_notice(self, notice: Notice) -> None:
        if notice.place == "train":
            self.notices.show_notice(notice)

    def _fail(self, sentence: str) -> None:
        self.notices.show_notice(failure(sentence))

    def _say(self, text: str, severity: Severity = "info", action: str = "", do: Any = None) -> None:
        self.notices.show_notice(Notice(text, "train", severity, action, do))

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Somebody looks."""
        super().showEvent(event)
        self.watcher.set_shown(True)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Nobody looks: trainings are still followed, so that their end can be told."""
        super().hideEvent(event)
        self.watcher.set_shown(False)

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """End what runs beside the panel; trainings go on."""
        if self.new is not None:
            self.new.end_commands()
        if self._export is not None:
            self._export.close()
        super().closeEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Stand in one column where there is little room."""
        super().resizeEvent(event)
        self._bend()

    def _bend(self) -> None:
        narrow = self.width() - self.runs.width() < theme.px(NARROW_UNITS)
        if narrow != self._narrow:
            self._narrow = narrow
            self.runs.setFixedWidth(theme.px(NARROW_LIST_UNITS if narrow else LIST_UNITS))
            if self.new is not None:
                self.new.bend(narrow)
            if self.watch is not None:
                self.watch.bend(narrow)

    def _dress(self) -> None:
        self.runs.setFixedWidth(theme.px(NARROW_LIST_UNITS if self._narrow else LIST_UNITS))
        self._bend()
        self._row.setContentsMargins(theme.px(4), theme.px(4), 0, theme.px(4))
        self._row.setSpacing(theme.px(2))
