"""Gradient checkpointing: layers whose inner values are computed again backwards instead of being kept.

    kept for the backward pass      x ─▶ [ layer layer layer ] ─▶ y ─▶ [ layer layer layer ] ─▶ z
    without                         x      ·     ·     ·          y      ·     ·     ·          z
    with `run.gradient_checkpointing`   x                         y                             z

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. A network asks for it where it calls a block:

    x = recomputed(block, x)            # in place of x = block(x)

and gets it when the run says so; otherwise this is the plain call. Gradients are the same bits: random numbers are
those of the first time, and what a block keeps (running statistics) is changed once, which is why such modules ask
`is_again()`. A block must leave its input as it is (no in-place layer first).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


class _Switch:
    """Whether the run wants it, and whether a block is being computed again: backward threads read this too."""

    wanted = False
    again = False


@contextlib.contextmanager
def recomputing(wanted: bool) -> Iterator[None]:
    """Inside, `recomputed` does what it says when `wanted`."""
    before, _Switch.wanted = _Switch.wanted, wanted
    try:
        yield
    finally:
        _Switch.wanted = before


def recomputed(block: Callable[..., T], *inputs: Any) -> T:
    """`block(*inputs)`, keeping for the backward pass only `inputs` when the run wants that."""
    if not (_Switch.wanted and torch.is_grad_enabled()):
        return block(*inputs)
    result: T = checkpoint(block, *inputs, use_reentrant=False, context_fn=_contexts)
    return result


def in_stretches(layers: nn.Sequential, x: Tensor, first: tuple[type[nn.Module], ...]) -> Tensor:
    """`layers(x)`, recomputed stretch by stretch, each beginning with a layer of the types `first`."""
    if not (_Switch.wanted and torch.is_grad_enabled()):
        return layers(x)  # type: ignore[no-any-return]
    starts = [0, *(at for at, layer in enumerate(layers) if at > 0 and isinstance(layer, first)), len(layers)]
    for start, end in itertools.pairwise(starts):
        x = recomputed(layers[start:end], x)
    return x


def is_again() -> bool:
    """A block is being computed a second time: what it counts was counted before."""
    return _Switch.again


def _contexts() -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    return contextlib.nullcontext(), _second_time()


@contextlib.contextmanager
def _second_time() -> Iterator[None]:
    before, _Switch.again = _Switch.again, True
    try:
        yield
    finally:
        _Switch.again = before
