"""pix2pix with many targets: what a style sample does, what is frozen, and what the run file may name."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from realtime.errors import ConfigError, DataError
from trainer.config import RunConfig
from trainer.models.pix2pix_multi import MultiConfig, Pix2PixMulti, StyledWindow
from trainer.passages import Draw, Passages
from trainer.unet import UNet


def _recipe(config: MultiConfig, folder: Path) -> Pix2PixMulti:
    torch.manual_seed(2)
    return Pix2PixMulti(config, RunConfig(recipe="pix2pix_multi", out=folder, device="cpu"))


@pytest.fixture(scope="module")
def learnt(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Pix2PixMulti:
    """A hundred steps on made-up instruments."""
    tiny = Pix2PixMulti.tiny(material)
    config = dataclasses.replace(
        tiny,
        data=dataclasses.replace(tiny.data, style_samples=4, validation_windows=16),
        model=dataclasses.replace(tiny.model, bins=32, frames=8, width=6, dropout=0.0),
        training=dataclasses.replace(tiny.training, learning_rate=5e-3, discriminator_learning_rate=1e-4),
    )
    recipe = _recipe(config, tmp_path_factory.mktemp("run"))
    for step in range(100):
        torch.manual_seed(step)
        recipe.training_step(recipe.batch(step, range(6)), step)
    for network in recipe.networks().values():
        network.eval()
    return recipe


def _mae(recipe: Pix2PixMulti, target: int, code: Tensor) -> float:
    x, y = (torch.cat(side) for side in zip(*list(recipe._windows.values())[target], strict=True))
    with torch.no_grad():
        return float((recipe.generator(x, code[None]) - y).abs().mean())


def test_the_style_says_what_comes_out(learnt: Pix2PixMulti) -> None:
    """After some learning each target is nearer to its truth with its own code than with the other's."""
    codes = learnt.codes()
    for target in range(2):
        assert _mae(learnt, target, codes[target]) < 0.9 * _mae(learnt, target, codes[1 - target])


def test_a_code_is_how_the_target_sounds_not_what_it_plays(learnt: Pix2PixMulti) -> None:
    """Codes of other music by one target are nearer to each other than to those of the other target."""
    with torch.no_grad():
        horn, reed = (learnt.style(pictures) for pictures in learnt._styles)
    within = max(float((horn[0] - horn[1]).norm()), float((reed[0] - reed[1]).norm()))
    assert within < float((horn.mean(0) - reed.mean(0)).norm())


def test_what_is_exported_is_the_frozen_codes(learnt: Pix2PixMulti) -> None:
    """The module with one weight of 1 gives the generator's frames with that target's code, without the encoder."""
    module = learnt.streaming_module()
    assert isinstance(module, StyledWindow)
    frames = learnt.config.model.frames
    x = torch.rand(1, 1, learnt.config.model.bins, frames) * 2 - 1
    weights = torch.eye(2)[1:]
    with torch.no_grad():
        played = module.offline(x, weights)
        made = learnt.generator(x, learnt.codes()[1:])
    # The last whole window of an offline pass ends `lookahead` frames after what it gives.
    step, lookahead = learnt.config.stream.step, learnt.config.stream.lookahead
    given = slice(frames - lookahead - step, frames - lookahead)
    torch.testing.assert_close(played[..., given], made[..., given])
    inside = sum(p.numel() for p in module.parameters())
    assert inside == sum(p.numel() for p in learnt.generator.parameters())


def test_weights_blend(learnt: Pix2PixMulti) -> None:
    """Half of each target is neither, and weights move the sound continuously."""
    module = learnt.streaming_module()
    assert isinstance(module, StyledWindow)
    x = next(iter(learnt._windows.values()))[0][0][:1]
    with torch.no_grad():
        heard = [module.offline(x, torch.tensor([[1 - w, w]])) for w in (0.0, 0.01, 0.5, 1.0)]
    apart = [float((a - heard[0]).abs().mean()) for a in heard]
    assert 0 < apart[1] < 0.1 * apart[3]
    assert float((heard[2] - heard[3]).abs().mean()) > 0.1 * apart[3]


def test_without_a_style_the_generator_is_pix2pix(material: Path) -> None:
    """A U-Net without a style has no parameter more than it ever had."""
    model = Pix2PixMulti.tiny(material).model
    plain, styled = UNet(model), UNet(model, style=4)
    extra = set(styled.state_dict()) - set(plain.state_dict())
    assert extra
    assert all(name.startswith("colours.") for name in extra)
    assert not set(plain.state_dict()) - set(styled.state_dict())
    x = torch.rand(2, 1, model.bins, model.frames)
    styled.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(plain.eval()(x), styled.eval()(x, torch.rand(2, 4)))  # colours begin as no change


def test_codes_and_generator_are_averaged_together(material: Path, tmp_path: Path) -> None:
    """The running mean of weights holds the encoder too: codes of other weights would not fit the generator."""
    assert set(_recipe(Pix2PixMulti.tiny(material), tmp_path).exported_networks()) == {"generator", "style"}


def test_each_target_has_a_weight_and_a_number(material: Path, tmp_path: Path) -> None:
    """The manifest lists the targets in the run file's order; validation has a number of each."""
    recipe = _recipe(Pix2PixMulti.tiny(material), tmp_path)
    assert [target.name for target in recipe.manifest().targets] == ["horn", "reed"]
    for network in recipe.networks().values():
        network.eval()
    with torch.no_grad():
        found = recipe.validate()
    assert found["generator_mae"] == pytest.approx((found["mae_horn"] + found["mae_reed"]) / 2)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"targets": ("horn", "bell")}, ConfigError, "not the origin"),
        ({"targets": ("horn", "horn")}, ConfigError, "once"),
        ({"targets": ()}, ConfigError, "empty"),
        ({"targets": ("horn", "kazoo")}, DataError, "no instrument kazoo: choose among bell, horn, reed"),
        ({"more": (Path("nowhere.json"),)}, ConfigError, "nowhere.json cannot be read"),
    ],
)
def test_a_wrong_run_file_is_refused(
    material: Path, tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    """What cannot be learnt is refused before the first step, with what was found."""
    tiny = Pix2PixMulti.tiny(material)
    with pytest.raises(error, match=words):
        _recipe(dataclasses.replace(tiny, data=dataclasses.replace(tiny.data, **change)), tmp_path)


def test_several_folders_are_one_set(material: Path, tmp_path: Path) -> None:
    """Targets may lie in folders of their own; two sample rates are refused with both named."""
    index = json.loads((material / "paired" / "index.json").read_text(encoding="utf-8"))
    parts = {}
    for number, target in enumerate(("horn", "reed")):
        folder = tmp_path / target
        shutil.copytree(material / "paired", folder)
        pairs = [{**p, "files": {k: v for k, v in p["files"].items() if k in ("bell", target)}} for p in index["pairs"]]
        parts[target] = folder / "index.json"
        parts[target].write_text(json.dumps({**index, "sample_rate": 44100 + number * 0, "pairs": pairs}))
    found = Passages.read(tuple(parts.values()), ("bell",), ("horn", "reed"))
    assert len(found.train) == 4
    draw = Draw(found.train, ("bell",), ("horn", "reed"), 1000)
    numbers = [draw.item(np.random.default_rng(seed))[2] for seed in range(20)]
    assert set(numbers) == {0, 1}
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps({"sample_rate": 48000, "pairs": []}))
    with pytest.raises(ConfigError, match=r"44100 Hz.*48000 Hz"):
        Passages.read((parts["horn"], parts["reed"], empty), ("bell",), ("horn", "reed"))
