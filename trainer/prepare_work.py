"""Long preparations: in several processes, resumed where they stopped, never half-written.

`progress.jsonl` in the output folder has one line per finished file, with a hash of its input and settings.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any


def map_processes(
    function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Any]]:
    """(job number, result) as they finish, in `workers` processes; here when one is enough."""
    if workers <= 1 or len(jobs) <= 1:
        yield from ((number, function(*job)) for number, job in enumerate(jobs))
        return
    # spawn: a forked child would inherit the locks of whatever threads the caller runs
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        futures = {pool.submit(function, *job): number for number, job in enumerate(jobs)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """In a worker: end when the process that started it is gone, which a killed one cannot ask for."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def read_progress(out: Path) -> dict[str, dict[str, Any]]:
    """Entries of an earlier run by output file; a last line cut by a crash is skipped."""
    path, entries = out / "progress.jsonl", {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
            entries[str(entry["file"])] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return entries


def write_progress(out: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Rewrite OUT/progress.jsonl with just these entries."""
    beside = out / "progress.jsonl.part"
    beside.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    beside.replace(out / "progress.jsonl")


def write_json(path: Path, value: object) -> None:
    """Write JSON beside `path` and rename."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
