"""Run by test_midi_jack in a process of its own, because libjack may not outlive its server in the tests' process.

`python midi_child.py SCENARIO …` prints one line of JSON for each. Clients: a sender of MIDI whose frames are known, a
player that stands for the engine's audio callback, and a recorder that hears the player through the server.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import jack
import numpy as np

from realtime.midi.ports import MidiInput, open_input
from realtime.midi.rtmidi_input import JACK_API, RtMidiInput
from realtime.midi.source import SourceSettings, open_source

SECONDS = 30.0
Message = tuple[int, ...]


class Sender:
    """A client that sends messages at frames counted from when it was told to begin."""

    def __init__(self) -> None:
        self.client = jack.Client("sender", no_start_server=True)
        self.port = self.client.midi_outports.register("out")
        self.plan: list[tuple[int, Message]] = []
        self.sent: list[int] = []
        self.began: int | None = None
        self.go = False
        self.client.set_process_callback(self._process)
        self.client.activate()

    def _process(self, frames: int) -> None:
        self.port.clear_buffer()
        cycle = self.client.last_frame_time
        if not self.go:
            return
        if self.began is None:
            self.began = cycle
        while len(self.sent) < len(self.plan):
            frame, message = self.plan[len(self.sent)]
            frame += self.began
            if frame >= cycle + frames:
                break
            self.port.write_midi_event(frame - cycle, message)
            self.sent.append(frame)

    @property
    def done(self) -> bool:
        """Whether the whole plan was sent."""
        return self.go and len(self.sent) == len(self.plan)


class Player:
    """A client whose callback does what the engine's does: collect, and let a source play."""

    def __init__(self, heard: MidiInput) -> None:
        self.client = jack.Client("player", no_start_server=True)
        self.port = self.client.outports.register("out")
        self.heard, self.faults = heard, 0
        self.events: list[tuple[int, bytes]] = []
        self.source = open_source(SourceSettings(ring_s=0.05, release_ms=2.0), self.client.samplerate, 16384)
        self.client.set_process_callback(self._process)
        self.client.activate()

    def _process(self, frames: int) -> None:
        try:
            out = self.port.get_array()
            events = self.heard.collect(frames)
            cycle = self.client.last_frame_time
            self.events += [(cycle + offset, message) for offset, message in events]
            self.source.play(events, out)
        except Exception:  # noqa: BLE001
            self.faults += 1


