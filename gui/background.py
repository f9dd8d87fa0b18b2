"""Work that reads files or waits, off the GUI thread: a few threads that never keep the app from ending.

    background.run(read_package, then=show, failed=say)      `then` and `failed` run on the GUI thread

Python's own pool waits at exit for whatever hangs; these threads are daemons, so a folder on a network that went away
ends with the app. Who is to be told stays on the GUI thread: a thread that let go of the last reference to a widget
would destroy it there, which Qt does not survive.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from typing import Any, Final

from PyQt6 import sip

from realtime.errors import RetimbreError

THREADS: Final = 2


class Background:
    """Two threads, started when first needed."""

    def __init__(self, deliver: Callable[[Callable[[], None]], None], defect: Callable[[BaseException], str]) -> None:
        """deliver: runs something on the GUI thread; defect: reports an exception that is ours, in a sentence."""
        self._deliver, self._defect = deliver, defect
        self._numbers = itertools.count()
        self._calls: dict[int, tuple[Callable[[], Any], Callable[[Any], None], Callable[[str], None]]] = {}
        self._jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._delivering = threading.Lock()

    def run(self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Do `work` soon; `then` gets what it returned, `failed` the sentence of what it raised."""
        number = next(self._numbers)
        self._calls[number] = (work, then, failed)
        if len(self._threads) < THREADS:
            thread = threading.Thread(target=self._serve, name=f"retimbre-work-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(number)

    def close(self) -> None:
        """Deliver nothing any more; returns at once. After it whoever delivers may be destroyed."""
        with self._delivering:
            self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _serve(self) -> None:
        while (number := self._jobs.get()) is not None and not self._closed:
            self._do(number)

    def _do(self, number: int) -> None:
        """On a thread of ours."""
        result, sentence = None, None
        try:
            result = self._calls[number][0]()
        except RetimbreError as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001 - a defect becomes a report and a sentence
            sentence = self._defect(error)
        with self._delivering:
            if not self._closed:
                self._deliver(lambda: self._tell(number, result, sentence))

    def _tell(self, number: int, result: Any, sentence: str | None) -> None:
        """On the GUI thread."""
        _work, then, failed = self._calls.pop(number)
        call = then if sentence is None else failed
        if not _is_gone(call):
            call(result if sentence is None else sentence)


def _is_gone(call: Callable[..., None]) -> bool:
    """Whether it is a method of a widget that Qt has destroyed meanwhile, or a function within one."""
    known = [getattr(call, "__self__", None)]
    for cell in getattr(call, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # it holds nothing yet
            known.append(cell.cell_contents)
    return any(isinstance(one, sip.wrapper) and sip.isdeleted(one) for one in known)
