"""Where nothing is yet: a picture, what would be here, how it comes, and the button that begins. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.icon import pixmap


class EmptyState(QWidget):
    """`acted` when its button is pressed."""

    acted = pyqtSignal()

    def __init__(self, icon: str, title: str, text: str, action: str = "", parent: QWidget | None = None) -> None:
        """icon: a name of `gui/icons`; action: the words of the button, none without."""
        super().__init__(parent)
        self._icon_name = icon
        self.picture, self.title, self.text, self.button = QLabel(), QLabel(), QLabel(), QPushButton()
        self.title.setProperty("role", "title")
        self.text.setProperty("role", "dim")
        self.button.setProperty("role", "primary")
        self.text.setWordWrap(True)
        for words in (self.title, self.text):
            words.setTextFormat(Qt.TextFormat.PlainText)
            words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button.clicked.connect(self.acted)
        self._column = QVBoxLayout(self)
        self._column.addStretch(1)
        centre = Qt.AlignmentFlag.AlignHCenter
        for widget in (self.picture, self.title, self.text, self.button):
            self._column.addWidget(widget, 0, centre)
        self._column.addStretch(1)
        theme.notifier.changed.connect(self._dress)
        self.set_words(title, text, action)
        self._dress()

    def set_words(self, title: str, text: str, action: str = "") -> None:
        """Say something else."""
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self._keep_height()
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)

    def _keep_height(self) -> None:
        """A column that centres its children gives wrapped lines too little height."""
        self.text.setMinimumHeight(self.text.heightForWidth(theme.px(90)))

    def _dress(self) -> None:
        self.picture.setPixmap(pixmap(self._icon_name, theme.px(12), "text_dim", self.devicePixelRatioF()))
        self.text.setFixedWidth(theme.px(90))
        self._keep_height()
        self._column.setSpacing(theme.px(3))
        self._column.setContentsMargins(*([theme.px(4)] * 4))
