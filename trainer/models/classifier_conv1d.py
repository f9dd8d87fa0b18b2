"""conv1d classifier, row M3: frequency as channels, convolved over time alone.

Paper: the dissertation on audio style transfer (our document D), after Ulyanov and Lebedev's random network for style
transfer. `layers` convolutions of kernel 3 and stride 2; the first has `ndf` filters, each next `mdf` times as many,
the last one per output. Published: `ndf` 1024 and 2048, `mdf` 1 and 2, 2 to 4 layers; there none of them converged.

    (96, 77) ─▶ (n, 39) ─▶ (mn, 20) ─▶ (m²n, 10) ─▶ (1, 5)        four layers: a verdict hears 31 frames

Changed so that it converges: normalisation over the channels of each frame, a small learning rate that rises
from zero (`run.warmup_steps`). docs/classifiers.md has the runs with and without.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from trainer import judge
from trainer.classification import InstrumentData, PatchClassifierRecipe, PatchTraining, tiny_data
from trainer.config import RunConfig, setting
from trainer.recipe import register


@dataclass(frozen=True, slots=True)
class Conv1dModel:
    """`[model]`."""

    ndf: int = setting(1024, "filters of the first layer (published: 1024, 2048)", minimum=1)
    mdf: int = setting(1, "filters of a layer over those before (published: 1, 2)", minimum=1)
    layers: int = setting(2, "convolutions (published: 2, 3, 4)", minimum=2, maximum=6)
    normalised: bool = setting(default=True, meaning="normalise over each frame's channels (published: not)")


@dataclass(frozen=True, slots=True)
class Conv1dConfig:
    """The sections of the run file."""

    data: InstrumentData
    model: Conv1dModel = field(default_factory=Conv1dModel)
    training: PatchTraining = field(default_factory=PatchTraining)


class FrameNorm(nn.Module):
    """(B, channels, frames) normalised over the channels of each frame alone, so that no frame hears another."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return cast("Tensor", self.norm(x.transpose(1, 2))).transpose(1, 2)


class FrequencyPatches(nn.Module):
    """The conv1d network: spectra (B, 1, bins, frames) to scores (B, outputs, frames').

    normalised: FrameNorm after every layer but the last, which the document has not.
    """

    def __init__(
        self, bins: int, ndf: int, mdf: int, layers: int, outputs: int = 1, *, normalised: bool = True
    ) -> None:
        super().__init__()
        stack: list[nn.Module] = []
        inside, outside = bins, ndf
        for _ in range(layers - 1):
            stack += [nn.Conv1d(inside, outside, 3, 2, 1)]
            stack += [FrameNorm(outside)] if normalised else []
            stack += [nn.LeakyReLU(0.2)]
            inside, outside = outside, outside * mdf
        self.layers = nn.Sequential(*stack, nn.Conv1d(inside, outputs, 3, 2, 1))

    def forward(self, spectra: Tensor) -> Tensor:
        """Scores of the stretches of frames."""
        return cast("Tensor", self.layers(spectra[:, 0]))


@register("classifier_conv1d")
class Conv1dClassifier(PatchClassifierRecipe):
    """Names instruments with frequency as the channels of a convolution over time."""

    Config = Conv1dConfig

    def __init__(self, config: Conv1dConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        self.begin(
            FrequencyPatches(judge.BANDS, model.ndf, model.mdf, model.layers, self.outputs, normalised=model.normalised)
        )

    @classmethod
    def tiny(cls, material: Path) -> Conv1dConfig:
        """Two classes, eight filters."""
        return Conv1dConfig(tiny_data(InstrumentData, material), Conv1dModel(ndf=8))
