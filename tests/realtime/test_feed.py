"""MIDI through the running engine: notes sound, controllers turn, program changes call; on a real JACK server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from realtime.controls import Controls
from realtime.convert_files import Settings, convert_files, plan
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.messages import MidiSettings
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.package import resolve

RATE = 48000
OSCILLATOR = SourceSettings("oscillator", wave="sine", attack_ms=0.5, release_ms=5.0)

# Sends messages at known frames and says how long after each the engine's output began to sound.
PLAYER = """
import json, sys, time
import jack, numpy as np

plan = json.loads(sys.argv[1])
client = jack.Client("player", no_start_server=True)
keys, heard = client.midi_outports.register("keys"), client.inports.register("heard")
sound, sent, began = [], [], None

@client.set_process_callback
def process(frames):
    global began
    keys.clear_buffer()
    now = client.last_frame_time
    if began is None:
        began = now
    sound.append((now, heard.get_array().copy()))
    while len(sent) < len(plan) and began + plan[len(sent)][0] < now + frames:
        at, message = plan[len(sent)]
        keys.write_midi_event(max(0, began + at - now), bytes(message))
        sent.append(began + at)

client.activate()
for port in client.get_ports("test-keys", is_midi=True, is_input=True):
    client.connect(keys, port)
client.connect("PortAudio:out_1", heard)
while len(sent) < len(plan) or sound[-1][0] < sent[-1] + 4800:
    time.sleep(0.05)
client.deactivate()
first = sound[0][0]
whole = np.concatenate([block for _, block in sound])
delays = []
for frame, (_, message) in zip(sent, plan):
    if message[0] == 0x90:
        rest = np.abs(whole[frame - first:]) > 1e-4
        delays.append(int(np.argmax(rest)) if rest.any() else -1)
print(json.dumps({"delays": delays, "level": float(np.abs(whole).max())}))
"""


def play(plan_: list[tuple[int, list[int]]]) -> dict[str, Any]:
    command = [sys.executable, "-c", PLAYER, json.dumps(plan_)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def settings(**more: Any) -> StreamSettings:
    return StreamSettings("identity", input="loopback", output="loopback", output_channel=2, **more)


def until(session: LiveSession, done: Callable[[list[Event]], bool]) -> list[Event]:
    told: list[Event] = []
    deadline = time.monotonic() + 20
    while not done(told) and time.monotonic() < deadline:
        told += session.tick()
        time.sleep(0.02)
    assert done(told), told
    return told


@pytest.fixture
def plucked() -> MidiSettings:
    """A port of our own whose notes play a sine, with a knob for the mix and two programs."""
    bindings = MidiMap({(None, 1): Binding.over("mix"), (None, 2): Binding.over("mute")}, {5: "identity"})
    return MidiSettings(virtual="test-keys", source=OSCILLATOR, map=bindings)


def test_notes_sound_after_the_same_time_each(jack_server: Callable[..., Any], plucked: MidiSettings) -> None:
    """From note-on to sound it takes the same number of samples, whatever the note's place in the period."""
    jack_server(period=128, sample_rate=RATE)
    notes = []
    for number in range(12):
        at = 9600 + number * 9637
        notes += [(at, [0x90, 69, 100]), (at + 3000, [0x80, 69, 0])]
    with LiveSession() as session:
        running = session.open(settings(midi=plucked))
        told = play(notes)
    delays = told["delays"]
    assert len(delays) == 12 and min(delays) > 0
    # One period in the MIDI input, then the stream's own way out; and no jitter, where 48 samples were a millisecond.
    assert max(delays) - min(delays) <= 2
    assert max(delays) <= 128 + running.latency.total + 128


def test_controllers_turn_and_programs_call(jack_server: Callable[..., Any], plucked: MidiSettings) -> None:
    """A controller turns its control in the engine, a switch mutes, and a program change asks the session."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=plucked))
        play([(4800, [0xB0, 1, 0]), (9600, [0xB0, 2, 127]), (14400, [0xC0, 5])])
        told = until(session, lambda events: any(event.kind == "program" for event in events))
        assert session.state().controls.mix == 0.0
        assert session.snapshot().muted
        assert [event.value for event in told if event.kind == "program"] == ["identity"]
        session.host.learn("output_gain_db")
        play([(4800, [0xB3, 20, 10]), (9600, [0xB3, 20, 90])])
        learnt = next(
            e for e in until(session, lambda events: any(e.kind == "learnt" for e in events)) if e.kind == "learnt"
        )
        assert learnt.value.binding_for(4, 20).control == "output_gain_db"
        assert session.settings is not None and session.settings.midi is not None
        assert session.settings.midi.map == learnt.value


def test_a_midi_file_plays_live_and_is_converted(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A standard MIDI file plays through the engine instead of a port, and `convert` makes a sound file of it."""
    song = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    song.tracks.append(track)
    for note in (60, 64, 67):
        track.append(mido.Message("note_on", note=note, velocity=90))
        track.append(mido.Message("note_off", note=note, time=480))
    song.save(tmp_path / "song.mid")
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=MidiSettings(file=tmp_path / "song.mid", loop=True, source=OSCILLATOR)))
        until(session, lambda _: session.snapshot().output_peak > 0.05)
    results = convert_files(
        plan([tmp_path / "song.mid"], tmp_path / "song.wav", None),
        Settings(resolve("identity").folder, Controls(), source=OSCILLATOR),
        jobs=1,
        progress=lambda _: None,
        finished=lambda _: None,
    )
    assert results[0].failure is None and results[0].seconds >= 1.5
    import soundfile

    sound, _ = soundfile.read(tmp_path / "song.wav")
    assert np.abs(sound).max() > 0.05
