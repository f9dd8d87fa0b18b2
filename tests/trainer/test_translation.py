from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.errors import ConfigError
from realtime.features import Bands, SpectrumFeatures, compress
from realtime.latency import latency
from realtime.spectrum import SpectrumAnalyser
from trainer.config import RunConfig
from trainer.models.translation import SpectralTranslation


@pytest.fixture
def system(material: Path, tmp_path: Path) -> SpectralTranslation:
    torch.manual_seed(3)
    made = SpectralTranslation(
        SpectralTranslation.tiny(material),
        RunConfig(recipe="spectral_translation", out=tmp_path / "run", batch=2, device="cpu"),
    )
    for network in made.networks().values():
        network.eval()
    return made


def test_each_frame_has_a_code_without_pooling(system: SpectralTranslation) -> None:
    """A picture of frames becomes as many codes, a hop of samples each; the classifier names a domain for each item."""
    picture = system.config.picture
    batch = system.batch(0, range(2))
    assert batch["x"].shape[1] == (picture.frames - 1) * picture.hop + picture.n_fft
    codes = system.codes_of(batch["x"])
    assert codes.shape == (2, picture.bins, picture.frames)
    assert codes.abs().max() <= 1.0
    assert system.classifier(codes).shape == (2, 2)
    losses = system.training_step(batch, 0)
    assert losses["nats"].item() == pytest.approx(np.log(256), rel=0.05)


def test_it_learns_to_play(material: Path, tmp_path: Path) -> None:
    """Some steps make sound cheaper than a guess, while the classifier beside it stays unsure."""
    tiny = SpectralTranslation.tiny(material)
    config = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, learning_rate=1e-2))
    torch.manual_seed(0)
    system = SpectralTranslation(config, RunConfig(recipe="spectral_translation", out=tmp_path, batch=2, device="cpu"))
    for step in range(30):
        system.training_step(system.batch(step, range(2)), step)
    with torch.no_grad():
        metrics = system.validate()
    assert metrics["nats"] < 5.3  # a guess costs 5.55
    assert metrics["confusion_loss"] > 0.3
    assert metrics["code_spread"] > 0.02
    assert not any("collapse" in sentence for sentence in system.remarks())


@torch.no_grad()
def test_the_codes_of_training_are_those_of_the_package(system: SpectralTranslation) -> None:
    """The code that a sample is conditioned by in training is the one that it is conditioned by in a whole file."""
    picture, before = system.config.picture, system.before_samples
    # A window as long as the excerpt, so that nothing differs but where its frames begin.
    stream = dataclasses.replace(system.config.stream, window=picture.frames, lookahead=picture.frames - 4, step=4)
    object.__setattr__(system.config, "stream", stream)
    sound = 0.5 * torch.sin(torch.arange(40 * picture.hop) * 0.3)[None]
    # The step whose window begins with the excerpt: its oldest frames are given, and those are compared.
    first = 14 * picture.hop
    excerpt = sound[:, first - before : first - before + (picture.frames - 1) * picture.hop + picture.n_fft]
    trained = system.codes_of(excerpt)
    whole = system.whole_codes(sound)
    assert whole.shape == (1, picture.bins, 40)
    assert torch.allclose(trained[..., :4], whole[..., 14:18], atol=1e-4)
    assert not torch.allclose(trained[..., :4], whole[..., 15:19], atol=1e-2)


def test_the_package_is_as_late_as_it_hears_ahead(system: SpectralTranslation) -> None:
    """Its delay is the hops of a frame behind the one that it conditions, and the look-ahead of the window."""
    picture, manifest = system.config.picture, system.manifest()
    assert isinstance(manifest.input, SpectrumFeatures)
    assert manifest.input.bands == "mel"
    assert system.before_samples + system.after_samples + picture.hop == picture.n_fft
    assert manifest.model_delay_samples == system.after_samples == 2 * picture.hop
    assert latency(manifest).total == system.config.stream.lookahead * picture.hop + system.after_samples


@torch.no_grad()
def test_a_file_and_the_stream_have_the_same_codes(system: SpectralTranslation) -> None:
    """What `whole_codes` gives a file is what the streaming module's window makes of the engine's own frames."""
    picture, stream = system.config.picture, system.config.stream
    sound = 0.3 * np.sin(0.2 * np.arange(32 * picture.hop)).astype(np.float32)
    whole = system.whole_codes(torch.from_numpy(sound)[None])
    features = system.pictures.features
    analyser, bands = SpectrumAnalyser(features), Bands(features, picture.sample_rate)
    late = stream.lookahead + system.after_samples // picture.hop
    fed = np.concatenate([sound, np.zeros(stream.step * 6 * picture.hop, np.float32)])
    window = system.make_stream().window
    state, made = window.initial_state(), []
    for start in range(0, len(fed) // picture.hop // stream.step * stream.step, stream.step):
        frames = [
            analyser.push(fed[t * picture.hop : (t + 1) * picture.hop]).copy()
            for t in range(start, start + stream.step)
        ]
        x = np.stack([compress(bands.fold(np.abs(frame).astype(np.float32)), features) for frame in frames], 1)
        codes, state = window(torch.from_numpy(x)[None, None], state)
        made.append(codes[:, 0])
    stepped = torch.cat(made, 2)[..., late : late + 32]
    assert torch.allclose(stepped, whole, atol=1e-4)
    assert whole.std() > 1e-3


def test_its_classifier_may_be_umtns(material: Path, tmp_path: Path) -> None:
    """`encoder.classifier = "confusion"` takes three convolutions on the codes, in place of the whole spectrum's."""
    tiny = SpectralTranslation.tiny(material)
    config = dataclasses.replace(tiny, encoder=dataclasses.replace(tiny.encoder, classifier="confusion"))
    system = SpectralTranslation(config, RunConfig(recipe="spectral_translation", out=tmp_path, device="cpu"))
    kernels = [p.shape[2:] for p in system.classifier.parameters() if p.ndim > 1]
    assert kernels == [(1,)] * 3


def test_a_window_that_the_layers_cannot_halve_is_refused(material: Path, tmp_path: Path) -> None:
    """The sentence says which multiple the window must be."""
    tiny = SpectralTranslation.tiny(material)
    config = dataclasses.replace(tiny, stream=dataclasses.replace(tiny.stream, window=7))
    with pytest.raises(ConfigError, match=r"stream\.window is 7, but 2 strided layers made for 16 frames do not fit"):
        SpectralTranslation(config, RunConfig(recipe="spectral_translation", out=tmp_path, device="cpu"))


@torch.no_grad()
def test_a_conversion_lies_on_its_input(system: SpectralTranslation) -> None:
    """A converted signal is as long as the input, at its rate, and the same every time; silence stays silence."""
    sound = 0.3 * np.sin(2 * np.pi * 220 / 11025 * np.arange(5000)).astype(np.float32)
    made, again = (system.convert(sound, 11025, "horn") for _ in range(2))
    assert made.shape == sound.shape and np.array_equal(made, again)
    assert not system.convert(np.zeros(100, np.float32), 11025).any()
