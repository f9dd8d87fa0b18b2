"""What MIDI is said to have done: messages counted, plugin knobs told, a file's place and end; with a JACK server."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest

from realtime.errors import ConfigError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.messages import MidiSettings, PluginChange
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.plugins.spec import PluginSpec
from realtime.plugins.turned_knobs import EVERY_S, TurnedKnobs

RATE = 48000
SINE = SourceSettings("oscillator", wave="sine", attack_ms=0.5, release_ms=5.0)
DELAY = PluginSpec("http://drobilla.net/plugins/mda/Delay")

# Sends each message that is named, in hexadecimal, to the port of our own.
SENDER = """
import sys, time
import jack
client = jack.Client("sender", no_start_server=True)
keys = client.midi_outports.register("keys")
left = [bytes.fromhex(word) for word in sys.argv[1:]]

@client.set_process_callback
def process(frames):
    keys.clear_buffer()
    if left and keys.number_of_connections:
        keys.write_midi_event(0, left.pop(0))

client.activate()
for port in client.get_ports("told-keys", is_midi=True, is_input=True):
    client.connect(keys, port)
while left:
    time.sleep(0.01)
time.sleep(0.1)
client.close()
"""


def send(*messages: str) -> None:
    subprocess.run([sys.executable, "-c", SENDER, *messages], check=True, timeout=30)


def settings(**more: Any) -> StreamSettings:
    return StreamSettings("identity", input="loopback", output="loopback", output_channel=2, **more)


def until(session: LiveSession, done: Callable[[list[Event]], bool], seconds: float = 20.0) -> list[Event]:
    told: list[Event] = []
    deadline = time.monotonic() + seconds
    while not done(told) and time.monotonic() < deadline:
        told += session.tick()
        time.sleep(0.01)
    assert done(told), told
    return told


def has(kind: str) -> Callable[[list[Event]], bool]:
    return lambda told: any(event.kind == kind for event in told)


def song(path: Path, notes: int, seconds_each: float) -> Path:
    """A program and a pedal at the beginning, then notes of so many seconds each."""
    file, track = mido.MidiFile(ticks_per_beat=1000), mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000, time=0))
    track.append(mido.Message("control_change", control=20, value=127))
    for number in range(notes):
        track.append(mido.Message("note_on", note=60 + number, velocity=90))
        track.append(mido.Message("note_off", note=60 + number, time=round(1000 * seconds_each)))
    file.save(str(path))
    return path


@pytest.mark.parametrize(("source", "mixed"), [(SINE, False), (SINE, True), (None, False)])
def test_messages_of_a_port_are_counted(
    jack_server: Callable[..., Any], source: SourceSettings | None, mixed: bool
) -> None:
    """Notes and controllers count alike, whatever notes play, and the newest is known by its bytes."""
    jack_server(period=256, sample_rate=RATE)
    midi = MidiSettings(virtual="told-keys", source=source, mixed=mixed)
    with LiveSession() as session:
        session.open(settings(midi=midi))
        assert session.snapshot().midi_messages == 0 and session.snapshot().midi_bytes == b""
        send("903c64", "803c00", "b24a11", "c105")
        until(session, lambda _: session.snapshot().midi_messages == 4)
        assert session.snapshot().midi_bytes == b"\xc1\x05\x00"
        session.send_midi(b"\xb2\x4a\x12")
        until(session, lambda _: session.snapshot().midi_messages == 5)
        assert session.snapshot().midi_bytes == b"\xb2\x4a\x12"


def test_a_knob_of_a_plugin_that_midi_turns_is_told(jack_server: Callable[..., Any]) -> None:
    """The session knows where MIDI has left a plugin's knob and its bypass, and so does what is opened later."""
    jack_server(period=256, sample_rate=RATE)
    bindings = MidiMap(
        {(None, 21): Binding("after.0.fx_mix", 0.0, 1.0), (None, 22): Binding("after.0.bypass", 0.0, 1.0)}
    )
    midi = MidiSettings(keyboard=True, map=bindings)
    with LiveSession() as session:
        session.open(settings(midi=midi, after=(DELAY,)))
        for value in range(0, 127, 2):
            session.send_midi(bytes((0xB0, 21, value)))
        session.send_midi(bytes((0xB0, 21, 127)))
        told = until(session, lambda told: PluginChange("after", 0, "fx_mix", 1.0) in [one.value for one in told])
        assert sum(event.kind == "plugin" for event in told) < 20
        session.send_midi(bytes((0xB0, 22, 100)))
        until(session, lambda told: PluginChange("after", 0, "bypass", 1.0) in [one.value for one in told])
        assert session.settings is not None
        spec = session.settings.after[0]
        assert spec.bypass and spec.parameters["fx_mix"] == 1.0
        assert session.state().after == (spec,)


