"""Every representation of sound that the documents train on, with its way back: one table, one class.

    transform(signal)   (batch, samples) → values (batch, 1, bins, frames) scaled for a network, parameters (batch, 2)
    transform.inverse(values, parameters, samples)  → (batch, samples), phases by Griffin-Lim, or given

    stft   linear bins from 0 Hz up       frames of `trainer.features.analyse`, the live ones; an odd n_fft is framed
                                          as librosa does (centred), because a live host takes even ones alone
    mel    bands, m = 2595·log10(1 + f/700); back through the pseudo-inverse, then Griffin-Lim
    cqt    b bins an octave, `trainer.cqt`; back by Griffin-Lim on the constant-Q frames

The scalings are `trainer.scaling`'s. Runs on the device of its argument, differentiable forwards.
docs/representations.md has each round trip's error; tests hold them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, unit_scale
from trainer import features as twin
from trainer.cqt import C1_HZ, CQT
from trainer.griffin_lim import griffin_lim
from trainer.scaling import Scaled, ScalingKind, scale, unscale

TransformKind = Literal["stft", "mel", "cqt"]


@dataclass(frozen=True, slots=True)
class Representation:
    """What a network sees. `n_fft` is 0 for a cqt; `bins_per_octave` and `fmin_hz` are a cqt's alone."""

    kind: TransformKind
    sample_rate: int
    hop: int
    bins: int
    n_fft: int = 0
    scaling: ScalingKind = "decibel"
    unit: bool = True
    """Magnitudes are 1 for a full-scale sine; False: the transform's own, as librosa gives them."""
    bins_per_octave: int = 12
    fmin_hz: float = C1_HZ


PUBLISHED: dict[str, Representation] = {
    # Pix2Pix Timbre Transfer: notes of 16 kHz at 44.1 kHz, so that the upper half is empty and trimmed.
    "pix2pix": Representation("stft", 44100, 512, 256, 1024, "decibel"),
    # Instrumental music translation: 511 samples make 256 frequencies at 25 kHz; librosa's hop, a quarter.
    "translation": Representation("stft", 25000, 127, 256, 511, "decibel"),
    # The same for a live host, whose frames are even: the bin at half the rate is left out.
    "translation_live": Representation("stft", 25000, 128, 256, 512, "decibel"),
    # Thesis on autoencoders: log(|S| + 1) of librosa's magnitudes at 22 kHz.
    "autoencoder": Representation("stft", 22050, 512, 513, 1024, "log1p", unit=False),
    # Dissertation: mel-STFT and constant-Q, log magnitude of each file to [−1, 1].
    "mel": Representation("mel", 22050, 256, 128, 1024, "log_file"),
    "cqt": Representation("cqt", 22050, 256, 84, scaling="log_file"),
    # 120 bins an octave, 84 · 10 of them: its experiment on restoring sound.
    "cqt_fine": Representation("cqt", 22050, 256, 840, scaling="log_file", bins_per_octave=120),
}


