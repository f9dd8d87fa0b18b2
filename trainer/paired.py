"""`retimbre prepare paired`: the same MIDI played by several instruments, aligned to the sample.

    MIDI/*.mid + NAME=SOURCE …  ->  OUT/audio/NAME/PIECE.flac …  OUT/index.json  OUT/report.md

After the dataset of the pix2pix timbre transfer (single notes of NSynth, shortened or lengthened and placed), with
speed, note lengths, transposition, velocities, legato and release under control. All instruments of a piece play the
same notes: one that some instrument cannot reach is folded by octaves, or dropped, for all of them. One gain, common to
all the instruments of a piece, keeps it under full scale, so that equal notes stay equally loud within an instrument.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import ConfigError, DataError
from trainer.midi_score import ScoreNote, bind_legato, read_score, vary
from trainer.prepare_work import map_processes, read_progress, write_json, write_progress
from trainer.recording_files import write_sound
from trainer.recordings import INDEX_FORMAT, Refusal, SplitSettings, read_metadata
from trainer.sampler import Instrument, SingleNote, find_notes, fingerprint, fit_range, render
from trainer.soundfont import is_soundfont, render_notes
from trainer.splits import LEAVE, by_hash, by_rules, check_fractions, unit_hash

PEAK = 10 ** (-1 / 20)
FEWEST_NOTES = 4


@dataclass(frozen=True, slots=True)
class PairedSettings:
    """Everything that decides the written samples, next to the notes and the pieces."""

    sample_rate: int = 44100
    speed: float = 1.0
    duration_rate: float = 1.0
    transpose: int = 0
    velocity_curve: float = 1.0
    legato_overlap: float = 0.0
    release: float = 0.15
    reach: int = 3
    note_rate: int | None = None
    fold: bool = True
    longest: float = 0.0
    subtype: str = "PCM_16"

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        checks = (
            (8000 <= self.sample_rate <= 192000, f"The rate {self.sample_rate} Hz: choose 8000 to 192000"),
            (0.1 <= self.speed <= 10, f"The speed {self.speed:g}: choose 0.1 to 10"),
            (0.05 <= self.duration_rate <= 20, f"The duration rate {self.duration_rate:g}: choose 0.05 to 20"),
            (abs(self.transpose) <= 48, f"The transposition {self.transpose}: choose -48 to 48 semitones"),
            (0 <= self.velocity_curve <= 4, f"The velocity curve {self.velocity_curve:g}: choose 0 to 4"),
            (0 <= self.legato_overlap <= 1, f"The legato overlap {self.legato_overlap:g}: choose 0 to 1 s"),
            (0.001 <= self.release <= 10, f"The release {self.release:g}: choose 0.001 to 10 s"),
            (
                self.note_rate is None or 8000 <= self.note_rate <= 192000,
                f"The rate of notes {self.note_rate} Hz: choose 8000 to 192000",
            ),
            (0 <= self.reach <= 12, f"The reach {self.reach}: choose 0 to 12 semitones"),
        )
        for holds, sentence in checks:
            if not holds:
                what, choice = sentence.split(": ")
                raise ConfigError(f"{what} is out of range: {choice}.")


@dataclass(frozen=True, slots=True)
class Voice:
    """One instrument: its name in the data, its notes, and what is said of it in the index."""

    name: str
    notes: tuple[SingleNote, ...]
    source: str
    licences: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A MIDI file, its name in the data, and its split."""

    path: Path
    id: str
    split: str


@dataclass(frozen=True, slots=True)
class PreparedPairs:
    """What a run made: index entries, refusals, and how many pieces were already done."""

    pairs: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...]
    kept: int


