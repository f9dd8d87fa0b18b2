"""The live generator: what each form hears, what a blend is taught, what the losses judge, and what it learns."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer import features
from trainer.config import RunConfig
from trainer.live_network import LOUDEST, Form, LiveModel, LiveNetwork, band_edges
from trainer.models.live import Live, LiveConfig
from trainer.pairs import read_slice

FORMS: tuple[Form, ...] = ("time", "bands", "harmonic")


def _network(form: Form) -> LiveNetwork:
    torch.manual_seed(4)
    network = LiveNetwork(LiveModel(512, 256, 64, form, channels=6, hidden=8, positions=12, patch=4, blocks=3), 2)
    with torch.no_grad():
        for parameter in network.parameters():  # nothing may hide behind a weight that begins near zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def _recipe(material: Path, folder: Path, **sections: dict[str, Any]) -> Live:
    config: LiveConfig = Live.tiny(material)
    for name, change in sections.items():
        config = dataclasses.replace(config, **{name: dataclasses.replace(getattr(config, name), **change)})
    torch.manual_seed(5)
    return Live(config, RunConfig(recipe="live", out=folder, device="cpu"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_streams(form: Form) -> None:
    """Frame by frame, in other steps, or all at once: the same numbers, and not a bit of a frame's future is heard."""
    network = _network(form)
    x, target = torch.rand(1, 40, 64) * 2 - 1, torch.tensor([[0.3, 0.7]])
    with torch.no_grad():
        whole, last = network(x, target, network.initial_state())
        for step in (1, 3):
            state, pieces = network.initial_state(), []
            for piece in x.split(step, 1):
                y, state = network(piece, target, state)
                pieces.append(y)
            torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=0)
            torch.testing.assert_close(state, last, atol=1e-5, rtol=0)
        changed = x.clone()
        changed[:, 20:] = torch.rand(1, 20, 64)
        moved = (network(changed, target, network.initial_state())[0] - whole).abs().amax((0, 2))
    assert float(moved[:20].max()) < 1e-6
    assert float(moved[20:].min()) > 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_every_form_hears_across_the_spectrum(form: Form) -> None:
    """What sounds at one frequency reaches its harmonics: a change of one bin is heard at twice and four times it."""
    network = _network(form)
    x = torch.rand(1, 8, 64) * 2 - 1
    changed = x.clone()
    changed[:, :, 8] += 0.5
    with torch.no_grad():
        state, target = network.initial_state(), torch.tensor([[1.0, 0.0]])
        moved = (network(changed, target, state)[0] - network(x, target, state)[0])[0, -1].abs()
    assert float(moved[16]) > 1e-5
    assert float(moved[32]) > 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_it_remembers_what_its_blocks_reach(form: Form) -> None:
    """A frame is heard until 2·(1 + 2 + 4) frames later and no longer: that is all the state there is."""
    network = _network(form)
    x = torch.rand(1, 30, 64) * 2 - 1
    changed = x.clone()
    changed[:, 5] += 0.5
    with torch.no_grad():
        state, target = network.initial_state(), torch.tensor([[1.0, 0.0]])
        moved = (network(changed, target, state)[0] - network(x, target, state)[0]).abs().amax((0, 2))
    assert network.state_shape[0] == 14
    assert float(moved[5 + 14]) > 1e-6
    assert float(moved[5 + 15 :].max()) < 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_an_output_that_runs_away_stays_a_sound(form: Form) -> None:
    """Weights that ask for a thousand times full scale give little above LOUDEST, and still a gradient."""
    network = _network(form)
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.mul_(100)
    x = torch.rand(1, 8, 64)
    y, _ = network(x, torch.tensor([[1.0, 0.0]]), network.initial_state())
    assert LOUDEST < float(y.detach().max()) < 3.0
    y.max().backward()
    assert any(
        float(parameter.grad.abs().max()) > 0 for parameter in network.parameters() if parameter.grad is not None
    )


def test_bands_widen_and_cover_every_bin() -> None:
    """Bands begin one bin wide, never narrow, and end with the last bin."""
    for bins, bands in ((512, 48), (512, 32), (64, 12), (16, 8)):
        edges = band_edges(bins, bands)
        widths = np.diff(edges)
        assert len(widths) == bands
        assert edges[0] == 0
        assert edges[-1] == bins
        assert widths[0] == 1
        assert (np.diff(widths[:-1]) >= 0).all()
        assert widths[-1] > 0


