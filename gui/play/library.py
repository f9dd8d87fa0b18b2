"""The model library: search, tags, the list, what one model is, and bringing in new ones. GUI thread.

    [← Back]  [search…]                                   [Import a file] [Import a folder]
    (All) (Comes with Retimbre) (Your own) (Under 10 ms) …
    ┌ list ┐ ┌ what the chosen one is: words, sound, card ┐

Packages are read, imported and removed in the background; a drop of a folder, .zip or .nam anywhere here imports it.
Over 300 lines because all that is done with models acts on this one list and is answered in this one place.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QModelIndex, Qt, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QListView, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.icon import set_icon
from gui.live_state import LiveState, Notice
from gui.memory import Memory
from gui.play.file_playback import FilePlayback
from gui.play.import_model import AlreadyThereError, Removed, bring_back, import_model, may_import, remove
from gui.play.library_entries import Entry, matching, read_library, tags_of
from gui.play.library_list import ENTRY_ROLE, EntriesModel, EntryDelegate
from gui.play.model_column import entry_of
from gui.play.model_facts import ModelFacts
from gui.widgets.bending import NARROW_UNITS, bend, scrolling
from gui.widgets.notice_bar import NoticeBar


class Library(QWidget):
    """Choose a model."""

    done = pyqtSignal()
    """Back to playing."""
    read = pyqtSignal(object)
    """The entries, whenever they were read."""

    def __init__(self, bridge: Bridge, memory: Memory, playback: FilePlayback, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._entries: tuple[Entry, ...] = ()
        self._reading = self._again = False
        self._wanted_name = ""
        self._chips: dict[str, QPushButton] = {}
        self.setAcceptDrops(True)
        self.back = QPushButton("Back to playing")
        theme.set_role(self.back, "ghost")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search: violin, amp, 10 ms …")
        self.search.setAccessibleName("Search models")
        self.search.setClearButtonEnabled(True)
        self.import_file, self.import_folder = QPushButton("Import a file"), QPushButton("Import a folder")
        self.import_file.setToolTip("A .zip of a model's folder, or a .nam capture. You can also drop it here.")
        self.notice = NoticeBar()
        self.model = EntriesModel(self)
        self.list = QListView()
        self.list.setModel(self.model)
        self._delegate = EntryDelegate(self.list)
        self.list.setItemDelegate(self._delegate)
        self.list.setAccessibleName("Models")
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setUniformItemSizes(True)
        self.none = QLabel()
        self.none.setWordWrap(True)
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        theme.set_role(self.none, "dim")
        self.facts = ModelFacts(bridge, playback)
        self._chip_row = QHBoxLayout()
        self._lay_out()
        self._connect()
        self._dress()

    def _lay_out(self) -> None:
        imports = QHBoxLayout()
        imports.addWidget(self.import_file)
        imports.addWidget(self.import_folder)
        self._head, find = QHBoxLayout(), QHBoxLayout()
        for row in (imports, self._head, find):
            row.setSpacing(theme.px(3))
        find.addWidget(self.back)
        find.addWidget(self.search, 1)
        self._head.addLayout(find, 1)
        self._head.addLayout(imports)
        self._chip_row.setSpacing(theme.px(2))
        self._chip_row.addStretch()
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        left.addWidget(self.none)
        page = QWidget()
        self._body = QHBoxLayout()
        self._body.setSpacing(theme.px(4))
        self._body.addLayout(left, 5)
        self._body.addWidget(self.facts, 6)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(3))
        layout.addLayout(self._head)
        layout.addLayout(self._chip_row)
        layout.addWidget(self.notice)
        layout.addLayout(self._body, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scrolling(page))

    def resizeEvent(self, a0: QResizeEvent | None) -> None:  # noqa: N802
        """Where there is little room the list stands above what the chosen one is, and the page scrolls."""
        super().resizeEvent(a0)
        narrow = self.width() < theme.px(NARROW_UNITS)
        bend(narrow, self._head, self._body)
        self.facts.bend(narrow)
        self.list.setMinimumHeight(theme.px(48) if narrow else 0)

    def _connect(self) -> None:
        self.back.clicked.connect(self.done)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(lambda: self._choose(self.facts.entry))
        self.import_file.clicked.connect(self._ask_for_file)
        self.import_folder.clicked.connect(self._ask_for_folder)
        selection = self.list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(self._show_current)
        self.list.activated.connect(lambda index: self._choose(index.data(ENTRY_ROLE)))
        self.facts.chosen.connect(self._choose)
        self.facts.remove_wanted.connect(self._remove)
        self.facts.noticed.connect(self.notice.show_notice)
        self._bridge.state_changed.connect(self._follow)
        theme.notifier.changed.connect(self._dress)

    # reading

    def reload(self, select: str = "") -> None:
        """Read all packages again; select: the one to show then, by its name."""
        self._wanted_name = select or self._wanted_name
        if self._reading:
            self._again = True
            return
        self._reading = True
        self._bridge.in_background(read_library, self._take, self._failed)

    def _take(self, entries: tuple[Entry, ...]) -> None:
        self._reading = False
        if entries != self._entries or self._wanted_name:
            self._entries = entries
            self._show_chips()
            self._filter()
        self._follow(self._bridge.state)
        self.read.emit(entries)
        if self._again:
            self._again = False
            self.reload()

    def _failed(self, sentence: str) -> None:
        self._reading = False
        self.notice.show_notice(Notice(sentence, "play", "error", "Read again", self.reload))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All packages, as they were last read."""
        return self._entries

    # what is shown

    def tags(self) -> list[str]:
        """The tags that are pressed."""
        return [tag for tag, chip in self._chips.items() if chip.isChecked()]

    def _show_chips(self) -> None:
        wanted = tags_of(self._entries)
        if tuple(self._chips) == wanted:
            return
        pressed = set(self.tags())
        for chip in self._chips.values():
            self._chip_row.removeWidget(chip)
            chip.deleteLater()
        self._chips = {}
        for place, tag in enumerate(wanted):
            chip = QPushButton(tag)
            theme.set_role(chip, "chip")
            chip.setCheckable(True)
            chip.setChecked(tag in pressed)
            chip.toggled.connect(lambda _: self._filter())
            self._chips[tag] = chip
            self._chip_row.insertWidget(place, chip)

    def _filter(self) -> None:
        shown = matching(self._entries, self.search.text(), self.tags())
        before = self.facts.entry
        name = self._wanted_name or (before.name if before is not None else "")
        folder = before.folder if before is not None and not self._wanted_name else None
        self._wanted_name = ""
        self.model.set_entries(shown)
        row = self.model.row_of(name, folder) if name else -1
        if row < 0:
            playing = entry_of(self._bridge.state.settings.model, self._entries)
            row = max(0, self.model.row_of(playing.name, playing.folder) if playing is not None else 0)
        self.list.setCurrentIndex(self.model.index(row) if shown else QModelIndex())
        if not shown:
            self.facts.show_entry(None)
        self.none.setVisible(not shown)
        if self._entries:
            self.none.setText("No model matches. Search for less, or let go of a tag.")
        else:
            self.none.setText("No models yet. Drop a model's folder, a .zip or a .nam capture here.")

    def _show_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        entry = index.data(ENTRY_ROLE)
        if entry is not None:
            self.facts.show_entry(entry)

    def _follow(self, state: LiveState) -> None:
        self.model.set_playing(entry_of(state.settings.model, self._entries))

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802
        """What was put into the folders meanwhile is found."""
        super().showEvent(a0)
        self._delegate.ratio = self.devicePixelRatioF()
        self.reload()
        self.search.setFocus()

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:  # noqa: N802
        """Escape goes back, down goes to the list."""
        assert a0 is not None
        if a0.key() == Qt.Key.Key_Escape:
            self.done.emit()
        elif a0.key() == Qt.Key.Key_Down and self.search.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(a0)

    def _dress(self) -> None:
        for button, name in ((self.back, "previous"), (self.import_file, "download"), (self.import_folder, "folder")):
            set_icon(button, name)

    # what one does with models

    def _choose(self, entry: Entry | None) -> None:
        if entry is None or not entry.playable:
            return
        self._bridge.load_model(entry.name)
        self.done.emit()

    def import_path(self, path: Path, *, replace: bool = False) -> None:
        """Import a model; what comes of it is said here."""
        self.notice.show_notice(Notice(f"Importing {path.name}…", "play"))

        def work() -> tuple[str, str]:
            """(the package's name, "" or the name of one that is in its way)."""
            try:
                return import_model(path, replace=replace), ""
            except AlreadyThereError as error:
                return "", error.name

        def take(result: tuple[str, str]) -> None:
            name, there = result
            if there:
                text = f"There is already a model named '{there}' among yours."
                again: Callable[[], None] = lambda: self.import_path(path, replace=True)  # noqa: E731
                self.notice.show_notice(Notice(text, "play", "warning", "Replace it", again))
                return
            self.notice.show_notice(Notice(f"'{name}' is in your library.", "play"))
            self.search.clear()
            self.reload(name)

        self._bridge.in_background(work, take, self._say)

    def _remove(self, entry: Entry) -> None:
        if entry_of(self._bridge.state.settings.model, self._entries) == entry and self._bridge.state.power != "off":
            self._say(f"{entry.title} is playing: choose another model first, then remove it.")
            return

        def take(removed: Removed) -> None:
            self.notice.show_notice(
                Notice(f"{entry.title} is in the trash.", "play", "info", "Undo", lambda: self._bring_back(removed))
            )
            self.reload()

        self._bridge.in_background(lambda: remove(entry.folder), take, self._say)

    def _bring_back(self, removed: Removed) -> None:
        def take(_: None) -> None:
            self.notice.show_notice(Notice(f"{removed.was.name} is back.", "play"))
            self.reload(removed.was.name)

        self._bridge.in_background(lambda: bring_back(removed), take, self._say)

    def _ask_for_file(self) -> None:
        folder = str(self._memory.get("play.import_folder", str(Path.home())))
        name, _ = QFileDialog.getOpenFileName(self, "Import a model", folder, "Models (*.zip *.nam)")
        self._import_chosen(name)

    def _ask_for_folder(self) -> None:
        folder = str(self._memory.get("play.import_folder", str(Path.home())))
        self._import_chosen(QFileDialog.getExistingDirectory(self, "Import a model's folder", folder))

    def _import_chosen(self, name: str) -> None:
        if name:
            self._memory.set("play.import_folder", str(Path(name).parent))
            self.import_path(Path(name))

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take what may be a model."""
        if a0 is not None and dropped(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:  # noqa: N802
        """Import it."""
        assert a0 is not None
        for path in dropped(a0):
            self.import_path(path)
        a0.acceptProposedAction()

    def _say(self, sentence: str) -> None:
        self.notice.show_notice(Notice(sentence, "play", "error"))


def dropped(event: QDropEvent) -> list[Path]:
    """What of a drop may be imported."""
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
    return [path for path in paths if may_import(path)]
