"""TimbreTron: constant-Q picture of one instrument, made into the other's by a CycleGAN, played by its WaveNet.

Paper: Huang, Li, Anil, Bao, Oore, Grosse, "TimbreTron: A WaveNet(CycleGAN(CQT(Audio))) Pipeline for Musical Timbre
Transfer", ICLR 2019; row M15. Six networks: two generators, two full-spectrum critics, a WaveNet of each instrument.

    signal a ─CQT─▶ (1, bins, frames) ─G_ab─▶ picture of b ─▶ condition ─▶ WaveNet_b ─▶ signal, sample by sample

    each step:  D_b, D_a    n times, Wasserstein with gradient penalty          `trainer.cycle_game`
                G_ab, G_ba  −D + 10·cycle + i(step)·identity, i falling to 0
                W_a, W_b    nats of real a (b) given its own picture            `trainer.picture_wavenet`

Game and WaveNets share no gradient; `training.learns` trains both, or one of them, on the same slices.

The dissertation's did not fit its GPU, "to train the six networks together". Here it does, three ways that add up
(docs/timbretron.md has the gigabytes): `training.second_device` gives G_ba, D_a and W_a a device of their own,
`run.gradient_checkpointing` keeps no inner values of generators and WaveNets, `run.precision` bfloat16 halves the rest.

Changed: pictures are those of `trainer.constant_q_bank`, in log_unit, the same in training, files and packages;
normalisation is per frame (the streaming law); frames condition their own samples and are not upsampled by a network.
Left out: the paper's beam search over generated samples and its generation from back to front, which no stream has.

Streaming: bank, generator in its window and sampling WaveNet are one graph, late by the bank's reach and the window's
look-ahead. It is slower than real time: for live use teach a student (`retimbre prepare taught`).

Longer than 300 lines because its settings, both stages and their way into a package are one system: one file.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import SamplesFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State
from realtime.resample import resample_signal
from trainer import mu_law
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.constant_q_bank import ConstantQBank
from trainer.cqt import C1_HZ
from trainer.cycle_game import CycleGame, GameNetworks, GameTraining
from trainer.picture_wavenet import PictureWaveNet, PictureWaveNetShape, said
from trainer.pictures import SILENCE
from trainer.recipe import Clip, register
from trainer.streaming import WindowWrapper
from trainer.two_domains import SIDES, Side, TwoDomains, UnpairedData
from trainer.wavenet_generation import proceed
from trainer.wavenet_package import SamplingStream
from trainer.wavenet_stack import roughened
from trainer.wavenet_weights import silent_memory, weights_of

FloatArray = npt.NDArray[np.float32]
CLIP_SECONDS = 3.0
_FRAMES_AT_ONCE = 256  # of a file, between two words of progress


@dataclass(frozen=True, slots=True)
class TimbreModel(GameNetworks):
    """`[model]`: picture, generators and critics."""

    sample_rate: int = setting(16_000, "Hz; recordings are resampled to it", minimum=1000)
    hop: int = setting(256, "samples between frames", minimum=8)
    bins: int = setting(336, "constant-Q bins", minimum=4)
    bins_per_octave: int = setting(48, "12 is a semitone", minimum=1)
    fmin_hz: float = setting(C1_HZ, "the lowest bin", minimum=10)
    longest: int = setting(0, "samples that a bin hears at most; 0: what constant Q asks for", minimum=0)
    frames: int = setting(128, "frames of the picture", minimum=2)


@dataclass(frozen=True, slots=True)
class TimbreTraining(GameTraining):
    """`[training]`: the game's settings, and the WaveNets'."""

    learns: Literal["both", "game", "wavenets"] = setting("both", "which part this run trains")
    wavenet_learning_rate: float = setting(2e-4, "Adam's, for both WaveNets", minimum=0)
    past_noise: float = setting(
        0.0,
        "levels of error in the past that WaveNets hear, so that they heed the picture and bear errors",
        minimum=0,
    )
    wavenet_frames: int = setting(32, "frames in the middle of each slice that the WaveNets learn from", minimum=1)


@dataclass(frozen=True, slots=True)
class TimbreStream:
    """`[stream]`: how it is played, in a file or as a package."""

    target: Side = setting("b", "the domain that it makes out of the other; a package holds one direction")
    window: int = setting(0, "frames that the generator hears at every call; 0: model.frames", minimum=0)
    step: int = setting(16, "frames a call", minimum=1)
    lookahead: int = setting(16, "frames of future that the generator hears", minimum=0)
    temperature: float = setting(1.0, "below 1 the WaveNet plays what is likelier", minimum=0.05, maximum=2)
    title: str = setting("", "shown in lists; empty: origin and target")
    weights_licence: str = setting("CC-BY-4.0", "licence of the trained weights")
    data_licence: str = setting("", "licence of the recordings learnt from; empty: what their index says")


@dataclass(frozen=True, slots=True)
class TimbreConfig:
    """The sections of the run file."""

    data: UnpairedData
    model: TimbreModel = field(default_factory=TimbreModel)
    wavenet: PictureWaveNetShape = field(default_factory=PictureWaveNetShape)
    training: TimbreTraining = field(default_factory=TimbreTraining)
    augment: Augmentation = field(default_factory=Augmentation)
    stream: TimbreStream = field(default_factory=TimbreStream)


class BankPictures:
    """`trainer.constant_q_bank` as the game wants it, on the device of what it is given."""

    def __init__(self, model: TimbreModel) -> None:
        self.bank = ConstantQBank(
            model.sample_rate, model.hop, bins=model.bins, bins_per_octave=model.bins_per_octave,
            fmin_hz=model.fmin_hz, longest=model.longest,
        )  # fmt: skip
        self.samples = self.bank.samples(model.frames)

    @torch.no_grad()
    def of(self, signals: Tensor) -> Tensor:
        """Slices (batch, samples) → log_unit (batch, 1, bins, frames)."""
        return cast("Tensor", self.bank.to(signals.device)(signals))


class Pipeline(nn.Module):
    """Samples to samples with explicit state: bank, generator in its window, and the WaveNet that draws.

    A frame is known when the last sample that it hears is: late by the bank's reach; the window adds its look-ahead.
    """

    def __init__(
        self, bank: ConstantQBank, generator: WindowWrapper, frames: nn.Module, sampling: SamplingStream
    ) -> None:
        super().__init__()
        self.bank, self.generator, self.frames, self.sampling = bank, generator, frames, sampling
        self.past = bank.length - bank.hop

    def initial_states(self) -> tuple[Tensor, ...]:
        """Zeros: samples heard, frames heard, and what the WaveNet remembers."""
        return (torch.zeros(1, 1, self.past), self.generator.initial_state(), *self.sampling.initial_states())

    def forward(self, x: Tensor, past: Tensor, window: Tensor, *drawn: Tensor) -> tuple[Tensor, ...]:
        """x (1, 1, n · step) and states → y of the same shape, late by the look-ahead, and next states."""
        heard = torch.cat([past, x], 2)
        made, window = self.generator(self.bank(heard[0]), window)
        y, *drawn_after = self.sampling(said(self.frames, made), *drawn)
        return (y, heard[..., heard.shape[2] - self.past :], window, *drawn_after)


@register("timbretron")
class TimbreTron(CycleGame):
    """Constant-Q pictures translated by a CycleGAN without pairs, played by a WaveNet of the target."""

    Config = TimbreConfig
    metric = "cycle_and_nats"
    config: TimbreConfig
    pictures: BankPictures

    def __init__(self, config: TimbreConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model, training = config.model, config.training
        if training.wavenet_frames > model.frames:
            raise ConfigError(
                f"training.wavenet_frames is {training.wavenet_frames}, but a picture has {model.frames} frames: use "
                "at most those"
            )
        self.pictures = BankPictures(model)
        self.domains = TwoDomains(
            config.data, model.sample_rate, self.pictures.samples, seed=run.seed, augmentation=config.augment
        )
        window = config.stream.window or model.frames
        self.begin(model, model.bins, model.frames, window=window, window_setting="stream.window")
        self.wavenets: dict[Side, PictureWaveNet] = {
            side: PictureWaveNet(config.wavenet, model.bins, model.hop).to(device)
            for side, device in self.devices.items()
        }
        parameters = [p for network in self.wavenets.values() for p in network.parameters()]
        self._optimizers["wavenet"] = torch.optim.Adam(parameters, training.wavenet_learning_rate, fused=True)

    def networks(self) -> dict[str, nn.Module]:
        """The game's, and a WaveNet of each domain."""
        return {**super().networks(), "wavenet_a": self.wavenets["a"], "wavenet_b": self.wavenets["b"]}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The algorithm box of the module's docstring."""
        training = self.config.training
        learns = training.learns
        pictures: dict[Side, Tensor] = {side: self.pictures.of(batch[side]) for side in SIDES}
        codes = {side: self._codes(batch[side]) for side in SIDES}
        # Of both sides and before the game, so that processes with a side each draw alike.
        past = {side: roughened(codes[side], self.config.wavenet.levels, training.past_noise) for side in SIDES}
        told = self.play_game(pictures, step) if learns != "wavenets" else {}
        if learns != "game":
            nats = {side: self._nats(side, codes[side], pictures[side], past[side]) for side in self.mine}
            self.descend("wavenet", torch.stack([value.to(self.device) for value in nats.values()]).sum())
            told |= {f"nats_{side}": value for side, value in nats.items()}
        self._steps_done = step + 1
        return told

    @property
    def _first(self) -> int:
        """The frame of a slice from which the WaveNets learn."""
        return (self.config.model.frames - self.config.training.wavenet_frames) // 2

    def _codes(self, signals: Tensor) -> Tensor:
        """The middle of slices (batch, samples), as levels."""
        hop = self.config.model.hop
        start = self.pictures.bank.reach + self._first * hop
        middle = signals[:, start : start + self.config.training.wavenet_frames * hop]
        return mu_law.encode(middle, self.config.wavenet.levels)

    def _nats(self, side: Side, codes: Tensor, pictures: Tensor, past: Tensor | None = None) -> Tensor:
        """Nats a sample of the middle of the slices with these pictures, on the side's own device."""
        first, device = self._first, self.devices[side]
        shown = pictures[..., first : first + self.config.training.wavenet_frames].to(device)
        return self.wavenets[side].loss(codes.to(device), shown, None if past is None else past.to(device))

    def validate(self) -> dict[str, float]:
        """The game's metrics, and nats a sample of real recordings of validation given their pictures."""
        metrics = super().validate()
        slices = self.domains.judged("validation", self.config.data.windows)
        for side in SIDES:
            parts = zip(slices[side].split(1), self._judged[f"validation_{side}"].split(1), strict=True)
            nats = [self._nats(side, self._codes(sound), shown).cpu() for sound, shown in parts]
            metrics[f"nats_{side}"] = float(torch.stack(nats).mean())
        worth = metrics["cycle_and_distance"] + (metrics["nats_a"] + metrics["nats_b"]) / 2
        return {self.metric: worth, **metrics}

    # -- converting files ----------------------------------------------------------------------------------------
    def clips(self) -> list[Clip]:
        """First seconds of validation recordings converted, and one of the target played from its own picture."""
        side = self.config.stream.target
        origin, target = self.domains.names(side)
        rate = self.config.model.sample_rate
        clips = [
            Clip(f"{origin}-{name}", rate, sound, self.played(sound, side))
            for name, sound in self.domains.shown(origin, self.config.data.clips, CLIP_SECONDS)
        ]
        name, sound = self.domains.shown(target, 1, CLIP_SECONDS)[0]
        own = self.played(sound, side, translated=False)
        return [*clips, Clip(f"{target}-{name}-again", rate, sound, own, sound)]

    def convert(
        self,
        signal: FloatArray,
        rate: int,
        target: str | None = None,
        *,
        temperature: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> FloatArray:
        """A whole file as the domain `target` would play it: see `Recipe.convert`; None: `stream.target`'s."""
        side, ours = self._side_called(target), self.config.model.sample_rate
        sound = resample_signal(signal, rate, ours)
        made = self.played(sound, side, temperature=temperature, progress=progress)
        return resample_signal(made, ours, rate, signal.size)

    def _side_called(self, target: str | None) -> Side:
        data = self.config.data
        named: dict[str, Side] = {data.a: "a", data.b: "b", "1": "a", "2": "b"}
        if target is None:
            return self.config.stream.target
        if target not in named:
            raise ConfigError(f"The run has no target {target!r}: choose {data.a} (1) or {data.b} (2)")
        return named[target]

    @torch.no_grad()
    def played(
        self,
        signal: FloatArray,
        side: Side,
        *,
        translated: bool = True,
        temperature: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> FloatArray:
        """A signal (samples,) at the model's rate → the same length, aligned: picture, generator, WaveNet of `side`.

        translated: False plays the signal's own picture, which tells the WaveNet's faults from the generator's.
        temperature: times `stream.temperature`.
        """
        model, bank, network = self.config.model, self.pictures.bank, self.wavenets[side]
        frames = -(-signal.size // model.hop)
        padded = np.zeros(bank.samples(frames), np.float32)
        padded[bank.reach : bank.reach + signal.size] = signal
        picture = self.pictures.of(torch.from_numpy(padded)[None].to(self.devices[side]))
        if translated:
            picture = self._in_window(side).whole(picture)
        uniforms = torch.rand((1, frames * model.hop), generator=torch.Generator().manual_seed(self.run.seed))
        memory, weights = silent_memory(network.wavenet, 1), weights_of(network.wavenet)
        parts = []
        for part, drawn_by in zip(
            picture.split(_FRAMES_AT_ONCE, 3), uniforms.split(_FRAMES_AT_ONCE * model.hop, 1), strict=True
        ):
            codes, memory = proceed(
                network.wavenet, memory, drawn_by, network.condition(part), weights=weights,
                temperature=temperature * self.config.stream.temperature,
                form="cuda" if part.device.type == "cuda" else "compiled",
            )  # fmt: skip
            parts.append(mu_law.decode(codes, self.config.wavenet.levels)[0])
            if progress is not None:
                progress(codes.shape[1] / model.sample_rate)
        return np.asarray(torch.cat(parts)[: signal.size].cpu().numpy(), np.float32)

    def _in_window(self, side: Side) -> WindowWrapper:
        model, stream = self.config.model, self.config.stream
        return WindowWrapper(
            self.generators[side], bins=model.bins, window=stream.window or model.frames, step=stream.step,
            lookahead=stream.lookahead, silence=SILENCE,
        )  # fmt: skip

    # -- shipping ------------------------------------------------------------------------------------------------
    def streaming_module(self) -> nn.Module:
        """The whole way from samples to samples into `stream.target`."""
        return self._streaming()

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence before the beginning."""
        return self._streaming().initial_states()

    def _streaming(self) -> Pipeline:
        stream, side = self.config.stream, self.config.stream.target
        player = self.wavenets[side]
        sampling = SamplingStream(
            player.wavenet, self.config.model.hop, temperature=stream.temperature, seed=self.run.seed
        )
        # Copies: asked for while it trains, a package must not take the networks off their devices.
        parts = copy.deepcopy((self.pictures.bank, self._in_window(side), player.frames))
        return Pipeline(*parts, sampling).cpu().eval()

    def manifest(self) -> Manifest:
        """Samples in, samples out."""
        stream, model = self.config.stream, self.config.model
        origin, target = self.domains.names(stream.target)
        title = f"{origin} to {target}".replace("_", " ").capitalize()
        told = stream.data_licence or "; ".join(self.domains.licences()) or "the owner's own recordings"
        return Manifest(
            format=FORMAT,
            name=f"{origin}_to_{target}".lower()[:60],
            title=stream.title or title,
            architecture=self.name,
            description=f"Turns the sound of {origin} into {target}, drawn sample by sample; slow: for files.",
            sample_rate=model.sample_rate,
            input=SamplesFeatures(),
            output=SamplesFeatures(),
            phase=None,
            step=stream.step * model.hop,
            lookahead=self.pictures.bank.reach + stream.lookahead * model.hop,
            model_delay_samples=0,
            level_db=None,
            states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(self.initial_states())),
            targets=(),
            controls=(),
            licences=Licences("GPL-3.0-or-later", stream.weights_licence, told),
        )

    def card(self) -> str:
        """What it was made of."""
        model, wavenet = self.config.model, self.config.wavenet
        origin, target = self.domains.names(self.config.stream.target)
        minutes = self.domains.minutes()
        return (
            "TimbreTron (Huang et al. 2019) on constant-Q pictures of\n"
            f"{model.bins} × {model.frames}: a CycleGAN of {model.downs} strided layers and {model.blocks} blocks,\n"
            f"{model.discriminator} discriminators, and a WaveNet of {wavenet.cycles} × {wavenet.layers} layers,\n"
            f"{wavenet.residual} wide, that plays what it makes. It learnt from {minutes[origin]:.1f} minutes of\n"
            f"{origin} and {minutes[target]:.1f} of {target}, recordings that have nothing to do with each other.\n"
            "\n## Limits\n\n"
            f"It turns {origin} into {target} and nothing else well; samples are drawn by chance, one after another,\n"
            f"at {model.sample_rate} Hz in 8 bits, so that nothing lies above {model.sample_rate / 2:.0f} Hz and some\n"
            "noise does; it is slow, and late by what its lowest bins must hear."
        )

    @classmethod
    def tiny(cls, material: Path) -> TimbreConfig:
        """A handful of bins, one block, a WaveNet of three layers."""
        index = material / "recordings" / "index.json"
        domains = sorted({row["domain"] for row in json.loads(index.read_text(encoding="utf-8"))["recordings"]})
        return TimbreConfig(
            UnpairedData(index, domains[0], domains[1], windows=2, clips=1),
            TimbreModel(
                sample_rate=4000, hop=32, bins=16, bins_per_octave=4, fmin_hz=110.0, longest=128, frames=16, width=4,
                downs=2, blocks=1, output="change", up="nearest", discriminator="timbral", discriminator_width=2,
            ),
            PictureWaveNetShape(cycles=1, layers=3, residual=8, skip=8, condition=4),
            TimbreTraining(game="wgan_gp", identity_steps=2, replay=0, discriminator_steps=1, wavenet_frames=8),
            Augmentation(gain_db=3.0),
            TimbreStream(window=8, step=2, lookahead=3),
        )  # fmt: skip
