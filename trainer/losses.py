"""Losses that several systems share: pixel distances and the two-player game.

    bce     D: −log σ(D(real)) − log(1 − σ(D(fake))),  G: −log σ(D(fake))        Goodfellow et al. 2014, pix2pix
    lsgan   D: (D(real) − 1)² + D(fake)²,              G: (D(fake) − 1)²         Mao et al. 2017

Every one is a mean over items, so that processes that share a batch may average them.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

AdversarialKind = Literal["bce", "lsgan"]
DistanceKind = Literal["l1", "l2"]


def distance(made: Tensor, truth: Tensor, kind: DistanceKind) -> Tensor:
    """Mean absolute (l1) or mean squared (l2) difference."""
    return functional.l1_loss(made, truth) if kind == "l1" else functional.mse_loss(made, truth)


def adversarial(logits: Tensor, *, real: bool, kind: AdversarialKind) -> Tensor:
    """How far the discriminator's `logits` are from saying `real`."""
    wanted = torch.full_like(logits, float(real))
    return (
        functional.binary_cross_entropy_with_logits(logits, wanted)
        if kind == "bce"
        else functional.mse_loss(logits, wanted)
    )
