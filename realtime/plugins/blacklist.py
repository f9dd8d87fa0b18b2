"""Plugins that crashed or hung, and are not loaded again: for good after a scan, for the session after a rack.

    plugin-blacklist.json in the user's data folder     uri: the sentence that says what it did
    `retimbre plugins forgive URI`                      gives it another chance

Control threads and commands only. The file is replaced whole, so that a reader never sees half of it.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Final

from realtime.errors import PluginError

_SESSION: Final[dict[str, str]] = {}


def blacklist_path() -> Path:
    """The file."""
    from platformdirs import user_data_path

    return user_data_path("retimbre", appauthor=False) / "plugin-blacklist.json"


def reason(uri: str) -> str | None:
    """The sentence why a plugin is black-listed, or None. Raises `PluginError` when the file cannot be read."""
    return _SESSION.get(uri) or read().get(uri)


def read() -> dict[str, str]:
    """Everything that is black-listed for good. Raises `PluginError` when the file cannot be read."""
    path = blacklist_path()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PluginError(f"The black-list {path} cannot be read ({error}): repair or delete it.") from None
    if not isinstance(entries, dict) or not all(isinstance(one, str) for one in entries.values()):
        raise PluginError(f"The black-list {path} does not hold a sentence for each URI: repair or delete it.")
    return entries


def add(uri: str, sentence: str) -> None:
    """Black-list a plugin for good. Raises `PluginError` when that cannot be written."""
    _write({**read(), uri: sentence})


def add_for_session(uri: str, sentence: str) -> None:
    """Black-list a plugin until this process ends."""
    _SESSION[uri] = sentence


def forgive(uri: str) -> bool:
    """Take a plugin off the list; false when it was not on it. Raises `PluginError` when that cannot be written."""
    entries = read()
    was_here = _SESSION.pop(uri, None) is not None
    if uri not in entries:
        return was_here
    del entries[uri]
    _write(entries)
    return True


def _write(entries: dict[str, str]) -> None:
    write_json(blacklist_path(), entries)


def write_json(path: Path, value: object) -> None:
    """Replace a file at once. Raises `PluginError` when it cannot be written."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise PluginError(f"The file {path} cannot be written ({error.strerror}): make room or allow it.") from None
