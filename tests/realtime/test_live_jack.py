from __future__ import annotations

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
from realtime.errors import EngineError
from realtime.host import Event, Host, StreamSettings
from realtime.package import Package, default_package_name, resolve
from realtime.resample import resample_signal
from tests.realtime.live_parts import (
    FloatArray,
    play_into,
    samples_package,
    spectrum_package,
    through_chain,
    tune,
)

RATE = 48000
TRIES = 6


def settings(package: Package | str, **more: Any) -> StreamSettings:
    model = package if isinstance(package, str) else str(package.folder)
    return StreamSettings(model=model, input="loopback", output="loopback", output_channel=2, **more)


def exact_offset(heard: FloatArray, package: Package, sound: FloatArray, delay: int) -> int | None:
    """How many zeros before `sound` make the chain give what was heard, bit by bit, `delay` samples later; None: none.

    The engine's steps began when it was opened, so that the sound begins at any place within a step.
    """
    step = package.manifest.step_samples
    for zeros in range(0, step, 32):
        wanted = through_chain(package, np.concatenate([np.zeros(zeros, np.float32), sound]))[zeros:]
        length = min(heard.size - delay, wanted.size)
        if np.array_equal(heard[delay : delay + length], wanted[:length]):
            return zeros
    return None


@pytest.mark.parametrize("period", [64, 128, 256, 1024])
@pytest.mark.parametrize("make", [samples_package, spectrum_package], ids=["samples", "spectrum"])
def test_live_output_is_the_chains_stream_bit_by_bit(
    jack_server: Callable[..., Any], tmp_path: Path, period: int, make: Callable[[Path], Package]
) -> None:
    """What is heard through a sound server equals the offline chain, later by exactly the declared latency."""
    jack_server(period=period, sample_rate=RATE)
    package = make(tmp_path)
    sound = tune(0.8, RATE)
    # A machine that stands still for a moment loses sound, at 64 frames sooner than a second chance can make good.
    for _ in range(TRIES):
        with Host() as host:
            running = host.open(settings(package))
            heard = play_into(tmp_path, sound, RATE)
            faults = host.snapshot().faults + host.snapshot().late_model_calls
        if faults == 0:
            break
    law = running.latency
    chain_delay = package.manifest.latency_samples
    assert running.block == period
    assert law.total == int(law.total)
    # The player's own way back through the loopback device is one more period; the stream holds the chain's own delay.
    delay = int(law.total) - chain_delay + period
    assert faults == 0
    assert exact_offset(heard, package, sound, delay) is not None
    assert exact_offset(heard, package, sound, delay + 32) is None
    if package.manifest.phase == "input":
        # This model keeps phases, so that its sound itself says how late it is.
        assert measured_delay(heard, sound) == int(law.total) + period


def measured_delay(heard: FloatArray, sound: FloatArray) -> int:
    """Samples by which `heard` must be moved to look most like `sound`."""
    spectra = np.fft.rfft(heard, 2 * sound.size) * np.fft.rfft(sound, 2 * sound.size).conj()
    return int(np.argmax(np.fft.irfft(spectra)))


@pytest.mark.parametrize("where", ["callback", "worker"])
def test_a_worker_adds_the_declared_slack_and_nothing_else(
    jack_server: Callable[..., Any], tmp_path: Path, where: Any
) -> None:
    """The model in a thread of its own gives the same samples, later by the slack that the law names."""
    jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path, step=64)
    sound = tune(0.5, RATE)
    with Host() as host:
        running = host.open(settings(package, where=where))
        heard = play_into(tmp_path, sound, RATE)
    assert running.where == where
    assert running.latency.slack == (0 if where == "callback" else 256)
    assert exact_offset(heard, package, sound, int(running.latency.total) + 256) is not None


