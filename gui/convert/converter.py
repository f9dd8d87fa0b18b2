"""Works the queue off: a few quiet processes of `retimbre convert`, each with a minute's worth of files.

    waiting jobs ─ batch_of ─▶ staging folder ─▶ Batch (one process) ─ lines of JSON ─▶ job.part, .sentence
                                                      └─ a file is done ─▶ place ─▶ job.result

A staging folder lies hidden inside the output folder, so that a finished file only changes its name and nothing
half-written is ever among the results; it goes when its process ends, however it ends. A process that dies takes only
the file along that it was at. Everything here is on the GUI thread and returns at once; what touches the disk is given
to `in_background`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

from gui.convert.batch import Batch
from gui.convert.job import Job, JobState, Request, batch_of, place, result_path, suffix_of

_CLOSE_MS = 1000


class InBackground(Protocol):
    """`Bridge.in_background`: work on another thread, then `then` or `failed` on this one."""

    def __call__(
        self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """Start `work` and return at once."""


class Converter(QObject):
    """The queue's worker. A job is shown as it changes (`changed`); `idle` says that nothing is left to do."""

    changed = pyqtSignal(object)  # Job
    idle = pyqtSignal()

    def __init__(self, in_background: InBackground, *, at_once: int = 1, parent: QObject | None = None) -> None:
        """at_once: processes beside one another."""
        super().__init__(parent)
        self._in_background = in_background
        self._at_once = at_once
        self._waiting: list[Job] = []
        self._batches: list[Batch] = []
        self._being_prepared: list[Job] = []
        self._starting = 0
        self._placing = 0
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anything is waiting, running or being put in its place."""
        return bool(self._waiting or self._batches or self._starting or self._placing)

    def start(self, jobs: Sequence[Job], request: Request) -> None:
        """Queue `jobs` behind what is queued."""
        for job in jobs:
            if job.active:
                continue
            job.request, job.result = request, None
            self._say(job, "waiting")
            self._waiting.append(job)
        self._go_on()

    def cancel(self, job: Job) -> None:
        """Stop one job; the others of its process begin anew in another."""
        for queue in (self._waiting, self._being_prepared):
            if job in queue:
                queue.remove(job)
                self._say(job, "cancelled")
                break
        else:
            for batch in self._batches:
                if job in batch.jobs:
                    batch.jobs.remove(job)
                    self._say(job, "cancelled")
                    batch.stop()
        self._tell_if_idle()

    def cancel_all(self) -> None:
        """Stop everything; what is done stays."""
        for job in self._waiting + self._being_prepared:
            self._say(job, "cancelled")
        self._waiting.clear()
        self._being_prepared.clear()
        for batch in self._batches:
            for job in batch.jobs:
                self._say(job, "cancelled")
            batch.jobs.clear()
            batch.stop()
        self._tell_if_idle()

    def close(self) -> None:
        """End every process in bounded time, as the app ends."""
        self._closed = True
        self._waiting.clear()
        self._being_prepared.clear()
        for batch in self._batches:
            batch.process.blockSignals(True)
            batch.process.terminate()
        for batch in self._batches:
            if batch.process.state() != QProcess.ProcessState.NotRunning and not batch.process.waitForFinished(
                _CLOSE_MS
            ):
                batch.process.kill()
                batch.process.waitForFinished(_CLOSE_MS)
            if not batch.unplaced:
                shutil.rmtree(batch.staging, ignore_errors=True)
        self._batches.clear()

    def _say(self, job: Job, state: JobState, sentence: str = "") -> None:
        job.state, job.sentence = state, sentence
        job.part = 1.0 if state == "done" else 0.0
        self.changed.emit(job)

    def _go_on(self) -> None:
        while self._waiting and len(self._batches) + self._starting < self._at_once and not self._closed:
            jobs = batch_of(self._waiting)
            del self._waiting[: len(jobs)]
            self._prepare(jobs)
        self._tell_if_idle()

    def _tell_if_idle(self) -> None:
        if not self.busy:
            self.idle.emit()

    def _prepare(self, jobs: list[Job]) -> None:
        """Make the staging folder, and find out which of `jobs` are there already and are to be left."""
        request = jobs[0].request
        assert request is not None
        self._starting += 1
        self._being_prepared += jobs
        wanted = [result_path(job, request, suffix_of(job, request)) for job in jobs]

        def look() -> tuple[Path, list[bool]]:
            there = [request.existing == "leave" and path.exists() for path in wanted]
            request.out.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=".retimbre-", dir=request.out)), there

        def begin(found: tuple[Path, list[bool]]) -> None:
            staging, there = found
            still = self._prepared(jobs)
            todo = []
            for job, path, exists in zip(jobs, wanted, there, strict=True):
                if job in still and exists:
                    job.result = path
                    self._say(job, "done", "It was there already and is left as it was.")
                elif job in still:
                    todo.append(job)
            if todo and not self._closed:
                self._run(todo, staging)
            else:
                self._in_background(lambda: shutil.rmtree(staging, ignore_errors=True), _nothing)
                self._go_on()

        def cannot(_reason: str) -> None:
            for job in self._prepared(jobs):
                self._say(job, "failed", f"{request.out} cannot be written to; choose another folder for the results.")
            self._go_on()

        self._in_background(look, begin, cannot)

    def _prepared(self, jobs: list[Job]) -> list[Job]:
        """Those of `jobs` that nobody cancelled in the meantime."""
        self._starting -= 1
        still = [job for job in jobs if job in self._being_prepared]
        self._being_prepared = [job for job in self._being_prepared if job not in still]
        return still

    def _run(self, jobs: list[Job], staging: Path) -> None:
        batch = Batch(jobs, staging, self)
        self._batches.append(batch)
        batch.told.connect(lambda job, values: self._hear(batch, job, values))
        batch.ended.connect(self._end)
        batch.start()

    def _hear(self, batch: Batch, job: Job, values: dict[str, Any]) -> None:
        if job not in batch.jobs:
            return  # cancelled, or done
        state, sentence = values.get("state"), str(values.get("sentence") or "")
        if state == "running":
            job.state, job.part = "running", min(1.0, max(job.part, float(values.get("part") or 0.0)))
            self.changed.emit(job)
        elif state == "failed" and not batch.stopping:
            batch.jobs.remove(job)
            # A row has no room for folders, least of all for the hidden one.
            for folder in (job.source.parent, batch.staging):
                sentence = sentence.replace(str(folder / "_")[:-1], "")
            self._say(job, "failed", sentence or "It could not be converted; try again.")
        elif state == "done" and values.get("result"):
            batch.jobs.remove(job)
            self._put(job, Path(str(values["result"])), sentence, batch)

    def _put(self, job: Job, made: Path, sentence: str, batch: Batch) -> None:
        """Move a finished file to its place; whatever becomes of its process now, it is made."""
        request = job.request
        assert request is not None
        wanted = result_path(job, request, made.suffix)
        job.state, job.part = "running", 1.0
        self._placing += 1
        batch.unplaced += 1

        def placed(result: Path) -> None:
            job.result = result
            self._say(job, "done", sentence)
            after()

        def cannot(reason: str) -> None:
            self._say(job, "failed", f"{wanted.name} cannot be put into {wanted.parent} ({reason.rstrip('.')}).")
            after()

        def after() -> None:
            self._placing -= 1
            batch.unplaced -= 1
            self._sweep(batch)
            self._tell_if_idle()

        self._in_background(lambda: place(made, wanted, replace=request.existing == "replace"), placed, cannot)

    def _end(self, batch: Batch) -> None:
        """A process is gone: what it left undone fails with it, or waits for the next."""
        self._batches.remove(batch)
        left, complaint = batch.jobs, batch.complaint()
        if left and not batch.stopping:
            at = next((job for job in left if job.state == "running"), None)
            # What was refused before any file began would be refused again.
            lost = left[:] if complaint and at is None else [at or left[0]]
            for job in lost:
                self._say(job, "failed", complaint or batch.how_it_ended())
            left = [job for job in left if job not in lost]
        for job in left:
            self._say(job, "waiting")
        self._waiting[:0] = left
        self._sweep(batch)
        self._go_on()

    def _sweep(self, batch: Batch) -> None:
        """Remove the staging folder once its process is gone and its files are in their places."""
        if batch.over and not batch.unplaced:
            staging = batch.staging
            self._in_background(lambda: shutil.rmtree(staging, ignore_errors=True), _nothing)
            batch.deleteLater()


def _nothing(_: object) -> None:
    """There is nothing to do when a folder is gone."""
