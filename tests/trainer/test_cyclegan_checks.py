"""Each named check of a CycleGAN's failures, on a network that really does it, and on one that does nothing wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from realtime.errors import ConfigError
from tests.trainer.test_cyclegan import make
from trainer import cycle_checks, cycle_game
from trainer.config import RunConfig
from trainer.cycle_checks import CHECKS, Game, findings, measure
from trainer.export import load_recipe
from trainer.loop import train
from trainer.models.cyclegan import CycleGAN
from trainer.monitor import read_metrics
from trainer.resnet import ResNetGenerator

BEGUN = 5  # steps done: validation of an untrained network warns of nothing


class Doing(nn.Module):
    """A generator that does one thing to every picture."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what, self.weight = what, nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """What is done to x."""
        made: Tensor = self.what(x) + 0 * self.weight
        return made


def _found(recipe: CycleGAN, into_b: nn.Module) -> dict[str, str]:
    """The checks that speak of the direction into b, by their sentences' first words, when `into_b` makes it."""
    recipe.generators["b"] = into_b
    recipe._steps_done = BEGUN
    with torch.no_grad():
        recipe.validate()
    words = {name.replace("_", " ").capitalize(): name for name in CHECKS}
    told = [sentence for sentence in recipe.remarks() if "bell to horn" in sentence]
    return {words[sentence.partition(",")[0]]: sentence for sentence in told}


def _softer(x: Tensor, decibels: float) -> Tensor:
    return (x - 2 * decibels / 96.3).clamp(min=-1.0)


def test_a_network_that_mutes_is_found(material: Path) -> None:
    """A generator whose last layer has learnt to be silent is called muting, with the discriminator's settings."""
    recipe = make(material)
    model = recipe.config.model
    silent = ResNetGenerator(model.bins, model.frames, width=2, downs=2, blocks=1)
    nn.init.zeros_(silent.layers[-1].weight)  # type: ignore[arg-type]
    nn.init.constant_(silent.layers[-1].bias, -5.0)  # type: ignore[arg-type]
    found = _found(recipe, silent)
    assert "training.discriminator_steps" in found["muting"]
    assert "attenuation" not in found


def test_a_network_that_only_turns_down_the_volume_is_found(material: Path) -> None:
    """Fourteen decibels less of the same spectrum is attenuation, no muting; its cure is loudness and gain."""
    found = _found(make(material), Doing(lambda x: _softer(x, 14.0)))
    assert "augment.gain_db" in found["attenuation"]
    assert "muting" not in found


def test_a_network_that_removes_a_region_is_found(material: Path) -> None:
    """What silences one part of the spectrum where the target plays is named with that part, as removed voices are."""

    def without_the_lowest(x: Tensor) -> Tensor:
        made = x.clone()
        made[:, :, 4:8] = -1.0
        return made

    found = _found(make(material), Doing(without_the_lowest))
    assert "part 2 of 8" in found["removal"]
    assert "training.cycle_weight" in found["removal"]


def test_a_network_that_changes_nothing_is_found(material: Path) -> None:
    """A generator that gives back its input is called so; the advice depends on whether identity is weighted at all."""
    model = make(material).config.model
    same = ResNetGenerator(model.bins, model.frames, width=2, downs=2, blocks=1, output="change")
    for parameter in same.layers[-1].parameters():
        nn.init.zeros_(parameter)
    assert "identity" in _found(make(material, training={"identity_steps": 0}), same)["no_change"]
    without = _found(make(material, training={"identity_weight": 0.0}), same)["no_change"]
    assert "identity" not in without
    assert "training." in without


def test_a_transfer_that_is_lost_again_is_found(material: Path, tmp_path: Path) -> None:
    """A network that had covered 60 % of the way to the target and now covers nothing is fading."""
    recipe = make(material)
    recipe.run = RunConfig(recipe="cyclegan", out=tmp_path)
    past = ((0, 0.9), (2, 0.6), (4, 0.1))  # what an untrained network does counts for nothing
    rows = [{"kind": "validation", "step": step, "covered_a": 0.0, "covered_b": value} for step, value in past]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = _found(recipe, Doing(lambda x: x))
    assert "60%" in found["fading"]
    assert "training.identity_steps" in found["fading"]


