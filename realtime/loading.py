"""Something that takes long, in a thread beside the control thread: models, plugins, files.

loading = Loading(lambda: read(path));  while not loading.done: …;  result = loading.result()

The threads stay. glibc gives each new thread an arena of memory that another has left: with a thread for each piece of
work the blocks of models lay about in all arenas, and an engine that exchanged models for hours grew by 6 MB of holes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from realtime.errors import RetimbreError

T = TypeVar("T")

_AT_ONCE = 4  # a model, plugins and two files; what comes on top waits
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="loader")


class Loading(Generic[T]):
    """One piece of work, begun when made."""

    def __init__(self, work: Callable[[], T]) -> None:
        """work: runs in the thread; what it raises `result` raises again."""
        self._future = _threads.submit(_without_traces, work)

    @property
    def done(self) -> bool:
        """Whether `result` has something to give."""
        return self._future.done()

    def result(self) -> T:
        """What the work gave; waits until it is done."""
        return self._future.result()


def _without_traces(work: Callable[[], T]) -> T:
    try:
        return work()
    except RetimbreError as error:
        # Its sentence is all that counts; what its frames hold (a whole file) would stay in a process without a
        # garbage collector.
        error.__cause__ = error.__context__ = None
        raise error.with_traceback(None) from None
