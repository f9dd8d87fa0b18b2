"""The torch twin gives the live features' numbers, and finite gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from realtime import features as contract
from realtime import spectrum
from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, unit_scale
from trainer import features as twin

GEOMETRIES = [(1024, 512), (1024, 256), (2048, 256)]


def whole(n_fft: int, hop: int) -> SpectrumFeatures:
    """Features that keep every bin."""
    return SpectrumFeatures(n_fft, hop, n_fft // 2 + 1)


def noise(*shape: int) -> np.ndarray:
    """Seeded noise with a silent middle, float32."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)
    sound[..., shape[-1] // 3 : shape[-1] // 2] = 0
    return sound


@pytest.mark.parametrize(("n_fft", "hop"), GEOMETRIES)
@pytest.mark.parametrize("flush", [False, True])
def test_frames_equal_the_live_ones(n_fft: int, hop: int, flush: bool) -> None:
    """Torch's spectra of a batch are numpy's of each signal, for lengths that are no multiple of the hop."""
    features = whole(n_fft, hop)
    signals = noise(2, 3, 10000)
    got = twin.analyse(torch.from_numpy(signals), features, flush=flush).numpy()
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(got[place], spectrum.analyse(signals[place], features, flush=flush), atol=1e-4)


@pytest.mark.parametrize(("n_fft", "hop"), GEOMETRIES)
def test_synthesis_equals_the_live_one(n_fft: int, hop: int) -> None:
    """Torch's samples of altered frames are numpy's, late or aligned, cut or filled."""
    features = whole(n_fft, hop)
    random = np.random.default_rng(1)
    frames = (random.standard_normal((2, features.full_bins, 21)) + 1j * random.standard_normal((2, 1, 21))).astype(
        np.complex64
    )
    for aligned, samples in ((False, None), (True, None), (True, 1500), (True, 30000)):
        got = twin.synthesise(torch.from_numpy(frames), features, aligned=aligned, samples=samples).numpy()
        for one, signal in zip(frames, got, strict=True):
            expected = spectrum.synthesise(one, features, aligned=aligned, samples=samples)
            np.testing.assert_allclose(signal, expected, atol=1e-5)


def test_signal_is_rebuilt() -> None:
    """Flushed analysis and aligned synthesis give every sample back in its place."""
    signal = torch.from_numpy(noise(3, 1, 5001))
    for n_fft, hop in GEOMETRIES:
        spectra = twin.analyse(signal, whole(n_fft, hop), flush=True)
        back = twin.synthesise(spectra, whole(n_fft, hop), aligned=True, samples=5001)
        torch.testing.assert_close(back, signal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("compression", ["none", "log1p", "log_unit"])
@pytest.mark.parametrize("scale", [1.0, unit_scale(1024)])
def test_compression_equals_the_live_one(compression: contract.Compression, scale: float) -> None:
    """Compression and expansion agree with numpy's, also for values that no spectrum has."""
    features = SpectrumFeatures(1024, 256, 513, compression=compression, scale=scale)
    magnitude = np.concatenate([[0.0], np.geomspace(1e-6, 600, 300)]).astype(np.float32)
    compressed = contract.compress(magnitude, features)
    np.testing.assert_allclose(twin.compress(torch.from_numpy(magnitude), features), compressed, atol=1e-5)
    values = np.concatenate([compressed, [-5.0, -1.5, 1e30]]).astype(np.float32)
    np.testing.assert_allclose(
        twin.expand(torch.from_numpy(values), features), contract.expand(values, features), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize(("kind", "bins"), [("linear", 500), ("linear", 513), ("mel", 40)])
def test_bands_equal_the_live_ones(kind: contract.BandKind, bins: int) -> None:
    """Folding and unfolding a batch agree with numpy's on each item, and the matrices are not saved."""
    features = SpectrumFeatures(1024, 256, bins, bands=kind)
    live, torch_bands = contract.Bands(features, 16000), twin.TorchBands(features, 16000)
    magnitude = np.abs(np.random.default_rng(2).standard_normal((2, 1, 513, 9))).astype(np.float32)
    folded = torch_bands.fold(torch.from_numpy(magnitude))
    back = torch_bands.unfold(folded)
    assert folded.shape == (2, 1, bins, 9)
    assert back.shape == (2, 1, 513, 9)
    np.testing.assert_allclose(folded[1, 0], live.fold(magnitude[1, 0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(back[1, 0], live.unfold(live.fold(magnitude[1, 0])), rtol=1e-3, atol=1e-4)
    assert not torch_bands.state_dict()


def test_gradients_are_finite_through_silence() -> None:
    """From samples through spectrum, compression and back the gradient is finite, also where the sound is silent."""
    features = SpectrumFeatures(512, 128, 257, scale=unit_scale(512))
    signal = torch.from_numpy(noise(1, 4000)).requires_grad_()
    spectra = twin.analyse(signal, features)
    compressed = twin.compress(twin.magnitudes(spectra), features)
    phases = spectra / twin.magnitudes(spectra)
    rebuilt = twin.synthesise(twin.expand(compressed, features) * phases, features)
    (
        compressed.square().mean() + rebuilt.square().mean() + twin.log_mel(signal, 16000, n_fft=512, bands=40).mean()
    ).backward()
    assert signal.grad is not None
    assert torch.isfinite(signal.grad).all()
    assert signal.grad.abs().max() > 0


def test_analysis_has_the_right_gradient() -> None:
    """Autograd through analysis and synthesis agrees with finite differences in double precision."""
    features = whole(16, 4)
    signal = torch.rand(1, 37, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def there_and_back(x: torch.Tensor) -> torch.Tensor:
        return twin.synthesise(twin.analyse(x, features).abs().square() * (1 + 0j), features)

    assert torch.autograd.gradcheck(there_and_back, (signal,), atol=1e-4)


def test_log_mel_is_librosas() -> None:
    """log_mel is the logarithm of librosa's HTK mel magnitudes of centred frames, scaled and floored as documented."""
    librosa = pytest.importorskip("librosa")
    signal = noise(22050)
    mel = librosa.feature.melspectrogram(
        y=signal, sr=22050, n_fft=1024, hop_length=256, power=1.0, n_mels=64, htk=True, norm=None, pad_mode="constant"
    )
    got = twin.log_mel(torch.from_numpy(signal[None]), 22050, n_fft=1024, hop=256, bands=64)
    assert got.shape == (1, 64, 22050 // 256 + 1)
    np.testing.assert_allclose(got[0], np.log(mel * unit_scale(1024) + 1e-5), atol=1e-2)


def test_log_mel_distance_counts_decibels() -> None:
    """Halving a loud signal moves it by about 6 dB; a signal is at no distance from itself."""
    signal = torch.rand(2, 24000, generator=torch.Generator().manual_seed(1)) - 0.5
    distance = twin.log_mel_distance_db(signal * 0.5, signal, 24000)
    assert distance.shape == (2,)
    torch.testing.assert_close(distance, torch.full((2,), 6.02), atol=0.05, rtol=0)
    assert not twin.log_mel_distance_db(signal, signal, 24000).any()


def test_first_use_under_inference_allows_training_later() -> None:
    """Windows made and kept while inference mode was on still take part in a backward pass."""
    features = whole(48, 12)
    with torch.inference_mode():
        twin.analyse(torch.ones(1, 100), features)
    signal = torch.ones(1, 100, requires_grad=True)
    twin.analyse(signal, features).abs().sum().backward()
    assert signal.grad is not None


def test_folded_spectra_are_refused() -> None:
    """Synthesis of a spectrum whose bands were not unfolded is refused with both counts."""
    with pytest.raises(ConfigError, match=r"80 bins, but synthesis takes 513"):
        twin.synthesise(torch.zeros(1, 80, 3, dtype=torch.complex64), whole(1024, 256))
