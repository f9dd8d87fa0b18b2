"""Learn mode: every control that MIDI can turn is marked; a click chooses one, the next knob that moves is bound.

    header "Learn", key L ─▶ bridge.learn_mode ─▶ marks over the window, and a bar below that says what to do

    ┌┈┈┈┈┈┈┈┈┈┐  a dashed edge: can be bound; "CC 21": is bound; full and pulsing: waits for its knob
    ┊ Mix CC21 ┊
    └┈┈┈┈┈┈┈┈┈┘

Clicks on controls are taken here, all others go where they belong, so that panels can be changed meanwhile; by
keyboard, Tab to a control and Enter. Marked are `ControlFader`, `ControlToggle`, `BlendPad`, and every widget with the
property `midi_control` (a name of `realtime.midi.midi_map`), with `midi_range` where the name does not tell it. GUI
thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt, QTimer
from PyQt6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QApplication, QMenu, QWidget

from gui import theme
from gui.control_fader import ControlFader, ControlToggle
from gui.live_state import LiveState
from gui.midi_learn_bar import MidiLearnBar
from gui.midi_words import controller_words, learnt, with_binding, words_for
from gui.widgets.blend_pad import BlendPad
from realtime.midi.midi_map import Binding, MidiMap

if TYPE_CHECKING:
    from gui.bridge import Bridge

CONTROL, RANGE = "midi_control", "midi_range"
BLEND: Final = "target:"
_LOOK_MS: Final = 250
_HEADER_BUTTONS: Final = ("record", "mute")


class MidiLearn(QObject):
    """Learn mode of one window."""

    def __init__(self, bridge: Bridge, window: QWidget) -> None:
        """window: whose controls are marked; its `header`, if it has one, gives its record and mute buttons."""
        super().__init__(window)
        self._bridge, self._window = bridge, window
        self._chosen: tuple[str, tuple[float, float] | None] | None = None
        self._map_before = MidiMap()
        self.marks: _Marks | None = None
        self.bar: MidiLearnBar | None = None
        self._menu: QMenu | None = None
        header = getattr(window, "header", None)
        for name in _HEADER_BUTTONS:
            button = getattr(header, name, None)
            if isinstance(button, QWidget):
                button.setProperty(CONTROL, name)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)
        bridge.learn_mode_changed.connect(self._switch)
        bridge.state_changed.connect(self._follow)
        if bridge.learn_mode:
            self._switch(True)

    @property
    def active(self) -> bool:
        """Whether learn mode is on."""
        return self.bar is not None

    def targets(self) -> list[tuple[QWidget, str]]:
        """Every widget in sight that can be bound, with the name of its control."""
        found = []
        for widget in self._window.findChildren(QWidget):
            control = control_of(widget)
            if control and widget.isVisible() and not widget.visibleRegion().isEmpty():
                found.append((widget, control))
        return found

    def choose(self, control: str, limits: tuple[float, float] | None = None) -> None:
        """Have the next knob that moves turn `control`."""
        midi = self._bridge.state.settings.midi
        self._map_before = MidiMap() if midi is None else midi.map
        self._chosen = control, limits
        self._bridge.learn(control)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Take presses, and Enter, on what can be bound."""
        if event is None or not isinstance(watched, QWidget):
            return False
        kind = event.type()
        if kind == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
                return False
        elif kind not in (
            QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease, QEvent.Type.MouseButtonDblClick,
        ):  # fmt: skip
            return False
        target = self._target_of(watched)
        if target is None:
            return False
        if isinstance(event, QMouseEvent) and event.button() != Qt.MouseButton.LeftButton:
            return False
        if kind in (QEvent.Type.MouseButtonPress, QEvent.Type.KeyPress):
            self._take(target)
        return True

    # inside

    def _switch(self, on: bool) -> None:
        application = QApplication.instance()
        assert application is not None
        if on and self.bar is None:
            self.marks = _Marks(self._window, self)
            self.bar = MidiLearnBar(self._bridge, self._window)
            self.bar.picked.connect(self.choose)
            self.marks.show()
            self.bar.show()
            application.installEventFilter(self)
            self._bridge.refresh_devices()
            self._timer.start()
            self._follow(self._bridge.state)
            self._look()
        elif not on and self.bar is not None and self.marks is not None:
            application.removeEventFilter(self)
            self._timer.stop()
            self.bar.leave()
            self.marks.hide()
            self.marks.deleteLater()
            self.bar = self.marks = None
            self._chosen = None

    def _target_of(self, watched: QWidget) -> QWidget | None:
        """The widget that can be bound of which `watched` is a part."""
        widget: QWidget | None = watched
        while widget is not None and widget is not self._window:
            if widget is self.bar or widget.isWindow():
                return None
            if control_of(widget):
                return widget
            widget = widget.parentWidget()
        return None

    def _take(self, widget: QWidget) -> None:
        control = control_of(widget)
        if control == BLEND:
            self._ask_for_target(widget)
            return
        limits = widget.property(RANGE)
        self.choose(control, (float(limits[0]), float(limits[1])) if limits else None)

    def _ask_for_target(self, widget: QWidget) -> None:
        """A blend pad has a control for each target: which one?"""
        menu = self._menu = QMenu(widget)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in self._bridge.state.targets:
            action = menu.addAction(name.replace("-", " ").title())
            assert action is not None
            action.triggered.connect(lambda _=False, one=name: self.choose(f"{BLEND}{one}"))
        menu.popup(widget.mapToGlobal(widget.rect().center()))

    def _follow(self, state: LiveState) -> None:
        chosen = self._chosen
        if chosen is not None and state.learning is None and state.settings.midi is not None:
            key, robbed = learnt(self._map_before, state.settings.midi.map, chosen[0])
            if key is not None and state.settings.midi.map != self._map_before:
                self._chosen = None
                self._fit_range(state, chosen)
                words = f"{words_for(chosen[0])} follows {controller_words(key)} now."
                if robbed is not None:
                    words += f" {words_for(robbed)} does not any more."
                if self.bar is not None:
                    self.bar.tell(words)
        if self.bar is not None:
            self.bar.show_state(state)
        if self.marks is not None:
            self.marks.update()

    def _fit_range(self, state: LiveState, chosen: tuple[str, tuple[float, float] | None]) -> None:
        """A plugin's knob has a range that its name does not tell."""
        control, limits = chosen
        midi = state.settings.midi
        if limits is None or midi is None or limits[0] == limits[1]:
            return
        for key, binding in midi.map.cc.items():
            if binding.control == control and (binding.low, binding.high) != limits and not binding.flip:
                whole = Binding(control, *limits, takeover=binding.takeover)
                self._bridge.set_midi(replace(midi, map=with_binding(midi.map, key, whole)))

    def _look(self) -> None:
        if self.marks is not None and self.bar is not None:
            self.marks.look(self.targets(), self._bridge.state)
            self.bar.place()
            self.bar.raise_()


