"""Autoencoders: layers laid on one after another, penalties, pairs by pitch, look-ahead; their run files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from realtime.errors import ConfigError, DataError
from trainer.autoencoder_report import PUBLISHED, rows
from trainer.commands.train import RUNS, load_settings
from trainer.config import RunConfig
from trainer.export import to_onnx, verify_contract
from trainer.models.autoencoder import Autoencoder, AutoencoderNetwork, Form, reach

FILES = sorted((RUNS / "autoencoders").glob("*.toml"))
FORMS: tuple[Form, ...] = ("plain", "residual", "dilated", "dilated_residual")


def recipe(
    material: Path,
    form: Form = "plain",
    channels: tuple[int, ...] = (2, 3),
    target: str | None = None,
    **training: Any,
) -> Autoencoder:
    """A tiny recipe on made-up notes."""
    torch.manual_seed(0)
    config = Autoencoder.tiny(material)
    model = dataclasses.replace(config.model, form=form, channels=channels, dropout=0.0)
    data = config.data if target is None else dataclasses.replace(config.data, target=target)
    config = dataclasses.replace(
        config, data=data, model=model, training=dataclasses.replace(config.training, **training)
    )
    return Autoencoder(config, RunConfig("autoencoder", material / "run", batch=2, device="cpu"))


def weights(system: Autoencoder) -> dict[str, torch.Tensor]:
    """A copy of every parameter."""
    return {name: value.clone() for name, value in system.network.state_dict().items()}


@pytest.mark.parametrize("form", FORMS)
def test_only_the_newest_layer_learns(form: Form, material: Path) -> None:
    """While the first encoder learns the second stands still, then the first is held and the second learns."""
    system = recipe(material, form, layer_steps=1)
    before = weights(system)
    system.training_step(system.batch(0, range(2)), 0)
    first = weights(system)
    system.training_step(system.batch(1, range(2)), 1)
    second = weights(system)
    moved = [
        {name.rsplit(".", 1)[0].split(".merge")[0] for name in old if not torch.equal(old[name], new[name])}
        for old, new in ((before, first), (first, second))
    ]
    parts = [{".".join(name.split(".")[:2]) for name in names} for names in moved]
    assert parts == [{"encoders.0", "decoders.0"}, {"encoders.1", "decoders.0", "decoders.1"}]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_streams_as_it_sounds_offline(form: Form, material: Path) -> None:
    """Of each form the package obeys the laws, and its look-ahead is what its convolutions reach, or the limit."""
    system = recipe(material, form)
    system.network.eval()
    module, states, manifest = system.streaming_module(), system.initial_states(), system.manifest()
    report = verify_contract(module, states, manifest, to_onnx(module, states, manifest))
    assert report.lookahead == system.lookahead == 5


def test_the_reach_is_counted_from_the_kernels() -> None:
    """Two 3 × 3 hear two frames ahead, two 5 × 5 of dilation 2 eight."""
    assert reach("plain", 1, 44, 4) == 2
    assert reach("dilated", 1, 44, 4) == reach("dilated_residual", 1, 44, 4, pool=1) == 8


def test_a_path_that_never_wins_is_waited_for(material: Path) -> None:
    """A trained maximum may hide its wider path from one sound; what it could hear of another is waited for."""
    system = recipe(material, form="dilated")
    for name, parameter in system.network.named_parameters():
        if name.endswith("paths.1.bias"):
            torch.nn.init.constant_(parameter, -100.0)
    module, states, manifest = system.streaming_module(), system.initial_states(), system.manifest()
    assert verify_contract(module, states, manifest, to_onnx(module, states, manifest)).lookahead == system.lookahead


def test_a_picture_keeps_its_odd_size_through_pooling() -> None:
    """513 bins and 44 frames come back as they went in, from three layers and their two poolings."""
    network = AutoencoderNetwork("plain", (1, 1, 1), 0.0).eval()
    made, code = network.parts(torch.rand(1, 1, 513, 44), 3)
    assert made.shape == (1, 1, 513, 44)
    assert code.shape == (1, 1, 128, 11)
    assert (made >= 0).all()


def test_an_output_below_silence_still_learns() -> None:
    """Where the whole output is negative a gradient still reaches the decoder, and what is played is zero."""
    network = AutoencoderNetwork("dilated_residual", (2,), 0.0)
    for name, parameter in network.decoders.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.constant_(parameter, -100.0)
    x = torch.rand(1, 1, 32, 8)
    network(x).sum().backward()
    assert float(sum(p.grad.abs().sum() for p in network.decoders.parameters() if p.grad is not None)) > 0
    assert float(network.eval()(x).detach().abs().max()) == 0.0


def test_the_sparsity_penalty_is_least_at_rho(material: Path) -> None:
    """β·KL is 0 where every channel is active by ρ, and the formula's value elsewhere."""
    system = recipe(material, regularisation="none")
    code = torch.full((1, 3, 4, 4), 0.01)
    assert float(system.penalties(code, 1)) == pytest.approx(0.0, abs=1e-6)
    each = 0.01 * math.log(0.01 / 0.2) + 0.99 * math.log(0.99 / 0.8)
    assert float(system.penalties(torch.full((1, 3, 4, 4), 0.2), 1)) == pytest.approx(0.5 * 3 * each, rel=1e-4)


