"""The other end of a soak: a JACK client that plays, hears, counts and compares, in a process of its own.

    auditor ─▶ engine ─▶ auditor        keys ─▶ the engine's MIDI port

It plays a sound that it knows, counts every frame that the server asks for, hears whether what comes back is finite and
within full scale, compares a second of it with what was played when it is told to, and sends storms of MIDI. Its
process callback is JACK's thread; it is told what to do through shared memory.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import EngineError
from realtime.family import end_with_parent

FloatArray = NDArray[np.float32]

KEYS = "soak-keys"
"""The engine's MIDI port."""
_START_S = 60.0
_STATUSES = (0x80, 0x90, 0xB0, 0xC0, 0xE0, 0xF0, 0x00)
_MOST_NOTES, _ALL_SOUND_OFF = 40, 120
_OUTPUT_PORT = "_1"  # the second: the engine is told to play there


class Auditor:
    """A JACK client in a process of its own, and what it has counted, in shared memory."""

    NUMBERS = ("frames", "not_finite", "too_loud", "heard_sound", "xruns", "compared", "differed")

    def __init__(self, rate_hz: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._memory = context.RawArray("d", len(self.NUMBERS))
        self._stop = context.Event()
        self._ready = context.Event()
        self._period = context.RawValue("i", 0)
        self._freewheel = context.RawValue("i", -1)
        self._compare = context.RawValue("i", 0)
        self._storm = context.RawValue("i", 0)
        self._process = context.Process(
            target=_audit,
            args=(
                self._memory,
                self._ready,
                self._stop,
                self._period,
                self._freewheel,
                self._compare,
                self._storm,
                rate_hz,
            ),
            daemon=True,
        )
        self._process.start()
        if not self._ready.wait(_START_S):
            raise EngineError("The auditor did not join the JACK server: try again when the machine is idle.")

    def __getitem__(self, name: str) -> int:
        return int(self._memory[self.NUMBERS.index(name)])

    def set_period(self, frames: int) -> None:
        """Ask the server for another period."""
        self._period.value = frames

    def set_freewheel(self, on: bool) -> None:
        """Let the server run free of the clock, or by it."""
        self._freewheel.value = int(on)

    @property
    def obeyed(self) -> bool:
        """Whether the server runs as it was last told."""
        return bool(self._freewheel.value < 0)

    def compare(self) -> None:
        """Compare a second of what comes back with what was played; `comparing` tells when it is done."""
        self._compare.value = 1

    def storm(self, messages: int) -> None:
        """Send so many random messages to the engine's MIDI port, -1: the end of all notes; `storming` tells it."""
        self._storm.value = messages

    @property
    def storming(self) -> bool:
        """Whether messages are still on their way."""
        return bool(self._storm.value)

    @property
    def comparing(self) -> bool:
        """Whether that second is not over yet."""
        return bool(self._compare.value)

    def close(self) -> None:
        """Leave the server."""
        self._stop.set()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _audit(
    memory: Any, ready: Any, stop: Any, period: Any, freewheel: Any, compare: Any, storm: Any, rate_hz: int
) -> None:
    """The auditor's process."""
    import jack

    end_with_parent()
    numbers = np.frombuffer(memory, np.float64)
    client = jack.Client("auditor", no_start_server=True)
    speak, listen = client.outports.register("out"), client.inports.register("in")
    keys = client.midi_outports.register("keys")
    rubbish = np.random.default_rng(0).integers(0, 128, (4096, 3), dtype=np.uint8)
    rubbish[:, 0] |= np.random.default_rng(1).choice(np.array(_STATUSES, np.uint8), 4096)
    messages = [row.tobytes() for row in rubbish]
    sound = _sound(rate_hz)
    place = 0
    kept = np.zeros((2, rate_hz), np.float32)
    filled = 0
    free = False

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(_frames: int) -> None:
        nonlocal place, filled
        heard, out = listen.get_array(), speak.get_array()
        frames = out.size  # while the period changes the two differ
        if place + frames > sound.size:
            place = 0
        out[:] = sound[place : place + frames]
        place += frames
        power = float(np.dot(heard, heard))
        if not np.isfinite(power):
            numbers[1] += 1
        elif power > 0.0:
            numbers[3] += frames
            if float(np.abs(heard).max()) > 1.0:
                numbers[2] += 1
        numbers[0] += frames
        keys.clear_buffer()
        if storm.value < 0:
            for channel in range(16):
                keys.write_midi_event(0, bytes((0xB0 | channel, _ALL_SOUND_OFF, 0)))
            storm.value = 0
        elif storm.value:
            with contextlib.suppress(jack.JackError):
                for _ in range(min(_MOST_NOTES, storm.value)):
                    keys.write_midi_event(0, messages[storm.value % len(messages)])
                    storm.value -= 1
        if compare.value and filled < rate_hz:
            part = min(frames, rate_hz - filled)
            kept[0, filled : filled + part] = out[:part]
            kept[1, filled : filled + part] = heard[:part]
            filled += part

    @client.set_xrun_callback  # type: ignore[untyped-decorator]
    def xrun(_delayed_us: float) -> None:
        numbers[4] += 1

    with client:
        ready.set()
        while not stop.wait(0.02):
            _join_engine(client, speak, listen, keys)
            if period.value:
                # A server that runs free would from then on let its clock drive the graph too, and miss it at times.
                if free:
                    client.set_freewheel(False)
                    free = False
                client.blocksize, period.value = period.value, 0
            if freewheel.value >= 0:
                if free != bool(freewheel.value):  # a server that already runs free refuses to be told so
                    free = bool(freewheel.value)
                    client.set_freewheel(free)
                freewheel.value = -1
            if compare.value and filled == rate_hz:
                numbers[5] += rate_hz
                numbers[6] += not same_but_later(kept[0], kept[1])
                filled = compare.value = 0


def _join_engine(client: Any, speak: Any, listen: Any, keys: Any) -> None:
    """Connect to whatever engine there is now: a server's loopback driver is silent while it runs free."""
    import jack

    with contextlib.suppress(jack.JackError):  # it may leave while it is looked at
        for port in client.get_ports("^PortAudio", is_audio=True):
            if port.is_input and not client.get_all_connections(speak):
                client.connect(speak, port)
            elif port.is_output and port.name.endswith(_OUTPUT_PORT) and not client.get_all_connections(listen):
                client.connect(port, listen)
        for port in client.get_ports(KEYS, is_midi=True, is_input=True):
            if not client.get_all_connections(keys):
                client.connect(keys, port)


def same_but_later(played: FloatArray, heard: FloatArray) -> bool:
    """Whether `heard` is `played` some samples later, to 1e-6, and not silence."""
    size = 2 * played.size
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    delay = int(np.argmax(np.fft.irfft(spectrum, size)[: played.size // 2]))
    rest = heard[delay:]
    return bool(np.abs(rest).max() > 0.01 and np.abs(rest - played[: rest.size]).max() <= 1e-6)


def _sound(rate_hz: int) -> FloatArray:
    """Ten seconds of notes with pauses, whole periods of 8192."""
    from realtime.bench import melody

    sound = melody(10.0, rate_hz)
    return sound[: sound.size // 8192 * 8192]
