"""Pictures of models, and icons of buttons, at the size that the text has. GUI thread.

photograph or spectrogram ─▶ filled into a frame with round corners
mask (Alpha8)             ─▶ tinted with the colour of what is heard, all of it shown

The frame is drawn where the caller wants it, in widgets and in lists alike.
"""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize
from PyQt6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme


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
