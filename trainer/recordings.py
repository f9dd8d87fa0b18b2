"""`retimbre prepare recordings`: folders of sound files become one checked, resampled, levelled index.

    ROOT/violin/a.wav  ROOT/flute/b.mp3 …  ->  OUT/audio/violin/ROOT_a.flac …  OUT/index.json  OUT/report.md

The folder below a root is the domain. A `metadata.csv` in a root (column `file`, and optionally `split`, `source`,
`midi` or `pitch`, `licence`, `instrument`) is used when it is there. Every recording is mixed to mono, resampled with
soxr, and brought to one sounding level (its gain is kept in the index, so that nothing is lost); what is unfit is
refused with the file and the second. Work is done by several processes, resumes where it stopped, and gives the same
bytes whatever their number.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from realtime.errors import ConfigError, DataError
from trainer.prepare_work import map_processes, read_progress, write_json, write_progress
from trainer.recording_checks import Fault, FloatArray, Limits, frame_levels_db, refusal, remarks, sounding_level_db
from trainer.recording_files import SOUND_FILES, content_hash, read_sound, write_sound
from trainer.splits import LEAVE, SPLITS, SplitRule, by_hash, by_rules, check_fractions

INDEX_FORMAT = 1


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """Everything that decides the written samples."""

    sample_rate: int = 48000
    level_db: float | None = -20.0  # None: leave levels as they are
    lufs: float | None = None  # a loudness after BS.1770 in place of that level
    peak_db: float = -1.0  # the gain never lifts a peak above this
    subtype: str = "PCM_24"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How recordings are divided: rules first, then the folder's metadata, then a hash."""

    rules: tuple[SplitRule, ...] = ()
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    by_source: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One recording to be prepared: a file, a span of one, or several mixed.

    `output` is relative to OUT, `name` to the root's parent (unique).
    """

    path: Path
    name: str
    output: str
    domain: str
    split: str
    source: str
    midi: float | None
    licence: str
    start_s: float = 0.0
    stop_s: float | None = None  # None: to the end
    mixed_with: tuple[Path, ...] = ()  # files that sound together with it


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not prepared, and why, as the end of a sentence that begins with its name."""

    name: str
    reason: str
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run made: index entries, refusals, and how many files were already done."""

    entries: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...]
    kept: int  # files that an earlier run had already done


def read_metadata(root: Path) -> dict[str, dict[str, str]]:
    """Rows of ROOT/metadata.csv by their `file` cell; empty when there is none."""
    path = root / "metadata.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        if "file" not in (reader.fieldnames or ()):
            raise DataError(f"{path} has no column `file`: add it, with paths relative to {root}, or remove the file.")
        rows = {(row["file"] or "").strip(): {k: (v or "").strip() for k, v in row.items() if k} for row in reader}
    missing = next((name for name in rows if not (root / name).is_file()), None)
    if missing is not None:
        raise DataError(f"{path} names {missing!r}, which is not in {root}: correct the row or put the file back.")
    return rows


def find_recordings(
    roots: Sequence[Path], splits: SplitSettings, *, domains: Sequence[str] = (), rename: dict[str, str] | None = None
) -> list[Found]:
    """Every sound file below the roots, with its domain, split and metadata, ordered by name."""
    check_fractions(splits.validation, splits.test)
    found: dict[str, Found] = {}
    for root in roots:
        if not root.is_dir():
            raise DataError(f"There is no folder {root}: give a folder that holds one folder per domain.")
        metadata = read_metadata(root)
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() not in SOUND_FILES or not path.is_file():
                continue
            item = _describe(path, root, metadata, splits, rename or {})
            if item.split == LEAVE or (domains and item.domain not in domains):
                continue
            if item.output in found:
                raise DataError(
                    f"{path} and {found[item.output].path} would both be written to {item.output}: rename one of them."
                )
            found[item.output] = item
    lacking = set(domains) - {item.domain for item in found.values()}
    if not found or lacking:
        where = ", ".join(str(root) for root in roots)
        what = f"no recordings of {', '.join(sorted(lacking))}" if lacking else "no sound files"
        raise DataError(f"There are {what} in {where}: give folders that hold one folder of sound files per domain.")
    return [found[key] for key in sorted(found)]


def _describe(
    path: Path, root: Path, metadata: dict[str, dict[str, str]], splits: SplitSettings, rename: dict[str, str]
) -> Found:
    inside, root = path.relative_to(root), root.resolve()  # a file may be a link out of the folder
    row = metadata.get(inside.as_posix(), {})
    folder = inside.parts[0] if len(inside.parts) > 1 else root.name
    domain = rename.get(folder, folder)
    source = row.get("source") or root.name
    name = f"{root.name}/{inside.as_posix()}"
    split = by_rules(splits.rules, domain=domain, source=source, file=inside.as_posix()) or row.get("split") or None
    if split is None:
        key = f"{domain}:{source}" if splits.by_source else name
        split = by_hash(key, validation=splits.validation, test=splits.test, seed=splits.seed)
    if split not in (*SPLITS, LEAVE):
        raise DataError(f"{root / 'metadata.csv'} gives {inside} the split {split!r}: write train, validation or test.")
    pitch = row.get("midi") or row.get("pitch")
    # The suffix goes into the name only as part of the stem: a.wav and a.mp3 must not meet.
    stem = "_".join((root.name, *inside.parts[1 if len(inside.parts) > 1 else 0 : -1], inside.name.replace(".", "-")))
    return Found(
        path=path, name=name, output=f"audio/{domain}/{stem}.flac", domain=domain, split=split, source=source,
        midi=_number(pitch, root, inside) if pitch else None, licence=row.get("licence") or row.get("license") or "",
    )  # fmt: skip


def _number(text: str, root: Path, inside: Path) -> float | None:
    try:
        return float(text)
    except ValueError:
        raise DataError(
            f"{root / 'metadata.csv'} gives {inside} the pitch {text!r}: write a MIDI number, as 69 for A4."
        ) from None


def work_key(item: Found, settings: RecordingSettings) -> str:
    """Hash of the files' bytes, the span and the settings: equal keys mean equal output."""
    told = {name: value for name, value in asdict(settings).items() if name != "lufs" or value is not None}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in (item.path, *item.mixed_with):
        digest.update(content_hash(path).encode())
    if item.stop_s is not None:
        digest.update(f"{item.start_s:.6f}-{item.stop_s:.6f}".encode())
    return digest.hexdigest()


