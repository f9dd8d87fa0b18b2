"""The laws that every registered system obeys: a new file in trainer/models is tested by being there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from realtime.chain import Chain
from realtime.errors import PackageError
from realtime.package import Package, check
from tests.trainer.test_loop import assert_equal_bits
from trainer import zoo
from trainer.config import RunConfig
from trainer.export import TOLERANCE, ContractReport, export, measured_lookahead, offline, probe, verify_contract
from trainer.graph_part import draws
from trainer.loop import train
from trainer.recipe import Recipe, registered

NAMES = [name for name in registered() if name != "toy"]
PLAYABLE = [name for name in NAMES if registered()[name].playable]


@pytest.fixture(scope="module")
def trained(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each system trained for three steps in one go: run folders by name."""
    folders = {}
    for name in NAMES:
        folders[name] = tmp_path_factory.mktemp("runs") / name
        _train(name, material, folders[name], 3)
    return folders


@pytest.fixture(scope="module")
def exported(
    trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Package, ContractReport]]:
    """Each playable system's package and what its contract checks measured."""
    return {name: export(trained[name], tmp_path_factory.mktemp("packages") / name) for name in PLAYABLE}


def _train(name: str, material: Path, out: Path, steps: int) -> None:
    run = RunConfig(
        recipe=name, out=out, steps=steps, batch=2, validate_every=3, checkpoint_every=1, log_every=1, device="cpu"
    )
    train(run, registered()[name].tiny(material), Console(file=io.StringIO()))


def _recipe(name: str, material: Path) -> Recipe:
    torch.manual_seed(1)
    run = RunConfig(recipe=name, out=material / "run", device="cpu")
    recipe = registered()[name](registered()[name].tiny(material), run)
    for network in recipe.networks().values():
        network.eval()
    return recipe


@pytest.mark.parametrize("name", NAMES)
def test_three_steps_resume_to_the_same_bits(
    name: str, material: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    """Training one step, then two more, leaves the bits of three steps in one go."""
    _train(name, material, tmp_path / "run", 1)
    _train(name, material, tmp_path / "run", 3)
    whole, parts = (torch.load(folder / "last.pt", weights_only=True) for folder in (trained[name], tmp_path / "run"))
    for key in ("networks", "optimizers"):
        assert_equal_bits(whole[key], parts[key])


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_depends_on_seed_step_and_item_alone(name: str, material: Path) -> None:
    """Items asked for together or apart, now or later, are the same; other steps are other items."""
    recipe = _recipe(name, material)
    together = recipe.batch(5, range(4))
    recipe.batch(6, range(1))
    apart = recipe.batch(5, range(2, 4))
    for key, value in together.items():
        assert torch.equal(value[2:], apart[key])
    later = recipe.batch(6, range(4))
    assert any(not torch.equal(value, later[key]) for key, value in together.items())


@pytest.mark.parametrize("name", PLAYABLE)
def test_the_laws_of_the_contract_hold(name: str, exported: dict[str, tuple[Package, ContractReport]]) -> None:
    """Export measures stepped = offline, onnxruntime = torch and the look-ahead, and its package checks."""
    package, report = exported[name]
    assert report.stepped_against_offline <= TOLERANCE
    assert report.onnxruntime_against_torch <= TOLERANCE
    assert report.lookahead == package.manifest.lookahead
    assert check(package).passed
    card = package.card()
    assert "![Curves](curves.png)" in card
    assert "![Spectrograms of input, output and truth](clips.png)" in card
    pictures = [package.folder / name for name in package.manifest.files if name.endswith(".png")]
    assert len(pictures) == 2
    assert all(0 < path.stat().st_size < 150_000 for path in pictures)


@pytest.mark.parametrize("name", PLAYABLE)
def test_it_plays_through_the_live_chain(name: str, exported: dict[str, tuple[Package, ContractReport]]) -> None:
    """Through the live chain a system answers sound with finite sound, without a fault."""
    package, _ = exported[name]
    chain = Chain(package, provider="cpu")
    time_s = np.arange(chain.sample_rate) / chain.sample_rate
    sound = (0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    out = np.zeros(chain.step_samples, np.float32)
    heard = []
    for start in range(0, sound.size - chain.step_samples, chain.step_samples):
        chain.process(sound[start : start + chain.step_samples], out)
        heard.append(out.copy())
    assert chain.faults == 0
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() > 1e-5


@pytest.mark.parametrize("name", PLAYABLE)
def test_the_future_never_reaches_the_past(name: str, material: Path) -> None:
    """A change from one frame on is heard exactly the declared look-ahead before it, and a NaN not a frame earlier."""
    recipe = _recipe(name, material)
    manifest, module = recipe.manifest(), recipe.streaming_module()
    target = torch.eye(1, len(manifest.targets)) if manifest.targets else None
    whole = offline(module, recipe.initial_states(), manifest, target)
    x = probe(manifest, 16 * manifest.step, 3)
    heard = measured_lookahead(whole, manifest, x, exact=hasattr(module, "offline"), drawn=draws(module))
    assert heard == manifest.lookahead


@pytest.mark.parametrize("name", PLAYABLE)
def test_a_network_that_normalises_over_time_is_refused(name: str, material: Path) -> None:
    """The checks are awake: the same system made to normalise over time does not pass them."""
    from trainer.export import to_onnx

    recipe = _recipe(name, material)
    manifest, module = recipe.manifest(), recipe.streaming_module()

    class Normalised(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y, *states = self.inner(*arguments)
            return ((y - y.mean()) / (y.std() + 0.1), *states)

    broken = Normalised().eval()
    model = to_onnx(broken, recipe.initial_states(), manifest)
    with pytest.raises(PackageError, match="step by step"):
        verify_contract(broken, recipe.initial_states(), manifest, model)


def test_the_zoo_measures_every_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The table has a row for each registered system, with what it costs."""
    monkeypatch.setattr(zoo, "RUNS", tmp_path)  # the tiny settings: the shipped sizes take long
    monkeypatch.setattr(zoo, "_SECONDS", 0.1)
    rows = {row.name: row for row in zoo.rows() if row.name != "toy"}
    assert list(rows) == NAMES
    for name in NAMES:
        assert rows[name].parameters > 0
        assert bool(rows[name].real_time_factor) == (name in PLAYABLE)
