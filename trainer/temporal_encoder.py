"""The temporal encoder of the universal translation networks: sound to one code vector every `pool` samples.

Papers: Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", ICLR 2019; Engel et al., "Neural Audio
Synthesis of Musical Notes with WaveNet Autoencoders", ICML 2017; the dissertation on audio style transfer (width 64,
pooling 512 at 8192 Hz where Mor et al. pool 800 at 16 kHz).

    x (batch, 1, T) in [-1, 1], mu-law's curve ─▶ C3 ─▶ h (batch, width, T)
    `blocks` times, dilation d = 1, 2 … 2^(layers − 1):   h ← h + C1(relu(C3 with dilation d (relu(h))))
    C1 ─▶ (batch, codes, T) ─▶ mean of every `pool` samples ─▶ codes (batch, codes, T / pool)
    to the rate of the sound again by the nearest neighbour: every code stands `pool` times

The papers' convolutions hear as far ahead as back: `reach_samples` = 1 + blocks · (2^layers − 1), 3070 with three
blocks of ten. They stream exactly all the same: a layer gives its result d samples late, when it has heard enough, and
adds the input of that time, which is the middle one of the three taps. So `EncoderStream` is late by the reach, made up
to whole codes (3072), and no window is computed twice. `causal` puts all taps into the past: nothing to wait for.

`forward` pads every layer with zeros at the ends of an excerpt; a stream pads the sound. They agree from
`reach_samples` (causal: the past alone, twice that) after the beginning until as long before the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.config import setting
from trainer.recompute import recomputed

TAPS = 3


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """`[encoder]`: the sizes of a temporal encoder."""

    blocks: int = setting(3, "times the dilations 1, 2, 4 … run", minimum=1)
    layers: int = setting(10, "residual layers of a block: dilations 1 to 2^(layers − 1)", minimum=1, maximum=14)
    width: int = setting(64, "channels of every layer (Mor et al. 128)", minimum=1)
    codes: int = setting(64, "numbers of a code", minimum=1)
    pool: int = setting(512, "samples of one code", minimum=1)
    causal: bool = setting(False, "hear the past alone: no look-ahead but that of the pooling")

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of every layer, the first convolution's included."""
        return (1, *(2**layer for _ in range(self.blocks) for layer in range(self.layers)))

    @property
    def ahead_samples(self) -> int:
        """Samples of future that a value before the pooling hears."""
        return 0 if self.causal else sum(self.dilations)

    @property
    def lookahead_samples(self) -> int:
        """By how much a stream of codes is late: `ahead_samples`, made up to whole codes."""
        return -(-self.ahead_samples // self.pool) * self.pool


class _Layer(nn.Module):
    """h + C1(relu(C3(relu(h)))) with a dilation, on what the caller has padded."""

    def __init__(self, width: int, dilation: int, *, causal: bool) -> None:
        super().__init__()
        self.reach = (TAPS - 1) * dilation
        self.late = 0 if causal else dilation
        self.dilated = nn.Conv1d(width, width, TAPS, dilation=dilation)
        self.mixed = nn.Conv1d(width, width, 1)

    def forward(self, h: Tensor) -> Tensor:
        """(batch, width, reach + T) → (batch, width, T): the values `late` before the last T."""
        change = self.mixed(functional.relu(self.dilated(functional.relu(h))))
        kept = h[..., self.reach - self.late : h.shape[-1] - self.late]
        return kept + change  # type: ignore[no-any-return]


class TemporalEncoder(nn.Module):
    """x (batch, 1, T) → codes (batch, codes, T / pool); T a multiple of `pool`."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        dilations = shape.dilations
        self.first = nn.Conv1d(1, shape.width, TAPS)
        self.layers = nn.ModuleList(_Layer(shape.width, d, causal=shape.causal) for d in dilations[1:])
        self.last = nn.Conv1d(shape.width, shape.codes, 1)

    @property
    def reach_samples(self) -> int:
        """Samples from the one that a value belongs to until the furthest one that it hears, before the pooling."""
        return sum(self.shape.dilations) * (2 if self.shape.causal else 1)

    def forward(self, x: Tensor) -> Tensor:
        """ConfigError when the codes do not fill the sound."""
        if x.shape[-1] % self.shape.pool:
            raise ConfigError(
                f"the encoder got {x.shape[-1]} samples, expected a multiple of its pooling of {self.shape.pool}"
            )
        back, ahead = (2, 0) if self.shape.causal else (1, 1)
        h = self.first(functional.pad(x, (back, ahead)))
        for layer in self.layers:
            late = cast("int", layer.late)
            h = recomputed(layer, functional.pad(h, (cast("int", layer.reach) - late, late)))
        return self.pooled(h)

    def pooled(self, h: Tensor) -> Tensor:
        """The last layer's values (batch, width, T) → codes (batch, codes, T / pool)."""
        return functional.avg_pool1d(self.last(h), self.shape.pool)


def at_audio_rate(codes: Tensor, pool: int) -> Tensor:
    """(batch, codes, frames) → (batch, codes, frames · pool), every code `pool` times: the nearest neighbour."""
    return codes.repeat_interleave(pool, 2)


class EncoderStream(nn.Module):
    """The encoder with its memory as an argument and a result: x and states → codes, late, and the next states.

    States: the samples (1, 1, 2 + patience) before x, and the past of all layers side by side (1, width, Σ reach).
    `patience` are the samples by which the look-ahead was made up to whole codes. x is a multiple of `pool` samples.
    """

    def __init__(self, encoder: TemporalEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.lookahead = encoder.shape.lookahead_samples
        self.patience = self.lookahead - encoder.shape.ahead_samples
        self.reaches = [cast("int", layer.reach) for layer in encoder.layers]

    def initial_states(self) -> tuple[Tensor, Tensor]:
        """Zeros: silence was heard."""
        width = self.encoder.shape.width
        return torch.zeros(1, 1, TAPS - 1 + self.patience), torch.zeros(1, width, sum(self.reaches))

    def forward(self, x: Tensor, before: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (1, 1, n·pool) → codes (1, codes, n) of the sound `lookahead` samples ago, and both next states."""
        heard = torch.cat([before, x], 2)
        h = self.encoder.first(heard[..., : heard.shape[-1] - self.patience])
        kept: list[Tensor] = []
        for layer, own in zip(self.encoder.layers, past.split(self.reaches, 2), strict=True):
            seen = torch.cat([own, h], 2)
            kept.append(seen[..., seen.shape[-1] - own.shape[-1] :])
            h = layer(seen)
        after = heard[..., heard.shape[-1] - before.shape[-1] :]
        return self.encoder.pooled(h), after, torch.cat(kept, 2)


def stream_whole(stream: EncoderStream, x: Tensor, states: Sequence[Tensor] | None = None) -> Tensor:
    """The codes of a whole sound (1, 1, T), code k belonging to samples k·pool …: T made up to whole codes."""
    pool = stream.encoder.shape.pool
    missing = -x.shape[-1] % pool + stream.lookahead
    before, past = (state.to(x) for state in (states or stream.initial_states()))
    pieces = []
    # A piece at a time: the layers' memory of a long sound would be gigabytes.
    for piece in functional.pad(x, (0, missing)).split(64 * pool, 2):
        codes, before, past = stream(piece, before, past)
        pieces.append(codes)
    return torch.cat(pieces, 2)[..., stream.lookahead // pool :]
