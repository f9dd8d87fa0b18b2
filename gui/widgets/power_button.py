"""The power button, with a shape, a colour and a word for each of its four states. GUI thread.

    off       thin ring, open at the top        "Off"        press: on
    opening   a quarter of the ring runs round  "Opening…"   press: off
    on        filled disc                       "On"         press: off
    waiting   dotted ring, in warning colour    "Waiting…"   press: off

It shows what is (`set_state`), and says what is wanted (`toggled`): only a state changes its picture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PyQt6.QtGui import QFontMetrics, QHideEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PyQt6.QtWidgets import QCheckBox, QSizePolicy, QWidget

from gui import theme

if TYPE_CHECKING:
    from gui.live_state import Power

WORDS: Final[dict[Power, str]] = {"off": "Off", "opening": "Opening…", "on": "On", "waiting": "Waiting…"}
TIPS: Final[dict[Power, str]] = {
    "off": "Turn the sound on",
    "opening": "The sound card is being opened; press to stop",
    "on": "Turn the sound off",
    "waiting": "The sound card is gone and will be opened when it is back; press to stop",
}
_COLOURS: Final[dict[Power, str]] = {"off": "text_dim", "opening": "accent", "on": "accent", "waiting": "warn"}
Size = Literal["usual", "large"]
_DISC_UNITS: Final[dict[Size, float]] = {"usual": 11, "large": 18}
_TURN_MS: Final = 66
_TURNS: Final = 24  # pictures of one turn


class PowerButton(QCheckBox):
    """`toggled(bool)` says what the user wants; `set_state` shows what is."""

    def __init__(self, parent: QWidget | None = None, *, size: Size = "usual") -> None:
        """Off. size: "large" for the one of the Play panel, which says its state beside it in a whole line."""
        super().__init__(parent)
        self._size: Size = size
        self.setProperty("large", size == "large")  # the style sheet's least height
        self._state: Power = "off"
        self._turn = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_TURN_MS)
        self._timer.timeout.connect(self._step)
        self.setAccessibleName("Power")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.notifier.changed.connect(self._rescaled)
        self._tell()

    def state(self) -> Power:
        """What it shows."""
        return self._state

    def set_state(self, power: Power) -> None:
        """Show what is; says nothing."""
        blocked = self.blockSignals(True)
        self.setChecked(power != "off")
        self.blockSignals(blocked)
        if power != self._state:
            self._state, self._turn = power, 0
            self._tell()
            self._run()

    def nextCheckState(self) -> None:  # noqa: N802
        """A press wants the other of on and off, counted from what is, also when pressed twice."""
        wanted = self._state == "off"
        if self.isChecked() == wanted:
            self.toggled.emit(wanted)
        else:
            self.setChecked(wanted)

    def hitButton(self, pos: object) -> bool:  # noqa: N802
        """All of it is the target."""
        return True

    def sizeHint(self) -> QSize:  # noqa: N802
        """The disc, and beside a usual one the longest word, so that nothing moves when the word changes."""
        if self._size == "large":
            return QSize(theme.px(20), theme.px(20))
        metrics = QFontMetrics(theme.font("strong"))
        words = max(metrics.horizontalAdvance(word) for word in WORDS.values())
        return QSize(theme.px(14) + words + theme.px(5), theme.px(14))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The same."""
        return self.sizeHint()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Run if there is something to run."""
        super().showEvent(event)
        self._run()

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Nobody sees it: stand still."""
        super().hideEvent(event)
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Disc or ring, the sign, the word, the focus ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        size = theme.px(_DISC_UNITS[self._size])
        disc = QRectF((self.height() - size) / 2, (self.height() - size) / 2, size, size)
        self._paint_disc(painter, disc)
        if self._size == "usual":
            painter.setFont(theme.font("strong"))
            painter.setPen(theme.color("text" if self._state in {"on", "off"} else _COLOURS[self._state]))
            words = QRectF(disc.right() + theme.px(3), 0, self.width() - disc.right() - theme.px(3), self.height())
            painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, WORDS[self._state])
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(2), theme.px(2))

    def _paint_disc(self, painter: QPainter, disc: QRectF) -> None:
        colour, thick = theme.color(_COLOURS[self._state]), theme.px(1 if self._state == "waiting" else 0.625)
        ring = disc.adjusted(thick / 2, thick / 2, -thick / 2, -thick / 2)
        painter.setBrush(theme.color("raised" if self.underMouse() or self.isDown() else "surface"))
        sign = colour
        if self._state == "on":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawEllipse(disc)
            sign = theme.color("on_accent")
        elif self._state == "off":
            painter.setPen(QPen(colour, thick / 2))
            painter.drawEllipse(ring)
        elif self._state == "opening":
            painter.setPen(QPen(theme.color("line"), thick))
            painter.drawEllipse(ring)
            painter.setPen(QPen(colour, thick, cap=Qt.PenCapStyle.RoundCap))
            painter.drawArc(ring, round(90 * 16 - self._turn * 360 * 16 / _TURNS), -110 * 16)
        else:
            dotted = QPen(colour, thick, cap=Qt.PenCapStyle.RoundCap)
            around = math.pi * ring.width() / thick
            dotted.setDashPattern([0.01, around / 12 - 0.01])
            dotted.setDashOffset(-self._turn * around / 12 / _TURNS)
            painter.setPen(dotted)
            painter.drawEllipse(ring)
        self._paint_sign(painter, disc, sign)

    def _paint_sign(self, painter: QPainter, disc: QRectF, colour: object) -> None:
        """The power sign: an arc with a stroke in its gap."""
        radius, middle = disc.width() * 0.2, disc.center() + QPointF(0, disc.height() * 0.02)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour, disc.width() * 0.055, cap=Qt.PenCapStyle.RoundCap))  # type: ignore[call-overload]
        arc = QRectF(middle.x() - radius, middle.y() - radius, 2 * radius, 2 * radius)
        painter.drawArc(arc, 125 * 16, 290 * 16)
        painter.drawLine(middle - QPointF(0, radius * 1.25), middle - QPointF(0, radius * 0.2))

    def _tell(self) -> None:
        self.setAccessibleDescription(f"{WORDS[self._state]}. {TIPS[self._state]}.")
        self.setToolTip(TIPS[self._state])
        self.update()

    def _run(self) -> None:
        if self._state in {"opening", "waiting"} and self.isVisible():
            self._timer.start()
        else:
            self._timer.stop()

    def _step(self) -> None:
        self._turn = (self._turn + 1) % _TURNS
        self.update()

    def _rescaled(self) -> None:
        self.updateGeometry()
        self.update()
