"""Gradient accumulation: a step on a batch too large for the memory, in parts, equal to the step on the whole batch.

With one loss this is known: add up the parts' gradients, then step. A GAN's step has several optimizers, each seeing
what the one before has done, so all parts must have reached the first `descend` before any goes on to the second:

    training_step:      segment 0      descend D      segment 1      descend G     return
    turn 0   part 0     ──────────────▶ add ■
             part 1     ──────────────▶ add, step D ■
    turn 1   part 0     ┄┄┄ again ┄┄┄┄▶ D as it is ───────────────▶ add ─────────▶ losses
             part 1     ┄┄┄ again ┄┄┄┄▶ D as it is ───────────────▶ add, step G ─▶ losses

A part is stopped at ■ by an exception and later begun anew, so that only one part's inner values are in memory at a
time. Segments that are run again are run with the weights and the random numbers of the first time: weights go back to
what they were, and each `descend` already done only puts its outcome in place. What must happen once goes through
`once`, which hands out again what it gave the first time (the replay buffer). So recipes are written as if the batch
were whole, and parts equal the whole to float precision as processes do, by the same law: losses are means over items,
random numbers are drawn for all items through `trainer.distributed`. A system with one optimizer runs nothing twice;
one with two runs its first segment, without backward, a second time. How many descends there are is learnt in the first
step.

Batch normalisation sees all items at once, which parts cannot: `refuse_batch_statistics` says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import distributed

T = TypeVar("T")
Outcome = list[tuple[nn.Parameter, Tensor]]
Step = Callable[[Mapping[str, Tensor], int], dict[str, Tensor]]


class _Waits(BaseException):
    """This part must wait for the others: unwinds `training_step`, and no `except Exception` may stop it."""


class Division:
    """How one recipe's steps are done in parts. `expected`: how many descends the last step had."""

    def __init__(self) -> None:
        self.expected = 0

    def step(self, training_step: Step, batches: Sequence[Mapping[str, Tensor]], step: int) -> dict[str, Tensor]:
        """`training_step` on all `batches`, equal parts of one batch in the order of its items; mean losses."""
        if len(batches) == 1:
            return training_step(batches[0], step)
        run = _Run(len(batches), self.expected)
        seed = torch.initial_seed()
        while True:
            told = []
            for part, batch in enumerate(batches):
                torch.manual_seed(seed)
                with run.at(part), contextlib.suppress(_Waits):
                    told.append(training_step(batch, step))
            if len(told) == len(batches):
                break
            if told or not run.turn_ends():
                raise RuntimeError("training_step must call descend equally often, in the same order, for every part")
        self.expected = len(run.outcomes)
        names = {name: None for losses in told for name in losses}
        return {n: torch.stack([t[n].detach().float() for t in told if n in t]).mean() for n in names}


class _Run:
    """One step in parts: which turn it is, what the descends of earlier turns left."""

    def __init__(self, parts: int, expected: int) -> None:
        self.parts, self.expected = parts, expected
        self.turn = 0
        self.outcomes: list[Outcome] = []
        self._first: dict[nn.Parameter, Tensor] = {}  # weights before this step
        self._given: dict[tuple[int, int], Any] = {}  # by part and number of the call of `once`
        self._part = self._descends = self._calls = 0

    @contextlib.contextmanager
    def at(self, part: int) -> Iterator[None]:
        """`part` runs from the beginning."""
        self._part, self._descends, self._calls = part, 0, 0
        _put(self._first.items())
        _current.append(self)
        try:
            with distributed.part_of_batch(part, self.parts):
                yield
        finally:
            _current.pop()

    def turn_ends(self) -> bool:
        """All parts were stopped: the next turn; False when the optimizer of this turn was not reached by all."""
        self.turn += 1
        return len(self.outcomes) == self.turn

    def descend(
        self, parameters: list[nn.Parameter], gradient: Callable[[int], None], apply: Callable[[], None]
    ) -> None:
        """What `descend` below does, for this part."""
        number = self._descends
        self._descends += 1
        if number < self.turn:
            _put(self.outcomes[number])
            return
        if number > self.turn:
            raise _Waits
        if self._part == 0:
            for parameter in parameters:
                parameter.grad = None
        gradient(self.parts)
        if self._part == self.parts - 1:
            before = {p: p.detach().clone() for p in parameters if p not in self._first}
            apply()
            self._first |= before
            self.outcomes.append([(p, p.detach().clone()) for p in parameters])
        if number + 1 < self.expected:
            raise _Waits
        # Perhaps the last: then the rest of the step gives the losses; else the next descend stops this part.

    def once(self, make: Callable[[], T]) -> T:
        """What `once` below does, for this part."""
        if self._descends > self.turn:
            raise _Waits  # its turn comes when all parts have descended
        key = self._part, self._calls
        self._calls += 1
        if key not in self._given:
            self._given[key] = make()
        given: T = self._given[key]
        return given


_current: list[_Run] = []  # one while a part runs, or none


def descend(parameters: list[nn.Parameter], gradient: Callable[[int], None], apply: Callable[[], None]) -> None:
    """Add this part's gradient of the mean over all parts, `gradient(parts)`; `apply` when all have added theirs."""
    if _current:
        _current[-1].descend(parameters, gradient, apply)
        return
    for parameter in parameters:
        parameter.grad = None
    gradient(1)
    apply()


def once(make: Callable[[], T]) -> T:
    """`make()`, whose effects last; when this place of a step is run again, what it gave the first time."""
    return _current[-1].once(make) if _current else make()


def refuse_batch_statistics(networks: Mapping[str, nn.Module], parts: int) -> None:
    """Raise ConfigError when a network normalises over the whole batch, which parts of it cannot."""
    if parts == 1:
        return
    for name, network in networks.items():
        if any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for module in network.modules()):
            raise ConfigError(
                f"run.accumulate is {parts}, but {name} normalises over the whole batch, which cannot be had in parts: "
                "leave it at 1, and use more processes, run.gradient_checkpointing or run.precision=bfloat16"
            )


def _put(weights: Any) -> None:
    with torch.no_grad():
        for parameter, value in weights:
            parameter.copy_(value)
    torch.clear_autocast_cache()
