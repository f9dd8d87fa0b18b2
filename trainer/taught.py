"""`retimbre prepare taught`: a slow teacher converts recordings, and its output beside the input becomes pairs.

    recordings ─┬──────────────▶ OUT/audio/ORIGIN/NAME.flac ┐
                └─ teacher ────▶ OUT/audio/TARGET/NAME.flac ┴▶ OUT/index.json, as of `prepare paired`

So what is too slow to play live (TimbreTron, UMTN, a WaveNet) teaches a system that is not: every recipe on aligned
pairs learns from the index. Input and output lie on each other to the sample (`trainer.teacher`), have the same
loudness, and one gain for both keeps them under full scale. All pieces of a recording are in its split; test recordings
are left alone. Long recordings are taught in pieces, so that a killed run loses one: OUT/progress.jsonl has a line for
each that is done, with a hash of the sound, the settings and the teacher. The number of processes changes no byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from realtime.errors import ConfigError, DataError, RetimbreError
from trainer.prepare_work import map_processes, read_progress, write_json, write_progress
from trainer.recording_checks import Limits
from trainer.recording_files import content_hash, write_sound
from trainer.recordings import INDEX_FORMAT, Found, Refusal, SplitSettings, find_recordings, read_mono
from trainer.splits import LEAVE, by_rules
from trainer.teacher import MOST_FAULTS, PEAK, SILENT, Teacher, opened

_TAUGHT = ("train", "validation")


@dataclass(frozen=True, slots=True)
class TaughtSettings:
    """Everything that decides the written samples, next to recordings and teacher."""

    origin: str = "input"
    target: str = "taught"
    sample_rate: int = 44100
    subtype: str = "PCM_24"

    def __post_init__(self) -> None:
        """Refuse names that are one, or no folder's, and rates out of range."""
        if self.origin == self.target:
            raise ConfigError(f"Input and output are both called {self.origin}: name one of them differently.")
        for name in (self.origin, self.target):
            if not name or name != Path(name).name or name.startswith("."):
                raise ConfigError(f"The name {name!r} cannot be a folder's: use letters, digits and '_'.")
        if not 8000 <= self.sample_rate <= 192000:
            raise ConfigError(f"The sample rate {self.sample_rate} Hz is out of range: choose 8000 to 192000 Hz.")


@dataclass(frozen=True, slots=True)
class TaughtPairs:
    """Index entries, refusals, and how many pieces an earlier run had made."""

    pairs: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...]
    kept: int


def find_lessons(sources: Sequence[Path], splits: SplitSettings, *, domains: Sequence[str] = ()) -> list[Found]:
    """The recordings to teach with: below folders, or in the index.json of `prepare recordings`, which has its splits.

    Test recordings are left out. Raises DataError when nothing is left.
    """
    found: list[Found] = []
    folders = [source for source in sources if source.suffix != ".json"]
    if folders:
        found += find_recordings(folders, splits, domains=domains)
    from trainer.data import Recordings  # brings torch, which a process that only teaches by a package need not load

    for index in (source for source in sources if source.suffix == ".json"):
        for row in Recordings.read(index).rows:
            name = f"{row.domain}/{row.path.name}"
            split = by_rules(splits.rules, domain=row.domain, source=row.source, file=name) or row.split
            if split != LEAVE and (not domains or row.domain in domains):
                # The folder's name keeps two indexes apart.
                output = f"audio/{row.domain}/{index.resolve().parent.name}_{row.path.stem}.flac"
                found.append(Found(row.path, name, output, row.domain, split, row.source, row.midi, row.licence))
    chosen = [item for item in found if item.split in _TAUGHT]
    if not chosen:
        where = ", ".join(map(str, sources))
        raise DataError(f"There are no recordings to teach with in {where}: give folders or an index that has some.")
    if len({item.output for item in chosen}) < len(chosen):
        raise DataError(
            "Two sources hold recordings of the same name: prepare them one by one, each with its own --out."
        )
    return chosen


def lesson_key(item: Found, settings: TaughtSettings, teacher: str) -> str:
    """Hash of the sound's bytes and span, the settings and the teacher's fingerprint."""
    told = [asdict(settings), teacher, item.start_s, item.stop_s]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in (item.path, *item.mixed_with):
        digest.update(content_hash(path).encode())
    return digest.hexdigest()


