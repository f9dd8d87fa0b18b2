from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime.controls import Controls
from realtime.errors import ConfigError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.package import Package
from realtime.presets.library import read_preset, write_preset
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist
from tests.realtime.live_parts import play_into, samples_package, spectrum_package, tune

RATE = 48000


def settings(package: Package | str, **more: Any) -> StreamSettings:
    model = package if isinstance(package, str) else str(package.folder)
    return StreamSettings(model=model, input="loopback", output="loopback", output_channel=2, **more)


def until(session: LiveSession, seconds: float, done: Callable[[list[Event]], bool]) -> list[Event]:
    """Tick until `done` is true of the events so far; they come back."""
    told: list[Event] = []
    deadline = time.monotonic() + seconds
    while not done(told) and time.monotonic() < deadline:
        told += session.tick()
        time.sleep(0.02)
    assert done(told), told
    return told


def is_back(told: list[Event]) -> bool:
    return any("The sound is back" in event.sentence for event in told)


def kill_engine(session: LiveSession) -> None:
    assert session.host.process_id is not None
    os.kill(session.host.process_id, signal.SIGKILL)


@pytest.mark.kills
def test_a_killed_engine_comes_back_as_it_was(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """After SIGKILL the stream opens again with model, controls and mute, and records on into a second file."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    with LiveSession() as session:
        session.open(settings(package, record=tmp_path / "take.wav"))
        session.change_controls({"output_gain_db": -12.0})
        session.mute(True)
        time.sleep(0.5)
        kill_engine(session)
        told = until(session, 30, is_back)
        words = " ".join(event.sentence for event in told)
        assert "The engine process ended" in words and "The sound stopped; it goes on by itself" in words
        assert "start" not in words  # nobody need do anything
        assert session.restarts == 1 and not session.waiting
        until(session, 5, lambda _: session.snapshot().muted)
        session.mute(False)
        heard = play_into(tmp_path, tune(0.4, RATE), RATE)
        assert session.state().controls.output_gain_db == -12.0
        assert session.close() is None
    assert 0.02 < np.abs(heard).max() < 0.2  # the gain holds: at 0 dB it would be near 0.7
    assert [soundfile.info(tmp_path / name).frames > 0 for name in ("take.wav", "take-2.wav")] == [True, True]


def test_a_full_disk_ends_the_recording_and_not_the_sound(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """When the disk takes no more an event names the recording, which is over, and the sound goes on."""
    jack_server(period=128, sample_rate=RATE)
    take = tmp_path / "take.wav"
    with LiveSession() as session:
        session.open(settings(samples_package(tmp_path), record=take))
        assert session.host.process_id is not None
        resource.prlimit(session.host.process_id, resource.RLIMIT_FSIZE, (200_000, 200_000))
        told = until(session, 20, lambda told: any(event.kind == "recording" for event in told))
        ended = next(event for event in told if event.kind == "recording")
        assert ended.value == take and "make room" in ended.sentence
        assert session.state().recording is None and session.host.alive
        assert session.record(tmp_path / "next.wav") is None
        assert session.state().recording == tmp_path / "next.wav"


def test_a_sound_server_that_dies_is_waited_for(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """When the server is killed the session says so within about a second, and plays again when there is one."""
    server = jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    with LiveSession() as session:
        session.open(settings(package))
        session.tick()
        server.kill()
        until(session, 20, lambda _: session.waiting)
        session.change_controls({"mix": 0.5})  # is kept for when the sound is back
        jack_server(period=128, sample_rate=RATE)
        until(session, 40, is_back)
        assert session.host.alive and not session.snapshot().stalled
        assert session.state().controls.mix == 0.5


def test_another_model_comes_without_a_gap(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """While a tone sounds the model is exchanged: the tone never stops, nothing is late, and the law is told anew."""
    jack_server(period=256, sample_rate=RATE)
    first, second = samples_package(tmp_path / "a"), spectrum_package(tmp_path / "b")
    with LiveSession() as session:
        before = session.open(settings(first, controls=Controls(mix=0.0)))
        session.load_model(str(second.folder))
        told = until(session, 20, lambda events: any(event.kind == "running" for event in events))
        after = next(event.value for event in told if event.kind == "running")
        assert after.model == "halved" and after.latency.total > before.latency.total
        assert session.running == after and session.state().model == str(second.folder)
        assert session.snapshot().faults == 0


def test_a_bad_package_leaves_the_old_one_playing(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A model that cannot be loaded is told in a sentence, and what played before plays on."""
    jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path)
    bad = spectrum_package(tmp_path / "bad")
    (bad.folder / "model.onnx").write_bytes(b"nothing")
    with LiveSession() as session:
        running = session.open(settings(package))
        session.load_model(str(bad.folder))
        told = until(session, 20, lambda events: any(event.kind == "refused" for event in events))
        assert "model.onnx" in next(event.sentence for event in told if event.kind == "refused")
        heard = play_into(tmp_path, tune(0.3, RATE), RATE)
        assert session.running == running
        # A restart would bring back what played, not what was refused.
        assert session.state().model == str(package.folder)
    assert np.abs(heard).max() > 0.1


def test_slack_is_given_and_taken_while_sound_runs(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Blocks of slack move the model into a worker and back, and count in the latency."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    with LiveSession() as session:
        running = session.open(settings(package))
        for slack, where in ((2, "worker"), (0, "callback")):
            session.host.change_slack(slack)
            told = until(session, 10, lambda events: any(event.kind == "running" for event in events))
            now = next(event.value for event in told if event.kind == "running")
            assert (now.slack, now.where) == (slack, where)
            assert now.latency.total == running.latency.total + 128 * slack


def test_presets_are_stepped_through(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A setlist's presets load one after the other, with their model and controls."""
    jack_server(period=256, sample_rate=RATE)
    first, second = samples_package(tmp_path / "a"), spectrum_package(tmp_path / "b")
    write_preset(Preset("one", str(first.folder)))
    write_preset(Preset("two", str(second.folder), Controls(output_gain_db=-6.0)))
    with LiveSession(Setlist("songs", ("one", "two"))) as session:
        session.open(settings(first))
        session.load_preset(1)
        session.step_preset(1)
        until(session, 30, lambda _: session.running is not None and session.running.model == "halved")
        state = session.state()
        assert (state.preset, state.position, state.songs) == ("two", 2, 2)
        assert state.controls.output_gain_db == -6.0
        session.step_preset(1)
        assert session.state().position == 2
        with pytest.raises(ConfigError, match="no place 3"):
            session.load_preset(3)
        session.change_controls({"mix": 0.25})
        saved = read_preset(session.save_preset("three"))
        assert (saved.model, saved.controls.mix) == (str(second.folder), 0.25)


def test_the_live_command_ends_cleanly_on_sigterm(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """SIGTERM finishes the recording and the log, ends every process, and the status is 0."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    command = [sys.executable, "-m", "realtime.cli", "live", "--model", str(package.folder), "--no-monitor"]
    command += ["--input", "loopback", "--output", "loopback", "--output-channel", "2"]
    command += ["--record", str(tmp_path / "take.wav"), "--recorded", "input", "--log", str(tmp_path / "log.json")]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "take.wav").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    live.terminate()
    out, err = live.communicate(timeout=20)
    assert live.returncode == 0, err
    assert "Played" in out
    assert soundfile.info(tmp_path / "take.wav").channels == 1
    assert '"counts"' in (tmp_path / "log.json").read_text()
