"""UMTN: any instrument in, the sound of a chosen one out; one encoder for all, a WaveNet decoder for each.

Paper: Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", ICLR 2019; in the form of the dissertation
on audio style transfer (row M13), which reports the settings that converged.

    sound (T at 8192 Hz) ─ an interval raised by 0 … 1 semitone ─ mu-law's curve ─▶ temporal encoder
        ─▶ a code every 512 samples ─▶ nearest neighbour ─▶ WaveNet of the sound's own domain ─▶ nats of 256 levels
                    └─▶ domain confusion: 3 convolutions, kernel 1, 64 channels, mean over time

    descend C          H(domain, C(E(x)))                       own optimiser, own step
    descend E, D_k     nats(D_k | E(x)) + 0.01 · hiding          learning rate 1e-4

Changed: the encoder hears mu-law's curve without its 256 steps, which would only add noise; the hiding is bounded
(`trainer.domain_confusion` says why, and has the papers' form as `training.confusion = "reverse"`); single notes are
heard as melodies, as everywhere in this project. A learning rate of 1e-3, the paper's, diverged in the dissertation.

Streaming: the encoder's layers keep their past and are late by what they hear ahead (`trainer.temporal_encoder`), 3072
samples or nothing with `encoder.causal`; one call takes one code's samples. The decoders draw sample by sample inside
the graph (`trainer.wavenet_package`). Much slower than real time at full size: `retimbre live` refuses it with the
measured factor, `retimbre convert --method run` plays a run with the compiled kernel.

A new domain: `training.encoder_from` names a trained run, and `data.domains` the new instruments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from realtime.features import SamplesFeatures
from realtime.manifest import Manifest
from trainer import mu_law
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.data import Recordings
from trainer.decoder_bank import DecoderBank
from trainer.domain_confusion import DomainConfusion
from trainer.domain_translation import (
    DomainStream,
    DomainTranslation,
    SamplesStream,
    TranslationData,
    TranslationTraining,
)
from trainer.recipe import register
from trainer.temporal_encoder import EncoderShape, EncoderStream, TemporalEncoder, stream_whole
from trainer.wavenet_stack import WaveNetShape


@dataclass(frozen=True, slots=True)
class UmtnData(TranslationData):
    """`[data]`: recordings of the domains, and how long an excerpt of them is."""

    seconds: float = setting(1.0, "length of an excerpt, made up to whole codes", minimum=0.01, maximum=30)


@dataclass(frozen=True, slots=True)
class UmtnEncoder(EncoderShape):
    """`[encoder]`: the temporal encoder and the rate of the sound."""

    sample_rate: int = setting(8192, "Hz of what is heard and made", minimum=1000)


@dataclass(frozen=True, slots=True)
class UmtnConfig:
    """The sections of the run file."""

    data: UmtnData
    encoder: UmtnEncoder = field(default_factory=UmtnEncoder)
    model: WaveNetShape = field(default_factory=WaveNetShape)
    training: TranslationTraining = field(default_factory=TranslationTraining)
    augment: Augmentation = field(default_factory=lambda: Augmentation(interval=1.0))
    stream: SamplesStream = field(default_factory=SamplesStream)


@register("umtn")
class Umtn(DomainTranslation):
    """Universal music translation: a shared encoder that hides the instrument, a WaveNet decoder for each."""

    Config = UmtnConfig
    config: UmtnConfig

    def __init__(self, config: UmtnConfig, run: RunConfig) -> None:
        self.sample_rate, self.code_samples = config.encoder.sample_rate, config.encoder.pool
        self.code_channels = config.encoder.codes
        codes = -(-round(config.data.seconds * self.sample_rate) // self.code_samples)
        self.excerpt_samples = codes * self.code_samples
        super().__init__(config, run)

    def make_encoder(self) -> nn.Module:
        """The temporal encoder."""
        return TemporalEncoder(self.config.encoder)

    def make_classifier(self, domains: int) -> nn.Module:
        """The dissertation's domain confusion network."""
        return DomainConfusion(self.code_channels, domains)

    def codes_of(self, heard: Tensor) -> Tensor:
        """Excerpts (batch, T) → codes (batch, codes, T / pool)."""
        codes: Tensor = self.encoder(mu_law.compress(heard, self.config.model.levels)[:, None])
        return codes

    def whole_codes(self, heard: Tensor) -> Tensor:
        """A whole sound (1, samples), piece by piece with memory."""
        return stream_whole(EncoderStream(self._encoder), mu_law.compress(heard, self.config.model.levels)[:, None])

    @property
    def _encoder(self) -> TemporalEncoder:
        assert isinstance(self.encoder, TemporalEncoder)
        return self.encoder

    # -- shipping ------------------------------------------------------------------------------------------------
    def make_stream(self) -> UmtnStream:
        """Encoder and decoders with their memories."""
        return UmtnStream(self._encoder, self.make_sampling(), self.config.model.levels)

    def manifest(self) -> Manifest:
        """Samples in, samples out, one code's samples a call."""
        return self.make_manifest(
            features=SamplesFeatures(),
            step=self.config.encoder.pool,
            lookahead=self.config.encoder.lookahead_samples,
            delay=0,
            about="one encoder for every instrument, and a decoder for each target",
        )

    def card(self) -> str:
        """What it was made of."""
        encoder, model, data = self.config.encoder, self.config.model, self.config.data
        return "\n".join(
            [
                f"A universal music translation network (Mor et al. 2019): {encoder.blocks} × {encoder.layers} encoder",
                f"layers of width {encoder.width}, a code of {encoder.codes} numbers every {encoder.pool} samples, and",
                f"for each of {', '.join(data.domains)} a WaveNet of {model.cycles} × {model.layers} layers, width",
                f"{model.residual}. Learnt from recordings without pairs; hears any instrument.",
                "",
                "## Limits",
                "",
                f"Nothing lies above {encoder.sample_rate // 2} Hz, samples have {model.levels} levels, and each is",
                "drawn by chance: a hiss lies under everything. What the codes do not carry is made up.",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> UmtnConfig:
        """Two blocks of three layers, codes of 64 samples, decoders of two layers."""
        index = material / "recordings" / "index.json"
        return UmtnConfig(
            UmtnData(index, Recordings.read(index).domains()[:2], seconds=0.1, validation_items=2,
                            clip_seconds=0.6),
            UmtnEncoder(blocks=1, layers=4, width=8, codes=4, pool=64, sample_rate=4096),
            WaveNetShape(cycles=1, layers=3, residual=8, skip=8),
        )  # fmt: skip


class UmtnStream(DomainStream):
    """The encoder's two states, then the decoders'."""

    def __init__(self, encoder: TemporalEncoder, sampling: DecoderBank, levels: int) -> None:
        hearing = EncoderStream(encoder)
        super().__init__(sampling, hearing.initial_states())
        self.hearing, self.levels = hearing, levels

    def forward(self, x: Tensor, target: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """x (1, 1, n · pool), target (1, domains) → y like x, late by the encoder's look-ahead."""
        codes, before, past = self.hearing(mu_law.compress(x, self.levels), *states[:2])
        y, *after = self.sampling(codes, target, *states[2:])
        return y, before, past, *after
