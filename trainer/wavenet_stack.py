"""WaveNet: which of 256 levels the next sample has, from all samples before it; trained on all samples at once.

Paper: van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016.

    codes (batch, T) ─▶ one sample later ─▶ embedding ─▶ x₀ (batch, residual, T)
    layer l, dilation d = 1, 2, 4 …, `cycles` times over:
        h     = W · (x[t − d], x[t]) + C · condition[t] + V · voice          the taps of a causal convolution
        z     = tanh(h, first half) ⊙ sigmoid(h, second half)
        skip += S · z          x ← x + O · z                                 (the last layer has no O)
    logits[t] = B · relu(A · relu(skip))       (batch, levels, T)

W, A and B have biases; O and S need none, because W and A follow them.

logits[t] hear codes[… t−1] and condition[… t]. Before the first sample the code is silence's and each layer's past is
zero, so that generation may begin with zeros as its state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer import distributed
from trainer.config import setting
from trainer.recompute import recomputed


@dataclass(frozen=True, slots=True)
class WaveNetShape:
    """The sizes of a stack, as a run file's [model] may hold them."""

    cycles: int = setting(2, "times the dilations 1, 2, 4 … run", minimum=1)
    layers: int = setting(10, "layers in a cycle: its dilations are 1 to 2^(layers − 1)", minimum=1, maximum=16)
    residual: int = setting(64, "channels from layer to layer", minimum=1)
    skip: int = setting(128, "channels of what all layers add up to", minimum=1)
    kernel: int = setting(2, "taps of each convolution", minimum=2)
    levels: int = setting(256, "mu-law levels of a sample", minimum=2)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of every layer, from first to last."""
        return tuple(2**layer for _ in range(self.cycles) for layer in range(self.layers))

    @property
    def silence(self) -> int:
        """The code of a sample of zero, which `mu_law.encode` gives it."""
        return self.levels // 2


class WaveNetLayer(nn.Module):
    """One gated, dilated, causal convolution with its ways to the next layer and to the sum of all."""

    def __init__(self, shape: WaveNetShape, dilation: int, *, condition: int, voices: int, last: bool) -> None:
        super().__init__()
        residual = shape.residual
        self.residual = 0 if last else residual
        self.past = (shape.kernel - 1) * dilation
        self.taps = nn.Conv1d(residual, 2 * residual, shape.kernel, dilation=dilation)
        self.condition = nn.Conv1d(condition, 2 * residual, 1, bias=False) if condition else None
        self.voice = nn.Linear(voices, 2 * residual, bias=False) if voices else None
        self.out = nn.Conv1d(residual, self.residual + shape.skip, 1, bias=False)

    def forward(self, x: Tensor, condition: Tensor | None, voice: Tensor | None) -> tuple[Tensor, Tensor]:
        """x (batch, residual, T) → the next layer's x, and what is added to the skips (batch, skip, T)."""
        h = self.taps(functional.pad(x, (self.past, 0)))
        if self.condition is not None and condition is not None:
            h = h + self.condition(condition)
        if self.voice is not None and voice is not None:
            h = h + self.voice(voice)[..., None]
        signal, gate = h.chunk(2, 1)
        out = self.out(torch.tanh(signal) * torch.sigmoid(gate))
        return (x + out[:, : self.residual] if self.residual else x), out[:, self.residual :]


