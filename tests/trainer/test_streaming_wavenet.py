"""The streaming WaveNet: one function however it is cut, its delay, level and targets, two ways to learn."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.convert import convert_signal
from realtime.errors import ConfigError
from realtime.latency import latency
from realtime.package import Package
from trainer.config import RunConfig, from_table, read_run_file, recipe_config
from trainer.export import to_onnx
from trainer.models.streaming_wavenet import StreamingConfig, StreamingWaveNet
from trainer.streaming_network import StreamingModel, StreamingNetwork, StreamingStep
from trainer.zoo import RUNS

SMALL = StreamingModel(bands=4, taps=16, channels=6, kernel=3, dilations=(1, 3), level_frames=4)
MODELS = {
    "bands": SMALL,
    "no excitation": dataclasses.replace(SMALL, excitation=False, kernel=2),
    "no noise": dataclasses.replace(SMALL, noise=False),
    "samples": StreamingModel(bands=1, channels=5, kernel=2, dilations=(1, 2, 4)),
}


def _network(model: StreamingModel, targets: int = 2) -> StreamingNetwork:
    torch.manual_seed(2)
    network = StreamingNetwork(model, targets)
    with torch.no_grad():  # nothing may hide behind a weight that begins at zero
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def _recipe(material: Path, folder: Path, **sections: dict[str, Any]) -> StreamingWaveNet:
    config: StreamingConfig = StreamingWaveNet.tiny(material)
    for name, change in sections.items():
        config = dataclasses.replace(config, **{name: dataclasses.replace(getattr(config, name), **change)})
    torch.manual_seed(5)
    return StreamingWaveNet(config, RunConfig(recipe="streaming_wavenet", out=folder, device="cpu"))


def _silence(network: StreamingNetwork, *endings: str) -> None:
    for name, parameter in network.named_parameters():
        if name.endswith(endings):
            parameter.zero_()


def _stepped(step: StreamingStep, x: torch.Tensor, target: torch.Tensor, samples: int) -> torch.Tensor:
    states, pieces = step.initial_states(), []
    for piece in x.split(samples, 1):
        y, *after = step(piece[None], target, *states)
        states = tuple(after)
        pieces.append(y[0])
    return torch.cat(pieces, 1)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("targets", [1, 2])
def test_what_is_exported_is_what_was_trained(name: str, targets: int) -> None:
    """The step's matrix products give what the training's convolutions give, filter bank folded in and all."""
    network = _network(MODELS[name], targets)
    x, target = 0.2 * torch.randn(1, 640), torch.tensor([[0.3, 0.7]])[:, :targets]
    step = StreamingStep(network)
    with torch.no_grad():
        told = (target,) if targets > 1 else ()
        torch.testing.assert_close(step(x[None], *told, *step.initial_states())[0][0], network(x, target))


@pytest.mark.parametrize("samples", [4, 8, 64, 128, 512, 8192])
def test_blocks_of_any_multiple_give_the_same_sound(samples: int) -> None:
    """From one frame a call to 8192 samples a call, stepped equals whole, beyond one round of the noise too."""
    network = _network(SMALL)
    step, target = StreamingStep(network), torch.tensor([[0.5, 0.5]])
    x = 0.2 * torch.randn(1, 1024 if samples < 512 else 3 * 8192)
    with torch.no_grad():
        torch.testing.assert_close(_stepped(step, x, target, samples), network(x, target), atol=1e-5, rtol=0)


@pytest.mark.parametrize("block", [1, 37, 64, 100, 128, 8192])
def test_the_engine_cuts_any_block_into_steps(block: int, material: Path, tmp_path: Path) -> None:
    """Through the live lane blocks of 1 to 8192 samples give the whole's sound, late by the declared delay."""
    recipe = _recipe(material, tmp_path)
    manifest = recipe.manifest()
    package = Package(Path("tiny"), manifest, to_onnx(recipe.streaming_module(), recipe.initial_states(), manifest))
    chain = Chain(package, Controls(target=(1.0, 0.0)), provider="cpu")
    step, rng = chain.step_samples, np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 16384 if block > 100 else 1024).astype(np.float32)
    held, out, heard = np.zeros(0, np.float32), np.zeros(step, np.float32), []
    for start in range(0, sound.size, block):
        held = np.concatenate([held, sound[start : start + block]])
        while held.size >= step:
            chain.process(np.ascontiguousarray(held[:step]), out)
            heard.append(out.copy())
            held = held[step:]
    made = np.concatenate(heard)
    with torch.no_grad():
        whole = recipe.generator(torch.from_numpy(sound[: made.size])[None], torch.eye(1, 2))[0].numpy()
    assert np.abs(made - whole).max() < 1e-5


