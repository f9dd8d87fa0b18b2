"""Random-CNN style transfer: the texture of one sound on the notes of another, optimised anew for every clip.

After Ulyanov and Lebedev, "Audio texture synthesis and style transfer" (2016), the audio form of Gatys, Ecker, Bethge,
"A Neural Algorithm of Artistic Style" (2015):

    S = log(1 + |STFT|)      (frequency bins as channels, frames as time)
    F(S) = ReLU(W ∗ S)       one layer of random filters that see all bins and `width` frames, never trained
    L(S) = |F(S) − F(content)|² / |F(content)|²  +  style_weight · |G(S) − G(style)|² / |G(style)|²,   G = F·Fᵀ / frames

S starts as the content and is moved by L-BFGS; its phase comes from Griffin-Lim. No target domain, no training: a row
of systems to compare with (row M16).

Changed: each term is divided by its reference, so that weights mean the same for any clip, level and number of filters
(Gatys divides by 4N²M²); both sounds are brought to one level first; the start is the content, not noise. A clip longer
than `clip_seconds` is optimised in pieces that overlap, and the pieces' magnitudes are crossfaded, so that memory does
not grow; phases are found for the whole.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from realtime.errors import AudioFileError
from realtime.features import SpectrumFeatures, compress, expand
from realtime.phase import griffin_lim
from realtime.resample import resample_signal
from realtime.spectrum import analyse, synthesise

Audio = NDArray[np.float32]
LEVEL = 0.1  # RMS that content and style are brought to, so that log(1 + m) bends both alike
QUIET = 1e-6  # RMS below which there is nothing to transfer
_STEPS_A_CALL = 5  # of L-BFGS between two words of progress
_OVERLAP_FRAMES = 16
_FRAMES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """What the method may be told; `trainer.methods` says each one's range."""

    style_weight: float = 10.0
    iterations: int = 100
    filters: int = 1024
    width: int = 11
    rate: int = 22_050
    clip_seconds: float = 10.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Losses:
    """Both terms as parts of their references: 0 when equal."""

    content: float
    style: float


