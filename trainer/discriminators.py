"""Discriminators that several spectral systems share, on pictures (batch, channels, bins, frames).

Patch (PatchGAN, Isola et al. 2017): each output judges one patch, so that the loss asks for local texture and has few
parameters. With three strided layers a patch is 70 × 70:

    C64 – C128 – C256 (stride 2) – C512 – 1 (stride 1), kernels 4; no normalisation in the first and last layer

Shallow (the dissertation's PatchGAN, row M1): no normalisation at all, four strided layers. The dissertation calls its
patch 64 × 64; by the receptive field of these five layers it is 94 × 94:

    C32 – C64 – C128 – C256 (stride 2) – 1 (stride 1), kernels 4

Timbral (row M2): the whole frequency axis lies in the receptive field. Stride 2 on frequency and 1 on time until one
band is left, kernel 4 where the number of bands is even and 3 where it is odd; 880 bands make a patch of 23 frames:

    880 ─4─▶ 440 ─4─▶ 220 ─4─▶ 110 ─4─▶ 55 ─3─▶ 28 ─4─▶ 14 ─4─▶ 7 ─3─▶ 4 ─4─▶ 2 ─4─▶ 1 ─▶ a verdict per frame

A critic with gradient penalty (WGAN-GP) judges every picture by itself, so it must not use batch normalisation.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer.distributed import BatchNorm2d

DiscriminatorKind = Literal["patch", "shallow", "timbral"]
NormalisationKind = Literal["batch", "instance", "none"]


class PatchDiscriminator(nn.Module):
    """Logits (batch, 1, bins', frames') for pictures (batch, channels, bins, frames), one per patch."""

    def __init__(
        self, channels: int, width: int, strided_layers: int = 3, normalisation: NormalisationKind = "batch"
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        inside = width
        for layer in range(1, strided_layers + 1):
            outside = width * min(2**layer, 8)
            stride = 2 if layer < strided_layers else 1
            # The normalisation has a bias of its own.
            layers += [nn.Conv2d(inside, outside, 4, stride, 1, bias=normalisation == "none")]
            if normalisation == "batch":
                layers += [BatchNorm2d(outside)]
            elif normalisation == "instance":
                layers += [nn.InstanceNorm2d(outside, affine=True)]
            layers += [nn.LeakyReLU(0.2)]
            inside = outside
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, 1, 4, 1, 1))
        _begin(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Positive logits for patches that look real."""
        logits: Tensor = self.layers(pictures)
        return logits


class ShallowDiscriminator(nn.Module):
    """Logits (batch, 1, bins', frames'): five convolutions without normalisation; bins and frames at least 32."""

    def __init__(self, channels: int, width: int, *, outputs: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = channels
        for layer in range(4):
            outside = width * 2**layer
            layers += [nn.Conv2d(inside, outside, 4, 2, 1), nn.LeakyReLU(0.2)]
            inside = outside
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, outputs, 4, 1, 1))
        _begin(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Positive logits for patches that look real."""
        logits: Tensor = self.layers(pictures)
        return logits


class TimbralDiscriminator(nn.Module):
    """Logits (batch, 1, 1, frames): every one has heard the whole spectrum of the frames around it.

    width: channels of the first layer (`ndf`); multiplier: of every layer against the one before (`mdf`, 1 or 2).
    """

    def __init__(self, channels: int, bins: int, width: int, multiplier: int = 1, *, outputs: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside, outside, bands = channels, width, bins
        self.time_frames = 3
        """Frames that one verdict hears."""
        while bands > 1:
            even = bands % 2 == 0
            layers += [nn.Conv2d(inside, outside, (4 if even else 3, 3), (2, 1), 1), nn.LeakyReLU(0.2)]
            bands = bands // 2 if even else (bands + 1) // 2
            inside, outside = outside, outside * multiplier
            self.time_frames += 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, outputs, (1, 3), 1, (0, 1)))
        _begin(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Positive logits for frames that sound real."""
        logits: Tensor = self.layers(pictures)
        return logits


def unconditional(
    kind: DiscriminatorKind, *, bins: int, frames: int, width: int, multiplier: int, normalisation: NormalisationKind
) -> nn.Module:
    """The discriminator of that kind for one-channel pictures (batch, 1, bins, frames).

    Raises ConfigError when the picture is too small for it.
    """
    if kind == "timbral":
        return TimbralDiscriminator(1, bins, width, multiplier)
    least = 24 if kind == "patch" else 32
    if min(bins, frames) < least:
        raise ConfigError(
            f"model.discriminator is {kind!r}, which needs at least {least} bins and frames, but the window has {bins} "
            f"and {frames}: enlarge model.bins and model.frames or use 'timbral'"
        )
    return PatchDiscriminator(1, width, 3, normalisation) if kind == "patch" else ShallowDiscriminator(1, width)


def _begin(network: nn.Module) -> None:
    """The starting weights of the pix2pix paper."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
