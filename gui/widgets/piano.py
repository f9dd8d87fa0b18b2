"""A piano on the screen, played with the mouse (louder further down the key, gliding while held) and computer keys.

    mouse, computer keys ─▶ holders of notes ─▶ note_on(note, velocity) … note_off(note), pedal_changed(down)

Every note that begins also ends: each mouse press or key owns one note, under which it is let go whatever the octave is
by then, and losing the keyboard's focus, hiding or disabling the piano lets all of them go. GUI thread.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.widgets import piano_keys
from gui.widgets.piano_keys import HIGHEST, LETTERS, LOWEST, SPAN, is_black, layout_for, meaning, note_name

LOWEST_BASE: Final = 24  # C1
HIGHEST_BASE: Final = 84  # C6, whose upper keys end with the piano's
SOFTEST, LOUDEST = 20, 127
VELOCITY_STEP = 12
_MOUSE = "mouse"
# Ivory and ebony, in both themes: the keys are a picture of a piano, not a control's surface.
_IVORY, _EBONY, _INK, _FAINT = "#f3eee4", "#26221f", "#26221f", "#f3eee4"


class Piano(QWidget):
    """The keyboard."""

    note_on = pyqtSignal(int, int)
    """MIDI note and velocity."""
    note_off = pyqtSignal(int)
    pedal_changed = pyqtSignal(bool)
    base_changed = pyqtSignal(int)
    """The note that the computer's A key plays."""
    velocity_changed = pyqtSignal(int)
    """Of the computer's keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Middle C's octave is under the computer's keys at first."""
        super().__init__(parent)
        self._base, self._velocity = 60, 96
        self._held: dict[str | int, int] = {}  # who holds a note: the mouse, or a key by its meaning
        self._shown: frozenset[int] = frozenset()
        self._letters = dict(LETTERS)
        self._pedal = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setProperty("takesKeys", True)  # the window's single letters sleep while the piano is played
        self.setAccessibleName("On-screen piano")
        self.setAccessibleDescription(
            "Play with the keys A to semicolon, black keys on the row above; Z and X change the octave, C and V how "
            "loud, Space is the sustain pedal."
        )
        theme.notifier.changed.connect(self.update)

    @property
    def base(self) -> int:
        """The note that the computer's A key plays."""
        return self._base

    @property
    def velocity(self) -> int:
        """How loud the computer's keys play."""
        return self._velocity

    @property
    def sounding(self) -> frozenset[int]:
        """The notes that are held here."""
        return frozenset(self._held.values())

    def set_base(self, note: int) -> None:
        """Another octave under the computer's keys; what is held stays until it is let go."""
        note = min(max(note - note % 12, LOWEST_BASE), HIGHEST_BASE)
        if note != self._base:
            self._base = note
            self.update()
            self.base_changed.emit(note)

    def set_velocity(self, velocity: int) -> None:
        """How loud the computer's keys play."""
        velocity = min(max(velocity, SOFTEST), LOUDEST)
        if velocity != self._velocity:
            self._velocity = velocity
            self.velocity_changed.emit(velocity)

    def set_pedal(self, down: bool) -> None:
        """Press or lift the sustain pedal."""
        if down != self._pedal:
            self._pedal = down
            self.pedal_changed.emit(down)

    def set_shown(self, notes: Collection[int]) -> None:
        """Light notes that others play."""
        if frozenset(notes) != self._shown:
            self._shown = frozenset(notes)
            self.update()

    def release_all(self) -> None:
        """Let every key and the pedal go."""
        for holder in tuple(self._held):
            self._release(holder)
        self.set_pedal(False)

    def layout_now(self) -> piano_keys.Layout:
        """Where the keys lie."""
        return layout_for(float(self.width()), float(self.height()), float(theme.px(5)), self._base)

    def _press(self, holder: str | int, note: int, velocity: int) -> None:
        if holder in self._held or not LOWEST <= note <= HIGHEST:
            return
        sounding = note in self._held.values()
        self._held[holder] = note
        self.update()
        if not sounding:
            self.note_on.emit(note, velocity)

    def _release(self, holder: str | int) -> None:
        note = self._held.pop(holder, None)
        if note is not None:
            self.update()
            if note not in self._held.values():
                self.note_off.emit(note)

    # the mouse

    def _strike(self, position: QPointF) -> None:
        found = self.layout_now().at(position.x(), position.y())
        if found is None:
            self._release(_MOUSE)
            return
        note, depth = found
        if self._held.get(_MOUSE) != note:
            self._release(_MOUSE)
            self._press(_MOUSE, note, round(SOFTEST + min(depth / 0.9, 1.0) * (LOUDEST - SOFTEST)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Play the key under the mouse."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._strike(event.position())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Glide."""
        assert event is not None
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._strike(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Let go."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._release(_MOUSE)

    # the computer's keys

    def event(self, event: QEvent | None) -> bool:
        """Keep the piano's keys from the window's shortcuts while the piano is played."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and meaning(event) is not None:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Play, or change octave, loudness or pedal."""
        assert event is not None
        what = meaning(event)
        if what is None:
            super().keyPressEvent(event)
        elif event.isAutoRepeat():
            return
        elif isinstance(what, int):
            self._learn_letter(what, event.text())
            self._press(what, self._base + what, self._velocity)
        elif what == "pedal":
            self.set_pedal(True)
        elif what.startswith("octave"):
            self.set_base(self._base + (12 if what == "octave up" else -12))
        else:
            self.set_velocity(self._velocity + (VELOCITY_STEP if what == "louder" else -VELOCITY_STEP))

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Let go, whatever octave and modifiers are now."""
        assert event is not None
        if event.isAutoRepeat():
            return
        what = meaning(event)
        if what is None:
            super().keyReleaseEvent(event)
        elif isinstance(what, int):
            self._release(what)
        elif what == "pedal":
            self.set_pedal(False)

    def _learn_letter(self, semitones: int, text: str) -> None:
        if text.isprintable() and text.strip() and text.upper() != self._letters[semitones]:
            self._letters[semitones] = text.upper()
            self.update()

    # what ends notes

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Whoever leaves lets go: the releases of keys now go elsewhere."""
        super().focusOutEvent(event)
        self.release_all()
        self.update()

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Show which computer keys play."""
        super().focusInEvent(event)
        self.update()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """A piano that is not seen is not held."""
        super().hideEvent(event)
        self.release_all()

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Nor one that is disabled."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.EnabledChange and not self.isEnabled():
            self.release_all()

    # how it looks

    def sizeHint(self) -> QSize:  # noqa: N802
        """Four octaves."""
        return QSize(theme.px(29 * 5), theme.px(26))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """What the computer's keys reach."""
        return QSize(theme.px(11 * 3), theme.px(20))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """A key that moved from under the mouse is let go."""
        super().resizeEvent(event)
        self._release(_MOUSE)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """White keys, then black keys, then the ring of the focus."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font("small"))
        keys = self.layout_now()
        lit = self.sounding | self._shown
        for note in (*keys.whites, *keys.blacks):
            self._paint_key(painter, note, keys.rect(note), note in lit)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.current().focus), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(1), theme.px(1))

    def _paint_key(self, painter: QPainter, note: int, rect: QRectF, lit: bool) -> None:
        now, radius = theme.current(), theme.px(0.75)
        black = is_black(note)
        fill = QColor(_EBONY if black else _IVORY)
        if not self.isEnabled():
            fill = QColor(now.surface if black else now.raised)
        painter.setPen(QPen(QColor(_EBONY if black else now.border), 1))
        painter.setBrush(QColor(now.input) if lit else fill)
        # The upper edge lies outside, so that only the front corners are round.
        painter.drawRoundedRect(rect.adjusted(0.5, -radius, -0.5, -0.5), radius, radius)
        reached = 0 <= note - self._base <= SPAN
        words = self._letters[note - self._base] if reached and self.hasFocus() else ""
        name = note_name(note) if note % 12 == 0 else ""
        painter.setPen(QColor(_FAINT if black and not lit else _INK))
        line = painter.fontMetrics().height()
        foot = rect.adjusted(0, 0, 0, -theme.px(1))
        middle = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
        if name:
            painter.drawText(foot, middle, name)
        if words:
            painter.drawText(foot if black else foot.adjusted(0, 0, 0, -line), middle, words)
