"""How many samples a second a WaveNet draws on one core, each way in turn: `retimbre bench wavenet`.

    reference       PyTorch, a sample at a time
    compiled        trainer.wavenet_kernel
    package, 1      onnxruntime as the engine runs it, a call a sample
    package, 128    the same, 128 samples a call: the loop inside the graph
    cuda, 64        64 streams in one CUDA graph, counted together; where there is a GPU

All ways of all shapes take turns, round after round, so that what else the machine does meets them alike. Times are
processor time and, beside it, what a clock saw; weights are random. Every way draws from the same uniform numbers, and
how far it draws what the reference draws is part of the result.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realtime.features import PitchLoudnessFeatures, SamplesFeatures
from realtime.manifest import Licences, Manifest, State
from realtime.package import Package
from realtime.session import Session
from trainer import mu_law
from trainer.export import to_onnx
from trainer.uniform_stream import STATE_SHAPE
from trainer.wavenet_generation import proceed
from trainer.wavenet_package import SamplingStream
from trainer.wavenet_stack import WaveNet, WaveNetShape
from trainer.wavenet_weights import silent_memory, weights_of

SHAPES = (
    WaveNetShape(cycles=2, layers=10, residual=64, skip=128),
    WaveNetShape(cycles=2, layers=10, residual=64, skip=64),
    WaveNetShape(cycles=2, layers=8, residual=32, skip=64),
    WaveNetShape(cycles=2, layers=8, residual=16, skip=32),
)
"""Those of the design's own measurements."""
_CALL = 128
_STREAMS = 64
_RATE = 8192


@dataclass(frozen=True, slots=True)
class Row:
    """One way with one shape: medians over rounds; `p99_ms` of `block` samples by the clock.

    agreed: how many of the first samples are the reference's; compared: how many were drawn by both.
    """

    shape: str
    parameters: int
    way: str
    samples_per_second: float
    samples_per_second_by_clock: float
    block: int
    p99_ms: float
    agreed: int
    compared: int


@dataclass(slots=True)
class _Way:
    """Draws its next `block` samples at each call."""

    name: str
    block: int
    draw: Callable[[], Tensor]
    streams: int = 1
    processor_s: list[float] = field(default_factory=list)
    clock_s: list[float] = field(default_factory=list)
    codes: list[Tensor] = field(default_factory=list)


def measure(
    shapes: Sequence[WaveNetShape] | None = None,
    *,
    rounds: int = 40,
    block: int = 512,
    on_round: Callable[[int], None] | None = None,
) -> list[Row]:
    """All ways of all shapes (`SHAPES`), `rounds` times in turn; `on_round` hears the number of each as it ends."""
    networks = [_network(shape) for shape in shapes or SHAPES]
    ways = [_ways(network, block, rounds) for network in networks]
    for of_shape in ways:
        for way in of_shape:
            way.codes.append(way.draw())  # compiles and warms up, and begins the comparison
    for number in range(rounds):
        for of_shape in ways:
            for way in of_shape:
                clock, processor = time.perf_counter(), time.process_time()
                drawn = way.draw()
                way.processor_s.append(time.process_time() - processor)
                way.clock_s.append(time.perf_counter() - clock)
                way.codes.append(drawn)
        if on_round is not None:
            on_round(number)
    return [
        _row(network, way, torch.cat(of_shape[0].codes))
        for network, of_shape in zip(networks, ways, strict=True)
        for way in of_shape
    ]


def _network(shape: WaveNetShape) -> WaveNet:
    torch.manual_seed(0)
    network = WaveNet(shape).eval()
    with torch.no_grad():  # untrained logits are nearly even: the draws shall depend on the past as a trained one's do
        network.logits.weight *= 8
    return network


def _ways(network: WaveNet, block: int, rounds: int) -> list[_Way]:
    stream = SamplingStream(network, 1)
    slow = max(8, block // 16)  # the reference needs a millisecond a sample
    uniforms, _ = stream.uniforms.draw((rounds + 1) * block, torch.zeros(STATE_SHAPE))
    ways = [
        _Way("reference", slow, _generating(network, uniforms, slow, "reference")),
        _Way("compiled", block, _generating(network, uniforms, block, "compiled")),
        _Way("package, 1", slow, _playing(network, slow, 1)),
        _Way(f"package, {_CALL}", max(block, _CALL), _playing(network, max(block, _CALL), _CALL)),
    ]
    if torch.cuda.is_available():
        ways.append(_Way(f"cuda, {_STREAMS}", block, _generating(network, uniforms, block, "cuda"), _STREAMS))
    return ways


def _generating(network: WaveNet, uniforms: Tensor, block: int, form: str) -> Callable[[], Tensor]:
    on_cuda = form == "cuda"
    if on_cuda:
        network = _network(network.shape).cuda()
    weights, batch = weights_of(network), _STREAMS if on_cuda else 1
    memory, place = silent_memory(network, batch), 0

    def draw() -> Tensor:
        nonlocal memory, place
        drawn, memory = proceed(
            network, memory, uniforms[place : place + block].expand(batch, -1), weights=weights,
            form="cuda" if on_cuda else "reference" if form == "reference" else "compiled",
        )  # fmt: skip
        place += block
        return drawn[0].cpu()

    return draw


def _playing(network: WaveNet, block: int, call: int) -> Callable[[], Tensor]:
    stream = SamplingStream(network, call)
    manifest = Manifest(
        format="1.0", name="bench", title="Bench", architecture="wavenet", description="Measured.", sample_rate=_RATE,
        input=PitchLoudnessFeatures(call, 0, 55.0, 1000.0), output=SamplesFeatures(), phase=None, step=1, lookahead=0,
        model_delay_samples=0, level_db=-14.0, targets=(), controls=(), licences=Licences("-", "-", "-"),
        states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(stream.initial_states())),
    )  # fmt: skip
    session = Session(Package(Path("bench"), manifest, to_onnx(stream, stream.initial_states(), manifest)), "cpu")

    def draw() -> Tensor:
        heard = np.empty(block // call * call, np.float32)
        for start in range(0, heard.size, call):
            session.run()
            heard[start : start + call] = session.y[0, 0]
        return mu_law.encode(torch.from_numpy(heard), network.shape.levels)

    return draw


def _row(network: WaveNet, way: _Way, expected: Tensor) -> Row:
    shape, codes = network.shape, torch.cat(way.codes)
    compared = min(len(codes), len(expected))
    same = codes[:compared] == expected[:compared]
    drawn = way.block * way.streams
    return Row(
        f"R={shape.residual} S={shape.skip} {shape.cycles}×{shape.layers}",
        sum(p.numel() for p in network.parameters()),
        way.name,
        drawn / max(1e-9, statistics.median(way.processor_s)),
        drawn / statistics.median(way.clock_s),
        way.block,
        1000 * float(np.quantile(way.clock_s, 0.99)),
        compared if bool(same.all()) else int(same.long().argmin()),
        compared,
    )
