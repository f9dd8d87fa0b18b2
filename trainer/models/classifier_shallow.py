"""Shallow classifier, row M1: the PatchGAN discriminator as a classifier of sound.

Paper: the dissertation on audio style transfer (our document D), after Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017. Five convolutions, kernels 4 × 4, the first four with stride 2 and filters
doubled, no normalisation; a verdict per patch, the name from their mean. Published: `ndf` 32 and 64.

    (1, 96, 77) ─▶ (n, 48, 38) ─▶ (2n, 24, 19) ─▶ (4n, 12, 9) ─▶ (8n, 6, 4) ─▶ (1, 5, 3)

The document trained on mel spectrograms and CQT, in −1…1 after the logarithm; here on `trainer.judge.log_mel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trainer.classification import InstrumentData, PatchClassifierRecipe, PatchTraining, tiny_data
from trainer.config import RunConfig, setting
from trainer.discriminators import ShallowDiscriminator
from trainer.recipe import register


@dataclass(frozen=True, slots=True)
class ShallowModel:
    """`[model]`."""

    ndf: int = setting(32, "filters of the first layer (published: 32, 64)", minimum=1)


@dataclass(frozen=True, slots=True)
class ShallowConfig:
    """The sections of the run file."""

    data: InstrumentData
    model: ShallowModel = field(default_factory=ShallowModel)
    training: PatchTraining = field(default_factory=PatchTraining)


@register("classifier_shallow")
class ShallowClassifier(PatchClassifierRecipe):
    """Names instruments by overlapping patches of the spectrogram (PatchGAN)."""

    Config = ShallowConfig

    def __init__(self, config: ShallowConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.begin(ShallowDiscriminator(1, config.model.ndf, outputs=self.outputs))

    @classmethod
    def tiny(cls, material: Path) -> ShallowConfig:
        """Two classes, two filters."""
        return ShallowConfig(tiny_data(InstrumentData, material), ShallowModel(ndf=2))
