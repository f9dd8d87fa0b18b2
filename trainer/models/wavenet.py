"""WaveNet: pitch and loudness in, an instrument's samples drawn one after another; learnt from its recordings alone.

Paper: van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016 (local and global conditioning).

    x (1, 3, F)  f0, loudness relative to the player's forte, periodicity     one frame each hop
      │ Gaussian bumps over log f0, scaled loudness, periodicity → two layers, frame by frame
      ▼ condition (1, C, F), each frame held for its hop                      local conditioning
    target weights                                                            global conditioning
      ▼ WaveNet over the samples before ─▶ 256 levels ─▶ one drawn ─▶ mu-law ─▶ y (1, 1, F·hop)

    training step:  codes ← mu_law(sound of a passage)
                    loss  ← −mean log p(code | the true codes before it, condition, target)      teacher forcing

Converting: the player's pitch and loudness are what passes, and the sound is the target's. Changed against the paper:
conditioning is held, not upsampled by learnt transposed convolutions, so that a frame needs no other; the sound is late
by `delay_samples`, so that a note's pitch is known by the time its sound begins (the targets are late in training too).

8192 Hz and 256 levels sound like a telephone: what the sampled systems of the documents do, and what one core can draw.

Over 300 lines because a system is one file.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import PitchLoudnessFeatures, SamplesFeatures
from realtime.manifest import Control, Licences, Manifest, State, Target
from realtime.pitch import SILENCE_DB, PitchLoudnessTracker
from trainer import melodies, mu_law
from trainer.config import RunConfig, setting
from trainer.data import Recording, Recordings
from trainer.played_passages import PassagePlan, PlayedData, excerpt, of_all_targets, unseen_of_all_targets
from trainer.recipe import Clip, Recipe, register
from trainer.wavenet_package import SamplingStream
from trainer.wavenet_stack import WaveNet, WaveNetShape, code_loss

_BUMPS = 48
_BUMP_OCTAVES = 0.15
_CONVERTED_FRAMES = 64  # a call while converting: progress is told after each


@dataclass(frozen=True, slots=True)
class WaveNetModel(WaveNetShape):
    """`[model]`: the stack's shape, and what it hears."""

    sample_rate: int = setting(8192, "of the sound that is drawn, Hz", minimum=4000, maximum=48000)
    hop: int = setting(64, "samples between frames of pitch and loudness", minimum=8)
    delay_samples: int = setting(128, "how late the sound may be", minimum=0)
    f0_min_hz: float = setting(55.0, "lowest pitch tracked", minimum=20)
    f0_max_hz: float = setting(1600.0, "highest pitch tracked", maximum=8000)
    condition: int = setting(32, "channels of the local conditioning", minimum=1)
    level_db: float = setting(-14.0, "level of the target's forte in dBFS", minimum=-60, maximum=0)


@dataclass(frozen=True, slots=True)
class WaveNetTraining:
    """`[training]`: how it learns."""

    learning_rate: float = setting(1e-3, "of everything", minimum=0)
    excerpt_samples: int = setting(4096, "samples judged of each item, after what fills the past", minimum=64)
    hiss_db: float = setting(
        -70.0, "noise laid under the sound, so that silence can be left", minimum=-120, maximum=-20
    )
    unclear: float = setting(0.3, "share of items that are heard less clearly, as in other rooms", minimum=0, maximum=1)


@dataclass(frozen=True, slots=True)
class WaveNetStream:
    """`[stream]`: how the package is called; an export may change it."""

    step: int = setting(1, "frames in a call", minimum=1)
    temperature: float = setting(1.0, "of the draws: under 1 prefers what is likely", minimum=0.01, maximum=2)
    seed: int = setting(0, "of the random numbers", minimum=0)


@dataclass(frozen=True, slots=True)
class WaveNetConfig:
    """The sections of a run file."""

    data: PlayedData = field()
    model: WaveNetModel = field(default_factory=WaveNetModel)
    training: WaveNetTraining = field(default_factory=WaveNetTraining)
    stream: WaveNetStream = field(default_factory=WaveNetStream)


