"""CycleGAN: one instrument's sound into another's, learnt from recordings that have nothing to do with each other.

Papers: Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV
2017; on sound "Instrumental Music Translation" (STFT of 256 bins at 25 kHz, strided autoencoder, 70 × 70 patches), the
dissertation on audio style transfer (mel and CQT, ResNet, shallow and timbral discriminators) and Huang et al.,
"TimbreTron", ICLR 2019 (gradient penalty, diminishing identity).

    a ──G_ab──▶ made b ──G_ba──▶ a again           b ──G_ba──▶ made a ──G_ab──▶ b again
                  │                                              │
                 D_b ◀── replay ◀── …, real b                   D_a ◀── replay ◀── …, real a

    twice:  D_b, D_a   ½ (D(real) against 1, D(a fake of now or earlier) against 0)
    once:   G_ab, G_ba  adversarial + 10 · |again − first| + i(step) · |G_ab(b) − b|, both directions

Changed: both generators are updated from one sum instead of one after the other: a network's gradient is the same (the
terms of the other do not contain it), and each fake is computed once where the documents compute it four times. Fakes
for the discriminators are those of this step, since the generators have not moved. Normalisation is per frame
(`trainer.resnet`), for instance normalisation over time breaks the streaming law. The STFT has n_fft 512 and drops the
Nyquist bin, where the document has 511: 256 bins either way. T4, the mean relative forward-cycle error
|G(F(x)) − x| / |x|, counts x from silence; beside it stands `cycle_seen`, with x as the network sees it (−1 … 1).

Best weights: T4 alone is lowest for networks that change nothing, so the metric adds the part of the way to the
target's spectral statistics that is still to go. Failures are found by `trainer.cycle_checks`.

A package hears one domain, so it holds one direction: `stream.target` says which domain it makes.
Streaming: the window wrapper; the exported window may be shorter than the training picture.

Longer than 300 lines because its settings, both directions and their judging are one system, and that is one file.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.manifest import Manifest
from realtime.resample import resample_signal
from trainer import cycle_checks, losses, placement
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.data import Recordings, Unpaired, read_recording
from trainer.discriminators import DiscriminatorKind, NormalisationKind, unconditional
from trainer.monitor import read_metrics
from trainer.pairs import PairedIndex, read_slice
from trainer.pictures import PictureModel, Pictures
from trainer.recipe import Clip, Recipe, register
from trainer.replay import ReplayBuffer
from trainer.resnet import OutputKind, ResNetGenerator, fits
from trainer.spectral_package import Stream, spectral_manifest

FloatArray = npt.NDArray[np.float32]
Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("b", "a")
DIRECTIONS: tuple[tuple[Side, Side], ...] = (("b", "a"), ("a", "b"))  # what is made, of what
CLIP_SECONDS = 4.0
_AT_ONCE = 4  # pictures that validation gives to a network in one call
_MARGIN = 64  # samples of a slice on each side in which its resampling begins and ends


@dataclass(frozen=True, slots=True)
class UnpairedData:
    """`[data]`: recordings of two domains, and pairs of them where there are any to judge by."""

    index: Path = setting(meaning="index.json written by `retimbre prepare recordings`")
    a: str = setting("guitar_electric", "the first domain")
    b: str = setting("piano", "the second domain")
    windows: int = setting(16, "pictures of each domain that are judged, of training and of validation", minimum=1)
    clips: int = setting(1, "validation recordings that are shown and played", minimum=1, maximum=8)
    pairs: Path | None = setting(None, "index.json of `retimbre prepare paired` with both domains: validation error")


@dataclass(frozen=True, slots=True)
class CycleModel(PictureModel):
    """`[model]`: picture, generators and discriminators."""

    width: int = setting(32, "channels of the generators' first layer (16, 32, 64 were tried)", minimum=1)
    downs: int = setting(3, "strided layers: 3 the ResNet, 6 the strided autoencoder", minimum=1, maximum=8)
    blocks: int = setting(9, "residual blocks in the middle", minimum=0, maximum=32)
    widest: int = setting(8, "the most channels, in widths", minimum=1)
    output: OutputKind = setting("direct", "what the generator gives: the picture, or its change")
    discriminator: DiscriminatorKind = setting("patch", "70 × 70 patches, the dissertation's, or the whole spectrum")
    discriminator_width: int = setting(64, "channels of the discriminators' first layer", minimum=1)
    discriminator_multiplier: int = setting(1, "timbral alone: channels against the layer before", minimum=1)
    discriminator_normalisation: NormalisationKind = setting("instance", "patch alone")


@dataclass(frozen=True, slots=True)
class CycleTraining:
    """`[training]`."""

    game: losses.GameKind = setting("lsgan", "least squares, or Wasserstein with gradient penalty")
    learning_rate: float = setting(2e-4, "Adam's, for both generators", minimum=0)
    discriminator_learning_rate: float = setting(2e-4, "Adam's, for both discriminators", minimum=0)
    beta1: float = setting(0.5, "Adam's first moment", minimum=0, maximum=0.999)
    cycle_weight: float = setting(10.0, "of |again − first| against the game", minimum=0)
    identity_weight: float = setting(5.0, "of |G_ab(b) − b| against the game, at the start", minimum=0)
    identity_steps: int = setting(0, "steps over which that weight falls to nothing; 0: it stays", minimum=0)
    discriminator_steps: int = setting(2, "steps of the discriminators a step of the generators", minimum=1, maximum=10)
    discriminator_weight: float = setting(0.5, "of the discriminators' loss: half makes them slower", minimum=0)
    penalty_weight: float = setting(10.0, "wgan_gp alone: of the gradient penalty", minimum=0)
    replay: int = setting(50, "earlier fakes of each domain kept for the discriminators; 0: none", minimum=0)
    second_device: str = setting("", "G_ba and D_a go there, as cuda:1 (model parallel); empty: all on one device")


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
    training: CycleTraining = field(default_factory=CycleTraining)
    augment: Augmentation = field(default_factory=Augmentation)
    stream: CycleStream = field(default_factory=CycleStream)


@register("cyclegan")
class CycleGAN(Recipe):
    """Two generators that undo each other, each against a discriminator of the domain that it makes; no pairs."""

    Config = CycleConfig
    metric = "cycle_and_distance"
    config: CycleConfig

    def __init__(self, config: CycleConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        data, model, training = config.data, config.model, config.training
        if data.a == data.b:
            raise ConfigError(f"data.a and data.b are both {data.a!r}: a translation needs two domains")
        window = config.stream.window or model.frames
        if not fits(window, model.frames, model.downs):
            raise ConfigError(
                f"stream.window is {window}, but {model.downs} strided layers made for {model.frames} frames do not "
                f"fit it: use a multiple of {2**model.downs}"
            )
        self.recordings = Recordings.read(data.index)
        self.pictures = Pictures(model)
        varied = config.augment if config.augment != Augmentation() else None
        self._unpaired = self._drawn_from("train", run.seed, varied)
        second = placement.second_device(training.second_device, self.device)
        self.devices: dict[Side, torch.device] = {"b": self.device, "a": second}
        """Where a domain is made and judged: G_ab and D_b, and G_ba and D_a."""
        self.generators: dict[Side, nn.Module] = {}
        self.discriminators: dict[Side, nn.Module] = {}
        self.replay: dict[Side, ReplayBuffer] = {}
        for side, device in self.devices.items():
            generator = ResNetGenerator(
                model.bins, model.frames, width=model.width, downs=model.downs, blocks=model.blocks,
                widest=model.widest, output=model.output,
            )  # fmt: skip
            discriminator = unconditional(
                model.discriminator, bins=model.bins, frames=model.frames, width=model.discriminator_width,
                multiplier=model.discriminator_multiplier, normalisation=model.discriminator_normalisation,
            )  # fmt: skip
            self.generators[side] = generator.to(device)
            # Measured: instance normalisation costs more with channels last than its convolutions gain.
            layout = torch.contiguous_format if model.discriminator == "patch" else torch.channels_last
            self.discriminators[side] = discriminator.to(device, memory_format=layout)  # type: ignore[call-overload]
            self.replay[side] = ReplayBuffer(training.replay, (1, model.bins, model.frames)).to(device)
        betas = (training.beta1, 0.999)
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(_parameters(self.generators), training.learning_rate, betas, fused=True),
            "discriminator": torch.optim.Adam(
                _parameters(self.discriminators), training.discriminator_learning_rate, betas, fused=True
            ),
        }
        self._steps_done = 0
        self._findings: list[cycle_checks.Finding] = []

    def networks(self) -> dict[str, nn.Module]:
        """Both generators, both discriminators, and the fakes that these are shown again."""
        return {
            "generator_ab": self.generators["b"],
            "generator_ba": self.generators["a"],
            "discriminator_a": self.discriminators["a"],
            "discriminator_b": self.discriminators["b"],
            "discriminator_a_replay": self.replay["a"],
            "discriminator_b_replay": self.replay["b"],
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for both generators, one for both discriminators."""
        return self._optimizers

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """a and b, (items, samples) at the model's rate: slices drawn apart, so that no pairing can be learnt."""
        drawn = self._unpaired.batch(step, items)
        rate, augmentation = self.recordings.sample_rate, self._unpaired.slices.augmentation
        found = {}
        for side in ("a", "b"):
            samples = drawn[side]
            if augmentation is not None:
                samples = augmentation(samples, drawn[f"augment_{side}"], rate, self._length_at(rate))
            found[side] = self._at_our_rate(samples[:, 0].numpy(), rate)
        return found

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The algorithm box of the module's docstring."""
        training = self.config.training
        self._steps_done = step + 1
        identity = self.identity_weight(step)
        # Both domains where both are needed; what crosses devices inside the graph are the two fakes alone.
        pictures: dict[Side, Tensor] = {side: self.pictures.of(batch[side]) for side in SIDES}
        real = {s: {key: pictures[key].to(device) for key in SIDES} for s, device in self.devices.items()}
        made: dict[Side, Tensor] = {}
        same: dict[Side, Tensor] = {}
        for side, other in DIRECTIONS:
            heard = real[side][other]
            seen = torch.cat([heard, real[side][side]]) if identity > 0 else heard
            given = self.generators[side](seen)
            made[side], same[side] = given[: len(heard)], given[len(heard) :]

        told: dict[str, Tensor] = {}
        for _ in range(training.discriminator_steps):
            total = torch.zeros((), device=self.device)
            for side in SIDES:
                loss = self._discriminator_loss(side, real[side][side], self.replay[side](made[side]))
                told[f"discriminator_{side}"] = loss.detach()
                total = total + training.discriminator_weight * loss.to(self.device)
            self.descend("discriminator", total)

        first, second = (
            self._generator_loss(side, made[side], same[side], real[side][side], identity, told) for side in SIDES
        )
        self.descend("generator", placement.together(first, second, [self.devices[side] for side in SIDES]))
        return {name: value.to(self.device) for name, value in told.items()}

    def _generator_loss(
        self, side: Side, made: Tensor, same: Tensor, truth: Tensor, identity: float, told: dict[str, Tensor]
    ) -> placement.Side:
        """What `side`'s generator answers for: its fake's verdict, its way back from the other's fake, its identity."""
        training = self.config.training
        fooled = losses.adversarial(self.discriminators[side](made), real=True, kind=training.game)
        again = self.generators[side]((yield made))
        cycle = losses.distance(again, truth, "l1")
        loss = fooled + training.cycle_weight * cycle
        if identity > 0:
            loss = loss + identity * losses.distance(same, truth, "l1")
        told[f"adversarial_{side}"] = fooled.detach()
        told[f"cycle_{side}"] = cycle.detach() / (truth + 1).mean().clamp(min=1e-6)
        return loss

    def _discriminator_loss(self, side: Side, real: Tensor, fakes: Tensor) -> Tensor:
        training, discriminator = self.config.training, self.discriminators[side]
        on_real, on_fakes = discriminator(torch.cat([real, fakes])).split(len(real))
        loss = losses.adversarial(on_real, real=True, kind=training.game)
        loss = loss + losses.adversarial(on_fakes, real=False, kind=training.game)
        if training.game == "wgan_gp":
            loss = loss + training.penalty_weight * losses.gradient_penalty(discriminator, real, fakes)
        return loss

    def identity_weight(self, step: int) -> float:
        """The weight of the identity loss in `step`: in a straight line to nothing over `identity_steps`."""
        training = self.config.training
        left = 1.0 - step / training.identity_steps if training.identity_steps else 1.0
        return training.identity_weight * max(0.0, left)

    # -- judging -------------------------------------------------------------------------------------------------
    def validate(self) -> dict[str, float]:
        """T4 of both domains on training and validation, how far the spectra have come, and paired errors."""
        metrics: dict[str, float] = {}
        pictures = self._judged
        self._findings = []
        parts = []
        for side, other in DIRECTIONS:
            heard = pictures[f"validation_{other}"]
            made = self._apply(self.generators[side], heard)
            again = self._apply(self.generators[other], made)
            error, seen = _relative(again, heard)
            metrics[f"cycle_error_{other}"], metrics[f"cycle_seen_{other}"] = error, seen
            trained = pictures[f"train_{other}"]
            back = self._apply(self.generators[other], self._apply(self.generators[side], trained))
            metrics[f"cycle_error_train_{other}"] = _relative(back, trained)[0]
            measures = self._measures(side, heard, made)
            metrics |= {
                f"covered_{side}": measures.covered,
                f"change_{side}": measures.change,
                f"level_db_{side}": measures.made_db - measures.target_db,
            }
            parts.append(error + 1.0 - measures.covered)
            self._check(side, measures)
        for side, (heard, truth) in self._paired.items():
            made = self._apply(self.generators[side], heard)
            metrics[f"mae_{side}"] = float((made - truth).abs().mean())
            metrics["mae_unconverted"] = float((heard - truth).abs().mean())
        return {self.metric: sum(parts) / 2, **metrics}

    def remarks(self) -> list[str]:
        """The failures that the last validation found."""
        return [finding.sentence for finding in self._findings]

    def _measures(self, side: Side, heard: Tensor, made: Tensor) -> cycle_checks.Measures:
        target = self._judged[f"validation_{side}"]
        scores = [float(self._apply(self.discriminators[side], x).mean()) for x in (target, made)]
        return cycle_checks.measure(heard, made, target, scores[0], scores[1])

    def _check(self, side: Side, measures: cycle_checks.Measures) -> None:
        if self._steps_done == 0:  # untrained, or resumed and not yet gone on: nothing to warn of
            return
        training = self.config.training
        earlier = [
            row[f"covered_{side}"]
            for row in read_metrics(self.run.out / "metrics.jsonl")
            if row["kind"] == "validation" and 0 < row["step"] < self._steps_done
        ]
        game = cycle_checks.Game(training.game, training.discriminator_steps, self.identity_weight(self._steps_done))
        origin, target = self._names(side)
        self._findings += cycle_checks.findings(measures, f"{origin} to {target}", game, earlier)

    def _apply(self, network: nn.Module, pictures: Tensor) -> Tensor:
        device = next(network.parameters()).device
        return torch.cat([network(part.to(device)).float().cpu() for part in pictures.split(_AT_ONCE)])

    @functools.cached_property
    def _judged(self) -> dict[str, Tensor]:
        """`data.windows` pictures of each domain and split, the same every time."""
        found: dict[str, Tensor] = {}
        for split in ("train", "validation"):
            drawn = self._drawn_from(split, 0, None).batch(0, range(self.config.data.windows))
            for side in SIDES:
                signals = self._at_our_rate(drawn[side][:, 0].numpy(), self.recordings.sample_rate)
                found[f"{split}_{side}"] = self.pictures.of(signals)
        return found

    @functools.cached_property
    def _paired(self) -> dict[Side, tuple[Tensor, Tensor]]:
        """What is heard and what should be made of it, by the domain that is made; empty without pairs."""
        data = self.config.data
        if data.pairs is None:
            return {}
        index = PairedIndex.read(data.pairs, data.a, data.b)
        length = self._length_at(index.sample_rate)
        starts = [(pair, at) for pair in index.validation for at in range(0, max(1, pair.samples - length), length)]
        chosen = [starts[round(k)] for k in np.linspace(0, len(starts) - 1, min(data.windows, len(starts)))]
        a, b = (
            self.pictures.of(
                self._at_our_rate(
                    np.stack([read_slice(getattr(pair, side), at, length) for pair, at in chosen]), index.sample_rate
                )
            )
            for side in ("origin", "target")
        )
        return {"b": (a, b), "a": (b, a)}

    def clips(self) -> list[Clip]:
        """The first seconds of validation recordings, in the exported direction and once the other way."""
        rate = self.config.model.sample_rate
        exported = self.config.stream.target
        other: Side = "a" if exported == "b" else "b"
        clips = []
        for side, count in ((exported, self.config.data.clips), (other, 1)):
            origin = self._names(side)[0]
            module = self._streaming(side)
            for row in self.recordings.of(origin, "validation")[:count]:
                heard = read_recording(row.path)[: round(CLIP_SECONDS * self.recordings.sample_rate)]
                sound = resample_signal(heard, self.recordings.sample_rate, rate)
                made = self.pictures.play(sound, module, self.config.stream.phase)
                clips.append(Clip(f"{origin}-{row.path.stem}", rate, sound, made))
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
        origin, target = self._names(self.config.stream.target)
        rows = [row for domain in (origin, target) for row in self.recordings.of(domain, "train")]
        return spectral_manifest(
            self,
            name=f"{origin}_to_{target}",
            title=f"{origin} to {target}".replace("_", " ").capitalize(),
            description=f"Turns the sound of {origin} into {target}, chords too; learnt from recordings without pairs.",
            sample_rate=self.config.model.sample_rate,
            features=self.pictures.features,
            licences=sorted({row.licence for row in rows if row.licence}),
            lookahead=self.config.stream.lookahead,
        )

    def card(self) -> str:
        """What it was made of."""
        model, training = self.config.model, self.config.training
        origin, target = self._names(self.config.stream.target)
        minutes = {d: sum(r.seconds for r in self.recordings.of(d, "train")) / 60 for d in (origin, target)}
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
            CycleTraining(identity_steps=2, replay=3),
            Augmentation(gain_db=3.0),
            CycleStream(window=8, step=2, lookahead=3),
        )

    def _names(self, side: Side) -> tuple[str, str]:
        """Origin and target of the direction that makes `side`."""
        data = self.config.data
        return (data.a, data.b) if side == "b" else (data.b, data.a)

    def _streaming(self, side: Side) -> nn.Module:
        stream = self.config.stream
        window = stream.window or self.config.model.frames
        return self.pictures.streaming(
            self.generators[side], window=window, step=stream.step, lookahead=stream.lookahead
        )

    def _drawn_from(self, split: str, seed: int, varied: Augmentation | None) -> Unpaired:
        data = self.config.data
        length = self._length_at(self.recordings.sample_rate)
        return Unpaired(self.recordings, data.a, data.b, length, split=split, seed=seed, augmentation=varied)

    def _length_at(self, rate: int) -> int:
        """Samples at `rate` that resample to at least one picture and its margins."""
        ours = self.config.model.sample_rate
        return -(-(self.pictures.samples + 2 * _MARGIN) * rate // ours) if rate != ours else self.pictures.samples

    def _at_our_rate(self, signals: FloatArray, rate: int) -> Tensor:
        """Slices (items, `_length_at(rate)`) → (items, samples of a picture)."""
        ours = self.config.model.sample_rate
        if rate != ours:
            signals = resample_signal(signals, rate, ours)[:, _MARGIN : _MARGIN + self.pictures.samples]
        return torch.from_numpy(np.ascontiguousarray(signals))


def _parameters(networks: Mapping[Side, nn.Module]) -> list[nn.Parameter]:
    return [p for network in networks.values() for p in network.parameters()]


def _relative(again: Tensor, first: Tensor) -> tuple[float, float]:
    """Mean over pictures of |again − first| against |first| from silence, and against it as the network sees it."""
    error = (again - first).abs().sum((1, 2, 3))
    least = 1e-6 * first[0].numel()
    from_silence, seen = (first + 1).sum((1, 2, 3)), first.abs().sum((1, 2, 3))
    return float((error / from_silence.clamp(min=least)).mean()), float((error / seen.clamp(min=least)).mean())
