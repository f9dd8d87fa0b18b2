"""The live generator: polyphonic sound of many origins into many targets, causal, blended by weights, no look-ahead.

    x ─▶ log magnitudes ─▶ trainer.live_network (frame by frame) ─▶ magnitudes ─▶ phase ─▶ sound
                                                                     │
    training  the sound made of these magnitudes against the real    ▼
              reconstruction       spectra of several resolutions (Yamamoto et al. 2020) + λ · |log magnitudes|
              adversarial          a judge of sound told the target: LSGAN (Mao et al. 2017), projection (Miyato 2018)
              feature matching     the judge's inner layers, real against made (Larsen et al. 2016; Kumar et al. 2019)

What is heard may be filtered and noised by `[augment]`, which stands for other rooms and microphones: a network that
never heard noise made full-scale sound of a preamplifier's. What is wanted stays as it is.

Data: passages that several instruments play, sample-aligned (`retimbre prepare paired`, `aligned`). Every instrument of
a passage may be the origin, the target's own sound too, so that a target is left as it is.

Blends are learnt, not hoped for: for a share of the items the truth is the blend of two targets of the same passage,
log magnitudes mixed by the weights, with the phase of the first. The judge hears those too, told the weights.

Phase: the losses hear sound, so that magnitudes which fit no phase cost. With `phase = "input"` that sound has the
input's phase, as it will when played. With "gradient" the player integrates a phase from the magnitudes, which no
gradient passes: in training the truth's phase stands in its place. (Regressing magnitudes alone was tried before:
recognised on 0 to 31 %.)

Streaming: the network is its own step; its state is what the blocks remember. Look-ahead 0. Of the losses' frames the
first `context` are not judged: the slice begins amid music that the network has not heard.

Over 300 lines because a system is one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, unit_scale
from realtime.manifest import Manifest
from trainer import features, losses
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.live_network import LiveModel, LiveNetwork
from trainer.paired_spectra import adam_pair
from trainer.pairs import read_slice
from trainer.passage_windows import judged, origins_of, windows_of
from trainer.passages import Draw, Passages, refuse_repeated
from trainer.recipe import Clip, Recipe, register
from trainer.sound_game import fooling_and_likeness, judge_step
from trainer.spectral import SpectralDiscriminator, SpectralLoss
from trainer.spectral_package import PackageStream, spectral_manifest
from trainer.spectral_play import play

CLIP_SECONDS = 6.0
LOSS_SIZES = (2048, 1024, 512, 256)


@dataclass(frozen=True, slots=True)
class LiveData:
    """`[data]`: passages that several instruments play."""

    index: Path = setting(meaning="index.json written by `retimbre prepare paired` or `aligned`")
    targets: tuple[str, ...] = setting(meaning="the instruments that are learnt, in the order of the target weights")
    origins: tuple[str, ...] = setting((), "the instruments that are heard; empty: the targets")
    more: tuple[Path, ...] = setting((), "further indexes; an instrument of the same name is the same target")
    gain_db: float = setting(9.0, "slices are made louder or softer by up to this", minimum=0, maximum=24)
    blend: float = setting(0.2, "share of items whose truth is a blend of two targets", minimum=0, maximum=1)
    validation_windows: int = setting(8, "most windows of each target that are judged", minimum=1)
    window_seconds: float = setting(3.0, "length of such a window", minimum=0.2)
    clips: int = setting(1, "validation passages that are shown and played for each target", minimum=1, maximum=8)


@dataclass(frozen=True, slots=True)
class LiveTraining:
    """`[training]`."""

    frames: int = setting(192, "frames of a training slice, more than the last block looks back", minimum=2)
    context: int = setting(64, "its first frames, heard but not judged", minimum=0)
    learning_rate: float = setting(5e-4, "Adam's, for the generator", minimum=0)
    discriminator_learning_rate: float = setting(2e-4, "Adam's, for the discriminator", minimum=0)
    beta1: float = setting(0.8, "Adam's first moment", minimum=0, maximum=0.999)
    magnitude_weight: float = setting(2.0, "of the distance of log magnitudes", minimum=0)
    adversarial_from: int = setting(20000, "the step from which the discriminator is heard", minimum=0)
    adversarial_weight: float = setting(0.1, "of its score", minimum=0)
    feature_weight: float = setting(0.5, "of the feature matching", minimum=0)
    discriminator_width: int = setting(32, "channels of the discriminator", minimum=1)


@dataclass(frozen=True, slots=True)
class LiveStream(PackageStream):
    """`[stream]`: how the exported package is called."""

    step: int = setting(1, "frames a call", minimum=1)


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """The sections of a live run file."""

    data: LiveData
    model: LiveModel = field(default_factory=LiveModel)
    training: LiveTraining = field(default_factory=LiveTraining)
    augment: Augmentation = field(default_factory=Augmentation)
    stream: LiveStream = field(default_factory=LiveStream)


class LiveStep(nn.Module):
    """What is exported: (x, target, state) → (y, next_state), x and y (1, 1, bins, frames)."""

    def __init__(self, network: LiveNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Any number of frames."""
        y, after = self.network(x[:, 0].transpose(1, 2), target, state)
        return y.transpose(1, 2)[:, None], after


