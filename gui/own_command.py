"""How the app starts our own command line (`retimbre convert`, `retimbre train`, …) as another process.

    from source or installed:  python -m realtime.cli ARGUMENTS
    frozen (PyInstaller):      retimbre ARGUMENTS          (the binary is the command line: it has no -m)

Long work runs there, so that a crash of it, or its hunger for memory, never takes the app along. Pure; any thread.
"""

from __future__ import annotations

import os
import sys


def own_command(*arguments: str | os.PathLike[str]) -> list[str]:
    """The program and arguments that run `retimbre ARGUMENTS` with the interpreter, or frozen binary, that runs us."""
    told = [os.fspath(argument) for argument in arguments]
    if getattr(sys, "frozen", False):
        return [sys.executable, *told]
    return [sys.executable, "-m", "realtime.cli", *told]
