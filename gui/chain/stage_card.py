"""One stage of the signal path as a card: a picture, a name, and in a word what it does now.

    ┌──────────┐   chosen: an edge in the accent colour; keyboard: a ring
    │ ▣        │   out of the way: dim, and the word says so
    │ Gate     │   broken: a warning sign and its colour
    │ −50 dB   │
    └──────────┘

A plugin's card can be dragged and moved by Alt and the arrows. Painted by itself; GUI thread.
"""

from __future__ import annotations

from PyQt6.QtCore import QPoint, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QAbstractButton, QApplication, QMenu, QSizePolicy, QWidget

from gui import theme
from gui.icon import icon, pixmap


class StageCard(QAbstractButton):
    """A stage that is always there."""

    step_wanted = pyqtSignal(int)
    """An arrow key: the card before (-1) or after (1) shall have the keyboard."""
    width_units = 17.0

    def __init__(self, name: str, icon: str, parent: QWidget | None = None) -> None:
        """icon: of `gui.icon`."""
        super().__init__(parent)
        self.name, self.icon_name = name, icon
        self.word, self.dim, self.broken = "", False, False
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        theme.notifier.changed.connect(self._restyle)
        self.show_state("", dim=False)

    def rename(self, name: str) -> None:
        """Another name, where more is known of it."""
        if name != self.name:
            self.name = name
            self.setAccessibleName("")
            self.updateGeometry()

    def show_state(self, word: str, *, dim: bool, broken: bool = False) -> None:
        """word: what it does now; dim: it does nothing; broken: it cannot."""
        if (word, dim, broken) == (self.word, self.dim, self.broken) and self.accessibleName():
            return
        self.word, self.dim, self.broken = word, dim, broken
        self.setAccessibleName(f"{self.name}, {word}" if word else self.name)
        self.setToolTip(f"{self.name}: {word}" if word else self.name)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for the name, within limits."""
        wide = QFontMetrics(theme.font("strong")).horizontalAdvance(self.name) + theme.px(6)
        return QSize(max(theme.px(self.width_units), min(wide, theme.px(40))), theme.px(21))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Arrows go along the path; Enter chooses, as Space does."""
        if event is None:
            return
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if plain and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.step_wanted.emit(1 if event.key() == Qt.Key.Key_Right else -1)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the card."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.setBrush(theme.color("raised" if self.underMouse() or self.isChecked() else "surface"))
        edge = "focus" if self.hasFocus() else "accent" if self.isChecked() else "bad" if self.broken else "border"
        wide = self.hasFocus() or self.isChecked()
        quiet = self.dim and not wide and not self.broken
        painter.setPen(QPen(theme.color(edge, 0.55 if quiet else 1.0), 2.0 if wide else 1.0))
        painter.drawRoundedRect(box, theme.px(1.5), theme.px(1.5))
        self._paint_inside(painter, box)

    def _paint_inside(self, painter: QPainter, box: QRectF) -> None:
        pad, size = theme.px(2), theme.px(5)
        ink = "text_dim" if self.dim else "text"
        ratio = self.devicePixelRatioF()
        shown, token = ("warning", "bad") if self.broken else (self.icon_name, ink)
        painter.drawPixmap(QPoint(int(box.left()) + pad, int(box.top()) + pad), pixmap(shown, size, token, ratio))
        room = int(box.width()) - 2 * pad
        for role, text, token, top in (
            ("strong", self.name, ink, 8.5),
            ("small", self.word, "bad" if self.broken else "text_dim", 13.5),
        ):
            font = theme.font(role)  # type: ignore[arg-type]  # the two roles are roles
            painter.setFont(font)
            painter.setPen(theme.color(token))
            elided = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, room)
            place = QRectF(box.left() + pad, box.top() + theme.px(top), room, theme.px(5))
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, elided)

    def _restyle(self) -> None:
        self.updateGeometry()
        self.update()


class PluginCard(StageCard):
    """A plugin, which can be moved, bypassed and removed from the keyboard."""

    width_units = 30.0
    move_wanted = pyqtSignal(int)
    remove_wanted = pyqtSignal()
    bypass_wanted = pyqtSignal()
    dragged = pyqtSignal(QPoint)
    """The mouse carries it; where it is, on the screen."""
    dropped = pyqtSignal(QPoint)
    let_go = pyqtSignal()
    """The drag was given up (Escape)."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """name: of the plugin."""
        super().__init__(name, "plugin", parent)
        self._pressed_at: QPoint | None = None
        self.carried = False
        self.setAccessibleDescription(
            "Plugin. Enter shows its parameters, Alt and the arrows move it, Delete removes it, the menu key has more."
        )

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Alt and arrows move, Delete removes, Escape gives a drag up."""
        if event is None:
            return
        key, alt = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if alt and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.move_wanted.emit(1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wanted.emit()
        elif key == Qt.Key.Key_Escape and self.carried:
            self._stop()
            self.let_go.emit()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:  # noqa: N802
        """What can be done with it."""
        if event is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for words, picture, do in (
            ("Bypass on or off", "bypass-plugin", self.bypass_wanted.emit),
            ("Move to the left (Alt+Left)", "previous", lambda: self.move_wanted.emit(-1)),
            ("Move to the right (Alt+Right)", "next", lambda: self.move_wanted.emit(1)),
            ("Remove (Delete)", "remove", self.remove_wanted.emit),
        ):
            action = menu.addAction(icon(picture), words)
            assert action is not None
            action.triggered.connect(lambda _=False, one=do: one())
        menu.popup(event.globalPos())

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """A drag may begin."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._pressed_at = event.globalPosition().toPoint()
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Carry the card once the mouse has gone far enough."""
        if event is None or self._pressed_at is None:
            return
        here = event.globalPosition().toPoint()
        far = (here - self._pressed_at).manhattanLength() >= QApplication.startDragDistance()
        if not self.carried and far:
            self.carried = True
            self.setDown(False)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if self.carried:
            self.update()
            self.dragged.emit(here)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Let the card down."""
        if event is not None and self.carried:
            self._stop()
            self.dropped.emit(event.globalPosition().toPoint())
            return
        self._pressed_at = None
        super().mouseReleaseEvent(event)

    def _stop(self) -> None:
        self.carried, self._pressed_at = False, None
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.update()

    def _paint_inside(self, painter: QPainter, box: QRectF) -> None:
        painter.setOpacity(0.45 if self.carried else 1.0)
        super()._paint_inside(painter, box)
        size = theme.px(4)
        corner = QPoint(int(box.right()) - theme.px(2) - size, int(box.top()) + theme.px(2))
        painter.drawPixmap(corner, pixmap("grip", size, "text_dim", self.devicePixelRatioF()))
