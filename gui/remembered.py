"""What is restored at start: the whole stream, preset, setlist, takes folder, OSC, as they were left.

    memory ──▶ remembered_settings ──▶ Bridge          at start
    Bridge ── state_changed ──▶ Remembering ──▶ memory  a moment after a change

GUI thread; reading costs a millisecond.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QObject, QTimer

from gui.session_work import kept
from realtime.errors import RetimbreError
from realtime.messages import MidiSettings, StreamSettings
from realtime.plain import from_plain, to_plain

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory

SETTINGS, PRESET, POSITION, SETLIST = "live.settings", "live.preset", "live.position", "live.setlist"
POWER, START_ON, TAKES = "live.power", "start.power", "takes.folder"
OSC, OSC_PORT, OSC_NETWORK = "osc.on", "osc.port", "osc.network"
WRITE_MS: Final = 400


def remembered_settings(memory: Memory) -> tuple[StreamSettings, str]:
    """What the stream was, and a sentence where that could not be read; by default the shipped voice."""
    plain: Any = memory.get(SETTINGS, None)
    if plain is None:
        return _first_settings(), ""
    try:
        settings = kept(from_plain(StreamSettings, plain, "The remembered stream"), None)
    except RetimbreError as error:
        try:
            aside = memory.put_aside(SETTINGS)
        except OSError:
            return _first_settings(), f"{error} The stream starts afresh."
        return _first_settings(), f"{error} The stream starts afresh; what was remembered is kept in {aside}."
    return settings, ""


def _first_settings() -> StreamSettings:
    from realtime.package import default_package_name

    return StreamSettings(default_package_name())


class Remembering(QObject):
    """Writes what the bridge has become into the memory."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QObject | None = None) -> None:
        """bridge: whose state is kept, from now on."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WRITE_MS)
        self._timer.timeout.connect(self.write)
        bridge.state_changed.connect(self._later)
        bridge.controls_changed.connect(self._later)

    def _later(self, _: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def write(self) -> None:
        """Keep what is now."""
        state: LiveState = self._bridge.state
        self._memory.set(SETTINGS, to_plain(kept(state.settings, self._midi_before(state.settings))))
        self._memory.set(PRESET, state.preset)
        self._memory.set(POSITION, state.position)
        path = state.setlist.path if state.setlist is not None else None
        name = state.setlist.name if state.setlist is not None else ""
        self._memory.set(SETLIST, str(path) if path is not None else name)
        self._memory.set(POWER, state.power != "off")
        self._memory.set(TAKES, self._bridge.takes_folder)

    def _midi_before(self, settings: StreamSettings) -> MidiSettings | None:
        """Where messages came from before a MIDI file that plays now, which is what was kept until then."""
        if settings.midi is None or settings.midi.file is None:
            return None
        return remembered_settings(self._memory)[0].midi


def restore(bridge: Bridge, memory: Memory) -> None:
    """Preset, setlist, takes folder and OSC as they were; the setlist is read in the background."""
    bridge.takes_folder = memory.get(TAKES, bridge.takes_folder)
    setlist, position = memory.get(SETLIST, ""), memory.get(POSITION, 0)
    bridge.resume(memory.get(PRESET, ""))
    if memory.get(OSC, False):
        hear_osc(bridge, memory)
    if setlist:
        from realtime.presets.library import resolve_setlist

        named: str | Path = Path(setlist) if setlist.endswith(".toml") else setlist
        bridge.in_background(lambda: resolve_setlist(named), lambda found: bridge.set_setlist(found, position))


def hear_osc(bridge: Bridge, memory: Memory) -> None:
    """Let other programs in, or no more, as is remembered."""
    if memory.get(OSC, False):
        from realtime.remote.osc import DEFAULT_PORT  # late: few ask for it, and starting is quick

        bridge.hear_osc(memory.get(OSC_PORT, DEFAULT_PORT), network=memory.get(OSC_NETWORK, False))
    else:
        bridge.hear_osc(None)