def open_voice(name: str, source: str, out: Path, settings: PairedSettings, licence: str = "") -> Voice:
    """The instrument of NAME=SOURCE: FOLDER[:FILTER], or FILE.sf2:PROGRAM[:BANK], which is rendered into OUT/notes."""
    for cut in (len(source), source.rfind(":"), source.rfind(":", 0, max(0, source.rfind(":")))):
        path, rest = Path(source[:cut]), source[cut + 1 :]
        if cut > 0 and path.exists():
            break
    else:
        raise DataError(f"The source {source} of {name} is not there: give FOLDER[:SOURCE] or FILE.sf2:PROGRAM[:BANK].")
    if is_soundfont(path):
        numbers = (rest or "0").split(":")
        if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
            raise ConfigError(f"The source {source} is not understood: write it as FILE.sf2:48 or FILE.sf2:48:0.")
        program, bank = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 0
        folder = render_notes(path, program, bank, name, out / "notes" / name, settings.sample_rate)
        notes = find_notes(folder)
        said, licences = f"{path.name}:{program}:{bank}", tuple[str, ...]()
    else:
        notes = find_notes(path, rest)
        said, licences = f"{path.name}{':' if rest else ''}{rest}", note_licences(path, notes)
    return Voice(name, notes, said, (licence,) if licence else licences, fingerprint(notes))


def note_licences(folder: Path, notes: Sequence[SingleNote]) -> tuple[str, ...]:
    """Licences that a metadata.csv in the folder or the one above states for these notes."""
    found: set[str] = set()
    for root in (folder, folder.resolve().parent):
        rows = read_metadata(root)
        for note in notes:
            row = rows.get(note.path.resolve().relative_to(root.resolve()).as_posix(), {})
            if row.get("licence"):
                found.add(row["licence"])
    return tuple(sorted(found))


def find_pieces(folders: Sequence[Path], splits: SplitSettings, *, count: int = 0) -> list[Piece]:
    """MIDI files below the folders with their splits; with `count`, only so many, chosen by the seed."""
    check_fractions(splits.validation, splits.test)
    pieces: dict[str, Piece] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}: give a folder of MIDI files.")
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi")):
            inside = path.relative_to(folder).as_posix()
            name = "_".join((folder.name, *path.relative_to(folder).with_suffix("").parts))
            split = by_rules(splits.rules, domain=folder.name, source=folder.name, file=inside) or by_hash(
                name, validation=splits.validation, test=splits.test, seed=splits.seed
            )
            if name in pieces:
                raise DataError(f"{path} and {pieces[name].path} would have the same name {name}: rename one of them.")
            if split != LEAVE:
                pieces[name] = Piece(path, name, split)
    if not pieces:
        raise DataError(f"There are no MIDI files in {', '.join(map(str, folders))}: give a folder with .mid files.")
    chosen = sorted(pieces.values(), key=lambda piece: unit_hash(f"choice:{splits.seed}:{piece.id}"))
    return sorted(chosen[: count or None], key=lambda piece: piece.id)


@lru_cache(maxsize=16)
def instrument_of(notes: tuple[SingleNote, ...], settings: PairedSettings) -> Instrument:
    """The notes ready to be played; one per process and instrument: pieces share its loaded notes."""
    return Instrument(notes, settings.sample_rate, settings.reach, settings.note_rate)


def score_of(
    piece: Piece, instruments: Sequence[Instrument], settings: PairedSettings
) -> tuple[list[ScoreNote], int, int]:
    """What will be played: notes, folded, dropped."""
    notes = vary(
        read_score(piece.path), speed=settings.speed, duration_rate=settings.duration_rate,
        transpose=settings.transpose, longest=settings.longest,
    )  # fmt: skip
    notes, folded, dropped = fit_range(notes, instruments, fold=settings.fold)
    return bind_legato(notes, settings.legato_overlap), folded, dropped


