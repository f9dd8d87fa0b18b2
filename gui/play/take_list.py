"""The list of takes: shape, name, length, date; renamed in place, dragged as a file, played in place. GUI thread.

▁▃▆▇▅▂  007 voice 2026-05-01
0:42 · today 21:07 · dry + wet
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QRect, QRectF, QSize, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QPainter
from PyQt6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from gui import theme
from gui.play.take_store import Take

TAKE_ROLE = Qt.ItemDataRole.UserRole + 1
PART_ROLE = Qt.ItemDataRole.UserRole + 2


class TakesModel(QAbstractListModel):
    """The takes, newest first."""

    renamed = pyqtSignal(object, str)
    """(take, the name that is wanted)."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._takes: tuple[Take, ...] = ()
        self._playing: Path | None = None
        self._seconds = 0.0

    @property
    def takes(self) -> tuple[Take, ...]:
        """What is shown."""
        return self._takes

    def set_takes(self, takes: tuple[Take, ...]) -> None:
        """Show these; equal ones change nothing."""
        if takes != self._takes:
            self.beginResetModel()
            self._takes = takes
            self.endResetModel()

    def row_of(self, path: Path | None) -> int:
        """Where the take of this file stands; -1 where it does not."""
        return next((row for row, take in enumerate(self._takes) if take.path == path), -1)

    def set_playing(self, path: Path | None, seconds: float) -> None:
        """Draw how far a take has played."""
        for changed in {self._playing, path}:
            row = self.row_of(changed)
            if row >= 0:
                self.dataChanged.emit(self.index(row), self.index(row))
        self._playing, self._seconds = path, seconds

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008, N802
        """How many there are."""
        return 0 if parent.isValid() else len(self._takes)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Selected, renamed, dragged."""
        flag = Qt.ItemFlag
        return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemIsEditable | flag.ItemIsDragEnabled

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """One take: as an object for the delegate, in words for a screen reader."""
        if not 0 <= index.row() < len(self._takes):
            return None
        take = self._takes[index.row()]
        if role == TAKE_ROLE:
            return take
        if role == PART_ROLE:
            playing = take.path == self._playing and take.seconds > 0
            return min(1.0, self._seconds / take.seconds) if playing else -1.0
        if role == Qt.ItemDataRole.EditRole:
            return take.name
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{take.name}: {line_of(take)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return take.problem or f"{take.path.name}\nDrag it into a folder or a music program."
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """A name was typed: the file is renamed in the background."""
        take = index.data(TAKE_ROLE)
        if role != Qt.ItemDataRole.EditRole or take is None or str(value) == take.name:
            return False
        self.renamed.emit(take, str(value))
        return True

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        """Copied, never moved away."""
        return Qt.DropAction.CopyAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        """Files."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:  # noqa: N802
        """The files of the takes."""
        data = QMimeData()
        takes = [index.data(TAKE_ROLE) for index in indexes]
        data.setUrls([QUrl.fromLocalFile(str(take.path)) for take in takes if take is not None])
        return data


def line_of(take: Take) -> str:
    """Length, date and what was recorded."""
    return take.problem or f"{take.length} · {take.date()} · {take.recorded}"


class TakeDelegate(QStyledItemDelegate):
    """Draws one take."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Two lines."""
        return QSize(theme.px(50), theme.px(13))

    def updateEditorGeometry(  # noqa: N802
        self, editor: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """The name is typed over the whole row."""
        if editor is not None:
            editor.setGeometry(option.rect.adjusted(0, theme.px(2), 0, -theme.px(2)))

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Shape, name, line."""
        take: Take | None = index.data(TAKE_ROLE)
        if painter is None or take is None:
            return
        painter.save()
        unit, rect = theme.px(1), option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, theme.color("raised"))
        if chosen:
            painter.fillRect(QRect(rect.left(), rect.top(), unit, rect.height()), theme.color("accent"))
        shape = QRectF(rect.left() + 3 * unit, rect.top() + 2 * unit, 13 * unit, rect.height() - 4 * unit)
        paint_shape(painter, shape, take.shape, float(index.data(PART_ROLE)))
        left = round(shape.right()) + 2 * unit
        width = rect.right() - 2 * unit - left
        align = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        for top, high, role, ink, text in (
            (1.5, 5, "body", "text", take.name),
            (6.5, 5, "small", "warn" if take.problem else "text_dim", line_of(take)),
        ):
            painter.setFont(theme.font("body" if role == "body" else "small"))
            painter.setPen(theme.color(ink))
            words = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(left, round(rect.top() + top * unit), width, high * unit), align, words)
        painter.restore()


def paint_shape(painter: QPainter, place: QRectF, shape: tuple[float, ...], part: float) -> None:
    """The peaks of a take as bars; those that have played (part of the whole, below 0: none) in the output's colour."""
    if not shape:
        return
    bars = max(1, int(place.width() / 3))
    top = max(0.05, *shape)
    for bar in range(bars):
        piece = shape[bar * len(shape) // bars : max(bar * len(shape) // bars + 1, (bar + 1) * len(shape) // bars)]
        high = max(1.0, place.height() * max(piece) / top)
        played = part >= 0 and bar / bars <= part
        colour = theme.color("output") if played else theme.color("text_dim", 0.45 if part >= 0 else 0.8)
        painter.fillRect(QRectF(place.left() + 3 * bar, place.center().y() - high / 2, 2, high), colour)
