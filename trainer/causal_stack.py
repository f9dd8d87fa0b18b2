"""A stack of gated causal convolutions with explicit state: WaveNet's layer, in the form that small blocks want.

    h ─▶ dilated convolution over the past ─▶ + condition ─▶ tanh(first half) · σ(second half) = z ─▶ 1×1 ─▶ + h ─▶ …
                                                                                                  └─▶ all z: 1×1 ─▶ y

van den Oord et al., "WaveNet: a generative model for raw audio", 2016; without a 1×1 for the skip of each layer, since
one matrix on all z side by side is the same sum in one node. The 1×1 back to h has no bias: a constant in h is a
constant before the next gate, which has its own. Two kinds of way out:

    direct    a matrix on every z and on the stack's input; begins as a wire from the first inputs to the outputs
    summed    one matrix on the sum of all z, as Neural Amp Modeler has it

One set of weights, computed in two ways that tests hold equal:

    CausalStack.forward   (batch, channels, frames), for training: torch's dilated convolution
    StackStep             (frames, channels), for the exported graph: per layer ten nodes of onnxruntime

        state ─▶ Concat ─▶ Gather: the taps of every frame ─▶ Reshape ─▶ Gemm ─▶ Tanh ─▶ Split ─▶ a · b + a ─▶ Gemm + h
                   └─▶ Slice ─▶ next_state

onnxruntime packs a Gemm's constant matrix once, a convolution's weights at every call; the Gemm's own addend is the
residual; and since σ(b) = ½ + ½ tanh(b / 2), one Tanh serves both halves, tanh(a) · σ(b) = ½ (tanh(a) · tanh(b / 2) +
tanh(a)), with every ½ folded into the matrices around. The condition travels as further channels of h that every
layer's matrix copies, so it costs no node (docs/decisions/0008 has the measurements). A layer's state is the last
(kernel − 1) · dilation frames of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedLayer(nn.Module):
    """One dilated convolution, the condition's share, the gate and the way back."""

    def __init__(self, channels: int, condition: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.past = (kernel - 1) * dilation
        self.heard = nn.Conv1d(channels, 2 * channels, kernel, dilation=dilation)
        self.told = nn.Conv1d(condition, 2 * channels, 1, bias=False)
        self.back = nn.Conv1d(channels, channels, 1, bias=False)
        nn.init.zeros_(cast("Tensor", self.heard.bias))
        with torch.no_grad():  # a deep stack begins near the identity
            self.back.weight.mul_(0.5)

    def forward(self, h: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """From silence: h (batch, channels, n), condition (batch, told, n or 1) → z and next h, of h's shape."""
        heard = self.heard(functional.pad(h, (self.past, 0)))
        curve, gate = (heard + self.told(condition)).chunk(2, 1)
        z = torch.tanh(curve) * torch.sigmoid(gate)
        return z, h + self.back(z)


class CausalStack(nn.Module):
    """(batch, inputs, frames) and a condition → (batch, outputs, frames); `dilations` name one layer each."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: int,
        condition: int,
        kernel: int,
        dilations: Sequence[int],
        *,
        way_out: Literal["direct", "summed"],
    ) -> None:
        super().__init__()
        self.direct = way_out == "direct"
        self.channels, self.condition, self.kernel, self.dilations = channels, condition, kernel, tuple(dilations)
        self.entry = nn.Conv1d(inputs, channels, 1, bias=False)
        self.layers = nn.ModuleList(GatedLayer(channels, condition, kernel, d) for d in self.dilations)
        collected = channels * len(self.dilations)
        self.exit = nn.Conv1d(collected + inputs if self.direct else channels, outputs, 1)
        nn.init.zeros_(cast("Tensor", self.exit.bias))
        if self.direct:
            with torch.no_grad():
                self.exit.weight[:, :collected] *= 0.5
                self.exit.weight[:, collected:] = torch.eye(outputs, inputs)[:, :, None]

    @property
    def past_frames(self) -> int:
        """Frames before the present one that an output frame hears."""
        return sum((self.kernel - 1) * d for d in self.dilations)

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(frames, channels) of each layer's state: its past input with the condition beside it."""
        return tuple(((self.kernel - 1) * d, self.channels + self.condition) for d in self.dilations)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """From silence: x (batch, inputs, n), condition (batch, told, n or 1) → (batch, outputs, n)."""
        h, collected = self.entry(x), []
        for layer in cast("Sequence[GatedLayer]", self.layers):
            z, h = layer(h, condition)
            collected.append(z)
        y: Tensor = self.exit(torch.cat([*collected, x], 1) if self.direct else torch.stack(collected).sum(0))
        return y


class StackStep(nn.Module):
    """The same stack on (frames, channels) with its states, for one stream: what is exported.

    Made of the stack's present weights, as constants. before: (rows, inputs), what stands before the stack as a matrix
    (a filter bank) and is folded into it. told_scale: the first of the condition's channels is multiplied by this.
    """

    def __init__(self, stack: CausalStack, before: Tensor | None = None, told_scale: float = 1.0) -> None:
        super().__init__()
        self.direct = stack.direct
        self.kernel, self.dilations, self.channels = stack.kernel, stack.dilations, stack.channels
        told, width = stack.condition, stack.channels + stack.condition
        entry, out = (one.weight.detach()[:, :, 0].t() for one in (stack.entry, stack.exit))
        before = torch.eye(len(entry)) if before is None else before
        entry, rows = before @ entry, len(before)
        if self.direct:  # x comes with the condition behind it, which is not heard here
            collected = stack.channels * len(self.dilations)
            out = torch.cat([out[:collected], functional.pad(before @ out[collected:], (0, 0, 0, told))])
            out[:collected] *= 0.5  # what z lacks, see the gate
        else:
            out = 0.5 * out.repeat(len(self.dilations), 1)
        # The condition's channels stand behind the input's, and pass into h unchanged.
        into = torch.zeros(rows + told, width)
        into[:rows, : stack.channels] = entry
        into[rows:, stack.channels :] = torch.eye(told)
        into[rows, stack.channels] = told_scale
        self.entry = nn.Parameter(into, requires_grad=False)
        self.heard, self.bias, self.back = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for layer in cast("Sequence[GatedLayer]", stack.layers):
            taps = torch.zeros(self.kernel, width, 2 * stack.channels)
            taps[:, : stack.channels] = layer.heard.weight.detach().permute(2, 1, 0)
            taps[-1, stack.channels :] = layer.told.weight.detach()[:, :, 0].t()  # told of the present frame alone
            taps[..., stack.channels :] *= 0.5
            bias = cast("Tensor", layer.heard.bias).detach().clone()
            bias[stack.channels :] *= 0.5
            self.heard.append(nn.Parameter(taps.flatten(0, 1), requires_grad=False))
            self.bias.append(nn.Parameter(bias, requires_grad=False))
            back = functional.pad(0.5 * layer.back.weight.detach()[:, :, 0].t(), (0, told))
            self.back.append(nn.Parameter(back.contiguous(), requires_grad=False))
        self.exit = nn.Parameter(out.contiguous(), requires_grad=False)
        self.exit_bias = nn.Parameter(cast("Tensor", stack.exit.bias).detach().clone(), requires_grad=False)

    def forward(self, x: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """x (frames, inputs + told) and one state (past, channels + told) a layer → (frames, outputs), next states."""
        frames, h = x.shape[0], x @ self.entry
        last = len(self.dilations) - 1
        collected, after = [], []
        for k, (dilation, state) in enumerate(zip(self.dilations, states, strict=True)):
            seen = torch.cat([state, h])
            taps = torch.arange(frames)[:, None] + dilation * torch.arange(self.kernel)
            a = torch.tanh(torch.addmm(self.bias[k], seen[taps].reshape(frames, -1), self.heard[k]))
            curve, gate = torch.split(a, self.channels, 1)
            z = curve * gate + curve  # twice tanh · σ
            collected.append(z)
            after.append(seen[frames:])
            if k != last:  # nobody hears what the last layer would hand on
                h = torch.addmm(h, z, self.back[k])
        collected += [x] if self.direct else []
        return torch.addmm(self.exit_bias, torch.cat(collected, 1), self.exit), after