def test_a_discriminator_that_has_won_is_found(material: Path) -> None:
    """A discriminator trained alone, until it tells every fake, is found ahead; a critic may be as good as it likes."""
    for game in ("lsgan", "wgan_gp"):
        recipe = make(material, training={"game": game}, model={"discriminator_width": 8})
        fake = Doing(lambda x: -0.5 * torch.ones_like(x))
        real = recipe._judged["validation_b"]
        optimizer = torch.optim.Adam(recipe.discriminators["b"].parameters(), 1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            d = recipe.discriminators["b"]
            loss = (d(real) - 1).square().mean() + d(fake(real)).square().mean()
            loss.backward()
            optimizer.step()
        found = _found(recipe, fake)
        assert ("discriminator_ahead" in found) == (game == "lsgan")
        if game == "lsgan":
            assert "training.discriminator_learning_rate" in found["discriminator_ahead"]


def test_a_network_that_translates_is_left_alone(material: Path) -> None:
    """Pictures that are real sound of the target raise no warning."""
    recipe = make(material)
    real = recipe._judged["train_b"]
    assert _found(recipe, Doing(lambda x: real[: len(x)])) == {}


def test_an_untrained_network_is_not_warned_of(material: Path) -> None:
    """The validation before the first step says nothing, whatever the networks do."""
    recipe = make(material)
    recipe.generators["b"] = Doing(lambda x: x)
    with torch.no_grad():
        recipe.validate()
    assert recipe.remarks() == []


def test_the_training_tells_the_warning_and_measures_the_cycle_each_time(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that learns nothing says on its console that it changes nothing; T4 of every validation is recorded."""

    def idle(bins: int, frames: int, **sizes: Any) -> ResNetGenerator:
        network = ResNetGenerator(bins, frames, **sizes)
        nn.init.zeros_(network.layers[-1].weight)  # type: ignore[arg-type]
        return network

    monkeypatch.setattr(cycle_game, "ResNetGenerator", idle)
    recipe = make(material, model={"output": "change"}, training={"learning_rate": 0.0})
    console = Console(file=io.StringIO(), width=200)
    run = RunConfig(recipe="cyclegan", out=tmp_path, steps=2, batch=2, validate_every=1, log_every=1, device="cpu")
    train(run, recipe.config, console)
    console.file.seek(0)
    told = console.file.read()
    assert "warning at step 2: No change, bell to horn: it gives back what it hears" in told
    assert "warning at step 0" not in told
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if row["kind"] == "validation"]
    assert [row["step"] for row in rows] == [0, 1, 2]
    for row in rows:
        assert {"cycle_error_a", "cycle_error_b", "cycle_error_train_a", "cycle_error_train_b", "mae_b"} <= row.keys()
        assert row["cycle_error_a"] < 0.1
    assert load_recipe(tmp_path).manifest().name == "bell_to_horn"
    assert load_recipe(tmp_path, overrides=["stream.target=a"]).manifest().name == "horn_to_bell"
    with pytest.raises(ConfigError, match=r"changes \[stream\] alone"):
        load_recipe(tmp_path, overrides=["model.width=2"])


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_warning_names_a_setting_that_exists(name: str, material: Path) -> None:
    """Each check's sentence, whatever the state of the game, names settings that a run file has."""
    from trainer.config import described_settings

    recipe = make(material)
    known = {key for key, *_ in described_settings(recipe.config, "")}
    x = torch.rand(2, 1, 16, 8) - 0.7
    worst = {
        "muting": x * 0 - 1,
        "attenuation": _softer(x, 10.0),
        "removal": torch.cat([x[:, :, :2] * 0 - 1, x[:, :, 2:]], 2),
        "no_change": x,
        "fading": x,
        "discriminator_ahead": x,
    }[name]
    for steps in (1, 2):
        for identity in (0.0, 5.0):
            for scores in ((0.5, 0.5), (1.0, 0.0)):
                game = Game("lsgan", steps, identity)
                measures = measure(x, worst, x.flip(2), *scores)
                for finding in findings(measures, "a to b", game, (0.9,)):
                    assert finding.sentence.endswith(".")
                    named = {
                        word.strip(",.:;()") for word in finding.sentence.split() if word[:5] in {"train", "model"}
                    }
                    assert {word for word in named if "." in word} <= known, finding
    assert cycle_checks.findings(measure(x, worst, x.flip(2), 1.0, 0.0), "a to b", Game("lsgan", 1, 5.0), (0.9,))
