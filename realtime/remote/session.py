"""What may be done to a live session from afar: the protocol that a session fulfils, and the table of addresses.

    OSC datagram ─▶ osc.OscServer ─▶ control.RemoteControl ─▶ Remote (the live session) ─▶ Host ─▶ engine

Every refusal is a `RetimbreError` with one sentence, which is sent to who asked. A `Remote` is called on ONE thread:
the one that calls `OscServer.serve`, which should be the one that owns the session and its `Host`: nothing locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from realtime.controls import Controls
from realtime.meters import Snapshot
from realtime.plugins.spec import PluginSpec

Place = Literal["before", "after"]
Argument = bool | int | float | str
Answer = tuple[str, tuple[Argument, ...]]
"""(address, arguments) of one message to send back."""

ROOT = "/retimbre"


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What is playing now, for those who ask.

    targets: names in the order of the package. before, after: the plugins, with the parameters that were set.
    preset: its name, empty without one. position: its place in the setlist from 1, 0 without a setlist; songs: how many
    the setlist has. recording: the file being written. latency_ms: of everything between the two ends of the stream.
    """

    model: str
    targets: tuple[str, ...]
    controls: Controls
    before: tuple[PluginSpec, ...] = ()
    after: tuple[PluginSpec, ...] = ()
    preset: str = ""
    position: int = 0
    songs: int = 0
    muted: bool = False
    recording: Path | None = None
    latency_ms: float = 0.0


class Remote(Protocol):
    """A live session as it is seen from afar.

    Called on one thread only, that of `OscServer.serve`. What cannot be done raises a `RetimbreError`; its sentence is
    sent to who asked. `state` and `snapshot` are called often (10 times a second) and must not wait.
    """

    def state(self) -> RemoteState:
        """What is playing."""
        ...

    def snapshot(self) -> Snapshot:
        """What the meters show."""
        ...

    def change_controls(self, changes: Mapping[str, Any]) -> None:
        """Replace the named fields of `Controls`; the values are checked already. `target` comes as a tuple."""
        ...

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        ...

    def record(self, path: Path | None) -> str | None:
        """Begin to record into this new .wav file, or end with None; a sentence when the one that ended has lost."""
        ...

    def load_model(self, name: str) -> None:
        """Play through another model package, with the controls as they are."""
        ...

    def load_preset(self, which: str | int) -> None:
        """Load a preset by its name, or by its place in the setlist, from 1."""
        ...

    def step_preset(self, by: int) -> None:
        """Go so many places on in the setlist; past an end nothing changes."""
        ...

    def set_plugin_parameter(self, place: Place, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin; `index` is there."""
        ...

    def set_plugin_bypass(self, place: Place, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in; `index` is there."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """One row of the table: capitals in `path` stand for a word; `arguments` in OSC's letters, `?` where optional."""

    path: str
    arguments: str
    meaning: str


ADDRESSES: tuple[Address, ...] = (
    Address("/control/NAME", "f", "Turn a control of the chain (`mix`, `input_gain_db`, …); a switch takes 0 or 1."),
    Address("/bypass", "i", "The control `bypass`: 1 lets the delayed input through."),
    Address("/target/NAME", "f", "The weight of one target beside the others."),
    Address("/target", "s", "One target alone, or a blend: `violin=0.7,flute=0.3`."),
    Address("/blend", "f…", "The weights of all targets, in the order of the package."),
    Address("/mute", "i", "1 silences the output, 0 lets it sound."),
    Address("/record", "s or i", "A name begins NAME.wav among the recordings, 1 a file named by the time, 0 ends."),
    Address("/preset", "s or i", "Load a preset by name, or by its place in the setlist, from 1."),
    Address("/next", "", "The next preset of the setlist."),
    Address("/previous", "", "The previous preset of the setlist."),
    Address("/model", "s", "Play through another model package."),
    Address("/plugin/PLACE/NUMBER/PARAMETER", "f", "A plugin's parameter: PLACE `before` or `after`, NUMBER from 0."),
    Address("/plugin/PLACE/NUMBER/bypass", "i", "1 takes a plugin out of the way."),
    Address("/status", "", "Answers with every value that there is, `/retimbre/now/…` and `/retimbre/meter/…`."),
    Address("/subscribe", "f?", "Meters ten times a second and what changes, for so many seconds (10, at most 60)."),
    Address("/unsubscribe", "", "No more of them."),
    Address("/ping", "", "Answers `/retimbre/pong` with the program's version."),
)  # fmt: skip
# What is only ever sent: when it comes in (an echo, another server) it is passed over, lest two answer for ever.
OUTGOING = ("now", "meter", "pong", "error", "event")
