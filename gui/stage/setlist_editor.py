"""Making a setlist: presets on the right, the evening's order on the left, saved as a file that people can read.

    [setlist ▾] [New] [Rename] [Delete] [Folder]                 [Save]  [On stage]
    1  Intro      program 0      │  [search presets]
    2  Lead       program 1      │  Lead · voice                 Enter or a double click adds
    [▲][▼][Remove]  program [ 1 ]│  Violin · …                   [Add]

The order by dragging, or Alt and the arrows. Every change can be undone. Files are handled in the background. GUI
thread. Over 300 lines because the desk is one picture: what each button does is beside what it looks like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QObject, QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QUndoCommand
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gui import preset_files, theme
from gui.icon import icon, set_icon
from gui.live_state import Notice
from gui.stage import setlist_files
from gui.stage.setlist_draft import SetlistDraft
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.tool_button import ToolButton
from realtime.errors import ConfigError
from realtime.presets.file_name import checked_name

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.preset_files import PresetEntry
    from gui.stage.setlist_files import SetlistEntry
    from realtime.presets.setlist import Setlist

_NAME = Qt.ItemDataRole.UserRole


class SetlistEditor(QWidget):
    """The desk at which a setlist is made."""

    stage_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: plays what is saved, and lends its background threads and undo stack."""
        super().__init__(parent)
        self._bridge = bridge
        self.draft = SetlistDraft()
        self.began = False
        """Whether anything was ever changed at this desk."""
        self._saved = SetlistDraft()
        self.entries: list[SetlistEntry] = []
        self.presets: list[PresetEntry] = []
        self.notice = NoticeBar()
        self.chooser = QComboBox()
        self.chooser.setAccessibleName("Setlist")
        self.chooser.setPlaceholderText("No setlist yet")
        self.chooser.setMinimumContentsLength(14)
        self.chooser.activated.connect(self._choose)
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of the setlist")
        self.name.setAccessibleName("Name of the setlist")
        self.name.textEdited.connect(lambda text: self._set(replace(self.draft, name=text.strip()), step=False))
        self.new_button = ToolButton("add", "New setlist", self.new)
        self.rename_button = ToolButton("edit", "Rename the setlist's file to this name", self.rename)
        self.delete_button = ToolButton("remove", "Delete this setlist", self.delete)
        self.save_button = QPushButton("Save")
        theme.set_role(self.save_button, "primary")
        self.save_button.clicked.connect(self.save)
        self.stage_button = QPushButton("On stage")
        set_icon(self.stage_button, "setlist")
        self.stage_button.clicked.connect(self.stage_wanted)
        self.songs = QListWidget()
        self.none = QLabel("Choose presets at the right and press Add; they are played in this order.", self.songs)
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.none.setWordWrap(True)
        self.none.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        theme.set_role(self.none, "dim")
        over = QVBoxLayout(self.songs)
        over.addWidget(self.none)
        self.songs.setAccessibleName("Order of the evening")
        self.songs.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.songs.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.songs.currentRowChanged.connect(lambda _: self._show_place())
        self.songs.installEventFilter(self)
        model = self.songs.model()
        assert model is not None
        model.rowsMoved.connect(lambda *_: self._take_order())
        self.up = ToolButton("up", "Earlier (Alt+Up)", lambda: self.shift(-1))
        self.down = ToolButton("down", "Later (Alt+Down)", lambda: self.shift(1))
        self.remove_button = ToolButton("close", "Take out of the setlist (Delete)", self.remove)
        self.in_order = QCheckBox("Program numbers by the order")
        self.in_order.clicked.connect(self._set_in_order)
        self.program = QSpinBox()
        self.program.setRange(-1, 127)
        self.program.setSpecialValueText("no program")
        self.program.setPrefix("program ")
        self.program.setAccessibleName("MIDI program number")
        self.program.valueChanged.connect(self._set_program)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search presets")
        self.search.setAccessibleName("Search presets")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.library = QListWidget()
        self.library.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.library.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.library.setAccessibleName("Presets to add")
        self.library.itemActivated.connect(lambda _: self.add())
        self.add_button = QPushButton("Add")
        set_icon(self.add_button, "add")
        self.add_button.clicked.connect(self.add)
        self._lay_out()
        self.refresh()

    # what can be done

    def refresh(self) -> None:
        """Read the folders again."""
        self._bridge.in_background(
            lambda: (setlist_files.listed(), preset_files.listed()), self._take_files, self._complain
        )

    def show_setlist(self, setlist: Setlist | None) -> None:
        """Begin from this one."""
        self.draft = self._saved = SetlistDraft() if setlist is None else SetlistDraft.of(setlist)
        self.show_draft()

    def new(self) -> None:
        """An empty one."""
        self._set(SetlistDraft())
        self.name.setFocus()

    def add(self) -> None:
        """Put the marked preset behind the marked place."""
        item = self.library.currentItem()
        if item is None or item.isHidden() or item.data(_NAME) is None:
            return
        row = self.songs.currentRow()
        place = row + 1 if row >= 0 else len(self.draft.songs)
        self._set(self.draft.with_song(item.data(_NAME), place))
        self.songs.setCurrentRow(place)

    def remove(self) -> None:
        """Take the marked place out."""
        row = self.songs.currentRow()
        if 0 <= row < len(self.draft.songs):
            self._set(self.draft.without(row))
            self.songs.setCurrentRow(min(row, len(self.draft.songs) - 1))

    def shift(self, by: int) -> None:
        """The marked place earlier (-1) or later (1)."""
        row = self.songs.currentRow()
        to = row + by
        if 0 <= row < len(self.draft.songs) and 0 <= to < len(self.draft.songs):
            self._set(self.draft.moved(row, to))
            self.songs.setCurrentRow(to)

    def save(self) -> None:
        """Write the file, and have this setlist played."""
        try:
            checked_name(self.draft.name, "setlist")
            setlist = self.draft.to_setlist()
        except ConfigError as error:
            self._complain(str(error))
            return
        self.notice.clear()
        self._bridge.in_background(lambda: setlist_files.saved(setlist), self._after_save, self._complain)

    def rename(self) -> None:
        """Give the file of the setlist that was chosen the name in the field."""
        entry, name = self._entry(self._saved.name), self.draft.name
        try:
            checked_name(name, "setlist")
        except ConfigError as error:
            self._complain(str(error))
            return
        if entry is not None and entry.own and name != entry.name:
            self._bridge.in_background(lambda: setlist_files.renamed(entry, name), self._after_save, self._complain)

    def delete(self) -> None:
        """Delete the chosen setlist's file, with a way back."""
        entry = self._entry(self._saved.name)
        if entry is None or not entry.own:
            return

        def gone(content: bytes) -> None:
            self.refresh()
            undo = Notice(
                f"The setlist {entry.name} is deleted.", "setlist", "info", "Undo",
                lambda: self._bridge.in_background(
                    lambda: setlist_files.brought_back(entry, content), lambda _: self.refresh(), self._complain
                ),
            )  # fmt: skip
            self.notice.show_notice(undo)
            self.show_setlist(None)

        self._bridge.in_background(lambda: setlist_files.deleted(entry), gone, self._complain)

    def show_draft(self) -> None:
        """Show the draft as it is."""
        row = self.songs.currentRow()
        with QSignalBlocker(self.songs):
            self.songs.clear()
            known = {one.name: one for one in self.presets}
            for place, name in enumerate(self.draft.songs):
                number = self.draft.program_of(place)
                words = "" if number is None else f"   program {number}"
                item = QListWidgetItem(f"{place + 1}   {name}{words}")
                item.setData(_NAME, name)
                missing = bool(self.presets) and (name not in known or known[name].error is not None)
                if missing:
                    item.setIcon(icon("warning", "warn"))
                    item.setToolTip(known[name].error or "" if name in known else f"There is no preset named {name}.")
                self.songs.addItem(item)
            self.songs.setCurrentRow(min(row, len(self.draft.songs) - 1))
        if self.name.text().strip() != self.draft.name:
            self.name.setText(self.draft.name)
        self.in_order.setChecked(self.draft.programs is None)
        entry = self._entry(self._saved.name)
        own = entry is not None and entry.own
        self.rename_button.setEnabled(own and bool(self.draft.name) and self.draft.name != self._saved.name)
        self.delete_button.setEnabled(own)
        taken = self.draft.name != self._saved.name and self._entry(self.draft.name) is not None
        self.save_button.setText("Overwrite" if taken else "Save")
        self.save_button.setEnabled(bool(self.draft.songs) and bool(self.draft.name) and self.draft != self._saved)
        with QSignalBlocker(self.chooser):
            self.chooser.setCurrentIndex(self.chooser.findData(self._saved.name))
        self._show_place()

    # inside

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Alt and arrows move, Delete removes; from the search field arrows and Enter reach the presets."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        key, alt = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if watched is self.songs and alt and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.shift(-1 if key == Qt.Key.Key_Up else 1)
            return True
        if watched is self.songs and key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove()
            return True
        if watched is self.search and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.library.keyPressEvent(event)
            return True
        if watched is self.search and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.add()
            return True
        return super().eventFilter(watched, event)

    def _set(self, draft: SetlistDraft, *, step: bool = True) -> None:
        if draft == self.draft:
            return
        if step:
            self._bridge.undo_stack.push(_DraftStep(self.draft, draft, self._put))
        else:
            self._put(draft)

    def _put(self, draft: SetlistDraft) -> None:
        self.began = True
        self.draft = draft
        self.show_draft()

    def _take_order(self) -> None:
        found = [self.songs.item(row) for row in range(self.songs.count())]
        songs = [item.data(_NAME) for item in found if item is not None]
        row = self.songs.currentRow()
        self._set(self.draft.with_songs(songs))
        self.songs.setCurrentRow(row)

    def _take_files(self, found: tuple[list[SetlistEntry], list[PresetEntry]]) -> None:
        self.entries, self.presets = found
        with QSignalBlocker(self.chooser):
            self.chooser.clear()
            for entry in self.entries:
                broken = entry.value is None
                self.chooser.addItem(f"{entry.name} (broken)" if broken else entry.name, entry.name)
        self.library.clear()
        for one in self.presets:
            item = QListWidgetItem(f"{one.name} · {one.model}" if one.model else one.name)
            item.setData(_NAME, one.name)
            if one.error is not None:
                item.setIcon(icon("warning", "warn"))
                item.setToolTip(one.error)
                item.setFlags(Qt.ItemFlag.ItemIsSelectable)
            self.library.addItem(item)
        self._filter()
        self.show_draft()

    def _after_save(self, setlist: Setlist) -> None:
        self._bridge.set_setlist(setlist)
        self.draft = self._saved = SetlistDraft.of(setlist)
        self.notice.show_notice(Notice(f"The setlist {setlist.name} is saved and ready to play.", "setlist"))
        self.refresh()

    def _choose(self, place: int) -> None:
        entry = self._entry(self.chooser.itemData(place))
        if entry is None:
            return
        if entry.value is None:
            self._complain(str(entry.error))
            self.show_draft()
            return
        self.notice.clear()
        self.show_setlist(entry.value)
        self._bridge.set_setlist(entry.value)

    def _entry(self, name: str) -> SetlistEntry | None:
        return next((one for one in self.entries if one.name == name), None)

    def _show_place(self) -> None:
        row = self.songs.currentRow()
        there = 0 <= row < len(self.draft.songs)
        self.up.setEnabled(there and row > 0)
        self.down.setEnabled(there and row < len(self.draft.songs) - 1)
        self.remove_button.setEnabled(there)
        self.none.setVisible(not self.draft.songs)
        self.program.setEnabled(there)
        with QSignalBlocker(self.program):
            number = self.draft.program_of(row) if there else None
            self.program.setValue(-1 if number is None else number)

    def _set_program(self, number: int) -> None:
        row = self.songs.currentRow()
        if 0 <= row < len(self.draft.songs):
            self._set(self.draft.with_program(row, None if number < 0 else number))

    def _set_in_order(self, on: bool) -> None:
        if on:
            self._set(self.draft.in_order())
        elif self.draft.songs:
            self._set(self.draft.with_program(0, self.draft.program_of(0)))

    def _filter(self) -> None:
        words, first = self.search.text(), None
        for row, one in enumerate(self.presets):
            item = self.library.item(row)
            assert item is not None
            item.setHidden(not one.fits(words))
            first = item if first is None and one.fits(words) else first
        current = self.library.currentItem()
        if current is None or current.isHidden():
            self.library.setCurrentItem(first)

    def _complain(self, sentence: str) -> None:
        self.notice.show_notice(Notice(sentence, "setlist", "error"))

    def _lay_out(self) -> None:
        top, left_row = QHBoxLayout(), QHBoxLayout()
        widget: QWidget
        for widget in (self.chooser, self.new_button, self.name, self.rename_button, self.delete_button):
            top.addWidget(widget, 1 if widget is self.name else 0)
        for button in (self.save_button, self.stage_button):
            top.addWidget(button)
        for widget in (self.up, self.down, self.remove_button, self.program):
            left_row.addWidget(widget)
        left_row.addStretch(1)
        left, right, body = QVBoxLayout(), QVBoxLayout(), QHBoxLayout()
        order = QLabel("Order of the evening")
        theme.set_role(order, "strong")
        left.addWidget(order)
        left.addWidget(self.songs, 1)
        left.addLayout(left_row)
        left.addWidget(self.in_order)
        presets = QLabel("Presets")
        theme.set_role(presets, "strong")
        for widget in (presets, self.search, self.library, self.add_button):
            right.addWidget(widget, 1 if widget is self.library else 0)
        body.addLayout(left, 3)
        body.addLayout(right, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        column.addLayout(top)
        column.addWidget(self.notice)
        column.addLayout(body, 1)
        for layout in (top, left_row, left, right, column):
            layout.setSpacing(theme.px(2))
        body.setSpacing(theme.px(4))


class _DraftStep(QUndoCommand):
    """The setlist before and after one change at the desk."""

    def __init__(self, before: SetlistDraft, after: SetlistDraft, put: Callable[[SetlistDraft], None]) -> None:
        super().__init__("setlist")
        self._before, self._after, self._put = before, after, put

    def redo(self) -> None:
        """Do it, or do it again."""
        self._put(self._after)

    def undo(self) -> None:
        """Take it back."""
        self._put(self._before)
