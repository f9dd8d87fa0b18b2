"""Generation: three forms, one stream of codes, which is the one the network was trained to give."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from realtime.errors import ConfigError
from trainer.wavenet_batched import batched
from trainer.wavenet_generation import Form, generate, proceed
from trainer.wavenet_stack import WaveNet, WaveNetShape
from trainer.wavenet_weights import Memory, drawn, silent_memory, weights_of

SAMPLES = 75  # past the longest ring twice over, and no multiple of any chunk
FORMS: tuple[Literal["reference", "compiled"], ...] = ("reference", "compiled")


def _network(kernel: int = 2, *, condition: int = 3, voices: int = 2) -> WaveNet:
    torch.manual_seed(0)
    shape = WaveNetShape(cycles=2, layers=5, residual=12, skip=10, kernel=kernel, levels=32)
    network = WaveNet(shape, condition=condition, voices=voices).eval()
    with torch.no_grad():  # untrained logits are nearly even: make the draws depend on the past
        network.logits.weight *= 8
    return network


def _inputs(batch: int = 2, samples: int = SAMPLES) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    uniforms = torch.rand(batch, samples, generator=generator)
    return (
        uniforms,
        torch.randn(batch, 3, samples, generator=generator),
        torch.rand(batch, 2, generator=generator),
    )


def _batched(network: WaveNet, memory: Memory, uniforms: Tensor, *given: Tensor | None) -> tuple[Tensor, Memory]:
    with torch.no_grad():
        condition, voice = given or (None, None)
        return batched(network, weights_of(network), memory, uniforms, condition, voice, 1.0, graph=False)


@pytest.mark.parametrize("kernel", [2, 3])
def test_all_forms_draw_the_same_codes(kernel: int) -> None:
    """Reference, compiled and batched agree in every code of two streams, and in the memory after them."""
    network = _network(kernel)
    uniforms, condition, voice = _inputs()
    expected, memory = proceed(network, silent_memory(network, 2), uniforms, condition, voice, form="reference")
    assert expected.shape == (2, SAMPLES)
    assert len(expected.unique()) > 10
    others = (
        proceed(network, silent_memory(network, 2), uniforms, condition, voice, form="compiled"),
        _batched(network, silent_memory(network, 2), uniforms, condition, voice),
    )
    for codes, after in others:
        assert torch.equal(codes, expected)
        torch.testing.assert_close(after.history, memory.history, atol=1e-5, rtol=0)
        assert torch.equal(after.previous, memory.previous)


def test_what_is_drawn_is_what_the_training_forward_predicts() -> None:
    """The parallel forward over the generated codes gives, with each uniform, the very code that was generated."""
    network = _network()
    uniforms, condition, voice = _inputs()
    codes = generate(network, SAMPLES, uniforms, condition, voice, temperature=0.7)
    with torch.no_grad():
        logits = network(codes, condition, voice)
    for t in range(SAMPLES):
        assert torch.equal(drawn(logits[..., t], uniforms[:, t], 0.7), codes[:, t])


@pytest.mark.parametrize("form", [*FORMS, "batched"])
def test_a_stream_in_parts_is_the_stream_in_one(form: str) -> None:
    """Generation that stops anywhere goes on from its memory as if it had not stopped, in whichever form."""
    network = _network(condition=0, voices=0)
    uniforms = _inputs()[0]
    expected = generate(network, SAMPLES, uniforms, form="reference")
    memory, parts = silent_memory(network, 2), []
    for part in uniforms.split([1, 17, 2, 30, 25], 1):
        if form == "batched":
            codes, memory = _batched(network, memory, part)
        else:
            codes, memory = proceed(network, memory, part, form="reference" if form == "reference" else "compiled")
        parts.append(codes)
    assert torch.equal(torch.cat(parts, 1), expected)


@pytest.mark.parametrize("form", [*FORMS, "batched"])
def test_conditioning_in_frames_is_conditioning_held(form: str) -> None:
    """A column held for its samples draws what the column repeated for each of them draws, the last one cut short."""
    network = _network()
    uniforms, condition, voice = _inputs()
    frames = condition[..., : -(-SAMPLES // 8)]
    repeated = frames.repeat_interleave(8, 2)[..., :SAMPLES]
    expected = generate(network, SAMPLES, uniforms, repeated, voice)
    if form == "batched":
        with torch.no_grad():
            memory = silent_memory(network, 2)
            held, _ = batched(network, weights_of(network), memory, uniforms, frames, voice, 1.0, graph=False, hold=8)
    else:
        compiled = form == "compiled"
        held = generate(network, SAMPLES, uniforms, frames, voice, hold=8, form="compiled" if compiled else "reference")
    assert torch.equal(held, expected)


def test_streams_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several streams on several threads draw what each draws alone, whoever wants a gradient of the conditioning."""
    network = _network()
    uniforms, condition, voice = _inputs(3)
    alone = [generate(network, SAMPLES, uniforms[k : k + 1], condition[k : k + 1], voice[k : k + 1]) for k in range(3)]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    together = generate(network, SAMPLES, uniforms, condition.requires_grad_(), voice)
    assert torch.equal(together, torch.cat(alone))


