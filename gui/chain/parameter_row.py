"""One knob of a plugin as a widget that fits it: a fader, a switch, or a list of choices.

    number, whole ─▶ Fader      switch ─▶ Toggle      choice ─▶ label and combo box

Each knows the name by which MIDI can turn it (property `midi_control`, with `midi_range`). GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.widgets.fader import Fader
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from realtime.messages import Side
    from realtime.plugins.plugin import Parameter


class ParameterRow(QWidget):
    """A knob, whatever its kind."""

    turned = pyqtSignal(float)
    """The player's hand; not what `show_value` sets."""

    def __init__(self, parameter: Parameter, side: Side, index: int, parent: QWidget | None = None) -> None:
        """side, index: the place of its plugin."""
        super().__init__(parent)
        self.parameter = parameter
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._fader: Fader | None = None
        self._toggle: Toggle | None = None
        self._choices: QComboBox | None = None
        self.inner = self._made(parameter)
        self.inner.setProperty("midi_control", f"{side}.{index}.{parameter.symbol}")
        self.inner.setProperty("midi_range", [parameter.minimum, parameter.maximum])
        layout.addWidget(self.inner)

    def value(self) -> float:
        """Where the knob stands."""
        if self._fader is not None:
            return self._fader.value()
        if self._toggle is not None:
            return self.parameter.maximum if self._toggle.isChecked() else self.parameter.minimum
        assert self._choices is not None
        return float(self._choices.currentData())

    def show_value(self, value: float) -> None:
        """Stand there, saying nothing."""
        if self._fader is not None:
            self._fader.set_value(value, quiet=True)
        elif self._toggle is not None:
            self._toggle.set_checked(self.parameter.fitted(value) == self.parameter.maximum, quiet=True)
        elif self._choices is not None:
            wanted = self.parameter.fitted(value)
            place = next((n for n in range(self._choices.count()) if self._choices.itemData(n) == wanted), -1)
            with QSignalBlocker(self._choices):
                self._choices.setCurrentIndex(place)

    def _made(self, parameter: Parameter) -> QWidget:
        if parameter.kind == "switch":
            toggle = self._toggle = Toggle(parameter.name)
            toggle.toggled.connect(lambda _: self.turned.emit(self.value()))
            return toggle
        if parameter.kind == "choice" and parameter.choices:
            return self._combo(parameter)
        step = 1.0 if parameter.kind == "whole" else None
        fader = self._fader = Fader(
            parameter.name, parameter.minimum, parameter.maximum, parameter.default, parameter.unit, step=step
        )
        fader.value_changed.connect(self.turned)
        return fader

    def _combo(self, parameter: Parameter) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(1))
        label = QLabel(parameter.name)
        combo = self._choices = QComboBox()
        combo.setAccessibleName(parameter.name)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(8)
        combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for text, value in parameter.choices:
            combo.addItem(text, value)
        combo.activated.connect(lambda _: self.turned.emit(self.value()))
        label.setBuddy(combo)
        column.addWidget(label)
        column.addWidget(combo)
        return box
