"""Names for people of what MIDI can turn, and changes of a map of bindings. Pure; any thread.

words_for("after.0.fx_mix", …)   "MDA Delay: fx mix"        controller_words((None, 21))   "CC 21"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from realtime.midi.midi_map import Binding, CcKey, MidiMap

BUTTONS: Final = {
    "next": "Next preset",
    "previous": "Previous preset",
    "record": "Record",
    "bypass": "Bypass",
    "mute": "Mute",
}
"""What a pedal presses; the words of each."""
_UNITS = ("_db", "_hz", "_ms", "_semitones")
_SIDES = {"before": "in front of", "after": "behind"}


def words_for(control: str, plugin_names: Sequence[tuple[str, Sequence[str]]] = ()) -> str:
    """A name for people. plugin_names: ("before", names in order) and ("after", …), as far as they are known."""
    if control in BUTTONS:
        return BUTTONS[control]
    if control.startswith("target:"):
        return f"Target {control.removeprefix('target:').replace('-', ' ')}"
    side, dot, rest = control.partition(".")
    if dot and side in _SIDES:
        place, _, parameter = rest.partition(".")
        names = dict(plugin_names).get(side, ())
        number = int(place) if place.isdecimal() else 0
        name = names[number] if number < len(names) else f"Plugin {number + 1} {_SIDES[side]} the model"
        return f"{name}: {parameter.replace('_', ' ')}"
    for unit in _UNITS:
        control = control.removesuffix(unit)
    return control.replace("_", " ").capitalize()


def controller_words(key: CcKey) -> str:
    """A controller, with its channel where it has one."""
    return f"CC {key[1]}" if key[0] is None else f"CC {key[1]}, channel {key[0]}"


def with_key(mapping: MidiMap, key: CcKey, to: CcKey) -> MidiMap:
    """The map with a binding on another controller; what that one turned is turned by none."""
    cc = dict(mapping.cc)
    cc[to] = cc.pop(key)
    return replace(mapping, cc=cc)


def with_binding(mapping: MidiMap, key: CcKey, binding: Binding) -> MidiMap:
    """The map with another binding on a controller."""
    return replace(mapping, cc={**mapping.cc, key: binding})


def without_key(mapping: MidiMap, key: CcKey) -> MidiMap:
    """The map in which a controller turns nothing."""
    return replace(mapping, cc={one: binding for one, binding in mapping.cc.items() if one != key})


def learnt(before: MidiMap, after: MidiMap, control: str) -> tuple[CcKey | None, str | None]:
    """The controller that turns `control` now, and the other control that it turned before, if there was one."""
    key = next((one for one, binding in after.cc.items() if binding.control == control), None)
    old = None if key is None else before.cc.get(key)
    return key, None if old is None or old.control == control else old.control
