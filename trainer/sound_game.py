"""The game between a generator of sound and a judge that is told the target: one step of it.

D: LSGAN on real and made sound (Mao et al. 2017)      G: to be taken for real, and to have the judge's inner layers
                                                          of the truth (Larsen et al. 2016; Kumar et al. 2019)
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainer import losses
from trainer.recipe import Recipe
from trainer.spectral import SpectralDiscriminator


def judge_step(
    system: Recipe, discriminator: SpectralDiscriminator, made: Tensor, real: Tensor, target: Tensor
) -> Tensor:
    """Descend the optimizer `discriminator` on made (without gradient) and real sound (batch, samples); its loss."""
    scores_real, _ = discriminator(real, target)
    scores_made, _ = discriminator(made.detach(), target)
    pairs = zip(scores_real, scores_made, strict=True)
    loss = torch.stack(
        [
            losses.adversarial(a, real=True, kind="lsgan") + losses.adversarial(b, real=False, kind="lsgan")
            for a, b in pairs
        ]
    ).mean()
    system.descend("discriminator", loss / 2)
    return loss


def fooling_and_likeness(
    discriminator: SpectralDiscriminator, made: Tensor, target: Tensor, truth: Tensor | None
) -> tuple[Tensor, Tensor]:
    """How far the judge is from taking `made` for real, and its inner layers' distance from the truth's (0 of none)."""
    scores, inner = discriminator(made, target)
    fooled = torch.stack([losses.adversarial(one, real=True, kind="lsgan") for one in scores]).mean()
    if truth is None:
        return fooled, fooled.new_zeros(())
    with torch.no_grad():
        _, wanted = discriminator(truth, target)
    return fooled, torch.stack([_relative(a, b) for a, b in zip(inner, wanted, strict=True)]).mean()


def _relative(made: Tensor, real: Tensor) -> Tensor:
    """Mean over items of |made − real| as a part of |real|, so that processes which share a batch may average."""
    inside = tuple(range(1, real.ndim))
    return ((made - real).abs().mean(inside) / real.abs().mean(inside).clamp(min=1e-3)).mean()