class WaveNet(nn.Module):
    """Codes to logits of every sample at once; `trainer.wavenet_generation` samples from it one by one.

    condition: channels of the local conditioning, 0 for none; voices: length of the global conditioning (the weights
    of the targets), 0 for none.
    """

    def __init__(self, shape: WaveNetShape, *, condition: int = 0, voices: int = 0) -> None:
        super().__init__()
        self.shape, self.condition_channels, self.voices = shape, condition, voices
        self.embedding = nn.Embedding(shape.levels, shape.residual)
        dilations = shape.dilations
        self.layers = nn.ModuleList(
            WaveNetLayer(shape, d, condition=condition, voices=voices, last=i == len(dilations) - 1)
            for i, d in enumerate(dilations)
        )
        self.head = nn.Conv1d(shape.skip, shape.skip, 1)
        self.logits = nn.Conv1d(shape.skip, shape.levels, 1)
        self._begin_in_order()

    @torch.no_grad()
    def _begin_in_order(self) -> None:
        """Neighbouring levels begin as neighbours: cosines over the levels, the slow ones strongest.

        Levels begun at random must first be found to be an order. In eighty steps on violin and flute the loss fell to
        4.39 nats begun so, to 4.78 begun at random.
        """
        place = (torch.arange(self.shape.levels)[:, None] + 0.5) * (math.pi / self.shape.levels)
        for weight, scale in ((self.embedding.weight, 2.0), (self.logits.weight[..., 0], 1.0)):
            order = torch.arange(1, weight.shape[1] + 1)
            waves = torch.cos(place * order) * (scale / order.sqrt())
            if weight is not self.embedding.weight:  # what is added up by then has no order of its own: each a mixture
                waves = waves @ nn.init.orthogonal_(torch.empty(weight.shape[1], weight.shape[1]))
            weight.copy_(waves)

    @property
    def receptive_samples(self) -> int:
        """How many samples before t logits[t] hear."""
        return 1 + (self.shape.kernel - 1) * sum(self.shape.dilations)

    def forward(self, codes: Tensor, condition: Tensor | None = None, voice: Tensor | None = None) -> Tensor:
        """codes (batch, T) int64, condition (batch, channels, T), voice (batch, voices) → logits (batch, levels, T).

        Raises ConfigError when a conditioning is missing, or given without a place for it.
        """
        self.check_conditioning(codes.shape[1], condition, voice)
        x = self.embedding(functional.pad(codes, (1, 0), value=self.shape.silence)[:, :-1]).transpose(1, 2)
        skips = x.new_zeros(())
        for layer in self.layers:
            x, skip = recomputed(layer, x, condition, voice)
            skips = skips + skip
        logits: Tensor = self.logits(functional.relu(self.head(functional.relu(skips))))
        return logits

    def check_conditioning(self, samples: int, condition: Tensor | None, voice: Tensor | None) -> None:
        """ConfigError unless both conditionings are what the network was made for."""
        found = 0 if condition is None else condition.shape[1]
        if found != self.condition_channels:
            raise ConfigError(
                f"The WaveNet got {found} channels of conditioning, expected {self.condition_channels}: give it those"
            )
        if condition is not None and condition.shape[2] != samples:
            raise ConfigError(
                f"The WaveNet got conditioning for {condition.shape[2]} samples, expected {samples}: bring it to the "
                "rate of the samples"
            )
        found = 0 if voice is None else voice.shape[1]
        if found != self.voices:
            raise ConfigError(f"The WaveNet got {found} weights of targets, expected {self.voices}: give it those")


def roughened(codes: Tensor, levels: int, by: float) -> Tensor:
    """The past of a training excerpt with errors such as sampling will make: codes (batch, T) moved by whole levels.

    Each item's errors are normal with a spread of its own, `by` · u² levels for a uniform u: most items are nearly
    true, some so rough that only the conditioning says what is played. After Jin et al., "FFTNet" (2018), who add noise
    to what is fed back in training. by = 0 draws nothing.
    """
    if by == 0.0:
        return codes
    spread = by * distributed.uniform((len(codes), 1), codes.device).square()
    moved = codes + (spread * distributed.normal(tuple(codes.shape), codes.device)).round().to(codes.dtype)
    return moved.clamp(0, levels - 1)


def code_loss(logits: Tensor, codes: Tensor, first: int = 0) -> Tensor:
    """Mean cross entropy in nats a sample, from sample `first` on: logits (batch, levels, T), codes (batch, T).

    A guess without knowledge costs ln(levels), 5.55 nats for 256. `first` leaves out samples that begin an excerpt,
    whose past the network was not given.
    """
    return functional.cross_entropy(logits[..., first:].float(), codes[:, first:])
