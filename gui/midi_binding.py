"""What ties a widget to a MIDI controller: its menu, its badge, and the wait for a knob. GUI thread.

    right click, Menu key   ──▶  Learn MIDI · Forget CC 7 · Reset to 50 %  ──▶  bridge.learn / forget
    bridge.state_changed    ──▶  badge "CC 7" of the binding;  "Move a knob…", pulsing, while it is awaited

A `MidiBinding` belongs to one widget that has `set_badge` and `set_prompt`, and repaints when told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from PyQt6.QtCore import QObject, QPoint, QRectF, Qt, QTimer
from PyQt6.QtGui import QKeyEvent, QPainter, QPen
from PyQt6.QtWidgets import QMenu, QWidget

from gui import theme
from gui.icon import icon

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState

PROMPT: Final = "Move a knob…"
_PULSE_MS: Final = 500


class Badged(Protocol):
    """What can show a badge and a prompt."""

    def set_badge(self, badge: str) -> None:
        """A few letters beside the name."""

    def set_prompt(self, prompt: str) -> None:
        """Words in place of the number or name."""


def badge_of(state: LiveState, control: str) -> str:
    """The controllers that move `control`, such as "CC 7" or, of one channel alone, "CC 7·2"."""
    midi = state.settings.midi
    if midi is None:
        return ""
    bound = sorted(
        (number, channel) for (channel, number), binding in midi.map.cc.items() if binding.control == control
    )
    return " ".join(f"CC {number}" if channel is None else f"CC {number}·{channel}" for number, channel in bound)


class MidiBinding(QObject):
    """The MIDI side of one widget bound to `control`."""

    def __init__(
        self, widget: QWidget, badged: Badged, bridge: Bridge, control: str, *, reset: tuple[str, Callable[[], None]]
    ) -> None:
        """widget and badged are the same; reset: words of the menu's last entry, and what it does."""
        super().__init__(widget)
        self._widget, self._badged, self._bridge, self._control, self._reset = widget, badged, bridge, control, reset
        self.badge, self.learning, self.menu = "", False, None
        self._bright = True
        self._pulse = QTimer(self)
        self._pulse.setInterval(_PULSE_MS)
        self._pulse.timeout.connect(self._beat)
        bridge.state_changed.connect(self._follow)
        self._follow(bridge.state)

    badge: str
    learning: bool
    menu: QMenu | None

    def open_menu(self, at: QPoint) -> None:
        """Show the menu at a point of the screen; it does not block."""
        if self.menu is not None:
            return
        menu = QMenu(self._widget)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.learning:
            self._add(menu, "Stop waiting for a knob", lambda: self._bridge.learn(None), "close")
        else:
            self._add(menu, "Learn MIDI", lambda: self._bridge.learn(self._control), "midi")
        forget = f"Forget {self.badge}" if self.badge else "Forget MIDI"
        self._add(menu, forget, lambda: self._bridge.forget(self._control), "remove", enabled=bool(self.badge))
        menu.addSeparator()
        self._add(menu, *self._reset, "undo")
        menu.destroyed.connect(self._menu_gone)
        self.menu = menu
        menu.popup(at)

    def takes_key(self, event: QKeyEvent) -> bool:
        """Menu and Shift+F10 open the menu; Escape ends the wait. Whether the key was one of these."""
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.key() == Qt.Key.Key_Menu or (event.key() == Qt.Key.Key_F10 and shift):
            self.open_menu(self._widget.mapToGlobal(self._widget.rect().center()))
        elif event.key() == Qt.Key.Key_Escape and self.learning:
            self._bridge.learn(None)
        else:
            return False
        return True

    def takes_press(self) -> bool:
        """Whether a press chooses this control for learning instead of moving it."""
        if not self._bridge.learn_mode:
            return False
        self._bridge.learn(self._control)
        return True

    def paint(self, painter: QPainter) -> None:
        """The pulsing edge, while a knob is awaited."""
        if self.learning:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("accent", 1.0 if self._bright else 0.4), 2, Qt.PenStyle.DashLine))
            edge = QRectF(self._widget.rect()).adjusted(1, 1, -1, -1)
            painter.drawRoundedRect(edge, theme.px(1.5), theme.px(1.5))

    def _add(self, menu: QMenu, words: str, do: Callable[[], None], picture: str, *, enabled: bool = True) -> None:
        action = menu.addAction(icon(picture), words)
        assert action is not None
        action.setEnabled(enabled)
        action.triggered.connect(do)

    def _menu_gone(self) -> None:
        self.menu = None

    def _follow(self, state: LiveState) -> None:
        badge, learning = badge_of(state, self._control), state.learning == self._control
        if badge != self.badge:
            self.badge = badge
            self._badged.set_badge(badge)
        if learning != self.learning:
            self.learning, self._bright = learning, True
            self._badged.set_prompt(PROMPT if learning else "")
            (self._pulse.start if learning else self._pulse.stop)()
            self._widget.update()

    def _beat(self) -> None:
        self._bright = not self._bright
        if self._widget.isVisible():
            self._widget.update()
