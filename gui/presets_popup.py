"""The list of presets: search, favourites, load, save, save as, rename, delete with a way back, the folder.

    search
    ★ Lead      voice          Enter or a click loads
      Violin    voice          the menu key, or the buttons below, act on the marked one
    [name        ] [Save as]   one field for saving and renaming; the button says "Overwrite" where a name is taken
    [Save][Favourite][Rename][Delete][Folder]

A pop-up that closes by itself. What goes wrong is said in it. GUI thread. Over 300 lines because the list and what is
done with the marked preset are one picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QObject, QSize, Qt, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices, QKeyEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui import preset_files, theme
from gui.icon import icon
from gui.live_state import Notice
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.tool_button import ToolButton
from realtime.errors import ConfigError
from realtime.presets.file_name import checked_name
from realtime.presets.library import preset_folder

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.preset_files import Deleted, PresetEntry

_FAVOURITES = "presets.favourites"
_NAME = Qt.ItemDataRole.UserRole
_SAVED_MS = 400  # a file is written on the session thread: read the folder again then


class PresetsPopup(QFrame):
    """Everything that can be done with presets."""

    saved = pyqtSignal()
    """The preset that is loaded has another content, or another name."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps the favourites."""
        super().__init__(parent, Qt.WindowType.Popup)
        theme.set_role(self, "card")
        self._bridge, self._memory = bridge, memory
        self.entries: list[PresetEntry] = []
        self._modified = False
        self._renaming: PresetEntry | None = None
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search presets")
        self.search.setAccessibleName("Search presets")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.list = QListWidget()
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Presets")
        self.list.itemClicked.connect(lambda _: self.load())
        self.list.installEventFilter(self)
        self.list.currentItemChanged.connect(lambda _now, _old: self._show_marked())
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        theme.set_role(self.problem, "bad")
        self.notice = NoticeBar()
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name")
        self.name.setAccessibleName("Name of the preset")
        self.name.textChanged.connect(self._show_names)
        self.name.returnPressed.connect(self.keep)
        self.keep_button = QPushButton("Save as")
        self.keep_button.setAutoDefault(False)
        self.keep_button.clicked.connect(self.keep)
        self.save_button = QPushButton("Save")
        self.save_button.clicked.connect(self.save)
        self.star_button = ToolButton("star", "Favourite", self.toggle_favourite)
        self.rename_button = ToolButton("edit", "Rename", self.begin_rename)
        self.delete_button = ToolButton("remove", "Delete", self.delete)
        self.folder_button = ToolButton("folder", "Show the folder of presets", self.reveal)
        self._lay_out()

    def begin(self, *, modified: bool) -> None:
        """Open anew; modified: what sounds differs from its preset."""
        self._modified = modified
        self._stop_rename()
        self.notice.clear()
        self.search.clear()
        self.name.clear()
        self.refresh()

    def refresh(self) -> None:
        """Read the folders again."""
        self._bridge.in_background(preset_files.listed, self._fill, self._complain)

    def marked(self) -> PresetEntry | None:
        """The preset that is marked in the list."""
        item = self.list.currentItem()
        if item is None or item.isHidden():
            return None
        return next((one for one in self.entries if one.name == item.data(_NAME)), None)

    # what can be done

    def load(self) -> None:
        """Play the marked preset."""
        one = self.marked()
        if one is not None and one.error is None:
            self._bridge.load_preset(one.name)
            self.hide()

    def save(self) -> None:
        """Write what sounds into the preset that is loaded."""
        name = self._bridge.state.preset
        if name:
            self._write(name)

    def keep(self) -> None:
        """Save under the name in the field, or give that name to the one being renamed."""
        name = self.name.text().strip()
        try:
            checked_name(name, "preset")
        except ConfigError as error:
            self._complain(str(error))
            return
        if self._renaming is not None:
            self._rename(self._renaming, name)
        else:
            self._write(name)

    def toggle_favourite(self) -> None:
        """Put the marked preset among the favourites, or take it away."""
        one = self.marked()
        if one is None:
            return
        kept = self.favourites()
        kept = kept - {one.name} if one.name in kept else kept | {one.name}
        self._memory.set(_FAVOURITES, sorted(kept))
        self._fill(self.entries)

    def favourites(self) -> set[str]:
        """Names that come first."""
        return set(self._memory.get(_FAVOURITES, []))

    def begin_rename(self) -> None:
        """Ask for another name of the marked preset."""
        one = self.marked()
        if one is not None and one.own and one.error is None:
            self._renaming = one
            self.name.setText(one.name)
            self.name.selectAll()
            self.name.setFocus()
            self._show_names()

    def delete(self) -> None:
        """Delete the marked preset, with a way back."""
        one = self.marked()
        if one is not None and one.own:
            self._bridge.in_background(lambda: preset_files.deleted(one), self._deleted, self._complain)

    def reveal(self) -> None:
        """Show the user's folder in the file manager."""
        folder = preset_folder()

        def make() -> None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(f"The folder {folder} cannot be made ({error.strerror or error}).") from None

        def show(_made: None) -> None:
            if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
                self._complain(f"There is no file manager to show {folder} with: open that folder yourself.")

        self._bridge.in_background(make, show, self._complain)

    # inside

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """From the search field the arrows and Enter reach the list; Delete, F2 and Enter act in it."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.load()
            return True
        if watched is self.search and key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.list.keyPressEvent(event)
            return True
        if watched is self.list and key in (Qt.Key.Key_Delete, Qt.Key.Key_F2):
            (self.delete if key == Qt.Key.Key_Delete else self.begin_rename)()
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Escape ends renaming first, then closes."""
        if event is not None and event.key() == Qt.Key.Key_Escape and self._renaming is not None:
            self._stop_rename()
            return
        super().keyPressEvent(event)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for a dozen presets."""
        return QSize(theme.px(100), theme.px(120))

    def _lay_out(self) -> None:
        naming, acting = QHBoxLayout(), QHBoxLayout()
        for row in (naming, acting):
            row.setSpacing(theme.px(2))
        naming.addWidget(self.name, 1)
        naming.addWidget(self.keep_button)
        acting.addWidget(self.save_button)
        acting.addStretch(1)
        for button in (self.star_button, self.rename_button, self.delete_button, self.folder_button):
            acting.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.px(3),) * 4)
        column.setSpacing(theme.px(2))
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        column.addWidget(self.problem)
        column.addWidget(self.notice)
        column.addLayout(acting)
        column.addLayout(naming)

    def _fill(self, entries: list[PresetEntry]) -> None:
        marked = self.marked()
        wanted = self._bridge.state.preset if marked is None else marked.name
        favourites = self.favourites()
        self.entries = sorted(entries, key=lambda one: (one.name not in favourites, one.name.casefold()))
        self.list.clear()
        for one in self.entries:
            now = " (loaded)" if one.name == self._bridge.state.preset else ""
            item = QListWidgetItem(f"{one.name}{now}" + (f" · {one.model}" if one.model else ""))
            item.setData(_NAME, one.name)
            if one.error is not None:
                item.setIcon(icon("warning", "bad"))
            elif one.name in favourites:
                item.setIcon(icon("star", "accent"))
            self.list.addItem(item)
            if one.name == wanted:
                self.list.setCurrentItem(item)
        self.list.setIconSize(QSize(theme.px(4), theme.px(4)))
        self._filter()

    def _filter(self) -> None:
        words = self.search.text()
        first = None
        for row, one in enumerate(self.entries):
            item = self.list.item(row)
            assert item is not None
            item.setHidden(not one.fits(words))
            first = item if first is None and one.fits(words) else first
        current = self.list.currentItem()
        if current is None or current.isHidden():
            self.list.setCurrentItem(first)
        self._show_marked()

    def _show_marked(self) -> None:
        one = self.marked()
        self.problem.setText("" if one is None or one.error is None else one.error)
        self.problem.setVisible(bool(self.problem.text()))
        own = one is not None and one.own
        self.star_button.setEnabled(one is not None)
        self.rename_button.setEnabled(own and one is not None and one.error is None)
        self.delete_button.setEnabled(own)
        self._show_names()

    def _show_names(self) -> None:
        typed = self.name.text().strip()
        taken = any(one.name == typed and one.own for one in self.entries)
        words = "Rename" if self._renaming is not None else "Overwrite" if taken else "Save as"
        self.keep_button.setText(words)
        self.keep_button.setEnabled(bool(typed))
        now = self._bridge.state.preset
        self.save_button.setEnabled(bool(now) and self._modified)
        self.save_button.setText(f"Save {now}" if now and len(now) < 20 else "Save")

    def _stop_rename(self) -> None:
        if self._renaming is not None:
            self._renaming = None
            self.name.clear()
        self._show_names()

    def _write(self, name: str) -> None:
        self._bridge.save_preset(name)
        self.name.clear()
        self._modified = False
        QTimer.singleShot(_SAVED_MS, self._after_save)

    def _after_save(self) -> None:
        self.refresh()
        self.saved.emit()

    def _rename(self, entry: PresetEntry, name: str) -> None:
        self._stop_rename()

        def done(followed: int) -> None:
            kept = self.favourites()
            if entry.name in kept:
                self._memory.set(_FAVOURITES, sorted(kept - {entry.name} | {name}))
            if followed:
                lists = "setlist follows" if followed == 1 else "setlists follow"
                self.notice.show_notice(Notice(f"Renamed to {name}; {followed} {lists}."))
            self.refresh()

        self._bridge.in_background(lambda: preset_files.renamed(entry, name), done, self._complain)

    def _deleted(self, gone: Deleted) -> None:
        self.refresh()
        back = Notice(f"{gone.path.stem} is deleted.", "everywhere", "info", "Undo", lambda: self._bring_back(gone))
        self.notice.show_notice(back)

    def _bring_back(self, gone: Deleted) -> None:
        self.notice.clear()
        self._bridge.in_background(lambda: preset_files.brought_back(gone), lambda _: self.refresh(), self._complain)

    def _complain(self, sentence: str) -> None:
        self.notice.show_notice(Notice(sentence, "everywhere", "error"))
