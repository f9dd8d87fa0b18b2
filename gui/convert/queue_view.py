"""The queue on the screen: a row a file, with its progress, its sentence and its next step.

    ♪  prelude-piano.flac                                   ✕     the button of a row is its next step:
       converting, 43 %   ━━━━━━━━━━━━━━──────────                cancel, try again, show in the file manager

Enter opens a result or tries again, Delete cancels or takes out of the queue, the Menu key has everything. Results are
dragged out as files. GUI thread.
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QModelIndex, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPixmap
from PyQt6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from gui import theme
from gui.convert.job import Job, JobState
from gui.convert.queue_model import JOB_ROLE, QueueModel, line_of
from gui.icon import pixmap

_SIGNS: dict[JobState, tuple[str, str]] = {
    "ready": ("file", "text_dim"),
    "waiting": ("file", "text_dim"),
    "running": ("convert", "accent"),
    "done": ("check", "good"),
    "failed": ("error", "bad"),
    "cancelled": ("stop", "text_dim"),
}
_STEPS: dict[JobState, tuple[str, str]] = {
    "ready": ("close", "Take out of the queue"),
    "waiting": ("close", "Cancel"),
    "running": ("close", "Cancel"),
    "done": ("folder", "Show in the file manager"),
    "failed": ("retry", "Try again"),
    "cancelled": ("retry", "Try again"),
}


def next_step(job: Job) -> str:
    """The words of a row's button."""
    return _STEPS[job.state][1]


class QueueView(QListView):
    """The rows. `stepped`: a row's button or Enter; `dropped_out`: Delete."""

    stepped = pyqtSignal(object)  # Job
    opened = pyqtSignal(object)
    removed = pyqtSignal(list)
    chosen = pyqtSignal(object)  # Job or None

    def __init__(self, model: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.queue = model
        self.setModel(model)
        self._painter = RowPainter(self)
        self.setItemDelegate(self._painter)
        self.setAccessibleName("Files to convert")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setLayoutMode(QListView.LayoutMode.Batched)  # thousands of rows, and no event may take long
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)  # drops are the whole panel's
        self.setDefaultDropAction(Qt.DropAction.CopyAction)
        self.setMouseTracking(True)
        self.doubleClicked.connect(lambda index: self.opened.emit(index.data(JOB_ROLE)))
        selection = self.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda current, _: self.chosen.emit(current.data(JOB_ROLE)))
        theme.notifier.changed.connect(self.scheduleDelayedItemsLayout)

    def selected_jobs(self) -> list[Job]:
        """Chosen rows, from above."""
        return [index.data(JOB_ROLE) for index in sorted(self.selectedIndexes(), key=QModelIndex.row)]

    def current_job(self) -> Job | None:
        """The row that has the keyboard."""
        index = self.currentIndex()
        return index.data(JOB_ROLE) if index.isValid() else None

    def choose(self, job: Job) -> None:
        """Go to a row."""
        row = self.queue.row_of(job)
        if row >= 0:
            self.setCurrentIndex(self.queue.index(row))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Enter, Delete."""
        if event is None:
            return
        job = self.current_job()
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter} and job is not None:
            if job.state == "done":
                self.opened.emit(job)
            else:
                self.stepped.emit(job)
        elif event.key() in {Qt.Key.Key_Delete, Qt.Key.Key_Backspace}:
            self.removed.emit(self.selected_jobs())
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """A press on a row's button does its step and chooses nothing."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            index = self.indexAt(event.position().toPoint())
            if index.isValid() and button_of(self.visualRect(index)).contains(event.position().toPoint()):
                self.stepped.emit(index.data(JOB_ROLE))
                return
        super().mousePressEvent(event)

    def viewportEvent(self, event: QEvent | None) -> bool:  # noqa: N802
        """The tool tip of a row's button says what it does."""
        if event is not None and event.type() == QEvent.Type.ToolTip:
            at = event.pos()  # type: ignore[attr-defined]  # a QHelpEvent by its type
            index = self.indexAt(at)
            over = index.isValid() and button_of(self.visualRect(index)).contains(at)
            viewport = self.viewport()
            assert viewport is not None
            viewport.setToolTip(next_step(index.data(JOB_ROLE)) if over else "")
            if over:
                from PyQt6.QtWidgets import QToolTip

                QToolTip.showText(event.globalPos(), next_step(index.data(JOB_ROLE)), self)  # type: ignore[attr-defined]
                return True
        return super().viewportEvent(event)


