"""Model parallel: two sides in one process; that they equal it in processes of their own is in test_distributed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from realtime.errors import ConfigError
from tests.trainer import toy
from trainer import distributed, loop, losses, placement


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


def data() -> tuple[Tensor, Tensor]:
    """Both domains' items."""
    a, b = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    return a, b


def test_one_side_draws_what_it_draws_beside_the_other() -> None:
    """What a side draws depends on step, side and number alone, and leaves the step's numbers as they were."""

    def drawn(sides: tuple[int, ...]) -> dict[int, Tensor]:
        torch.manual_seed(9)
        found = {}
        for side in sides:
            with placement.drawing_apart(side, 1, torch.device("cpu")):
                found[side] = torch.rand(3)
        found[2] = torch.rand(3)
        return found

    both, alone = drawn((0, 1)), drawn((1,))
    assert torch.equal(both[1], alone[1])
    assert torch.equal(both[2], alone[2])
    assert not torch.equal(both[0], both[1])


def test_systems_without_sides_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """run.model_parallel is for systems that have two sides; the sentence says what else saves memory."""
    monkeypatch.setattr(distributed, "pair_up", lambda: None)
    with pytest.raises(ConfigError, match=r"cyclegan and timbretron, and toy is none.*run\.gradient_checkpointing"):
        loop.train(*toy.settings(tmp_path / "run", "run.model_parallel=true"), Console(file=io.StringIO()))


def test_together_is_the_sum_of_both_losses() -> None:
    """Both sides in one process get each other's fakes, and the sum's gradient reaches both generators."""
    torch.manual_seed(1)
    (g, d), (h, e) = networks(), networks()
    a, b = data()
    loss = placement.together(side(g, d, a, b), side(h, e, b, a))
    by_hand = ((d(g(a)) - 1) ** 2).mean() + 10 * (g(h(b)) - b).abs().mean()
    by_hand = by_hand + ((e(h(b)) - 1) ** 2).mean() + 10 * (h(g(a)) - a).abs().mean()
    torch.testing.assert_close(loss, by_hand)
    weights = [*g.parameters(), *h.parameters()]
    for one, other in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(by_hand, weights), strict=True):
        torch.testing.assert_close(one, other)


def test_sides_of_unequal_length_are_refused() -> None:
    """A side that gives oftener than the other cannot be paired."""
    g, d = networks()
    a, b = data()

    def longer() -> placement.Side:
        got = yield a
        got = yield got
        return got.mean()

    with pytest.raises(RuntimeError, match="equally often"):
        placement.together(side(g, d, a, b), longer())


def test_what_cannot_be_placed_is_refused() -> None:
    """A device that is not there and an odd number of processes are refused with what was found."""
    cpu = torch.device("cpu")
    assert placement.second_device("", cpu) == cpu
    with pytest.raises(ConfigError, match=r"cuda:7, but torch finds \d+ GPUs"):
        placement.second_device("cuda:7", cpu)
    with pytest.raises(ConfigError, match="'gpu'"):
        placement.second_device("gpu", cpu)
    with pytest.raises(ConfigError, match="1 processes cannot be paired"):
        distributed.pair_up()
    with pytest.raises(RuntimeError, match="pair_up"):
        placement.swap(torch.zeros(1))