class Transform(nn.Module):
    """A representation's way there and back; buffers move with the module."""

    def __init__(self, representation: Representation) -> None:
        """Raises ConfigError for sizes that cannot be."""
        super().__init__()
        self.representation = r = representation
        self.features: SpectrumFeatures | None = None
        self.cqt: CQT | None = None
        self.bands: twin.TorchBands | None = None
        if r.kind == "cqt":
            self.cqt = CQT(r.sample_rate, r.hop, bins=r.bins, bins_per_octave=r.bins_per_octave, fmin_hz=r.fmin_hz)
        elif r.n_fft % 2 == 0:
            self.features = SpectrumFeatures(r.n_fft, r.hop, r.bins, "mel" if r.kind == "mel" else "linear", "none")
            self.bands = twin.TorchBands(self.features, r.sample_rate)
        elif r.kind == "mel" or r.bins > r.n_fft // 2 + 1 or r.n_fft < 3:
            raise ConfigError(
                f"A {r.kind} of {r.bins} bins has n_fft {r.n_fft}, which makes {r.n_fft // 2 + 1}: use a larger one "
                "(for mel bands an even one)."
            )

    def forward(self, signal: Tensor) -> Scaled:
        """Signals (batch, samples) to values (batch, 1, bins, frames) and parameters (batch, 2)."""
        values, parameters = scale(self.magnitude(signal), self.representation.scaling)
        return Scaled(values[:, None], parameters)

    def magnitude(self, signal: Tensor) -> Tensor:
        """Signals (batch, samples) to unscaled magnitudes (batch, bins, frames)."""
        return self.folded(twin.magnitudes(self.frames(signal)))

    def frames(self, signal: Tensor) -> Tensor:
        """Signals (…, samples) to all complex frames (…, full bins, frames), what `signal` takes back."""
        if self.cqt is not None:
            frames: Tensor = self.cqt(signal)
            return frames
        if self.features is not None:
            return twin.analyse(signal, self.features, flush=True)
        r = self.representation
        padded = functional.pad(
            signal, (0, -signal.shape[-1] % r.hop)
        )  # so that the last frame reaches the last sample
        return torch.stft(
            padded, r.n_fft, r.hop, window=self._window(signal), center=True, pad_mode="constant", return_complex=True
        )

    def signal(self, frames: Tensor, samples: int, start: Tensor | None = None) -> Tensor:
        """Complex frames to the signal (…, samples) that has them; a cqt's by least squares, from `start` on."""
        if self.cqt is not None:
            return self.cqt.inverse(frames, samples, start=start, iterations=8 if start is None else 1)
        if self.features is not None:
            return twin.synthesise(frames, self.features, aligned=True, samples=samples)
        r = self.representation
        length = samples + -samples % r.hop
        found = torch.istft(frames, r.n_fft, r.hop, window=self._window(frames.real), center=True, length=length)
        return found[..., :samples]

    def folded(self, magnitude: Tensor) -> Tensor:
        """Magnitudes of all frames' bins to the representation's: bands, trimmed bins, unit size."""
        r = self.representation
        if self.cqt is not None:
            return magnitude * self.cqt.unit if r.unit else magnitude
        kept = magnitude[..., : r.bins, :] if self.bands is None else self.bands.fold(magnitude)
        return kept * unit_scale(r.n_fft) if r.unit else kept

    def unfolded(self, magnitude: Tensor) -> Tensor:
        """The inverse of `folded`; trimmed bins come back silent, bands through the pseudo-inverse."""
        r = self.representation
        if self.cqt is not None:
            return magnitude / self.cqt.unit if r.unit else magnitude
        kept = magnitude / unit_scale(r.n_fft) if r.unit else magnitude
        if self.bands is None:
            return functional.pad(kept, (0, 0, 0, r.n_fft // 2 + 1 - r.bins))
        return self.bands.unfold(kept)

    def inverse(
        self,
        values: Tensor,
        parameters: Tensor,
        samples: int,
        *,
        iterations: int = 100,
        phase: Tensor | None = None,
        seed: int = 1,
    ) -> Tensor:
        """Values (batch, 1, bins, frames) to signals (batch, samples) by Griffin-Lim; no gradient.

        `phase`: complex frames as `frames` gives them (of the input, say) whose phases are taken instead.
        """
        with torch.no_grad():
            wanted = self.unfolded(unscale(values[:, 0], parameters, self.representation.scaling))
            if phase is not None:
                return self.signal(wanted * phase / phase.abs().clamp(min=1e-20), samples)
            near: Tensor | None = None

            def project(frames: Tensor) -> Tensor:
                nonlocal near
                near = self.signal(frames, samples, near)
                return self.frames(near)

            return self.signal(griffin_lim(wanted, project, iterations, seed=seed), samples, near)

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.representation.n_fft, device=like.device, dtype=like.dtype)
