"""MIDI through JACK, exact to the sample: its process callback is compiled, so it never waits for Python.

    JACK's thread:  port buffer ─▶ (frame of the message, bytes) ─▶ ring ─▶ collect in the audio thread, any time later

The callback (`_process`) is machine code made by numba: it calls libjack and copies into a ring of numbers, without the
interpreter and its lock, so a busy Python thread delays neither JACK's cycle nor a note. The messages of a cycle sound
in the next one at the same place (`FrameClock`). The ring has one writer and one reader; counts only rise.

JACK-Client offers clients, ports and connections, but only Python callbacks; so the compiled one is set through libjack
directly, with the pointers that JACK-Client holds.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from realtime.audio_io import quiet_stderr
from realtime.errors import DeviceError
from realtime.midi.clock import FrameClock
from realtime.midi.ports import RESET, PortInput, matching
from realtime.midi.source import MidiEvent

_RING = 4096


def _module() -> Any | None:
    """JACK-Client, or None where it or libjack is missing."""
    if sys.platform != "linux":
        return None
    try:
        import jack  # opens libjack, which not every machine has
    except (ImportError, OSError):
        return None
    return jack


@contextlib.contextmanager
def _visitor() -> Iterator[Any | None]:
    """A client that only looks round; None where no server runs."""
    jack = _module()
    client = None
    if jack is not None:
        # A server that is not there is no error here, but libjack says so on stderr.
        with quiet_stderr(), contextlib.suppress(jack.JackError):
            client = jack.Client("retimbre-look", no_start_server=True)
    try:
        yield client
    finally:
        if client is not None:
            client.close()


def is_running(rate_hz: int | None = None) -> bool:
    """Whether a JACK server runs, and at this rate when one is given."""
    with _visitor() as client:
        return client is not None and rate_hz in {None, client.samplerate}


def port_names() -> list[str]:
    """Full names of the MIDI ports that send; empty without a server."""
    with _visitor() as client:
        return [] if client is None else [port.name for port in client.get_ports(is_midi=True, is_output=True)]


class JackInput(PortInput):
    """A MIDI port of our own on the JACK server, connected to the port named, if one is."""

    _CHECK_S = 0.5
    _TOO_MANY = "while nothing played"

    def __init__(self, source: str | None, client_name: str) -> None:
        """source: the port to hear, which need not be there yet. Raises DeviceError without a server."""
        super().__init__(source, f"{client_name}:midi")
        self._client_name = client_name
        self._clock = FrameClock()
        self._read = 0
        self._ended = False
        self._open()
        self._look()

    def _open(self) -> None:
        jack = _module()
        if jack is None:
            raise DeviceError(
                "MIDI through JACK needs libjack: install it (on Debian and Ubuntu `apt install jackd2`)."
            )
        from realtime.midi import jack_kernel as kernel  # compiles, or reads its cache

        try:
            with quiet_stderr():
                client = jack.Client(self._client_name, no_start_server=True)
        except jack.JackError:
            raise DeviceError("No JACK server runs: start one, or use MIDI without JACK (--host-api).") from None
        client.set_shutdown_callback(self._on_shutdown)
        self._port = client.midi_inports.register("midi")
        # The pointers behind JACK-Client's objects.
        self._pointer = int(jack._ffi.cast("intptr_t", client._ptr))  # noqa: SLF001
        port_pointer = int(jack._ffi.cast("intptr_t", self._port._ptr))  # noqa: SLF001
        self._numbers = kernel.new_numbers(self._pointer, port_pointer, _RING)
        self._shared = self._numbers.data
        library = kernel.library()
        library.jack_set_process_callback(self._pointer, kernel.process_address(), self._numbers.ctypes.data)
        # This one keeps Python's lock: giving it up inside the audio thread would mean waiting to have it back.
        self._cycle_of = kernel.last_frame_time()
        self._written_at, self._period_at, self._first = kernel.WRITTEN, kernel.PERIOD, kernel.FIRST
        self._read = 0
        self._client = client
        client.activate()

    def collect(self, frames: int) -> list[MidiEvent]:
        """The messages of the cycle before, each at its own place. Audio thread."""
        shared, clock, read = self._shared, self._clock, self._read
        clock.begin(self._cycle_of(self._pointer), frames, shared[self._period_at])
        self.delay_samples = clock.delay_samples
        written = shared[self._written_at]
        events = self._begin()
        if written == read:
            return events
        if written - read > _RING:
            # Nobody read for long; the oldest are overwritten, and a note-off may be among them.
            self._lost += written - read - _RING // 2
            read = written - _RING // 2
            events.append((0, RESET))
        while read < written:
            place = self._first + 2 * (read % _RING)
            offset = clock.offset(shared[place])
            if offset >= frames:
                break
            self._hand_out(events, offset, _unpacked(shared[place + 1]), frames)
            read += 1
        self._read = read
        return events

    def drain(self) -> list[bytes]:
        """Everything that came since the last call, for a monitor."""
        written = self._shared[self._written_at]
        begin = max(self._read, written - _RING)
        self._read = written
        return [_unpacked(self._shared[self._first + 2 * (k % _RING) + 1]) for k in range(begin, written)]

    def close(self) -> None:
        """Leave the server."""
        if not self._ended:
            self._client.deactivate(ignore_errors=True)
        self._client.close(ignore_errors=True)

    def _look(self) -> None:
        """Connect to the source when it is there and not connected; notice when it is gone."""
        if self._ended or self._source is None:
            return
        jack = _module()
        assert jack is not None
        try:
            connected = any(port.name == self._source for port in self._port.connections)
            if not connected:
                ports = self._client.get_ports(is_midi=True, is_output=True)
                meant = matching([port.name for port in ports], self._source)
                if len(meant) == 1:
                    self._client.connect(meant[0], self._port)
                    # From now on this very port, not another that the same part of a name would fit.
                    self._source = self.name = meant[0]
                    connected = True
        except jack.JackError:
            connected = False
        self._found(connected)

    def _on_shutdown(self, _status: object, reason: str) -> None:
        # A thread of JACK's: only notes it down.
        self._ended = self._panic = True
        self._sentences.append(f"The JACK server ended ({reason or 'no reason given'}): MIDI rests until it is there.")


def _unpacked(packed: int) -> bytes:
    return (packed & 0xFFFFFF).to_bytes(3, "little")[: packed >> 24]
