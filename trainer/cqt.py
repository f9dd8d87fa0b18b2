"""The constant-Q transform on the training device: differentiable, librosa's numbers, and back to sound.

    f_k = f_min · 2^(k / b)       Q = 1 / α,  α = (r² − 1) / (r² + 1),  r = 2^(1 / b)       N_k = Q · rate / f_k samples
    C[k, m] = √N_k · Σ_n y[n + m·hop] · conj ψ_k[n],   ψ_k a Hann-windowed phasor of N_k samples, Σ |ψ_k| = 1

Octaves differ by a factor of two alone, so one bank of b kernels serves them all: the spectrum of the whole signal is
cut to its lowest 2⁻ⁱ for octave i (decimation without a filter's ripple), and each frame of that is a product with the
kernels' spectra, of which only the bins that are not zero are kept:

    y ─rfft─▶ Y ─cut to n/2ⁱ─▶ irfft ─▶ frames every hop/2ⁱ ─rfft─▶ D_i ─▶ K · D_i        i = 0 the highest octave

The transform is linear; its adjoint A* comes from autograd, and the signal from complex frames by conjugate gradients
on A*A y = A*c, preconditioned by A*A's diagonal in frequency. librosa's own inverse is one step without them.

Brown: Calculation of a constant Q spectral transform, JASA 1991; Schörkhuber, Klapuri: Constant-Q transform toolbox for
music processing, SMC 2010. Held by tests: within 1e-5 of librosa 0.11 (of the loudest bin) in the octaves that neither
decimates much, and nearer to the formula above than librosa is in all of them; docs/representations.md has the numbers.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError

C1_HZ = 440.0 * 2.0 ** ((24 - 69) / 12)
_KEPT = 1e-6  # kernel spectra below this part of their largest value are left out
_GUARD = 32  # samples of silence, at the lowest octave's rate, into which a signal's ends may ring
_REGULAR = 1e-2  # of the loudest frequency's gain: frequencies that no kernel hears stay silent instead of exploding


class CQT(nn.Module):
    """Signals (…, samples) to complex (…, bins, frames), frames = ⌊samples / hop⌋ + 1, centred on multiples of hop."""

    kernels: Tensor
    unit: Tensor

    def __init__(
        self, sample_rate: int, hop: int, *, bins: int = 84, bins_per_octave: int = 12, fmin_hz: float = C1_HZ
    ) -> None:
        """Raises ConfigError when the highest bin does not fit below half the sample rate, or hop cannot be halved."""
        super().__init__()
        self.sample_rate, self.hop, self.bins, self.bins_per_octave = sample_rate, hop, bins, bins_per_octave
        self.octaves = -(-bins // bins_per_octave)
        if hop % 2 ** (self.octaves - 1):
            raise ConfigError(
                f"hop is {hop}, but {self.octaves} octaves halve it {self.octaves - 1} times: "
                f"use a multiple of {2 ** (self.octaves - 1)}."
            )
        ratio = 2.0 ** (2.0 / bins_per_octave)
        alpha = (ratio - 1) / (ratio + 1)
        self.frequencies_hz = fmin_hz * 2.0 ** (np.arange(bins) / bins_per_octave)
        highest = float(self.frequencies_hz[-1]) * (1 + 0.75 * alpha)  # 1.5 bins: the width of a Hann window's peak
        if highest > sample_rate / 2:
            raise ConfigError(
                f"The highest of {bins} bins reaches {highest:.0f} Hz, but {sample_rate} Hz carry "
                f"{sample_rate / 2:.0f}: use fewer bins or a higher rate."
            )
        import librosa

        octave = fmin_hz * 2.0 ** (np.arange(bins - bins_per_octave, bins) / bins_per_octave)
        waves, lengths = librosa.filters.wavelet(freqs=octave, sr=sample_rate, alpha=alpha, dtype=np.complex128)
        self.n_fft = waves.shape[1]
        spectra = np.fft.fft(waves, axis=1)[:, : self.n_fft // 2 + 1] * np.sqrt(lengths)[:, None] / self.n_fft
        heard = np.flatnonzero(np.abs(spectra).max(0) > _KEPT * np.abs(spectra).max())
        self._first, self._last = int(heard[0]), int(heard[-1]) + 1
        kept = spectra[:, self._first : self._last].astype(np.complex64)
        self.register_buffer("kernels", torch.from_numpy(kept), persistent=False)
        lengths_full = sample_rate / (alpha * self.frequencies_hz)
        unit = torch.from_numpy((2.0 / np.sqrt(lengths_full)).astype(np.float32))
        # C times this is 1 for a full-scale sine on the bin's frequency, whatever the kernel's length.
        self.register_buffer("unit", unit[:, None], persistent=False)
        self._gain_hz, self._gain = self._response(spectra)

    def frames(self, samples: int) -> int:
        """Frames of a signal of so many samples."""
        return samples // self.hop + 1

    def forward(self, signal: Tensor) -> Tensor:
        """Signals (…, samples), float32, to complex (…, bins, frames)."""
        samples = signal.shape[-1]
        flat = signal.reshape(-1, samples)
        count, deepest = self.frames(samples), 2 ** (self.octaves - 1)
        guard, centre = _GUARD * deepest, self.n_fft // 2
        padded = -(-(samples + 2 * guard) // (2 * deepest)) * 2 * deepest
        spectrum = torch.fft.rfft(functional.pad(flat, (guard, padded - guard - samples)))
        found = []
        for octave in range(self.octaves):
            size, hop, early = padded >> octave, self.hop >> octave, guard >> octave
            lower = torch.fft.irfft(_cut(spectrum, size), size)
            # From half a window before the first sample to half a window after the last frame.
            around = functional.pad(lower, (centre - early, (count - 1) * hop + centre - (size - early)))
            frames = around.unfold(-1, self.n_fft, hop)
            part = torch.fft.rfft(frames)[..., self._first : self._last].transpose(-1, -2)
            found.append((self.kernels @ part) * 2.0 ** (-octave / 2))
        stacked = torch.cat(found[::-1], -2)[:, -self.bins :]
        return stacked.reshape(*signal.shape[:-1], self.bins, count)

    def adjoint(self, frames: Tensor, samples: int) -> Tensor:
        """A*: complex frames (…, bins, frames) to real signals (…, samples), ⟨A y, c⟩ = ⟨y, A* c⟩."""
        with torch.inference_mode(False), torch.enable_grad():
            zero = torch.zeros(*frames.shape[:-2], samples, device=frames.device, requires_grad=True)
            (signal,) = torch.autograd.grad(self(zero), zero, frames.detach().clone())
        return signal

    def inverse(self, frames: Tensor, samples: int, *, iterations: int = 8, start: Tensor | None = None) -> Tensor:
        """The signal (…, samples) whose transform is nearest to complex `frames`, by least squares; no gradient.

        `start` is where the search begins: near the answer one iteration is enough.
        """
        signal = torch.zeros(*frames.shape[:-2], samples, device=frames.device) if start is None else start.clone()
        with torch.no_grad():
            rest = self.adjoint(frames - self(signal) if start is not None else frames, samples)
            conditioned = self._divided(rest)
            direction, size = conditioned, _dot(rest, conditioned)
            for left in reversed(range(iterations)):
                seen = self(direction)
                energy = seen.abs().square().sum((-1, -2))[..., None]
                step = size / energy.clamp(min=1e-20)
                signal = signal + step * direction
                if not left:
                    break
                rest = rest - step * self.adjoint(seen, samples)
                conditioned = self._divided(rest)
                before, size = size, _dot(rest, conditioned)
                direction = conditioned + size / before.clamp(min=1e-20) * direction
        return signal

    def _divided(self, signal: Tensor) -> Tensor:
        """The signal with every frequency divided by the transform's gain there."""
        samples = signal.shape[-1]
        size = 2 ** math.ceil(math.log2(samples + self.n_fft))
        hz = np.arange(size // 2 + 1) * (self.sample_rate / size)
        gain = np.interp(hz, self._gain_hz, self._gain, left=0.0, right=0.0)
        weight = torch.from_numpy((1.0 / (gain + _REGULAR * gain.max())).astype(np.float32)).to(signal.device)
        divided: Tensor = torch.fft.irfft(torch.fft.rfft(signal, size) * weight, size)
        return divided[..., :samples]

    def _response(self, spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σ_k |A's gain|² by frequency in Hz: A*A's diagonal, but for a factor."""
        power = np.abs(spectra) ** 2
        bins_hz = np.arange(power.shape[1]) * (self.sample_rate / self.n_fft)
        low = bins_hz[1] / 2**self.octaves
        hz = np.geomspace(low, self.sample_rate / 2, 4096)
        total = np.zeros(hz.size)
        for octave in range(self.octaves):
            rows = min(self.bins_per_octave, self.bins - octave * self.bins_per_octave)
            total += np.interp(hz, bins_hz / 2**octave, power[-rows:].sum(0), right=0.0) * 2.0**octave
        return hz, total


def _cut(spectrum: Tensor, size: int) -> Tensor:
    """The bins of a signal of `size` samples, its Nyquist bin silent."""
    return functional.pad(spectrum[..., : size // 2], (0, 1))


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(-1, keepdim=True)
