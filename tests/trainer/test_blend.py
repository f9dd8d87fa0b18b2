from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from realtime.errors import ConfigError, DataError
from realtime.features import SpectrumFeatures, compress, expand, unit_scale
from tests.realtime.small_packages import delay_package, gain_package
from trainer.blend_pairs import Maker, prepare_blend
from trainer.config import RunConfig
from trainer.models.blend import Blend, mixed
from trainer.pairs import PairedIndex

Audio = NDArray[np.float32]
FEATURES = SpectrumFeatures(512, 256, 16, "linear", "log_unit", unit_scale(512))


class Mute(Maker):
    """Makes nothing."""

    def __call__(self, signal: Audio, sample_rate: int) -> tuple[Audio, int]:
        """Silence, and no fault."""
        return np.zeros_like(signal), 0


def recipe(material: Path, tmp_path: Path, **data: object) -> Blend:
    torch.manual_seed(0)
    config = Blend.tiny(material)
    config = replace(config, data=replace(config.data, **data))  # type: ignore[arg-type]
    return Blend(config, RunConfig(recipe="blend", out=tmp_path / "run", batch=4, device="cpu"))


def test_a_mixture_lies_between_both() -> None:
    """By level a bin's dB is the weighted mean of both, by magnitude its magnitude is; both ends are the sounds."""
    random = np.random.default_rng(0)
    first, second = (compress(random.random((16, 4), np.float32) * 50, FEATURES) for _ in range(2))
    for kind in ("level", "magnitude"):
        assert mixed(first, second, 0.0, FEATURES, kind) == pytest.approx(first, abs=1e-5)
        assert mixed(first, second, 1.0, FEATURES, kind) == pytest.approx(second, abs=1e-5)
    assert mixed(first, second, 0.25, FEATURES, "level") == pytest.approx(0.75 * first + 0.25 * second)
    made = expand(mixed(first, second, 0.25, FEATURES, "magnitude"), FEATURES)
    assert made == pytest.approx(0.75 * expand(first, FEATURES) + 0.25 * expand(second, FEATURES), rel=1e-3)


def test_a_batch_teaches_the_mixture_of_its_weights(material: Path, tmp_path: Path) -> None:
    """Weights sum to 1 and lie anywhere between; at an end the truth is one side, which the input may be too."""
    blend = recipe(material, tmp_path, ends=0.5)
    batch = blend.batch(0, range(24))
    assert torch.allclose(batch["target"].sum(1), torch.ones(24))
    second = batch["target"][:, 1]
    at_ends = (second == 0) | (second == 1)
    assert 4 < int(at_ends.sum()) < 20
    same = (batch["x"] == batch["y"]).flatten(1).all(1)
    assert bool(same[at_ends].any()) and not bool(same[at_ends].all()) and not bool(same[~at_ends].any())
    assert torch.equal(recipe(material, tmp_path, ends=1.0).batch(0, range(8))["target"].round().sum(1), torch.ones(8))


def test_training_makes_the_weight_heard(material: Path, tmp_path: Path) -> None:
    """Untrained, the weights change nothing; after thirty steps they move the sound, which is nearer to the mixture."""
    blend = recipe(material, tmp_path)
    for group in blend.optimizers()["generator"].param_groups:
        group["lr"] = 5e-3
    found = []
    for steps in (0, 30):
        blend.generator.train()
        for step in range(steps):
            blend.training_step(blend.batch(step, range(4)), step)
        blend.generator.eval()
        with torch.no_grad():
            found.append(blend.validate())
    assert found[0]["travelled"] == 0.0
    assert found[1]["travelled"] > 0.1
    assert found[1]["blend_mae"] < 0.8 * found[0]["blend_mae"]


def test_pairs_are_made_by_a_model_for_each_direction(material: Path, tmp_path: Path) -> None:
    """Every recording of either instrument is one side of a pair, and its conversion, aligned, the other."""
    index = material / "recordings" / "index.json"
    package = delay_package(tmp_path / "packages")  # late by its declared delay, which conversion takes out
    makers = (Maker("bell", package, None), Maker("horn", package, None))
    prepared = prepare_blend(index, makers, tmp_path / "out")
    rows = json.loads(index.read_text(encoding="utf-8"))["recordings"]
    wanted = [row for row in rows if row["domain"] in ("bell", "horn") and row["split"] != "test"]
    assert len(prepared.pairs) == len(wanted) and not prepared.refusals
    pair = next(pair for pair in prepared.pairs if pair["real"] == "horn")
    real, made = (
        soundfile.read(tmp_path / "out" / pair["files"][name], dtype="float32")[0] for name in ("horn", "bell")
    )
    assert made == pytest.approx(real, abs=2e-3)
    pairs = PairedIndex.read(tmp_path / "out" / "index.json", "bell", "horn")
    assert {len(pairs.train), len(pairs.validation)} == {len(wanted) // 2}
    assert pairs.licences == ("CC0-1.0",)


def test_a_model_that_gives_silence_makes_no_pairs(material: Path, tmp_path: Path) -> None:
    """Silent conversions are refused; when nothing is left, one sentence says so. One instrument is no pair."""
    index = material / "recordings" / "index.json"
    package = gain_package(tmp_path / "packages")
    with pytest.raises(DataError, match="No train pair of bell and horn was fit"):
        prepare_blend(index, (Mute("bell", package, None), Mute("horn", package, None)), tmp_path / "out")
    with pytest.raises(ConfigError, match="a blend needs two"):
        prepare_blend(index, (Mute("bell", package, None), Mute("bell", package, None)), tmp_path / "out")
