"""Two networks that learn phase: one of magnitude and phase together, and a second one beside pix2pix for phase alone.

Both are ways that "Pix2Pix Timbre Transfer" names and leaves; `retimbre phase` compares them with the others.

    magnitude_and_phase   (|X|, ∠X/π) ──U-Net──▶ (|Y|, ∠Y/π)                              two channels in, two out
    phase_network         (|X|, |Y|, cos ∠X, sin ∠X, cos δX, sin δX) ──U-Net──▶ rotation      ∠Y = ∠X + rotation
                          |Y| from pix2pix, in training the truth;  δX: a frame's advance of phase beyond the bin's own

    loss = p·Σ |Y|·(1 − cos(∠Ŷ − ∠Y)) / Σ |Y|  +  c·‖|STFT(iSTFT(Ŷ))| − |Ŷ|‖ / ‖Ŷ‖   (+ m·|Δ log|Y||, two channels)

Changed: a small U-Net of three levels instead of pix2pix's, no discriminator; both begin as the input's own phase (the
last layer is zero and its output a change), so that learning can only gain on reusing it; phases are compared on the
circle, weighted by magnitude; the second term asks for frames that one signal has, which absolute phase alone does not
(Le Roux, Kameoka, Ono, Sagayama, DAFx 2010). They look into the future and carry phase, which a package does not: they
make files for the comparison and no package.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, unit_scale
from trainer import features as twin
from trainer.config import RunConfig, setting
from trainer.pairs import PairedIndex, read_slice
from trainer.recipe import UnplayableRecipe, register

_NO_PACKAGE = "A phase network makes files for a comparison and no package: run `retimbre phase` on it."


@dataclass(frozen=True, slots=True)
class PhaseData:
    """`[data]`: aligned recordings of two instruments."""

    index: Path = setting(meaning="index.json written by `retimbre prepare paired`")
    origin: str = setting("keyboard", "the instrument that is heard")
    target: str = setting("guitar", "the instrument whose phase is learnt")
    validation_windows: int = setting(16, "most windows of the validation split that are judged", minimum=1)


@dataclass(frozen=True, slots=True)
class PhaseModel:
    """`[model]`: frames and U-Net."""

    n_fft: int = setting(1024, "samples of a spectrogram frame", minimum=16)
    hop: int = setting(256, "samples between frames", minimum=4)
    bins: int = setting(256, "bins whose phase is learnt, a multiple of 4; those above keep the input's", minimum=4)
    frames: int = setting(64, "frames of a training window, a multiple of 4", minimum=8)
    width: int = setting(12, "channels of the first layer", minimum=1)


@dataclass(frozen=True, slots=True)
class PhaseTraining:
    """`[training]`."""

    learning_rate: float = setting(2e-3, "Adam's", minimum=0)
    phase_weight: float = setting(0.1, "p: of the phase itself, which hardly follows from magnitudes", minimum=0)
    consistency_weight: float = setting(1.0, "c: of the frames' agreement with each other", minimum=0)
    magnitude_weight: float = setting(10.0, "m: of the magnitude's distance (two channels)", minimum=0)


@dataclass(frozen=True, slots=True)
class PhaseConfig:
    """The sections of the run file."""

    data: PhaseData
    model: PhaseModel = field(default_factory=PhaseModel)
    training: PhaseTraining = field(default_factory=PhaseTraining)


class SmallUNet(nn.Module):
    """(batch, inputs, bins, frames) → (batch, 2, bins, frames), 0 everywhere before training."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        sizes = (width, 2 * width, 4 * width)
        self.first = nn.Conv2d(inputs, width, (5, 3), padding=(2, 1))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(sizes))
        self.middle = nn.ModuleList(nn.Conv2d(sizes[-1], sizes[-1], 3, padding=d, dilation=d) for d in (1, 2))
        self.up = nn.ModuleList([nn.ConvTranspose2d(sizes[2], sizes[1], 4, 2, 1)])
        self.up.append(nn.ConvTranspose2d(2 * sizes[1], sizes[0], 4, 2, 1))
        self.last = nn.Conv2d(2 * width, 2, (5, 3), padding=(2, 1))
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Bins and frames are multiples of 4."""
        seen = [functional.leaky_relu(self.first(x), 0.2)]
        for layer in self.down:
            seen.append(functional.leaky_relu(layer(seen[-1]), 0.2))
        inner = seen.pop()
        for layer in self.middle:
            inner = inner + functional.leaky_relu(layer(inner), 0.2)
        for layer in self.up:
            inner = torch.cat([functional.leaky_relu(layer(inner), 0.2), seen.pop()], 1)
        change: Tensor = self.last(inner)
        return change


class _PhaseRecipe(UnplayableRecipe):
    """What both ways do alike: data, loss and judging."""

    metric = "loss"
    no_package = _NO_PACKAGE
    Config = PhaseConfig
    inputs: int
    makes_magnitude: bool
    config: PhaseConfig

    def __init__(self, config: PhaseConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.n_fft // 2 + 1, "linear", "log_unit", unit_scale(model.n_fft)
        )
        if model.bins % 4 or model.frames % 4 or model.bins > self.features.full_bins:
            raise ConfigError(
                f"model.bins is {model.bins} and model.frames {model.frames}, expected multiples of 4, at most "
                f"{self.features.full_bins} bins"
            )
        self.index = PairedIndex.read(config.data.index, config.data.origin, config.data.target)
        self.network = SmallUNet(self.inputs, model.width).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.training.learning_rate)
        self._length = (model.frames - 1) * model.hop + model.n_fft

    def estimate(self, heard: Tensor, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        """The input's frames, complex, and the target's magnitudes, both (batch, full bins, frames): its phase as unit
        complex numbers of that shape, and the magnitude that the network would take, its own or the one given.
        """  # noqa: D205
        count = -heard.shape[-1] % 4
        bins = self.config.model.bins
        x, wanted = (functional.pad(t[:, :bins], (0, count)) for t in (heard, magnitude))
        phase, own = self._changed(x, _unit(x), wanted)
        kept = heard.shape[-1]
        return (
            torch.cat([phase[..., :kept], _unit(heard[:, bins:])], 1),
            torch.cat([own[..., :kept], magnitude[:, bins:]], 1),
        )

    def _changed(self, x: Tensor, direction: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, their phase and the target's magnitudes to the target's phase and magnitude."""
        raise NotImplementedError

    def _compressed(self, magnitude: Tensor) -> Tensor:
        return twin.compress(magnitude, self.features)

    def networks(self) -> dict[str, nn.Module]:
        """One network."""
        return {"phase": self.network}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer."""
        return {"phase": self.optimizer}

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x and y, (items, samples): the same random slice of a random pair."""
        made = []
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            pair = self.index.train[int(random.integers(len(self.index.train)))]
            start = int(random.integers(0, max(1, pair.samples - self._length)))
            made.append([read_slice(path, start, self._length) for path in (pair.origin, pair.target)])
        x, y = torch.from_numpy(np.array(made)).unbind(1)
        return {"x": x, "y": y}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The formula in the module's docstring."""
        losses = self._losses(batch["x"], batch["y"])
        self.descend("phase", losses["loss"])
        return losses

    def _losses(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        frames = self.config.model.frames
        heard, truth = (twin.analyse(signal, self.features)[..., -frames:] for signal in (x, y))
        size = twin.magnitudes(truth)
        phase, own = self.estimate(heard, size)
        off = 1.0 - (phase * (truth / size).conj()).real
        # Of each item, then the mean: so that a batch shared by processes is the whole batch.
        losses = {"phase_error": ((size * off).sum((1, 2)) / size.sum((1, 2)).clamp(min=1e-6)).mean()}
        losses["inconsistency"] = self._inconsistency(phase * own, own)
        training = self.config.training
        total = training.phase_weight * losses["phase_error"] + training.consistency_weight * losses["inconsistency"]
        if self.makes_magnitude:
            losses["magnitude_error"] = (self._compressed(own) - self._compressed(size)).abs().mean()
            total = total + training.magnitude_weight * losses["magnitude_error"]
        return {"loss": total, **losses}

    def _inconsistency(self, frames: Tensor, size: Tensor) -> Tensor:
        """How far the frames' sound has other magnitudes than they, where all that overlap are in the window."""
        ratio = self.features.n_fft // self.features.hop
        again = twin.analyse(twin.synthesise(frames, self.features), self.features)
        last = frames.shape[-1] - ratio + 1
        seen = twin.magnitudes(again[..., 2 * (ratio - 1) : ratio - 1 + last])
        given = size[..., ratio - 1 : last]
        off, whole = ((seen - given).square().sum((1, 2)), given.square().sum((1, 2)))
        return ((off + 1e-12).sqrt() / whole.sqrt().clamp(min=1e-3)).mean()

    def validate(self) -> dict[str, float]:
        """The losses on windows of the validation split; of phase_error 0 is right and 1 chance."""
        found: dict[str, float] = {}
        for x, y in self._windows:
            for name, value in self._losses(x.to(self.device), y.to(self.device)).items():
                found[name] = found.get(name, 0.0) + float(value) / len(self._windows)
        return found

    @functools.cached_property
    def _windows(self) -> list[tuple[Tensor, Tensor]]:
        starts = [
            (pair, start) for pair in self.index.validation
            for start in range(0, max(1, pair.samples - self._length), self._length)
        ]  # fmt: skip
        limit = min(len(starts), self.config.data.validation_windows)
        chosen = [starts[round(k)] for k in np.linspace(0, len(starts) - 1, limit)]
        read = [[read_slice(p, start, self._length) for p in (pair.origin, pair.target)] for pair, start in chosen]
        x, y = torch.from_numpy(np.array(read)).unbind(1)
        return list(zip(x.split(4), y.split(4), strict=True))

    def card(self) -> str:
        """What it is."""
        return f"# {self.name}\n\nPhase of {self.config.data.target} from {self.config.data.origin}.\n"

    @classmethod
    def tiny(cls, material: Path) -> Any:
        """16 bins, one channel."""
        from json import loads

        index = material / "paired" / "index.json"
        origin, target = sorted(loads(index.read_text(encoding="utf-8"))["pairs"][0]["files"])[:2]
        return PhaseConfig(
            PhaseData(index, origin, target, validation_windows=2), PhaseModel(256, 64, 16, 16, 1), PhaseTraining()
        )


@register("magnitude_and_phase")
class MagnitudeAndPhase(_PhaseRecipe):
    """Magnitude and phase as two channels of one network; files only, for comparison."""

    inputs = 2
    makes_magnitude = True

    def _changed(self, x: Tensor, direction: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        picture = self._compressed(twin.magnitudes(x))
        change = self.network(torch.stack([picture, direction.angle() / math.pi], 1)).float()
        turned = direction * torch.polar(torch.ones_like(picture), math.pi * change[:, 1])
        return turned, twin.expand((picture + change[:, 0]).clamp(-1.0, 1.5), self.features)


@register("phase_network")
class PhaseNetwork(_PhaseRecipe):
    """A second network for phase, given both magnitudes; files only, for comparison."""

    inputs = 6
    makes_magnitude = False

    def _changed(self, x: Tensor, direction: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        n_fft, hop = self.features.n_fft, self.features.hop
        bins = torch.arange(x.shape[1], device=x.device)
        advance = torch.polar(torch.ones(len(bins), device=x.device), 2 * math.pi * (bins * hop % n_fft) / n_fft)
        before = functional.pad(direction[..., :-1], (1, 0), value=1.0)
        over = direction * (before * advance[:, None]).conj()
        pictures = [self._compressed(twin.magnitudes(x)), self._compressed(wanted)]
        seen = torch.stack([*pictures, direction.real, direction.imag, over.real, over.imag], 1)
        change = self.network(seen).float()
        rotation = torch.complex(1.0 + change[:, 0], change[:, 1])
        return direction * rotation / twin.magnitudes(rotation, 1e-4), wanted


def _unit(frames: Tensor) -> Tensor:
    """Phases as unit complex numbers; 1 where there is silence."""
    size = frames.abs()
    return torch.where(size > 1e-9, frames / size.clamp(min=1e-9), torch.ones_like(frames))
