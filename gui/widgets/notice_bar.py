"""What happened here, in one sentence, with a next step. GUI thread.

    ⚠  The sound card is gone.   [Choose another]   1 of 2   ✕

Notices wait in line: the gravest is shown first, of equals the oldest; the same sentence twice is one notice. Errors
and warnings stay until they are dismissed or acted on; a mere information leaves by itself, though never while it is
under the mouse or has the keyboard. The sentence can be selected and copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from gui import theme
from gui.icon import pixmap, set_icon

if TYPE_CHECKING:
    from gui.live_state import Notice, Severity

_RANK: Final[dict[Severity, int]] = {"error": 0, "warning": 1, "info": 2}
_LOOK: Final[dict[Severity, tuple[str, str, str]]] = {
    "error": ("error", "bad", "Error"),
    "warning": ("warning", "warn", "Warning"),
    "info": ("info", "text_dim", "Information"),
}
_INFO_MS: Final = 10_000


class NoticeBar(QFrame):
    """Hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty, hence hidden."""
        super().__init__(parent)
        self._waiting: list[Notice] = []
        self.picture, self.sentence, self.count = QLabel(), QLabel(), QLabel()
        self.action, self.dismiss = QPushButton(), QToolButton()
        self.sentence.setWordWrap(True)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        by_mouse, by_keys = (
            Qt.TextInteractionFlag.TextSelectableByMouse,
            Qt.TextInteractionFlag.TextSelectableByKeyboard,
        )
        self.sentence.setTextInteractionFlags(by_mouse | by_keys)
        self.sentence.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.count.setProperty("role", "small")
        self.dismiss.setProperty("role", "ghost")
        self.dismiss.setAccessibleName("Dismiss")
        self.dismiss.setToolTip("Dismiss (Esc)")
        self.action.clicked.connect(self._act)
        self.dismiss.clicked.connect(self._next)
        self._row = QHBoxLayout(self)
        for widget in (self.picture, self.sentence, self.action, self.count, self.dismiss):
            self._row.addWidget(widget, 1 if widget is self.sentence else 0)
        self._leave = QTimer(self)
        self._leave.setSingleShot(True)
        self._leave.setInterval(_INFO_MS)
        self._leave.timeout.connect(self._leave_alone)
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        """Put it in line; a graver one comes first."""
        said = [other.text for other in self._waiting]
        if notice.text in said:
            self._waiting[said.index(notice.text)] = notice
        else:
            self._waiting.append(notice)
        self._waiting.sort(key=lambda waiting: _RANK[waiting.severity])
        self._dress()

    def clear(self) -> None:
        """Nothing to say any more."""
        self._waiting.clear()
        self._dress()

    def notice(self) -> Notice | None:
        """The one that is shown."""
        return self._waiting[0] if self._waiting else None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Escape dismisses."""
        assert event is not None
        if event.key() == Qt.Key.Key_Escape and self._waiting:
            self._next()
        else:
            super().keyPressEvent(event)

    def _act(self) -> None:
        notice = self.notice()
        self._next()
        if notice is not None and notice.do is not None:
            notice.do()

    def _next(self) -> None:
        del self._waiting[:1]
        self._dress()

    def _leave_alone(self) -> None:
        notice = self.notice()
        if notice is None or notice.severity != "info":
            return
        used = self.underMouse() or any(w.hasFocus() for w in (self.sentence, self.action, self.dismiss))
        if used or not self.isVisible():
            self._leave.start()
        else:
            self._next()

    def _dress(self) -> None:
        now, notice = theme.current(), self.notice()
        self._row.setContentsMargins(theme.px(3), theme.px(1), theme.px(1), theme.px(1))
        self._row.setSpacing(theme.px(2))
        set_icon(self.dismiss, "close", "text_dim", 4.5)
        self._leave.stop()
        self.setVisible(notice is not None)
        if notice is None:
            return
        name, colour, word = _LOOK[notice.severity]
        self.setStyleSheet(
            f"NoticeBar {{ background: {now.surface}; border: 1px solid {now.line}; border-radius: {theme.px(1.5)}px;"
            f" border-left: {theme.px(1)}px solid {getattr(now, colour)}; }}"
        )
        self.picture.setPixmap(pixmap(name, theme.px(5), colour, self.devicePixelRatioF()))
        self.picture.setAccessibleName(word)
        self.sentence.setText(notice.text)
        self.sentence.setAccessibleName(f"{word}: {notice.text}")
        self.setAccessibleName(f"{word}: {notice.text}")
        self.action.setText(notice.action)
        self.action.setVisible(bool(notice.action and notice.do is not None))
        self.count.setText(f"1 of {len(self._waiting)}")
        self.count.setVisible(len(self._waiting) > 1)
        if notice.severity == "info":
            self._leave.start()
