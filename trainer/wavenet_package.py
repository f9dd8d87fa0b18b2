"""A WaveNet as a streaming module of the tensor law: conditioning in, sampled sound out, the loop inside the graph.

    condition (1, channels, frames), [voice (1, voices)] ─▶ what each layer begins with, once a frame
    state: random (1, 4) ─▶ a uniform a sample
    state: history (1, Σ past, residual), previous (1, 1) ─▶ sample after sample ─▶ codes ─▶ mu-law ─▶ y (1, 1, samples)

Any system whose output a WaveNet draws makes its conditioning and ends in a `SamplingStream`. torch plays it with the
compiled kernel; exported, the loop is one ONNX Scan (`trainer.wavenet_graph`), drawing the same codes.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any, cast

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import mu_law, wavenet_graph
from trainer.uniform_stream import STATE_SHAPE, UniformStream
from trainer.wavenet_generation import proceed
from trainer.wavenet_stack import WaveNet
from trainer.wavenet_weights import Memory, pasts, weights_of

_numbers = itertools.count()


class SamplingStream(nn.Module):
    """The sound that a WaveNet draws for frames of conditioning, with explicit state, one stream.

    Made of a copy of the network, on the CPU, as it is at this moment.
    """

    levels: Tensor
    draws = True

    def __init__(self, network: WaveNet, hop: int, *, temperature: float = 1.0, seed: int = 0) -> None:
        super().__init__()
        if hop < 1:
            raise ConfigError(f"a frame of conditioning lasts {hop} samples, expected at least 1: change the hop")
        if temperature <= 0:
            raise ConfigError(f"The temperature is {temperature}, expected more than 0: 1 draws as the network learnt")
        self.network, self.hop, self.temperature = copy.deepcopy(network).cpu(), hop, temperature
        self.weights = weights_of(self.network)
        self.uniforms = UniformStream(seed)
        self.number = next(_numbers)  # tells this loop from another of the same graph
        table = mu_law.decode(torch.arange(network.shape.levels), network.shape.levels)
        self.register_buffer("levels", table, persistent=False)

    def initial_states(self) -> tuple[Tensor, Tensor, Tensor]:
        """Zeros: history, the code before the first as its distance from silence, the random generator."""
        shape = (1, sum(pasts(self.network)), self.network.shape.residual)
        return torch.zeros(shape), torch.zeros(1, 1), torch.zeros(STATE_SHAPE)

    def forward(self, *arguments: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """condition (1, channels, frames), [voice (1, voices)], history, previous, random → y (1, 1, samples), states.

        A network without voices takes no voice. One without local conditioning takes frames all the same, of any
        number of channels: they say how many samples are drawn.
        """
        frames, *voice, history, previous, random = arguments
        target = voice[0] if voice else None
        condition = frames if self.network.condition_channels else None
        self.network.check_conditioning(frames.shape[2], condition, target)
        samples = frames.shape[2] * self.hop
        uniforms, random = self.uniforms.draw(samples, random)
        silence = self.network.shape.silence
        code = previous[0].to(torch.int64) + silence
        if torch.onnx.is_in_onnx_export():
            offsets = self.weights.offsets(frames.shape[2], condition, target)[0]
            offsets = offsets[:, None].expand(-1, self.hop, -1, -1).flatten(0, 1)
            codes, after = cast("Any", _Loop).apply(offsets, uniforms, history[0], code, self)
            history = after[None]
        else:
            drawn, memory = proceed(
                self.network, Memory(history, code), uniforms[None], condition, target,
                temperature=self.temperature, weights=self.weights, hold=self.hop,
            )  # fmt: skip
            codes, history = drawn[0], memory.history
        y = self.levels[codes]
        # A code is always a number: what is none must still be heard as none, for the chain to see.
        y = (y.view(-1, self.hop) + 0.0 * frames[0].sum(0)[:, None]).flatten()
        return y[None, None], history, (codes[-1:] - silence).to(torch.float32)[None], random

    def finish_graph(self, model: bytes) -> bytes:
        """The exported graph with this stream's loop in the place that `forward` left for it."""
        import onnx

        graph = onnx.load_from_string(model)
        wavenet_graph.expand(graph, self.number, self.weights, self.network.shape.dilations, self.temperature)
        onnx.checker.check_model(graph)
        return bytes(graph.SerializeToString())


class _Loop(torch.autograd.Function):
    """What the exporter sees of the loop: one operator, which `SamplingStream.finish_graph` replaces."""

    @staticmethod
    def forward(
        _context: Any, offsets: Tensor, uniforms: Tensor, history: Tensor, _previous: Tensor, _stream: SamplingStream
    ) -> tuple[Tensor, Tensor]:
        # Only shapes count while exporting.
        return torch.zeros(uniforms.shape[0], dtype=torch.int64), history.clone() + 0.0 * offsets.sum()

    @staticmethod
    def symbolic(
        graph: Any, offsets: Any, uniforms: Any, history: Any, previous: Any, stream: SamplingStream
    ) -> tuple[Any, Any]:
        name = f"{wavenet_graph.DOMAIN}::{wavenet_graph.OPERATOR}"
        codes, after = graph.op(
            name, offsets, uniforms, history, previous, outputs=2, number_i=stream.number,
            samples_i=uniforms.type().sizes()[0],
        )  # fmt: skip
        codes.setType(uniforms.type().with_dtype(torch.int64))
        after.setType(history.type())
        return codes, after
