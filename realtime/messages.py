"""The protocol between a host and its engine process, version 1: JSON texts in a pipe, one message each.

    host ──▶ engine     {"retimbre": 1, "number": 7, "do": "controls", "value": {…}}
    engine ──▶ host     {"retimbre": 1, "reply": 7, "value": …}
                        {"retimbre": 1, "refused": 7, "kind": "ConfigError", "sentence": "…"}
                        {"retimbre": 1, "event": "changed", "sentence": "…", "value": …}

Values are the dataclasses below, as `realtime.plain` writes and checks them. A message that is not understood is
refused with a sentence and changes nothing; `docs/protocol.md` lists every request and event for other hosts. Over 300
lines because a protocol is read best in one piece.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from realtime import errors
from realtime.controls import Controls
from realtime.errors import ConfigError, EngineError, RetimbreError
from realtime.latency import Latency
from realtime.measure import Measured, Measuring
from realtime.meters import Incident, Times
from realtime.midi.midi_map import MidiMap
from realtime.midi.source import SourceSettings
from realtime.plain import from_plain, to_plain
from realtime.plugins.spec import PluginSpec
from realtime.recorder import RecordedSides

PROTOCOL = 1
LONGEST_MESSAGE = 1 << 20
BLOCK_LIMITS = (16, 8192)
RATE_LIMITS_HZ = (8000, 384000)
MOST_SLACK_BLOCKS = 64
LONGEST_PLAYED_S = 24 * 3600.0

Where = Literal["callback", "worker"]
EventKind = Literal[
    "said", "running", "refused", "controls", "press", "program", "learnt", "incident", "measured", "file",
    "plugin", "midi_file", "recording",
]  # fmt: skip
Side = Literal["before", "after"]
FileTo = Literal["input", "output"]
Change = Literal["open", "model", "slack", "block", "plugins", "measurement", "file"]


def _check_beginning(what: str, from_s: float) -> None:
    if not (math.isfinite(from_s) and 0.0 <= from_s <= LONGEST_PLAYED_S):
        raise ConfigError(f"A {what} begins at {from_s:g} s, but it must be from 0 to {LONGEST_PLAYED_S:g} s.")


@dataclass(frozen=True, slots=True)
class MidiSettings:
    """What MIDI does while a stream runs.

    port: the input to open, by name, waited for with `wait` when it is not there; virtual: the name of a port to make
    instead, for others to connect to; file: a standard MIDI file to play instead of a port, from `from_s` on, again and
    again with `loop`; keyboard: no input but what the host sends (an on-screen keyboard), which acts beside the others
    too.
    source: what notes play instead of the sound card's input (with it, with `mixed`); None: notes play nothing.
    map: what controllers turn.
    """

    port: str | None = None
    virtual: str | None = None
    file: Path | None = None
    loop: bool = False
    wait: bool = False
    source: SourceSettings | None = None
    mixed: bool = False
    map: MidiMap = field(default_factory=MidiMap)
    keyboard: bool = False
    from_s: float = 0.0

    def __post_init__(self) -> None:
        _check_beginning("MIDI file", self.from_s)
        given = [name for name in ("port", "virtual", "file", "keyboard") if getattr(self, name) not in (None, False)]
        if len(given) != 1:
            raise ConfigError(
                f"MIDI comes from {' and '.join(given) or 'nowhere'}, but it must come from one of port, virtual, "
                "file or keyboard."
            )


@dataclass(frozen=True, slots=True)
class PlayedFile:
    """A sound file that plays: to "input" in place of what the card hears, or to "output" behind everything.

    loop: again and again, without a seam. from_s: where in it to begin. in_step: begin where the file that plays now
    is, if one does (to compare two takes of one thing): `from_s` is for when none does. Another file that is to begin
    within a quarter of a second of where this one is begins in step too.
    """

    path: Path
    to: FileTo = "input"
    loop: bool = False
    from_s: float = 0.0
    in_step: bool = False

    def __post_init__(self) -> None:
        if self.to not in get_args(FileTo):
            raise ConfigError(f"A file cannot play to {self.to!r:.40}: choose input or output.")
        _check_beginning("file", self.from_s)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What to play through what.

    model: a package's name or folder, or a .nam file. input, output, host_api: names; None is the default. block:
    frames a callback (JACK's server decides instead). rate_hz: of the device; None: the model's where the device can.
    input_channel, output_channel: counted from 1; no output channel: the first two. where: which thread runs the
    model; slack: blocks that a worker may take; None: as measured, and more when it proves too little. before, after:
    plugins around the model. record: a .wav file to be made. headphones: input and output do not hear one another.
    file: a sound file that plays. muted: begin in silence.
    """

    model: str
    controls: Controls = field(default_factory=Controls)
    input: str | None = None
    output: str | None = None
    host_api: str | None = None
    block: int = 128
    rate_hz: int | None = None
    input_channel: int = 1
    output_channel: int | None = None
    where: Literal["auto", "callback", "worker"] = "auto"
    slack: int | None = None
    provider: Literal["auto", "cpu", "cuda"] = "auto"
    before: tuple[PluginSpec, ...] = ()
    after: tuple[PluginSpec, ...] = ()
    midi: MidiSettings | None = None
    record: Path | None = None
    recorded: RecordedSides = "both"
    headphones: bool = False
    file: PlayedFile | None = None
    muted: bool = False

    def __post_init__(self) -> None:
        low, high = BLOCK_LIMITS
        if not low <= self.block <= high:
            raise ConfigError(f"The block is {self.block} frames, but it must be from {low} to {high}.")
        low, high = RATE_LIMITS_HZ
        if self.rate_hz is not None and not low <= self.rate_hz <= high:
            raise ConfigError(f"The rate is {self.rate_hz} Hz, but it must be from {low} to {high} Hz.")
        for name, channel in (("input", self.input_channel), ("output", self.output_channel)):
            if channel is not None and channel < 1:
                raise ConfigError(f"The {name} channel is {channel}, but channels are counted from 1.")
        if self.slack is not None and not 0 <= self.slack <= MOST_SLACK_BLOCKS:
            raise ConfigError(f"The slack is {self.slack} blocks, but it must be from 0 to {MOST_SLACK_BLOCKS}.")


