"""A buffer of earlier fakes, so that a discriminator does not forget what it has already seen through.

Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017, in the
form of Zhu et al. 2017: while the buffer fills, fakes are kept and given as they are; then each fake, with probability
½, takes the place of a random kept one, which is given instead.

                       ½: itself
    fake ──▶ draw ──▶ ½: one of the `size` kept ones, whose place it takes

It is a module without parameters: what it keeps is saved with the networks, so that a resumed run is bit-equal. With
several processes each keeps the fakes of all, in the same order, so that they equal one process; so do the parts of a
batch under gradient accumulation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer import accumulation, distributed


class ReplayBuffer(nn.Module):
    """The last fakes of one domain, `size` pictures (1, bins, frames); 0 keeps none and gives every fake as it is."""

    kept: Tensor
    count: Tensor

    def __init__(self, size: int, picture: Sequence[int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("kept", torch.zeros(size, *picture))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """Fakes (items, 1, bins, frames) in; as many out, new or from the buffer, detached."""
        if self.size == 0:
            return fakes.detach()
        place = distributed.place_in_batch()
        # Drawn on the CPU: which item goes where is decided there, and the same for every device.
        chance = torch.rand(len(fakes) * place.count)
        places = torch.randint(self.size, (len(fakes) * place.count,))
        return accumulation.once(lambda: self._exchanged(fakes.detach(), chance, places))

    def _exchanged(self, fakes: Tensor, chances: Tensor, all_places: Tensor) -> Tensor:
        """chances, all_places: for every item of the batch."""
        whole = distributed.gathered(fakes)
        given = whole.clone()
        me = distributed.processes()
        # The items that all processes have now are a run of the batch's.
        first = (distributed.place_in_batch().rank - me.rank) * len(fakes)
        chance = chances[first : first + len(whole)].tolist()
        places = all_places[first : first + len(whole)].tolist()
        count = int(self.count)
        for item, (swap, place) in enumerate(zip(chance, places, strict=True)):
            if count < self.size:
                self.kept[count] = whole[item]
                count += 1
            elif swap < 0.5:
                given[item] = self.kept[place]
                self.kept[place] = whole[item]
        self.count.fill_(count)
        return given[me.rank * len(fakes) : (me.rank + 1) * len(fakes)]
