"""WaveNet decoders behind one encoder: codes to sound, in a package by target weights, in a file by one of them.

codes (1, channels, frames) ─┬─▶ decoder 0 ─▶ y₀ · w₀ ─┐
├─▶ decoder 1 ─▶ y₁ · w₁ ─┼─▶ y        each with its memory and its own chance
└─▶ …                     ┘
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainer import mu_law
from trainer.resting_loops import Mark, find_marks, rest_without_weight
from trainer.temporal_encoder import at_audio_rate
from trainer.wavenet_generation import Form, proceed
from trainer.wavenet_package import SamplingStream
from trainer.wavenet_stack import WaveNet
from trainer.wavenet_weights import silent_memory, weights_of

Audio = npt.NDArray[np.float32]


class DecoderBank(nn.Module):
    """Codes and target weights → the decoders' sounds, each as loud as its weight, with explicit state.

    Weights of one target alone play its decoder alone; others are a blend, as of instruments that play in unison. A
    decoder without weight rests: it costs nothing and goes on from where it was, so that a package costs as many
    decoders as sound. Only its random numbers are used up, so that what is played later does not depend on how calls
    were cut.
    """

    draws = True

    def __init__(self, decoders: Sequence[WaveNet], code_samples: int, temperature: float) -> None:
        super().__init__()
        # Seeds of their own: with one, the hiss of all would be the same.
        self.streams = nn.ModuleList(
            SamplingStream(decoder, code_samples, temperature=temperature, seed=number)
            for number, decoder in enumerate(decoders)
        )
        self._marks: list[Mark] = []
        self.rests = _Rests(self._marks)  # the last of the parts: it finds the loops in their places

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence, decoder after decoder."""
        return tuple(state for stream in self._streams for state in stream.initial_states())

    @property
    def _streams(self) -> list[SamplingStream]:
        return [cast("SamplingStream", stream) for stream in self.streams]

    def forward(self, codes: Tensor, target: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """codes (1, channels, frames), target (1, decoders), states → y (1, 1, frames · code_samples), next states."""
        each = len(states) // len(self.streams)
        made, after = codes.new_zeros(()), list[Tensor]()
        for number, stream in enumerate(self._streams):
            before = states[number * each : (number + 1) * each]
            if torch.onnx.is_in_onnx_export() or float(target[0, number]) != 0.0:
                y, *own = stream(codes, *before)
                made = made + y * target[:, number : number + 1, None]
                after += own
            else:
                history, previous, random = before
                after += [history, previous, stream.uniforms.draw(codes.shape[2] * stream.hop, random)[1]]
        if made.ndim == 0:  # nobody sounds
            made = codes.new_zeros(1, 1, codes.shape[2] * self._streams[0].hop)
        return made, *after

    def finish_graph(self, model: bytes) -> bytes:
        """The graph as it is: only where the loops will stand is noted, and `rests` puts conditions around them."""
        import onnx

        self._marks[:] = find_marks(onnx.load_from_string(model), [stream.number for stream in self._streams])
        return model


class _Rests(nn.Module):
    """Comes after the streams have put their loops into the graph."""

    draws = False

    def __init__(self, marks: list[Mark]) -> None:
        super().__init__()
        self._marks = marks

    def finish_graph(self, model: bytes) -> bytes:
        """The exported graph, in which only the loops of decoders with a weight run."""
        import onnx

        graph = onnx.load_from_string(model)
        for number, mark in enumerate(self._marks):
            rest_without_weight(graph, mark, number)
        onnx.checker.check_model(graph)
        return bytes(graph.SerializeToString())


def generated(
    decoder: WaveNet,
    codes: Tensor,
    code_samples: int,
    samples: int,
    sample_rate: int,
    temperature: float,
    progress: Callable[[float], None] | None,
) -> Audio:
    """The first `samples` samples that a decoder plays of codes (1, channels, frames); the same every time."""
    weights, memory = weights_of(decoder), silent_memory(decoder, 1)
    generator = torch.Generator().manual_seed(0)
    form: Form = "cuda" if codes.device.type == "cuda" else "compiled"
    made, chunk = [], -(-sample_rate // code_samples) * code_samples  # a second, made up to whole codes
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        part = codes[..., start // code_samples : -(-(start + count) // code_samples)]
        condition = at_audio_rate(part, code_samples)[..., :count]
        uniforms = torch.rand(1, count, generator=generator)
        drawn, memory = proceed(
            decoder, memory, uniforms, condition, temperature=temperature, form=form, weights=weights
        )
        made.append(mu_law.decode(drawn[0].cpu(), decoder.shape.levels))
        if progress is not None:
            progress(count / sample_rate)
    return torch.cat(made).numpy()
