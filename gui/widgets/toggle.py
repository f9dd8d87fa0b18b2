"""A switch: its name, and a knob that lies to the left (off) or right (on); the word says it too. GUI thread.

Bypass    ( ●)  On
"""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PyQt6.QtGui import QEnterEvent, QFontMetrics, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QCheckBox, QSizePolicy, QWidget

from gui import theme
from gui.icon import pixmap

_WORDS = ("Off", "On")


class Toggle(QCheckBox):
    """On or off; `toggled(bool)`, `isChecked` and `setChecked` as any Qt button has them."""

    def __init__(self, label: str, icon: str | None = None, parent: QWidget | None = None) -> None:
        """label: its name, also for screen readers; icon: a name of `gui/icons` before it."""
        super().__init__(label, parent)
        self._icon_name, self._badge, self._prompt, self._over = icon, "", "", False
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        theme.notifier.changed.connect(self._rescaled)

    def set_checked(self, on: bool, *, quiet: bool = False) -> None:
        """Turn it; quiet: without `toggled`."""
        blocked = self.blockSignals(True) if quiet else self.signalsBlocked()
        self.setChecked(on)
        self.blockSignals(blocked)
        self.update()

    def set_badge(self, badge: str) -> None:
        """A few letters beside the name, such as the controller that moves it."""
        if badge != self._badge:
            self._badge = badge
            self._rescaled()

    def set_prompt(self, prompt: str) -> None:
        """Words in place of the name, while something is asked of the user; empty: the name."""
        if prompt != self._prompt:
            self._prompt = prompt
            self.setAccessibleDescription(prompt)
            self._rescaled()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for all its words."""
        metrics = QFontMetrics(theme.font("body"))
        width = metrics.horizontalAdvance(self._prompt or self.text()) + self._words_width(metrics) + theme.px(15)
        width += self._badge_width() + (theme.px(6) if self._icon_name else 0)
        return QSize(width, theme.px(8))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """The same."""
        return self.sizeHint()

    def hitButton(self, pos: object) -> bool:  # noqa: N802
        """All of it is the target."""
        return True

    def enterEvent(self, event: QEnterEvent | None) -> None:  # noqa: N802
        """Light up."""
        self._over = True
        self.update()

    def leaveEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Calm down."""
        self._over = False
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Icon, name, badge, knob in its bed, word, ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge, on = theme.px(1.5), self.isChecked()
        inside = self.rect().adjusted(edge, 0, -edge, 0)
        ink = theme.color("text" if self.isEnabled() else "border")
        painter.setFont(theme.font("body"))
        metrics = painter.fontMetrics()
        words = QRect(inside.right() - self._words_width(metrics) + 1, 0, self._words_width(metrics), self.height())
        painter.setPen(theme.color("accent") if on and self.isEnabled() else theme.color("text_dim"))
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _WORDS[on])
        bed = QRectF(words.left() - theme.px(9), (self.height() - theme.px(4.5)) / 2, theme.px(8), theme.px(4.5))
        self._paint_knob(painter, bed, on)
        left = inside.left()
        if self._icon_name:
            size = theme.px(4.5)
            picture = pixmap(self._icon_name, size, "text" if self.isEnabled() else "border", self.devicePixelRatioF())
            painter.drawPixmap(left, (self.height() - size) // 2, picture)
            left += theme.px(6)
        name = QRect(left, 0, int(bed.left()) - left - self._badge_width() - theme.px(2), self.height())
        painter.setPen(theme.color("accent") if self._prompt else ink)
        shown = metrics.elidedText(self._prompt or self.text(), Qt.TextElideMode.ElideRight, name.width())
        painter.drawText(name, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)
        if self._badge:
            self._paint_badge(painter, left + metrics.horizontalAdvance(shown) + theme.px(1.5))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(1.5), theme.px(1.5))

    def _paint_knob(self, painter: QPainter, bed: QRectF, on: bool) -> None:
        painter.setPen(QPen(theme.color("accent" if on and self.isEnabled() else "border"), 1.5))
        filled = "accent" if on and self.isEnabled() else "raised" if self._over else "surface"
        painter.setBrush(theme.color(filled))
        painter.drawRoundedRect(bed, bed.height() / 2, bed.height() / 2)
        size = bed.height() - theme.px(1.5)
        left = bed.right() - size - theme.px(0.75) if on else bed.left() + theme.px(0.75)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("border" if not self.isEnabled() else "on_accent" if on else "text_dim"))
        painter.drawEllipse(QRectF(left, bed.center().y() - size / 2, size, size))

    def _paint_badge(self, painter: QPainter, left: int) -> None:
        chip = QRectF(
            left + 0.5, (self.height() - theme.px(5)) / 2 + 1, self._badge_width() - theme.px(2), theme.px(5) - 2
        )
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("border"), 1))
        painter.drawRoundedRect(chip, theme.px(0.75), theme.px(0.75))
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text"))
        painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, self._badge)

    def _words_width(self, metrics: QFontMetrics) -> int:
        return max(metrics.horizontalAdvance(word) for word in _WORDS)

    def _badge_width(self) -> int:
        if not self._badge:
            return 0
        return QFontMetrics(theme.font("small")).horizontalAdvance(self._badge) + theme.px(3.5)

    def _rescaled(self) -> None:
        self.updateGeometry()
        self.update()
