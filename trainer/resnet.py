"""Generators that turn one picture of sound into another without skips: down, residual blocks, up.

    (1, bins, frames) ─▶ stride 2 ─▶ … `downs` times ─▶ `blocks` × (x + C(ReLU(C(x)))) ─▶ … up again ─▶ tanh ─▶ same

`downs` 3 and `blocks` 9 are the ResNet generator of Johnson et al. 2016 as CycleGAN (Zhu et al. 2017) and the
dissertation use it; `downs` 6 is the strided autoencoder of "Instrumental Music Translation". A strided layer has
kernel 4 where the size that it halves is even and 3 where it is odd, each axis by itself, so that its transposed twin
gives back the size exactly: n ─4─▶ n/2 ─4─▶ n and n ─3─▶ (n + 1)/2 ─3─▶ n. TimbreTron (Huang et al. 2019) grows by
nearest neighbour and a convolution of kernel 3 instead, which leaves no checkerboard; it is cut to the size by parity.

Changed against the papers: normalisation is over the channels and bins of one frame. Instance normalisation, theirs,
takes its statistics over all of time: a frame would change with what is played later, and live would differ from
offline (the streaming law). The first layer has none, so that the network still knows how loud a frame was.

Inside, pictures are (batch, channels, frames, bins) with channels last in memory: one frame is then one row, a frame's
normalisation is one fused LayerNorm (and one node of the exported graph), and convolutions run in the layout that the
CPU's and the GPU's kernels like best.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.recompute import in_stretches

Size = tuple[int, int]  # frames, bins
QUIET = -1.5  # tanh of it is −0.9: log_unit of a very soft sound
OutputKind = Literal["direct", "change"]
UpKind = Literal["transposed", "nearest"]


class FrameNorm(nn.Module):
    """Mean 0 and variance 1 over the channels and bins of each frame, then a gain and an offset for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames, bins), channels last in memory, to the same."""
        rows = x.permute(0, 2, 3, 1)
        shape = [int(rows.shape[2]), int(rows.shape[3])]
        made = functional.layer_norm(rows, shape, self.weight.expand(shape), self.bias.expand(shape))
        return made.permute(0, 3, 1, 2)


class _Residual(nn.Module):
    """x + C(ReLU(C(x))), kernels 3, size kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            FrameNorm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            FrameNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)  # type: ignore[no-any-return]


class _Grow(nn.Module):
    """Twice the size by nearest neighbour, a convolution of kernel 3, and one less of what was odd."""

    def __init__(self, inside: int, outside: int, size: Size, *, bias: bool) -> None:
        super().__init__()
        self.odd = (size[0] % 2, size[1] % 2)
        self.convolution = nn.Conv2d(inside, outside, 3, 1, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        grown = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        frames, bins = (
            size - odd for size, odd in zip((2 * x.shape[2], 2 * x.shape[3]), self.odd, strict=True)
        )  # twice, known without running: a traced graph keeps them as numbers
        made: Tensor = self.convolution(grown[:, :, :frames, :bins])
        return made


class ResNetGenerator(nn.Module):
    """(batch, 1, bins, frames) → the same shape, in [−1, 1].

    width: channels of the first layer, doubled by each further one up to width · widest. output: "direct" is the last
    layer's tanh; "change" adds it to the input (and clips), so that the network begins near the identity.
    """

    def __init__(
        self,
        bins: int,
        frames: int,
        *,
        width: int,
        downs: int = 3,
        blocks: int = 9,
        widest: int = 8,
        output: OutputKind = "direct",
        up: UpKind = "transposed",
    ) -> None:
        super().__init__()
        self.output = output
        sizes, widths = [(frames, bins)], [1]
        for layer in range(downs):
            sizes.append(halved(sizes[-1]))
            widths.append(width * min(2**layer, widest))
        layers: list[nn.Module] = []
        for layer in range(downs):
            first = layer == 0
            layers += [nn.Conv2d(widths[layer], widths[layer + 1], _kernel(sizes[layer]), 2, 1, bias=first)]
            layers += [] if first else [FrameNorm(widths[layer + 1])]
            layers += [nn.ReLU(inplace=True)]
        layers += [_Residual(widths[-1]) for _ in range(blocks)]
        for layer in reversed(range(downs)):
            last = layer == 0
            if up == "nearest":
                layers += [_Grow(widths[layer + 1], widths[layer], sizes[layer], bias=last)]
            else:
                shape = _kernel(sizes[layer])
                layers += [nn.ConvTranspose2d(widths[layer + 1], widths[layer], shape, 2, 1, bias=last)]
            layers += [] if last else [FrameNorm(widths[layer]), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if output == "direct" and downs:
            # A picture is mostly silence: beginning there saves the first hundred steps.
            final = layers[-1].convolution if isinstance(layers[-1], _Grow) else layers[-1]
            nn.init.constant_(cast("Tensor", final.bias), QUIET)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """What the other domain would sound like, in log_unit."""
        # Counted from silence, so that what convolutions pad with is silence too.
        heard = (x + 1.0).transpose(2, 3).contiguous(memory_format=torch.channels_last)
        made = torch.tanh(in_stretches(self.layers, heard, _STRETCHES)).transpose(2, 3)
        return made if self.output == "direct" else (x + 2 * made).clamp(-1.0, 1.0)


# What a stretch that is recomputed begins with: none of these changes its input in place.
_STRETCHES = (nn.Conv2d, nn.ConvTranspose2d, _Residual, _Grow)


def halved(size: Size) -> Size:
    """The size after a strided layer: n/2, or (n + 1)/2 where n is odd."""
    return ((size[0] + 1) // 2, (size[1] + 1) // 2)


def fits(frames: int, trained: int, downs: int) -> bool:
    """Whether a network made for `trained` frames may run on `frames`: its kernels must suit every size on the way."""
    for _ in range(downs):
        if frames < 1 or frames % 2 != trained % 2:
            return False
        frames, trained = (frames + 1) // 2, (trained + 1) // 2
    return True


def _kernel(size: Size) -> Size:
    """4 for an even size, 3 for an odd one, each axis by itself."""
    return (4 - size[0] % 2, 4 - size[1] % 2)
