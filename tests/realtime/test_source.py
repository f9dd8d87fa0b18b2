from __future__ import annotations

import itertools
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import ConfigError
from realtime.midi import synth_oscillator, synth_pluck, synth_voices
from realtime.midi.source import FloatArray, MidiEvent, SourceSettings, compile_ahead, open_source
from realtime.midi.synth_keyboard import KeyboardSource

RATE_HZ = 48000
BUILT_IN = ("pluck", "oscillator")


def keyboard(rate_hz: int = RATE_HZ, **changes: Any) -> KeyboardSource:
    source = open_source(SourceSettings(**changes), rate_hz, 16384)
    assert isinstance(source, KeyboardSource)
    return source


def on(note: int, velocity: int = 100, channel: int = 1) -> bytes:
    return bytes((0x8F + channel, note, velocity))


def off(note: int, channel: int = 1) -> bytes:
    return bytes((0x7F + channel, note, 0))


def cc(number: int, value: int, channel: int = 1) -> bytes:
    return bytes((0xAF + channel, number, value))


def bend(part: float) -> bytes:
    wheel = round(8192 + part * (8191 if part > 0 else 8192))
    return bytes((0xE0, wheel & 127, wheel >> 7))


def played(source: KeyboardSource, samples: int, *events: MidiEvent, block: int = 128) -> FloatArray:
    """What `source` gives for `events` at absolute samples, in blocks."""
    out = np.full(samples, np.nan, np.float32)
    for begin in range(0, samples, block):
        end = min(begin + block, samples)
        source.play([(at - begin, message) for at, message in events if begin <= at < end], out[begin:end])
    return out


def frequency_hz(signal: FloatArray, near_hz: float, rate_hz: int) -> float:
    """Frequency of the partial near `near_hz`, by the peak of a padded spectrum."""
    size = 1 << 19
    levels = np.abs(np.fft.rfft(signal * np.blackman(signal.size), size))
    middle, reach = round(near_hz / rate_hz * size), max(round(near_hz * 0.03 / rate_hz * size), 12)
    peak = middle - reach + int(np.argmax(levels[middle - reach : middle + reach]))
    left, top, right = np.log(levels[peak - 1 : peak + 2])
    return float((peak + 0.5 * (left - right) / (left - 2 * top + right)) * rate_hz / size)


def cents(found_hz: float, wanted_hz: float) -> float:
    return float(1200 * np.log2(found_hz / wanted_hz))


def rms(signal: FloatArray) -> float:
    return float(np.sqrt(np.mean(signal.astype(np.float64) ** 2)))


def sounding(source: KeyboardSource) -> int:
    return int(np.count_nonzero(source._voices[:, synth_voices.STAGE]))


