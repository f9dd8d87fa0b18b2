"""What a player may wish of a live session while sound runs: files, notes, other devices; on a real JACK server."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from realtime.errors import ConfigError, DeviceError, EngineError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.messages import MidiSettings, PlayedFile
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.plugins.spec import PluginSpec
from realtime.presets.library import read_preset
from realtime.presets.setlist import Setlist
from tests.realtime.live_parts import play_into, samples_package

RATE = 48000
SINE = SourceSettings("oscillator", wave="sine", attack_ms=0.5, release_ms=5.0)
KEYBOARD = MidiSettings(keyboard=True, source=SINE)


def settings(**more: Any) -> StreamSettings:
    return StreamSettings("identity", input="loopback", output="loopback", output_channel=2, **more)


def until(session: LiveSession, done: Callable[[list[Event]], bool], seconds: float = 30.0) -> list[Event]:
    told: list[Event] = []
    deadline = time.monotonic() + seconds
    while not done(told) and time.monotonic() < deadline:
        told += session.tick()
        time.sleep(0.01)
    assert done(told), told
    return told


def has(kind: str) -> Callable[[list[Event]], bool]:
    return lambda told: any(event.kind == kind for event in told)


def tone(path: Path, seconds: float, hz: float = 480.0, level: float = 0.25) -> Path:
    soundfile.write(path, level * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE), RATE)
    return path


def level_at(sound: NDArray[np.float32], hz: float) -> float:
    time_s = np.arange(sound.size) / RATE
    return float(2 * np.abs(np.mean(sound * np.exp(-2j * np.pi * hz * time_s))))


def listen(folder: Path, seconds: float = 0.5) -> NDArray[np.float32]:
    """What the output sends while the input is silent, without the first moment."""
    return play_into(folder, np.zeros(round(seconds * RATE), np.float32), RATE)[RATE // 10 :]


def test_a_file_is_heard_and_its_end_is_told(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """At the output a file sounds though the session is muted; its place runs, its end is told, and it is forgotten."""
    jack_server(period=256, sample_rate=RATE)
    path = tone(tmp_path / "a.wav", 3.0)
    with LiveSession() as session:
        session.open(settings())
        session.mute(True)
        assert math.isnan(session.snapshot().file_s)
        session.play_file(PlayedFile(path, "output", from_s=0.5))
        until(session, lambda _: session.snapshot().file_s > 0.5)
        heard = listen(tmp_path)
        assert level_at(heard[: RATE // 4], 480.0) == pytest.approx(0.25, abs=0.01)
        told = until(session, has("file"))
        assert [event.value for event in told if event.kind == "file"] == [path]
        assert math.isnan(session.snapshot().file_s)
        assert session.settings is not None and session.settings.file is None
        assert session.snapshot().muted and session.snapshot().faults == 0


def test_a_file_is_the_input(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """At the input a looped file takes the place of what the card hears, until it is ended."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(file=PlayedFile(tone(tmp_path / "a.wav", 0.5), loop=True)))
        until(session, lambda _: session.snapshot().file_s > 0)
        card = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(RATE // 2) / RATE).astype(np.float32)
        heard = play_into(tmp_path, card, RATE)[RATE // 10 :]
        assert level_at(heard, 480.0) == pytest.approx(0.25, abs=0.01) and level_at(heard, 1000.0) < 0.001
        session.play_file(None)
        until(session, lambda _: math.isnan(session.snapshot().file_s))
        heard = play_into(tmp_path, card, RATE)[RATE // 10 :]
        assert level_at(heard, 1000.0) == pytest.approx(0.25, abs=0.01) and level_at(heard, 480.0) < 0.001
        # A preset is a sound: the file that happens to play is none of it.
        assert "file" not in read_preset(session.save_preset("song")).stream


@pytest.mark.kills
def test_a_file_that_cannot_be_read_is_refused(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A sentence tells why, what played before plays on, and a restart goes on with that where it was."""
    jack_server(period=256, sample_rate=RATE)
    good, bad = tone(tmp_path / "a.wav", 60.0), tmp_path / "b.wav"
    bad.write_text("no sound")
    with LiveSession() as session:
        session.open(settings())
        session.play_file(PlayedFile(good, "output", from_s=20.0))
        until(session, lambda _: session.snapshot().file_s > 20)
        session.play_file(PlayedFile(bad, "output"))
        told = until(session, has("refused"))
        refused = next(event for event in told if event.kind == "refused")
        assert refused.value == "file" and "cannot be read as sound" in refused.sentence
        assert session.settings is not None and session.settings.file is not None
        assert session.settings.file.path == good
        assert session.host.process_id is not None
        until(session, lambda _: session.snapshot().file_s > 21.5)  # well past where it was asked to begin
        before = session.snapshot().file_s
        os.kill(session.host.process_id, signal.SIGKILL)
        until(session, lambda told: any("is back" in event.sentence for event in told))
        until(session, lambda _: session.snapshot().file_s > 0)
        assert before - 0.5 < session.snapshot().file_s < before + 5


def test_two_takes_are_compared_in_step(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Switching between two files goes on at the same place, and no incident comes of it."""
    jack_server(period=256, sample_rate=RATE)
    first, second = tone(tmp_path / "a.wav", 30.0), tone(tmp_path / "b.wav", 30.0, 960.0)
    with LiveSession() as session:
        session.open(settings())
        session.play_file(PlayedFile(first, "output", from_s=10.0))
        until(session, lambda _: session.snapshot().file_s > 10)
        session.play_file(PlayedFile(second, "output", in_step=True))
        time.sleep(0.3)
        assert 10 < session.snapshot().file_s < 14
        until(session, lambda _: level_at(session.host.meters.scope.latest(4800)[1], 960.0) > 0.2)
        assert 10 < session.snapshot().file_s < 20
        assert session.snapshot().faults == 0


def test_notes_from_the_host_play_and_panic_ends_them(jack_server: Callable[..., Any]) -> None:
    """Notes that are sent sound as if from a port; panic ends them and a file, is silent a moment, then lets sound."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=KEYBOARD))
        session.send_midi(bytes([0xB0, 64, 127]))
        session.send_midi(bytes([0x90, 69, 100]))
        until(session, lambda _: level_at(session.host.meters.scope.latest(4800)[1], 440.0) > 0.05)
        session.send_midi(bytes([0x80, 69, 0]))  # the pedal holds it
        assert level_at(session.host.meters.scope.latest(4800)[1], 440.0) > 0.05
        session.panic()
        until(session, lambda _: session.snapshot().input_rms < 1e-4)
        time.sleep(0.6)
        session.send_midi(bytes([0x90, 69, 100]))
        until(session, lambda _: level_at(session.host.meters.scope.latest(4800)[1], 440.0) > 0.05)


def test_what_is_no_midi_message_is_refused(jack_server: Callable[..., Any]) -> None:
    """Lengths and bytes that no channel message has are refused with a sentence, and so is a flood."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings())
        with pytest.raises(EngineError, match="No MIDI port is open"):
            session.send_midi(bytes([0x90, 60, 100]))
        session.set_midi(KEYBOARD)
        for wrong in (b"", b"\x90\x3c", b"\xf0\x01\xf7", b"\x90\x3c\x80", bytes(9)):
            with pytest.raises(ConfigError, match="no message of a MIDI channel"):
                session.send_midi(wrong)
        flood = (bytes([0xB0, 30, number % 128]) for number in range(20_000))
        with pytest.raises(ConfigError, match="within a second: send fewer"):
            deque(map(session.send_midi, flood))


def test_a_knob_is_learnt_and_forgotten(jack_server: Callable[..., Any]) -> None:
    """While a control waits it says so; the next controller turns it from then on, until it is forgotten."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=KEYBOARD))
        session.learn("mix")
        waiting: str | None = session.learning
        assert waiting == "mix"
        session.send_midi(bytes([0xB0, 20, 0]))
        session.send_midi(bytes([0xB0, 20, 32]))
        until(session, has("learnt"))
        assert session.learning is None
        session.send_midi(bytes([0xB0, 20, 64]))
        until(session, lambda _: abs(session.state().controls.mix - 0.5) < 0.01)
        session.forget("mix")
        assert session.settings is not None and session.settings.midi is not None
        assert session.settings.midi.map == MidiMap()
        session.send_midi(bytes([0xB0, 20, 127]))
        time.sleep(0.2)
        session.tick()
        assert abs(session.state().controls.mix - 0.5) < 0.01
        session.learn("mix")
        session.learn(None)
        assert session.learning is None


def test_another_stream_keeps_what_was_wanted(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Other channels open the stream again with controls, mute, file and MIDI as they were, recording in a new file."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=KEYBOARD))
        session.change_controls({"output_gain_db": -6.0})
        session.record(tmp_path / "take.wav", "output")
        session.play_file(PlayedFile(tone(tmp_path / "a.wav", 60.0), "output", from_s=30.0))
        until(session, lambda _: session.snapshot().file_s > 30)
        session.mute(True)
        running = session.change_stream(output_channel=1)
        assert running is not None and session.running == running
        assert session.settings is not None and session.settings.output_channel == 1
        assert session.muted and session.state().controls.output_gain_db == -6.0
        until(session, lambda _: session.snapshot().file_s > 30)
        assert session.state().recording == tmp_path / "take-2.wav"
        session.send_midi(bytes([0x90, 69, 100]))
        until(session, lambda _: session.snapshot().input_peak > 0.05)
        assert session.close() is None
    assert [soundfile.info(tmp_path / name).channels for name in ("take.wav", "take-2.wav")] == [1, 1]


def test_a_stream_that_cannot_be_leaves_the_old_one(jack_server: Callable[..., Any]) -> None:
    """A device that is not there is refused with a sentence that says so, and what played before plays on."""
    jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings(midi=KEYBOARD))
        before = session.settings
        for changes, words in (({"input": "no such"}, "no such"), ({"input_channel": 64}, "input channel 64")):
            with pytest.raises((DeviceError, EngineError), match=rf"{words}.*\. What played before plays on\.$"):
                session.change_stream(**changes)
            assert session.settings == before and not session.waiting
            until(session, lambda _: session.snapshot().callbacks > 10 and not session.snapshot().stalled)
        for wrong, sentence in (({"colour": "blue"}, "no setting 'colour'"), ({"block": 1}, "block is 1 frames")):
            with pytest.raises(ConfigError, match=sentence):
                session.change_stream(**wrong)
        session.send_midi(bytes([0x90, 69, 100]))
        until(session, lambda _: session.snapshot().input_peak > 0.05)


def test_wishes_while_the_stream_is_lost_are_kept(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Without a server every wish is only remembered, and the stream comes back with all of them."""
    server = jack_server(period=256, sample_rate=RATE)
    with LiveSession() as session:
        session.open(settings())
        server.kill()
        until(session, lambda _: session.waiting)
        session.set_midi(KEYBOARD)
        session.learn("mix")
        session.play_file(PlayedFile(tone(tmp_path / "a.wav", 20.0), "output", loop=True))
        session.send_midi(bytes([0x90, 60, 100]))  # lost
        session.mute(True)
        assert session.change_stream(output_channel=1) is None and session.muted
        jack_server(period=256, sample_rate=RATE)
        until(session, lambda told: any("is back" in event.sentence for event in told), 60)
        until(session, lambda _: session.snapshot().file_s > 0)
        assert session.snapshot().muted
        session.send_midi(bytes([0xB0, 20, 0]))
        session.send_midi(bytes([0xB0, 20, 32]))
        until(session, has("learnt"))


def test_a_setlist_comes_and_goes(jack_server: Callable[..., Any]) -> None:
    """Another setlist changes places and program numbers, not the sound; a map of one's own stays."""
    jack_server(period=256, sample_rate=RATE)
    own = MidiMap({(None, 1): Binding.over("mix")})
    with LiveSession() as session:
        session.open(settings(midi=MidiSettings(keyboard=True, source=SINE, map=own)), preset="two")
        for setlist, place, songs in ((Setlist("a", ("one", "two")), 2, 2), (Setlist("b", ("x",)), 0, 1), (None, 0, 0)):
            session.set_setlist(setlist)
            assert session.setlist is setlist
            assert (session.state().position, session.state().songs) == (place, songs)
            assert session.settings is not None and session.settings.midi is not None
            wanted = {} if setlist is None else setlist.program_names
            assert session.settings.midi.map.programs == wanted and session.settings.midi.map.cc == own.cc


def test_plugins_that_cannot_be_leave_the_old_ones(jack_server: Callable[..., Any]) -> None:
    """Plugins are exchanged while sound runs; one that is unknown is refused, and the chain stays as it is wanted."""
    jack_server(period=256, sample_rate=RATE)
    delay = (PluginSpec("http://drobilla.net/plugins/mda/Delay"),)
    with LiveSession() as session:
        session.open(settings())
        session.set_plugins((), delay)
        until(session, has("running"))
        assert session.state().after == delay
        session.set_plugins((PluginSpec("urn:no-such-plugin"),), ())
        told = until(session, has("refused"))
        assert "urn:no-such-plugin" in next(event.sentence for event in told if event.kind == "refused")
        assert (session.state().before, session.state().after) == ((), delay)


def test_a_knob_that_records_begins_the_take_that_it_is_told(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A controller bound to `record` begins the file that the session's owner names, and ends it."""
    jack_server(period=256, sample_rate=RATE)
    bindings = MidiMap({(None, 9): Binding.over("record")})
    with LiveSession(next_take=lambda: tmp_path / "my take.wav") as session:
        session.open(settings(midi=MidiSettings(keyboard=True, map=bindings)))
        session.send_midi(bytes([0xB0, 9, 127]))
        until(session, lambda _: session.recording is not None)
        assert session.state().recording == tmp_path / "my take.wav"


def test_the_live_command_plays_a_file(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """`retimbre live --input-file` plays a file instead of the card's input, again and again with --loop."""
    jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path)
    command = [sys.executable, "-m", "realtime.cli", "live", "--model", str(package.folder), "--no-monitor"]
    command += ["--input", "loopback", "--output", "loopback", "--output-channel", "2", "--seconds", "2"]
    command += ["--record", str(tmp_path / "take.wav"), "--recorded", "input"]
    command += ["--input-file", str(tone(tmp_path / "a.wav", 0.25)), "--loop"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    heard, _ = soundfile.read(tmp_path / "take.wav", dtype="float32")
    assert level_at(heard[-RATE:], 480.0) == pytest.approx(0.25, abs=0.01)
