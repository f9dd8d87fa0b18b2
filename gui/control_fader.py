"""Faders and switches bound to one control through the bridge: they follow it, turn it, and learn MIDI. GUI thread.

    ControlFader(bridge, "mix", label="Mix")
        bridge.controls_changed ──▶ set_value (quiet)          hand, keys, typing ──▶ bridge.set_controls(mix=…)

While the hand holds a fader it shows what the hand does, not the echo of it, nor what MIDI does meanwhile; letting go
it shows what is. In learn mode a press chooses the control instead of moving it (`gui.midi_binding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from gui.midi_binding import MidiBinding
from gui.widgets.fader import Fader
from gui.widgets.toggle import Toggle
from realtime.controls import GATE_OFF_DB, RANGES, Controls

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget as Mixin

    from gui.bridge import Bridge
else:
    Mixin = object  # for types a widget; at run time none, because a widget can have only one of Qt's classes

# Where a control does nothing at one end, that end is called Off.
OFF_AT: Final[Mapping[str, float]] = {
    "gate_db": GATE_OFF_DB,
    "highpass_hz": 0.0,
    "compressor_db": 0.0,
    "leveller_db": 0.0,
}


def words_of(control: str) -> str:
    """A name for people from a control's name: its unit taken off, in words."""
    for unit in ("_db", "_hz", "_ms", "_semitones"):
        control = control.removesuffix(unit)
    return control.replace("_", " ").capitalize()


class _Learnable(Mixin):
    """What a bound widget does before it does its own: the keys, presses and edge of its `midi`."""

    midi: MidiBinding

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """In learn mode choose it."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton and self.midi.takes_press():
            return
        super().mousePressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:  # noqa: N802
        """Learn, forget, reset."""
        assert event is not None
        self.midi.open_menu(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """The menu's keys first."""
        assert event is not None
        if not self.midi.takes_key(event):
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Itself, and the edge that asks for a knob."""
        super().paintEvent(event)
        self.midi.paint(QPainter(self))


class ControlFader(_Learnable, Fader):
    """A fader bound to one number of `Controls`, with the range and unit of `controls.RANGES`."""

    def __init__(
        self,
        bridge: Bridge,
        control: str,
        label: str = "",
        *,
        step: float | None = None,
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "accent",
        parent: QWidget | None = None,
    ) -> None:
        """control: a name of `RANGES`; label: for people; none: made from the name."""
        low, high, unit = RANGES[control]
        super().__init__(
            label or words_of(control),
            low,
            high,
            getattr(Controls(), control),
            unit,
            step=step,
            off=OFF_AT.get(control),
            curve="log" if control.endswith(("_hz", "_ms")) else "linear",
            orientation=orientation,
            colour_role=colour_role,
            parent=parent,
        )
        self._bridge, self._control = bridge, control
        back = f"Reset to {self.quantity.text(self.quantity.default)}"
        self.midi = MidiBinding(self, self, bridge, control, reset=(back, self.reset))
        self.moved.connect(self._send)
        self.released.connect(lambda: self._follow(bridge.controls))
        bridge.controls_changed.connect(self._follow)
        self._follow(bridge.controls)

    def reset(self) -> None:
        """Bring the default."""
        self._bridge.set_controls(**{self._control: self.quantity.default})

    def _send(self, value: float) -> None:
        self._bridge.set_controls(**{self._control: value})

    def _follow(self, controls: Controls) -> None:
        if not self.held():
            self.set_value(getattr(controls, self._control), quiet=True)


class ControlToggle(_Learnable, Toggle):
    """A switch bound to one true-or-false of `Controls`."""

    def __init__(
        self, bridge: Bridge, control: str, label: str = "", icon: str | None = None, parent: QWidget | None = None
    ) -> None:
        """control: `bypass` or `limiter`; label: for people; none: made from the name."""
        super().__init__(label or words_of(control), icon, parent)
        self._bridge, self._control = bridge, control
        self._default = bool(getattr(Controls(), control))
        back = f"Reset to {'On' if self._default else 'Off'}"
        self.midi = MidiBinding(self, self, bridge, control, reset=(back, self.reset))
        self.toggled.connect(self._send)
        bridge.controls_changed.connect(self._follow)
        self._follow(bridge.controls)

    def reset(self) -> None:
        """Bring the default."""
        self._bridge.set_controls(**{self._control: self._default})

    def _send(self, on: bool) -> None:
        self._bridge.set_controls(**{self._control: on})

    def _follow(self, controls: Controls) -> None:
        self.set_checked(getattr(controls, self._control), quiet=True)
