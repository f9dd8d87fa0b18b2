from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from realtime.errors import ConfigError, EngineError
from realtime.measure import LoopProbe, Measuring, find, sweep

RATE = 48000


def loop(probe: LoopProbe, delay: int, *, block: int = 64, gain: float = 1.0, noise: float = 0.0) -> None:
    """Run the probe with a loop outside that gives back `delay` samples later."""
    random = np.random.default_rng(1)
    line = np.zeros(delay, np.float32)
    while not probe.done:
        heard = line[:block] + noise * random.standard_normal(block).astype(np.float32)
        samples = heard.astype(np.float32)
        probe.fill(samples)
        line = np.concatenate([line[block:], gain * samples]).astype(np.float32)


@pytest.mark.parametrize(("delay", "gain", "noise"), [(64, 1.0, 0.0), (701, -0.3, 0.0), (2890, 0.02, 0.0005)])
def test_a_delay_is_found_to_the_sample(delay: int, gain: float, noise: float) -> None:
    """Whatever the level, the polarity and the noise, every sweep is found where it is, without jitter."""
    probe = LoopProbe(40, delay * 0.9, RATE)
    loop(probe, delay, gain=gain, noise=noise)
    measured = probe.result(delay, RATE)
    assert (measured.found, measured.shortest, measured.median, measured.longest) == (40, delay, delay, delay)
    assert measured.jitter == 0


def test_the_first_of_two_echoes_counts() -> None:
    """A louder reflection that comes later does not hide the direct sound."""
    wanted = sweep(RATE)
    heard = np.zeros(4000, np.float32)
    heard[500 : 500 + wanted.size] += 0.5 * wanted
    heard[900 : 900 + wanted.size] += wanted
    assert find(wanted, heard) == 500


def test_silence_is_no_delay() -> None:
    """An input that hears nothing, or only noise, is told as a loop that is not there."""
    probe = LoopProbe(5, 100, RATE)
    loop(probe, 100, gain=0.0, noise=0.01)
    with pytest.raises(EngineError, match="of 5 test sweeps came back"):
        probe.result(100, RATE)
    with pytest.raises(ConfigError, match="0 events"):
        Measuring(0)


def test_the_loop_of_a_real_server_takes_what_the_law_says(jack_server: Callable[..., Any]) -> None:
    """Through JACK at period 64, a sample-domain package is as late as declared: under 4 ms, without jitter."""
    jack_server(period=64, sample_rate=RATE)
    command = [sys.executable, "-m", "realtime.cli", "latency", "--measure", "--wet", "--model", "identity", "--json"]
    command += ["--input", "loopback", "--output", "loopback", "--output-channel", "1", "--events", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["measured_samples"]
    assert told["found"] == 20 and told["jitter"] == 0
    assert abs(told["median"] - told["declared"]) <= 1
    assert told["median"] / RATE <= 0.004


def test_the_law_is_told_without_a_sound_card() -> None:
    """`retimbre latency` names every part of the shipped voice's latency without opening anything."""
    command = [sys.executable, "-m", "realtime.cli", "latency", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["total_ms"] == pytest.approx(sum(told["parts_ms"].values()))
    assert told["parts_ms"]["feature"] > 0