class Recorder:
    """A client that keeps the player's sound, with the frame of each block."""

    def __init__(self) -> None:
        self.client = jack.Client("recorder", no_start_server=True)
        self.port = self.client.inports.register("in")
        self.blocks: list[tuple[int, Any]] = []
        self.client.set_process_callback(self._process)
        self.client.activate()
        self.client.connect("player:out", self.port)

    def _process(self, _frames: int) -> None:
        self.blocks.append((self.client.last_frame_time, self.port.get_array().copy()))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def wait_for(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


def leave(*clients: Any) -> None:
    """Take clients off the server."""
    for client in clients:
        client.deactivate()
        client.close()


def added(said: list[str], heard: MidiInput) -> int:
    """How many sentences there are with the newest."""
    said += heard.problems()
    return len(said)


def exact() -> dict[str, Any]:
    """Notes at odd frames, heard and recorded: the delays of the messages and of the sound."""
    sender = Sender()
    heard = open_input("sender:out", rate_hz=sender.client.samplerate)
    player = Player(heard)
    recorder = Recorder()
    generator = np.random.default_rng(1)
    frame = 2000
    for _ in range(20):
        sender.plan += [(frame, (0x90, 76, 127)), (frame + 300, (0x80, 76, 0))]
        frame += 2500 + int(generator.integers(0, 999))
    sender.go = True
    wait_for(lambda: sender.done and len(player.events) >= len(sender.plan), "notes")
    wait_for(lambda: recorder.blocks[-1][0] > sender.sent[-1] + 1000, "sound")
    problems = heard.problems()
    leave(sender.client, player.client, recorder.client)
    arrived = [at - sent for (at, _), sent in zip(player.events, sender.sent, strict=True)]
    onsets = []
    for sent, (_, message) in zip(sender.sent, sender.plan, strict=True):
        if message[0] == 0x90:
            near = [(at, block) for at, block in recorder.blocks if sent - 500 <= at <= sent + 500]
            sound = np.concatenate([block for _, block in near])
            onsets.append(near[0][0] + int(np.argmax(np.abs(sound) > 1e-4)) - sent)
    result = {
        "kind": type(heard).__name__,
        "delays": sorted(set(arrived)),
        "onsets": sorted(set(onsets)),
        "declared": heard.delay_samples,
        "problems": problems,
    }
    heard.close()
    return result


def storm() -> dict[str, Any]:
    """Thirty random messages a cycle, sysex and garbage among them, then a note: what came through."""
    sender = Sender()
    heard = open_input("sender:out", rate_hz=sender.client.samplerate)
    player = Player(heard)
    generator = np.random.default_rng(2)
    for k in range(6000):
        size = int(generator.choice([1, 2, 3, 3, 3, 3, 5]))
        values = [int(generator.integers(0x70, 0x100)), *generator.integers(0, 140, size - 1)]
        sender.plan.append((4 * k, tuple(int(value) for value in values)))
        if k % 50 == 0:
            sender.plan.append((4 * k + 1, (0xF0, *[1] * 40, 0xF7)))
    end = 4 * 6000
    sender.plan += [(end, (0xFF,)), (end + 1, (0x90, 60, 99))]
    sender.go = True
    wait_for(lambda: player.events and player.events[-1][1] == bytes((0x90, 60, 99)), "the last note")
    problems = heard.problems()
    leave(sender.client, player.client)
    whole = [
        bytes(message)
        for _, message in sender.plan
        if message == (0xFF,)
        or (
            0x80 <= message[0] < 0xF0
            and max(message[1:], default=0) < 128
            and len(message) == (2 if message[0] & 0xE0 == 0xC0 else 3)
        )
    ]
    frames = [at for at, _ in player.events]
    result = {
        "faults": player.faults,
        "equal": [message for _, message in player.events] == whole,
        "count": len(whole),
        "in_order": frames == sorted(frames),
        "overheard": len(heard.overheard()),
        "problems": problems,
    }
    heard.close()
    return result


def unheard() -> dict[str, Any]:
    """More messages than the ring holds come before anything collects."""
    sender = Sender()
    heard = open_input("sender:out", rate_hz=sender.client.samplerate)
    sender.plan = [(2 * k, (0x90, k % 128, 1 + k // 128)) for k in range(6000)]
    sender.go = True
    wait_for(lambda: sender.done, "the messages")
    player = Player(heard)
    wait_for(lambda: player.events and player.events[-1][1] == bytes(sender.plan[-1][1]), "the newest")
    problems = heard.problems()
    leave(sender.client, player.client)
    heard.close()
    return {"first": player.events[0][1].hex(), "count": len(player.events), "said": problems, "faults": player.faults}


def vanish() -> dict[str, Any]:
    """The port goes away while a note sounds, and comes back."""
    sender = Sender()
    heard = open_input("sender:out", rate_hz=sender.client.samplerate)
    player = Player(heard)
    sender.plan = [(0, (0x90, 60, 99))]
    sender.go = True
    wait_for(lambda: player.events, "the first note")
    leave(sender.client)
    said: list[str] = []
    wait_for(lambda: added(said, heard), "the loss")
    wait_for(lambda: player.events[-1][1] == b"\xff", "silence")
    sender = Sender()
    wait_for(lambda: added(said, heard) > 1, "the return")
    sender.plan = [(0, (0x90, 62, 99))]
    sender.go = True
    wait_for(lambda: player.events[-1][1] == bytes((0x90, 62, 99)), "the note after it")
    leave(sender.client, player.client)
    heard.close()
    return {"said": said, "events": [message.hex() for _, message in player.events], "faults": player.faults}


def killed() -> dict[str, Any]:
    """The server is killed by the parent after the word ready."""
    heard = open_input(None, virtual_name="keys", rate_hz=48000)
    say("ready")
    said: list[str] = []
    wait_for(lambda: added(said, heard), "the end of the server")
    events = [len(heard.collect(128)) for _ in range(3)]
    heard.close()
    return {"said": said, "events": events}


def through_rtmidi() -> dict[str, Any]:
    """Notes through rtmidi's port instead: all of them come, in their order."""
    sender = Sender()
    heard = RtMidiInput("sender:out", JACK_API, "keys", sender.client.samplerate)
    player = Player(heard)
    sender.plan = [(3000 + 500 * k, (0x90, k % 100, 1 + k // 100)) for k in range(200)]
    sender.go = True
    wait_for(lambda: len(player.events) >= 200, "the notes")
    problems = heard.problems()
    leave(sender.client, player.client)
    result = {
        "equal": [message for _, message in player.events] == [bytes(message) for _, message in sender.plan],
        "problems": problems,
        "declared": heard.delay_samples,
    }
    heard.close()
    return result


if __name__ == "__main__":
    scenarios = {
        "exact": exact,
        "storm": storm,
        "unheard": unheard,
        "vanish": vanish,
        "killed": killed,
        "rtmidi": through_rtmidi,
    }
    for name in sys.argv[1:]:
        say(json.dumps(scenarios[name]()))
    # Clients of a dead server may hang in their destructors.
    os._exit(0)
