"""The report of a defect: what was run, on what, and the whole traceback, in a file instead of on the user's screen."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path


def save_report(error: BaseException) -> Path | None:
    """Write a report of `error`; return its path, or None when neither the log nor a temporary folder is writable."""
    import platformdirs

    text = "\n".join(
        (
            f"retimbre {version('retimbre')}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {sys.argv}",
            f"time: {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    name = f"report-{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 1_000_000:06d}.txt"
    for folder in (platformdirs.user_log_path("retimbre", appauthor=False), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        except OSError:
            continue
        return folder / name
    return None
