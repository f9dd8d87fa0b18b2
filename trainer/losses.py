"""Losses that several systems share: pixel distances and the two-player game.

    bce      D: −log σ(D(real)) − log(1 − σ(D(fake))),  G: −log σ(D(fake))     Goodfellow et al. 2014, pix2pix
    lsgan    D: (D(real) − 1)² + D(fake)²,              G: (D(fake) − 1)²      Mao et al. 2017, CycleGAN
    wgan_gp  D: −D(real) + D(fake) + w·(‖∇D(x̂)‖ − 1)²,  G: −D(fake)            Gulrajani et al. 2017
             x̂ = ε·real + (1 − ε)·fake, ε uniform for each item

Every one is a mean over items, so that processes that share a batch may average them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainer import distributed

AdversarialKind = Literal["bce", "lsgan"]
GameKind = Literal["lsgan", "wgan_gp"]
DistanceKind = Literal["l1", "l2"]


def distance(made: Tensor, truth: Tensor, kind: DistanceKind) -> Tensor:
    """Mean absolute (l1) or mean squared (l2) difference."""
    return functional.l1_loss(made, truth) if kind == "l1" else functional.mse_loss(made, truth)


def adversarial(logits: Tensor, *, real: bool, kind: AdversarialKind | GameKind) -> Tensor:
    """How far the discriminator's `logits` are from saying `real`; with wgan_gp without its penalty, and unbounded."""
    if kind == "wgan_gp":
        return -logits.mean() if real else logits.mean()
    wanted = torch.full_like(logits, float(real))
    return (
        functional.binary_cross_entropy_with_logits(logits, wanted)
        if kind == "bce"
        else functional.mse_loss(logits, wanted)
    )


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, made: Tensor) -> Tensor:
    """Mean over items of (‖∇D(x̂)‖ − 1)² at random points between `real` and `made` (items, …), to be differentiated.

    The discriminator's verdict on an item is the mean of its logits, as in `adversarial`.
    """
    share = distributed.uniform((len(real), *(1,) * (real.ndim - 1)), real.device)
    between = (share * real.detach() + (1 - share) * made.detach()).requires_grad_(True)
    verdicts = discriminator(between).flatten(1).mean(1)
    (slope,) = torch.autograd.grad(verdicts.sum(), between, create_graph=True)
    # √ has no gradient at 0, where a fresh critic may be flat.
    norm = (slope.flatten(1).square().sum(1) + 1e-12).sqrt()
    return (norm - 1).square().mean()
