"""One training step as `[run]` asks for it: its precision, its batch whole or in parts, layers recomputed or kept.

bfloat16 is autocast: matrix products and convolutions forwards in bfloat16, sums and norms in float32; weights, their
gradients and the optimizers stay float32 (`Recipe.descend` goes backwards outside of autocast), and bfloat16 has
float32's range, so no loss is scaled. On the CPU too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainer.recipe import Recipe
from trainer.recompute import recomputing


def training_step(recipe: Recipe, batches: Sequence[Mapping[str, Tensor]], step: int) -> dict[str, Tensor]:
    """The recipe's step on the parts of one batch, which are on its device; losses without their graphs."""
    run = recipe.run
    with (
        torch.autocast(recipe.device.type, torch.bfloat16, enabled=run.precision == "bfloat16"),
        recomputing(run.gradient_checkpointing),
    ):
        losses = recipe.division.step(recipe.training_step, batches, step)
    return {name: loss.detach() for name, loss in losses.items()}
