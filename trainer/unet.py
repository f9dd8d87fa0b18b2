"""The U-Net of pix2pix over magnitude spectrograms, and its settings; with a style code it makes many sounds.

    (1, 256, 256) ─C─▶ (w, 128, 128) ─C─▶ (2w, 64, 64) ─▶ (4w, 32, 32) ─▶ (8w, 16, 16) ─▶ … ─▶ (8w, 1, 1)
                           │skip              │                │               │                  │
    (1, 256, 256) ◀T─ (2w, 128, 128) ◀T─ (4w, 64, 64) ◀─  (8w, 32, 32) ◀─ (16w, 16, 16) ◀─ … ◀────┘
    C: convolution, T: transposed convolution; kernels 4 × 4, stride 2

Paper: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017. The
style's scale and shift of every rising layer are FiLM (Perez et al. 2018); the code is learnt by
`trainer.models.pix2pix_multi`.

Changed against the paper: width w is a setting (64 in the paper, 16 as shipped: 3.4 M parameters instead of 54 M);
normalisation is BatchNorm with running statistics in use (the paper normalises each picture by its own statistics,
which over time breaks the streaming law: a frame would change with what is played later); dropout in training only, so
that the same sound gives the same sound; a window may be fewer frames than bins, then the deepest layers halve bins
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer.config import setting
from trainer.distributed import BatchNorm2d, Dropout
from trainer.recompute import recomputed


@dataclass(frozen=True, slots=True)
class GeneratorModel:
    """`[model]` of generator_only: spectrogram and generator."""

    n_fft: int = setting(1024, "samples of a spectrogram frame", minimum=16)
    hop: int = setting(512, "samples between frames", minimum=8)
    bins: int = setting(256, "linear bins kept from 0 Hz up; a power of two", minimum=4)
    frames: int = setting(256, "frames of the window; a power of two, at most the bins", minimum=2)
    width: int = setting(16, "channels of the first layer of the generator (the paper's: 64)", minimum=1)
    dropout: float = setting(0.5, "of the three innermost layers that rise", minimum=0, maximum=0.95)


@dataclass(frozen=True, slots=True)
class PairModel(GeneratorModel):
    """`[model]` of pix2pix: the same and the discriminator."""

    discriminator_width: int = setting(16, "channels of the PatchGAN's first layer (the paper's: 64)", minimum=1)
    patch_layers: int = setting(3, "layers after the PatchGAN's first; 3 makes 70 × 70 patches", minimum=1, maximum=5)


class UNet(nn.Module):
    """The generator: (batch, 1, bins, frames) → the same shape, in (−1, 1).

    style: size of the code that colours every rising layer; 0: none. Colours start as no change.
    """

    def __init__(self, model: GeneratorModel, style: int = 0) -> None:
        super().__init__()
        depth = _log2("bins", model.bins)
        halvings = _log2("frames", model.frames)
        if halvings > depth:
            raise ConfigError(f"model.frames is {model.frames}, expected at most model.bins ({model.bins})")
        widths = [model.width * min(2**level, 8) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            shape = _halving(level < halvings)
            first, innermost = level == 0, level == depth - 1
            layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
            # A normalisation has a bias of its own; at 1 × 1 there is nothing to normalise over within one picture.
            plain = first or innermost
            layers += [nn.Conv2d(1 if first else widths[level - 1], width, *shape, bias=plain)]
            layers += [] if plain else [BatchNorm2d(width)]
            self.down.append(nn.Sequential(*layers))
        for level in reversed(range(depth)):
            inside = widths[level] * (1 if level == depth - 1 else 2)
            outside = 1 if level == 0 else widths[level - 1]
            layers = [nn.ReLU(), nn.ConvTranspose2d(inside, outside, *_halving(level < halvings), bias=level == 0)]
            layers += [nn.Tanh()] if level == 0 else [BatchNorm2d(outside)]
            layers += [Dropout(model.dropout)] if level > 0 and level > depth - 4 else []
            self.up.append(nn.Sequential(*layers))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
        # Made last, so that without a style the same seed gives the same weights as it always did.
        self.colours = nn.ModuleList()
        for level in reversed(range(1, depth if style else 1)):
            colour = nn.Linear(style, 2 * widths[level - 1])
            nn.init.zeros_(colour.weight)
            nn.init.zeros_(colour.bias)
            self.colours.append(colour)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """The target's magnitudes for the origin's, both in log_unit; `style` (batch or 1, style) or none."""
        seen = []
        for down in self.down:
            x = recomputed(down, x)
            seen.append(x)
        for number, up in enumerate(self.up):
            x = recomputed(up, x if number == 0 else torch.cat([x, seen[-1 - number]], 1))
            if style is not None and number < len(self.colours):
                scale, shift = self.colours[number](style)[:, :, None, None].chunk(2, 1)
                x = x * (1 + scale) + shift
        return x


def _halving(frames_too: bool) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel, stride and padding that halve (or double) bins, and frames too where there are any left to halve."""
    return ((4, 4), (2, 2), (1, 1)) if frames_too else ((4, 1), (2, 1), (1, 0))


def _log2(name: str, size: int) -> int:
    power = size.bit_length() - 1
    if size != 2**power:
        raise ConfigError(f"model.{name} is {size}, expected a power of two")
    return power
