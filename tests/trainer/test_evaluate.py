from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

pytest.importorskip("librosa")
pytest.importorskip("swift_f0")
from realtime.cli import build_app
from realtime.controls import Controls
from realtime.errors import DataError
from realtime.features import PitchLoudnessFeatures
from realtime.manifest import Manifest, Target
from realtime.package import Package, resolve
from trainer import evaluate as work
from trainer.identity import manifest as identity_manifest
from trainer.judge import Judge

RATE = 24_000
Audio = NDArray[np.float32]


def melody(f0_hz: float = 220.0, notes: int = 4) -> Audio:
    """Notes of half a second, a whole tone apart, each fading, with six harmonics."""
    t = np.arange(RATE // 2) / RATE
    parts = []
    for number in range(notes):
        pitch = f0_hz * 2 ** (2 * number / 12)
        wave = np.sum([np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 7)], axis=0)
        parts.append(0.15 * wave * np.exp(-t / 0.25) * np.minimum(1.0, (0.5 - t) / 0.02) * np.minimum(1.0, t / 0.005))
    signal: Audio = np.concatenate(parts).astype(np.float32)
    return signal


@pytest.fixture(scope="module")
def identity() -> Package:
    return resolve("identity")


def test_identity_keeps_everything(identity: Package) -> None:
    """Through the identity package pitch, onsets and loudness are kept wholly and the truth is as far as it was."""
    clip = work.Clip("one", "flute", melody(), RATE, {"violin": 0.5 * melody()[::-1].copy()})
    found, made = work.measure(identity, clip, None, None)
    assert np.abs(made - clip.signal).max() < 1e-3
    assert found.kept == found.voiced > 50
    assert (found.onset_f, found.octaves, found.faults) == (1.0, 0.0, 0)
    assert found.contour == pytest.approx(1.0)
    assert found.distance_db == pytest.approx(found.input_distance_db, abs=0.05)


def pitched(low_hz: float, high_hz: float) -> tuple[Manifest, Target]:
    target = Target("horn", "Horn", low_hz, high_hz)
    features = PitchLoudnessFeatures(hop=64, delay_samples=256, f0_min_hz=50.0, f0_max_hz=1600.0)
    manifest = dataclasses.replace(identity_manifest(), input=features, step=1, level_db=-20.0, targets=(target,))
    return manifest, target


def test_the_engine_s_octave_is_asked_for() -> None:
    """A low melody into a high target's range is expected two octaves up, and at its own pitch with octave off."""
    manifest, target = pitched(800.0, 1600.0)
    times, shift = work.asked_shift(melody(), RATE, manifest, target, Controls(octave="auto"))
    assert len(times) == len(shift)
    assert np.median(shift) == 24.0
    _, still = work.asked_shift(melody(), RATE, manifest, target, Controls(octave="off", transpose_semitones=3.0))
    assert set(still.tolist()) == {3.0}


def test_a_package_without_targets_is_told_what_it_makes(identity: Package) -> None:
    """The one name given is its truth among the pairs; two names are refused, for it makes one sound."""
    clip = work.Clip("one", "flute", melody(), RATE, {"violin": melody(), "cello": melody(110.0)})
    (row,) = work.evaluate(identity, [clip], None, targets=("cello",)).measured
    assert (row.target, row.distance_to) == ("cello", "cello")
    assert row.distance_db == pytest.approx(row.input_distance_db, abs=0.1)
    with pytest.raises(DataError, match="identity makes one sound, but 2 targets are named"):
        work.evaluate(identity, [clip], None, targets=("cello", "violin"))


def test_pitch_is_pooled_over_frames() -> None:
    """A long clip weighs more than a short one in pitch, and clips count alike elsewhere."""
    row = work.Measured(
        clip="a", origin="x", target="violin", seconds=1.0, speed=1.0, faults=0, voiced=100, kept=100, octave_errors=0,
        lost_voicing=0, octaves=0.0, onset_f=1.0, contour=0.5, named="violin", confidence=0.9, distance_db=3.0,
        input_distance_db=6.0,
    )  # fmt: skip
    other = dataclasses.replace(row, voiced=300, kept=0, named="flute", onset_f=None, distance_db=None)
    summed = work.summary([row, other], Judge())
    assert summed["pitch_kept"] == 0.25
    assert summed["onset_f"] == 1.0
    assert summed["recognised"] == 0.5
    assert summed["distance_reduction"] == 0.5
    assert summed["named"] == {"violin": 1, "flute": 1}
    assert work.summary([], None)["pitch_kept"] is None


def index(folder: Path) -> Path:
    rows = []
    for domain, split, midi in (("flute", "test", None), ("violin", "train", None), ("flute", "test", 60)):
        name = f"{domain}_{split}_{midi}.flac"
        soundfile.write(folder / name, melody(), RATE)
        rows.append({"file": name, "domain": domain, "split": split, "seconds": 2.0, "midi": midi})
    path = folder / "index.json"
    path.write_text(json.dumps({"format": 1, "sample_rate": RATE, "recordings": rows}))
    return path


def test_only_phrases_of_the_split_are_heard(tmp_path: Path) -> None:
    """Single notes and other splits are no clips; a file that is no index is refused with a sentence."""
    clips = work.clips_of_recordings(index(tmp_path), ("test",))
    assert [(clip.name, clip.domain) for clip in clips] == [("flute_test_None", "flute")]
    (tmp_path / "wrong.json").write_text("{}")
    with pytest.raises(DataError, match="no index"):
        work.clips_of_recordings(tmp_path / "wrong.json", ("test",))


def test_pairs_give_every_origin_its_truths(tmp_path: Path) -> None:
    """Each origin comes once, with the other instruments asked for as aligned truths."""
    names = ("origin_flute", "violin", "cello")
    for name in names:
        soundfile.write(tmp_path / f"{name}.flac", melody(), RATE)
    pair = {"id": "p", "split": "validation", "files": {name: f"{name}.flac" for name in names}}
    path = tmp_path / "index.json"
    path.write_text(json.dumps({"format": 1, "sample_rate": RATE, "pairs": [pair]}))
    (clip,) = work.clips_of_pairs(path, (), ("violin", "cello"), ("validation",))
    assert (clip.domain, set(clip.truths)) == ("origin_flute", {"violin", "cello"})
    assert work.clips_of_pairs(path, ("violin",), ("cello",), ("train",)) == []


def test_the_command_writes_its_report(tmp_path: Path) -> None:
    """`retimbre evaluate` leaves a table, JSON, Markdown and pictures; without material it says what to give."""
    found = CliRunner().invoke(
        build_app(), ["evaluate", "identity", "--recordings", str(index(tmp_path)), "-o", str(tmp_path / "out")]
    )
    assert found.exit_code == 0, found.output
    assert "100.0%" in found.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["overall"]["pitch_kept"] == 1.0
    assert len(report["measured"]) == 1
    written = (tmp_path / "out" / "report.md").read_text()
    assert "| all | 1 | 100.0% |" in written
    assert (tmp_path / "out" / "targets.png").stat().st_size > 1000
    nothing = CliRunner().invoke(build_app(), ["evaluate", "identity", "-o", str(tmp_path)])
    assert "nothing to convert" in str(nothing.exception)


def test_clips_of_the_target_alone_are_nothing_to_convert() -> None:
    """A violin package and violin clips give a sentence, not a table of zeros."""
    clip = work.Clip("one", "violin", melody(), RATE)
    with pytest.raises(DataError, match=r"clips of violin alone, and voice makes violin.*--clips"):
        work.evaluate(resolve("voice"), [clip], None, targets=("violin",))
