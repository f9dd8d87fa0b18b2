"""What a training tells of itself in files, and the listings that a program reads."""

from __future__ import annotations

import errno
import io
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from gui.train.catalogue import Recipe
from realtime.cli import build_app
from realtime.errors import ConfigError, DataError
from tests.trainer import toy
from trainer import loop
from trainer.aligned import find_takes, prepare_takes
from trainer.config import RunConfig, from_table, recipe_config
from trainer.monitor import Monitor, read_metrics
from trainer.pairs import PairedIndex
from trainer.recipe import DivergedError, find
from trainer.recording_checks import Limits, refusal, remarks
from trainer.run_state import StateFile, is_alive, read_state

RATE = 44100


def _run(out: Path, *overrides: str) -> loop.Outcome:
    return loop.train(*toy.settings(out, *overrides), Console(file=io.StringIO()))


def test_a_training_tells_how_it_ended(tmp_path: Path) -> None:
    """After its last step state.json says done, with steps, device, the best and whose process it was."""
    outcome = _run(tmp_path / "run")
    state = read_state(tmp_path / "run")
    assert (state["state"], state["step"], state["steps"]) == ("done", 6, 6)
    assert (state["best_step"], state["device"], state["pid"]) == (outcome.best_step, "the processor", os.getpid())
    assert is_alive(state)


def test_a_failed_training_leaves_its_sentence(tmp_path: Path) -> None:
    """A loss that is no number ends the run, and state.json holds the sentence."""
    with pytest.raises(DivergedError):
        _run(tmp_path / "run", "model.poison_step=4")
    state = read_state(tmp_path / "run")
    assert state["state"] == "failed"
    assert "lower its learning rate" in state["sentence"]


def test_the_file_stop_ends_a_training_with_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named stop ends the run after its step; the next start removes it and goes on."""
    step = toy.Toy.training_step

    def stop_at_two(self: toy.Toy, batch: Any, number: int) -> Any:
        if number == 1:
            (tmp_path / "run" / "stop").touch()
        return step(self, batch, number)

    monkeypatch.setattr(toy.Toy, "training_step", stop_at_two)
    outcome = _run(tmp_path / "run")
    assert (outcome.step, outcome.interrupted) == (2, True)
    assert read_state(tmp_path / "run")["state"] == "stopped"
    monkeypatch.undo()
    assert _run(tmp_path / "run").step == 6
    assert not (tmp_path / "run" / "stop").exists()


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    """Where another process trains, a second start is refused with its number."""
    folder = tmp_path / "run"
    folder.mkdir()
    parent = psutil.Process(os.getppid())
    told = {"state": "running", "pid": parent.pid, "created": parent.create_time()}
    (folder / "state.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"already runs .*process {parent.pid}"):
        _run(folder)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """The system's error that no room is left becomes a sentence that says what to do."""
    with pytest.raises(DataError, match="make room"), StateFile(tmp_path).told("toy", 6, "the processor"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert read_state(tmp_path)["state"] == "failed"


def _report_to_a_full_disk(folder: Path) -> None:
    with Monitor(folder, 6, 0, Console(file=io.StringIO())) as monitor:
        (events,) = (folder / "tensorboard").iterdir()
        events.unlink()
        events.symlink_to("/dev/full")
        for step in range(200):
            monitor.train(step, {"loss": 1.0})
            time.sleep(0.01)


def test_a_full_disk_leaves_no_trace_of_a_thread(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What TensorBoard's thread cannot write is raised where the run hears of it, and printed by nobody."""
    with pytest.raises(OSError, match="No space left"):
        _report_to_a_full_disk(tmp_path)
    assert "Traceback" not in capfd.readouterr().err


def test_every_validation_leaves_its_clips_as_files(tmp_path: Path) -> None:
    """Each test clip lies there as sound and picture: input once, output at every validation; a resume keeps them."""
    _run(tmp_path / "run", "run.steps=3")
    _run(tmp_path / "run")
    folder = tmp_path / "run" / "clips"
    rows = read_metrics(folder / "index.jsonl")
    assert [(row["part"], row["step"]) for row in rows] == [("output", 0), ("input", 0), ("output", 3), ("output", 6)]
    for row in rows:
        assert soundfile.info(folder / row["sound"]).duration == pytest.approx(row["seconds"], abs=1e-3)
        assert (folder / row["picture"]).read_bytes().startswith(b"\x89PNG")


def hum(hz: float, seconds: float = 6.0) -> np.ndarray[Any, Any]:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.01 * sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 6)))


def note(seconds: float = 1.0, hz: float = 220.0) -> np.ndarray[Any, Any]:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.exp(-3 * time) * np.sin(2 * np.pi * hz * time)


def kinds(signal: np.ndarray[Any, Any]) -> dict[str, tuple[tuple[float, float], ...]]:
    return {fault.kind: fault.spans for fault in remarks(signal.astype(np.float32)[:, None], RATE)}


@pytest.mark.parametrize("hz", [50, 60])
def test_mains_hum_is_told_and_playing_is_not(hz: int) -> None:
    """Hum under rests is found; a bass note on the very pitch of the mains, or a clean recording, is not called hum."""
    noise = 1e-4 * np.random.default_rng(0).standard_normal(6 * RATE)
    played = np.concatenate([note() for _ in range(6)])
    assert "hum" in kinds(hum(hz) + noise + np.concatenate([note(), np.zeros(5 * RATE)]))
    assert "hum" not in kinds(played + noise)
    assert "hum" not in kinds(np.concatenate([hum(hz, 3.0) * 20, np.zeros(3 * RATE)]) + noise)


