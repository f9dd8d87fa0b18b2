"""The losses of a training over its steps: one measure at a time, painted by ourselves in less than a millisecond.

    ╲                      line: the mean over the last steps, while training
     ╲__ ●                 dots: unseen recordings, the smaller the better; a ring round the best
        ╲____●___◉

The number under the pointer, or at the step chosen with the arrow keys, is written in the corner. GUI thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme

MOST_POINTS: Final = 500
Curve = tuple[tuple[int, float], ...]


class LossPlot(QWidget):
    """`set_points` with the records of metrics.jsonl; `set_measure` chooses what of them is drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._records: Sequence[dict[str, Any]] = ()
        self._measure = ""
        self.training: Curve = ()
        self.unseen: Curve = ()
        self._chosen: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Curve of the training")
        theme.notifier.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for a curve."""
        return QSize(theme.px(80), theme.px(55))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Still readable."""
        return QSize(theme.px(50), theme.px(30))

    def set_points(self, records: Sequence[dict[str, Any]]) -> None:
        """Records of metrics.jsonl, in the order of their steps."""
        if len(records) == len(self._records) and list(records[-1:]) == list(self._records[-1:]):
            return
        self._records = records
        self._cut()

    def set_measure(self, name: str) -> None:
        """Draw this measure."""
        if name != self._measure:
            self._measure, self._chosen = name, None
            self._cut()

    def measures(self) -> list[str]:
        """What can be drawn: what unseen recordings are judged by first."""
        seen: dict[str, bool] = {}
        for record in self._records:
            for name in record:
                if name not in ("kind", "step", "seconds"):
                    seen[name] = seen.get(name, False) or record["kind"] == "validation"
        return sorted(seen, key=lambda name: (not seen[name], name))

    def summary(self) -> str:
        """The curve in words."""
        curve = self.unseen or self.training
        if not curve:
            return "Nothing has been measured yet."
        last, best = curve[-1], min(curve, key=lambda point: point[1])
        return (
            f"{_words(self._measure)} {last[1]:.3g} at step {last[0]}; the lowest was {best[1]:.3g} at step {best[0]}."
        )

    def _cut(self) -> None:
        self.training = _thinned(self._of("train"))
        self.unseen = _thinned(self._of("validation"))
        self.setAccessibleDescription(self.summary())
        self.update()

    def _of(self, kind: str) -> list[tuple[int, float]]:
        return [
            (int(record["step"]), float(record[self._measure]))
            for record in self._records
            if record.get("kind") == kind and isinstance(record.get(self._measure), int | float)
        ]

    def _frame(self) -> QRectF:
        left, bottom, edge = theme.px(12), theme.px(6), theme.px(2)
        return QRectF(
            left, theme.px(6), max(1, self.width() - left - edge), max(1, self.height() - bottom - theme.px(6))
        )

    def _limits(self) -> tuple[int, float, float, bool]:
        """The last step, lowest and highest value, and whether the axis is logarithmic."""
        values = [value for _, value in (*self.training, *self.unseen) if math.isfinite(value)]
        last = max((step for step, _ in (*self.training, *self.unseen)), default=1)
        low, high = min(values, default=0.0), max(values, default=1.0)
        logarithmic = low > 0 and high > 4 * low
        if high <= low:
            low, high = low - 0.5, high + 0.5
        return max(1, last), low, high, logarithmic

    def _place(self, step: int, value: float) -> QPointF:
        frame, (last, low, high, logarithmic) = self._frame(), self._limits_now
        if logarithmic:
            low, value, high = math.log(low), math.log(max(value, low)), math.log(high)
        along = (value - low) / (high - low)
        return QPointF(frame.left() + frame.width() * step / last, frame.bottom() - frame.height() * along)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Axes, line, dots, the number that is pointed at."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        now, frame = theme.current(), self._frame()
        painter.setFont(theme.font("small"))
        if self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(1), theme.px(1))
        if not self.training and not self.unseen:
            painter.setPen(theme.color("text_dim"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "The curve begins with the first steps")
            return
        self._limits_now = last, low, high, logarithmic = self._limits()
        middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
        for value in (low, middle, high):
            y = self._place(0, value).y()
            painter.setPen(QPen(theme.color("line"), 1))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(theme.color("text_dim"))
            room = QRectF(0, y - theme.px(2.5), frame.left() - theme.px(1.5), theme.px(5))
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:.3g}")
        below = QRectF(frame.left(), frame.bottom() + theme.px(0.5), frame.width(), theme.px(5))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"step {last}")
        painter.setPen(QPen(theme.color("text_dim"), 1.5))
        painter.drawPolyline(QPolygonF([self._place(*point) for point in self.training]))
        painter.setPen(QPen(theme.color("accent"), 1.5))
        painter.drawPolyline(QPolygonF([self._place(*point) for point in self.unseen]))
        painter.setBrush(theme.color("accent"))
        dot = theme.px(0.75)
        for point in self.unseen:
            painter.drawEllipse(self._place(*point), dot, dot)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self.unseen:
            best = min(self.unseen, key=lambda point: point[1])
            painter.setPen(QPen(theme.color("good"), 2))
            painter.drawEllipse(self._place(*best), 2 * dot, 2 * dot)
        self._write_legend(painter, now.text_dim)

    def _write_legend(self, painter: QPainter, _dim: str) -> None:
        top = QRectF(theme.px(2), 0, self.width() - theme.px(4), theme.px(6))
        chosen = self._near(self._chosen)
        painter.setPen(theme.color("text" if chosen else "accent"))
        painter.drawText(
            top, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, chosen or "● unseen recordings"
        )
        painter.setPen(theme.color("text_dim"))
        if not chosen and self.training and self.width() > theme.px(75):
            painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "— while training")

    def _near(self, step: int | None) -> str:
        if step is None:
            return ""
        parts = []
        for curve, words in ((self.unseen, "unseen"), (self.training, "training")):
            if curve:
                near = min(curve, key=lambda point: abs(point[0] - step))
                parts.append(f"{words} {near[1]:.3g} at step {near[0]}")
        return "   ".join(parts)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Show the numbers there."""
        if event is not None and (self.training or self.unseen):
            frame, (last, *_) = self._frame(), self._limits()
            self._chosen = round((event.position().x() - frame.left()) / frame.width() * last)
            self.update()

    def leaveEvent(self, _event: object) -> None:  # noqa: N802
        """Nothing is pointed at."""
        self._chosen = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Left and right go from dot to dot."""
        by = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key())) if event is not None else None
        curve = self.unseen or self.training
        if event is None or by is None or not curve:
            super().keyPressEvent(event)
            return
        at = len(curve) - 1 if self._chosen is None else min(
            range(len(curve)), key=lambda k: abs(curve[k][0] - (self._chosen or 0))
        ) + by  # fmt: skip
        self._chosen = curve[max(0, min(len(curve) - 1, at))][0]
        self.setAccessibleDescription(self._near(self._chosen))
        self.update()


def _thinned(points: list[tuple[int, float]]) -> Curve:
    """At most MOST_POINTS, each the mean of its neighbours; the last one stays as it is."""
    every = -(-len(points) // MOST_POINTS)
    if every <= 1:
        return tuple(points)
    made = []
    for start in range(0, len(points) - 1, every):
        group = points[start : start + every]
        made.append((group[-1][0], sum(value for _, value in group) / len(group)))
    return (*made, points[-1])


def _words(measure: str) -> str:
    return measure.replace("_", " ").capitalize()
