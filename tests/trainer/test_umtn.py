from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from realtime.errors import ConfigError, DataError
from realtime.package import Package
from realtime.session import Session
from trainer.augment import Augmentation
from trainer.config import RunConfig
from trainer.decoder_bank import DecoderBank
from trainer.export import export, to_onnx
from trainer.loop import train
from trainer.models.umtn import Umtn, UmtnConfig, UmtnEncoder


def _run(out: Path, **more: object) -> RunConfig:
    return RunConfig(recipe="umtn", out=out, batch=2, device="cpu", **more)  # type: ignore[arg-type]


def _with(config: UmtnConfig, **sections: Mapping[str, object]) -> UmtnConfig:
    changed = {name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()}
    return dataclasses.replace(config, **changed)


def _bits(network: nn.Module) -> list[Tensor]:
    return [value.clone() for value in network.state_dict().values()]


def _same(before: list[Tensor], network: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


@pytest.fixture
def umtn(material: Path, tmp_path: Path) -> Umtn:
    torch.manual_seed(4)
    return Umtn(Umtn.tiny(material), _run(tmp_path / "run"))


@pytest.fixture(scope="module")
def trained(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two steps of bell and horn."""
    out = tmp_path_factory.mktemp("runs") / "umtn"
    train(_run(out, steps=2), Umtn.tiny(material), Console(file=io.StringIO()))
    return out


def test_each_step_moves_its_own_networks(umtn: Umtn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier's step leaves encoder and decoders as they are, theirs the classifier; each by its optimizer."""
    moved: dict[str, set[str]] = {}
    descend = umtn.descend

    def watched(name: str, loss: Tensor) -> None:
        before = {key: _bits(network) for key, network in umtn.networks().items()}
        descend(name, loss)
        moved[name] = {key for key, network in umtn.networks().items() if not _same(before[key], network)}

    monkeypatch.setattr(umtn, "descend", watched)
    umtn.training_step(umtn.batch(0, range(2)), 0)
    assert moved == {"confusion": {"discriminator"}, "translation": {"encoder", "decoders"}}


def test_a_domain_is_reconstructed_by_its_own_decoder(umtn: Umtn) -> None:
    """An item gives its gradient to the decoder of its domain; the other takes part with zeros, not with nothing."""
    batch = {key: value[:1] for key, value in umtn.batch(0, range(2)).items()}
    assert batch["domain"].tolist() == [0]
    umtn.training_step(batch, 0)
    own, other = ([p.grad for p in decoder.parameters()] for decoder in umtn.decoders)
    assert any(gradient is not None and bool(gradient.any()) for gradient in own)
    assert all(gradient is not None and not gradient.any() for gradient in other)


def test_the_mean_over_processes_is_the_whole_batch(umtn: Umtn) -> None:
    """With a domain for each process, the mean of their losses and gradients is that of both items together."""
    batch = umtn.batch(0, range(2))
    sound, domain = batch["x"], batch["domain"]
    target = torch.randint(0, 256, (2, umtn.excerpt_samples))
    parameters = list(umtn.decoders.parameters())
    found = []
    for rows in (slice(0, 2), slice(0, 1), slice(1, 2)):
        nats, told = umtn._nats(umtn.codes_of(sound[rows]), target[rows], target[rows], domain[rows])
        found.append((nats, told, torch.autograd.grad(nats, parameters)))
    (whole, told, gradients), *parts = found
    assert whole.item() == pytest.approx(sum(nats.item() for nats, _, _ in parts) / 2, rel=1e-5)
    for name, value in told.items():
        assert value.item() == pytest.approx(sum(other[name].item() for _, other, _ in parts) / 2, rel=1e-5)
    for k, gradient in enumerate(gradients):
        assert torch.allclose(gradient, torch.stack([g[k] for _, _, g in parts]).mean(0), atol=1e-6)


def test_decoders_hear_a_rough_past_and_are_charged_for_the_true_one(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `past_noise` what decoders hear differs from what they are to play, in a step and never in a validation."""
    config = _with(Umtn.tiny(material), training={"past_noise": 40.0})
    umtn = Umtn(config, _run(tmp_path / "run"))
    pairs: list[bool] = []
    nats = umtn._nats

    def watched(codes: Tensor, past: Tensor, target: Tensor, domain: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        pairs.append(torch.equal(past, target))
        assert int(past.min()) >= 0
        assert int(past.max()) < config.model.levels
        return nats(codes, past, target, domain)

    monkeypatch.setattr(umtn, "_nats", watched)
    umtn.training_step(umtn.batch(0, range(2)), 0)
    assert pairs == [False]
    with torch.no_grad():
        assert umtn.validate() == umtn.validate()


def test_domains_take_turns_or_stand_apart(material: Path, tmp_path: Path) -> None:
    """Mixed, every step has all domains in turn; apart, each half of a batch is of one domain."""
    umtn = Umtn(Umtn.tiny(material), dataclasses.replace(_run(tmp_path), batch=4))
    assert umtn.batch(1, range(4))["domain"].tolist() == [0, 1, 0, 1]
    apart = Umtn(_with(Umtn.tiny(material), data={"order": "apart"}), dataclasses.replace(_run(tmp_path), batch=4))
    assert apart.batch(1, range(4))["domain"].tolist() == [0, 0, 1, 1]


def test_the_encoder_hears_a_raised_interval_of_what_is_reconstructed(
    umtn: Umtn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoder hears differs from the sound in its middle half alone; the sound itself is the target."""
    heard: list[Tensor] = []
    codes_of = umtn.codes_of

    def listened(x: Tensor) -> Tensor:
        heard.append(x)
        return codes_of(x)

    monkeypatch.setattr(umtn, "codes_of", listened)
    batch = umtn.batch(0, range(2))
    umtn.training_step(batch, 0)
    change = (heard[0] - batch["x"]).abs()
    samples = change.shape[1]
    assert change[:, samples // 4 : -(samples // 4)].max() > 1e-3
    assert change[:, : samples // 4].max() < 1e-6 and change[:, -(samples // 4) :].max() < 1e-6


def test_it_learns_to_play_and_to_listen(material: Path, tmp_path: Path) -> None:
    """A few dozen steps make sound cheaper than a guess; the classifier beside it stays far from sure."""
    torch.manual_seed(0)
    config = _with(Umtn.tiny(material), training={"learning_rate": 1e-2, "confusion_weight": 0.1})
    umtn = Umtn(config, _run(tmp_path))
    for step in range(40):
        umtn.training_step(umtn.batch(step, range(2)), step)
    with torch.no_grad():
        metrics = umtn.validate()
    assert metrics["nats"] < 5.25  # a guess costs 5.55
    assert metrics["nats"] == pytest.approx((metrics["nats_bell"] + metrics["nats_horn"]) / 2, rel=1e-5)
    assert metrics["confusion_loss"] > 0.3
    assert metrics["nats"] <= metrics["objective"] < metrics["nats"] + 0.1
    assert 0 <= metrics["probe_accuracy"] <= 1


@torch.no_grad()
def test_codes_that_stand_still_are_told_of(umtn: Umtn) -> None:
    """An encoder that gives one code for everything is found by the check of that name, with a setting to change."""
    umtn._steps_done = 1
    for parameter in umtn._encoder.last.parameters():
        parameter.fill_(0.3)
    umtn._encoder.last.weight.zero_()
    assert umtn.validate()["code_spread"] == pytest.approx(0, abs=1e-5)
    (sentence,) = umtn.remarks()
    assert sentence.startswith("Codes collapse: ") and "training.confusion_weight" in sentence


def test_a_new_domain_leaves_the_encoder_as_it_was(trained: Path, material: Path, tmp_path: Path) -> None:
    """A decoder for a third instrument is learnt beside a trained encoder, resumes without it, and is exported."""
    config = _with(Umtn.tiny(material), data={"domains": ("reed",)}, training={"encoder_from": trained})
    quiet = Console(file=io.StringIO())
    train(_run(tmp_path / "reed", steps=2), config, quiet)
    ours, theirs = (torch.load(out / "best.pt", weights_only=True)["networks"] for out in (tmp_path / "reed", trained))
    assert all(torch.equal(ours["encoder"][key], value) for key, value in theirs["encoder"].items())
    begun = Umtn(config, _run(tmp_path / "other"))
    last = torch.load(tmp_path / "reed" / "last.pt", weights_only=True)
    assert list(last["optimizers"]) == ["translation"]
    assert not _same(list(last["networks"]["decoders"].values()), begun.decoders)
    # The run stands on its own: what it was begun from may go.
    gone = _with(config, training={"encoder_from": tmp_path / "gone"})
    again = Umtn(gone, _run(tmp_path / "reed"))
    assert again.frozen
    package, _ = export(tmp_path / "reed", tmp_path / "to_reed")
    assert [target.name for target in package.manifest.targets] == ["reed"]


def test_what_cannot_be_learnt_has_its_sentence(trained: Path, material: Path, tmp_path: Path) -> None:
    """One domain alone, an encoder of another shape, and an augmentation that moves time are refused at the start."""
    tiny = Umtn.tiny(material)
    one = _with(tiny, data={"domains": ("reed",)})
    with pytest.raises(ConfigError, match="expected two or more"):
        Umtn(one, _run(tmp_path))
    other = dataclasses.replace(one, encoder=dataclasses.replace(tiny.encoder, width=3))
    with pytest.raises(ConfigError, match="whose encoder is not of this shape"):
        Umtn(_with(other, training={"encoder_from": trained}), _run(tmp_path))
    with pytest.raises(ConfigError, match="moves what is heard against what is reconstructed"):
        Umtn(dataclasses.replace(tiny, augment=Augmentation(transpose=2.0)), _run(tmp_path))
    with pytest.raises(ConfigError, match="expected different instruments"):
        Umtn(_with(tiny, data={"domains": ("bell", "bell")}), _run(tmp_path))


@torch.no_grad()
def test_an_instrument_never_heard_is_converted(material: Path, tmp_path: Path) -> None:
    """A visitor's clip is played by the first decoder: its own codes, other than those of a sound of the domain."""
    torch.manual_seed(4)
    umtn = Umtn(_with(Umtn.tiny(material), data={"visitors": ("reed",)}), _run(tmp_path))
    clips = {clip.name: clip for clip in umtn.clips()}
    assert list(clips) == ["bell to horn", "horn to bell", "reed to bell"]
    reed = clips["reed to bell"]
    assert reed.output.shape == reed.input.shape and np.isfinite(reed.output).all()
    assert np.abs(reed.output).max() > 1e-3
    reeds, bells = (
        umtn.whole_codes(torch.from_numpy(clips[name].input)[None]) for name in ("reed to bell", "bell to horn")
    )
    assert not torch.allclose(reeds, bells)


@torch.no_grad()
def test_a_run_converts_where_its_recordings_are_not(material: Path, tmp_path: Path) -> None:
    """Only training and exporting read the index; its absence has a sentence there."""
    umtn = Umtn(_with(Umtn.tiny(material), data={"index": tmp_path / "gone.json"}), _run(tmp_path))
    assert umtn.convert(np.full(400, 0.1, np.float32), 4096, "horn").shape == (400,)
    with pytest.raises(DataError, match=r"gone\.json cannot be read"):
        umtn.manifest()


@torch.no_grad()
def test_target_weights_choose_a_decoder_or_blend_their_sounds(umtn: Umtn) -> None:
    """One weight plays its decoder alone; others add up the sounds of both, each as loud as its weight."""
    bank = umtn.make_sampling()
    assert isinstance(bank, DecoderBank)
    codes = torch.randn(1, 4, 6)
    first, second, half = (
        bank(codes, torch.tensor([weights]), *bank.initial_states())[0]
        for weights in ([1.0, 0.0], [0.0, 1.0], [0.3, 0.7])
    )
    assert not torch.equal(first, second)
    assert torch.allclose(half, 0.3 * first + 0.7 * second, atol=1e-6)
    assert first.shape == (1, 1, 6 * umtn.code_samples)


@torch.no_grad()
def test_a_decoder_without_weight_rests_in_torch_and_in_the_package(umtn: Umtn) -> None:
    """While its weight is 0 a decoder's memory stands still; through changes of weights the graph plays as torch."""
    manifest, module = umtn.manifest(), umtn.streaming_module()
    states = umtn.initial_states()
    model = to_onnx(module, states, manifest)
    graph = onnx.load_from_string(model).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("If") == 2 and "Scan" not in kinds  # each loop stands under its condition
    session = Session(Package(Path("umtn"), manifest, model), "cpu")
    assert session.target is not None
    histories = {0: 2, 1: 5}  # the place of each decoder's memory among the states
    heard = torch.randn(12, 1, 1, 64) * 0.3
    for call, x in enumerate(heard):
        weights = ((1.0, 0.0), (0.0, 1.0), (0.4, 0.6), (0.0, 0.0))[call // 3]
        y, *after = module(x, torch.tensor([weights]), *states)
        session.x[:] = x.numpy()
        session.target[:] = weights
        session.run()
        assert np.array_equal(session.y, y.numpy())
        for number, place in histories.items():
            assert torch.equal(after[place], states[place]) == (weights[number] == 0.0)
        assert bool(y.any()) == any(weights)
        states = tuple(after)


def test_making_a_package_leaves_the_networks_where_they_learn(umtn: Umtn) -> None:
    """The manifest is asked for before training: the decoders that learn are not the ones that it looks at."""
    before = [p.data_ptr() for p in umtn.decoders.parameters()]
    manifest = umtn.manifest()
    umtn.make_sampling()
    assert [p.data_ptr() for p in umtn.decoders.parameters()] == before
    assert manifest.lookahead == umtn.config.encoder.lookahead_samples == 64
    assert manifest.step == 64 and [target.name for target in manifest.targets] == ["bell", "horn"]


def test_a_causal_encoder_waits_for_nothing(material: Path, tmp_path: Path) -> None:
    """With encoder.causal the package's look-ahead is 0."""
    config = dataclasses.replace(
        Umtn.tiny(material), encoder=UmtnEncoder(blocks=1, layers=3, width=4, pool=32, causal=True)
    )
    assert Umtn(config, _run(tmp_path)).manifest().lookahead == 0
