"""A/B: what went in and what came out, heard from the same moment and seen on the same axis.

    [▶]  [A Input | B Result]  0:03 / 0:14   prelude-piano (violin)        [whole] [−] [+]
    ┌ AbView ──────────────────────────────────────────────────────────┐

Sound comes from the engine (`bridge.play_file` behind the model), so it works while the power is off. The pictures are
made in the background. GUI thread.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QHideEvent
from PyQt6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.convert.ab_view import LANES, AbView
from gui.convert.job import Job
from gui.convert.overview import Overview, read_overview
from gui.convert.time_left import clock
from gui.icon import set_icon
from gui.widgets.elided_label import ElidedLabel

_TICK_MS = 33
_FINER_MS = 150
_OPENING_S = 12.0
"""So long a stream may take to open before it counts as failed."""
_ARRIVE_S = 1.5
"""So long after a jump the engine may still tell of the place before it."""
_END_S = 0.05


class Compare(QWidget):
    """One finished job, to be listened to."""

    cannot = pyqtSignal(str)

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._paths: list[Path | None] = [None, None]
        self._whole: list[Overview | None] = [None, None]
        self._asked: list[int] = [0, 0]
        self._heard = 1
        self._playing = False
        self._came = False
        """Whether the engine has told of the place since the last jump."""
        self._began = self._from_s = 0.0
        self._seconds = 0.0
        self.view = AbView()
        self.play_button = QPushButton()
        self.play_button.setAccessibleName("Play")
        self.play_button.setToolTip("Play or stop (Space)")
        self._choice = QButtonGroup(self)
        self.sides: list[QPushButton] = []
        for lane, name in enumerate(LANES):
            button = QPushButton(f"{'AB'[lane]}  {name}")
            button.setCheckable(True)
            button.setToolTip("The other one from the same moment on: X")
            self._choice.addButton(button, lane)
            self.sides.append(button)
        self.place = QLabel()
        self.name = ElidedLabel("", Qt.TextElideMode.ElideMiddle)
        theme.set_role(self.place, "number")
        theme.set_role(self.name, "dim")
        self._zooms = [_small(words) for words in ("Whole sound (0)", "Farther (−)", "Nearer (+)")]
        for small, text in zip(self._zooms, ("Whole", "−", "+"), strict=True):
            small.setText(text)
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.play_button, *self.sides, self.place):
            self._row.addWidget(widget)
        self._row.addWidget(self.name, 1)
        for small in self._zooms:
            self._row.addWidget(small)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._row)
        layout.addWidget(self.view, 1)
        self._tick, self._finer = QTimer(self), QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._finer.setInterval(_FINER_MS)
        self._finer.setSingleShot(True)
        self._tick.timeout.connect(self._follow)
        self._finer.timeout.connect(self._read_stretch)
        self.play_button.clicked.connect(self.play_or_stop)
        self._choice.idClicked.connect(self.hear)
        self.view.jumped.connect(self._jump)
        self.view.play_pressed.connect(self.play_or_stop)
        self.view.other_pressed.connect(lambda: self.hear(1 - self._heard))
        self.view.stretch_changed.connect(lambda *_: self._finer.start())
        whole, farther, nearer = self._zooms
        whole.clicked.connect(lambda: self.view.show_stretch(0.0, self._seconds))
        farther.clicked.connect(lambda: self.view.zoom(2.0))
        nearer.clicked.connect(lambda: self.view.zoom(0.5))
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self.hear(1)

    @property
    def playing(self) -> bool:
        """Whether it was asked to sound and has not ended."""
        return self._playing

    @property
    def heard(self) -> int:
        """0: the input, 1: the result."""
        return self._heard

    @property
    def drawn(self) -> bool:
        """Whether everything that can be seen of this job is."""
        return all(path is None or whole is not None for path, whole in zip(self._paths, self._whole, strict=True))

    def show_job(self, job: Job) -> None:
        """Compare the input and the result of a finished job."""
        self.stop()
        assert job.result is not None
        self._paths = [None if job.is_midi else job.source, job.result]
        self._whole = [None, None]
        self._seconds = job.seconds or 0.0
        self.name.setText(job.result.name)
        self.view.show_length(self._seconds)
        self.view.set_overview(0, None, "A MIDI file has no sound of its own." if job.is_midi else "Reading …")
        self.view.set_overview(1, None, "Reading …")
        self.sides[0].setEnabled(not job.is_midi)
        self.hear(1)
        for lane in (0, 1):
            self._read(lane)
        self._show_place()

    def shows(self, job: Job) -> bool:
        """Whether it is this job's result that is compared."""
        return job.result is not None and self._paths[1] == job.result

    # sound

    def play_or_stop(self) -> None:
        """Begin at the cursor, or stop there."""
        if self._playing:
            self.stop()
        elif self._paths[self._heard] is not None:
            end = self._seconds - _END_S
            self._play_from(0.0 if self.view.cursor_s >= end else self.view.cursor_s)

    def stop(self) -> None:
        """Be silent; the cursor stays."""
        if self._playing:
            self._bridge.stop_file()
            self._ended()

    def hear(self, lane: int) -> None:
        """Listen to the other one from the same moment on."""
        if self._paths[lane] is None and any(self._paths):
            return
        changed = lane != self._heard
        self._heard = lane
        self.sides[lane].setChecked(True)
        self.view.set_heard(lane)
        if changed and self._playing:
            self._play_from(self.view.cursor_s)

    def _jump(self, seconds: float) -> None:
        self._show_place()
        if self._playing:
            self._play_from(seconds)

    def _play_from(self, seconds: float) -> None:
        path = self._paths[self._heard]
        assert path is not None
        self._playing, self._came = True, False
        self._began, self._from_s = time.monotonic(), seconds
        self.view.set_cursor(seconds)
        self._bridge.play_file(path, "output", from_s=seconds)
        self._tick.start()
        self._dress()

    def _follow(self) -> None:
        """Move the cursor to where the engine is."""
        at = self._bridge.snapshot().file_s
        waited = time.monotonic() - self._began
        if math.isnan(at):
            if self._came:
                self._ended()
                self.view.set_cursor(self._seconds)
            elif waited > _OPENING_S:
                self.stop()
        elif self._came or abs(at - self._from_s) < 0.5 or waited > _ARRIVE_S:
            self._came = True
            self.view.set_cursor(at)
        self._show_place()

    def _ended(self) -> None:
        self._playing = False
        self._tick.stop()
        self._dress()

    def _show_place(self) -> None:
        self.place.setText(f"{clock(self.view.cursor_s)} / {clock(self._seconds)}")

    # pictures

    def _read(self, lane: int, start_s: float = 0.0, end_s: float | None = None) -> None:
        path, whole = self._paths[lane], self._whole[lane]
        if path is None:
            return
        self._asked[lane] += 1
        asked, columns = self._asked[lane], self.view.columns
        loudest = None if whole is None else whole.loudest_db

        def show(overview: Overview) -> None:
            if asked != self._asked[lane]:
                return  # another was asked for since
            if self._whole[lane] is None:
                self._whole[lane] = overview
                if overview.seconds > self._seconds + 1e-3 or (lane == 1 and self._paths[0] is None):
                    self._seconds = overview.seconds
                    others = self._whole[:]
                    self.view.show_length(self._seconds)
                    for other, seen in enumerate(others):
                        self.view.set_overview(other, seen, "A MIDI file has no sound of its own.")
            self.view.set_overview(lane, overview)
            self._show_place()

        def say(sentence: str) -> None:
            if asked == self._asked[lane]:
                self.view.set_overview(lane, None, sentence)

        self._bridge.in_background(lambda: read_overview(path, columns, start_s, end_s, loudest), show, say)

    def _read_stretch(self) -> None:
        start, end = self.view.stretch
        for lane, whole in enumerate(self._whole):
            if whole is not None:
                self._read(lane, start, end)

    # look

    def _dress(self) -> None:
        self.play_button.setText("Stop" if self._playing else "Play")
        set_icon(self.play_button, "stop" if self._playing else "play")
        self.play_button.setAccessibleName(self.play_button.text())
        self._row.setSpacing(theme.px(2))
        for small in self._zooms[1:]:
            small.setFixedWidth(theme.px(9))
        layout = self.layout()
        assert layout is not None
        layout.setSpacing(theme.px(2))

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Nothing plays that could not be stopped here."""
        self.stop()
        super().hideEvent(event)


def _small(words: str) -> QPushButton:
    button = QPushButton()
    button.setToolTip(words)
    button.setAccessibleName(words)
    theme.set_role(button, "ghost")
    return button
