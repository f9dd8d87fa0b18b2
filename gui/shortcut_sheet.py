"""The overlay that shows every shortcut: F1 or ? opens it, any of Esc, F1, ? or a click closes it. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from gui import theme
from gui.shortcuts import SHORTCUTS, spelt


class ShortcutSheet(QWidget):
    """Covers its parent while it is shown."""

    closed = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        """parent: the window that it covers."""
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Keyboard shortcuts")
        self._card = _card(self)
        outer = QHBoxLayout(self)
        outer.setContentsMargins(*4 * [theme.px(8)])
        outer.addStretch(1)
        outer.addWidget(self._card, 20)
        outer.addStretch(1)
        parent.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show it over everything."""
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self.raise_()
        self.show()
        self.setFocus()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keep the size of the window."""
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            parent = self.parentWidget()
            assert parent is not None
            self.setGeometry(parent.rect())
        return False

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Dim what is behind."""
        shade = QColor(theme.current().background)
        shade.setAlphaF(0.86)
        QPainter(self).fillRect(self.rect(), shade)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """A click closes."""
        self.dismiss()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Enter and Space close as well."""
        if event is not None and event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space}:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def dismiss(self) -> None:
        """Close."""
        if self.isVisible():
            self.hide()
            self.closed.emit()


def _card(parent: QWidget) -> QWidget:
    frame = QFrame(parent)
    theme.set_role(frame, "card")
    outer = QVBoxLayout(frame)
    outer.setContentsMargins(*4 * [theme.px(6)])
    title = QLabel("Keyboard shortcuts")
    theme.set_role(title, "title")
    outer.addWidget(title)
    inside = QWidget()
    columns = QHBoxLayout(inside)
    columns.setContentsMargins(0, theme.px(2), 0, 0)
    columns.setSpacing(theme.px(10))
    groups = list(dict.fromkeys(row.group for row in SHORTCUTS))
    for some in (groups[:2], groups[2:]):
        column = QVBoxLayout()
        column.setSpacing(theme.px(2))
        for group in some:
            column.addWidget(_group(group))
        column.addStretch(1)
        columns.addLayout(column, 1)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(inside)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    outer.addWidget(area, 1)
    return frame


def _group(name: str) -> QWidget:
    made = QWidget()
    grid = QGridLayout(made)
    grid.setContentsMargins(0, 0, 0, theme.px(2))
    grid.setHorizontalSpacing(theme.px(4))
    grid.setVerticalSpacing(theme.px(1))
    heading = QLabel(name)
    theme.set_role(heading, "strong")
    grid.addWidget(heading, 0, 0, 1, 2)
    for place, row in enumerate((row for row in SHORTCUTS if row.group == name), 1):
        keys = QLabel("  or  ".join(spelt(one) for one in row.keys))
        theme.set_role(keys, "chip")
        grid.addWidget(keys, place, 0, Qt.AlignmentFlag.AlignLeft)
        words = QLabel(f"{row.words} (on the stage screen)" if row.stage else row.words)
        words.setWordWrap(True)
        grid.addWidget(words, place, 1)
    grid.setColumnStretch(1, 1)
    return made
