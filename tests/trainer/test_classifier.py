from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from realtime.errors import DataError
from trainer import excerpts, judge
from trainer.config import RunConfig
from trainer.models.classifier import Classifier, write_judge

Audio = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def tone(f0_hz: float, tilt: float, seconds: float = 2.0) -> Audio:
    """A harmonic tone at the judge's rate whose k-th harmonic has the amplitude k^-tilt."""
    t = np.arange(int(seconds * judge.SAMPLE_RATE)) / judge.SAMPLE_RATE
    waves = [np.sin(2 * np.pi * f0_hz * k * t) * k**-tilt for k in range(1, 12)]
    signal: Audio = (0.1 * np.sum(waves, axis=0)).astype(np.float32)
    return signal


@pytest.fixture(scope="module")
def recipe(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    torch.manual_seed(0)
    run = RunConfig(recipe="classifier", out=tmp_path_factory.mktemp("run"), batch=8, device="cpu")
    return Classifier(Classifier.tiny(material), run)


def test_gain_does_not_change_what_the_judge_hears() -> None:
    """The log-mel picture of a sound is the same at any level."""
    sound = tone(330.0, 1.0)
    assert judge.log_mel(sound) == pytest.approx(judge.log_mel(0.01 * sound), abs=2e-3)


def test_the_loudest_band_is_plus_one_and_silence_minus_one() -> None:
    """The picture spans −1…1, has 96 bands, and puts a 1 kHz sine where its band is."""
    picture = judge.log_mel(tone(1000.0, 20.0))
    assert picture.shape[0] == judge.BANDS
    assert picture.max() == 1.0 and picture.min() == -1.0
    assert np.ptp(picture.argmax(axis=0)) == 0


def test_quiet_windows_have_no_vote() -> None:
    """Two seconds 40 dB below the rest are left out, a clip shorter than a window is heard whole."""
    loud = tone(330.0, 1.0)
    assert len(judge.windows(np.concatenate([loud, 0.01 * loud]))) == 2
    assert len(judge.windows(loud[:5000])) == 1


def test_domains_are_merged_into_classes() -> None:
    """Kinds of one instrument count as that instrument."""
    merged = [judge.class_of(name) for name in ("guitar_nylon", "male_singer", "voice_solo", "saxophone_tenor", "harp")]
    assert merged == ["guitar", "voice", "voice", "saxophone", "harp"]
    assert judge.class_of("origin_flute") == "flute"


def test_a_batch_is_a_function_of_seed_step_and_item(recipe: Classifier) -> None:
    """Half a batch equals the half of the whole, and every class comes equally often."""
    whole, half = recipe.batch(3, range(8)), recipe.batch(3, range(4, 8))
    assert torch.equal(whole["x"][4:], half["x"])
    assert torch.equal(whole["label"].bincount(), torch.tensor([4, 4]))
    assert not torch.equal(whole["x"], recipe.batch(4, range(8))["x"])


def test_excerpts_sound_and_are_finite(recipe: Classifier) -> None:
    """An excerpt has its length, sounds, and stays finite through every colouring."""
    for number in range(20):
        rng = np.random.default_rng(number)
        sound = excerpts.excerpt(recipe.bank, recipe.config.data.classes[0], 1.5, rng)
        assert len(sound) == int(1.5 * judge.SAMPLE_RATE)
        coloured = excerpts.colour(sound, rng)
        assert np.isfinite(coloured).all() and np.abs(coloured).max() > 0.1


def test_training_lowers_the_error_on_its_own_batch(recipe: Classifier) -> None:
    """Sixty steps on one batch learn it, so that gradients reach every layer."""
    batch = recipe.batch(0, range(8))
    recipe.network.train()
    first = float(recipe.training_step(batch, 0)["loss"])
    for step in range(60):
        last = float(recipe.training_step(batch, step)["loss"])
    assert last < 0.8 * first


def test_the_written_judge_gives_the_network_s_verdict(recipe: Classifier, tmp_path: Path) -> None:
    """onnxruntime names with the same probabilities as torch, and silence is named with none."""
    write_judge(recipe.network, recipe.config.data, {}, tmp_path)
    written = judge.Judge(tmp_path)
    sound = tone(330.0, 1.0, 1.7)
    with torch.no_grad():
        expected = recipe.network.eval()(torch.from_numpy(judge.log_mel(sound))[None, None]).softmax(1)[0]
    assert written.probabilities(sound, judge.SAMPLE_RATE) == pytest.approx(expected.numpy(), abs=1e-5)
    silent = written.probabilities(np.zeros(judge.SAMPLE_RATE, np.float32), judge.SAMPLE_RATE)
    assert silent == pytest.approx(np.full(2, 0.5))


def test_a_changed_judge_is_refused(recipe: Classifier, tmp_path: Path) -> None:
    """A model that is not the described one, and a missing one, are refused with one sentence each."""
    write_judge(recipe.network, recipe.config.data, {}, tmp_path)
    model = tmp_path / "classifier.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(DataError, match="is not the file"):
        judge.Judge(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        judge.Judge(tmp_path / "nowhere")


SHIPPED = Path(judge.__file__).parent


def test_the_shipped_judge_names_its_classes_and_knows_its_accuracy() -> None:
    """The shipped files verify, are under 2 MB, and were measured on unseen phrases of every target of the voice."""
    shipped = judge.Judge()
    assert (SHIPPED / "classifier.onnx").stat().st_size < 2_000_000
    right = shipped.accuracy["phrases"]["right"]
    assert {"violin", "cello", "flute", "clarinet", "trumpet", "saxophone"} <= set(right)
    assert shipped.probabilities(tone(440.0, 1.0), judge.SAMPLE_RATE).sum() == pytest.approx(1.0)
