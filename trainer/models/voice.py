"""Voice: pitch and loudness in, the sound of a chosen instrument out; learnt from recordings of the targets alone.

Paper: Engel, Hantrakul, Gu, Roberts, "DDSP: Differentiable Digital Signal Processing", ICLR 2020.

    x (1, 3, F)  f0, loudness relative to the player's forte, periodicity     one frame each hop
      │ Gaussian bumps over log f0, scaled loudness, periodicity, target embedding
      ▼ linear → GRU → linear, skip                                           one frame of memory after another
      ├──▶ amplitudes of the harmonics ──▶ oscillators ─┐
      └──▶ amplitudes of the noise bands ─▶ noise bank ─┴▶ room of the target ─▶ y (1, 1, F·hop)

Changed against the paper: causal, streamed frame by frame with a fixed delay (the targets are late by `delay_samples`,
so that the network hears a little of what it must play); levels are predicted in dB around the player's loudness,
which makes dynamics right before training; training begins with the measured harmonics of the recordings (cheap, no
sound made), then compares sound, then adds a discriminator; melodies are played with the recordings' own notes.

Over 300 lines because a system is one file.

Streaming: GRU memory, oscillator phase, the frame before, the noise's tail and the room's past are state. Played live,
one frame a call, the same function is computed by `trainer.voice_step`, which has a quarter of the graph's operations.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from realtime.features import PitchLoudnessFeatures, SamplesFeatures
from realtime.manifest import Control, Licences, Manifest, State, Target
from trainer import melodies
from trainer.config import RunConfig, setting
from trainer.data import Recording, Recordings
from trainer.played_passages import PassagePlan, PlayedData, excerpt, of_all_targets, unseen_of_all_targets
from trainer.recipe import Clip, Recipe, register
from trainer.spectral import SpectralDiscriminator, SpectralLoss
from trainer.synthesis import NOISE_TABLE_ROWS, NoiseBank, Room, harmonic_waves, oscillate
from trainer.voice_step import VoiceStep, initial_states

DB = math.log(10) / 20  # exp(DB · level in dB) is an amplitude
QUIETEST_DB = -90.0
_UNCLEAR = 0.3  # share of excerpts that repeat less exactly, as in other rooms


@dataclass(frozen=True, slots=True)
class VoiceModel:
    """`[model]`: sizes."""

    hop: int = setting(128, "samples between frames", minimum=16)
    delay_samples: int = setting(256, "how late the sound may be", minimum=0)
    f0_min_hz: float = setting(55.0, "lowest pitch tracked", minimum=20)
    f0_max_hz: float = setting(2000.0, "highest pitch tracked", maximum=8000)
    hidden: int = setting(256, "width of the network", minimum=8)
    harmonics: int = setting(96, "oscillators", minimum=1)
    noise_bands: int = setting(48, "bands of the noise", minimum=4)
    room_taps: int = setting(1024, "length of the learnt room in samples", minimum=16)
    level_db: float = setting(-20.0, "level of the target's forte in dBFS", minimum=-60, maximum=0)


@dataclass(frozen=True, slots=True)
class VoiceTraining:
    """`[training]`: how it learns."""

    learning_rate: float = setting(1e-3, "of the voice", minimum=0)
    discriminator_learning_rate: float = setting(2e-4, "of the discriminator", minimum=0)
    analysis_steps: int = setting(1500, "steps on measured harmonics alone", minimum=0)
    adversarial_from: int = setting(10**9, "step at which the discriminator joins", minimum=0)
    analysis_seconds: float = setting(3.0, "length of an item in the first part", minimum=0.2)
    sound_seconds: float = setting(0.8, "length of an item afterwards", minimum=0.2)
    lead_in_frames: int = setting(64, "frames heard before an item is judged, to fill the memory", minimum=0)
    harmonic_weight: float = setting(0.2, "of the measured harmonics once sound is compared", minimum=0)
    adversarial_weight: float = setting(0.1, "of fooling the discriminator", minimum=0)
    matching_weight: float = setting(1.0, "of matching the discriminator's features", minimum=0)
    discriminator_width: int = setting(24, "channels of the discriminator", minimum=1)


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """The sections of a run file."""

    data: PlayedData = field()
    model: VoiceModel = field(default_factory=VoiceModel)
    training: VoiceTraining = field(default_factory=VoiceTraining)


class VoiceNetwork(nn.Module):
    """Frames to sound with explicit state; `forward` takes any number of frames."""

    pitch_centres: Tensor
    orders: Tensor

    def __init__(self, model: VoiceModel, targets: int, rate: int) -> None:
        super().__init__()
        self.model, self.rate = model, rate
        width = model.hidden
        centres = torch.linspace(math.log2(model.f0_min_hz), math.log2(model.f0_max_hz), 32)
        self.register_buffer("pitch_centres", centres, persistent=False)
        self.embedding = nn.Linear(targets, 32, bias=False)
        self.before = nn.Sequential(nn.Linear(32 + 4 + 32, width), nn.LayerNorm(width), nn.SiLU())
        self.memory = nn.GRU(width, width, batch_first=True)
        self.after = nn.Sequential(
            nn.Linear(2 * width + 32, width), nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.to_harmonics = nn.Linear(width, model.harmonics)
        self.to_noise = nn.Linear(width, model.noise_bands)
        nn.init.normal_(self.embedding.weight, std=0.5)
        orders = torch.arange(1, model.harmonics + 1).float()
        with torch.no_grad():  # begin as a plausible instrument: harmonics falling, noise far below
            self.to_harmonics.bias.copy_((-5 - 24 * torch.log10(orders)) / 12)
            self.to_noise.bias.fill_(-65 / 12)
        self.noise = NoiseBank(model.noise_bands, model.hop, rate)
        self.room = Room(targets, model.room_taps)
        self.register_buffer("orders", orders, persistent=False)
        # The one state tensor's parts, in this order; `trainer.voice_step` keeps them apart, in the same order.
        self.sizes = [width, 1, 1, model.harmonics, len(NOISE_TABLE_ROWS), model.hop, model.room_taps]

    def levels(self, x: Tensor, target: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (batch, 3, frames), memory (batch, hidden) → harmonics dB, noise dB (batch, frames, …), memory."""
        f0_hz, loudness, periodicity = x[:, 0], x[:, 1].clamp(QUIETEST_DB, 20.0), x[:, 2]
        octave = torch.log2(f0_hz.clamp(20.0, 8000.0))
        bumps = torch.exp(-0.5 * ((octave[..., None] - self.pitch_centres) / 0.2) ** 2)
        voiced = ((periodicity - 0.5) * 2).clamp(0.0, 1.0)
        plain = torch.stack([octave / 3 - 2.8, loudness / 30 + 1, (loudness / 6 + 2).clamp(-2, 3), voiced], 2)
        embedded = self.embedding(target)[:, None].expand(-1, x.shape[2], -1)
        hidden = self.before(torch.cat([bumps, plain, embedded], 2))
        out, last = self.memory(hidden, memory[None])
        hidden = self.after(torch.cat([out, hidden, embedded], 2))
        around = loudness[..., None]
        return around + 12 * self.to_harmonics(hidden), around + 12 * self.to_noise(hidden), last[0]

    def forward(self, x: Tensor, target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, 3, frames), target (batch, targets), state (batch, sum(sizes)) → y (batch, 1, samples), state."""
        memory, rest = torch.split(state, [self.sizes[0], sum(self.sizes[1:])], 1)
        harmonics_db, noise_db, memory = self.levels(x, target, memory)
        y, rest = self.sound(x, target, harmonics_db, noise_db, rest)
        return y, torch.cat([memory, rest], 1)

    def sound(
        self, x: Tensor, target: Tensor, harmonics_db: Tensor, noise_db: Tensor, rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Levels to samples (batch, 1, samples); `rest` is the state without the network's memory."""
        phase, last_f0, last_amplitudes, clock, tail, past = torch.split(rest, self.sizes[1:], 1)
        f0_hz = x[:, 0].clamp(20.0, 8000.0)
        with torch.no_grad():  # the pitch is given, so the waves are constants of the loss
            waves, phase = harmonic_waves(f0_hz, last_f0, phase, self.model.harmonics, self.model.hop, self.rate)
        amplitudes = self.audible(harmonics_db, f0_hz)
        dry = oscillate(amplitudes, last_amplitudes, waves)
        hiss, clock, tail = self.noise(torch.exp(DB * noise_db), clock, tail)
        wet, past = self.room((dry + hiss).flatten(1), target, past)
        return wet[:, None], torch.cat([phase, f0_hz[:, -1:], amplitudes[:, -1], clock, tail, past], 1)

    def audible(self, harmonics_db: Tensor, f0_hz: Tensor) -> Tensor:
        """Amplitudes, faded out towards half the sample rate so that none folds back."""
        frequency = f0_hz[..., None] * self.orders
        return torch.exp(DB * harmonics_db) * ((0.47 * self.rate - frequency) / (0.03 * self.rate)).clamp(0.0, 1.0)


