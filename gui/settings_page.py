"""How the app looks and starts, where takes go, who may turn it from afar, and what is remembered.

Every setting acts at once and is remembered. GUI thread.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.faults import log_file
from gui.remembered import START_ON, TAKES, hear_osc
from gui.remote_settings import RemoteSettings
from gui.shortcuts import keys_of
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.memory import Memory

THEME, SCALE = "look.theme", "look.scale"
THEMES: Final[tuple[tuple[theme.Name, str], ...]] = (
    ("dark", "Dark, for the stage"), ("light", "Light"), ("system", "As the desktop"),
)  # fmt: skip
SCALES: Final = (1.0, 1.25, 1.5, 1.75, 2.0)


def wear(memory: Memory) -> None:
    """Apply the remembered theme and text size."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    name = memory.get(THEME, "dark")
    chosen: theme.Name = next((known for known, _ in THEMES if known == name), "dark")
    theme.apply(app, chosen, memory.get(SCALE, 1.0))


class SettingsPage(QWidget):
    """A column of settings."""

    guide_wanted = pyqtSignal()
    shortcuts_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: where the choices are kept."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.look = QComboBox()
        for name, words in THEMES:
            self.look.addItem(words, name)
        self.look.setCurrentIndex(max(0, self.look.findData(memory.get(THEME, "dark"))))
        self.look.activated.connect(lambda _: self._wear(THEME, self.look.currentData()))
        self.text_size = QComboBox()
        for scale in SCALES:
            self.text_size.addItem(f"{100 * scale:.0f} %", scale)
        self.text_size.setCurrentIndex(max(0, self.text_size.findData(memory.get(SCALE, 1.0))))
        self.text_size.activated.connect(lambda _: self._wear(SCALE, self.text_size.currentData()))
        self.start_on = Toggle("Turn the power on at start, if it was on when I quit")
        self.start_on.set_checked(memory.get(START_ON, False), quiet=True)
        self.start_on.toggled.connect(lambda on: memory.set(START_ON, on))
        self.folder = ElidedLabel(str(bridge.takes_folder), Qt.TextElideMode.ElideMiddle)
        theme.set_role(self.folder, "dim")
        change, show = QPushButton("Change…"), QPushButton("Open")
        change.setAccessibleName("Change the folder of takes")
        show.setAccessibleName("Open the folder of takes")
        change.clicked.connect(self._choose_folder)
        show.clicked.connect(lambda: open_folder(bridge.takes_folder))
        guide, keys = QPushButton("Show the first-start guide"), QPushButton(f"Keyboard shortcuts ({keys_of('help')})")
        guide.clicked.connect(self.guide_wanted)
        keys.clicked.connect(self.shortcuts_wanted)
        log = QPushButton("Open the folder of logs")
        log.clicked.connect(lambda: open_folder(log_file().parent))
        about = QLabel(
            f"Retimbre {version('retimbre')}. Free software under the GNU General Public License, version 3 or later. "
            f"What you set is remembered in {memory.path}."
        )
        about.setWordWrap(True)
        about.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        theme.set_role(about, "dim")

        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(*4 * [theme.px(6)])
        column.setSpacing(theme.px(4))
        title = QLabel("Settings")
        theme.set_role(title, "display")
        column.addWidget(title)
        column.addWidget(_card("Look", _labelled("Theme", self.look), _labelled("Text size", self.text_size)))
        column.addWidget(_card("Start", self.start_on, _line(guide, keys)))
        column.addWidget(_card("Takes", self.folder, _line(change, show)))
        self.remote = RemoteSettings(bridge, memory)
        column.addWidget(_card("Remote control", self.remote))
        column.addWidget(_card("About", about, _line(log)))
        column.addStretch(1)
        inside.setMaximumWidth(theme.px(200))
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def refresh(self) -> None:
        """Show what keys have changed meanwhile."""
        self.look.setCurrentIndex(max(0, self.look.findData(self._memory.get(THEME, "dark"))))
        self.text_size.setCurrentIndex(max(0, self.text_size.findData(self._memory.get(SCALE, 1.0))))
        self.folder.setText(str(self._bridge.takes_folder))

    def _wear(self, key: str, value: object) -> None:
        self._memory.set(key, value)
        wear(self._memory)

    def _choose_folder(self) -> None:
        dialog = QFileDialog(self, "Folder of takes", str(self._bridge.takes_folder))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.set_takes_folder)
        dialog.open()

    def set_takes_folder(self, folder: str) -> None:
        """Keep takes there from now on."""
        self._bridge.takes_folder = Path(folder)
        self._memory.set(TAKES, folder)
        self.folder.setText(folder)
        if self._bridge.state.osc_port:
            hear_osc(self._bridge, self._memory)  # what is recorded from afar goes there too


def open_folder(folder: Path) -> None:
    """Show a folder in the desktop's file manager; it is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _card(title: str, *widgets: QWidget) -> QWidget:
    frame = QFrame()
    theme.set_role(frame, "card")
    box = QVBoxLayout(frame)
    box.setContentsMargins(*4 * [theme.px(4)])
    box.setSpacing(theme.px(3))
    heading = QLabel(title)
    theme.set_role(heading, "title")
    box.addWidget(heading)
    for widget in widgets:
        box.addWidget(widget)
    return frame


def _labelled(words: str, widget: QWidget) -> QWidget:
    label = QLabel(words)
    label.setBuddy(widget)
    label.setMinimumWidth(theme.px(24))
    widget.setAccessibleName(words)
    return _line(label, widget)


def _line(*widgets: QWidget) -> QWidget:
    made = QWidget()
    box = QHBoxLayout(made)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(theme.px(2))
    for widget in widgets:
        box.addWidget(widget)
    box.addStretch(1)
    return made
