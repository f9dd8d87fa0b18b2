"""Computing for a picture beside the GUI thread: the newest call wins, older results are dropped. GUI thread and pool.

    call = BackgroundCall(self); call.start(lambda: heavy(...), self._show)

The work runs in Qt's pool and must touch no widget; `then` runs on the GUI thread, unless a newer call was started or
the owner is gone meanwhile.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cache
from typing import Any

from PyQt6.QtCore import QObject, QThreadPool, pyqtSignal


@cache
def _pool() -> QThreadPool:
    pool = QThreadPool.globalInstance()
    assert pool is not None
    # A thread of the pool that still works when Python takes itself apart would crash.
    atexit.register(pool.waitForDone)
    return pool


class _Postman(QObject):
    """Brings a result from the pool; belongs to no widget, so that it outlives the work."""

    done = pyqtSignal(int, object)


class BackgroundCall(QObject):
    """One stream of calls of one owner."""

    def __init__(self, owner: QObject) -> None:
        """owner: with it the calls end."""
        super().__init__(owner)
        self._number = 0
        self._then: Callable[[Any], None] | None = None
        self._postman = _Postman()
        self._postman.done.connect(self._arrived)

    @property
    def busy(self) -> bool:
        """Whether a result is awaited."""
        return self._then is not None

    def start(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do `work` in the pool, `then` with its result here; what was started before is dropped."""
        self._number += 1
        self._then = then
        number, postman = self._number, self._postman
        _pool().start(lambda: postman.done.emit(number, work()))

    def drop(self) -> None:
        """Await nothing."""
        self._number += 1
        self._then = None

    def _arrived(self, number: int, result: object) -> None:
        if number == self._number and self._then is not None:
            then, self._then = self._then, None
            then(result)
