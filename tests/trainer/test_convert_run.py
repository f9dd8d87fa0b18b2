from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import realtime.methods
from realtime.audio_file import read_audio, write_audio
from realtime.cli import build_app
from realtime.errors import ConfigError
from realtime.methods import Opening
from tests.trainer.toy import ToyConfig
from trainer.config import RunConfig
from trainer.loop import train
from trainer.methods import RUN
from trainer.models.umtn import Umtn
from trainer.models.vae import Vae
from trainer.run_effect import RunEffect

RATE = 16_000


@pytest.fixture(scope="module")
def trained(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A UMTN of one step."""
    out = tmp_path_factory.mktemp("runs") / "umtn"
    run = RunConfig(recipe="umtn", out=out, steps=1, batch=2, device="cpu")
    train(run, Umtn.tiny(material), Console(file=io.StringIO()))
    return out


def test_a_run_converts_a_file(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`convert --method run --run FOLDER` writes what the target's own decoder plays, as long as the input."""
    monkeypatch.setattr(realtime.methods, "installed", lambda: {"run": RUN})
    sound = 0.3 * np.sin(2 * np.pi * 220 / RATE * np.arange(RATE // 2)).astype(np.float32)
    write_audio(tmp_path / "in.wav", sound[None], RATE)
    words = ["convert", str(tmp_path / "in.wav"), "--method", "run", "--run", str(trained)]
    made = {}
    for name, more in (("1", []), ("2", ["--set", "target=2"]), ("horn", ["--target", "horn"])):
        told = CliRunner().invoke(build_app(), [*words, "-o", str(tmp_path / f"{name}.wav"), *more])
        assert told.exit_code == 0, told.output
        made[name] = read_audio(tmp_path / f"{name}.wav").signal[0]
        assert made[name].shape == sound.shape
        assert np.abs(made[name]).max() > 1e-3
    assert np.array_equal(made["2"], made["horn"])  # bell, horn: the same decoder, and the same every time
    assert not np.array_equal(made["1"], made["2"])


def test_progress_is_told_as_it_sounds(trained: Path) -> None:
    """Seconds done add up to the sound's, and silence is answered with silence."""
    heard: list[float] = []
    effect = RunEffect(trained, None, 1.0)
    made = effect(np.full(2 * RATE, 0.1, np.float32), RATE, heard.append)
    assert sum(heard) == pytest.approx(2.0, abs=0.01) and len(heard) > 1
    assert made.shape == (2 * RATE,)
    assert not effect(np.zeros(100, np.float32), RATE, heard.append).any()


def test_what_cannot_be_has_its_sentence(trained: Path, material: Path, tmp_path: Path) -> None:
    """No run there, an unknown target, a system without sound, and one without a way of its own are told at once."""
    values = {"target": 0.0, "temperature": 1.0}
    with pytest.raises(ConfigError, match=r"is no run folder \(it has no config.json\)"):
        RUN.open(Opening(values, run=tmp_path))
    for wrong in (Opening(values, run=trained, target="oboe"), Opening(values | {"target": 3.0}, run=trained)):
        with pytest.raises(ConfigError, match=r"has no target '(oboe|3)': it has bell, horn"):
            RUN.open(wrong)
    quiet = Console(file=io.StringIO())
    train(RunConfig(recipe="toy", out=tmp_path / "toy", steps=1, batch=2, device="cpu"), ToyConfig(), quiet)
    with pytest.raises(ConfigError, match="trained a toy, which makes no sound"):
        RUN.open(Opening(values, run=tmp_path / "toy"))
    train(RunConfig(recipe="vae", out=tmp_path / "vae", steps=1, batch=2, device="cpu"), Vae.tiny(material), quiet)
    with pytest.raises(ConfigError, match="trained a vae, which has no way of its own to convert files: export it"):
        RUN.open(Opening(values, run=tmp_path / "vae"))
