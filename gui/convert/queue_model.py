"""The queue as Qt sees it: one row a job, its words for eyes and screen readers, its result to be dragged out.

GUI thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from PyQt6.QtCore import QAbstractListModel, QMimeData, QModelIndex, Qt, QUrl

from gui.convert.job import Job, JobState
from gui.convert.time_left import clock

JOB_ROLE = Qt.ItemDataRole.UserRole
WORDS: dict[JobState, str] = {
    "ready": "ready",
    "waiting": "waiting",
    "running": "converting",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


class QueueModel(QAbstractListModel):
    """The jobs in the order in which they were dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self._rows: dict[int, int] = {}

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """How many jobs there are."""
        return 0 if parent is not None and parent.isValid() else len(self.jobs)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The job itself for the painter, words for everyone else."""
        if not index.isValid():
            return None
        job = self.jobs[index.row()]
        if role == JOB_ROLE:
            return job
        if role == Qt.ItemDataRole.DisplayRole:
            return job.source.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{job.source.name}, {line_of(job)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (str(job.source), job.sentence, str(job.result or ""))))
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """A result can be dragged out."""
        flags = super().flags(index)
        if index.isValid() and self.jobs[index.row()].result is not None:
            flags |= Qt.ItemFlag.ItemIsDragEnabled
        return flags

    def mimeTypes(self) -> list[str]:  # noqa: N802
        """What file managers and audio programs take."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Iterable[QModelIndex]) -> QMimeData:  # noqa: N802
        """The results of the rows."""
        results = [self.jobs[index.row()].result for index in indexes]
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(result)) for result in results if result is not None])
        return data

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        """Copied, never moved away."""
        return Qt.DropAction.CopyAction

    def add(self, jobs: Sequence[Job]) -> None:
        """Put jobs behind the others."""
        if jobs:
            first = len(self.jobs)
            self.beginInsertRows(QModelIndex(), first, first + len(jobs) - 1)
            self.jobs.extend(jobs)
            self._number()
            self.endInsertRows()

    def remove(self, jobs: Iterable[Job]) -> None:
        """Take jobs out of the queue; files stay."""
        gone = {id(job) for job in jobs}
        self.beginResetModel()
        self.jobs = [job for job in self.jobs if id(job) not in gone]
        self._number()
        self.endResetModel()

    def touch(self, job: Job) -> None:
        """Show a job's change."""
        row = self._rows.get(id(job))
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index)

    def row_of(self, job: Job) -> int:
        """Its row; −1 when it is not in the queue."""
        return self._rows.get(id(job), -1)

    def _number(self) -> None:
        self._rows = {id(job): row for row, job in enumerate(self.jobs)}


def line_of(job: Job) -> str:
    """The second line of a row."""
    if job.state == "running":
        return f"converting, {round(100 * job.part)} %"
    if job.state == "failed":
        return job.sentence
    if job.state == "done":
        name = "" if job.result is None else job.result.name
        return f"{name}: {job.sentence}" if job.sentence else name
    length = clock(job.seconds) if job.seconds is not None else "MIDI" if job.is_midi else ""
    where = "" if job.folder.name == "" else str(job.folder)
    return " · ".join(filter(None, (WORDS[job.state], length, where)))
