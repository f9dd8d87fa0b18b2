"""Magnitudes to what a network learns well from, and back; what the inverse needs travels along with every file.

    log_file   ln m, its least to −1 and its greatest to +1 in every file      (dissertation, after GANSynth)
    decibel    2·ln(1 + m / amin) / ln(1 + 1 / amin) − 1,  amin = 2⁻¹⁶         (pix2pix; −1 is silence, +1 is m = 1)
    log1p      ln(1 + m)                                                       (thesis on autoencoders)

    values, parameters = scale(m, kind)        m = unscale(values, parameters, kind)

`decibel` and `log1p` are `realtime.features.compress`: a live model hears the same. `parameters` (…, 2) holds for every
spectrogram: log_file's (least, greatest) of ln m; for the others (0, reference), m having been divided by the
reference: 1, or its own peak with `by_peak`. A tensor, so that it is batched and moved like the values. Round trip:
|m − m̂| ≤ 1e-5·m + the amin that log_file and decibel cannot tell from silence, 2⁻¹⁶ of the reference.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from realtime.features import AMIN, MAX_EXPONENT, SpectrumFeatures
from trainer.features import compress, expand

ScalingKind = Literal["log_file", "decibel", "log1p"]
# Only the compression is read of these.
_CONTRACT = {
    "decibel": SpectrumFeatures(4, 1, 1, compression="log_unit"),
    "log1p": SpectrumFeatures(4, 1, 1, compression="log1p"),
}


class Scaled(NamedTuple):
    """What a network sees, (…, bins, frames), and what leads back, (…, 2)."""

    values: Tensor
    parameters: Tensor


def scale(magnitude: Tensor, kind: ScalingKind, *, by_peak: bool = False) -> Scaled:
    """Magnitudes ≥ 0 (…, bins, frames) to values and parameters; each spectrogram (bins, frames) is one file."""
    ends = (-2, -1)
    if kind == "log_file":
        logarithm = torch.log(magnitude.clamp(min=AMIN))
        low, high = logarithm.amin(ends), logarithm.amax(ends)
        # Silence is one value everywhere: a range of 1 keeps it finite, at −1.
        span = torch.where(high > low, high - low, torch.ones_like(low))[..., None, None]
        return Scaled((logarithm - low[..., None, None]) * (2.0 / span) - 1.0, torch.stack([low, high], -1))
    peak = magnitude.amax(ends)
    reference = torch.where(peak > 0, peak, torch.ones_like(peak)) if by_peak else torch.ones_like(peak)
    values = compress(magnitude / reference[..., None, None], _CONTRACT[kind])
    return Scaled(values, torch.stack([torch.zeros_like(reference), reference], -1))


def unscale(values: Tensor, parameters: Tensor, kind: ScalingKind) -> Tensor:
    """The inverse of `scale`: values (…, bins, frames) with their file's parameters (…, 2) to magnitudes."""
    first, second = (p[..., None, None] for p in parameters.unbind(-1))
    if kind == "log_file":
        span = torch.where(second > first, second - first, torch.ones_like(first))
        found = torch.exp(((values + 1.0) * (span / 2.0) + first).clamp(max=float(MAX_EXPONENT)))
        # What was at the floor may have been silence: give it back as such.
        return torch.where(found <= AMIN * (1 + 1e-5), torch.zeros_like(found), found)
    return expand(values, _CONTRACT[kind]) * second
