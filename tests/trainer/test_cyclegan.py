"""CycleGAN: its algorithm against the documents' formulas, its pictures live, its published run files."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import distributed
from trainer.commands.train import RUNS, load_settings
from trainer.config import RunConfig
from trainer.discriminators import TimbralDiscriminator, unconditional
from trainer.export import to_onnx, verify_contract
from trainer.losses import gradient_penalty
from trainer.models.cyclegan import CycleGAN
from trainer.pictures import PictureModel, Pictures, constant_q_bands
from trainer.replay import ReplayBuffer
from trainer.resnet import ResNetGenerator

PUBLISHED = sorted(path.stem for path in (RUNS / "cyclegan").glob("*.toml"))


def make(material: Path, **changes: dict[str, Any]) -> CycleGAN:
    """The tiny recipe with settings of its sections changed, its networks fresh from a seed."""
    config = CycleGAN.tiny(material)
    sections = {name: dataclasses.replace(getattr(config, name), **values) for name, values in changes.items()}
    torch.manual_seed(0)
    run = RunConfig(recipe="cyclegan", out=material / "none", batch=2, device="cpu")
    return CycleGAN(dataclasses.replace(config, **sections), run)


def test_a_step_is_two_of_the_discriminators_and_one_of_the_generators(
    material: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both discriminators learn twice from half their loss, then both generators once."""
    recipe, told = make(material), []
    monkeypatch.setattr(recipe, "descend", lambda name, loss: told.append((name, loss.detach())))
    out = recipe.training_step(recipe.batch(0, range(2)), 0)
    assert [name for name, _ in told] == ["discriminator", "discriminator", "generator"]
    torch.testing.assert_close(told[1][1], 0.5 * (out["discriminator_a"] + out["discriminator_b"]))


def test_each_generator_gets_the_documents_gradient(material: Path) -> None:
    """Each gradient is that of the network's own four terms: adversarial, two cycles and identity; 1, 10, 10 and 5."""
    recipe = make(material)
    batch = recipe.batch(0, range(2))
    before = {side: copy.deepcopy(network) for side, network in recipe.generators.items()}
    recipe.training_step(batch, 0)
    a, b = recipe.pictures.of(batch["a"]), recipe.pictures.of(batch["b"])
    for side, other, x, y in (("b", "a", a, b), ("a", "b", b, a)):
        g, f, d = before[side], before[other], recipe.discriminators[side]  # type: ignore[index]
        loss = (1 - d(g(x))).square().mean()
        loss = loss + 10 * (f(g(x)) - x).abs().mean() + 10 * (g(f(y)) - y).abs().mean() + 5 * (g(y) - y).abs().mean()
        wanted = torch.autograd.grad(loss, list(g.parameters()))
        found = [p.grad for p in recipe.generators[side].parameters()]  # type: ignore[index]
        for mine, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_the_identity_loss_diminishes_to_nothing(material: Path) -> None:
    """Over identity_steps its weight falls in a straight line to 0, and with 0 steps it stays."""
    falling = make(material, training={"identity_weight": 4.0, "identity_steps": 10})
    assert [falling.identity_weight(step) for step in (0, 5, 10, 20)] == [4.0, 2.0, 0.0, 0.0]
    staying = make(material, training={"identity_weight": 4.0, "identity_steps": 0})
    assert staying.identity_weight(10**6) == 4.0


@pytest.mark.parametrize("discriminator", ["patch", "shallow", "timbral"])
def test_every_discriminator_plays_both_games(material: Path, discriminator: str) -> None:
    """Least squares and the critic with gradient penalty move every network by finite steps."""
    for game in ("lsgan", "wgan_gp"):
        recipe = make(material, model={"frames": 32, "discriminator": discriminator}, training={"game": game})
        before = copy.deepcopy(recipe.networks())
        out = recipe.training_step(recipe.batch(0, range(2)), 0)
        assert all(value.isfinite() for value in out.values())
        for name, network in recipe.networks().items():
            for old, new in zip(before[name].parameters(), network.parameters(), strict=True):
                assert new.isfinite().all()
                # The last bias of a critic cancels in its loss.
                assert old.numel() == 1 or not torch.equal(old, new), name


