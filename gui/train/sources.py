"""What a training learns from, in three shapes; each becomes the arguments of one `retimbre prepare`.

    recordings   folders, one per instrument inside           prepare recordings FOLDER…
    midi         MIDI files, two instruments that play them   prepare paired --midi FOLDER -i a=SOURCE -i b=SOURCE
    pairs        two folders with the same performances       prepare aligned -i a=FOLDER -i b=FOLDER

GUI thread; folders are chosen in a dialogue that does not block, or dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PyQt6.QtCore import QMimeData, Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon
from gui.train.catalogue import Material
from gui.train.run_process import slug

KINDS: Final[tuple[tuple[str, str, str, Material], ...]] = (
    (
        "recordings",
        "Recordings",
        "Each instrument alone; nothing has to match. Choose, or drop here, the folder with one folder per instrument.",
        "recordings",
    ),
    ("midi", "MIDI and instruments", "The same music, played by two instruments out of notes or SoundFonts.", "paired"),
    ("pairs", "Recorded pairs", "One performance, recorded on both: two folders with the same file names.", "paired"),
)
_SOUNDFONTS: Final = (".sf2", ".sf3")


class Folders(QWidget):
    """A list of folders: added by a dialogue or by dropping, taken away with a button or the Delete key."""

    changed = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setAccessibleName(name)
        self.list.setFixedHeight(theme.px(20))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.add_button, self.remove_button = QPushButton("Add a folder…"), QPushButton("Take away")
        self.add_button.setAccessibleName(f"{name}: add a folder")
        self.remove_button.setAccessibleName(f"{name}: take the chosen folder away")
        self.add_button.clicked.connect(lambda: choose_folder(self, name, self.add))
        self.remove_button.clicked.connect(self._remove)
        self.list.currentRowChanged.connect(lambda row: self.remove_button.setEnabled(row >= 0))
        self.remove_button.setEnabled(False)
        buttons = QVBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        buttons.addStretch(1)
        self.row = row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.px(2))
        row.addWidget(self.list, 1)
        row.addLayout(buttons)

    def paths(self) -> list[str]:
        """The folders, in order."""
        return [item.text() for row in range(self.list.count()) if (item := self.list.item(row)) is not None]

    def add(self, path: str) -> None:
        """One more; known ones are not added again."""
        if path and path not in self.paths():
            self.list.addItem(path)
            self.changed.emit()

    def set_paths(self, paths: list[str]) -> None:
        """Just these."""
        self.list.clear()
        self.list.addItems(paths)
        self.changed.emit()

    def _remove(self) -> None:
        self.list.takeItem(self.list.currentRow())
        self.changed.emit()


class Instrument(QWidget):
    """A name, a folder or SoundFont, and of a SoundFont the program."""

    changed = pyqtSignal()

    def __init__(self, words: str, *, soundfonts: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words, self._soundfonts = words, soundfonts
        self.name, self.path, self.program = QLineEdit(), QLineEdit(), QSpinBox()
        self.name.setPlaceholderText("name, such as piano")
        self.name.setAccessibleName(f"{words}: name")
        self.path.setPlaceholderText("folder of single notes, or a SoundFont" if soundfonts else "folder of recordings")
        self.path.setAccessibleName(f"{words}: {'folder or SoundFont' if soundfonts else 'folder'}")
        self.program.setRange(1, 128)
        self.program.setPrefix("program ")
        self.program.setAccessibleName(f"{words}: program of the SoundFont")
        self.folder = QToolButton()
        set_icon(self.folder, "folder")
        self.folder.setAccessibleName(f"{words}: choose a folder")
        self.folder.setToolTip("Choose a folder")
        self.folder.clicked.connect(lambda: choose_folder(self, words, self.path.setText))
        self.file = QToolButton()
        set_icon(self.file, "file")
        self.file.setAccessibleName(f"{words}: choose a SoundFont")
        self.file.setToolTip("Choose a SoundFont")
        self.file.clicked.connect(lambda: choose_file(self, words, self.path.setText))
        self.row, where = QHBoxLayout(self), QHBoxLayout()
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.addWidget(self.name, 1)
        where.addWidget(self.path, 1)
        for widget in (self.program, self.folder, self.file):
            where.addWidget(widget)
        self.row.addLayout(where, 3)
        self.name.textChanged.connect(lambda _text: self.changed.emit())
        self.path.textChanged.connect(self._take_path)
        self.program.valueChanged.connect(lambda _value: self.changed.emit())
        self.program.setVisible(False)
        self.file.setVisible(soundfonts)

    @property
    def key(self) -> str:
        """The name as data calls it."""
        return slug(self.name.text()).replace("-", "_") if self.name.text().strip() else ""

    def argument(self) -> str:
        """NAME=SOURCE."""
        program = f":{self.program.value() - 1}" if self._is_soundfont() else ""
        return f"{self.key}={self.path.text().strip()}{program}"

    def _is_soundfont(self) -> bool:
        return self._soundfonts and self.path.text().strip().lower().endswith(_SOUNDFONTS)

    def _take_path(self, _text: str) -> None:
        self.program.setVisible(self._is_soundfont())
        self.changed.emit()


class Sources(QWidget):
    """One of the three shapes, by its key in KINDS."""

    changed = pyqtSignal()

    def __init__(self, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self.folders: Folders | None = None
        self.instruments: list[Instrument] = []
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        if kind in {"recordings", "midi"}:
            self.folders = Folders("Recordings" if kind == "recordings" else "MIDI files")
            self.folders.changed.connect(self.changed)
            words = "Folders" if kind == "recordings" else "MIDI files"
            form.addRow(words, self.folders)
        if kind in {"midi", "pairs"}:
            for words in ("You play", "It becomes"):
                one = Instrument(words, soundfonts=kind == "midi")
                one.changed.connect(self.changed)
                self.instruments.append(one)
                form.addRow(words, one)

    def rows(self) -> list[QHBoxLayout]:
        """The rows that may stand in a column."""
        return [*([self.folders.row] if self.folders is not None else []), *(one.row for one in self.instruments)]

    def missing(self) -> str:
        """What has to be given before it can be checked; empty when nothing is."""
        if self.folders is not None and not self.folders.paths():
            return "Add a folder of recordings." if self.kind == "recordings" else "Add a folder of MIDI files."
        for one in self.instruments:
            if not one.key:
                return f"{one.words}: give the instrument a name."
            if not one.path.text().strip():
                return f"{one.words}: choose where its sound lies."
        if len({one.key for one in self.instruments}) < len(self.instruments):
            return "Give the two instruments different names."
        return ""

    def arguments(self) -> list[str]:
        """The words behind `retimbre prepare`, without output and options."""
        folders = self.folders.paths() if self.folders is not None else []
        played = [word for one in self.instruments for word in ("-i", one.argument())]
        if self.kind == "recordings":
            return ["recordings", *folders]
        if self.kind == "midi":
            return ["paired", *[word for folder in folders for word in ("--midi", folder)], *played]
        return ["aligned", *played]

    def name(self) -> str:
        """A name for the data: of the first folder, or of the instruments."""
        if self.kind == "recordings" and self.folders is not None and self.folders.paths():
            return Path(self.folders.paths()[0]).name
        return " to ".join(one.name.text().strip() for one in self.instruments)

    def remembered(self) -> dict[str, Any]:
        """What was typed, as JSON values."""
        return {
            "folders": self.folders.paths() if self.folders is not None else [],
            "instruments": [[one.name.text(), one.path.text(), one.program.value()] for one in self.instruments],
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Put back what `remembered` gave; what does not fit is left out."""
        folders, played = kept.get("folders", []), kept.get("instruments", [])
        if self.folders is not None and isinstance(folders, list):
            self.folders.set_paths([str(path) for path in folders])
        for one, values in zip(self.instruments, played if isinstance(played, list) else [], strict=False):
            if isinstance(values, list) and len(values) == 3:
                one.name.setText(str(values[0]))
                one.path.setText(str(values[1]))
                one.program.setValue(values[2] if isinstance(values[2], int) else 1)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take folders where there is a list of them."""
        if event is not None and self.folders is not None and dropped_folders(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Add the folders."""
        if event is not None and self.folders is not None:
            for path in dropped_folders(event.mimeData()):
                self.folders.add(path)
            event.acceptProposedAction()


