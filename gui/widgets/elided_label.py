"""One line of text that ends in … where there is no room, with the whole of it as tool tip. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QLabel, QSizePolicy, QWidget


class ElidedLabel(QLabel):
    """`setText` and `text` as any label; screen readers get the whole text."""

    def __init__(
        self, text: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight, parent: QWidget | None = None
    ) -> None:
        """mode: where the dots stand; paths are best cut in the middle."""
        super().__init__(text, parent)
        self._mode, self._own_tip = mode, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show another text."""
        super().setText(text)
        self._tell()

    def shown_text(self) -> str:
        """What there is room for."""
        return self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Room for a few letters; it may be squeezed."""
        margins = self.contentsMargins()
        letters = self.fontMetrics().horizontalAdvance("MMM…")
        return QSize(letters + margins.left() + margins.right(), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """The tool tip is needed only where something is cut off."""
        super().resizeEvent(event)
        self._tell()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The text that has room."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), self.alignment() | Qt.TextFlag.TextSingleLine, self.shown_text())

    def _tell(self) -> None:
        cut = self.shown_text() != self.text()
        tip = self.text() if cut else ""
        if self.toolTip() in {"", self._own_tip}:  # a tip that someone else gave stays
            self.setToolTip(tip)
            self._own_tip = tip
