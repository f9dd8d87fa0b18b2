"""Small arrangements that every part of the Source panel uses: a titled card, a labelled row, words. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLayout, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.icon import icon


def words(text: str = "", role: str = "", *, wrap: bool = True) -> QLabel:
    """A label in a role of the style sheet."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wrap)
    if role:
        label.setProperty("role", role)
    return label


def button(text: str, icon_name: str = "", role: str = "") -> QPushButton:
    """A push button."""
    made = QPushButton(text)
    if icon_name:
        made.setIcon(icon(icon_name, "on_accent" if role == "primary" else "text"))
        theme.notifier.changed.connect(
            lambda: made.setIcon(icon(icon_name, "on_accent" if role == "primary" else "text"))
        )
    if role:
        made.setProperty("role", role)
    return made


class Card(QFrame):
    """A card with a title; what it holds goes into `column`."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        """title: its strong first line, none without."""
        super().__init__(parent)
        self.setProperty("role", "card")
        self.column = QVBoxLayout(self)
        margin = theme.px(4)
        self.column.setContentsMargins(margin, theme.px(3), margin, margin)
        self.column.setSpacing(theme.px(2))
        self.title = words(title, "strong", wrap=False)
        if title:
            self.setAccessibleName(title)
            self.column.addWidget(self.title)


class Form(QGridLayout):
    """Rows of a label and a control; the label is the control's buddy."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.setHorizontalSpacing(theme.px(3))
        self.setVerticalSpacing(theme.px(2))
        self.setColumnStretch(1, 1)

    def add(self, label: str, control: QWidget, beside: QWidget | None = None) -> None:
        """One row."""
        row = self.rowCount()
        name = words(label, "dim", wrap=False)
        name.setBuddy(control)
        self.addWidget(name, row, 0)
        if beside is None:
            self.addWidget(control, row, 1, 1, 2)
        else:
            self.addWidget(control, row, 1)
            self.addWidget(beside, row, 2)


def row(*parts: QWidget | QLayout | int) -> QHBoxLayout:
    """Parts beside one another; a number is a stretch."""
    made = QHBoxLayout()
    made.setSpacing(theme.px(2))
    for part in parts:
        if isinstance(part, int):
            made.addStretch(part)
        elif isinstance(part, QLayout):
            made.addLayout(part)
        else:
            made.addWidget(part)
    return made
