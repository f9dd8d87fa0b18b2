"""The published classifiers: what their networks are, what they hear, and that they learn."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from realtime.cli import build_app
from realtime.errors import ConfigError
from trainer import judge
from trainer.classification import ClassifierRecipe, OutputKind, equalised
from trainer.commands.train import RUNS, load_settings
from trainer.config import RunConfig
from trainer.discriminators import ShallowDiscriminator, TimbralDiscriminator
from trainer.models.classifier_conv1d import Conv1dClassifier, FrequencyPatches
from trainer.models.classifier_shallow import ShallowClassifier
from trainer.models.classifier_timbral import TimbralClassifier
from trainer.recipe import find

KINDS: list[type[ClassifierRecipe]] = [ShallowClassifier, TimbralClassifier, Conv1dClassifier]
FILES = sorted((RUNS / "classifiers").glob("*.toml"))


def recipe(kind: type[ClassifierRecipe], material: Path, **training: object) -> ClassifierRecipe:
    """A tiny recipe with changed training settings."""
    torch.manual_seed(0)
    config = kind.tiny(material)
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, **training))
    return kind(config, RunConfig(recipe=kind.name, out=material / "run", batch=4, device="cpu"))


def heard(network: nn.Module, x: Tensor, *, axis: int) -> int:
    """Inputs along `axis` that move the middle verdict of a map."""
    x = x.clone().requires_grad_()
    made = network(x)
    made[(..., *(size // 2 for size in made.shape[2:]))].sum().backward()
    assert x.grad is not None
    moved = (x.grad != 0).transpose(axis, -1).flatten(0, -2).any(0).nonzero()
    return int(moved[-1] - moved[0]) + 1


def test_a_verdict_hears_what_the_document_says() -> None:
    """Timbral on 880 bins hears 23 frames and every bin, conv1d with four layers 31 frames, shallow 94 of both."""
    torch.manual_seed(0)
    timbral = TimbralDiscriminator(1, 880, 1, 1)
    tall = torch.rand(1, 1, 880, 41)
    assert (heard(timbral, tall, axis=3), heard(timbral, tall, axis=2)) == (23, 880)
    assert heard(FrequencyPatches(8, 4, 1, 4), torch.rand(1, 1, 8, 161), axis=3) == 31
    shallow = ShallowDiscriminator(1, 1)
    assert heard(shallow, torch.rand(1, 1, 48, 336), axis=3) == 94


def test_layers_and_filters_are_the_rows() -> None:
    """Shallow doubles its filters over five layers, conv1d multiplies them by mdf, timbral halves 96 bands to one."""
    widths = [m.out_channels for m in ShallowDiscriminator(1, 32).modules() if isinstance(m, nn.Conv2d)]
    assert widths == [32, 64, 128, 256, 1]
    conv = [m for m in FrequencyPatches(96, 8, 2, 4).modules() if isinstance(m, nn.Conv1d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size, m.stride) for m in conv] == [
        (96, 8, (3,), (2,)),
        (8, 16, (3,), (2,)),
        (16, 32, (3,), (2,)),
        (32, 1, (3,), (2,)),
    ]
    kernels = [m.kernel_size[0] for m in TimbralDiscriminator(1, 96, 1).modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [4, 4, 4, 4, 4, 3, 4, 1]


def test_every_published_configuration_has_its_run_file() -> None:
    """Eighteen files: shallow 32 and 64, timbral 4·2 and 64·1 with both outputs, conv1d with all twelve sizes."""
    expected = {f"shallow_{n}" for n in (32, 64)}
    expected |= {f"timbral_{size}_{out}" for size in ("4_2", "64_1") for out in ("linear", "sigmoid")}
    expected |= {f"conv1d_{n}_{m}_{k}" for n, m, k in itertools.product((1024, 2048), (1, 2), (2, 3, 4))}
    assert {path.stem for path in FILES} == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_run_file_says_what_its_name_says(path: Path) -> None:
    """Each file is read strictly and holds the numbers of its row."""
    run, config = load_settings(Path("classifiers") / path.stem, [])
    kind, *numbers = path.stem.split("_")
    assert find(run.recipe).name == f"classifier_{kind}"
    keys = {"shallow": ("ndf",), "timbral": ("ndf", "mdf"), "conv1d": ("ndf", "mdf", "layers")}[kind]
    assert [str(getattr(config.model, key)) for key in keys] == numbers[: len(keys)]
    assert config.training.output == {"shallow": "linear", "timbral": numbers[-1], "conv1d": "sigmoid"}[kind]
    assert config.data.classes == ("guitar", "piano")


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_learns_the_difference_of_high_and_low(kind: type[ClassifierRecipe], output: str, material: Path) -> None:
    """Forty steps on pictures that differ by where they are bright name them all right, with either output."""
    system = recipe(kind, material, learning_rate=1e-2, output=output)
    x = -torch.ones(4, 1, 96, 77)
    x[:2, :, 10:30] = 1.0
    x[2:, :, 60:80] = 1.0
    batch = {"x": x, "label": torch.tensor([0, 0, 1, 1])}
    for step in range(40):
        system.training_step(batch, step)
    assert system.scores(x).argmax(1).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_many_classes_have_an_output_each(output: OutputKind, material: Path) -> None:
    """With three instruments the network gives three maps, and the loss falls towards the label's own map."""
    config = ShallowClassifier.tiny(material)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, classes=("bell", "horn", "reed")),
        training=dataclasses.replace(config.training, output=output),
    )
    system = ShallowClassifier(config, RunConfig(recipe="classifier_shallow", out=material / "run", device="cpu"))
    assert system.network(torch.zeros(1, 1, 96, 77)).shape[1] == 3
    good, bad = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    good[:, 2], bad[:, 0] = 1.0, 1.0
    assert system.loss(good, torch.tensor([2])) < system.loss(bad, torch.tensor([2]))
    assert system.verdict(good).argmax(1).item() == 2


