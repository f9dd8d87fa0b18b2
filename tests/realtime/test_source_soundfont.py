from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import AudioFileError, ConfigError
from realtime.midi.soundfont import SoundFontSource, instruments
from realtime.midi.source import FloatArray, MidiEvent, SourceSettings, open_source

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
RATE_HZ = 48000

needs_font = pytest.mark.skipif(not FONT.exists(), reason="the Debian package timgm6mb-soundfont is not installed")


def font(**changes: Any) -> SoundFontSource:
    source = open_source(SourceSettings(kind="soundfont", soundfont=FONT, **changes), RATE_HZ, 16384)
    assert isinstance(source, SoundFontSource)
    return source


def played(source: SoundFontSource, samples: int, *events: MidiEvent) -> FloatArray:
    out = np.full(samples, np.nan, np.float32)
    source.play(events, out)
    return out


def rms(signal: FloatArray) -> float:
    return float(np.sqrt(np.mean(signal.astype(np.float64) ** 2)))


def loudest_hz(signal: FloatArray) -> float:
    size = 1 << 18
    levels = np.abs(np.fft.rfft(signal * np.hanning(signal.size), size))
    return float(np.argmax(levels) * RATE_HZ / size)


ON, OFF = b"\x90\x3c\x64", b"\x80\x3c\x00"
STRINGS = 48


@needs_font
def test_a_note_sounds_from_its_offset_until_it_is_let_go() -> None:
    """Nothing sounds before the offset, the note does after it, and after its release there is silence."""
    source = font(program=STRINGS)
    sound = played(source, 24000, (5000, ON))
    assert not sound[:5000].any()
    assert rms(sound[12000:]) > 0.005
    played(source, 3 * RATE_HZ, (0, OFF))
    assert rms(played(source, 1000)) < 1e-4


@needs_font
def test_the_pedal_holds_notes() -> None:
    """Under the pedal a released note goes on until the pedal is up."""
    source = font(program=STRINGS)
    held = played(source, RATE_HZ, (0, b"\xb0\x40\x7f"), (0, ON), (4800, OFF))
    assert rms(held[-4800:]) > 0.005
    played(source, 3 * RATE_HZ, (0, b"\xb0\x40\x00"))
    assert rms(played(source, 1000)) < 1e-4


@needs_font
@pytest.mark.parametrize("message", [b"\xb0\x7b\x00", b"\xb0\x78\x00", b"\xff"])
def test_all_off_means_all(message: bytes) -> None:
    """All notes off, all sound off and system reset end every note."""
    source = font(program=STRINGS)
    played(source, 9600, (0, ON), (0, b"\x90\x43\x64"))
    played(source, 3 * RATE_HZ, (0, message))
    assert rms(played(source, 1000)) < 1e-4
    assert rms(played(source, 9600, (0, ON))) > 0.001


@needs_font
def test_the_wheel_and_the_tuning_move_the_pitch() -> None:
    """Full bend is the range of the settings, and tuning and transposition shift every note."""
    bent = played(font(program=STRINGS, bend_semitones=7.0), RATE_HZ, (0, b"\xe0\x7f\x7f"), (0, b"\x90\x45\x64"))
    straight = played(font(program=STRINGS), RATE_HZ, (0, b"\x90\x45\x64"))
    shifted = played(font(program=STRINGS, transpose_semitones=5.0, tuning_hz=430.0), RATE_HZ, (0, b"\x90\x45\x64"))
    base = loudest_hz(straight[9600:])
    assert abs(12 * np.log2(loudest_hz(bent[9600:]) / base) - 7.0) < 0.1
    assert abs(12 * np.log2(loudest_hz(shifted[9600:]) / base) - 5.0 - 12 * np.log2(430 / 440)) < 0.1


@needs_font
def test_reset_controllers_keeps_the_tuning() -> None:
    """After controller 121 the tuning and the instrument of the settings still hold, and the bend is gone."""
    source = font(program=STRINGS, transpose_semitones=7.0)
    fresh = loudest_hz(played(source, RATE_HZ, (0, b"\x90\x45\x64"))[9600:])
    played(source, 3 * RATE_HZ, (0, b"\xff"), (1, b"\xe0\x00\x00"), (1, b"\xb0\x79\x00"))
    again = loudest_hz(played(source, RATE_HZ, (0, b"\x90\x45\x64"))[9600:])
    assert again == pytest.approx(fresh, rel=1e-3)


@needs_font
def test_each_channel_has_its_program() -> None:
    """A program change alters its own channel only."""

    def fifth(*events: MidiEvent, channel: int = 2) -> FloatArray:
        return played(font(program=0), 9600, *events, (0, bytes((0x8F + channel, 67, 100))))

    plain, changed = fifth(), fifth((0, b"\xc1\x28"))
    assert not np.allclose(plain, changed)
    assert np.array_equal(fifth(channel=3), fifth((0, b"\xc1\x28"), channel=3))


@needs_font
def test_only_the_channels_asked_for_sound() -> None:
    """A source of channel 2 is deaf to channel 1."""
    source = font(channels=(2,))
    assert not played(source, 4800, (0, ON)).any()
    assert played(source, 4800, (0, b"\x91\x3c\x64")).any()


@needs_font
def test_polyphony_is_bounded() -> None:
    """Of six notes on a source of two, four are let go."""
    source = font(program=STRINGS, polyphony=2)
    played(source, 9600, *[(k * 1000, bytes((0x90, 50 + k, 100))) for k in range(6)])
    assert list(source._notes) == [(0, 54), (0, 55)]


@needs_font
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 70), st.binary(max_size=4)), max_size=40))
def test_no_bytes_can_harm(events: list[MidiEvent]) -> None:
    """Whatever comes as messages, the sound stays finite."""
    source = _SHARED[0] if _SHARED else font(polyphony=4)
    _SHARED[:] = [source]
    assert np.isfinite(played(source, 64, *events)).all()


_SHARED: list[SoundFontSource] = []


@needs_font
def test_the_instruments_are_listed() -> None:
    """A General MIDI file has its 128 programs, and drums in bank 128."""
    found = instruments(FONT)
    assert len([program for bank, program, _ in found if bank == 0]) == 128
    assert any(bank == 128 for bank, _, _ in found)
    assert found[0][:2] == (0, 0)


def test_what_cannot_be_played_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """A missing file, a folder, text and a cut file each get a sentence; so does a program that is not there."""
    (tmp_path / "text.sf2").write_text("hello " * 100)
    (tmp_path / "cut.sf2").write_bytes(b"RIFF\x00\x10\x00\x00sfbk" + bytes(300))
    for name, words in {
        "none.sf2": "cannot be read",
        "text.sf2": "is no SoundFont",
        "cut.sf2": "is no SoundFont",
        ".": "cannot be read",
    }.items():
        with pytest.raises(AudioFileError, match=words):
            open_source(SourceSettings(kind="soundfont", soundfont=tmp_path / name), RATE_HZ, 128)
    if FONT.exists():
        with pytest.raises(ConfigError, match="no program 5 in bank 77; the first that it has is program 0 of bank 0"):
            font(bank=77, program=5)


def test_a_missing_player_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without tinysoundfont the sentence says how to install it."""
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(ConfigError, match="pip install --no-deps tinysoundfont"):
        open_source(SourceSettings(kind="soundfont", soundfont=tmp_path / "a.sf2"), RATE_HZ, 128)