def test_an_untrained_network_is_a_wire_late_by_its_delay() -> None:
    """Without its layers the network passes its input on, late by `delay_samples`, whatever the level."""
    network = StreamingNetwork(SMALL, 2)
    with torch.no_grad():
        network.stack.exit.weight[:, : 2 * 6] = 0
    noise = torch.randn(1, 4096)
    for gain in (0.5, 0.01):
        with torch.no_grad():
            y = network(gain * noise, torch.eye(1, 2))
        delay = network.delay_samples
        error = (y[:, delay:] - gain * noise[:, :-delay])[:, 256:]
        assert delay == 12
        assert float(error.square().mean().sqrt()) < 0.6 * gain  # the level moves while the bank rings
        assert float((y[:, delay:] * noise[:, :-delay]).sum() / (y.norm() * noise.norm())) > 0.9


def test_softer_playing_is_the_same_sound_softer() -> None:
    """What is 20 dB softer, and far from the floor, is answered alike but for the told level, 20 dB softer."""
    network = _network(MODELS["no noise"])
    with torch.no_grad():
        _silence(network, "told.weight", "exit.bias")  # what the level tells, and what sounds by itself
        x, target = 0.3 * torch.randn(1, 2048), torch.eye(1, 2)
        loud, soft = network(x, target), network(0.1 * x, target)
    assert float((loud - 10 * soft).abs().max() / loud.abs().max()) < 0.02


def test_noise_is_silent_in_silence_and_the_same_again() -> None:
    """In silence no noise is heard, beside a sound it is, and the same playing gives the same noise."""
    network = _network(SMALL)
    with torch.no_grad():
        _silence(network, "told.weight", "bias")
        target = torch.eye(1, 2)
        assert float(network(torch.zeros(1, 512), target).abs().max()) < 1e-6
        x = 0.2 * torch.randn(1, 512)
        other = torch.randn(1, 4, 128)
        assert torch.equal(network(x, target), network(x, target))
        assert float((network(x, target) - network(x, target, other)).abs().max()) > 1e-3


def test_it_forgets_what_is_past() -> None:
    """A sample is heard until `past_samples` frames later and no longer."""
    network = _network(SMALL)
    x, target = 0.2 * torch.randn(1, 2048), torch.eye(1, 2)
    changed = x.clone()
    changed[0, 400] += 0.5
    with torch.no_grad():
        moved = (network(changed, target) - network(x, target)).abs()[0]
    assert float(moved[:400].max()) == 0
    assert float(moved[400 : 400 + network.past_samples + 4].max()) > 1e-4
    assert float(moved[404 + network.past_samples :].max()) < 1e-6


def test_blends_are_continuous() -> None:
    """Between two targets the sound moves by small steps, and ends at what each target alone gives."""
    network = _network(SMALL)
    x = 0.2 * torch.randn(1, 512)
    shares = torch.linspace(0, 1, 41)
    with torch.no_grad():
        made = torch.stack([network(x, torch.tensor([[1 - s, s]]))[0] for s in shares])
    whole = float((made[-1] - made[0]).norm())
    assert float((made[1:] - made[:-1]).norm(dim=1).max()) < 0.1 * whole
    assert whole > 0


def test_the_shipped_size_is_within_three_milliseconds(material: Path, tmp_path: Path) -> None:
    """The run file's model is 2.33 ms late, and within 10 ms with a block of 128 in and out."""
    tables = read_run_file(RUNS / "streaming_wavenet.toml")
    config = dataclasses.replace(recipe_config(StreamingConfig, tables), data=StreamingWaveNet.tiny(material).data)
    recipe = StreamingWaveNet(config, RunConfig(recipe="streaming_wavenet", out=tmp_path, device="cpu"))
    manifest = dataclasses.replace(recipe.manifest(), sample_rate=48000)
    assert 1000 * latency(manifest).algorithmic / 48000 <= 3.0
    assert latency(manifest, block=128, device_in=128, device_out=128).total_ms <= 10.0


