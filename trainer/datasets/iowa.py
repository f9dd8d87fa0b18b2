"""University of Iowa Musical Instrument Samples: single notes and chromatic scales in an anechoic chamber.

    Instrument.technique.dynamic.string.range[.stereo|.mono].aif(f)            parts that do not apply are absent
    Violin.arco.ff.sulG.C4B4.aiff   Flute.nonvib.pp.B3B4.aiff   TenorTrombone.mf. E2B2.aiff     (1997: scales)
    Piano.mf.Bb3.aiff   Violin.pizz.mf.sulD.A4.stereo.aif   Guitar.ff.sulA.C4E4.aif             (and since 2012: notes)

A scale is cut at its silences; if as many notes sound as its range has semitones, each gets its pitch, else they are
kept without. One player an instrument: what is kept apart is the recording. Plucked strings are a domain of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import DataError
from trainer.datasets.item import Dataset, Item, NoOptions, Silence, not_here

INSTRUMENTS = {
    "altoflute": "flute_alto", "altosax": "saxophone_alto", "bass": "double_bass", "bassclarinet": "clarinet_bass",
    "bassflute": "flute_bass", "basstrombone": "trombone_bass", "bbclarinet": "clarinet", "ebclarinet": "clarinet_eb",
    "horn": "french_horn", "sopsax": "saxophone_soprano", "tenortrombone": "trombone",
}  # fmt: skip
_DYNAMICS = frozenset({"ppp", "pp", "p", "mp", "mf", "f", "ff", "fff"})
_NOTE = r"[A-G][b#]?\d"
_RANGE = re.compile(rf"({_NOTE})({_NOTE})?")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ENDINGS = frozenset({".aiff", ".aif", ".wav", ".flac"})
NOTES = Silence(below_db=45.0, gap_s=0.15, shortest_s=0.25)


@dataclass(frozen=True, slots=True)
class Named:
    """What a file's name says; `last` is None for a single note."""

    instrument: str
    techniques: tuple[str, ...]
    dynamic: str
    string: str
    first: int
    last: int | None


def find(root: Path, _options: NoOptions) -> Iterator[Item]:
    """Every file whose name follows the grammar."""
    if not root.is_dir():
        raise DataError(f"There is no folder {root}: give the one that the samples were saved in.")
    count = 0
    for path in sorted(root.rglob("*")):
        named = parse(path.name) if path.suffix.lower() in _ENDINGS else None
        if named is None:
            continue
        count += 1
        domain = named.instrument + ("_pizz" if "pizz" in named.techniques else "")
        parts = (named.instrument, *named.techniques, named.dynamic, named.string)
        scale = named.last is not None
        pitches = tuple(float(n) for n in range(named.first, (named.last or named.first) + 1))
        yield Item(
            path, path.relative_to(root).as_posix(), domain, source="_".join(("iowa", *(p for p in parts if p))),
            midi=None if scale else float(named.first), licence="free of restrictions (University of Iowa)",
            silence=Silence(NOTES.below_db, NOTES.gap_s, NOTES.shortest_s, pitches) if scale else None,
        )  # fmt: skip
    if not count:
        raise not_here(root, "the Iowa samples", "files such as Violin.arco.ff.sulG.C4B4.aiff")


def parse(name: str) -> Named | None:
    """What the name of a file says; None for a name of another kind."""
    parts = [part.strip() for part in Path(name).stem.split(".")]
    if parts and parts[-1].lower() in ("stereo", "mono"):
        parts.pop()
    if len(parts) < 2 or not parts[0]:
        return None
    notes = _RANGE.fullmatch(parts[-1])
    if notes is None:
        return None
    instrument = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parts[0]).lower()
    instrument = INSTRUMENTS.get(instrument.replace("_", ""), instrument)
    middle = parts[1:-1]
    dynamic = next((part for part in middle if part.lower() in _DYNAMICS), "").lower()
    string = next((part for part in middle if part.lower().startswith("sul")), "")
    techniques = tuple(part.lower() for part in middle if part != string and part.lower() not in _DYNAMICS)
    first, last = midi(notes[1]), midi(notes[2]) if notes[2] else None
    return None if last is not None and last < first else Named(instrument, techniques, dynamic, string, first, last)


def midi(note: str) -> int:
    """`C4` → 60, `Bb3` → 58."""
    return 12 * (int(note[-1]) + 1) + _STEPS[note[0]] + note.count("#") - note.count("b")


DATASET = Dataset(
    name="iowa",
    title="University of Iowa Musical Instrument Samples: notes of orchestral instruments",
    address="https://theremin.music.uiowa.edu/MIS.html",
    size="by instrument and loudness: scales of some MB each, notes since 2012 in larger archives",
    licence="free, without restrictions (say that they are from the University of Iowa)",
    layout="any folders of files such as Violin.arco.ff.sulG.C4B4.aiff or Piano.mf.Bb3.aiff",
    notes="No own splits, one player an instrument: recordings are divided. Scales are cut into notes.",
    Options=NoOptions,
    find=find,
)
