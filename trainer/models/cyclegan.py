"""CycleGAN: one instrument's sound into another's, learnt from recordings that have nothing to do with each other.

Papers: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV
2017; on sound "Instrumental Music Translation" (STFT of 256 bins at 25 kHz, strided autoencoder, 70 × 70 patches), the
dissertation on audio style transfer (mel and CQT, ResNet, shallow and timbral discriminators) and Huang et al.,
"TimbreTron", ICLR 2019 (gradient penalty, diminishing identity).

    spectrum of a ──pictures──▶ (1, bins, frames) ──G_ab──▶ picture of b ──▶ spectrum, with a's phase or a built one

The algorithm and its judging are `trainer.cycle_game`'s, which TimbreTron plays too; the recordings are
`trainer.two_domains`'. Changed: normalisation is per frame (`trainer.resnet`), for instance normalisation over time
breaks the streaming law. The STFT has n_fft 512 and drops the Nyquist bin, where the document has 511: 256 bins either
way.

Best weights: T4 alone is lowest for networks that change nothing, so the metric adds the part of the way to the
target's spectral statistics that is still to go. Failures are found by `trainer.cycle_checks`.

A package hears one domain, so it holds one direction: `stream.target` says which domain it makes.
Streaming: the window wrapper; the exported window may be shorter than the training picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from realtime.manifest import Manifest
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.cycle_game import CycleGame, GameNetworks, GameTraining
from trainer.pictures import PictureModel, Pictures
from trainer.recipe import Clip, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.two_domains import SIDES, Side, TwoDomains, UnpairedData

CLIP_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class CycleModel(PictureModel, GameNetworks):
    """`[model]`: picture, generators and discriminators."""


@dataclass(frozen=True, slots=True)
class CycleStream(Stream):
    """`[stream]`: how the exported package is called."""

    target: Side = setting("b", "the domain that it makes out of the other; a package holds one direction")
    window: int = setting(0, "frames that it hears at every call; 0: model.frames", minimum=0)
    step: int = setting(16, "frames a call", minimum=1)
    lookahead: int = setting(16, "frames of future that are heard before a frame is given", minimum=0)


@dataclass(frozen=True, slots=True)
class CycleConfig:
    """The sections of the run file."""

    data: UnpairedData
    model: CycleModel = field(default_factory=CycleModel)
    training: GameTraining = field(default_factory=GameTraining)
    augment: Augmentation = field(default_factory=Augmentation)
    stream: CycleStream = field(default_factory=CycleStream)


@register("cyclegan")
class CycleGAN(CycleGame):
    """Two generators that undo each other, each against a discriminator of the domain that it makes; no pairs."""

    Config = CycleConfig
    config: CycleConfig
    pictures: Pictures

    def __init__(self, config: CycleConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        self.pictures = Pictures(model)
        self.domains = TwoDomains(
            config.data, model.sample_rate, self.pictures.samples, seed=run.seed, augmentation=config.augment
        )
        window = config.stream.window or model.frames
        self.begin(model, model.bins, model.frames, window=window, window_setting="stream.window")

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The game on pictures of both domains."""
        return self.play_game({side: self.pictures.of(batch[side]) for side in SIDES}, step)

    def clips(self) -> list[Clip]:
        """The first seconds of validation recordings, in the exported direction and once the other way."""
        rate = self.config.model.sample_rate
        exported = self.config.stream.target
        other: Side = "a" if exported == "b" else "b"
        clips = []
        for side, count in ((exported, self.config.data.clips), (other, 1)):
            origin = self.domains.names(side)[0]
            module = self._streaming(side)
            for name, sound in self.domains.shown(origin, count, CLIP_SECONDS):
                made = self.pictures.play(sound, module, self.config.stream.phase)
                clips.append(Clip(f"{origin}-{name}", rate, sound, made))
        return clips

    # -- shipping ------------------------------------------------------------------------------------------------
    def streaming_module(self) -> nn.Module:
        """The generator of `stream.target` in its window."""
        return self._streaming(self.config.stream.target).cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        return (cast("Any", self._streaming(self.config.stream.target)).initial_state(),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out."""
        origin, target = self.domains.names(self.config.stream.target)
        return spectral_manifest(
            self,
            name=f"{origin}_to_{target}",
            title=f"{origin} to {target}".replace("_", " ").capitalize(),
            description=f"Turns the sound of {origin} into {target}, chords too; learnt from recordings without pairs.",
            sample_rate=self.config.model.sample_rate,
            features=self.pictures.features,
            licences=self.domains.licences(),
            lookahead=self.config.stream.lookahead,
        )

    def card(self) -> str:
        """What it was made of."""
        model, training = self.config.model, self.config.training
        origin, target = self.domains.names(self.config.stream.target)
        minutes = self.domains.minutes()
        return (
            f"A CycleGAN (Zhu et al. 2017) on {model.representation.upper()} pictures of {model.bins} ×\n"
            f"{model.frames}: {model.downs} strided layers and {model.blocks} residual blocks, {model.discriminator}\n"
            f"discriminators, {training.game}. It learnt from {minutes[origin]:.1f} minutes of {origin} and\n"
            f"{minutes[target]:.1f} of {target}, recordings that have nothing to do with each other.\n"
            "\n## Limits\n\n"
            f"It turns {origin} into {target} and nothing else well; its phase is not learnt\n"
            f"({self.config.stream.phase}), which smears attacks; nothing lies above {model.sample_rate / 2:.0f} Hz."
        )

    @classmethod
    def tiny(cls, material: Path) -> CycleConfig:
        """Two strided layers, one block, a timbral discriminator on 32 × 16."""
        index, pairs = (material / kind / "index.json" for kind in ("recordings", "paired"))
        rows = json.loads(index.read_text(encoding="utf-8"))["recordings"]
        told = json.loads(pairs.read_text(encoding="utf-8"))["pairs"]
        domains = sorted({row["domain"] for row in rows} & set(told[0]["files"]))
        return CycleConfig(
            UnpairedData(index, domains[0], domains[1], windows=2, clips=1, pairs=pairs),
            CycleModel(
                sample_rate=16000,
                n_fft=256,
                hop=128,
                bins=32,
                frames=16,
                width=4,
                downs=2,
                blocks=1,
                output="change",  # sounds at once: a direct one begins near silence
                discriminator="timbral",
                discriminator_width=2,
            ),
            GameTraining(identity_steps=2, replay=3),
            Augmentation(gain_db=3.0),
            CycleStream(window=8, step=2, lookahead=3),
        )

    def _streaming(self, side: Side) -> nn.Module:
        stream = self.config.stream
        window = stream.window or self.config.model.frames
        return self.pictures.streaming(
            self.generators[side], window=window, step=stream.step, lookahead=stream.lookahead
        )
