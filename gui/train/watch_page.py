"""One training as it runs: state, progress, curve, test clips, log; stop, go on, add to the library, play.

    My horn                                             [Stop] [Add to library] [More ▾]
    Training on the processor · step 1200 of 4500 · 0.61 s a step · about 35 minutes left
    ▓▓▓▓▓▓▓░░░░░░░░░░░░░░░
    ┌ curve: distance ▾ ────────┐  ┌ clips ─────────────────────────────┐
    └───────────────────────────┘  └────────────────────────────────────┘
    ▸ What it says

It only shows what `gui.train.run_folder` read, and emits what the player wants. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon
from gui.train.catalogue import rough_time
from gui.train.clips_view import ClipsView
from gui.train.listening import Listening
from gui.train.loss_plot import LossPlot
from gui.widgets.bending import bend
from gui.widgets.elided_label import ElidedLabel

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.train.run_folder import Run, Seen


class WatchPage(QWidget):
    """`show_seen` after every look; `wanted` with what the player asks for."""

    wanted = pyqtSignal(str)
    """stop, end, resume, longer, export, play, folder, forget or delete, for the run that is shown."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self._log: tuple[str, ...] = ()
        self._exporting = False
        self.listening = Listening(bridge, self)
        self.title, self.state_line = ElidedLabel(), QLabel()
        theme.set_role(self.title, "title")
        self.state_line.setWordWrap(True)
        self.state_line.setTextFormat(Qt.TextFormat.PlainText)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of the training")
        self.stop = self._button("Stop", "stop", "stop", "End after this step; a checkpoint is kept")
        self.resume = self._button("Go on", "play", "resume", "Go on from the last checkpoint")
        self.export = self._button("Add to library", "export", "export", "Make a model of the best weights so far")
        self.play = self._button("Play it", "play", "play", "Load the model and play through it")
        self.more = QToolButton()
        set_icon(self.more, "more")
        self.more.setAccessibleName("More for this training")
        self.more.setToolTip("More for this training")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        self.longer = menu.addAction("Train half as long again")
        self.open_folder = menu.addAction("Show its folder")
        self.end = menu.addAction("End at once")
        self.forget = menu.addAction("Take from this list")
        self.delete = menu.addAction("Delete from the disk…")
        for action, what in (
            (self.longer, "longer"), (self.open_folder, "folder"), (self.end, "end"), (self.forget, "forget"),
            (self.delete, "delete"),
        ):  # fmt: skip
            if action is not None:
                action.triggered.connect(lambda _checked, what=what: self.wanted.emit(what))
        self.more.setMenu(menu)
        self.more.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # the three dots say it
        self.measure = QComboBox()
        self.measure.setAccessibleName("What the curve shows")
        self.measure.currentIndexChanged.connect(self._choose_measure)
        self._bridge = bridge
        self._clips: ClipsView | None = None
        self.plot = LossPlot()
        self.show_log = QToolButton()
        self.show_log.setText("What it says")
        self.show_log.setCheckable(True)
        self.show_log.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.set_role(self.show_log, "ghost")
        self.show_log.toggled.connect(self._toggle_log)
        self.log_tail = ElidedLabel()
        theme.set_role(self.log_tail, "dim")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setAccessibleName("Log of the training")
        self.log.setMaximumBlockCount(300)
        self.log.setVisible(False)
        self._arrange()
        theme.notifier.changed.connect(self._dress)
        self._dress()

    @property
    def clips(self) -> ClipsView:
        """The test clips; built when first needed."""
        if self._clips is None:
            self._clips = ClipsView(self._bridge, self.listening)
            self._body.addWidget(self._clips, 3)
        return self._clips

    def show_seen(self, seen: Seen) -> None:
        """Show what was read of the run."""
        before, self.run = self.run, seen.run
        if before is None or before.folder != seen.run.folder:
            self.listening.stop()
            self.measure.clear()
            self.clips.set_clips(())
            self._log = ("",)
        self._show_run(seen.run)
        self.plot.set_points(seen.points)
        names = self.plot.measures()
        if names != [self.measure.itemData(k) for k in range(self.measure.count())]:
            kept = self.measure.currentData()
            self.measure.blockSignals(True)
            self.measure.clear()
            for name in names:
                self.measure.addItem(name.replace("_", " ").capitalize(), name)
            self.measure.setCurrentIndex(max(0, self.measure.findData(kept)))
            self.measure.blockSignals(False)
            self._choose_measure()
        self.measure.setVisible(bool(names))
        self.clips.set_clips(seen.clips)
        if seen.log != self._log:
            self._log = seen.log
            self.log_tail.setText(seen.log[-1] if seen.log else "")
            if self.show_log.isChecked():
                self._fill_log()

    def set_exporting(self, exporting: bool) -> None:
        """A model is being made of it."""
        self._exporting = exporting
        if self.run is not None:
            self._show_run(self.run)

    def _show_run(self, run: Run) -> None:
        self.title.setText(run.title)
        self.state_line.setText(state_words(run))
        theme.set_role(self.state_line, "bad" if run.state in {"broken", "missing"} else "dim")
        waiting = run.state in {"starting", "preparing"} or self._exporting
        self.progress.setRange(0, 0 if waiting else max(1, run.steps))
        self.progress.setValue(run.step)
        self.stop.setVisible(run.live)
        self.stop.setEnabled(run.state != "stopping")
        self.resume.setVisible(run.state in {"stopped", "broken"})
        self.resume.setText("Go on" if run.has_checkpoint else "Start again")
        self.export.setVisible(run.has_weights and run.state != "missing")
        self.export.setEnabled(not self._exporting)
        self.export.setText("Adding…" if self._exporting else "Add again" if run.exported else "Add to library")
        self.play.setVisible(bool(run.exported))
        for widget in (self.progress, self._middle):
            widget.setVisible(run.state != "missing")
        theme.set_role(self.export, "" if run.exported or run.state != "done" else "primary")
        theme.set_role(self.resume, "primary")
        for action, shown in (
            (self.longer, run.state == "done"), (self.end, run.live), (self.forget, not run.live),
            (self.delete, not run.live and run.state != "missing"), (self.open_folder, run.state != "missing"),
        ):  # fmt: skip
            if action is not None:
                action.setVisible(shown)

    def _choose_measure(self) -> None:
        name = self.measure.currentData()
        if name:
            self.plot.set_measure(name)

    def _toggle_log(self, shown: bool) -> None:
        self.log.setVisible(shown)
        self.log_tail.setVisible(not shown)
        if shown:
            self._fill_log()
        self._dress()

    def _fill_log(self) -> None:
        self.log.setPlainText("\n".join(self._log))
        bar = self.log.verticalScrollBar()
        if bar is not None:
            bar.setValue(bar.maximum())

    def _button(self, words: str, picture: str, what: str, tip: str) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("picture", picture)
        button.setToolTip(tip)
        button.setAccessibleDescription(tip)
        button.clicked.connect(lambda: self.wanted.emit(what))
        return button

    def _arrange(self) -> None:
        self._head, buttons = QHBoxLayout(), QHBoxLayout()
        self._head.addWidget(self.title, 1)
        for button in (self.stop, self.resume, self.export, self.play, self.more):
            buttons.addWidget(button)
        self._head.addLayout(buttons)
        left = QVBoxLayout()
        left.addWidget(self.measure, 0, Qt.AlignmentFlag.AlignLeft)
        left.addWidget(self.plot, 1)
        self._middle = QWidget()
        self._body = QHBoxLayout(self._middle)
        self._body.setContentsMargins(0, 0, 0, 0)
        self._body.addLayout(left, 2)
        foot = QHBoxLayout()
        foot.addWidget(self.show_log)
        foot.addWidget(self.log_tail, 1)
        foot.addStretch(0)
        self._column = QVBoxLayout(self)
        self._column.addLayout(self._head)
        self._column.addWidget(self.state_line)
        self._column.addWidget(self.progress)
        self._column.addWidget(self._middle, 3)
        self._column.addStretch(0)
        self._column.addLayout(foot)
        self._column.addWidget(self.log, 1)

    def bend(self, narrow: bool) -> None:
        """Stand in one column where there is little room."""
        bend(narrow, self._head, self._body)

    def _dress(self) -> None:
        edge = theme.px(4)
        self._column.setContentsMargins(edge, edge, edge, edge)
        self._column.setSpacing(theme.px(2.5))
        self._body.setSpacing(theme.px(5))
        self.progress.setFixedHeight(theme.px(2))
        set_icon(self.show_log, "down" if self.show_log.isChecked() else "next")
        set_icon(self.more, "more")
        for button in (self.stop, self.resume, self.export, self.play):
            set_icon(button, button.property("picture"))


