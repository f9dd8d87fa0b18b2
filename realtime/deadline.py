"""Whether a model is quick enough, and which thread it should run in: measured before sound runs, never guessed.

    in the callback   no latency more, but every step must be done within the period
    in a worker       whole blocks later (slack), so that a slow step has that much longer

    need = p99.9 of a step · steps that can fall into one period · LIVE_FACTOR
    callback when need ≤ 0.7 · period, else a worker with ⌈need / period⌉ blocks of slack

Control thread, before the stream is armed.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from realtime.errors import EngineError
from realtime.meters import Histogram, Times
from realtime.ring import Stepper
from realtime.scheduling import real_time

LIVE_FACTOR = 1.6
"""Live calls, with sleep between them, take longer than calls in a row: by 1.2 to 2, measured."""
CALLBACK_SHARE = 0.7
_ROUNDS, _ROUND_STEPS, _ROUND_S, _PAUSE_S = 8, 250, 0.25, 0.005
_SETTLING_STEPS = 20
_SLOW_S = 1.0
"""Settling that takes longer than this and than its sound is that of a model to be refused: no more of it."""


def warm_up(chain: Stepper, *, beside_sound: bool = False) -> Times:
    """Run the chain on a test sound until everything is compiled, loaded and timed; then forget the sound.

    Of eight rounds the one with the shortest tail counts: what the model itself needs comes back in each round, what
    another process took away once does not. Where it is allowed the rounds run in a real-time class, as the callback
    will, under every sound server's priority and with pauses. Not so `beside_sound` that already runs in this process
    and must not be kept waiting for the interpreter.
    """
    step = chain.step_samples
    sound = np.random.default_rng(0).standard_normal(step).astype(np.float32) * np.float32(0.01)
    sound += 0.2 * np.sin(2 * np.pi * 440 / chain.sample_rate * np.arange(step)).astype(np.float32)
    out = np.zeros(step, np.float32)
    began = time.perf_counter()
    for done in range(1, _SETTLING_STEPS + 1):
        chain.process(sound, out)
        if time.perf_counter() - began > max(_SLOW_S, done * step / chain.sample_rate):
            break
    with contextlib.nullcontext() if beside_sound else real_time():
        rounds = [_time_round(chain, sound, out)]
        # A model of seconds a step is slow beyond doubt, and would be timed for a minute.
        slow_s = max(_ROUND_S, 2 * step / chain.sample_rate)
        while len(rounds) < _ROUNDS and rounds[0].p50_us * 1e-6 < slow_s:
            rounds.append(_time_round(chain, sound, out))
    chain.reset()
    return min(rounds, key=lambda times: times.p999_us)


def _time_round(chain: Stepper, sound: np.typing.NDArray[np.float32], out: np.typing.NDArray[np.float32]) -> Times:
    times = Histogram()
    until = time.perf_counter() + _ROUND_S
    for _ in range(_ROUND_STEPS):
        began = time.perf_counter()
        chain.process(sound, out)
        ended = time.perf_counter()
        times.add(ended - began)
        if ended > until:
            break
    time.sleep(_PAUSE_S)
    return times.times()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model runs: blocks of slack (0: in the callback), and why, in a sentence."""

    slack: int
    why: str


def choose_place(
    warm: Times,
    *,
    block_s: float,
    step_s: float,
    where: Literal["auto", "callback", "worker"] = "auto",
    slack: int | None = None,
) -> Place:
    """The thread and the slack for a model.

    warm: times of one step. block_s, step_s: seconds of sound in a block and in a step. where, slack: what was asked.
    Raises `EngineError` when no slack would help because the model is slower than the sound.
    """
    load = warm.p50_us * 1e-6 / step_s
    if load > 1.0:
        raise EngineError(
            f"The model needs {load:.1f} times the real time on this machine ({warm.p50_us * 1e-3:.1f} ms for each "
            f"{step_s * 1e3:.1f} ms of sound), so it cannot play live: convert files with it (`retimbre convert`), or "
            "train a small live model on what it plays (`retimbre prepare taught`)."
        )
    need_s = warm.p999_us * 1e-6 * math.ceil(block_s / step_s - 1e-9) * LIVE_FACTOR
    told = f"it needs up to {need_s * 1e3:.2f} ms of each block of {block_s * 1e3:.2f} ms"
    if slack is not None:
        return Place(slack, f"A slack of {slack} was asked for ({told}).")
    if where == "callback":
        return Place(0, f"The callback was asked for ({told}).")
    if where == "auto" and need_s <= CALLBACK_SHARE * block_s:
        return Place(0, f"The model runs in the callback, because {told}.")
    blocks = max(1, math.ceil(need_s / block_s))
    return Place(blocks, f"The model runs in a worker, {blocks} blocks later, because {told}.")


def nearly_too_slow(warm: Times, step_s: float) -> bool:
    """Whether even a worker will be late now and then."""
    return warm.p99_us * 1e-6 * LIVE_FACTOR > 0.8 * step_s
