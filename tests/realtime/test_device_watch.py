"""Devices and MIDI ports through a child process, with a real JACK server; and the best choice among devices."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from realtime import device_watch
from realtime.audio_io import Device
from realtime.device_watch import DeviceWatch, Hardware, suggest
from realtime.errors import DeviceError


def hang() -> Hardware:
    """As PortAudio does when its server died."""
    time.sleep(3600)
    return Hardware()


def die() -> Hardware:
    """As a driver does that crashes."""
    os.kill(os.getpid(), signal.SIGKILL)
    return Hardware()


def answer(watch: DeviceWatch, within_s: float = 30.0) -> Hardware:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = watch.poll()
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("no answer")


@pytest.fixture
def watch() -> Any:
    one = DeviceWatch()
    yield one
    one.close()


def test_a_server_that_comes_and_goes_is_seen(jack_server: Callable[..., Any], watch: DeviceWatch) -> None:
    """With a JACK server its devices are listed, after its death none and a sentence, and then those of a new one."""
    server = jack_server(period=256, sample_rate=48000)
    assert watch.poll() is None
    watch.ask()
    found = answer(watch)
    assert found.problem == ""
    assert {"system", "loopback"} <= {device.name for device in found.devices}
    source, sink, why = suggest(found.devices)
    assert source.is_jack and sink.is_jack and source.name == sink.name == "system"
    assert "JACK" in why and " ms" in why
    server.kill()
    watch.ask()
    gone = answer(watch)
    assert not any(device.is_jack for device in gone.devices)
    assert gone.problem.endswith(".")
    jack_server(period=256, sample_rate=44100)
    watch.ask()
    back = answer(watch)
    assert {device.default_rate_hz for device in back.devices if device.is_jack} == {44100}
    assert watch.poll() is None


def test_a_child_without_a_question_costs_nothing(watch: DeviceWatch) -> None:
    """Between two questions the child sleeps: it uses no processor time."""
    watch.ask()
    answer(watch)
    assert watch.process_id is not None
    child = psutil.Process(watch.process_id)
    before = child.cpu_times()
    time.sleep(1.0)
    after = child.cpu_times()
    assert after.user + after.system - before.user - before.system <= 0.02


def test_no_call_waits(watch: DeviceWatch) -> None:
    """While the child hangs, asking and polling come back at once."""
    hanging = DeviceWatch(hang)
    hanging.ask()
    began = time.monotonic()
    for _ in range(200):
        hanging.ask()
        assert hanging.poll() is None
    assert time.monotonic() - began < 1.0
    hanging.close()


def test_a_child_that_hangs_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer in time there is a sentence instead, the child is gone, and the next question has another."""
    monkeypatch.setattr(device_watch, "ANSWER_S", 0.3)
    watch = DeviceWatch(hang)
    try:
        watch.ask()
        first = watch.process_id
        assert first is not None
        found = answer(watch)
        assert "did not answer within 0.3 s" in found.problem and found.devices == ()
        assert not psutil.pid_exists(first)
        watch.ask()
        assert watch.process_id not in (None, first)
        assert "did not answer" in answer(watch).problem
    finally:
        watch.close()


def test_a_child_that_dies_is_told_and_replaced() -> None:
    """A driver that takes the child along ends in a sentence, and asking again starts another child."""
    watch = DeviceWatch(die)
    try:
        for _ in range(2):
            watch.ask()
            assert "ended unexpectedly (exit code -9)" in answer(watch).problem
    finally:
        watch.close()


