"""Four processes train two generator–discriminator pairs, each side its own, the batch halved; rank 0 compares.

As a program (`python pairs_apart.py`, with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set) it prints the largest
difference of any weight, and how often tensors were exchanged in an iteration.
"""

from __future__ import annotations

import copy
import json

import torch
from torch import Tensor, nn

from trainer import distributed, losses, placement

STEPS, BATCH = 5, 4


def networks() -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator of vectors."""
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 6)), nn.Sequential(
        nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)
    )


def side(generator: nn.Module, discriminator: nn.Module, heard: Tensor, truth: Tensor) -> placement.Side:
    """One side of a CycleGAN's generator step."""
    fake = generator(heard)
    other = yield fake
    again = generator(other)
    fooled = losses.adversarial(discriminator(fake), real=True, kind="lsgan")
    return fooled + 10 * losses.distance(again, truth, "l1")


def data(step: int, items: range) -> tuple[Tensor, Tensor]:
    """Both domains' items of a step."""
    whole = torch.randn(2, BATCH, 6, generator=torch.Generator().manual_seed(step))
    return whole[0, items.start : items.stop], whole[1, items.start : items.stop]


class Trained:
    """One side's networks and optimizers."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.optimizers = [torch.optim.Adam(net.parameters(), 1e-2) for net in (generator, discriminator)]

    def judge(self, heard: Tensor, truth: Tensor) -> None:
        """The discriminator's step."""
        fake = self.generator(heard).detach()
        loss = losses.adversarial(self.discriminator(truth), real=True, kind="lsgan")
        loss = loss + losses.adversarial(self.discriminator(fake), real=False, kind="lsgan")
        self.optimizers[1].zero_grad()
        loss.backward()
        self.apply(1)

    def apply(self, number: int) -> None:
        """An optimizer's step on averaged gradients."""
        distributed.average_gradients(self.optimizers[number].param_groups[0]["params"])
        self.optimizers[number].step()


def train_apart(pairs: list[tuple[nn.Module, nn.Module]]) -> Trained:
    """This process's side after all steps."""
    mine = distributed.pair_up()
    me = Trained(*pairs[mine.side])
    for step in range(STEPS):
        a, b = data(step, distributed.part(BATCH))
        heard, truth = (a, b) if mine.side == 0 else (b, a)
        me.judge(heard, truth)
        me.optimizers[0].zero_grad()
        loss = placement.apart(side(me.generator, me.discriminator, heard, truth))
        loss.backward(inputs=list(me.generator.parameters()))
        me.apply(0)
    return me


def train_together(pairs: list[tuple[nn.Module, nn.Module]]) -> list[Trained]:
    """Both sides after the same steps in one process with the whole batch."""
    sides = [Trained(*pair) for pair in pairs]
    for step in range(STEPS):
        a, b = data(step, range(BATCH))
        for one, (heard, truth) in zip(sides, ((a, b), (b, a)), strict=True):
            one.judge(heard, truth)
            one.optimizers[0].zero_grad()
        first, second = sides
        parts = side(first.generator, first.discriminator, a, b), side(second.generator, second.discriminator, b, a)
        generators = [p for one in sides for p in one.generator.parameters()]
        placement.together(*parts, (torch.device("cpu"), torch.device("cpu"))).backward(inputs=generators)
        for one in sides:
            one.optimizers[0].step()
    return sides


def main() -> None:
    """Train apart; in rank 0 print how far the weights are from those of one process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pairs = [networks(), networks()]
    alone = copy.deepcopy(pairs)
    start = copy.deepcopy(pairs[0][0].state_dict())
    # One process is what nobody has joined yet: the same functions, nothing to share.
    whole = train_together(alone)
    distributed.start(torch.device("cpu"))
    exchanged = 0
    plain = placement._exchange

    def counted(tensor: Tensor) -> Tensor:
        nonlocal exchanged
        exchanged += 1
        return plain(tensor)

    placement._exchange = counted
    me = train_apart(pairs)
    placement.share_networks([net for pair in pairs[1:] for net in pair], owner=1)
    placement.share_networks(pairs[0], owner=0)
    told = {
        "difference": max(
            float((x - y).abs().max())
            for pair, one in zip(pairs, whole, strict=True)
            for net, true in zip(pair, (one.generator, one.discriminator), strict=True)
            for x, y in zip(net.state_dict().values(), true.state_dict().values(), strict=True)
        ),
        "moved": max(float((me_now - start[k]).abs().max()) for k, me_now in pairs[0][0].state_dict().items()),
        "exchanges_a_step": exchanged / STEPS,
        "processes": distributed.processes().count,
    }
    if distributed.processes().is_first and distributed.pair_up().side == 0:
        print(json.dumps(told), flush=True)  # noqa: T201
    assert me.generator is pairs[distributed.pair_up().side][0]
    distributed.stop()


if __name__ == "__main__":
    main()
