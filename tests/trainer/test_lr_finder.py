"""The learning-rate finder on a problem whose answer is known, on a game, and as a command."""

# ruff: noqa: D102  (what each method does is said by Recipe)
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from realtime.errors import ConfigError
from tests.trainer import toy
from trainer import lr_finder
from trainer.config import RunConfig, setting
from trainer.recipe import Clip, Recipe


@dataclass(frozen=True)
class BowlModel:
    """The bowl's settings."""

    curvature: float = setting(1.0, "h", minimum=0)
    floor: float = setting(0.0, "the loss at the bottom")
    learning_rate: float = setting(1e-3, "of plain descent", minimum=0)


@dataclass(frozen=True)
class BowlConfig:
    """The bowl's sections."""

    model: BowlModel = field(default_factory=BowlModel)


class Bowl(Recipe):
    """½·h·w² and plain gradient descent: the loss is the same for every batch."""

    name = "bowl"
    Config = BowlConfig
    metric = "loss"
    playable = False

    def __init__(self, config: BowlConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.network.weight)
        self.optimizer = torch.optim.SGD(self.network.parameters(), config.model.learning_rate)

    def networks(self) -> dict[str, nn.Module]:
        return {"bowl": self.network}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"bowl": self.optimizer}

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        return {"x": torch.ones(len(items), 1)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        model = self.config.model
        loss = 0.5 * model.curvature * self.network(batch["x"]).square().mean() + model.floor
        self.descend("bowl", loss)
        return {"loss": loss}

    def validate(self) -> dict[str, float]:
        return {}

    def clips(self) -> list[Clip]:
        return []

    def streaming_module(self) -> nn.Module:
        raise NotImplementedError  # never exported

    def initial_states(self) -> tuple[Tensor, ...]:
        return ()

    def manifest(self) -> Any:
        raise NotImplementedError  # nor packaged

    def card(self) -> str:
        return "bowl"

    @classmethod
    def tiny(cls, _material: Path) -> BowlConfig:
        return BowlConfig()


def bowl(curvature: float, floor: float = 0.0) -> Bowl:
    """A fresh bowl."""
    run = RunConfig(recipe="bowl", out=Path("unused"), batch=2, device="cpu")
    return Bowl(BowlConfig(BowlModel(curvature, floor)), run)


@pytest.mark.parametrize("curvature", [0.5, 50.0])
@pytest.mark.parametrize("floor", [0.0, -3.0])
def test_the_bowls_answer_is_found(curvature: float, floor: float) -> None:
    """Steepest at δ / 2h, δ the growth of ln rate a step, and exploding past 2 / h, whatever the loss at the bottom."""
    swept = lr_finder.sweep(bowl(curvature, floor), "joint", start=1e-6, stop=100.0, steps=200)
    known = math.log(1e8) / 199 / (2 * curvature)
    assert swept.suggestion == pytest.approx(known, rel=0.35)
    assert swept.diverged is not None
    assert 2 / curvature < swept.diverged < 20 / curvature  # it has to climb out of the bottom first
    assert swept.suggestion is not None
    assert swept.suggestion < swept.lowest < swept.diverged


def test_a_loss_belongs_to_the_step_before_it() -> None:
    """`losses[t]` is ½·h·w² after the step at `rates[t]`."""
    swept = lr_finder.sweep(bowl(1.0), "joint", start=1e-2, stop=0.5, steps=20)
    weight = 1.0
    for rate, loss in zip(swept.rates, swept.losses, strict=True):
        weight *= 1 - rate
        assert loss == pytest.approx(0.5 * weight**2, rel=1e-4)
    assert swept.diverged is None


def test_losses_can_be_watched_together() -> None:
    """a+b is the sum of two losses, and a discriminator's sweep watches all that are called so."""
    one = lr_finder.sweep(bowl(1.0), "joint", start=1e-2, stop=0.5, steps=12)
    two = lr_finder.sweep(bowl(1.0), "joint", start=1e-2, stop=0.5, steps=12, loss="loss+loss")
    assert two.losses == pytest.approx([2 * loss for loss in one.losses])
    told = {"generator": 1.0, "discriminator_a": 2.0, "discriminator_b": 3.0}
    assert lr_finder._watched(told, "discriminator", bowl(1.0)) == "discriminator_a+discriminator_b"
    assert lr_finder._watched(told, "joint", bowl(1.0)) == "generator"


def test_a_rate_too_small_to_matter_gives_no_suggestion() -> None:
    """Where the loss does not fall nothing is suggested, and the sentence says so."""
    flat = bowl(1.0)
    flat.network.weight.data.zero_()
    swept = lr_finder.sweep(flat, "joint", start=1e-7, stop=1e-3, steps=20)
    assert swept.suggestion is None
    assert "did not fall by more than chance" in lr_finder.advice(swept, flat.config)


def test_a_game_is_swept_three_times(tmp_path: Path) -> None:
    """In a sweep of one part the other's weights do not move; joint moves both; all three are found and drawn."""
    run, config = toy.settings(tmp_path / "run")
    for part, moves in (("generator", (True, False)), ("discriminator", (False, True)), ("joint", (True, True))):
        torch.manual_seed(0)
        recipe = toy.Toy(config, run)
        before = [net.weight.detach().clone() for net in (recipe.generator[0], recipe.discriminator)]  # type: ignore[operator]
        lr_finder.sweep(recipe, part, start=1e-4, stop=1e-2, steps=10)  # type: ignore[arg-type]
        after = (recipe.generator[0].weight, recipe.discriminator.weight)
        assert tuple(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == moves  # type: ignore[arg-type]
    sweeps = lr_finder.find_rates(run, config, start=1e-5, stop=1.0, steps=30)
    assert [one.part for one in sweeps] == ["generator", "discriminator", "joint"]
    assert [one.loss for one in sweeps] == ["generator", "discriminator", "generator"]
    assert sweeps[0].suggestion is not None
    assert "set model.learning_rate to" in lr_finder.advice(sweeps[0], config)
    assert lr_finder.write(sweeps, tmp_path / "found").stat().st_size > 5000
    kept = json.loads((tmp_path / "found" / "learning-rates.json").read_text())
    assert kept[0]["suggestion"] == sweeps[0].suggestion


def test_the_command_says_what_to_set(material: Path, tmp_path: Path) -> None:
    """`retimbre lr-find` names pix2pix's own settings for generator and discriminator, and keeps the plot."""
    from realtime.cli import build_app

    run_file = tmp_path / "run.toml"
    run_file.write_text(
        f"""
        run = {{ recipe = "pix2pix", out = "{tmp_path}/run", batch = 2, device = "cpu", threads = 1 }}
        data = {{ index = "{material}/paired/index.json", origin = "bell", target = "horn" }}
        model = {{ n_fft = 512, hop = 256, bins = 16, frames = 16, width = 2, discriminator_width = 2 }}
        """
    )
    asked = [
        "lr-find",
        str(run_file),
        "--steps",
        "40",
        "--start",
        "1e-5",
        "--set",
        "model.patch_layers=1",
        "--part",
        "generator",
        "--part",
        "discriminator",
    ]
    told = CliRunner().invoke(build_app(), asked)
    assert told.exit_code == 0, told.output
    assert "set training.learning_rate to" in told.output
    assert "set training.discriminator_learning_rate to" in told.output
    assert (tmp_path / "run-learning-rates" / "learning-rates.png").is_file()
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_swept_is_refused(tmp_path: Path) -> None:
    """A range that does not grow, an unknown loss and a part that is not there are refused with what was found."""
    with pytest.raises(ConfigError, match=r"from 1 to 0\.1"):
        lr_finder.sweep(bowl(1.0), "joint", start=1.0, stop=0.1)
    with pytest.raises(ConfigError, match="no loss 'mae': choose among loss"):
        lr_finder.sweep(bowl(1.0), "joint", loss="mae")
    with pytest.raises(ConfigError, match=r"tells no loss of its discriminator in its first steps.*loss, other"):
        lr_finder._watched({"loss": 1.0, "other": 2.0}, "discriminator", bowl(1.0))
    with pytest.raises(ConfigError, match="no discriminator"):
        lr_finder.sweep(bowl(1.0), "generator")
