"""Steps per second of our pix2pix and CycleGAN against plain PyTorch versions of the same networks, and the loader's.

    python scripts/bench_training.py [RUN …] [--steps 5] [--device cpu] [--set run.batch=2 …]

The plain versions are what one writes after the papers: NCHW, torch's own normalisation and dropout, every term of
the loss by a call of its own, Adam as it comes; the CycleGAN's fakes are made once and its replay buffer is ours. Both
learn the same made-up batches in turns, in one process. On the CPU the time is this thread's own, so that what else
runs there does not count.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import statistics
import tempfile
import time
import typing
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer import distributed, losses
from trainer.commands.train import load_settings
from trainer.material import write_material
from trainer.models.cyclegan import CycleGAN
from trainer.models.pix2pix import Pix2Pix
from trainer.recipe import Recipe, find
from trainer.resnet import FrameNorm
from trainer.step import training_step
from trainer.two_domains import DIRECTIONS, SIDES, Side


class PlainPix2Pix:
    """Isola et al.'s step without any of our care."""

    def __init__(self, recipe: Pix2Pix) -> None:
        self.recipe = recipe
        self.g, self.d = _torchs(recipe.generator), _torchs(recipe.discriminator)
        training = recipe.config.training
        betas = (training.beta1, 0.999)
        self.g_adam = torch.optim.Adam(self.g.parameters(), training.learning_rate, betas)
        self.d_adam = torch.optim.Adam(self.d.parameters(), training.discriminator_learning_rate, betas)

    def step(self, batch: dict[str, Tensor], _step: int) -> None:
        """One step."""
        training, x, y = self.recipe.config.training, batch["x"], batch["y"]
        made = self.g(x)
        self.d_adam.zero_grad()
        real = losses.adversarial(self.d(torch.cat([x, y], 1)), real=True, kind=training.adversarial)
        fake = losses.adversarial(self.d(torch.cat([x, made.detach()], 1)), real=False, kind=training.adversarial)
        ((real + fake) / 2).backward()
        self.d_adam.step()
        self.d.requires_grad_(requires_grad=False)
        self.g_adam.zero_grad()
        fooled = losses.adversarial(self.d(torch.cat([x, made], 1)), real=True, kind=training.adversarial)
        (fooled + training.distance_weight * functional.l1_loss(made, y)).backward()
        self.g_adam.step()
        self.d.requires_grad_(requires_grad=True)


class PlainCycleGAN:
    """Zhu et al.'s step without any of our care."""

    def __init__(self, recipe: CycleGAN) -> None:
        self.recipe = recipe
        self.g: dict[Side, nn.Module] = {side: _plain(network) for side, network in recipe.generators.items()}
        self.d: dict[Side, nn.Module] = {
            side: copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            for side, network in recipe.discriminators.items()
        }
        self.replay = {side: copy.deepcopy(buffer) for side, buffer in recipe.replay.items()}
        training, betas = recipe.config.training, (recipe.config.training.beta1, 0.999)
        self.g_adam = torch.optim.Adam(
            [p for n in self.g.values() for p in n.parameters()], training.learning_rate, betas
        )
        self.d_adam = torch.optim.Adam(
            [p for n in self.d.values() for p in n.parameters()], training.discriminator_learning_rate, betas
        )

    def step(self, batch: dict[str, Tensor], step: int) -> None:
        """One step."""
        training, identity = self.recipe.config.training, self.recipe.identity_weight(step)
        real: dict[Side, Tensor] = {side: self.recipe.pictures.of(batch[side]) for side in SIDES}
        made = {side: self.generate(side, real[other]) for side, other in DIRECTIONS}
        for _ in range(training.discriminator_steps):
            self.d_adam.zero_grad()
            for side in SIDES:
                fakes = self.replay[side](made[side])
                loss = losses.adversarial(self.d[side](real[side]), real=True, kind=training.game)
                loss = loss + losses.adversarial(self.d[side](fakes), real=False, kind=training.game)
                if training.game == "wgan_gp":
                    loss = loss + training.penalty_weight * losses.gradient_penalty(self.d[side], real[side], fakes)
                (training.discriminator_weight * loss).backward()
            self.d_adam.step()
        for network in self.d.values():
            network.requires_grad_(requires_grad=False)
        total = torch.zeros((), device=self.recipe.device)
        for side, other in DIRECTIONS:
            total = total + losses.adversarial(self.d[side](made[side]), real=True, kind=training.game)
            again = self.generate(side, made[other])
            total = total + training.cycle_weight * functional.l1_loss(again, real[side])
            if identity > 0:
                same = self.generate(side, real[side])
                total = total + identity * functional.l1_loss(same, real[side])
        self.g_adam.zero_grad()
        total.backward()
        self.g_adam.step()
        for network in self.d.values():
            network.requires_grad_(requires_grad=True)

    def generate(self, side: Side, x: Tensor) -> Tensor:
        """The generator's picture."""
        made: Tensor = torch.tanh(self.g[side](x + 1.0))
        return made