@pytest.mark.parametrize("path", sorted((RUNS / "streaming_wavenet").glob("*.toml")), ids=lambda path: path.stem)
def test_every_size_is_a_run_file(path: Path) -> None:
    """Every run file of the folder names this recipe and sets only what it knows, and its network can be made."""
    tables = read_run_file(path)
    assert from_table(RunConfig, tables["run"], "run").recipe == "streaming_wavenet"
    config = recipe_config(StreamingConfig, tables)
    assert StreamingNetwork(config.model, len(config.data.targets)).past_samples > 0


def test_it_learns_from_pairs(material: Path, tmp_path: Path) -> None:
    """Thirty steps on pairs make the spectra of horn into reed, the judge looking on, nearer to the truth."""
    recipe = _recipe(
        material, tmp_path, training={"adversarial_from": 28, "learning_rate": 1e-2}, data={"targets": ("reed",),
        "origins": ("horn",)}, augment={"bells_db": 0.0},
    )  # fmt: skip
    told = [recipe.training_step(recipe.batch(step, range(2)), step) for step in range(30)]
    first, last = (float(np.mean([float(one["spectra"].detach()) for one in part])) for part in (told[:5], told[-5:]))
    assert last < 0.8 * first
    assert {"discriminator", "fooling", "likeness"} <= set(told[-1])
    assert "discriminator" not in told[0]


def test_it_learns_without_pairs(material: Path, tmp_path: Path) -> None:
    """Without pairs the way there and back, a target's own sound and the judge are learnt from, and nothing is NaN."""
    index = material / "recordings" / "index.json"
    recipe = _recipe(
        material, tmp_path, data={"index": index, "pairs": "none"},
        training={"adversarial_from": 1, "learning_rate": 5e-3},
    )  # fmt: skip
    told = [recipe.training_step(recipe.batch(step, range(2)), step) for step in range(20)]
    cycles = [float(one["cycle"].detach()) for one in told]
    assert float(np.mean(cycles[-4:])) < float(np.mean(cycles[:4]))
    assert {"cycle", "identity", "discriminator", "fooling"} == set(told[-1])
    batch = recipe.batch(3, range(6))
    assert not torch.equal(batch["source"], batch["target"])
    with torch.no_grad():
        metrics = recipe.validate()
    assert metrics["distance_db"] == pytest.approx(metrics["cycle_db"] + metrics["average_db"])
    assert recipe.clips()[0].truth is None


def test_doing_nothing_is_no_good_answer_without_pairs(material: Path, tmp_path: Path) -> None:
    """A network that leaves its input alone has a way back of nearly nothing, yet its mean spectrum is far off."""
    index = material / "recordings" / "index.json"
    recipe = _recipe(material, tmp_path, data={"index": index, "pairs": "none"})
    recipe.play = lambda signal, target: signal  # type: ignore[method-assign] # noqa: ARG005
    metrics = recipe.validate()
    assert metrics["cycle_db"] == 0
    assert metrics["average_db"] > 1


def test_a_run_file_that_cannot_work_is_refused(material: Path, tmp_path: Path) -> None:
    """A step of half a frame, an origin without a way back, a moved truth and too short a slice are named."""
    wrong: list[tuple[str, dict[str, dict[str, Any]]]] = [
        ("multiple of model.bands", {"stream": {"step": 6}}),
        ("data.pairs is 'none'", {"data": {"pairs": "none", "origins": ("bell",)}}),
        ("part what is heard from its truth", {"augment": {"tempo": 0.1}}),
        ("training.seconds", {"training": {"seconds": 0.02, "sizes": (2048,)}}),
        ("model.dilations", {"model": {"dilations": ()}}),
        ("name each target once", {"data": {"targets": ("horn", "horn")}}),
    ]
    for sentence, sections in wrong:
        with pytest.raises(ConfigError, match=sentence):
            _recipe(material, tmp_path, **sections)


def test_a_clip_is_what_the_package_plays(material: Path, tmp_path: Path) -> None:
    """`play`, which validation and clips use, is what the package gives through the user's own conversion."""
    recipe = _recipe(material, tmp_path)
    manifest = recipe.manifest()
    package = Package(Path("tiny"), manifest, to_onnx(recipe.streaming_module(), recipe.initial_states(), manifest))
    sound = np.random.default_rng(1).normal(0, 0.1, 5000).astype(np.float32)
    heard = convert_signal(sound, manifest.sample_rate, package, Controls(target=(0.0, 1.0)), match_loudness=False)
    assert np.abs(heard - recipe.play(sound, "reed")).max() < 1e-5
