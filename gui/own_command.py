"""How the app starts our own command line (`retimbre convert`, `retimbre train`, …) as another process.

    from source or installed:  python -m realtime.cli ARGUMENTS
    frozen (PyInstaller):      retimbre ARGUMENTS          (the binary is the command line: it has no -m)

Long work runs there, so that a crash of it, or its hunger for memory, never takes the app along. Pure; any thread.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

_NICE: Final = 10


def own_command(*arguments: str | os.PathLike[str]) -> list[str]:
    """The program and arguments that run `retimbre ARGUMENTS` with the interpreter, or frozen binary, that runs us."""
    told = [os.fspath(argument) for argument in arguments]
    if getattr(sys, "frozen", False):
        return [sys.executable, *told]
    return [sys.executable, "-m", "realtime.cli", *told]


def yield_to_sound(process_id: int) -> None:
    """Let a process that just began run only where live sound leaves time; where the system refuses, it runs as it is.

    Its threads and children inherit it, so call it at once.
    """
    if sys.platform == "win32":
        import ctypes

        below_normal, may_set = 0x4000, 0x0200
        handle = ctypes.windll.kernel32.OpenProcess(may_set, False, process_id)
        if handle:
            ctypes.windll.kernel32.SetPriorityClass(handle, below_normal)
            ctypes.windll.kernel32.CloseHandle(handle)
    else:
        with contextlib.suppress(OSError):  # it may have ended already
            nice = os.getpriority(os.PRIO_PROCESS, process_id)
            os.setpriority(os.PRIO_PROCESS, process_id, max(_NICE, nice))
