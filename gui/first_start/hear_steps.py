"""The steps after the choice: play a note and see it, choose a model, hear it. GUI thread.

NoteStep    level, advice, note name; the piano where it is what is played
ModelStep   the library's playable packages
HearStep    original against converted, the targets of the model, the guard's way out
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QButtonGroup, QListView, QVBoxLayout, QWidget

from gui import theme
from gui.source.arrange import Card, Flow, button, row, words
from gui.source.input_level import InputLevel
from gui.source.keyboard_desk import KeyboardDesk
from gui.widgets.meter import LevelMeter

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory
    from gui.play.library_entries import Entry
    from realtime.desk.tuner import TunerReading
    from realtime.meters import Snapshot


def _plays_piano(state: LiveState) -> bool:
    midi = state.settings.midi
    return midi is not None and midi.source is not None and midi.keyboard


class NoteStep(QWidget):
    """Whether sound arrives, and which note it is."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: the piano's."""
        super().__init__(parent)
        self._bridge = bridge
        self.seen = False
        self.hint, self.note = words("", "dim"), words("–", "stage", wrap=False)
        self.note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.note.setAccessibleName("Note that is heard")
        self.cents = words("", "number", wrap=False)
        self.cents.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.level = InputLevel(bridge)
        self.keyboard = KeyboardDesk(bridge, memory)
        card = Card("The note")
        card.column.addStretch(1)
        card.column.addWidget(self.note)
        card.column.addWidget(self.cents)
        card.column.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        column.addWidget(self.hint)
        line = row(self.level, card)
        line.setStretch(0, 3)
        line.setStretch(1, 2)
        column.addLayout(line)
        column.addWidget(self.keyboard)
        column.addStretch(1)
        bridge.pitch.connect(self._show_pitch)

    def begin(self) -> None:
        """Nothing was seen yet."""
        self.seen = False
        self.note.setText("–")
        self.cents.setText("")
        if _plays_piano(self._bridge.state):
            self.keyboard.piano.setFocus(Qt.FocusReason.OtherFocusReason)

    def end(self) -> None:
        """Let go."""
        self.keyboard.piano.release_all()

    def show_state(self, state: LiveState) -> None:
        """Words for what was chosen."""
        piano, file = _plays_piano(state), state.settings.file
        midi = state.settings.midi
        self.keyboard.setVisible(piano)
        if piano:
            hint = "Click a key of the piano, or press A, S, D, F … on your computer's keyboard."
        elif midi is not None and midi.source is not None:
            hint = f"Press a key on {midi.port or 'your MIDI keyboard'}."
        elif file is not None:
            hint = f"{file.path.name} plays as if you played it."
        else:
            hint = "Play one long note, as loud as you usually do, and look whether it arrives."
        self.hint.setText(hint)
        self.level.set_kind("notes" if midi is not None and midi.source is not None else "file" if file else "card")

    def _show_pitch(self, reading: TunerReading) -> None:
        if not self.isVisible() or reading.f0_hz is None:
            return
        self.seen = True
        if reading.note != self.note.text():
            self.note.setText(reading.note)
        self.cents.setText(f"{reading.cents:+.0f} cents  ·  {reading.f0_hz:.1f} Hz".replace("-", "−"))


class ModelStep(QWidget):
    """Which model."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: which loads it."""
        super().__init__(parent)
        self._bridge = bridge
        self._read = False
        self.hint = words(
            "A model turns your sound into another. It is heard at once; you can change it any time.", "dim"
        )
        self.list = QListView()
        self.list.setAccessibleName("Models")
        self.list.setMinimumHeight(theme.px(60))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        column.addWidget(self.hint)
        column.addWidget(self.list, 1)

    def begin(self) -> None:
        """Read the library, once."""
        if self._read:
            return
        self._read = True
        from gui.play.library_entries import read_library
        from gui.play.library_list import EntriesModel, EntryDelegate

        self.entries = EntriesModel(self)
        self.list.setModel(self.entries)
        self.list.setItemDelegate(EntryDelegate(self.list))
        self._bridge.in_background(read_library, self._show, self.hint.setText)

    def end(self) -> None:
        """Nothing to do."""

    def _show(self, found: tuple[Entry, ...]) -> None:
        playable = [entry for entry in found if entry.playable]
        # What changes nothing is no example of a change: it comes last.
        playable.sort(key=lambda entry: entry.name == "identity")
        self._playable = playable
        self.entries.set_entries(playable)
        row = max(0, self.entries.row_of(self._bridge.state.settings.model))
        selection = self.list.selectionModel()
        if playable and selection is not None:
            self.list.setCurrentIndex(self.entries.index(row))
            selection.currentChanged.connect(lambda now, _before: self._take(now.row()))
            self._take(row)

    def _take(self, row: int) -> None:
        if 0 <= row < len(self._playable) and self._playable[row].name != self._bridge.state.settings.model:
            self._bridge.load_model(self._playable[row].name)

    def show_state(self, state: LiveState) -> None:
        """Mark what plays."""
        if self._read and hasattr(self, "_playable"):
            now = next((entry for entry in self._playable if entry.name == state.settings.model), None)
            self.entries.set_playing(now)


