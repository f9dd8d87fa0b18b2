"""A small field over a number that is being typed. Enter takes it, Escape leaves it; nonsense is marked. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QRect, Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QKeyEvent
from PyQt6.QtWidgets import QLineEdit, QWidget

from gui import theme

if TYPE_CHECKING:
    from gui.widgets.quantity import Quantity


class NumberEntry(QLineEdit):
    """Types one number of `quantity`; `entered` brings it."""

    entered = pyqtSignal(float)

    def __init__(self, parent: QWidget, quantity: Quantity) -> None:
        """parent: the widget whose number it is; gets the keyboard back."""
        super().__init__(parent)
        self._quantity = quantity
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.textEdited.connect(lambda: self._mark(wrong=False))
        self.hide()

    def open(self, place: QRect, label: str, shown: str, first: str) -> None:
        """Appear at `place` with the number shown, or with the first character of a new one."""
        low, high = (self._quantity.text(end) for end in (self._quantity.low, self._quantity.high))
        self.setAccessibleName(label)
        self.setAccessibleDescription(f"A number from {low} to {high}")
        self._mark(wrong=False)
        self.setText(first or shown)
        if not first:
            self.selectAll()
        self.setStyleSheet(f"min-height: 0; padding: 0 {theme.px(0.75)}px; border-width: 1px;")
        self.setGeometry(place)
        self.show()
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Enter and Escape; Tab takes the number along."""
        assert event is not None
        if event.key() == Qt.Key.Key_Escape:
            self._leave()
        elif event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self._take()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Going elsewhere takes a number that is one, and leaves what is none."""
        super().focusOutEvent(event)
        if self.isVisible() and event is not None and event.reason() != Qt.FocusReason.PopupFocusReason:
            value = self._quantity.read(self.text())
            self.hide()
            if value is not None:
                self.entered.emit(value)

    def _take(self) -> None:
        value = self._quantity.read(self.text())
        if value is None:
            self._mark(wrong=True)
            self.selectAll()
            return
        self._leave()
        self.entered.emit(value)

    def _leave(self) -> None:
        self.hide()
        parent = self.parentWidget()
        if parent is not None:
            parent.setFocus(Qt.FocusReason.OtherFocusReason)

    def _mark(self, *, wrong: bool) -> None:
        self.setToolTip(self.accessibleDescription() if wrong else "")
        if bool(self.property("wrong")) != wrong:
            self.setProperty("wrong", wrong)
            style = self.style()
            if style is not None:
                style.unpolish(self)
                style.polish(self)
