"""How quick this machine is with a model: one step against the time there is, where the time goes, and files.

    budget = block / rate        step time p50, p99, p99.9 on a schedule: one block, sleep until the next one is due
                                 (called in a row, without sleep, a model is up to twice as quick: both are shown)
    callback = network + chain around it + stream around that

Quote the ratios: they travel between machines better than milliseconds do. Runs in one ordinary process, without a
sound card; `realtime.bench_live` is the measurement with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.chain import Chain
from realtime.convert import convert_signal
from realtime.deadline import choose_place, warm_up
from realtime.errors import EngineError
from realtime.lane import Lane
from realtime.latency import latency
from realtime.meters import Histogram, Meters, Times
from realtime.package import Package
from realtime.player import Player
from realtime.scheduling import real_time

FloatArray = NDArray[np.float32]


def melody(seconds: float, sample_rate: int, seed: int = 1) -> FloatArray:
    """A melody with vibrato, harmonics, breath and rests, at the level of an instrument close to its microphone."""
    moment = np.arange(round(seconds * sample_rate)) / sample_rate
    scale = np.array([0, 2, 4, 7, 9, 12, 9, 7, 4, 2])
    note = 261.63 * 2.0 ** (scale[(moment * 2).astype(int) % scale.size] / 12)
    note *= 2.0 ** (0.25 * np.sin(2 * np.pi * 5.5 * moment) / 12)
    phase = 2 * np.pi * np.cumsum(note) / sample_rate
    within = (moment * 2) % 1.0
    envelope = np.minimum(1.0, within * 20) * np.where(within > 0.9, np.maximum(0.0, (1 - within) * 10), 1.0)
    tone = sum(np.sin(k * phase) / k for k in range(1, 7))
    breath = np.random.default_rng(seed).standard_normal(moment.size)
    return (envelope * (0.15 * tone + 0.005 * breath)).astype(np.float32)


def bench_model(
    package: Package, *, block: int = 128, rate_hz: int | None = None, seconds: float = 5.0
) -> dict[str, Any]:
    """Times of one block, live and in a row, with their parts, and what the engine would choose."""
    rate = rate_hz or package.manifest.sample_rate
    in_a_row = warm_up(Chain(package, provider="cpu"))
    chain = Chain(package, provider="cpu")
    warm_up(chain)
    shown, run = Meters(), _Timed(chain.session.run)
    chain.session.run = run  # type: ignore[method-assign]  # to know what of a callback is not the model
    law = latency(package.manifest, block=block, device_rate=rate)
    lane = Lane(chain, shown.model, rate_hz=rate, block=block, delay_samples=round(law.total))
    player = Player(lane, shown, rate_hz=rate)
    with real_time():  # as the engine's callback
        overhead = _play_on_schedule(player, melody(seconds, rate), block, rate, run)
    now, network = shown.snapshot(), run.times.times()
    step_s, block_s = chain.step_samples / chain.sample_rate, block / rate
    steps = max(1.0, block_s / step_s)
    return {
        "model": package.manifest.name,
        "provider": chain.provider,
        "block": block,
        "rate_hz": rate,
        "budget_us": round(1e6 * block_s, 1),
        "step_samples": chain.step_samples,
        "step": now.model.to_mapping(),
        "step_in_a_row": in_a_row.to_mapping(),
        "callback": now.callback.to_mapping(),
        "overhead": overhead.times().to_mapping(),
        "late_callbacks": now.late_callbacks,
        "p99_of_half_budget": round(now.model.p99_us * steps / (0.5e6 * block_s), 3),
        "parts_p50_us": {
            "network": round(network.p50_us, 1),
            "chain": round(max(0.0, now.model.p50_us - network.p50_us), 1),
            "stream": round(max(0.0, now.callback.p50_us - now.model.p50_us * steps), 1) if steps >= 1 else None,
        },
        "real_time_factor": round(now.model.p50_us * 1e-6 / step_s, 4),
        "latency_ms": {name: round(ms, 2) for name, ms in law.parts_ms().items() if ms},
        "latency_total_ms": round(law.total_ms, 2),
        "runs_in": _place(in_a_row, block_s, step_s),
    }


def _place(warm: Times, block_s: float, step_s: float) -> str:
    try:
        return "worker" if choose_place(warm, block_s=block_s, step_s=step_s).slack else "callback"
    except EngineError:
        return "nowhere: it is slower than the sound"


class _Timed:
    """A function, how long its calls took, and how long together since `seconds` was last set to 0."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self.seconds = 0.0
        self.times = Histogram()

    def __call__(self) -> None:
        began = time.perf_counter()
        self._function()
        took = time.perf_counter() - began
        self.seconds += took
        self.times.add(took)


def _play_on_schedule(player: Player, sound: FloatArray, block: int, rate: int, run: _Timed) -> Histogram:
    """Call back when the card would; how long each callback took besides the model's own run comes back."""
    overhead = Histogram()
    out = np.zeros((block, 1), np.float32)
    due = time.perf_counter()
    for begin in range(0, sound.size - block + 1, block):
        due += block / rate
        run.seconds, began = 0.0, time.perf_counter()
        player.callback(sound[begin : begin + block, None], out, block, 0)
        overhead.add(max(0.0, time.perf_counter() - began - run.seconds))
        ahead = due - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        else:
            due = time.perf_counter()
    return overhead


def bench_convert(package: Package, *, seconds: float = 10.0) -> dict[str, Any]:
    """How many times quicker than real time a file is converted, on one core, reading and writing aside."""
    rate = package.manifest.sample_rate
    sound = melody(seconds, rate)
    convert_signal(sound[:rate], rate, package)
    began = time.perf_counter()
    convert_signal(sound, rate, package)
    took = time.perf_counter() - began
    return {
        "model": package.manifest.name,
        "seconds_of_sound": seconds,
        "seconds": round(took, 3),
        "times_real_time": round(seconds / took, 2),
    }
