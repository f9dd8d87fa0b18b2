"""What a block costs the streaming WaveNet here, each size beside a standard capture: `retimbre bench streaming`.

    sizes of the run files, random weights, three targets  ┐  × blocks, a step as long as the block
    Neural Amp Modeler's standard network, random weights  ┘  onnxruntime as the engine runs it, in a real-time class

All take turns, call after call, each after a rest as a callback has it, so that what else the machine does meets them
alike. What travels between machines is `in_standards`: the median against the standard capture's at the same block.
Peers that were measured elsewhere are known by that number (docs/streaming-wavenet.md has how).
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from realtime.features import SamplesFeatures
from realtime.manifest import Licences, Manifest, State, Target
from realtime.nam.capture import import_capture
from realtime.package import Package
from realtime.scheduling import real_time
from realtime.session import Session
from trainer.config import from_table, read_run_file
from trainer.export import to_onnx
from trainer.streaming_network import StreamingModel, StreamingNetwork, StreamingStep

RATE = 48_000
BLOCKS = (64, 128, 256, 512)
STANDARD = "NAM standard"
BRAVE_IN_STANDARDS = {128: 5.1, 256: 5.1, 512: 3.4}
"""BRAVE (Caspe et al. 2025), 4.2 M parameters, through onnxruntime, measured once beside the same capture."""
_RUNS = Path(__file__).resolve().parent / "runs"
_SIZES = {
    "nano": _RUNS / "streaming_wavenet" / "nano.toml",
    "small": _RUNS / "streaming_wavenet.toml",
    "medium": _RUNS / "streaming_wavenet" / "medium.toml",
    "large": _RUNS / "streaming_wavenet" / "large.toml",
}
_TARGETS = 3
_REST_S = 0.002
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One network with one block: times of a call, and the median as a part of the block and of the standard's."""

    name: str
    parameters: int
    block: int
    p50_ms: float
    p99_ms: float
    real_time_factor: float
    p99_of_period: float
    in_standards: float


@dataclass(slots=True)
class _Network:
    name: str
    parameters: int
    block: int
    session: Session
    sound: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    seconds: list[float] = field(default_factory=list)

    def call(self, number: int) -> None:
        start = number * self.block % (self.sound.size - self.block)
        self.session.x[0, 0] = self.sound[start : start + self.block]
        began = time.perf_counter()
        self.session.run()
        self.seconds.append(time.perf_counter() - began)


def sizes() -> dict[str, StreamingModel]:
    """The sizes that ship as run files, by name."""
    return {name: from_table(StreamingModel, read_run_file(path)["model"], "model") for name, path in _SIZES.items()}


def measure(*, calls: int = 500, on_call: Callable[[int], None] | None = None) -> list[Row]:
    """All `sizes` with all `BLOCKS` in turn, `calls` times; `on_call` hears the number of each turn as it ends."""
    networks = [_streaming(name, model, block) for name, model in sizes().items() for block in BLOCKS]
    networks += [_standard(block) for block in BLOCKS]
    for network in networks:
        for number in range(_WARM_UP):
            network.call(number)
        network.seconds.clear()
    with real_time():
        for number in range(calls):
            for network in networks:
                time.sleep(_REST_S)
                network.call(number)
            if on_call is not None:
                on_call(number)
    standard = {network.block: float(np.median(network.seconds)) for network in networks if network.name == STANDARD}
    return [_row(network, standard[network.block]) for network in networks]


def _row(network: _Network, standard_s: float) -> Row:
    p50, p99 = (float(value) for value in np.quantile(network.seconds, (0.5, 0.99)))
    period = network.block / RATE
    return Row(
        network.name, network.parameters, network.block, 1000 * p50, 1000 * p99, p50 / period, p99 / period,
        p50 / standard_s,
    )  # fmt: skip


def _sound() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)


def _streaming(name: str, model: StreamingModel, block: int) -> _Network:
    torch.manual_seed(0)
    network = StreamingNetwork(model, _TARGETS).eval()
    module = StreamingStep(network).eval()
    states = module.initial_states()
    manifest = Manifest(
        format="1.0", name="bench", title="Bench", architecture="streaming_wavenet", description="Measured.",
        sample_rate=RATE, input=SamplesFeatures(), output=SamplesFeatures(), phase=None, step=block, lookahead=0,
        model_delay_samples=network.delay_samples, level_db=None, controls=(), licences=Licences("-", "-", "-"),
        states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(states)),
        targets=tuple(Target(f"target_{k}", f"Target {k}") for k in range(_TARGETS)),
    )  # fmt: skip
    package = Package(Path("bench"), manifest, to_onnx(module, states, manifest))
    count = sum(parameter.numel() for parameter in network.parameters())
    return _Network(name, count, block, Session(package, "cpu"), _sound())


def _standard(block: int) -> _Network:
    """Two arrays of ten layers, 16 and 8 channels wide: what Neural Amp Modeler calls standard (docs/nam.md)."""
    dilations = [2**k for k in range(10)]
    wide, narrow = (
        {
            "input_size": inputs, "condition_size": 1, "head_size": head, "channels": channels, "kernel_size": 3,
            "dilations": dilations, "activation": "Tanh", "gated": False, "head_bias": head == 1,
        }
        for inputs, channels, head in ((1, 16, 8), (16, 8, 1))
    )  # fmt: skip
    layer = [3 * c * c + c + c + c * c + c for c in (16, 8)]  # convolution, condition, way back
    count = 16 + 10 * layer[0] + 16 * 8 + 16 * 8 + 10 * layer[1] + 8 + 1 + 1
    weights = np.random.default_rng(0).normal(0, 1 / math.sqrt(48), count).tolist()
    told = {
        "version": "0.5.4", "architecture": "WaveNet", "sample_rate": RATE, "weights": weights,
        "config": {"layers": [wide, narrow], "head": None, "head_scale": 0.02},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard.nam"
        path.write_text(json.dumps(told), encoding="utf-8")
        package = import_capture(path, Path(folder) / "standard", step=block)
        session = Session(package, "cpu")
    return _Network(STANDARD, count, block, session, _sound())