@register("voice")
class Voice(Recipe):
    """Train on measured harmonics, then on sound, then against a discriminator."""

    Config = VoiceConfig
    metric = "distance"

    def __init__(self, config: VoiceConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.recordings = Recordings.read(config.data.index)
        self.rate = self.recordings.sample_rate
        model = config.model
        self.features = PitchLoudnessFeatures(model.hop, model.delay_samples, model.f0_min_hz, model.f0_max_hz)
        self.voice = VoiceNetwork(model, len(config.data.targets), self.rate).to(self.device)
        training = config.training
        self.discriminator = SpectralDiscriminator(len(config.data.targets), training.discriminator_width).to(
            self.device
        )
        self.loss = SpectralLoss(self.rate).to(self.device)
        betas = (0.8, 0.99)
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "voice": torch.optim.Adam(self.voice.parameters(), training.learning_rate, betas),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(), training.discriminator_learning_rate, betas
            ),
        }
        self.targets = torch.eye(len(config.data.targets))

    def networks(self) -> dict[str, nn.Module]:
        """The voice, and the discriminator that only training needs."""
        return {"voice": self.voice, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for each network."""
        return self._optimizers

    @functools.cached_property
    def passages(self) -> list[list[melodies.Passage]]:
        """Training passages of each target, made once."""
        return of_all_targets(self.recordings, self._plan, self.run.seed)

    @property
    def _plan(self) -> PassagePlan:
        model, shortest = self.config.model, self.config.training.lead_in_frames + 8
        return PassagePlan(self.rate, self.features, model.level_db, self.config.data, model.harmonics, shortest)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """Excerpts of passages, each item's target drawn evenly."""
        training = self.config.training
        seconds = training.analysis_seconds if step < training.analysis_steps else training.sound_seconds
        count = training.lead_in_frames + int(seconds * self.rate / self.features.hop)
        columns: dict[str, list[Any]] = {"x": [], "audio": [], "harmonics_db": [], "target": []}
        for item in items:
            rng = np.random.default_rng([self.run.seed, 1, step, item])
            number = int(rng.integers(len(self.passages)))
            found = excerpt(self.passages[number], count, self.features.hop, _UNCLEAR, rng)
            for name, part in found._asdict().items():
                columns[name].append(part)
            columns["target"].append(self.targets[number].numpy())
        return {name: torch.from_numpy(np.stack(values)) for name, values in columns.items()}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """Harmonics alone at first; then sound; then sound that a discriminator takes for the target."""
        training, x, target = self.config.training, batch["x"], batch["target"]
        lead = training.lead_in_frames
        if step < training.analysis_steps:
            harmonics_db, _, _ = self.voice.levels(x, target, x.new_zeros(len(x), self.config.model.hidden))
            loss = harmonic_distance(harmonics_db[:, lead:], batch["harmonics_db"][:, lead:], x[:, :, lead:])
            self.descend("voice", loss)
            return {"harmonics_db": loss}
        harmonics_db, noise_db, _ = self.voice.levels(x, target, x.new_zeros(len(x), self.config.model.hidden))
        # Of the lead-in only what fills the room is made into sound.
        skip = max(0, lead - 1 - self.config.model.room_taps // self.features.hop)
        rest = x.new_zeros(len(x), sum(self.voice.sizes[1:]))
        heard = self.voice.sound(x[:, :, skip:], target, harmonics_db[:, skip:], noise_db[:, skip:], rest)[0]
        made = heard[:, 0, (lead - skip) * self.features.hop :]
        real = batch["audio"][:, lead * self.features.hop :]
        harmonic = harmonic_distance(harmonics_db[:, lead:], batch["harmonics_db"][:, lead:], x[:, :, lead:])
        distance = self.loss(made, real)
        loss = distance + training.harmonic_weight * harmonic / 10
        losses = {"distance": distance, "harmonics_db": harmonic}
        if step >= training.adversarial_from:
            scores_real, _ = self.discriminator(real, target)
            scores_made, _ = self.discriminator(made.detach(), target)
            judge = sum(((r - 1) ** 2).mean() + (m**2).mean() for r, m in zip(scores_real, scores_made, strict=True))
            self.descend("discriminator", judge)
            with torch.no_grad():
                _, features_real = self.discriminator(real, target)
            scores_made, features_made = self.discriminator(made, target)
            fooling = sum(((s - 1) ** 2).mean() for s in scores_made)
            matching = sum(
                (m - r).abs().mean() / (r.abs().mean() + 1e-3)
                for m, r in zip(features_made, features_real, strict=True)
            ) / len(features_real)
            loss = loss + training.adversarial_weight * fooling + training.matching_weight * matching
            losses |= {"discriminator": judge, "fooling": fooling, "matching": matching}
        self.descend("voice", loss)
        return losses

    @functools.cached_property
    def unseen(self) -> list[tuple[int, melodies.Passage]]:
        """Validation passages of the targets that have recordings for it; else the last training passage."""
        return unseen_of_all_targets(self.recordings, self._plan) or [(0, self.passages[0][-1])]

    def validate(self) -> dict[str, float]:
        """Distance between unseen recordings of the targets and what the voice makes of their pitch and loudness."""
        distances = [
            float(self.loss(self._play(p.frames, number)[None], torch.from_numpy(p.audio)[None].to(self.device)))
            for number, p in self.unseen
        ]
        return {"distance": float(np.mean(distances))}

    def clips(self) -> list[Clip]:
        """Each unseen passage played by the next target, and by its own as a reconstruction."""
        clips = []
        for place, (number, heard) in enumerate(self.unseen[:4]):
            names = self.config.data.targets
            other = (number + 1) % len(names)
            own = self._play(heard.frames, number).cpu().numpy()
            clips.append(Clip(f"{place}-{names[number]}", self.rate, heard.audio, own, heard.audio))
            made = self._play(heard.frames, other).cpu().numpy()
            clips.append(Clip(f"{place}-{names[number]}-to-{names[other]}", self.rate, heard.audio, made))
        return clips

    def _play(self, frames: NDArray[np.float32], number: int) -> Tensor:
        x = torch.from_numpy(frames)[None].to(self.device)
        state = x.new_zeros(1, sum(self.voice.sizes))
        played: Tensor = self.voice(x, self.targets[number : number + 1].to(self.device), state)[0]
        return played[0, 0]

    def streaming_module(self) -> nn.Module:
        """The network, folded for one frame a call."""
        return VoiceStep(self.voice.cpu())

    def initial_states(self) -> tuple[Tensor, ...]:
        """Zeros, one tensor for each thing remembered."""
        return initial_states(self.voice)

    def manifest(self) -> Manifest:
        """Pitch and loudness in, samples out, one frame a call."""
        return Manifest(
            format="1.0",
            name="voice",
            title="Voice",
            architecture="voice",
            description="Plays what it hears with the sound of the chosen instrument or a blend; one note at a time.",
            sample_rate=self.rate,
            input=self.features,
            output=SamplesFeatures(),
            phase=None,
            step=1,
            lookahead=0,
            model_delay_samples=0,
            level_db=self.config.model.level_db,
            states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(self.initial_states())),
            targets=tuple(self._target(name) for name in self.config.data.targets),
            controls=(Control("transpose_semitones", "Transpose", "semitones", -36.0, 36.0, 0.0),),
            licences=Licences("GPL-3.0-or-later", "CC-BY-4.0", self._licences()),
        )

    def _target(self, name: str) -> Target:
        """The target with the register about the middle of its notes, where it sounds most like itself."""
        pitches = [row.midi for row in self.recordings.rows if row.domain == name and row.midi is not None]
        title = name.replace("_", " ").capitalize()
        if not pitches:
            return Target(name, title)
        low, high = (440 * 2 ** ((float(np.median(pitches)) + shift - 69) / 12) for shift in (-8.0, 8.0))
        return Target(name, title, low, high)

    def _learnt(self) -> list[Recording]:
        """The recordings that are trained on."""
        return [r for r in self.recordings.rows if r.domain in self.config.data.targets and r.split == "train"]

    def _licences(self) -> str:
        return "; ".join(sorted({r.licence for r in self._learnt() if r.licence})) or "the owner's own recordings"

    def card(self) -> str:
        """What it is and what it was trained on."""
        lines = [f"- {name}" for name in self.config.data.targets]
        sources: dict[str, set[str]] = {}
        for r in self._learnt():
            sources.setdefault(f"{r.domain}: {r.source}", set()).add(str(r.licence))
        return "\n".join(
            [
                "A harmonic-plus-noise decoder (Engel et al. 2020) driven by pitch and loudness, one note at a time.",
                "\n## Targets\n", *lines,
                "\n## Trained on\n", *[f"- {s} ({', '.join(sorted(v))})" for s, v in sorted(sources.items())],
                "\n## Limits\n",
                "Chords and reverberant input confuse the pitch; it follows the strongest voice.",
            ]
        )  # fmt: skip

    @classmethod
    def tiny(cls, material: Path) -> VoiceConfig:
        """A few seconds of two targets, a small network."""
        index = material / "recordings" / "index.json"
        domains = Recordings.read(index).domains()[:2]
        return VoiceConfig(
            data=PlayedData(index, domains, minutes=0.1, passage_seconds=2.0),
            model=VoiceModel(hidden=16, harmonics=8, noise_bands=8, room_taps=32),
            training=VoiceTraining(
                analysis_steps=1, adversarial_from=2, analysis_seconds=0.5, sound_seconds=0.3, lead_in_frames=8,
                discriminator_width=2,
            ),
        )  # fmt: skip


def harmonic_distance(made_db: Tensor, real_db: Tensor, x: Tensor) -> Tensor:
    """Mean |ΔdB| over (batch, frames, harmonics), the audible ones of clearly pitched frames counting most."""
    loudest = real_db.amax(2, keepdim=True)
    audible = ((real_db - loudest + 60) / 60).clamp(0.05, 1.0) * ((real_db + 110) / 30).clamp(0.0, 1.0)
    weight = audible * ((x[:, 2] - 0.7) / 0.2).clamp(0.0, 1.0)[..., None] * (real_db > -119)
    return ((made_db - real_db).abs() * weight).sum() / (weight.sum() + 1.0)
