"""Chain: the whole signal path, left to right, and below it what the chosen stage is set to.

    input ─ gate ─ … ─ [plugins] ⊕ ─ MODEL ─ [plugins] ⊕ ─ … ─ output
    ┌ the chosen stage's faders, or a plugin's knobs, or the list of plugins to add ┐

GUI thread; plugins run in the engine's own process, and are looked for by the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.chain.chain_desk import ChainDesk
from gui.chain.plugin_browser import PluginBrowser
from gui.chain.plugin_editor import PluginEditor
from gui.chain.plugin_shelf import PluginShelf
from gui.chain.signal_path import Key, Shown, SignalPath
from gui.chain.stage_editor import SECTIONS, StageEditor, stage_word
from gui.header import named
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState, Notice
    from gui.memory import Memory
    from realtime.messages import Side

_LOW_UNITS = 95  # of height: below it, path and list of plugins do not fit together
_PLACES = {"before": "in front of the model", "after": "behind the model"}


class ChainPanel(QWidget):
    """The signal path and its settings."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps which stage was chosen."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.shelf = PluginShelf(bridge, self)
        self.desk = ChainDesk(bridge, self.shelf, self)
        self.notice = NoticeBar()
        self.path = SignalPath()
        self.browser = PluginBrowser(self.shelf)
        self.editor: QWidget | None = None
        self._edited: tuple[Key, str] | None = None
        self._adding: Side = "before"
        title = QLabel("Chain")
        theme.set_role(title, "title")
        self._delay = QLabel()
        theme.set_role(self._delay, "dim")
        self._delay.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addWidget(self._delay, 1)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._stack = QStackedWidget()
        theme.set_role(self._stack, "card")
        self._stack.addWidget(self._scroll)
        self._stack.addWidget(self.browser)
        self.browser.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._stack.currentChanged.connect(lambda _: self._make_room())
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(4))
        column.setSpacing(theme.px(2))
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addWidget(self.path)
        column.addWidget(self._stack, 1)
        self._connect()
        self._show_controls()
        self._refresh()
        kept = memory.get("chain.stage", "model")
        self.path.choose(kept if kept in SECTIONS else "model")
        self.shelf.refresh()

    def _connect(self) -> None:
        self.path.chosen.connect(self._choose)
        self.path.add_wanted.connect(self._browse)
        self.path.moved.connect(self._move)
        self.path.step_wanted.connect(self._step)
        self.path.remove_wanted.connect(self.desk.remove)
        self.path.bypass_wanted.connect(
            lambda side, at: self.desk.set_bypass(side, at, not self.desk.bypassed(side, at))
        )
        self.browser.picked.connect(self._add)
        self.browser.closed.connect(self._close_browser)
        self.desk.changed.connect(self._refresh)
        self._bridge.controls_changed.connect(lambda _: self._show_controls())
        self._bridge.state_changed.connect(self._show_state)
        self._bridge.noticed.connect(self._show_notice)
        self._show_state(self._bridge.state)

    # wishes

    def _browse(self, side: Side) -> None:
        self._adding = side
        self._stack.setCurrentWidget(self.browser)
        self.browser.begin(f"Add {_PLACES[side]}")

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """In a low window the list of plugins has the place of the path."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        adding = self._stack.currentWidget() is self.browser
        self.path.setVisible(not adding or self.height() >= theme.px(_LOW_UNITS))

    def _close_browser(self) -> None:
        self._stack.setCurrentWidget(self._scroll)
        self.path.add_buttons[self._adding].setFocus()

    def _add(self, uri: str) -> None:
        side, place = self._adding, len(self.desk.side(self._adding))
        self.desk.add(side, place, uri)
        self._refresh()
        if place < len(self.path.plugins[side]):
            self.path.choose((side, place))
            self.path.plugins[side][place].setFocus()

    def _move(self, side: Side, place: int, to_side: Side, to_place: int) -> None:
        self.desk.move(side, place, to_side, to_place)
        self._follow_plugin((to_side, to_place))

    def _step(self, side: Side, place: int, by: int) -> None:
        self._follow_plugin(self.desk.step(side, place, by))

    def _follow_plugin(self, where: tuple[Side, int]) -> None:
        self._refresh()
        self.path.choose(where)
        self.path.cards()[where].setFocus()

    # what is

    def _choose(self, key: Key) -> None:
        self._stack.setCurrentWidget(self._scroll)
        uri = ""
        if isinstance(key, tuple):
            uri = self.desk.side(key[0])[key[1]].uri
        else:
            self._memory.set("chain.stage", key)
        if self._edited == (key, uri):
            return
        self._edited = key, uri
        editor: QWidget
        editor = PluginEditor(self.desk, self.shelf, *key) if isinstance(key, tuple) else StageEditor(self._bridge, key)
        self.editor = editor
        self._scroll.setWidget(editor)

    def _refresh(self) -> None:
        self.path.show_plugins(self._shown("before"), self._shown("after"))
        key = self.path.choice
        if isinstance(key, tuple) and self._stack.currentWidget() is self._scroll:
            self._choose(key)
        if isinstance(self.editor, PluginEditor):
            self.editor.refresh()

    def _shown(self, side: Side) -> list[Shown]:
        found = []
        for place, spec in enumerate(self.desk.side(side)):
            trouble, bypassed = self.desk.trouble(spec.uri), self.desk.bypassed(side, place)
            known = self.shelf.plugins.get(spec.uri)
            category = "" if known is None else known.category
            word = "does not play" if trouble else "bypassed" if bypassed else "loading…" if self.desk.loading else ""
            found.append(
                Shown(spec.uri, self.shelf.name_of(spec.uri), word or category, dim=bypassed, broken=bool(trouble))
            )
        return found

    def _show_controls(self) -> None:
        for key, card in self.path.stages.items():
            word, dim = stage_word(key, self._bridge.controls)
            if key == "model" and not word:
                word = "playing" if self._bridge.state.power == "on" else ""
            card.show_state(word, dim=dim)

    def _show_state(self, state: LiveState) -> None:
        card = self.path.stages["model"]
        running = state.running
        same = running is not None and running.model == state.settings.model
        card.rename(running.title if running is not None and same else named(state.settings.model))
        plugins_ms = 0.0 if running is None else running.latency.parts_ms()["plugins"]
        words = f"Plugins delay by {plugins_ms:.1f} ms" if plugins_ms else "Plugins add no delay"
        any_plugin = bool(state.settings.before or state.settings.after)
        self._delay.setText(words if any_plugin and running is not None else "")
        self._show_controls()

    def _show_notice(self, notice: Notice) -> None:
        if notice.place == "chain":
            self.notice.show_notice(notice)
