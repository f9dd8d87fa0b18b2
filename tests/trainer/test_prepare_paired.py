from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from realtime.errors import ConfigError, DataError
from trainer.commands.prepare import register
from trainer.paired import PairedSettings, find_pieces, open_voice, prepare_pairs
from trainer.pairs import PairedIndex
from trainer.recordings import SplitSettings

RATE = 16000
SETTINGS = PairedSettings(sample_rate=RATE)


def write_notes(folder: Path, pitches: range, brightness: float) -> Path:
    folder.mkdir(parents=True)
    t = np.arange(RATE) / RATE
    for midi in pitches:
        phase = 2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * t
        soundfile.write(folder / f"{midi}_s_f.wav", 0.2 * np.sin(phase) + brightness * np.sin(2 * phase), RATE)
    return folder


def write_midi(path: Path, *pitches: int) -> None:
    track = mido.MidiTrack()
    for pitch in pitches:
        track.append(mido.Message("note_on", note=pitch, velocity=100))
        track.append(mido.Message("note_off", note=pitch, time=240))
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_notes(tmp_path / "notes" / "keys", range(60, 72, 2), 0.01)
    write_notes(tmp_path / "notes" / "reed", range(60, 72, 3), 0.15)
    (tmp_path / "notes" / "metadata.csv").write_text("file,licence\nkeys/60_s_f.wav,CC0-1.0\n")
    for number in range(4):
        write_midi(tmp_path / "midi" / f"p{number}.mid", *(60 + (number + step) % 12 for step in (0, 4, 7, 11, 2)))
    return tmp_path


def prepare(place: Path, out: str = "out", workers: int = 1, settings: PairedSettings = SETTINGS) -> Path:
    pieces = find_pieces([place / "midi"], SplitSettings(validation=0.3, test=0))
    voices = [open_voice(name, str(place / "notes" / name), place / out, settings) for name in ("keys", "reed")]
    prepare_pairs(pieces, voices, place / out, settings, workers=workers)
    return place / out


def index_of(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "index.json").read_text())
    return data


def test_pairs_are_aligned_to_the_sample(place: Path) -> None:
    """Both files of a pair are equally long, and every note of both begins at the written time within 2 ms."""
    out = prepare(place)
    for pair in index_of(out)["pairs"]:
        sounds = [soundfile.read(out / file)[0] for file in pair["files"].values()]
        assert len(sounds[0]) == len(sounds[1])
        for sound in sounds:
            heard = int(np.argmax(np.abs(sound) > 0.002))
            assert heard <= 0.002 * RATE
            size = 1 << 16
            for number in range(5):  # 0.25 s a note: its written pitch leads the middle of it
                part = sound[round((0.25 * number + 0.17) * RATE) : round((0.25 * number + 0.24) * RATE)]
                peak = np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), size))) * RATE / size
                step = (0, 4, 7, 11, 2)[number]
                wanted = 60 + (int(pair["id"][-1]) + step) % 12
                assert 69 + 12 * np.log2(peak / 440) == pytest.approx(wanted, abs=0.3)


def test_the_index_says_what_was_done(place: Path) -> None:
    """Instruments, licences, settings and seconds stand in the index, and the trainer's reader accepts it."""
    out = prepare(place)
    index = index_of(out)
    assert index["instruments"]["keys"]["licences"] == ["CC0-1.0"] and index["instruments"]["reed"]["licences"] == []
    assert index["settings"]["release"] == 0.15
    paired = PairedIndex.read(out / "index.json", "keys", "reed")
    assert len(paired.train) + len(paired.validation) == 4


def test_the_number_of_processes_changes_no_byte_and_a_second_run_keeps_all(place: Path) -> None:
    """Two processes write what one does; running again renders nothing; another setting renders everything."""
    one, two = prepare(place, "one"), prepare(place, "two", workers=2)
    files = sorted(path.relative_to(one) for path in one.rglob("*.flac"))
    assert len(files) == 8
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in [*files, Path("index.json")])
    before = [(one / file).stat().st_mtime_ns for file in files]
    prepare(place, "one")
    assert before == [(one / file).stat().st_mtime_ns for file in files]
    prepare(place, "one", settings=PairedSettings(sample_rate=RATE, speed=2.0))
    assert all(a != (one / file).stat().st_mtime_ns for a, file in zip(before, files, strict=True))


