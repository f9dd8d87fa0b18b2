"""Where the MIDI file that plays is: a slider to jump with, and a clock. GUI thread.

frame.midi_file_s ─▶ slider, clock        a drag, an arrow, a press on the track ─▶ jumped (seconds)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QSlider, QWidget

from gui import theme
from gui.source.arrange import words
from gui.source.sound_file import clock

if TYPE_CHECKING:
    from realtime.meters import Snapshot

_PER_S: Final = 10  # places of the slider
_STEP_S: Final = 5


class MidiPlace(QWidget):
    """Hidden while no file plays."""

    jumped = pyqtSignal(float)
    """The player wants to go on from there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing plays yet."""
        super().__init__(parent)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Place in the MIDI file")
        self.slider.setTracking(False)  # one jump at the end of a drag, not one for each pixel
        self.slider.setSingleStep(_STEP_S * _PER_S)
        self.slider.setPageStep(2 * _STEP_S * _PER_S)
        self.slider.valueChanged.connect(lambda place: self.jumped.emit(place / _PER_S))
        self.clock = words("", "number", wrap=False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.px(3))
        row.addWidget(self.slider, 1)
        row.addWidget(self.clock)
        self.hide()

    def follow(self, snapshot: Snapshot) -> None:
        """Stand where the file is; the hand on the slider goes before."""
        plays = math.isfinite(snapshot.midi_file_s) and math.isfinite(snapshot.midi_file_length_s)
        if plays != self.isVisibleTo(self.parentWidget()):
            self.setVisible(plays)
        if not plays or self.slider.isSliderDown():
            return
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(1, int(snapshot.midi_file_length_s * _PER_S)))
            self.slider.setValue(int(snapshot.midi_file_s * _PER_S))
        text = f"{clock(snapshot.midi_file_s)} / {clock(snapshot.midi_file_length_s)}"
        if text != self.clock.text():
            self.clock.setText(text)
