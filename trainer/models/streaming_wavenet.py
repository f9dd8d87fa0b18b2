"""The streaming WaveNet: sound in, sound out, no look-ahead, any of several targets or a blend. The low-latency model.

    x ─▶ trainer.streaming_network (filter bank, gated causal stack, filter bank back) ─▶ y, 2.3 ms later

Paired (`data.pairs = "aligned"`: `retimbre prepare paired`, `aligned` or `taught`): y must sound as the target's own
playing of the same passage,

    L = spectra of several resolutions (Yamamoto et al. 2020) [+ λ_a · fooling the judge + λ_f · its inner layers]
      [+ λ_w · error of the wave, as a part of it: for devices, which keep the phase]

the game (trainer.sound_game) from `adversarial_from` on. What is heard may be filtered by `[augment]` first, which
stands for other instruments, rooms and microphones; what is wanted stays as it is.

Unpaired (`data.pairs = "none"`: `retimbre prepare recordings`): domains heard and made by the same network (Zhu et al.
2017; Choi et al., "StarGAN", CVPR 2018), x of domain s, y of domain t:

    made = G(x, t),   back = G(made, s)
    L = λ_c · spectra(back, x) + λ_i · spectra(G(y, t), y) + λ_a · fooling the judge with made

Phase: spectra hear none, so the network may choose it; what it does to the input's own waves is the easiest choice.

Streaming: by construction; the exported step is `trainer.streaming_network.StreamingStep`. A slice begins amid music
that the network has not heard, so its first `context_seconds` are not judged.

Over 300 lines because a system is one file.
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

from realtime.errors import ConfigError
from realtime.features import SamplesFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State, Target
from trainer import distributed, features
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.data import Recordings, Slices, read_recording
from trainer.paired_spectra import adam_pair, spread
from trainer.pairs import read_slice
from trainer.passage_windows import Window, judged, windows_of
from trainer.passages import Draw, Passages, refuse_repeated
from trainer.recipe import Clip, Recipe, register
from trainer.sound_game import fooling_and_likeness, judge_step
from trainer.spectral import SpectralDiscriminator, SpectralLoss
from trainer.streaming_network import StreamingModel, StreamingNetwork, StreamingStep

CLIP_SECONDS = 6.0
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StreamingData:
    """`[data]`: passages that several instruments play, or recordings of several domains."""

    index: Path = setting(meaning="index.json of `retimbre prepare paired`; without pairs: of `prepare recordings`")
    targets: tuple[str, ...] = setting(meaning="the instruments that are learnt, in the order of the target weights")
    pairs: Literal["aligned", "none"] = setting("aligned", "whether the index holds aligned pairs")
    origins: tuple[str, ...] = setting((), "the instruments that are heard; empty: the targets")
    more: tuple[Path, ...] = setting((), "further indexes of pairs; an instrument of the same name is the same target")
    gain_db: float = setting(9.0, "slices are made louder or softer by up to this", minimum=0, maximum=24)
    validation_windows: int = setting(8, "most windows of each target that are judged", minimum=1)
    window_seconds: float = setting(3.0, "length of such a window", minimum=0.2)


@dataclass(frozen=True, slots=True)
class StreamingTraining:
    """`[training]`."""

    seconds: float = setting(0.6, "of a slice that are judged", minimum=0.02)
    context_seconds: float = setting(0.18, "before them, heard but not judged", minimum=0)
    learning_rate: float = setting(2e-3, "Adam's, for the generator", minimum=0)
    discriminator_learning_rate: float = setting(4e-4, "Adam's, for the discriminator", minimum=0)
    beta1: float = setting(0.8, "Adam's first moment", minimum=0, maximum=0.999)
    sizes: tuple[int, ...] = setting((2048, 1024, 512, 256), "n_fft of the spectra that are compared")
    wave_weight: float = setting(0.0, "of the error of the wave itself, which only a device can match", minimum=0)
    adversarial_from: int = setting(20000, "the step from which the discriminator is heard", minimum=0)
    adversarial_weight: float = setting(0.1, "of its score", minimum=0)
    feature_weight: float = setting(0.5, "of the feature matching", minimum=0)
    cycle_weight: float = setting(1.0, "without pairs: of the way there and back", minimum=0)
    identity_weight: float = setting(0.5, "without pairs: of a target's own sound left as it is", minimum=0)
    discriminator_width: int = setting(16, "channels of the discriminator", minimum=1)


@dataclass(frozen=True, slots=True)
class StreamingStream:
    """`[stream]`: how the exported package is called, and what it is."""

    step: int = setting(128, "samples a call, a multiple of the bands; a block of so many adds no latency", minimum=1)
    title: str = setting("", "shown in lists; empty: the targets")
    chords: bool = setting(False, "the passages learnt from hold chords: the package's description and card say so")
    weights_licence: str = setting("CC-BY-4.0", "licence of the trained weights")
    data_licence: str = setting("", "licence of the recordings learnt from; empty: what their index says")


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """The sections of a run file."""

    data: StreamingData
    model: StreamingModel = field(default_factory=StreamingModel)
    training: StreamingTraining = field(default_factory=StreamingTraining)
    augment: Augmentation = field(default_factory=Augmentation)
    stream: StreamingStream = field(default_factory=StreamingStream)


@register("streaming_wavenet")
class StreamingWaveNet(Recipe):
    """Sound into any of several instruments within 3 ms: the low-latency model."""

    Config = StreamingConfig
    metric = "distance_db"
    config: StreamingConfig

    def __init__(self, config: StreamingConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        data, model, training = config.data, config.model, config.training
        refuse_repeated(data.targets)
        if config.stream.step % model.bands:
            raise ConfigError(
                f"stream.step is {config.stream.step} samples, expected a multiple of model.bands ({model.bands})"
            )
        self.origins = data.origins or data.targets
        self.generator = StreamingNetwork(model, len(data.targets)).to(self.device)
        self.paired = data.pairs == "aligned"
        self._read()
        delay, rate = self.generator.delay_samples, self.rate
        self.context = round(training.context_seconds * rate)
        judged = round(training.seconds * rate)
        if judged < max(training.sizes):
            raise ConfigError(
                f"training.seconds is {training.seconds} ({judged} samples), expected at least the longest of "
                f"training.sizes, {max(training.sizes)} samples: raise the one or lower the other"
            )
        # Without pairs the sound passes the network twice.
        whole = self.context + judged + delay * (1 if self.paired else 2)
        self.samples = -(-whole // model.bands) * model.bands
        self.distance = SpectralLoss(rate, training.sizes).to(self.device)
        judge = SpectralDiscriminator(len(data.targets), training.discriminator_width, training.sizes[:2])
        self.discriminator = judge.to(self.device)
        self._optimizers = adam_pair(self.generator.parameters(), self.discriminator.parameters(), training, beta2=0.99)

    def _read(self) -> None:
        data = self.config.data
        if self.paired:
            self.config.augment.refuse_movement()
            self.passages = Passages.read((data.index, *data.more), self.origins, data.targets)
            self.rate = self.passages.sample_rate
            return
        if strangers := sorted(set(self.origins) - set(data.targets)) or data.more:
            raise ConfigError(
                f"data.pairs is 'none' with {', '.join(map(str, strangers))} in data.origins or data.more, but a sound "
                "that goes there and back is of a target: use data.index and data.targets alone"
            )
        self.recordings = Recordings.read(data.index)
        self.rate = self.recordings.sample_rate

    def networks(self) -> dict[str, nn.Module]:
        """The generator and its judge."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One optimizer a network, of the same name."""
        return self._optimizers

    @functools.cached_property
    def _draw(self) -> Draw:
        return Draw(self.passages.train, self.origins, self.config.data.targets, self.samples)

    @functools.cached_property
    def _slices(self) -> Slices:
        return Slices(self.recordings, self.config.data.targets, self.samples, seed=self.run.seed)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x, y (items, samples), target and source (items, targets), and what is drawn for the augmentation of x."""
        targets, made = self.config.data.targets, []
        for item in items:
            random = np.random.default_rng([self.run.seed, step, item])
            if self.paired:
                x, y, number = self._draw.item(random)
                source = number
            else:
                heard = int(random.integers(len(self.origins)))
                source, number = targets.index(self.origins[heard]), int(random.integers(len(targets)))
                x, y = (self._slices.draw(domain, random)[0] for domain in (source, number))
            gain = np.float32(10 ** (random.uniform(-1, 1) * self.config.data.gain_db / 20))
            weights = np.eye(len(targets), dtype=np.float32)
            made.append((x * gain, y * gain, weights[number], weights[source]))
        columns = zip(("x", "y", "target", "source"), zip(*made, strict=True), strict=True)
        batch = {name: torch.from_numpy(np.stack(values)) for name, values in columns}
        return batch | {"augment": self.config.augment.draw(self.run.seed, step, items)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Spectra; from `adversarial_from` on the judge's step, then its score and its features too."""
        heard = self.config.augment(batch["x"][:, None], batch["augment"], self.rate)[:, 0]
        return self._paired_step(batch, heard, step) if self.paired else self._unpaired_step(batch, heard, step)

    def _paired_step(self, batch: Mapping[str, Tensor], heard: Tensor, step: int) -> dict[str, Tensor]:
        training, target, delay = self.config.training, batch["target"], self.generator.delay_samples
        made = self.generator(heard, target, self._noise(heard))[:, self.context + delay :]
        real = batch["y"][:, self.context : self.samples - delay]
        loss = self.distance(made, real)
        report = {"spectra": loss}
        if training.wave_weight:
            error = (made - real).square().sum(1) / (real.square().sum(1) + 1e-3)  # the error-to-signal ratio
            report["wave"] = error.mean()
            loss = loss + training.wave_weight * report["wave"]
        if step >= training.adversarial_from:
            report["discriminator"] = judge_step(self, self.discriminator, made, real, target)
            report["fooling"], report["likeness"] = fooling_and_likeness(self.discriminator, made, target, real)
            loss = loss + training.adversarial_weight * report["fooling"] + training.feature_weight * report["likeness"]
        self.descend("generator", loss)
        return report

    def _noise(self, heard: Tensor) -> Tensor:
        bands = self.config.model.bands
        return distributed.normal((len(heard), bands, self.samples // bands), heard.device)

    def _unpaired_step(self, batch: Mapping[str, Tensor], heard: Tensor, step: int) -> dict[str, Tensor]:
        training, target, delay = self.config.training, batch["target"], self.generator.delay_samples
        context, end, y = self.context, self.samples, batch["y"]
        made = self.generator(heard, target, self._noise(heard))
        back = self.generator(made, batch["source"], self._noise(heard))[:, context + 2 * delay :]
        kept = self.generator(y, target, self._noise(heard))[:, context + delay :]
        cycle = self.distance(back, heard[:, context : end - 2 * delay])
        identity = self.distance(kept, y[:, context : end - delay])
        loss = training.cycle_weight * cycle + training.identity_weight * identity
        report = {"cycle": cycle, "identity": identity}
        if step >= training.adversarial_from:
            judged, real = made[:, context + delay :], y[:, context : end - delay]
            report["discriminator"] = judge_step(self, self.discriminator, judged, real, target)
            report["fooling"], _ = fooling_and_likeness(self.discriminator, judged, target, None)
            loss = loss + training.adversarial_weight * report["fooling"]
        self.descend("generator", loss)
        return report

    def validate(self) -> dict[str, float]:
        """On unseen sound, as played: distance_db, log-mel.

        Paired: to the truth; gain, how much nearer than the input; named, how often nearer to the truth of its target
        than to any other's. Unpaired: from there and back to the input, and of the mean spectrum of what was made to
        that of the target's recordings, added: a network that does nothing is no good answer.
        """
        return self._validate_paired() if self.paired else self._validate_unpaired()

    def _validate_paired(self) -> dict[str, float]:
        samples = round(self.config.data.window_seconds * self.rate)
        return judged(self._windows, self.config.data.targets, samples, self.rate, self.play)

    def _validate_unpaired(self) -> dict[str, float]:
        cycles, averages = [], []
        for name in self.config.data.targets:
            made = []
            for source, x in self._unseen:
                if source == name and len(self.config.data.targets) > 1:
                    continue
                made.append(self.play(x, name))
                back = torch.from_numpy(self.play(made[-1], source))
                cycles.append(float(features.log_mel_distance_db(back, torch.from_numpy(x), self.rate)))
            real = [x for source, x in self._unseen if source == name]
            averages.append(float((self._average(made) - self._average(real)).abs().mean()))
        cycle, average = float(np.mean(cycles)), float(np.mean(averages))
        return {"distance_db": cycle + average, "cycle_db": cycle, "average_db": average}

    def _average(self, sounds: list[FloatArray]) -> Tensor:
        """Mean log-mel spectrum in dB (bands,), its own mean taken out: what remains is timbre and not level."""
        spectra = [features.log_mel(torch.from_numpy(x), self.rate).mean(1) * (20 / np.log(10)) for x in sounds]
        found = torch.stack(spectra).mean(0)
        return found - found.mean()

    def clips(self) -> list[Clip]:
        """The first seconds of unseen sound for each target, as the exported package would play them."""
        rate, clips, targets = self.rate, [], self.config.data.targets
        for number, name in enumerate(targets):
            if not self.paired:
                source, x = self._unseen[(number + 1) % len(self._unseen)]
                clips.append(Clip(f"{source}_to_{name}", rate, x, self.play(x, name)))
                continue
            passage, _, origin, _ = next(window for window in self._windows if window[3] == name)
            length = min(passage.samples, round(CLIP_SECONDS * rate))
            x, y = (read_slice(passage.files[side], 0, length) for side in (origin, name))
            clips.append(Clip(f"{origin}_to_{name}_{passage.id}", rate, x, self.play(x, name), y))
        return clips

    def play(self, signal: FloatArray, target: str) -> FloatArray:
        """A whole signal (samples,) → the same length, aligned, in the sound of `target`."""
        delay, bands = self.generator.delay_samples, self.config.model.bands
        padded = np.zeros(-(-(signal.size + delay) // bands) * bands, np.float32)
        padded[: signal.size] = signal
        weights = torch.eye(len(self.config.data.targets))[self.config.data.targets.index(target)]
        with torch.no_grad():
            made = self.generator(torch.from_numpy(padded)[None].to(self.device), weights[None].to(self.device))
        return np.asarray(made[0, delay : delay + signal.size].cpu().numpy(), np.float32)

    def streaming_module(self) -> nn.Module:
        """The network as matrix products, by frames."""
        return StreamingStep(self.generator.cpu()).eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence."""
        return StreamingStep(self.generator).initial_states()

    def manifest(self) -> Manifest:
        """Samples in, samples out, a weight for each target where there are several, the filter bank's delay."""
        data, stream = self.config.data, self.config.stream
        words = ", ".join(name.replace("_", " ") for name in data.targets)
        several = len(data.targets) > 1
        told = stream.data_licence or "; ".join(self._licences()) or "the owner's own recordings"
        played = "what you play, chords too," if stream.chords else "what you play"
        return Manifest(
            format=FORMAT,
            name="streaming-wavenet",
            title=stream.title or f"Streaming: {words}",
            architecture=self.name,
            description=f"Turns {played} into {words}{' or a blend of them' if several else ''}, at once.",
            sample_rate=self.rate,
            input=SamplesFeatures(),
            output=SamplesFeatures(),
            phase=None,
            step=stream.step,
            lookahead=0,
            model_delay_samples=self.generator.delay_samples,
            level_db=None,
            states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(self.initial_states())),
            targets=tuple(Target(one.lower(), one.replace("_", " ").capitalize()) for one in data.targets)
            if several
            else (),
            controls=(),
            licences=Licences("GPL-3.0-or-later", stream.weights_licence, told),
        )

    def _licences(self) -> tuple[str, ...]:
        if self.paired:
            return self.passages.licences
        rows = self.recordings.rows
        return tuple(sorted({r.licence for r in rows if r.domain in self.config.data.targets and r.licence}))

    def card(self) -> str:
        """What it was made of."""
        data, model = self.config.data, self.config.model
        heard, made = ", ".join(self.origins), ", ".join(data.targets)
        if self.paired:
            learn, judge = self.passages.minutes()
            told = f"{learn:.0f} minutes of each to learn from, {judge:.0f} minutes to judge by"
        else:
            told = "no pairs: there and back, and a judge of sound"
        music = "chords and melodies, and" if self.config.stream.chords else "one note at a time and"
        bank = f"{model.bands} bands of {model.taps} taps" if model.bands > 1 else "no filter bank"
        return "\n".join(
            [
                f"A causal network of {len(model.dilations)} gated layers, {model.channels} wide, {bank}; it hears",
                f"{1000 * self.generator.past_samples / self.rate:.0f} ms of past and nothing of the future.",
                f"Trained on {heard} into {made}; {told}.",
                "\n## Limits\n",
                f"Made for {music} for instruments like those that it has heard. It keeps the player's",
                "pitch, loudness and articulation: a plucked string does not become a bowed one.",
            ]
        )  # fmt: skip

    @classmethod
    def tiny(cls, material: Path) -> StreamingConfig:
        """Two targets, four bands, three layers."""
        return StreamingConfig(
            StreamingData(
                material / "paired" / "index.json", ("horn", "reed"), validation_windows=1, window_seconds=0.5
            ),
            StreamingModel(bands=4, taps=16, channels=8, kernel=2, dilations=(1, 2, 4), level_frames=4),
            StreamingTraining(
                seconds=0.05, context_seconds=0.01, sizes=(512, 256), adversarial_from=1, discriminator_width=2
            ),
            Augmentation(bells_db=3.0),
            StreamingStream(step=64),
        )

    @functools.cached_property
    def _windows(self) -> list[Window]:
        data = self.config.data
        samples = round(data.window_seconds * self.rate)
        return windows_of(self.passages, self.origins, data.targets, samples, data.validation_windows)

    @functools.cached_property
    def _unseen(self) -> list[tuple[str, FloatArray]]:
        """Domain and first seconds of a few validation recordings of each domain."""
        length = round(self.config.data.window_seconds * self.rate)
        return [
            (name, read_recording(row.path)[:length].copy())
            for name in self.config.data.targets
            for row in spread(list(self.recordings.of(name, "validation")), self.config.data.validation_windows)
        ]
