"""The WaveNet's stack: what each logit hears, and that it is the formula of its docstring."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from realtime.errors import ConfigError
from trainer import mu_law
from trainer.wavenet_stack import WaveNet, WaveNetShape, code_loss, roughened

SHAPE = WaveNetShape(cycles=2, layers=3, residual=6, skip=5, kernel=2, levels=16)
SAMPLES = 40


def _network(shape: WaveNetShape = SHAPE, *, condition: int = 3, voices: int = 2) -> WaveNet:
    torch.manual_seed(0)
    return WaveNet(shape, condition=condition, voices=voices).eval()


def _inputs(shape: WaveNetShape = SHAPE) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(shape.levels - 1, (2, SAMPLES), generator=generator)  # the last level is left for a poison
    return codes, torch.randn(2, 3, SAMPLES, generator=generator), torch.rand(2, 2, generator=generator)


@pytest.mark.parametrize("kernel", [2, 3])
def test_a_nan_in_the_future_never_reaches_the_past(kernel: int) -> None:
    """Logits t are untouched by a NaN in the code of t or the conditioning of t + 1, and hear those one earlier."""
    shape = WaveNetShape(cycles=2, layers=3, residual=6, skip=5, kernel=kernel, levels=16)
    network = _network(shape)
    codes, condition, voice = _inputs(shape)
    with torch.no_grad():
        network.embedding.weight[-1] = torch.nan
        clean = network(codes, condition, voice)
        t = 17
        poisoned = codes.clone()
        poisoned[:, t:] = shape.levels - 1
        heard = network(poisoned, condition, voice)
        assert torch.equal(heard[..., : t + 1], clean[..., : t + 1])
        assert heard[..., t + 1].isnan().all()
        ahead = condition.clone()
        ahead[..., t:] = torch.nan
        heard = network(codes, ahead, voice)
    assert torch.equal(heard[..., :t], clean[..., :t])
    assert heard[..., t].isnan().all()


@pytest.mark.parametrize(("cycles", "layers", "kernel"), [(1, 3, 2), (2, 3, 2), (2, 2, 3)])
def test_the_receptive_field_is_exactly_what_it_says(cycles: int, layers: int, kernel: int) -> None:
    """The code `receptive_samples` before t is heard at t, and none before that."""
    shape = WaveNetShape(cycles=cycles, layers=layers, residual=6, skip=5, kernel=kernel, levels=16)
    network = _network(shape, condition=0, voices=0).double()
    codes = _inputs(shape)[0]
    t = network.receptive_samples + 3
    with torch.no_grad():
        clean = network(codes)
        for distance, heard in ((network.receptive_samples, True), (network.receptive_samples + 1, False)):
            changed = codes.clone()
            changed[:, t - distance] = (changed[:, t - distance] + 7) % shape.levels
            assert bool((network(changed)[..., t] != clean[..., t]).any()) == heard


def test_a_layer_is_its_formula() -> None:
    """One layer's sum of skips, worked out tap by tap, gives the logits."""
    network = _network(WaveNetShape(cycles=1, layers=1, residual=6, skip=5, levels=16))
    codes, condition, voice = _inputs()
    w, t = network.state_dict(), 9
    with torch.no_grad():
        x, taps = w["embedding.weight"], w["layers.0.taps.weight"]
        h = taps[..., 0] @ x[codes[0, t - 2]] + taps[..., 1] @ x[codes[0, t - 1]] + w["layers.0.taps.bias"]
        h = h + w["layers.0.condition.weight"][..., 0] @ condition[0, :, t] + w["layers.0.voice.weight"] @ voice[0]
        z = torch.tanh(h[:6]) * torch.sigmoid(h[6:])
        skip = w["layers.0.out.weight"][..., 0] @ z
        hidden = torch.relu(w["head.weight"][..., 0] @ torch.relu(skip) + w["head.bias"])
        expected = w["logits.weight"][..., 0] @ hidden + w["logits.bias"]
        torch.testing.assert_close(network(codes, condition, voice)[0, :, t], expected)


def test_before_the_first_sample_there_is_silence() -> None:
    """The code assumed before the first is the one that mu-law gives silence."""
    assert WaveNetShape().silence == int(mu_law.encode(torch.zeros(1))[0])
    network = _network(condition=0, voices=0)
    codes = _inputs()[0]
    with torch.no_grad():
        other = codes.clone()
        other[:, 0] = 3
        assert torch.equal(network(codes)[..., 0], network(other)[..., 0])


def test_the_loss_is_nats_per_sample_from_the_first_judged() -> None:
    """Even logits cost ln(levels), certain ones nothing, and samples before `first` do not count."""
    codes = _inputs()[0]
    logits = torch.zeros(2, 16, SAMPLES)
    assert float(code_loss(logits, codes)) == pytest.approx(math.log(16)) == pytest.approx(math.log(SHAPE.levels))
    sure = 50.0 * torch.nn.functional.one_hot(codes, 16).transpose(1, 2).float()
    sure[..., :5] = torch.nan
    assert float(code_loss(sure, codes, first=5)) == pytest.approx(0.0, abs=1e-6)


def test_a_roughened_past_has_a_spread_of_its_own_for_each_item() -> None:
    """The spread of an item is `by` times a squared uniform number: a third of it on the mean; 0 draws nothing."""
    codes = torch.full((400, 500), 128)
    torch.manual_seed(0)
    assert roughened(codes, 256, 0.0) is codes
    assert torch.equal(torch.rand(1), (torch.manual_seed(0), torch.rand(1))[1])
    spreads = (roughened(codes, 256, 30.0) - codes).float().std(1)
    assert float(spreads.mean()) == pytest.approx(10.0, abs=1.0)
    assert float(spreads.min()) < 0.5
    assert 25.0 < float(spreads.max()) < 33.0
    ends = roughened(torch.tensor([[0, 255] * 50] * 20), 256, 200.0)
    assert (int(ends.min()), int(ends.max())) == (0, 255)


def test_every_weight_learns() -> None:
    """A step of gradient reaches every parameter, and following it lowers the loss."""
    network = _network()
    codes, condition, voice = _inputs()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = code_loss(network(codes, condition, voice), codes)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and bool((p.grad != 0).any()) for p in network.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_conditioning_that_does_not_fit_is_refused_in_a_sentence() -> None:
    """Missing, uncalled-for and mistimed conditioning are named."""
    codes, condition, voice = _inputs()
    with pytest.raises(ConfigError, match="0 channels of conditioning, expected 3"):
        _network()(codes, None, voice)
    with pytest.raises(ConfigError, match="3 channels of conditioning, expected 0"):
        _network(condition=0)(codes, condition, voice)
    with pytest.raises(ConfigError, match="39 samples, expected 40"):
        _network()(codes, condition[..., 1:], voice)
    with pytest.raises(ConfigError, match="0 weights of targets, expected 2"):
        _network()(codes, condition, None)
