"""The model that plays: its picture and name, the way to another, and the blend of its targets.

    ▦  Voice                                   [Choose a model]
       Plays what it hears with the sound of …
    ┌ blend pad, or the model's picture where it has one sound ┐

While another model is loading the old one plays on, and this says so. GUI thread.
"""

from __future__ import annotations

import re
from pathlib import Path

from PyQt6.QtCore import QRectF, QSize, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.icon import icon
from gui.live_state import LiveState
from gui.play.blend import Blend
from gui.play.library_entries import Entry
from gui.widgets.elided_label import ElidedLabel


class Picture(QWidget):
    """A picture with round corners; a mask is tinted with the colour of what is heard."""

    def __init__(self, size: QSize | None = None, parent: QWidget | None = None) -> None:
        """size: fixed; None: as large as there is room."""
        super().__init__(parent)
        self._image: QImage | None = None
        if size is not None:
            self.setFixedSize(size)
        else:
            self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.notifier.changed.connect(self.update)

    def set_image(self, image: QImage | None) -> None:
        """Show it; None: an empty frame."""
        if image is not self._image:
            self._image = image
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802
        """The picture."""
        painter = QPainter(self)
        paint_picture(painter, QRectF(self.rect()), self._image)
        painter.end()


def paint_picture(painter: QPainter, place: QRectF, image: QImage | None) -> None:
    """Draw a library picture into `place`, filling it."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    path = QPainterPath()
    path.addRoundedRect(place, theme.px(1.5), theme.px(1.5))
    painter.setClipPath(path)
    painter.fillRect(place, theme.color("raised"))
    if image is not None and not image.isNull():
        zoom = max(place.width() / image.width(), place.height() / image.height())
        if image.format() == QImage.Format.Format_Alpha8:
            zoom = min(place.width() / image.width(), place.height() / image.height())
            image = _tinted(image, theme.color("output"))
        size = QSize(round(image.width() * zoom), round(image.height() * zoom))
        goal = QRectF(0, 0, size.width(), size.height())
        goal.moveCenter(place.center())
        painter.drawImage(goal, image)
    painter.restore()


def _tinted(mask: QImage, ink: QColor) -> QImage:
    """The mask in a colour."""
    made = mask.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
    painter = QPainter(made)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(made.rect(), ink)
    painter.end()
    return made


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
        self.choose.setIcon(icon("model"))
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
        theme.notifier.changed.connect(lambda: self.choose.setIcon(icon("model")))
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