def test_the_gradient_penalty_wants_a_slope_of_one() -> None:
    """A critic of slope s is punished by (s − 1)², wherever it is asked."""
    direction = torch.randn(1, 1, 4, 4)
    direction /= direction.norm()
    real, made = torch.randn(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    for slope in (0.0, 1.0, 3.0):

        def critic(x: Tensor, slope: float = slope) -> Tensor:
            return (slope * x * direction).sum((1, 2, 3), keepdim=True)

        found = gradient_penalty(critic, real, made)
        assert float(found) == pytest.approx((slope - 1) ** 2, abs=1e-4)


def test_the_replay_buffer_fills_and_then_gives_old_fakes_half_of_the_time() -> None:
    """The first fakes come back as they are; later about every second is one of the kept, which leaves the buffer."""
    torch.manual_seed(0)
    buffer = ReplayBuffer(5, (1, 1, 1))
    given = [float(buffer(torch.full((1, 1, 1, 1), float(n)))) for n in range(400)]
    assert given[:5] == [0, 1, 2, 3, 4]
    old = [g for n, g in enumerate(given) if g != n]
    assert 150 < len(old) < 250
    assert len(set(old)) == len(old)
    assert float(ReplayBuffer(0, (1, 1, 1))(torch.ones(1, 1, 1, 1))) == 1.0


def test_two_processes_replay_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a batch shared by two processes both buffers keep the fakes of both, and each gets its own part."""
    fakes = torch.arange(40.0).reshape(10, 4, 1, 1, 1)
    alone, shared = ReplayBuffer(3, (1, 1, 1)), [ReplayBuffer(3, (1, 1, 1)) for _ in range(2)]
    for step, whole in enumerate(fakes):
        torch.manual_seed(step)
        wanted, found = alone(whole), []
        for rank, buffer in enumerate(shared):
            torch.manual_seed(step)
            with monkeypatch.context() as patch:
                patch.setattr(distributed, "processes", lambda rank=rank: distributed.Processes(rank, 2))
                patch.setattr(distributed, "gathered", lambda _, whole=whole: whole)
                found.append(buffer(whole[2 * rank : 2 * rank + 2]))
        assert torch.equal(torch.cat(found), wanted)
    assert torch.equal(shared[0].kept, alone.kept)


def test_the_timbral_discriminator_hears_the_whole_spectrum() -> None:
    """880 bins make one verdict a frame that hears every bin of 23 frames, as the dissertation counts."""
    network = TimbralDiscriminator(1, 880, 1)
    x = torch.randn(1, 1, 880, 41, requires_grad=True)
    verdicts = network(x)
    assert verdicts.shape == (1, 1, 1, 41)
    (heard,) = torch.autograd.grad(verdicts[..., 20].sum(), x)
    assert network.time_frames == 23
    assert (heard[0, 0].abs().sum(0) > 0).nonzero().flatten().tolist() == list(range(9, 32))
    assert (heard[0, 0].abs().sum(1) > 0).all()


@pytest.mark.parametrize(("bins", "frames", "downs"), [(84, 30, 3), (257, 13, 3), (64, 64, 6), (7, 1, 2)])
def test_kernels_by_parity_give_back_every_size(bins: int, frames: int, downs: int) -> None:
    """What is halved with kernel 4 or 3 comes back to its own size, even or odd."""
    x = torch.randn(1, 1, bins, frames)
    assert ResNetGenerator(bins, frames, width=1, downs=downs, blocks=1)(x).shape == x.shape


def test_a_frame_is_normalised_by_itself() -> None:
    """A change of one frame reaches only what the convolutions' receptive field holds: nothing runs over time."""
    network = ResNetGenerator(16, 256, width=2, downs=2, blocks=1).double()
    x = torch.randn(1, 1, 16, 256, dtype=torch.float64)
    changed = x.clone()
    changed[..., 0] += 1.0
    moved = (network(x) - network(changed)).abs().amax((0, 1, 2)) > 1e-12
    assert moved[0]
    assert not moved[40:].any()


@pytest.mark.parametrize("kind", ["mel", "cqt"])
def test_other_pictures_stream_too(material: Path, kind: str) -> None:
    """A mel and a constant-Q model obey the streaming law, and their graph gives what torch gives."""
    sizes = {"bins": 24, "bins_per_octave": 12, "n_fft": 1024} if kind == "cqt" else {"bins": 20, "n_fft": 512}
    recipe = make(material, model={"representation": kind, **sizes})
    for network in recipe.networks().values():
        network.eval()
    manifest, module, states = recipe.manifest(), recipe.streaming_module(), recipe.initial_states()
    with torch.no_grad():
        report = verify_contract(module, states, manifest, to_onnx(module, states, manifest))
    assert report.lookahead == 3


def test_live_constant_q_bands_hear_what_training_heard() -> None:
    """A steady tone whose kernel fits into a live frame has the same bin and level in training and live."""
    model = PictureModel("cqt", sample_rate=16000, n_fft=4096, hop=64, bins=84, bins_per_octave=12, frames=16)
    pictures = Pictures(model)
    tone_hz = 440.0  # bin 45 of 12 an octave from C1
    time_s = np.arange(3 * model.sample_rate) / model.sample_rate
    signal = (0.5 * np.sin(2 * np.pi * tone_hz * time_s)).astype(np.float32)
    middle = signal.size // 2
    trained = pictures.of(torch.from_numpy(signal[None, middle - 512 * 16 : middle + 512 * 16]))[0, 0]
    spectrum = np.abs(np.fft.rfft(signal[middle : middle + 4096] * np.hanning(4097)[:-1])) * (4 / 4096)
    live = constant_q_bands(model) @ spectrum.astype(np.float32)
    assert int(trained[:, 8].argmax()) == int(live.argmax()) == 45
    assert 20 * np.log10(live.max() / 0.5) == pytest.approx(0.0, abs=0.3)
    assert float(trained[45, 8]) == pytest.approx(1 + 2 * np.log(0.5) / np.log(2**16), abs=0.02)
    assert (live[[40, 50]] < 0.01).all()


def test_the_other_direction_is_a_setting(material: Path) -> None:
    """stream.target a exports the generator that makes a, and says so."""
    forth, back = (make(material, stream={"target": side}) for side in ("b", "a"))
    assert (forth.manifest().name, back.manifest().name) == ("bell_to_horn", "horn_to_bell")
    x = torch.rand(1, 1, 32, 8) - 0.5
    for recipe, network in ((forth, forth.generators["b"]), (back, back.generators["a"])):
        module: Any = recipe.streaming_module()
        wanted = network(torch.cat([x, torch.full((1, 1, 32, 8), -1.0)], 3)[..., :8])
        torch.testing.assert_close(module.network(x), wanted)


def test_the_error_of_a_cycle_is_counted_from_silence(material: Path) -> None:
    """T4 is 0 for networks that give back what they hear, 1 for those that mute, on training and validation."""

    class Silent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(-1.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.level.expand(x.shape)

    class Same(Silent):
        def forward(self, x: Tensor) -> Tensor:
            return x

    recipe = make(material)
    names = [f"cycle_error_{part}{side}" for part in ("", "train_") for side in "ab"]
    for network, wanted in ((Same(), 0.0), (Silent(), 1.0)):
        recipe.generators = {"a": network, "b": network}
        with torch.no_grad():
            metrics = recipe.validate()
        assert [metrics[name] for name in names] == pytest.approx([wanted] * 4, abs=1e-6)
        assert metrics["mae_a"] > 0
    assert metrics["mae_unconverted"] > 0


def test_a_rest_in_the_music_does_not_outweigh_what_sounds(material: Path) -> None:
    """A picture of silence among those judged leaves T4 what it was, to a factor, and not what silence divides by."""

    class Brighter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.tensor(0.05))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.by

    recipe = make(material)
    recipe.generators = {"a": Brighter(), "b": Brighter()}
    with torch.no_grad():
        before = recipe.validate()["cycle_error_a"]
        recipe._judged["validation_a"][0] = -1.0
        after = recipe.validate()["cycle_error_a"]
    assert before < after < 20 * before  # against its own floor alone: 10 000 times


def test_impossible_settings_are_one_sentence(material: Path) -> None:
    """A window that does not fit, a picture too small for its discriminator and a single domain are refused."""
    with pytest.raises(ConfigError, match="multiple of 4"):
        make(material, stream={"window": 10})
    with pytest.raises(ConfigError, match="use 'timbral'"):
        make(material, model={"discriminator": "shallow"})
    with pytest.raises(ConfigError, match="needs two domains"):
        make(material, data={"b": "bell"})
    with pytest.raises(ConfigError, match="second device"):
        make(material, training={"second_device": "elsewhere"})


@pytest.mark.parametrize("name", ["cyclegan", *(f"cyclegan/{name}" for name in PUBLISHED)])
def test_published_run_files_have_the_documents_numbers(name: str) -> None:
    """Each run file loads, its networks fit its pictures, and what the documents name stands in it."""
    run, config = load_settings(Path(name), [])
    model, training = config.model, config.training
    assert (run.recipe, run.batch, training.learning_rate, training.cycle_weight) == ("cyclegan", 2, 2e-4, 10.0)
    with torch.device("meta"):
        generator = ResNetGenerator(
            model.bins, model.frames, width=model.width, downs=model.downs, blocks=model.blocks, output=model.output
        )
        discriminator = unconditional(
            model.discriminator, bins=model.bins, frames=model.frames, width=model.discriminator_width,
            multiplier=model.discriminator_multiplier, normalisation=model.discriminator_normalisation,
        )  # fmt: skip
        x = torch.zeros(1, 1, model.bins, model.frames)
        assert generator(x).shape == x.shape
        assert discriminator(x).shape[-1] > 1
    if name == "cyclegan":
        assert (model.sample_rate, model.bins, model.downs, training.identity_weight) == (25000, 256, 6, 4.0)
        assert (training.discriminator_steps, training.discriminator_weight) == (2, 0.5)
    else:
        assert (model.downs, model.blocks) == (3, 9)
        assert training.identity_steps > 0
        assert (training.game == "wgan_gp") == ("wgan" in name)
