"""Files through the plugins of a preset: aligned, as they sound live, and never without one that is wanted."""

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
from numpy.typing import NDArray

from realtime.controls import Controls
from realtime.convert import convert
from realtime.errors import PluginError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.messages import PlayedFile
from realtime.package import Package, resolve
from realtime.plugins import blacklist
from realtime.plugins.spec import PluginSpec
from tests.realtime.plugin_parts import TEST, build, installed, noise
from tests.realtime.small_packages import delay_package

RATE = 48000
PLAIN: dict[str, Any] = {"match_loudness": False, "learn_level": False}
ECHO = PluginSpec("http://drobilla.net/plugins/mda/Delay", {"l_delay": 0.1, "r_delay": 0.2, "fx_mix": 0.6})
LATE = PluginSpec(f"{TEST}late", {"level": 0.5})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lv2"))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the test's own plugins be those that are installed, and none be black-listed afterwards."""
    installed(monkeypatch, folder)
    monkeypatch.setattr(blacklist, "_SESSION", {})


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package that gives back what it hears, later."""
    return delay_package(tmp_path_factory.mktemp("packages"))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 36, 5000])
def test_the_latency_of_plugins_is_taken_out(plugins: None, package: Package, channels: int, samples: int) -> None:
    """Through late plugins on both sides, each halving, a quarter of the input comes back, each sample in its place."""
    sound = noise(channels, samples)
    made = convert(sound, RATE, package, before=(LATE,), after=(LATE,), **PLAIN).signal
    assert made.shape == (2, samples)
    np.testing.assert_allclose(made, 0.25 * (sound if channels == 2 else np.repeat(sound, 2, axis=0)), atol=1e-7)


def test_a_plugin_that_cannot_play_is_no_silent_loss(plugins: None, package: Package) -> None:
    """One that is missing, crashes or gives what is no number is said, and nothing is converted without it."""
    for name, values in (("absent", {}), ("crash", {"trouble": 1.0}), ("notnumber", {"trouble": 1.0})):
        with pytest.raises(PluginError):
            convert(noise(1, 5000), RATE, package, after=(PluginSpec(f"{TEST}{name}", values),), **PLAIN)


def recorded_live(folder: Path, sound: Path) -> NDArray[np.float32] | None:
    """(3, samples): what went in and both sides that came out; None where the machine was too busy for the plugin."""
    settings = StreamSettings("identity", input="loopback", output="loopback", output_channel=2, after=(ECHO,))
    take = folder / f"take-{time.monotonic_ns()}.wav"
    with LiveSession() as session:
        session.open(settings)
        session.record(take)
        session.play_file(PlayedFile(sound, "input"))
        told: list[Event] = []
        deadline = time.monotonic() + 30
        while not any(event.kind == "file" for event in told) and time.monotonic() < deadline:
            told += session.tick()
            time.sleep(0.01)
        now = session.snapshot()
        session.record(None)
    if now.missed_plugins or now.late_model_calls or now.xruns:
        return None
    signal: NDArray[np.float32] = soundfile.read(take, dtype="float32")[0].T
    return signal


def test_a_file_sounds_as_on_stage(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """What a live session plays through an echo is, sample for sample, what `convert` makes of its input."""
    jack_server(period=1024, sample_rate=RATE)
    soundfile.write(tmp_path / "in.wav", 0.3 * noise(1, RATE)[0], RATE, subtype="FLOAT")
    takes = (recorded_live(tmp_path, tmp_path / "in.wav") for _ in range(8))
    take = next((one for one in takes if one is not None), None)
    assert take is not None, "the machine was too busy eight times"
    assert np.abs(take[0]).max() > 0.1
    made = convert(take[0], RATE, resolve("identity"), after=(ECHO,), **PLAIN).signal
    assert np.abs(take[1] - take[2]).max() > 0.01  # the echo differs between the sides
    np.testing.assert_allclose(made, take[1:], atol=1e-6)


def test_a_preset_converts_with_all_that_it_says(tmp_path: Path, package: Package) -> None:
    """Model, controls and plugins are the preset's, a given option wins, and without a plugin nothing is made."""
    sound = 0.3 * noise(1, 9600)[0]
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    preset = tmp_path / "song.toml"
    text = f"""
format = 1
model = "{package.folder}"
[controls]
mix = 0.5
output_gain_db = -6.0
[[after]]
uri = "{ECHO.uri}"
parameters = {{ l_delay = 0.1, r_delay = 0.2, fx_mix = 0.6 }}
"""
    preset.write_text(text)

    def run(name: str, *words: str) -> NDArray[np.float32]:
        command = [sys.executable, "-m", "realtime.cli", "convert", str(tmp_path / "in.wav"), "-o"]
        command += [str(tmp_path / name), "--preset", str(preset), *words]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        made: NDArray[np.float32] = soundfile.read(tmp_path / name, dtype="float32")[0].T
        return made

    controls = Controls(mix=0.5, output_gain_db=-6.0)
    expected = convert(sound, RATE, package, controls, after=(ECHO,), **PLAIN).signal
    np.testing.assert_allclose(run("a.wav"), expected, atol=1e-6)
    louder = convert(sound, RATE, resolve("identity"), Controls(mix=0.5), after=(ECHO,), **PLAIN).signal
    np.testing.assert_allclose(run("b.wav", "--gain", "0", "--model", "identity"), louder, atol=1e-6)
    preset.write_text(text.replace("mda/Delay", "mda/Nothing"))
    with pytest.raises(AssertionError, match="mda/Nothing"):
        run("c.wav")
    assert not (tmp_path / "c.wav").exists()
