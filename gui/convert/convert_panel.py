"""The Convert panel: files in, the same playing on another instrument out.

    ┌ queue: drop files and folders here ──────────┐┌ settings ───────┐
    │ ▸ prelude-piano.flac   converting 43 % ━━━──  ││ model, blend     │
    │ ▸ greensleeves.mid     waiting                ││ results, sound   │
    ├ listen: A | B, waveforms, spectrograms ───────┤├─────────────────┤
    │                                               ││ [Convert 3]  62 %│
    └───────────────────────────────────────────────┘└─────────────────┘

Converting runs in processes of its own (`gui.convert.converter`), so that neither the app nor live sound waits for it.
GUI thread. Over 300 lines because every wish of the user, and what becomes of it, meets here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt6.QtCore import QCoreApplication, QPoint, Qt, QTimer
from PyQt6.QtGui import (
    QAction,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PyQt6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui import show_file, theme
from gui.bridge import Bridge
from gui.convert.compare import Compare
from gui.convert.converter import Converter
from gui.convert.drop_veil import DropVeil
from gui.convert.find_sounds import Found
from gui.convert.intake import Intake
from gui.convert.job import Job
from gui.convert.queue_model import QueueModel
from gui.convert.queue_view import QueueView, next_step
from gui.convert.settings_form import SettingsForm
from gui.convert.time_left import in_words, overall_part, seconds_left
from gui.icon import icon, set_icon
from gui.live_state import Notice, Severity
from gui.memory import Memory
from gui.widgets.empty_state import EmptyState
from gui.widgets.notice_bar import NoticeBar

_PROGRESS_MS = 250
_NARROW_UNITS = 200
_ANY_WIDTH = 16_777_215


class ConvertPanel(QWidget):
    """Queue, settings, listening."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._dragging = False
        self._run: list[Job] = []
        """The jobs that the overall progress is about."""
        self._began = 0.0
        self.queue = QueueModel()
        self.view = QueueView(self.queue)
        self.form = SettingsForm(bridge, memory)
        self.compare = Compare(bridge)
        # Half of the processors stay with live sound, which goes before anyway.
        self.converter = Converter(
            bridge.in_background, at_once=max(1, min(4, (os.cpu_count() or 2) // 2)), parent=self
        )
        self._intake = Intake(bridge, memory, self)
        self.notices = NoticeBar()
        self.empty = EmptyState(
            "convert",
            "Drop sound files here",
            "Files or folders: wav, flac, ogg, mp3, aiff or MIDI. Each becomes the same playing on another instrument.",
            "Choose files…",
        )
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._dress()
        self._show_state()

    # files in

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Put files, and what lies in folders, into the queue."""
        self.notices.clear()
        self._intake.look(paths)

    def _take(self, found: Found) -> None:
        known = {job.source for job in self.queue.jobs if job.state == "ready"}
        jobs = [Job(one.path, one.folder) for one in found.sounds if one.path not in known]
        self.queue.add(jobs)
        if found.problems:
            more = f" ({len(found.problems) - 1} more like this.)" if len(found.problems) > 1 else ""
            self._warn(found.problems[0] + more)
        if jobs and self.view.current_job() is None:
            self.view.choose(jobs[0])
        self._intake.measure(jobs)
        self._show_state()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take files from elsewhere."""
        data = event.mimeData() if event is not None else None
        if event is None or data is None or event.source() is self.view:
            return
        if any(url.isLocalFile() for url in data.urls()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._set_dragging(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:  # noqa: N802
        """They went past."""
        self._set_dragging(False)

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """They are for us."""
        self._set_dragging(False)
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.add_paths([Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()])

    def _set_dragging(self, dragging: bool) -> None:
        self._dragging = dragging
        self._veil.setVisible(dragging)
        if dragging:
            self._veil.setGeometry(self.rect())
            self._veil.raise_()

    # work

    def convert(self) -> None:
        """Begin with everything that is ready; with nothing ready, once more with everything that is done."""
        if not self.form.ready:
            return
        ready = [job for job in self.queue.jobs if job.state == "ready"]
        if not ready:
            again = [job for job in self.queue.jobs if job.state == "done"]
            ready = [Job(job.source, job.folder, job.seconds) for job in again]
            self.queue.add(ready)
        self._start(ready)

    def retry(self, job: Job) -> None:
        """Once more, as it is set now."""
        if self.form.ready and not job.active:
            self._start([job])

    def _start(self, jobs: list[Job]) -> None:
        if not self.converter.busy:
            self._run, self._began = [], time.monotonic()
        self._run += [job for job in jobs if job not in self._run]
        self.notices.clear()
        self.converter.start(jobs, self.form.request())
        self._show_state()

    def cancel_all(self) -> None:
        """Stop; what is done stays."""
        self.converter.cancel_all()

    def remove(self, jobs: Sequence[Job]) -> None:
        """Cancel what runs, take the rest out of the queue; no file is touched."""
        stopped = [job for job in jobs if job.active]
        for job in stopped:
            self.converter.cancel(job)
        gone = [job for job in jobs if job not in stopped]
        self.queue.remove(gone)
        self._show_state()

    def clear_finished(self) -> None:
        """Take everything out of the queue that needs no more work; files stay."""
        self.queue.remove([job for job in self.queue.jobs if job.state in {"done", "cancelled"}])
        self._show_state()

    def step(self, job: Job) -> None:
        """The next step of a row: cancel, try again, show the result, or out of the queue."""
        if job.active:
            self.converter.cancel(job)
        elif job.state == "done":
            self.show_result(job)
        elif job.state == "ready":
            self.remove([job])
        else:
            self.retry(job)

    def open_result(self, job: Job) -> None:
        """Open a result with the desktop's program for it."""
        if job.result is not None and not show_file.open_file(job.result):
            self._warn(f"No program is set up for {job.result.suffix} files; choose one in the desktop's settings.")

    def show_result(self, job: Job) -> None:
        """Show a result in the file manager."""
        if job.result is not None:
            show_file.show(self._bridge, job.result, self._warn)

    def _changed(self, job: Job) -> None:
        self.queue.touch(job)
        if job.state == "failed":
            self.view.scheduleDelayedItemsLayout()  # its sentence may need more lines
        elif job.state == "done":
            current = self.view.current_job()
            if current is job or not any(self.compare.shows(one) for one in self.queue.jobs):
                self._listen_to(job)
        if job.state != "running":
            self._show_state()

    def _finished(self) -> None:
        done = sum(job.state == "done" for job in self._run)
        failed = sum(job.state == "failed" for job in self._run)
        if failed:
            what = "One file" if failed == 1 else f"{failed} files"
            self._warn(f"{what} could not be converted; the row says why.", "Try again", self._retry_failed)
            self.view.scrollTo(self.queue.index(self.queue.row_of(next(j for j in self._run if j.state == "failed"))))
        elif done and done == len(self._run):
            self.notices.show_notice(Notice(f"{_files(done)} converted.", "convert", "info", "Show", self._show_last))
        self._show_state()

    def _retry_failed(self) -> None:
        self.notices.clear()
        if self.form.ready:
            self._start([job for job in self.queue.jobs if job.state == "failed"])

    def _show_last(self) -> None:
        last = next((job for job in reversed(self._run) if job.result is not None), None)
        if last is not None:
            self.show_result(last)

    def _listen_to(self, job: Job | None) -> None:
        if job is not None and job.state == "done" and job.result is not None:
            self._listening.setVisible(True)
            self._fit()
            if not self.compare.shows(job):
                self.compare.show_job(job)

    # look

    def _make_buttons(self) -> None:
        self.add_files = QPushButton("Add files…")
        self.add_folder = QPushButton("Add folder…")
        self.clear_button = QPushButton("Clear finished")
        theme.set_role(self.clear_button, "ghost")
        self.convert_button = QPushButton("Convert")
        theme.set_role(self.convert_button, "primary")
        self.cancel_button = QPushButton("Cancel all")
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of all files")
        self.left = QLabel()
        theme.set_role(self.left, "dim")
        self._veil = DropVeil(self)
        self._veil.hide()

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        self._bar = QHBoxLayout()
        for button in (self.add_files, self.add_folder):
            self._bar.addWidget(button)
        self._bar.addStretch(1)
        self._bar.addWidget(self.clear_button)
        listed = QWidget()
        self._listed = QVBoxLayout(listed)
        self._listed.addLayout(self._bar)
        self._listed.addWidget(self.view, 1)
        self._listed.setContentsMargins(0, 0, 0, 0)
        self._listening = QFrame()
        heard = QVBoxLayout(self._listening)
        heard.setContentsMargins(0, 0, 0, 0)
        heard.addWidget(self.compare)
        self._listening.setVisible(False)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(listed)
        self.splitter.addWidget(self._listening)
        self.splitter.setStretchFactor(0, 2)
        self.splitter.setStretchFactor(1, 3)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(self.splitter)
        self._left = QWidget()
        left = QVBoxLayout(self._left)
        left.setContentsMargins(0, 0, 0, 0)
        left.addWidget(self.notices)
        left.addWidget(self.pages, 1)
        self._scroll = QScrollArea()
        self._scroll.setWidget(self.form)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._side = QFrame()
        theme.set_role(self._side, "card")
        self._column = QVBoxLayout(self._side)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self._scroll, 1)
        self._foot = QWidget()
        foot = QVBoxLayout(self._foot)
        row = QHBoxLayout()
        row.addWidget(self.convert_button, 1)
        row.addWidget(self.cancel_button)
        foot.addWidget(self.progress)
        foot.addWidget(self.left)
        foot.addLayout(row)
        self._column.addWidget(self._foot)
        body = QWidget()
        self._whole = QBoxLayout(QBoxLayout.Direction.LeftToRight, body)
        self._whole.addWidget(self._left, 1)
        self._whole.addWidget(self._side)
        self._page = QScrollArea()
        self._page.setWidget(body)
        self._page.setWidgetResizable(True)
        self._page.setFrameShape(QFrame.Shape.NoFrame)
        self._page.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(0)
        self._rows.addWidget(self._page, 1)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Where there is little room the settings come below the queue, and the button stays in sight."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        narrow = self.width() < theme.px(_NARROW_UNITS)
        direction = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        least = 84 if self._listening.isVisibleTo(self._left) else 44
        self._left.setMinimumHeight(theme.px(least) if narrow else 0)
        self.compare.name.setVisible(not narrow)
        self._foot.setVisible(bool(self.queue.jobs) or not narrow)
        self._scroll.setMinimumHeight(self.form.sizeHint().height() + theme.px(1) if narrow else theme.px(30))
        if narrow:
            self._side.setMinimumWidth(0)
            self._side.setMaximumWidth(_ANY_WIDTH)
        else:
            self._side.setFixedWidth(max(theme.px(78), self.form.minimumSizeHint().width() + theme.px(4)))
        if self._whole.direction() != direction:
            self._whole.setDirection(direction)
            (self._rows if narrow else self._column).addWidget(self._foot)

    def _connect(self) -> None:
        self._intake.found.connect(self._take)
        self._intake.measured.connect(self.queue.touch)
        self._intake.chosen.connect(self.add_paths)
        self._intake.cannot.connect(self._warn)
        self.empty.acted.connect(self._intake.choose_files)
        self.add_files.clicked.connect(self._intake.choose_files)
        self.add_folder.clicked.connect(self._intake.choose_folder)
        self.clear_button.clicked.connect(self.clear_finished)
        self.convert_button.clicked.connect(self.convert)
        self.cancel_button.clicked.connect(self.cancel_all)
        self.form.changed.connect(self._show_state)
        self.form.cannot.connect(self._warn)
        self.converter.changed.connect(self._changed)
        self.converter.idle.connect(self._finished)
        self.view.stepped.connect(self.step)
        self.view.opened.connect(self.open_result)
        self.view.removed.connect(self.remove)
        self.view.chosen.connect(self._listen_to)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self._bridge.noticed.connect(self._hear_notice)
        self._pace = QTimer(self)
        self._pace.setInterval(_PROGRESS_MS)
        self._pace.timeout.connect(self._show_progress)
        for keys, act in (("Ctrl+Return", self.convert), ("Ctrl+O", self._intake.choose_files)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)
        theme.notifier.changed.connect(self._dress)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.converter.close)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Models may have come or gone."""
        super().showEvent(event)
        self.form.read_models()

    def _show_state(self) -> None:
        jobs = self.queue.jobs
        ready = sum(job.state == "ready" for job in jobs)
        done = sum(job.state == "done" for job in jobs)
        busy = self.converter.busy
        self.pages.setCurrentIndex(1 if jobs else 0)
        self.form.set_midi_wanted(any(job.is_midi for job in jobs))
        if not any(job.result is not None for job in jobs):
            self.compare.stop()
            self._listening.setVisible(False)
        again = not ready and done > 0 and not busy
        self.convert_button.setText(
            f"Convert {_files(ready)}" if ready else f"Convert {_files(done)} again" if again else "Convert"
        )
        self.convert_button.setEnabled(self.form.ready and (ready > 0 or again))
        self.cancel_button.setVisible(busy)
        self.clear_button.setVisible(any(job.state in {"done", "cancelled"} for job in jobs))
        self.progress.setVisible(busy)
        self.left.setVisible(busy)
        if busy and not self._pace.isActive():
            self._pace.start()
            self._show_progress()
        elif not busy:
            self._pace.stop()
        self._fit()

    def _show_progress(self) -> None:
        part = overall_part(self._run)
        self.progress.setValue(round(1000 * part))
        done = sum(job.state in {"done", "failed", "cancelled"} for job in self._run)
        left = in_words(seconds_left(part, time.monotonic() - self._began))
        self.left.setText(" · ".join(filter(None, (f"{done} of {_files(len(self._run))}", left))))

    def _show_menu(self, at: QPoint) -> None:
        jobs = self.view.selected_jobs()
        menu = QMenu(self)
        for words, name, act in self._acts(jobs):
            action = QAction(icon(name), words, menu)
            action.triggered.connect(act)
            menu.addAction(action)
        viewport = self.view.viewport()
        if not menu.isEmpty() and viewport is not None:
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(viewport.mapToGlobal(at))

    def _acts(self, jobs: list[Job]) -> list[tuple[str, str, Callable[[], None]]]:
        """What can be done with the chosen rows."""
        acts: list[tuple[str, str, Callable[[], None]]] = []
        if len(jobs) == 1 and jobs[0].result is not None:
            job = jobs[0]
            acts.append(("Open", "file", lambda: self.open_result(job)))
            acts.append(("Show in the file manager", "folder", lambda: self.show_result(job)))
        if len(jobs) == 1 and jobs[0].state in {"failed", "cancelled", "done"}:
            job = jobs[0]
            acts.append((next_step(job) if job.state != "done" else "Convert again", "retry", lambda: self.retry(job)))
        if any(job.active for job in jobs):
            acts.append(("Cancel", "close", lambda: self.remove([job for job in jobs if job.active])))
        if any(not job.active for job in jobs):
            acts.append(("Take out of the queue", "remove", lambda: self.remove([j for j in jobs if not j.active])))
        return acts

    def _hear_notice(self, notice: Notice) -> None:
        if notice.place == "convert":
            self.notices.show_notice(notice)

    def _warn(self, sentence: str, action: str = "", do: Callable[[], None] | None = None) -> None:
        severity: Severity = "warning"
        self.notices.show_notice(Notice(sentence, "convert", severity, action, do))

    def _dress(self) -> None:
        set_icon(self.add_files, "add")
        set_icon(self.add_folder, "folder")
        set_icon(self.cancel_button, "close")
        set_icon(self.convert_button, "convert", "on_accent")
        self._whole.setSpacing(theme.px(4))
        self._whole.setContentsMargins(*[theme.px(4)] * 4)
        self._bar.setSpacing(theme.px(2))
        self._listed.setSpacing(theme.px(2))
        foot = self._foot.layout()
        assert foot is not None
        foot.setSpacing(theme.px(2))
        foot.setContentsMargins(*[theme.px(3)] * 4)
        self.splitter.setHandleWidth(theme.px(1))
        self._fit()


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