@dataclass(frozen=True, slots=True)
class Running:
    """What a stream that was opened, or whose model changed, turned out to be.

    latency: the law, part by part, in samples at the device's rate. model_warm: times of one model step, measured
    before it was heard. change: what made it so. where, slack: the thread of the model and its blocks of slack; why:
    the reason in a sentence.
    remarks: sentences that the user should read.
    """

    model: str
    title: str
    input: str
    output: str
    host_api: str
    rate_hz: int
    block: int
    model_rate_hz: int
    step_samples: int
    latency: Latency
    where: Where
    slack: int
    why: str
    provider: str
    model_warm: Times
    muted: bool
    remarks: tuple[str, ...]
    change: Change = "open"


@dataclass(frozen=True, slots=True)
class ModelChange:
    """Another model for the stream that runs; `running` or `refused` tells how it went."""

    model: str
    controls: Controls = field(default_factory=Controls)


@dataclass(frozen=True, slots=True)
class Recording:
    """A .wav file to be made, and what goes into it."""

    path: Path
    recorded: RecordedSides = "both"


@dataclass(frozen=True, slots=True)
class PluginChange:
    """One parameter, or `bypass`, of a plugin of a side, counted from 0."""

    side: Side
    index: int
    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Plugins:
    """Other plugins around the model. forgiven: URIs of some that broke and get another chance."""

    before: tuple[PluginSpec, ...] = ()
    after: tuple[PluginSpec, ...] = ()
    forgiven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Learn:
    """Bind `control` to the next controller that moves; None: stop waiting."""

    control: str | None = None
    any_channel: bool = True


