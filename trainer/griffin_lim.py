"""Griffin-Lim on the training device, for any transform: phases that agree between frames, from magnitudes alone.

    repeat:  c ← project(s)              the nearest frames that some signal has: transform(inverse(s))
             a ← c + momentum · (c − c_before)
             s ← M · a / |a|

`realtime.phase.griffin_lim` is the same on numpy for the live STFT, in single precision and for whole files; this one
is batched and takes the projection, because a constant-Q transform has another. Perraudin, Balazs, Søndergaard: A fast
Griffin-Lim algorithm, WASPAA 2013; momentum 0: Griffin, Lim 1984.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_TINY = 1e-20


def griffin_lim(
    magnitude: Tensor,
    project: Callable[[Tensor], Tensor],
    iterations: int = 100,
    *,
    momentum: float = 0.99,
    seed: int = 1,
    start: Tensor | None = None,
) -> Tensor:
    """Magnitudes (…, bins, frames) to complex frames of the same shape; from `start`'s phases, or from random ones."""
    if start is None:
        random = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(seed)).to(magnitude.device)
        start = torch.polar(torch.ones_like(magnitude), random * (2.0 * torch.pi))
    with torch.no_grad():
        frames = magnitude * start / start.abs().clamp(min=_TINY)
        before = torch.zeros_like(frames)
        for _ in range(iterations):
            agreeing = project(frames)
            ahead = agreeing + momentum * (agreeing - before)
            before = agreeing
            frames = magnitude * ahead / ahead.abs().clamp(min=_TINY)
    return frames


def spectral_convergence_db(found: Tensor, wanted: Tensor) -> Tensor:
    """20·log10 of ‖found − wanted‖ / ‖wanted‖ over (…, bins, frames): (…,); −20 is a tenth off."""
    ends = (-2, -1)
    error = (found - wanted).square().sum(ends).sqrt()
    return 20.0 * torch.log10(error.clamp(min=1e-12) / wanted.square().sum(ends).sqrt().clamp(min=1e-12))
