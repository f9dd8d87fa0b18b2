"""The right side of the model library: what one package is, before it is chosen. GUI thread.

Voice                                     [Play this model]
5.3 ms · Violin, Cello … · licence        [Hear: before] [after]    [Show in files] [Remove]
┌ its card, with pictures ┐
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import show_file, theme
from gui.bridge import Bridge
from gui.icon import set_icon
from gui.live_state import Notice
from gui.play.card_view import Card, CardView, read_card
from gui.play.file_playback import FilePlayback
from gui.play.library_entries import Entry
from gui.play.preview_sound import Heard, preview_file
from gui.widgets.bending import bend
from realtime.manifest import Target


class ModelFacts(QFrame):
    """One entry, in words, sound and pictures."""

    chosen = pyqtSignal(object)
    """The entry that is to be played."""
    remove_wanted = pyqtSignal(object)
    noticed = pyqtSignal(object)

    def __init__(self, bridge: Bridge, playback: FilePlayback, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._bridge, self._playback = bridge, playback
        self._entry: Entry | None = None
        self._previews: dict[Heard, Path] = {}
        self.title, self.rows = QLabel(), QGridLayout()
        theme.set_role(self.title, "display")
        self.rows.setColumnStretch(1, 1)
        self.rows.setHorizontalSpacing(theme.px(4))
        self.rows.setVerticalSpacing(theme.px(1))
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        theme.set_role(self.problem, "warn")
        self.play = QPushButton("Play this model")
        theme.set_role(self.play, "primary")
        self.before, self.after = QPushButton(), QPushButton()
        self.reveal, self.remove = QPushButton("Show in files"), QPushButton("Remove")
        for quiet in (self.reveal, self.remove):
            theme.set_role(quiet, "ghost")
        self.card = CardView()
        self._lay_out()
        self.play.clicked.connect(lambda: self.chosen.emit(self._entry))
        self.before.clicked.connect(lambda: self.hear("in"))
        self.after.clicked.connect(lambda: self.hear("out"))
        self.reveal.clicked.connect(self._reveal)
        self.remove.clicked.connect(lambda: self.remove_wanted.emit(self._entry))
        playback.changed.connect(self._show_playing)
        theme.notifier.changed.connect(self._show_playing)
        self._show_playing()
        self.show_entry(None)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.play)
        hear, files = QHBoxLayout(), QHBoxLayout()
        for row, pair in ((hear, (self.before, self.after)), (files, (self.reveal, self.remove))):
            row.setSpacing(theme.px(2))
            for button in pair:
                row.addWidget(button)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(theme.px(2))
        self._buttons.addLayout(hear)
        self._buttons.addStretch()
        self._buttons.addLayout(files)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(4))
        layout.setSpacing(theme.px(2))
        layout.addLayout(head)
        layout.addWidget(self.problem)
        layout.addLayout(self.rows)
        layout.addLayout(self._buttons)
        layout.addWidget(self.card, 1)

    def bend(self, narrow: bool) -> None:
        """Stand in one column; the card is then long enough to read."""
        bend(narrow, self._buttons)
        self.card.setMinimumHeight(theme.px(64) if narrow else 0)

    @property
    def entry(self) -> Entry | None:
        """What is shown."""
        return self._entry

    def show_entry(self, entry: Entry | None) -> None:
        """Show this one; its card comes from the background."""
        if entry is not None and entry == self._entry:
            return
        self._entry, self._previews = entry, {}
        self.setEnabled(entry is not None)
        self.title.setText(entry.title if entry else "Choose a model on the left")
        self._show_rows(facts_of(entry) if entry else ())
        problem = problem_of(entry) if entry else ""
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.play.setEnabled(entry is not None and entry.playable)
        for button in (self.before, self.after):
            button.setVisible(entry is not None and entry.has_sound)
        self.remove.setVisible(entry is not None and entry.removable)
        self.card.show_card(None)
        if entry is None or entry.error:
            return
        width = self.card.room()

        def take(card: Card) -> None:
            if self._entry == entry:
                self.card.show_card(card)

        self._bridge.in_background(lambda: read_card(entry.folder, width), take, self._say)

    def _show_rows(self, rows: tuple[tuple[str, str], ...]) -> None:
        while (item := self.rows.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        for row, (name, words) in enumerate(rows):
            value = QLabel(words)
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            if not name:
                self.rows.addWidget(value, row, 0, 1, 2)
                continue
            label = QLabel(name)
            theme.set_role(label, "dim")
            self.rows.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            self.rows.addWidget(value, row, 1)

    def hear(self, heard: Heard) -> None:
        """Play the golden sound, or stop it."""
        path = self._previews.get(heard)
        if path is not None and path == self._playback.path:
            self._playback.stop()
            return
        entry = self._entry
        if entry is None:
            return

        def take(path: Path) -> None:
            if self._entry == entry:
                self._previews[heard] = path
                self._playback.play(path)

        self._bridge.in_background(lambda: preview_file(entry.folder, heard), take, self._say)

    def _show_playing(self) -> None:
        sides: tuple[tuple[Heard, QPushButton, str], ...] = (
            ("in", self.before, "Hear what went in"),
            ("out", self.after, "Hear what came out"),
        )
        for heard, button, words in sides:
            playing = heard in self._previews and self._previews[heard] == self._playback.path
            button.setText("Stop" if playing else words)
            set_icon(button, "stop" if playing else "play")

    def _reveal(self) -> None:
        if self._entry is not None:
            show_file.show(self._bridge, self._entry.folder, self._say)

    def _say(self, sentence: str) -> None:
        self.noticed.emit(Notice(sentence, "play", "error"))


def problem_of(entry: Entry) -> str:
    """Why it cannot be chosen, "" where it can."""
    if entry.error:
        return entry.error
    if entry.hidden:
        return (
            f"Another model named '{entry.name}' comes first, so this one is never played: rename its folder or remove "
            "one of the two."
        )
    return ""


def facts_of(entry: Entry) -> tuple[tuple[str, str], ...]:
    """What one wants to know before choosing: (of what, words)."""
    if entry.error:
        return (("Folder", str(entry.folder)),)
    rows = [("", entry.description)]
    if entry.targets:
        rows.append(("Sounds", ", ".join(_range_of(target) for target in entry.targets)))
    rows.append(("Latency", f"{entry.latency_ms:.1f} ms, added to what your sound card takes"))
    rows.append(("Kind", f"{entry.architecture}, {entry.rate_hz / 1000:g} kHz, {entry.size_bytes / 1e6:.1f} MB"))
    if entry.licences is not None:
        rows.append(("Licence", f"{entry.licences.weights} (the program that made it: {entry.licences.code})"))
        rows.append(("Learnt from", _short(entry.licences.data)))
    return tuple(rows)


def _range_of(target: Target) -> str:
    if target.low_hz is None or target.high_hz is None:
        return target.title
    return f"{target.title} {target.low_hz:.0f}–{target.high_hz:.0f} Hz"


def _short(text: str) -> str:
    return text if len(text) <= 90 else f"{text[:87].rstrip(' ;,(')}… (all of it: see the card)"
