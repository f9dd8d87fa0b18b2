"""Variational autoencoder: violin, flute and what lies between them, on one path through a latent space.

After the assignment on violin and flute (row M10: input 1024 × 128 × 1, five convolutions, 128 latent dimensions, one
encoder or one for each instrument). Papers: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014; Lample et
al., "Fader Networks", NeurIPS 2017; Ternes et al., "A multi-encoder variational autoencoder …", Communications Biology
2022.

    x (1, 1024, 128) ─C─▶ (w, 512, 64) ─C─▶ (2w, 256, 32) ─C─▶ (4w, 128, 16) ─C─▶ (8w, 64, 8) ─C─▶ (16w, 32, 4) ─▶ μ, σ
    z = [ code (one value a domain) | content (the rest) ]                                             128 values each
    ŷ (1, 1024, 128) ◀─T── … five transposed convolutions, tanh ──── linear ◀─ z      C, T: kernels 4 × 4, stride 2

The prior knows the domains: domain k has N(c_k, I) with c_k = separation · e_k on the code and 0 on the content. Going
from one instrument to another is a straight line between c_a and c_b: the latent path. Live, the content is the input's
and the code is separation · target weights, so the path is walked with the package's own blend control. Two recordings
are mixed by a line between their encodings (`mixed`).

The document's VAE was "not trained and optimised"; what it says nothing of is chosen here. Added to it: the prior with
domains, and a discriminator on the content that must not find the instrument there (Fader Networks), without which the
code changes nothing. Normalisation is over the channels, bins and frames of one window: a batch's statistics would mix
the encoders of the variant below, and within its window a network may look both ways (`trainer.streaming`).

`multi_encoder_vae` has an encoder for each domain and one decoder. Played live it must know who is playing:
`stream.origin`. Both stream through `trainer.streaming`'s window.

Over 300 lines because a system is one file.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, expand, unit_scale
from realtime.manifest import Manifest
from realtime.phase import griffin_lim
from realtime.spectrum import synthesise
from trainer import distributed, excerpts, judge
from trainer.config import RunConfig, setting
from trainer.data import Recordings
from trainer.paired_spectra import SILENCE, magnitudes
from trainer.recipe import Clip, Recipe, register
from trainer.spectral_package import Stream, spectral_manifest
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper

Audio = npt.NDArray[np.float32]
LAYERS = 5
CLIP_SECONDS = 6.0
_VALIDATION_SEED = 2**31


@dataclass(frozen=True, slots=True)
class VaeData:
    """`[data]`: recordings of two instruments or more; nothing is paired."""

    index: Path = setting(meaning="index.json written by `retimbre prepare recordings`")
    domains: tuple[str, ...] = setting(("violin", "flute"), "the instruments, in the order of the target weights")
    gain_db: float = setting(6.0, "training slices are made softer by up to this", minimum=0, maximum=40)
    validation_windows: int = setting(16, "windows of each domain that are judged", minimum=1)


@dataclass(frozen=True, slots=True)
class VaeModel:
    """`[model]`."""

    n_fft: int = setting(2048, "samples of a spectrogram frame", minimum=16)
    hop: int = setting(512, "samples between frames", minimum=8)
    bins: int = setting(1024, "linear bins kept from 0 Hz up; a multiple of 32", minimum=32)
    frames: int = setting(128, "frames of the window; a multiple of 32", minimum=32)
    latent: int = setting(128, "latent dimensions, the code's among them", minimum=3)
    width: int = setting(16, "channels of the first layer, doubled by each further one", minimum=1)
    separation: float = setting(4.0, "distance of a domain's prior from 0 on its axis of the code", minimum=0.1)


@dataclass(frozen=True, slots=True)
class VaeTraining:
    """`[training]`."""

    learning_rate: float = setting(5e-4, "Adam's, for encoders and decoder", minimum=0)
    discriminator_learning_rate: float = setting(1e-3, "Adam's, for the discriminator on the content", minimum=0)
    kl_weight: float = setting(2e-5, "of the content's divergence (nats, summed) from the prior", minimum=0)
    code_weight: float = setting(5e-3, "of the code's divergence from its domain's prior", minimum=0)
    confusion_weight: float = setting(2e-2, "of hiding the domain from the discriminator", minimum=0)


@dataclass(frozen=True, slots=True)
class VaeStream(Stream):
    """`[stream]`: how the exported package is called."""

    step: int = setting(4, "frames a call", minimum=1)
    lookahead: int = setting(4, "frames of future that are heard before a frame is given", minimum=0)
    phase: Literal["input", "gradient"] = setting("gradient", "built from the magnitudes, or the input's own")
    origin: str = setting("", "whose encoder hears the player, of several; empty: the first domain's")


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """The sections of the run file."""

    data: VaeData
    model: VaeModel = field(default_factory=VaeModel)
    training: VaeTraining = field(default_factory=VaeTraining)
    stream: VaeStream = field(default_factory=VaeStream)


class Encoder(nn.Module):
    """(batch, 1, bins, frames) → mean and log variance, (batch, latent) each."""

    def __init__(self, model: VaeModel) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = [1, *(model.width * 2**level for level in range(LAYERS))]
        for inside, outside in itertools.pairwise(widths):
            # The first has no normalisation, so that the network knows how loud the window is.
            norm = [nn.GroupNorm(1, outside)] if layers else []
            layers += [nn.Conv2d(inside, outside, 4, 2, 1), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(1))
        self.to_latent = nn.Linear(_inner(model), 2 * model.latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The log variance is kept within what exp and float32 can hold."""
        mean, log_variance = self.to_latent(self.layers(x)).chunk(2, 1)
        return mean, log_variance.clamp(-12.0, 6.0)


