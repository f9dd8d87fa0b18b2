from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from realtime.audio_io import Device, choose_devices, choose_rate, may_howl
from realtime.errors import ConfigError, DeviceError
from realtime.feedback import HowlGuard
from realtime.messages import StreamSettings


def device(name: str, host_api: str = "ALSA", inputs: int = 2, outputs: int = 2, **more: Any) -> Device:
    values: dict[str, Any] = {"default_rate_hz": 48000, "low_input_latency_ms": 3.0, "low_output_latency_ms": 3.0}
    values |= {"is_default_input": False, "is_default_output": False, "index": 0, **more}
    return Device(name=name, host_api=host_api, input_channels=inputs, output_channels=outputs, **values)


CARDS = [
    device("Scarlett 2i2: USB Audio (hw:1,0)"),
    device("HDA Intel PCH: ALC257 Analog (hw:0,0)", is_default_input=True, is_default_output=True),
    device("HDMI 1", inputs=0),
    device("system", "JACK Audio Connection Kit", is_default_input=True, is_default_output=True),
]


def test_a_device_is_found_by_a_part_of_its_name() -> None:
    """A part of a name that only one device has is enough, whatever its case."""
    source, sink = choose_devices(CARDS, "scarlett", "hdmi", "ALSA")
    assert (source.name, sink.name) == ("Scarlett 2i2: USB Audio (hw:1,0)", "HDMI 1")


def test_a_whole_name_wins_over_parts() -> None:
    """A name that is another's beginning still names its own device."""
    cards = [device("USB"), device("USB 2")]
    assert choose_devices(cards, "usb", "USB 2", None)[0].name == "USB"


def test_no_name_is_the_default_of_the_best_host_api() -> None:
    """Without names and host API the shortest way to a card is taken; with one, its default devices."""
    assert choose_devices(CARDS, None, None, None)[0].name == "system"
    assert choose_devices(CARDS, None, None, "alsa")[1].name.startswith("HDA Intel")


def test_names_decide_the_host_api() -> None:
    """A device that only another host API has is found there."""
    source, sink = choose_devices(CARDS, "scarlett", "scarlett", None)
    assert source == sink == CARDS[0]


def test_an_unknown_name_lists_near_ones() -> None:
    """A wrong name is answered with those that look like it."""
    with pytest.raises(DeviceError, match=r"no input device 'Scarlet 2i2 USB'.*'Scarlett 2i2: USB Audio \(hw:1,0\)'"):
        choose_devices(CARDS, "Scarlet 2i2 USB", None, "ALSA")
    with pytest.raises(DeviceError, match=r"no output device 'qqq'.*there are"):
        choose_devices(CARDS, None, "qqq", None)


def test_an_ambiguous_name_lists_what_it_could_be() -> None:
    """A part that two devices share is not guessed at."""
    with pytest.raises(DeviceError, match="could be any of 'USB 1', 'USB 2'"):
        choose_devices([device("USB 1"), device("USB 2")], "usb", None, None)


def test_an_unknown_host_api_lists_those_there_are() -> None:
    """A host API without devices here is refused by name."""
    with pytest.raises(DeviceError, match=r"'WASAPI' names none.*ALSA, JACK"):
        choose_devices(CARDS, None, None, "WASAPI")


def test_input_and_output_must_share_a_host_api() -> None:
    """Two devices of different host APIs cannot make one stream, and the sentence says so."""
    with pytest.raises(DeviceError, match="No host API has both the input 'Scarlett' and the output 'system'"):
        choose_devices(CARDS, "Scarlett", "system", None)


def test_no_sound_card_says_what_to_do() -> None:
    """Without any device the sentence names remedies."""
    with pytest.raises(DeviceError, match=r"No sound card was found.*plug one in"):
        choose_devices([], None, None, None)
    with pytest.raises(DeviceError, match="no input device"):
        choose_devices([device("HDMI 1", inputs=0)], None, None, None)


