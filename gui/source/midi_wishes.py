"""What the MIDI page asks for, as changes of `MidiSettings`, and how its parts read in words. Pure.

input   the on-screen keyboard, a port (waited for where it is not there), a port of our own, a MIDI file
source  what notes play; None: only knobs are heard, and the sound card stays the input
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from gui.source.offers import Offer
from realtime.messages import MidiSettings
from realtime.midi.midi_map import Binding, MidiMap, is_switch
from realtime.midi.source import SourceSettings

InputKind = Literal["keyboard", "port", "virtual", "file"]
Chosen = tuple[InputKind, str]

OWN_PORT: Final = "Retimbre"
KEYBOARD: Final[Chosen] = ("keyboard", "")


def first_midi() -> MidiSettings:
    """What sounds at once without any hardware: the on-screen keyboard, plucking strings."""
    return MidiSettings(keyboard=True, source=SourceSettings())


def input_of(midi: MidiSettings | None) -> Chosen | None:
    """Where messages come from."""
    if midi is None:
        return None
    if midi.port is not None:
        return "port", midi.port
    if midi.virtual is not None:
        return "virtual", midi.virtual
    if midi.file is not None:
        return "file", str(midi.file)
    return KEYBOARD


def with_input(midi: MidiSettings | None, chosen: Chosen, *, loop: bool = False) -> MidiSettings:
    """The same with messages from elsewhere."""
    kind, name = chosen
    values: dict[str, Any] = {
        "port": None,
        "virtual": None,
        "file": None,
        "keyboard": False,
        "loop": False,
        "from_s": 0.0,
    }
    values[kind] = {"keyboard": True, "file": Path(name)}.get(kind, name)
    values["loop"] = loop and kind == "file"
    values["wait"] = kind == "port"  # one that is not plugged in yet is no reason to be silent
    return replace(midi or first_midi(), **values)


def without_notes(midi: MidiSettings | None) -> MidiSettings | None:
    """For the sound card's input: notes play nothing, knobs keep turning; None where there is nothing to turn."""
    if midi is None or midi.source is None:
        return midi
    if midi.port is None and midi.virtual is None:
        return None
    return replace(midi, source=None, mixed=False)


def input_offers(ports: Sequence[str], midi: MidiSettings | None) -> list[Offer]:
    """Every place that messages can come from; a port that is wanted and gone stays."""
    offers = [Offer("The piano below", KEYBOARD)]
    offers += [Offer(name, ("port", name)) for name in ports]
    wanted = input_of(midi)
    if wanted is not None and wanted[0] == "port" and wanted not in [offer.value for offer in offers]:
        near = [name for name in ports if wanted[1].casefold() in name.casefold()]
        if len(near) == 1:
            offers = [offer if offer.value != ("port", near[0]) else replace(offer, value=wanted) for offer in offers]
        else:
            offers.append(Offer(f"{wanted[1]} (not connected)", wanted, connected=False))
    own = wanted if wanted is not None and wanted[0] == "virtual" else ("virtual", OWN_PORT)
    offers.append(Offer(f"A port named {own[1]}, for other programs to play", own))
    if wanted is not None and wanted[0] == "file":
        offers.append(Offer(f"The MIDI file {Path(wanted[1]).name}", wanted))
    return offers


def message_words(message: bytes) -> str:
    """What a message shows of a keyboard, for a lamp."""
    kind = message[0] & 0xF0 if message else 0
    if kind == 0xB0:
        return f"CC {message[1]} moves"
    return "Notes arrive" if kind in (0x80, 0x90) else "Messages arrive"


def binding_rows(bindings: MidiMap) -> list[tuple[str, str, str, str, str]]:
    """(control, its name, channel, controller, range) of every binding, by controller."""
    rows = []
    for (channel, number), binding in sorted(bindings.cc.items(), key=lambda item: (item[0][1], item[0][0] or 0)):
        where = "any" if channel is None else str(channel)
        rows.append((binding.control, control_words(binding.control), where, f"CC {number}", _range(binding)))
    return rows


def control_words(control: str) -> str:
    """A control's name as it is read, for example "Input gain"."""
    if control.startswith("target:"):
        return f"Target {control.removeprefix('target:')}"
    if "." in control:
        side, index, name = control.split(".", 2)
        place = "Plugin" if index.isdecimal() else "Control"
        return f"{place} {int(index) + 1 if index.isdecimal() else index} {side} the model: {name}"
    named = control.removesuffix("_db").removesuffix("_hz").removesuffix("_ms").replace("_", " ")
    return named[:1].upper() + named[1:]


def _range(binding: Binding) -> str:
    if is_switch(binding.control):
        kind = "flips" if binding.flip else "on and off"
        return kind if binding.low < binding.high else f"{kind}, turned round"
    words = f"{binding.low:g} to {binding.high:g}".replace("-", "−")
    return f"{words}, picks up" if binding.takeover else words
