from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from realtime.errors import ConfigError, DataError
from tests.trainer import toy
from trainer import checkpoint, loop
from trainer.monitor import read_metrics
from trainer.recipe import DivergedError

TOY = Path(toy.__file__)


def _run(out: Path, *overrides: str) -> loop.Outcome:
    return loop.train(*toy.settings(out, *overrides), Console(file=io.StringIO()))


def _weights(out: Path, name: str = "last.pt") -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(out / name, weights_only=True)
    return saved


def _flat(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for i, inner in enumerate(value) for k, v in _flat(inner, f"{path}/{i}").items()}
    return {path: value}


def assert_equal_bits(a: object, b: object) -> None:
    """Every tensor and number of two checkpoints is the same, bit for bit."""
    left, right = _flat(a), _flat(b)
    assert left.keys() == right.keys()
    for key, value in left.items():
        same = torch.equal(value, right[key]) if isinstance(value, Tensor) else value == right[key]  # type: ignore[arg-type]
        assert same, key


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """Six steps in one go and three plus three leave the same bits: networks, optimizers, averages, best."""
    _run(tmp_path / "whole")
    _run(tmp_path / "parts", "run.steps=3")
    outcome = _run(tmp_path / "parts")
    assert outcome.step == 6
    assert_equal_bits(_weights(tmp_path / "whole"), _weights(tmp_path / "parts"))
    whole, parts = (
        [{k: v for k, v in r.items() if k != "seconds"} for r in read_metrics(tmp_path / name / "metrics.jsonl")]
        for name in ("whole", "parts")
    )
    assert whole == parts


def test_prefetching_changes_nothing(tmp_path: Path) -> None:
    """Batches prepared ahead in a thread are those prepared when asked for."""
    _run(tmp_path / "ahead", "run.prefetch=3")
    _run(tmp_path / "now", "run.prefetch=0")
    assert_equal_bits(_weights(tmp_path / "ahead"), _weights(tmp_path / "now"))


def test_validation_comes_before_the_first_step(tmp_path: Path) -> None:
    """The first record of a run is a validation at step 0, so that a setting that breaks it fails at once."""
    _run(tmp_path / "run")
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert (records[0]["kind"], records[0]["step"]) == ("validation", 0)
    assert [r["step"] for r in records if r["kind"] == "validation"] == [0, 3, 6]
    assert [r["step"] for r in records if r["kind"] == "train"] == [1, 2, 3, 4, 5, 6]


def test_validation_draws_nothing_from_training(tmp_path: Path) -> None:
    """A run that validates often ends with the weights of one that validates seldom."""
    _run(tmp_path / "often", "run.validate_every=1")
    _run(tmp_path / "seldom", "run.validate_every=6")
    for key in ("networks", "optimizers", "average"):
        assert_equal_bits(_weights(tmp_path / "often")[key], _weights(tmp_path / "seldom")[key])


def test_a_different_run_in_the_folder_is_refused_by_the_setting_that_differs(tmp_path: Path) -> None:
    """Going on with other settings is refused with the name of the first that differs; longer is allowed."""
    _run(tmp_path / "run", "run.steps=3")
    with pytest.raises(ConfigError, match=r"model\.width = 4 but this one has 8"):
        _run(tmp_path / "run", "model.width=8")
    assert _run(tmp_path / "run", "run.steps=4").step == 4


def test_nan_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """A NaN loss raises one sentence; last.pt holds the finite weights from before."""
    with pytest.raises(DivergedError, match="gradient of generator became nan"):
        _run(tmp_path / "run", "model.poison_step=4")
    saved = _weights(tmp_path / "run")
    assert saved["step"] == 3
    assert all(v.isfinite().all() for v in saved["networks"]["generator"].values())


def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    """A last.pt that is cut short is a DataError with its path."""
    _run(tmp_path / "run", "run.steps=3")
    last = tmp_path / "run" / "last.pt"
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(DataError, match=r"last\.pt cannot be read"):
        _run(tmp_path / "run")


def test_best_holds_the_averaged_weights_that_validated(tmp_path: Path) -> None:
    """With run.ema, what validates and ships is the average, and training goes on with the live weights."""
    outcome = _run(tmp_path / "run")
    best, last = _weights(tmp_path / "run", "best.pt"), _weights(tmp_path / "run")
    assert outcome.best_step == best["step"] == 6
    assert_equal_bits(best["networks"]["generator"], last["average"]["generator"])
    assert not torch.equal(last["networks"]["generator"]["0.weight"], last["average"]["generator"]["0.weight"])
    # (1 − 0.5) Σ 0.5ⁿ: the average lies between the first weights and the last.
    records = [r["error"] for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if r["kind"] == "validation"]
    assert outcome.best == pytest.approx(min(records), rel=1e-5)


