"""Pairs from a teacher: aligned to the sample, as loud as the input, split by recording, gone on with after a stop."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from rich.console import Console
from typer.testing import CliRunner

from realtime.errors import ConfigError, DataError
from tests.realtime.small_packages import blend_package, delay_package, gain_package
from trainer.commands.prepare import register
from trainer.commands.prepare_taught import register as register_taught
from trainer.config import RunConfig
from trainer.datasets.cutting import in_pieces
from trainer.loop import train
from trainer.models.pix2pix import Pix2Pix
from trainer.models.timbretron import TimbreTron
from trainer.pairs import PairedIndex
from trainer.recordings import Found, SplitSettings
from trainer.taught import TaughtPairs, TaughtSettings, find_lessons, prepare_taught
from trainer.teacher import Lesson, Teacher, find_teacher

RATE = 48000
SETTINGS = TaughtSettings("horn", "glass", RATE)


@pytest.fixture
def horns(tmp_path: Path) -> Path:
    """Five recordings of one domain: noise that tells every sample from its neighbours, 0.3 s each."""
    for number in range(5):
        signal = 0.1 * np.random.default_rng(number).standard_normal(round(0.3 * RATE))
        path = tmp_path / "mine" / "horn" / f"take{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, signal, RATE, subtype="FLOAT")
    return tmp_path / "mine"


def lessons_of(horns: Path, **splits: float) -> list[Found]:
    return find_lessons([horns], SplitSettings(validation=splits.get("validation", 0.4), test=splits.get("test", 0.0)))


def teach(horns: Path, out: Path, teacher: Teacher, **options: Any) -> TaughtPairs:
    return prepare_taught(lessons_of(horns), teacher, out, options.pop("settings", SETTINGS), workers=1, **options)


def index_of(out: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((out / "index.json").read_text())
    return index


def sounds(out: Path, pair: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    return [soundfile.read(out / file)[0] for file in pair["files"].values()]


def written(out: Path) -> dict[str, bytes]:
    paths = [*out.rglob("*.flac"), out / "index.json"]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def test_what_the_teacher_delays_and_softens_lies_on_the_input_and_is_as_loud(horns: Path, tmp_path: Path) -> None:
    """Of a teacher that is late by 37 samples, and of one that halves, both sides of a pair are the same samples."""
    for package in (delay_package(tmp_path / "late"), gain_package(tmp_path / "soft")):
        out = tmp_path / f"{package.name}-out"
        prepared = teach(horns, out, find_teacher(str(package.folder), None))
        assert len(prepared.pairs) == 5 and not prepared.refusals
        for pair in prepared.pairs:
            heard, made = sounds(out, pair)
            assert made == pytest.approx(heard, abs=1e-4)


def test_one_gain_keeps_both_under_full_scale(tmp_path: Path) -> None:
    """A loud recording is turned down together with what was made of it, and the index says by how much."""
    for number in range(2):
        signal = np.sin(2 * np.pi * 300 * np.arange(RATE // 4) / RATE)
        path = tmp_path / "loud" / "horn" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.99 * signal, RATE, subtype="FLOAT")
    out = tmp_path / "out"
    pair = teach(tmp_path / "loud", out, find_teacher(str(gain_package(tmp_path / "soft").folder), None)).pairs[0]
    heard, made = sounds(out, pair)
    assert pair["gain_db"] == pytest.approx(-0.91, abs=0.02)
    assert (
        np.abs(heard).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3) == pytest.approx(np.abs(made).max(), abs=1e-3)
    )


def test_the_index_is_one_of_pairs_split_by_recording(horns: Path, tmp_path: Path) -> None:
    """Pieces of a recording share its split, test recordings are left alone, and the trainer's reader takes it."""
    package = gain_package(tmp_path / "soft")
    for path in (horns / "horn").iterdir():
        soundfile.write(path, np.tile(soundfile.read(path)[0], 3), RATE, subtype="FLOAT")
    lessons = in_pieces(lessons_of(horns, validation=0.4, test=0.2), 0.3)
    untouched = {item.name.partition(" from ")[0] for item in lessons}
    assert len(untouched) < 5
    out = tmp_path / "out"
    prepared = prepare_taught(lessons, find_teacher(str(package.folder), None), out, SETTINGS, workers=1)
    assert len(prepared.pairs) == 3 * len(untouched)
    of: dict[str, set[str]] = {}
    for pair in prepared.pairs:
        of.setdefault(pair["recording"], set()).add(pair["split"])
    assert all(len(splits) == 1 for splits in of.values())
    found = PairedIndex.read(out / "index.json", "horn", "glass")
    assert found.sample_rate == RATE and len(found.train) + len(found.validation) == len(prepared.pairs)
    assert index_of(out)["instruments"]["glass"]["source"] == "made by gain"


