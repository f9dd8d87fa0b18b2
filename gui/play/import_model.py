"""Bring a model into the library: a package's folder, a .zip of one, or a .nam capture. Background threads only.

    folder ─copy─┐
    zip ─unpack──┼▶ own folder/.NAME.importing ─verify (sha256 of every file)─▶ own folder/NAME
    nam ─────────┘  (`retimbre models import` in a process of its own: it computes)

Nothing half-copied ever has a package's name, and a package that is there already is never replaced unasked. Removing
goes to the trash, from where `bring_back` takes it again.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PyQt6.QtCore import QFile, QStandardPaths

from gui.own_command import own_command
from gui.play.library_entries import own_folder
from realtime.errors import PackageError
from realtime.manifest import MANIFEST_FILE
from realtime.package import Package

_MOST_BYTES = 4 << 30
_MOST_FILES = 200
_NAM_TIMEOUT_S = 300.0


class AlreadyThereError(PackageError):
    """A package of this name is among the user's own; `name` says which."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"There is already a model named '{name}' among yours: replace it, or keep the one you have.")


@dataclass(frozen=True, slots=True)
class Removed:
    """A package or file that was moved to the trash: where it was, and where it is now ("" where that is not said)."""

    was: Path
    now: str


def may_import(path: Path) -> bool:
    """Whether it looks like something to import."""
    return path.is_dir() or path.suffix.lower() in {".zip", ".nam"}


def import_model(path: Path, *, replace: bool = False) -> str:
    """Import it; the package's name. Raises `PackageError` with one sentence, `AlreadyThereError` unless `replace`."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return _adopt(path, replace=replace)
    if not path.exists():
        raise PackageError(f"{path} is not there any more: choose the model again.")
    if suffix not in {".zip", ".nam"}:
        raise PackageError(
            f"{path.name} is no model: a package's folder, a .zip of one or a .nam capture can be imported."
        )
    try:
        own_folder().mkdir(parents=True, exist_ok=True)
        room = own_folder() / f".{uuid.uuid4().hex}.importing"
        room.mkdir()
    except OSError as error:
        raise PackageError(f"{own_folder()} cannot be written ({error.strerror}): make room, or allow it.") from error
    try:
        if suffix == ".zip":
            return _adopt(_unpacked(path, room), replace=replace)
        return _adopt(_captured(path, room), replace=replace)
    except AlreadyThereError:
        raise
    except PackageError as error:  # it may name a file of the room, of which the player knows nothing
        raise PackageError(str(error).replace(str(room), path.name)) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def remove(path: Path) -> Removed:
    """Move a folder or file to the trash. Raises `PackageError` when the system has none for it."""
    done, now = _to_trash(path)
    if not done:
        raise PackageError(
            f"{path.name} could not be moved to the trash (it may be on a disk without one): delete it in the file "
            "manager."
        )
    return Removed(path, now)


def bring_back(removed: Removed) -> None:
    """Take out of the trash what `remove` put there. Raises `PackageError`."""
    now = Path(removed.now)
    if not removed.now or not now.exists():
        raise PackageError(f"{removed.was.name} is not in the trash any more, so it cannot be brought back.")
    if removed.was.exists():
        raise PackageError(f"There is a new {removed.was.name} now: rename it first, then restore from the trash.")
    try:
        shutil.move(now, removed.was)
    except OSError as error:
        raise PackageError(
            f"{removed.was.name} could not be brought back ({error.strerror}): restore it from the trash."
        ) from error
    with contextlib.suppress(OSError):  # what the trash remembers of it; another system has no such file
        (now.parent.parent / "info" / f"{now.name}.trashinfo").unlink()


def _to_trash(path: Path) -> tuple[bool, str]:
    home = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    with contextlib.suppress(OSError):  # Qt makes the trash of a new user's home, but not the folder that it lies in
        Path(home).mkdir(parents=True, exist_ok=True)
    file = QFile(str(path))
    done = file.moveToTrash()
    return done, file.fileName() if done else ""


def _adopt(folder: Path, *, replace: bool) -> str:
    """Copy a verified package among the user's own; the name that its manifest says."""
    package = Package.read(folder)
    goal = own_folder() / package.name
    if folder.resolve() == goal.resolve():
        return package.name
    if goal.exists() and not replace:
        raise AlreadyThereError(package.name)
    partial = goal.with_name(f".{package.name}.{uuid.uuid4().hex}.importing")
    try:
        partial.mkdir(parents=True)
        for name in (MANIFEST_FILE, *package.manifest.files):
            shutil.copy2(folder / name, partial / name)
        Package.read(partial)
        if goal.exists() and not _to_trash(goal)[0]:
            shutil.rmtree(goal)
        partial.rename(goal)
    except OSError as error:
        raise PackageError(
            f"'{package.name}' could not be copied to {goal.parent} ({error.strerror or error}): make room there and "
            "import it again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return package.name


def _unpacked(path: Path, room: Path) -> Path:
    """The files of the one package in a zip, unpacked flat: no name of the archive ever becomes a path."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = [one for one in archive.infolist() if PurePosixPath(one.filename).name == MANIFEST_FILE]
            if len(found) != 1:
                what = "no model package" if not found else f"{len(found)} packages"
                raise PackageError(f"{path.name} holds {what}, but one is expected: zip one package's folder.")
            inside = PurePosixPath(found[0].filename).parent
            files = [
                one for one in archive.infolist() if not one.is_dir() and PurePosixPath(one.filename).parent == inside
            ]
            if len(files) > _MOST_FILES or sum(one.file_size for one in files) > _MOST_BYTES:
                raise PackageError(f"{path.name} would unpack to more than a model package ever holds: look inside it.")
            for one in files:
                with archive.open(one) as source, (room / PurePosixPath(one.filename).name).open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise PackageError(f"{path.name} cannot be unpacked ({error}): download or zip it again.") from error
    except OSError as error:
        raise PackageError(
            f"{path.name} cannot be unpacked ({error.strerror or error}): make room and try again."
        ) from (error)
    return room


def _captured(path: Path, room: Path) -> Path:
    command = own_command("models", "import", path, "--output", room)
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_NAM_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"{path.name} could not be imported ({error}): try a smaller capture.") from error
    folders = [one for one in room.iterdir() if one.is_dir() and not one.name.startswith(".")]
    if ended.returncode != 0 or not folders:
        said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        raise PackageError(said[-1].removeprefix("error: ") if said else f"{path.name} could not be imported.")
    return folders[0]