REQUESTS: Mapping[str, Any] = MappingProxyType(
    {
        "open": StreamSettings, "controls": Controls, "model": ModelChange, "slack": int | None, "mute": bool,
        "record": Recording | None, "plugins": Plugins, "plugin": PluginChange, "midi": MidiSettings | None,
        "map": MidiMap, "learn": Learn, "send": tuple[int, ...], "file": PlayedFile | None, "panic": None,
        "measure": Measuring, "close": None,
    }
)  # fmt: skip
REPLIES: Mapping[str, Any] = MappingProxyType({"open": Running, "record": str | None})
"""What a reply's value is; None where not named."""
EVENTS: Mapping[EventKind, Any] = MappingProxyType(
    {
        "said": None, "running": Running, "refused": Change, "controls": Controls, "press": str, "program": str,
        "learnt": MidiMap, "incident": Incident, "measured": Measured, "file": Path,
        "plugin": PluginChange, "midi_file": Path, "recording": Path,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """Something the engine must do and answer."""

    number: int
    what: str
    value: Any = None

    def encode(self) -> bytes:
        """As it goes into the pipe."""
        return _encode({"number": self.number, "do": self.what, "value": to_plain(self.value)})


@dataclass(frozen=True, slots=True)
class Reply:
    """It is done; `value` is of the type that `REPLIES` names."""

    number: int
    value: Any = None

    def encode(self) -> bytes:
        """As it goes into the pipe."""
        return _encode({"reply": self.number, "value": to_plain(self.value)})


@dataclass(frozen=True, slots=True)
class Refusal:
    """It could not be done; `kind` names a class of `realtime.errors`."""

    number: int
    kind: str
    sentence: str

    def to_error(self) -> RetimbreError:
        """The error as it was raised in the engine."""
        found = getattr(errors, self.kind, EngineError)
        known = isinstance(found, type) and issubclass(found, RetimbreError)
        return found(self.sentence) if known else EngineError(self.sentence)

    def encode(self) -> bytes:
        """As it goes into the pipe."""
        return _encode({"refused": self.number, "kind": self.kind, "sentence": self.sentence})


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that nobody asked for: its kind, a sentence for the user ("" when there is nothing to say)."""

    kind: EventKind
    sentence: str = ""
    value: Any = None

    def encode(self) -> bytes:
        """As it goes into the pipe."""
        return _encode({"event": self.kind, "sentence": self.sentence, "value": to_plain(self.value)})


def decode_request(data: bytes) -> Request | Refusal:
    """The request, or the refusal to answer it with; never raises."""
    number = 0
    try:
        message = _decode(data)
        number = from_plain(int, message.get("number", 0), "number")
        _only(message, ("number", "do", "value"))
        what = message.get("do")
        if not isinstance(what, str) or what not in REQUESTS:
            raise EngineError(f"There is no request {what!r:.60}: known are {', '.join(REQUESTS)}.")
        return Request(number, what, from_plain(REQUESTS[what], message.get("value"), what))
    except RetimbreError as error:
        return Refusal(number, type(error).__name__, str(error))


def decode_answer(data: bytes, asked: str | None) -> Reply | Refusal | Event:
    """What the engine says; `asked`: what a reply answers. Raises `RetimbreError` for what is none of it."""
    message = _decode(data)
    if "reply" in message:
        _only(message, ("reply", "value"))
        kind = REPLIES.get(asked or "")
        return Reply(from_plain(int, message["reply"], "reply"), from_plain(kind, message.get("value"), "value"))
    if "refused" in message:
        _only(message, ("refused", "kind", "sentence"))
        number = from_plain(int, message["refused"], "refused")
        words = [from_plain(str, message.get(name), name) for name in ("kind", "sentence")]
        return Refusal(number, *words)
    _only(message, ("event", "sentence", "value"))
    event: EventKind = from_plain(EventKind, message.get("event"), "event")
    sentence = from_plain(str, message.get("sentence", ""), "sentence")
    return Event(event, sentence, from_plain(EVENTS[event], message.get("value"), "value"))


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps({"retimbre": PROTOCOL, **message}).encode()


def _decode(data: bytes) -> dict[str, Any]:
    if len(data) > LONGEST_MESSAGE:
        raise EngineError(f"A message is {len(data)} bytes long, but it may have {LONGEST_MESSAGE} at most.")
    try:
        message = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise EngineError(f"A message is no JSON text ({type(error).__name__}): send one object a message.") from None
    if not isinstance(message, dict) or message.get("retimbre") != PROTOCOL:
        raise EngineError(f'A message must be an object with "retimbre": {PROTOCOL}, the version of the protocol.')
    del message["retimbre"]
    return message


def _only(message: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in message:
        if key not in known:
            raise EngineError(f"A message has an unknown key {key[:60]!r}: known are {', '.join(known)}.")


assert set(EVENTS) == set(get_args(EventKind))
