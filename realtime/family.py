"""Processes that end with the one that started them, however that one ends.

A parent that is killed cannot end its children, and what spins, holds a sound server's client or a core's real-time
class must not stay behind. Called once, early, in the child.
"""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import wait
from multiprocessing.process import parent_process


def end_with_parent() -> None:
    """Watch the parent in a thread that sleeps, and end this process at once when it is gone."""
    threading.Thread(target=_watch, name="watch", daemon=True).start()


def _watch() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
