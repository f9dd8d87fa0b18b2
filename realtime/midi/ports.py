"""MIDI ports: which there are, which one is meant, and an input whose messages come with their place in the block.

    port ─▶ driver's thread ─▶ ring ─▶ collect(frames), audio thread ─▶ [(offset in the block, message), …]
                                          └─▶ overheard(), control thread: controllers and programs, for a MidiMap

On Linux with a JACK server ports are opened through JACK itself (`jack_input`), whose messages keep their frame inside
the period; everything else goes through rtmidi (`rtmidi_input`). Opening, listing, `problems` and `close` belong to a
control thread; only `collect` belongs to the audio thread. A port that goes away is waited for and opened again by
name, and what it left sounding is ended.
"""

from __future__ import annotations

import difflib
import re
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from realtime.errors import ConfigError, DeviceError
from realtime.midi.source import MidiEvent

JACK = "JACK"
RESET = b"\xff"
"""MIDI's system reset: what an input hands out when notes may hang, and what every source takes as silence."""
# A port's number in its name, which ALSA (and a2jmidid, in brackets) and Windows give and change at will; elsewhere a
# number is the name's own.
_NUMBERS = {"linux": re.compile(r"\s+\d+:\d+$|\s\[\d+\](?=\s)"), "win32": re.compile(r"\s+\d+$")}


@dataclass(frozen=True, slots=True)
class MidiPort:
    """A port that sends notes, by its name and the interface that offers it (JACK, ALSA, Core MIDI, Windows)."""

    name: str
    api: str


class MidiInput(ABC):
    """Where messages come from: a port, a file or the host."""

    def __init__(self, name: str) -> None:
        """name: as a sentence calls it."""
        self.name = name
        self.delay_samples = 0
        """From a message to its place in the sound, the same for all; known after the first block."""
        self._overheard: deque[bytes] = deque(maxlen=512)

    @abstractmethod
    def collect(self, frames: int) -> list[MidiEvent]:
        """The messages of the coming block of `frames`, offsets rising. Audio thread; never raises or waits."""

    def overheard(self) -> list[bytes]:
        """Controllers and program changes collected since the last call, for a `MidiMap`. Control thread."""
        return [self._overheard.popleft() for _ in range(len(self._overheard))]

    def problems(self) -> list[str]:
        """Sentences on what happened since the last call; a port opens itself again here. Control thread, any time."""
        return []

    def close(self) -> None:
        """Let go of what is held. Not while `collect` may run."""
        return

    def _overhear(self, message: bytes) -> None:
        """Keep what a `MidiMap` may want. Audio thread."""
        if message[0] & 0xF0 in {0xB0, 0xC0}:
            self._overheard.append(message)


class PortInput(MidiInput):
    """An input from a port, which may come and go: what is the same for every interface."""

    _CHECK_S: ClassVar[float]
    """How often the port is looked for."""
    _TOO_MANY: ClassVar[str]
    """When messages are lost: they came "…" and were dropped."""

    def __init__(self, source: str | None, own_name: str) -> None:
        """source: the port to hear, which need not be there yet; None: only our own, of that name."""
        super().__init__(source or own_name)
        self._source = source
        self._sentences: deque[str] = deque(maxlen=32)
        self._lost = 0
        self._panic = False  # notes may hang: the next block ends them
        self._checked_s = 0.0
        self._there: bool | None = None

    @abstractmethod
    def drain(self) -> list[bytes]:
        """Everything that came since the last call, at once, for a monitor; not beside `collect`."""

    def problems(self) -> list[str]:
        """What happened to the port; also looks for it again. Control thread, as often as liked."""
        now = time.monotonic()
        if now - self._checked_s >= self._CHECK_S:
            self._checked_s = now
            self._look()
        if self._lost:
            self._sentences.append(f"{self._lost} MIDI messages of {self.name} came {self._TOO_MANY} and were dropped.")
            self._lost = 0
        return [self._sentences.popleft() for _ in range(len(self._sentences))]

    @abstractmethod
    def _look(self) -> None:
        """Open the source when it is there and not open; `_found` tells what came of it."""

    def _begin(self) -> list[MidiEvent]:
        """The events of a block that begins: an end of all notes where some may hang. Audio thread."""
        if not self._panic:
            return []
        self._panic = False
        return [(0, RESET)]

    def _hand_out(self, events: list[MidiEvent], offset: int, message: bytes, frames: int) -> None:
        """One message more of this block, never before the one that came before it. Audio thread."""
        earliest = events[-1][0] if events else 0
        events.append((min(max(offset, earliest), max(frames - 1, 0)), message))
        self._overhear(message)

    def _found(self, there: bool) -> None:
        """Say when the port has gone, and when it is back."""
        if there == self._there:
            return
        if not there:
            self._panic = self._panic or self._there is True
            self._sentences.append(f"The MIDI port {self._source} is not there; it is opened as soon as it is.")
        elif self._there is not None:
            self._sentences.append(f"The MIDI port {self._source} is there.")
        self._there = there


