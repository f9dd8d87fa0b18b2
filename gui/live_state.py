"""What the app knows of the live stream, and what it tells the player: immutable values, sent by the bridge.

    session thread ──▶ Bridge ──▶ LiveState (what is) ──▶ every widget
                              └─▶ Notice (one sentence, in the place where it happened)

Made on any thread, read on the GUI thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.messages import Running, StreamSettings
from realtime.presets.setlist import Setlist

Power = Literal["off", "opening", "on", "waiting"]
Place = Literal["play", "source", "chain", "convert", "train", "setlist", "settings", "everywhere"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the player.

    place: the panel that shows it; "everywhere": below the header. action: the words of its button, "" for none; do:
    what the button does, on the GUI thread.
    """

    text: str
    place: Place = "everywhere"
    severity: Severity = "info"
    action: str = ""
    do: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live stream as it is wanted and as it is.

    settings: what is wanted, also while the power is off. power: "waiting" means that the stream was lost and is being
    opened again. running: what was opened; None while the power is off or opening. targets: the names that the model
    has, in the order of its package. preset: its name, "" for none. position: the place in the setlist from 1, 0
    before the first. recording: the file being written. learning: the control that waits for a MIDI controller.
    osc_port: where OSC is heard, 0 for nowhere. busy: "" or words such as "Opening…".
    """

    settings: StreamSettings
    power: Power = "off"
    running: Running | None = None
    targets: tuple[str, ...] = ()
    preset: str = ""
    setlist: Setlist | None = None
    position: int = 0
    muted: bool = False
    recording: Path | None = None
    learning: str | None = None
    osc_port: int = 0
    busy: str = ""

    @property
    def sounding(self) -> bool:
        """Whether the stream is open now."""
        return self.power == "on"
