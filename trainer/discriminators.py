"""Discriminators that several spectral systems share.

PatchGAN (Isola et al. 2017, and row M1 of our systems as a classifier): each output judges one patch of the picture, so
that the loss asks for local texture and has few parameters. With three strided layers a patch is 70 × 70:

    C64 – C128 – C256 (stride 2) – C512 – 1 (stride 1), kernels 4; no normalisation in the first and last layer
"""

from __future__ import annotations

from torch import Tensor, nn

from trainer.distributed import BatchNorm2d


class PatchDiscriminator(nn.Module):
    """Logits (batch, 1, bins', frames') for pictures (batch, channels, bins, frames), one per patch."""

    def __init__(self, channels: int, width: int, strided_layers: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        inside = width
        for layer in range(1, strided_layers + 1):
            outside = width * min(2**layer, 8)
            stride = 2 if layer < strided_layers else 1
            layers += [
                nn.Conv2d(inside, outside, 4, stride, 1, bias=False),  # the normalisation has a bias of its own
                BatchNorm2d(outside),
                nn.LeakyReLU(0.2),
            ]
            inside = outside
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, 1, 4, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """Positive logits for patches that look real."""
        logits: Tensor = self.layers(pictures)
        return logits
