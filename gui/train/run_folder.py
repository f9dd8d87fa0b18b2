"""A training's folder as the panel reads it: state, curves, test clips and the log. Pure files, no Qt; any thread.

    RUN/run.toml        what was started        RUN/state.json        what the training tells (trainer.run_state)
    RUN/about.json      title, exported name    RUN/process.json      the process that this app started
    RUN/metrics.jsonl   losses                  RUN/clips/index.jsonl test clips            RUN/log.txt  its words

What a training tells is believed only while its process lives: a state "running" without a process is a broken run,
told with the last words of its log. A process number alone is not believed, for numbers are given again.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

RunStateName = Literal["starting", "preparing", "running", "stopping", "stopped", "done", "broken", "missing"]
LIVE: Final = frozenset({"starting", "preparing", "running", "stopping"})
LOG_LINES: Final = 200
_LOG_BYTES: Final = 64_000
_RED: Final = ("\x1b[31m", "\x1b[0m")


@dataclass(frozen=True, slots=True)
class Run:
    """One training as it is now. seconds_left and seconds_per_step: None while nobody knows."""

    folder: Path
    title: str
    state: RunStateName
    recipe: str = ""
    step: int = 0
    steps: int = 0
    seconds_per_step: float | None = None
    seconds_left: float | None = None
    device: str = ""
    best: float | None = None
    best_step: int | None = None
    sentence: str = ""
    exported: str = ""
    pid: int = 0
    has_weights: bool = False
    has_checkpoint: bool = False

    @property
    def live(self) -> bool:
        """Whether its process runs."""
        return self.state in LIVE


@dataclass(frozen=True, slots=True)
class ClipFile:
    """One sound of one test clip at one step, with the picture of its spectrogram."""

    clip: str
    part: Literal["input", "output", "truth"]
    step: int
    sound: Path
    picture: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that one look at a run's folder gives."""

    run: Run
    points: tuple[dict[str, Any], ...] = ()
    clips: tuple[ClipFile, ...] = ()
    log: tuple[str, ...] = ()


@dataclass(slots=True)
class Follower:
    """Reads one run again and again; files that only grow are read on from where it stopped. One thread at a time."""

    folder: Path
    _read: dict[str, tuple[int, int, list[dict[str, Any]]]] = field(default_factory=dict)

    def look(self) -> Seen:
        """The run as it is now."""
        run = read_run(self.folder)
        points = tuple(self._lines(self.folder / "metrics.jsonl"))
        clips = []
        for row in self._lines(self.folder / "clips" / "index.jsonl"):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                inside = self.folder / "clips"
                clips.append(
                    ClipFile(
                        str(row["clip"]), row["part"], int(row["step"]), inside / row["sound"], inside / row["picture"],
                        float(row["seconds"]),
                    )
                )  # fmt: skip
        return Seen(run, points, tuple(clips), tuple(read_log(self.folder)))

    def _lines(self, path: Path) -> list[dict[str, Any]]:
        """The whole JSON lines of a file; all again when it was written anew (a resumed run forgets some)."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                inode, place, rows = self._read.get(path.name, (-1, 0, []))
                if inode != status.st_ino or status.st_size < place:
                    place, rows = 0, []
                file.seek(place)
                data = file.read()
        except OSError:
            return []
        whole, newline, _ = data.rpartition(b"\n")
        for line in whole.split(b"\n") if newline else ():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    rows.append(row)
        self._read[path.name] = (status.st_ino, place + len(whole) + len(newline), rows)
        return list(rows)


def read_run(folder: Path) -> Run:
    """Judge a run folder; a folder that is gone is "missing"."""
    about, told, started = (read_json(folder / name) for name in ("about.json", "state.json", "process.json"))
    title = str(about.get("title") or folder.name)
    if not folder.is_dir():
        return Run(folder, title, "missing", sentence=f"The folder {folder} is not there: put it back, or forget it.")
    if started and _number(told.get("started")) < _number(started.get("asked")):
        told = {name: told[name] for name in ("step", "best", "best_step") if name in told}  # from before this start
    living = next((one for one in (told, started) if is_alive(one)), None)
    state = _judge(told, living is not None, asked_to_stop=(folder / "stop").exists())
    sentence = str(told.get("sentence") or "")
    if state == "broken" and not sentence:
        sentence = last_words(folder) or (
            "The training ended without a word, as when the system ends it for want of memory: close other programs, "
            "or choose a smaller batch, and go on."
        )
    return Run(
        folder=folder,
        title=title,
        state=state,
        recipe=str(told.get("recipe") or about.get("run") or ""),
        step=int(_number(told.get("step"))),
        steps=int(_number(told.get("steps")) or _number(about.get("steps"))),
        seconds_per_step=_maybe(told.get("seconds_per_step")),
        seconds_left=_maybe(told.get("seconds_left")) if living else None,
        device=str(told.get("device") or ""),
        best=_maybe(told.get("best")),
        best_step=None if told.get("best_step") is None else int(_number(told.get("best_step"))),
        sentence=_capital(sentence),
        exported=str(about.get("exported") or ""),
        pid=int(_number((living or {}).get("pid"))),
        has_weights=(folder / "best.pt").is_file(),
        has_checkpoint=(folder / "last.pt").is_file(),
    )


def _judge(told: dict[str, Any], living: bool, *, asked_to_stop: bool) -> RunStateName:
    said = told.get("state")
    if living:
        if said in {"preparing", "running"}:
            return "stopping" if asked_to_stop else said
        # It has said its last word, and only has to leave; or it has not spoken yet.
        return "done" if said == "done" else "stopped" if said == "stopped" else "starting"
    if said in {"done", "stopped"}:
        return "done" if said == "done" else "stopped"
    return "stopped" if asked_to_stop and said != "failed" else "broken"


def is_alive(values: dict[str, Any]) -> bool:
    """Whether the process of `pid` and `created` still runs."""
    if not values.get("pid"):
        return False
    import psutil  # late: a twentieth of a second, on the thread that reads files

    try:
        process = psutil.Process(int(values["pid"]))
        same = abs(process.create_time() - float(values["created"])) < 2
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (KeyError, TypeError, ValueError, psutil.Error):
        return False


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty when the file is absent, damaged or something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write beside and rename, so that a reader never sees half."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def read_log(folder: Path) -> list[str]:
    """The last lines of the run's log, without the colours of a terminal."""
    try:
        with (folder / "log.txt").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    for code in _RED:
        text = text.replace(code, "")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-LOG_LINES:]


def last_words(folder: Path) -> str:
    """The sentence with which the command ended: the last line of the log that begins with its name."""
    for line in reversed(read_log(folder)):
        if line.startswith("retimbre: "):
            return line.removeprefix("retimbre: ")
    return ""


def _capital(sentence: str) -> str:
    """A sentence as it stands alone: a capital letter and a full stop."""
    sentence = sentence.strip()
    if not sentence:
        return ""
    return sentence[0].upper() + sentence[1:] + ("" if sentence[-1] in ".!?" else ".")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _maybe(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
