"""A WaveNet that plays pictures: each frame of a spectrogram conditions the samples of its own block.

    pictures (batch, 1, bins, frames) ─1×1─▶ ReLU ─1×1─▶ (batch, channels, frames) ─each `hop` times─▶ condition
    codes of the same sound (batch, frames · hop) ─▶ `trainer.wavenet_stack` ─▶ logits

The second half of TimbreTron (Huang et al. 2019), after van den Oord et al. 2016. It learns from real sound and its
own picture, and later plays pictures that a generator made. Changed: what the frames say is worked out at their own
rate and then repeated, as UMTN does, instead of upsampled by transposed convolutions: a frame is heard in its block
alone, so the look-ahead is the picture's own, and a layer of the WaveNet costs the same whatever the number of bins.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from trainer.config import setting
from trainer.wavenet_stack import WaveNet, WaveNetShape, code_loss


@dataclass(frozen=True, slots=True)
class PictureWaveNetShape(WaveNetShape):
    """`[wavenet]`: the stack and what leads the picture into it."""

    condition: int = setting(64, "channels that a frame's bins are brought to", minimum=1)


class PictureWaveNet(nn.Module):
    """Codes and pictures to logits; `bins` and `hop` are the picture's."""

    def __init__(self, shape: PictureWaveNetShape, bins: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        width = shape.condition
        self.frames = nn.Sequential(nn.Conv1d(bins, width, 1), nn.ReLU(), nn.Conv1d(width, width, 1))
        self.wavenet = WaveNet(shape, condition=width)

    def condition(self, pictures: Tensor) -> Tensor:
        """Pictures (batch, 1, bins, frames) → (batch, channels, frames · hop), sample t hearing frame ⌊t / hop⌋."""
        return said(self.frames, pictures).repeat_interleave(self.hop, 2)

    def loss(self, codes: Tensor, pictures: Tensor, past: Tensor | None = None) -> Tensor:
        """Nats a sample of codes (batch, frames · hop) given their picture (batch, 1, bins, frames).

        past: the codes as the network is to hear them, where that is not `codes`. A lead-in is not charged: the
        receptive field, at most a quarter.
        """
        first = min(self.wavenet.receptive_samples, codes.shape[1] // 4)
        heard = codes if past is None else past
        return code_loss(self.wavenet(heard, self.condition(pictures)), codes, first)


def said(frames: nn.Module, pictures: Tensor) -> Tensor:
    """Pictures (batch, 1, bins, frames) → what each frame says, (batch, channels, frames): `PictureWaveNet.frames`."""
    # From silence, so that a silent picture says nothing but the biases.
    channels: Tensor = frames(pictures[:, 0] + 1.0)
    return channels
