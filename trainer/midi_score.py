"""Notes of a MIDI file in seconds, and the ways to vary them: speed, note length, transposition.

    MIDI file -> [(midi, velocity, start_s, end_s), …] ordered by start, then pitch

The sustain pedal holds notes until it is lifted; channel 10 (percussion) is left out, for its numbers are no pitches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import mido

from realtime.errors import DataError

PERCUSSION_CHANNEL = 9
SUSTAIN_PEDAL = 64


@dataclass(frozen=True, slots=True, order=True)
class ScoreNote:
    """One note: seconds, MIDI number, velocity 1…127."""

    start: float
    midi: int
    velocity: int
    end: float


def read_score(path: Path) -> list[ScoreNote]:
    """The notes of a MIDI file; DataError when it cannot be read or holds none."""
    try:
        messages = list(mido.MidiFile(path, clip=True))
    except Exception as error:  # mido raises anything from EOFError to KeyError on damaged files
        raise DataError(f"{path} cannot be read as MIDI ({type(error).__name__}: {error}): export it again.") from error
    notes: list[ScoreNote] = []
    sounding: dict[tuple[int, int], list[tuple[float, int]]] = {}
    pedalled: dict[int, list[tuple[int, float, int]]] = {}
    pedal_down: set[int] = set()
    now = 0.0

    def lift(channel: int) -> None:
        pedal_down.discard(channel)
        notes.extend(ScoreNote(start, key, velocity, now) for key, start, velocity in pedalled.pop(channel, []))

    for message in messages:
        now += message.time
        if message.is_meta or getattr(message, "channel", PERCUSSION_CHANNEL) == PERCUSSION_CHANNEL:
            continue
        channel = message.channel
        if message.type == "note_on" and message.velocity > 0:
            sounding.setdefault((channel, message.note), []).append((now, message.velocity))
        elif message.type in ("note_on", "note_off") and sounding.get((channel, message.note)):
            start, velocity = sounding[channel, message.note].pop(0)
            if channel in pedal_down:
                pedalled.setdefault(channel, []).append((message.note, start, velocity))
            else:
                notes.append(ScoreNote(start, message.note, velocity, now))
        elif message.type == "control_change" and message.control == SUSTAIN_PEDAL:
            if message.value >= 64:
                pedal_down.add(channel)
            else:
                lift(channel)
    for (_, key), starts in sounding.items():  # never released: they last until the end of the file
        notes.extend(ScoreNote(start, key, velocity, now) for start, velocity in starts)
    for channel in list(pedalled):
        lift(channel)
    notes = sorted(note for note in notes if note.end > note.start)
    if not notes:
        raise DataError(f"{path} holds no notes with a pitch and a length: leave it out.")
    return notes


def vary(
    notes: list[ScoreNote], *, speed: float = 1.0, duration_rate: float = 1.0, transpose: int = 0, longest: float = 0.0
) -> list[ScoreNote]:
    """Play `speed` times as fast, hold notes `duration_rate` times as long, move by `transpose` semitones.

    The first note starts at 0; with `longest` seconds above 0, later notes are left out and the last ones cut.
    """
    if not notes:
        return []
    first = min(note.start for note in notes)
    varied = []
    for note in notes:
        start = (note.start - first) / speed
        end = start + (note.end - note.start) / speed * duration_rate
        if longest and start >= longest - 0.05:
            continue
        varied.append(replace(note, start=start, end=min(end, longest) if longest else end, midi=note.midi + transpose))
    return [note for note in varied if 0 <= note.midi <= 127]


def bind_legato(notes: list[ScoreNote], overlap: float, gap: float = 0.06) -> list[ScoreNote]:
    """Let a note reach `overlap` seconds into the next one when that follows within `gap` seconds."""
    if overlap <= 0:
        return notes
    starts = sorted({note.start for note in notes})
    bound = []
    for note in notes:
        follows = any(note.end - 1e-6 <= start <= note.end + gap for start in starts)
        bound.append(replace(note, end=note.end + overlap) if follows else note)
    return bound
