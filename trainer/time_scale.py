"""Time and pitch of a batch of sounds, each item with a factor of its own, on the device they are on.

read_at: faster and higher, as a tape      stretch: faster, the pitch kept      both: higher, the time kept
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TAPS = 16
_N_FFT, _HOP = 2048, 512


def cut(x: Tensor, length: int) -> Tensor:
    """(batch, samples) cut, or followed by zeros, to (batch, length)."""
    return torch.nn.functional.pad(x, (0, max(0, length - x.shape[1])))[:, :length]


def read_at(x: Tensor, speed: Tensor, length: int) -> Tensor:
    """(batch, samples) read at `speed` (batch,) from its beginning: (batch, length), zeros past the end.

    Windowed sinc of 16 taps; what faster reading would fold back is cut before.
    """
    if bool((speed > 1).any()):
        spectrum = torch.fft.rfft(x)
        bins = torch.arange(spectrum.shape[1], device=x.device)[None]
        x = torch.fft.irfft(spectrum * (bins * speed.to(x.device, x.dtype)[:, None] < spectrum.shape[1]), x.shape[1])
    place = torch.arange(length, device=x.device, dtype=torch.float64) * speed.to(x.device)[:, None]
    first = place.floor()
    part, first = (place - first).float(), first.long() + TAPS
    padded = torch.nn.functional.pad(x, (TAPS, TAPS))
    # sinc and Hann window at part - tap from the sine and cosine at `part`: no sines in the loop
    numerator = torch.sin(math.pi * part) / math.pi
    cosine, sine = torch.cos(2 * math.pi * part / TAPS), torch.sin(2 * math.pi * part / TAPS)
    out = torch.zeros(x.shape[0], length, device=x.device)
    for tap in range(1 - TAPS // 2, TAPS // 2 + 1):
        distance, turn = part - tap, 2 * math.pi * tap / TAPS
        window = 0.5 + 0.5 * (cosine * math.cos(turn) + sine * math.sin(turn))
        sign = 1.0 if tap % 2 == 0 else -1.0
        weight = torch.where(distance.abs() < 1e-6, 1.0, sign * numerator / distance) * window
        out += weight * padded.gather(1, (first + tap).clamp(max=padded.shape[1] - 1))
    return out


def stretch(x: Tensor, tempo: Tensor, length: int) -> Tensor:
    """(batch, samples) played at `tempo` (batch,) with the pitch kept, (batch, length): a phase vocoder.

    Laroche and Dolson, "Improved phase vocoder time-scale modification of audio", 1999: magnitudes between two frames
    are interpolated; a peak's phase advances by what it advanced between the two, and the bins around it keep their
    phases against it, without which partials lose their level.
    """
    window = torch.hann_window(_N_FFT, device=x.device)
    x = cut(x, x.shape[1] + 2 * _N_FFT)  # what is read past the end is silent
    frames = torch.stft(x, _N_FFT, _HOP, window=window, return_complex=True)
    magnitude, phase = frames.abs(), frames.angle()
    bins = torch.arange(frames.shape[1], device=x.device)[None, :, None]
    place = torch.arange(length // _HOP + 4, device=x.device, dtype=torch.float64) * tempo.to(x.device)[:, None]
    first = place.floor().long().clamp(max=frames.shape[2] - 2)
    part = (place - first).float()[:, None]
    index = first[:, None].expand(-1, frames.shape[1], -1)
    before = phase.gather(2, index)
    expected = 2 * math.pi * _HOP / _N_FFT * bins
    turn = phase.gather(2, index + 1) - before - expected
    turn = turn - 2 * math.pi * torch.round(turn / (2 * math.pi)) + expected
    # the phase of a bin by itself: that of the first frame, and all that it turned by before
    alone = torch.cat([before[:, :, :1], turn[:, :, :-1]], 2).double().cumsum(2).remainder(2 * math.pi).float()
    moved = magnitude.gather(2, index) * (1 - part) + magnitude.gather(2, index + 1) * part
    peak = _nearest_peak(moved, bins)
    return torch.istft(
        torch.polar(moved, alone.gather(1, peak) + before - before.gather(1, peak)),
        _N_FFT, _HOP, window=window, length=length,
    )  # fmt: skip


def _nearest_peak(magnitude: Tensor, bins: Tensor) -> Tensor:
    """For each of (batch, bins, frames) the bin of the nearest peak: one that is louder than two on either side."""
    louder = torch.nn.functional.max_pool2d(magnitude, (5, 1), 1, (2, 0)) == magnitude
    last = magnitude.shape[1] - 1
    below = torch.where(louder, bins, -2 * last).cummax(1).values
    above = torch.where(louder, bins, 3 * last).flip(1).cummin(1).values.flip(1)
    return torch.where(bins - below <= above - bins, below, above)
