"""The on-screen keyboard with its octave, loudness and pedal; what is played on it goes to the engine. GUI thread.

    Piano ── note_on, note_off, pedal ──▶ MIDI messages on channel 1 ──▶ bridge.send_midi

Beside the piano stands why nothing would be heard, when nothing would: power off, notes that play nothing, muted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QWidget

from gui import theme
from gui.source.arrange import Arrow, Card, Flow, button, row, words
from gui.source.midi_wishes import first_midi
from gui.widgets.piano import VELOCITY_STEP, Piano
from gui.widgets.piano_keys import SPAN, note_name
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory

NOTE_OFF, NOTE_ON, CONTROLLER = 0x80, 0x90, 0xB0
PEDAL: Final = 64


class KeyboardDesk(Card):
    """The piano and what belongs to it; `played` says every note that begins."""

    played = pyqtSignal(int, int)

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps octave and loudness."""
        super().__init__("", parent)
        self.setAccessibleName("On-screen keyboard")
        self._bridge, self._memory = bridge, memory
        self.piano = Piano()
        self.down, self.up = Arrow("previous", "Octave down (Z)"), Arrow("next", "Octave up (X)")
        self.softer, self.louder = Arrow("previous", "Softer (C)"), Arrow("next", "Louder (V)")
        self.octave, self.velocity = self._number(18), self._number(8)
        self.sustain = Toggle("Sustain (Space)")
        self.why, self.mend = words("", "warn", wrap=False), button("")
        self.mend.clicked.connect(self._mend)
        self.line = Flow(
            self._group("Octave (Z, X)", self.down, self.octave, self.up),
            self._group("Velocity (C, V)", self.softer, self.velocity, self.louder),
            self.sustain,
            self.why,
            self.mend,
        )
        self.column.addLayout(self.line)
        self.column.addWidget(self.piano, 1)
        self.piano.note_on.connect(self._note_on)
        self.piano.note_off.connect(lambda note: bridge.send_midi(bytes((NOTE_OFF, note, 0))))
        self.piano.pedal_changed.connect(self._pedal)
        self.piano.base_changed.connect(self._show_octave)
        self.down.clicked.connect(lambda: self.piano.set_base(self.piano.base - 12))
        self.up.clicked.connect(lambda: self.piano.set_base(self.piano.base + 12))
        self.softer.clicked.connect(lambda: self.piano.set_velocity(self.piano.velocity - VELOCITY_STEP))
        self.louder.clicked.connect(lambda: self.piano.set_velocity(self.piano.velocity + VELOCITY_STEP))
        self.sustain.toggled.connect(self.piano.set_pedal)
        self.piano.velocity_changed.connect(self._show_velocity)
        self.piano.set_velocity(memory.get("source.velocity", 96))
        self.piano.set_base(memory.get("source.piano_base", 60))
        self._show_octave(self.piano.base)
        self._show_velocity(self.piano.velocity)
        self.setFocusProxy(self.piano)
        bridge.state_changed.connect(self._show_state)
        self._show_state(bridge.state)

    @staticmethod
    def _group(label: str, *parts: QWidget) -> QWidget:
        made = QWidget()
        line = row(words(label, "dim", wrap=False), *parts)
        line.setContentsMargins(0, 0, theme.px(3), 0)
        line.setSpacing(theme.px(1))
        made.setLayout(line)
        return made

    @staticmethod
    def _number(units: float) -> QLabel:
        made = words("", "number", wrap=False)
        made.setMinimumWidth(theme.px(units))
        made.setAlignment(Qt.AlignmentFlag.AlignCenter)
        return made

    def _show_octave(self, base: int) -> None:
        self.octave.setText(f"{note_name(base)} – {note_name(base + SPAN)}")
        self._memory.set("source.piano_base", base)

    def _show_velocity(self, velocity: int) -> None:
        self.velocity.setText(str(velocity))
        self._memory.set("source.velocity", velocity)

    def _note_on(self, note: int, velocity: int) -> None:
        self._bridge.send_midi(bytes((NOTE_ON, note, velocity)))
        self.played.emit(note, velocity)

    def _pedal(self, down: bool) -> None:
        self.sustain.set_checked(down, quiet=True)
        self._bridge.send_midi(bytes((CONTROLLER, PEDAL, 127 if down else 0)))

    def _show_state(self, state: LiveState) -> None:
        midi = state.settings.midi
        if midi is None or midi.source is None:
            why, action = "Notes play nothing now.", "Play them into the model"
        elif state.power == "off":
            why, action = "The power is off.", "Turn it on"
        elif state.power == "on" and state.muted:
            why, action = "The output is muted.", "Let it sound"
        else:
            why = action = ""
        self.why.setText(why)
        self.mend.setText(action)
        self.why.setVisible(bool(why))
        self.mend.setVisible(bool(action))

    def _mend(self) -> None:
        state = self._bridge.state
        midi = state.settings.midi
        if midi is None or midi.source is None:
            first = first_midi()
            self._bridge.set_midi(first if midi is None else replace(midi, source=first.source))
        if state.power == "off":
            self._bridge.set_power(True)
        elif state.muted:
            self._bridge.set_muted(False)
        self.piano.setFocus(Qt.FocusReason.OtherFocusReason)
