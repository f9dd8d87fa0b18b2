"""A drop-down list of offers that changes beneath the hand: values, not rows, are chosen, and nothing jumps.

What is offered may change while the list is open; then it waits until the list is closed. The wheel scrolls the page
unless the box has the keyboard. GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QStandardItem, QStandardItemModel, QWheelEvent
from PyQt6.QtWidgets import QComboBox, QSizePolicy, QWidget

from gui.icon import icon
from gui.source.offers import Offer


class ChoiceBox(QComboBox):
    """`chosen` says the value that the user took."""

    chosen = pyqtSignal(object)

    def __init__(self, label: str, parent: QWidget | None = None) -> None:
        """label: its name for screen readers."""
        super().__init__(parent)
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._offers: tuple[Offer, ...] = ()
        self._value: Any = None
        self._later: tuple[Sequence[Offer], Any] | None = None
        self.activated.connect(self._take)

    @property
    def value(self) -> Any:
        """What is chosen."""
        return self._value

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What can be chosen."""
        return self._offers

    def offer(self, offers: Sequence[Offer], value: Any) -> None:
        """Show these, with this one chosen."""
        view = self.view()
        if view is not None and view.isVisible():
            self._later = (offers, value)
            return
        if tuple(offers) != self._offers:
            self._offers = tuple(offers)
            model = QStandardItemModel(self)
            for one in self._offers:
                item = QStandardItem(one.words)
                item.setToolTip(one.words)
                if not one.connected:
                    item.setIcon(icon("warning", "warn"))
                model.appendRow(item)
            blocked = self.blockSignals(True)
            self.setModel(model)
            self.blockSignals(blocked)
        self._value = value
        row = next((row for row, one in enumerate(self._offers) if one.value == value), -1)
        blocked = self.blockSignals(True)
        self.setCurrentIndex(row)
        self.blockSignals(blocked)
        self.setToolTip(self._offers[row].words if row >= 0 else "")

    def choose(self, value: Any) -> None:
        """As if the user had taken it."""
        row = next(row for row, one in enumerate(self._offers) if one.value == value)
        self.setCurrentIndex(row)
        self._take(row)

    def hidePopup(self) -> None:  # noqa: N802
        """Closed: what changed meanwhile is shown now."""
        super().hidePopup()
        if self._later is not None:
            (offers, value), self._later = self._later, None
            self.offer(offers, value)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Only with the keyboard."""
        assert event is not None
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _take(self, row: int) -> None:
        if 0 <= row < len(self._offers):
            value = self._offers[row].value
            if value != self._value:
                self._value = value
                self.setToolTip(self._offers[row].words)
                self.chosen.emit(value)
