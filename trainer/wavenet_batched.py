"""Generation from a WaveNet for a whole batch of streams at once, the loop over a chunk of samples as one CUDA graph.

A sample of a small WaveNet is a hundred operations on little tensors: a GPU spends its time being asked. Recorded once
as a graph and replayed, a chunk of samples is asked for with one call. What the layers' older taps give is known before
the sample begins, so that it is one product for all layers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainer.wavenet_stack import WaveNet
from trainer.wavenet_weights import Memory, Weights, drawn, pasts

_CHUNK = 32  # samples in one graph


class BatchedSampler:
    """A chunk of samples for all streams together, in tensors that stay where they are, as a CUDA graph needs them.

    All layers' pasts are one ring (rows, batch, R), read and written in one operation a sample; what the older taps
    give is one product for all layers. The position is a tensor, so that the graph may be replayed.
    """

    def __init__(self, network: WaveNet, weights: Weights, memory: Memory, chunk: int, temperature: float) -> None:
        device, kernel = memory.history.device, network.shape.kernel
        self.weights, self.temperature, self.chunk = weights, temperature, chunk
        layers, batch = len(network.layers), len(memory.previous)
        self.ring = memory.history.transpose(0, 1).contiguous()
        self.pasts = torch.tensor(pasts(network), device=device)
        self.starts = self.pasts.cumsum(0) - self.pasts
        self.lags = self.pasts[:, None] // (kernel - 1) * torch.arange(kernel - 1, device=device)
        self.clock = torch.zeros((), dtype=torch.int64, device=device)
        self.previous = memory.previous.clone()
        self.uniforms = torch.zeros(batch, chunk, device=device)
        self.offsets = weights.bias.new_zeros(chunk, layers, batch, weights.taps.shape[2])
        self.codes = torch.zeros(batch, chunk, dtype=torch.int64, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def run(self) -> None:
        """Draw `codes` from `uniforms` and `offsets`, and move the memory on."""
        if self.graph is not None:
            self.graph.replay()
            return
        for number in range(self.chunk):
            self._step(number)

    def _step(self, number: int) -> None:
        w, residual = self.weights, self.weights.embedding.shape[1]
        layers, batch = w.taps.shape[0], len(self.previous)
        rows = self.starts[:, None] + (self.clock + self.lags) % self.pasts[:, None]
        heard = self.ring[rows.flatten()].view(layers, -1, batch, residual).transpose(1, 2).flatten(2)
        offsets = torch.baddbmm(self.offsets[number], heard, w.taps[:, :-residual])
        x = w.embedding[self.previous]
        entered, gated = [], []
        for layer in range(layers):
            entered.append(x)
            signal, gate = torch.addmm(offsets[layer], x, w.taps[layer, -residual:]).chunk(2, 1)
            gated.append(torch.tanh(signal) * torch.sigmoid(gate))
            x = torch.addmm(x, gated[-1], w.out[layer, :, :residual])
        self.ring[self.starts + self.clock % self.pasts] = torch.stack(entered)
        skips = torch.cat(gated, 1) @ w.out[..., residual:].flatten(0, 1)
        hidden = functional.relu(torch.addmm(w.head_bias, functional.relu(skips), w.head))
        logits = torch.addmm(w.last_bias, hidden, w.last)
        self.previous.copy_(drawn(logits, self.uniforms[:, number], self.temperature))
        self.codes[:, number] = self.previous
        self.clock += 1

    def capture(self) -> None:
        """Record `run` as a CUDA graph; the memory is what it was before."""
        kept = [tensor.clone() for tensor in (self.ring, self.previous, self.clock)]
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # libraries allocate on their first call, which a graph must not see
            self._step(0)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        self.graph = graph
        for tensor, before in zip((self.ring, self.previous, self.clock), kept, strict=True):
            tensor.copy_(before)

    def memory(self) -> Memory:
        """The streams' memory as every form keeps it."""
        turned = [part.roll(-(int(self.clock) % part.shape[0]), 0) for part in self.ring.split(self.pasts.tolist(), 0)]
        return Memory(torch.cat(turned).transpose(0, 1).contiguous(), self.previous.clone())


def batched(
    network: WaveNet,
    weights: Weights,
    memory: Memory,
    uniforms: Tensor,
    condition: Tensor | None,
    voice: Tensor | None,
    temperature: float,
    *,
    graph: bool,
    hold: int = 1,
) -> tuple[Tensor, Memory]:
    """What `proceed` gives, on the tensors' device; graph: as a CUDA graph, all but what is left after whole chunks."""
    samples, codes = uniforms.shape[1], []
    chunk = min(_CHUNK, max(1, samples))
    sampler = BatchedSampler(network, weights, memory, chunk, temperature)
    for start in range(0, samples, chunk):
        end = min(start + chunk, samples)
        if end - start < chunk:
            sampler = BatchedSampler(network, weights, sampler.memory(), end - start, temperature)
        elif graph and sampler.graph is None:
            sampler.capture()
        sampler.uniforms.copy_(uniforms[:, start:end])
        heard = None if condition is None else condition[..., torch.arange(start, end, device=condition.device) // hold]
        sampler.offsets.copy_(weights.offsets(end - start, heard, voice).permute(1, 2, 0, 3))
        sampler.run()
        codes.append(sampler.codes.clone())
    return torch.cat(codes, 1), sampler.memory()
