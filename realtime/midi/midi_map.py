"""Which MIDI controller turns which knob, and which program number calls which preset: one immutable value.

    control change (channel, number, value 0…127)  →  low + value / 127 · (high − low)  of the binding's control
    program change (program 0…127)                 →  the name of a preset or model

A controller bound on one channel goes before the same controller bound on any channel. With soft take-over a knob moves
its control only from the moment it stands at, or passes, the control's present value, so that nothing jumps after a
change of preset. A `MidiLearner` waits for the next controller that moves. Any thread; nothing here touches a port.

Over 300 lines because what a binding may be, and each sentence on what it may not be, belongs to one place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.controls import RANGES, Controls
from realtime.errors import ConfigError

CcKey = tuple[int | None, int]
"""(channel 1…16 or None for any, controller number 0…127)."""
Positions = MutableMapping[tuple[int, int], float]
"""Where each controller stood last, as a part of its way (0…1): the memory of soft take-over."""

# What is on or off: a controller's upper half is on. `record` and `mute` belong to the engine, not to `Controls`.
ENGINE_SWITCHES = ("mute", "record")
# What happens once per press.
TRIGGERS = ("next", "previous")
# Controllers that MIDI itself gives a meaning: all sound off, reset, local, all notes off, omni, mono, poly.
_MODE_MESSAGES = range(120, 128)
_TARGET = re.compile(r"target:(\S(?:.*\S)?)")
_PLUGIN = re.compile(r"(?:before|after)\.(0|[1-9]\d?)\.(\S(?:.*\S)?)")
_CLOSE = 1.5 / 127


@dataclass(frozen=True, slots=True)
class Binding:
    """What one controller turns, and how far.

    control: a name in `controls.RANGES`; a switch (`bypass`, `mute`, `record`, …); `next` or `previous` preset;
        `target:NAME`, a target's weight; `before.0.PARAMETER` or `after.1.PARAMETER` of a plugin, counted from 0, whose
        parameter `bypass` is its switch.
    low, high: the control's value at 0 and at 127; low above high turns the knob round.
    takeover: wait until the knob passes the control's present value.
    flip: a switch changes over at each press, for pedals that spring back; else the upper half of the way is on.
    """

    control: str
    low: float
    high: float
    takeover: bool = False
    flip: bool = False

    def __post_init__(self) -> None:
        limits = limits_of(self.control)
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ConfigError(f"{name} of the binding to {self.control!r} is {value!r}, but it must be a number.")
            if limits is not None and not limits[0] <= value <= limits[1]:
                raise ConfigError(
                    f"{name} of the binding to {self.control!r} is {value:g}, "
                    f"but that control goes from {limits[0]:g} to {limits[1]:g}."
                )
            object.__setattr__(self, name, float(value))
        if self.low == self.high:
            raise ConfigError(
                f"The binding to {self.control!r} goes from {self.low:g} to {self.high:g}, "
                "but then the knob would do nothing: give low and high different values."
            )
        for name in ("takeover", "flip"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(
                    f"{name} of the binding to {self.control!r} is {getattr(self, name)!r}, "
                    "but it must be true or false."
                )
        if self.flip and not is_switch(self.control):
            raise ConfigError(f"flip is for switches, but {self.control!r} is none: leave it out.")
        if self.takeover and (is_switch(self.control) or self.control in TRIGGERS):
            raise ConfigError(f"takeover is for knobs, but {self.control!r} is a switch: leave it out.")

    @staticmethod
    def over(control: str, *, takeover: bool = False, flip: bool = False) -> Binding:
        """A binding over the whole range of `control` (0 to 1 for a plugin's parameter, whose range is not known)."""
        low, high = limits_of(control) or (0.0, 1.0)
        return Binding(control, low, high, takeover, flip)

    def value_at(self, position: float) -> float:
        """The control's value where the knob stands at `position` (0…1)."""
        if is_switch(self.control) or self.control in TRIGGERS:
            return float((position >= 0.5) == (self.high > self.low))
        if position >= 1.0:
            return self.high
        return self.low + position * (self.high - self.low)

    def position_of(self, value: float) -> float:
        """Where the knob would stand for `value`; outside 0…1 when the binding does not reach it."""
        return (value - self.low) / (self.high - self.low)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` reads back; what is the default is left out."""
        values: dict[str, Any] = {"control": self.control}
        limits = limits_of(self.control)
        if limits != (self.low, self.high):
            values |= {"low": self.low, "high": self.high}
        return values | {name: True for name in ("takeover", "flip") if getattr(self, name)}

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> Binding:
        """A binding from plain values; low and high may be left out where the control has a range."""
        _only(values, ("control", "low", "high", "takeover", "flip"), "a binding")
        if "control" not in values:
            raise ConfigError("A binding has no control, but it must say what it turns, for example control = 'mix'.")
        whole = Binding.over(values["control"])
        return replace(whole, **{name: value for name, value in values.items() if name != "control"})


@dataclass(frozen=True, slots=True)
class MidiMap:
    """All bindings: `cc` by (channel 1…16 or None for any, controller 0…127), `programs` by program number 0…127.

    While `programs` is empty, program changes belong to the source (the instrument of a SoundFont).
    """

    cc: Mapping[CcKey, Binding] = field(default_factory=dict, hash=False)
    programs: Mapping[int, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for channel, number in self.cc:
            if channel is not None:
                _checked("channel", channel, 1, 16)
            _checked("number of a controller", number, 0, 119)
        programs: Mapping[int, object] = self.programs
        for program, name in programs.items():
            _checked("program number", program, 0, 127)
            if not isinstance(name, str) or not name.strip():
                raise ConfigError(f"Program {program} calls {name!r}, but it must call a preset or model by its name.")
        object.__setattr__(self, "cc", dict(self.cc))
        object.__setattr__(self, "programs", dict(self.programs))

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for TOML or JSON: `cc`, a list of tables, and `programs`, by the number as text."""
        table: list[dict[str, Any]] = []
        for (channel, number), binding in sorted(self.cc.items(), key=lambda item: (item[0][1], item[0][0] or 0)):
            where = {"number": number} if channel is None else {"number": number, "channel": channel}
            table.append(where | binding.to_mapping())
        values: dict[str, Any] = {"cc": table} if table else {}
        if self.programs:
            values["programs"] = {str(program): name for program, name in sorted(self.programs.items())}
        return values

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> MidiMap:
        """The map of `to_mapping`; what is not named is empty. Raises ConfigError naming what is wrong."""
        _only(values, ("cc", "programs"), "a MIDI map")
        table: Any = values.get("cc", ())
        programs: Any = values.get("programs", {})
        if not isinstance(table, list | tuple) or not all(isinstance(t, Mapping) for t in table):
            raise ConfigError(f"cc of a MIDI map is {table!r}, but it must be a list of tables, each with a number.")
        if not isinstance(programs, Mapping):
            raise ConfigError(f"programs of a MIDI map is {programs!r}, but it must be a table of numbers and names.")
        cc: dict[CcKey, Binding] = {}
        for entry in table:
            if "number" not in entry:
                raise ConfigError("A cc binding has no number, but it must say which controller it is, 0 to 119.")
            key = (entry.get("channel"), entry["number"])
            binding = Binding.from_mapping({k: v for k, v in entry.items() if k not in ("number", "channel")})
            if key in cc:
                raise ConfigError(f"Controller {_spelt(key)} is bound twice in a MIDI map: remove one of the two.")
            cc[key] = binding
        return MidiMap(cc, {_program_number(text): name for text, name in programs.items()})

    def binding_for(self, channel: int, number: int) -> Binding | None:
        """What the controller turns; its own channel goes before any."""
        return self.cc.get((channel, number)) or self.cc.get((None, number))

    def with_binding(self, channel: int | None, number: int, binding: Binding) -> MidiMap:
        """A copy in which this controller, and no other, turns the binding's control."""
        cc = {key: old for key, old in self.cc.items() if old.control != binding.control}
        return replace(self, cc={**cc, (channel, number): binding})

    def without(self, control: str) -> MidiMap:
        """A copy in which nothing turns `control`."""
        return replace(self, cc={key: old for key, old in self.cc.items() if old.control != control})

    def apply(
        self, values: Mapping[str, float | bool], message: bytes, positions: Positions | None = None
    ) -> dict[str, float]:
        """What `message` changes: new values by control name; nothing for what is unbound or not yet taken over.

        values: the present values of controls, needed for take-over and flip (a control that is missing is taken over
        at once); switches are 0.0 or 1.0, triggers 1.0. positions: the caller's memory of where the knobs stood.
        """
        if len(message) != 3 or message[0] & 0xF0 != 0xB0 or (message[1] | message[2]) > 127:
            return {}
        key = ((message[0] & 0x0F) + 1, message[1])
        position = message[2] / 127.0
        before = None if positions is None else positions.get(key)
        binding = self.binding_for(*key)
        if binding is None:
            return {}
        if positions is not None:
            positions[key] = position
        value, present = binding.value_at(position), values.get(binding.control)
        if binding.control in TRIGGERS or binding.flip:
            pressed = value >= 0.5 and not (before is not None and binding.value_at(before) >= 0.5)
            if not pressed:
                return {}
            return {binding.control: 1.0 if not binding.flip else float(not present)}
        if binding.takeover and present is not None:
            goal = min(max(binding.position_of(float(present)), 0.0), 1.0)
            passed = before is not None and min(before, position) <= goal <= max(before, position)
            # A knob that has hold of its control stands where it left it.
            held = before is not None and abs(before - goal) <= _CLOSE
            if not (passed or held or abs(position - goal) <= _CLOSE):
                return {}
        return {binding.control: value}

    def claims(self, message: bytes) -> bool:
        """Whether `message` turns a knob or calls a preset here, so that the source must not hear it."""
        if len(message) == 3 and message[0] & 0xF0 == 0xB0 and message[2] < 128:
            return self.binding_for((message[0] & 0x0F) + 1, message[1]) is not None
        return self.program(message) is not None

    def program(self, message: bytes) -> str | None:
        """The preset or model that a program change calls, or None."""
        if len(message) != 2 or message[0] & 0xF0 != 0xC0:
            return None
        return self.programs.get(message[1])


class MidiLearner:
    """Waits for the next controller that moves, and binds it: `listen`, then `hear` each message until it is done."""

    def __init__(self) -> None:
        """Nothing is awaited at first."""
        self._wanted: Binding | None = None
        self._any_channel = True
        self._first: dict[tuple[int, int], int] = {}

    @property
    def listening_for(self) -> str | None:
        """The control that waits for its knob, or None."""
        return None if self._wanted is None else self._wanted.control

    def listen(self, binding: Binding, *, any_channel: bool = True) -> None:
        """Bind `binding` to the next controller that moves; any_channel: whichever channel it is on later."""
        self._wanted, self._any_channel = binding, any_channel
        self._first.clear()

    def clear(self) -> None:
        """Await nothing."""
        self._wanted = None
        self._first.clear()

    def hear(self, message: bytes, mapping: MidiMap) -> MidiMap | None:
        """The map with the new binding as soon as `message` shows a moved controller, else None.

        A knob that only trembles by one step is no move; a switch's one message, to an end of its way, is.
        """
        if self._wanted is None or len(message) != 3 or message[0] & 0xF0 != 0xB0:
            return None
        channel, number, value = (message[0] & 0x0F) + 1, message[1], message[2]
        if number in _MODE_MESSAGES or number > 127:
            return None
        first = self._first.setdefault((channel, number), value)
        if value not in {0, 127} and abs(value - first) < 2:
            return None
        learnt = mapping.with_binding(None if self._any_channel else channel, number, self._wanted)
        self.clear()
        return learnt


def is_switch(control: str) -> bool:
    """Whether `control` is on or off: a true-or-false field of `Controls`, mute, record or a plugin's bypass."""
    plugin = _PLUGIN.fullmatch(control)
    if plugin is not None:
        return plugin[2] == "bypass"
    return control in ENGINE_SWITCHES or control in _control_switches()


def limits_of(control: object) -> tuple[float, float] | None:
    """Lowest and highest value of what a binding may turn; None for a plugin's parameter. Raises ConfigError."""
    if isinstance(control, str):
        if control in RANGES:
            return RANGES[control][:2]
        if is_switch(control) or control in TRIGGERS or _TARGET.fullmatch(control):
            return 0.0, 1.0
        if _PLUGIN.fullmatch(control):
            return None
    known = ", ".join((*RANGES, *_control_switches(), *ENGINE_SWITCHES, *TRIGGERS))
    raise ConfigError(
        f"There is nothing named {control!r} to turn by MIDI; choose from {known}, target:NAME, "
        "before.0.PARAMETER or after.0.PARAMETER."
    )


def _control_switches() -> tuple[str, ...]:
    return tuple(name for name, value in Controls().to_mapping().items() if isinstance(value, bool))


def _only(values: object, known: Sequence[str], what: str) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{what[0].upper()}{what[1:]} is {values!r}, but it must be a table of {', '.join(known)}.")
    for name in values:
        if name not in known:
            raise ConfigError(f"There is no {name!r} in {what}; it has {', '.join(known)}.")


def _checked(what: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"A {what} is {value!r}, but it must be a whole number from {low} to {high}.")


def _program_number(text: object) -> int:
    number = int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 3 else text
    _checked("program number", number, 0, 127)
    assert isinstance(number, int)
    return number


def _spelt(key: tuple[object, object]) -> str:
    return f"{key[1]} on any channel" if key[0] is None else f"{key[1]} on channel {key[0]}"
