"""Every training that this app knows: title, state, progress; and above them the way to a new one. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.icon import icon, set_icon
from gui.train.catalogue import rough_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.train.run_folder import Run

_FOLDER = Qt.ItemDataRole.UserRole
_PICTURES = {
    "done": ("check", "good"), "broken": ("error", "bad"), "missing": ("error", "bad"),
    "stopped": ("pause", "text_dim"),
}  # fmt: skip


class RunsList(QWidget):
    """`chosen` with the folder of a run, or None for a new training."""

    chosen = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.new = QPushButton("New training")
        self.new.setCheckable(True)
        self.new.setChecked(True)
        self.new.clicked.connect(lambda: self.choose(None))
        self.list = QListWidget()
        self.list.setAccessibleName("Trainings")
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._take_choice)
        self.nothing = QLabel("Trainings that you start are listed here. They go on when the app is closed.")
        self.nothing.setWordWrap(True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        theme.set_role(self.nothing, "dim")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.new)
        self._column.addWidget(self.list, 1)
        self._column.addWidget(self.nothing, 1)
        self.list.hide()
        theme.notifier.changed.connect(self._dress)
        self._dress()

    def set_runs(self, runs: Sequence[Run]) -> None:
        """What there is, newest first."""
        folders = [run.folder for run in runs]
        if folders != [self._folder(row) for row in range(self.list.count())]:
            kept = self.current()
            self.list.blockSignals(True)
            self.list.clear()
            for run in runs:
                item = QListWidgetItem()
                item.setData(_FOLDER, run.folder)
                self.list.addItem(item)
            if kept in folders:
                self.list.setCurrentRow(folders.index(kept))
            self.list.blockSignals(False)
        for row, run in enumerate(runs):
            self._write(row, run)
        self.list.setVisible(bool(runs))
        self.nothing.setVisible(not runs)

    def choose(self, folder: Path | None) -> None:
        """Show this run, or the way to a new one."""
        self.mark(folder)
        self.chosen.emit(folder)

    def mark(self, folder: Path | None) -> None:
        """Let this run look chosen."""
        self.new.setChecked(folder is None)
        self.list.blockSignals(True)
        rows = [row for row in range(self.list.count()) if self._folder(row) == folder]
        self.list.setCurrentRow(rows[0] if rows else -1)
        self.list.blockSignals(False)

    def current(self) -> Path | None:
        """The chosen run's folder."""
        item = self.list.currentItem()
        return None if item is None else item.data(_FOLDER)

    def _folder(self, row: int) -> Path | None:
        item = self.list.item(row)
        return None if item is None else item.data(_FOLDER)

    def _write(self, row: int, run: Run) -> None:
        item = self.list.item(row)
        words = f"{run.title}\n{short_words(run)}"
        if item is None or item.text() == words:
            return
        item.setText(words)
        item.setToolTip(f"{run.title}: {run.sentence or short_words(run)}")
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{run.title}, {short_words(run)}")
        picture, token = _PICTURES.get(run.state, ("train", "accent"))
        item.setIcon(icon(picture, token))

    def _take_choice(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.new.setChecked(False)
            self.chosen.emit(item.data(_FOLDER))

    def _dress(self) -> None:
        self._column.setSpacing(theme.px(2))
        set_icon(self.new, "add")
        self.list.setIconSize(QSize(theme.px(4), theme.px(4)))


def short_words(run: Run) -> str:
    """The state in three words."""
    part = f"{100 * run.step / run.steps:.0f} %" if run.steps else ""
    if run.state == "running":
        return f"{part}, {rough_time(run.seconds_left)} left" if run.seconds_left is not None else f"training, {part}"
    words = {
        "starting": "starting…", "preparing": "preparing…", "stopping": "stopping…", "stopped": f"stopped at {part}",
        "done": "in the library" if run.exported else "done", "broken": "ended by itself", "missing": "not there",
    }  # fmt: skip
    return words[run.state]
