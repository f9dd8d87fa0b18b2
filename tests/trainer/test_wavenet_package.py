"""The sampling stream: its graph draws what torch draws, in any step, and its random numbers are a state."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import SamplesFeatures, SpectrumFeatures
from realtime.manifest import Licences, Manifest, State, Target
from trainer import mu_law, wavenet_graph
from trainer.export import to_onnx, verify_contract
from trainer.golden_input import DRAWN_GOLDEN_SECONDS, golden_input
from trainer.uniform_stream import FACTORS, MODULI, UniformStream
from trainer.wavenet_package import SamplingStream
from trainer.wavenet_stack import WaveNet, WaveNetShape

CHANNELS = 3


def _network(kernel: int = 2, *, condition: int = CHANNELS, voices: int = 2) -> WaveNet:
    torch.manual_seed(0)
    shape = WaveNetShape(cycles=2, layers=5, residual=12, skip=10, kernel=kernel, levels=32)
    network = WaveNet(shape, condition=condition, voices=voices).eval()
    with torch.no_grad():  # untrained logits are nearly even: make the draws depend on what is heard
        network.logits.weight *= 8
    return network


def _manifest(stream: SamplingStream, step: int) -> Manifest:
    return Manifest(
        format="1.0", name="drawn", title="Drawn", architecture="wavenet", description="A test.", sample_rate=8192,
        input=SpectrumFeatures(4 * stream.hop, stream.hop, CHANNELS), output=SamplesFeatures(), phase=None, step=step,
        lookahead=0, model_delay_samples=0, level_db=None,
        states=tuple(State(f"state_{k}", tuple(s.shape)) for k, s in enumerate(stream.initial_states())),
        targets=(Target("a", "A"), Target("b", "B")), controls=(), licences=Licences("x", "x", "x"),
    )  # fmt: skip


class _Squeezed(nn.Module):
    """Spectrum frames (1, 1, bins, frames) as the conditioning of a stream, which is what a system's encoder does."""

    def __init__(self, stream: nn.Module) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        made: tuple[Tensor, ...] = self.stream(4 * x[:, 0], *rest)
        return made


@pytest.mark.parametrize(("kernel", "hop", "step"), [(2, 4, 1), (2, 12, 3), (3, 8, 1), (2, 64, 1)])
def test_the_graph_draws_what_torch_draws(kernel: int, hop: int, step: int) -> None:
    """Exported with calls shorter and longer than its dilations, a stream obeys the laws of a package."""
    stream = SamplingStream(_network(kernel), hop, temperature=0.9)
    module, manifest = _Squeezed(stream), _manifest(stream, step)
    model = to_onnx(module, stream.initial_states(), manifest)
    report = verify_contract(module, stream.initial_states(), manifest, model)
    assert report.onnxruntime_against_torch == 0.0
    assert report.stepped_against_offline == 0.0


def test_the_states_agree_too() -> None:
    """History, previous code and random numbers after a call are the same in onnxruntime and in torch."""
    stream = SamplingStream(_network(), 8)
    module, manifest = _Squeezed(stream), _manifest(stream, 2)
    session = onnxruntime.InferenceSession(to_onnx(module, stream.initial_states(), manifest))
    target = torch.tensor([[0.25, 0.75]])
    states: tuple[Tensor, ...] = stream.initial_states()
    for call in range(6):
        x = torch.rand(1, 1, CHANNELS, 2, generator=torch.Generator().manual_seed(call))
        given = {"x": x, "target": target} | {f"state_{k}": s for k, s in enumerate(states)}
        played = session.run(None, {name: value.numpy() for name, value in given.items()})
        y, *after = module(x, target, *states)
        states = tuple(after)
        np.testing.assert_array_equal(played[0], y.numpy())
        np.testing.assert_allclose(played[1], states[0].numpy(), atol=1e-5)
        np.testing.assert_array_equal(played[2], states[1].numpy())
        np.testing.assert_array_equal(played[3], states[2].numpy())


def test_what_sounds_is_mu_law_of_what_was_drawn() -> None:
    """Every sample is one of the network's levels, and the last one is kept as the distance from silence."""
    stream = SamplingStream(_network(), 16)
    y, _, previous, _ = stream(torch.randn(1, CHANNELS, 4), torch.tensor([[1.0, 0.0]]), *stream.initial_states())
    table = mu_law.decode(torch.arange(32), 32)
    codes = (y[0, 0, :, None] == table).float().argmax(1)
    assert torch.equal(table[codes], y[0, 0])
    assert int(previous[0, 0]) == int(codes[-1]) - 16


