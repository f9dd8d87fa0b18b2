from __future__ import annotations

import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from realtime.errors import ConfigError, DeviceError
from realtime.midi import rtmidi_input
from realtime.midi.ports import JACK, RESET, MidiPort, choose_port, is_channel_message, open_input
from realtime.midi.rtmidi_input import RtMidiInput

PORTS = [
    MidiPort("system:midi_capture_1", JACK),
    MidiPort("Keystation 49:Keystation 49 MIDI 1 20:0", "ALSA"),
    MidiPort("MPK mini 3:MPK mini 3 MIDI 24:0", "ALSA"),
    MidiPort("MPK mini 3:MPK mini 3 DAW 24:1", "ALSA"),
    MidiPort("a2j:Nord [20] (capture): Nord MIDI 1", JACK),
]


@pytest.mark.skipif(sys.platform != "linux", reason="these are ALSA's names")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("system:midi_capture_1", 0),
        ("Keystation 49:Keystation 49 MIDI 1 28:0", 1),
        ("a2j:Nord [31] (capture): Nord MIDI 1", 4),
        ("keystation", 1),
        ("MPK mini 3:MPK mini 3 DAW", 3),
        ("daw", 3),
    ],
)
def test_a_port_is_meant_by_its_name_or_a_part_of_it(name: str, place: int) -> None:
    """A whole name, a name whose number has changed, and a part that only one has all find their port."""
    assert choose_port(PORTS, name) is PORTS[place]


@pytest.mark.parametrize(
    ("name", "ports", "words"),
    [
        ("mpk", PORTS, "means several MIDI ports .*MPK mini 3 MIDI 24:0, .*DAW.*: give more"),
        ("Keystatoin 49:Keystation 49 MIDI", PORTS, "did you mean 'Keystation"),
        ("xyz", PORTS, "choose from system:midi_capture_1, "),
        ("xyz", [], "plug a keyboard in"),
    ],
)
def test_a_port_that_is_not_there_gets_a_sentence(name: str, ports: list[MidiPort], words: str) -> None:
    """What is not there, or not one, is refused with what there is."""
    with pytest.raises(DeviceError, match=words):
        choose_port(ports, name)


def test_the_interface_that_is_preferred_wins() -> None:
    """The same port offered twice is taken from the interface of the sound."""
    twice = [MidiPort("keys", "ALSA"), MidiPort("keys", JACK)]
    assert choose_port(twice, "keys", prefer=JACK).api == JACK
    assert choose_port(twice, "keys").api == "ALSA"


@pytest.mark.parametrize("virtual", ["", "a:b", "x" * 40])
def test_a_bad_virtual_name_is_refused(virtual: str) -> None:
    """A virtual port needs a name that every interface takes."""
    with pytest.raises(ConfigError, match="1 to 32 letters"):
        open_input(None, virtual_name=virtual, rate_hz=48000)


def test_no_name_at_all_is_refused() -> None:
    """Without a port or a virtual name there is nothing to open."""
    with pytest.raises(ConfigError, match="name one of"):
        open_input(None, rate_hz=48000)


def test_only_whole_channel_messages_pass() -> None:
    """Notes, pressure, controllers, programs and bends of the right length, with data below 128, and nothing else."""
    for message in (b"\x90\x40\x40", b"\xc5\x07", b"\xd0\x01", b"\xef\x7f\x7f"):
        assert is_channel_message(message)
    for message in (b"", b"\x40", b"\x90", b"\x90\x40", b"\x90\x40\x80", b"\xc0\x01\x02", b"\xf0\x01\xf7", b"\xf8"):
        assert not is_channel_message(message)


class PretendedClient:
    """What rtmidi offers, without a driver."""

    def __init__(self) -> None:
        self.ports = ["keys 20:0"]
        self.calls: list[Any] = []

    def get_ports(self) -> list[str]:
        """Give what stands in `ports`."""
        return list(self.ports)

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_: self.calls.append((name, *arguments))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> PretendedClient:
    pretended = PretendedClient()
    monkeypatch.setattr(rtmidi_input, "_new_client", lambda _api, _name: pretended)
    monkeypatch.setattr(RtMidiInput, "_CHECK_S", 0.0)
    return pretended


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the module sees, in seconds."""
    clock = [10.0]
    monkeypatch.setattr("realtime.midi.rtmidi_input.perf_counter", lambda: clock[0])
    return clock


def test_a_message_sounds_a_block_and_a_millisecond_after_it_came(client: PretendedClient, now: list[float]) -> None:
    """Messages at any time inside a block keep their distances, whichever blocks they fall in."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    assert ("open_port", 0) in client.calls
    block = 128 / 48000
    times = [10.0 + 200 * block + k * 0.0011 for k in range(30)]
    last, waiting = 10.0, list(times)
    places: list[int] = []
    for k in range(300):
        while waiting and waiting[0] <= 10.0 + k * block:
            now[0] = waiting.pop(0)
            heard._hear(([0x90, 60, 100], now[0] - last))
            last = now[0]
        now[0] = 10.0 + k * block
        places += [k * 128 + offset for offset, _ in heard.collect(128)]
    delays = np.array(places) - (np.array(times) - 10.0) * 48000
    assert np.abs(delays - (128 + 48)).max() <= 1