def render_piece(
    piece: Piece, voices: tuple[Voice, ...], out: Path, settings: PairedSettings, done: dict[str, Any] | None
) -> dict[str, Any]:
    """One piece by every instrument: its index entry, or {"refused": reason}."""
    described = {"id": piece.id, "split": piece.split}
    digest = hashlib.sha256(piece.path.read_bytes())
    digest.update(json.dumps([asdict(settings), [(v.name, v.fingerprint) for v in voices]], sort_keys=True).encode())
    key = digest.hexdigest()
    if done is not None and done["key"] == key and all((out / name).is_file() for name in done["files"].values()):
        return {**done, **described, "kept": True}
    instruments = [instrument_of(voice.notes, settings) for voice in voices]
    try:
        notes, folded, dropped = score_of(piece, instruments, settings)
    except DataError as error:
        return {"refused": f"is unfit: {error}".rstrip("."), "kept": False}
    if len(notes) < FEWEST_NOTES:
        reason = f"has {len(notes)} notes that all instruments can play ({dropped} are out of range)"
        return {"refused": f"{reason}: transpose it, or give notes of a wider range", "kept": False}
    length = round((max(note.end for note in notes) + settings.release + 0.25) * settings.sample_rate)
    sounds = [
        render(notes, instrument, length, curve=settings.velocity_curve, release=settings.release)
        for instrument in instruments
    ]
    gain = min(1.0, PEAK / max(float(np.abs(sound).max()) for sound in sounds))
    files = {voice.name: f"audio/{voice.name}/{piece.id}.flac" for voice in voices}
    for voice, sound in zip(voices, sounds, strict=True):
        write_sound(out / files[voice.name], sound * np.float32(gain), settings.sample_rate, settings.subtype)
    return {
        **described, "file": piece.id, "files": files, "seconds": round(length / settings.sample_rate, 4),
        "notes": len(notes), "folded": folded, "dropped": dropped, "gain_db": round(20 * float(np.log10(gain)), 2),
        "key": key, "kept": False,
    }  # fmt: skip


def prepare_pairs(
    pieces: Sequence[Piece],
    voices: Sequence[Voice],
    out: Path,
    settings: PairedSettings,
    *,
    workers: int = 2,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_piece: Callable[[Piece, dict[str, Any]], None] = lambda _piece, _result: None,
) -> PreparedPairs:
    """Render every piece with every instrument and write OUT/index.json; DataError when they share no pitch."""
    instruments = [instrument_of(voice.notes, settings) for voice in voices]
    if not any(all(instrument.reaches(midi) for instrument in instruments) for midi in range(128)):
        ranges = ", ".join(
            f"{v.name} {i.pitches[0]} to {i.pitches[-1]}" for v, i in zip(voices, instruments, strict=True)
        )
        raise DataError(
            f"The instruments share no pitch ({ranges}): choose notes whose ranges overlap, or a larger --reach."
        )
    out.mkdir(parents=True, exist_ok=True)
    earlier = read_progress(out)
    results: list[dict[str, Any]] = [{}] * len(pieces)
    jobs = [(piece, tuple(voices), out, settings, earlier.get(piece.id)) for piece in pieces]
    with (out / "progress.jsonl").open("a", encoding="utf-8") as log:
        for count, (number, result) in enumerate(map_processes(render_piece, jobs, workers), start=1):
            results[number] = result
            if "refused" not in result and not result["kept"]:
                log.write(json.dumps(result) + "\n")
                log.flush()
            on_piece(pieces[number], result)
            on_progress(count, len(pieces))
    good = [result for result in results if "refused" not in result]
    refusals = tuple(Refusal(p.path.name, r["refused"]) for p, r in zip(pieces, results, strict=True) if "refused" in r)
    pairs = tuple({k: v for k, v in result.items() if k not in ("file", "key", "kept")} for result in good)
    write_progress(out, good)
    described = {
        voice.name: {
            "source": voice.source, "licences": voice.licences, "notes": len(voice.notes),
            "low": instrument.pitches[0], "high": instrument.pitches[-1],
            "longer_notes": "looped" if instrument.sustains else "ring",
        }
        for voice, instrument in zip(voices, instruments, strict=True)
    }  # fmt: skip
    write_json(
        out / "index.json",
        {
            "format": INDEX_FORMAT, "sample_rate": settings.sample_rate, "instruments": described,
            "settings": asdict(settings), "pairs": pairs,
        },
    )  # fmt: skip
    return PreparedPairs(pairs, refusals, kept=sum(result["kept"] for result in good))
