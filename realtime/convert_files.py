"""Many sound files through a package: which file goes where, in several processes, the failures kept apart.

Every file is read, converted and written by one process from start to end. A file that fails has its sentence and stops
no other. Nothing half-written is ever seen (`realtime.audio_file.write_audio`). An interrupt ends the processes started
here, which remove what they had begun, and leaves the finished files. Over 300 lines because the plan, the processes
and their end are one story.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from realtime.audio_file import FORMATS, SUFFIXES, AudioFile, read_audio, write_audio
from realtime.controls import Controls
from realtime.convert import Conversion, convert
from realtime.convert_parts import Parts
from realtime.errors import AudioFileError, ConfigError, RetimbreError
from realtime.methods import MethodCall, convert_by, open_call
from realtime.midi.source import SourceSettings, open_source
from realtime.package import Package
from realtime.phase import PhaseMethod
from realtime.plugins.spec import PluginSpec

_POLL_S = 0.1
MIDI_SUFFIXES = (".mid", ".midi")
_METHOD_RATE = 44_100  # at which MIDI is played for a method, which has no rate of its own


@dataclass(frozen=True, slots=True)
class Task:
    """One file to convert."""

    source: Path
    destination: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What is done to every file; crosses to the other processes.

    source: what plays the notes of MIDI files. before, after: plugins around the model. method: instead of a package.
    """

    package: Path | None
    controls: Controls
    match_loudness: bool = True
    learn_level: bool = True
    overwrite: bool = False
    phase: PhaseMethod | None = None
    source: SourceSettings = field(default_factory=SourceSettings)
    before: tuple[PluginSpec, ...] = ()
    after: tuple[PluginSpec, ...] = ()
    method: MethodCall | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file: `failure` is its sentence, or None; `notes` say what its user should know."""

    task: Task
    seconds: float = 0.0
    failure: str | None = None
    notes: tuple[str, ...] = ()


def plan(sources: Sequence[Path], out: Path, format_name: str | None) -> list[Task]:
    """What goes where: a file to a file, or files and folders (recursively, trees kept) into the folder `out`.

    format_name: one of FORMATS; None: the suffix of `out`, or each source's own. Raises `ConfigError` or
    `AudioFileError` when the request as a whole makes no sense.
    """
    if format_name is not None and format_name not in FORMATS:
        raise ConfigError(f"The format {format_name!r} is not known; choose one of {', '.join(FORMATS)}.")
    single = len(sources) == 1 and not sources[0].is_dir()
    named = SUFFIXES.get(out.suffix.lower()) if not out.is_dir() else None
    if named is not None:
        if not single:
            raise ConfigError(f"{out} is the name of one file, but there are several to write; name a folder.")
        if format_name not in (None, named):
            raise ConfigError(f"{out} is a {named} file, but the format {format_name} was asked for; make them agree.")
        return [Task(sources[0], out)]
    if out.is_file():
        raise ConfigError(f"{out} is a file, but a folder or a name such as {out}.wav was expected; choose another.")
    tasks: list[Task] = []
    for source in sources:
        if source.is_dir():
            found = _sounds_in(source, out)
            if not found:
                raise AudioFileError(f"{source} holds no sound files ({', '.join(SUFFIXES)}); name another folder.")
            tasks += [Task(path, _named(out / path.relative_to(source), format_name)) for path in found]
        else:
            tasks.append(Task(source, _named(out / source.name, format_name)))
    return tasks


def convert_files(
    tasks: Sequence[Task],
    settings: Settings,
    *,
    jobs: int,
    progress: Callable[[float], None],
    finished: Callable[[Result], None],
    parts: Callable[[Task, float], None] = lambda _task, _part: None,
) -> list[Result]:
    """Every task, `jobs` at once, each telling `finished` when it is done; `progress` hears seconds of sound done.

    parts: hears of each task that is under way how much of it is done, from 0 to 1. The results come in the order of
    the tasks. Raises `PackageError` when the package cannot be loaded, or what opening the method raises.
    """
    way = _open(settings, Package.load)
    taken: dict[Path, Path] = {}
    todo: list[Task] = []
    results: dict[Task, Result] = {}

    def done(result: Result) -> None:
        results[result.task] = result
        finished(result)

    for task in dict.fromkeys(tasks):
        refusal = _refusal(task, taken, overwrite=settings.overwrite)
        if refusal:
            done(Result(task, failure=refusal))
        else:
            taken[task.destination.absolute()] = task.source
            todo.append(task)
    if min(jobs, len(todo)) <= 1:
        for task in todo:
            heard = Parts(1)
            parts(task, 0.0)

            def hear(seconds: float, of: float, heard: Parts = heard, task: Task = task) -> None:
                heard.add(0, seconds, of)
                progress(seconds)
                parts(task, heard.part(0))

            done(_convert_one(task, way, settings, hear))
    else:
        _in_processes(todo, settings, min(jobs, len(todo)), progress, parts, done)
    return [results[task] for task in dict.fromkeys(tasks)]


@dataclass(frozen=True, slots=True)
class _Way:
    """How a sound is converted, and the rate at which MIDI is played for it."""

    sample_rate: int
    convert: Callable[[AudioFile, Callable[[float], None]], Conversion]


def _open(settings: Settings, load: Callable[[Path], Package]) -> _Way:
    """The package or the method of `settings`, ready."""
    if settings.method is not None:
        effect = open_call(settings.method)
        return _Way(
            _METHOD_RATE,
            lambda sound, progress: convert_by(
                effect, sound, settings.controls, match_loudness=settings.match_loudness, progress=progress
            ),
        )
    assert settings.package is not None
    package = load(settings.package)
    return _Way(
        package.manifest.sample_rate,
        lambda sound, progress: convert(
            sound.signal,
            sound.sample_rate,
            package,
            settings.controls,
            match_loudness=settings.match_loudness,
            learn_level=settings.learn_level,
            phase=settings.phase,
            before=settings.before,
            after=settings.after,
            progress=progress,
        ),
    )


def _convert_one(task: Task, way: _Way, settings: Settings, hear: Callable[[float, float], None]) -> Result:
    """hear: told seconds that are done since it was last told, and how many there are."""
    try:
        sound = _read(task.source, settings, way.sample_rate)
        length_s = sound.seconds
        hear(0.0, length_s)
        made = way.convert(sound, lambda seconds: hear(seconds, length_s))
        turned_down_db = write_audio(
            task.destination, made.signal, sound.sample_rate, subtype=sound.subtype, overwrite=settings.overwrite
        )
    except RetimbreError as error:
        return Result(task, failure=str(error))
    except MemoryError:
        return Result(task, failure=f"{task.source} needs more memory than there is; cut it into parts.")
    except Exception as error:  # noqa: BLE001  (a defect with one file must not lose the others)
        return Result(task, failure=f"{task.source} met a defect of the program ({type(error).__name__}: {error}).")
    notes = []
    if made.limited_db > 0.05:
        notes.append(f"{made.limited_db:.1f} dB softer than the input, so that peaks do not clip")
    if turned_down_db > 0.05:
        notes.append(f"turned down by {turned_down_db:.1f} dB, so that peaks do not clip")
    if made.faults:
        notes.append(f"the input is heard in {made.faults} steps, where {made.last_fault}")
    return Result(task, sound.seconds, None, tuple(notes))


def _read(path: Path, settings: Settings, sample_rate: int) -> AudioFile:
    """A sound file as it is, or a MIDI file as its source plays it, at `sample_rate`."""
    if path.suffix.lower() not in MIDI_SUFFIXES:
        return read_audio(path)
    from realtime.midi.midi_file import RENDER_BLOCK, render_midi

    source = open_source(settings.source, rate_hz=sample_rate, longest=RENDER_BLOCK)
    return AudioFile(render_midi(path, source, sample_rate)[None], sample_rate)


def _in_processes(
    todo: Sequence[Task],
    settings: Settings,
    jobs: int,
    progress: Callable[[float], None],
    parts: Callable[[Task, float], None],
    done: Callable[[Result], None],
) -> None:
    context = multiprocessing.get_context("spawn")  # forking a process that has threads (onnxruntime's) is unsafe
    shared = Parts(len(todo), context)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (settings, shared))
    told = 0.0
    try:
        with _deaf_to_interrupts():  # the pool starts its processes here, and they inherit it
            waiting: dict[Future[Result], int] = {pool.submit(_work, n, task): n for n, task in enumerate(todo)}
        while waiting:
            ready, _ = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            now = shared.seconds()
            progress(now - told)
            told = now
            for index in waiting.values():
                if shared.begun(index):
                    parts(todo[index], shared.part(index))
            for future in ready:
                task = todo[waiting.pop(future)]
                try:
                    done(future.result())
                except SystemExit:  # somebody has ended a worker by a signal, as a terminal or a service does to all
                    raise KeyboardInterrupt from None
                except BrokenProcessPool:
                    done(Result(task, failure=f"{task.source} was lost with a process that died; use fewer --jobs."))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; only a main thread can, and only it needs to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_worker: tuple[_Way, Settings, Parts]
_stopping = False


def _start_worker(settings: Settings, shared: Parts) -> None:
    global _worker  # noqa: PLW0603  (one per worker process, set before its first task)
    # The parent alone decides what an interrupt means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    _worker = _open(settings, Package.read), settings, shared


def _stop(*_: object) -> None:
    """Leave the file at hand by an exception, so that its `finally` removes what was begun, and begin no other."""
    global _stopping  # noqa: PLW0603  (a signal handler can tell nobody else)
    _stopping = True
    sys.exit(1)


def _work(index: int, task: Task) -> Result:
    if _stopping:  # the pool takes even a SystemExit for the result of one task, and hands out the next
        raise SystemExit(1)
    way, settings, shared = _worker
    shared.begin(index)
    return _convert_one(task, way, settings, lambda seconds, of: shared.add(index, seconds, of))


def _refusal(task: Task, taken: dict[Path, Path], *, overwrite: bool) -> str | None:
    destination = task.destination
    if destination.exists() and task.source.exists() and destination.samefile(task.source):
        return f"{task.source} would overwrite itself; choose another folder or name."
    if destination.exists() and not overwrite:
        return f"{destination} exists already; choose another name, or allow it with --overwrite."
    other = taken.get(destination.absolute())
    if other is not None:
        return f"{task.source} would be written to {destination}, as {other} is; convert them into different folders."
    return None


def _sounds_in(folder: Path, out: Path) -> list[Path]:
    """Sound files below `folder`, sorted, without hidden ones and without what lies in `out`."""
    out = out.absolute()
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).absolute() != out)
        sounds = (name for name in sorted(files) if Path(name).suffix.lower() in SUFFIXES)
        found += [here / name for name in sounds if not name.startswith(".")]
    return found


def _named(path: Path, format_name: str | None) -> Path:
    if format_name is not None:
        return path.with_suffix(f".{format_name}")
    return path if path.suffix.lower() in SUFFIXES else path.with_suffix(".wav")
