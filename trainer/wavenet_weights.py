"""What generation from a WaveNet reads and remembers: weights laid out for one sample at a time, memory, the draw.

    p = softmax(logits / temperature)      code = the first level at which p, added up from level 0, passes the uniform

The sum runs in float64: adding up 256 float32 would round more than the network itself does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainer.wavenet_stack import WaveNet, WaveNetLayer


@dataclass(slots=True)
class Memory:
    """What a stream remembers: zeros and the code of silence at its start.

    history (batch, Σ past, residual): the last inputs of each layer, layer after layer, the oldest first;
    previous (batch,): the last code.
    """

    history: Tensor
    previous: Tensor


@dataclass(frozen=True, slots=True)
class Weights:
    """A network's weights as generation reads them; y = x · w everywhere.

    embedding (levels, R), taps (layers, kernel · R, 2R) oldest first,
    out (layers, R, R + S) to [next layer | skips], head (S, S), last (S, levels), bias (layers · 2R),
    condition (channels, layers · 2R), voice (voices, layers · 2R).
    """

    embedding: Tensor
    taps: Tensor
    out: Tensor
    head: Tensor
    head_bias: Tensor
    last: Tensor
    last_bias: Tensor
    bias: Tensor
    condition: Tensor | None
    voice: Tensor | None

    def offsets(self, samples: int, condition: Tensor | None, voice: Tensor | None) -> Tensor:
        """What each layer's h begins with, (batch or 1, samples, layers, 2R): biases and both conditionings."""
        added = self.bias[None, None]
        if self.voice is not None and voice is not None:
            added = added + (voice @ self.voice)[:, None]
        if self.condition is not None and condition is not None:
            added = added + condition.transpose(1, 2) @ self.condition
        layers = self.taps.shape[0]
        return added.expand(-1, samples, -1).reshape(added.shape[0], samples, layers, -1)


def pasts(network: WaveNet) -> tuple[int, ...]:
    """How many of its inputs each layer remembers."""
    return tuple(layer.past for layer in layers_of(network))


def layers_of(network: WaveNet) -> list[WaveNetLayer]:
    """The network's layers, first to last."""
    return [cast("WaveNetLayer", layer) for layer in network.layers]


def silent_memory(network: WaveNet, batch: int) -> Memory:
    """The memory of streams that have not begun."""
    weight = network.embedding.weight
    history = weight.new_zeros(batch, sum(pasts(network)), network.shape.residual)
    return Memory(history, torch.full((batch,), network.shape.silence, device=weight.device))


@torch.no_grad()
def weights_of(network: WaveNet) -> Weights:
    """The weights laid out for generation: copies, contiguous, on the network's device."""
    residual, layers = network.shape.residual, layers_of(network)
    taps = torch.stack([layer.taps.weight.permute(2, 1, 0) for layer in layers])  # (layers, kernel, R, 2R)
    out = torch.stack(  # the last layer leads to no other: zeros there
        [functional.pad(layer.out.weight[..., 0].T, (residual - layer.residual, 0)) for layer in layers]
    )
    condition = [layer.condition.weight[..., 0].T for layer in layers if layer.condition is not None]
    voice = [layer.voice.weight.T for layer in layers if layer.voice is not None]
    return Weights(
        network.embedding.weight.detach().clone(),
        taps.flatten(1, 2).contiguous(),
        out.contiguous(),
        network.head.weight[..., 0].T.contiguous(),
        _bias(network.head),
        network.logits.weight[..., 0].T.contiguous(),
        _bias(network.logits),
        torch.cat([_bias(layer.taps) for layer in layers]),
        torch.cat(condition, 1) if condition else None,
        torch.cat(voice, 1) if voice else None,
    )


def drawn(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Codes (batch,) of logits (batch, levels) and uniforms (batch,)."""
    # float32's quotient, as the kernel has it; a plain number, because a CUDA graph takes no tensor from the CPU.
    scale = float(np.float32(1.0) / np.float32(temperature))
    likely = torch.exp((logits - logits.amax(1, keepdim=True)) * scale)
    added = likely.double().cumsum(1)
    return (added[:, :-1] <= uniforms.double()[:, None] * added[:, -1:]).sum(1)


def _bias(layer: torch.nn.Conv1d) -> Tensor:
    assert layer.bias is not None
    return layer.bias.detach().clone()
