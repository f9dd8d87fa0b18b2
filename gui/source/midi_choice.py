"""MIDI: where messages come from, a lamp that they arrive, a MIDI file player, and the table of bindings. GUI thread.

port | port of our own | MIDI file | the piano ─▶ MidiSettings ─▶ bridge.set_midi
what notes play ─▶ gui.source.sound_choice            bindings ◀─ settings.midi.map ─▶ bridge.forget
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QFileDialog, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from gui import theme
from gui.source import midi_wishes
from gui.source.arrange import Card, Flow, Form, button, words
from gui.source.choice_box import ChoiceBox
from gui.source.midi_place import MidiPlace
from gui.source.midi_wishes import KEYBOARD, Chosen, with_input
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.toggle import Toggle
from realtime.midi.midi_map import MidiMap

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory
    from realtime.device_watch import Hardware
    from realtime.messages import MidiSettings
    from realtime.meters import Snapshot

_LIT_S: Final = 0.5
_HEADS: Final = ("Control", "Channel", "Controller", "Range", "")


class MidiInputChoice(Card):
    """Where messages come from, and the player of MIDI files."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps the last MIDI file and its folder."""
        super().__init__("Notes and knobs come from", parent)
        self._bridge, self._memory = bridge, memory
        self._ports: tuple[str, ...] = ()
        self._before: Chosen = KEYBOARD
        self.input = ChoiceBox("MIDI input")
        self.input.chosen.connect(self._choose)
        self.gone = words("", "warn")
        self.lamp = words("", "small", wrap=False)
        self._lit_s = -math.inf
        self._messages = 0
        self.column.addWidget(self.input)
        self.column.addWidget(self.lamp)
        self.column.addWidget(self.gone)
        form = Form()
        self.file_name, self.choose = ElidedLabel("No MIDI file chosen"), button("Choose…", "folder")
        self.choose.clicked.connect(self._choose_file)
        form.add("MIDI file", self.file_name, self.choose)
        self.column.addLayout(form)
        self.play, self.stop = button("Play", "play"), button("Stop", "stop")
        self.loop = Toggle("Loop")
        self.loop.set_checked(memory.get("source.midi_loop", False), quiet=True)
        self.play.clicked.connect(self.play_file)
        self.stop.clicked.connect(self.stop_file)
        self.loop.toggled.connect(self._set_loop)
        self.column.addLayout(Flow(self.play, self.stop, self.loop))
        self.place = MidiPlace(self)
        self.place.jumped.connect(self._jump)
        self.column.addWidget(self.place)
        bridge.frame.connect(self._draw)
        bridge.state_changed.connect(self.show_state)
        self.show_state(bridge.state)

    @property
    def file(self) -> Path | None:
        """The MIDI file to play."""
        name: str = self._memory.get("source.midi_file", "")
        return Path(name) if name else None

    def set_hardware(self, hardware: Hardware) -> None:
        """Which ports are there now."""
        self._ports = hardware.midi_inputs
        self.show_state(self._bridge.state)

    def show_state(self, state: LiveState) -> None:
        """Follow what is wanted."""
        midi = state.settings.midi
        chosen = midi_wishes.input_of(midi)
        offers = midi_wishes.input_offers(self._ports, midi)
        self.input.offer(offers, chosen or KEYBOARD)
        gone = [offer for offer in offers if not offer.connected]
        if gone:
            self.gone.setText(f"{gone[0].value[1]} is not connected; it plays as soon as it is plugged in.")
        self.gone.setVisible(bool(gone))
        if state.power != "on":
            self._show_lamp("○  The power is off")
            self.place.hide()
        playing = chosen is not None and chosen[0] == "file"
        file = Path(chosen[1]) if playing and chosen is not None else self.file
        self.file_name.setText(file.name if file is not None else "No MIDI file chosen")
        self.play.setEnabled(file is not None)
        self.play.setText("Play again" if playing and state.power == "on" else "Play")
        self.stop.setEnabled(playing)

    def _draw(self, snapshot: Snapshot) -> None:
        """The lamp, lit for a moment by every message, and the place in the file."""
        if not self.isVisible():
            return
        self.place.follow(snapshot)
        if self._bridge.state.settings.midi is None:
            self._show_lamp("")
            return
        if snapshot.midi_messages != self._messages:
            came, self._messages = snapshot.midi_messages > self._messages, snapshot.midi_messages
            self._lit_s = time.monotonic() if came else -math.inf  # a new stream counts from nothing
        lit = time.monotonic() - self._lit_s < _LIT_S
        self._show_lamp(f"●  {midi_wishes.message_words(snapshot.midi_bytes)}" if lit else "○  No notes or knobs now")

    def _show_lamp(self, text: str) -> None:
        if text != self.lamp.text():
            self.lamp.setText(text)
            theme.set_role(self.lamp, "good" if text.startswith("●") else "small")

    def _set_midi(self, chosen: Chosen) -> None:
        self._bridge.set_midi(with_input(self._bridge.state.settings.midi, chosen, loop=self.loop.isChecked()))

    def _choose(self, chosen: Chosen) -> None:
        self._set_midi(chosen)

    def _choose_file(self) -> None:
        folder: str = self._memory.get("source.midi_folder", "")
        dialog = QFileDialog(self, "Choose a MIDI file", folder, "MIDI files (*.mid *.midi);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.use_file(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def use_file(self, path: Path) -> None:
        """This MIDI file is the one to play."""
        self._memory.set("source.midi_file", str(path))
        self._memory.set("source.midi_folder", str(path.parent))
        chosen = midi_wishes.input_of(self._bridge.state.settings.midi)
        if chosen is not None and chosen[0] == "file":
            self._set_midi(("file", str(path)))
        self.show_state(self._bridge.state)

    def play_file(self) -> None:
        """From the beginning; what came before comes back at the stop."""
        chosen = midi_wishes.input_of(self._bridge.state.settings.midi)
        file = Path(chosen[1]) if chosen is not None and chosen[0] == "file" else self.file
        if file is None:
            return
        if chosen is not None and chosen[0] != "file":
            self._before = chosen
        self._set_midi(("file", str(file)))
        if self._bridge.state.power == "off":
            self._bridge.set_power(True)

    def stop_file(self) -> None:
        """Back to the input of before."""
        self._set_midi(self._before)

    def _set_loop(self, on: bool) -> None:
        self._memory.set("source.midi_loop", on)
        at = self._bridge.snapshot().midi_file_s
        midi = self._bridge.state.settings.midi
        if midi is not None and midi.file is not None:
            self._bridge.set_midi(replace(midi, loop=on, from_s=at if math.isfinite(at) else 0.0))

    def _jump(self, seconds: float) -> None:
        midi = self._bridge.state.settings.midi
        if midi is not None and midi.file is not None:
            self._bridge.set_midi(replace(midi, from_s=seconds))


class BindingsTable(Card):
    """Which controller turns what."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose map is shown."""
        super().__init__("Knobs and pedals", parent)
        self._bridge = bridge
        self._shown: MidiMap | None = None
        self.empty = words(
            "No controller turns anything yet: right-click a fader or switch, choose Learn MIDI and move a knob.", "dim"
        )
        self.table = QTableWidget(0, len(_HEADS))
        self.table.setAccessibleName("MIDI bindings")
        self.table.setHorizontalHeaderLabels(_HEADS)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setMinimumHeight(theme.px(30))
        self.table.setTabKeyNavigation(False)
        sides, heads = self.table.verticalHeader(), self.table.horizontalHeader()
        assert sides is not None
        assert heads is not None
        sides.hide()
        heads.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        heads.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.column.addWidget(self.empty)
        self.column.addWidget(self.table)
        bridge.state_changed.connect(self._show_state)
        self._show_state(bridge.state)

    def _show_state(self, state: LiveState) -> None:
        midi: MidiSettings | None = state.settings.midi
        bindings = midi.map if midi is not None else MidiMap()
        if bindings == self._shown:
            return
        self._shown = bindings
        rows = midi_wishes.binding_rows(bindings)
        self.empty.setVisible(not rows)
        self.table.setVisible(bool(rows))
        self.table.setRowCount(len(rows))
        for place, (control, *cells) in enumerate(rows):
            for column, cell in enumerate(cells):
                item = QTableWidgetItem(cell)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                self.table.setItem(place, column, item)
            forget = button("Forget", "", "ghost")
            forget.setAccessibleName(f"Forget the controller of {cells[0]}")
            forget.clicked.connect(lambda _checked, control=control: self._bridge.forget(control))
            self.table.setCellWidget(place, len(_HEADS) - 1, forget)
        self.table.resizeRowsToContents()
