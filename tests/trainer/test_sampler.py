from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mido
import numpy as np
import pytest
import soundfile

from realtime.errors import ConfigError, DataError
from trainer.midi_score import ScoreNote, bind_legato, read_score, vary
from trainer.sampler import Instrument, find_notes, fit_range, from_onset, lengthen, render, velocity_gain
from trainer.soundfont import render_notes

RATE = 22050


def tone(midi: float, seconds: float, decay: float = 0.0) -> np.ndarray[Any, Any]:
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * t) * np.exp(-decay * t)).astype(np.float32)


def notes_folder(folder: Path, pitches: tuple[int, ...] = (57, 60, 64, 69), decay: float = 0.0) -> Path:
    folder.mkdir(parents=True)
    for midi in pitches:
        soundfile.write(folder / f"{midi}_one_mf.wav", tone(midi, 1.5, decay), RATE)
    return folder


def instrument(folder: Path, **options: Any) -> Instrument:
    return Instrument(find_notes(folder), RATE, **options)


def pitch_of(sound: np.ndarray[Any, Any]) -> float:
    size = 1 << 18
    peak = int(np.argmax(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))))
    return float(69 + 12 * np.log2(peak * RATE / size / 440))


def midi_file(path: Path, *messages: Any) -> Path:
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500000), *messages])
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)
    return path


def test_a_score_is_read_in_seconds(tmp_path: Path) -> None:
    """480 ticks at 120 beats a minute are half a second; percussion is left out."""
    path = midi_file(
        tmp_path / "a.mid",
        mido.Message("note_on", note=60, velocity=90, time=480),
        mido.Message("note_on", note=40, velocity=90, channel=9),
        mido.Message("note_on", note=60, velocity=0, time=240),
    )
    assert read_score(path) == [ScoreNote(0.5, 60, 90, 0.75)]


def test_the_pedal_holds_notes_until_it_is_lifted(tmp_path: Path) -> None:
    """A note released under the pedal ends when the pedal does."""
    path = midi_file(
        tmp_path / "a.mid",
        mido.Message("control_change", control=64, value=127),
        mido.Message("note_on", note=60, velocity=90),
        mido.Message("note_off", note=60, time=240),
        mido.Message("control_change", control=64, value=0, time=720),
    )
    assert read_score(path) == [ScoreNote(0.0, 60, 90, 1.0)]


def test_damaged_and_empty_midi_is_refused_with_its_name(tmp_path: Path) -> None:
    """What is no MIDI, and MIDI without notes, are DataErrors that name the file."""
    (tmp_path / "b.mid").write_bytes(b"MThd\x00")
    with pytest.raises(DataError, match=r"b\.mid cannot be read as MIDI"):
        read_score(tmp_path / "b.mid")
    with pytest.raises(DataError, match=r"c\.mid holds no notes"):
        read_score(midi_file(tmp_path / "c.mid"))


def test_speed_length_and_transposition_vary_a_score() -> None:
    """Twice the speed halves times, duration rate stretches notes only, the first note starts at 0, the end is cut."""
    score = [ScoreNote(1.0, 60, 80, 2.0), ScoreNote(3.0, 62, 80, 4.0)]
    varied = vary(score, speed=2.0, duration_rate=1.5, transpose=-5)
    assert varied == [ScoreNote(0.0, 55, 80, 0.75), ScoreNote(1.0, 57, 80, 1.75)]
    assert vary(score, longest=2.5)[-1].end == 2.5 and len(vary(score, longest=1.5)) == 1


def test_legato_binds_only_notes_that_are_followed() -> None:
    """A note followed at once reaches into the next one; the last does not."""
    score = [ScoreNote(0.0, 60, 80, 1.0), ScoreNote(1.0, 62, 80, 2.0)]
    assert [note.end for note in bind_legato(score, 0.1)] == [1.1, 2.0]


def test_both_layouts_of_single_notes_are_understood(tmp_path: Path) -> None:
    """Our names and NSynth's give the same pitches and velocities; a filter chooses among sources."""
    for name in ("60_piano_ff.wav", "62_other_pp.wav", "keys_000-064-025.wav", "keys_001-065-127.wav", "readme.wav"):
        soundfile.write(tmp_path / name, tone(60, 0.3), RATE)
    assert {(n.midi, n.velocity) for n in find_notes(tmp_path)} == {(60, 112), (62, 32), (64, 25), (65, 127)}
    assert [n.midi for n in find_notes(tmp_path, "piano")] == [60]
    assert [n.midi for n in find_notes(tmp_path, "keys")] == [64, 65]
    assert [n.midi for n in find_notes(tmp_path, "keys_001")] == [65]
    with pytest.raises(DataError, match=r"of harp .*found: keys_000, keys_001, other, piano"):
        find_notes(tmp_path, "harp")