def test_a_knob_is_told_at_most_so_often() -> None:
    """Of a storm of values the first is told at once, the rest at a pace, and the last always."""
    now = 100.0
    knobs = TurnedKnobs(lambda: now)
    told = []
    for number in range(500):  # a value each millisecond
        now = 100.0 + number / 1000
        value = number / 500
        change = PluginChange("before", 1, "cutoff", value)
        knobs.turned(change, DELAY.with_parameter("cutoff", value))
        told += knobs.due()
    assert len(told) == 10 and told[0].value == 0.0
    knobs.turned(PluginChange("before", 1, "bypass", 1.0), DELAY)  # the plugin says that it is not by-passed
    assert [(one.name, one.value) for one in knobs.due()] == [("bypass", 0.0)]
    now += EVERY_S
    assert [one.value for one in knobs.due()] == [499 / 500]
    now += EVERY_S
    assert knobs.due() == []


def test_a_midi_file_has_a_place_and_an_end(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Its place runs from where it was to begin, its end is told once, and the same wish plays it again."""
    jack_server(period=256, sample_rate=RATE)
    path = song(tmp_path / "song.mid", 3, 0.5)
    midi = MidiSettings(file=path, source=SINE, from_s=0.6)
    with LiveSession() as session:
        session.open(settings())
        assert math.isnan(session.snapshot().midi_file_s)
        session.set_midi(midi)
        until(session, lambda _: session.snapshot().midi_file_s > 0.6)
        assert session.snapshot().midi_file_length_s == 1.5
        # The controller of the beginning, then the second half.
        told = until(session, has("midi_file"))
        assert [event.value for event in told if event.kind == "midi_file"] == [path]
        assert math.isnan(session.snapshot().midi_file_s) and math.isnan(session.snapshot().midi_file_length_s)
        session.set_midi(midi)
        until(session, lambda _: session.snapshot().midi_file_s > 0.6)
        session.set_midi(None)
        until(session, lambda _: math.isnan(session.snapshot().midi_file_s))


@pytest.mark.kills
def test_a_midi_file_goes_on_where_it_was(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """When the stream is opened again the file goes on; one that was over stays over."""
    jack_server(period=256, sample_rate=RATE)
    midi = MidiSettings(file=song(tmp_path / "song.mid", 40, 0.5), source=SINE, from_s=10.0)
    with LiveSession() as session:
        session.open(settings(midi=midi))
        until(session, lambda _: session.snapshot().midi_file_s > 10.5)
        before = session.snapshot().midi_file_s
        assert session.host.process_id is not None
        os.kill(session.host.process_id, signal.SIGKILL)
        until(session, lambda told: any("is back" in event.sentence for event in told))
        until(session, lambda _: session.snapshot().midi_file_s > 0)
        assert before - 0.5 < session.snapshot().midi_file_s < before + 5
        session.set_midi(MidiSettings(file=midi.file, source=SINE, from_s=19.8))
        until(session, has("midi_file"))
        session.change_stream(block=128)
        until(session, lambda _: session.snapshot().samples > RATE // 4)
        assert math.isnan(session.snapshot().midi_file_s)
        assert session.settings is not None and session.settings.midi is not None
        assert session.settings.midi.from_s == 19.8


def test_a_place_before_the_beginning_is_refused(tmp_path: Path) -> None:
    """A MIDI file can begin at no time that is none."""
    for wrong in (-1.0, math.nan, math.inf, 1e9):
        with pytest.raises(ConfigError, match="A MIDI file begins at"):
            MidiSettings(file=tmp_path / "song.mid", from_s=wrong)
