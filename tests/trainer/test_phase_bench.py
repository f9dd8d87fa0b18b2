"""The ways to a phase: measures that are right where the truth is known, networks that begin as the input, a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from realtime.cli import build_app
from realtime.features import SpectrumFeatures
from realtime.spectrum import analyse
from trainer import features as twin
from trainer.config import RunConfig
from trainer.phase_bench import PhaseClip, compare, log_spectral_distance_db, lookahead_frames, si_sdr_db
from trainer.recipe import find

FEATURES = SpectrumFeatures(512, 128, 257)
RATE = 16000


def tone(f0: float, harmonics: int, turn: float) -> np.ndarray:
    """A fading note of half a second, float32."""
    time = np.arange(RATE // 2) / RATE
    parts = [np.sin(2 * np.pi * f0 * k * time + turn * k) / k for k in range(1, harmonics)]
    return np.asarray(0.2 * np.exp(-3 * time) * np.sum(parts, axis=0), np.float32)


def test_measures_know_the_truth() -> None:
    """SI-SDR ignores gain and counts added noise; halving a spectrum is 6 dB of log-spectral distance."""
    truth = tone(220, 8, 0.0)
    noise = np.random.default_rng(0).standard_normal(truth.size)
    noise = (noise - truth * (noise @ truth) / (truth @ truth)).astype(np.float32)
    noise *= np.linalg.norm(truth) / np.linalg.norm(noise)
    assert si_sdr_db(3 * truth + 0.3 * noise, truth) == pytest.approx(20, abs=0.1)
    assert si_sdr_db(truth, truth) > 80
    level = np.full((5, 7), 0.3, np.float32)
    assert log_spectral_distance_db(0.5 * level, level) == pytest.approx(6.02, abs=0.01)


def test_the_table_orders_the_ways() -> None:
    """The true phase rebuilds the sound, random phases are worst, and Griffin-Lim and integration beat the input's."""
    clip = PhaseClip("note", tone(220, 4, 0.3), tone(220, 12, 1.0))
    rows = {row.way: row for row in compare([clip], FEATURES, RATE)}
    assert list(rows) == ["true phase", "input", "gradient", "griffin_lim", "random"]
    assert rows["true phase"].convergence_db < -80
    assert rows["true phase"].si_sdr_db > 60
    for way in ("gradient", "griffin_lim"):
        assert rows[way].convergence_db < rows["input"].convergence_db < rows["random"].convergence_db
    assert max(rows, key=lambda way: rows[way].log_mel_db) == "random"
    assert rows["griffin_lim"].latency_ms is None
    assert rows["gradient"].lookahead_frames == rows["input"].lookahead_frames == 0
    assert rows["input"].latency_ms == pytest.approx(1000 * 384 / RATE)


def test_a_way_that_hears_the_future_is_found_out() -> None:
    """A way that takes the phase of three frames later has a look-ahead of three."""

    def early(x: np.ndarray, m: np.ndarray, _y: np.ndarray) -> np.ndarray:
        return np.asarray(m * np.exp(1j * np.angle(np.roll(x, -3, 1))), np.complex64)

    assert lookahead_frames(early, FEATURES) == 3


@pytest.mark.parametrize("name", ["magnitude_and_phase", "phase_network"])
def test_an_untrained_network_reuses_the_input(name: str, material: Path, tmp_path: Path) -> None:
    """Before training both networks give the input's phase, and the given or the input's magnitude."""
    recipe = find(name)(find(name).tiny(material), RunConfig(recipe=name, out=tmp_path, device="cpu"))
    features = cast("Any", recipe).features
    x, y = (torch.from_numpy(analyse(tone(220, 8, turn), features))[None] for turn in (0.0, 2.0))
    phase, own = cast("Any", recipe).estimate(x, y.abs())
    loud = x.abs() > 1e-2
    assert phase.shape == own.shape == x.shape
    torch.testing.assert_close(phase[loud], (x / x.abs())[loud], atol=1e-4, rtol=0)
    learnt = recipe.config.model.bins
    expected = x.abs() if name == "magnitude_and_phase" else y.abs()
    torch.testing.assert_close(own[:, :learnt], expected[:, :learnt], atol=1e-3, rtol=1e-3)


def test_consistency_is_zero_for_frames_of_a_sound(material: Path, tmp_path: Path) -> None:
    """Frames of one signal agree with each other; the same magnitudes with other phases do not."""
    recipe = cast(
        "Any", find("phase_network")(find("phase_network").tiny(material), RunConfig("phase_network", tmp_path))
    )
    frames = twin.analyse(torch.from_numpy(tone(330, 8, 0.0))[None], recipe.features)
    assert recipe._inconsistency(frames, frames.abs()) < 1e-3
    turned = frames * torch.polar(torch.ones(frames.shape[1]), torch.arange(frames.shape[1]) ** 2.0)[:, None]
    assert recipe._inconsistency(turned, frames.abs()) > 0.1


def test_the_command_trains_and_compares(material: Path, tmp_path: Path) -> None:
    """`retimbre phase` trains both networks, prints a row for every way and keeps numbers and sounds."""
    asked = [
        "phase",
        str(material / "paired" / "index.json"),
        "--origin",
        "bell",
        "--target",
        "horn",
        "-o",
        str(tmp_path),
    ]
    small = ["--clips", "1", "--seconds", "0.4", "--n-fft", "256", "--hop", "64", "--steps", "2"]
    for setting in ("model.bins=16", "model.frames=16", "model.width=1", "run.device=cpu", "run.batch=2"):
        small += ["--set", setting]
    told = CliRunner().invoke(build_app(), asked + small)
    assert told.exit_code == 0, told.output
    rows = {row["way"]: row for row in json.loads((tmp_path / "phase.json").read_text())["rows"]}
    assert {"input", "gradient", "griffin_lim", "magnitude_and_phase", "phase_network", "random"} < set(rows)
    assert len(list((tmp_path / "sounds").glob("*.flac"))) == len(rows)
    assert rows["phase_network"]["lookahead_frames"] > 0
