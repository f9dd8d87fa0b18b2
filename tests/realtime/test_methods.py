from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from realtime import methods
from realtime.audio_file import AudioFile, read_audio, write_audio
from realtime.cli import build_app
from realtime.controls import Controls
from realtime.convert_files import Result, Settings, Task, convert_files
from realtime.errors import AudioFileError, ConfigError
from realtime.methods import Method, MethodCall, Opening, Option, convert_by, open_call, parse_values
from tests.realtime.small_packages import RATE, noise, sine

FloatArray = NDArray[np.float32]


def _open(opening: Opening) -> methods.Effect:
    def effect(signal: FloatArray, sample_rate: int, progress: Callable[[float], None]) -> FloatArray:
        progress(0.5 * signal.size / sample_rate)
        if float(np.abs(signal).max()) == 0:
            raise AudioFileError("There is nothing to hear: give a sound.")
        return (np.float32(opening.values["factor"]) * signal[::-1]).astype(np.float32)

    return effect


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Method:
    """A method that plays backwards, the only one that is installed."""
    method = Method(
        "Backwards", needs_style=True, options=(Option("factor", 0.25, 0.0, 2.0, "of loudness"),), open=_open
    )
    monkeypatch.setattr(methods, "installed", lambda: {"backwards": method})
    return method


@pytest.fixture
def style(tmp_path: Path) -> Path:
    write_audio(tmp_path / "style.wav", noise(4000)[None], RATE)
    return tmp_path / "style.wav"