@pytest.mark.parametrize("rate_hz", [44100, 96000])
@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_note_is_in_tune(kind: str, rate_hz: int) -> None:
    """From a low E to a high one, notes are within 2 cents of equal temperament."""
    for note in (28, 40, 52, 61, 69, 76, 88, 100):
        source = keyboard(rate_hz, kind=kind)
        sound = played(source, rate_hz, (0, on(note)), block=4096)[rate_hz // 20 :]
        wanted = 440 * 2 ** ((note - 69) / 12)
        assert abs(cents(frequency_hz(sound, wanted, rate_hz), wanted)) < 2, note


@pytest.mark.parametrize("kind", BUILT_IN)
def test_the_wheel_bends_by_its_range(kind: str) -> None:
    """Full bend is the range's semitones, which a registered parameter may change; the middle is in tune again."""
    source = keyboard(kind=kind, bend_semitones=3.0)
    sound = played(source, 40000, (0, on(60)), (2000, bend(1.0)))[8000:]
    assert abs(cents(frequency_hz(sound, 311.1, RATE_HZ), 440 * 2 ** ((63 - 69) / 12))) < 2
    widen = [(0, cc(101, 0)), (0, cc(100, 0)), (0, cc(6, 12)), (0, bend(-1.0))]
    sound = played(source, 40000, *widen)[8000:]
    assert abs(cents(frequency_hz(sound, 130.8, RATE_HZ), 440 * 2 ** ((48 - 69) / 12))) < 2
    sound = played(source, 40000, (0, bend(0.0)))[8000:]
    assert abs(cents(frequency_hz(sound, 261.6, RATE_HZ), 440 * 2 ** ((60 - 69) / 12))) < 2


def test_tuning_and_transposition_move_every_note() -> None:
    """With A at 415 Hz and an octave up, A3 sounds at 415 Hz."""
    source = keyboard(kind="pluck", tuning_hz=415.0, transpose_semitones=12.0)
    sound = played(source, 48000, (0, on(57)))[2400:]
    assert abs(cents(frequency_hz(sound, 415, RATE_HZ), 415)) < 2


@pytest.mark.parametrize("kind", BUILT_IN)
def test_the_cut_into_blocks_changes_nothing(kind: str) -> None:
    """The same notes in blocks of 1, 64, 65 or 8193 frames give the same samples, bit for bit."""
    events = [(3, on(52)), (500, on(59, 70)), (700, bend(0.4)), (1500, off(52)), (2100, cc(7, 60)), (3000, on(64, 127))]
    whole = played(keyboard(kind=kind, polyphony=2), 6000, *events, block=6000)
    for block in (1, 64, 65, 8193):
        assert np.array_equal(played(keyboard(kind=kind, polyphony=2), 6000, *events, block=block), whole), block


@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_note_begins_on_its_sample(kind: str) -> None:
    """Nothing sounds before the offset of the note, and the note sounds within a few samples of it."""
    out = np.ones(128, np.float32)
    source = keyboard(kind=kind, attack_ms=0.5)
    source.play([(77, on(69, 127))], out)
    assert not out[:77].any()
    assert np.abs(out[77:80]).max() > 1e-4


@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_loud_note_peaks_near_its_level(kind: str) -> None:
    """At velocity 127 a note peaks at −9 dBFS within 2 dB, over the keyboard; soft ones are softer."""
    for note in (40, 64, 84):
        peak_db = 20 * np.log10(np.abs(played(keyboard(kind=kind), 12000, (0, on(note, 127)))).max())
        assert abs(peak_db + 9) < 2
    levels = [rms(played(keyboard(kind=kind), 6000, (0, on(60, velocity)))) for velocity in (1, 20, 60, 100, 127)]
    assert all(soft < 0.8 * loud for soft, loud in itertools.pairwise(levels))


def test_velocity_opens_the_pluck() -> None:
    """A hard pluck has more of its sound above 2 kHz than a soft one."""

    def share(velocity: int) -> float:
        spectrum = np.abs(np.fft.rfft(played(keyboard(kind="pluck"), 4800, (0, on(52, velocity))))) ** 2
        return float(spectrum[200:].sum() / spectrum.sum())

    assert share(120) > 3 * share(30)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_a_released_note_dies_and_its_voice_is_free(kind: str) -> None:
    """After note-off, or a note-on of velocity 0, the sound falls to nothing and the voice is free."""
    for end in (off(60), on(60, 0)):
        source = keyboard(kind=kind, ring_s=30.0)
        held = played(source, 24000, (0, on(60)))
        assert rms(held[-4800:]) > 0.01
        played(source, 60000, (0, end))
        assert sounding(source) == 0
        assert not played(source, 128).any()


@pytest.mark.parametrize("kind", BUILT_IN)
def test_the_pedal_holds_what_the_key_lets_go(kind: str) -> None:
    """With the pedal down a note goes on after its key is up, until the pedal is up; a held key outlasts the pedal."""
    source = keyboard(kind=kind, ring_s=30.0)
    held = played(source, 24000, (0, cc(64, 127)), (0, on(60)), (0, on(67)), (100, off(60)))
    assert rms(held[-2400:]) > 0.01
    assert sounding(source) == 2
    played(source, 60000, (0, cc(64, 0)))
    assert sounding(source) == 1
    assert rms(played(source, 2400)) > 0.001


@pytest.mark.parametrize("message", [cc(123, 0), cc(120, 0), b"\xff"])
@pytest.mark.parametrize("kind", BUILT_IN)
def test_all_off_means_all(kind: str, message: bytes) -> None:
    """All notes off, all sound off and system reset end every note."""
    source = keyboard(kind=kind, ring_s=30.0)
    played(source, 4800, *[(0, on(note)) for note in (50, 57, 62)])
    played(source, 60000, (0, message))
    assert sounding(source) == 0


def test_all_sound_off_fades_fast_and_smoothly() -> None:
    """All sound off ends a note within 4 ms, without a step."""
    source = keyboard(kind="oscillator", wave="sine", attack_ms=0.5, sustain=1.0)
    before = played(source, 9600, (0, on(45, 127)))
    after = played(source, 480, (0, cc(120, 0)))
    assert not after[192:].any()
    joined = np.concatenate([before[-480:], after])
    assert np.abs(np.diff(joined)).max() < 1.3 * np.abs(np.diff(before[-480:])).max()


def test_reset_controllers_forgets_bend_pedal_and_expression() -> None:
    """After controller 121 the pitch is straight, the pedal up and the expression full; volume stays."""
    source = keyboard(kind="oscillator", wave="sine", sustain=1.0)
    plain = played(source, 9600, (0, on(69)))
    played(source, 4800, (0, bend(1.0)), (0, cc(64, 127)), (0, cc(11, 30)), (0, cc(121, 0)))
    again = played(source, 9600)
    assert abs(cents(frequency_hz(again, 440, RATE_HZ), 440)) < 2
    assert rms(again) == pytest.approx(rms(plain[4800:]), rel=0.1)
    played(source, 60000, (0, off(69)))
    assert sounding(source) == 0


def test_only_the_channels_asked_for_sound() -> None:
    """A source of channels 2 and 16 is deaf to the others."""
    source = keyboard(kind="pluck", channels=(2, 16))
    assert not played(
        source, 256, *[(0, on(60, 100, channel)) for channel in range(1, 17) if channel not in {2, 16}]
    ).any()
    assert played(source, 256, (0, on(60, 100, 16))).any()


def test_channels_bend_alone() -> None:
    """A bend on channel 1 leaves the note of channel 2 in tune."""
    source = keyboard(kind="oscillator", wave="sine", sustain=1.0)
    sound = played(source, 48000, (0, on(69, 100, 1)), (0, on(76, 100, 2)), (0, bend(1.0)))[9600:]
    assert abs(cents(frequency_hz(sound, 493.9, RATE_HZ), 493.883)) < 2
    assert abs(cents(frequency_hz(sound, 659.3, RATE_HZ), 659.255)) < 2


@pytest.mark.parametrize("kind", BUILT_IN)
def test_polyphony_is_bounded_and_the_oldest_makes_room(kind: str) -> None:
    """Of ten notes on a source of four the last four sound."""
    source = keyboard(kind=kind, polyphony=4, ring_s=30.0)
    played(source, 19200, *[(1000 * k, on(50 + k)) for k in range(10)])
    notes = source._voices[source._voices[:, synth_voices.STAGE] == synth_voices.HELD, synth_voices.NOTE]
    assert sorted(notes) == [56, 57, 58, 59]
    assert sounding(source) == 4


@pytest.mark.parametrize("notes", [1, 2 * synth_voices.SPARE])
def test_stealing_does_not_click(notes: int) -> None:
    """Whenever notes are stolen, even more in 2 ms than can fade, no sample jumps much further than in the notes."""
    for at in range(480, 1080, 60):  # at all phases of what sounds
        source = keyboard(kind="oscillator", wave="sine", polyphony=2, attack_ms=20.0, sustain=1.0)
        steady = played(source, 9600, (0, on(40, 127)), (0, on(44, 127)))
        steepest = np.abs(np.diff(steady[4800:])).max()
        storm = [(at + 6 * k, on(36 + k, 127)) for k in range(notes)]
        sound = np.concatenate([steady[-2:], played(source, 2400, *storm)])
        # The fade of 3 ms and the dying residue add a slope of their own.
        assert np.abs(np.diff(sound)).max() < 2.5 * steepest, at


def test_a_saw_hardly_aliases() -> None:
    """Of a saw at 1760 Hz, what lies between the partials up to 15 kHz is at least 40 dB below them."""
    source = keyboard(kind="oscillator", wave="saw", brightness=1.0, sustain=1.0, decay_ms=1.0)
    sound = played(source, 48000, (0, on(93, 127)))[-32768:]
    levels = np.abs(np.fft.rfft(sound * np.blackman(sound.size)))
    hz = np.fft.rfftfreq(sound.size, 1 / RATE_HZ)
    distance = np.abs(hz - 1760 * np.round(hz / 1760))
    below = hz < 15000
    assert levels[(distance > 60) & below & (hz > 100)].max() < 0.01 * levels.max()


def test_a_square_lacks_even_partials() -> None:
    """A square's second partial is 40 dB below its first, a saw's is not."""

    def second_to_first(wave: str) -> float:
        sound = played(keyboard(kind="oscillator", wave=wave, sustain=1.0), 33600, (0, on(57)))[-19200:]
        levels = np.abs(np.fft.rfft(sound * np.blackman(sound.size)))
        return float(levels[176] / levels[88])

    assert second_to_first("square") < 0.01
    assert second_to_first("saw") > 0.1


def test_the_pluck_holds_no_constant() -> None:
    """The mean of a plucked note is nothing beside its sound, from the first period on."""
    sound = played(keyboard(kind="pluck", ring_s=10.0), 48000, (0, on(45, 120)))
    window = np.blackman(sound.size - 2400)
    assert abs(float(np.average(sound[2400:], weights=window))) < 2e-3 * rms(sound)


def test_the_same_notes_sound_the_same() -> None:
    """Two fresh sources give the same samples: renders can be compared."""
    events = [(0, on(50)), (900, on(54)), (1800, on(57))]
    assert np.array_equal(played(keyboard(), 9600, *events), played(keyboard(), 9600, *events))


@pytest.mark.parametrize("kind", BUILT_IN)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_bytes_can_harm(kind: str, data: st.DataObject) -> None:
    """Whatever comes as messages, at whatever offsets, the sound stays finite and bounded."""
    source = keyboard(kind=kind, polyphony=3)
    messages = st.binary(max_size=5) | st.tuples(*[st.integers(0x80, 0xFF), *[st.integers(0, 127)] * 2]).map(bytes)
    for _ in range(4):
        events = data.draw(st.lists(st.tuples(st.integers(-10, 80), messages), max_size=40))
        out = np.full(64, np.nan, np.float32)
        source.play(events, out)
        assert np.isfinite(out).all()
        assert np.abs(out).max() < 8
        assert sounding(source) <= 3 + synth_voices.SPARE


def test_a_storm_leaves_no_memory_behind() -> None:
    """Some hundred thousand random bytes as messages, more at once than there are rows, cost no lasting memory."""
    generator = np.random.default_rng(5)
    source = keyboard(kind="pluck")
    out = np.zeros(128, np.float32)
    storms = [
        [
            (int(at), generator.integers(0, 256, 3, np.uint8).tobytes())
            for at in np.sort(generator.integers(0, 128, 700))
        ]
        for _ in range(20)
    ]
    for storm in storms:
        source.play(storm, out)
    tracemalloc.start()
    try:
        for _ in range(5):
            for storm in storms:
                source.play(storm, out)
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()
    assert np.isfinite(out).all()


def test_more_messages_than_rows_are_all_obeyed() -> None:
    """A thousand messages in one block act like the same in a block each."""
    source, single = keyboard(kind="oscillator"), keyboard(kind="oscillator")
    events = [(k // 4, on(40 + k % 40) if k % 2 else off(40 + (k - 7) % 40)) for k in range(1000)]
    assert np.array_equal(played(source, 256, *events, block=256), played(single, 256, *events, block=1))


def test_nothing_is_compiled_while_playing() -> None:
    """The kernels were compiled for their one signature when imported, and take no other."""
    kernels: list[Any] = [synth_pluck.play_pluck, synth_oscillator.play_oscillator]
    for kernel in kernels:
        assert len(kernel.signatures) == 1
        assert not kernel._can_compile


def test_compiling_ahead_is_done_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """`compile_ahead` imports the kernel in a fresh interpreter, well, and only when it is not loaded here."""
    done: list[Any] = []
    real = subprocess.run
    monkeypatch.setattr("realtime.midi.source.subprocess.run", lambda *args, **named: done.append(real(*args, **named)))
    compile_ahead(SourceSettings(kind="oscillator"))
    compile_ahead(SourceSettings(kind="soundfont", soundfont=Path("a.sf2")))
    assert done == []
    monkeypatch.delitem(sys.modules, "realtime.midi.synth_oscillator")
    compile_ahead(SourceSettings(kind="oscillator"))
    assert [process.returncode for process in done] == [0]
    assert "realtime.midi.synth_oscillator" not in sys.modules


def test_settings_survive_plain_values() -> None:
    """Settings written as plain values read back equal, and only what is not default is written."""
    for made in (
        SourceSettings(),
        SourceSettings(kind="soundfont", soundfont=Path("a.sf2"), program=40, channels=(1, 10)),
        SourceSettings(kind="oscillator", wave="square", attack_ms=20),
    ):
        assert SourceSettings.from_mapping(made.to_mapping()) == made
    assert SourceSettings().to_mapping() == {"kind": "pluck"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "organ"}, "pluck, oscillator, soundfont"),
        ({"kind": "soundfont"}, "names no file"),
        ({"kind": "pluck", "loud": 3}, "no setting 'loud'"),
        ({"ring_s": 0.0}, "0.05 to 30 s"),
        ({"ring_s": float("nan")}, "0.05 to 30 s"),
        ({"polyphony": 2.5}, "whole number from 1 to 64"),
        ({"polyphony": True}, "whole number from 1 to 64"),
        ({"channels": [0, 1]}, "from 1 to 16"),
        ({"channels": [1, 1]}, "different channels"),
        ({"channels": []}, "from 1 to 16"),
        ({"channels": 3}, "from 1 to 16"),
        ({"soundfont": 3, "kind": "soundfont"}, "path of an .sf2"),
        ("pluck", "must be a table"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(values: Any, words: str) -> None:
    """Each wrong setting is named with what it may be."""
    with pytest.raises(ConfigError, match=words) as caught:
        SourceSettings.from_mapping(values)
    assert str(caught.value).endswith(".")
