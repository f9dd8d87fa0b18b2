"""Blend: one model between two instruments, supervised by mixtures of sounds that a first model has paired.

After the assignment on violin and flute (row M11): its recordings are of different pieces, so a CycleGAN first turns
each into the other; of the aligned pairs mixtures are made, and these teach a second model, here a GAN.

    real violin ─ first model ─▶ flute' ┐
    violin' ◀─ first model ─ real flute ┴▶ `retimbre prepare blend` ─▶ pairs (a, b), sample-aligned

    y_w = mix(a, b; w)     one of the sides is x ─▶ U-Net coloured by w (trainer.unet) ─▶ ŷ       L1 + PatchGAN(ŷ, x, w)
          level:      w_a·log a + w_b·log b    one sound in between: each bin's level lies between both
          magnitude:  w_a·a + w_b·b            both heard together

The weights w are drawn anew for every item (both ends, and all between), so that the target weight of the package is
continuous: live, a control moves from one instrument to the other. The discriminator sees the weights as pictures.

Not said by the document and chosen here: the mixture (it says "audio blending techniques"), the U-Net, the GAN's loss.

Streaming: the window wrapper of `trainer.streaming`. Over 300 lines because a system is one file.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.features import SpectrumFeatures, compress, expand, unit_scale
from realtime.manifest import Manifest
from trainer.config import RunConfig, setting
from trainer.discriminators import PatchDiscriminator
from trainer.paired_spectra import (
    SILENCE,
    PairTraining,
    adam_pair,
    conditional_game,
    magnitudes,
    refuse_too_many_patch_layers,
    spread,
)
from trainer.pairs import Pair, PairedIndex, read_slice
from trainer.recipe import Clip, Recipe, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper
from trainer.unet import PairModel, UNet

Audio = npt.NDArray[np.float32]
MixKind = Literal["level", "magnitude"]
CLIP_SECONDS = 6.0
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of the second instrument at which validation listens."""


@dataclass(frozen=True, slots=True)
class BlendData:
    """`[data]`: aligned recordings of both instruments."""

    index: Path = setting(meaning="index.json written by `retimbre prepare blend` (or paired, or aligned)")
    first: str = setting("violin", "the instrument of the first target weight")
    second: str = setting("flute", "the instrument of the second")
    mixture: MixKind = setting("level", "what lies between: levels in dB, or magnitudes (both heard together)")
    ends: float = setting(0.4, "share of items whose weight is wholly one instrument's", minimum=0, maximum=1)
    gain_db: float = setting(6.0, "training slices are made louder or softer by up to this", minimum=0, maximum=24)
    validation_windows: int = setting(16, "most windows of the validation split that are judged", minimum=1)
    clips: int = setting(1, "validation passages that are shown and played", minimum=1, maximum=8)


@dataclass(frozen=True, slots=True)
class BlendConfig:
    """The sections of the run file."""

    data: BlendData
    model: PairModel = field(default_factory=PairModel)
    training: PairTraining = field(default_factory=PairTraining)
    stream: Stream = field(default_factory=Stream)


def mixed(first: Audio, second: Audio, weight: float, features: SpectrumFeatures, kind: MixKind) -> Audio:
    """Compressed magnitudes (bins, frames) of both → of the mixture; weight: the second's, 0 to 1."""
    if kind == "level":
        return ((1.0 - weight) * first + weight * second).astype(np.float32)
    both = (1.0 - weight) * expand(first.copy(), features) + weight * expand(second.copy(), features)
    return compress(both.astype(np.float32), features)


