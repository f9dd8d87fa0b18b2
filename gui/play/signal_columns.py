"""What goes in and what comes out: a meter each, and the few knobs that belong beside it. GUI thread.

    Input                     Output
    ▮  gain                   ▮  gain
    ▮  gate                   ▮  leveller
    ▮  note and cents         ▮  limiter

Both follow the sound's way through the panel: input left of the model, output right of it.
"""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.control_fader import ControlFader, ControlToggle
from gui.play.pitch_view import PitchView
from gui.widgets.meter import LevelMeter
from realtime.meters import Snapshot


class _Column(QFrame):
    """A card with a title, a standing meter, and room for knobs."""

    def __init__(self, title: str, colour_role: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        name = QLabel(title)
        theme.set_role(name, "title")
        self.meter = LevelMeter("Level", Qt.Orientation.Vertical, colour_role)
        self.meter.setAccessibleName(f"{title} level")
        self.knobs = QVBoxLayout()
        self.knobs.setSpacing(theme.px(2))
        rows = QHBoxLayout()
        rows.setSpacing(theme.px(3))
        rows.addWidget(self.meter)
        rows.addLayout(self.knobs, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(3), theme.px(3), theme.px(3), theme.px(3))
        layout.setSpacing(theme.px(2))
        layout.addWidget(name)
        layout.addLayout(rows, 1)

    def reset(self) -> None:
        """Nothing sounds."""
        self.meter.reset()


class InputColumn(_Column):
    """The instrument: how loud, which note, where it begins to count."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__("Input", "input", parent)
        self.gain = ControlFader(bridge, "input_gain_db", label="Gain", colour_role="input")
        self.gate = ControlFader(bridge, "gate_db", label="Gate", colour_role="input")
        self.gate.setToolTip("What is quieter than this is silence: it keeps hum and neighbours out.")
        self.pitch = PitchView()
        for widget in (self.gain, self.gate):
            self.knobs.addWidget(widget)
        self.knobs.addStretch()
        self.knobs.addWidget(self.pitch)

    def show_frame(self, now: Snapshot) -> None:
        """New levels."""
        self.meter.set_levels(now.input_peak, now.input_rms)

    def reset(self) -> None:
        """Nothing sounds."""
        super().reset()
        self.pitch.show_reading(None)


class OutputColumn(_Column):
    """What is heard: how loud, and what keeps it from getting too loud."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__("Output", "output", parent)
        self.gain = ControlFader(bridge, "output_gain_db", label="Gain", colour_role="output")
        self.mix = ControlFader(bridge, "mix", label="Mix", colour_role="output")
        self.mix.setToolTip("0: your own sound alone. 1: the model alone.")
        self.limiter = ControlToggle(bridge, "limiter", label="Limiter")
        self.limiter.setToolTip("No sample leaves louder than the ceiling.")
        self._reduction = QLabel()
        theme.set_role(self._reduction, "small")
        for widget in (self.gain, self.mix):
            self.knobs.addWidget(widget)
        self.knobs.addStretch()
        self.knobs.addWidget(self._reduction)
        self.knobs.addWidget(self.limiter)

    def show_frame(self, now: Snapshot) -> None:
        """New levels."""
        self.meter.set_levels(now.output_peak, now.output_rms)
        text = f"Turned down {now.reduction_db:.0f} dB" if now.reduction_db >= 0.5 else ""
        if text != self._reduction.text():
            self._reduction.setText(text)

    def reset(self) -> None:
        """Nothing sounds."""
        super().reset()
        self._reduction.setText("")
