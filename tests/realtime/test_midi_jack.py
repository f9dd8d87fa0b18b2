"""MIDI through a real JACK server: the child process is tests/realtime/midi_child.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import JackServer

CHILD = Path(__file__).with_name("midi_child.py")
ROOT = Path(__file__).parents[2]
StartServer = Callable[..., "JackServer"]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="JACK is used on Linux"),
    pytest.mark.kills,
]


def told_by_child(server: JackServer, *scenarios: str, kill: bool = False) -> list[Any]:
    """What the child says of each scenario; kill: end the server when the child is ready."""
    command = [sys.executable, str(CHILD), *scenarios]
    environment = {**server.environment, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        try:
            if kill:
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
                server.kill()
            out, err = child.communicate(timeout=100)
        finally:
            child.kill()
    assert child.returncode == 0, err
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def test_notes_come_exact_whole_and_again(jack_server: StartServer) -> None:
    """From note-on to sound it is one period to the sample, always; a storm passes whole; a lost port comes back."""
    scenarios = ("exact", "storm", "unheard", "vanish", "rtmidi")
    exact, storm, unheard, vanish, rtmidi = told_by_child(jack_server(period=128), *scenarios)
    assert exact == {"kind": "JackInput", "delays": [128], "onsets": [128], "declared": 128, "problems": []}
    # Of 12 000 messages a second every whole one came, in order; sysex, clock and garbage did not; nothing failed.
    assert storm["faults"] == 0
    assert storm["equal"] and storm["in_order"] and storm["count"] > 500
    assert 0 < storm["overheard"] <= 512
    assert storm["problems"] == []
    # What nobody collected in time is dropped and said, and what may hang is ended.
    assert unheard["first"] == "ff"
    assert unheard["count"] == 2048 + 1
    assert unheard["said"] == [f"{6000 - 2048} MIDI messages of sender:out came while nothing played and were dropped."]
    assert unheard["faults"] == 0
    # When the port vanished its notes ended.
    assert vanish["events"] == ["903c63", "ff", "903e63"]
    assert vanish["faults"] == 0
    assert vanish["said"] == [
        "The MIDI port sender:out is not there; it is opened as soon as it is.",
        "The MIDI port sender:out is there.",
    ]
    # rtmidi's own port brings every note in order, a block and a millisecond late.
    assert rtmidi == {"equal": True, "problems": [], "declared": 128 + 48}


def test_a_killed_server_is_said_and_harms_nothing(jack_server: StartServer) -> None:
    """When the server dies, a sentence says so, collecting goes on with silence, and closing does not hang."""
    (told,) = told_by_child(jack_server(), "killed", kill=True)
    assert len(told["said"]) == 1
    assert told["said"][0].startswith("The JACK server ended")
    assert told["events"] == [1, 0, 0]  # the reset that ends what sounded, then nothing
