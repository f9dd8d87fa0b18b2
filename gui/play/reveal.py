"""Show a file where the user keeps files: the system's file manager, with the file chosen where it can. GUI thread."""

from __future__ import annotations

import sys
from pathlib import Path

from PyQt6.QtCore import QProcess, QUrl
from PyQt6.QtGui import QDesktopServices


def reveal(path: Path) -> bool:
    """Open the file manager there; whether it could be started."""
    if sys.platform == "darwin":
        return QProcess.startDetached("open", ["-R", str(path)])[0]
    if sys.platform == "win32":
        return QProcess.startDetached("explorer", [f"/select,{path}"])[0]
    folder = path if path.is_dir() else path.parent
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