class RandomLayer:
    """One convolution over frames with random weights, bins as channels, then ReLU."""

    def __init__(self, bins: int, filters: int, width: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        # He's variance: what comes out has the scale of what goes in.
        scale = math.sqrt(2.0 / (bins * width))
        self.weight = torch.randn(filters, bins, width, generator=generator) * scale

    def __call__(self, spectrum: Tensor) -> Tensor:
        """(bins, frames) → (filters, frames)."""
        padding = self.weight.shape[2] - 1
        padded = functional.pad(spectrum[None], (padding // 2, padding - padding // 2))
        return functional.relu(functional.conv1d(padded, self.weight))[0]


def gram(features: Tensor) -> Tensor:
    """How often filters answer together, (filters, frames) → (filters, filters): F·Fᵀ / frames."""
    return features @ features.T / features.shape[1]


class StyleTransfer:
    """Holds one style; called with a signal it gives that signal in the style, aligned and as long."""

    def __init__(self, style: Audio, sample_rate: int, settings: TransferSettings | None = None) -> None:
        """style: (samples,) at `sample_rate`. Raises AudioFileError when it is silent."""
        self.settings = settings or TransferSettings()
        self.features = SpectrumFeatures(2048, 512, 1025, "linear", "log1p", 1.0)
        self.layer = RandomLayer(self.features.bins, self.settings.filters, self.settings.width, self.settings.seed)
        at_rate = self._at_level(style, sample_rate)
        if at_rate is None:
            raise AudioFileError("The style is silent: choose a sound that has something to take.")
        self.style = self._mean_gram(self._spectrum(at_rate))

    def __call__(self, signal: Audio, sample_rate: int, progress: Callable[[float], None] = lambda _: None) -> Audio:
        """signal (samples,) → the same length at the same rate; silence stays silence."""
        content = self._at_level(signal, sample_rate)
        if content is None:
            return np.zeros_like(signal)
        spectrum = self._spectrum(content)
        seconds = signal.size / sample_rate
        frames = spectrum.shape[1]
        made, weight = torch.zeros_like(spectrum), torch.zeros(frames)
        for first, last in self._pieces(frames):
            tell = functools.partial(_share, progress, 0.9 * (last - first) / frames * seconds)
            piece = self.optimise(spectrum[:, first:last], tell)
            fade = _fade(last - first, rising=first > 0, falling=last < frames)
            made[:, first:last] += piece * fade
            weight[first:last] += fade
        magnitude = expand((made / weight).numpy(), self.features)
        found = griffin_lim(magnitude, self.features)
        sound = synthesise(found, self.features, aligned=True, samples=content.size)
        return resample_signal(sound, self.settings.rate, sample_rate, signal.size)

    def optimise(self, content: Tensor, progress: Callable[[float], None] = lambda _: None) -> Tensor:
        """The spectrum (bins, frames) ≥ 0 of least loss near `content`; `progress` hears shares of the work."""
        with torch.no_grad():
            wanted = self.layer(content)
        made = content.clone(memory_format=torch.contiguous_format).requires_grad_(True)
        optimizer = torch.optim.LBFGS(
            [made], max_iter=min(_STEPS_A_CALL, self.settings.iterations), line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            content_term, style_term = self._terms(made, wanted)
            total = content_term + self.settings.style_weight * style_term
            total.backward()
            return total

        calls = -(-self.settings.iterations // _STEPS_A_CALL)
        for _ in range(calls):
            optimizer.step(loss)
            progress(1.0 / calls)
        return made.detach().clamp(min=0.0)

    def losses(self, made: Tensor, content: Tensor) -> Losses:
        """How far a spectrum is from the content's features and from the style's Gram matrix."""
        with torch.no_grad():
            content_term, style_term = self._terms(made, self.layer(content))
        return Losses(float(content_term), float(style_term))

    def _terms(self, made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layer(made)
        content = (features - wanted).square().sum() / wanted.square().sum().clamp(min=1e-12)
        style = (gram(features) - self.style).square().sum() / self.style.square().sum()
        return content, style

    def _mean_gram(self, spectrum: Tensor) -> Tensor:
        """The style's Gram matrix, in pieces: a style may be an hour long."""
        total = torch.zeros(self.settings.filters, self.settings.filters)
        with torch.no_grad():
            for piece in spectrum.split(_FRAMES_AT_ONCE, 1):
                total += gram(self.layer(piece)) * (piece.shape[1] / spectrum.shape[1])
        return total

    def _at_level(self, signal: Audio, sample_rate: int) -> Audio | None:
        """At the working rate and LEVEL; None when it is silent."""
        level = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if signal.size else 0.0
        if level < QUIET:
            return None
        scaled = (signal * np.float32(LEVEL / level)).astype(np.float32)
        length = max(1, round(signal.size * self.settings.rate / sample_rate))
        return resample_signal(scaled, sample_rate, self.settings.rate, length)

    def _spectrum(self, signal: Audio) -> Tensor:
        magnitude = np.abs(analyse(signal, self.features, flush=True)).astype(np.float32)
        return torch.from_numpy(compress(magnitude, self.features))

    def _pieces(self, frames: int) -> list[tuple[int, int]]:
        """First and last frame of every piece; neighbours share _OVERLAP_FRAMES."""
        longest = max(2 * _OVERLAP_FRAMES, round(self.settings.clip_seconds * self.settings.rate / self.features.hop))
        if frames <= longest:
            return [(0, frames)]
        count = -(-(frames - _OVERLAP_FRAMES) // (longest - _OVERLAP_FRAMES))
        starts = [round(k * (frames - _OVERLAP_FRAMES) / count) for k in range(count + 1)]
        return [(start, end + _OVERLAP_FRAMES) for start, end in itertools.pairwise(starts)]


def _share(progress: Callable[[float], None], seconds: float, done: float) -> None:
    progress(seconds * done)


def _fade(frames: int, *, rising: bool, falling: bool) -> Tensor:
    fade = torch.ones(frames)
    ramp = (torch.arange(_OVERLAP_FRAMES) + 1) / (_OVERLAP_FRAMES + 1)
    if rising:
        fade[:_OVERLAP_FRAMES] = ramp
    if falling:
        fade[-_OVERLAP_FRAMES:] = ramp.flip(0)
    return fade
