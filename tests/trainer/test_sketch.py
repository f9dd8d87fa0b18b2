"""The sketch: what picture it asks of the codes, and who learns from it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.config import RunConfig
from trainer.models.umtn import Umtn
from trainer.sketch import BINS, FMIN_HZ, Sketch

RATE, POOL = 8192, 512


def test_the_picture_has_a_frame_for_each_code_and_a_bin_for_each_semitone() -> None:
    """What is asked for is brightest at a tone's semitone, in every frame between the ends; silence is -1."""
    sketch = Sketch(4, RATE, POOL)
    semitone = 30
    hz = FMIN_HZ * 2 ** (semitone / 12)
    tone = 0.5 * torch.sin(2 * math.pi * hz * torch.arange(8 * POOL) / RATE)
    sound = torch.stack([tone, torch.zeros_like(tone)])
    asked = sketch.bank(functional.pad(sound, (sketch.bank.reach,) * 2))[:, 0]
    assert asked.shape == (2, BINS, 8)
    assert set(asked[0, :, 2:6].argmax(0).tolist()) == {semitone}
    assert torch.all(asked[1] == -1.0)
    sketch.read = nn.Sequential()  # codes that are the picture
    assert float(sketch.loss(asked, sound)) == 0.0
    assert float(sketch.loss(asked + 0.5, sound)) == pytest.approx(0.25)


def test_a_rate_too_low_for_the_highest_bin_is_refused() -> None:
    """The sentence names the rate."""
    with pytest.raises(ConfigError, match=r"sketch_weight .* 4000 Hz"):
        Sketch(4, 4000, POOL)


def test_the_encoder_learns_from_the_sketch_alone(material: Path) -> None:
    """Thirty steps teach encoder and reader more than a third of what the picture is; the run keeps the reader."""
    tiny = Umtn.tiny(material)
    config = dataclasses.replace(
        tiny,
        data=dataclasses.replace(tiny.data, seconds=0.25),
        encoder=dataclasses.replace(tiny.encoder, sample_rate=RATE),
        training=dataclasses.replace(tiny.training, learning_rate=1e-2, sketch_weight=100.0),
    )
    torch.manual_seed(0)
    umtn = Umtn(config, RunConfig(recipe="umtn", out=material / "none", batch=2, device="cpu"))
    assert list(umtn.networks()) == ["encoder", "decoders", "discriminator", "sketch"]
    batch = umtn.batch(0, range(2))
    first = float(umtn.training_step(batch, 0)["sketch"].detach())
    for step in range(1, 30):
        last = float(umtn.training_step(batch, step)["sketch"].detach())
    assert last < first * 2 / 3
    with torch.no_grad():
        assert 0 < umtn.validate()["sketch"] < math.inf
    assert "sketch" not in Umtn(tiny, umtn.run).networks()
