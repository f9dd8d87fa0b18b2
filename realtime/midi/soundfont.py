"""A SoundFont (.sf2) played through tinysoundfont, an optional package: any recorded instrument under the keys.

    messages ─▶ pedal, polyphony, channels (here) ─▶ tinysoundfont ─▶ mono block

tinysoundfont knows neither the sustain pedal nor a limit in notes, so both are kept here: a note under the pedal is let
go when the pedal is, and one note too many lets the oldest go, through its own release, so that it does not click.
Channel 10 has the drums where the file has any. `SoundFontSource` is made on a control thread; `play` belongs to the
audio thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import AudioFileError, ConfigError
from realtime.midi.source import FloatArray, MidiEvent, SourceSettings

INSTALL = "Playing SoundFonts needs the package tinysoundfont: install it with `pip install --no-deps tinysoundfont`."
_DRUMS = 9
# One note may use several voices of the player.
_VOICES_PER_NOTE = 4
_LEAST_BYTES = 100


class SoundFontSource:
    """The instruments of one file on 16 channels."""

    def __init__(self, settings: SourceSettings, rate_hz: int, longest: int) -> None:
        """Read the file. Raises ConfigError without tinysoundfont, AudioFileError for a file that is none."""
        assert settings.soundfont is not None
        self._font = _load(settings.soundfont)
        from tinysoundfont import _tinysoundfont  # the part without a player thread; _load said that it is there

        # Of a common General MIDI file loud notes then peak between −15 and −5 dBFS.
        self._font.set_output(_tinysoundfont.OutputMode.Mono, rate_hz, settings.level_db)
        self._font.set_max_voices(_VOICES_PER_NOTE * settings.polyphony)
        self._polyphony = settings.polyphony
        self._played = [settings.channels is None or channel + 1 in settings.channels for channel in range(16)]
        self._bend_semitones = settings.bend_semitones
        self._pedal = [False] * 16
        # Every note that sounds: whether its key is down, else the pedal holds it. The oldest comes first.
        self._notes: dict[tuple[int, int], bool] = {}
        self._scratch = np.zeros(longest, np.float32)
        self._choose_instruments(settings)
        tuning = settings.transpose_semitones + 12.0 * float(np.log2(settings.tuning_hz / 440.0))
        for channel in range(16):
            self._font.channel_set_tuning(channel, 0.0 if channel == _DRUMS else tuning)
            self._font.channel_set_pitch_range(channel, settings.bend_semitones)
            # General MIDI begins at volume 100; a lone player wants the whole of it.
            self._font.channel_midi_control(channel, 7, 127)

    def play(self, events: Sequence[MidiEvent], out: FloatArray) -> None:
        """Fill `out` (frames,) with the notes so far and those that `events` begin."""
        begin = 0
        for offset, message in events:
            end = min(max(offset, begin), out.size)
            self._render(out[begin:end])
            begin = end
            if message[:1] == b"\xff":
                self.silence()
            elif (len(message) == 3 or (len(message) == 2 and message[0] & 0xE0 == 0xC0)) and max(message[1:]) < 128:
                # The player refuses what the file does not have, for example a program: then all stays as it was.
                with contextlib.suppress(RuntimeError):
                    self._obey(message)
        self._render(out[begin:])

    def silence(self) -> None:
        """End all notes in a few milliseconds and forget pedals and bends."""
        for channel in range(16):
            self._font.channel_sounds_off(channel)
            self._reset(channel)
        self._notes.clear()

    def _render(self, out: FloatArray) -> None:
        if not out.size:
            return
        if out.flags.c_contiguous:
            self._font.render(out.view(np.uint8))
            return
        block = self._scratch[: out.size]
        self._font.render(block.view(np.uint8))
        out[:] = block

    def _obey(self, message: bytes) -> None:
        kind, channel = message[0] & 0xF0, message[0] & 0x0F
        if not self._played[channel]:
            return
        first, second = message[1], message[2] if len(message) == 3 else 0
        if kind == 0x90 and second:
            self._begin(channel, first, second)
        elif kind in {0x80, 0x90}:
            self._end(channel, first)
        elif kind == 0xB0:
            self._control(channel, first, second)
        elif kind == 0xC0:
            self._font.channel_set_preset_number(channel, first, channel == _DRUMS)
        elif kind == 0xE0:
            self._font.channel_set_pitch_wheel(channel, first + 128 * second)

    def _begin(self, channel: int, note: int, velocity: int) -> None:
        if self._notes.pop((channel, note), None) is not None:
            self._font.channel_note_off(channel, note)
        elif len(self._notes) >= self._polyphony:
            oldest = next(iter(self._notes))
            del self._notes[oldest]
            self._font.channel_note_off(*oldest)
        self._notes[channel, note] = True
        self._font.channel_note_on(channel, note, velocity / 127.0)

    def _end(self, channel: int, note: int) -> None:
        if (channel, note) not in self._notes:
            return
        if self._pedal[channel]:
            self._notes[channel, note] = False
        else:
            del self._notes[channel, note]
            self._font.channel_note_off(channel, note)

    def _control(self, channel: int, number: int, value: int) -> None:
        if number == 64:
            self._pedal[channel] = value >= 64
            if value < 64:
                self._let_go(channel, pedal_only=True)
        elif number == 120:
            self._font.channel_sounds_off(channel)
            for key in [key for key in self._notes if key[0] == channel]:
                del self._notes[key]
        elif number == 121:
            self._reset(channel)
        elif number >= 123:
            if self._pedal[channel]:
                self._notes.update({key: False for key in self._notes if key[0] == channel})
            else:
                self._let_go(channel, pedal_only=False)
        elif number not in {122, 10}:  # a mono sound has no place to go
            self._font.channel_midi_control(channel, number, value)

    def _let_go(self, channel: int, *, pedal_only: bool) -> None:
        """End the channel's notes, or only those that the pedal held."""
        for key in [key for key, down in self._notes.items() if key[0] == channel and not (down and pedal_only)]:
            del self._notes[key]
            self._font.channel_note_off(*key)

    def _reset(self, channel: int) -> None:
        # The player's own reset would also forget its bank and tuning.
        self._pedal[channel] = False
        self._let_go(channel, pedal_only=True)
        self._font.channel_set_pitch_wheel(channel, 8192)
        self._font.channel_set_pitch_range(channel, self._bend_semitones)
        for number in (11, 100, 101):
            self._font.channel_midi_control(channel, number, 127)

    def _choose_instruments(self, settings: SourceSettings) -> None:
        """Give each channel its instrument; raises ConfigError when the file does not have the one asked for."""
        font = self._font
        if font.get_preset_index(settings.bank, settings.program) < 0:
            first = next(
                (
                    f"program {p} of bank {b}"
                    for b in (0, settings.bank, 128)
                    for p in range(128)
                    if font.get_preset_index(b, p) >= 0
                ),
                "none in the usual banks",
            )
            raise ConfigError(
                f"{settings.soundfont} has no program {settings.program} in bank {settings.bank}; "
                f"the first that it has is {first}."
            )
        for channel in range(16):
            font.channel_set_bank(channel, settings.bank)
            drums = channel == _DRUMS and font.get_preset_index(128, 0) >= 0
            font.channel_set_preset_number(channel, 0 if drums else settings.program, drums)


def instruments(path: Path) -> list[tuple[int, int, str]]:
    """(bank, program, name) of what a SoundFont has in banks 0 to 128. Raises as `SoundFontSource` does."""
    font = _load(path)
    return [
        (bank, program, font.get_preset_name(bank, program))
        for bank in range(129)
        for program in range(128)
        if font.get_preset_index(bank, program) >= 0
    ]


def _load(path: Path) -> Any:
    try:
        from tinysoundfont import _tinysoundfont  # optional, and only the part that needs no pyaudio
    except ImportError:
        raise ConfigError(INSTALL) from None
    try:
        with path.open("rb") as file:
            head = file.read(12)
        damaged = head[:4] != b"RIFF" or head[8:] != b"sfbk" or path.stat().st_size < _LEAST_BYTES
        font = None if damaged else _tinysoundfont.SoundFont(str(path))
    except OSError as error:
        raise AudioFileError(
            f"The SoundFont {path} cannot be read ({error.strerror}): check the path; docs/midi.md names free ones."
        ) from None
    except (RuntimeError, UnicodeError):
        font = None
    if font is None:
        raise AudioFileError(f"{path} is no SoundFont, or only part of one: take an .sf2 file, see docs/midi.md.")
    return font
