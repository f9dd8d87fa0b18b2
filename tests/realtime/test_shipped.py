"""What the shipped packages promise: golden sound, latency, the right pitch soon after an onset."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.at_rest import at_rest
from realtime.chain import Chain
from realtime.controls import Controls
from realtime.latency import latency
from realtime.package import check, find_packages, resolve

RATE = 48_000


@pytest.mark.parametrize("name", ["identity", "voice", "keyboard-guitar", "streaming-melody", "streaming-keyboard"])
def test_a_shipped_package_plays_its_golden_sound(name: str) -> None:
    """A shipped package plays its golden sound on this machine, within the tolerance."""
    assert name in {found.name for found in find_packages() if found.error is None}
    assert check(resolve(name)).passed


@pytest.mark.parametrize("name", ["voice", "keyboard-guitar", "streaming-melody", "streaming-keyboard"])
def test_a_shipped_package_leaves_silence_and_hiss_soft(name: str) -> None:
    """No target makes sound of a silent input, or makes a preamplifier's hiss at -60 dBFS more than 12 dB louder."""
    assert [found.sentence for found in at_rest(resolve(name)) if found.sentence] == []


def test_the_voice_sounds_within_twelve_milliseconds() -> None:
    """The voice's algorithmic latency at period 128 and 48 kHz, one block included, is at most 12 ms."""
    parts = latency(resolve("voice").manifest, block=128, device_rate=RATE, device_in=128)
    assert parts.total_ms <= 12


@pytest.mark.parametrize("name", ["streaming-melody", "streaming-keyboard"])
def test_a_streaming_model_sounds_within_ten_milliseconds(name: str) -> None:
    """A streaming model is at most 3 ms late by itself, and at most 10 ms with a card at its rate and period 128."""
    manifest = resolve(name).manifest
    assert 1000 * manifest.latency_samples / manifest.sample_rate <= 3
    assert latency(manifest, block=128, device_rate=manifest.sample_rate, device_in=128, device_out=128).total_ms <= 10


@pytest.mark.parametrize("f0_hz", [110.0, 146.8, 220.0, 440.0, 880.0])
@pytest.mark.parametrize("ratio", [0.0, 0.75, 1.5])
def test_the_voice_has_the_right_pitch_22_ms_after_an_onset(f0_hz: float, ratio: float) -> None:
    """22 ms after the onset of a note from A2 up (25 with the block) the output repeats at the note's period."""
    weights = (1.0,) + (0.0,) * (len(resolve("voice").manifest.targets) - 1)
    chain = Chain(resolve("voice"), Controls(octave="off", target=weights), provider="cpu")
    onset = RATE // 2
    pitch = np.where(np.arange(RATE) < onset, f0_hz * ratio, f0_hz)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.asarray(sum(0.1 * np.sin(k * phase) / k for k in range(1, 9)), np.float32)
    made = played(chain, sound)
    assert repeats(made, onset + int(0.022 * RATE), RATE / f0_hz) > 0.8


def played(chain: Chain, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the chain makes of a sound, as far as its steps are whole; zeros behind."""
    made = np.zeros_like(sound)
    for begin in range(0, len(sound) - chain.step_samples + 1, chain.step_samples):
        block = slice(begin, begin + chain.step_samples)
        chain.process(sound[block], made[block])
    return made


def repeats(sound: NDArray[np.float32], begin: int, period: float) -> float:
    """How well one period from `begin` on is repeated by the next, within 50 cents: 1 is exactly."""
    length = round(period)
    first = sound[begin : begin + length]
    best = 0.0
    for lag in range(int(period * 0.972), int(period * 1.03) + 1):
        second = sound[begin + lag : begin + lag + length]
        difference = float(((first - second) ** 2).sum())
        best = max(best, 1 - difference / float((first**2).sum() + (second**2).sum() + 1e-9))
    return best
