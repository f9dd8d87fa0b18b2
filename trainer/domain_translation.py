"""What the translation networks share: one encoder, a WaveNet decoder for each domain, and a classifier to be fooled.

    sound of domain k ─ one interval raised ─▶ encoder E ─▶ codes ─▶ at audio rate ─▶ decoder D_k ─▶ nats of the sound
                                                             └──▶ classifier C ─▶ which domain?

    step of C       descend  H(k, C(codes)), codes detached                     its own optimiser
    step of E, D    descend  nats(D_k, sound) + λ · hiding(C(codes))            `trainer.domain_confusion`

To translate, the codes of anything go to the decoder of the wanted domain. A system adds its encoder and says how a
whole sound becomes codes; everything else is here: the excerpts, both steps, the judging, a new domain for a trained
encoder (`training.encoder_from`: decoders alone are trained), conversion of whole files.

Each excerpt is of one domain and reconstructed by its decoder. In a batch the domains take turns ("mixed") or stand
side by side ("apart", so that of as many processes as domains each has one). A decoder without an item in this process
takes part with gradients of zero, so that processes average alike.

Over 300 lines because the game, its judging and the ways into files and packages are one system, of which two are made.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import SamplesFeatures, SpectrumFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State, Target
from realtime.resample import resample_signal
from trainer import domain_confusion, excerpts, judge, mu_law
from trainer.augment import Augmentation
from trainer.checkpoint import load_checkpoint
from trainer.config import RunConfig, setting
from trainer.data import Recordings
from trainer.decoder_bank import DecoderBank, generated
from trainer.domain_confusion import ConfusionKind, Measures
from trainer.domain_sounds import belongs, domain_banks, sound_of
from trainer.monitor import read_metrics
from trainer.recipe import Clip, Recipe
from trainer.sketch import Sketch
from trainer.temporal_encoder import at_audio_rate
from trainer.wavenet_stack import WaveNet, WaveNetShape, code_loss, roughened

Audio = npt.NDArray[np.float32]
LISTENED_PEAK = 0.8
"""Peak to which a file is brought before it is heard: excerpts in training have peaks of about 1 and less."""
_UNSEEN, _KNOWN = 2**31, 2**31 + 1  # seeds of what is judged and of what a fresh classifier learns from
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class TranslationData:
    """`[data]`: recordings of the domains; nothing is paired."""

    index: Path = setting(meaning="index.json written by `retimbre prepare recordings`")
    domains: tuple[str, ...] = setting(meaning="the instruments, in the order of the targets")
    gain_db: float = setting(6.0, "excerpts are made softer by up to this", minimum=0, maximum=40)
    order: Literal["mixed", "apart"] = setting("mixed", "how the domains of a batch fall to its processes")
    validation_items: int = setting(8, "excerpts of each domain that are judged", minimum=2)
    clip_seconds: float = setting(3.0, "length of the clips that are converted", minimum=0.5, maximum=30)
    visitors: tuple[str, ...] = setting((), "instruments never trained on whose clips are converted too")


@dataclass(frozen=True, slots=True)
class TranslationTraining:
    """`[training]`."""

    learning_rate: float = setting(1e-4, "Adam's, for encoder and decoders (1e-3 diverged)", minimum=0)
    confusion_learning_rate: float = setting(1e-4, "Adam's, for the domain classifier's own step", minimum=0)
    confusion_weight: float = setting(1e-2, "of hiding the domain against the reconstruction's nats", minimum=0)
    confusion: ConfusionKind = setting("even", "hide until the classifier can only guess, or make it wrong")
    past_noise: float = setting(
        0.0, "levels of error in the past that decoders hear, so that they heed the codes and bear errors", minimum=0
    )
    sketch_weight: float = setting(
        0.0, "of the picture of the sound that can be read from the codes (trainer.sketch); 0, as in the papers: none",
        minimum=0,
    )  # fmt: skip
    encoder_from: Path | None = setting(
        None, "a trained run's folder whose encoder is taken and kept as it is: decoders alone are trained"
    )


@dataclass(frozen=True, slots=True)
class SamplesStream:
    """`[stream]`: how the exported package is called, and what it is."""

    temperature: float = setting(1.0, "of what is drawn: lower is surer and duller", minimum=0.05, maximum=2)
    title: str = setting("", "shown in lists; empty: made of the domains")
    weights_licence: str = setting("CC-BY-4.0", "licence of the trained weights")
    data_licence: str = setting("", "licence of the recordings learnt from; empty: what their index says")


class DomainStream(nn.Module):
    """x, [target], states → y and next states: the encoder's, then the decoders'; a system adds `forward`."""

    def __init__(self, sampling: DecoderBank, hearing: tuple[Tensor, ...]) -> None:
        """hearing: the encoder's states before the first sample."""
        super().__init__()
        self.sampling, self._hearing = sampling, hearing

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence before the first sample."""
        return (*self._hearing, *self.sampling.initial_states())


class TranslationConfig(Protocol):
    """What the base reads of a system's settings; each system's own dataclass has these and more."""

    @property
    def data(self) -> TranslationData:
        """`[data]`."""

    @property
    def model(self) -> WaveNetShape:
        """`[model]`: the decoders."""

    @property
    def training(self) -> TranslationTraining:
        """`[training]`."""

    @property
    def augment(self) -> Augmentation:
        """`[augment]`: of what the encoder hears."""

    @property
    def stream(self) -> SamplesStream:
        """`[stream]`."""


class DomainTranslation(Recipe):
    """A recipe of one encoder and a decoder for each domain; see the module."""

    metric = "objective"
    config: TranslationConfig
    sample_rate: int
    """Of the sound that is heard and made, Hz."""
    code_samples: int
    """Samples of one code."""
    code_channels: int
    """Numbers of a code."""
    excerpt_samples: int
    """Samples of an excerpt that are reconstructed: whole codes."""
    before_samples = 0
    """Samples that an excerpt is heard before the first one that is reconstructed."""
    after_samples = 0
    """And after the last."""

    def __init__(self, config: TranslationConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        data, training = config.data, config.training
        if not 1 <= len(set(data.domains)) == len(data.domains):
            raise ConfigError(f"data.domains is {', '.join(data.domains) or 'empty'}, expected different instruments")
        if len(data.domains) < 2 and training.encoder_from is None:
            raise ConfigError(
                f"data.domains is {data.domains[0]} alone, expected two or more: one domain learns a decoder only "
                "beside a trained encoder, which training.encoder_from names"
            )
        if config.augment.transpose or config.augment.tempo:
            raise ConfigError(
                "augment.transpose or augment.tempo moves what is heard against what is reconstructed: set both to 0, "
                "augment.interval raises a part in its place"
            )
        self._findings: list[domain_confusion.Finding] = []
        self._steps_done = 0
        self.encoder: nn.Module = self.make_encoder().to(self.device)
        self.decoders = nn.ModuleList(WaveNet(config.model, condition=self.code_channels) for _ in data.domains).to(
            self.device
        )
        self.classifier = self.make_classifier(max(2, len(data.domains))).to(self.device)
        decoding = list(self.decoders.parameters())
        self._optimizers: dict[str, torch.optim.Optimizer] = {}
        self.sketch: Sketch | None = None
        if training.encoder_from is None:
            if training.sketch_weight:
                self.sketch = Sketch(self.code_channels, self.sample_rate, self.code_samples).to(self.device)
                decoding += list(self.sketch.parameters())
            decoding += list(self.encoder.parameters())
            self._optimizers["confusion"] = torch.optim.Adam(
                self.classifier.parameters(), training.confusion_learning_rate
            )
        else:
            self._take_encoder(training.encoder_from)
        self._optimizers["translation"] = torch.optim.Adam(decoding, training.learning_rate)

    # -- what a system adds --------------------------------------------------------------------------------------
    @abstractmethod
    def make_encoder(self) -> nn.Module:
        """The network that `codes_of` calls; made before the decoders."""

    @abstractmethod
    def make_classifier(self, domains: int) -> nn.Module:
        """Codes (batch, code_channels, frames) → logits (batch, domains)."""

    @abstractmethod
    def codes_of(self, heard: Tensor) -> Tensor:
        """Excerpts (batch, before + T + after) → codes (batch, code_channels, T / code_samples)."""

    @abstractmethod
    def whole_codes(self, heard: Tensor) -> Tensor:
        """A whole sound (1, samples) → codes of all of it (1, code_channels, frames), as the package hears it."""

    @abstractmethod
    def make_stream(self) -> DomainStream:
        """Encoder and decoders as they are now, (x, target, states) → (y, next states)."""

    # -- what is learnt ------------------------------------------------------------------------------------------
    @property
    def frozen(self) -> bool:
        """Whether the encoder is another run's and stays as it is."""
        return self.config.training.encoder_from is not None

    def networks(self) -> dict[str, nn.Module]:
        """Encoder, decoders, and what only training needs: the classifier, and the sketch where there is one."""
        networks: dict[str, nn.Module] = {
            "encoder": self.encoder, "decoders": self.decoders, "discriminator": self.classifier
        }  # fmt: skip
        return networks if self.sketch is None else {**networks, "sketch": self.sketch}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """One for encoder and decoders, one for the classifier; the decoders' alone beside a trained encoder."""
        return self._optimizers

    def _take_encoder(self, folder: Path) -> None:
        for parameter in self.encoder.parameters():
            parameter.requires_grad = False
        # Once begun, the run has the encoder in its own checkpoints and the other one may go.
        if any((self.run.out / name).is_file() for name in ("last.pt", "best.pt")):
            return
        weights = load_checkpoint(folder / "best.pt", self.device)
        try:
            self.encoder.load_state_dict(weights["networks"]["encoder"])
        except (KeyError, RuntimeError):
            raise ConfigError(
                f"training.encoder_from is {folder}, whose encoder is not of this shape: copy the settings of the "
                f"encoder from its config.json, of a {self.name} run"
            ) from None

    # -- how -----------------------------------------------------------------------------------------------------
    def domain_of(self, step: int, item: int) -> int:
        """The domain's number of one item."""
        count, batch = len(self.config.data.domains), self.run.batch
        return item * count // batch if self.config.data.order == "apart" else (step * batch + item) % count

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x (items, before + T + after), domain (items,), and what the interval that is raised is drawn from."""
        sounds, labels = [], []
        for item in items:
            label = self.domain_of(step, item)
            sounds.append(self._excerpt(self.bank, label, np.random.default_rng([self.run.seed, step, item])))
            labels.append(label)
        return {
            "x": torch.from_numpy(np.stack(sounds)),
            "domain": torch.tensor(labels),
            "augment": self.config.augment.draw(self.run.seed, step, items),
        }

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """C finds the domain in the codes; then E and D_k reconstruct, and E hides the domain from C."""
        self._steps_done = step + 1
        training, domain = self.config.training, batch["domain"]
        sound = batch["x"]
        heard = self.config.augment(sound[:, None], batch["augment"], self.sample_rate)[:, 0]
        target = mu_law.encode(self._made_part(sound), self.config.model.levels)
        past = roughened(target, self.config.model.levels, training.past_noise)
        if self.frozen:
            with torch.no_grad():
                codes = self.codes_of(heard)
            nats, told = self._nats(codes, past, target, domain)
            self.descend("translation", nats)
            return {"nats": nats, **told}
        codes = self.codes_of(heard)
        logits = self.classifier(codes.detach())
        found = domain_confusion.finding_loss(logits, domain)
        self.descend("confusion", found)

        nats, told = self._nats(codes, past, target, domain)
        hiding = domain_confusion.hiding_loss(self.classifier(codes), domain, training.confusion)
        loss = nats + training.confusion_weight * hiding
        if self.sketch is not None:
            told["sketch"] = self.sketch.loss(codes, self._made_part(sound))
            loss = loss + training.sketch_weight * told["sketch"]
        self.descend("translation", loss)
        right = domain_confusion.accuracy(logits.detach(), domain)
        return {"nats": nats, "confusion_loss": found, "confusion_accuracy": right, "hiding": hiding, **told}

    def _made_part(self, sound: Tensor) -> Tensor:
        return sound[:, self.before_samples : self.before_samples + self.excerpt_samples]

    def _nats(self, codes: Tensor, past: Tensor, target: Tensor, domain: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the items of nats a sample, and each domain's part scaled to be its own mean in the long run.

        past: the target as the decoders hear what came before each of its samples.
        """
        condition = at_audio_rate(codes, self.code_samples)
        count = len(self.decoders)
        total, told = codes.new_zeros(()), {}
        for number, decoder in enumerate(self.decoders):
            rows = (domain == number).nonzero()[:, 0]
            if len(rows):
                part = code_loss(decoder(past[rows], condition[rows]), target[rows]) * (len(rows) / len(domain))
            else:
                part = 0.0 * torch.stack([p.sum() for p in decoder.parameters()]).sum()
            total = total + part
            told[f"nats_{self.config.data.domains[number]}"] = part.detach() * count
        return total, told

    # -- judging -------------------------------------------------------------------------------------------------
    def validate(self) -> dict[str, float]:
        """Nats of every domain, what the codes tell of it, and whether the decoders listen to them."""
        domains = self.config.data.domains
        sound, domain = self._judged
        codes = self._codes_of_all(sound)
        target = mu_law.encode(self._made_part(sound), self.config.model.levels)
        # The codes of another excerpt of the same domain, so that nothing but the music is wrong.
        other = codes.roll(len(domains), 0)
        nats, wrong = (self._nats_of_all(c, target, domain) for c in (codes, other))
        metrics = {"nats": float(nats.mean()), "code_use": float((wrong - nats).mean())}
        metrics |= {f"nats_{name}": float(nats[domain == k].mean()) for k, name in enumerate(domains)}
        metrics["code_spread"] = domain_confusion.spread_of(codes)
        self._findings = []
        if self.frozen:
            return {self.metric: metrics["nats"], **metrics}
        if self.sketch is not None:
            metrics["sketch"] = float(self.sketch.loss(codes.to(self.device), self._made_part(sound).to(self.device)))
        known, known_domain = self._known
        logits = self.classifier(codes.to(self.device)).cpu()
        # Nats alone prefer codes that tell the domain. "even" for both kinds of hiding: it has a bottom.
        hiding = float(domain_confusion.hiding_loss(logits, domain, "even"))
        metrics |= {
            self.metric: metrics["nats"] + self.config.training.confusion_weight * hiding,
            "confusion_loss": float(domain_confusion.finding_loss(logits, domain)),
            "confusion_accuracy": float(domain_confusion.accuracy(logits, domain)),
            "probe_accuracy": domain_confusion.probe_accuracy(
                self._codes_of_all(known), known_domain, codes, domain, len(domains)
            ),
        }
        if self._steps_done:  # untrained, or resumed and not yet gone on: nothing to warn of
            self._findings = domain_confusion.findings(self._measures(metrics))
        return metrics

    def _measures(self, metrics: Mapping[str, float]) -> Measures:
        rows = read_metrics(self.run.out / "metrics.jsonl")
        earlier = sum(row["kind"] == "validation" and 0 < row["step"] < self._steps_done for row in rows)
        return Measures(
            len(self.config.data.domains), metrics["confusion_loss"], metrics["confusion_accuracy"],
            metrics["code_spread"], metrics["code_use"], self.config.training.confusion, earlier,
        )  # fmt: skip

    def remarks(self) -> list[str]:
        """The failures that the last validation found."""
        return [finding.sentence for finding in self._findings]

    def _codes_of_all(self, sound: Tensor) -> Tensor:
        return torch.cat([self.codes_of(part.to(self.device)).float().cpu() for part in sound.split(_AT_ONCE)])

    def _nats_of_all(self, codes: Tensor, target: Tensor, domain: Tensor) -> Tensor:
        """Nats a sample of every item (items,)."""
        nats = torch.zeros(len(domain))
        for number, decoder in enumerate(self.decoders):
            for row in (domain == number).nonzero()[:, 0].split(_AT_ONCE):
                condition = at_audio_rate(codes[row].to(self.device), self.code_samples)
                own = target[row].to(self.device)
                logits = decoder(own, condition)
                nats[row] = torch.stack([code_loss(a[None], b[None]) for a, b in zip(logits, own, strict=True)]).cpu()
        return nats

    @functools.cached_property
    def recordings(self) -> Recordings:
        """The index, read on first use: a run converts files where its recordings are not."""
        return Recordings.read(self.config.data.index)

    @functools.cached_property
    def bank(self) -> list[excerpts.Bank]:
        """The training recordings of each domain, read on first use."""
        return domain_banks(self.config.data.index, ("train",), self.config.data.domains)

    @functools.cached_property
    def unseen(self) -> list[excerpts.Bank]:
        """Validation recordings; of a domain without any, the training recordings."""
        found = domain_banks(self.config.data.index, ("validation",), self.config.data.domains)
        return [own if own.sounds else known for own, known in zip(found, self.bank, strict=True)]

    @functools.cached_property
    def _judged(self) -> tuple[Tensor, Tensor]:
        return self._drawn(self.unseen, _UNSEEN)

    @functools.cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        return self._drawn(self.bank, _KNOWN)

    def _drawn(self, banks: Sequence[excerpts.Bank], seed: int) -> tuple[Tensor, Tensor]:
        """`validation_items` excerpts of each domain, which take turns, and their domains."""
        count = len(banks)
        items = range(count * self.config.data.validation_items)
        sounds = [self._excerpt(banks, item % count, np.random.default_rng([seed, item])) for item in items]
        return torch.from_numpy(np.stack(sounds)), torch.tensor([item % count for item in items])

    def _excerpt(self, banks: Sequence[excerpts.Bank], number: int, rng: np.random.Generator) -> Audio:
        """A phrase or a melody long enough for an excerpt and what is heard around it, at a level of its own."""
        samples = self.before_samples + self.excerpt_samples + self.after_samples
        gain_db = -float(rng.uniform(0, self.config.data.gain_db))
        return sound_of(banks[number], samples, self.sample_rate, rng) * np.float32(10 ** (gain_db / 20))

    # -- converting ----------------------------------------------------------------------------------------------
    def clips(self) -> list[Clip]:
        """One excerpt of each domain by the next domain's decoder, and of each visitor by the first one's."""
        data, found = self.config.data, []
        samples = round(data.clip_seconds * self.sample_rate)
        heard = [(name, bank, data.domains[(k + 1) % len(data.domains)])
                 for k, (name, bank) in enumerate(zip(data.domains, self.unseen, strict=True))]  # fmt: skip
        for name in data.visitors:
            banks = (domain_banks(data.index, (split,), (name,))[0] for split in ("validation", "test", "train"))
            heard.append((name, next(bank for bank in banks if bank.sounds), data.domains[0]))
        for number, (name, bank, target) in enumerate(heard):
            rng = np.random.default_rng([_UNSEEN, 1, number])
            sound = 0.5 * sound_of(bank, samples, self.sample_rate, rng)
            made = self.convert(sound, self.sample_rate, target)
            found.append(Clip(f"{name} to {target}", self.sample_rate, sound, made))
        return found

    def target_number(self, target: str | None) -> int:
        """The decoder that a target names: a domain, or its place counted from 1; None: the first."""
        names = self.config.data.domains
        if target is None:
            return 0
        if target in names:
            return names.index(target)
        if target.isdecimal() and 1 <= int(target) <= len(names):
            return int(target) - 1
        raise ConfigError(f"The run has no target {target!r}: it has {', '.join(names)}.")

    @torch.no_grad()
    def convert(
        self,
        signal: Audio,
        rate: int,
        target: str | None = None,
        *,
        temperature: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> Audio:
        """A whole signal (samples,) → the same length and rate, as the target's decoder plays it."""
        number = self.target_number(target)
        heard = resample_signal(signal, rate, self.sample_rate)
        peak = float(np.abs(heard).max()) if heard.size else 0.0
        if peak < judge.SILENCE:
            return np.zeros_like(signal)
        scale = LISTENED_PEAK / peak
        codes = self.whole_codes(torch.from_numpy(heard * np.float32(scale))[None].to(self.device))
        decoder = cast("WaveNet", self.decoders[number])
        made = generated(decoder, codes, self.code_samples, heard.size, self.sample_rate, temperature, progress)
        return resample_signal(made / np.float32(scale), self.sample_rate, rate, signal.size)

    def streaming_module(self) -> nn.Module:
        """Encoder and decoders with their memories."""
        return self.make_stream().cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence before the first sample."""
        return self.make_stream().initial_states()

    def make_sampling(self) -> DecoderBank:
        """The decoders as they are now, ready to stream; training goes on with the ones that stay."""
        decoders = [cast("WaveNet", decoder) for decoder in self.decoders]
        return DecoderBank(decoders, self.code_samples, self.config.stream.temperature)

    def make_manifest(
        self, *, features: SamplesFeatures | SpectrumFeatures, step: int, lookahead: int, delay: int, about: str
    ) -> Manifest:
        """What the package says of itself; step and look-ahead in frames of `features`, `delay` in samples.

        about: what kind of network it is, in a few words.
        """
        stream, domains = self.config.stream, self.config.data.domains
        names = " and ".join([", ".join(domains[:-1]), domains[-1]] if len(domains) > 1 else domains)
        return Manifest(
            format=FORMAT,
            name=f"{self.name}_{'_'.join(domains)}".lower()[:60],
            title=stream.title or f"Any instrument to {names}".replace("_", " "),
            architecture=self.name,
            description=f"Whatever is played, chords too, sounds like {names}: {about}.".replace("_", " "),
            sample_rate=self.sample_rate,
            input=features,
            output=SamplesFeatures(),
            phase=None,
            step=step,
            lookahead=lookahead,
            model_delay_samples=delay,
            level_db=None,
            states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(self.initial_states())),
            targets=tuple(Target(one.lower(), one.replace("_", " ").capitalize()) for one in domains),
            controls=(),
            licences=Licences(
                "GPL-3.0-or-later", stream.weights_licence,
                stream.data_licence or "; ".join(self.licences()) or "the owner's own recordings",
            ),
        )  # fmt: skip

    def licences(self) -> list[str]:
        """Of the recordings that are learnt from."""
        chosen = [r for r in self.recordings.rows if r.split == "train" and belongs(r.domain, self.config.data.domains)]
        return sorted({row.licence for row in chosen if row.licence})
