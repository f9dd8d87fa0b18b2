"""Choosing a plugin to add: a list that is searched by typing, what is known of each, and the scan that finds out.

    [search]  [Scan]                  │ name
    ▸ MDA Delay      Delay · LV2      │ maker, licence, channels, delay, time, presets
      MDA Detune     Pitch · LV2      │ or why it cannot be used  [Try again]
    ▓▓▓▓▓░░ trying 12 of 46: …        │ [Add]

GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QEvent, QObject, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.chain.plugin_editor import latency_words
from gui.chain.plugin_shelf import without_command
from gui.icon import icon, set_icon
from gui.live_state import Notice
from gui.widgets.empty_state import EmptyState
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from gui.chain.plugin_shelf import PluginShelf, Shelved

_URI = Qt.ItemDataRole.UserRole


class PluginBrowser(QWidget):
    """A list of plugins; `picked` says which is wanted."""

    picked = pyqtSignal(str)
    closed = pyqtSignal()

    def __init__(self, shelf: PluginShelf, parent: QWidget | None = None) -> None:
        """shelf: what there is to choose from."""
        super().__init__(parent)
        self._shelf = shelf
        self._title = QLabel("Add a plugin")
        theme.set_role(self._title, "title")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search by name, kind or maker")
        self.search.setAccessibleName("Search plugins")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.scan = QPushButton("Scan")
        set_icon(self.scan, "retry")
        self.scan.setToolTip("Try every installed plugin in a process of its own")
        self.scan.clicked.connect(self._scan)
        self.close_button = QPushButton("Close")
        set_icon(self.close_button, "close")
        self.close_button.clicked.connect(self.closed)
        self.list = QListWidget()
        self.list.setAccessibleName("Plugins")
        self.list.setUniformItemSizes(True)
        self.list.currentItemChanged.connect(self._show_details)
        self.list.itemActivated.connect(lambda _: self._pick())
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Scan of plugins")
        self._progress_words = QLabel()
        theme.set_role(self._progress_words, "dim")
        self.notice = NoticeBar()
        self._name, self._facts, self._problem = QLabel(), QLabel(), QLabel()
        theme.set_role(self._name, "strong")
        theme.set_role(self._facts, "dim")
        theme.set_role(self._problem, "bad")
        for label in (self._facts, self._problem, self._name):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.again = QPushButton("Try again")
        set_icon(self.again, "retry")
        self.again.clicked.connect(self._try_again)
        self.add = QPushButton("Add")
        set_icon(self.add, "add", "on_accent")
        theme.set_role(self.add, "primary")
        self.add.clicked.connect(self._pick)
        self.empty = EmptyState(
            "plugin",
            "No plugins yet",
            "Scan looks for LV2 and VST3 plugins and tries each where it can do no harm.",
            "Scan",
        )
        self.empty.acted.connect(self._scan)
        self._lay_out()
        shelf.changed.connect(self._fill)
        shelf.progress.connect(self._show_progress)
        shelf.said.connect(lambda text: self.notice.show_notice(Notice(text, "chain", "error")))
        self._show_progress(0, 0, "")
        self._fill()

    def begin(self, words: str) -> None:
        """Open for a new choice; words: where it will go."""
        self._title.setText(words)
        self.search.clear()
        self.notice.clear()
        self._shelf.refresh()
        self.search.setFocus(Qt.FocusReason.OtherFocusReason)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """In the search field, the arrows and Enter belong to the list; Escape closes."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
                self.list.keyPressEvent(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._pick()
                return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Escape closes."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
            return
        super().keyPressEvent(event)

    def current(self) -> Shelved | None:
        """The plugin that is marked in the list."""
        item = self.list.currentItem()
        return None if item is None or item.isHidden() else self._shelf.plugins.get(item.data(_URI))

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.px(2))
        head.addWidget(self._title)
        head.addWidget(self.search, 1)
        head.addWidget(self.scan)
        head.addWidget(self.close_button)
        details, told = QVBoxLayout(), QWidget()
        words = QVBoxLayout(told)
        words.setContentsMargins(0, 0, 0, 0)
        for widget in (self._name, self._facts, self._problem):
            words.addWidget(widget)
        words.addStretch(1)
        room = QScrollArea()
        room.setWidgetResizable(True)
        room.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        room.setAccessibleName("About the plugin")
        room.setWidget(told)
        details.addWidget(room, 1)
        details.setSpacing(theme.px(2))
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.again)
        buttons.addWidget(self.add)
        details.addLayout(buttons)
        self._lists = QStackedLayout()
        self._lists.addWidget(self.list)
        self._lists.addWidget(self.empty)
        body = QHBoxLayout()
        body.setSpacing(theme.px(4))
        body.addLayout(self._lists, 3)
        body.addLayout(details, 2)
        trying = QHBoxLayout()
        trying.setSpacing(theme.px(2))
        trying.addWidget(self.progress, 1)
        trying.addWidget(self._progress_words, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        column.setSpacing(theme.px(2))
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addLayout(body, 1)
        column.addLayout(trying)

    def _fill(self) -> None:
        marked = self.current()
        plugins = sorted(self._shelf.plugins.values(), key=lambda one: (one.problem is not None, one.name.casefold()))
        self.list.clear()
        faint = QColor(theme.current().text_dim)
        for one in plugins:
            kind = "black-listed" if one.black_listed else "cannot be used" if one.problem else one.category
            item = QListWidgetItem(" · ".join(part for part in (one.name, kind, one.format) if part))
            item.setData(_URI, one.uri)
            if one.problem is not None:
                item.setForeground(faint)
                item.setIcon(icon("warning", "warn"))
            self.list.addItem(item)
            if marked is not None and one.uri == marked.uri:
                self.list.setCurrentItem(item)
        self.list.setIconSize(QSize(theme.px(4), theme.px(4)))
        self._filter()

    def _filter(self) -> None:
        words, first = self.search.text(), None
        for row in range(self.list.count()):
            item = self.list.item(row)
            assert item is not None
            one = self._shelf.plugins.get(item.data(_URI))
            fits = one is not None and one.fits(words)
            item.setHidden(not fits)
            first = item if fits and first is None else first
        current = self.list.currentItem()
        if current is None or current.isHidden():
            self.list.setCurrentItem(first)
        if not self._shelf.plugins:
            looking = not self._shelf.listed
            text = "Looking…" if looking else " ".join(self._shelf.remarks)
            usual = "Scan looks for LV2 and VST3 plugins and tries each where it can do no harm."
            self.empty.set_words("No plugins yet", text or usual, "" if looking else "Scan")
        self._lists.setCurrentWidget(self.list if self._shelf.plugins else self.empty)
        self._show_details()

    def _show_details(self) -> None:
        one = self.current()
        self.add.setEnabled(one is not None and one.problem is None)
        self.again.setVisible(one is not None and one.black_listed)
        if one is None:
            none = "Nothing is called that." if self._shelf.plugins and self.search.text() else ""
            self._name.setText(none)
            self._facts.clear()
            self._problem.clear()
            return
        self._name.setText(one.name)
        self._facts.setText("\n".join(_facts(one)))
        self._problem.setText("" if one.problem is None else without_command(one.problem))

    def _scan(self) -> None:
        self.notice.clear()
        self._shelf.scan()
        self._shelf.refresh()
        self._show_progress(0, 1, "")

    def _try_again(self) -> None:
        one = self.current()
        if one is not None:
            self._shelf.forgive(one.uri)
            self._shelf.refresh()

    def _show_progress(self, number: int, count: int, name: str) -> None:
        going = count > 0
        self.scan.setEnabled(not going)
        self.progress.setVisible(going)
        self._progress_words.setVisible(going)
        if going:
            self.progress.setRange(0, count)
            self.progress.setValue(max(number - 1, 0))
            self._progress_words.setText(f"Trying {number} of {count}: {name}" if name else "Trying…")

    def _pick(self) -> None:
        one = self.current()
        if one is not None and one.problem is None:
            self.picked.emit(one.uri)


def _facts(one: Shelved) -> list[str]:
    """What is known of a plugin, a line each."""
    lines = [" · ".join(part for part in (one.category, one.format) if part)]
    info = one.info
    if info is None:
        return [*lines, "Not tried yet: Scan finds out its parameters."]
    if info.maker:
        lines.append(f"By {info.maker}")
    lines.append(f"{info.inputs} in, {info.outputs} out · {len(info.parameters)} parameters")
    if one.finding is not None and one.problem is None:
        lines.append(f"{latency_words(one.finding.latency_samples)} · {one.finding.run_us:.0f} µs a block of 128")
    if info.presets:
        lines.append(f"{len(info.presets)} presets")
    return lines