def read_mono(item: Found, limits: Limits) -> tuple[FloatArray, int, FloatArray, Fault | None]:
    """Mono (samples,) of one item with its files mixed, the rate, the first file's channels, and what makes it unfit.

    Files that are mixed (a solo and what accompanies it) begin together; the shorter is followed by silence.
    """
    samples, sample_rate = read_sound(item.path, item.start_s, item.stop_s)
    unfit = refusal(samples, sample_rate, limits)
    mono = samples.mean(axis=1)
    for path in item.mixed_with:
        other, rate = read_sound(path, item.start_s, item.stop_s)
        if rate != sample_rate:
            raise DataError(f"is at {sample_rate} Hz and {path.name} beside it at {rate} Hz: export both at one rate")
        unfit = unfit or refusal(other, rate, limits)
        longer, shorter = sorted((mono, other.mean(axis=1)), key=len, reverse=True)
        mono = longer.copy()
        mono[: len(shorter)] += shorter
    return mono, sample_rate, samples, unfit


def loudness_lufs(signal: FloatArray, sample_rate: int) -> float:
    """Integrated loudness of mono (samples,) after ITU-R BS.1770-4 (pyloudnorm); ConfigError when that is missing."""
    try:
        pyloudnorm: Any = import_module("pyloudnorm")  # without types
    except ImportError as error:
        raise ConfigError(
            "pyloudnorm is not installed and loudness in LUFS needs it: `pip install pyloudnorm`."
        ) from error
    block_s = min(0.4, len(signal) / sample_rate)  # the standard's block, or all of what is shorter
    return float(pyloudnorm.Meter(sample_rate, block_size=block_s).integrated_loudness(signal.astype(np.float64)))