def test_files_are_handled_as_in_every_conversion(backwards: Method, style: Path, tmp_path: Path) -> None:
    """A method's file is as long and loud as its input, a failed one is told apart, none is written over."""
    signal = sine(440, 0.5) * np.linspace(0, 1, RATE // 2, dtype=np.float32)
    for name, sound in (("a", signal), ("b", np.zeros(500, np.float32))):
        write_audio(tmp_path / f"{name}.wav", sound[None], RATE)
    tasks = [Task(tmp_path / f"{name}.wav", tmp_path / "out" / f"{name}.wav") for name in "ab"]
    settings = Settings(None, Controls(), method=MethodCall("backwards", style))

    def convert() -> list[Result]:
        return convert_files(tasks, settings, jobs=1, progress=heard.append, finished=lambda _: None)

    heard: list[float] = []
    good, bad = convert()
    made = read_audio(tasks[0].destination).signal[0]
    assert made == pytest.approx(signal[::-1], abs=1e-4)  # 0.25 of it, brought back to the input's loudness
    assert good.failure is None and sum(heard) == pytest.approx(0.5 + 0.5 * 500 / RATE, abs=1e-3)
    assert bad.failure == "There is nothing to hear: give a sound."
    assert not tasks[1].destination.exists()
    again, _ = convert()
    assert again.failure is not None and "exists already" in again.failure


def test_mix_gain_and_loudness_are_those_of_conversions() -> None:
    """Half the method and half the input, 6 dB up; without matching, the method's own level stays."""
    signal = noise(2000)[None]

    def halved(row: FloatArray, _rate: int, _progress: Callable[[float], None]) -> FloatArray:
        return 0.5 * row

    def made(match: bool, **changes: float) -> FloatArray:
        controls = Controls().with_changes(**changes)
        return convert_by(
            halved, AudioFile(signal, RATE), controls, match_loudness=match, progress=lambda _: None
        ).signal

    assert made(False) == pytest.approx(0.5 * signal)
    assert made(True) == pytest.approx(signal, abs=1e-5)
    assert made(False, mix=0.5, output_gain_db=6.0) == pytest.approx(0.75 * 10**0.3 * signal, rel=1e-4)


def test_two_equal_channels_are_worked_on_once() -> None:
    """A mono recording on two channels costs one run, a stereo one two; progress adds up to the duration."""
    runs: list[int] = []

    def counted(row: FloatArray, rate: int, progress: Callable[[float], None]) -> FloatArray:
        runs.append(row.size)
        progress(row.size / rate)
        return row

    one = noise(4800)
    for channels, expected in (([one, one], 1), ([one, -one], 2)):
        runs.clear()
        heard: list[float] = []
        sound = AudioFile(np.stack(channels), RATE)
        made = convert_by(counted, sound, Controls(), match_loudness=False, progress=heard.append).signal
        assert len(runs) == expected
        assert made == pytest.approx(sound.signal)
        assert sum(heard) == pytest.approx(0.1)


def test_an_effect_that_breaks_the_length_or_gives_nan_is_refused() -> None:
    """What is not as long as the input, or not finite, is never written."""
    sound = AudioFile(noise(100)[None], RATE)
    for broken in (lambda row, *_: row[:-1], lambda row, *_: row * np.float32(np.nan)):
        with pytest.raises(AudioFileError, match="no sound of the input's length"):
            convert_by(broken, sound, Controls(), match_loudness=False, progress=lambda _: None)


def test_what_does_not_fit_a_method_has_its_sentence(backwards: Method, style: Path) -> None:
    """An unknown method, a style that is missing or too much, and settings out of range are named."""
    with pytest.raises(ConfigError, match="no method 'forwards': choose from backwards"):
        open_call(MethodCall("forwards", style))
    with pytest.raises(ConfigError, match="needs the sound of the style"):
        open_call(MethodCall("backwards"))
    with pytest.raises(AudioFileError, match="does not exist"):
        open_call(MethodCall("backwards", Path("nowhere.wav")))
    with pytest.raises(ConfigError, match="factor is 3, but it goes from 0 to 2"):
        parse_values("backwards", ["factor=3"])
    with pytest.raises(ConfigError, match="has no setting 'speed': it has factor"):
        parse_values("backwards", ["speed=1"])
    with pytest.raises(ConfigError, match="write NAME=NUMBER with one of factor"):
        parse_values("backwards", ["factor"])
    assert parse_values("backwards", ["factor=1.5"]) == {"factor": 1.5}


def test_the_command_converts_by_a_method(backwards: Method, style: Path, tmp_path: Path) -> None:
    """`convert --method NAME --style FILE` writes the file and says by what; what speaks to a model is refused."""
    write_audio(tmp_path / "in.wav", sine(330, 0.2)[None], RATE)
    words = ["convert", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.flac"), "--method", "backwards"]
    told = CliRunner().invoke(build_app(), [*words, "--style", str(style), "--set", "factor=1"])
    assert told.exit_code == 0, told.output
    assert "with the method backwards" in told.output
    assert read_audio(tmp_path / "out.flac").signal[0] == pytest.approx(sine(330, 0.2)[::-1], abs=1e-4)
    wrong = CliRunner().invoke(build_app(), [*words, "--style", str(style), "--target", "violin"])
    assert isinstance(wrong.exception, ConfigError) and "has no targets: leave --target out" in str(wrong.exception)
    lost = CliRunner().invoke(build_app(), [*words[:4], "--style", str(style)])
    assert isinstance(lost.exception, ConfigError) and "belongs to a method" in str(lost.exception)


def test_without_the_training_extra_a_method_is_not_there(monkeypatch: pytest.MonkeyPatch, style: Path) -> None:
    """Where no room offers a method, the sentence says so; where its packages are missing, they are named."""
    monkeypatch.setattr(methods, "installed", dict)
    with pytest.raises(ConfigError, match="this installation has none"):
        methods.find("random-cnn")

    def lacking(*_: object) -> methods.Effect:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    method = Method("Lacking", needs_style=True, options=(), open=lacking)
    monkeypatch.setattr(methods, "installed", lambda: {"lacking": method})
    with pytest.raises(ModuleNotFoundError, match="torch"):  # the command line's sentence about the extra
        open_call(MethodCall("lacking", style))