def button_of(row: QRect) -> QRect:
    """Where a row has its button."""
    side = theme.px(8)
    return QRect(row.right() - side - theme.px(1), row.top() + theme.px(1.5), side, side)


class RowPainter(QStyledItemDelegate):
    """Draws a row."""

    def __init__(self, parent: QListView) -> None:
        super().__init__(parent)
        self._signs: dict[tuple[str, str, int, float], QPixmap] = {}
        theme.notifier.changed.connect(self._signs.clear)

    def _sign(self, name: str, token: str, ratio: float) -> QPixmap:
        """An icon, drawn once."""
        key = (name, token, theme.px(5), ratio)
        if key not in self._signs:
            self._signs[key] = pixmap(name, theme.px(5), token, ratio)
        return self._signs[key]

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Two lines, and as many as a failure's sentence needs."""
        height = theme.px(11)
        job: Job = index.data(JOB_ROLE)
        if job.state == "failed":
            view = self.parent()
            assert isinstance(view, QListView)
            viewport = view.viewport()
            width = (viewport.width() if viewport is not None else 0) - theme.px(19)
            metrics = QFontMetrics(theme.font("small"))
            needed = metrics.boundingRect(0, 0, width, 10_000, Qt.TextFlag.TextWordWrap, job.sentence).height()
            height += max(0, needed - metrics.height())
        return QSize(0, height)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """State, name, sentence, progress, button."""
        if painter is None:
            return
        job: Job = index.data(JOB_ROLE)
        area = option.rect
        view = self.parent()
        assert isinstance(view, QListView)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        over = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        if selected or over:
            painter.fillRect(area, theme.color("raised"))
        if selected:
            painter.fillRect(QRect(area.left(), area.top(), theme.px(0.75), area.height()), theme.color("accent"))
        ratio = painter.device().devicePixelRatioF() if painter.device() is not None else 1.0  # type: ignore[union-attr]
        sign, token = _SIGNS[job.state]
        if job.is_midi and job.state in {"ready", "waiting"}:
            sign = "midi"
        painter.drawPixmap(area.left() + theme.px(2.5), area.top() + theme.px(3), self._sign(sign, token, ratio))
        button = button_of(area)
        inset = theme.px(1.5)
        painter.drawPixmap(
            button.left() + inset, button.top() + inset, self._sign(_STEPS[job.state][0], "text_dim", ratio)
        )
        left, right = area.left() + theme.px(9.5), button.left() - theme.px(1)
        painter.setFont(theme.font("body"))
        painter.setPen(theme.color("text"))
        metrics = painter.fontMetrics()
        top = QRect(left, area.top() + theme.px(1), right - left, theme.px(5))
        name = metrics.elidedText(job.source.name, Qt.TextElideMode.ElideMiddle, top.width())
        painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("bad" if job.state == "failed" else "text_dim"))
        below = QRect(left, top.bottom() + 1, right - left, area.bottom() - top.bottom() - theme.px(0.5))
        if job.state == "failed":
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap, job.sentence)
        else:
            small = painter.fontMetrics()
            line = QRect(below.left(), below.top(), below.width(), small.height())
            words = small.elidedText(line_of(job), Qt.TextElideMode.ElideRight, line.width())
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
            if job.state == "running":
                start = line.left() + small.horizontalAdvance("converting, 100 %") + theme.px(3)
                bar = QRect(start, line.center().y() - theme.px(0.5), right - start, theme.px(1))
                painter.fillRect(bar, theme.color("line"))
                bar.setWidth(round(bar.width() * job.part))
                painter.fillRect(bar, theme.color("accent"))
        painter.restore()
