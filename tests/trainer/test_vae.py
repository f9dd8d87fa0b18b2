from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.errors import ConfigError
from trainer import judge
from trainer.config import RunConfig
from trainer.models.vae import MultiEncoderVae, Vae, VaeTraining


def run(tmp_path: Path) -> RunConfig:
    return RunConfig(recipe="vae", out=tmp_path / "run", batch=4, device="cpu")


@pytest.fixture
def vae(material: Path, tmp_path: Path) -> Vae:
    torch.manual_seed(0)
    return Vae(Vae.tiny(material), run(tmp_path))


@pytest.fixture
def several(material: Path, tmp_path: Path) -> MultiEncoderVae:
    torch.manual_seed(0)
    return MultiEncoderVae(MultiEncoderVae.tiny(material), run(tmp_path))


def test_training_rebuilds_windows_and_puts_each_domain_at_its_place(material: Path, tmp_path: Path) -> None:
    """Sixty steps on four windows take half of their error away, and their code names each one's domain."""
    torch.manual_seed(0)
    tiny = Vae.tiny(material)
    training = VaeTraining(learning_rate=1e-2, code_weight=0.02)
    vae = Vae(replace(tiny, model=replace(tiny.model, width=2), training=training), run(tmp_path))
    batch = vae.batch(0, range(4))
    errors = [float(vae.training_step(batch, step)["reconstruction_error"].detach()) for step in range(60)]
    mean, _ = vae.encode(batch["x"], batch["domain"])
    assert np.mean(errors[-5:]) < 0.5 * errors[0]
    assert torch.equal(mean[:, :2].argmax(1), batch["domain"])


def test_domains_take_turns_and_labels_are_theirs(vae: Vae) -> None:
    """Items of a batch alternate between the domains; windows are log_unit magnitudes of the declared size."""
    batch = vae.batch(3, range(4))
    assert batch["domain"].tolist() == [0, 1, 0, 1]
    assert batch["x"].shape == (4, 1, 32, 32)
    assert float(batch["x"].min()) >= -1.0 and float(batch["x"].max()) <= 1.2


def test_the_target_weights_are_the_place_on_the_path(vae: Vae) -> None:
    """What streams decodes the input's content with the code separation · weights, whatever the input's own code."""
    network = vae._wrapper("").network
    x = torch.rand(2, 1, 32, 32) * 2 - 1
    mean, _ = vae.encode(x, torch.tensor([0, 1]))
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    code = vae.config.model.separation * weights
    assert torch.allclose(network(x, weights), vae.decoder(torch.cat([code, mean[:, 2:]], 1)))


def test_each_item_is_heard_by_the_encoder_of_its_domain(several: MultiEncoderVae) -> None:
    """With several encoders an item's latent comes from its own domain's; the others get no gradient from it."""
    x = torch.rand(3, 1, 32, 32)
    mean, log_variance = several.encode(x, torch.tensor([1, 0, 1]))
    for row, domain in enumerate((1, 0, 1)):
        alone = several.encoders[domain](x[row : row + 1])
        assert torch.allclose(mean[row], alone[0][0], atol=1e-6)
        assert torch.allclose(log_variance[row], alone[1][0], atol=1e-6)
    mean, _ = several.encode(x, torch.tensor([1, 1, 1]))
    mean.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in several.encoders[0].parameters())
    assert any(p.grad is not None and p.grad.any() for p in several.encoders[1].parameters())


def test_the_exported_encoder_is_the_origins(material: Path, tmp_path: Path) -> None:
    """`stream.origin` chooses whose encoder hears the player; without a word it is the first domain's."""
    config = MultiEncoderVae.tiny(material)
    second = replace(config, stream=replace(config.stream, origin=config.data.domains[1]))
    for number, chosen in enumerate((config, second)):
        recipe = MultiEncoderVae(chosen, run(tmp_path))
        weights = recipe.streaming_module().state_dict()
        for name, value in recipe.encoders[number].state_dict().items():
            assert torch.equal(weights[f"network.encoder.{name}"], value)


def test_two_recordings_meet_on_the_line_between_their_encodings(vae: Vae) -> None:
    """A mixture is as long as the shorter; its ends differ, and its way there and back is the same."""
    t = np.arange(12_000) / judge.SAMPLE_RATE
    first = (0.3 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    second = (0.3 * np.sin(2 * np.pi * 900 * t[:11_000])).astype(np.float32)
    for network in vae.networks().values():
        torch.manual_seed(1)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    names = vae.config.data.domains
    there = [vae.mixed(first, second, (names[0], names[1]), p) for p in (0.0, 0.5, 1.0)]
    back = vae.mixed(second, first, (names[1], names[0]), 0.5)
    assert all(signal.shape == (11_000,) for signal in there)
    assert np.abs(there[0] - there[2]).max() > 1e-4
    assert back == pytest.approx(there[1], abs=1e-3)


def test_conversion_is_what_the_window_rule_says(vae: Vae) -> None:
    """Many windows at a time give what one after another gives, at any length and weights."""
    wrapper, target = vae._wrapper(""), torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        for frames in (1, 32, 101):
            x = torch.rand(1, 1, 32, frames) * 2 - 1
            assert torch.allclose(wrapper.whole(x, target), wrapper.offline(x, target), atol=1e-6)


@pytest.mark.parametrize(
    ("section", "change", "sentence"),
    [
        ("data", {"domains": ("bell",)}, "expected two or more"),
        ("data", {"domains": ("bell", "bell")}, "expected two or more different"),
        ("model", {"frames": 48}, "expected multiples of 32"),
        ("stream", {"origin": "oboe"}, "stream.origin is 'oboe'"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    section: str, change: dict[str, object], sentence: str, material: Path, tmp_path: Path
) -> None:
    """One domain, a window that does not halve five times and an unknown origin have their sentences."""
    config = Vae.tiny(material)
    part = replace(getattr(config, section), **change)
    with pytest.raises(ConfigError, match=sentence):
        Vae(replace(config, **{section: part}), run(tmp_path))