def dropped_folders(data: QMimeData | None) -> list[str]:
    """The folders among what is dragged; of files, the folders that they lie in."""
    paths = [Path(url.toLocalFile()) for url in (data.urls() if data is not None else []) if url.isLocalFile()]
    return list(dict.fromkeys(str(path if path.is_dir() else path.parent) for path in paths))


def choose_folder(parent: QWidget, title: str, take: Callable[[str], None]) -> None:
    """Ask for a folder; `take` gets it when one is chosen."""
    _ask(parent, title, take, QFileDialog.FileMode.Directory)


def choose_file(parent: QWidget, title: str, take: Callable[[str], None]) -> None:
    """Ask for a SoundFont."""
    _ask(parent, title, take, QFileDialog.FileMode.ExistingFile)


def _ask(parent: QWidget, title: str, take: Callable[[str], None], mode: QFileDialog.FileMode) -> None:
    dialogue = QFileDialog(parent, title)
    dialogue.setFileMode(mode)
    if mode == QFileDialog.FileMode.Directory:
        dialogue.setOption(QFileDialog.Option.ShowDirsOnly)
    else:
        dialogue.setNameFilter("SoundFonts (*.sf2 *.sf3)")
    dialogue.fileSelected.connect(take)
    dialogue.finished.connect(dialogue.deleteLater)
    dialogue.open()
