"""What `[run]` may change about a step without changing what is learnt: parts, recomputing, precision."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from realtime.errors import ConfigError
from tests.trainer import toy
from tests.trainer.test_loop import assert_equal_bits
from trainer import accumulation, distributed, loop, recompute
from trainer.config import RunConfig
from trainer.models.cyclegan import CycleGAN
from trainer.recipe import Recipe
from trainer.replay import ReplayBuffer
from trainer.step import training_step
from trainer.unet import GeneratorModel, UNet

BATCH = 8


class Game(toy.Toy):
    """A game with all that makes parts hard: judged twice, what is heard before a judge's step used after it, noise.

    Every third step leaves the judge out, so that steps do not have equally many descends.
    """

    def __init__(self, run: RunConfig) -> None:
        Recipe.__init__(self, toy.ToyConfig(), run)
        torch.manual_seed(3)
        self.generator = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), distributed.Dropout(0.3))
        self.generator.append(nn.Conv2d(4, 1, 3, padding=1))
        self.discriminator = nn.Conv2d(1, 2, 3)
        self.replay = ReplayBuffer(5, (1, 8, 8))
        # No Adam: it would make a visible step of the rounding error of a gradient that is zero.
        self._optimizers = {
            "generator": torch.optim.SGD(self.generator.parameters(), 0.1),
            "discriminator": torch.optim.SGD(self.discriminator.parameters(), 0.1),
        }

    def networks(self) -> dict[str, nn.Module]:
        """With the buffer."""
        return {"generator": self.generator, "discriminator": self.discriminator, "replay": self.replay}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Two steps of the judge, one of the generator."""
        x = batch["x"]
        fake = self.generator(x + 0.1 * distributed.normal(tuple(x.shape), self.device))
        before = self.discriminator(x).detach()
        told = {}
        for _ in range(2 if step % 3 else 0):
            d_loss = self.discriminator(self.replay(fake)).square().mean() + (self.discriminator(x) - 1).square().mean()
            self.descend("discriminator", d_loss)
            told["discriminator"] = d_loss
        g_loss = (fake - 2 * x).abs().mean() + (self.discriminator(fake) - before).square().mean()
        self.descend("generator", g_loss)
        return {"generator": g_loss, **told}


def _play(parts: int, steps: int = 7, **settings: Any) -> tuple[Game, list[dict[str, float]]]:
    game = Game(RunConfig("toy", Path("none"), batch=BATCH, device="cpu", accumulate=parts, **settings))
    told = []
    for step in range(steps):
        torch.manual_seed(step)
        batches = [game.batch(step, items) for items in distributed.parts(BATCH, parts)]
        told.append({name: float(loss) for name, loss in training_step(game, batches, step).items()})
    return game, told


