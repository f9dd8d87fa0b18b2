"""MIDI in the engine: notes play a source in the callback, controllers turn knobs on the control thread.

    MidiInput ─┬▶ fill (callback) ─▶ Source.play ─▶ the block        what it overheard ─▶ turned (control thread)
    the host ──┘  (`realtime.midi.sent`)

What the map claims does not reach the source: a pedal that turns the mix is no sustain pedal, and while program changes
call presets they do not change the instrument of a SoundFont.
Threads: `fill` is the audio callback; everything else the control thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realtime import meters
from realtime.controls import Controls
from realtime.lane import LONGEST_BLOCK
from realtime.midi.midi_file import FilePlayer
from realtime.midi.midi_map import Binding, MidiLearner, MidiMap
from realtime.midi.ports import open_input
from realtime.midi.sent import SentMessages
from realtime.midi.source import open_source

if TYPE_CHECKING:
    from realtime.manifest import Target
    from realtime.messages import MidiSettings
    from realtime.meters import Meters
    from realtime.midi.ports import MidiInput

FloatArray = NDArray[np.float32]


@dataclass(slots=True)
class Turned:
    """What controllers asked for since the last look; None and empty: nothing."""

    controls: Controls | None = None
    plugins: dict[str, float] = field(default_factory=dict)
    muted: bool | None = None
    presses: list[str] = field(default_factory=list)
    """`next`, `previous` and `record`."""
    programs: list[str] = field(default_factory=list)
    learnt: MidiMap | None = None
    learnt_control: str = ""


class MidiFeed:
    """One MIDI input and what the host sends, what their notes play, and what their controllers turn."""

    def __init__(self, settings: MidiSettings, rate_hz: int, *, jack: bool, shown: Meters) -> None:
        """Open the port or file and make the source ready. Raises `RetimbreError`.

        jack: the sound runs there; shown: where to count what comes.
        """
        self._numbers = shown.numbers
        self.map = settings.map
        self.mixed = settings.mixed
        """Whether notes are heard beside the sound card's input, not instead."""
        self._source = None
        if settings.source is not None:
            self._source = open_source(settings.source, rate_hz=rate_hz, longest=LONGEST_BLOCK)
        self._sent = SentMessages()
        self._input: MidiInput
        self._file: FilePlayer | None = None  # until its end is told
        if settings.keyboard:
            self._input = SentMessages()  # nobody sends there
        elif settings.file is not None:
            player = FilePlayer(settings.file, rate_hz=rate_hz, loop=settings.loop, from_s=settings.from_s)
            self._input = player
            self._file = None if player.finished else player
        else:
            self._input = open_input(
                settings.port, virtual_name=settings.virtual, rate_hz=rate_hz, jack=jack, wait=settings.wait
            )
        self._made = np.zeros(LONGEST_BLOCK, np.float32)
        self._learner = MidiLearner()
        self._positions: dict[tuple[int, int], float] = {}

    def fill(self, block: FloatArray) -> None:
        """Play what came for this block (frames,) into it."""
        events = self._input.collect(block.size)
        sent = self._sent.collect(block.size)
        if sent:
            events = sent + events
        for _, message in events:
            self._count(message)
        file = self._file
        if file is not None:
            self._numbers[meters.MIDI_FILE_S] = file.place_s
            self._numbers[meters.MIDI_FILE_LENGTH_S] = math.nan if file.finished else file.seconds
        if self._source is None:
            return
        if events:
            events = [event for event in events if not self.map.claims(event[1])]
        made = self._made[: block.size]
        self._source.play(events, made)
        if self.mixed:
            np.add(block, made, out=block)
        else:
            block[:] = made

    def _count(self, message: bytes) -> None:
        """Show that something came; `RESET` is no message of anybody's."""
        if message[0] < 0xF0:
            third = message[2] if len(message) > 2 else 0
            self._numbers[meters.MIDI_LAST] = message[0] << 16 | message[1] << 8 | third
            self._numbers[meters.MIDI_MESSAGES] += 1

    def send(self, message: Sequence[int]) -> None:
        """A message from the host, for the next block. Raises `ConfigError` for what is none, or too many."""
        self._sent.send(message)

    def silence(self) -> None:
        """End every note, and forget pedals and bends."""
        self._sent.silence()

    def learn(self, control: str | None, *, any_channel: bool = True) -> None:
        """Bind `control` to the next controller that moves; None: wait no more. Raises `ConfigError`."""
        if control is None:
            self._learner.clear()
        else:
            self._learner.listen(Binding.over(control), any_channel=any_channel)

    def turned(self, controls: Controls, *, muted: bool, targets: Sequence[Target]) -> Turned:
        """What the messages since the last call ask for, starting from the present `controls`."""
        result = Turned()
        heard = self._input.overheard() + self._sent.overheard()
        if not heard:
            return result
        values = _values(controls, muted, targets)
        changed = False
        for message in heard:
            wanted = self._learner.listening_for
            learnt = self._learner.hear(message, self.map)
            if learnt is not None:
                self.map = result.learnt = learnt
                result.learnt_control = wanted or ""
            name = self.map.program(message)
            if name is not None:
                result.programs.append(name)
            for control, value in self.map.apply(values, message, self._positions).items():
                values[control] = value
                if control == "mute":
                    result.muted = value >= 0.5
                elif control in ("next", "previous", "record"):
                    result.presses.append(control)
                elif control.startswith(("before.", "after.")):
                    result.plugins[control] = value
                else:
                    changed = True
        if changed:
            result.controls = _with_values(controls, values, targets)
        return result

    def problems(self) -> list[str]:
        """Sentences about the port since the last call (it vanished, it is back)."""
        return self._input.problems()

    def ended(self) -> Path | None:
        """The file, once, when it has been played to its end."""
        file = self._file
        if file is None or not file.finished:
            return None
        self._file = None
        return file.path

    def close(self) -> None:
        """Give the port back."""
        self._file = None
        self._numbers[meters.MIDI_FILE_S] = self._numbers[meters.MIDI_FILE_LENGTH_S] = math.nan
        self._input.close()


def _values(controls: Controls, muted: bool, targets: Sequence[Target]) -> dict[str, float]:
    """Every control by the name that a binding has for it."""
    mapping = controls.to_mapping()
    values = {name: float(value) for name, value in mapping.items() if isinstance(value, int | float)}
    weights = controls.target or tuple(float(place == 0) for place in range(len(targets)))
    values |= {f"target:{target.name}": weight for target, weight in zip(targets, weights, strict=False)}
    values["mute"] = float(muted)
    return values


def _with_values(controls: Controls, values: dict[str, float], targets: Sequence[Target]) -> Controls:
    """`controls` with the values that it has a name for; weights that would all be zero stay as they are."""
    changes: dict[str, object] = {}
    for name, old in controls.to_mapping().items():
        if isinstance(old, bool):
            changes[name] = values[name] >= 0.5
        elif isinstance(old, int | float):
            changes[name] = values[name]
    weights = tuple(values[f"target:{target.name}"] for target in targets)
    if sum(weights) > 0:
        changes["target"] = weights
    return controls.with_changes(**changes)
