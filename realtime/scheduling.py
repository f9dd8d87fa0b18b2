"""How the engine asks the system to be on time: real-time classes for threads that sleep, memory that stays in memory.

All of it is a wish: where the system refuses (no permission, not Linux) sound runs without, as on any desktop.
PortAudio's own threads have such a class on macOS and Windows, and with a JACK server that was started with -R.

    measured on two busy cores: without a class for the control thread, 12 ms while another process ran and it held the
    interpreter; without locked memory, missed periods when the kernel had taken pages away that were idle for a while
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# From glibc's <malloc.h>: blocks of this size and more are mapped one by one.
_M_MMAP_THRESHOLD, _MAPPED_BYTES = -3, 1 << 19
# From Linux's <sys/mman.h>: what is mapped now, what will be, but only pages that were touched.
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def make_real_time(thread: int, priority: int) -> bool:
    """Let a thread go before all ordinary ones; 0 is the calling one. It must sleep between its pieces of work."""
    if sys.platform != "linux":
        return False
    try:
        if os.sched_getscheduler(thread) == os.SCHED_OTHER:
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except OSError:
        return False
    return True


def make_ordinary() -> None:
    """Put the calling thread back among the ordinary ones, for work that does not sleep (loading, compiling)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def real_time(priority: int = 1) -> Iterator[bool]:
    """Run a short piece of work in a real-time class, where that is allowed; whether it is."""
    was_ordinary = sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER
    allowed = make_real_time(0, priority)
    try:
        yield allowed
    finally:
        if allowed and was_ordinary:
            make_ordinary()


def lock_memory() -> bool:
    """Keep every page that this process touches from being taken away; false where that is not allowed."""
    if sys.platform != "linux":
        return False
    import ctypes
    import resource

    # With a limit a later allocation would fail for it, which is worse than a page that must be fetched.
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    return bool(library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def give_back_memory() -> bool:
    """Let large blocks (a model's weights) go back to the system when they are freed; false where nothing is to be set.

    glibc raises the size from which it maps blocks with every one that is freed, and then keeps them in pieces: an
    engine that had exchanged 80 models was 65 MB larger, with this 14 MB.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES))
