from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from realtime import methods
from realtime.audio_file import read_audio, write_audio
from realtime.cli import build_app
from realtime.errors import ConfigError
from realtime.methods import Effect, Method, MethodCall, Opening, Option, open_call
from tests.realtime.small_packages import RATE, sine

FloatArray = NDArray[np.float32]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opening]:
    """A method that needs a run and halves the sound, the only one that is installed; what it was opened with."""
    seen: list[Opening] = []

    def open_it(opening: Opening) -> Effect:
        seen.append(opening)

        def effect(signal: FloatArray, _rate: int, _progress: Callable[[float], None]) -> FloatArray:
            return np.float32(0.5) * signal

        return effect

    method = Method("A run", (Option("temperature", 1.0, 0.1, 2.0, "of chance"),), open_it, needs_run=True)
    monkeypatch.setattr(methods, "installed", lambda: {"run": method})
    return seen


def test_the_command_hands_run_and_target_to_the_method(opened: list[Opening], tmp_path: Path) -> None:
    """`--method run --run FOLDER --target NAME --set …` reaches the method; the file is as long and loud as before."""
    write_audio(tmp_path / "in.wav", sine(330, 0.2)[None], RATE)
    words = ["convert", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.flac"), "--method", "run"]
    words += ["--run", str(tmp_path / "trained"), "--target", "violin", "--set", "temperature=0.5"]
    told = CliRunner().invoke(build_app(), words)
    assert told.exit_code == 0, told.output
    assert "with the method run" in told.output
    (opening,) = opened
    assert (opening.run, opening.target) == (tmp_path / "trained", "violin")
    assert opening.values == {"temperature": 0.5}
    assert opening.style is None
    assert read_audio(tmp_path / "out.flac").signal[0] == pytest.approx(sine(330, 0.2), abs=1e-4)


def test_what_does_not_fit_has_its_sentence(opened: list[Opening], tmp_path: Path) -> None:
    """A run that is missing, a run without its method, and a style for a run are named with what to do."""
    with pytest.raises(ConfigError, match="The method run needs a trained run: give its folder with --run FOLDER"):
        open_call(MethodCall("run"))
    with pytest.raises(ConfigError, match="takes no style"):
        open_call(MethodCall("run", style=tmp_path / "a.wav", run=tmp_path))
    with pytest.raises(ConfigError, match="belongs to a method: add --method run"):
        methods.asked(None, None, [], 1, run=tmp_path)
    assert not opened


def test_a_method_without_runs_takes_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A method that needs no run refuses one, and a target too."""
    method = Method("None", (), lambda _: lambda signal, *_: signal)
    monkeypatch.setattr(methods, "installed", lambda: {"plain": method})
    with pytest.raises(ConfigError, match="takes no run: leave --run out"):
        open_call(MethodCall("plain", run=tmp_path))
    with pytest.raises(ConfigError, match="has no targets: leave --target out"):
        open_call(MethodCall("plain", target="violin"))
