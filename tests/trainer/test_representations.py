"""Every representation and scaling comes back within the error that docs/representations.md states."""

from __future__ import annotations

import dataclasses
import typing

import librosa
import numpy as np
import pytest
import torch

from realtime import features as contract
from realtime import spectrum
from realtime.errors import ConfigError
from realtime.features import AMIN, SpectrumFeatures, unit_scale
from trainer.griffin_lim import griffin_lim, spectral_convergence_db
from trainer.representations import PUBLISHED, Representation, Transform
from trainer.scaling import ScalingKind, scale, unscale

SCALINGS: tuple[ScalingKind, ...] = typing.get_args(ScalingKind)
# Spectral convergence in dB on `chord`, as documented: after 16 iterations of Griffin-Lim (cqt_fine: 8), true phases.
SOUND_DB = {
    "pix2pix": (-18, -38), "translation": (-16, -60), "translation_live": (-16, -60), "autoencoder": (-16, -80),
    "mel": (-14, -20), "cqt": (-12, -20), "cqt_fine": (-6, -25),
}  # fmt: skip


def chord(rate: int, seconds: float = 0.5) -> torch.Tensor:
    """Three notes that fade, (1, samples)."""
    time = np.arange(round(seconds * rate)) / rate
    notes = [np.sin(2 * np.pi * f * h * time) / h for f in (196.0, 246.9, 392.0) for h in range(1, 7)]
    fade = np.clip(time / 0.01, 0, 1) * np.exp(-2 * time) * np.clip(time[::-1] / 0.1, 0, 1)
    return torch.from_numpy((0.1 * fade * np.sum(notes, axis=0)).astype(np.float32))[None]


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("by_peak", [False, True])
def test_magnitudes_come_back_from_every_scaling(scaling: ScalingKind, by_peak: bool) -> None:
    """|m − m̂| ≤ 1e-5·m + 2⁻¹⁶ of the reference, for files of different loudness in one batch, silence among them."""
    magnitude = torch.rand(4, 1, 20, 30, generator=torch.Generator().manual_seed(0)) ** 6
    magnitude *= torch.tensor([1.0, 0.01, 3.0, 0.0])[:, None, None, None]
    values, parameters = scale(magnitude, scaling, by_peak=by_peak)
    assert values.shape == magnitude.shape
    assert parameters.shape == (4, 1, 2)
    error = (unscale(values, parameters, scaling) - magnitude).abs()
    assert (error <= 2e-5 * magnitude + AMIN).all()
    assert torch.isfinite(values).all()


def test_parameters_travel_with_their_file() -> None:
    """Another file's parameters give another loudness back: the inverse needs each file's own."""
    magnitude = torch.stack([torch.linspace(0.1, 1, 50).reshape(5, 10), torch.linspace(0.001, 0.01, 50).reshape(5, 10)])
    values, parameters = scale(magnitude, "log_file")
    torch.testing.assert_close(values[0], values[1], atol=1e-5, rtol=0)
    assert values.min() == -1.0
    assert values.max() == pytest.approx(1.0)
    swapped = unscale(values, parameters.flip(0), "log_file")
    torch.testing.assert_close(swapped[0], magnitude[1], rtol=1e-4, atol=1e-6)