class _Marks(QWidget):
    """Dashed edges over the window; the mouse goes through."""

    def __init__(self, window: QWidget, learn: MidiLearn) -> None:
        super().__init__(window)
        self._learn = learn
        self._seen: list[tuple[QRect, str, bool]] = []
        self._bright = True
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def look(self, targets: list[tuple[QWidget, str]], state: LiveState) -> None:
        """Where the controls are now, what they are bound to, and which one waits."""
        window = self.parentWidget()
        assert window is not None
        if self.geometry() != window.rect():
            self.setGeometry(window.rect())
        self.raise_()
        midi = state.settings.midi
        bound: dict[str, list[str]] = {}
        for key, binding in {} if midi is None else sorted(midi.map.cc.items(), key=lambda one: one[0][1]):
            bound.setdefault(binding.control, []).append(controller_words(key))
        seen = []
        for widget, control in targets:
            box = widget.visibleRegion().boundingRect().translated(widget.mapTo(window, QPoint(0, 0)))
            if control == BLEND:
                badge = " ".join(words for name, keys in bound.items() if name.startswith(BLEND) for words in keys)
                waits = (state.learning or "").startswith(BLEND)
            else:
                own = isinstance(widget, ControlFader | ControlToggle)  # they show their controller themselves
                badge, waits = "" if own else " ".join(bound.get(control, ())), state.learning == control
            seen.append((box, badge, waits))
        self._bright = not self._bright
        if seen != self._seen or any(waits for _, _, waits in seen):
            self._seen = seen
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """An edge and a badge for each."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = theme.font("small")
        painter.setFont(font)
        metrics = QFontMetrics(font)
        for box, badge, waits in self._seen:
            edge = QRectF(box).adjusted(1, 1, -1, -1)
            colour = theme.color("accent", 1.0 if not waits or self._bright else 0.5)
            painter.setPen(QPen(colour, 3 if waits else 1.5, Qt.PenStyle.SolidLine if waits else Qt.PenStyle.DashLine))
            painter.setBrush(theme.color("accent", 0.18 if waits else 0.06))
            painter.drawRoundedRect(edge, theme.px(1.5), theme.px(1.5))
            words = "move a knob" if waits else badge
            if words:
                wide, high = metrics.horizontalAdvance(words) + theme.px(2), metrics.height() + theme.px(0.5)
                label = QRectF(edge.center().x() - wide / 2, edge.top() - high * 0.4, wide, high)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(theme.color("accent"))
                painter.drawRoundedRect(label, theme.px(1), theme.px(1))
                painter.setPen(theme.color("on_accent"))
                painter.drawText(label, Qt.AlignmentFlag.AlignCenter, words)


def control_of(widget: QWidget) -> str:
    """The name by which MIDI turns what a widget shows; "" for none, `BLEND` for a pad of several."""
    if isinstance(widget, ControlFader | ControlToggle):
        return str(getattr(widget, "_control", ""))
    if isinstance(widget, BlendPad):
        return BLEND
    return str(widget.property(CONTROL) or "")
