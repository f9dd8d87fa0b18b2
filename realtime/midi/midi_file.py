"""Standard MIDI files: played in place of a port, live and sample by sample, or rendered to samples at once.

    file ─▶ tracks merged, ticks ─▶ seconds by its tempo map ─▶ [(seconds, message)] ─▶ offsets in blocks

A message at t seconds falls on the sample round(t · rate), whatever the blocks are. Reading is a control thread's;
`FilePlayer.collect` is the audio thread's. Any file, however damaged, plays or is refused with a sentence.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from pathlib import Path

import numpy as np

from realtime.errors import AudioFileError
from realtime.midi.ports import RESET, MidiInput, is_channel_message
from realtime.midi.source import FloatArray, MidiEvent, Source

LONGEST_S = 4 * 3600.0
_MOST_MESSAGES = 2_000_000
_LARGEST_BYTES = 64 << 20
RENDER_BLOCK = 1024
_MODES = 120  # from this controller on: messages for a moment, such as all notes off
# A render goes on after the last message until it was this quiet for this long, at most for _LONGEST_TAIL_S.
_QUIET, _QUIET_S, _LONGEST_TAIL_S = 1e-4, 0.25, 20.0

TimedMessages = list[tuple[float, bytes]]


def read_midi(path: Path) -> tuple[TimedMessages, float]:
    """The channel messages of a file by their seconds, rising, and its length in seconds. Raises AudioFileError."""
    import mido  # the command line answers without it

    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise AudioFileError(f"{path} has more than {_LARGEST_BYTES >> 20} MiB, too much for a MIDI file.")
        with path.open("rb") as file:
            song = mido.MidiFile(file=file, clip=True)
    except AudioFileError:
        raise
    except FileNotFoundError:
        raise AudioFileError(f"There is no file {path}: check the path.") from None
    except (PermissionError, IsADirectoryError) as error:
        raise AudioFileError(f"{path} cannot be read ({error.strerror}): check the path and its rights.") from None
    except Exception as error:  # noqa: BLE001  (mido raises whatever its parser stumbles upon)
        reason = str(error) or type(error).__name__
        raise AudioFileError(
            f"{path} is no standard MIDI file, or a damaged one ({reason}): export it again."
        ) from None
    if song.type == 2:
        raise AudioFileError(f"{path} holds separate songs (type 2), but one song is played: export it as type 1.")
    if song.ticks_per_beat == 0:
        raise AudioFileError(f"{path} counts no ticks in a beat, so it has no tempo: export it again.")
    return _timed(song, path)


def _timed(song: object, path: Path) -> tuple[TimedMessages, float]:
    """Merge the tracks, and turn ticks into seconds."""
    from mido.midifiles.tracks import merge_tracks

    tracks, division = song.tracks, song.ticks_per_beat  # type: ignore[attr-defined]  # mido has no types
    if sum(len(track) for track in tracks) > _MOST_MESSAGES:
        raise AudioFileError(f"{path} holds more than {_MOST_MESSAGES} messages, too many to play.")
    # A negative division is frames of film per second (in the upper byte) times ticks per frame: no tempo changes it.
    film_hz = 0 if division > 0 else -(division >> 8) * (division & 0xFF)
    if division < 0 and film_hz == 0:
        raise AudioFileError(f"{path} counts no ticks in a second, so it has no tempo: export it again.")
    tick_s = 1.0 / film_hz if film_hz else 0.5 / division
    seconds = 0.0
    messages: TimedMessages = []
    for message in merge_tracks(tracks):
        seconds += message.time * tick_s
        if message.type == "set_tempo" and not film_hz:
            tick_s = message.tempo * 1e-6 / division
        elif not message.is_meta and message.type != "sysex":
            data = bytes(message.bin())
            if is_channel_message(data):
                messages.append((seconds, data))
    if seconds > LONGEST_S:
        raise AudioFileError(
            f"{path} lasts {seconds / 3600:.1f} hours, but at most {LONGEST_S / 3600:g} are played: it may be damaged."
        )
    return messages, seconds


class FilePlayer(MidiInput):
    """A file in place of a port: the first block begins with its beginning."""

    def __init__(self, path: Path, rate_hz: int, *, loop: bool = False, from_s: float = 0.0) -> None:
        """loop: begin again at the end, for ever; from_s: begin there (see `seek`). Raises AudioFileError."""
        super().__init__(path.name)
        self.path, self._rate_hz = path, rate_hz
        messages, seconds = read_midi(path)
        # A loop of nothing would be endless work.
        self.length_samples = max(round(seconds * rate_hz), rate_hz // 4)
        self._places = [round(when * rate_hz) for when, _ in messages]
        self._messages = [message for _, message in messages]
        self._loop = loop
        self._position = self._next = 0
        self._chased: list[bytes] = []
        if from_s > 0.0:
            self.seek(from_s)

    @property
    def seconds(self) -> float:
        """How long the file is."""
        return self.length_samples / self._rate_hz

    @property
    def place_s(self) -> float:
        """Where in the file the next block begins; NaN once it is finished."""
        return math.nan if self.finished else self._position / self._rate_hz

    @property
    def finished(self) -> bool:
        """Whether every message has been handed out and the file's end passed; never when it loops."""
        return not self._loop and self._position >= self.length_samples and self._next >= len(self._places)

    def seek(self, seconds: float) -> None:
        """Go on from another place, what sounds ends; not while `collect` may run.

        Instruments, pedals and knobs stand as if the file had been played up to there.
        """
        self._position = min(max(round(seconds * self._rate_hz), 0), self.length_samples)
        at_end = self._position == self.length_samples
        self._next = len(self._places) if at_end else bisect_left(self._places, self._position)
        newest: dict[tuple[int, ...], bytes] = {}
        for message in self._messages[: self._next]:
            kind = message[0] & 0xF0
            if kind in {0xC0, 0xE0} or (kind == 0xB0 and message[1] < _MODES):
                place = message[:2] if kind == 0xB0 else message[:1]
                newest.pop(tuple(place), None)  # so that the order is that of the newest ones
                newest[tuple(place)] = message
        self._chased = [RESET, *newest.values()]

    def collect(self, frames: int) -> list[MidiEvent]:
        """The messages of the coming block. Audio thread."""
        events: list[MidiEvent] = []
        if self._chased:
            for message in self._chased:
                events.append((0, message))
                self._overhear(message)
            self._chased = []
        begin = 0
        while begin < frames:
            left = frames - begin
            if self._loop:
                left = min(left, self.length_samples - self._position)
            end = self._position + left
            while self._next < len(self._places) and self._places[self._next] < end:
                message = self._messages[self._next]
                events.append((begin + self._places[self._next] - self._position, message))
                self._overhear(message)
                self._next += 1
            begin += left
            self._position = end
            if self._loop and end >= self.length_samples:
                # What stands on the very end belongs to it; then nothing may hang over into the beginning.
                place = min(begin, frames - 1)
                events += [(place, message) for message in self._messages[self._next :]]
                events += [(place, bytes((0xB0 | channel, 123, 0))) for channel in range(16)]
                self._position = self._next = 0
        return events


def render_midi(path: Path, source: Source, rate_hz: int) -> FloatArray:
    """The sound of a whole file, shape (samples,), until its last note has died away. Raises AudioFileError."""
    player = FilePlayer(path, rate_hz)
    blocks: list[FloatArray] = []
    quiet = tail = 0
    source.play([(0, RESET)], np.zeros(1, np.float32))
    while not (player.finished and (quiet >= _QUIET_S * rate_hz or tail >= _LONGEST_TAIL_S * rate_hz)):
        block = np.zeros(RENDER_BLOCK, np.float32)
        source.play(player.collect(RENDER_BLOCK), block)
        blocks.append(block)
        if player.finished:
            tail += RENDER_BLOCK
        quiet = quiet + RENDER_BLOCK if np.abs(block).max() < _QUIET else 0
    return np.concatenate(blocks)
