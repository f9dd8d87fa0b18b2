"""Opens a file with the program that the desktop has for it, and shows it in the desktop's file manager.

    Linux: org.freedesktop.FileManager1 over D-Bus, else the folder   macOS: open -R   Windows: explorer /select,

`reveal` waits for other programs, so it is for the background; `open_file` and `show` are for the GUI thread and return
at once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QUrl
from PyQt6.QtGui import QDesktopServices

from realtime.errors import AudioFileError

if TYPE_CHECKING:
    from gui.bridge import Bridge

_WAIT_S = 4.0


def open_file(path: Path) -> bool:
    """Let the desktop open `path`; False when it knows no program for it."""
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def reveal(path: Path) -> bool:
    """Show `path` chosen in the file manager; False when only its folder can be opened (by `open_file`).

    Raises `AudioFileError` when it is not there any more.
    """
    if not path.exists():
        raise AudioFileError(f"{path.name} is not in {path.parent} any more: look where it was moved to.")
    try:
        # explorer answers 1 even when all went well
        return subprocess.run(_command(path), capture_output=True, timeout=_WAIT_S, check=False).returncode == 0 or (
            sys.platform == "win32"
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def show(bridge: Bridge, path: Path, warn: Callable[[str], None]) -> None:
    """Show `path` in the file manager, or at least its folder; `warn` is told where it lies when neither can be."""

    def fall_back(shown: bool) -> None:
        if not shown and not open_file(path.parent):
            warn(f"No file manager answers: look for it at {path}.")

    bridge.in_background(lambda: reveal(path), fall_back, warn)


def _command(path: Path) -> list[str]:
    if sys.platform == "darwin":
        return ["open", "-R", str(path)]
    if sys.platform == "win32":
        return ["explorer", f"/select,{path}"]
    url = QUrl.fromLocalFile(str(path)).toString(QUrl.ComponentFormattingOption.FullyEncoded).replace(",", "%2C")
    return [
        "dbus-send", "--session", "--print-reply", "--reply-timeout=3000", "--dest=org.freedesktop.FileManager1",
        "/org/freedesktop/FileManager1", "org.freedesktop.FileManager1.ShowItems", f"array:string:{url}", "string:",
    ]  # fmt: skip
