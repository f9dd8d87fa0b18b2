"""The list of the model library: one row a package, with picture, name, what it gives, latency and origin. GUI thread.

    ▦  Voice                                  5 ms        ✓ playing
       Violin, Cello, Flute, Clarinet, …      Comes with Retimbre

A model (of Qt's kind) and a delegate, so that a thousand captures cost no more than ten.
"""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QAbstractListModel, QModelIndex, QObject, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui import theme
from gui.icon import pixmap
from gui.play.library_entries import Entry
from gui.play.pictures import paint_picture

ENTRY_ROLE = Qt.ItemDataRole.UserRole + 1
PLAYING_ROLE = Qt.ItemDataRole.UserRole + 2


class EntriesModel(QAbstractListModel):
    """The entries that match."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._playing: Entry | None = None

    def set_entries(self, entries: list[Entry]) -> None:
        """Show these."""
        self.beginResetModel()
        self._entries = entries
        self.endResetModel()

    def set_playing(self, entry: Entry | None) -> None:
        """Mark the one that plays."""
        if entry is not self._playing:
            self._playing = entry
            if self._entries:
                self.dataChanged.emit(self.index(0), self.index(len(self._entries) - 1))

    def row_of(self, name: str, folder: object = None) -> int:
        """Where the package of this name (and folder) stands; -1 where it does not."""
        for row, entry in enumerate(self._entries):
            if entry.name == name and (folder is None or entry.folder == folder):
                return row
        return -1

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802
        """How many there are."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """One entry: as an object for the delegate, in words for a screen reader."""
        if not 0 <= index.row() < len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == ENTRY_ROLE:
            return entry
        if role == PLAYING_ROLE:
            return entry is self._playing
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{entry.title}: {line_of(entry)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return entry.error or entry.description
        return None


def line_of(entry: Entry) -> str:
    """What it gives, in one line."""
    if entry.error:
        return entry.error
    if entry.hidden:
        return "Another model of this name comes first in the search path."
    if entry.targets:
        return ", ".join(target.title for target in entry.targets)
    return entry.description


class EntryDelegate(QStyledItemDelegate):
    """Draws one row."""

    ratio = 1.0
    """Pixels of the screen per logical pixel."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """A picture's height and its margins."""
        return QSize(theme.px(60), theme.px(18))

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Picture, name, line, latency."""
        entry: Entry | None = index.data(ENTRY_ROLE)
        if painter is None or entry is None:
            return
        painter.save()
        unit = theme.px(1)
        rect = option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, theme.color("raised"))
        if chosen:
            painter.fillRect(QRect(rect.left(), rect.top(), unit, rect.height()), theme.color("accent"))
        picture = QRectF(rect.left() + 3 * unit, rect.top() + 2 * unit, 18 * unit, 14 * unit)
        paint_picture(painter, picture, entry.picture)
        if not entry.playable:
            mark = pixmap("warning", 6 * unit, "warn", self.ratio)
            painter.drawPixmap(round(picture.center().x()) - 3 * unit, round(picture.center().y()) - 3 * unit, mark)
        left = round(picture.right()) + 3 * unit
        right = rect.right() - 3 * unit
        aside = 20 * unit
        upper = QRect(left, rect.top() + 3 * unit, right - left - aside, 6 * unit)
        lower = QRect(left, rect.top() + 9 * unit, right - left - aside, 5 * unit)
        middle_left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        middle_right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font("strong"))
        painter.setPen(theme.color("text" if entry.playable else "text_dim"))
        painter.drawText(upper, middle_left, _elided(painter, entry.title, upper.width()))
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("warn" if entry.error else "text_dim"))
        painter.drawText(lower, middle_left, _elided(painter, line_of(entry), lower.width()))
        facts = QRect(right - aside, upper.top(), aside, upper.height())
        if index.data(PLAYING_ROLE):
            painter.setPen(theme.color("good"))
            painter.drawText(facts, middle_right, "chosen")
        elif not entry.error:
            painter.setPen(theme.color("text_dim"))
            painter.drawText(facts, middle_right, f"{entry.latency_ms:.0f} ms")
        painter.setPen(theme.color("text_dim"))
        origin = "broken" if entry.error else "yours" if entry.origin == "own" else ""
        painter.drawText(QRect(right - aside, lower.top(), aside, lower.height()), middle_right, origin)
        painter.restore()


def _elided(painter: QPainter, text: str, width: int) -> str:
    return painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