def test_an_index_of_recordings_keeps_its_splits(material: Path, tmp_path: Path) -> None:
    """Recordings prepared before are taught in the splits that they have, and their test split is left out."""
    index = material / "recordings" / "index.json"
    lessons = find_lessons([index], SplitSettings(), domains=["bell"])
    assert [item.split for item in lessons].count("train") == [item.split for item in lessons].count("validation") == 4
    assert {item.licence for item in lessons} == {"CC0-1.0"}
    with pytest.raises(DataError, match="no recordings to teach with"):
        find_lessons([index], SplitSettings(), domains=["gong"])


def test_without_a_validation_recording_the_shortest_becomes_it(horns: Path, tmp_path: Path) -> None:
    """Where chance left none to judge by, one recording is; where only one was fit, that is said."""
    teacher = find_teacher(str(gain_package(tmp_path / "soft").folder), None)
    short = horns / "horn" / "take3.wav"
    soundfile.write(short, soundfile.read(short)[0][: RATE // 4 + 100], RATE, subtype="FLOAT")
    lessons = lessons_of(horns, validation=0.0)
    prepared = prepare_taught(lessons, teacher, tmp_path / "out", SETTINGS, workers=1)
    assert [pair["recording"] for pair in prepared.pairs if pair["split"] == "validation"] == ["mine/horn/take3.wav"]
    with pytest.raises(DataError, match="another to be judged by"):
        prepare_taught(lessons[:1], teacher, tmp_path / "one", SETTINGS, workers=1)


def test_a_stopped_run_goes_on_to_the_same_bytes(horns: Path, tmp_path: Path) -> None:
    """Stopped after two, with a last line cut short, it does three more; another teacher or rate does all anew."""
    teacher = find_teacher(str(gain_package(tmp_path / "soft").folder), None)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    teach(horns, whole, teacher)

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(horns, parts, teacher, on_progress=stop)
    assert not (parts / "index.json").exists()
    with (parts / "progress.jsonl").open("a") as log:
        log.write('{"file": "horn_mi')
    assert teach(horns, parts, teacher).kept == 2
    assert written(parts) == written(whole)
    assert teach(horns, parts, teacher).kept == 5
    other = find_teacher(str(gain_package(tmp_path / "softer", gain=0.25).folder), None)
    assert teach(horns, parts, other).kept == 0
    assert teach(horns, parts, other, settings=replace(SETTINGS, sample_rate=44100)).kept == 0


def test_two_processes_change_no_byte(horns: Path, tmp_path: Path) -> None:
    """What two processes write is what one writes."""
    teacher = find_teacher(str(gain_package(tmp_path / "soft").folder), None)
    teach(horns, tmp_path / "one", teacher)
    prepare_taught(lessons_of(horns), teacher, tmp_path / "two", SETTINGS, workers=2)
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_what_cannot_be_taught_is_refused_in_a_sentence(
    horns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silent results, damaged files, unknown targets, equal names and folders without sound are each one sentence."""
    (horns / "horn" / "broken.wav").write_bytes(b"no sound at all")
    prepared = teach(horns, tmp_path / "out", find_teacher(str(gain_package(tmp_path / "soft").folder), None))
    assert len(prepared.pairs) == 5
    assert "broken.wav cannot be read as sound" in str(prepared.refusals[0])
    (horns / "horn" / "broken.wav").unlink()
    soft = find_teacher(str(gain_package(tmp_path / "softer").folder), None)
    for wrong, told in (
        (lambda signal: Lesson(np.zeros_like(signal)), "came out of gain silent"),
        (lambda signal: Lesson(signal[1:]), "no sound of its length"),
        (lambda signal: Lesson(signal * np.nan), "no sound of its length"),
        (lambda signal: Lesson(signal, 0.5), "fail in 50 % of its steps"),
    ):
        monkeypatch.setattr("trainer.taught.opened", lambda _, wrong=wrong: lambda signal, _rate: wrong(signal))
        with pytest.raises(DataError, match=told):
            teach(horns, tmp_path / "none", soft)
    two = str(blend_package(tmp_path / "two").folder)
    with pytest.raises(ConfigError, match="say which one with --target"):
        find_teacher(two, None)
    with pytest.raises(ConfigError, match="has no target 'harp': choose from plus, minus"):
        find_teacher(two, "harp")
    with pytest.raises(ConfigError, match="no temperature"):
        find_teacher(two, "plus", 0.5)
    with pytest.raises(ConfigError, match="name one of them differently"):
        TaughtSettings("same", "same")
    with pytest.raises(ConfigError, match="cannot be a folder's"):
        TaughtSettings("input", "../up")


def test_a_slow_run_teaches_and_a_paired_system_learns_from_it(horns: Path, material: Path, tmp_path: Path) -> None:
    """A TimbreTron's run converts recordings by its own networks; pix2pix trains three steps on the pairs."""
    run = RunConfig(recipe="timbretron", out=tmp_path / "slow", steps=1, batch=2, device="cpu", prefetch=0)
    train(run, TimbreTron.tiny(material), Console(file=io.StringIO()))
    with pytest.raises(ConfigError, match="no target 'harp'"):
        find_teacher(str(tmp_path / "slow"), "harp")
    teacher = find_teacher(str(tmp_path / "slow"), "horn")
    prepared = teach(horns, tmp_path / "pairs", teacher)
    heard, made = sounds(tmp_path / "pairs", prepared.pairs[0])
    assert len(heard) == len(made) and np.abs(heard - made).max() > 0.01
    levels = [float(np.sqrt(np.mean(signal**2))) for signal in (heard, made)]
    assert levels[1] == pytest.approx(levels[0], rel=0.5)  # matched, as far as peaks allow
    tiny = Pix2Pix.tiny(material)
    config = replace(
        tiny, data=replace(tiny.data, index=tmp_path / "pairs" / "index.json", origin="horn", target="glass")
    )
    student = RunConfig(
        recipe="pix2pix", out=tmp_path / "student", steps=3, batch=2, validate_every=3, device="cpu", prefetch=0
    )
    assert train(student, config, Console(file=io.StringIO())).step == 3


def test_the_command_teaches_and_names_what_it_refused(horns: Path, tmp_path: Path) -> None:
    """`retimbre prepare taught` tells pairs and minutes, and ends with status 1 for a refusal unless told to skip."""
    app = typer.Typer()
    register(app)
    register_taught(app)
    package = gain_package(tmp_path / "soft").folder
    (horns / "horn" / "broken.wav").write_bytes(b"no sound at all")
    arguments = ["prepare", "taught", str(horns), "-t", str(package), "-o", str(tmp_path / "out"), "--origin", "horn"]
    arguments += ["--validation", "0.4", "--workers", "1"]
    failed = CliRunner().invoke(app, arguments)
    assert failed.exit_code == 1 and "refused: mine/horn/broken.wav" in failed.output
    passed = CliRunner().invoke(app, [*arguments, "--skip-bad"])
    assert passed.exit_code == 0, passed.output
    assert "5 pairs taught by gain (5 already done)" in passed.output
    assert set(index_of(tmp_path / "out")["instruments"]) == {"horn", "gain"}
