"""Model parallel: two generator–discriminator pairs, each with a device of its own, two transfers an iteration.

After the dissertation on audio style transfer, whose CycleGAN did not fit into one GPU:

    first device                                   second device
    G_ab, D_b      fake b = G_ab(a)                G_ba, D_a      fake a = G_ba(b)
                         ╲────────── 1: the fakes change places ──────────╱
                   b again = G_ab(fake a)                         a again = G_ba(fake b)
                   L_b = D_b's verdict + λ·|b again − b|          L_a = D_a's verdict + λ·|a again − a|
                         ╲───── 2: so do the losses' gradients by them ───╱
                   gradient of L_a + L_b for G_ab                 gradient of L_a + L_b for G_ba

Each side needs both domains' recordings, which its own loader reads, and nothing else of the other. An algorithm is
written once, for one side, as a generator that yields what it gives and is sent what it gets:

    def side(generator, discriminator, heard, truth):
        fake = generator(heard)
        other = yield fake                            # 1; backwards through it: 2
        again = generator(other)
        return adversarial(discriminator(fake)) + weight * l1(again, truth)

    loss = together(side(G_ab, D_b, a, b), side(G_ba, D_a, b, a), devices)     # one process, one or two devices
    loss = apart(side(*mine))                                                  # two processes, one side each

`loss.backward()` then leaves the same gradients to float precision, shown by a test with optimizers and steps. Between
devices of one process autograd moves the gradients itself and the devices work at the same time, since calls to them
return at once; this is what `trainer.cycle_game` does under `training.second_device`. Two processes
(`run.model_parallel`) are for two machines, or for processors: there `distributed.pair_up()` first makes partners of
neighbours (0 and 1, 2 and 3 …), so that batches are shared, and gradients averaged, between the processes of one side
alone. What is drawn for one side is drawn in `drawing_apart`, so that it does not depend on where the other is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from realtime.errors import ConfigError
from trainer import distributed

Side = Generator[Tensor, Tensor, Tensor]
"""Yields what the other side needs, is sent the other's, returns its loss; both yield equally often."""


def second_device(name: str, first: torch.device) -> torch.device:
    """The device called `name`, for the second pair; empty: the first. ConfigError when torch cannot use it."""
    if not name:
        return first
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"the second device is {name!r}, which torch does not know: use cpu, or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"the second device is {name}, but torch finds {torch.cuda.device_count()} GPUs: "
            "leave it empty, or use one that is there"
        )
    return device


def sides_here() -> tuple[int, ...]:
    """The sides of a model that this process computes: both, or after `distributed.pair_up()` its own."""
    me = distributed.pair()
    return (0, 1) if me is None else (me.side,)


@contextlib.contextmanager
def drawing_apart(side: int, number: int, device: torch.device) -> Iterator[None]:
    """Inside, random numbers are of this side and `number` of the step alone, whatever the other side draws.

    device: where they are drawn, beside the CPU.
    """
    seed = torch.initial_seed()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed((seed + 0x9E3779B97F4A7C15 * (2 * number + side + 1)) % 2**63)
        try:
            yield
        finally:
            torch.manual_seed(seed)  # the state comes back by itself, `initial_seed` does not


def together(first: Side, second: Side, devices: Sequence[torch.device] | None = None) -> Tensor:
    """Run both sides in this process, each tensor on the device of the side that gets it; the sum of their losses."""
    here, there = devices or (None, None)
    gives = next(first), next(second)
    losses: list[Tensor] = []
    while not losses:
        gets = (gives[1] if here is None else gives[1].to(here), gives[0] if there is None else gives[0].to(there))
        answers = [_answer(side, given) for side, given in zip((first, second), gets, strict=True)]
        losses = [value for value, ended in answers if ended]
        if len(losses) == 1:
            raise RuntimeError("one side ended while the other still gives: both must yield equally often")
        gives = answers[0][0], answers[1][0]
    return losses[0] + losses[1].to(losses[0].device)


def apart(side: Side) -> Tensor:
    """Run this process's side while the partner runs its own; its loss, whose backward both must call."""
    gives = next(side)
    while True:
        gives, ended = _answer(side, swap(gives))
        if ended:
            return gives


def swap(tensor: Tensor) -> Tensor:
    """Give the partner `tensor` and get its own, of the same shape and type; gradients change places backwards."""
    given: Tensor = _Swap.apply(tensor)  # type: ignore[no-untyped-call]
    return given


def _answer(side: Side, given: Tensor) -> tuple[Tensor, bool]:
    """What a side gives next, or its loss and True."""
    try:
        return side.send(given), False
    except StopIteration as end:
        return end.value, True


def _exchange(tensor: Tensor) -> Tensor:
    me = distributed.pair()
    if me is None:
        raise RuntimeError("sides are apart only in paired processes: call distributed.pair_up() first")
    mine, theirs = tensor.detach().contiguous(), torch.empty_like(tensor, memory_format=torch.contiguous_format)
    operations = [dist.P2POp(dist.isend, mine, me.partner), dist.P2POp(dist.irecv, theirs, me.partner)]
    for request in dist.batch_isend_irecv(operations):
        request.wait()
    return theirs


class _Swap(torch.autograd.Function):
    """Tensors change places forwards, their gradients backwards."""

    @staticmethod
    def forward(_ctx: Any, tensor: Tensor) -> Tensor:
        """The partner's tensor."""
        return _exchange(tensor)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        """The partner's loss by our tensor, for its loss's gradient by what we got."""
        return _exchange(gradients[0])
