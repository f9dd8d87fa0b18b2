"""What a part of a streaming module may ask of the exporter, because torch's own cannot write it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class GraphPart(Protocol):
    """A module that leaves a mark in the exported graph and afterwards puts its nodes in the mark's place."""

    draws: bool
    """Whether it draws at random: then a rounding may decide a draw otherwise than torch's, once in very many."""

    def finish_graph(self, model: bytes) -> bytes:
        """The exported model, serialised, with this part's mark replaced."""


def draws(module: nn.Module) -> bool:
    """Whether any part of it draws at random."""
    return any(isinstance(part, GraphPart) and part.draws for part in module.modules())
