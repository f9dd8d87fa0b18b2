"""The blend of targets: a slider for two, a pad with the targets on a circle for three and more. GUI thread.

          violin 62 %
            ●
           ╱ ○ ╲             drag the ring, or press anywhere
     cello ●    ● flute      arrows (Shift: finer) move it; 1…9 jump to a target; 0 is all in equal parts
      10 %        28 %

With less than two targets there is nothing to blend, and it hides. `gui.widgets.blend_place` has the geometry.
"""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.widgets.blend_place import inside, place_of, target_places, weights_at

_STEP, _FINE = 0.05, 0.01


class BlendPad(QWidget):
    """`weights_changed` says each new mixture that the user made, in the order of the targets, with sum 1."""

    weights_changed = pyqtSignal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Without targets."""
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._weights: tuple[float, ...] = ()
        self._places = target_places(0)
        self._place: tuple[float, float] = (0.0, 0.0)  # of two targets x alone counts: −1 is the first, 1 the second
        self._held = False
        self.setAccessibleName("Blend of targets")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme.notifier.changed.connect(self._rescaled)
        self._fit()

    # -- the mixture ---------------------------------------------------------------------------------------------

    def targets(self) -> tuple[str, ...]:
        """Their names."""
        return self._names

    def set_targets(self, names: Sequence[str]) -> None:
        """Other targets, of which the first alone is chosen; the same ones again change nothing."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        self._places = target_places(len(self._names))
        self._fit()
        self.set_weights([float(k == 0) for k in range(len(self._names))])

    def weights(self) -> tuple[float, ...]:
        """The mixture, as it was set or made."""
        return self._weights

    def set_weights(self, weights: Sequence[float]) -> None:
        """Show a mixture from elsewhere; says nothing. One of another length is ignored."""
        total = float(sum(weights))
        if len(weights) != len(self._names) or (self._names and total <= 0):
            return
        scaled = tuple(float(weight) / total for weight in weights)
        if scaled == self._weights:
            return
        self._weights = scaled
        if len(scaled) == 2:
            self._place = (2.0 * scaled[1] - 1.0, 0.0)
        elif len(scaled) > 2:
            self._place = place_of(scaled, self._places)
        self._tell()

    def place(self) -> tuple[float, float]:
        """Where the ring is: x and y within the unit circle, y downward; of two targets x from −1 to 1."""
        return self._place

    def _move_to(self, place: Sequence[float]) -> None:
        if len(self._names) < 2:
            return
        if len(self._names) == 2:
            x = min(max(place[0], -1.0), 1.0)
            self._place = (x, 0.0)
            weights: tuple[float, ...] = ((1.0 - x) / 2.0, (1.0 + x) / 2.0)
        else:
            self._place = inside(place)
            weights = weights_at(self._place, self._places)
        if weights != self._weights:
            self._weights = weights
            self._tell()
            self.weights_changed.emit(weights)
        self.update()

    def _tell(self) -> None:
        parts = [f"{name} {weight:.0%}" for name, weight in zip(self._names, self._weights, strict=True)]
        self.setAccessibleDescription(", ".join(parts))
        self.update()

    def _fit(self) -> None:
        along, across = QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed
        self.setSizePolicy(along, across if len(self._names) <= 2 else along)
        self.updateGeometry()
        if self.parentWidget() is not None:
            self.setVisible(len(self._names) > 1)

    # -- hand and keyboard ---------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """The ring jumps to the press."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = True
            self._move_to(self._place_under(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """The ring follows."""
        assert event is not None
        if self._held:
            self._move_to(self._place_under(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Let go."""
        self._held = False
        self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Arrows, 1…9, 0, Home and End."""
        assert event is not None
        held, key, count = event.modifiers(), event.key(), len(self._names)
        if held & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
            return
        by = _FINE if held & Qt.KeyboardModifier.ShiftModifier else _STEP
        keys = Qt.Key
        ways = {keys.Key_Left: (-1, 0), keys.Key_Right: (1, 0), keys.Key_Up: (0, -1), keys.Key_Down: (0, 1)}
        number = int(event.text()) if event.text().isdecimal() else -1
        if key in ways:
            x, y = ways[keys(key)]
            if count == 2:
                x, y = x - y, 0  # up is more, as on a slider
                by *= 2.0  # its way is twice as long: 5 % a step
            self._move_to((self._place[0] + x * by, self._place[1] + y * by))
        elif number == 0:
            self._move_to((0.0, 0.0))
        elif 1 <= number <= count:
            self._jump(number - 1)
        elif key in {keys.Key_Home, keys.Key_End} and count:
            self._jump(0 if key == keys.Key_Home else count - 1)
        else:
            event.ignore()

    def _jump(self, target: int) -> None:
        if len(self._names) == 2:
            self._move_to((2.0 * target - 1.0, 0.0))
        else:
            self._move_to((float(self._places[target, 0]), float(self._places[target, 1])))

    # -- where things are ----------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """A strip for two, a square for more."""
        return QSize(theme.px(60), theme.px(12)) if len(self._names) <= 2 else QSize(theme.px(70), theme.px(62))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As small as it stays precise."""
        return QSize(theme.px(40), theme.px(12)) if len(self._names) <= 2 else QSize(theme.px(48), theme.px(44))

    def _middle(self) -> QPointF:
        if len(self._names) == 2:
            return QPointF(self.width() / 2, theme.px(8.5))
        return QRectF(self.rect()).center()

    def _reach(self) -> float:
        """Pixels of the unit: half of the slider's way, or the radius, less room for the names."""
        if len(self._names) == 2:
            return max(1.0, self.width() / 2 - theme.px(3.5))
        beside = theme.px(22)  # a name with its percent stands beside its dot, where that leaves a circle to move in
        across = max(self.width() / 2 - beside, theme.px(14))
        return max(1.0, min(across, self.width() / 2 - theme.px(9), self.height() / 2 - theme.px(9)))

    def _place_under(self, at: QPointF) -> tuple[float, float]:
        way = (at - self._middle()) / self._reach()
        return way.x(), way.y()

    def point_of(self, place: Sequence[float]) -> QPointF:
        """The pixel of a place."""
        return self._middle() + QPointF(place[0], place[1]) * self._reach()

    # -- the picture ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Slider or pad, and the ring of focus."""
        if len(self._names) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if len(self._names) == 2:
            self._paint_slider(painter)
        else:
            self._paint_pad(painter)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(2), theme.px(2))

    def _paint_slider(self, painter: QPainter) -> None:
        left, right, here = self.point_of((-1, 0)), self.point_of((1, 0)), self.point_of(self._place)
        painter.setPen(QPen(theme.color("border"), theme.px(0.5), cap=Qt.PenCapStyle.RoundCap))
        painter.drawLine(left, right)
        for end, weight in zip((left, right), self._weights, strict=True):
            self._paint_target(painter, end, weight)
        middle, row = self.width() // 2, QRectF(theme.px(2), theme.px(1), self.width() - theme.px(4), theme.px(5))
        for k, side in enumerate((Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight)):
            words = self._words(painter, k, middle - theme.px(3))
            painter.drawText(row, side | Qt.AlignmentFlag.AlignVCenter, words)
        self._paint_ring(painter, here)

    def _paint_pad(self, painter: QPainter) -> None:
        middle, reach = self._middle(), self._reach()
        painter.setPen(QPen(theme.color("border"), 1))
        painter.setBrush(theme.color("surface"))
        painter.drawEllipse(middle, reach, reach)
        here = self.point_of(self._place)
        points = [self.point_of(place) for place in self._places]
        for point, weight in zip(points, self._weights, strict=True):
            if weight > 0.005:
                thick = theme.px(0.25) + weight * theme.px(1.25)
                painter.setPen(QPen(theme.color("accent", 0.25 + 0.6 * weight), thick, cap=Qt.PenCapStyle.RoundCap))
                painter.drawLine(here, point)
        for k, (point, weight) in enumerate(zip(points, self._weights, strict=True)):
            self._paint_target(painter, point, weight)
            self._paint_name(painter, k, point)
        self._paint_ring(painter, here)

    def _paint_target(self, painter: QPainter, at: QPointF, weight: float) -> None:
        """An empty dot, filled as far as the target is heard."""
        radius = float(theme.px(1.75))
        painter.setPen(QPen(theme.color("accent" if weight > 0.005 else "border"), 1.5))
        painter.setBrush(theme.color("background"))
        painter.drawEllipse(at, radius, radius)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("accent"))
        filled = radius * weight**0.5
        painter.drawEllipse(at, filled, filled)

    def _paint_name(self, painter: QPainter, k: int, point: QPointF) -> None:
        x, y = self._places[k]
        room = theme.px(36)
        high, away = theme.px(5), theme.px(2.5)
        if abs(y) <= 0.9:  # a name is cut before it lies on the circle
            beside = (self.width() - point.x() if x > 0 else point.x()) - away - 4
            room = min(room, max(round(beside), theme.px(14)))
        words = self._words(painter, k, room, lines=2)
        metrics = painter.fontMetrics()
        width = max(map(metrics.horizontalAdvance, words.split("\n"))) + 2
        high = max(high, words.count("\n") * metrics.lineSpacing() + metrics.height())
        if abs(y) > 0.9:
            left, top = point.x() - width / 2, point.y() + (away if y > 0 else -away - high)
        else:
            left, top = point.x() + (away if x > 0 else -away - width), point.y() - high / 2
            if left < 0 or left + width > self.width():  # no room beside: above or below the dot
                left, top = point.x() - width / 2, point.y() + (away if y > 0 else -away - high)
        left = min(max(left, 2.0), max(2.0, self.width() - width - 2.0))
        top = min(max(top, 2.0), self.height() - high - 2.0)
        painter.drawText(QRectF(left, top, width, high), Qt.AlignmentFlag.AlignCenter, words)

    def _words(self, painter: QPainter, k: int, room: int, lines: int = 1) -> str:
        """Name, and percent of what is heard, in so many lines at most; and the pen and font for them."""
        weight = self._weights[k]
        painter.setFont(theme.font("strong" if weight > 0.5 else "body"))
        painter.setPen(theme.color("text" if weight > 0.005 else "text_dim"))
        percent = f" {round(weight * 100)} %" if weight > 0.005 else ""
        metrics = painter.fontMetrics()
        name_room = max(0, room - metrics.horizontalAdvance(percent))
        if lines > 1 and percent and metrics.horizontalAdvance(self._names[k]) > name_room:
            percent, name_room = f"\n{percent.strip()}", room
        return metrics.elidedText(self._names[k], Qt.TextElideMode.ElideRight, name_room) + percent

    def _paint_ring(self, painter: QPainter, at: QPointF) -> None:
        radius = float(theme.px(2.75))
        painter.setPen(QPen(theme.color("background"), theme.px(1.75)))
        painter.setBrush(theme.color("surface"))
        painter.drawEllipse(at, radius, radius)
        painter.setPen(QPen(theme.color("accent" if self._held else "text"), theme.px(0.75)))
        painter.drawEllipse(at, radius, radius)

    def _rescaled(self) -> None:
        self.updateGeometry()
        self.update()
