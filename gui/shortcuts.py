"""Every keyboard shortcut of the app in one table, and the object that makes them work.

    SHORTCUTS ──▶ ShortcutKeys(window, actions)   QShortcuts; single letters sleep while a text is being typed
             └──▶ gui.shortcut_sheet              the overlay that F1 shows

Letters are the first of their words (B bypass, M mute, R record): found in the dark. Page keys, which page-turner
pedals send, step through the setlist on the stage screen. GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QObject, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTextEdit, QWidget

TAKES_KEYS: Final = "takesKeys"
"""A widget with this property true (an on-screen keyboard) gets letters itself while it has the focus."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One row: the action's name, its keys as Qt spells them, what it does, and where it is listed.

    stage: only on the stage screen. typed: a key that also writes text, so it sleeps while a text field has the focus.
    left_over: only where nothing that has the focus has a meaning for it; the window's `keyPressEvent` does it, because
    a QShortcut would take it from everybody.
    """

    action: str
    keys: tuple[str, ...]
    words: str
    group: str
    stage: bool = False
    typed: bool = False
    left_over: bool = False


SOUND, PRESETS, VIEW, PROGRAM = "Sound", "Presets and setlist", "Views", "App"
SHORTCUTS: Final[tuple[Shortcut, ...]] = (
    Shortcut("power", ("Ctrl+P",), "Power on or off", SOUND),
    Shortcut("bypass", ("B",), "Bypass the model", SOUND, typed=True),
    Shortcut("mute", ("M",), "Mute the output", SOUND, typed=True),
    Shortcut("record", ("R",), "Begin or end a take", SOUND, typed=True),
    Shortcut("panic", ("Ctrl+.", "Pause"), "Panic: all notes off, a moment of silence", SOUND),
    Shortcut("less", ("[",), "Less of the model in the mix", SOUND, typed=True),
    Shortcut("more", ("]",), "More of the model in the mix", SOUND, typed=True),
    Shortcut("learn", ("L",), "Learn MIDI: click a control, move a knob", SOUND, typed=True),
    Shortcut("next", ("N",), "Next preset of the setlist", PRESETS, typed=True),
    Shortcut("previous", ("Shift+N",), "Previous preset of the setlist", PRESETS, typed=True),
    Shortcut("next", ("PgDown", "Right"), "Next preset, also by a page-turner pedal", PRESETS, stage=True),
    Shortcut("previous", ("PgUp", "Left"), "Previous preset, also by a page-turner pedal", PRESETS, stage=True),
    Shortcut("presets", ("Ctrl+K",), "Choose a preset", PRESETS),
    Shortcut("library", ("Ctrl+L",), "Choose a model", PRESETS),
    Shortcut("undo", ("Ctrl+Z",), "Undo what a control was turned to", PRESETS),
    Shortcut("redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "Redo", PRESETS),
    Shortcut("panel:play", ("Ctrl+1",), "Play", VIEW),
    Shortcut("panel:source", ("Ctrl+2",), "Source", VIEW),
    Shortcut("panel:chain", ("Ctrl+3",), "Chain", VIEW),
    Shortcut("panel:convert", ("Ctrl+4",), "Convert", VIEW),
    Shortcut("panel:train", ("Ctrl+5",), "Train", VIEW),
    Shortcut("panel:setlist", ("Ctrl+6",), "Setlist", VIEW),
    Shortcut("panel:settings", ("Ctrl+,",), "Settings", VIEW),
    Shortcut("stage", ("F11",), "Stage screen: the whole screen, big type", VIEW),
    Shortcut("theme", ("Ctrl+D",), "Dark or light", VIEW),
    Shortcut("larger", ("Ctrl++", "Ctrl+="), "Larger", VIEW),
    Shortcut("smaller", ("Ctrl+-",), "Smaller", VIEW),
    Shortcut("usual", ("Ctrl+0",), "Usual size", VIEW),
    Shortcut("help", ("F1", "?"), "These shortcuts", PROGRAM, typed=True),
    Shortcut("back", ("Esc",), "Back: leave the stage screen, learn mode or this list", PROGRAM, left_over=True),
    Shortcut("quit", ("Ctrl+Q",), "Quit", PROGRAM),
)

_LOCKED_TOO: Final = {"panic", "stage", "theme", "larger", "smaller", "usual", "help", "quit"}
"""What answers on the locked stage screen besides stepping: the way out, and how it looks."""


def spelt(keys: str) -> str:
    """Keys as this desktop writes them."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def keys_of(action: str) -> str:
    """The first keys of an action, as this desktop writes them."""
    return next(spelt(row.keys[0]) for row in SHORTCUTS if row.action == action)


class ShortcutKeys(QObject):
    """The table, at work in a window."""

    def __init__(self, window: QWidget, actions: Mapping[str, Callable[[], None]]) -> None:
        """actions: what each name of the table does; every name must be there."""
        super().__init__(window)
        self._typed: list[QShortcut] = []
        self._stage: list[QShortcut] = []
        self._lockable: list[QShortcut] = []
        self._on_stage = self._locked = False
        for row in SHORTCUTS:
            for keys in () if row.left_over else row.keys:
                made = QShortcut(QKeySequence(keys), window)
                made.setContext(Qt.ShortcutContext.WindowShortcut)
                made.setAutoRepeat(row.action in {"less", "more", "undo", "redo"})
                made.activated.connect(actions[row.action])
                if row.stage:
                    made.setEnabled(False)
                    self._stage.append(made)
                elif row.typed and not keys.startswith("F"):
                    self._typed.append(made)
                elif row.action not in _LOCKED_TOO:
                    self._lockable.append(made)
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._follow_focus)

    def set_stage(self, on: bool) -> None:
        """Whether the stage screen is shown."""
        self._on_stage = on
        self._follow_focus(None, QApplication.focusWidget())

    def set_locked(self, locked: bool) -> None:
        """Whether only stepping, panic and the way out answer: a sleeve or a falling page may lie on the keys."""
        self._locked = locked
        for made in self._lockable:
            made.setEnabled(not locked)
        self._follow_focus(None, QApplication.focusWidget())

    def _follow_focus(self, _old: QWidget | None, now: QWidget | None) -> None:
        typing = types_text(now)
        for made in self._typed:
            made.setEnabled(not typing and not self._locked)
        for made in self._stage:
            made.setEnabled(self._on_stage and not typing)


def types_text(widget: QWidget | None) -> bool:
    """Whether letters that are pressed now belong to this widget."""
    if isinstance(widget, QLineEdit | QTextEdit | QPlainTextEdit):
        return not widget.isReadOnly()
    if isinstance(widget, QAbstractSpinBox):
        return True
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    return widget is not None and bool(widget.property(TAKES_KEYS))
