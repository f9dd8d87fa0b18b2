from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.errors import AudioFileError
from realtime.midi.midi_file import FilePlayer, read_midi, render_midi
from realtime.midi.ports import RESET
from realtime.midi.source import SourceSettings, open_source

RATE_HZ = 48000


def song(path: Path, *tracks: list[Any], ticks_per_beat: int = 480, kind: int = 1) -> Path:
    """A MIDI file of messages (their times are ticks since the last)."""
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks_per_beat)
    for messages in tracks:
        track = mido.MidiTrack()
        track.extend(messages)
        file.tracks.append(track)
    file.save(str(path))
    return path


def note(number: int, time: int, kind: str = "note_on") -> Any:
    return mido.Message(kind, note=number, velocity=100, time=time)


@pytest.fixture
def scale(tmp_path: Path) -> Path:
    """Four notes, a tempo change between them, on two tracks."""
    tempo = [
        mido.MetaMessage("set_tempo", tempo=600_000, time=0),
        mido.MetaMessage("set_tempo", tempo=300_000, time=960),
    ]
    notes = [note(60, 0), note(60, 480, "note_off"), note(64, 480), note(64, 480, "note_off")]
    return song(tmp_path / "scale.mid", tempo, notes)


def collected(player: FilePlayer, samples: int, block: int) -> list[tuple[int, bytes]]:
    events = []
    for begin in range(0, samples, block):
        events += [(begin + offset, message) for offset, message in player.collect(min(block, samples - begin))]
    return events


def test_ticks_become_seconds_by_the_tempo_map(scale: Path) -> None:
    """Notes fall where the tempi put them: 0.6 s a beat for two beats, then 0.3 s."""
    messages, seconds = read_midi(scale)
    assert [when for when, _ in messages] == pytest.approx([0.0, 0.6, 1.2, 1.5])
    assert [message[:2] for _, message in messages] == [b"\x90\x3c", b"\x80\x3c", b"\x90\x40", b"\x80\x40"]
    assert seconds == pytest.approx(1.5)


def test_film_time_knows_no_tempo(tmp_path: Path) -> None:
    """A division of 25 frames of 40 ticks a second gives milliseconds, whatever the tempo says."""
    path = song(tmp_path / "film.mid", [mido.MetaMessage("set_tempo", tempo=100_000, time=0), note(60, 250)])
    data = bytearray(path.read_bytes())
    data[12:14] = bytes((256 - 25, 40))
    path.write_bytes(data)
    assert read_midi(path)[0][0][0] == pytest.approx(0.25)


@pytest.mark.parametrize("block", [1, 128, 441, 16384])
def test_blocks_do_not_move_notes(scale: Path, block: int) -> None:
    """Whatever the blocks, each message comes once, on the sample of its time."""
    player = FilePlayer(scale, RATE_HZ)
    events = collected(player, 80000, block)
    assert [at for at, _ in events] == [0, 28800, 57600, 72000]
    assert player.finished


def test_a_loop_begins_again_on_its_sample(scale: Path) -> None:
    """A looped file repeats with its own length, ends what sounds at the seam, and never finishes."""
    player = FilePlayer(scale, RATE_HZ, loop=True)
    events = collected(player, 3 * 72000, 1000)
    assert [at for at, message in events if message[0] == 0x90] == [0, 57600, 72000, 129600, 144000, 201600]
    assert (71999, b"\xb0\x7b\x00") in events
    assert not player.finished


def test_seeking_goes_on_from_there(scale: Path) -> None:
    """After seeking to 1 s what sounds ends, and the next note is the one at 1.2 s."""
    player = FilePlayer(scale, RATE_HZ)
    player.seek(1.0)
    assert collected(player, 20000, 128) == [(0, RESET), (9600, b"\x90\x40\x64")]


def test_seeking_brings_what_was_set_before(tmp_path: Path) -> None:
    """Programs, pedals and bends before the place come with it, the newest of each; notes and all-notes-off do not."""
    messages = [
        mido.Message("program_change", program=3),
        mido.Message("control_change", control=64, value=127),
        mido.Message("control_change", control=123, value=0),
        mido.Message("pitchwheel", channel=2, pitch=100),
        note(60, 0),
        mido.Message("program_change", program=4, time=480),
        note(60, 480, "note_off"),
    ]
    player = FilePlayer(song(tmp_path / "set.mid", messages), RATE_HZ, from_s=0.75)
    bend = bytes(mido.Message("pitchwheel", channel=2, pitch=100).bin())
    assert player.collect(128) == [(0, RESET), (0, b"\xb0\x40\x7f"), (0, bend), (0, b"\xc0\x04")]
    assert player.overheard() == [b"\xb0\x40\x7f", b"\xc0\x04"]
    assert player.place_s == pytest.approx(0.75 + 128 / RATE_HZ)
    player.seek(1e6)
    assert player.finished and np.isnan(player.place_s)


