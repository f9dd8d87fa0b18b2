"""The rail at the left: one button per panel, with icon and words, and a dot where something waits to be read.

Arrow keys go from button to button, Tab leaves the rail, as in a list. GUI thread.
"""

from __future__ import annotations

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui import theme
from gui.icon import set_icon
from gui.panels import PANELS, SETTINGS, PanelSpec
from gui.shortcuts import spelt


class RailButton(QToolButton):
    """Shows one panel."""

    def __init__(self, spec: PanelSpec, parent: QWidget) -> None:
        """spec: the panel."""
        super().__init__(parent)
        self.spec = spec
        self._waiting = ""
        self.setText(spec.title)
        self.setCheckable(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(f"{spec.purpose} ({spelt(spec.keys)})")
        theme.set_role(self, "rail")
        self.toggled.connect(self.dress)
        self.set_waiting("")
        self.dress()

    def dress(self) -> None:
        """Sizes and colours of the theme that is applied."""
        set_icon(self, self.spec.icon, "accent" if self.isChecked() else "text_dim", units=6)

    def set_bare(self, *, bare: bool) -> None:
        """The icon alone, where there is no room for the words."""
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if bare else Qt.ToolButtonStyle.ToolButtonTextUnderIcon
        if style != self.toolButtonStyle():
            self.setToolButtonStyle(style)
        self.setMinimumHeight(theme.px(10 if bare else 15))

    def set_waiting(self, severity: str) -> None:
        """A dot for a notice that nobody has seen: "warning", "error", or "" for none."""
        self._waiting = severity
        self.setAccessibleName(f"{self.spec.title}, a notice waits there" if severity else self.spec.title)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The button, and the dot."""
        super().paintEvent(event)
        if self._waiting:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(getattr(theme.current(), "bad" if self._waiting == "error" else "warn")))
            size = theme.px(2.5)
            painter.drawEllipse(QRectF(self.width() / 2 + theme.px(3), theme.px(2), size, size))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Up and down go along the rail."""
        if event is not None and event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down}:
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
            return
        super().keyPressEvent(event)


class Rail(QFrame):
    """All the buttons."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Play is chosen."""
        super().__init__(parent)
        theme.set_role(self, "rail")
        self.setAccessibleName("Views")
        self._box = QVBoxLayout(self)
        self._box.setSpacing(theme.px(1))
        self._group = QButtonGroup(self)
        self.buttons: dict[str, RailButton] = {}
        for spec in (*PANELS, SETTINGS):
            if spec is SETTINGS:
                self._box.addStretch(1)
            button = RailButton(spec, self)
            button.clicked.connect(lambda _on, key=spec.key: self.chosen.emit(key))
            self._group.addButton(button)
            self._box.addWidget(button)
            self.buttons[spec.key] = button
        self.dress()

    def dress(self) -> None:
        """Sizes of the theme that is applied."""
        self._box.setContentsMargins(theme.px(1.5), theme.px(3), theme.px(1.5), theme.px(2))
        for button in self.buttons.values():
            button.dress()
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Words where there is room for all of them."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        bare = self.height() < len(self.buttons) * theme.px(16) + theme.px(5)
        for button in self.buttons.values():
            button.set_bare(bare=bare)
        self.setFixedWidth(theme.px(13 if bare else 21))

    def show_chosen(self, key: str) -> None:
        """Mark the panel that is shown; its dot goes."""
        self.buttons[key].setChecked(True)
        self.buttons[key].set_waiting("")

    def set_waiting(self, key: str, severity: str) -> None:
        """A notice waits in a panel that is not shown."""
        if key in self.buttons:
            self.buttons[key].set_waiting(severity)
