"""Small arrangements that every part of the Source panel uses: a titled card, a labelled row, a flow. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QRect, QSize, Qt
from PyQt6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon


def words(text: str = "", role: str = "", *, wrap: bool = True) -> QLabel:
    """A label in a role of the style sheet."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(wrap)
    if role:
        label.setProperty("role", role)
    return label


class _PushButton(QPushButton):
    """A push button whose icon follows theme and size."""

    def __init__(self, text: str, icon_name: str, role: str) -> None:
        super().__init__(text)
        self._icon_name, self._token = icon_name, "on_accent" if role == "primary" else "text"
        if role:
            self.setProperty("role", role)
        self.dress()
        theme.notifier.changed.connect(self.dress)

    def dress(self) -> None:
        """Draw the icon anew."""
        if self._icon_name:
            set_icon(self, self._icon_name, self._token)


class Arrow(QToolButton):
    """A small button with an icon alone; its words are for tool tip and screen reader."""

    def __init__(self, icon_name: str, label: str) -> None:
        """icon_name: of `gui/icons`."""
        super().__init__()
        self._icon_name = icon_name
        self.setProperty("role", "ghost")
        self.setAccessibleName(label)
        self.setToolTip(label)
        self.dress()
        theme.notifier.changed.connect(self.dress)

    def dress(self) -> None:
        """Draw the icon anew."""
        set_icon(self, self._icon_name)


def button(text: str, icon_name: str = "", role: str = "") -> QPushButton:
    """A push button."""
    return _PushButton(text, icon_name, role)


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


class Flow(QLayout):
    """Parts beside one another, and in further lines where there is no room; hidden ones take none."""

    def __init__(self, *parts: QWidget, parent: QWidget | None = None) -> None:
        """parts: from the left."""
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(theme.px(2))
        for part in parts:
            self.addWidget(part)

    def addItem(self, item: QLayoutItem | None) -> None:  # noqa: N802
        """One more."""
        assert item is not None
        self._items.append(item)

    def count(self) -> int:
        """How many."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """One of them."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802
        """One of them, away from here."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802
        """None."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """Narrow is tall."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        """How tall the lines are together."""
        return self._place(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802
        """Lay them out."""
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """All in one line."""
        sizes = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(size.width() for size in sizes) + self.spacing() * max(0, len(sizes) - 1)
        return QSize(width, max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:  # noqa: N802
        """The widest of them."""
        sizes = [item.minimumSize() for item in self._items if not item.isEmpty()]
        widest = max((size.width() for size in sizes), default=0)
        return QSize(widest, max((size.height() for size in sizes), default=0))

    def _place(self, rect: QRect, *, move: bool) -> int:
        gap = self.spacing()
        lines: list[list[tuple[QLayoutItem, QSize]]] = [[]]
        x = 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            size.setWidth(min(size.width(), max(rect.width(), item.minimumSize().width())))
            if lines[-1] and x + size.width() > rect.width():
                lines.append([])
                x = 0
            lines[-1].append((item, size))
            x += size.width() + gap
        y = rect.top()
        for line in lines:
            tall = max((size.height() for _, size in line), default=0)
            x = rect.left()
            for item, size in line:
                if move:
                    item.setGeometry(QRect(QPoint(x, y + (tall - size.height()) // 2), size))
                x += size.width() + gap
            y += tall + gap
        return max(0, y - gap - rect.top())
