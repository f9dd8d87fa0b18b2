"""The wavenet recipe: what it is given belongs together, it learns, and what it draws follows the player."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.convert import convert
from realtime.errors import ConfigError, DataError
from realtime.package import Package
from trainer import mu_law
from trainer.config import RunConfig
from trainer.data import Recordings
from trainer.export import to_onnx
from trainer.models.wavenet import WaveNetConfig, WaveNetRecipe
from trainer.played_passages import PassagePlan, PlayedData, recorded, training_passages


def _config(material: Path) -> WaveNetConfig:
    return WaveNetRecipe.tiny(material)


def _recipe(config: WaveNetConfig, material: Path, seed: int = 1) -> WaveNetRecipe:
    torch.manual_seed(seed)
    return WaveNetRecipe(config, RunConfig(recipe="wavenet", out=material / "run", batch=4, device="cpu"))


@pytest.fixture(scope="module")
def learnt(material: Path) -> WaveNetRecipe:
    """A tiny one, some steps old."""
    recipe = _recipe(_config(material), material)
    for step in range(50):
        for group in recipe.optimizers()["wavenet"].param_groups:
            group["lr"] = 8e-3
        recipe.training_step(recipe.batch(step, range(4)), step)
    for network in recipe.networks().values():
        network.eval()
    return recipe


def test_a_batch_is_frames_and_the_codes_of_their_sound(material: Path) -> None:
    """Each item is as many samples as its frames last, past and excerpt together, and targets take turns."""
    recipe = _recipe(_config(material), material)
    batch = recipe.batch(0, range(4))
    frames = batch["x"].shape[2]
    assert batch["codes"].shape == (4, frames * recipe.features.hop)
    judged = batch["codes"].shape[1] - recipe.wavenet.receptive_samples
    assert judged >= recipe.config.training.excerpt_samples
    assert batch["target"].argmax(1).tolist() == [0, 1, 0, 1]
    assert 0 <= int(batch["codes"].min()) < int(batch["codes"].max()) < 32


def test_a_pause_is_never_a_row_of_the_same_code(material: Path) -> None:
    """The noise that is laid under the sound moves the codes of its pauses, as far as its level says."""
    config = _config(material)
    codes = {}
    for hiss_db in (-120.0, -30.0):
        training = dataclasses.replace(config.training, hiss_db=hiss_db)
        recipe = _recipe(dataclasses.replace(config, training=training), material)
        for passage in recipe.passages[0]:
            passage.audio[:] = 0.0
        codes[hiss_db] = recipe.batch(0, range(1))["codes"]
    assert codes[-120.0].unique().tolist() == [15, 16]  # silence lies on the border of the two
    assert len(codes[-30.0].unique()) > 5
    assert abs(float(codes[-30.0].float().mean()) - 16) < 1


def test_the_sound_of_a_passage_is_late_by_the_declared_delay(material: Path) -> None:
    """Loudness leads the codes by `delay_samples`: where a note begins, the frame hears it first."""
    config = _config(material)
    late = dataclasses.replace(config, model=dataclasses.replace(config.model, delay_samples=640))
    early, later = (_recipe(c, material).passages[0][0] for c in (config, late))
    np.testing.assert_allclose(early.frames, later.frames, atol=1e-4)
    shift = 640 - config.model.delay_samples
    np.testing.assert_allclose(later.audio[shift:], early.audio[:-shift], atol=1e-6)


def test_it_learns(learnt: WaveNetRecipe) -> None:
    """After some steps unseen sound costs less than knowing how often each level comes."""
    with torch.no_grad():
        found = learnt.validate()
    assert found["nats"] < 0.9 * found["nats_of_levels"]
    assert found["nats_of_levels"] < np.log(32)


def test_what_it_draws_depends_on_pitch_loudness_and_target(learnt: WaveNetRecipe) -> None:
    """With the same random numbers another frame or another target draws other samples; the same draws the same."""
    heard = learnt.unseen[0][1].frames[:, :40]
    module, target = learnt.streaming_module(), torch.tensor([[1.0, 0.0]])

    def drawn(frames: np.ndarray, weights: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y: torch.Tensor = module(torch.from_numpy(frames)[None], weights, *learnt.initial_states())[0]
        return y

    plain = drawn(heard, target)
    assert torch.equal(plain, drawn(heard, target))
    assert not torch.equal(plain, drawn(heard, target.flip(1)))
    for row, change in ((0, 1.5), (1, 0.5)):
        other = heard.copy()
        other[row] *= change
        assert not torch.equal(plain, drawn(other, target))


def test_clips_are_what_the_package_plays(learnt: WaveNetRecipe) -> None:
    """A clip is the module over the passage's frames from rest, on the network's levels; the truth stands beside."""
    clips = {clip.name: clip for clip in learnt.clips()}
    assert set(clips) == {"bell", "bell-to-horn", "horn", "horn-to-bell"}
    clip = clips["bell"]
    assert clip.truth is not None
    number, passage = learnt.unseen[0]
    assert number == 0
    with torch.no_grad():
        y = learnt.streaming_module()(
            torch.from_numpy(passage.frames)[None], torch.tensor([[1.0, 0.0]]), *learnt.initial_states()
        )[0]
    np.testing.assert_array_equal(clip.output, y[0, 0].numpy())
    assert np.isin(clip.output, mu_law.decode(torch.arange(32), 32).numpy()).all()


def test_a_file_is_converted_by_the_run_or_by_its_package(learnt: WaveNetRecipe) -> None:
    """Both give the file's length and rate; the run's way follows its level, tells progress and takes temperatures."""
    rate, told = 11025, list[float]()
    time_s = np.arange(rate) / rate
    sound = (0.2 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    made = learnt.convert(sound, rate, "horn", progress=told.append)
    assert made.shape == sound.shape
    assert made.dtype == np.float32
    assert sum(told) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(made, learnt.convert(sound, rate, "2"))
    assert not np.array_equal(made, learnt.convert(sound, rate, "horn", temperature=0.2))
    quieter = learnt.convert(0.1 * sound, rate, "horn")
    np.testing.assert_allclose(quieter, 0.1 * made, atol=2e-3)
    manifest = learnt.manifest()
    model = to_onnx(learnt.streaming_module(), learnt.initial_states(), manifest)
    played = convert(sound, rate, Package(Path("wavenet"), manifest, model))
    assert played.signal.shape == sound.shape
    assert float(np.abs(played.signal).max()) > 0.01
    assert not played.faults
    with pytest.raises(ConfigError, match="expected one of bell, horn or its place"):
        learnt.convert(sound, rate, "tuba")


def test_what_cannot_be_trained_is_refused_in_a_sentence(material: Path) -> None:
    """Targets twice, pitches above the rate's reach and instruments without recordings are named."""
    config = _config(material)
    with pytest.raises(ConfigError, match="bell, bell"):
        _recipe(dataclasses.replace(config, data=dataclasses.replace(config.data, targets=("bell", "bell"))), material)
    with pytest.raises(ConfigError, match="at most 1000"):
        _recipe(dataclasses.replace(config, model=dataclasses.replace(config.model, f0_max_hz=1500.0)), material)
    strange = dataclasses.replace(config, data=dataclasses.replace(config.data, targets=("tuba",)))
    with pytest.raises(DataError, match="no training recordings of 'tuba'"):
        _recipe(strange, material).batch(0, range(1))


def test_passages_come_at_the_rate_asked_for(material: Path) -> None:
    """Recordings at another rate are resampled: the pitch that is tracked stays the note's."""
    recipe = _recipe(_config(material), material)
    recordings = Recordings.read(material / "recordings" / "index.json")
    (whole, midi), *_ = recorded(recordings, "bell", "train", 48000)
    (slow, _), *_ = recorded(recordings, "bell", "train", 4000)
    assert midi is not None
    assert len(slow) == pytest.approx(len(whole) / 12, abs=1)
    plan = PassagePlan(
        4000, recipe.features, -14.0, PlayedData(Path(), ("bell",), minutes=0.02, passage_seconds=1.0, max_shift=0.0)
    )
    made = training_passages(recordings, "bell", plan, np.random.default_rng(0))
    voiced = np.concatenate([p.frames[0][p.frames[2] > 0.95] for p in made])
    played = 69 + 12 * np.log2(voiced / 440)
    notes = np.array([57.0, 60.0, 64.0, 69.0])
    assert np.median(np.abs(played[:, None] - notes).min(1)) < 0.6
    assert made[0].harmonics_db.shape[1] == 0