def test_another_runs_weights_can_start_a_run(tmp_path: Path) -> None:
    """run.start_from begins with the best weights of another folder."""
    _run(tmp_path / "first")
    _run(tmp_path / "second", f"run.start_from={tmp_path / 'first'}", "run.steps=1")
    first = read_metrics(tmp_path / "second" / "metrics.jsonl")[0]["error"]
    assert first == pytest.approx(_weights(tmp_path / "first", "best.pt")["best"], rel=1e-5)


def test_weights_of_another_size_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """A run that starts from weights of another shape names the part, both shapes and what to do."""
    _run(tmp_path / "first", "run.steps=1")
    with pytest.raises(DataError) as refused:
        _run(tmp_path / "wider", f"run.start_from={tmp_path / 'first'}", "model.width=8")
    assert str(refused.value) == (
        "The checkpoint does not fit this run of toy: it has (4, 1, 3, 3) for 0.weight of the generator, but "
        "(8, 1, 3, 3) is wanted; give the run the settings of `[model]` and `[training]` that it was made with."
    )
    assert not (tmp_path / "wider" / "last.pt").exists()


@pytest.mark.parametrize("text", ["not json", "{}", "[]", '{"run": {}}'])
def test_a_spoilt_config_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    """Settings that cannot be read end a load and a resumption alike, and the weights stay."""
    _run(tmp_path / "run", "run.steps=1")
    weights = (tmp_path / "run" / "last.pt").read_bytes()
    (tmp_path / "run" / "config.json").write_text(text)
    with pytest.raises(DataError, match="does not hold a run's settings"):
        checkpoint.load_run(tmp_path / "run")
    with pytest.raises(DataError, match="does not hold a run's settings"):
        _run(tmp_path / "run", "run.steps=2")
    assert (tmp_path / "run" / "last.pt").read_bytes() == weights


def test_tensorboard_holds_curves_pictures_and_sound(tmp_path: Path) -> None:
    """Losses of training and validation, and every test clip as picture and sound, are in the event file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _run(tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == {"error/validation", "generator/train", "discriminator/train"}
    assert set(tags["images"]) == set(tags["audio"]) == {"tone/input", "tone/output"}
    assert [e.step for e in events.Audio("tone/output")] == [0, 3, 6]


def test_interrupting_leaves_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    """SIGINT ends a run after its step with last.pt, and the run goes on from there to the same bits."""
    out = tmp_path / "run"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TOY.parents[2])}
    command = [sys.executable, str(TOY), str(out), "run.steps=100000", "run.validate_every=100000"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while not (out / "metrics.jsonl").is_file() or len(read_metrics_so_far(out)) < 5:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    step = _weights(out)["step"]
    assert 0 < step < 100000
    _run(tmp_path / "whole", f"run.steps={step + 2}", "run.validate_every=100000", "run.ema=0.5")
    _run(out, f"run.steps={step + 2}", "run.validate_every=100000")
    assert_equal_bits(_weights(out)["networks"], _weights(tmp_path / "whole")["networks"])


def read_metrics_so_far(out: Path) -> list[object]:
    """The whole lines of a metrics file that is being written."""
    text = (out / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.5, 1, 1, 1, 1]), ("linear", [0.5, 1, 1, 0.5, 0]), ("cosine", [0.5, 1, 1, 0.5, 0])],
)
def test_learning_rates_follow_the_schedule(tmp_path: Path, schedule: str, expected: list[float]) -> None:
    """Rates rise over the warm-up, stay until `hold`, and reach zero at the end."""
    overrides = (f"run.schedule={schedule}", "run.hold=0.5", "run.warmup_steps=1", "run.steps=8")
    run, _ = toy.settings(tmp_path, *overrides)
    factors = [loop.learning_rate_factor(run, step) for step in (0, 1, 4, 6, 8)]
    assert factors == pytest.approx(expected)


def test_a_run_folder_knows_its_own_settings(tmp_path: Path) -> None:
    """`load_run` gives back the settings of a run, wherever its folder was moved."""
    _run(tmp_path / "run", "model.width=3", "run.steps=1")
    (tmp_path / "run").rename(tmp_path / "moved")
    run, config = checkpoint.load_run(tmp_path / "moved")
    assert run.out == tmp_path / "moved"
    assert config.model.width == 3
    with pytest.raises(ConfigError, match="no run folder"):
        checkpoint.load_run(tmp_path)
