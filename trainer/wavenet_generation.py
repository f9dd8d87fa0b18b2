"""Sampling from a WaveNet one code after another with a cached past, in three forms that draw the same codes.

    p(t)  = softmax(logits(codes before t, condition up to t, voice) / temperature)
    code  = the first level at which p, added up from level 0, passes uniform(t)

"reference"  the stack's own modules on one sample at a time, each layer's past in a ring: slow, and readable
"compiled"   `trainer.wavenet_kernel` on CPU cores, a stream on each; faster than real time at 8192 Hz on one core
"cuda"       all streams of a batch together, the loop over a chunk of samples replayed as one CUDA graph

Given the same uniforms the forms draw the same codes until two roundings of one probability lie on both sides of a
uniform: float32 adds up in different orders. docs/wavenet.md says how seldom that is.

What a stream keeps is a `Memory`, in which all forms agree, so that generation may stop and go on in another form.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.wavenet_batched import batched
from trainer.wavenet_stack import WaveNet
from trainer.wavenet_weights import Memory, Weights, drawn, layers_of, pasts, silent_memory, weights_of

Form = Literal["reference", "compiled", "cuda"]

_CHUNK_VALUES = 1 << 17  # floats of conditioning worked out ahead: they must not push the weights out of the cache


class _Asked(NamedTuple):
    """What `proceed` is asked for, checked."""

    memory: Memory
    uniforms: Tensor
    condition: Tensor | None
    voice: Tensor | None
    temperature: float
    hold: int


def generate(
    network: WaveNet,
    samples: int,
    uniforms: Tensor,
    condition: Tensor | None = None,
    voice: Tensor | None = None,
    *,
    temperature: float = 1.0,
    form: Form = "compiled",
    hold: int = 1,
) -> Tensor:
    """Codes (batch, samples) int64 from silence on; uniforms (batch, samples) in 0 … 1 decide each draw.

    condition (batch, channels, samples) and voice (batch, voices) as for `WaveNet.forward`; temperature under 1 prefers
    what is likely; hold: samples that each column of the conditioning lasts, where it comes in frames. Raises
    ConfigError when the conditioning does not fit or `form` cannot run here.
    """
    if tuple(uniforms.shape[1:]) != (samples,):
        raise ConfigError(f"generation got uniforms {tuple(uniforms.shape)}, expected (batch, {samples}): one a sample")
    codes, _ = proceed(
        network, silent_memory(network, len(uniforms)), uniforms, condition, voice, temperature=temperature, form=form,
        hold=hold,
    )  # fmt: skip
    return codes


@torch.no_grad()
def proceed(
    network: WaveNet,
    memory: Memory,
    uniforms: Tensor,
    condition: Tensor | None = None,
    voice: Tensor | None = None,
    *,
    temperature: float = 1.0,
    form: Form = "compiled",
    weights: Weights | None = None,
    hold: int = 1,
) -> tuple[Tensor, Memory]:
    """`generate` from where `memory` stands: codes (batch, samples) and the memory after them (a new one).

    weights: `weights_of(network)` when at hand, which many short calls should not lay out again.
    """
    network.check_conditioning(-(-uniforms.shape[1] // hold), condition, voice)
    if temperature <= 0:
        raise ConfigError(f"The temperature is {temperature}, expected more than 0: 1 draws as the network learnt")
    asked = _Asked(memory, uniforms, condition, voice, temperature, hold)
    if form == "reference":
        return _reference(network, asked)
    weights = weights or weights_of(network)
    if form == "compiled":
        return _compiled(network, weights, asked)
    if not torch.cuda.is_available():
        raise ConfigError("Generation on a GPU needs CUDA, which torch does not find here: use the form 'compiled'")
    return _on_cuda(network, weights, asked)


def _reference(network: WaveNet, asked: _Asked) -> tuple[Tensor, Memory]:
    memory, uniforms, condition, voice, temperature, hold = asked
    kernel, layers = network.shape.kernel, layers_of(network)
    rings = [ring.clone() for ring in memory.history.split(list(pasts(network)), 1)]
    previous, codes = memory.previous, []
    for t in range(uniforms.shape[1]):
        x = network.embedding(previous)
        skips = x.new_zeros(())
        for layer, ring in zip(layers, rings, strict=True):
            past, dilation = layer.past, layer.past // (kernel - 1)
            heard = [ring[:, (t + tap * dilation) % past] for tap in range(kernel - 1)]
            h = functional.conv1d(torch.stack([*heard, x], 2), layer.taps.weight, layer.taps.bias)
            ring[:, t % past] = x
            if layer.condition is not None and condition is not None:
                h = h + layer.condition(condition[..., t // hold : t // hold + 1])
            if layer.voice is not None and voice is not None:
                h = h + layer.voice(voice)[..., None]
            signal, gate = h.chunk(2, 1)
            out = layer.out(torch.tanh(signal) * torch.sigmoid(gate))[..., 0]
            x = x + out[:, : layer.residual] if layer.residual else x
            skips = skips + out[:, layer.residual :]
        hidden = functional.relu(network.head(functional.relu(skips)[..., None]))
        previous = drawn(network.logits(hidden)[..., 0], uniforms[:, t], temperature)
        codes.append(previous)
    turned = [ring.roll(-(uniforms.shape[1] % ring.shape[1]), 1) for ring in rings]
    return torch.stack(codes, 1), Memory(torch.cat(turned, 1), previous)


def _compiled(network: WaveNet, weights: Weights, asked: _Asked) -> tuple[Tensor, Memory]:
    import numpy as np

    from trainer import wavenet_kernel

    memory, uniforms, condition, voice, temperature, hold = asked
    if weights.embedding.dtype != torch.float32 or weights.embedding.device.type != "cpu":
        raise ConfigError(
            f"the compiled form got weights in {weights.embedding.dtype} on {weights.embedding.device}, expected "
            "float32 on the CPU: bring the network there"
        )
    dilations = np.array(network.shape.dilations)
    batch, samples = uniforms.shape
    codes = torch.empty(batch, samples, dtype=torch.int64)
    history = memory.history.clone().contiguous()
    if condition is None:
        hold = max(1, samples)
    chunk = hold * max(1, _CHUNK_VALUES // weights.bias.shape[0])
    coldness = np.float32(1.0) / np.float32(temperature)

    @torch.no_grad()  # which a new thread does not inherit
    def stream(item: int) -> None:
        previous = int(memory.previous[item])
        own_voice = None if voice is None else voice[item : item + 1]
        for start in range(0, samples, chunk):
            end = min(start + chunk, samples)
            first, last = start // hold, -(-end // hold)
            heard = None if condition is None else condition[item : item + 1, :, first:last]
            offsets = weights.offsets(last - first, heard, own_voice)[0].contiguous().numpy()
            part = codes[item, start:end].numpy()
            drawn_by = uniforms[item, start:end].float().contiguous().numpy()
            wavenet_kernel.run(
                weights.embedding.numpy(), weights.taps.numpy(), weights.out.numpy(),
                weights.head.numpy(), weights.head_bias.numpy(), weights.last.numpy(), weights.last_bias.numpy(),
                dilations, offsets, hold, history[item].numpy(), previous, drawn_by, coldness, part,
            )  # fmt: skip
            previous = int(part[-1])

    workers = min(batch, torch.get_num_threads())
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(stream, range(batch)))
    else:
        for item in range(batch):
            stream(item)
    return codes, Memory(history, codes[:, -1].clone() if samples else memory.previous)


def _on_cuda(network: WaveNet, weights: Weights, asked: _Asked) -> tuple[Tensor, Memory]:
    memory, uniforms, condition, voice, temperature, hold = asked
    device = weights.embedding.device
    if device.type != "cuda":
        raise ConfigError(f"the form 'cuda' got a network on {device}, expected one on the GPU: bring it there")
    condition, voice = (None if tensor is None else tensor.to(device) for tensor in (condition, voice))
    moved = Memory(memory.history.to(device), memory.previous.to(device))
    with torch.cuda.device(device):  # a graph is captured on the current device
        return batched(
            network, weights, moved, uniforms.to(device), condition, voice, temperature, hold=hold, graph=True
        )
