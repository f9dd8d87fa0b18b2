"""Which sound devices and MIDI inputs there are, asked of a child process, and which of them are the best choice.

    app ── ask ──▶ child: lists ──▶ poll ─▶ Hardware           app ── suggest(devices) ──▶ input, output, a sentence why

PortAudio must never be opened in the app's process: its calls hang for ever when a sound server dies. The child is
started by the first `ask`, sleeps between two of them, ends with the app, and is killed when it does not answer within
5 s; then another is started. No method but `close` waits. A device that an engine holds may be missing from the list
where the system lets only one program have it (ALSA): who shows the list adds what runs. Any one thread.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from realtime import audio_io
from realtime.audio_io import DEFAULT_BLOCK, Device
from realtime.errors import DeviceError, RetimbreError
from realtime.family import end_with_parent

ANSWER_S = 5.0
LEAVE_S = 1.0
START_S = 20.0  # until a child can be asked: it imports numpy first, perhaps from a slow disk

_HUNG = (
    "The sound system did not answer within {seconds:g} s (a sound server that died does that): start the server "
    "again, or plug the interface in again, then look once more."
)
_DIED = "The program that lists sound devices ended unexpectedly ({how}): look once more, or run `retimbre doctor`."

_NATIVE = ("ASIO", "Core Audio", "Windows WASAPI", "Windows WDM-KS", "ALSA")
# Names behind which no instrument is: what the system mixes, pictures' sound, other programs' ends.
_INDIRECT = ("default", "sysdefault", "pulse", "pipewire", "microsoft sound mapper", "primary sound", "dmix", "spdif")
_NOT_MUSIC = ("hdmi", "displayport", "monitor of", "loopback", "virtual", "webcam", "camera", "bluetooth", "null")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What there is: sound devices, names of MIDI ports that send; problem: what is wrong with the sound system."""

    devices: tuple[Device, ...] = ()
    midi_inputs: tuple[str, ...] = ()
    problem: str = ""