class Decoder(nn.Module):
    """(batch, latent) → (batch, 1, bins, frames) in (−1, 1)."""

    def __init__(self, model: VaeModel) -> None:
        super().__init__()
        self.shape = (model.width * 2 ** (LAYERS - 1), model.bins // 2**LAYERS, model.frames // 2**LAYERS)
        self.from_latent = nn.Linear(model.latent, _inner(model))
        layers: list[nn.Module] = []
        widths = [*(model.width * 2**level for level in reversed(range(LAYERS))), 1]
        for inside, outside in itertools.pairwise(widths):
            norm = [nn.GroupNorm(1, inside)] if layers else []
            layers += [*norm, nn.LeakyReLU(0.2), nn.ConvTranspose2d(inside, outside, 4, 2, 1)]
        self.layers = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Magnitudes in log_unit."""
        made: Tensor = self.layers(self.from_latent(z).unflatten(1, self.shape))
        return made


class PathNetwork(nn.Module):
    """What streams: the content of a window, the code of the target weights, decoded."""

    def __init__(self, encoder: Encoder, decoder: Decoder, separation: float) -> None:
        super().__init__()
        self.encoder, self.decoder, self.separation = encoder, decoder, separation

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (batch, 1, bins, frames), target (batch, domains) → x's shape."""
        mean, _ = self.encoder(x)
        made: Tensor = self.decoder(torch.cat([self.separation * target, mean[:, target.shape[1] :]], 1))
        return made


@register("vae")
class Vae(Recipe):
    """A variational autoencoder whose code is the instrument: one encoder, one decoder, a path between domains."""

    Config = VaeConfig
    metric = "reconstruction_error"
    config: VaeConfig
    several_encoders = False

    def __init__(self, config: VaeConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model, domains = config.model, config.data.domains
        if model.bins % 2**LAYERS or model.frames % 2**LAYERS:
            raise ConfigError(
                f"The window is {model.bins} × {model.frames}, expected multiples of {2**LAYERS}: change it"
            )
        if not 2 <= len(set(domains)) == len(domains) < model.latent:
            raise ConfigError(f"data.domains is {', '.join(domains)}, expected two or more different ones")
        if config.stream.origin not in ("", *domains):
            raise ConfigError(f"stream.origin is {config.stream.origin!r}, expected one of {', '.join(domains)}")
        self.recordings = Recordings.read(config.data.index)
        self.features = SpectrumFeatures(
            model.n_fft, model.hop, model.bins, "linear", "log_unit", unit_scale(model.n_fft)
        )
        count = len(domains) if self.several_encoders else 1
        self.encoders = nn.ModuleList(Encoder(model) for _ in range(count)).to(self.device)
        self.decoder = Decoder(model).to(self.device)
        self.discriminator = nn.Sequential(
            nn.Linear(model.latent - len(domains), 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
            nn.Linear(64, len(domains)),
        ).to(self.device)  # fmt: skip
        training = config.training
        own = [*self.encoders.parameters(), *self.decoder.parameters()]
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            "vae": torch.optim.Adam(own, training.learning_rate),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(), training.discriminator_learning_rate, (0.5, 0.999)
            ),
        }

    def networks(self) -> dict[str, nn.Module]:
        """The encoders, the decoder, and what must not find the domain in the content."""
        return {"encoders": self.encoders, "decoder": self.decoder, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Encoders and decoder together, the discriminator apart."""
        return self._optimizers

    @functools.cached_property
    def bank(self) -> excerpts.Bank:
        """The training recordings, read on first use."""
        return excerpts.load_bank([self.config.data.index], ("train",), self.config.data.domains)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """x (items, 1, bins, frames): phrases, or melodies of single notes; domain (items,); domains take turns."""
        domains, pictures, labels = self.config.data.domains, [], []
        for item in items:
            rng = np.random.default_rng([self.run.seed, step, item])
            label = (step * self.run.batch + item) % len(domains)
            sound = self._excerpt(self.bank, domains[label], rng)
            gain_db = -float(rng.uniform(0, self.config.data.gain_db))
            pictures.append(self._window(sound * np.float32(10 ** (gain_db / 20))))
            labels.append(label)
        return {"x": torch.from_numpy(np.stack(pictures)[:, None]), "domain": torch.tensor(labels)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """D on the content; then reconstruction + divergence from the domain's prior + hiding the domain from D."""
        training, x, domain = self.config.training, batch["x"], batch["domain"]
        code = functional.one_hot(domain, len(self.config.data.domains)).to(x.dtype) * self.config.model.separation
        mean, log_variance = self.encode(x, domain)
        noise = distributed.normal(tuple(mean.shape), self.device)
        z = mean + torch.exp(0.5 * log_variance) * noise
        size = code.shape[1]

        found = functional.cross_entropy(self.discriminator(z[:, size:].detach()), domain)
        self.descend("discriminator", found)

        made = self.decoder(z)
        error = functional.mse_loss(made, x)
        prior = functional.pad(code, (0, z.shape[1] - size))
        divergence = 0.5 * ((mean - prior).square() + log_variance.exp() - 1.0 - log_variance)
        code_divergence, content_divergence = divergence[:, :size].sum(1).mean(), divergence[:, size:].sum(1).mean()
        # As far from every domain as from any other: cross-entropy against even odds.
        hidden = -functional.log_softmax(self.discriminator(z[:, size:]), 1).mean()
        loss = error + training.kl_weight * content_divergence + training.code_weight * code_divergence
        self.descend("vae", loss + training.confusion_weight * hidden)
        return {
            "reconstruction_error": error, "content_divergence": content_divergence,
            "code_divergence": code_divergence, "discriminator": found,
        }  # fmt: skip

    def encode(self, x: Tensor, domain: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (batch, latent) by the encoder of each item's domain."""
        if not self.several_encoders:
            return cast("tuple[Tensor, Tensor]", self.encoders[0](x))
        # Every encoder hears every item and all but one are dropped: processes that share a batch then do alike.
        heard = [torch.stack(pair) for pair in (encoder(x) for encoder in self.encoders)]
        chosen = torch.stack(heard)[domain, :, torch.arange(len(x), device=x.device)]
        return chosen[:, 0], chosen[:, 1]

    def validate(self) -> dict[str, float]:
        """Mean squared error of reconstructed validation windows, and how often the code names their domain."""
        x, domain = self._validation
        x, domain = x.to(self.device), domain.to(self.device)
        means = torch.cat([self.encode(p, d)[0] for p, d in zip(x.split(8), domain.split(8), strict=True)])
        made = torch.cat([self.decoder(part) for part in means.split(8)])
        named = means[:, : len(self.config.data.domains)].argmax(1)
        return {
            "reconstruction_error": float((made - x).square().mean()),
            "code_right": float((named == domain).float().mean()),
        }

    @functools.cached_property
    def _validation(self) -> tuple[Tensor, Tensor]:
        data, bank = self.config.data, self._unseen
        pictures, labels = [], []
        for label, name in enumerate(data.domains):
            for number in range(data.validation_windows):
                rng = np.random.default_rng([_VALIDATION_SEED, label, number])
                pictures.append(self._window(self._excerpt(bank, name, rng)))
                labels.append(label)
        return torch.from_numpy(np.stack(pictures)[:, None]), torch.tensor(labels)

    @functools.cached_property
    def _unseen(self) -> excerpts.Bank:
        """Validation recordings; of a domain without any, the training recordings."""
        data = self.config.data
        bank = excerpts.load_bank([data.index], ("validation",), data.domains)
        return excerpts.Bank({**self.bank.sounds, **bank.sounds})

    def clips(self) -> list[Clip]:
        """One excerpt of each domain turned into the next one, as the exported package would play it."""
        domains, found = self.config.data.domains, []
        for label, name in enumerate(domains):
            other = (label + 1) % len(domains)
            rng = np.random.default_rng([_VALIDATION_SEED, label])
            sound = excerpts.excerpt(self._unseen, name, CLIP_SECONDS, rng)
            sound = 0.5 * sound / max(1e-6, float(np.abs(sound).max()))
            made = self.play_through(sound, functional.one_hot(torch.tensor([other]), len(domains)).float(), name)
            found.append(Clip(f"{name} to {domains[other]}", judge.SAMPLE_RATE, sound, made))
        return found

    def play_through(self, signal: Audio, target: Tensor, origin: str = "") -> Audio:
        """A whole signal (samples,) with target weights (1, domains), as the package of `origin` would play it."""
        wrapper, target = self._wrapper(origin), target.to(self.device)

        def network(x: Tensor) -> Tensor:
            return wrapper.whole(x, target)

        return play(signal, self.features, self.config.stream.phase, network, self.device)

    @torch.no_grad()
    def mixed(self, first: Audio, second: Audio, origins: tuple[str, str], position: float) -> Audio:
        """Two recordings (samples,) at the system's rate, mixed in the latent space: 0 the first, 1 the second.

        origins: the domain of each. The longer is cut. Every `step` frames come from the middle of a window of their
        own; the phase is Griffin-Lim's.
        """
        length, model, stride = min(first.size, second.size), self.config.model, self.config.stream.step
        means = []
        for signal, origin in zip((first, second), origins, strict=True):
            frames = torch.from_numpy(magnitudes(signal[:length], self.features))
            lead = (model.frames - stride) // 2
            padded = functional.pad(frames, (lead, model.frames), value=SILENCE)
            windows = padded.unfold(1, model.frames, stride)[:, : -(-frames.shape[1] // stride)].permute(1, 0, 2)
            label = torch.full((len(windows),), self.config.data.domains.index(origin))
            parts = zip(windows[:, None].split(16), label.split(16), strict=True)
            means.append(torch.cat([self.encode(w.to(self.device), d.to(self.device))[0] for w, d in parts]))
        z = (1.0 - position) * means[0] + position * means[1]
        middle = slice((model.frames - stride) // 2, (model.frames - stride) // 2 + stride)
        made = torch.cat([self.decoder(part)[:, 0, :, middle] for part in z.split(16)])
        values = made.permute(1, 0, 2).flatten(1).float().cpu().numpy()
        magnitude = np.zeros((self.features.full_bins, values.shape[1]), np.float32)
        magnitude[: model.bins] = expand(values, self.features)
        spectrum = griffin_lim(magnitude, self.features)
        return synthesise(spectrum, self.features, aligned=True, samples=length)

    def streaming_module(self) -> nn.Module:
        """Encoder and decoder in their window."""
        return self._wrapper(self.config.stream.origin).cpu().eval()

    def initial_states(self) -> tuple[Tensor, ...]:
        """The frames before the first."""
        return (self._wrapper("").initial_state(),)

    def manifest(self) -> Manifest:
        """Spectrum in, spectrum out; a target for each domain."""
        domains = self.config.data.domains
        titles = [name.replace("_", " ") for name in domains]
        return spectral_manifest(
            self,
            name="_".join(domains),
            title=f"Between {' and '.join(titles)}",
            description=f"Whatever is played sounds like {', '.join(titles)}, or anything on the way between them.",
            sample_rate=judge.SAMPLE_RATE,
            features=self.features,
            licences=sorted({row.licence for row in self.recordings.rows if row.domain in domains and row.licence}),
            lookahead=self.config.stream.lookahead,
            targets=domains,
        )

    def card(self) -> str:
        """What it was made of."""
        model, domains = self.config.model, self.config.data.domains
        kinds = "one encoder for each instrument" if self.several_encoders else "one encoder"
        return "\n".join(
            [
                f"A variational autoencoder on windows of {model.bins} × {model.frames} magnitudes with {model.latent}",
                f"latent dimensions and {kinds}, trained on unpaired recordings of {', '.join(domains)}.",
                "",
                "## Limits",
                "",
                f"A window of {model.frames} frames passes through {model.latent} numbers: fine detail is lost, fast",
                "notes smear, and pitches that were not trained on come back as the nearest that were.",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> VaeConfig:
        """A window of 32 × 32, eight latent dimensions."""
        index = material / "recordings" / "index.json"
        rows = json.loads(index.read_text(encoding="utf-8"))["recordings"]
        domains = tuple(sorted({row["domain"] for row in rows}))[:2]
        return VaeConfig(
            VaeData(index, domains, validation_windows=2),
            VaeModel(n_fft=512, hop=256, bins=32, frames=32, latent=8, width=1),
            VaeTraining(),
            VaeStream(step=2, lookahead=3),
        )

    def _excerpt(self, bank: excerpts.Bank, name: str, rng: np.random.Generator) -> Audio:
        """Sound enough for a window, its peak at full scale."""
        model = self.config.model
        seconds = ((model.frames - 1) * model.hop + model.n_fft) / judge.SAMPLE_RATE
        sound = excerpts.excerpt(bank, judge.class_of(name), seconds, rng)
        return (sound / max(1e-3, float(np.abs(sound).max()))).astype(np.float32)

    def _window(self, sound: Audio) -> Audio:
        """(bins, frames); the first frames, which would hear an onset that is none, are left out."""
        return magnitudes(sound, self.features)[:, -self.config.model.frames :]

    def _wrapper(self, origin: str) -> WindowWrapper:
        model, stream, domains = self.config.model, self.config.stream, self.config.data.domains
        number = domains.index(origin) if self.several_encoders and origin else 0
        encoder = cast("Encoder", self.encoders[number])
        return WindowWrapper(
            PathNetwork(encoder, self.decoder, model.separation),
            bins=model.bins,
            window=model.frames,
            step=stream.step,
            lookahead=stream.lookahead,
            silence=SILENCE,
        )


@register("multi_encoder_vae")
class MultiEncoderVae(Vae):
    """The same with an encoder for each instrument, which steadies training on unlike recordings."""

    several_encoders = True


def _inner(model: VaeModel) -> int:
    halved = 1 << LAYERS
    return (model.width << (LAYERS - 1)) * (model.bins // halved) * (model.frames // halved)
