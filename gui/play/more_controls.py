"""Every control that is not needed at every moment, in quiet groups by where the sound meets it. GUI thread."""

from __future__ import annotations

from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

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
            ("player_level_db", "Forte", "Player level: how loud your forte is. It becomes the model's forte."),
        ),
    ),
    (
        "Pitch",
        (("transpose_semitones", "Shift", "Transpose: moves what is played, for models that play notes."),),
    ),
    (
        "Compressor",
        (
            ("compressor_db", "Above", "Threshold: above it loud becomes less loud."),
            ("compressor_ratio", "Ratio", "So many dB more become 1 dB more."),
            ("compressor_makeup_db", "Make-up", "Gain after it."),
        ),
    ),
    (
        "Its times",
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


class MoreControls(QWidget):
    """The groups side by side."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.faders: dict[str, ControlFader] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, theme.px(2), 0, 0)
        layout.setSpacing(theme.px(4))
        for title, rows in GROUPS:
            column = QVBoxLayout()
            column.setSpacing(theme.px(2))
            name = QLabel(title)
            theme.set_role(name, "dim")
            column.addWidget(name)
            for control, label, help_text in rows:
                fader = ControlFader(bridge, control, label=label)
                fader.setToolTip(help_text)
                self.faders[control] = fader
                column.addWidget(fader)
            if title == "Pitch":
                column.addWidget(self._octave())
            column.addStretch()
            layout.addLayout(column, 1)
        bridge.controls_changed.connect(self._follow)
        self._follow(bridge.controls)

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
