"""The buttons of the header: the model, a number with its name, an action with icon and word. GUI thread."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui import theme
from gui.icon import set_icon
from gui.shortcuts import keys_of
from gui.widgets.elided_label import ElidedLabel


class ModelButton(QToolButton):
    """The model's name over what sounds of it; a click goes to the library."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_role(self, "ghost")
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.title, self.under = ElidedLabel(), ElidedLabel()
        theme.set_role(self.title, "strong")
        theme.set_role(self.under, "dim")
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.px(2), theme.px(0.5), theme.px(2), theme.px(0.5))
        box.setSpacing(0)
        for label in (self.title, self.under):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            box.addWidget(label)
        self.setToolTip(f"Choose a model ({keys_of('library')})")

    def sizeHint(self) -> QSize:  # noqa: N802
        """As wide as its words, so that what stands beside it stands near."""
        words = max(self.title.sizeHint().width(), self.under.sizeHint().width())
        return QSize(min(max(words + theme.px(5), theme.px(22)), theme.px(60)), theme.px(11))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Room for a short one."""
        return QSize(theme.px(22), theme.px(10))

    def show_model(self, title: str, under: str) -> None:
        """The two lines."""
        if title != self.title.text():
            self.title.setText(title)
        if under != self.under.text():
            self.under.setText(under)
        self.updateGeometry()
        self.setAccessibleName(f"Model {title}, {under}")


class HeaderNumber(QToolButton):
    """A number with its name under it; a click shows what is behind it."""

    def __init__(self, name: str, help_: str) -> None:
        super().__init__()
        theme.set_role(self, "ghost")
        self._name = name
        self.value, caption = QLabel("–"), QLabel(name)
        theme.set_role(self.value, "number")
        theme.set_role(caption, "small")
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.px(1), theme.px(0.5), theme.px(1), theme.px(0.5))
        box.setSpacing(0)
        for label in (self.value, caption):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            box.addWidget(label)
        self.setToolTip(help_)
        self.setAccessibleName(f"{name}: –")

    def sizeHint(self) -> QSize:  # noqa: N802
        """As wide as its name, and never narrower for a short number."""
        box: Any = self.layout()
        return QSize(max(box.sizeHint().width(), theme.px(14)), theme.px(11))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Nothing less."""
        return self.sizeHint()

    def show_value(self, text: str, token: str = "") -> None:
        """The number; token: "warn" for one that should be noticed."""
        if text != self.value.text():
            self.value.setText(text)
            self.setAccessibleName(f"{self._name}: {text}")
        colour = getattr(theme.current(), token) if token else ""
        sheet = f"color: {colour};" if colour else ""
        if sheet != self.value.styleSheet():
            self.value.setStyleSheet(sheet)


class HeaderAction(QToolButton):
    """An icon over a word."""

    def __init__(self, words: str, picture: str, action: str, *, checkable: bool = False) -> None:
        super().__init__()
        theme.set_role(self, "ghost")
        self._picture, self._alarm = picture, False
        self.setText(words)
        self.setAccessibleName(words)
        self.setCheckable(checkable)
        self.setToolTip(f"{words} ({keys_of(action)})")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)

    def dress(self) -> None:
        """Size and colour of the theme that is applied."""
        set_icon(self, self._picture, "bad" if self._alarm else "text", units=5)

    def set_bare(self, *, bare: bool) -> None:
        """The icon alone, where there is no room for its word."""
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if bare else Qt.ToolButtonStyle.ToolButtonTextUnderIcon
        if style != self.toolButtonStyle():
            self.setToolButtonStyle(style)
        self.setStyleSheet(f"min-width: {theme.px(5 if bare else 10)}px;")

    def set_alarm(self, *, on: bool) -> None:
        """Draw it in the colour of what must not be overlooked."""
        if on != self._alarm:
            self._alarm = on
            self.dress()
