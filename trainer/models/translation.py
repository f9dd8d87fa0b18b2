"""Spectral translation: any instrument's spectrum in, a chosen one's samples out; UMTN with the encoder of a CycleGAN.

The dissertation on audio style transfer (row M14), after Mor et al., "A Universal Music Translation Network", ICLR
2019, and Zhu et al., CycleGAN, ICCV 2017: the generator that turns pictures of sound into pictures is the encoder, no
pooling, and what it draws conditions the WaveNet decoder of each domain, as Mel-STFT frames do in Deep Voice (Arik et
al. 2017).

    sound ─ an interval raised ─▶ mel picture (bins, frames) in log_unit
        ─▶ ResNet generator: strided layers, residual blocks, up again, tanh ─▶ codes (bins, frames)
        ─▶ nearest neighbour, `hop` samples each ─▶ WaveNet of the sound's own domain ─▶ nats of 256 levels
                    └─▶ domain confusion, or the CycleGAN's timbral discriminator with a verdict for each domain

    descend C          H(domain, C(E(x)))                       own optimiser, own step
    descend E, D_k     nats(D_k | E(x)) + λ · hiding

A frame conditions a hop inside of it, so that samples are heard from both sides: with n_fft = 4 hops, one hop of the
frame lies before it and two after, and those two are the package's delay. Changed: normalisation is per frame
(`trainer.resnet`), for instance normalisation over time breaks the streaming law; the last bias of the generator, which
elsewhere begins near silence, begins at zero, since codes are no picture.

Streaming: the encoder runs again over its window (`trainer.streaming`); a step of frames is a step · hop of samples,
which the decoders draw inside the graph (`trainer.wavenet_package`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import Bands, compress
from realtime.manifest import Manifest
from realtime.spectrum import analyse
from trainer.augment import Augmentation
from trainer.config import RunConfig, setting
from trainer.data import Recordings
from trainer.decoder_bank import DecoderBank
from trainer.discriminators import TimbralDiscriminator
from trainer.domain_confusion import DomainConfusion
from trainer.domain_translation import (
    DomainStream,
    DomainTranslation,
    SamplesStream,
    TranslationData,
    TranslationTraining,
)
from trainer.pictures import SILENCE, PictureModel, Pictures
from trainer.recipe import register
from trainer.resnet import ResNetGenerator, fits
from trainer.streaming import WindowWrapper
from trainer.wavenet_stack import WaveNetShape


@dataclass(frozen=True, slots=True)
class TranslationPicture:
    """`[picture]`: what the encoder sees, 0.5 s of it in training."""

    representation: Literal["stft", "mel"] = setting("mel", "linear bins, or mel bands as Deep Voice has them")
    sample_rate: int = setting(8192, "Hz of what is heard and made", minimum=1000)
    n_fft: int = setting(512, "samples of a frame", minimum=16)
    hop: int = setting(128, "samples between frames, and of one code", minimum=8)
    bins: int = setting(64, "bands of the picture, and numbers of a code", minimum=4)
    frames: int = setting(64, "frames of the picture", minimum=2)


@dataclass(frozen=True, slots=True)
class TranslationEncoder:
    """`[encoder]`: the CycleGAN's generator, and the classifier beside it."""

    width: int = setting(32, "channels of the first layer", minimum=1)
    downs: int = setting(3, "strided layers, and as many up again", minimum=1, maximum=8)
    blocks: int = setting(9, "residual blocks in the middle", minimum=0, maximum=32)
    widest: int = setting(4, "the most channels, in widths", minimum=1)
    classifier: Literal["confusion", "timbral"] = setting(
        "confusion", "three convolutions on the codes as UMTN has them, or a discriminator of the whole spectrum"
    )
    classifier_width: int = setting(16, "timbral alone: channels of its first layer", minimum=1)


@dataclass(frozen=True, slots=True)
class TranslationWindow(SamplesStream):
    """`[stream]`: how the exported package is called."""

    window: int = setting(0, "frames that it hears at every call; 0: picture.frames", minimum=0)
    step: int = setting(8, "frames a call", minimum=1)
    lookahead: int = setting(8, "frames of future that are heard before a frame is given", minimum=0)


@dataclass(frozen=True, slots=True)
class SpectralTranslationConfig:
    """The sections of the run file."""

    data: TranslationData
    picture: TranslationPicture = field(default_factory=TranslationPicture)
    encoder: TranslationEncoder = field(default_factory=TranslationEncoder)
    model: WaveNetShape = field(default_factory=WaveNetShape)
    training: TranslationTraining = field(default_factory=TranslationTraining)
    augment: Augmentation = field(default_factory=lambda: Augmentation(interval=1.0))
    stream: TranslationWindow = field(default_factory=TranslationWindow)


