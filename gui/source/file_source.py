"""An audio file in place of the instrument, for trying models: choose or drop it, see it, play, loop, jump. GUI thread.

drop, Choose…, an example ─▶ read in the background ─▶ waveform        Play ─▶ bridge.play_file(path, "input")
frame.file_s ─▶ cursor and clock
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QFileDialog, QMenu, QSizePolicy, QVBoxLayout, QWidget

from gui import theme
from gui.source.arrange import Card, Flow, button, row, words
from gui.source.sound_file import FILTER, SoundFile, clock, example_words, examples, is_sound, read_sound
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.empty_state import EmptyState
from gui.widgets.toggle import Toggle
from gui.widgets.waveform import WaveformView

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory
    from realtime.meters import Snapshot


class FileSource(QWidget):
    """The third page of the Source panel; `chosen` says each file that could be read."""

    chosen = pyqtSignal(object)
    playing_changed = pyqtSignal(bool)

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps the last file, its folder and the loop."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.sound: SoundFile | None = None
        self._reading: Path | None = None
        self._from_s = 0.0
        self.playing = False
        self.setAcceptDrops(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.card = Card("An audio file instead of the instrument")
        self.card.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        column.addWidget(self.card)
        self.empty = EmptyState(
            "file", "Drop a sound file here", "It plays into the model as if you played it, again and again with Loop.",
            "Choose a file…",
        )  # fmt: skip
        self.empty.acted.connect(self.choose)
        self.name, self.clock = ElidedLabel(""), words("", "number", wrap=False)
        self.view = WaveformView()
        self.view.setMinimumHeight(theme.px(24))
        self.view.setAccessibleName("Waveform of the file")
        self.view.clicked.connect(self.jump)
        self.play, self.stop = button("Play", "play", "primary"), button("Stop", "stop")
        self.loop = Toggle("Loop")
        self.loop.set_checked(memory.get("source.file_loop", True), quiet=True)
        self.other, self.example = button("Choose a file…", "folder"), button("Try an example")
        self.play.clicked.connect(self.start)
        self.stop.clicked.connect(self.end)
        self.loop.toggled.connect(self._set_loop)
        self.other.clicked.connect(self.choose)
        self._examples = examples()
        menu = QMenu(self.example)
        for path in self._examples:
            action = menu.addAction(example_words(path))
            assert action is not None
            action.triggered.connect(lambda _on, path=path: self.use(path, play=True))
        self.example.setMenu(menu)
        self.example.setVisible(bool(self._examples))
        self.problem = words("", "bad")
        self.problem.hide()
        self.hint = words("", "dim")
        self.card.column.addLayout(row(self.name, 1, self.clock))
        self.card.column.addWidget(self.view, 1)
        self.card.column.addWidget(self.empty, 1)
        self.card.column.addWidget(self.problem)
        self.card.column.addLayout(Flow(self.play, self.stop, self.loop, self.example, self.other))
        self.card.column.addWidget(self.hint)
        bridge.frame.connect(self._draw)
        bridge.state_changed.connect(self._show_state)
        self._show()
        last: str = memory.get("source.file", "")
        if last and Path(last).is_file():
            self.use(Path(last))

    # choosing

    def choose(self) -> None:
        """Ask for a file."""
        dialog = QFileDialog(self, "Choose a sound file", self._memory.get("source.file_folder", ""), FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.use(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def use(self, path: Path, *, play: bool = False) -> None:
        """Read a file and show it; play: and let it sound."""
        self._reading = path
        self.problem.hide()
        self.name.setText(f"Reading {path.name}…")

        def read(sound: SoundFile) -> None:
            if self._reading == path:
                self._take(sound)
                if play:
                    self.start()

        def refused(sentence: str) -> None:
            if self._reading == path:
                self._reading = None
                self.problem.setText(sentence)
                self.problem.show()
                self._show()

        self._bridge.in_background(lambda: read_sound(path), read, refused)

    def _take(self, sound: SoundFile) -> None:
        playing = self.playing
        self._reading, self.sound, self._from_s = None, sound, 0.0
        self._memory.set("source.file", str(sound.path))
        if sound.path not in self._examples:
            self._memory.set("source.file_folder", str(sound.path.parent))
        self.view.set_sound(sound.samples, sound.rate_hz, sound.path.name)
        self._show()
        self.chosen.emit(sound)
        if playing:
            self.start()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """A sound file may be dropped."""
        assert event is not None
        if self._dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Take it."""
        assert event is not None
        path = self._dropped(event)
        if path is not None:
            event.acceptProposedAction()
            self.use(path)

    @staticmethod
    def _dropped(event: QDropEvent) -> Path | None:
        data = event.mimeData()
        urls = data.urls() if data is not None else []
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        return next((path for path in paths if is_sound(path)), None)

    # playing

    def start(self) -> None:
        """Play from the place that was clicked last, or the beginning."""
        if self.sound is not None:
            self._bridge.play_file(self.sound.path, "input", loop=self.loop.isChecked(), from_s=self._from_s)

    def end(self) -> None:
        """Back to the instrument."""
        self._bridge.stop_file()

    def jump(self, seconds: float) -> None:
        """Go on from there; play from there next time."""
        if self.sound is None:
            return
        self._from_s = min(max(seconds, 0.0), max(0.0, self.sound.seconds - 0.05))
        if self.playing:
            self.start()
        else:
            self.view.set_cursor(self._from_s)
            self._show_clock(self._from_s)

    def _set_loop(self, on: bool) -> None:
        self._memory.set("source.file_loop", on)
        if self.playing and self.sound is not None:
            at = self._bridge.snapshot().file_s
            self._bridge.play_file(self.sound.path, "input", loop=on, from_s=at if math.isfinite(at) else 0.0)

    def _show(self) -> None:
        there = self.sound is not None
        self.view.setVisible(there)
        self.empty.setVisible(not there)
        self.play.setEnabled(there)
        self.other.setVisible(there)
        self.name.setText(self.sound.path.name if self.sound is not None else "")
        self._show_clock(self._from_s)
        self._show_state(self._bridge.state)

    def _show_clock(self, at_s: float) -> None:
        text = "" if self.sound is None else f"{clock(at_s)} / {clock(self.sound.seconds)}"
        if text != self.clock.text():
            self.clock.setText(text)

    def _show_state(self, state: LiveState) -> None:
        if state.power != "on" and self.playing:
            self._set_playing(False)
        self.stop.setEnabled(self.playing)
        if self.sound is None:
            hint = ""
        elif state.power == "off":
            hint = "Play turns the power on."
        elif self.playing:
            hint = "The file is heard instead of your instrument; Stop brings the instrument back."
        else:
            hint = "Until you press Play, your instrument is what is heard."
        if hint != self.hint.text():
            self.hint.setText(hint)
        self.hint.setVisible(bool(hint))

    def _set_playing(self, playing: bool) -> None:
        if playing != self.playing:
            self.playing = playing
            if not playing:
                self.view.set_cursor(math.nan)
                self._show_clock(self._from_s)
            self._show_state(self._bridge.state)
            self.playing_changed.emit(playing)

    def _draw(self, snapshot: Snapshot) -> None:
        file = self._bridge.state.settings.file
        ours = file is None or file.to == "input"
        self._set_playing(math.isfinite(snapshot.file_s) and ours)
        if self.playing and self.isVisible():
            self.view.set_cursor(snapshot.file_s)
            self._show_clock(snapshot.file_s)
