"""Long preparations: in several processes, resumed where they stopped, never half-written.

`progress.jsonl` in the output folder has one line per finished file, with a hash of its input and settings.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain, islice
from pathlib import Path
from typing import Any

_AHEAD = 4  # jobs handed to the pool for each process: none is ever idle


def map_processes(
    function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Any]]:
    """(job number, result) as they finish, in `workers` processes; here when one is enough.

    Jobs are drawn when there is room for them: a hundred thousand of them need no more memory than a few.
    """
    waiting = enumerate(jobs)
    first = list(islice(waiting, 2))
    if workers <= 1 or len(first) <= 1:
        yield from ((number, function(*job)) for number, job in chain(first, waiting))
        return
    # spawn: a forked child would inherit the locks of whatever threads the caller runs
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        running: dict[Future[Any], int] = {}
        try:
            for number, job in chain(first, waiting):
                running[pool.submit(function, *job)] = number
                if len(running) >= _AHEAD * workers:
                    yield from _finished(running)
            while running:
                yield from _finished(running)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(running: dict[Future[Any], int]) -> Iterator[tuple[int, Any]]:
    """Wait for at least one of `running`, and hand out and forget those that are done."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield running.pop(future), future.result()


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