@pytest.mark.parametrize(("kind", "power"), [("l1", 1), ("l2", 2)])
def test_weights_that_learn_are_penalised(kind: str, power: int, material: Path) -> None:
    """λ·Σ|w| or λ/2·Σw² over the convolutions that learn at that depth, without biases."""
    system = recipe(material, regularisation=kind, weight_decay=0.1, sparsity_weight=0.0)
    convolutions = [system.network.encoders[0], system.network.decoders[0]]
    wanted = sum(float(p.detach().abs().pow(power).sum()) for c in convolutions for p in c.parameters() if p.dim() > 1)
    assert float(system.penalties(torch.zeros(1), 1).detach()) == pytest.approx(0.1 / power * wanted, rel=1e-5)


def test_notes_are_paired_by_pitch(material: Path) -> None:
    """Each pair is the same pitch of the two instruments; a system without a target rebuilds its own notes."""
    system = recipe(material)
    assert system.pairs["train"]
    assert all(p.x.midi == p.y.midi and p.x.domain != p.y.domain for p in system.pairs["train"])
    own = recipe(material, target="")
    assert all(p.x is p.y for p in own.pairs["validation"])


def test_instruments_without_a_common_pitch_are_refused(material: Path, tmp_path: Path) -> None:
    """Two instruments that never play the same note cannot be paired, and one sentence says so."""
    index = json.loads((material / "recordings" / "index.json").read_text(encoding="utf-8"))
    for row in index["recordings"]:
        row["midi"] = 40 if row["domain"] == "horn" else 50
    path = tmp_path / "index.json"
    path.write_text(json.dumps(index), encoding="utf-8")
    config = Autoencoder.tiny(material)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, index=path))
    with pytest.raises(DataError, match="no train note that both bell and horn play"):
        Autoencoder(config, RunConfig("autoencoder", tmp_path, device="cpu"))
    with pytest.raises(ConfigError, match=r"model\.channels is empty"):
        AutoencoderNetwork("plain", (), 0.0)


def test_training_lowers_the_error_of_a_note(material: Path) -> None:
    """Forty steps on made-up notes bring the reconstruction nearer than silence is."""
    system = recipe(material, "plain", (4,), target="", learning_rate=1e-2, sparsity_weight=0.0)
    batch = system.batch(0, range(4))
    errors = [float(system.training_step(batch, 0)["error"].detach()) for _ in range(40)]
    assert errors[-1] < 0.3 * float(batch["y"].square().mean())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_run_file_says_what_its_name_says(path: Path) -> None:
    """Each file is read strictly, holds the document's numbers, and gives every layer its time."""
    run, config = load_settings(Path("autoencoders") / path.stem, [])
    name, layers = path.stem, len(config.model.channels)
    assert run.recipe == "autoencoder"
    assert run.steps == layers * config.training.layer_steps
    assert (config.training.sparsity, config.training.sparsity_weight) == (0.01, 0.5)
    assert 0.1 <= config.model.dropout <= 0.2
    assert set(config.model.channels) <= {64, 128, 256, 512}
    assert (config.data.target == "clarinet") == name.startswith("flute")
    form = "_".join(word for word in ("dilated", "residual") if word in name) or "plain"
    assert config.model.form == form
    assert layers == next((n for n in (2, 3, 4) if f"{n}_layers" in name), 1)
    assert (config.training.regularisation == "l1") == name.endswith("l1")


def test_the_table_has_every_row_of_the_document(tmp_path: Path, material: Path) -> None:
    """Table 3.1's twelve rows each have a run file; a trained run stands beside its number, the others as not run."""
    from trainer.loop import train

    names = {path.stem for path in FILES}
    assert len(PUBLISHED) == 12
    assert set(PUBLISHED) <= names
    assert min(p.error for p in PUBLISHED.values()) == 2.043e-4
    folder = tmp_path / "flute_base"
    train(RunConfig("autoencoder", folder, steps=1, batch=1, device="cpu"), Autoencoder.tiny(material))
    table = {row.name: row for row in rows(tmp_path)}
    assert table["flute_base"].found is not None
    assert table["flute_base"].found["error"] > 0
    assert table["piano_shallow_b8"].found is None
