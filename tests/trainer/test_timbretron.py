"""TimbreTron: its bank against the constant-Q transform, its step, its memory, files, packages and run files."""

from __future__ import annotations

import copy
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from realtime.errors import ConfigError
from trainer import mu_law
from trainer.commands.train import RUNS, load_settings
from trainer.config import RunConfig
from trainer.constant_q_bank import ConstantQBank
from trainer.cqt import CQT
from trainer.loop import train
from trainer.models.timbretron import TimbreTron
from trainer.recompute import recomputing
from trainer.resnet import ResNetGenerator

RATE, HOP = 8000, 128


def make(material: Path, *, batch: int = 2, **changes: dict[str, Any]) -> TimbreTron:
    """The tiny recipe with settings of its sections changed, its networks fresh from a seed."""
    config = TimbreTron.tiny(material)
    sections = {name: dataclasses.replace(getattr(config, name), **values) for name, values in changes.items()}
    torch.manual_seed(0)
    run = RunConfig(recipe="timbretron", out=material / "none", batch=batch, device="cpu")
    return TimbreTron(dataclasses.replace(config, **sections), run)


def tones(samples: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    time_s = np.arange(samples) / RATE
    noise = 0.01 * np.random.default_rng(0).standard_normal(samples)
    return np.asarray(sum(0.1 * np.sin(2 * np.pi * hz * time_s) for hz in (110, 220.5, 441, 1500)) + noise, np.float32)


@pytest.fixture(scope="module")
def bank() -> ConstantQBank:
    return ConstantQBank(RATE, HOP, bins=108, bins_per_octave=24, fmin_hz=65.4064)


# -- pictures ------------------------------------------------------------------------------------------------------
def test_the_bank_hears_what_the_constant_q_transform_hears(bank: ConstantQBank) -> None:
    """Frame for frame within 1 % of the loudest bin, so that training may use either."""
    signal = torch.from_numpy(tones(24_000))[None]
    transform = CQT(RATE, HOP, bins=108, bins_per_octave=24, fmin_hz=65.4064)
    wanted = (transform(signal).abs() * transform.unit)[0]
    centre = bank.reach + HOP // 2
    early = -centre % HOP  # so that frames of both lie on the same samples
    found = bank.magnitudes(signal[:, early:])[0]
    first = (early + centre) // HOP
    assert found.shape[1] > 100
    torch.testing.assert_close(
        found, wanted[:, first : first + found.shape[1]], rtol=0, atol=0.01 * float(wanted.max())
    )


def test_a_tone_has_its_bin_and_its_level_and_silence_is_minus_one(bank: ConstantQBank) -> None:
    """A sine of amplitude ½ on bin 48 is ½ there, and nothing is exactly silence."""
    hz = float(bank.frequencies_hz[48])
    sine = 0.5 * np.sin(2 * np.pi * hz * np.arange(bank.samples(4)) / RATE)
    found = bank.magnitudes(torch.from_numpy(sine.astype(np.float32))[None])[0]
    assert found.argmax(0).tolist() == [48] * 4
    assert float(found.max()) == pytest.approx(0.5, abs=0.005)
    assert torch.equal(bank(torch.zeros(1, bank.samples(3))), torch.full((1, 1, 108, 3), -1.0))


def test_a_frame_hears_its_reach_and_nothing_else(bank: ConstantQBank) -> None:
    """What lies `reach` before the block and behind it is heard, a sample further is not: in the last place too."""
    signal = torch.from_numpy(tones(bank.samples(9)))[None]
    whole = bank(signal)
    alone = bank(signal[:, 4 * HOP : 4 * HOP + bank.samples(1)])
    torch.testing.assert_close(alone[..., 0], whole[..., 4], rtol=0, atol=1e-4)
    changed = signal.clone()
    changed[:, : 4 * HOP] = torch.nan
    changed[:, 4 * HOP + bank.samples(1) :] = torch.nan
    heard = bank(changed).isfinite()[0, 0].all(0)
    assert heard[4] and not heard[3] and not heard[5]


def test_a_shorter_bank_is_less_late() -> None:
    """With `longest` no bin hears more than that, and bins that fit are as they were."""
    short, full = (
        ConstantQBank(RATE, HOP, bins=108, bins_per_octave=24, fmin_hz=65.4064, longest=n) for n in (1024, 0)
    )
    assert short.length <= 1024 + 2 + HOP < full.length
    signal = torch.from_numpy(tones(full.samples(5)))[None]
    early = full.reach - short.reach
    ours, theirs = short.magnitudes(signal[:, early : signal.shape[1] - early])[0], full.magnitudes(signal)[0]
    high = full.frequencies_hz > 34.6 * RATE / 1000
    torch.testing.assert_close(ours[high], theirs[high], rtol=0, atol=1e-4)
    assert (ours[~high] - theirs[~high]).abs().max() > 1e-3


def test_bins_above_half_the_rate_are_refused() -> None:
    """Too many bins for the rate are one sentence."""
    with pytest.raises(ConfigError, match="use fewer bins or a higher rate"):
        ConstantQBank(RATE, HOP, bins=300, bins_per_octave=24)


@pytest.mark.parametrize(("bins", "frames"), [(84, 30), (135, 13)])
def test_growing_by_nearest_neighbour_gives_back_every_size(bins: int, frames: int) -> None:
    """As with transposed convolutions, what is halved comes back to its size, even or odd; it begins near silence."""
    x = torch.full((1, 1, bins, frames), -1.0)
    made = ResNetGenerator(bins, frames, width=2, downs=3, blocks=1, up="nearest")(x)
    assert made.shape == x.shape
    assert float(made.detach().max()) < -0.8


# -- the step ------------------------------------------------------------------------------------------------------
def test_a_step_is_the_game_and_then_the_wavenets(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Critics twice, generators once, both WaveNets once: on the sum of their nats, which begin near ln 256."""
    recipe, told = make(material, training={"discriminator_steps": 2}), []
    monkeypatch.setattr(recipe, "descend", lambda name, loss: told.append((name, loss.detach())))
    out = recipe.training_step(recipe.batch(0, range(2)), 0)
    assert [name for name, _ in told] == ["discriminator", "discriminator", "generator", "wavenet"]
    torch.testing.assert_close(told[-1][1], (out["nats_a"] + out["nats_b"]).detach())
    assert float(out["nats_a"].detach()) == pytest.approx(np.log(256), abs=0.3)


@pytest.mark.parametrize(("learns", "wanted"), [("game", {"gener", "discr"}), ("wavenets", {"waven"})])
def test_a_part_may_be_trained_alone(material: Path, learns: str, wanted: set[str]) -> None:
    """`training.learns` moves the networks of that part, and leaves all others as they were."""
    recipe = make(material, training={"learns": learns})
    before = copy.deepcopy({name: net.state_dict() for name, net in recipe.networks().items()})
    recipe.training_step(recipe.batch(0, range(2)), 0)
    moved = {
        name[:5]
        for name, net in recipe.networks().items()
        if any(not torch.equal(old, net.state_dict()[key]) for key, old in before[name].items())
    }
    assert moved == wanted


def test_the_wavenet_learns_a_sound_from_its_picture(material: Path) -> None:
    """Thirty steps on the same slices take more than half a nat from what a sample costs."""
    recipe = make(material, training={"learns": "wavenets", "wavenet_learning_rate": 1e-2})
    batch = recipe.batch(0, range(2))
    first = recipe.training_step(batch, 0)["nats_b"].detach()
    for step in range(1, 30):
        last = recipe.training_step(batch, step)["nats_b"].detach()
    assert float(first - last) > 0.5


def test_a_wavenet_hears_the_picture_of_its_own_samples(material: Path) -> None:
    """Nats ask for the frames in whose blocks the samples lie: a picture moved by a frame gives others."""
    recipe = make(material)
    signals = recipe.domains.judged("train", 1)["b"]
    picture = recipe.pictures.of(signals)
    network, bank = recipe.wavenets["b"], recipe.pictures.bank
    with torch.no_grad():  # so that what a frame says weighs something
        for parameter in network.parameters():
            parameter.mul_(4)
    right = float(recipe._nats("b", recipe._codes(signals), picture).detach())
    frames = slice(4, 12)  # 8 of 16, in the middle
    codes = mu_law.encode(signals[:, bank.reach + 4 * bank.hop : bank.reach + 12 * bank.hop])
    assert right == pytest.approx(float(network.loss(codes, picture[..., frames]).detach()), rel=1e-6)
    assert right != pytest.approx(float(network.loss(codes, picture[..., 3:11]).detach()), rel=1e-5)


def test_wavenets_hear_a_rough_past(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `past_noise` a WaveNet that learns hears a rough recording, and one that is judged the true one."""
    recipe = make(material, training={"learns": "wavenets", "past_noise": 40.0})
    heard: list[bool] = []
    for network in recipe.wavenets.values():
        loss = network.loss

        def watched(codes: Tensor, shown: Tensor, past: Tensor | None, loss: Any = loss) -> Tensor:
            heard.append(past is None or torch.equal(past, codes))
            return loss(codes, shown, past)  # type: ignore[no-any-return]

        monkeypatch.setattr(network, "loss", watched)
    recipe.training_step(recipe.batch(0, range(2)), 0)
    assert heard == [False, False]
    with torch.no_grad():
        recipe.validate()
    assert all(heard[2:])


def test_a_narrow_critic_begins_steep_enough_to_be_led(material: Path) -> None:
    """Under a gradient penalty the untrained critic's slope is of the order of 1, with the papers' weights it is 0."""
    recipe = make(material)
    x = torch.randn(2, 1, 16, 16, requires_grad=True)
    slopes = []
    for critic in (recipe.discriminators["a"], recipe.config.model.judge(16, 16)):
        (slope,) = torch.autograd.grad(critic(x).mean((1, 2, 3)).sum(), x)
        slopes.append(float(slope.flatten(1).norm(dim=1).mean()))
    assert slopes[0] > 0.02
    assert slopes[1] < 1e-4


# -- memory --------------------------------------------------------------------------------------------------------
def _kept_bytes(recipe: TimbreTron, *, again: bool) -> tuple[int, list[Tensor]]:
    """Bytes that the WaveNets' and generators' graphs keep for the way back, and all gradients."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    batch = recipe.batch(0, range(2))
    pictures = {side: recipe.pictures.of(batch[side]) for side in ("a", "b")}
    with recomputing(again), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        made = recipe.generators["b"](pictures["a"])
        loss = made.square().mean() + recipe._nats("b", recipe._codes(batch["b"]), pictures["b"])
    total = sum(kept.values())
    parameters = [p for net in (recipe.generators["b"], recipe.wavenets["b"]) for p in net.parameters()]
    return total, list(torch.autograd.grad(loss, parameters, allow_unused=True))


def test_gradient_checkpointing_keeps_less_and_learns_the_same(material: Path) -> None:
    """Generator and WaveNet keep less than two thirds for the way back, and their gradients are the same."""
    sizes = {"residual": 16, "skip": 16, "layers": 6}
    recipe = make(material, wavenet=sizes, model={"width": 8, "blocks": 4})
    plain, wanted = _kept_bytes(recipe, again=False)
    less, found = _kept_bytes(recipe, again=True)
    assert less < plain * 2 / 3
    for mine, theirs in zip(found, wanted, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-8)


def test_bfloat16_moves_every_network_by_finite_steps(material: Path) -> None:
    """Under autocast all six networks learn, the pictures stay float32, and nothing becomes infinite."""
    recipe = make(material)
    before = copy.deepcopy({name: net.state_dict() for name, net in recipe.networks().items()})
    with torch.autocast("cpu", torch.bfloat16):
        batch = recipe.batch(0, range(2))
        assert recipe.pictures.of(batch["a"]).dtype == torch.float32
        out = recipe.training_step(batch, 0)
    assert all(bool(value.isfinite()) for value in out.values())
    for name, net in recipe.networks().items():
        weights = list(net.parameters())
        assert all(bool(p.isfinite().all()) for p in weights)
        if weights:
            assert any(not torch.equal(before[name][key], value) for key, value in net.state_dict().items()), name


def test_a_batch_in_parts_and_recomputed_learns_as_the_whole(material: Path, tmp_path: Path) -> None:
    """Two steps in two parts with gradient checkpointing leave the weights of two whole steps, all six networks."""
    weights = []
    for parts in (1, 2):
        run = RunConfig(
            recipe="timbretron", out=tmp_path / str(parts), steps=2, batch=4, validate_every=2, device="cpu",
            accumulate=parts, gradient_checkpointing=parts > 1, prefetch=0,
        )  # fmt: skip
        train(run, TimbreTron.tiny(material), Console(file=io.StringIO()))
        weights.append(torch.load(run.out / "last.pt", weights_only=True)["networks"])
    whole, divided = weights
    for name, network in whole.items():
        for key, value in network.items():
            torch.testing.assert_close(divided[name][key], value, rtol=0, atol=1e-6)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_share_the_networks_and_learn_the_same(material: Path) -> None:
    """With a second device G_ba, D_a and W_a live there, and a step's losses are those of one device."""
    one, two = (
        TimbreTron(
            dataclasses.replace(
                (tiny := TimbreTron.tiny(material)), training=dataclasses.replace(tiny.training, second_device=name)
            ),
            RunConfig(recipe="timbretron", out=material / "none", batch=2, device="cuda"),
        )
        for name in ("", "cuda:1")
    )
    for name, net in two.networks().items():
        net.load_state_dict(one.networks()[name].state_dict())
    assert next(two.wavenets["a"].parameters()).device.index == 1
    batch = {name: value.cuda() for name, value in one.batch(0, range(2)).items()}
    losses = []
    for recipe in (one, two):
        torch.manual_seed(0)
        losses.append(recipe.training_step(batch, 0))
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value, rtol=1e-3, atol=1e-4)


# -- files and packages --------------------------------------------------------------------------------------------
def test_a_file_is_converted_into_either_domain(material: Path) -> None:
    """By name, by place or by the run's own choice; as long as the input, the same every time, silence too."""
    recipe = make(material)
    signal = 0.2 * tones(4000)
    own, b, named, a = (recipe.convert(signal, RATE, target) for target in (None, "2", "horn", "bell"))
    assert np.array_equal(own, b) and np.array_equal(own, named) and not np.array_equal(own, a)
    assert own.shape == signal.shape and own.dtype == np.float32 and np.isfinite(own).all()
    assert np.array_equal(own, recipe.convert(signal, RATE))
    told: list[float] = []
    recipe.convert(signal, RATE, progress=told.append)
    assert sum(told) == pytest.approx(0.5, abs=0.02)
    assert recipe.convert(np.zeros(16, np.float32), RATE).shape == (16,)
    with pytest.raises(ConfigError, match=r"no target 'harp': choose bell \(1\) or horn \(2\)"):
        recipe.convert(signal, RATE, "harp")


def test_what_is_made_lies_on_what_was_heard(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame that conditions a sample is the one whose block the sample lies in, in files as in training."""
    recipe, seen = make(material), list[Tensor]()
    network = recipe.wavenets["b"]

    def condition(picture: Tensor) -> Tensor:
        seen.append(picture)
        return type(network).condition(network, picture)

    monkeypatch.setattr(network, "condition", condition)
    rate, hop = recipe.config.model.sample_rate, recipe.config.model.hop
    signal = np.zeros(40 * hop, np.float32)
    signal[20 * hop : 21 * hop] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(hop) / rate)
    recipe.played(signal, "b", translated=False)
    loudness = torch.cat(seen, 3)[0, 0].sum(0)
    assert int(loudness.argmax()) == 20


def test_the_package_says_how_late_it_is(material: Path) -> None:
    """Its look-ahead is the bank's reach and the window's look-ahead, in samples; the other direction has its name."""
    recipe = make(material)
    manifest, bank = recipe.manifest(), recipe.pictures.bank
    assert manifest.lookahead == bank.reach + 3 * bank.hop
    assert (manifest.step, manifest.name, manifest.sample_rate) == (2 * bank.hop, "bell_to_horn", 4000)
    back = make(material, stream={"target": "a"})
    assert back.manifest().name == "horn_to_bell"


def test_asking_for_the_package_leaves_the_networks_where_they_are(material: Path) -> None:
    """What is shipped is a copy of generator and WaveNet, each once: a training on a GPU goes on there."""
    recipe = make(material)
    module = recipe.streaming_module()
    own = {id(p) for network in recipe.networks().values() for p in network.parameters()}
    assert not own & {id(p) for p in module.parameters()}
    shipped = (recipe.generators["b"], recipe.wavenets["b"])
    assert sum(p.numel() for p in module.parameters()) == sum(p.numel() for net in shipped for p in net.parameters())


def test_impossible_settings_are_one_sentence(material: Path) -> None:
    """WaveNets cannot learn from more frames than a picture has, and a window must fit the strided layers."""
    with pytest.raises(ConfigError, match="use at most those"):
        make(material, training={"wavenet_frames": 17})
    with pytest.raises(ConfigError, match="multiple of 4"):
        make(material, stream={"window": 10})


def test_published_run_files_have_the_papers_numbers() -> None:
    """The published size is the paper's picture and loss; the small one trains the same parts."""
    run, paper = load_settings(Path("timbretron/paper"), [])
    _, small = load_settings(Path("timbretron"), [])
    assert (RUNS / "timbretron" / "paper.toml").is_file() and run.precision == "bfloat16" and run.gradient_checkpointing
    model = paper.model
    assert (model.sample_rate, model.hop, model.bins, model.bins_per_octave) == (16000, 256, 336, 48)
    assert paper.wavenet.cycles * paper.wavenet.layers == 40
    for config in (paper, small):
        training = config.training
        assert (training.game, training.cycle_weight, training.identity_weight) == ("wgan_gp", 10.0, 5.0)
        assert training.identity_steps > 0 and config.model.discriminator == "timbral" and config.model.up == "nearest"
        bank = ConstantQBank(
            config.model.sample_rate, config.model.hop, bins=config.model.bins, fmin_hz=config.model.fmin_hz,
            bins_per_octave=config.model.bins_per_octave,
        )  # fmt: skip
        assert bank.samples(config.model.frames) > config.model.frames * config.model.hop
