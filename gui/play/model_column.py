"""The model that plays: its picture and name, the way to another, and the blend of its targets.

    ▦  Voice                                   [Choose a model]
       Plays what it hears with the sound of …
    ┌ blend pad, or the model's picture where it has one sound ┐

While another model is loading the old one plays on, and this says so. GUI thread.
"""

from __future__ import annotations

import re
from pathlib import Path

from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.icon import set_icon
from gui.live_state import LiveState
from gui.play.blend import Blend
from gui.play.library_entries import Entry
from gui.play.pictures import Picture
from gui.widgets.elided_label import ElidedLabel


class ModelColumn(QFrame):
    """The middle of the Play panel."""

    library_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._bridge = bridge
        self._entries: tuple[Entry, ...] = ()
        self.picture = Picture(QSize(theme.px(15), theme.px(12)))
        self.title, self.detail = ElidedLabel(), ElidedLabel()
        theme.set_role(self.title, "display")
        theme.set_role(self.detail, "dim")
        self.choose = QPushButton("Choose a model")
        set_icon(self.choose, "model")
        self.choose.clicked.connect(self.library_wanted)
        self.blend = Blend(bridge, self)
        self.large_picture = Picture()
        self.large_picture.setMinimumHeight(theme.px(20))
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        theme.set_role(self.facts, "dim")

        names = QVBoxLayout()
        names.setSpacing(0)
        names.addWidget(self.title)
        names.addWidget(self.detail)
        head = QHBoxLayout()
        head.setSpacing(theme.px(3))
        head.addWidget(self.picture)
        head.addLayout(names, 1)
        head.addWidget(self.choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(3), theme.px(3), theme.px(3), theme.px(3))
        layout.setSpacing(theme.px(2))
        layout.addLayout(head)
        layout.addWidget(self.blend, 1)
        layout.addWidget(self.large_picture, 1)
        layout.addWidget(self.facts)
        bridge.state_changed.connect(self._follow)
        theme.notifier.changed.connect(lambda: set_icon(self.choose, "model"))
        self._follow(bridge.state)

    def set_entries(self, entries: tuple[Entry, ...]) -> None:
        """The library was read."""
        self._entries = entries
        self._follow(self._bridge.state)

    def _follow(self, state: LiveState) -> None:
        entry = entry_of(state.settings.model, self._entries)
        loading = is_loading(state)
        running = state.running
        title = entry.title if entry else running.title if running and not loading else Path(state.settings.model).stem
        self.title.setText(title)
        if loading and running is not None:
            self.detail.setText(f"Loading; {running.title} plays on until it is in.")
        elif entry is not None:
            self.detail.setText(entry.description)
        else:
            self.detail.setText(running.provider if running is not None else state.settings.model)
        self.blend.set_titles({target.name: target.title for target in entry.targets} if entry else {})
        one_sound = self.blend.count < 2
        self.picture.setVisible(not one_sound)
        self.large_picture.setVisible(one_sound)
        for picture in (self.picture, self.large_picture):
            picture.set_image(entry.picture if entry else None)
        self.facts.setText("One sound: there is nothing to blend." if one_sound else "")
        self.facts.setVisible(one_sound)


def entry_of(model: str, entries: tuple[Entry, ...]) -> Entry | None:
    """The library's entry of the model that settings name, by its name or folder."""
    for entry in entries:
        if entry.playable and model in (entry.name, str(entry.folder)):
            return entry
    return None


def is_loading(state: LiveState) -> bool:
    """Whether another model is wanted than the one that plays."""
    running = state.running
    if running is None or state.power != "on":
        return False
    model = Path(state.settings.model)
    spelt = re.sub(r"[^a-z0-9_]+", "-", model.stem.lower()).strip("-_")
    return running.model not in {state.settings.model, model.name, spelt}
