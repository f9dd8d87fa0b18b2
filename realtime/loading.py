"""Something that takes long, in a thread beside the control thread: models, plugins, files.

loading = Loading(lambda: read(path));  while not loading.done: …;  result = loading.result()
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from realtime.errors import RetimbreError

T = TypeVar("T")


class Loading(Generic[T]):
    """One piece of work, begun when made."""

    def __init__(self, work: Callable[[], T]) -> None:
        """work: runs in the thread; what it raises `result` raises again."""
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001  (raised again by `result`)
            if isinstance(error, RetimbreError):
                # Its sentence is all that counts; what its frames hold (a whole file) would stay in a process without
                # a garbage collector.
                error.__cause__ = error.__context__ = None
                error = error.with_traceback(None)
            self._error = error

    @property
    def done(self) -> bool:
        """Whether `result` has something to give."""
        return not self._thread.is_alive()

    def result(self) -> T:
        """What the work gave, once it is done."""
        if self._error is not None:
            raise self._error
        return self._results[0]
