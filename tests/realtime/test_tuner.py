"""The tuner: right note, right cents, no word where there is no pitch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from realtime.desk.tuner import NAMES, Tuner, TunerReading, nearest_note

FloatArray = npt.NDArray[np.float32]
RATE = 48_000
C4_HZ = 440.0 * 2 ** (-9 / 12)


def tone(f0_hz: float, seconds: float = 0.4, rate_hz: int = RATE, noise: float = 0.0) -> FloatArray:
    """Harmonics falling as 1/k, RMS about −22 dBFS."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    sound = sum(np.sin(2 * np.pi * f0_hz * k * time + k) / k for k in range(1, 9) if k * f0_hz < rate_hz / 2)
    return np.asarray(0.1 * sound + np.random.default_rng(0).normal(0.0, noise or 1e-9, time.size), np.float32)


def heard(sound: FloatArray, tuner: Tuner | None = None, size: int = 960) -> TunerReading:
    tuner = tuner or Tuner(RATE)
    for begin in range(0, sound.size, size):
        tuner.push(sound[begin : begin + size])
    return tuner.reading


@pytest.mark.parametrize("semitone", range(12))
def test_every_note_is_named_to_the_cent(semitone: int) -> None:
    """Each of the twelve notes, in tune, flat and sharp, low and high, is named and read within 0.2 cents."""
    for octave, cents in ((2, -40.0), (3, 17.0), (4, 0.0), (5, 43.0), (6, -5.0)):
        f0_hz = C4_HZ * 2 ** (octave - 4 + semitone / 12 + cents / 1200)
        reading = heard(tone(f0_hz))
        assert reading.note == f"{NAMES[semitone]}{octave}"
        assert reading.cents == pytest.approx(cents, abs=0.2)
        assert reading.f0_hz == pytest.approx(f0_hz, rel=2e-4)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(("f0_hz", "note"), [(27.5, "A0"), (41.2, "E1"), (82.41, "E2"), (2637.0, "E7"), (4186.0, "C8")])
def test_the_whole_piano_is_in_reach(rate_hz: int, f0_hz: float, note: str) -> None:
    """The ends of a piano and open strings between them are read within half a cent at any rate."""
    reading = heard(tone(f0_hz, rate_hz=rate_hz), Tuner(rate_hz))
    assert reading.note == note
    assert reading.f0_hz == pytest.approx(f0_hz, rel=3e-4)


@pytest.mark.parametrize("f0_hz", [82.41, 196.0, 440.0, 1318.5])
def test_hiss_moves_the_needle_little(f0_hz: float) -> None:
    """With noise 26 dB under the tone every reading stays within a cent and a half."""
    tuner, sound = Tuner(RATE), tone(f0_hz, 1.0, noise=0.005)
    heard(sound[:9600], tuner)
    readings = [heard(sound[begin : begin + 960], tuner) for begin in range(9600, sound.size, 960)]
    off = [1200 * np.log2((reading.f0_hz or 1.0) / f0_hz) for reading in readings]
    assert np.abs(off).max() < 1.5


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.1])
def test_what_has_no_pitch_has_no_name(level: float) -> None:
    """Silence, and noise soft or loud, give a level but no note."""
    reading = heard(np.random.default_rng(1).normal(0.0, level, RATE).astype(np.float32))
    assert (reading.f0_hz, reading.note, reading.cents) == (None, "", 0.0)
    assert reading.level_db == pytest.approx(max(-100.0, 20 * np.log10(level + 1e-9)), abs=2.0)


def test_a_note_comes_and_goes() -> None:
    """A new note is read within 80 ms of its onset, and gone 100 ms after its end."""
    tuner = Tuner(RATE)
    heard(tone(110.0), tuner)
    assert heard(tone(146.83, 0.08), tuner).note == "D3"
    assert heard(tone(146.83, 0.2), tuner).cents == pytest.approx(0.0, abs=0.5)
    assert heard(np.zeros(4800, np.float32), tuner).note == ""


def test_a_plucked_string_is_read_while_it_decays() -> None:
    """A string whose partials are stretched and die away is read within two cents of its fundamental."""
    time = np.arange(RATE) / RATE
    partials = (k * np.sqrt(1 + 5e-5 * k * k) for k in range(1, 9))
    string = sum(np.exp(-3 * k * time) * np.sin(2 * np.pi * 110.0 * k * time) / k for k in partials)
    tuner, sound = Tuner(RATE), np.asarray(0.2 * string, np.float32)
    heard(sound[:9600], tuner)
    for begin in range(9600, 43_200, 960):
        reading = heard(sound[begin : begin + 960], tuner)
        assert reading.note == "A2"
        assert abs(reading.cents) < 2.0


def test_block_sizes_do_not_matter() -> None:
    """Blocks of 1, 64, 65 and 8193 samples give the same reading."""
    sound = tone(233.0, 0.25)
    readings = {heard(sound, size=size) for size in (1, 64, 65, 8193)}
    assert len(readings) == 1
    assert readings.pop().note == "A♯3"


def test_bad_samples_are_no_sound() -> None:
    """NaN and infinity upset neither the tuner nor what it reads afterwards."""
    tuner = Tuner(RATE)
    assert heard(np.array([np.nan, np.inf, -np.inf] * 1000, np.float32), tuner).f0_hz is None
    assert heard(tone(440.0), tuner).cents == pytest.approx(0.0, abs=0.2)
    broken = tone(440.0)
    broken[-2000] = np.nan
    assert heard(broken, tuner).cents == pytest.approx(0.0, abs=2.0)
    tuner.reset()
    assert tuner.reading == TunerReading(None, "", 0.0, -100.0)


@pytest.mark.parametrize(
    ("f0_hz", "a4_hz", "note", "cents"),
    [(440.0, 440.0, "A4", 0.0), (440.0, 442.0, "A4", -7.85), (261.63, 440.0, "C4", 0.0), (466.16, 440.0, "A♯4", 0.0)],
)
def test_notes_are_named_by_concert_pitch(f0_hz: float, a4_hz: float, note: str, cents: float) -> None:
    """The nearest note in equal temperament at the concert pitch given, octaves counted from C."""
    named, off = nearest_note(f0_hz, a4_hz)
    assert named == note
    assert off == pytest.approx(cents, abs=0.05)