def is_channel_message(message: bytes) -> bool:
    """Whether `message` is one whole message of a channel: note, pressure, controller, program or bend."""
    if not message or not 0x80 <= message[0] < 0xF0:
        return False
    return len(message) == (2 if message[0] & 0xE0 == 0xC0 else 3) and max(message[1:]) < 0x80


def list_ports() -> list[MidiPort]:
    """Every port that sends, JACK's first; empty where there is none. Raises nothing: no MIDI is no ports."""
    from realtime.midi import jack_input, rtmidi_input

    ports = [MidiPort(name, JACK) for name in jack_input.port_names()]
    return ports + [MidiPort(name, api) for api in rtmidi_input.apis() for name in rtmidi_input.port_names(api)]


def open_input(
    port: str | None,
    *,
    virtual_name: str | None = None,
    rate_hz: int,
    jack: bool | None = None,
    wait: bool = False,
) -> PortInput:
    """Open the port that `port` names, wholly or by a part that only one has; None: only a port of our own.

    virtual_name: the name of our own port, to which others connect; through JACK there is one in any case. jack:
    whether the sound runs on the JACK server, so that its frames are the sound's own; None asks whether there is a
    server at the rate. wait: a port that is not there yet is waited for. Raises DeviceError or ConfigError.
    """
    from realtime.midi import jack_input, rtmidi_input

    if port is None and virtual_name is None:
        raise ConfigError("No MIDI port is named: name one of `retimbre midi ports`, or a virtual port.")
    if virtual_name is not None and (not virtual_name.strip() or len(virtual_name) > 32 or ":" in virtual_name):
        raise ConfigError(f"The virtual MIDI port {virtual_name!r} needs a name of 1 to 32 letters without a colon.")
    through_jack = jack_input.is_running(rate_hz) if jack is None else jack
    if port is None:
        if through_jack:
            return jack_input.JackInput(None, virtual_name or "retimbre")
        return rtmidi_input.RtMidiInput(None, rtmidi_input.default_api(), virtual_name or "retimbre", rate_hz)
    ports = list_ports()
    try:
        chosen = choose_port(ports, port, prefer=JACK if through_jack else None)
    except DeviceError:
        if not wait:
            raise
        chosen = MidiPort(port, JACK if through_jack else rtmidi_input.default_api())
    if chosen.api == JACK and through_jack:
        return jack_input.JackInput(chosen.name, virtual_name or "retimbre")
    api = rtmidi_input.JACK_API if chosen.api == JACK else chosen.api
    return rtmidi_input.RtMidiInput(chosen.name, api, virtual_name or "retimbre", rate_hz)


def choose_port(ports: list[MidiPort], name: str, *, prefer: str | None = None) -> MidiPort:
    """The port that `name` means: its whole name, its name without a number, or a part that only one has.

    prefer: the interface that wins when several offer the port. Raises DeviceError with what there is.
    """
    ordered = sorted(ports, key=lambda port: port.api != prefer) if prefer else ports
    meant = matching([port.name for port in ordered], name)
    if len(meant) == 1:
        return next(port for port in ordered if port.name == meant[0])
    if meant:
        raise DeviceError(f"{name!r} means several MIDI ports ({', '.join(meant)}): give more of the name.")
    if not ports:
        raise DeviceError(
            f"There is no MIDI port {name!r}, nor any other: plug a keyboard in, or use a virtual port"
            f"{' (on Linux, bridge ALSA to JACK with a2jmidid)' if sys.platform == 'linux' else ''}."
        )
    names = list(dict.fromkeys(port.name for port in ports))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}" if near else f"choose from {', '.join(names)}"
    raise DeviceError(f"There is no MIDI port {name!r}: {advice} (`retimbre midi ports` lists them).")


def matching(names: Sequence[str], wanted: str) -> list[str]:
    """Which of `names` are meant: that very name, else the same without its number, else all that hold it as a part.

    Ports that differ in their number alone are one; the first of them is given.
    """
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted,
        lambda name: without_number(name) == without_number(wanted),
        lambda name: wanted.casefold() in name.casefold(),
    )
    for test in tests:
        found = {without_number(name): name for name in reversed(names) if test(name)}
        if found:
            return list(found.values())[::-1]
    return []


def without_number(name: str) -> str:
    """A port's name without the number that its interface may change."""
    number = _NUMBERS.get(sys.platform)
    return name if number is None else number.sub("", name)
