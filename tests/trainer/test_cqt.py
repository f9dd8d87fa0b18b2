"""The constant-Q transform: librosa's numbers, the defining formula's, a true adjoint, and back to sound."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
import torch

from realtime.errors import ConfigError
from trainer.cqt import C1_HZ, CQT

RATE = 22050
FORMS = [(12, 84, 256), (120, 840, 256), (36, 250, 512)]


def melody(seconds: float = 1.5) -> np.ndarray:
    """Harmonic tones of four pitches with a little noise, faded at both ends, float32."""
    time = np.arange(round(seconds * RATE)) / RATE
    notes = np.array([110.0, 220.0, 330.0, 523.25])[(time * 4).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(notes) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 6)) + 0.02 * np.random.default_rng(0).standard_normal(time.size)
    fade = np.clip(np.minimum(time, time[::-1]) / 0.1, 0, 1)
    return (0.2 * fade * sound).astype(np.float32)


def by_librosa(signal: np.ndarray, bins_per_octave: int, bins: int, hop: int, sparsity: float) -> np.ndarray:
    """librosa's transform, which warns of octaves that are shorter than a kernel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: np.ndarray = librosa.cqt(
            signal,
            sr=RATE,
            hop_length=hop,
            fmin=librosa.note_to_hz("C1"),
            n_bins=bins,
            bins_per_octave=bins_per_octave,
            sparsity=sparsity,
        )
    return found


@pytest.mark.parametrize(("bins_per_octave", "bins", "hop"), FORMS)
def test_it_is_librosas(bins_per_octave: int, bins: int, hop: int) -> None:
    """Complex values are librosa's: to 1e-5 of the loudest in the top octave, 1e-2 where its resampler has been."""
    signal = melody(0.8)
    ours = CQT(RATE, hop, bins=bins, bins_per_octave=bins_per_octave)(torch.from_numpy(signal)).numpy()
    for sparsity, near, far in ((0.0, 1e-5, 1e-2), (0.01, 1e-2, 1e-2)):
        theirs = by_librosa(signal, bins_per_octave, bins, hop, sparsity)
        assert ours.shape == theirs.shape
        error = np.abs(ours - theirs) / np.abs(theirs).max()
        assert error[-bins_per_octave:].max() < near
        assert error.max() < far


def test_it_is_nearer_to_the_formula_than_librosa() -> None:
    """Where a sound is cut off we are within 1e-2 of the defining sum; librosa is twice as far off in the median."""
    signal, transform = melody(), CQT(RATE, 256, bins=84)
    signal = signal[: signal.size * 2 // 3]  # cut while it sounds: an end that a resampler smears
    ours = transform(torch.from_numpy(signal)).numpy()
    theirs = by_librosa(signal, 12, 84, 256, 0.0)
    ratio = 2 ** (2 / 12)
    alpha = (ratio - 1) / (ratio + 1)
    errors, librosas = [], []
    for k in range(3, 84, 10):
        hz = transform.frequencies_hz[k : k + 1]
        (wave,), (length,) = librosa.filters.wavelet(freqs=hz, sr=RATE, alpha=alpha, pad_fft=False, dtype=np.complex128)
        padded = np.pad(signal.astype(np.float64), wave.size)
        for m in (ours.shape[1] - 2, ours.shape[1] - 1):
            start = m * 256 - wave.size // 2 + wave.size
            true = abs(np.sqrt(length) * np.sum(padded[start : start + wave.size] * wave.conj()))
            errors.append(abs(abs(ours[k, m]) - true))
            librosas.append(abs(abs(theirs[k, m]) - true))
    assert max(errors) < 1e-2 * np.abs(ours).max()
    assert np.median(librosas) > 2 * np.median(errors)


def test_a_full_scale_sine_has_unit_size() -> None:
    """`unit` makes the bin of a full-scale sine 1, for short and long kernels alike."""
    transform = CQT(RATE, 256, bins=72)
    for k in (20, 45, 70):
        time = torch.arange(3 * RATE) / RATE
        sine = torch.sin(2 * torch.pi * float(transform.frequencies_hz[k]) * time)
        middle = (transform(sine).abs() * transform.unit)[:, 100:-100]
        assert middle[k].min() > 0.99
        assert middle[k].max() < 1.01
        assert int(middle.mean(1).argmax()) == k


def test_the_adjoint_is_one() -> None:
    """⟨A y, c⟩ = ⟨y, A* c⟩ for any signal and any frames, in batches."""
    generator = torch.Generator().manual_seed(0)
    transform = CQT(RATE, 128, bins=60)
    signal = torch.randn(2, 9000, generator=generator)
    frames = torch.randn(2, 60, transform.frames(9000), dtype=torch.complex64, generator=generator)
    one = (transform(signal).conj() * frames).real.sum()
    torch.testing.assert_close(one, (signal * transform.adjoint(frames, 9000)).sum(), rtol=1e-3, atol=1e-3)


def test_sound_comes_back_from_complex_frames() -> None:
    """With 120 bins an octave complex frames give the sound within their range back, 25 dB above the error."""
    signal, transform = melody(1.0), CQT(RATE, 256, bins=840, bins_per_octave=120)
    frames = transform(torch.from_numpy(signal))
    back = transform.inverse(frames, signal.size, iterations=8)
    again = transform(back)
    assert 20 * torch.log10((again - frames).norm() / frames.norm()) < -35
    assert 20 * np.log10(np.linalg.norm(back.numpy() - signal) / np.linalg.norm(signal)) < -25


def test_a_start_near_the_answer_is_kept() -> None:
    """The search that begins at the answer stays there."""
    signal, transform = torch.from_numpy(melody(0.5)), CQT(RATE, 256, bins=84)
    frames = transform(signal)
    torch.testing.assert_close(
        transform.inverse(frames, signal.numel(), iterations=1, start=signal), signal, atol=1e-5, rtol=0
    )


def test_gradients_flow_to_the_signal() -> None:
    """The transform can be trained through."""
    signal = torch.from_numpy(melody(0.3))[None].requires_grad_()
    CQT(RATE, 256, bins=48)(signal).abs().square().mean().backward()
    assert signal.grad is not None
    assert torch.isfinite(signal.grad).all()
    assert signal.grad.abs().max() > 0


def test_what_cannot_be_is_refused() -> None:
    """A hop that octaves cannot halve and bins above half the rate are refused with both numbers."""
    with pytest.raises(ConfigError, match=r"hop is 200, but 7 octaves halve it 6 times"):
        CQT(RATE, 200, bins=84)
    with pytest.raises(ConfigError, match=r"16000 Hz carry 8000"):
        CQT(16000, 256, bins=108)
    assert pytest.approx(32.703, abs=1e-3) == C1_HZ
