"""Setlist: the view for the stage, and the desk at which setlists are made; one of the two at a time.

    no setlist ─▶ desk          a setlist ─▶ stage view          F11 ─▶ stage view, locked, over the whole screen

GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from gui.stage.setlist_editor import SetlistEditor
from gui.stage.stage_view import StageView

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState, Notice
    from gui.memory import Memory

_LOCKED = "setlist.locked"


class SetlistPanel(QWidget):
    """The evening."""

    page_turned = pyqtSignal()
    """Desk or stage view, or the latter with or without meters."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: whether the stage view is locked."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.stage = StageView(bridge, locked=memory.get(_LOCKED, False))
        self.editor = SetlistEditor(bridge)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.stage)
        self._stack.addWidget(self.editor)
        self._stack.currentChanged.connect(lambda _: self.page_turned.emit())
        self.stage.meters_changed.connect(self.page_turned)
        self._on_stage = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        self.stage.edit_wanted.connect(self.show_editor)
        self.stage.lock_changed.connect(self._keep_lock)
        self.editor.stage_wanted.connect(self.show_stage)
        self._known = bridge.state.setlist
        bridge.state_changed.connect(self._follow)
        bridge.noticed.connect(self._show_notice)
        if self._known is None:
            self.show_editor()
        else:
            self.show_stage()

    @property
    def shows_meters(self) -> bool:
        """Whether levels and tuner are seen here, so that the header can leave them out."""
        return not self.editing and self.stage.shows_meters

    @property
    def editing(self) -> bool:
        """Whether the desk is shown."""
        return self._stack.currentWidget() is self.editor

    def set_stage(self, on: bool) -> None:
        """Over the whole screen: the stage view, locked; afterwards as the player had it."""
        self._on_stage = on
        if on:
            self.show_stage()
            self.stage.set_locked(True)
        else:
            self.stage.set_locked(self._memory.get(_LOCKED, False))

    def show_editor(self) -> None:
        """The desk."""
        if self.editor.draft == type(self.editor.draft)():
            self.editor.show_setlist(self._bridge.state.setlist)
        self.editor.refresh()
        self._stack.setCurrentWidget(self.editor)

    def show_stage(self) -> None:
        """The stage view."""
        self._stack.setCurrentWidget(self.stage)
        self.stage.setFocus()

    def _keep_lock(self, locked: bool) -> None:
        if not self._on_stage:
            self._memory.set(_LOCKED, locked)

    def _follow(self, state: LiveState) -> None:
        if state.setlist == self._known:
            return
        came = self._known is None and state.setlist is not None
        self._known = state.setlist
        if came and not self.editor.began:  # it was read after the start
            self.editor.show_setlist(state.setlist)
            self.show_stage()

    def _show_notice(self, notice: Notice) -> None:
        grave = notice.severity != "info"
        if notice.place == "setlist":
            (self.editor if self.editing else self.stage).notice.show_notice(notice)
        elif self._on_stage and grave and notice.place != "everywhere":
            self.stage.notice.show_notice(notice)
