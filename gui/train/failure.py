"""What a failed command becomes in the panel: its sentence, and the command that repairs it, to copy. GUI thread."""

from __future__ import annotations

from PyQt6.QtGui import QGuiApplication

from gui.live_state import Notice


def failure(sentence: str) -> Notice:
    """The sentence as a notice; a command in it, between backquotes, can be copied."""
    _, mark, rest = sentence.partition("`")
    command, end, _ = rest.partition("`")
    if not (mark and end and command):
        return Notice(sentence, "train", "error")
    return Notice(sentence, "train", "error", "Copy the command", lambda: _copy(command))


def _copy(text: str) -> None:
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
