"""Mu-law: samples as one of 256 levels, fine near silence and coarse near full scale, as WaveNets read and write them.

    F(x) = sign(x) · ln(1 + μ|x|) / ln(1 + μ),  μ = levels − 1          x in [−1, 1] to [−1, 1]
    code = ⌊(F(x) + 1) / 2 · μ + ½⌋                                     0 … μ; silence is level 128 of 256

A decoded sample is the one in the middle of its level, so the error is at most half a level: |x − x̂| ≤ (|x| + 1/μ) · ε
with ε = (1 + μ)^(1/μ) − 1, 2.2 % of the sample for 256 levels. ITU-T G.711 (1972); van den Oord et al.: WaveNet, 2016.
(The dissertation's equation leaves out the second logarithm; with it F(1) = 1.)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from realtime.errors import ConfigError

LEVELS = 256


def compress(samples: Tensor, levels: int = LEVELS) -> Tensor:
    """F: samples of any shape to [−1, 1]; what is louder than full scale is clipped to it."""
    mu = _mu(levels)
    clipped = samples.clamp(-1.0, 1.0)
    return torch.sign(clipped) * torch.log1p(mu * clipped.abs()) / math.log1p(mu)


def expand(values: Tensor, levels: int = LEVELS) -> Tensor:
    """The inverse of `compress`."""
    mu = _mu(levels)
    return torch.sign(values) * torch.expm1(values.abs() * math.log1p(mu)) / mu


def encode(samples: Tensor, levels: int = LEVELS) -> Tensor:
    """Samples of any shape to int64 codes 0 … levels − 1."""
    return torch.floor((compress(samples, levels) + 1.0) * (0.5 * _mu(levels)) + 0.5).to(torch.int64)


def decode(codes: Tensor, levels: int = LEVELS) -> Tensor:
    """Codes 0 … levels − 1 to float32 samples in [−1, 1]."""
    return expand(codes.to(torch.float32) * (2.0 / _mu(levels)) - 1.0, levels)


def _mu(levels: int) -> int:
    if levels < 2:
        raise ConfigError(f"mu-law has {levels} levels, but it needs at least 2: use 256.")
    return levels - 1
