"""Where recordings are cut: silence taken out, scales into notes, hours into minutes.

A file is read in blocks of a minute, its level in frames of 50 ms; what sounds is what comes within `below_db` of the
loudest frame, with rests shorter than `gap_s` filled. So a stream of many hours needs the memory of a minute. Done in
several processes; OUT/cuts.jsonl keeps what was found, so that a second run reads no file twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from realtime.errors import DataError
from trainer.datasets.item import Item, Silence
from trainer.prepare_work import map_processes
from trainer.recording_checks import FRAME_SECONDS, FloatArray, frame_levels_db, runs
from trainer.recording_files import duration_s
from trainer.recordings import Found

Span = tuple[float, float | None, float | None]
"""Start and stop in seconds (None: the end), and a pitch where one is known."""
_BLOCK_FRAMES = 1200
_PAD_S = 0.05


def levels_db(path: Path) -> FloatArray:
    """The level of each 50 ms of a file, its channels mixed, read block by block; DataError as `read_sound`."""
    try:
        with soundfile.SoundFile(path) as file:
            size = max(1, round(FRAME_SECONDS * file.samplerate))
            blocks = file.blocks(size * _BLOCK_FRAMES, dtype="float32", always_2d=True)
            parts = [frame_levels_db(block.mean(axis=1), file.samplerate) for block in blocks if len(block) >= size]
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as sound ({str(error).rstrip('.')}): export it as wav or flac") from error
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def sounding_intervals(path: Path, silence: Silence) -> list[tuple[float, float]]:
    """Start and stop in seconds of what sounds between silences."""
    levels = levels_db(path)
    if not len(levels) or levels.max() < -100.0:
        return []
    sounding = levels > levels.max() - silence.below_db
    starts, lengths = runs(~sounding)
    for start, length in zip(starts, lengths, strict=True):
        inner = start > 0 and start + length < len(sounding)
        if inner and length * FRAME_SECONDS < silence.gap_s:
            sounding[start : start + length] = True
    starts, lengths = runs(sounding)
    end = len(levels) * FRAME_SECONDS
    return [
        (max(0.0, float(start) * FRAME_SECONDS - _PAD_S), min(end, float(start + length) * FRAME_SECONDS + _PAD_S))
        for start, length in zip(starts, lengths, strict=True)
        if length * FRAME_SECONDS >= silence.shortest_s
    ]


def spans_of(path: Path, silence: Silence | None, piece_s: float) -> list[Span]:
    """How one file is cut; [(0, None, None)] when it is not."""
    if silence is None:
        seconds = duration_s(path) if piece_s > 0 else 0.0
        if piece_s <= 0 or seconds <= 1.5 * piece_s:
            return [(0.0, None, None)]
        return [(start, stop, None) for start, stop in _pieces(0.0, seconds, piece_s)]
    intervals = sounding_intervals(path, silence)
    if silence.pitches:
        pitches = silence.pitches if len(silence.pitches) == len(intervals) else (None,) * len(intervals)
        return [(start, stop, pitch) for (start, stop), pitch in zip(intervals, pitches, strict=True)]
    return [(a, b, None) for start, stop in intervals for a, b in _pieces(start, stop, piece_s)]


def _pieces(start: float, stop: float, piece_s: float) -> Iterator[tuple[float, float]]:
    """Equal pieces, as near to `piece_s` as can be."""
    count = max(1, round((stop - start) / piece_s)) if piece_s > 0 else 1
    edges = [round(start + (stop - start) * k / count, 4) for k in range(count + 1)]
    yield from pairwise(edges)


def in_pieces(found: Sequence[Found], piece_s: float) -> list[Found]:
    """Plain recordings, the long ones as pieces; what cannot be read is left whole, for its own refusal."""
    cut_up: list[Found] = []
    for item in found:
        result = _try(item.path, None, piece_s)
        spans = [(0.0, None, None)] if isinstance(result, str) else result
        for start, stop, _ in spans:
            if stop is None:
                cut_up.append(item)
                continue
            output = item.output.removesuffix(".flac") + f"_{round(1000 * start):08d}.flac"
            cut_up.append(
                replace(item, name=f"{item.name} from {start:.2f} s", output=output, start_s=start, stop_s=stop)
            )
    return cut_up


def cut(
    items: Sequence[Item],
    out: Path,
    piece_s: float,
    workers: int,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[tuple[Item, list[Span]]], list[tuple[Item, str]]]:
    """Every item with its spans, in order, and those that cannot be read with the end of a sentence."""
    if piece_s <= 0 and not any(item.silence for item in items):
        return [(item, [(0.0, None, None)]) for item in items], []
    out.mkdir(parents=True, exist_ok=True)
    cache = out / "cuts.jsonl"
    known = _read(cache)
    keys = [_key(item, piece_s) for item in items]
    todo = [number for number, key in enumerate(keys) if key not in known]
    bad: dict[int, str] = {}
    with cache.open("a", encoding="utf-8") as log:
        jobs = ((items[number].path, items[number].silence, piece_s) for number in todo)
        for count, (job, result) in enumerate(map_processes(_try, jobs, workers), start=1):
            number = todo[job]
            if isinstance(result, str):
                bad[number] = result
            else:
                known[keys[number]] = result
                log.write(json.dumps([keys[number], result]) + "\n")
                log.flush()
            on_progress(count, len(todo))
    good = [(item, known[key]) for number, (item, key) in enumerate(zip(items, keys, strict=True)) if number not in bad]
    return good, [(items[number], reason) for number, reason in sorted(bad.items())]


def _try(path: Path, silence: Silence | None, piece_s: float) -> list[Span] | str:
    try:
        return spans_of(path, silence, piece_s)
    except DataError as error:
        return str(error)


def _key(item: Item, piece_s: float) -> str:
    stat = item.path.stat()
    settings: Any = asdict(item.silence) if item.silence else None
    return json.dumps(
        [str(item.path), stat.st_size, stat.st_mtime_ns, settings, piece_s if math.isfinite(piece_s) else 0]
    )


def _read(cache: Path) -> dict[str, list[Span]]:
    known: dict[str, list[Span]] = {}
    for line in cache.read_text(encoding="utf-8").splitlines() if cache.is_file() else ():
        try:
            key, spans = json.loads(line)
            known[key] = [(float(a), None if b is None else float(b), c) for a, b, c in spans]
        except (ValueError, TypeError):  # a last line cut by a crash
            continue
    return known