def teach_one(
    item: Found, teacher: Teacher, fingerprint: str, out: Path, settings: TaughtSettings, done: dict[str, Any] | None
) -> dict[str, Any]:
    """One recording or piece to its index entry (with `key`), or {"refused": reason}."""
    name = Path(item.output).relative_to("audio").with_suffix("").as_posix().replace("/", "_")
    described = {"id": name, "file": name, "split": item.split, "recording": item.name.partition(" from ")[0]}
    try:
        key = lesson_key(item, settings, fingerprint)
        if done is not None and done["key"] == key and all((out / file).is_file() for file in done["files"].values()):
            return {**done, **described, "kept": True}
        mono, rate, _, unfit = read_mono(item, Limits(lowest_rate=1000))
    except DataError as error:
        return {"refused": str(error), "kept": False}
    except OSError as error:
        return {"refused": f"cannot be read ({error.strerror}): check its rights", "kept": False}
    if unfit is not None:
        return {"refused": unfit.reason, "kept": False, "faults": [unfit]}
    if rate != settings.sample_rate:
        mono = soxr.resample(mono, rate, settings.sample_rate, quality="VHQ")
    heard = np.ascontiguousarray(mono, np.float32)
    try:
        lesson = opened(teacher)(heard, settings.sample_rate)
    except RetimbreError as error:
        return {"refused": f"could not be converted: {str(error).rstrip('.')}", "kept": False}
    made = lesson.signal
    if made.shape != heard.shape or not np.isfinite(made).all():
        return {"refused": f"came out of {teacher.name} as no sound of its length: check that teacher", "kept": False}
    if float(np.abs(made).max()) < SILENT:
        return {"refused": f"came out of {teacher.name} silent: train it longer, or leave this out", "kept": False}
    if lesson.faults > MOST_FAULTS:
        reason = f"made {teacher.name} fail in {100 * lesson.faults:.0f} % of its steps: check that package"
        return {"refused": reason, "kept": False}
    gain = min(1.0, *(PEAK / max(float(np.abs(signal).max()), 1e-9) for signal in (heard, made)))
    files = {sound: f"audio/{sound}/{name}.flac" for sound in (settings.origin, settings.target)}
    for file, signal in zip(files.values(), (heard, made), strict=True):
        write_sound(out / file, signal * np.float32(gain), settings.sample_rate, settings.subtype)
    seconds = round(len(heard) / settings.sample_rate, 4)
    return {
        **described, "seconds": seconds, "files": files, "gain_db": round(20 * float(np.log10(gain)), 2), "key": key,
        "kept": False,
    }  # fmt: skip


def prepare_taught(
    lessons: Sequence[Found],
    teacher: Teacher,
    out: Path,
    settings: TaughtSettings,
    *,
    workers: int = 2,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_lesson: Callable[[Found, dict[str, Any]], None] = lambda _lesson, _result: None,
) -> TaughtPairs:
    """Teach every recording and write OUT/index.json; DataError when there is nothing to judge by, or to learn from."""
    out.mkdir(parents=True, exist_ok=True)
    earlier = read_progress(out)
    fingerprint = teacher.fingerprint()
    results: list[dict[str, Any]] = [{}] * len(lessons)
    names = [Path(i.output).relative_to("audio").with_suffix("").as_posix().replace("/", "_") for i in lessons]
    jobs = [
        (item, teacher, fingerprint, out, settings, earlier.get(name))
        for item, name in zip(lessons, names, strict=True)
    ]
    with (out / "progress.jsonl").open("a", encoding="utf-8") as log:
        for count, (number, result) in enumerate(map_processes(teach_one, jobs, workers), start=1):
            results[number] = result
            if "refused" not in result and not result["kept"]:
                log.write(json.dumps(result) + "\n")
                log.flush()
            on_lesson(lessons[number], result)
            on_progress(count, len(lessons))
    good = [result for result in results if "refused" not in result]
    refusals = tuple(
        Refusal(item.name, result["refused"], tuple(result.get("faults", ())))
        for item, result in zip(lessons, results, strict=True)
        if "refused" in result
    )
    write_progress(out, good)
    pairs = tuple({k: v for k, v in result.items() if k not in ("file", "key", "kept")} for result in good)
    _keep_some_to_judge_by(pairs, refusals)
    licences = sorted({item.licence for item in lessons if item.licence})
    instruments = {
        settings.origin: {"source": "recorded", "licences": licences},
        settings.target: {"source": f"made by {teacher.name}", "licences": licences},
    }
    write_json(
        out / "index.json",
        {
            "format": INDEX_FORMAT, "sample_rate": settings.sample_rate, "instruments": instruments,
            "settings": asdict(settings), "pairs": pairs,
        },
    )  # fmt: skip
    return TaughtPairs(pairs, refusals, kept=sum(result["kept"] for result in good))


def _keep_some_to_judge_by(pairs: Sequence[dict[str, Any]], refusals: Sequence[Refusal]) -> None:
    """Where no recording is for validation, the shortest becomes it, with all its pieces."""
    seconds: dict[str, float] = {}
    for pair in pairs:
        seconds[pair["recording"]] = seconds.get(pair["recording"], 0.0) + pair["seconds"]
    splits = {pair["split"] for pair in pairs}
    if len(seconds) >= 2 and splits == {"train"}:
        shortest = min(seconds, key=lambda name: (seconds[name], name))
        for pair in pairs:
            if pair["recording"] == shortest:
                pair["split"] = "validation"
    elif splits != set(_TAUGHT):
        why = f" ({refusals[0]})" if refusals else ""
        raise DataError(
            f"The teacher made pairs of {len(seconds)} recordings{why}, but a student needs one to learn from and "
            "another to be judged by: give more recordings, or other splits."
        )