def prepare_one(item: Found, out: Path, settings: RecordingSettings, done: dict[str, Any] | None) -> dict[str, Any]:
    """One file to its index entry (with `key`), or {"refused": reason}. `done` is the entry of an earlier run."""
    try:
        key = work_key(item, settings)
    except OSError as error:
        return {"refused": f"cannot be read ({error.strerror}): check its rights", "kept": False}
    described = {
        "file": item.output, "domain": item.domain, "split": item.split, "source": item.source,
        "midi": item.midi, "licence": item.licence, "original": item.name, "key": key,
    }  # fmt: skip
    if done is not None and done["key"] == key and (out / item.output).is_file():
        return {
            **described,
            **{name: done[name] for name in ("seconds", "loudness_db", "gain_db")},
            "kept": True,
            "faults": done.get("faults", []),
        }
    try:
        mono, sample_rate, samples, unfit = read_mono(item, settings.limits)
    except DataError as error:
        return {"refused": str(error), "kept": False}
    if unfit is not None:
        return {"refused": unfit.reason, "kept": False, "faults": [unfit]}
    if sample_rate != settings.sample_rate:
        mono = soxr.resample(mono, sample_rate, settings.sample_rate, quality="VHQ")
    level_db = sounding_level_db(mono, settings.sample_rate)
    peak = float(np.abs(mono).max())
    # channels in opposite phase cancel: each was loud enough, their sum is not
    if frame_levels_db(mono, settings.sample_rate).max() < settings.limits.silence_db:
        return {"refused": "is silent once its channels are mixed: export one of them", "kept": False}
    ceiling_db = settings.peak_db - 20 * float(np.log10(peak))
    wanted_db = 0.0 if settings.level_db is None else settings.level_db - level_db
    if settings.lufs is not None:
        measured = loudness_lufs(mono, settings.sample_rate)
        wanted_db = settings.lufs - measured if np.isfinite(measured) else wanted_db  # all of it under BS.1770's gate
    gain_db = min(wanted_db, ceiling_db)
    signal = np.asarray(mono * 10 ** (gain_db / 20), dtype=np.float32)
    write_sound(out / item.output, signal, settings.sample_rate, settings.subtype)
    return {
        **described, "seconds": round(len(signal) / settings.sample_rate, 4),
        "loudness_db": round(level_db + gain_db, 2), "gain_db": round(gain_db, 2), "kept": False,
        "faults": [asdict(remark) for remark in remarks(samples, sample_rate)],
    }  # fmt: skip


def prepare_recordings(
    found: Sequence[Found],
    out: Path,
    settings: RecordingSettings,
    *,
    workers: int = 2,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_file: Callable[[Found, dict[str, Any]], None] = lambda _found, _result: None,
) -> Prepared:
    """Prepare every file that is fit and write OUT/index.json; the refused ones are in the result, nothing is lost."""
    if not 8000 <= settings.sample_rate <= 192000:
        raise ConfigError(f"The sample rate {settings.sample_rate} Hz is out of range: choose 8000 to 192000 Hz.")
    out.mkdir(parents=True, exist_ok=True)
    earlier = read_progress(out)
    results: list[dict[str, Any]] = [{}] * len(found)
    jobs = ((item, out, settings, earlier.get(item.output)) for item in found)
    with (out / "progress.jsonl").open("a", encoding="utf-8") as log:
        for count, (number, result) in enumerate(map_processes(prepare_one, jobs, workers), start=1):
            results[number] = result
            if "refused" not in result and not result["kept"]:
                log.write(json.dumps(result) + "\n")
                log.flush()
            on_file(found[number], result)
            on_progress(count, len(found))
    good = [result for result in results if "refused" not in result]
    refusals = tuple(
        Refusal(i.name, r["refused"], tuple(r.get("faults", ())))
        for i, r in zip(found, results, strict=True)
        if "refused" in r
    )
    entries = tuple({k: v for k, v in result.items() if k not in ("kept", "key", "faults")} for result in good)
    write_progress(out, good)
    write_json(out / "index.json", {"format": INDEX_FORMAT, "sample_rate": settings.sample_rate, "recordings": entries})
    return Prepared(entries, refusals, kept=sum(result["kept"] for result in good))
