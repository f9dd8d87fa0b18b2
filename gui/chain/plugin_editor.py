"""What one plugin is set to: its knobs, presets, latency; bypass, remove; and what became of it when it broke.

    name · maker · delay        [preset ▾] [Bypass] [Remove]
    ⚠ The plugin … crashed …                    [Bring back]
    knobs, in as many columns as there is room for

GUI thread; every wish goes to the desk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QSignalBlocker, Qt
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.chain.parameter_row import ParameterRow
from gui.icon import set_icon
from gui.live_state import Notice
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from gui.chain.chain_desk import ChainDesk
    from gui.chain.plugin_shelf import PluginShelf
    from realtime.messages import Side
    from realtime.plugins.plugin import PluginInfo

_COLUMN_UNITS = 60


class PluginEditor(QWidget):
    """The settings of the plugin at one place of the chain."""

    def __init__(
        self, desk: ChainDesk, shelf: PluginShelf, side: Side, index: int, parent: QWidget | None = None
    ) -> None:
        """side, index: where it stands."""
        super().__init__(parent)
        self._desk, self._shelf, self.side, self.index = desk, shelf, side, index
        self.uri = desk.side(side)[index].uri
        self.rows: list[ParameterRow] = []
        self._shown_info: PluginInfo | None = None
        self._columns = 0
        self._title = QLabel()
        theme.set_role(self._title, "title")
        self._facts = ElidedLabel()
        theme.set_role(self._facts, "dim")
        self.presets = QComboBox()
        self.presets.setAccessibleName("Preset of the plugin")
        self.presets.setPlaceholderText("Preset…")
        self.presets.activated.connect(self._take_preset)
        self.bypass = Toggle("Bypass", "bypass-plugin")
        self.bypass.toggled.connect(lambda on: desk.set_bypass(side, index, on))
        self.bypass.setProperty("midi_control", f"{side}.{index}.bypass")
        self.remove = QPushButton("Remove")
        set_icon(self.remove, "remove")
        self.remove.clicked.connect(lambda: desk.remove(side, index))
        self.notice = NoticeBar()
        self._waiting = QLabel("Asking the plugin for its parameters…")
        theme.set_role(self._waiting, "dim")
        self._trouble = ""
        self._grid = QGridLayout()
        self._lay_out()
        self.refresh()
        if self._shelf.info_of(self.uri) is None:
            self._shelf.get_to_know(self.uri)

    def refresh(self) -> None:
        """Show what is."""
        specs = self._desk.side(self.side)
        if self.index >= len(specs) or specs[self.index].uri != self.uri:
            return  # it is about to be replaced
        spec, known = specs[self.index], self._shelf.plugins.get(self.uri)
        info = self._shelf.info_of(self.uri)
        self._title.setText(self._shelf.name_of(self.uri))
        finding = None if known is None else known.finding
        parts = [] if info is None else [info.maker, info.category, info.format]
        if finding is not None and finding.info is not None:
            parts += [latency_words(finding.latency_samples), f"{finding.run_us:.0f} µs a block of 128"]
        self._facts.setText(" · ".join(part for part in parts if part))
        self.bypass.set_checked(self._desk.bypassed(self.side, self.index), quiet=True)
        self._show_trouble(self._desk.trouble(self.uri))
        if info is not None and info is not self._shown_info:
            self._shown_info = info
            self._build(info)
        self._waiting.setVisible(info is None and not self._trouble)
        for row in self.rows:
            row.show_value(self._desk.value(self.side, self.index, row.parameter))
        with QSignalBlocker(self.presets):
            self.presets.setCurrentIndex(self.presets.findText(spec.preset or ""))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """As many columns as there is room for."""
        super().resizeEvent(event)
        self._place_rows()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._title)
        words.addWidget(self._facts)
        head.addLayout(words, 1)
        for widget in (self.presets, self.bypass, self.remove):
            head.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        head.setSpacing(theme.px(2))
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        column.setSpacing(theme.px(3))
        column.addLayout(head)
        column.addWidget(self.notice)
        column.addWidget(self._waiting)
        column.addLayout(self._grid)
        column.addStretch(1)
        self._grid.setHorizontalSpacing(theme.px(6))
        self._grid.setVerticalSpacing(theme.px(3))

    def _build(self, info: PluginInfo) -> None:
        for row in self.rows:
            row.deleteLater()
        self.rows = []
        for parameter in info.parameters:
            row = ParameterRow(parameter, self.side, self.index)
            row.turned.connect(lambda value, one=parameter: self._desk.turn(self.side, self.index, one, value))
            self.rows.append(row)
        self._columns = 0
        self._place_rows()
        self.presets.clear()
        for uri, label in info.presets:
            self.presets.addItem(label, uri)
        self.presets.setVisible(bool(info.presets))

    def _place_rows(self) -> None:
        columns = max(1, min(4, (self.width() - theme.px(8)) // theme.px(_COLUMN_UNITS)))
        if columns == self._columns:
            return
        for column in range(max(columns, self._columns)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
        for place, row in enumerate(self.rows):
            self._grid.addWidget(row, place // columns, place % columns, Qt.AlignmentFlag.AlignTop)

    def _show_trouble(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            back = Notice(trouble, "chain", "error", "Bring back", lambda: self._desk.bring_back(self.uri))
            self.notice.show_notice(back)
        else:
            self.notice.clear()

    def _take_preset(self, place: int) -> None:
        label = self.presets.itemText(place)
        self._shelf.preset_values(
            self.uri, label, lambda values: self._desk.set_preset(self.side, self.index, label, values)
        )


def latency_words(samples: int, rate_hz: int = 48000) -> str:
    """A plugin's delay in words."""
    return "no delay" if not samples else f"delays {1000 * samples / rate_hz:.1f} ms"