@register("live")
class Live(Recipe):
    """Chords of many instruments into any of several, or a blend, at once: the live generator."""

    Config = LiveConfig
    metric = "distance_db"
    config: LiveConfig

    def __init__(self, config: LiveConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        data, model, training = config.data, config.model, config.training
        refuse_repeated(data.targets)
        config.augment.refuse_movement()
        self.origins = data.origins or data.targets
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.bins, "linear", "log_unit", unit_scale(model.n_fft)
        )
        judged = (training.frames - training.context) * model.hop - self.features.delay_samples
        if judged < max(LOSS_SIZES):
            raise ConfigError(
                f"training.frames {training.frames} less training.context {training.context} leave {judged} samples to "
                f"judge, expected at least {max(LOSS_SIZES)}: raise the one or lower the other"
            )
        furthest = 2 * 2 ** (model.blocks - 1)
        if training.frames <= furthest:
            raise ConfigError(
                f"training.frames is {training.frames}, but the last of model.blocks ({model.blocks}) looks {furthest} "
                "frames back, where it would hear music for the first time when it is played: raise the one or lower "
                "the other"
            )
        self.passages = Passages.read((data.index, *data.more), self.origins, data.targets)
        self.samples = training.frames * model.hop
        self._draw = Draw(self.passages.train, self.origins, data.targets, self.samples)
        self.generator = LiveNetwork(model, len(data.targets)).to(self.device)
        self.distance = SpectralLoss(self.passages.sample_rate, LOSS_SIZES).to(self.device)
        judge = SpectralDiscriminator(len(data.targets), training.discriminator_width)
        self.discriminator = judge.to(self.device)
        self._optimizers = adam_pair(self.generator.parameters(), self.discriminator.parameters(), training, beta2=0.99)

    def networks(self) -> dict[str, nn.Module]:
        """The generator and its judge."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer a network, of the same name."""
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x, y, other (items, samples), target (items, targets), share, and what is drawn for the augmentation of x.

        The truth is share·y + (1 − share)·other.
        """
        made = []
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            x, y, number, other, second = self._draw.blended(random, self.config.data.blend)
            share = 1.0 if second == number else float(random.uniform())
            weights = np.zeros(len(self.config.data.targets), np.float32)
            weights[number] += share
            weights[second] += 1 - share
            gain = np.float32(10 ** (random.uniform(-1, 1) * self.config.data.gain_db / 20))
            made.append((x * gain, y * gain, other * gain, weights, np.float32(share)))
        columns = zip(("x", "y", "other", "target", "share"), zip(*made, strict=True), strict=True)
        batch = {name: torch.from_numpy(np.stack(values)) for name, values in columns}
        return batch | {"augment": self.config.augment.draw(self.run.seed, step, items)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Reconstruction; from `adversarial_from` on the judge's step, then its score and its features too."""
        training, target = self.config.training, batch["target"]
        made_log, real_log, made, real = self._made_and_real(batch)
        rebuilt = self.distance(made, real)
        magnitude = losses.distance(made_log, real_log, "l1")
        loss = rebuilt + training.magnitude_weight * magnitude
        report = {"rebuilt": rebuilt, "magnitude": magnitude}
        if step >= training.adversarial_from:
            report["discriminator"] = judge_step(self, self.discriminator, made, real, target)
            fooled, alike = fooling_and_likeness(self.discriminator, made, target, real)
            loss = loss + training.adversarial_weight * fooled + training.feature_weight * alike
            report |= {"adversarial": fooled, "features": alike}
        self.descend("generator", loss)
        return report

    def validate(self) -> dict[str, float]:
        """On unseen passages, as played (`trainer.passage_windows`)."""
        data, rate = self.config.data, self.passages.sample_rate
        samples = round(data.window_seconds * rate)
        windows = windows_of(self.passages, self.origins, data.targets, samples, data.validation_windows)
        return judged(windows, data.targets, samples, rate, lambda x, name: self.play_through(x, self._weights(name)))

    def clips(self) -> list[Clip]:
        """The first seconds of a validation passage for each target, as the exported package would play them."""
        rate, clips = self.passages.sample_rate, []
        for name in self.config.data.targets:
            found = [p for p in self.passages.validation if name in p.files and origins_of(p, self.origins, name)]
            for passage in found[-self.config.data.clips :]:
                origin = origins_of(passage, self.origins, name)[0]
                length = min(passage.samples, round(CLIP_SECONDS * rate))
                x, y = (read_slice(passage.files[side], 0, length) for side in (origin, name))
                clips.append(
                    Clip(f"{origin}_to_{name}_{passage.id}", rate, x, self.play_through(x, self._weights(name)), y)
                )
        return clips

    def play_through(self, signal: npt.NDArray[np.float32], weights: Tensor) -> npt.NDArray[np.float32]:
        """A whole signal (samples,) → the same length, aligned; `weights` (1, targets) as a player sets them."""
        state, weights = self.generator.initial_state().to(self.device), weights.to(self.device)

        def made(x: Tensor) -> Tensor:
            with torch.no_grad():
                y: Tensor = LiveStep(self.generator)(x, weights, state)[0]
            return y

        return play(signal, self.features, self.config.stream.phase, made, self.device)

    def streaming_module(self) -> nn.Module:
        """The network as it is."""
        return LiveStep(self.generator).cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The past of all blocks."""
        return (self.generator.initial_state(),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out, a weight for each target, no look-ahead."""
        data = self.config.data
        words = [name.replace("_", " ") for name in data.targets]
        return spectral_manifest(
            self,
            name="live",
            title=f"Live: {', '.join(words)}",
            description=f"Turns what you play, chords too, into {', '.join(words)} or a blend of them at once.",
            sample_rate=self.passages.sample_rate,
            features=self.features,
            licences=self.passages.licences,
            lookahead=0,
            targets=data.targets,
        )

    def card(self) -> str:
        """What it was made of."""
        data, model = self.config.data, self.config.model
        learn, judge = self.passages.minutes()
        return "\n".join(
            [
                f"A causal network (form {model.form}) on {model.bins} bins, a frame every {model.hop} samples,",
                f"trained on aligned recordings: {', '.join(self.origins)} into {', '.join(data.targets)};",
                f"{learn:.0f} minutes of each to learn from, {judge:.0f} minutes to judge by.",
                "",
                "## Limits",
                "",
                "It answers instruments like those that it heard. It cannot know how long a note will last: where the",
                f"origin has died away, a target that would still sound fades too. Phase: {self.config.stream.phase}.",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> LiveConfig:
        """Two targets, three blocks."""
        return LiveConfig(
            LiveData(
                material / "paired" / "index.json",
                ("horn", "reed"),
                validation_windows=1,
                window_seconds=0.5,
                blend=0.5,
            ),
            LiveModel(512, 256, 64, "time", channels=8, hidden=8, blocks=3),
            LiveTraining(frames=16, context=6, adversarial_from=1, discriminator_width=2),
            Augmentation(noise=0.5),
            LiveStream(step=2),
        )

    def _weights(self, name: str) -> Tensor:
        number = self.config.data.targets.index(name)
        return torch.eye(len(self.config.data.targets))[number : number + 1]

    def _made_and_real(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Judged log magnitudes (batch, bins, frames) and sounds (batch, samples): made, real."""
        context, hop = self.config.training.context, self.config.model.hop
        sound = self.config.augment(batch["x"][:, None], batch["augment"], self.passages.sample_rate)[:, 0]
        x, y, other = (features.analyse(one, self.features) for one in (sound, batch["y"], batch["other"]))
        heard, one, two = (self._log(spectrum) for spectrum in (x, y, other))
        share = batch["share"][:, None, None]
        real_log = share * one + (1 - share) * two
        state = self.generator.initial_state(len(heard)).to(self.device)
        made_log = self.generator(heard.transpose(1, 2), batch["target"], state)[0].transpose(1, 2)
        made = self._sound(made_log, x if self.config.stream.phase == "input" else y)
        real = torch.where(batch["share"][:, None] == 1, batch["y"][:, : made.shape[1]], self._sound(real_log, y))
        return made_log[..., context:], real_log[..., context:], made[:, context * hop :], real[:, context * hop :]

    def _log(self, spectrum: Tensor) -> Tensor:
        return features.compress(features.magnitudes(spectrum[:, : self.features.bins]), self.features)

    def _sound(self, log_magnitudes: Tensor, guide: Tensor) -> Tensor:
        """(batch, bins, frames) with the phase of `guide` → (batch, samples), aligned, as far as frames are whole."""
        magnitude = functional.pad(
            features.expand(log_magnitudes, self.features), (0, 0, 0, self.features.full_bins - self.features.bins)
        )
        return features.synthesise(guide / features.magnitudes(guide) * magnitude, self.features, aligned=True)