def test_a_nan_is_heard_from_its_frame_on_and_not_before() -> None:
    """Conditioning that is no number gives samples that are none, so that the chain sees the fault."""
    stream = SamplingStream(_network(), 16)
    frames, target = torch.randn(1, CHANNELS, 6), torch.tensor([[1.0, 0.0]])
    clean = stream(frames, target, *stream.initial_states())[0]
    frames[:, 1, 4] = torch.nan
    heard = stream(frames, target, *stream.initial_states())[0]
    assert torch.equal(heard[..., :64], clean[..., :64])
    assert heard[..., 64:80].isnan().all()


def test_two_streams_share_a_graph() -> None:
    """Each loop finds its own place when a system draws with two networks."""

    class _Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second = SamplingStream(_network(condition=0, voices=0), 8, seed=3)
            self.first = SamplingStream(_network(voices=0), 8)

        def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
            one, *kept = self.first(x, *states[:3])
            other, *also = self.second(x, *states[3:])
            return (one + other, *kept, *also)

    inner = _Two()
    module = _Squeezed(inner)
    states = (*inner.first.initial_states(), *inner.second.initial_states())
    named = tuple(State(f"state_{k}", tuple(state.shape)) for k, state in enumerate(states))
    manifest = dataclasses.replace(_manifest(inner.first, 1), targets=(), states=named)
    model = to_onnx(module, states, manifest)
    assert not [node for node in onnx.load_from_string(model).graph.node if node.domain == wavenet_graph.DOMAIN]
    assert verify_contract(module, states, manifest, model).onnxruntime_against_torch == 0.0


def test_uniforms_are_lecuyers() -> None:
    """The stream is the combined generator worked out in Python's whole numbers, evenly spread and never 0 or 1."""
    stream = UniformStream(7)
    a, b = stream.seeds
    expected = []
    for _ in range(5000):
        a, b = a * FACTORS[0] % MODULI[0], b * FACTORS[1] % MODULI[1]
        expected.append((2 * ((a - b) % (MODULI[0] - 1) // 256) + 1) / 2**24)
    drawn, _ = stream.draw(5000, torch.zeros(1, 4))
    assert drawn.tolist() == expected
    assert float(drawn.min()) > 0
    assert float(drawn.max()) < 1
    counts = torch.histc(drawn, 50, 0, 1)
    assert float(((counts - 100) ** 2 / 100).sum()) < 85  # chi squared with 49 degrees of freedom, once in a thousand
    assert abs(float(torch.corrcoef(torch.stack([drawn[:-1], drawn[1:]]))[0, 1])) < 0.05


def test_uniforms_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    """Any division into calls gives the same numbers; another seed gives others."""
    whole, _ = UniformStream(1).draw(1000, torch.zeros(1, 4))
    state, parts = torch.zeros(1, 4), []
    for count in itertools.islice(itertools.cycle([1, 64, 7, 128]), 20):
        part, state = UniformStream(1).draw(count, state)
        assert torch.equal(state, state.round())
        assert float(state.max()) < 2**16
        parts.append(part)
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(UniformStream(2).draw(1000, torch.zeros(1, 4))[0], whole)


def test_the_golden_sound_of_what_is_drawn_is_short_and_loud() -> None:
    """Of a clip that begins in silence the loudest part of some half second is taken."""
    clip = np.zeros(5 * 8192, np.float32)
    clip[20000:30000] = 0.5
    manifest = _manifest(SamplingStream(_network(), 16), 1)
    heard = golden_input(clip, 8192, manifest, drawn=True)
    assert heard.size == round(DRAWN_GOLDEN_SECONDS * 8192)
    assert np.abs(heard).min() > 0.4
    assert golden_input(clip, 8192, manifest).size == 2 * 8192


def test_a_stream_that_cannot_be_is_refused_in_a_sentence() -> None:
    """Frames without length and temperatures without meaning are named."""
    with pytest.raises(ConfigError, match="0 samples"):
        SamplingStream(_network(), 0)
    with pytest.raises(ConfigError, match=r"temperature is -1\.0"):
        SamplingStream(_network(), 8, temperature=-1.0)