@pytest.mark.parametrize(("device_rate", "period"), [(44100, 128), (96000, 256)])
def test_a_card_at_another_rate_gives_the_resampled_stream(
    jack_server: Callable[..., Any], tmp_path: Path, device_rate: int, period: int
) -> None:
    """With a device rate that is not the model's, live equals resample, chain, resample, to 60 dB under the sound."""
    jack_server(period=period, sample_rate=device_rate)
    package = samples_package(tmp_path)
    sound = tune(1.0, device_rate)
    with Host() as host:
        running = host.open(settings(package))
        heard = play_into(tmp_path, sound, device_rate)
    assert any("resampled" in remark for remark in running.remarks)
    assert running.latency.resampler > 0
    at_model = through_chain(package, resample_signal(sound, device_rate, RATE))
    wanted = resample_signal(at_model, RATE, device_rate, sound.size)
    delay = float(running.latency.total) + period
    # Compared where both resamplers pass: to 18 kHz, away from the ends; the delay may be a fraction of a sample.
    moved = shifted_low(wanted, delay, device_rate)
    plain = shifted_low(heard, 0.0, device_rate)
    inside = slice(4000, sound.size - 4000)
    error = np.std((moved - plain)[inside]) / np.std(plain[inside])
    assert 20 * np.log10(error) < -60
    late = shifted_low(wanted, delay + 1, device_rate)
    assert 20 * np.log10(np.std((late - plain)[inside]) / np.std(plain[inside])) > -40