def test_a_storm_without_a_listener_is_bounded(client: PretendedClient) -> None:
    """When nobody collects, messages beyond the bound are dropped, said, and what may hang is ended."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    heard.collect(128)
    tracemalloc.start()
    try:
        for k in range(30000):
            heard._hear(([0x90, k % 128, 64], 0.0001))
        assert tracemalloc.get_traced_memory()[0] < 1_500_000
    finally:
        tracemalloc.stop()
    assert heard.problems() == [f"{30000 - 4096} MIDI messages of keys 20:0 came faster than sound and were dropped."]
    heard._clock.begin(1e9, 128)  # all of it is late now
    assert heard.collect(128)[0] == (0, RESET)
    assert heard.problems() == []


def test_garbage_from_a_driver_is_dropped(client: PretendedClient) -> None:
    """Sysex, clock, cut and senseless messages never reach the sound, and never raise."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    generator = np.random.default_rng(6)
    for size in (0, 1, 2, 3, 4, 300):
        for _ in range(300):
            heard._hear(([int(value) for value in generator.integers(-5, 400, size)], float(generator.normal())))
    assert all(is_channel_message(message) or message == RESET for message in heard.drain())


def test_a_port_is_opened_again_by_its_name(client: PretendedClient) -> None:
    """A port that goes is let go and its notes end; when it returns under another number it is opened there."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    assert heard.problems() == []
    client.ports = ["other 16:0"]
    assert heard.problems() == ["The MIDI port keys 20:0 is not there; it is opened as soon as it is."]
    assert client.calls[-1] == ("close_port",)
    assert heard.collect(128) == [(0, RESET)]
    client.ports = ["other 16:0", "keys 28:0"]
    assert heard.problems() == ["The MIDI port keys 28:0 is there."]
    assert client.calls[-1] == ("open_port", 1)
    heard.close()


def test_a_part_of_a_name_is_waited_for_and_kept(client: PretendedClient) -> None:
    """A port named by a part is opened when it comes, and another that the part fits too does not take its place."""
    client.ports = []
    heard = RtMidiInput("key", "ALSA", "retimbre", 48000)
    assert heard.problems() == ["The MIDI port key is not there; it is opened as soon as it is."]
    client.ports = ["keys 20:0"]
    assert heard.problems() == ["The MIDI port keys 20:0 is there."]
    client.ports = ["monkey 16:0"]
    assert heard.problems() == ["The MIDI port keys 20:0 is not there; it is opened as soon as it is."]
    heard.close()


def test_controllers_are_overheard(client: PretendedClient, now: list[float]) -> None:
    """What collect hands out, controllers and programs, the control thread hears once; notes it does not."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    heard.collect(128)
    for message in ([0x90, 60, 64], [0xB0, 7, 100], [0xC0, 5]):
        heard._hear((message, 0.0))
    collected = []
    for k in range(1, 5):
        now[0] = 10.0 + k * 128 / 48000
        collected += [message for _, message in heard.collect(128)]
    assert collected == [b"\x90\x3c\x40", b"\xb0\x07\x64", b"\xc0\x05"]
    assert heard.overheard() == [b"\xb0\x07\x64", b"\xc0\x05"]
    assert heard.overheard() == []


def test_two_threads_lose_nothing(client: PretendedClient) -> None:
    """A driver's thread and the sound's, each at its own pace, hand every message over, in order."""
    heard = RtMidiInput("keys 20:0", "ALSA", "retimbre", 48000)
    count = 20000

    def send() -> None:
        for k in range(count):
            while len(heard._waiting) > 2000:
                pass
            heard._hear(([0x90, k // 128 % 128, k % 128], 0.0))

    thread = threading.Thread(target=send)
    thread.start()
    collected: list[bytes] = []
    while thread.is_alive() or heard._waiting:
        collected += [message for _, message in heard.collect(128)]
    thread.join()
    assert collected == [bytes((0x90, k // 128 % 128, k % 128)) for k in range(count)]