class DeviceWatch:
    """A child process that lists devices when asked."""

    def __init__(self, look: Callable[[], Hardware] | None = None) -> None:
        """look: what the child does when asked, a function of a module; None: list everything."""
        self._look = look or list_hardware
        self._process: Any = None
        self._pipe: Connection | None = None
        self._asked_s: float | None = None
        self._patience_s = 0.0
        self._again = False
        self._trouble: Hardware | None = None

    def ask(self) -> None:
        """Let the child list everything; asked while it is at it, it lists once more afterwards."""
        if self._asked_s is not None:
            self._again = True
            return
        fresh = self._process is None or not self._process.is_alive()
        if fresh:
            self._start()
        self._asked_s = time.monotonic()
        self._patience_s = START_S if fresh else ANSWER_S
        if self._pipe is not None:
            with contextlib.suppress(OSError):  # it died; `poll` says so
                self._pipe.send_bytes(b"look")

    def poll(self) -> Hardware | None:
        """What was found since the last call; None while there is nothing new."""
        if self._asked_s is None or self._pipe is None:
            return None
        try:
            answered = self._pipe.poll()
            found: Hardware | None = self._pipe.recv() if answered else None
        except (EOFError, OSError):
            self._process.join(0.2)  # it is gone already; this only asks how
            code = self._process.exitcode
            found = Hardware(problem=_DIED.format(how=f"exit code {code}"))
            self._kill()
        if found is None and not answered and time.monotonic() - self._asked_s > self._patience_s:
            found = Hardware(problem=_HUNG.format(seconds=ANSWER_S))
            self._kill()
        if found is None:
            if answered:  # it has started, and begins to look now
                self._asked_s, self._patience_s = time.monotonic(), ANSWER_S
            return None
        self._asked_s = None
        if self._again:
            self._again = False
            self.ask()
        return found

    @property
    def process_id(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the child: it takes leave of the sound servers itself, and is killed when that takes too long."""
        self._asked_s, self._again = None, False
        if self._pipe is not None and self._process is not None:
            self._pipe.close()  # nobody asks any more: it ends
            self._process.join(LEAVE_S)
        self._kill()

    def _start(self) -> None:
        self._kill()
        # Spawned, not forked: a fork would inherit Qt and locks in unknown states.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, self._look), name="retimbre-devices", daemon=True)
        self._process.start()
        theirs.close()

    def _kill(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join(0.5)  # to leave no zombie; a killed process is gone at once
        self._pipe = self._process = None


def _run(pipe: Connection, look: Callable[[], Hardware]) -> None:
    """The child: sleeps until it is asked, ends when nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the app's business
    end_with_parent()
    import realtime.midi.ports  # noqa: F401  (everything that takes long, before the clock of an answer runs)

    with contextlib.suppress(EOFError, OSError):
        pipe.send(None)
        while True:
            pipe.recv_bytes()
            pipe.send(look())
    audio_io.leave_servers(LEAVE_S / 2)


def list_hardware() -> Hardware:
    """Everything that this process can see now. In a child only: it may hang for ever."""
    from realtime.midi.ports import list_ports  # needs rtmidi or JACK, which may be missing

    problem, devices = "", []
    try:
        devices = audio_io.list_devices(refresh=True)
        if not any(device.input_channels for device in devices):
            problem = audio_io.no_card("input")
        elif not any(device.output_channels for device in devices):
            problem = audio_io.no_card("output")
    except RetimbreError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001  (PortAudio's own, when it cannot even start)
        problem = f"The sound system cannot be asked ({error}): run `retimbre doctor`."
    try:
        ports = tuple(dict.fromkeys(port.name for port in list_ports()))
    except Exception:  # noqa: BLE001  (no MIDI is no ports)
        ports = ()
    return Hardware(tuple(devices), ports, problem)


def suggest(devices: Sequence[Device]) -> tuple[Device, Device, str]:
    """The input and output that are the best choice, and the sentence why. Raises `DeviceError` without any.

    JACK first, for who runs a server wants it; then the system's own quick way to a card, then the rest. Of one way:
    an interface that has both directions, then what the system has chosen, then the quickest.
    """
    pairs = [
        (source, sink)
        for source in devices
        for sink in devices
        if source.host_api == sink.host_api and source.input_channels and sink.output_channels
    ]
    if not pairs:
        missing = "output" if any(device.input_channels for device in devices) else "input"
        raise DeviceError(audio_io.no_card(missing))
    source, sink = min(pairs, key=_worth)
    return source, sink, _reason(source, sink)


def latency_ms(source: Device, sink: Device) -> float:
    """What input and output add with blocks of 128 frames, as their drivers declare, roughly."""
    rate_hz = sink.default_rate_hz or source.default_rate_hz
    block_ms = 1000 * DEFAULT_BLOCK / rate_hz if rate_hz else 0.0
    heard_ms = source.low_input_latency_ms if source.is_jack else max(block_ms, source.low_input_latency_ms)
    return heard_ms + max(0.0, sink.low_output_latency_ms)


def _worth(pair: tuple[Device, Device]) -> tuple[float, ...]:
    """Smaller is better."""
    source, sink = pair
    names = [device.name.casefold() for device in pair]
    way = 0 if source.is_jack else 1 if source.host_api in _NATIVE else 2
    return (
        way,
        _NATIVE.index(source.host_api) if way == 1 else 0,
        sum(word in name for name in names for word in _NOT_MUSIC),
        sum(name.startswith(_INDIRECT) for name in names),
        audio_io.may_howl(source, sink),
        not _one_box(source, sink),
        not source.is_default_input,
        not sink.is_default_output,
        latency_ms(source, sink),
    )


def _one_box(source: Device, sink: Device) -> bool:
    """Whether both are one interface; Windows gives its sides names of their own, with the interface in brackets."""
    boxes = [re.findall(r"\(([^()]+)\)", device.name) for device in (source, sink)]
    windows = source.host_api.startswith("Windows") and bool(boxes[0]) and boxes[0][-1:] == boxes[1][-1:]
    return source.index == sink.index or source.name == sink.name or windows


def _reason(source: Device, sink: Device) -> str:
    delay = f"about {max(1.0, latency_ms(source, sink)):.0f} ms in and out"
    if source.is_jack:
        return f"A JACK server runs, which is the shortest way to the sound card: {delay}."
    way = f"through {source.host_api.removeprefix('Windows ')}"
    if audio_io.may_howl(source, sink):
        return (
            f"No interface was found, so these are the built-in microphone and loudspeaker {way}: {delay}; put on "
            "headphones, lest they howl."
        )
    if _one_box(source, sink):
        return f"{sink.name} has inputs and outputs of its own, {way}: {delay}."
    return f"{source.name} and {sink.name} meet {way}: {delay}."
