from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.latency import buffering_samples, chain_latency_samples, latency
from realtime.package import Package
from realtime.resample import stream_delay
from realtime.ring import BlockAdapter
from tests.realtime.small_packages import (
    delay_package,
    gain_package,
    oscillator_package,
    spectrum_package,
)

MAKERS: dict[str, Callable[[Path], Package]] = {
    "gain": gain_package,
    "delay": delay_package,
    "long delay": lambda folder: delay_package(folder, delay=1000, step=441),
    "spectrum": spectrum_package,
    "look-ahead": lambda folder: spectrum_package(folder, lookahead=3, step=2),
    "oscillator": oscillator_package,
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Package]:
    """One package of each kind."""
    return {name: make(tmp_path_factory.mktemp("packages")) for name, make in MAKERS.items()}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("mix", [0.0, 1.0])
@pytest.mark.parametrize("block", [1, 64, 65, 128, 441, 8193])
def test_an_impulse_arrives_when_the_law_says(packages: dict[str, Package], name: str, block: int, mix: float) -> None:
    """An impulse through model or dry path comes out after exactly the law's total, for every block size."""
    package = packages[name]
    if name == "oscillator" and mix == 1.0:
        mix = 0.0  # its model makes a tone of its own: the declared feature delay is what the dry path waits for
    adapter = BlockAdapter(Chain(package, Controls(mix=mix)))
    law = latency(package.manifest, block=block)
    assert law.total == sum(law.parts().values())
    at = 1500
    length = -(-(at + int(law.total) + 2000) // block) * block
    heard = np.zeros(length, np.float32)
    signal = np.zeros(length, np.float32)
    signal[at] = 0.5
    for start in range(0, length, block):
        adapter.process(signal[start : start + block], heard[start : start + block])
    assert int(np.argmax(np.abs(heard))) == at + law.total
    assert adapter.delay_samples == law.buffering


def test_every_part_is_named(packages: dict[str, Package]) -> None:
    """Each cause stands in its own part, in samples and in milliseconds."""
    law = latency(packages["look-ahead"].manifest, block=128, device_in=32, device_out=64, slack=128)
    assert law.parts() == {
        "device_in": 32,
        "buffering": 512 - 128,
        "slack": 128,
        "analysis": 768,
        "lookahead": 768,
        "model": 0,
        "feature": 0,
        "resampler": 0,
        "plugins": 0,
        "device_out": 64,
    }
    assert law.parts_ms()["analysis"] == 16.0
    assert law.total_ms == pytest.approx(sum(law.parts_ms().values()))
    assert law.algorithmic == chain_latency_samples(packages["look-ahead"].manifest) == 1536
    assert latency(packages["oscillator"].manifest).feature == 256
    assert latency(packages["delay"].manifest).model == 37


@given(
    block=st.integers(1, 300),
    step=st.integers(1, 300),
    rates=st.sampled_from([(1, 1), (44100, 48000), (48000, 44100), (32000, 48000), (48000, 16000)]),
    start=st.integers(0, 500),
)
def test_buffering_is_the_least_that_never_runs_dry(block: int, step: int, rates: tuple[int, int], start: int) -> None:
    """With that many samples in front a queue never lacks one and, at its worst moment, holds none too many."""
    device, model = rates
    taken, least = start, None
    # A whole period of the pattern, and then some.
    for _ in range(device // np.gcd(device, model) * step + 1):
        ready = taken * model // device // step * step * device // model
        least = ready - taken if least is None else min(least, ready - taken)
        taken += block
    assert least is not None
    assert buffering_samples(block, step, device, model, start) + least == 0


@pytest.mark.parametrize("device_rate", [44100, 96000])
@pytest.mark.parametrize("block", [64, 128, 441])
def test_a_rate_of_its_own_is_in_the_law(packages: dict[str, Package], device_rate: int, block: int) -> None:
    """Behind a sound card of another rate a pulse arrives when the law says, to a twentieth of a sample."""
    package = packages["spectrum"]
    law = latency(package.manifest, block=block, device_rate=device_rate)
    assert law.rate == device_rate
    ratio = device_rate / 48000
    assert law.resampler == stream_delay(device_rate, 48000) * ratio + stream_delay(48000, device_rate)
    adapter = BlockAdapter(Chain(package), device_rate)
    at, width = 3000, 12.0
    length = -(-(at + int(law.total) + 3000) // block) * block
    signal = np.exp(-(((np.arange(length) - at) / width) ** 2)).astype(np.float32)
    heard = np.zeros(length, np.float32)
    for start in range(0, length, block):
        adapter.process(signal[start : start + block], heard[start : start + block])
    centre = float((heard * np.arange(length)).sum() / heard.sum())
    assert centre == pytest.approx(at + law.total, abs=0.05)
    assert adapter.delay_samples == law.buffering
