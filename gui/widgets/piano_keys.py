"""Which key of a computer keyboard is which key of the piano, and where the piano's keys lie. Pure arithmetic.

    W E   T Y U   O P          the upper row: black keys
   A S D F G H J K L ;         the home row: white keys, A being the C of the chosen octave
   Z X octave down, up         C V softer, louder          Space: sustain pedal

Keys are told by their place on the keyboard where the system says which it is, so that the rows are the same on a
German or French layout; what stands printed there is learnt from the letter that arrives.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QKeyEvent

LOWEST, HIGHEST = 21, 108  # a piano's 88 keys
WHITE_STEPS = (0, 2, 4, 5, 7, 9, 11)
_BLACK_WIDTH, BLACK_HEIGHT = 0.58, 0.62  # of a white key
# How far a black key's middle lies from the border between its white neighbours, in white keys.
_BLACK_SHIFTS = {1: -0.12, 3: 0.12, 6: -0.14, 8: 0.0, 10: 0.14}
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

# Qt's key, evdev's code of the place (also the scan code on Windows), the virtual key on macOS, semitones up.
_ROWS = (
    (Qt.Key.Key_A, 30, 0, 0), (Qt.Key.Key_W, 17, 13, 1), (Qt.Key.Key_S, 31, 1, 2), (Qt.Key.Key_E, 18, 14, 3),
    (Qt.Key.Key_D, 32, 2, 4), (Qt.Key.Key_F, 33, 3, 5), (Qt.Key.Key_T, 20, 17, 6), (Qt.Key.Key_G, 34, 5, 7),
    (Qt.Key.Key_Y, 21, 16, 8), (Qt.Key.Key_H, 35, 4, 9), (Qt.Key.Key_U, 22, 32, 10), (Qt.Key.Key_J, 36, 38, 11),
    (Qt.Key.Key_K, 37, 40, 12), (Qt.Key.Key_O, 24, 31, 13), (Qt.Key.Key_L, 38, 37, 14), (Qt.Key.Key_P, 25, 35, 15),
    (Qt.Key.Key_Semicolon, 39, 41, 16),
)  # fmt: skip
_ORDERS = (
    (Qt.Key.Key_Z, 44, 6, "octave down"), (Qt.Key.Key_X, 45, 7, "octave up"), (Qt.Key.Key_C, 46, 8, "softer"),
    (Qt.Key.Key_V, 47, 9, "louder"), (Qt.Key.Key_Space, 57, 49, "pedal"),
)  # fmt: skip
LETTERS = {semitones: chr(key.value) for key, _, _, semitones in _ROWS}
SPAN = max(LETTERS)


def is_black(note: int) -> bool:
    """Whether a note is played on a black key."""
    return note % 12 not in WHITE_STEPS


def note_name(note: int) -> str:
    """Name and octave, middle C (60) being C4."""
    return f"{NAMES[note % 12]}{note // 12 - 1}"


def meaning(event: QKeyEvent) -> int | str | None:
    """Semitones above the base, or an order ("octave up", …), or None for a key that is not the piano's."""
    if event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
        return None
    place = _place(event)
    for key, code, mac_code, what in (*_ROWS, *_ORDERS):
        if place == (mac_code if sys.platform == "darwin" else code) if place is not None else event.key() == key:
            return what
    return None


def _place(event: QKeyEvent) -> int | None:
    """The key's place, where the system tells it; a key that a program presses may have none."""
    if sys.platform == "darwin":
        return event.nativeVirtualKey() if event.nativeScanCode() else None
    code = event.nativeScanCode()
    if not code:
        return None
    return code if sys.platform == "win32" else code - 8


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys from `first` to `last`, both white, in a rectangle of this size."""

    first: int
    last: int
    width: float
    height: float

    @property
    def whites(self) -> list[int]:
        """White keys from the left."""
        return [note for note in range(self.first, self.last + 1) if not is_black(note)]

    @property
    def blacks(self) -> list[int]:
        """Black keys from the left."""
        return [note for note in range(self.first, self.last + 1) if is_black(note)]

    def rect(self, note: int) -> QRectF:
        """Where a key lies."""
        step = self.width / len(self.whites)
        place = sum(1 for white in range(self.first, note) if not is_black(white))
        if not is_black(note):
            return QRectF(place * step, 0.0, step, self.height)
        middle = (place + _BLACK_SHIFTS[note % 12]) * step
        return QRectF(middle - 0.5 * _BLACK_WIDTH * step, 0.0, _BLACK_WIDTH * step, BLACK_HEIGHT * self.height)

    def at(self, x: float, y: float) -> tuple[int, float] | None:
        """The key at a point and how far down it was struck, 0 to 1; None beside the keys."""
        if not (0.0 <= x < self.width and 0.0 <= y < self.height):
            return None
        whites = self.whites
        white = whites[min(int(x * len(whites) / self.width), len(whites) - 1)]
        for note in (white - 1, white + 1):
            if self.first < note < self.last and is_black(note) and self.rect(note).contains(x, y):
                return note, y / (BLACK_HEIGHT * self.height)
        return white, y / self.height


def layout_for(width: float, height: float, least_width: float, base: int) -> Layout:
    """As many keys as have room, at most 88, with those that the computer's keys play from `base` on among them."""
    room = int(width // least_width)
    if room >= sum(not is_black(note) for note in range(LOWEST, HIGHEST + 1)):
        return Layout(LOWEST, HIGHEST, width, height)
    count = max(room, 11)  # what the computer's keys reach must be there, however narrow
    first = base
    spare = count - sum(not is_black(note) for note in range(base, base + SPAN + 1))
    for _ in range(max(spare, 0) // 2):
        below = first - (2 if is_black(first - 1) else 1)
        if below < LOWEST:
            break
        first = below
    last, whites = first, 1
    while whites < count and last < HIGHEST:
        last += 2 if is_black(last + 1) else 1
        whites += 1
    while whites < count and first > LOWEST:
        first -= 2 if is_black(first - 1) else 1
        whites += 1
    return Layout(first, last, width, height)
