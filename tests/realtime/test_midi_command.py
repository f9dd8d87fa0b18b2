from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from realtime.commands.midi import spelt

if TYPE_CHECKING:
    from tests.conftest import JackServer

PROGRAM = [sys.executable, "-m", "realtime.cli", "midi"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x90\x3c\x64", "channel  1  note C4 (60) velocity 100"),
        (b"\x9f\x45\x00", "channel 16  note A4 (69) off"),
        (b"\x81\x00\x40", "channel  2  note C-1 (0) off"),
        (b"\xa0\x3c\x05", "channel  1  pressure 5 on C4 (60)"),
        (b"\xb0\x07\x7f", "channel  1  controller 7 value 127"),
        (b"\xc3\x05", "channel  4  program 5"),
        (b"\xd0\x21", "channel  1  pressure 33"),
        (b"\xe0\x00\x40", "channel  1  bend +0"),
        (b"\xe0\x00\x00", "channel  1  bend -8192"),
        (b"\xff", "system reset"),
    ],
)
def test_messages_are_spelt(message: bytes, words: str) -> None:
    """Every kind of message has words for a musician."""
    assert spelt(message) == words


def test_without_ports_the_list_says_what_to_do() -> None:
    """Where no server runs and no port is, the list says so, and an unknown port gets one sentence."""
    environment = {**os.environ, "JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": "retimbre-none"}
    done = subprocess.run([*PROGRAM, "ports", "--json"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert all(port["api"] != "JACK" for port in json.loads(done.stdout)["ports"])
    done = subprocess.run([*PROGRAM, "monitor", "qqq"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("retimbre: There is no MIDI port 'qqq'")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="JACK is used on Linux")
def test_the_monitor_prints_what_a_port_sends(jack_server: Callable[..., JackServer]) -> None:
    """Connected to the monitor's virtual port, a client's note appears as words; the list names the client's port."""
    server = jack_server()
    sender = (
        "import jack, time, sys\n"
        "c = jack.Client('keys', no_start_server=True)\n"
        "p = c.midi_outports.register('out')\n"
        "def process(frames):\n"
        "    p.clear_buffer()\n"
        "    p.write_midi_event(0, (0x90, 60, 100))\n"
        "c.set_process_callback(process)\n"
        "c.activate()\n"
        "while True:\n"
        "    time.sleep(0.05)\n"
        "    if not p.connections:\n"
        "        try:\n"
        "            c.connect(p, 'watch:midi')\n"
        "        except jack.JackError:\n"  # the monitor is not there yet
        "            pass\n"
    )
    keys = subprocess.Popen([sys.executable, "-c", sender], env=server.environment)
    watch = subprocess.Popen(
        [*PROGRAM, "monitor", "--virtual", "watch", "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**server.environment, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert watch.stdout is not None
        assert watch.stdout.readline() == "channel  1  note C4 (60) velocity 100\n"
        ports: list[str] = []
        deadline = time.monotonic() + 20
        while "keys:out" not in ports and time.monotonic() < deadline:
            listed = subprocess.run(
                [*PROGRAM, "ports", "--json"], capture_output=True, check=True, env=server.environment
            )
            ports = [port["name"] for port in json.loads(listed.stdout)["ports"]]
        assert "keys:out" in ports
    finally:
        for process in (keys, watch):
            process.kill()
            process.wait(timeout=10)
        if watch.stdout is not None:
            watch.stdout.close()