def test_pauses_and_offsets_are_told_with_their_places() -> None:
    """A long silence is marked from its beginning to its end; a signal beside the zero line as a whole."""
    ((start, end),) = kinds(np.concatenate([note(), np.zeros(5 * RATE), note()]))["pause"]
    assert [start, end] == pytest.approx([1.0, 6.0], abs=0.1)
    assert kinds(note() + 0.1)["offset"] == ((0.0, 1.0),)


def test_every_place_of_a_fault_is_given() -> None:
    """Clipping in two notes gives two marks, joined within a note."""
    loud = np.clip(10 * note(), -1, 1)
    fault = refusal(np.concatenate([loud, np.zeros(RATE), loud]).astype(np.float32)[:, None], RATE, Limits())
    assert fault is not None
    assert fault.kind == "clipped"
    assert [round(start) for start, _ in fault.spans] == [0, 2]


def test_the_list_of_recipes_is_what_the_app_reads() -> None:
    """Every shipped run is listed with words, latency and settings, and its tables make a valid run file."""
    done = CliRunner().invoke(build_app(), ["zoo", "--json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (lines[0]["kind"], lines[-1]) == ("device", {"kind": "listed", "runs": len(lines) - 2})
    recipes = {line["run"]: Recipe.from_line(line) for line in lines[1:-1]}
    assert {"voice", "pix2pix", "generator_only"} <= set(recipes)
    for recipe in recipes.values():
        assert all((recipe.title, recipe.purpose, recipe.wants))
        assert (recipe.latency_ms is not None) == recipe.playable
        assert all(setting.help for setting in recipe.settings)
        tables = recipe.with_changes({"run.steps": 7, "run.seed": 3})
        assert from_table(RunConfig, tables["run"], "run").steps == 7
        recipe_config(find(tables["run"]["recipe"]).Config, tables)
        for key in (*recipe.simple, *recipe.phases):
            assert key in {setting.key for setting in recipe.settings}


def performance(seed: int, amplitudes: tuple[float, ...]) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    sound = np.zeros(8 * RATE)
    for start in rng.uniform(0, 7, 16):
        at = int(start * RATE)
        pitch = 220 * 2 ** (rng.integers(0, 24) / 12)
        time = np.arange(RATE) / RATE
        sound[at : at + RATE] += (
            0.05
            * np.exp(-4 * time)
            * sum(a * np.sin(2 * np.pi * pitch * (h + 1) * time) for h, a in enumerate(amplitudes))
        )
    return sound


def test_recorded_pairs_are_aligned_and_others_refused(tmp_path: Path) -> None:
    """A second recording that began 120 ms late is moved to the first; two different performances are no pair."""
    for name, late, seed in (("good", 0.12, 1), ("wrong", 0.0, 2)):
        for sound, amplitudes in (("piano", (1.0, 0.5)), ("strings", (1.0, 0.1, 0.8))):
            moved = sound == "strings"
            signal = performance(seed + 50 * (moved and name == "wrong"), amplitudes)
            signal = np.concatenate([np.zeros(round(late * RATE) if moved else 0), signal])
            path = tmp_path / sound / f"{name}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, signal, RATE)
    takes = find_takes({"piano": tmp_path / "piano", "strings": tmp_path / "strings"})
    results: dict[str, dict[str, Any]] = {}
    prepared = prepare_takes(
        takes, tmp_path / "out", RATE, on_file=lambda take, made: results.update({take.name: made})
    )
    assert results["good"]["lag_seconds"] == pytest.approx(0.12, abs=0.006)
    assert ["wrong is not the same performance" in str(refused) for refused in prepared.refusals] == [True]
    sounds = [soundfile.read(tmp_path / "out" / file)[0] for file in prepared.pairs[0]["files"].values()]
    assert len(sounds[0]) == len(sounds[1])


def test_one_take_alone_is_learnt_from_and_judged_by(tmp_path: Path) -> None:
    """The last part of a take that is alone becomes its validation, so that the index can be trained on."""
    for sound, amplitudes in (("piano", (1.0, 0.5)), ("strings", (1.0, 0.1, 0.8))):
        path = tmp_path / sound / "take.wav"
        path.parent.mkdir()
        soundfile.write(path, performance(1, amplitudes), RATE)
    takes = find_takes({"piano": tmp_path / "piano", "strings": tmp_path / "strings"})
    prepare_takes(takes, tmp_path / "out", RATE)
    index = PairedIndex.read(tmp_path / "out" / "index.json", "piano", "strings")
    assert (len(index.train), len(index.validation)) == (1, 1)
    assert index.train[0].samples > 4 * index.validation[0].samples


def test_pairs_of_other_names_are_refused(tmp_path: Path) -> None:
    """Two folders without a common name, or one folder alone, are each one sentence."""
    for sound, name in (("piano", "a"), ("strings", "b")):
        (tmp_path / sound).mkdir()
        soundfile.write(tmp_path / sound / f"{name}.wav", np.zeros(RATE), RATE)
    with pytest.raises(DataError, match="same name"):
        find_takes({"piano": tmp_path / "piano", "strings": tmp_path / "strings"})
    with pytest.raises(ConfigError, match="a pair has two"):
        find_takes({"piano": tmp_path / "piano"})
