from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from realtime.errors import ConfigError, DataError, PackageError
from realtime.features import SpectrumFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State
from trainer.config import RunConfig
from trainer.export import export, to_onnx, verify_contract
from trainer.loop import train
from trainer.models.pix2pix import GeneratorOnly, Pix2Pix
from trainer.streaming import WindowWrapper
from trainer.unet import GeneratorModel, UNet

BINS, WINDOW, STEP, LOOKAHEAD = 4, 16, 2, 3


class Blur(nn.Module):
    """A network that is not causal: each frame hears `reach` frames on both sides."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, (3, 2 * reach + 1), padding=(1, reach))

    def forward(self, x: Tensor) -> Tensor:
        """Blurred."""
        return torch.tanh(self.convolution(x))


def _wrapped(network: nn.Module, lookahead: int = LOOKAHEAD) -> WindowWrapper:
    return WindowWrapper(network, bins=BINS, window=WINDOW, step=STEP, lookahead=lookahead, silence=-1.0)


def _manifest(lookahead: int = LOOKAHEAD) -> Manifest:
    features = SpectrumFeatures(16, 8, BINS)
    return Manifest(
        FORMAT, "blur", "Blur", "blur", "A test.", 8000, features, features, "input", STEP, lookahead, 0, None,
        (State("state_0", (1, 1, BINS, WINDOW - STEP)),), (), (), Licences("a", "b", "c"),
    )  # fmt: skip


@pytest.mark.parametrize(("step", "lookahead"), [(1, 0), (2, 3), (3, 1), (4, 12), (16, 0)])
def test_a_wrapped_identity_delays_by_its_lookahead(step: int, lookahead: int) -> None:
    """Around a network that changes nothing the wrapper gives its input, late by exactly the look-ahead."""
    wrapper = WindowWrapper(nn.Identity(), bins=BINS, window=16, step=step, lookahead=lookahead, silence=-1.0)
    x = torch.rand(1, 1, BINS, 48)
    state, pieces = wrapper.initial_state(), []
    for piece in x.split(step, 3):
        y, state = wrapper(piece, state)
        pieces.append(y)
    heard = torch.cat(pieces, 3)
    torch.testing.assert_close(heard[..., lookahead:], x[..., : 48 - lookahead])
    assert bool((heard[..., :lookahead] == -1.0).all())
    torch.testing.assert_close(wrapper.offline(x), x)


def test_many_short_calls_equal_one_long_call_equal_offline() -> None:
    """The streaming law of the wrapper, for a network that hears the future."""
    wrapper = _wrapped(Blur(5)).eval()
    x = torch.rand(1, 1, BINS, 40) * 2 - 1
    state, pieces = wrapper.initial_state(), []
    for piece in x.split(STEP, 3):
        y, state = wrapper(piece, state)
        pieces.append(y)
    stepped = torch.cat(pieces, 3)
    long, long_state = wrapper(x, wrapper.initial_state())
    torch.testing.assert_close(long, stepped, rtol=0, atol=1e-6)
    torch.testing.assert_close(long_state, state)
    torch.testing.assert_close(wrapper.offline(x)[..., : 40 - LOOKAHEAD], stepped[..., LOOKAHEAD:], rtol=0, atol=1e-6)


def test_a_window_too_short_for_its_step_is_refused() -> None:
    """step + lookahead beyond the window is a ConfigError."""
    with pytest.raises(ConfigError, match="do not fit the network's window of 16"):
        _wrapped(nn.Identity(), lookahead=15)


def test_a_wrong_lookahead_is_refused() -> None:
    """A manifest that declares less or more than the wrapper hears does not pass."""
    wrapper = _wrapped(Blur(5)).eval()
    states = (wrapper.initial_state(),)
    assert verify_contract(wrapper, states, _manifest(), to_onnx(wrapper, states, _manifest())).lookahead == LOOKAHEAD
    for wrong in (LOOKAHEAD - 1, LOOKAHEAD + 2):
        with pytest.raises(PackageError, match=r"step by step|look-ahead"):
            verify_contract(wrapper, states, _manifest(wrong), to_onnx(wrapper, states, _manifest(wrong)))


def test_a_lookahead_larger_than_what_is_heard_is_refused() -> None:
    """Latency that buys nothing is refused: a causal network declared with look-ahead hears none."""

    class Causal(nn.Module):
        """Late by LOOKAHEAD frames though it hears no future."""

        def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            seen = torch.cat([state, x], 3)
            kept = seen.shape[3] - (WINDOW - STEP)
            return seen[..., WINDOW - STEP - LOOKAHEAD : seen.shape[3] - LOOKAHEAD], seen[..., kept:]

    module = Causal()
    states = (torch.zeros(1, 1, BINS, WINDOW - STEP),)
    with pytest.raises(PackageError, match="declares a look-ahead of 3 frames but hears 0"):
        verify_contract(module, states, _manifest(), to_onnx(module, states, _manifest()))


def test_another_graph_than_the_module_is_refused() -> None:
    """onnxruntime must compute what torch computes."""
    wrapper, other = _wrapped(Blur(5)).eval(), _wrapped(Blur(5)).eval()
    states = (wrapper.initial_state(),)
    with pytest.raises(PackageError, match="in onnxruntime differs from torch"):
        verify_contract(wrapper, states, _manifest(), to_onnx(other, states, _manifest()))


def test_a_run_without_checkpoint_is_refused(tmp_path: Path) -> None:
    """Exporting what was not trained is one sentence, and writes nothing."""
    with pytest.raises(ConfigError, match="no run folder"):
        export(tmp_path, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_model_that_breaks_the_law_is_not_written(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose manifest lies about its look-ahead leaves no package behind."""
    run = RunConfig("generator_only", tmp_path / "run", steps=1, batch=1, device="cpu")
    train(run, GeneratorOnly.tiny(material), Console(file=io.StringIO()))
    honest = GeneratorOnly.manifest
    monkeypatch.setattr(GeneratorOnly, "manifest", lambda self: dataclasses.replace(honest(self), lookahead=1))
    with pytest.raises(PackageError):
        export(tmp_path / "run", tmp_path / "package")
    assert not (tmp_path / "package").exists()
    (tmp_path / "run" / "best.pt").unlink()
    with pytest.raises(DataError, match="train the run"):
        export(tmp_path / "run", tmp_path / "package")