def state_words(run: Run) -> str:
    """What the training does, in a sentence."""
    where = f"step {run.step} of {run.steps}" if run.steps else f"step {run.step}"
    best = "" if run.best is None else f" · best {run.best:.3g} at step {run.best_step}"
    if run.state == "starting":
        return "Starting…"
    if run.state == "preparing":
        return f"Listening to the recordings before the first step, on {run.device}…"
    if run.state == "stopping":
        return f"Stopping after this step, with a checkpoint · {where}"
    if run.state == "running":
        pace = "" if run.seconds_per_step is None else f" · {pace_words(run.seconds_per_step)}"
        left = "" if run.seconds_left is None else f" · {rough_time(run.seconds_left)} left"
        return f"Training on {run.device} · {where}{pace}{left}{best}"
    if run.state == "stopped":
        return f"Stopped at {where}{best}. It can go on from there."
    if run.state == "done":
        next_step = "It is in the library." if run.exported else "Add it to the library to play it."
        return f"Done: {run.step} steps{best}. {next_step}"
    advice = " Then go on from the last checkpoint." if run.state == "broken" and run.has_checkpoint else ""
    return f"{run.sentence}{advice}"


def pace_words(seconds: float) -> str:
    """Seconds a step, or steps a second, whichever is the larger number."""
    return f"{seconds:.2g} s a step" if seconds >= 1 else f"{1 / max(seconds, 1e-6):.3g} steps a second"