def test_a_child_that_is_closed_takes_leave_of_the_server(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A JACK server that waits for its clients does not lose one without a word when the list of devices is closed."""
    server = jack_server(period=256, sample_rate=48000)
    watch = DeviceWatch()
    watch.ask()
    answer(watch)
    child = watch._process
    watch.close()
    assert child.exitcode == 0
    said = (tmp_path / f"{server.name}.log").read_text()
    assert "Broken pipe" not in said and "Connection reset" not in said


def test_what_is_asked_meanwhile_is_answered_afterwards(watch: DeviceWatch) -> None:
    """Two questions at once have two answers, because something may have been plugged in between."""
    watch.ask()
    watch.ask()
    answer(watch)
    answer(watch)
    assert watch.poll() is None


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no child behind, though it hangs in the sound system."""
    import subprocess
    import sys

    code = (
        "import time; from tests.realtime.test_device_watch import DeviceWatch, hang\n"
        "if __name__ == '__main__':\n"
        "    w = DeviceWatch(hang); w.ask()\n"
        "    while w._patience_s != 5.0: w.poll(); time.sleep(0.01)\n"
        "    print(w.process_id, flush=True); time.sleep(60)"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()  # which the child holds too
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(child)


def device(name: str, api: str, ins: int, outs: int, index: int, ms: float = 5.0, *, default: bool = False) -> Device:
    return Device(name, api, ins, outs, 48000, ms, ms, default and ins > 0, default and outs > 0, index)


MAC = [
    device("MacBook Pro Microphone", "Core Audio", 1, 0, 0, default=True),
    device("MacBook Pro Speakers", "Core Audio", 0, 2, 1, default=True),
]
WINDOWS = [
    device("Microsoft Sound Mapper - Input", "MME", 2, 0, 0, 90.0, default=True),
    device("Microsoft Sound Mapper - Output", "MME", 0, 2, 1, 90.0, default=True),
    device("Microphone (Realtek(R) Audio)", "Windows WASAPI", 2, 0, 2, 3.0, default=True),
    device("Speakers (Realtek(R) Audio)", "Windows WASAPI", 0, 2, 3, 3.0, default=True),
    device("HDMI (NVIDIA High Definition Audio)", "Windows WASAPI", 0, 2, 4, 3.0),
]
LINUX = [
    device("HDA Intel PCH: ALC257 Analog (hw:0,0)", "ALSA", 2, 2, 0),
    device("HDA Intel PCH: HDMI 0 (hw:0,3)", "ALSA", 0, 8, 1),
    device("default", "ALSA", 32, 32, 2, default=True),
    device("pipewire", "ALSA", 64, 64, 3),
]
JACK = "JACK Audio Connection Kit"


@pytest.mark.parametrize(
    ("devices", "chosen", "words"),
    [
        ([*LINUX, device("system", JACK, 2, 2, 9, 2.7)], ("system", "system"), "JACK server runs"),
        ([*LINUX, device("USB Audio: - (hw:1,0)", "ALSA", 2, 2, 5)], ("USB Audio: - (hw:1,0)",) * 2, "of its own"),
        (LINUX, ("HDA Intel PCH: ALC257 Analog (hw:0,0)",) * 2, "headphones"),
        (MAC, ("MacBook Pro Microphone", "MacBook Pro Speakers"), "headphones"),
        ([*MAC, device("Scarlett 2i2 USB", "Core Audio", 2, 2, 2)], ("Scarlett 2i2 USB",) * 2, "of its own"),
        (WINDOWS, ("Microphone (Realtek(R) Audio)", "Speakers (Realtek(R) Audio)"), "headphones"),
        (
            [
                *WINDOWS,
                device("Line (Scarlett 2i2 USB)", "Windows WASAPI", 2, 0, 7, 3.0),
                device("Headset (WH-1000)", "Windows WASAPI", 0, 2, 8, 3.0, default=True),
                device("Speakers (Scarlett 2i2 USB)", "Windows WASAPI", 0, 2, 9, 3.0),
            ],
            ("Line (Scarlett 2i2 USB)", "Speakers (Scarlett 2i2 USB)"),
            "WASAPI",
        ),
        (WINDOWS[:2], ("Microsoft Sound Mapper - Input", "Microsoft Sound Mapper - Output"), "180 ms"),
    ],
)
def test_the_best_choice_is_explained(devices: list[Device], chosen: tuple[str, str], words: str) -> None:
    """JACK wins over an interface, an interface over built-in parts, the system's quick way over the slow one."""
    for order in (devices, devices[::-1]):
        source, sink, why = suggest(order)
        assert (source.name, sink.name) == chosen
        assert words in why and "ms in and out" in why and why.endswith(".")


@pytest.mark.parametrize(("devices", "missing"), [([], "input"), (MAC[:1], "output"), (MAC[1:], "input")])
def test_without_a_pair_there_is_no_choice(devices: list[Device], missing: str) -> None:
    """What is missing is named, with what to do."""
    with pytest.raises(DeviceError, match=f"sees no {missing} device"):
        suggest(devices)


def test_a_device_tells_its_latency() -> None:
    """A device counts a block in, what its driver adds in and out, and nothing for a side that it lacks."""
    assert device("a", "ALSA", 2, 2, 0, 1.0).default_block_latency_ms == pytest.approx(128 / 48 + 1.0)
    assert device("a", "ALSA", 0, 2, 0, 1.0).default_block_latency_ms == 1.0
    assert device("a", "ALSA", 2, 0, 0, 8.0).default_block_latency_ms == 8.0