def test_a_blend_is_taught_as_a_blend(material: Path, tmp_path: Path) -> None:
    """In a blended item the weights are the shares, and the truth's log magnitudes lie between the two by them."""
    recipe = _recipe(material, tmp_path, data={"blend": 1.0})
    batch = recipe.batch(3, range(6))
    torch.testing.assert_close(batch["target"].sum(1), torch.ones(6))
    assert float(batch["share"].min()) > 0
    assert float(batch["share"].max()) < 1
    log = [
        features.compress(features.analyse(batch[k], recipe.features)[:, :64].abs(), recipe.features)
        for k in ("y", "other")
    ]
    share = batch["share"][:, None, None]
    wanted = (share * log[0] + (1 - share) * log[1])[..., recipe.config.training.context :]
    torch.testing.assert_close(recipe._made_and_real(batch)[1], wanted, atol=1e-4, rtol=0)
    plain = _recipe(material, tmp_path, data={"blend": 0.0}).batch(3, range(6))
    assert torch.equal(plain["share"], torch.ones(6))
    assert torch.equal(plain["target"].max(1).values, torch.ones(6))


class _Oracle(nn.Module):
    """Gives the truth's log magnitudes."""

    def __init__(self, truth: Tensor) -> None:
        super().__init__()
        self.truth = truth

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch)

    def forward(self, _x: Tensor, _target: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.truth, state


@pytest.mark.parametrize(("phase", "exact"), [("gradient", True), ("input", False)])
def test_the_losses_hear_the_phase(material: Path, tmp_path: Path, phase: str, exact: bool) -> None:
    """True magnitudes with the truth's phase are the truth's sound; with the input's phase they are not."""
    recipe = _recipe(material, tmp_path, data={"blend": 0.0}, stream={"phase": phase}, model={"bins": 257})
    batch = recipe.batch(1, range(4))
    spectrum = features.analyse(batch["y"], recipe.features)
    truth = features.compress(spectrum.abs(), recipe.features)
    recipe.generator = _Oracle(truth.transpose(1, 2))  # type: ignore[assignment]
    _, _, made, real = recipe._made_and_real(batch)
    different = [k for k in range(4) if not torch.equal(batch["x"][k], batch["y"][k])]
    error = float((made - real)[different].abs().max())
    assert (error < 1e-3) == exact
    assert made.shape[1] >= 2048


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Live, dict[str, float], dict[str, float]]:
    """A recipe that learnt dull and bright for a few steps, what it measured before, and after."""
    folder = tmp_path_factory.mktemp("pairs")
    _write_pairs(folder)
    recipe = _recipe(
        folder,
        folder,
        data={"index": folder / "index.json", "targets": ("dull", "bright"), "blend": 0.2, "validation_windows": 3},
        model={"bins": 257, "channels": 32, "hidden": 32},
        training={"adversarial_from": 10**6, "learning_rate": 2e-3, "frames": 20, "context": 10},
    )
    for network in recipe.networks().values():
        network.eval()
    with torch.no_grad():
        before = recipe.validate()
    for step in range(80):
        torch.manual_seed(step)
        recipe.training_step(recipe.batch(step, range(6)), step)
    with torch.no_grad():
        return recipe, before, recipe.validate()


def _write_pairs(folder: Path) -> None:
    """Chords of two notes, with one harmonic (dull) and with eight (bright), over the same faint noise."""
    rate, pairs = 44100, []
    time_s = np.arange(rate) / rate
    for number in range(6):
        random = np.random.default_rng(number)
        notes = random.uniform(200, 500, (3, 2))  # three chords, a third of a second each
        chord = (time_s * 2.999).astype(int)
        noise = 1e-3 * random.standard_normal(rate)
        files = {}
        for name, harmonics in (("dull", 1), ("bright", 8)):
            phase = 2 * np.pi * np.cumsum(notes[chord], 0) / rate
            sound = sum(np.sin(k * phase).sum(1) for k in range(1, harmonics + 1)) / 20 + noise
            files[name] = f"{name}{number}.wav"
            soundfile.write(folder / files[name], sound.astype(np.float32), rate)
        pairs.append({"id": str(number), "split": "validation" if number > 3 else "train", "files": files})
    (folder / "index.json").write_text(json.dumps({"format": 1, "sample_rate": rate, "pairs": pairs}))


