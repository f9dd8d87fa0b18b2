"""Whether a window can be opened here at all, asked before Qt is: Qt ends the process where it cannot.

    no display · the display does not answer · a library of the system is missing   ─▶   RetimbreError, one sentence

Only Linux has these questions; elsewhere the desktop is always there. Before the application is made.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from realtime.errors import ConfigError

PACKAGES: Final = (
    "libegl1 libgl1 libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0"
)


def check_display(environment: Mapping[str, str] | None = None) -> None:
    """Raise `ConfigError` where Qt could not open a window."""
    env = os.environ if environment is None else environment
    _import_qt()
    if sys.platform != "linux":
        return
    platform = env.get("QT_QPA_PLATFORM", "")
    if platform and not platform.startswith("xcb"):
        return
    if not env.get("DISPLAY"):
        if not platform and env.get("WAYLAND_DISPLAY"):
            return
        raise ConfigError(
            "There is no display to open a window on (DISPLAY and WAYLAND_DISPLAY are empty): start this from a "
            "desktop, or over ssh -X, or play in the terminal with `retimbre live`."
        )
    if not platform and env.get("WAYLAND_DISPLAY"):
        return
    _load_xcb()
    _reach(env["DISPLAY"])


def _import_qt() -> None:
    try:
        import PyQt6.QtSvg
        import PyQt6.QtWidgets  # noqa: F401 - to see whether it loads
    except ImportError as error:
        raise ConfigError(missing_sentence(str(error))) from None


def _load_xcb() -> None:
    found = find_spec("PyQt6")
    if found is None or found.submodule_search_locations is None:
        return
    for folder in found.submodule_search_locations:
        plugin = Path(folder) / "Qt6" / "plugins" / "platforms" / "libqxcb.so"
        if plugin.is_file():
            try:
                ctypes.CDLL(str(plugin))
            except OSError as error:
                raise ConfigError(missing_sentence(str(error))) from None


def _reach(display: str) -> None:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError as error:
        raise ConfigError(missing_sentence(str(error))) from None
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    broken = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    if broken:
        raise ConfigError(
            f"The display {display} does not answer: start this from the desktop that you sit at, or set DISPLAY to it."
        )


def missing_sentence(words: str) -> str:
    """What to install, from what the loader said."""
    library = re.search(r"[\w+.-]+\.so[.\d]*", words)
    what = library.group() if library else words.splitlines()[0][:80]
    return (
        f"The window system's libraries are not all here ({what} is missing): on Debian and Ubuntu run "
        f"`sudo apt install {PACKAGES}`."
    )
