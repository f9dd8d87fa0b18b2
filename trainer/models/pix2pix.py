"""pix2pix: from the magnitude spectrogram of one instrument to another's, learnt from aligned pairs. Polyphonic.

Paper: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017; for
timbre: "Pix2Pix Timbre Transfer" (256 × 256 magnitudes, n_fft 1024, hop 512, 44.1 kHz, the input's phase).

Two systems share this generator: `pix2pix` (against a PatchGAN that sees input and output, plus λ·L1) and
`generator_only` (L1 or L2 alone).

The generator is `trainer.unet`, whose docstring has its picture and says what was changed against the paper.

Streaming: the window wrapper of `trainer.streaming`; the network hears the last `frames` frames at every call.
Over 300 lines because two systems share all but the algorithm.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.features import SpectrumFeatures, unit_scale
from realtime.manifest import Manifest
from trainer import losses
from trainer.config import RunConfig, setting
from trainer.discriminators import PatchDiscriminator
from trainer.paired_spectra import (
    SILENCE,
    GeneratorTraining,
    PairTraining,
    adam_pair,
    conditional_game,
    magnitudes,
    refuse_too_many_patch_layers,
    spread,
)
from trainer.pairs import PairedIndex, read_slice
from trainer.recipe import Clip, Recipe, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper
from trainer.unet import GeneratorModel, PairModel, UNet

CLIP_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class PairedData:
    """`[data]`: aligned recordings of two instruments."""

    index: Path = setting(meaning="index.json written by `retimbre prepare paired`")
    origin: str = setting("keyboard", "the instrument that is heard")
    target: str = setting("guitar", "the instrument that is learnt")
    gain_db: float = setting(0.0, "training slices are made louder or softer by up to this", minimum=0, maximum=24)
    validation_windows: int = setting(64, "most windows of the validation split that are judged", minimum=1)
    clips: int = setting(2, "validation passages that are shown and played", minimum=1, maximum=8)


@dataclass(frozen=True, slots=True)
class GeneratorOnlyConfig:
    """The sections of a generator_only run file."""

    data: PairedData
    model: GeneratorModel = field(default_factory=GeneratorModel)
    training: GeneratorTraining = field(default_factory=GeneratorTraining)
    stream: Stream = field(default_factory=Stream)


@dataclass(frozen=True, slots=True)
class Pix2PixConfig:
    """The sections of a pix2pix run file."""

    data: PairedData
    model: PairModel = field(default_factory=PairModel)
    training: PairTraining = field(default_factory=PairTraining)
    stream: Stream = field(default_factory=Stream)


class _PairedRecipe(Recipe):
    """What both systems do alike: everything but the algorithm."""

    metric = "generator_mae"
    config: Any

    def __init__(self, config: Any, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        self.index = PairedIndex.read(config.data.index, config.data.origin, config.data.target)
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.bins, "linear", "log_unit", unit_scale(model.n_fft)
        )
        self.generator = UNet(model).to(self.device)
        rate, betas = config.training.learning_rate, (config.training.beta1, 0.999)
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(self.generator.parameters(), rate, betas)
        }
        seconds = np.array([pair.samples for pair in self.index.train], np.float64)
        self._shares = seconds / seconds.sum()

    def networks(self) -> dict[str, nn.Module]:
        """The generator."""
        return {"generator": self.generator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer a network, of the same name."""
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x and y, (items, 1, bins, frames): the same random slice of a random pair, long pairs more often."""
        model, made = self.config.model, []
        length = (model.frames - 1) * model.hop + model.n_fft
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            pair = self.index.train[random.choice(len(self._shares), p=self._shares)]
            start = int(random.integers(0, max(1, pair.samples - length)))
            gain = 10 ** (random.uniform(-1, 1) * self.config.data.gain_db / 20)
            sides = [read_slice(path, start, length) * np.float32(gain) for path in (pair.origin, pair.target)]
            # The frames whose every sample lies in the slice; those before would see an artificial onset.
            made.append([self.magnitudes(side)[:, -model.frames :] for side in sides])
        x, y = torch.from_numpy(np.array(made, np.float32)).unsqueeze(2).unbind(1)
        return {"x": x, "y": y}

    def validate(self) -> dict[str, float]:
        """generator_mae: mean |G(x) − y| in log_unit over windows of the validation split."""
        total = 0.0
        for x, y in self._windows:
            made = self.generator(x.to(self.device))
            total += float((made - y.to(self.device)).abs().mean((1, 2, 3)).sum())
        return {"generator_mae": total / sum(len(x) for x, _ in self._windows)}

    def clips(self) -> list[Clip]:
        """The first seconds of the first validation passages, as the exported package would play them."""
        rate = self.index.sample_rate
        clips = []
        for pair in self.index.validation[: self.config.data.clips]:
            length = min(pair.samples, round(CLIP_SECONDS * rate))
            x, y = (read_slice(path, 0, length) for path in (pair.origin, pair.target))
            clips.append(Clip(pair.id, rate, x, self.play_through(x), y))
        return clips

    def play_through(self, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """A whole signal (samples,) → the same length, aligned, as the exported package would play it."""
        return play(signal, self.features, self.config.stream.phase, self._wrapper().offline, self.device)

    def magnitudes(self, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(samples,) → log_unit magnitudes (bins, frames), causal frames."""
        return magnitudes(signal, self.features)

    def streaming_module(self) -> nn.Module:
        """The generator in its window."""
        return self._wrapper().cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        return (self._wrapper().initial_state(),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out."""
        data = self.config.data
        return spectral_manifest(
            self,
            name=f"{data.origin}_to_{data.target}",
            title=f"{data.origin} to {data.target}".replace("_", " ").capitalize(),
            description=f"Turns the sound of {data.origin} into {data.target}, chords too; learnt from aligned pairs.",
            sample_rate=self.index.sample_rate,
            features=self.features,
            licences=self.index.licences,
            lookahead=self.config.stream.lookahead,
        )

    def card(self) -> str:
        """What it was made of."""
        data, model, rate = self.config.data, self.config.model, self.index.sample_rate
        minutes = [sum(p.samples for p in split) / rate / 60 for split in (self.index.train, self.index.validation)]
        return "\n".join(
            [
                f"A U-Net on {model.bins} × {model.frames} magnitudes (Isola et al. 2017), trained on aligned",
                f"recordings of {data.origin} and {data.target}: {minutes[0]:.0f} minutes to learn from,",
                f"{minutes[1]:.0f} minutes to judge by.",
                "",
                "## Limits",
                "",
                f"It turns {data.origin} into {data.target} and nothing else well; its phase is not learnt",
                f"({self.config.stream.phase}), which smears attacks; content above the kept bins is lost.",
            ]
        )

    @functools.cached_property
    def _windows(self) -> list[tuple[Tensor, Tensor]]:
        """Validation windows in batches, one after another without overlap, passages in turn."""
        model, limit = self.config.model, self.config.data.validation_windows
        length = (model.frames - 1) * model.hop + model.n_fft
        starts = [
            (start, pair)
            for pair in self.index.validation
            for start in range(0, max(1, pair.samples - length + 1), model.frames * model.hop)
        ]
        made = [
            [
                self.magnitudes(read_slice(path, start, length))[:, -model.frames :]
                for path in (pair.origin, pair.target)
            ]
            for start, pair in spread(starts, limit)
        ]
        x, y = torch.from_numpy(np.array(made, np.float32)).unsqueeze(2).unbind(1)
        return list(zip(x.split(8), y.split(8), strict=True))

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


@register("generator_only")
class GeneratorOnly(_PairedRecipe):
    """The generator against the truth alone."""

    Config = GeneratorOnlyConfig

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """min over G of |G(x) − y|."""
        made = self.generator(batch["x"])
        loss = losses.distance(made, batch["y"], self.config.training.distance)
        self.descend("generator", loss)
        return {"generator_mae": (made.detach() - batch["y"]).abs().mean(), "generator_loss": loss}

    @classmethod
    def tiny(cls, material: Path) -> GeneratorOnlyConfig:
        """A U-Net of four levels on 16 × 16."""
        return GeneratorOnlyConfig(
            PairedData(material / "paired" / "index.json", *_two_instruments(material), validation_windows=2, clips=1),
            GeneratorModel(n_fft=512, hop=256, bins=16, frames=16, width=2),
            GeneratorTraining(),
            Stream(step=2, lookahead=3),
        )


@register("pix2pix")
class Pix2Pix(_PairedRecipe):
    """The generator against the truth and a discriminator that sees input and output together."""

    Config = Pix2PixConfig

    def __init__(self, config: Pix2PixConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        refuse_too_many_patch_layers(config.model)
        judge = PatchDiscriminator(2, config.model.discriminator_width, config.model.patch_layers)
        self.discriminator = judge.to(self.device)
        self._optimizers = adam_pair(self.generator.parameters(), self.discriminator.parameters(), config.training)

    def networks(self) -> dict[str, nn.Module]:
        """The generator and its judge."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The conditional game: D sees input and output together."""
        x, y = batch["x"], batch["y"]
        made = self.generator(x)

        def judged(side: Tensor) -> Tensor:
            logits: Tensor = self.discriminator(torch.cat([x, side], 1))
            return logits

        game = conditional_game(self, judged, made, y, self.config.training)
        return {"generator_mae": (made.detach() - y).abs().mean(), **game}

    @classmethod
    def tiny(cls, material: Path) -> Pix2PixConfig:
        """Four levels, a PatchGAN of one strided layer."""
        small = GeneratorOnly.tiny(material)
        return Pix2PixConfig(
            small.data,
            PairModel(512, 256, 16, 8, 2, discriminator_width=2, patch_layers=1),
            PairTraining(),
            small.stream,
        )


def _two_instruments(material: Path) -> tuple[str, str]:
    import json

    pairs = json.loads((material / "paired" / "index.json").read_text(encoding="utf-8"))["pairs"]
    origin, target = sorted(pairs[0]["files"])[:2]
    return origin, target