@register("spectral_translation")
class SpectralTranslation(DomainTranslation):
    """A CycleGAN's generator as the shared encoder that hides the instrument, a WaveNet decoder for each."""

    Config = SpectralTranslationConfig
    config: SpectralTranslationConfig

    def __init__(self, config: SpectralTranslationConfig, run: RunConfig) -> None:
        picture, stream = config.picture, config.stream
        window = stream.window or picture.frames
        if not fits(window, picture.frames, config.encoder.downs):
            raise ConfigError(
                f"stream.window is {window}, but {config.encoder.downs} strided layers made for {picture.frames} "
                f"frames do not fit it: use a multiple of {2**config.encoder.downs}"
            )
        self.pictures = Pictures(
            PictureModel(
                picture.representation, picture.sample_rate, picture.n_fft, picture.hop, picture.bins,
                frames=picture.frames,
            )
        )  # fmt: skip
        self._bands = Bands(self.pictures.features, picture.sample_rate)
        self.sample_rate, self.code_samples, self.code_channels = picture.sample_rate, picture.hop, picture.bins
        self.excerpt_samples = picture.frames * picture.hop
        around = picture.n_fft // picture.hop - 1  # hops of a frame beside the one that it conditions
        self.before_samples = around // 2 * picture.hop
        self.after_samples = (around - around // 2) * picture.hop
        super().__init__(config, run)

    def make_encoder(self) -> nn.Module:
        """The ResNet generator, its codes beginning about zero."""
        picture, encoder = self.config.picture, self.config.encoder
        network = ResNetGenerator(
            picture.bins, picture.frames, width=encoder.width, downs=encoder.downs, blocks=encoder.blocks,
            widest=encoder.widest,
        )  # fmt: skip
        last = network.layers[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        # 0.02 makes pictures grow slowly out of silence; a decoder learns to overhear codes as faint as that.
        nn.init.xavier_normal_(last.weight)
        return network

    def make_classifier(self, domains: int) -> nn.Module:
        """As `encoder.classifier` says."""
        bins, encoder = self.code_channels, self.config.encoder
        if encoder.classifier == "confusion":
            return DomainConfusion(bins, domains)
        return _Timbral(TimbralDiscriminator(1, bins, encoder.classifier_width, outputs=domains))

    def codes_of(self, heard: Tensor) -> Tensor:
        """Excerpts (batch, before + T + after) → codes (batch, bins, T / hop)."""
        codes: Tensor = self.encoder(self.pictures.of(heard))[:, 0]
        return codes

    def whole_codes(self, heard: Tensor) -> Tensor:
        """A whole sound (1, samples), window after window."""
        features, hop = self.pictures.features, self.code_samples
        count = -(-heard.shape[1] // hop)
        # As live, where silence follows: every frame in which the sound still is, and those that are waited for.
        beyond = features.n_fft + self.config.stream.lookahead * hop
        signal = np.pad(heard[0].cpu().numpy(), (0, beyond))
        x = compress(self._bands.fold(np.abs(analyse(signal, features)).astype(np.float32)), features)
        whole = self._window().whole(torch.from_numpy(x)[None, None].to(heard.device))
        return whole[:, 0, :, self.after_samples // hop :][..., :count]

    def _window(self) -> WindowWrapper:
        picture, stream = self.config.picture, self.config.stream
        return WindowWrapper(
            self.encoder, bins=picture.bins, window=stream.window or picture.frames, step=stream.step,
            lookahead=stream.lookahead, silence=SILENCE,
        )  # fmt: skip

    # -- shipping ------------------------------------------------------------------------------------------------
    def make_stream(self) -> SpectralStream:
        """The encoder in its window, the decoders with their memories."""
        return SpectralStream(self._window(), self.make_sampling())

    def manifest(self) -> Manifest:
        """Spectrum in, samples out."""
        return self.make_manifest(
            features=self.pictures.features,
            step=self.config.stream.step,
            lookahead=self.config.stream.lookahead,
            delay=self.after_samples,
            about="one spectral encoder for every instrument, and a decoder for each target",
        )

    def card(self) -> str:
        """What it was made of."""
        picture, encoder, model = self.config.picture, self.config.encoder, self.config.model
        return "\n".join(
            [
                f"Spectral translation: {picture.representation} pictures of {picture.bins} × {picture.frames} through",
                f"a CycleGAN's generator ({encoder.downs} strided layers, {encoder.blocks} residual blocks) into codes",
                f"that hide the instrument, and for each of {', '.join(self.config.data.domains)} a WaveNet of",
                f"{model.cycles} × {model.layers} layers, width {model.residual}. Learnt without pairs.",
                "",
                "## Limits",
                "",
                f"Nothing lies above {picture.sample_rate // 2} Hz, samples have {model.levels} levels, and each is",
                "drawn by chance: a hiss lies under everything.",
            ]
        )

    @classmethod
    def tiny(cls, material: Path) -> SpectralTranslationConfig:
        """Two strided layers, one block, decoders of three layers."""
        index = material / "recordings" / "index.json"
        return SpectralTranslationConfig(
            TranslationData(index, Recordings.read(index).domains()[:2], validation_items=2, clip_seconds=0.6),
            TranslationPicture(sample_rate=4096, n_fft=64, hop=16, bins=16, frames=16),
            TranslationEncoder(width=4, downs=2, blocks=1, classifier="timbral", classifier_width=2),
            WaveNetShape(cycles=1, layers=3, residual=8, skip=8),
            stream=TranslationWindow(window=8, step=4, lookahead=3),
        )


class _Timbral(nn.Module):
    """A discriminator's map of verdicts, averaged over time."""

    def __init__(self, judge: TimbralDiscriminator) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (batch, bins, frames) → logits (batch, domains)."""
        return cast("Tensor", self.judge(codes[:, None])).mean((2, 3))


class SpectralStream(DomainStream):
    """The window's state, then the decoders'."""

    def __init__(self, window: WindowWrapper, sampling: DecoderBank) -> None:
        super().__init__(sampling, (window.initial_state(),))
        self.window = window

    def forward(self, x: Tensor, target: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """x (1, 1, bins, n · step), target (1, domains) → y (1, 1, n · step · hop), late by the look-ahead."""
        codes, seen = self.window(x, states[0])
        y, *after = self.sampling(codes[:, 0], target, *states[1:])
        return y, seen, *after