def test_a_pool_is_drawn_once_and_kept(material: Path, tmp_path: Path) -> None:
    """With a pool and a cache a second run draws nothing anew and hears the same batches."""
    config = ShallowClassifier.tiny(material)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, pool=3, cache=tmp_path))
    run = RunConfig(recipe="classifier_shallow", out=tmp_path / "run", batch=4, device="cpu")
    first = ShallowClassifier(config, run).batch(0, range(4))
    assert len(list(tmp_path.glob("*.npy"))) == 2
    again = ShallowClassifier(config, run)
    again._bank = None
    assert torch.equal(again.batch(0, range(4))["x"], first["x"])
    assert again._bank is None


def test_an_equaliser_leaves_silence_silent() -> None:
    """Behind another equaliser the loudest place is still +1 and what lay on the floor still lies there."""
    rng = np.random.default_rng(0)
    picture = np.clip(rng.normal(-0.5, 0.6, (judge.BANDS, 20)), -1.0, 1.0).astype(np.float32)
    made = equalised(picture, rng)
    assert made.max() == pytest.approx(1.0)
    assert (made[picture == -1.0] == -1.0).all()
    assert not np.array_equal(made, picture)


def test_evaluate_prints_accuracy_and_confusion(material: Path, tmp_path: Path) -> None:
    """`retimbre evaluate RUN` of a classifier prints a matrix whose counts are the sounds heard, and writes it."""
    from trainer.loop import train

    run = RunConfig("classifier_shallow", tmp_path / "run", steps=1, batch=2, validate_every=1, device="cpu")
    train(run, ShallowClassifier.tiny(material))
    result = CliRunner().invoke(
        build_app(), ["evaluate", str(tmp_path / "run"), "-o", str(tmp_path / "out"), "--limit", "4"]
    )
    assert result.exit_code == 0, result.output
    assert "accuracy" in result.output and "bell" in result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    melodies = report["verdicts"][0]
    assert (melodies["kind"], melodies["heard"], np.sum(melodies["counts"])) == ("melodies", 8, 8)


def test_a_system_that_is_no_classifier_is_not_asked(material: Path, tmp_path: Path) -> None:
    """The run of another system is refused with what to do instead."""
    from trainer import checkpoint
    from trainer.classifier_report import measure
    from trainer.models.pix2pix import GeneratorOnly

    run = RunConfig("generator_only", tmp_path, device="cpu")
    table = checkpoint.whole_config(run, GeneratorOnly.tiny(material))
    (tmp_path / "config.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ConfigError, match="is no classifier: export it"):
        measure(tmp_path)
