"""The app in the desktop's menu: a desktop entry and the icon, where this user's desktop looks for them.

    ~/.local/share/applications/retimbre.desktop          names the program that runs this
    ~/.local/share/icons/hicolor/scalable/apps/retimbre.svg

Linux and other free desktops only. Command line.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from realtime.errors import ConfigError

_HERE = Path(__file__).parent


def data_folder() -> Path:
    """Where this user's desktop looks."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def install(folder: Path | None = None) -> tuple[Path, Path]:
    """Write the entry and the icon; where they are. Raises `ConfigError`."""
    if sys.platform in {"win32", "darwin"}:
        raise ConfigError("A desktop entry is for Linux: here, keep the app in the dock or the task bar.")
    folder = data_folder() if folder is None else folder
    entry = folder / "applications" / "retimbre.desktop"
    picture = folder / "icons" / "hicolor" / "scalable" / "apps" / "retimbre.svg"
    try:
        for path in (entry, picture):
            path.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text(entry_text(), encoding="utf-8")
        shutil.copyfile(_HERE / "icons" / "app.svg", picture)
    except OSError as error:
        raise ConfigError(f"The desktop entry {entry} cannot be written ({error.strerror or error}).") from None
    return entry, picture


def entry_text() -> str:
    """The entry, calling this very program."""
    text = (_HERE / "desktop" / "retimbre.desktop").read_text(encoding="utf-8")
    return text.replace("Exec=retimbre gui", f"Exec={_program()} gui")


def _program() -> str:
    beside = Path(sys.executable).with_name("retimbre")
    program = str(beside) if beside.exists() else (shutil.which("retimbre") or "retimbre")
    if any(letter in program for letter in " \t\"'\\><~|&;$*?#()`"):
        escaped = program.replace("\\", "\\\\\\\\").replace('"', '\\\\"').replace("$", "\\\\$").replace("`", "\\\\`")
        return f'"{escaped}"'
    return program
