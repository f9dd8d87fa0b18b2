"""The table of bindings: which controller turns what, from where to where, on which channel, and how.

    Control        Controller   Channel   From     To      [Invert]  Behaviour          [Forget]
    Mix            CC 21        any       0        1                 ☐ take over softly

Every change takes effect at once. GUI thread.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.live_state import Notice
from gui.midi_words import with_binding, with_key, without_key, words_for
from gui.widgets.empty_state import EmptyState
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.tool_button import ToolButton
from realtime.errors import ConfigError
from realtime.midi.midi_map import TRIGGERS, Binding, CcKey, MidiMap, is_switch, limits_of

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState

COLUMNS: Final = ("Control", "Controller", "Channel", "From", "To", "Invert", "Behaviour", "Forget")
_WIDEST = 1e6  # of a plugin's parameter, whose range only the plugin knows


class MidiBindings(QDialog):
    """Every binding, one a row."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose map is shown and changed."""
        super().__init__(parent)
        self.setWindowTitle("MIDI bindings")
        self._bridge = bridge
        self._shown: MidiMap | None = None
        self.notice = NoticeBar()
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setAccessibleName("MIDI bindings")
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        rows, heads = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert heads is not None
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        heads.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        heads.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._empty = EmptyState(
            "midi", "Nothing is bound yet", "In learn mode click a control, then move a knob or pedal."
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(self.table)
        self._stack.addWidget(self._empty)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.px(4),) * 4)
        column.setSpacing(theme.px(3))
        column.addWidget(self.notice)
        column.addWidget(self._stack, 1)
        column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        bridge.state_changed.connect(self._follow)
        self._follow(bridge.state)
        room = self.sizeHint() if parent is None else self.sizeHint().boundedTo(parent.size() * 0.95)
        self.resize(room)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for a pedal board."""
        return QSize(theme.px(230), theme.px(110))

    def _follow(self, state: LiveState) -> None:
        mapping = MidiMap() if state.settings.midi is None else state.settings.midi.map
        if self._shown is not None and mapping.cc == self._shown.cc:
            return
        same_rows = self._shown is not None and list(mapping.cc) == list(self._shown.cc) and self.table.rowCount()
        self._shown = mapping
        self._stack.setCurrentWidget(self.table if mapping.cc else self._empty)
        if same_rows and self.table.isAncestorOf(self.focusWidget() or self):
            return  # what is being typed is what came back
        self.table.setRowCount(0)
        for key, binding in sorted(mapping.cc.items(), key=lambda one: (one[0][1], one[0][0] or 0)):
            self._add_row(key, binding)

    def _add_row(self, key: CcKey, binding: Binding) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        words = words_for(binding.control)
        self.table.setItem(row, 0, QTableWidgetItem(words))
        number = QSpinBox()
        number.setRange(0, 119)
        number.setPrefix("CC ")
        number.setValue(key[1])
        number.setAccessibleName(f"Controller of {words}")
        number.editingFinished.connect(lambda: self._rekey(key, (key[0], number.value())))
        channel = QComboBox()
        channel.setAccessibleName(f"Channel of {words}")
        channel.setMinimumWidth(theme.px(20))
        channel.addItem("any", None)
        for one in range(1, 17):
            channel.addItem(str(one), one)
        channel.setCurrentIndex(key[0] or 0)
        channel.activated.connect(lambda place: self._rekey(key, (channel.itemData(place), key[1])))
        self.table.setCellWidget(row, 1, number)
        self.table.setCellWidget(row, 2, channel)
        if not is_switch(binding.control) and binding.control not in TRIGGERS:
            for column, name in ((3, "low"), (4, "high")):
                ends = self._spin(binding, name, words)
                ends.editingFinished.connect(partial(self._set_end, key, name, ends))
                self.table.setCellWidget(row, column, ends)
        else:
            self.table.setCellWidget(row, 3, QLabel("pressed" if binding.high > binding.low else "released"))
        self.table.setCellWidget(row, 5, ToolButton("ab", f"Turn the way of {words} round", lambda: self._invert(key)))
        self.table.setCellWidget(row, 6, self._behaviour(key, binding))
        self.table.setCellWidget(row, 7, ToolButton("remove", f"Forget {words}", lambda: self._forget(key)))

    def _spin(self, binding: Binding, name: str, words: str) -> QDoubleSpinBox:
        low, high = limits_of(binding.control) or (-_WIDEST, _WIDEST)
        spin = QDoubleSpinBox()
        spin.setDecimals(2 if high - low < 100 else 0)
        spin.setRange(low, high)
        spin.setSingleStep((high - low) / 100 if high < _WIDEST else 0.1)
        spin.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        spin.setMaximumWidth(theme.px(22))
        spin.setValue(getattr(binding, name))
        spin.setAccessibleName(f"{words} at {'0' if name == 'low' else '127'}")
        return spin

    def _behaviour(self, key: CcKey, binding: Binding) -> QWidget:
        if binding.control in TRIGGERS:
            return QLabel("once a press")
        flips = is_switch(binding.control)
        box = QCheckBox("flips at each press" if flips else "takes over softly")
        box.setToolTip(
            "For pedals that spring back." if flips else "The knob waits until it passes the present value: no jumps."
        )
        box.setChecked(binding.flip if flips else binding.takeover)
        field = "flip" if flips else "takeover"
        box.clicked.connect(lambda on: self._change(key, **{field: on}))
        return box

    # changes

    def _set_end(self, key: CcKey, name: str, spin: QDoubleSpinBox) -> None:
        now = self._binding(key)
        if now is not None and abs(getattr(now, name) - spin.value()) > 0.5 * 10 ** -spin.decimals():
            self._change(key, **{name: spin.value()})

    def _invert(self, key: CcKey) -> None:
        now = self._binding(key)
        if now is not None:
            self._change(key, low=now.high, high=now.low)

    def _change(self, key: CcKey, **fields: float | bool) -> None:
        mapping, now = self._map(), self._binding(key)
        if now is None:
            return
        try:
            changed = with_binding(mapping, key, replace(now, **fields))  # type: ignore[arg-type]  # by name
        except ConfigError as error:
            self.notice.show_notice(Notice(str(error), "everywhere", "error"))
            return
        self.notice.clear()
        self._send(changed)

    def _rekey(self, key: CcKey, to: CcKey) -> None:
        mapping = self._map()
        if to == key or key not in mapping.cc:
            return
        robbed = mapping.cc.get(to)
        self._send(with_key(mapping, key, to))
        if robbed is not None:
            words = f"{words_for(robbed.control)} had that controller and has none now."
            back = Notice(words, "everywhere", "warning", "Undo", lambda: self._send(mapping))
            self.notice.show_notice(back)

    def _forget(self, key: CcKey) -> None:
        mapping = self._map()
        if key in mapping.cc:
            words = f"{words_for(mapping.cc[key].control)} is forgotten."
            self._send(without_key(mapping, key))
            self.notice.show_notice(Notice(words, "everywhere", "info", "Undo", lambda: self._send(mapping)))

    def _map(self) -> MidiMap:
        midi = self._bridge.state.settings.midi
        return MidiMap() if midi is None else midi.map

    def _binding(self, key: CcKey) -> Binding | None:
        return self._map().cc.get(key)

    def _send(self, mapping: MidiMap) -> None:
        midi = self._bridge.state.settings.midi
        if midi is not None:
            self._bridge.set_midi(replace(midi, map=mapping))