def test_notes_begin_within_a_millisecond_of_their_place(tmp_path: Path) -> None:
    """Silence before a recorded note does not delay it in the score."""
    late = np.concatenate((np.zeros(3000, np.float32), tone(69, 1.0)))
    assert int(np.argmax(np.abs(from_onset(late, RATE)) > 0.01)) <= 0.0015 * RATE
    folder = tmp_path / "n"
    folder.mkdir()
    soundfile.write(folder / "69_a_f.wav", late, RATE)
    out = render([ScoreNote(0.5, 69, 127, 1.0)], instrument(folder), 2 * RATE, curve=1.0, release=0.1)
    assert abs(int(np.argmax(np.abs(out) > 0.005)) - RATE // 2) <= 0.0015 * RATE
    assert np.all(out[round(1.101 * RATE) :] == 0)


@pytest.mark.parametrize("midi", [58, 59, 66, 72])
def test_missing_pitches_come_from_the_nearest_note(tmp_path: Path, midi: int) -> None:
    """A transposed note sounds at the written pitch, within 3 cents."""
    played = instrument(notes_folder(tmp_path / "n")).play(ScoreNote(0.0, midi, 90, 1.0), 0.05)
    assert pitch_of(played) == pytest.approx(midi, abs=0.03)


def test_notes_taken_at_a_lower_rate_have_nothing_above_half_of_it(tmp_path: Path) -> None:
    """With a note rate as NSynth's, a played note keeps what lies under half of it and loses what lies above."""
    t = np.arange(2 * 44100) / 44100
    low, high = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 12000 * t)
    soundfile.write(tmp_path / "69_s_f.wav", (0.3 * low + 0.3 * high).astype(np.float32), 44100)
    notes = find_notes(tmp_path)
    spectra = []
    for note_rate in (None, 16000):
        sound = Instrument(notes, 44100, note_rate=note_rate).play(ScoreNote(0.0, 69, 127, 1.0), 0.1)
        spectra.append(np.abs(np.fft.rfft(sound[4410:39690] * np.hanning(35280))))
    at = [round(hz * 35280 / 44100) for hz in (440, 12000)]
    assert spectra[0][at[1]] > 0.5 * spectra[0][at[0]]
    assert spectra[1][at[1]] < 1e-3 * spectra[1][at[0]]


def test_held_notes_are_looped_without_a_seam(tmp_path: Path) -> None:
    """A sustained note of 1.5 s held for 6 s keeps its pitch and level: no 50 ms deviates by more than 1 dB."""
    violin = instrument(notes_folder(tmp_path / "n"))
    assert violin.sustains
    played = violin.play(ScoreNote(0.0, 69, 90, 6.0), 0.1)
    assert len(played) == round(6.1 * RATE)
    body = played[round(0.1 * RATE) : 6 * RATE]
    frames = body[: len(body) // 1102 * 1102].reshape(-1, 1102)
    levels = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1))
    assert levels.max() - levels.min() < 1.0
    assert pitch_of(body) == pytest.approx(69, abs=0.02)


def test_decaying_notes_ring_out(tmp_path: Path) -> None:
    """A plucked note held longer than its recording ends as recorded instead of being looped."""
    guitar = instrument(notes_folder(tmp_path / "n", decay=6.0))
    assert not guitar.sustains
    assert len(guitar.play(ScoreNote(0.0, 69, 90, 6.0), 0.1)) <= 1.5 * RATE


def test_what_cannot_be_looped_is_left_alone() -> None:
    """A sound too short for a crossfade comes back as it is."""
    short = tone(69, 0.2)
    assert lengthen(short, RATE, RATE) is short


def test_every_note_is_equally_loud_before_velocity(tmp_path: Path) -> None:
    """Recordings of different level play alike; velocity follows the square law and curve 0 ignores it."""
    folder = notes_folder(tmp_path / "n")
    soundfile.write(folder / "60_one_mf.wav", 0.05 * tone(60, 1.5), RATE)
    player = instrument(folder)
    peaks = [float(np.abs(player.play(ScoreNote(0, midi, 90, 1.0), 0.1)).max()) for midi in (57, 60)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.02)
    assert velocity_gain(127, 1.0) == 1.0 == velocity_gain(20, 0.0)
    assert velocity_gain(64, 1.0) == pytest.approx((64 / 127) ** 2)


def test_all_instruments_play_the_same_notes(tmp_path: Path) -> None:
    """A note that one instrument lacks is folded by octaves for all, or dropped for all, and counted."""
    high = instrument(notes_folder(tmp_path / "a", (69, 72)), reach=2)
    low = instrument(notes_folder(tmp_path / "b", (57, 60, 69)), reach=2)
    score = [ScoreNote(0.0, midi, 80, 1.0) for midi in (69, 57, 63)]
    kept, folded, dropped = fit_range(score, [high, low], fold=True)
    assert ([note.midi for note in kept], folded, dropped) == ([69, 69], 1, 1)
    assert fit_range(score, [high, low], fold=False)[1:] == (0, 2)


def test_a_soundfont_becomes_a_folder_in_nsynth_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key and velocity is one file; keys without sound are left out; a second call renders nothing."""
    calls: list[int] = []

    class Synth:
        """A synthesiser that answers as tinysoundfont does."""

        def __init__(self, samplerate: int, gain: float) -> None:
            self.key = 0

        def sfload(self, name: str) -> int:
            return 1

        def program_select(self, *numbers: int) -> None:
            assert numbers == (0, 1, 0, 48)

        def noteon(self, channel: int, key: int, velocity: int) -> None:
            self.key = key
            calls.append(key)

        def noteoff(self, channel: int, key: int) -> None: ...

        def sounds_off(self, channel: int) -> None: ...

        def generate(self, samples: int) -> memoryview:
            return memoryview(np.full(2 * samples, 0.1 if self.key >= 100 else 0.0, np.float32).tobytes())

    monkeypatch.setitem(sys.modules, "tinysoundfont", SimpleNamespace(Synth=Synth))
    font = tmp_path / "x.sf2"
    font.write_bytes(b"sf2")
    for _ in range(2):
        folder = render_notes(font, 48, 0, "strings", tmp_path / "out", 8000)
    notes = find_notes(folder)
    assert len(calls) == 88 * 5
    assert {n.midi for n in notes} == set(range(100, 109)) and {n.velocity for n in notes} == {25, 50, 75, 100, 127}


def test_without_the_synthesiser_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SoundFont without tinysoundfont installed is a ConfigError with the command that installs it."""
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(ConfigError, match="pip install --no-deps tinysoundfont"):
        render_notes(tmp_path / "x.sf2", 0, 0, "keys", tmp_path, 8000)
