"""A recipe small enough to train in a second, with every random thing a real one has: noise, batch statistics, dropout.

As a program (`python toy.py OUT [key=value…]`) it trains the toy: what the tests run under torchrun.
"""

# ruff: noqa: D102  (what each method does is said by Recipe)
from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer import distributed
from trainer.config import RunConfig, apply_overrides, from_table, recipe_config, setting
from trainer.recipe import Clip, Recipe, register


@dataclass(frozen=True)
class ToyModel:
    """The toy's settings."""

    width: int = setting(4, "channels", minimum=1)
    learning_rate: float = setting(1e-2, "Adam's", minimum=0)
    poison_step: int = setting(-1, "the step whose loss is NaN; -1: none")


@dataclass(frozen=True)
class ToyConfig:
    """The toy's sections."""

    model: ToyModel = field(default_factory=ToyModel)


@register("toy")
class Toy(Recipe):
    """A generator against a discriminator on random pictures."""

    Config = ToyConfig
    metric = "error"
    playable = False

    def __init__(self, config: ToyConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        width = config.model.width
        self.generator = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            distributed.BatchNorm2d(width),
            nn.ReLU(),
            distributed.Dropout(0.5),
            nn.Conv2d(width, 1, 3, padding=1),
        )
        self.discriminator = nn.Conv2d(1, 1, 3)
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(self.generator.parameters(), config.model.learning_rate),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), config.model.learning_rate),
        }

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        pictures = [np.random.default_rng([self.run.seed, step, item]).standard_normal((1, 8, 8)) for item in items]
        return {"x": torch.from_numpy(np.stack(pictures).astype(np.float32))}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        x = batch["x"]
        fake = self.generator(x + 0.1 * distributed.normal(tuple(x.shape), self.device))
        d_loss = self.discriminator(fake.detach()).square().mean() + (self.discriminator(x) - 1).square().mean()
        self.descend("discriminator", d_loss)
        g_loss = (fake - 2 * x).abs().mean() + 0.1 * (self.discriminator(fake) - 1).square().mean()
        if step == self.config.model.poison_step:
            g_loss = g_loss * torch.nan
        self.descend("generator", g_loss)
        return {"generator": g_loss, "discriminator": d_loss}

    def validate(self) -> dict[str, float]:
        x = self.batch(2**31, range(4))["x"]
        return {"error": float((self.generator(x) - 2 * x).abs().mean())}

    def clips(self) -> list[Clip]:
        time = np.arange(4000, dtype=np.float32) / 8000
        tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
        return [Clip("tone", 8000, tone, tone, None)]

    def streaming_module(self) -> nn.Module:
        raise NotImplementedError  # the toy is never exported

    def initial_states(self) -> tuple[Tensor, ...]:
        return ()

    def manifest(self) -> Any:
        raise NotImplementedError  # nor packaged

    def card(self) -> str:
        return "toy"

    @classmethod
    def tiny(cls, _material: Path) -> ToyConfig:
        return ToyConfig()


def settings(out: Path, *overrides: str) -> tuple[RunConfig, ToyConfig]:
    """A short toy run in `out`."""
    run = {"recipe": "toy", "out": str(out), "steps": 6, "batch": 4, "validate_every": 3, "checkpoint_every": 3}
    tables = apply_overrides({"run": run | {"log_every": 1, "device": "cpu", "ema": 0.5}}, overrides)
    return from_table(RunConfig, tables["run"], "run"), recipe_config(ToyConfig, tables)


if __name__ == "__main__":
    import trainer.recipe
    from trainer.loop import train

    # Run as a program this file is `__main__`: the recipe registered above is the one that the loop finds.
    assert "toy" in trainer.recipe._registry
    train(*settings(Path(sys.argv[1]), *sys.argv[2:]))
