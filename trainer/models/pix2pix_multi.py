"""pix2pix with many targets: a second input, a sample of the target's sound, says what the first is to become.

Source: "Pix2Pix Timbre Transfer", conditioned (multitarget) training: one origin, any target, magnitudes 256 × 256.

    style sample (1, bins, frames) ─▶ four strided convolutions ─▶ mean over frames ─▶ code (style,)
                                                                   scale and shift of ──┤
    x (1, bins, frames) ─▶ U-Net of trainer.unet                   every rising layer ◀─┘ ─▶ y (1, bins, frames)

In training the style sample is other music by the target, drawn anew for every item, so that the code can hold how the
target sounds but not what it plays. At export each target's code is the mean over many samples, and frozen: the package
carries one row a target, and the player's target weights blend the rows. The discriminator sees input, output and the
style's mean spectrum, so that "real" means "real for this target".

Changed against the document: it feeds the style's whole picture to the U-Net at every use; a code is what lets a live
player blend, costs nothing while playing, and cannot leak the sample's notes. One silence: the document has no loss for
the style; it has none here, and is learnt through the generator's.

Streaming: the window wrapper of `trainer.streaming`, as pix2pix. Over 300 lines because a system is one file.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, unit_scale
from realtime.manifest import Manifest
from trainer.config import RunConfig, setting
from trainer.discriminators import PatchDiscriminator
from trainer.distributed import BatchNorm2d
from trainer.paired_spectra import (
    SILENCE,
    PairTraining,
    adam_pair,
    conditional_game,
    magnitudes,
    refuse_too_many_patch_layers,
    spread,
)
from trainer.pairs import read_slice
from trainer.passages import Draw, Passages
from trainer.recipe import Clip, Recipe, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper
from trainer.unet import PairModel, UNet

CLIP_SECONDS = 6.0
_STYLES = 2**32 - 1  # in the place of a step: the seeds of the frozen codes' samples, drawn at no step


@dataclass(frozen=True, slots=True)
class MultiData:
    """`[data]`: aligned recordings of one origin and several targets."""

    index: Path = setting(meaning="index.json written by `retimbre prepare paired`")
    targets: tuple[str, ...] = setting(meaning="the instruments that are learnt, in the order of the target weights")
    more: tuple[Path, ...] = setting((), "further indexes; an instrument of the same name is the same target")
    origin: str = setting("keyboard", "the instrument that is heard")
    gain_db: float = setting(0.0, "training slices are made louder or softer by up to this", minimum=0, maximum=24)
    style_samples: int = setting(32, "samples of a target whose mean is its code as exported", minimum=1)
    validation_windows: int = setting(64, "most windows of each target that are judged", minimum=1)
    clips: int = setting(1, "validation passages that are shown and played for each target", minimum=1, maximum=8)


@dataclass(frozen=True, slots=True)
class MultiModel(PairModel):
    """`[model]`: pix2pix's and the style encoder."""

    style: int = setting(64, "numbers in a style's code", minimum=1)
    style_width: int = setting(16, "channels of the style encoder's first layer", minimum=1)


@dataclass(frozen=True, slots=True)
class MultiConfig:
    """The sections of a pix2pix_multi run file."""

    data: MultiData
    model: MultiModel = field(default_factory=MultiModel)
    training: PairTraining = field(default_factory=PairTraining)
    stream: Stream = field(default_factory=Stream)


