"""Differentiable sound from controls: harmonic oscillators, filtered noise, a short room (DDSP, Engel et al. 2020).

Everything here is one function of (controls of F frames, state) → (samples, next state), used with many frames in
training and with one in the exported graph, so that stepped equals offline by construction.

    oscillators   y[n] = Σ_k a_k[n] · sin(2π k φ[n]),   a_k linear over the hop from the frame before to this one,
                  φ the integral of f0, itself linear over the hop
    noise         a frame of 2·hop samples: |H| from the bands, phases from two fixed tables of co-prime length (so that
                  the same input gives the same sound), Hann window, overlap-add
    room          y + h * y with h learnt per target, `taps` samples long
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

NOISE_TABLE_ROWS = (251, 241)  # co-prime: the noise repeats after 251 · 241 frames


def harmonic_waves(
    f0_hz: Tensor, previous_f0_hz: Tensor, phase: Tensor, harmonics: int, hop: int, rate: int
) -> tuple[Tensor, Tensor]:
    """Return unit sines `(batch, frames, harmonics, hop)` and the phase in cycles `(batch, 1)` after the last sample.

    f0_hz: (batch, frames), reached at each frame's last sample; previous_f0_hz and phase: (batch, 1) before the first.
    """
    before = torch.cat([previous_f0_hz, f0_hz[:, :-1]], 1)
    slope = f0_hz - before
    increments = (before * hop + slope * (0.5 * (hop + 1))) / rate
    if f0_hz.shape[1] == 1:
        starts, end = phase, phase + increments
    else:  # in double: a second of a high note is a thousand cycles
        running = phase.double() + torch.cumsum(increments.double(), 1)
        starts = torch.cat([phase.double(), running[:, :-1]], 1)
        starts, end = (starts - torch.floor(starts)).float(), running[:, -1:]
    end = (end - torch.floor(end)).to(f0_hz.dtype)
    n = torch.arange(1, hop + 1, dtype=f0_hz.dtype, device=f0_hz.device)
    cycles = starts[..., None] + (before[..., None] * n + slope[..., None] * (n * (n + 1) / (2 * hop))) / rate
    cycles = cycles - torch.floor(cycles)
    orders = torch.arange(1, harmonics + 1, dtype=f0_hz.dtype, device=f0_hz.device)
    turns = orders[:, None] * cycles[..., None, :]
    turns -= torch.round(turns)  # in place: this is the largest tensor of a training step
    turns *= 2 * math.pi
    return torch.sin_(turns), end


def oscillate(amplitudes: Tensor, previous: Tensor, waves: Tensor) -> Tensor:
    """Sum waves `(batch, frames, harmonics, hop)` with amplitudes `(batch, frames, harmonics)`."""
    hop = waves.shape[-1]
    before = torch.cat([previous[:, None], amplitudes[:, :-1]], 1)
    rise = torch.arange(1, hop + 1, dtype=waves.dtype, device=waves.device) / hop
    both = torch.matmul(torch.stack([before, amplitudes], 2), waves)
    return both[:, :, 0] * (1 - rise) + both[:, :, 1] * rise


class NoiseBank(nn.Module):
    """Noise whose spectrum follows `bands` amplitudes, one frame of 2·hop samples each hop."""

    band_matrix: Tensor
    inverse: Tensor

    def __init__(self, bands: int, hop: int, rate: int) -> None:
        super().__init__()
        self.hop = hop
        bins = hop + 1
        generator = np.random.default_rng(2020)
        for index, rows in enumerate(NOISE_TABLE_ROWS):
            turns = generator.uniform(0, 2 * np.pi, (rows, bins))
            table = np.stack([np.cos(turns), np.sin(turns)], 1).astype(np.float32)
            self.register_buffer(f"table_{index}", torch.from_numpy(table), persistent=False)
        # Bands: triangles equally spaced on an ERB-like scale; the bins of one band share its amplitude.
        warp = np.log1p(np.arange(bins) * rate / 2 / hop / 500.0)
        centres = np.linspace(0, warp[-1], bands)
        weights = np.maximum(0, 1 - np.abs(warp[None] - centres[:, None]) / (centres[1] - centres[0]))
        self.register_buffer("band_matrix", torch.from_numpy(weights.astype(np.float32)), persistent=False)
        # Inverse real DFT as two matrices, windowed; unit band amplitudes give noise of a full sine's power.
        angles = 2 * np.pi * np.outer(np.arange(bins), np.arange(2 * hop)) / (2 * hop)
        weight = np.where((np.arange(bins) == 0) | (np.arange(bins) == hop), 1.0, 2.0)[:, None] / math.sqrt(2 * hop)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2 * hop) / (2 * hop))
        inverse = np.concatenate([weight * np.cos(angles), -weight * np.sin(angles)]) * hann * math.sqrt(1.0 / 1.5)
        self.register_buffer("inverse", torch.from_numpy(inverse.astype(np.float32)), persistent=False)

    def forward(self, bands: Tensor, clock: Tensor, tail: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """bands (batch, frames, bands), clock (batch, 2), tail (batch, hop) → samples (batch, frames, hop), both."""
        frames = bands.shape[1]
        steps = torch.arange(frames, dtype=clock.dtype, device=clock.device)
        rows = []
        for index, size in enumerate(NOISE_TABLE_ROWS):
            at = clock[:, index : index + 1] + steps
            at = at - torch.floor(at / size) * size
            rows.append(getattr(self, f"table_{index}")[at.long()])
        a, b = rows
        real = a[:, :, 0] * b[:, :, 0] - a[:, :, 1] * b[:, :, 1]
        imaginary = a[:, :, 0] * b[:, :, 1] + a[:, :, 1] * b[:, :, 0]
        magnitude = torch.matmul(bands, self.band_matrix)
        sound = torch.matmul(torch.cat([magnitude * real, magnitude * imaginary], 2), self.inverse)
        first, second = sound[..., : self.hop], sound[..., self.hop :]
        samples = first + torch.cat([tail[:, None], second[:, :-1]], 1)
        sizes = torch.tensor(NOISE_TABLE_ROWS, dtype=clock.dtype, device=clock.device)
        after = clock + frames
        return samples, after - torch.floor(after / sizes) * sizes, second[:, -1]


class Room(nn.Module):
    """A learnt impulse response per target, added to the dry sound; `taps` samples, causal."""

    def __init__(self, targets: int, taps: int) -> None:
        super().__init__()
        self.taps = taps
        self.impulse = nn.Parameter(1e-3 * torch.randn(targets, taps) * torch.exp(-torch.arange(taps) / (taps / 5)))

    def forward(self, dry: Tensor, weights: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """dry (batch, samples), weights (batch, targets), history (batch, taps) → wet (batch, samples), history."""
        response = torch.matmul(weights, self.impulse)
        padded = torch.cat([history, dry], 1)
        samples = dry.shape[1]
        if samples <= 4 * self.taps and dry.shape[0] == 1:  # the exported graph: one short convolution
            kernel = torch.flip(response, [1])[:, None]
            wet = torch.nn.functional.conv1d(padded[:, None, 1:], kernel)[:, 0]
        else:
            size = padded.shape[1] + self.taps
            product = torch.fft.rfft(padded, size) * torch.fft.rfft(response, size)
            wet = torch.fft.irfft(product, size)[:, self.taps : self.taps + samples]
        return dry + wet, padded[:, samples:]
