"""The live generator's network: causal, normalised frame by frame, many targets, in three forms of one skeleton.

    x (frames, bins) ─▶ stem ─▶ h (frames, positions, channels) ─▶ blocks ─▶ head ─▶ Δ      y = x + Δ   (log_unit)

    block   n = norm(h)                       over the channels of one frame and position: nothing runs over time
            m = linear(n[t], n[t − d], n[t − 2d], neighbours of n[t] in frequency)
            h + linear(silu(m · scale(target) + shift(target)))

    form       positions                                          frequency meets frequency
    time       1: all bins are the channels                       in every linear layer
    bands      groups of bins that widen upwards, own stems       in a linear layer over positions, in every block
    harmonic   every `patch` bins, one stem for all of them,      at the neighbours, and in the stem
               on a stack of the spectrum at k/4, k/3, k/2 … 4k

The input is added to the output, so that an untrained network plays the input. What each form costs and gains stands in
docs/live-generator.md. Targets act through a scale and a shift of every block, linear in
the weights (Perez et al. 2018): blends lie between. Band stems after Luo & Yu 2023 (band-split RNN), harmonic stacking
after Bittner et al. 2017 (deep salience); dilated causal convolutions after van den Oord et al. 2016.

Few nodes and channel-last matrix products, because onnxruntime pays per node: a dilated convolution is one product over
gathered frames; all scales and shifts are one product; the past of all blocks is one state.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.config import setting

Form = Literal["time", "bands", "harmonic"]
HARMONICS = (0.25, 1 / 3, 0.5, 1.0, 2.0, 3.0, 4.0)
LOUDEST = 1.25
"""log_unit, 12 dB above a full-scale sine. Above it the output hardly rises: magnitudes are its exponential, and one
bin of one frame at 12 gave a loss that is no number."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """`[model]`: spectrogram and network."""

    n_fft: int = setting(1024, "samples of a spectrogram frame", minimum=16)
    hop: int = setting(256, "samples between frames", minimum=8)
    bins: int = setting(512, "linear bins kept from 0 Hz up", minimum=4)
    form: Form = setting("time", "how frequencies are held: all as channels, in bands, or shared on a harmonic stack")
    channels: int = setting(256, "channels of a position", minimum=1)
    hidden: int = setting(256, "channels inside a block", minimum=1)
    positions: int = setting(48, "bands of the form bands", minimum=2)
    patch: int = setting(4, "bins of a position of the form harmonic", minimum=1)
    blocks: int = setting(7, "blocks; the k-th looks 2ᵏ and 2·2ᵏ frames back, from 1 on", minimum=1, maximum=9)


class LiveNetwork(nn.Module):
    """x (batch, frames, bins) in log_unit, target (batch, targets), state → y like x, and the next state."""

    def __init__(self, model: LiveModel, targets: int) -> None:
        super().__init__()
        self.model = model
        self.stem, self.head, positions = _ends(model)
        shape = (positions, model.channels)
        self.dilations = [2**level for level in range(model.blocks)]
        self.blocks = nn.ModuleList(_Block(model, positions, dilation) for dilation in self.dilations)
        self.colours = nn.Linear(targets, 2 * model.hidden * model.blocks)
        nn.init.normal_(self.colours.weight, 0.0, 0.3)
        with torch.no_grad():  # scales begin about 1, shifts about 0
            self.colours.bias.copy_(torch.tensor([1.0, 0.0]).repeat_interleave(model.hidden).repeat(model.blocks))
        self.state_shape = (2 * sum(self.dilations), *shape)

    def initial_state(self, batch: int = 1) -> Tensor:
        """Zeros: nothing was heard."""
        return torch.zeros(batch, *self.state_shape)

    def forward(self, x: Tensor, target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Any number of frames; one long call equals many short ones."""
        h = self.stem(x)
        colours = self.colours(target)[:, None, None].split(self.model.hidden, -1)
        pasts = state.split([2 * dilation for dilation in self.dilations], 1)
        kept = []
        for number, block in enumerate(self.blocks):
            h, past = block(h, pasts[number], colours[2 * number], colours[2 * number + 1])
            kept.append(past)
        y = x + self.head(h)
        return torch.minimum(y, LOUDEST + 0.01 * (y - LOUDEST)), torch.cat(kept, 1)


