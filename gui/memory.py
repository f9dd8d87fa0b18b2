"""What the app remembers between starts: values by name in one JSON file, written a moment after they change.

    memory.get("convert.folder", Path.home())      the remembered value, or the default where there is none that fits
    memory.set("convert.folder", folder)           written at most WRITE_DELAY_S later, and by `close`

The file is replaced atomically, by a thread of this module's own, so that `set` costs the GUI thread nothing. A damaged
file, or one of a newer program, is put aside beside it, and `problem` says so: nothing is lost silently. Any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any, Final, TypeVar

FORMAT: Final = 1
WRITE_DELAY_S: Final = 0.5
T = TypeVar("T")


def memory_file() -> Path:
    """Where the app remembers."""
    from platformdirs import user_config_path

    return user_config_path("retimbre", appauthor=False) / "desktop.json"


class Memory:
    """Values by name, kept in a file."""

    def __init__(self, path: Path | None = None) -> None:
        """path: the file; None: the user's own. It need not exist."""
        self.path = memory_file() if path is None else path
        self.problem = ""
        """A sentence about what could not be read or written, "" where there is nothing to say."""
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._values: dict[str, Any] = self._read()

    def get(self, key: str, default: T) -> T:
        """The value remembered under `key`, or `default` where none is there that is of its type.

        A default of None takes whatever is there; a `Path` and a tuple come back as such.
        """
        with self._lock:
            value = self._values.get(key)
        fitted: T = _fitted(value, default)
        return fitted

    def set(self, key: str, value: Any) -> None:
        """Remember a JSON value, a `Path` or a tuple; None forgets."""
        plain = _plain(value)
        with self._lock:
            if self._values.get(key) == plain:
                return
            if plain is None:
                self._values.pop(key, None)
            else:
                self._values[key] = plain
            if self._timer is None:
                self._timer = threading.Timer(WRITE_DELAY_S, self.write)
                self._timer.daemon = True
                self._timer.start()

    def put_aside(self, key: str) -> Path:
        """Take a value that does not fit out of the memory, into a file beside it; that file."""
        aside = _free(self.path.with_name(f"{self.path.stem}-{key}-aside.json"))
        with self._lock:
            value = self._values.get(key)
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        self.set(key, None)
        return aside

    def write(self) -> None:
        """Write now; what cannot be written becomes `problem`."""
        with self._lock:
            self._timer = None
            text = json.dumps({"format": FORMAT, "values": self._values}, indent=1, sort_keys=True) + "\n"
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.{threading.get_ident()}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            self.problem = (
                f"What you set cannot be remembered in {self.path} ({error.strerror or error}): make room there or let "
                "it be written."
            )

    def close(self) -> None:
        """Write what is not yet written."""
        with self._lock:
            waiting = self._timer
        if waiting is not None:
            waiting.cancel()
            self.write()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            return self._refuse(f"is damaged ({type(error).__name__})")
        if not isinstance(found, dict) or not isinstance(found.get("values"), dict):
            return self._refuse("does not hold what this app writes")
        if found.get("format") != FORMAT:
            return self._refuse(f"has format {str(found.get('format'))[:20]}, but this version reads {FORMAT}")
        values: dict[str, Any] = found["values"]
        return values

    def _refuse(self, what: str) -> dict[str, Any]:
        aside = _free(self.path.with_name(f"{self.path.stem}-aside{self.path.suffix}"))
        try:
            self.path.replace(aside)
        except OSError as error:
            self.problem = f"The app's memory {self.path} {what} and cannot be moved ({error.strerror or error})."
            return {}
        self.problem = f"The app's memory {what}, so it starts afresh; the old one is kept in {aside}."
        return {}


def _fitted(value: Any, default: Any) -> Any:
    """`value` as the type of `default`, or `default` where it is of none such."""
    if value is None:
        return default
    if default is None:
        return value
    if isinstance(default, Path):
        return Path(value) if isinstance(value, str) and value else default
    if isinstance(default, tuple):
        return tuple(value) if isinstance(value, list) else default
    if isinstance(default, float) and type(value) is int:
        return float(value)
    return value if type(value) is type(default) else default


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _free(path: Path) -> Path:
    """`path`, or the first of NAME-2, NAME-3, … that is not taken."""
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return candidate
