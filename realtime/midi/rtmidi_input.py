"""MIDI through rtmidi: ALSA, Core MIDI, Windows, and JACK where the sound itself runs elsewhere.

    driver's thread: (message, interval) ─▶ when it came, in seconds ─▶ deque ─▶ collect in the audio thread (TimeClock)

These interfaces know no sample clock, so a message's place in the sound follows from when it came: one block and a
millisecond later, with the jitter of the driver's own times. The deque takes and gives without locks of ours; it is
bounded, and when a storm fills it the newest are dropped, counted, and notes that may hang are ended. A port that
vanishes is looked for by name and opened again.
"""

from __future__ import annotations

import sys
from collections import deque
from time import perf_counter
from typing import Any

from realtime.audio_io import quiet_stderr
from realtime.errors import DeviceError
from realtime.midi.clock import ArrivalTimes, TimeClock
from realtime.midi.ports import RESET, PortInput, is_channel_message, matching
from realtime.midi.source import MidiEvent

JACK_API = "JACK through rtmidi"
_DEFAULTS = {"linux": "ALSA", "darwin": "Core MIDI", "win32": "Windows"}
_CONSTANTS = {
    "ALSA": "API_LINUX_ALSA",
    "Core MIDI": "API_MACOSX_CORE",
    "Windows": "API_WINDOWS_MM",
    JACK_API: "API_UNIX_JACK",
}
_MOST_WAITING = 4096
_MOST_IN_A_BLOCK = 1024


def default_api() -> str:
    """The interface of this operating system."""
    return _DEFAULTS.get(sys.platform, "ALSA")


def apis() -> list[str]:
    """The interfaces, besides JACK, whose ports are worth listing here."""
    return [default_api()]


def _new_client(api: str, name: str) -> Any:
    """An rtmidi input. Raises DeviceError where the interface is not to be had."""
    try:
        import rtmidi

        constant = getattr(rtmidi, _CONSTANTS[api])
        with quiet_stderr():
            return rtmidi.MidiIn(rtapi=constant, name=name)
    # A SystemError is what rtmidi gives where the interface's device is missing (no /dev/snd/seq).
    except (ImportError, OSError, RuntimeError, SystemError) as error:
        raise DeviceError(f"MIDI through {api} is not to be had on this machine ({error}).") from None


def port_names(api: str) -> list[str]:
    """Names of the ports that send; empty where the interface is not to be had."""
    try:
        client = _new_client(api, "retimbre-look")
    except DeviceError:
        return []
    try:
        return _names_seen_by(client)
    finally:
        client.delete()


def _names_seen_by(client: Any) -> list[str]:
    try:
        return [str(name) for name in client.get_ports() or ()]
    except (OSError, RuntimeError, SystemError, UnicodeError):
        return []


class RtMidiInput(PortInput):
    """The port named, or a virtual port of our own."""

    _CHECK_S = 1.0
    _TOO_MANY = "faster than sound"

    def __init__(self, source: str | None, api: str, client_name: str, rate_hz: int) -> None:
        """source: the port to hear, which need not be there yet; None opens a virtual port. Raises DeviceError."""
        super().__init__(source, client_name)
        self._api = api
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._clock, self._times = TimeClock(rate_hz), ArrivalTimes()
        self._client = _new_client(api, client_name)
        self._client.ignore_types(sysex=True, timing=True, active_sense=True)
        self._client.set_callback(self._hear)
        if source is None:
            self._open_virtual(client_name)
        else:
            self._look()

    def collect(self, frames: int) -> list[MidiEvent]:
        """The messages whose time has come, each at its place. Audio thread."""
        clock, waiting = self._clock, self._waiting
        clock.begin(perf_counter(), frames)
        self.delay_samples = clock.delay_samples
        events = self._begin()
        while waiting and len(events) < _MOST_IN_A_BLOCK:
            offset = clock.offset(waiting[0][0])
            if offset >= frames:
                break
            self._hand_out(events, offset, waiting.popleft()[1], frames)
        return events

    def drain(self) -> list[bytes]:
        """Everything that came since the last call, for a monitor."""
        return [self._waiting.popleft()[1] for _ in range(len(self._waiting))]

    def close(self) -> None:
        """Let the port go."""
        self._client.cancel_callback()
        self._client.close_port()
        self._client.delete()

    def _hear(self, event: tuple[list[int], float], _data: object = None) -> None:
        """One message; the driver's thread. Nothing may be raised here."""
        heard = perf_counter()
        numbers, interval = event
        stamp = self._times.stamp(heard, max(interval, 0.0))
        if not 0 < len(numbers) <= 3:
            return
        message = bytes(number & 0xFF for number in numbers)
        if not (is_channel_message(message) or message == RESET):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            self._panic = True
        else:
            self._waiting.append((stamp, message))

    def _open_virtual(self, name: str) -> None:
        try:
            with quiet_stderr():
                self._client.open_virtual_port("midi")
        except (NotImplementedError, OSError, RuntimeError, SystemError):
            self._client.delete()
            raise DeviceError(
                f"A virtual MIDI port {name!r} cannot be made through {self._api}: name a port instead "
                "(on Windows a loopback driver such as loopMIDI offers one)."
            ) from None

    def _look(self) -> None:
        """Open the source when it is there, let it go when it is not."""
        if self._source is None:
            return
        names = _names_seen_by(self._client)
        meant = matching(names, self._source)
        place = names.index(meant[0]) if len(meant) == 1 else None
        was_open = self._there is True
        if place is not None and not was_open:
            try:
                with quiet_stderr():
                    self._client.open_port(place)
                # From now on this very port, not another that the same part of a name would fit.
                self._source = self.name = names[place]
            except (OSError, RuntimeError, SystemError):
                place = None
        elif place is None and was_open:
            self._client.close_port()
        self._found(place is not None)