def test_draws_follow_the_probabilities() -> None:
    """Even uniforms draw each level as often as its probability says; low temperatures draw the likeliest alone."""
    logits = torch.log(torch.tensor([[0.1, 0.0, 0.4, 0.5]])).expand(1000, -1)
    even = (torch.arange(1000) + 0.5) / 1000
    assert drawn(logits, even, 1.0).bincount(minlength=4).tolist() == [100, 0, 400, 500]
    assert set(drawn(logits, even, 0.01).tolist()) == {3}


@pytest.mark.parametrize("levels", [2, 7, 256])
def test_the_compiled_draw_is_the_reference_draw(levels: int) -> None:
    """Uniforms from one end to the other fall on the same level in both."""
    import numpy as np

    from trainer import wavenet_kernel

    generator = torch.Generator().manual_seed(levels)
    logits = 6 * torch.randn(200, levels, generator=generator)
    uniforms = torch.linspace(0, 1 - 2**-24, 200)
    expected = drawn(logits, uniforms, 0.8).tolist()
    coldness = np.float32(1) / np.float32(0.8)
    rows = zip(logits.numpy(), uniforms.numpy(), strict=True)
    assert [wavenet_kernel.draw(row.copy(), coldness, uniform) for row, uniform in rows] == expected


def test_the_compiled_gate_is_torchs() -> None:
    """tanh · sigmoid by one exponential is the library's to float32's precision, far into both ends."""
    import numpy as np

    from trainer import wavenet_kernel

    signal = torch.linspace(-40, 40, 801)
    gate = signal[torch.randperm(801, generator=torch.Generator().manual_seed(0))]
    z = np.empty(801, np.float32)
    wavenet_kernel.gate(torch.cat([signal, gate]).numpy(), z)
    expected = torch.tanh(signal.double()) * torch.sigmoid(gate.double())
    assert np.abs(z - expected.numpy()).max() < 2e-7


def test_a_broken_conditioning_draws_codes_all_the_same() -> None:
    """NaN in the conditioning never leads outside the levels, whose embedding would be another's memory."""
    network = _network()
    uniforms, condition, voice = _inputs()
    condition[..., 20:] = torch.nan
    codes = generate(network, SAMPLES, uniforms, condition, voice)
    assert int(codes.min()) >= 0
    assert int(codes.max()) < 32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA graph needs a CUDA device; none here")
def test_a_cuda_graph_draws_the_same_codes() -> None:
    """The graph, replayed chunk after chunk, draws what the reference draws on the CPU."""
    network = _network()
    inputs = _inputs()
    expected = generate(network, SAMPLES, *inputs, form="reference")
    assert torch.equal(generate(network.cuda(), SAMPLES, *inputs, form="cuda").cpu(), expected)


def _refused(form: Form, network: WaveNet, match: str, temperature: float = 1.0) -> None:
    with pytest.raises(ConfigError, match=match):
        generate(network, 4, torch.rand(1, 4), form=form, temperature=temperature)


def test_what_cannot_be_generated_is_refused_in_a_sentence() -> None:
    """Temperatures without meaning, uniforms of another length, weights the kernel cannot read, and absent GPUs."""
    network = _network(condition=0, voices=0)
    _refused("reference", network, "temperature is 0.0", 0.0)
    with pytest.raises(ConfigError, match=r"expected \(batch, 5\)"):
        generate(network, 5, torch.rand(1, 4))
    if not torch.cuda.is_available():
        _refused("cuda", network, "needs CUDA")
    _refused("compiled", network.double(), "float64")