def test_an_empty_loop_ends_each_block(tmp_path: Path) -> None:
    """A file without notes, looped, gives blocks without endless work."""
    player = FilePlayer(song(tmp_path / "none.mid", []), RATE_HZ, loop=True)
    assert len(player.collect(16384)) <= 64


def test_controllers_of_a_file_are_overheard(tmp_path: Path) -> None:
    """Controllers and programs in a file reach the control thread as those of a port do."""
    messages = [
        mido.Message("control_change", control=7, value=9),
        mido.Message("program_change", program=3),
        note(60, 0),
    ]
    player = FilePlayer(song(tmp_path / "cc.mid", messages), RATE_HZ)
    player.collect(128)
    assert player.overheard() == [b"\xb0\x07\x09", b"\xc0\x03"]
    assert player.problems() == []


def test_a_render_is_the_live_sound_with_its_end(scale: Path) -> None:
    """Rendering gives the samples that playing gives, and goes on until the last note has died away."""
    settings_made = SourceSettings(kind="pluck", ring_s=1.0)
    rendered = render_midi(scale, open_source(settings_made, RATE_HZ, 16384), RATE_HZ)
    live_source, player = open_source(settings_made, RATE_HZ, 16384), FilePlayer(scale, RATE_HZ)
    live = np.zeros_like(rendered)
    for begin in range(0, live.size, 100):
        block = live[begin : begin + 100]
        live_source.play(player.collect(block.size), block)
    assert np.array_equal(rendered, live)
    assert rendered.size > 72000
    assert np.abs(rendered[-1000:]).max() < 1e-4 < np.abs(rendered[72000 - 1000 : 72000]).max()


def test_a_note_that_never_ends_does_not_render_for_ever(tmp_path: Path) -> None:
    """A held oscillator without a note-off is cut after a bounded tail."""
    path = song(tmp_path / "held.mid", [note(60, 0)])
    source = open_source(SourceSettings(kind="oscillator", sustain=1.0), RATE_HZ, 16384)
    assert render_midi(path, source, RATE_HZ).size < 22 * RATE_HZ


def test_what_is_no_song_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """A missing file, a folder, text, a cut file, separate songs, no tempo and an endless file each get a sentence."""
    whole = song(tmp_path / "whole.mid", [note(60, 0)]).read_bytes()
    files = {
        "text.mid": (b"hello", "no standard MIDI file"),
        "cut.mid": (whole[:-6], "damaged"),
        "zero.mid": (whole[:12] + b"\0\0" + whole[14:], "no ticks in a beat"),
        "film.mid": (whole[:12] + b"\xe7\0" + whole[14:], "no ticks in a second"),
    }
    for name, (data, words) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(AudioFileError, match=words) as caught:
            read_midi(tmp_path / name)
        assert str(caught.value).endswith(".")
    with pytest.raises(AudioFileError, match="type 1"):
        read_midi(song(tmp_path / "songs.mid", [note(60, 0)], kind=2))
    with pytest.raises(AudioFileError, match="hours"):
        read_midi(song(tmp_path / "long.mid", [note(60, 0x0FFFFFFF)], ticks_per_beat=96))
    with pytest.raises(AudioFileError, match="There is no file"):
        read_midi(tmp_path / "none.mid")
    with pytest.raises(AudioFileError, match="cannot be read"):
        read_midi(tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_is_a_defect(scale: Path, data: st.DataObject) -> None:
    """A song with any bytes changed, cut or added plays or is refused by an error of ours."""
    content = bytearray(scale.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = scale.with_name("changed.mid")
    path.write_bytes(bytes(content[:cut]) + data.draw(st.binary(max_size=20)))
    with contextlib.suppress(AudioFileError):
        player = FilePlayer(path, RATE_HZ, loop=data.draw(st.booleans()))
        for _ in range(4):
            offsets = [offset for offset, _ in player.collect(256)]
            assert offsets == sorted(offsets)
            assert all(0 <= offset < 256 for offset in offsets)