def _torchs(network: nn.Module) -> nn.Module:
    """A copy with torch's own batch normalisation and dropout."""
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, distributed.BatchNorm2d):
                setattr(module, name, nn.BatchNorm2d(child.num_features).to(next(network.parameters()).device))
            elif isinstance(child, distributed.Dropout):
                setattr(module, name, nn.Dropout(child.probability))
    return copied


def _plain(generator: nn.Module) -> nn.Module:
    """The layers of a ResNetGenerator as (batch, channels, bins, frames), with instance normalisation."""
    layers = copy.deepcopy(generator.layers)
    assert isinstance(layers, nn.Module)
    for module in layers.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, FrameNorm):
                setattr(module, name, nn.InstanceNorm2d(len(child.weight), affine=True).to(child.weight.device))
            elif isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
                child.weight = nn.Parameter(child.weight.detach().transpose(2, 3).contiguous())
                child.kernel_size = (child.kernel_size[1], child.kernel_size[0])
    return layers


def _clock(device: torch.device) -> Callable[[], float]:
    if device.type == "cpu":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def measured(name: str, overrides: list[str], material: Path, steps: int) -> list[str]:
    """A row of the table."""
    run, config = load_settings(Path(name), overrides)
    data = find(run.recipe).tiny(material).data
    if run.recipe == "cyclegan":
        recipe: Recipe = CycleGAN(dataclasses.replace(config, data=dataclasses.replace(data, pairs=None)), run)
        plain: PlainPix2Pix | PlainCycleGAN = PlainCycleGAN(typing.cast("CycleGAN", recipe))
    else:
        recipe = Pix2Pix(dataclasses.replace(config, data=data), run)
        plain = PlainPix2Pix(recipe)
    clock = _clock(recipe.device)
    times: dict[str, list[float]] = {"ours": [], "plain": [], "loader": []}
    for step in range(steps + 1):
        start = clock()
        loaded = recipe.batch(step, range(run.batch))
        times["loader"].append(clock() - start)
        batch = {key: tensor.to(recipe.device) for key, tensor in loaded.items()}
        for key, learn in (("ours", lambda b, n: training_step(recipe, [b], n)), ("plain", plain.step)):
            start = clock()
            learn(batch, step)
            times[key].append(clock() - start)
    found = {key: statistics.median(values[1:]) for key, values in times.items()}  # the first warms up
    return [
        name, str(run.batch), f"{found['ours']:.3f}", f"{found['plain']:.3f}", f"{found['plain'] / found['ours']:.2f}",
        f"{found['ours'] / found['loader']:.0f}",
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="*", default=["pix2pix", "cyclegan"])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| run | batch | ours, s a step | plain PyTorch | ours is faster by | batches loaded a step |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_material(Path(folder), seconds=6.0)
        for name in options.runs:
            row = measured(name, [*options.set, f"run.device={options.device}"], Path(folder), options.steps)
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
