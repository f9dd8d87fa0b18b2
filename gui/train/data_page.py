"""First step: what to learn from, and whether it is fit. `retimbre prepare --json` does the checking.

    (•) Recordings  ( ) MIDI and instruments  ( ) Recorded pairs
    folders …                                                        [Check]  ▓▓▓▓░░ 12 of 40
    what was found, see gui.train.check_view

The checked data are kept in a folder of their own that depends on the sources alone, so that checking again does only
what is new. GUI thread.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.live_state import Notice
from gui.own_command import own_command
from gui.train import run_process
from gui.train.catalogue import Material
from gui.train.check_view import CheckView
from gui.train.failure import failure
from gui.train.json_command import JsonCommand
from gui.train.sources import KINDS, Sources
from gui.widgets.bending import bend
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gui.bridge import Bridge
    from gui.memory import Memory


@dataclass(frozen=True, slots=True)
class Data:
    """Checked material: its index, and minutes of each sound by split."""

    kind: Material
    name: str
    index: Path
    minutes: Mapping[str, Mapping[str, float]]

    def total(self, sound: str) -> float:
        """Minutes of one sound."""
        return sum(self.minutes.get(sound, {}).values())


class DataPage(QWidget):
    """`ready` with Data, or None while there is nothing to train on."""

    ready = pyqtSignal(object)

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._memory = memory
        self._command: JsonCommand | None = None
        self._whole: dict[str, Any] = {}
        self.data: Data | None = None
        self._column = QVBoxLayout(self)
        self._kinds = QButtonGroup(self)
        chosen = memory.get("train.kind", "recordings")
        self._narrow = False
        self._chips = row = QHBoxLayout()
        for number, (key, words, tip, _) in enumerate(KINDS):
            button = QPushButton(words)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setAccessibleDescription(tip)
            theme.set_role(button, "chip")
            self._kinds.addButton(button, number)
            button.setChecked(key == chosen or (number == 0 and chosen not in {kind[0] for kind in KINDS}))
            row.addWidget(button)
        row.addStretch(1)
        self.tip = QLabel()
        self.tip.setWordWrap(True)
        theme.set_role(self.tip, "dim")
        self.check, self.cancel = QPushButton("Check"), QPushButton("Cancel")
        self.check.setToolTip("Look for faults and prepare what is fit")
        self.check.clicked.connect(self.begin)
        self.cancel.clicked.connect(self._cancel)
        self.progress, self.missing = QProgressBar(), QLabel()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of the check")
        theme.set_role(self.missing, "dim")
        actions = QHBoxLayout()
        for widget in (self.check, self.cancel, self.missing):
            actions.addWidget(widget)
        actions.addWidget(self.progress, 1)
        actions.addStretch(0)
        self.notices = NoticeBar()
        self._bridge = bridge
        self._found: CheckView | None = None
        self._place = QVBoxLayout()
        self._column.addLayout(row)
        self._column.addWidget(self.tip)
        self._column.addLayout(self._place)
        self._column.addLayout(actions)
        self._column.addWidget(self.notices)
        self._column.addStretch(1)
        self._kinds.idClicked.connect(lambda _number: self._choose_kind())
        theme.notifier.changed.connect(self._dress)
        self.sources = Sources(self.kind)
        self._choose_kind()
        self._dress()

    @property
    def found(self) -> CheckView:
        """What the check found; built when first needed."""
        if self._found is None:
            self._found = CheckView(self._bridge)
            self._found.hide()
            self._found.bend(self._narrow)
            self._column.insertWidget(self._column.count() - 1, self._found, 100)
        return self._found

    def bend(self, narrow: bool) -> None:
        """Stand in one column where there is little room."""
        self._narrow = narrow
        bend(narrow, self._chips, *self.sources.rows())
        if self._found is not None:
            self._found.bend(narrow)

    def fall_silent(self) -> None:
        """End what is listened to."""
        if self._found is not None:
            self._found.listening.stop()

    @property
    def kind(self) -> str:
        """The chosen key of KINDS."""
        return KINDS[max(0, self._kinds.checkedId())][0]

    def folder(self) -> Path:
        """Where the checked data of these sources are kept."""
        arguments = "\n".join(self.sources.arguments())
        name = run_process.slug(self.sources.name())
        return run_process.home() / "data" / f"{name}-{hashlib.sha256(arguments.encode()).hexdigest()[:8]}"

    def begin(self) -> None:
        """Check the sources that are given."""
        if self._command is not None or self.sources.missing():
            return
        self.notices.clear()
        self._set_data(None)
        self.found.begin()
        self.found.setVisible(True)
        self._whole = {}
        self._memory.set(f"train.sources.{self.kind}", self.sources.remembered())
        out = ["-o", str(self.folder()), "--json", "--skip-bad"]
        self._command = JsonCommand(own_command("prepare", *self.sources.arguments(), *out), self)
        self._command.said.connect(self._hear)
        self._command.ended.connect(self._end)
        self.progress.setRange(0, 0)
        self._show_state()

    def end_command(self) -> None:
        """End a check that runs."""
        if self._command is not None:
            self._command.close()

    def _choose_kind(self) -> None:
        key, _, tip, _ = next(kind for kind in KINDS if kind[0] == self.kind)
        self._memory.set("train.kind", key)
        self.tip.setText(tip)
        self.sources.setParent(None)
        self.sources.deleteLater()
        self.sources = Sources(key)
        self.sources.restore(self._memory.get(f"train.sources.{key}", {}))
        self.sources.changed.connect(self._forget_check)
        bend(self._narrow, *self.sources.rows())
        self._place.addWidget(self.sources)
        self._forget_check()

    def _forget_check(self) -> None:
        self._set_data(None)
        if self._found is not None:
            self._found.begin()
            self._found.setVisible(False)
        self.notices.clear()
        self._show_state()

    def _show_state(self) -> None:
        checking, missing = self._command is not None, self.sources.missing()
        self.check.setVisible(not checking)
        self.check.setEnabled(not missing)
        theme.set_role(self.check, "" if self.data is not None or missing else "primary")
        self.cancel.setVisible(checking)
        self.progress.setVisible(checking)
        self.missing.setText("" if checking else missing)
        self.sources.setEnabled(not checking)
        for button in self._kinds.buttons():
            button.setEnabled(not checking)

    def _cancel(self) -> None:
        if self._command is not None:
            self._command.stop()

    def _hear(self, line: dict[str, Any]) -> None:
        if line.get("kind") == "file":
            self.progress.setRange(0, int(line.get("total", 0)))
            self.progress.setValue(int(line.get("done", 0)))
            self.found.add(line)
        elif line.get("kind") == "whole":
            self._whole = line

    def _end(self, ok: bool, sentence: str) -> None:
        command, self._command = self._command, None
        if command is not None:
            command.deleteLater()
        whole = self._whole
        if sentence:
            self.notices.show_notice(failure(sentence))
        elif ok and whole:
            self.found.finish(whole.get("minutes", {}))
            self._judge(whole)
        if not self.found.files:
            self.found.setVisible(False)
        self._show_state()

    def _judge(self, whole: Mapping[str, Any]) -> None:
        """Is there enough to learn from and, of pairs, to judge by?"""
        material: Material = "recordings" if self.kind == "recordings" else "paired"
        minutes: dict[str, dict[str, float]] = whole.get("minutes", {})
        learnt = [name for name, of in minutes.items() if of.get("train", 0.0) > 0]
        if not learnt:
            self._say(f"None of the {len(self.found.files)} recordings can be used: the list says why.", "error")
            return
        if material == "paired" and not any(of.get("validation", 0.0) > 0 for of in minutes.values()):
            self._say("No piece was set aside to judge the training by: add more pieces, ten or more.", "error")
            return
        self._set_data(Data(material, self.sources.name(), Path(str(whole.get("index", ""))), minutes))

    def _say(self, sentence: str, severity: Any) -> None:
        self.notices.show_notice(Notice(sentence, "train", severity))

    def _set_data(self, data: Data | None) -> None:
        if data is not self.data:
            self.data = data
            self.ready.emit(data)

    def _dress(self) -> None:
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.px(2.5))
        self.progress.setFixedHeight(theme.px(2))