def test_it_learns_to_turn_one_sound_into_another(
    learnt: tuple[Live, dict[str, float], dict[str, float]],
) -> None:
    """After some steps unseen chords are a quarter nearer to the target than the input, and nearest to the target."""
    _, before, after = learnt
    assert before["gain"] < 0.1
    assert after["gain"] > 0.25
    assert after["named"] > 0.8


def test_a_weight_between_sounds_between(learnt: tuple[Live, dict[str, float], dict[str, float]]) -> None:
    """The more weight bright has, the more high frequencies a dull chord gets."""
    recipe, _, _ = learnt
    passage = recipe.passages.validation[0]
    signal = read_slice(passage.files["dull"], 0, 22050)
    levels = []
    with torch.no_grad():
        for weight in (0.0, 0.5, 1.0):
            made = recipe.play_through(signal, torch.tensor([[1 - weight, weight]]))
            spectrum = np.abs(np.fft.rfft(made))
            levels.append(20 * np.log10(spectrum[spectrum.size // 22 : spectrum.size // 7].mean()))  # 1 to 3 kHz
    assert levels[0] + 3 < levels[1] < levels[2] - 1


def test_noise_is_heard_and_not_wanted(material: Path, tmp_path: Path) -> None:
    """`[augment]` changes what the network hears, and nothing of the truth."""
    plain = _recipe(material, tmp_path)
    noisy = _recipe(material, tmp_path, augment={"noise": 1.0, "noise_db": (10.0, 10.0)})
    with torch.no_grad():
        found = [recipe._made_and_real(recipe.batch(0, range(4))) for recipe in (plain, noisy)]
    (made, real_log, _, real), (made_noisy, real_log_noisy, _, real_noisy) = found
    assert float((made - made_noisy).abs().mean()) > 0.05
    torch.testing.assert_close(real_log, real_log_noisy)
    torch.testing.assert_close(real, real_noisy)


def test_the_judge_joins_when_it_is_told_to(material: Path, tmp_path: Path) -> None:
    """Before `adversarial_from` the discriminator does not move; from there on it does, and is reported."""
    recipe = _recipe(material, tmp_path, training={"adversarial_from": 1})
    before = [p.clone() for p in recipe.discriminator.parameters()]
    assert "discriminator" not in recipe.training_step(recipe.batch(0, range(2)), 0)
    assert all(torch.equal(a, b) for a, b in zip(before, recipe.discriminator.parameters(), strict=True))
    report = recipe.training_step(recipe.batch(1, range(2)), 1)
    assert {"adversarial", "features", "discriminator"} <= set(report)
    assert any(not torch.equal(a, b) for a, b in zip(before, recipe.discriminator.parameters(), strict=True))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"training": {"frames": 8}}, "raise the one or lower the other"),
        ({"model": {"blocks": 4}}, "looks 16 frames back"),
        ({"augment": {"transpose": 2.0}}, "part what is heard from its truth"),
        ({"data": {"targets": ("horn", "horn")}}, "once"),
        ({"model": {"form": "harmonic", "patch": 5}}, "divisor of model.bins"),
        ({"model": {"form": "bands", "positions": 60}}, "at most half"),
    ],
)
def test_a_wrong_run_file_is_refused(
    material: Path, tmp_path: Path, sections: dict[str, dict[str, Any]], words: str
) -> None:
    """What cannot be trained is refused before the first step."""
    with pytest.raises(ConfigError, match=words):
        _recipe(material, tmp_path, **sections)


def test_one_instrument_alone_cannot_be_judged(material: Path, tmp_path: Path) -> None:
    """With one target and no other origin there is nothing to validate, and that is said."""
    recipe = _recipe(material, tmp_path, data={"targets": ("horn",)})
    with pytest.raises(ConfigError, match="two instruments"):
        recipe.validate()