class PitchConditioner(nn.Module):
    """Frames of pitch and loudness (batch, 3, frames) to conditioning (batch, channels, frames), each by itself."""

    centres: Tensor

    def __init__(self, model: WaveNetModel) -> None:
        super().__init__()
        span = torch.tensor([model.f0_min_hz, model.f0_max_hz]).log2()
        self.register_buffer("centres", torch.linspace(float(span[0]), float(span[1]), _BUMPS), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv1d(_BUMPS + 4, 2 * model.condition, 1), nn.SiLU(), nn.Conv1d(2 * model.condition, model.condition, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Pitch as bumps and as a number, loudness fine and coarse, and how clearly it is voiced."""
        octave = torch.log2(x[:, 0].clamp(20.0, 8000.0))
        loudness = x[:, 1].clamp(-90.0, 20.0)
        bumps = torch.exp(-0.5 * ((octave[:, None] - self.centres[:, None]) / _BUMP_OCTAVES) ** 2)
        voiced = ((x[:, 2] - 0.5) * 2).clamp(0.0, 1.0)
        plain = torch.stack([octave / 3 - 2.8, loudness / 30 + 1, (loudness / 6 + 2).clamp(-2, 3), voiced], 1)
        made: Tensor = self.layers(torch.cat([bumps, plain], 1))
        return made


class PlayedWaveNet(nn.Module):
    """What streams: (x, target, *states) → (y, *next_states)."""

    def __init__(self, conditioner: PitchConditioner, stream: SamplingStream) -> None:
        super().__init__()
        self.conditioner, self.stream = conditioner, stream

    def forward(self, x: Tensor, target: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """x (1, 3, frames), target (1, targets) → y (1, 1, frames · hop)."""
        played: tuple[Tensor, ...] = self.stream(self.conditioner(x), target, *states)
        return played


@register("wavenet")
class WaveNetRecipe(Recipe):
    """A WaveNet on pitch and loudness: draws an instrument's samples one by one, in nats a sample."""

    Config = WaveNetConfig
    metric = "nats"
    config: WaveNetConfig

    def __init__(self, config: WaveNetConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model, targets = config.model, config.data.targets
        if not targets or len(set(targets)) < len(targets):
            raise ConfigError(f"data.targets is {', '.join(targets) or 'empty'}, expected one or more different ones")
        if model.f0_max_hz > model.sample_rate / 4:
            raise ConfigError(
                f"model.f0_max_hz is {model.f0_max_hz:g}, expected at most {model.sample_rate / 4:g}, a quarter of the "
                "sample rate: lower it"
            )
        self.recordings = Recordings.read(config.data.index)
        self.features = PitchLoudnessFeatures(model.hop, model.delay_samples, model.f0_min_hz, model.f0_max_hz)
        self.conditioner = PitchConditioner(model).to(self.device)
        self.wavenet = WaveNet(model, condition=model.condition, voices=len(targets)).to(self.device)
        parameters = [*self.conditioner.parameters(), *self.wavenet.parameters()]
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "wavenet": torch.optim.Adam(parameters, config.training.learning_rate)
        }
        self.targets = torch.eye(len(targets))

    def networks(self) -> dict[str, nn.Module]:
        """The conditioner and the stack."""
        return {"conditioner": self.conditioner, "wavenet": self.wavenet}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for both."""
        return self._optimizers

    @property
    def _plan(self) -> PassagePlan:
        model = self.config.model
        return PassagePlan(model.sample_rate, self.features, model.level_db, self.config.data)

    @functools.cached_property
    def passages(self) -> list[list[melodies.Passage]]:
        """Training passages of each target, made once."""
        return of_all_targets(self.recordings, self._plan, self.run.seed)

    @property
    def _lead_frames(self) -> int:
        """Frames whose samples fill the stack's past before an item is judged."""
        return -(-self.wavenet.receptive_samples // self.features.hop)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x (items, 3, frames), codes (items, samples) and target (items, targets); targets take turns."""
        hop, columns = self.features.hop, dict[str, list[NDArray[np.float32]]](x=[], audio=[], target=[])
        frames = self._lead_frames + -(-self.config.training.excerpt_samples // hop)
        for item in items:
            rng = np.random.default_rng([self.run.seed, 1, step, item])
            number = (step * self.run.batch + item) % len(self.targets)
            x, audio, _ = excerpt(self.passages[number], frames, hop, self.config.training.unclear, rng)
            columns["x"].append(x)
            # A pause of exact zeros teaches that silence follows from silence whatever is played: none begins again.
            hiss = rng.standard_normal(audio.size) * 10 ** (self.config.training.hiss_db / 20)
            columns["audio"].append((audio + hiss).astype(np.float32))
            columns["target"].append(self.targets[number].numpy())
        stacked = {name: torch.from_numpy(np.stack(values)) for name, values in columns.items()}
        codes = mu_law.encode(stacked["audio"], self.config.model.levels)
        return {"x": stacked["x"], "codes": codes, "target": stacked["target"]}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """All samples at once, each from the true ones before it."""
        loss = self._loss(batch["x"], batch["codes"], batch["target"])
        self.descend("wavenet", loss)
        return {"nats": loss}

    def _loss(self, x: Tensor, codes: Tensor, target: Tensor) -> Tensor:
        condition = self.conditioner(x).repeat_interleave(self.features.hop, 2)
        logits = self.wavenet(codes, condition, target)
        return code_loss(logits, codes, first=min(self.wavenet.receptive_samples, codes.shape[1] - 1))

    @functools.cached_property
    def unseen(self) -> list[tuple[int, melodies.Passage]]:
        """Validation passages of the targets that have recordings for it; else the last training passage."""
        return unseen_of_all_targets(self.recordings, self._plan) or [(0, self.passages[0][-1])]

    def validate(self) -> dict[str, float]:
        """Nats a sample on unseen recordings; what knowing nothing but how often each level comes costs them."""
        nats, samples, counts = 0.0, 0, torch.zeros(self.config.model.levels)
        for number, passage in self.unseen:
            x = torch.from_numpy(passage.frames)[None].to(self.device)
            codes = mu_law.encode(torch.from_numpy(passage.audio), self.config.model.levels)
            counts += codes.bincount(minlength=len(counts))
            loss = self._loss(x, codes[None].to(self.device), self.targets[number : number + 1].to(self.device))
            nats, samples = nats + float(loss) * codes.numel(), samples + codes.numel()
        share = counts[counts > 0] / counts.sum()
        return {"nats": nats / samples, "nats_of_levels": float(-(share * share.log()).sum())}

    def clips(self) -> list[Clip]:
        """The first unseen passage of each target played by its own target, and by the next one."""
        names, rate, clips = self.config.data.targets, self.config.model.sample_rate, []
        module = self.streaming_module()
        for number in sorted({number for number, _ in self.unseen}):
            heard = next(passage for own, passage in self.unseen if own == number)
            own, other = (_play(module, heard.frames, self.targets[k % len(names)]) for k in (number, number + 1))
            clips.append(Clip(names[number], rate, heard.audio, own, heard.audio))
            if len(names) > 1:
                clips.append(Clip(f"{names[number]}-to-{names[(number + 1) % len(names)]}", rate, heard.audio, other))
        return clips

    def convert(
        self,
        signal: NDArray[np.float32],
        rate: int,
        target: str | None = None,
        *,
        temperature: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> NDArray[np.float32]:
        """See `Recipe.convert`: pitch and loudness of the signal, drawn by the compiled kernel; the first target."""
        names, model = self.config.data.targets, self.config.model
        place = int(target) - 1 if target is not None and target.isdecimal() else -1
        if target is not None and target not in names and not 0 <= place < len(names):
            raise ConfigError(f"the target is {target!r}, expected one of {', '.join(names)} or its place from 1")
        number = 0 if target is None else names.index(target) if target in names else place
        own = np.asarray(soxr.resample(signal, rate, model.sample_rate), np.float32)
        silence = np.zeros(-own.size % model.hop + model.delay_samples + model.hop, np.float32)
        heard = np.concatenate([own, silence])
        frames = PitchLoudnessTracker(model.sample_rate, self.features).track(
            heard[: heard.size // model.hop * model.hop]
        )
        forte = melodies.forte_db(frames[1])
        frames[1] = np.maximum(frames[1] - forte, SILENCE_DB)
        made = _play(self._module(temperature), frames, self.targets[number], progress, model.hop / model.sample_rate)
        made = made[model.delay_samples :] * np.float32(10 ** ((forte - model.level_db) / 20))
        back = np.asarray(soxr.resample(made, model.sample_rate, rate), np.float32)[: signal.size]
        return np.pad(back, (0, signal.size - back.size))

    def streaming_module(self) -> nn.Module:
        """Conditioner and sampling, as they are now."""
        return self._module(self.config.stream.temperature)

    def _module(self, temperature: float) -> PlayedWaveNet:
        stream = SamplingStream(self.wavenet, self.features.hop, temperature=temperature, seed=self.config.stream.seed)
        return PlayedWaveNet(copy.deepcopy(self.conditioner).cpu(), stream).eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The layers' past, the last code, the random numbers."""
        return self._module(1.0).stream.initial_states()

    def manifest(self) -> Manifest:
        """Pitch and loudness in, samples out."""
        names = [name.replace("_", " ") for name in self.config.data.targets]
        return Manifest(
            format="1.0",
            name="wavenet",
            title="WaveNet",
            architecture="wavenet",
            description=f"Draws the sound of {' or '.join(names)}, sample by sample; one note at a time.",
            sample_rate=self.config.model.sample_rate,
            input=self.features,
            output=SamplesFeatures(),
            phase=None,
            step=self.config.stream.step,
            lookahead=0,
            model_delay_samples=0,
            level_db=self.config.model.level_db,
            states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(self.initial_states())),
            targets=tuple(Target(name, name.replace("_", " ").capitalize()) for name in self.config.data.targets),
            controls=(Control("transpose_semitones", "Transpose", "semitones", -36.0, 36.0, 0.0),),
            licences=Licences("GPL-3.0-or-later", "CC-BY-4.0", self._licences()),
        )

    def _learnt(self) -> list[Recording]:
        return [r for r in self.recordings.rows if r.domain in self.config.data.targets and r.split == "train"]

    def _licences(self) -> str:
        return "; ".join(sorted({r.licence for r in self._learnt() if r.licence})) or "the owner's own recordings"

    def card(self) -> str:
        """What it is and what it was trained on."""
        model = self.config.model
        sources = {f"{r.domain}: {r.source} ({r.licence or 'the owner’s own'})" for r in self._learnt()}
        return "\n".join(
            [
                f"A WaveNet (van den Oord et al. 2016) of {model.cycles} × {model.layers} layers and {model.residual}",
                f"channels that draws one of {model.levels} mu-law levels {model.sample_rate} times a second, from the",
                f"{self.wavenet.receptive_samples} samples before, the player's pitch and loudness, and the target.",
                "\n## Trained on\n", *[f"- {source}" for source in sorted(sources)],
                "\n## Limits\n",
                f"Nothing above {model.sample_rate // 2} Hz, and the grain of {model.levels} levels. One note at a",
                "time. Its draws repeat from run to run; where another processor rounds a probability otherwise, a",
                "draw in some hundred thousand falls on another level, and what follows is another take.",
            ]
        )  # fmt: skip

    @classmethod
    def tiny(cls, material: Path) -> WaveNetConfig:
        """Two targets at 4000 Hz, two cycles of four layers."""
        index = material / "recordings" / "index.json"
        return WaveNetConfig(
            PlayedData(index, Recordings.read(index).domains()[:2], minutes=0.03, passage_seconds=1.0),
            WaveNetModel(
                cycles=2,
                layers=4,
                residual=8,
                skip=8,
                levels=32,
                sample_rate=4000,
                hop=64,
                f0_max_hz=1000.0,
                condition=8,
            ),
            WaveNetTraining(excerpt_samples=256),
        )


@torch.no_grad()
def _play(
    module: nn.Module,
    frames: NDArray[np.float32],
    target: Tensor,
    progress: Callable[[float], None] | None = None,
    frame_seconds: float = 0.0,
) -> NDArray[np.float32]:
    """Frames (3, n) to samples, as the package plays them from rest."""
    states: tuple[Tensor, ...] = cast("PlayedWaveNet", module).stream.initial_states()
    pieces = []
    for part in torch.from_numpy(frames)[None].split(_CONVERTED_FRAMES, 2):
        y, *after = module(part, target[None], *states)
        states = tuple(after)
        pieces.append(y[0, 0])
        if progress is not None:
            progress(part.shape[2] * frame_seconds)
    return np.asarray(torch.cat(pieces).numpy(), np.float32)
