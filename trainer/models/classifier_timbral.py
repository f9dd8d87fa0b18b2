"""Timbral classifier, row M2: every verdict hears the whole spectrum.

Paper: the dissertation on audio style transfer (our document D). Strides 2 on frequency and 1 on time until one row is
left, kernels 4 where the height is even and 3 where it is odd, then a last layer to the verdict; a verdict per frame,
the name from their mean. Published: `ndf` 4 with `mdf` 2, and 64 with 1, each with linear and sigmoid output.

    (1, 96, T) ─4×3─▶ (n, 48, T) ─▶ … ─▶ (m⁴n, 3, T) ─3×3─▶ (m⁵n, 2, T) ─4×3─▶ (m⁶n, 1, T) ─1×3─▶ (1, 1, T)

With 96 bands a verdict hears 17 frames (0.4 s), with the document's 880 bins its 23.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trainer import judge
from trainer.classification import InstrumentData, PatchClassifierRecipe, PatchTraining, tiny_data
from trainer.config import RunConfig, setting
from trainer.discriminators import TimbralDiscriminator
from trainer.recipe import register


@dataclass(frozen=True, slots=True)
class TimbralModel:
    """`[model]`."""

    ndf: int = setting(64, "filters of the first layer (published: 4, 64)", minimum=1)
    mdf: int = setting(1, "filters of a layer over those before (published: 2 with ndf 4, 1 with ndf 64)", minimum=1)


@dataclass(frozen=True, slots=True)
class TimbralConfig:
    """The sections of the run file."""

    data: InstrumentData
    model: TimbralModel = field(default_factory=TimbralModel)
    training: PatchTraining = field(default_factory=PatchTraining)


@register("classifier_timbral")
class TimbralClassifier(PatchClassifierRecipe):
    """Names instruments by columns that hear the whole spectrum."""

    Config = TimbralConfig

    def __init__(self, config: TimbralConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        model = config.model
        self.begin(TimbralDiscriminator(1, judge.BANDS, model.ndf, model.mdf, outputs=self.outputs))

    @classmethod
    def tiny(cls, material: Path) -> TimbralConfig:
        """Two classes, two filters."""
        return TimbralConfig(tiny_data(InstrumentData, material), TimbralModel(ndf=2))