@pytest.mark.parametrize(("bins", "frames"), [(16, 16), (32, 8), (256, 256)])
def test_the_u_net_keeps_its_shape(bins: int, frames: int) -> None:
    """Output and input have one shape and values stay within (−1, 1), also where frames run out before bins."""
    network = UNet(GeneratorModel(bins=bins, frames=frames, width=1)).eval()
    y = network(torch.rand(1, 1, bins, frames))
    assert y.shape == (1, 1, bins, frames)
    assert float(y.detach().abs().max()) < 1.0


def test_the_papers_generator_has_the_papers_size() -> None:
    """With width 64 on 256 × 256 the generator has the 54.4 million parameters of the published one."""
    parameters = sum(p.numel() for p in UNet(GeneratorModel(width=64)).parameters())
    assert parameters == pytest.approx(54.4e6, rel=0.002)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"patch_layers": 3}, "leaves no patch"),
        ({"bins": 24}, "a power of two"),
        ({"frames": 32}, "at most model.bins"),
    ],
)
def test_sizes_that_cannot_work_are_refused(
    change: dict[str, int], sentence: str, material: Path, tmp_path: Path
) -> None:
    """Sizes that do not fit together are a ConfigError before anything is trained."""
    config = Pix2Pix.tiny(material)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, **change))
    with pytest.raises(ConfigError, match=sentence):
        Pix2Pix(config, RunConfig("pix2pix", tmp_path, device="cpu"))


@pytest.mark.parametrize("name", ["generator_only", "pix2pix"])
def test_it_learns_a_pair(name: str, material: Path, tmp_path: Path) -> None:
    """Some steps on two instruments bring the output closer to the target than at the start."""
    from trainer.recipe import find

    config = find(name).tiny(material)
    training = dataclasses.replace(config.training, learning_rate=5e-3)
    run = RunConfig(name, tmp_path / "run", steps=60, batch=4, validate_every=60, device="cpu")
    train(run, dataclasses.replace(config, training=training), Console(file=io.StringIO()))
    from trainer.monitor import read_metrics

    errors = [r["generator_mae"] for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "validation"]
    assert np.isfinite(errors).all()
    assert errors[-1] < 0.6 * errors[0]