def test_loud_chords_are_scaled_alike_for_all_instruments(place: Path) -> None:
    """A piece that would clip is lowered by one gain for all its instruments, which the index records."""
    track = mido.MidiTrack([mido.Message("note_on", note=60 + n % 12, velocity=127) for n in range(60)])
    track += [mido.Message("note_off", note=60 + n % 12, time=480 * (n == 0)) for n in range(60)]
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(place / "midi" / "p0.mid")
    out = prepare(place)
    pair = next(pair for pair in index_of(out)["pairs"] if pair["id"].endswith("p0"))
    peaks = [float(np.abs(soundfile.read(out / file)[0]).max()) for file in pair["files"].values()]
    assert pair["gain_db"] < -3
    assert max(peaks) == pytest.approx(10 ** (-1 / 20), abs=0.01)
    assert min(peaks) < 0.99 * max(peaks)


def test_pieces_out_of_range_are_refused_and_instruments_that_never_meet_too(place: Path) -> None:
    """A piece out of reach is listed; instruments without a common pitch are an error with their ranges."""
    write_midi(place / "midi" / "low.mid", *[5] * 6)
    pieces = find_pieces([place / "midi"], SplitSettings(validation=0, test=0))
    voices = [open_voice(name, str(place / "notes" / name), place / "out", SETTINGS) for name in ("keys", "reed")]
    prepared = prepare_pairs(pieces, voices, place / "out", SETTINGS, workers=1)
    assert len(prepared.pairs) == 4
    assert str(prepared.refusals[0]).startswith(
        "low.mid has 0 notes that all instruments can play (6 are out of range)"
    )
    write_notes(place / "notes" / "bass", range(30, 36), 0.0)
    apart = [voices[0], open_voice("bass", str(place / "notes" / "bass"), place / "out", SETTINGS)]
    with pytest.raises(DataError, match=r"share no pitch .keys 60 to 70, bass 30 to 35"):
        prepare_pairs(pieces, apart, place / "out", SETTINGS, workers=1)


def test_a_chosen_number_of_pieces_depends_on_the_seed_alone(place: Path) -> None:
    """The same seed chooses the same pieces; some other seed chooses others."""
    choices = [
        [piece.id for piece in find_pieces([place / "midi"], SplitSettings(seed=seed), count=2)]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert choices[0] == choices[1] and any(choice != choices[0] for choice in choices[2:])


@pytest.mark.parametrize("source", ["nowhere", "nowhere:x", "font.sf2:x", "font.sf2:1:2:3"])
def test_sources_that_are_not_understood_are_refused(place: Path, source: str) -> None:
    """A source that is not there, or a SoundFont without a program number, is told with the form to write."""
    (place / "font.sf2").write_bytes(b"")
    with pytest.raises((DataError, ConfigError), match=r"FILE\.sf2:"):
        open_voice("keys", str(place / source), place / "out", SETTINGS)


@pytest.mark.parametrize("wrong", [{"speed": 0.0}, {"release": 0.0}, {"reach": 13}, {"velocity_curve": -1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    """A setting that cannot be played is a ConfigError with its range."""
    with pytest.raises(ConfigError, match="out of range: choose"):
        PairedSettings(**wrong)


def test_the_command_writes_data_and_a_report_with_a_picture(place: Path) -> None:
    """The command prepares pairs, prints minutes, and leaves report.md and report.png."""
    app = typer.Typer()
    register(app)
    notes, out = place / "notes", place / "out"
    result = CliRunner().invoke(
        app,
        ["prepare", "paired", "--midi", str(place / "midi"), "-i", f"keys={notes / 'keys'}:s",
         "-i", f"reed={notes / 'reed'}", "-o", str(out), "--rate", str(RATE), "--workers", "1",
         "--licence", "reed=CC-BY-4.0"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "4 pieces (0 already done)" in result.output
    assert "| reed | reed | 4 | 60-69 | CC-BY-4.0 |" in (out / "report.md").read_text()
    assert (out / "report.png").read_bytes()[:4] == b"\x89PNG"
