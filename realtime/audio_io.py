"""Sound cards through PortAudio: which there are, which one is meant, and a duplex stream on them.

A device is named by its host API (JACK, ALSA, WASAPI, Core Audio …) and its name, never by an index, because indices
move when a plug is pulled. Everything here runs on a control thread; PortAudio calls the callback on a thread of its
own.

    callback(input (frames, channels), output (frames, channels), frames, flags)        float32, interleaved as the
    card has it

A PortAudio error never leaves this module: it becomes a `DeviceError` whose sentence says what to do. After a sound
server has died PortAudio's stop and close may hang for ever, so a stream belongs in a process that can be killed
(`realtime.host`).

Over 300 lines because choosing a card and opening it share the one place where PortAudio's errors become sentences.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from realtime.errors import DeviceError

Direction = Literal["input", "output"]
Callback = Callable[[NDArray[np.float32], NDArray[np.float32], int, int], None]

# Bits of the flags that a callback receives.
INPUT_UNDERFLOW, INPUT_OVERFLOW, OUTPUT_UNDERFLOW, OUTPUT_OVERFLOW, PRIMING = 1, 2, 4, 8, 16
DEFAULT_BLOCK = 128
XRUN = INPUT_UNDERFLOW | INPUT_OVERFLOW | OUTPUT_UNDERFLOW | OUTPUT_OVERFLOW

_NO_CARD = (
    "No sound card was found (PortAudio sees no {direction} device): plug one in, start the sound server (on Linux, "
    "for example, `jackd -d alsa`), let this user use sound (group audio), and look with `retimbre devices`."
)
# Host APIs with the shortest way to the card first; one that is missing here comes after these.
_PREFERENCE = ("JACK Audio Connection Kit", "ASIO", "Core Audio", "Windows WASAPI", "ALSA", "Windows WDM-KS")


@dataclass(frozen=True, slots=True)
class Device:
    """One sound card, or one side of it, as a host API offers it."""

    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    low_input_latency_ms: float
    low_output_latency_ms: float
    is_default_input: bool
    is_default_output: bool
    index: int
    """PortAudio's number, valid until PortAudio starts again; never stored or shown."""

    @property
    def is_jack(self) -> bool:
        """Whether the device is a client of a JACK server, which alone decides rate and period."""
        return self.host_api.startswith("JACK")

    @property
    def default_block_latency_ms(self) -> float:
        """What it adds with blocks of 128 frames, both ways where it has both: as its driver declares, roughly."""
        block_ms = 1000 * DEFAULT_BLOCK / self.default_rate_hz if self.default_rate_hz else 0.0
        heard_ms = max(block_ms, self.low_input_latency_ms) if self.input_channels else 0.0
        return heard_ms + (max(0.0, self.low_output_latency_ms) if self.output_channels else 0.0)

    def channels(self, direction: Direction) -> int:
        """How many channels it has in a direction."""
        return self.input_channels if direction == "input" else self.output_channels


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what C libraries write to stderr to nowhere: back ends complain there about servers that are not up."""
    if os.environ.get("RETIMBRE_DEBUG") == "1":
        yield
        return
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # a process without stderr (a Windows app)
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _portaudio() -> Any:
    """The sounddevice module; importing it starts PortAudio."""
    try:
        with quiet_stderr():
            import sounddevice  # starting PortAudio takes 0.2 s, and its library may be missing
    except OSError as error:
        raise DeviceError(
            f"The PortAudio library was not found ({error}): install it (on Debian and Ubuntu "
            "`apt install libportaudio2`)."
        ) from None
    return sounddevice


def leave_servers(patience_s: float = 1.0) -> None:
    """Take leave of sound servers before a process ends: else they find a dead client, and may wait for it.

    It waits no longer than `patience_s`, because a server that is dead itself never answers.
    """
    if (sounddevice := sys.modules.get("sounddevice")) is not None:
        leaving = threading.Thread(target=sounddevice._terminate, name="leave", daemon=True)  # noqa: SLF001  (no public name)
        leaving.start()
        leaving.join(patience_s)


def list_devices(*, refresh: bool = False) -> list[Device]:
    """Every sound device that PortAudio sees; an empty list when there is none.

    refresh: start PortAudio anew to see what was plugged in since; only while no stream of this process is open.
    """
    sounddevice = _portaudio()
    if refresh:
        with quiet_stderr():
            sounddevice._terminate()  # noqa: SLF001  (there is no public name for starting anew)
            sounddevice._initialize()  # noqa: SLF001
    apis = sounddevice.query_hostapis()
    found = []
    for index, entry in enumerate(sounddevice.query_devices()):
        api = apis[entry["hostapi"]]
        found.append(
            Device(
                name=entry["name"],
                host_api=api["name"],
                input_channels=entry["max_input_channels"],
                output_channels=entry["max_output_channels"],
                default_rate_hz=round(entry["default_samplerate"]),
                low_input_latency_ms=1000 * entry["default_low_input_latency"],
                low_output_latency_ms=1000 * entry["default_low_output_latency"],
                is_default_input=index == api["default_input_device"],
                is_default_output=index == api["default_output_device"],
                index=index,
            )
        )
    return found


def choose_devices(
    devices: list[Device], input_name: str | None, output_name: str | None, host_api: str | None
) -> tuple[Device, Device]:
    """The input and the output device that the names mean, both of one host API because one stream runs on one.

    A name is the whole name, or a part that only one device has; None is the host API's default device. Without a host
    API, the one with the shortest way to a card that has what is named is taken. Raises `DeviceError`.
    """
    for direction in ("input", "output"):
        if not any(device.channels(direction) for device in devices):
            raise DeviceError(no_card(direction))
    apis = _host_apis(devices, host_api)
    problems: list[DeviceError] = []
    for api in apis:
        here = [device for device in devices if device.host_api == api]
        try:
            return _find(here, input_name, "input"), _find(here, output_name, "output")
        except DeviceError as error:
            problems.append(error)
    if len(apis) == 1:
        raise problems[0]
    # No single host API has both: name the device that none has, or say that the two cannot meet.
    _find(devices, input_name, "input", anywhere=True)
    _find(devices, output_name, "output", anywhere=True)
    raise DeviceError(
        f"No host API has both the input {input_name or 'default'!r} and the output {output_name or 'default'!r}, and "
        "one stream cannot span two: choose both from the same group of `retimbre devices`."
    )


def _host_apis(devices: list[Device], wanted: str | None) -> list[str]:
    """Host APIs to look in, the best first; those with both directions only, unless one was asked for."""
    present = list(dict.fromkeys(device.host_api for device in devices))
    if wanted is not None:
        named = [api for api in present if wanted.casefold() in api.casefold()]
        exact = [api for api in named if api.casefold() == wanted.casefold()]
        if len(exact or named) != 1:
            raise DeviceError(
                f"The host API {wanted!r} names {len(named) or 'none'} of those that have devices here; choose one of: "
                f"{', '.join(present)}."
            )
        return exact or named
    return sorted(present, key=lambda api: _PREFERENCE.index(api) if api in _PREFERENCE else len(_PREFERENCE))


def _find(devices: list[Device], name: str | None, direction: Direction, *, anywhere: bool = False) -> Device:
    able = [device for device in devices if device.channels(direction)]
    if name is None:
        for device in able:
            if device.is_default_input if direction == "input" else device.is_default_output:
                return device
        if able:
            return able[0]
        raise DeviceError(no_card(direction))
    exact = [device for device in able if device.name.casefold() == name.casefold()]
    near = exact or [device for device in able if name.casefold() in device.name.casefold()]
    if len(near) == 1 or (near and anywhere):
        return near[0]
    if near:
        raise DeviceError(
            f"The {direction} device {name!r} could be any of {_quoted(device.name for device in near)}: write more "
            "of the name."
        )
    raise DeviceError(
        f"There is no {direction} device {name!r}; {_suggestion(name, [device.name for device in able])}."
    )


def _suggestion(name: str, names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    folded = {candidate.casefold(): candidate for candidate in unique}
    close = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.4)]
    if close:
        return f"near names are {_quoted(close)} (`retimbre devices` lists all)"
    return f"there are {_quoted(unique[:8])} (`retimbre devices` lists all)" if unique else "there is none at all"


def _quoted(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


def choose_rate(source: Device, sink: Device, wanted_hz: int | None, model_rate_hz: int) -> int:
    """The stream's rate: the wanted one, else the model's where both devices can, else the output device's own.

    A JACK server has one rate, whatever is wanted. Raises `DeviceError` when the wanted rate is not possible.
    """
    if sink.is_jack:
        if wanted_hz not in (None, sink.default_rate_hz):
            raise DeviceError(
                f"The JACK server runs at {sink.default_rate_hz} Hz, not at {wanted_hz} Hz: leave --rate out, or start "
                f"the server with `-r {wanted_hz}`."
            )
        return sink.default_rate_hz
    if wanted_hz is not None:
        if not _supports(source, sink, wanted_hz):
            raise DeviceError(
                f"{source.name!r} and {sink.name!r} do not run together at {wanted_hz} Hz: try "
                f"--rate {sink.default_rate_hz}, or leave --rate out."
            )
        return wanted_hz
    for rate in (model_rate_hz, sink.default_rate_hz, source.default_rate_hz):
        if _supports(source, sink, rate):
            return rate
    raise DeviceError(
        f"{source.name!r} and {sink.name!r} have no sample rate in common (tried {model_rate_hz}, "
        f"{sink.default_rate_hz} and {source.default_rate_hz} Hz): choose another device, or set both to one rate in "
        "the system's sound settings."
    )


def _supports(source: Device, sink: Device, rate_hz: int) -> bool:
    sounddevice = _portaudio()
    try:
        with quiet_stderr():
            sounddevice.check_input_settings(source.index, channels=1, dtype="float32", samplerate=rate_hz)
            sounddevice.check_output_settings(
                sink.index, channels=min(2, sink.output_channels), dtype="float32", samplerate=rate_hz
            )
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


def no_card(direction: str) -> str:
    """The sentence for a machine without a sound card (`direction`: what is missing)."""
    return _NO_CARD.format(direction=direction)


class DuplexStream:
    """One duplex stream that calls `callback` for every block until it is closed.

    `close` may hang when the sound server is gone: call it where a hang can be ended from outside.
    """

    def __init__(
        self,
        source: Device,
        sink: Device,
        *,
        rate_hz: int,
        block: int,
        input_channels: int,
        output_channels: int,
        callback: Callback,
    ) -> None:
        """Open, not start.

        block: frames a callback; ignored by JACK, whose period it is (a fixed block would add a period).
        """
        sounddevice = _portaudio()
        self._errors = (sounddevice.PortAudioError, ValueError)
        self._sides = source, sink
        self._rate_hz = rate_hz

        def call(indata: Any, outdata: Any, frames: int, _time: Any, status: Any) -> None:
            callback(indata, outdata, frames, status._flags)  # noqa: SLF001  (the bits themselves)

        def open_stream() -> Any:
            return sounddevice.Stream(
                device=(source.index, sink.index),
                samplerate=rate_hz,
                blocksize=0 if sink.is_jack else block,
                channels=(input_channels, output_channels),
                dtype="float32",
                latency="low",
                callback=call,
                clip_off=True,
                dither_off=True,
            )

        self._stream = self._guarded("opened", open_stream)

    def start(self) -> None:
        """Let sound run: the callback is called from now on."""
        self._guarded("started", self._stream.start)

    def latency_samples(self, block: int) -> tuple[int, int]:
        """What the devices declare to add to a callback of `block` frames before it (input) and after it (output)."""
        source, sink = self._sides
        if sink.is_jack:
            given_in, given_out = source.low_input_latency_ms, sink.low_output_latency_ms
            declared_in, declared_out = (round(ms * self._rate_hz / 1000) for ms in (given_in, given_out))
            # JACK's own loopback driver passes a period on at once, whatever it declares (measured, -S or not).
            declared_out = 0 if sink.name == "loopback" else declared_out
        else:
            declared_in, declared_out = (
                round(seconds * self._rate_hz) if math.isfinite(seconds) else 0 for seconds in self._stream.latency
            )
        # A block must be whole before the callback can have it, whatever the driver declares.
        return max(block, declared_in), max(0, declared_out)

    @property
    def active(self) -> bool:
        """Whether PortAudio still calls back, as far as it knows (it does not notice the death of a sound server)."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Stop at once and give the devices back; errors of a device that is already gone are nobody's concern now."""
        with contextlib.suppress(*self._errors), quiet_stderr():
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)

    def _guarded(self, what: str, action: Callable[[], Any]) -> Any:
        try:
            with quiet_stderr():
                return action()
        except self._errors as error:
            source, sink = self._sides
            reason = str(error).splitlines()[0].removeprefix("Error opening Stream: ")
            raise DeviceError(
                f"The stream from {source.name!r} to {sink.name!r} ({sink.host_api}, {self._rate_hz} Hz) could not be "
                f"{what} ({reason}): close other programs that use the device, or choose another one, rate or block."
            ) from None