class _Block(nn.Module):
    """See the module's picture; h (batch, frames, positions, channels)."""

    def __init__(self, model: LiveModel, positions: int, dilation: int) -> None:
        super().__init__()
        self.form, self.dilation = model.form, dilation
        self.norm = nn.LayerNorm(model.channels)
        taps = 5 if model.form == "harmonic" else 3
        self.gather = nn.Linear(taps * model.channels, model.hidden)
        self.give = nn.Linear(model.hidden, model.channels)
        nn.init.zeros_(self.give.bias)
        nn.init.normal_(self.give.weight, 0.0, 0.3 / math.sqrt(model.hidden * model.blocks))
        if model.form == "bands":
            self.mix = nn.Linear(positions, positions)
            nn.init.normal_(self.mix.weight, 0.0, 0.3 / math.sqrt(positions * model.blocks))

    def forward(self, h: Tensor, past: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        """`past`: the 2·dilation normalised frames before."""
        frames, d = h.shape[1], self.dilation
        n = self.norm(h)
        seen = torch.cat([past, n], 1)
        taps = [seen[:, :frames], seen[:, d : d + frames], n]
        if self.form == "harmonic":
            # Neighbours 1, 2, 4, 1 … positions away, so that a few blocks cross a wide part of the spectrum.
            far = min(2 ** (int(math.log2(d)) % 3), h.shape[2] - 1)
            below = functional.pad(n[:, :, :-far], (0, 0, far, 0))
            above = functional.pad(n[:, :, far:], (0, 0, 0, far))
            taps += [below, above]
        made = functional.silu(self.gather(torch.cat(taps, 3)) * scale + shift)  # fewer nodes than gelu
        h = h + self.give(made)
        if self.form == "bands":
            h = h + self.mix(h.transpose(2, 3)).transpose(2, 3)
        return h, seen[:, frames:]


class _TimeStem(nn.Module):
    """All bins are one position's channels."""

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        self.into = nn.Linear(model.bins, model.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, bins) → (batch, frames, 1, channels)."""
        return cast("Tensor", self.into(x + 1))[:, :, None]


class _TimeHead(nn.Module):
    """And back."""

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        self.out = nn.Linear(model.channels, model.bins)
        nn.init.normal_(self.out.weight, 0.0, 0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, h: Tensor) -> Tensor:
        """(batch, frames, 1, channels) → (batch, frames, bins)."""
        return cast("Tensor", self.out(h[:, :, 0]))


class _BandStem(nn.Module):
    """Each band's bins by a matrix of its own; bands are padded to the widest."""

    index: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        edges = band_edges(model.bins, model.positions)
        widest = max(b - a for a, b in itertools.pairwise(edges))
        self.bins = model.bins
        index = torch.full((model.positions, widest), model.bins)  # one past the last: a bin of silence
        for band, (a, b) in enumerate(itertools.pairwise(edges)):
            index[band, : b - a] = torch.arange(a, b)
        self.register_buffer("index", index, persistent=False)
        self.weight = nn.Parameter(torch.randn(model.positions, widest, model.channels) / math.sqrt(widest))
        self.bias = nn.Parameter(0.1 * torch.randn(model.positions, model.channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, bins) → (batch, frames, positions, channels)."""
        batch, frames = x.shape[:2]
        seen = functional.pad(x + 1, (0, 1))[..., self.index]  # (batch, frames, positions, widest)
        rows = seen.reshape(batch * frames, *self.index.shape).transpose(0, 1)
        made = torch.bmm(rows, self.weight).transpose(0, 1) + self.bias
        return made.reshape(batch, frames, *self.bias.shape)


class _BandHead(nn.Module):
    """And back, each band by a matrix of its own."""

    place: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        edges = band_edges(model.bins, model.positions)
        widest = max(b - a for a, b in itertools.pairwise(edges))
        place = [band * widest + k for band in range(model.positions) for k in range(edges[band + 1] - edges[band])]
        self.register_buffer("place", torch.tensor(place), persistent=False)
        self.weight = nn.Parameter(0.01 * torch.randn(model.positions, model.channels, widest))
        self.bias = nn.Parameter(torch.zeros(model.bins))

    def forward(self, h: Tensor) -> Tensor:
        """(batch, frames, positions, channels) → (batch, frames, bins)."""
        batch, frames = h.shape[:2]
        rows = h.reshape(batch * frames, *h.shape[2:]).transpose(0, 1)
        made = torch.bmm(rows, self.weight).transpose(0, 1).reshape(batch, frames, -1)
        return made[..., self.place] + self.bias


class _HarmonicStem(nn.Module):
    """One matrix for all positions, on the bins there and at their subharmonics and harmonics; then where it is."""

    index: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        self.positions = model.bins // model.patch
        index = torch.round(torch.arange(model.bins)[:, None] * torch.tensor(HARMONICS)).long()
        index = torch.where(index < model.bins, index, model.bins)  # one past the last: a bin of silence
        self.register_buffer("index", index.reshape(self.positions, -1), persistent=False)
        self.into = nn.Linear(model.patch * len(HARMONICS), model.channels)
        self.where = nn.Parameter(0.1 * torch.randn(self.positions, model.channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, bins) → (batch, frames, positions, channels)."""
        made: Tensor = self.into(functional.pad(x + 1, (0, 1))[..., self.index]) + self.where
        return made


class _HarmonicHead(nn.Module):
    """A position's channels to its bins, by one matrix for all of them, and a bias for every bin."""

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        self.out = nn.Linear(model.channels, model.patch, bias=False)
        nn.init.normal_(self.out.weight, 0.0, 0.01)
        self.bias = nn.Parameter(torch.zeros(model.bins))

    def forward(self, h: Tensor) -> Tensor:
        """(batch, frames, positions, channels) → (batch, frames, bins)."""
        made: Tensor = self.out(h).flatten(2) + self.bias
        return made


def band_edges(bins: int, bands: int) -> list[int]:
    """The first bin of each band and the end: one bin wide at the bottom, widening by a constant factor."""
    low, high = 1.0, float(bins)
    for _ in range(60):  # bisection of the growth, so that rounded widths of at least 1 fill the bins
        growth = (low + high) / 2
        widths = [max(1.0, growth ** (k / bands)) for k in range(bands)]
        low, high = (growth, high) if sum(widths) < bins else (low, growth)
    edges = [0]
    for width in widths[:-1]:
        edges.append(edges[-1] + max(1, round(width)))
    return [*edges, bins]


def _ends(model: LiveModel) -> tuple[nn.Module, nn.Module, int]:
    if model.form == "time":
        return _TimeStem(model), _TimeHead(model), 1
    if model.form == "bands":
        if model.positions > model.bins // 2:
            raise ConfigError(
                f"model.positions is {model.positions}, expected at most half of model.bins ({model.bins})"
            )
        return _BandStem(model), _BandHead(model), model.positions
    if model.bins % model.patch or model.bins // model.patch < 2:
        raise ConfigError(f"model.patch is {model.patch}, expected a divisor of model.bins ({model.bins}) below it")
    return _HarmonicStem(model), _HarmonicHead(model), model.bins // model.patch
