"""The pad that blends targets, kept equal to the control `target` by whomever it is turned. GUI thread.

    pad ── weights_changed ──▶ bridge.set_controls(target=…)      mouse, keys
    pad ◀── controls_changed ── bridge                            MIDI, OSC, presets, undo

Right click, the Menu key, or a press in learn mode: a MIDI controller for one target's weight (`target:NAME`).
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, QPoint, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QMenu, QVBoxLayout, QWidget

from gui.bridge import Bridge
from gui.live_state import LiveState
from gui.widgets.blend_pad import BlendPad
from realtime.controls import Controls


class Blend(QWidget):
    """A `BlendPad` bound to the weights of the targets."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._names: tuple[str, ...] = ()
        self._titles: dict[str, str] = {}  # of the model in the library, which is known before the power comes on
        self._shown: tuple[str, ...] | None = None
        self.pad = BlendPad()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pad)
        self.pad.weights_changed.connect(self._turn)
        self.pad.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.pad.customContextMenuRequested.connect(self._open_menu)
        self.pad.installEventFilter(self)
        self.pad.setToolTip("Drag between the sounds to blend them. Right click: move one by MIDI.")
        bridge.state_changed.connect(self._follow)
        bridge.controls_changed.connect(self._follow_controls)
        self._follow(bridge.state)

    def set_titles(self, titles: dict[str, str]) -> None:
        """How the targets are called, by their names."""
        if titles != self._titles:
            self._titles = titles
            self._follow(self._bridge.state)
            self._show_names()

    @property
    def count(self) -> int:
        """How many targets there are."""
        return len(self._names)

    def _follow(self, state: LiveState) -> None:
        names = state.targets or tuple(self._titles)
        if names != self._names or self._shown is None:
            self._names = names
            self._show_names()
        if self.parentWidget() is not None:  # alone it would become a window
            self.setVisible(len(self._names) > 1)

    def _show_names(self) -> None:
        shown = tuple(self._titles.get(name) or title_of(name) for name in self._names)
        if shown != self._shown:
            self._shown = shown
            self.pad.set_targets(shown)
        self._follow_controls(self._bridge.controls)

    def _follow_controls(self, controls: Controls) -> None:
        if not self._names:
            return
        weights = controls.target
        if weights is None or len(weights) != len(self._names):
            weights = (1.0, *(0.0 for _ in self._names[1:]))
        if max(abs(a - b) for a, b in zip(weights, self.pad.weights(), strict=True)) > 1e-6:
            self.pad.set_weights(weights)

    def _turn(self, weights: tuple[float, ...]) -> None:
        if len(weights) == len(self._names) and sum(weights) > 0:
            self._bridge.set_controls(target=tuple(weights))

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """In learn mode a press asks which target is meant."""
        if isinstance(a1, QMouseEvent) and a1.type() == QEvent.Type.MouseButtonPress and self._bridge.learn_mode:
            self._open_menu(a1.position().toPoint())
            return True
        return super().eventFilter(a0, a1)

    def _open_menu(self, at: QPoint) -> None:
        menu = self.make_menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.pad.mapToGlobal(at))

    def make_menu(self) -> QMenu:
        """What may be done with each target."""
        menu = QMenu(self)
        state = self._bridge.state
        bound = bound_controls(state)
        for name, title in zip(self._names, self._shown or (), strict=True):
            control = f"target:{name}"
            learn = menu.addAction(f"Learn MIDI for {title}")
            assert learn is not None
            learn.setEnabled(state.power == "on")
            learn.triggered.connect(lambda _=False, control=control: self._bridge.learn(control))
            if control in bound:
                forget = menu.addAction(f"Forget MIDI for {title} ({bound[control]})")
                assert forget is not None
                forget.triggered.connect(lambda _=False, control=control: self._bridge.forget(control))
        if state.learning is not None:
            menu.addSeparator()
            stop = menu.addAction("Stop waiting for a knob")
            assert stop is not None
            stop.triggered.connect(lambda: self._bridge.learn(None))
        return menu


def title_of(name: str) -> str:
    """A target's name as a title, where its package is not in the library."""
    return name.replace("_", " ").capitalize()


def bound_controls(state: LiveState) -> dict[str, str]:
    """What MIDI turns, with the words for the controller that turns it."""
    midi = state.settings.midi
    if midi is None:
        return {}
    return {binding.control: f"CC {number}" for (_, number), binding in midi.map.cc.items()}
