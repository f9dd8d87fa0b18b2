"""Work that reads files or waits, off the GUI thread: a few threads that never keep the app from ending.

    background.run(read_package, then=show, failed=say)      `then` and `failed` run on the GUI thread

Python's own pool waits at exit for whatever hangs; these threads are daemons, so a folder on a network that went away
ends with the app.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Final

from realtime.errors import RetimbreError

THREADS: Final = 2


class Background:
    """Two threads, started when first needed."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None], defect: Callable[[BaseException], str]) -> None:
        """deliver: runs something on the GUI thread; defect: reports an exception that is ours, in a sentence."""
        self._deliver, self._defect = deliver, defect
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def run(self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Do `work` soon; `then` gets what it returned, `failed` the sentence of what it raised."""

        def job() -> None:
            try:
                result = work()
            except RetimbreError as error:
                sentence = str(error)
            except Exception as error:  # noqa: BLE001 - a defect becomes a report and a sentence
                sentence = self._defect(error)
            else:
                self._answer(lambda: then(result))
                return
            self._answer(lambda: failed(sentence))

        if len(self._threads) < THREADS:
            thread = threading.Thread(target=self._serve, name=f"retimbre-work-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def close(self) -> None:
        """Deliver nothing any more; returns at once."""
        self._closed.set()
        for _ in self._threads:
            self._jobs.put(None)

    def _answer(self, call: Callable[[], None]) -> None:
        if not self._closed.is_set():
            self._deliver(call)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed.is_set():
            job()
