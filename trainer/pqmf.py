"""A filter bank of M bands, critically sampled: a sound as M slow signals and back, without look-ahead.

    x ─▶ h_k * x ─▶ every M-th sample ─▶ s_k          one frame of M bands for M samples
    s_k ─▶ M − 1 zeros between ─▶ Σ_k g_k * s_k ─▶ y   y[n] = x[n − (N − M)],  N taps

    h_k[n] = 2 p[n] cos((2k + 1) π / 2M · (n − (N − 1) / 2) + (−1)^k π / 4),    g_k[n] = h_k[N − 1 − n]

Cosine-modulated with one symmetric prototype p (Nguyen, "Near-perfect-reconstruction pseudo-QMF banks", IEEE Trans.
Signal Processing 1994). The first p is a Kaiser window's low-pass; then Newton steps of least norm move it onto the
conditions of perfect reconstruction (Koilpillai & Vaidyanathan 1992), for N = 2mM, every phase r < M and lag l < m:

    Σ_i p[r + iM] · p[r + (i + 2l)M] = δ(l) / 2M

so that what comes back differs from what went in by rounding alone, while the stop band stays the window's. The delay
of a bank computed sample by sample is N − 1; by frames the last M − 1 of it are the frame itself, so N − M remain: 112
samples, 2.3 ms at 48 kHz, for 16 bands of 128 taps.

Both directions are causal convolutions over frames, (batch, bands, frames), with N / M taps: what the streaming network
does anyway. No gradient passes into the filters.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError

FloatArray = npt.NDArray[np.float64]
_NEWTON_STEPS = 60
_ROUNDING = 1e-13


class FilterBank(nn.Module):
    """Analysis and synthesis by frames; `delay_samples` from x to y of `synthesis(analysis(x))`."""

    analysis_filters: Tensor
    synthesis_filters: Tensor

    def __init__(self, bands: int, taps: int) -> None:
        """bands M ≥ 2 and even; taps N a multiple of 2M. Raises ConfigError otherwise."""
        super().__init__()
        self.bands, self.taps = bands, taps
        self.memory = taps // bands - 1 if bands else 0  # frames of past that either direction hears
        p = prototype(bands, taps)
        n = np.arange(taps) - (taps - 1) / 2
        k = np.arange(bands)[:, None]
        h = 2 * p * np.cos((2 * k + 1) * np.pi / (2 * bands) * n + (-1.0) ** k * np.pi / 4)
        steps = taps // bands
        # A convolution's last tap meets the newest frame. Analysis: weight[k, i, q], i the sample within the frame.
        newest_first = h.reshape(bands, steps, bands)  # [k, q, j] = h_k[qM + j]
        analysis = newest_first[:, ::-1, ::-1].transpose(0, 2, 1)
        synthesis = h[:, ::-1].reshape(bands, steps, bands)[:, ::-1].transpose(2, 0, 1)
        for name, filters in (("analysis_filters", analysis), ("synthesis_filters", synthesis)):
            self.register_buffer(name, torch.from_numpy(filters.astype(np.float32).copy()), persistent=False)

    @property
    def delay_samples(self) -> int:
        """How late the synthesis is against the sound analysed."""
        return self.taps - self.bands

    def analysis(self, frames: Tensor) -> Tensor:
        """Frames of sound (batch, bands, `memory` + n), oldest first → bands (batch, bands, n)."""
        return functional.conv1d(frames, self.analysis_filters)

    def synthesis(self, bands: Tensor) -> Tensor:
        """Bands (batch, bands, `memory` + n) → frames of sound (batch, bands, n)."""
        return functional.conv1d(bands, self.synthesis_filters)


def to_frames(sound: Tensor, size: int) -> Tensor:
    """(batch, samples), a multiple of `size` → (batch, size, frames)."""
    return sound.reshape(sound.shape[0], -1, size).transpose(1, 2)


def to_sound(frames: Tensor) -> Tensor:
    """(batch, size, frames) → (batch, samples)."""
    return frames.transpose(1, 2).reshape(frames.shape[0], -1)


@lru_cache(maxsize=8)
def prototype(bands: int, taps: int) -> FloatArray:
    """The symmetric low-pass p (taps,) of a bank, meeting the conditions of perfect reconstruction to rounding."""
    if bands < 2 or bands % 2 or taps < 2 * bands or taps % (2 * bands):
        raise ConfigError(
            f"A filter bank of {bands} bands and {taps} taps cannot be made: take an even number of bands and a "
            f"multiple of {2 * max(bands, 2)} taps"
        )
    half = taps // 2
    forms, wanted = _conditions(bands, taps)
    p = min(
        (_kaiser(bands, taps, cutoff)[:half] for cutoff in np.linspace(0.8, 1.6, 81)),
        key=lambda p: float(np.abs(_unmet(p, forms, wanted)).max()),
    )
    for _ in range(_NEWTON_STEPS):
        unmet = _unmet(p, forms, wanted)
        if float(np.abs(unmet).max()) < _ROUNDING / bands:
            break
        slope = np.einsum("cij,j->ci", forms + forms.transpose(0, 2, 1), p)
        p = p - np.linalg.lstsq(slope, unmet, rcond=1e-10)[0]
    return np.concatenate([p, p[::-1]])


def _kaiser(bands: int, taps: int, cutoff: float) -> FloatArray:
    """A window's low-pass, −6 dB about `cutoff` half bands, with the energy that the conditions ask for."""
    n = np.arange(taps) - (taps - 1) / 2
    p = np.sinc(cutoff * n / (2 * bands)) * np.kaiser(taps, 5.0 if taps >= 6 * bands else 2.5)
    return np.asarray(p / np.sqrt(2 * (p**2).sum()), np.float64)


def _conditions(bands: int, taps: int) -> tuple[FloatArray, FloatArray]:
    """The conditions as quadratic forms of p's first half, pᵀ Q_c p = wanted_c: Q (conditions, N/2, N/2), wanted."""
    half, count = taps // 2, taps // bands
    forms: list[FloatArray] = []
    for r in range(bands // 2):  # the phases r and M − 1 − r are the same condition, by symmetry
        for lag in range(count // 2):
            form = np.zeros((half, half))
            for i in range(count - 2 * lag):
                a, b = r + i * bands, r + (i + 2 * lag) * bands
                form[min(a, taps - 1 - a), min(b, taps - 1 - b)] += 1.0
            forms.append(form)
    wanted = np.tile(np.eye(1, count // 2)[0] / (2 * bands), bands // 2)
    return np.stack(forms), wanted


def _unmet(p: FloatArray, forms: FloatArray, wanted: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("cij,i,j->c", forms, p, p) - wanted, np.float64)
