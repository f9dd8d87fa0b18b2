"""A sketch that codes must hold: a constant-Q picture of the sound, read from each code by a small network.

    codes (batch, codes, frames) ─C1─ReLU─C1─▶ 66 bins of a semitone for each code    mean square against the picture

A decoder that hears the true past of every sample hardly needs the codes: a tone goes on as it went. What the codes
might say of its pitch is therefore learnt last of all (in the dissertation on audio style transfer timbre came after
three days and pitch after fourteen), or never. The sketch asks for it from the first step, and costs little. Only
training has it; the picture is of the sound as recorded, not of what the encoder heard, so that an interval raised in
the augmentation is still brought back.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.constant_q_bank import ConstantQBank

BINS, FMIN_HZ = 66, 65.4064
"""From C2, a semitone each, to 2794 Hz."""
LOWEST_RATE = 6000
"""Hz of sound that carry the highest bin."""
_WIDTH, _LONGEST_S = 128, 0.25


class Sketch(nn.Module):
    """The reading network and the picture that it is charged with."""

    def __init__(self, codes: int, sample_rate: int, code_samples: int) -> None:
        """ConfigError for a rate that does not carry the highest bin."""
        super().__init__()
        if sample_rate < LOWEST_RATE:
            raise ConfigError(
                f"training.sketch_weight asks for a sketch up to 2794 Hz, which {sample_rate} Hz do not carry: "
                f"expected {LOWEST_RATE} Hz or more, or a weight of 0"
            )
        self.read = nn.Sequential(nn.Conv1d(codes, _WIDTH, 1), nn.ReLU(), nn.Conv1d(_WIDTH, BINS, 1))
        self.bank = ConstantQBank(
            sample_rate, code_samples, bins=BINS, bins_per_octave=12, fmin_hz=FMIN_HZ,
            longest=round(_LONGEST_S * sample_rate),
        )  # fmt: skip

    def loss(self, codes: Tensor, sound: Tensor) -> Tensor:
        """Mean square error of the picture (−1 silence … 1) of sound (batch, frames · code_samples), silent around."""
        reach = self.bank.reach
        wanted = self.bank(functional.pad(sound, (reach, reach)))[:, 0]
        return functional.mse_loss(self.read(codes).float(), wanted)
