"""Trainings as processes of their own: start, go on, ask to stop. They outlive the app; only files connect them.

    start ─▶ RUN/run.toml, about.json ─▶ `retimbre train RUN/run.toml`, its words in RUN/log.txt ─▶ RUN/process.json

Qt's detached start makes a session of its own and leaves nothing to be waited for. Called on a background thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil
from PyQt6.QtCore import QProcess, QProcessEnvironment

from gui.own_command import own_command, yield_to_sound
from gui.train.run_folder import Run, read_json, write_json
from realtime.errors import ConfigError, EngineError

LEAST_FREE_BYTES: Final = 500_000_000
_SLUG: Final = re.compile(r"[^a-z0-9]+")


def home() -> Path:
    """Where trainings and their data are kept."""
    from platformdirs import user_data_path

    return user_data_path("retimbre", appauthor=False) / "training"


def models_folder() -> Path:
    """The user's own folder of models, which the library shows."""
    from realtime.package import package_folders

    return package_folders()[-1]


def slug(title: str) -> str:
    """A title as the name of a folder or package: small letters, digits and single dashes."""
    return _SLUG.sub("-", title.lower()).strip("-")[:48] or "training"


def free_folder(parent: Path, name: str) -> Path:
    """PARENT/NAME, or with a number behind it when that is taken."""
    folder, number = parent / name, 2
    while folder.exists():
        folder, number = parent / f"{name}-{number}", number + 1
    return folder


def begin(folder: Path, title: str, run: str, tables: Mapping[str, Any]) -> Path:
    """Make the run's folder and start the training; gives the folder. Raises ConfigError or EngineError."""
    import tomli_w

    try:
        folder.mkdir(parents=True)
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE_BYTES:
            raise ConfigError(
                f"Only {free / 1e6:.0f} MB are free on the disk of {folder} and a training needs about "
                f"{LEAST_FREE_BYTES / 1e6:.0f} MB: make room, then start again."
            )
        whole = {name: dict(table) for name, table in tables.items()}
        whole["run"] = {**whole.get("run", {}), "out": str(folder)}
        text = f"# {title.replace(chr(10), ' ')}: written by the app; `retimbre train` goes on with it.\n"
        (folder / "run.toml").write_text(text + tomli_w.dumps(whole), encoding="utf-8")
        steps = int(whole["run"].get("steps", 0))
        write_json(folder / "about.json", {"title": title, "run": run, "steps": steps, "exported": ""})
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} cannot be written ({error.strerror}): choose another folder for trainings."
        ) from error
    launch(folder)
    return folder


def launch(folder: Path) -> None:
    """Start the training in `folder`, or go on with it. Raises EngineError when no process comes."""
    with contextlib.suppress(OSError):
        (folder / "stop").unlink()
    program, *arguments = own_command("train", folder / "run.toml")
    process = QProcess()
    process.setProgram(program)
    process.setArguments(arguments)
    process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
    process.setStandardOutputFile(str(folder / "log.txt"), QProcess.OpenModeFlag.Append)
    environment = QProcessEnvironment.systemEnvironment()
    for name, value in (("PYTHONUNBUFFERED", "1"), ("NO_COLOR", "1"), ("COLUMNS", "160")):
        environment.insert(name, value)
    process.setProcessEnvironment(environment)
    asked = time.time()
    started, pid = process.startDetached()
    if not started:
        raise EngineError(f"The training could not be started ({process.errorString()}): try again.")
    yield_to_sound(pid)
    created = asked
    with contextlib.suppress(psutil.Error):  # it may have ended already
        created = psutil.Process(pid).create_time()
    write_json(folder / "process.json", {"pid": pid, "created": created, "asked": round(asked, 3)})


def ask_to_stop(run: Run) -> None:
    """Ask for an end after the step, with a checkpoint; a training that has not begun to step is ended at once."""
    try:
        (run.folder / "stop").touch()
    except OSError as error:
        raise ConfigError(f"The training cannot be asked to stop ({error.strerror}): is its disk full?") from error
    if run.state in {"starting", "preparing"} and run.pid:
        with contextlib.suppress(OSError):
            os.kill(run.pid, signal.SIGTERM)


def end_now(run: Run) -> None:
    """End the process by force; the last checkpoint stays."""
    with contextlib.suppress(OSError):
        (run.folder / "stop").touch()
    with contextlib.suppress(psutil.Error):
        psutil.Process(run.pid).kill()


def lengthen(run: Run, part: float = 0.5) -> None:
    """Go on with a training that is done, for so much more of its steps."""
    import tomli_w

    path = run.folder / "run.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        steps = max(run.step + 1, round(int(tables["run"]["steps"]) * (1 + part)))
        tables["run"]["steps"] = steps
        path.write_text(tomli_w.dumps(tables), encoding="utf-8")
        write_json(run.folder / "about.json", read_json(run.folder / "about.json") | {"steps": steps})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be changed ({error}): was it made by this app?") from error
    launch(run.folder)


def remember_export(folder: Path, name: str) -> None:
    """Note under which name the run lies in the library."""
    write_json(folder / "about.json", read_json(folder / "about.json") | {"exported": name})


def delete(run: Run) -> None:
    """Take a training that is no longer running from the disk."""
    if not (run.folder / "run.toml").is_file():
        raise ConfigError(f"{run.folder} was not made by this app: delete it yourself if it may go.")
    shutil.rmtree(run.folder, ignore_errors=True)