def test_a_jack_server_decides_the_rate() -> None:
    """With JACK the server's rate is taken, and another one is refused with the way to get it."""
    jack = CARDS[3]
    assert choose_rate(jack, jack, None, 44100) == 48000
    assert choose_rate(jack, jack, 48000, 44100) == 48000
    with pytest.raises(DeviceError, match="runs at 48000 Hz, not at 44100 Hz"):
        choose_rate(jack, jack, 44100, 44100)


@pytest.mark.parametrize(
    ("heard", "played", "howls"),
    [
        ("MacBook Pro Microphone", "MacBook Pro Speakers", True),
        ("Built-in Microphone", "Built-in Output", True),
        ("Microphone Array (Realtek(R) Audio)", "Speakers (Realtek(R) Audio)", True),
        ("HDA Intel PCH: ALC257 Analog (hw:0,0)", "HDA Intel PCH: ALC257 Analog (hw:0,0)", True),
        ("default", "default", True),
        ("MacBook Pro Microphone", "External Headphones", False),
        ("MacBook Pro Microphone", "AirPods Pro", False),
        ("Scarlett 2i2 USB", "Scarlett 2i2 USB", False),
        ("Scarlett 2i2 USB", "MacBook Pro Speakers", False),
    ],
)
def test_built_in_pairs_ask_for_headphones(heard: str, played: str, howls: bool) -> None:
    """A built-in microphone with a built-in loudspeaker may howl; headphones or another interface do not."""
    assert may_howl(device(heard), device(played)) == howls


def test_jack_ports_are_not_suspected() -> None:
    """Names of JACK clients say nothing about what hangs on them."""
    assert not may_howl(CARDS[3], CARDS[3])


def test_growing_level_is_a_howl() -> None:
    """A level that climbs 2 dB every window up to full scale is muted within its second."""
    guard = HowlGuard()
    heard = [guard.push(-30.0 + 2.0 * window) for window in range(16)]
    assert any(heard)
    assert not any(heard[:10])


def test_standing_full_scale_is_a_howl() -> None:
    """A level that stands at the limit for a second is a howl too."""
    guard = HowlGuard()
    assert [guard.push(-1.0) for _ in range(12)].index(True) == 10


def test_playing_is_no_howl() -> None:
    """A crescendo to -10 dBFS, loud notes and rests pass."""
    guard = HowlGuard()
    crescendo = [-40.0 + 1.5 * window for window in range(20)]
    notes = [-40.0, -6.0, -5.0, -7.0, -9.0, -30.0] * 10
    assert not any(guard.push(level) for level in [*crescendo, *notes])


@pytest.mark.parametrize(
    "wrong", [{"block": 0}, {"block": 100000}, {"rate_hz": 1}, {"input_channel": 0}, {"output_channel": -1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    """Blocks, rates and channels that no card has are refused before one is opened."""
    with pytest.raises(ConfigError):
        StreamSettings("identity", **wrong)  # type: ignore[arg-type]


def test_devices_lists_the_servers_devices(jack_server: Callable[..., Any]) -> None:
    """`retimbre devices --json` names what a stream can be opened on, without PortAudio's numbers."""
    jack_server(period=128)
    command = [sys.executable, "-m", "realtime.cli", "devices", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    rows = json.loads(done.stdout)["devices"]
    assert {"system", "loopback"} <= {row["name"] for row in rows}
    assert not any("index" in row for row in rows)
    assert not done.stderr


def test_devices_without_a_card_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no card and no server, one sentence and exit code 1, and no library's noise."""
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    command = [sys.executable, "-m", "realtime.cli", "devices"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 0:
        pytest.skip("this machine has a sound card")
    assert done.returncode == 1
    assert "No sound card was found" in done.stdout
    assert not done.stderr


def test_live_refuses_an_unknown_device_in_one_sentence(jack_server: Callable[..., Any]) -> None:
    """`retimbre live --input` with a wrong name ends with 1 and the near names, not with a traceback."""
    jack_server(period=128)
    command = [sys.executable, "-m", "realtime.cli", "live", "--model", "identity", "--input", "lopback"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no input device 'lopback'; near names are 'loopback'" in done.stderr
    assert "Traceback" not in done.stderr
