"""The training loop: read it top to bottom.

    validate once                         a wrong setting fails in the first second, not after the first epoch
    for each step:
        seed torch from (seed, step)      so that step n is the same whether or not the run was interrupted before it
        recipe.training_step(batch)
        now and then: log · validate, show clips, keep the best · write last.pt

A run's folder holds config.json, last.pt, best.pt, metrics.jsonl, state.json, clips/ and tensorboard/. Starting again
with the same settings and folder goes on from last.pt, bit for bit. Ctrl-C (or SIGTERM, or a file `stop` in the folder)
ends after the step with a checkpoint.
Runs under torchrun: all processes step together, the first one validates, reads and writes (docs/distributed.md).
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from realtime.errors import ConfigError
from trainer import agreement, distributed
from trainer.accumulation import refuse_batch_statistics
from trainer.checkpoint import State
from trainer.config import RunConfig
from trainer.monitor import Monitor
from trainer.recipe import DivergedError, Recipe, find
from trainer.run_state import StateFile
from trainer.step import training_step


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `train` ended."""

    step: int
    interrupted: bool
    best: float | None
    best_step: int | None
    is_first: bool
    """Whether this was the process that validated, wrote and should speak of it."""


def train(run: RunConfig, config: Any, console: Console | None = None) -> Outcome:
    """Train the recipe `run.recipe` with its `config` until `run.steps` or an interrupt; resumes by itself.

    Raises ConfigError for settings that cannot work or differ from the folder's, DataError for missing material,
    DivergedError when a number stops being finite (the last checkpoint stays good).
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    recipe_class = find(run.recipe)
    device = distributed.choose_device(run.device)
    me = distributed.start(device)
    try:
        if run.model_parallel:
            distributed.pair_up()
        items = distributed.parts(run.batch, run.accumulate)
        told = StateFile(run.out, active=me.is_first)
        with told.told(run.recipe, run.steps, distributed.device_words(device)), agreement.company():
            torch.manual_seed(run.seed)
            recipe = recipe_class(config, run)
            return _train(recipe, items, me, console or Console(), told)
    finally:
        distributed.stop()


def _train(recipe: Recipe, items: list[range], me: distributed.Processes, console: Console, told: StateFile) -> Outcome:
    run = recipe.run
    refuse_batch_statistics(recipe.networks(), run.accumulate)
    if run.model_parallel:
        for name in recipe.networks():
            recipe.side_of(name)  # every one has a side, or the system is refused
    state = State(recipe)
    state.resume_or_begin(me)
    if me.is_first and distributed.everyone() > 1:
        who = f"{agreement.words(recipe.device, run.batch)}, from step {state.step}"
        console.print(who, highlight=False, soft_wrap=True)
    if state.step >= run.steps:
        return _ended(state, told, me, interrupted=False)
    with contextlib.ExitStack() as stack:
        monitor = stack.enter_context(Monitor(run.out, run.steps, state.step, console)) if me.is_first else None
        stop = stack.enter_context(_interrupts())
        batches = stack.enter_context(_Batches(recipe, items, state.step))
        if state.step == 0:
            if me.is_first and recipe.playable:
                recipe.manifest()  # an unexportable setting is a wrong setting: say so before training, not after
            _validate(state, monitor, told)
        losses: list[dict[str, Tensor]] = []
        while state.step < run.steps:
            losses.append(_step(state, batches.take(state.step)))
            state.step += 1
            done = state.step == run.steps
            stopping = distributed.any_process(stop.is_set() or told.wants_stop(), recipe.device)
            if monitor is not None:
                monitor.advance(state.step)
                told.running(state.step)
            if state.step % run.log_every == 0 or done or stopping:
                _log(state, losses, monitor)
                losses = []
            judging = state.step % run.validate_every == 0 or done
            writing = state.step % run.checkpoint_every == 0 or done or stopping
            if judging or writing:
                state.collect()
            if judging:
                _validate(state, monitor, told)
            if me.is_first and writing:
                state.write_last()
            if stopping and not done:
                return _ended(state, told, me, interrupted=True)
    return _ended(state, told, me, interrupted=False)


def _ended(state: State, told: StateFile, me: distributed.Processes, *, interrupted: bool) -> Outcome:
    told.write(state="stopped" if interrupted else "done", step=state.step, seconds_left=None)
    return Outcome(state.step, interrupted, state.best, state.best_step, me.is_first)


def _step(state: State, batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    recipe, run = state.recipe, state.recipe.run
    torch.manual_seed(_seed(run.seed, state.step))
    factor = learning_rate_factor(run, state.step)
    for optimizer in recipe.optimizers().values():
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
    for network in recipe.networks().values():
        network.train()
    losses = training_step(recipe, batches, state.step)
    state.update_average()
    return losses


def _log(state: State, losses: list[dict[str, Tensor]], monitor: Monitor | None) -> None:
    names = {name for step in losses for name in step}
    means = {n: torch.stack([s[n].float().reshape(()) for s in losses if n in s]).mean() for n in names}
    numbers = distributed.average_metrics(means)
    _check_finite(numbers, state.step)
    if monitor is not None:
        monitor.train(state.step, numbers)


def _validate(state: State, monitor: Monitor | None, told: StateFile) -> None:
    """Validate on the first process with the averaged weights; the others wait."""
    recipe = state.recipe
    if monitor is not None:
        torch.manual_seed(_seed(recipe.run.seed, 0))  # the same noise at every validation
        with evaluating(recipe, state.average):
            metrics = recipe.validate()
            clips = recipe.clips()
        _check_finite(metrics, state.step)
        if recipe.metric not in metrics:
            raise ConfigError(f"{recipe.name} is judged by {recipe.metric!r} but validates only {', '.join(metrics)}")
        is_best = state.best is None or metrics[recipe.metric] < state.best
        monitor.validation(state.step, metrics, is_best)
        monitor.remarks(state.step, recipe.remarks())
        monitor.clips(state.step, clips)
        if is_best:
            state.best, state.best_step = metrics[recipe.metric], state.step
            state.write_best()
            told.write(best=state.best, best_step=state.best_step)
        told.forget_pace()
    distributed.wait_for_all()


@contextlib.contextmanager
def evaluating(recipe: Recipe, average: Mapping[str, Mapping[str, Tensor]]) -> Iterator[None]:
    """Networks in eval mode without gradients, with the averaged weights in place where there are any."""
    networks = recipe.networks()
    kept = {name: {k: v.clone() for k, v in networks[name].state_dict().items()} for name in average}
    try:
        for name, weights in average.items():
            networks[name].load_state_dict(weights)
        for network in networks.values():
            network.eval()
        with torch.no_grad():
            yield
    finally:
        for name, weights in kept.items():
            networks[name].load_state_dict(weights)


def learning_rate_factor(run: RunConfig, step: int) -> float:
    """The schedule: 0…1 over `warmup_steps`, then 1 until `hold` of the run, then down to 0 at its end."""
    factor = min(1.0, (step + 1) / (run.warmup_steps + 1))
    if run.schedule != "constant":
        start = run.hold * run.steps
        along = min(1.0, max(0.0, (step - start) / max(1.0, run.steps - start)))
        factor *= 1 - along if run.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * along)
    return factor


class _Batches:
    """Batches in order, prepared ahead by one background thread; with prefetch 0, when asked for.

    items: of each part of a batch.
    """

    def __init__(self, recipe: Recipe, items: list[range], start: int) -> None:
        self._recipe, self._items, self._next = recipe, items, start
        self._ahead: dict[int, Future[list[dict[str, Tensor]]]] = {}
        self._thread = ThreadPoolExecutor(1, "batches") if recipe.run.prefetch else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def take(self, step: int) -> list[dict[str, Tensor]]:
        """The parts of the batch of `step`, on the recipe's device; steps are asked for in order."""
        if self._thread is None:
            batches = self._made(step)
        else:
            last = min(step + self._recipe.run.prefetch, self._recipe.run.steps - 1)
            while self._next <= last:
                self._ahead[self._next] = self._thread.submit(self._made, self._next)
                self._next += 1
            batches = self._ahead.pop(step).result()
        return [{name: tensor.to(self._recipe.device) for name, tensor in batch.items()} for batch in batches]

    def _made(self, step: int) -> list[dict[str, Tensor]]:
        return [self._recipe.batch(step, items) for items in self._items]


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C interrupts at once. Inert outside the main thread."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_finite(numbers: Mapping[str, float], step: int) -> None:
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise DivergedError(
                f"{name} became {value} at step {step}: lower the learning rate or set run.clip_gradient, "
                "then run again to go on from the last checkpoint"
            )


def _seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
