"""Every control that is not needed at every moment, in quiet groups by where the sound meets it. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import QSize
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.control_fader import ControlFader
from realtime.controls import Controls

GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Before the model",
        (
            ("highpass_hz", "High-pass", "Takes away everything below, such as rumble."),
            ("gate_hysteresis_db", "Gate gap", "An open gate stays open until the level is this far below it."),
            ("player_level_db", "Player level", "How loud your forte is. It becomes the model's forte."),
        ),
    ),
    (
        "Pitch",
        (("transpose_semitones", "Shift", "Transpose: moves what is played, for models that play notes."),),
    ),
    (
        "Compressor",
        (
            ("compressor_db", "Threshold", "Above it loud becomes less loud."),
            ("compressor_ratio", "Ratio", "So many dB more become 1 dB more."),
            ("compressor_makeup_db", "Make-up", "Gain after it."),
        ),
    ),
    (
        "Compressor speed",
        (
            ("compressor_attack_ms", "Attack", "How quickly it turns down."),
            ("compressor_release_ms", "Release", "How quickly it lets go."),
        ),
    ),
    (
        "After the model",
        (
            ("leveller_db", "Leveller", "Slowly brings the output to this loudness."),
            ("ceiling_db", "Ceiling", "The limiter lets nothing out that is louder."),
        ),
    ),
)

_WIDE_UNITS = 166  # five faders of the least width

# What a screen reader says, which does not see the group's name above.
_FULL = {
    "highpass_hz": "High-pass frequency",
    "gate_hysteresis_db": "Gate gap",
    "player_level_db": "Player level",
    "transpose_semitones": "Transpose",
    "compressor_db": "Compressor threshold",
    "compressor_ratio": "Compressor ratio",
    "compressor_makeup_db": "Compressor make-up gain",
    "compressor_attack_ms": "Compressor attack",
    "compressor_release_ms": "Compressor release",
    "leveller_db": "Leveller loudness",
    "ceiling_db": "Limiter ceiling",
}


class MoreControls(QWidget):
    """The groups side by side, in two rows where there is little room."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.faders: dict[str, ControlFader] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, theme.px(1), 0, 0)
        self._grid.setSpacing(theme.px(4))
        self._groups: list[QWidget] = []
        self._across = 0
        for title, rows in GROUPS:
            group = QWidget()
            column = QVBoxLayout(group)
            column.setContentsMargins(0, 0, 0, 0)
            column.setSpacing(0)  # a fader has its own room around it
            name = QLabel(title)
            theme.set_role(name, "dim")
            column.addWidget(name)
            for control, label, help_text in rows:
                fader = ControlFader(bridge, control, label=label)
                fader.setToolTip(help_text)
                fader.setAccessibleName(_FULL.get(control, label))
                self.faders[control] = fader
                column.addWidget(fader)
            if title == "Pitch":
                column.addWidget(self._octave())
            column.addStretch()
            self._groups.append(group)
        self._arrange(len(GROUPS))
        bridge.controls_changed.connect(self._follow)
        self._follow(bridge.controls)

    def _arrange(self, across: int) -> None:
        if across == self._across:
            return
        self._across = across
        for group in self._groups:
            self._grid.removeWidget(group)
        for place, group in enumerate(self._groups):
            self._grid.addWidget(group, place // across, place % across)
        for column in range(len(GROUPS)):
            self._grid.setColumnStretch(column, 1 if column < across else 0)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Three groups wide; taller where they need two rows."""
        size = super().minimumSizeHint()
        return QSize(min(size.width(), theme.px(100)), size.height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """As many groups beside each other as there is room for."""
        super().resizeEvent(event)
        self._arrange(len(GROUPS) if self.width() >= theme.px(_WIDE_UNITS) else 3)

    def _octave(self) -> QComboBox:
        self.octave = QComboBox()
        self.octave.addItem("Octave: by itself", "auto")
        self.octave.addItem("Octave: as played", "off")
        self.octave.setAccessibleName("Octave")
        self.octave.setToolTip("By itself: your playing is moved by whole octaves into the range of the sound.")
        self.octave.activated.connect(lambda _: self._bridge.set_controls(octave=self.octave.currentData()))
        return self.octave

    def _follow(self, controls: Controls) -> None:
        row = self.octave.findData(controls.octave)
        if row != self.octave.currentIndex():
            self.octave.setCurrentIndex(row)
