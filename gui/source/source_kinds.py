"""The three kinds of source, as large choices: what each is, what it would be now, and which is in use. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from gui import theme
from gui.icon import pixmap


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of source."""

    key: str
    title: str
    icon: str


KINDS: Final = (
    Kind("card", "Microphone or interface", "mic"),
    Kind("midi", "MIDI", "midi"),
    Kind("file", "Audio file", "file"),
)


class KindButton(QAbstractButton):
    """A large choice with an icon, a title, a line of detail, and "In use"."""

    def __init__(self, kind: Kind, parent: QWidget | None = None) -> None:
        """kind: what is chosen."""
        super().__init__(parent)
        self.kind, self.detail, self.used = kind, "", False
        self.setText(kind.title)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(kind.title)
        theme.notifier.changed.connect(self.update)

    def show_detail(self, detail: str, *, used: bool) -> None:
        """What it would be, and whether it is what is heard."""
        if (detail, used) != (self.detail, self.used):
            self.detail, self.used = detail, used
            self.setAccessibleDescription(f"{detail}{', in use' if used else ''}")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Two lines."""
        return QSize(theme.px(60), theme.px(15))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The icon and some words."""
        return QSize(theme.px(34), theme.px(15))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Card, icon, words, ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen, focused = self.isChecked(), self.hasFocus()
        edge = "focus" if focused else "accent" if chosen else "line"
        thick = 2 if focused or chosen else 1
        painter.setPen(QPen(theme.color(edge), thick))
        painter.setBrush(theme.color("raised" if chosen or self.underMouse() else "surface"))
        inside = QRectF(self.rect()).adjusted(thick / 2, thick / 2, -thick / 2, -thick / 2)
        painter.drawRoundedRect(inside, theme.px(2), theme.px(2))
        size, left = theme.px(6), theme.px(4)
        picture = pixmap(self.kind.icon, size, "accent" if chosen else "text", self.devicePixelRatioF())
        painter.drawPixmap(left, (self.height() - size) // 2, picture)
        begin = left + size + theme.px(3)
        used = ("● In use" if self.width() > theme.px(64) else "●") if self.used else ""
        painter.setFont(theme.font("small"))
        room = painter.fontMetrics().horizontalAdvance(used)
        right = self.width() - theme.px(3)
        self._line(painter, QRect(right - room, theme.px(2), room + 1, theme.px(6)), used, "small", "good")
        width = right - begin
        title_room = width - room - (theme.px(2) if room else 0)
        self._line(painter, QRect(begin, theme.px(2), title_room, theme.px(6)), self.text(), "strong", "text")
        self._line(painter, QRect(begin, theme.px(7.5), width, theme.px(5.5)), self.detail, "small", "text_dim")

    @staticmethod
    def _line(painter: QPainter, place: QRect, text: str, role: theme.FontRole, token: str) -> None:
        painter.setFont(theme.font(role))
        painter.setPen(theme.color(token))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)


class KindRow(QWidget):
    """`chosen` says the key of the kind that the user took."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Nothing is chosen at first."""
        super().__init__(parent)
        self.setAccessibleName("Kind of source")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.px(3))
        self.group = QButtonGroup(self)
        self.buttons = {kind.key: KindButton(kind) for kind in KINDS}
        for key, made in self.buttons.items():
            line.addWidget(made)
            self.group.addButton(made)
            made.clicked.connect(lambda _on, key=key: self.chosen.emit(key))

    def show_chosen(self, key: str) -> None:
        """This page is shown."""
        self.buttons[key].setChecked(True)

    def show_used(self, used: str, details: dict[str, str]) -> None:
        """What is in use, and what each would be."""
        for key, made in self.buttons.items():
            made.show_detail(details[key], used=key == used)
