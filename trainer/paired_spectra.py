"""What systems on aligned pairs of magnitude spectrograms share: settings, the conditional game, windows to judge by.

How they play is `trainer.spectral_play`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import SpectrumFeatures, compress
from realtime.spectrum import analyse
from trainer import losses
from trainer.config import setting
from trainer.recipe import Recipe
from trainer.unet import PairModel

T = TypeVar("T")
FloatArray = npt.NDArray[np.float32]
SILENCE = -1.0  # log_unit of no sound


@dataclass(frozen=True, slots=True)
class GeneratorTraining:
    """`[training]` of generator_only."""

    learning_rate: float = setting(2e-4, "Adam's, for the generator", minimum=0)
    beta1: float = setting(0.5, "Adam's first moment", minimum=0, maximum=0.999)
    distance: losses.DistanceKind = setting("l1", "how output and truth are compared")


@dataclass(frozen=True, slots=True)
class PairTraining(GeneratorTraining):
    """`[training]` of pix2pix."""

    discriminator_learning_rate: float = setting(2e-4, "Adam's, for the discriminator", minimum=0)
    distance_weight: float = setting(100.0, "λ: weight of the distance against the game", minimum=0)
    adversarial: losses.AdversarialKind = setting("bce", "the game's loss")


def magnitudes(signal: FloatArray, features: SpectrumFeatures) -> FloatArray:
    """(samples,) → compressed magnitudes (bins, frames), causal frames."""
    spectrum = analyse(signal, features)
    return compress(np.abs(spectrum[: features.bins]).astype(np.float32), features)


def adam_pair(
    generator: Iterable[nn.Parameter], discriminator: Iterable[nn.Parameter], training: Any, beta2: float = 0.999
) -> dict[str, torch.optim.Optimizer]:
    """Adam for each player, at `training`'s two rates and its first moment."""
    betas = (training.beta1, beta2)
    return {
        "generator": torch.optim.Adam(generator, training.learning_rate, betas, fused=True),
        "discriminator": torch.optim.Adam(discriminator, training.discriminator_learning_rate, betas, fused=True),
    }


def conditional_game(
    system: Recipe, judged: Callable[[Tensor], Tensor], made: Tensor, y: Tensor, training: PairTraining
) -> dict[str, Tensor]:
    """One step of D on half its loss, then one of G on adversarial + λ·distance (Isola et al. 2017, section 3.3).

    judged: the discriminator's logits of a picture beside what it is conditioned on. Gives the two losses of the game.
    """
    d_real = losses.adversarial(judged(y), real=True, kind=training.adversarial)
    d_made = losses.adversarial(judged(made.detach()), real=False, kind=training.adversarial)
    system.descend("discriminator", (d_real + d_made) / 2)

    fooled = losses.adversarial(judged(made), real=True, kind=training.adversarial)
    system.descend("generator", fooled + training.distance_weight * losses.distance(made, y, training.distance))
    return {"generator_adversarial": fooled, "discriminator": d_real + d_made}


def refuse_too_many_patch_layers(model: PairModel) -> None:
    """ConfigError when the PatchGAN would have no patch left in the window."""
    if min(model.bins, model.frames) // 2**model.patch_layers < 3:
        raise ConfigError(
            f"model.patch_layers is {model.patch_layers}, which leaves no patch of {model.bins} bins and "
            f"{model.frames} frames: use fewer layers or a larger window"
        )


def spread(found: list[T], limit: int) -> list[T]:
    """At most `limit` of `found`, evenly from first to last."""
    return [found[round(k)] for k in np.linspace(0, len(found) - 1, min(limit, len(found)))]