_HEADPHONES = ("headphone", "headset", "airpods", "earphone", "earbuds", "buds", "kopfhörer")
_BUILT_IN_INPUT = (
    "built-in",
    "macbook",
    "imac",
    "internal mic",
    "microphone array",
    "realtek",
    "hda intel",
    "sof-hda",
    "acp",
)
_BUILT_IN_OUTPUT = (
    "built-in",
    "macbook",
    "imac",
    "internal speak",
    "speaker",
    "realtek",
    "hda intel",
    "sof-hda",
    "acp",
)
# Names behind which the system hides whatever is chosen there: on a laptop that is the microphone and the loudspeaker.
_SYSTEM_CHOICE = ("default", "sysdefault", "pulse", "pipewire", "microsoft sound mapper", "primary sound")


def may_howl(source: Device, sink: Device) -> bool:
    """Whether input and output look like a built-in microphone and loudspeaker, which hear one another.

    Judged by names alone, as the systems write them; a name that tells of headphones clears it, and so does JACK, whose
    ports say nothing about what hangs on them.
    """
    if sink.is_jack:
        return False
    heard, played = source.name.casefold(), sink.name.casefold()
    if any(word in played for word in _HEADPHONES):
        return False
    mic = any(word in heard for word in _BUILT_IN_INPUT) or heard.startswith(_SYSTEM_CHOICE)
    speaker = any(word in played for word in _BUILT_IN_OUTPUT) or played.startswith(_SYSTEM_CHOICE)
    return mic and speaker