class StyleEncoder(nn.Module):
    """Pictures (batch, 1, bins, frames) in log_unit → codes (batch, style), each number of mean 0 and variance 1."""

    def __init__(self, bins: int, width: int, style: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 1
        for level in range(4):
            outside = width * min(2**level, 4)
            layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), BatchNorm2d(outside), nn.LeakyReLU(0.2)]
            inside = outside
        self.layers = nn.Sequential(*layers)
        self.code = nn.Linear(inside * -(-bins // 16), style)
        # Pictures of music are alike in most; without taking away what they share, all codes begin and stay the same.
        self.level = BatchNorm2d(style, affine=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """The frequencies stay apart, time is averaged: how it sounds, not when."""
        code: Tensor = self.level(self.code(self.layers(pictures).mean(3).flatten(1))[:, :, None, None])
        return code[:, :, 0, 0]


class StyledWindow(nn.Module):
    """A streamable module (x, target, state) → (y, next_state): weights of the frozen codes colour the generator."""

    codes: Tensor

    def __init__(self, generator: UNet, codes: Tensor, model: MultiModel, stream: Stream) -> None:
        super().__init__()
        self.register_buffer("codes", codes)
        self.styled = _Styled(generator)
        self.window = WindowWrapper(
            self.styled,
            bins=model.bins,
            window=model.frames,
            step=stream.step,
            lookahead=stream.lookahead,
            silence=SILENCE,
        )

    def forward(self, x: Tensor, target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (1, 1, bins, n·step), target (1, targets) weights, and the frames before."""
        self.styled.code = target @ self.codes
        y, after = self.window(x, state)
        return y, after

    def offline(self, x: Tensor, target: Tensor) -> Tensor:
        """A whole clip, frame t belonging to frame t."""
        self.styled.code = target @ self.codes
        return self.window.offline(x)


class _Styled(nn.Module):
    """The generator as a network of pictures alone, which is what a window wrapper runs."""

    def __init__(self, generator: UNet) -> None:
        super().__init__()
        self.generator = generator
        self.code: Tensor | None = None

    def forward(self, pictures: Tensor) -> Tensor:
        made: Tensor = self.generator(pictures, self.code)
        return made


@register("pix2pix_multi")
class Pix2PixMulti(Recipe):
    """One instrument into any of several, told by a sample of each: blends of them while playing."""

    Config = MultiConfig
    metric = "generator_mae"
    config: MultiConfig

    def __init__(self, config: MultiConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        data, model = config.data, config.model
        if data.origin in data.targets or len(set(data.targets)) != len(data.targets) or not data.targets:
            raise ConfigError(
                f"data.targets is {', '.join(data.targets) or 'empty'} for the origin {data.origin}: "
                "name each target once, and not the origin"
            )
        refuse_too_many_patch_layers(model)
        self.passages = Passages.read((data.index, *data.more), (data.origin,), data.targets)
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.bins, "linear", "log_unit", unit_scale(model.n_fft)
        )
        self._length = (model.frames - 1) * model.hop + model.n_fft
        self._draw = Draw(self.passages.train, (data.origin,), data.targets, self._length)
        self.generator = UNet(model, model.style).to(self.device)
        self.style = StyleEncoder(model.bins, model.style_width, model.style).to(self.device)
        judge = PatchDiscriminator(3, model.discriminator_width, model.patch_layers)
        self.discriminator = judge.to(self.device)
        both = [*self.generator.parameters(), *self.style.parameters()]
        self._optimizers = adam_pair(both, self.discriminator.parameters(), config.training)

    def networks(self) -> dict[str, nn.Module]:
        """The generator, the encoder of styles, and their judge."""
        return {"generator": self.generator, "style": self.style, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The generator's (which moves the style encoder too) and the discriminator's."""
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x, y and style, (items, 1, bins, frames): a slice of the origin, the target's, and other music by it."""
        made = []
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            x, y, number = self._draw.item(random)
            gain = np.float32(10 ** (random.uniform(-1, 1) * self.config.data.gain_db / 20))
            style = self._draw.style(self.config.data.targets[number], random)
            made.append([self._picture(side) for side in (x * gain, y * gain, style)])
        sides = torch.from_numpy(np.array(made, np.float32)).unsqueeze(2).unbind(1)
        return dict(zip(("x", "y", "style"), sides, strict=True))

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """pix2pix's two moves, the generator and the style encoder as one player."""
        x, y = batch["x"], batch["y"]
        spectrum = batch["style"].mean(3, keepdim=True).expand_as(x)
        made = self.generator(x, self.style(batch["style"]))

        def judged(side: Tensor) -> Tensor:
            logits: Tensor = self.discriminator(torch.cat([x, side, spectrum], 1))
            return logits

        game = conditional_game(self, judged, made, y, self.config.training)
        return {"generator_mae": (made.detach() - y).abs().mean(), **game}

    def codes(self) -> Tensor:
        """The code of each target, (targets, style): the mean over samples of its training passages."""
        with torch.no_grad():
            return torch.stack([self.style(pictures.to(self.device)).mean(0) for pictures in self._styles])

    def validate(self) -> dict[str, float]:
        """Mean |G(x, code) − y| in log_unit with the frozen codes: generator_mae over all targets, and of each."""
        codes, found = self.codes(), {}
        for number, (name, batches) in enumerate(self._windows.items()):
            total = sum(
                float(
                    (self.generator(x.to(self.device), codes[number : number + 1]).cpu() - y)
                    .abs()
                    .mean((1, 2, 3))
                    .sum()
                )
                for x, y in batches
            )
            found[f"mae_{name}"] = total / sum(len(x) for x, _ in batches)
        return {"generator_mae": sum(found.values()) / len(found), **found}

    def clips(self) -> list[Clip]:
        """The first seconds of a validation passage for each target, as the exported package would play them."""
        rate, clips = self.passages.sample_rate, []
        for number, name in enumerate(self.config.data.targets):
            found = [p for p in self.passages.validation if name in p.files]
            for passage in found[: self.config.data.clips]:
                length = min(passage.samples, round(CLIP_SECONDS * rate))
                x, y = (read_slice(passage.files[side], 0, length) for side in (self.config.data.origin, name))
                weights = torch.eye(len(self.config.data.targets))[number : number + 1]
                clips.append(Clip(f"{name}_{passage.id}", rate, x, self.play_through(x, weights), y))
        return clips

    def play_through(self, signal: npt.NDArray[np.float32], weights: Tensor) -> npt.NDArray[np.float32]:
        """A whole signal (samples,) → the same length, aligned; `weights` (1, targets) as a player sets them."""
        module, weights = self._module(), weights.to(self.device)
        stream = self.config.stream
        return play(signal, self.features, stream.phase, lambda x: module.offline(x, weights), self.device)

    def streaming_module(self) -> nn.Module:
        """The generator in its window with the frozen codes."""
        return self._module().cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        model = self.config.model
        return (torch.zeros(1, 1, model.bins, model.frames - self.config.stream.step),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out, a weight for each target."""
        data = self.config.data
        words = [name.replace("_", " ") for name in data.targets]
        return spectral_manifest(
            self,
            name=f"{data.origin}_to_{len(data.targets)}",
            title=f"{data.origin} to {', '.join(words)}".replace("_", " ").capitalize(),
            description=f"Turns the sound of {data.origin} into {', '.join(words)} or a blend of them, chords too.",
            sample_rate=self.passages.sample_rate,
            features=self.features,
            licences=self.passages.licences,
            lookahead=self.config.stream.lookahead,
            targets=data.targets,
        )

    def card(self) -> str:
        """What it was made of."""
        data, model = self.config.data, self.config.model
        learn, judge = self.passages.minutes()
        return "\n".join(
            [
                f"A U-Net on {model.bins} × {model.frames} magnitudes with a style code of {model.style} numbers,",
                f"trained on aligned recordings of {data.origin} and {', '.join(data.targets)}: {learn:.0f} minutes to",
                f"learn from, {judge:.0f} minutes to judge by.",
                "",
                "## Limits",
                "",
                f"It hears {data.origin} and nothing else well. A blend of targets is a blend of their codes: it was",
                f"never heard in training. The phase is not learnt ({self.config.stream.phase}).",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> MultiConfig:
        """Four levels, two targets, a PatchGAN of one strided layer."""
        index = material / "paired" / "index.json"
        return MultiConfig(
            MultiData(index, ("horn", "reed"), origin="bell", style_samples=2, validation_windows=2),
            MultiModel(512, 256, 16, 8, 2, discriminator_width=2, patch_layers=1, style=4, style_width=2),
            PairTraining(),
            Stream(step=2, lookahead=3),
        )

    @functools.cached_property
    def _styles(self) -> list[Tensor]:
        """For each target, the training samples whose mean code is exported, (samples, 1, bins, frames)."""
        found = []
        for number, name in enumerate(self.config.data.targets):
            random = np.random.default_rng([self.run.seed, _STYLES, number])
            drawn = [self._picture(self._draw.style(name, random)) for _ in range(self.config.data.style_samples)]
            found.append(torch.from_numpy(np.stack(drawn))[:, None])
        return found

    @functools.cached_property
    def _windows(self) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """Validation windows of each target in batches, without overlap."""
        model, data, found = self.config.model, self.config.data, {}
        for name in data.targets:
            starts = [
                (start, passage)
                for passage in self.passages.validation
                if name in passage.files
                for start in range(0, max(1, passage.samples - self._length + 1), model.frames * model.hop)
            ]
            made = [
                [self._picture(read_slice(passage.files[side], start, self._length)) for side in (data.origin, name)]
                for start, passage in spread(starts, data.validation_windows)
            ]
            x, y = torch.from_numpy(np.array(made, np.float32)).unsqueeze(2).unbind(1)
            found[name] = list(zip(x.split(8), y.split(8), strict=True))
        return found

    def _picture(self, signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        # The frames whose every sample lies in the slice; those before would see an artificial onset.
        return magnitudes(signal, self.features)[:, -self.config.model.frames :]

    def _module(self) -> StyledWindow:
        return StyledWindow(self.generator, self.codes(), self.config.model, self.config.stream)