def _largest_difference(one: Recipe, other: Recipe) -> float:
    pairs = zip(one.networks().values(), other.networks().values(), strict=True)
    values = itertools.chain.from_iterable(
        zip(a.state_dict().values(), b.state_dict().values(), strict=True) for a, b in pairs
    )
    return max(float((x.double() - y.double()).abs().max()) for x, y in values)


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_equal_the_whole_batch(parts: int) -> None:
    """A batch in parts leaves the weights, the replayed fakes and the losses of the whole one, to float precision."""
    (whole, told), (divided, told_again) = _play(1), _play(parts)
    assert _largest_difference(whole, _play(1, steps=1)[0]) > 1e-2
    assert _largest_difference(whole, divided) < 2e-6
    assert int(divided.replay.count) == 5
    for one, other in zip(told, told_again, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_parts_on_processes_equal_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts shared by two processes are the same items, and the same noise, as four parts in turn."""

    def drawn(rank: int, count: int, parts: int) -> list[tuple[range, Tensor]]:
        monkeypatch.setattr(distributed, "processes", lambda: distributed.Processes(rank, count))
        found = []
        for part, items in enumerate(distributed.parts(BATCH, parts)):
            torch.manual_seed(5)
            with distributed.part_of_batch(part, parts):
                found.append((items, distributed.normal((len(items), 3), torch.device("cpu"))))
        return found

    alone, first, second = drawn(0, 1, 4), drawn(0, 2, 2), drawn(1, 2, 2)
    for one, other in zip(alone, [first[0], second[0], first[1], second[1]], strict=True):
        assert one[0] == other[0]
        assert torch.equal(one[1], other[1])


def test_every_segment_is_computed_as_seldom_as_parts_allow() -> None:
    """Once the number of descends is known, a step with three runs its first segment three times, its last once."""
    game = Game(RunConfig("toy", Path("none"), batch=BATCH, device="cpu", accumulate=2))
    calls = {"generator": 0, "discriminator": 0}
    game.generator.register_forward_hook(lambda *_: calls.update(generator=calls["generator"] + 1))
    game.discriminator.register_forward_hook(lambda *_: calls.update(discriminator=calls["discriminator"] + 1))
    batches = [game.batch(1, items) for items in distributed.parts(BATCH, 2)]
    training_step(game, batches, 1)
    calls.update(generator=0, discriminator=0)
    training_step(game, batches, 2)
    # A part: the generator in segment 0; the judge once there and twice more, then twice, then once.
    assert calls == {"generator": 2 * 3, "discriminator": 2 * (3 * 3 + 2 * 2 + 1)}


def test_the_cyclegan_in_parts_is_the_cyclegan(material: Path, tmp_path: Path) -> None:
    """Two steps of the judges, replayed fakes and the game of both generators in parts: the same gradients."""
    moments = []
    for parts in (1, 2):
        run = RunConfig("cyclegan", tmp_path / str(parts), steps=2, batch=2, device="cpu", accumulate=parts)
        config = CycleGAN.tiny(material)
        loop.train(run, config, Console(file=io.StringIO()))
        saved = torch.load(tmp_path / str(parts) / "last.pt", weights_only=True)["optimizers"]
        moments.append(
            {name: torch.cat([s["exp_avg"].flatten() for s in o["state"].values()]) for name, o in saved.items()}
        )
    for name, whole in moments[0].items():
        assert float((moments[1][name] - whole).norm() / whole.norm()) < 1e-4, name


def test_batch_statistics_in_parts_are_refused(tmp_path: Path) -> None:
    """A network with batch normalisation cannot be trained in parts, and the sentence says what else saves memory."""
    with pytest.raises(ConfigError, match=r"generator normalises over the whole batch.*gradient_checkpointing"):
        loop.train(*toy.settings(tmp_path / "run", "run.accumulate=2"), Console(file=io.StringIO()))
    assert not (tmp_path / "run" / "last.pt").exists()
    with pytest.raises(ConfigError, match=r"run\.batch is 8, which 3 parts cannot share"):
        distributed.parts(8, 3)


def test_an_unequal_number_of_descends_is_an_error() -> None:
    """A step whose parts take different ways cannot be equal to the whole, and says so instead of going on."""
    weight = nn.Parameter(torch.ones(1))

    def step(batch: Mapping[str, Tensor], _number: int) -> dict[str, Tensor]:
        for _ in range(int(batch["x"])):
            accumulation.descend([weight], lambda _parts: None, lambda: None)
        return {}

    with pytest.raises(RuntimeError, match="equally often"):
        accumulation.Division().step(step, [{"x": torch.tensor(2)}, {"x": torch.tensor(1)}], 0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_recomputed_layers_change_nothing_but_the_memory(precision: Literal["float32", "bfloat16"]) -> None:
    """Gradients and running statistics are the same bits, and less than half is kept for the backward pass."""

    def trained(wanted: bool) -> tuple[UNet, int]:
        torch.manual_seed(0)
        network = UNet(GeneratorModel(bins=32, frames=32, width=8))
        x = torch.randn(4, 1, 32, 32)
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with (
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
            recompute.recomputing(wanted),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            loss = network(x).float().square().mean()
        loss.backward()
        return network, sum(kept.values())

    (plain, kept), (again, kept_again) = trained(False), trained(True)
    assert_equal_bits(plain.state_dict(), again.state_dict())
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)
    assert kept_again < 0.5 * kept


def test_layers_are_recomputed_only_where_the_run_wants_it() -> None:
    """Without `run.gradient_checkpointing`, and without gradients, a block is computed once."""
    calls = []

    def block(x: Tensor) -> Tensor:
        calls.append(recompute.is_again())
        return x.square()

    for wanted, gradients, expected in ((False, True, [False]), (True, False, [False]), (True, True, [False, True])):
        calls.clear()
        with recompute.recomputing(wanted), torch.set_grad_enabled(gradients):
            y = recompute.recomputed(block, torch.ones(2, requires_grad=True)).sum()
            if gradients:
                y.backward()
        assert calls == expected


def test_bfloat16_sees_the_weights_of_this_step() -> None:
    """What follows a descend under autocast is computed with the new weights, and these stay float32."""
    game = Game(RunConfig("toy", Path("none"), batch=BATCH, device="cpu", precision="bfloat16"))
    seen = []

    def step(batch: Mapping[str, Tensor], _step: int) -> dict[str, Tensor]:
        first = game.discriminator(batch["x"])
        seen.append(first.detach())
        game.descend("discriminator", 100 * first.square().mean())
        seen.append(game.discriminator(batch["x"]).detach())
        return {"loss": first.mean()}

    game.training_step = step  # type: ignore[method-assign,assignment]
    training_step(game, [game.batch(0, range(BATCH))], 0)
    assert seen[0].dtype == torch.bfloat16
    assert float((seen[0] - seen[1]).abs().max()) > 0.1
    assert all(p.dtype == torch.float32 for p in game.discriminator.parameters())


def test_bfloat16_learns_resumes_and_is_near_float32(tmp_path: Path) -> None:
    """On the CPU too: a run in mixed precision goes on to the same bits and ends near the one in float32."""
    for name, overrides in {
        "whole": ("run.precision=bfloat16",),
        "parts": ("run.precision=bfloat16", "run.steps=3"),
        "wide": (),
    }.items():
        loop.train(*toy.settings(tmp_path / name, *overrides), Console(file=io.StringIO()))
    loop.train(*toy.settings(tmp_path / "parts", "run.precision=bfloat16"), Console(file=io.StringIO()))
    saved = {n: torch.load(tmp_path / n / "last.pt", weights_only=True) for n in ("whole", "parts", "wide")}
    assert_equal_bits(saved["whole"], saved["parts"])
    weights, wide = (saved[n]["networks"]["generator"]["0.weight"] for n in ("whole", "wide"))
    assert not torch.equal(weights, wide)
    torch.testing.assert_close(weights, wide, rtol=0.1, atol=0.03)
