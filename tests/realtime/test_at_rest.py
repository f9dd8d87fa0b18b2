"""What models make of silence and of hiss, and the sentence that says when it is too much."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from realtime.at_rest import HISS_DB, at_rest
from realtime.commands import models
from realtime.package import make_golden, write_package
from tests.realtime.package_parts import SAMPLES, tone, toy_model, toy_package
from tests.realtime.small_packages import delay_package, gain_package


def test_a_model_that_only_delays_is_quiet(tmp_path: Path) -> None:
    """Silence stays silence, hiss keeps its level, and there is nothing to say."""
    (found,) = at_rest(delay_package(tmp_path))
    assert found.silence_db < -150
    assert found.hiss_db == pytest.approx(HISS_DB, abs=0.5)
    assert found.sentence is None


def test_hiss_made_loud_is_told_with_its_level(tmp_path: Path) -> None:
    """Ten times the hiss is 20 dB more, and the sentence has the figure."""
    (found,) = at_rest(gain_package(tmp_path, gain=10.0))
    assert found.hiss_db == pytest.approx(HISS_DB + 20, abs=0.5)
    assert found.sentence is not None
    assert "-40 dBFS of a hiss of -60 dBFS" in found.sentence


def test_each_target_is_asked(tmp_path: Path) -> None:
    """A model of two targets has two answers, by their names."""
    assert [found.target for found in at_rest(toy_package(tmp_path))] == ["flute", "viola"]


def test_check_tells_of_a_model_that_sounds_in_silence(tmp_path: Path) -> None:
    """`models check` still passes it, for it plays as its maker heard it, and says that silence is not silent."""
    model = toy_model(op="Cos")
    package = write_package(tmp_path / "toy", SAMPLES, model, make_golden(SAMPLES, model, tone()), "# Toy\n")
    app = typer.Typer()
    models.register(app)
    done = CliRunner().invoke(app, ["models", "check", str(package.folder)])
    assert done.exit_code == 0
    assert "The target flute sounds at" in done.stderr
    assert "while its input is silent" in done.stderr