@register("blend")
class Blend(Recipe):
    """A generator whose target weights are continuous, taught by mixtures of paired instruments."""

    Config = BlendConfig
    metric = "blend_mae"
    config: BlendConfig

    def __init__(self, config: BlendConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        refuse_too_many_patch_layers(model)
        self.index = PairedIndex.read(config.data.index, config.data.first, config.data.second)
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.bins, "linear", "log_unit", unit_scale(model.n_fft)
        )
        self.generator = UNet(model, style=2).to(self.device)
        # x, the mixture, and one picture that is as bright as the second instrument's weight.
        self.discriminator = PatchDiscriminator(3, model.discriminator_width, model.patch_layers).to(self.device)
        self._optimizers = adam_pair(self.generator.parameters(), self.discriminator.parameters(), config.training)
        samples = np.array([pair.samples for pair in self.index.train], np.float64)
        self._shares = samples / samples.sum()

    def networks(self) -> dict[str, nn.Module]:
        """The generator and its judge."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer a network, of the same name."""
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x and y (items, 1, bins, frames), target (items, 2): a side of a random pair, and a mixture of both."""
        data, given, wanted, targets = self.config.data, [], [], []
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            pair = self.index.train[random.choice(len(self._shares), p=self._shares)]
            start = int(random.integers(0, max(1, pair.samples - self._length)))
            gain = 10 ** (random.uniform(-1, 1) * data.gain_db / 20)
            sides = self._sides(pair, start, gain)
            weight = float(random.integers(2)) if random.random() < data.ends else float(random.uniform())
            given.append(sides[int(random.integers(2))])
            wanted.append(mixed(*sides, weight, self.features, data.mixture))
            targets.append((1.0 - weight, weight))
        x, y = (torch.from_numpy(np.array(part, np.float32)).unsqueeze(1) for part in (given, wanted))
        return {"x": x, "y": y, "target": torch.tensor(targets, dtype=torch.float32)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """pix2pix's game against the mixture."""
        x, y, target = batch["x"], batch["y"], batch["target"]
        made = self.generator(x, target)
        game = conditional_game(self, lambda side: self._judged(x, side, target), made, y, self.config.training)
        return {"blend_mae": (made.detach() - y).abs().mean(), **game}

    def _judged(self, x: Tensor, y: Tensor, target: Tensor) -> Tensor:
        weight = target[:, 1, None, None, None].expand_as(x)
        logits: Tensor = self.discriminator(torch.cat([x, y, weight], 1))
        return logits

    def validate(self) -> dict[str, float]:
        """blend_mae: mean |G(x, w) − mixture| in log_unit over positions and windows, both sides heard.

        travelled: how far G's output moves from one end to the other, as a part of what the truth moves.
        """
        data, errors, ends = self.config.data, [], []
        for first, second in self._windows:
            for x in (first, second):
                outputs = []
                for position in POSITIONS:
                    truth = torch.from_numpy(mixed(first, second, position, self.features, data.mixture))
                    target = torch.tensor([[1.0 - position, position]], device=self.device)
                    made = self.generator(torch.from_numpy(x)[None, None].to(self.device), target)[0, 0].cpu()
                    errors.append(float((made - truth).abs().mean()))
                    outputs.append(made)
                ends.append((float((outputs[-1] - outputs[0]).abs().mean()), float(np.abs(second - first).mean())))
        moved, asked = np.sum(ends, axis=0)
        return {"blend_mae": float(np.mean(errors)), "travelled": float(moved / max(asked, 1e-9))}

    def clips(self) -> list[Clip]:
        """The first validation passages at both ends and in the middle, as the exported package would play them."""
        data, rate, found = self.config.data, self.index.sample_rate, []
        for pair in self.index.validation[: data.clips]:
            length = min(pair.samples, round(CLIP_SECONDS * rate))
            first, second = (read_slice(path, 0, length) for path in (pair.origin, pair.target))
            for weight, truth in ((1.0, second), (0.5, None), (0.0, first)):
                made = self.play_through(first, weight)
                found.append(Clip(f"{pair.id} {100 * weight:.0f} % {data.second}", rate, first, made, truth))
        return found

    def play_through(self, signal: Audio, weight: float) -> Audio:
        """A whole signal (samples,) with the second instrument's weight, as the exported package would play it."""
        wrapper, target = self._wrapper(), torch.tensor([[1.0 - weight, weight]], device=self.device)

        def network(x: Tensor) -> Tensor:
            return wrapper.whole(x, target)

        return play(signal, self.features, self.config.stream.phase, network, self.device)

    def streaming_module(self) -> nn.Module:
        """The generator in its window."""
        return self._wrapper().cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        return (self._wrapper().initial_state(),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out; two targets, whose weights are the place between them."""
        names = (self.config.data.first, self.config.data.second)
        titles = [name.replace("_", " ") for name in names]
        return spectral_manifest(
            self,
            name="_and_".join(names),
            title=f"{titles[0]} and {titles[1]}".capitalize(),
            description=f"Makes {titles[0]} or {titles[1]} sound like either, or like anything in between.",
            sample_rate=self.index.sample_rate,
            features=self.features,
            licences=self.index.licences,
            lookahead=self.config.stream.lookahead,
            targets=names,
        )

    def card(self) -> str:
        """What it was made of."""
        data, rate = self.config.data, self.index.sample_rate
        minutes = [sum(p.samples for p in split) / rate / 60 for split in (self.index.train, self.index.validation)]
        return "\n".join(
            [
                f"A U-Net coloured by target weights, trained on mixtures ({data.mixture}) of aligned recordings",
                f"of {data.first} and {data.second}, {minutes[0]:.0f} minutes, judged by {minutes[1]:.0f} others.",
                "",
                "## Limits",
                "",
                "One side of each pair was made by a first model, whose faults are learnt too; other instruments than",
                f"these two were never heard; its phase is not learnt ({self.config.stream.phase}).",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> BlendConfig:
        """Four levels on 16 × 16, a PatchGAN of one strided layer."""
        return BlendConfig(
            BlendData(material / "paired" / "index.json", "bell", "horn", validation_windows=1),
            PairModel(512, 256, 16, 16, 2, discriminator_width=2, patch_layers=1),
            PairTraining(),
            Stream(step=2, lookahead=3),
        )

    @property
    def _length(self) -> int:
        """Samples of a window."""
        return (self.config.model.frames - 1) * self.config.model.hop + self.config.model.n_fft

    def _sides(self, pair: Pair, start: int, gain: float = 1.0) -> tuple[Audio, Audio]:
        """Both instruments' windows, (bins, frames) each; frames that would see an artificial onset are left out."""
        first, second = (
            magnitudes(read_slice(path, start, self._length) * np.float32(gain), self.features)
            for path in (pair.origin, pair.target)
        )
        return first[:, -self.config.model.frames :], second[:, -self.config.model.frames :]

    @functools.cached_property
    def _windows(self) -> list[tuple[Audio, Audio]]:
        """Validation windows, one after another without overlap, passages in turn."""
        model = self.config.model
        places = [
            (pair, start)
            for pair in self.index.validation
            for start in range(0, max(1, pair.samples - self._length + 1), model.frames * model.hop)
        ]
        return [self._sides(*place) for place in spread(places, self.config.data.validation_windows)]

    def _wrapper(self) -> WindowWrapper:
        model, stream = self.config.model, self.config.stream
        return WindowWrapper(
            self.generator,
            bins=model.bins,
            window=model.frames,
            step=stream.step,
            lookahead=stream.lookahead,
            silence=SILENCE,
        )