class HearStep(QWidget):
    """Original or converted, and which target."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: the piano's."""
        super().__init__(parent)
        self._bridge = bridge
        self._targets: tuple[str, ...] = ()
        self.hint = words("", "dim")
        self.original, self.converted = button("Original", "", "stage"), button("Converted", "", "stage")
        self.compare = QButtonGroup(self)
        for made, bypass in ((self.original, True), (self.converted, False)):
            made.setCheckable(True)
            made.setMinimumHeight(theme.px(14))
            self.compare.addButton(made)
            made.clicked.connect(lambda _on, bypass=bypass: bridge.set_controls(bypass=bypass))
        self.chips = Flow()
        self.chip_group = QButtonGroup(self)
        self.output = LevelMeter("Output", colour_role="output")
        self.level = InputLevel(bridge)
        self.keyboard = KeyboardDesk(bridge, memory)
        outcome = Card("What you hear")
        outcome.column.addWidget(self.output)
        outcome.column.addLayout(row(self.original, self.converted))
        outcome.column.addLayout(self.chips)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        column.addWidget(self.hint)
        line = row(self.level, outcome)
        line.setStretch(0, 1)
        line.setStretch(1, 1)
        column.addLayout(line)
        column.addWidget(self.keyboard)
        column.addStretch(1)
        bridge.frame.connect(self._draw)
        bridge.controls_changed.connect(lambda _controls: self.show_state(bridge.state))

    def begin(self) -> None:
        """Let it be heard converted."""
        if self._bridge.controls.bypass:
            self._bridge.set_controls(bypass=False)
        if _plays_piano(self._bridge.state):
            self.keyboard.piano.setFocus(Qt.FocusReason.OtherFocusReason)

    def end(self) -> None:
        """Let go."""
        self.keyboard.piano.release_all()

    def show_state(self, state: LiveState) -> None:
        """Follow model, targets and bypass."""
        self.keyboard.setVisible(_plays_piano(state))
        bypass = self._bridge.controls.bypass
        self.original.setChecked(bypass)
        self.converted.setChecked(not bypass)
        title = state.running.title if state.running is not None else state.settings.model
        self.hint.setText(f"Play: your sound goes through {title}. Compare it with the original.")
        if state.targets != self._targets:
            self._make_chips(state.targets)
        weights = self._bridge.controls.target or tuple(float(place == 0) for place in range(len(self._targets)))
        if weights and len(weights) == len(self._targets):
            chosen = self.chip_group.button(max(range(len(weights)), key=weights.__getitem__))
            if chosen is not None:
                chosen.setChecked(True)

    def _make_chips(self, targets: tuple[str, ...]) -> None:
        self._targets = targets
        while (item := self.chips.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                self.chip_group.removeButton(widget)  # type: ignore[arg-type]  # only buttons are there
                widget.deleteLater()
        for place, name in enumerate(targets if len(targets) > 1 else ()):
            chip = button(name.replace("_", " ").capitalize(), "", "chip")
            chip.setCheckable(True)
            weights = tuple(float(other == place) for other in range(len(targets)))
            chip.clicked.connect(lambda _on, weights=weights: self._bridge.set_controls(target=weights))
            self.chip_group.addButton(chip, place)
            self.chips.addWidget(chip)

    def _draw(self, snapshot: Snapshot) -> None:
        if self.isVisible():
            self.output.set_levels(snapshot.output_peak, snapshot.output_rms)
