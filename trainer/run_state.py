"""What a training tells of itself while it runs: `state.json` in its folder, for whoever watches from another process.

    {"format": 1, "state": "preparing | running | done | stopped | failed", "pid": 4711, "created": 1.7e9,
     "started": 1.7e9, "updated": 1.7e9, "recipe": "voice", "device": "the processor", "step": 200, "steps": 4500,
     "seconds_per_step": 0.61, "seconds_left": 2623.0, "best": 1.03, "best_step": 0, "sentence": ""}

`created` is when the process `pid` began, as the system tells it: a number that is given again to another process does
not deceive. A file named `stop` beside it asks the training to end after its step with a checkpoint; it is removed when
the training begins. The file is written beside and renamed; the training's own thread, at most twice a second.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from realtime.errors import ConfigError, DataError, RetimbreError

FORMAT = 1
STOP_FILE = "stop"
_WRITE_SECONDS = 0.5
_PACE_SECONDS = 20.0  # the pace shown is that of the last so many seconds
_FULL_DISK_BYTES = 20_000_000


class StateFile:
    """The `state.json` of one training; with `active` False (another process of the same training) it does nothing."""

    def __init__(self, folder: Path, *, active: bool = True) -> None:
        self._folder, self._active = folder, active
        self._path, self._stop = folder / "state.json", folder / STOP_FILE
        self._values: dict[str, Any] = {}
        self._paced = 0.0  # when `running` last wrote
        self._pace: deque[tuple[float, int]] = deque()

    @contextlib.contextmanager
    def told(self, recipe: str, steps: int, device: str) -> Iterator[None]:
        """Say that the training prepares, and at the end how it ended; the exception goes on, a full disk as DataError.

        Raises ConfigError when another process trains in this folder.
        """
        if not self._active:
            yield
            return
        self._begin(recipe, steps, device)
        try:
            yield
        except KeyboardInterrupt:
            self.write(state="stopped", sentence="")
            raise
        except RetimbreError as error:
            self.write(state="failed", sentence=str(error))
            raise
        except (OSError, RuntimeError) as error:
            if not _disk_is_full(error, self._folder):
                self.write(state="failed", sentence=_one_line(error))
                raise
            sentence = (
                f"the disk of {self._folder} is full: make room, then go on from the last checkpoint with the same "
                "command"
            )
            self.write(state="failed", sentence=sentence)
            raise DataError(sentence) from error
        except Exception as error:
            self.write(state="failed", sentence=_one_line(error))
            raise

    def running(self, step: int) -> None:
        """`step` steps are done; written now and then, with the pace of the last seconds."""
        now = time.monotonic()
        self._pace.append((now, step))
        while len(self._pace) > 2 and now - self._pace[0][0] > _PACE_SECONDS:
            self._pace.popleft()
        steps = int(self._values.get("steps", step))
        if now - self._paced < _WRITE_SECONDS and step != steps:
            return
        self._paced = now
        began, first = self._pace[0]
        each = (now - began) / (step - first) if step > first else None
        left = None if each is None else round(each * max(0, steps - step), 1)
        self.write(state="running", step=step, seconds_per_step=each, seconds_left=left)

    def forget_pace(self) -> None:
        """Forget the pace: what comes between (a validation) is no training."""
        self._pace.clear()

    def wants_stop(self) -> bool:
        """Somebody asked for an end by the file `stop`."""
        return self._active and self._stop.exists()

    def write(self, **changes: Any) -> None:
        """Put `changes` into the file; a file that cannot be written does not end a training."""
        if not self._active:
            return
        self._values |= changes | {"updated": round(time.time(), 3)}
        beside = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(self._values, indent=1) + "\n", encoding="utf-8")
            beside.replace(self._path)

    def _begin(self, recipe: str, steps: int, device: str) -> None:
        import psutil

        other = read_state(self._folder)
        if other.get("state") in {"preparing", "running"} and other.get("pid") != os.getpid() and is_alive(other):
            raise ConfigError(
                f"a training already runs in {self._folder} (process {other['pid']}): stop it first, or choose another "
                "run.out"
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._stop.unlink()
        known = {name: other[name] for name in ("step", "best", "best_step") if name in other}
        self._values = {"format": FORMAT, "step": 0, "best": None, "best_step": None} | known
        self.write(
            state="preparing", pid=os.getpid(), created=psutil.Process().create_time(), started=round(time.time(), 3),
            recipe=recipe, steps=steps, device=device, seconds_per_step=None, seconds_left=None, sentence="",
        )  # fmt: skip


def read_state(folder: Path) -> dict[str, Any]:
    """The values of FOLDER/state.json; empty when there is none that can be read."""
    try:
        values = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def is_alive(values: dict[str, Any]) -> bool:
    """Whether the process that wrote these values still runs."""
    import psutil

    try:
        process = psutil.Process(int(values["pid"]))
        same = abs(process.create_time() - float(values["created"])) < 2
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except (KeyError, TypeError, ValueError, psutil.Error):
        return False


def _disk_is_full(error: BaseException, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # torch's writer says only that it failed.
    try:
        return shutil.disk_usage(folder).free < _FULL_DISK_BYTES
    except OSError:
        return False


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