def shifted_low(signal: FloatArray, delay: float, sample_rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    spectrum = np.fft.rfft(signal, 2 * signal.size)
    hz = np.fft.rfftfreq(2 * signal.size, 1 / sample_rate)
    spectrum *= np.exp(-2j * np.pi * hz * delay / sample_rate) * (hz < 18000)
    return np.fft.irfft(spectrum)[: signal.size]


def test_the_default_model_plays_live_as_it_converts(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The model that `live` takes when none is named gives through the server what the chain gives offline."""
    period = 128
    jack_server(period=period, sample_rate=RATE)
    package = resolve(default_package_name())
    assert package.manifest.sample_rate == RATE
    sound = tune(1.0, RATE)
    with Host() as host:
        running = host.open(settings(default_package_name()))
        heard = play_into(tmp_path, sound, RATE)
        snapshot = host.snapshot()
    delay = int(running.latency.total) - package.manifest.latency_samples + period
    assert snapshot.model_faults == snapshot.late_model_calls == 0
    wanted = through_chain(package, sound)[: heard.size - delay]
    assert float(np.abs(wanted).max()) > 0.01
    # A decoder with noise has moved on in it before the sound began; its spectrum is the same, its samples need not be.
    if package.manifest.states:
        there, here = (np.abs(np.fft.rfft(part))[: part.size // 4] for part in (wanted, heard[delay:]))
        assert float(np.dot(there, here) / np.linalg.norm(there) / np.linalg.norm(here)) > 0.9
    else:
        assert np.array_equal(heard[delay:], wanted)


def test_a_recording_holds_the_aligned_input_and_the_output(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """Left in the recorded file is the input moved by the latency, right what is played; both bit by bit."""
    period = 128
    jack_server(period=period, sample_rate=RATE)
    package = spectrum_package(tmp_path)
    sound = tune(0.5, RATE)
    take = tmp_path / "take.wav"
    with Host() as host:
        running = host.open(settings(package, record=take))
        heard = play_into(tmp_path, sound, RATE)
        assert host.record(None) is None
    recorded, rate = soundfile.read(take, dtype="float32")
    assert rate == RATE
    begin = int(np.flatnonzero(recorded[:, 0])[0])
    first = int(np.flatnonzero(sound)[0])
    dry = recorded[begin - first :, 0]
    inner = int(running.latency.total - running.latency.device_in - running.latency.device_out)
    length = sound.size - 2 * period - inner  # what the player had time to hear
    assert np.array_equal(dry[:length], sound[:length])
    wet = recorded[begin - first :, 1]
    assert np.array_equal(wet[:length], heard[inner + 2 * period :][:length])


@pytest.mark.kills
def test_a_killed_engine_leaves_a_recording_that_opens(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The file's header is kept right while recording, so that a kill loses half a second at most."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    take = tmp_path / "take.wav"
    host = Host()
    host.open(settings(package, record=take))
    time.sleep(1.6)
    host._process.kill()
    host._process.join()
    assert soundfile.info(take).frames >= 0.8 * RATE
    assert any("ended unexpectedly (signal 9)" in event.sentence for event in host.events())
    with pytest.raises(EngineError, match="not running"):
        host.mute(True)
    host.close()


def test_a_dead_sound_server_is_told_and_the_engine_ends(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """When the server dies the engine says so, and closing takes seconds however PortAudio hangs."""
    server = jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    host = Host()
    host.open(settings(package))
    server.kill()
    deadline = time.monotonic() + 8
    while not host.snapshot().stalled and time.monotonic() < deadline:
        time.sleep(0.05)
    assert host.snapshot().stalled
    assert any("stopped asking for sound" in event.sentence for event in host.events())
    began = time.monotonic()
    host.close(timeout_s=2.0)
    assert time.monotonic() - began < 5
    assert not host.alive


def test_controls_and_mute_reach_the_running_stream(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """A changed gain is heard as that gain, and a muted output is silent."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    sound = tune(0.4, RATE)
    with Host() as host:
        running = host.open(settings(package))
        plain = play_into(tmp_path, sound, RATE)
        host.set_controls(Controls(output_gain_db=-20.0))
        quiet = play_into(tmp_path, sound, RATE)
        host.mute(True)
        time.sleep(0.2)
        silent = play_into(tmp_path, sound, RATE)
        muted = host.snapshot().muted
    delay = int(running.latency.total) + 128
    assert np.allclose(quiet[delay:], 0.1 * plain[delay:], atol=1e-6)
    assert not silent.any() and muted


def test_the_live_command_plays_and_stops_by_itself(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """`retimbre live --seconds` names the latency by part, plays and ends with a count of what went wrong."""
    jack_server(period=128, sample_rate=RATE)
    package = spectrum_package(tmp_path)
    command = [sys.executable, "-m", "realtime.cli", "live", "--model", str(package.folder), "--seconds", "1"]
    command += ["--input", "loopback", "--output", "loopback", "--record", str(tmp_path / "take.wav")]
    command += ["--output-channel", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "spectrum analysis and synthesis" in done.stdout
    assert "together" in done.stdout
    assert "Played 1." in done.stdout
    assert soundfile.info(tmp_path / "take.wav").frames > 0.5 * RATE


def test_a_real_howl_is_muted_with_a_sentence(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """An output that is its own input, louder each time round, is muted within seconds, and the user is told."""
    jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path)
    with Host() as host:
        loop = StreamSettings(
            str(package.folder), Controls(output_gain_db=3.0), input="loopback", output="loopback", output_channel=1
        )
        host.open(loop)
        play_into(tmp_path, tune(0.1, RATE), RATE)
        deadline = time.monotonic() + 5
        while not host.snapshot().muted and time.monotonic() < deadline:
            time.sleep(0.05)
        now, said = host.snapshot(), host.events()
    assert now.muted and now.howls == 1
    assert any("howled and is muted" in event.sentence for event in said)


def test_a_period_that_changes_while_playing_changes_the_law(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """When the server's period changes the engine says the new latency, and the sound is exact again."""
    server = jack_server(period=128, sample_rate=RATE)
    package = samples_package(tmp_path, step=64)
    sound = tune(0.4, RATE)
    with Host() as host:
        running = host.open(settings(package))
        subprocess.run(["jack_bufsize", "256"], env=server.environment, check=True, timeout=20)
        deadline = time.monotonic() + 5
        said: list[Event] = []
        while not any(event.kind == "running" for event in said) and time.monotonic() < deadline:
            time.sleep(0.05)
            said += host.events()
        heard = play_into(tmp_path, sound, RATE)
    assert running.block == 128
    assert any("period to 256 frames" in event.sentence for event in said)
    assert exact_offset(heard, package, sound, 2 * 256) is not None