def test_scalings_are_the_live_ones() -> None:
    """decibel is the contract's log_unit and the document's formula; log1p is the thesis's ln(1 + |S|)."""
    magnitude = np.geomspace(1e-6, 2, 200).astype(np.float32).reshape(10, 20)
    tensor = torch.from_numpy(magnitude)
    live = SpectrumFeatures(64, 16, 10, compression="log_unit")
    np.testing.assert_allclose(scale(tensor, "decibel").values, contract.compress(magnitude, live), atol=1e-6)
    document = 20 * np.log1p(magnitude / 2**-16) / (20 * np.log1p(2**16)) * 2 - 1
    np.testing.assert_allclose(scale(tensor, "decibel").values, document, atol=1e-5)
    np.testing.assert_allclose(scale(tensor, "log1p").values, np.log(1 + magnitude), atol=1e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_sound_comes_back(name: str) -> None:
    """With its own phases and by Griffin-Lim every representation gives sound back within the documented error."""
    transform = Transform(PUBLISHED[name])
    signal = chord(transform.representation.sample_rate)
    values, parameters = transform(signal)
    assert values.shape[:3] == (1, 1, transform.representation.bins)
    wanted = transform.magnitude(signal)
    searched, known = SOUND_DB[name]
    own = transform.inverse(values, parameters, signal.shape[1], phase=transform.frames(signal))
    assert own.shape == signal.shape
    assert spectral_convergence_db(transform.magnitude(own), wanted) < known
    found = transform.inverse(values, parameters, signal.shape[1], iterations=8 if name == "cqt_fine" else 16)
    assert spectral_convergence_db(transform.magnitude(found), wanted) < searched


@pytest.mark.parametrize("name", ["pix2pix", "mel", "cqt"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_scaling_fits_every_transform(name: str, scaling: ScalingKind) -> None:
    """Transform × scaling: the magnitudes that come out of the values are those that went in, −80 dB apart."""
    transform = Transform(dataclasses.replace(PUBLISHED[name], scaling=scaling))
    signal = torch.cat([chord(transform.representation.sample_rate, 0.3), torch.zeros(1, 4000)], 1)
    values, parameters = transform(signal)
    wanted = transform.magnitude(signal)
    assert spectral_convergence_db(unscale(values[:, 0], parameters, scaling), wanted) < -60


def test_the_stft_is_the_live_one() -> None:
    """An even STFT's values are realtime.features' compression of realtime.spectrum's frames."""
    signal = chord(44100, 0.2)
    live = SpectrumFeatures(1024, 512, 256, scale=unit_scale(1024))
    frames = spectrum.analyse(signal[0].numpy(), live, flush=True)
    wanted = contract.compress(np.abs(frames[:256]).astype(np.float32), live)
    np.testing.assert_allclose(Transform(PUBLISHED["pix2pix"])(signal).values[0, 0], wanted, atol=2e-3)


def test_the_odd_stft_is_librosas() -> None:
    """511 samples a frame at 25 kHz give librosa's 256 bins."""
    signal = chord(25000, 0.2)
    theirs = np.abs(librosa.stft(signal[0].numpy(), n_fft=511, hop_length=127))
    ours = Transform(dataclasses.replace(PUBLISHED["translation"], unit=False)).magnitude(signal)[0].numpy()
    np.testing.assert_allclose(ours[:, : theirs.shape[1] - 2], theirs[:, :-2], atol=1e-3)


def test_values_can_be_trained_through() -> None:
    """Every transform's values have a finite gradient with respect to the sound."""
    for name in ("translation", "mel", "cqt"):
        transform = Transform(PUBLISHED[name])
        signal = chord(transform.representation.sample_rate, 0.2).requires_grad_()
        transform(signal).values.square().mean().backward()
        assert signal.grad is not None
        assert torch.isfinite(signal.grad).all()


def test_griffin_lim_keeps_the_magnitudes_and_gains_with_iterations() -> None:
    """The frames it returns have the magnitudes asked for, and more iterations agree better."""
    transform = Transform(PUBLISHED["translation_live"])
    signal = chord(25000, 0.3)
    wanted = transform.frames(signal).abs()

    def project(frames: torch.Tensor) -> torch.Tensor:
        return transform.frames(transform.signal(frames, signal.shape[1]))

    errors = []
    for iterations in (2, 30):
        found = griffin_lim(wanted, project, iterations)
        torch.testing.assert_close(found.abs(), wanted, atol=1e-4, rtol=1e-4)
        errors.append(float(spectral_convergence_db(project(found).abs(), wanted)))
    assert errors[1] < errors[0] - 6


def test_impossible_sizes_are_refused() -> None:
    """A mel of an odd frame and more bins than a frame has are refused with the numbers."""
    with pytest.raises(ConfigError, match="n_fft 511"):
        Transform(Representation("mel", 25000, 127, 64, 511))
    with pytest.raises(ConfigError, match="which makes 256"):
        Transform(Representation("stft", 25000, 127, 300, 511))
