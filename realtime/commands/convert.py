"""`retimbre convert`: sound files in, the same playing on another instrument out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

if TYPE_CHECKING:
    from realtime.convert_files import Result, Settings, Task
    from realtime.messages import StreamSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert")(convert)


def convert(
    sources: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Sound or MIDI files, or folders of sound files.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A file, for one input; else a folder.")],
    model: Annotated[str | None, typer.Option(help="A model's name or folder; left out: the shipped voice.")] = None,
    target: Annotated[str | None, typer.Option(help="NAME, or a blend NAME=0.7,NAME=0.3.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="A preset's name or file: its model, targets, controls, plugins; what is said besides wins."),
    ] = None,
    mix: Annotated[float | None, typer.Option(help="0 the input alone, 1 the model alone; left out: 1.")] = None,
    gain: Annotated[float | None, typer.Option(help="dB after the model; left out: 0.")] = None,
    transpose: Annotated[float | None, typer.Option(help="Semitones; left out: 0.")] = None,
    octave: Annotated[
        str | None, typer.Option(help="auto, if left out: into the target's range by whole octaves; off.")
    ] = None,
    player_level: Annotated[
        float | None, typer.Option(help="dBFS that count as forte; left out: the preset's, or found in each file.")
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE of any control (gate_db=-50, …), or of the --method; repeatable."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Not a model but a method that hears whole files: random-cnn, run (training extra)."),
    ] = None,
    style: Annotated[Path | None, typer.Option(help="With --method: the sound whose texture is taken.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="With --method run: the folder of a training run, whose own networks convert, live or not."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="What plays MIDI files: pluck, if left out, oscillator, FILE.sf2[:PROGRAM].")
    ] = None,
    match_loudness: Annotated[
        bool | None,
        typer.Option(
            "--match-loudness/--no-match-loudness",
            help="Give the result the loudness of the input; left out: yes, but with a preset no.",
        ),
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="wav, flac, ogg, mp3 or aiff; left out: as the input.")
    ] = None,
    griffin_lim: Annotated[
        bool, typer.Option("--griffin-lim", help="Find a spectrum's phase from the whole file: slower, rings less.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Files at once; left out: one per processor.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell of every file in lines of JSON, for another program.")
    ] = False,
) -> None:
    """Convert sound files with a model, in parallel; the result lies on the input to the sample.

    A MIDI file is played by a source first. With a preset a file sounds as the preset does on stage, plugins too.
    With --method random-cnn the texture of another sound is put on each file, with --method run a trained run's own
    networks convert it: slow, and never live.
    """
    import os
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from realtime.commands.live import assignments, parse_source
    from realtime.controls import Controls, target_weights
    from realtime.convert_files import Settings, convert_files, plan
    from realtime.methods import asked, refuse_with_method
    from realtime.midi.source import SourceSettings
    from realtime.package import default_package_name, resolve

    tasks = plan(sources, out, format_name)
    jobs = jobs or os.cpu_count() or 1
    call = asked(method, style, control or [], min(jobs, len(tasks)), run=run, target=target)
    if call is not None:
        # Targets are a model's or a run's, and which of both a method is `open_call` knows.
        only_models = {
            "--model": model, "--preset": preset, "--transpose": transpose, "--octave": octave,
            "--player-level": player_level, "--griffin-lim": griffin_lim or None,
        }  # fmt: skip
        refuse_with_method(call.name, only_models)
        control = target = None
    sound = _sound_of(preset, model)
    package = None if call else resolve(sound.model if sound is not None else model or default_package_name())
    names = [] if package is None else [one.name for one in package.manifest.targets]
    said = {
        "mix": mix,
        "output_gain_db": gain,
        "transpose_semitones": transpose,
        "octave": octave,
        "target": None if target is None else target_weights(target, names),
        "player_level_db": player_level,
    }
    changes = {name: value for name, value in said.items() if value is not None} | assignments(control or [])
    source_of_preset = None if sound is None or sound.midi is None else sound.midi.source
    settings = Settings(
        None if package is None else package.folder,
        (Controls() if sound is None else sound.controls).with_changes(**changes),
        match_loudness=sound is None if match_loudness is None else match_loudness,
        learn_level=player_level is None and sound is None,
        overwrite=overwrite,
        phase="griffin_lim" if griffin_lim else None,
        source=(source_of_preset or SourceSettings()) if source is None else parse_source(source),
        before=() if sound is None else sound.before,
        after=() if sound is None else sound.after,
        method=call,
    )
    if as_json:
        _in_lines(tasks, settings, jobs)
        return
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    began = time.perf_counter()
    finished: list[Result] = []
    columns = (
        TextColumn("{task.completed:.0f} of {task.total:.0f} s of sound"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
        TimeRemainingColumn(),
    )
    try:
        with (
            _Stopping(),
            Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar,
        ):
            total = sum(_seconds(task.source) for task in tasks)
            row = bar.add_task("", total=total, files=f"0 of {len(tasks)} files")

            def tell(result: Result) -> None:
                finished.append(result)
                bar.update(row, files=f"{len(finished)} of {len(tasks)} files")
                for note in result.notes:
                    bar.console.print(f"{result.task.destination}: {note}.", markup=False, soft_wrap=True)

            convert_files(
                tasks,
                settings,
                jobs=jobs,
                progress=lambda seconds: bar.advance(row, seconds),
                finished=tell,
            )
    except KeyboardInterrupt:
        done = sum(result.failure is None for result in finished)
        errors.print(f"Stopped: {done} of {len(tasks)} files are done, and nothing is half-written.", markup=False)
        raise typer.Exit(130) from None
    elapsed = time.perf_counter() - began
    # In the order of the files, not of the processes that met them.
    failures = sorted((r for r in finished if r.failure), key=lambda r: r.task.source)
    seconds = sum(result.seconds for result in finished)
    for result in failures:
        errors.print(f"retimbre: {result.failure}", style="red", markup=False, soft_wrap=True)
    done = len(finished) - len(failures)
    by = f"the model {package.name}" if package is not None else f"the method {method}"
    summary = f"Converted {done} of {len(finished)} files with {by}"
    if done:
        summary += f": {seconds:.1f} s of sound in {elapsed:.1f} s, {seconds / elapsed:.1f} × real time"
    console.print(summary + ".", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _sound_of(preset: str | None, model: str | None) -> StreamSettings | None:
    """What a preset would play, through another model when one is given."""
    if preset is None:
        return None
    from dataclasses import replace

    from realtime.messages import MidiSettings
    from realtime.package import resolve
    from realtime.presets.library import resolve_preset

    found = resolve_preset(preset)
    if model is not None:
        found = replace(found, model=str(resolve(model).folder.absolute()))
    return found.resolved(MidiSettings(keyboard=True))  # an input, for the preset's source to be told


class _Stopping:
    """Lets SIGTERM end the work as Ctrl-C does, but not in the middle of a line; a second one disturbs nothing."""

    def __init__(self) -> None:
        """Not yet in force."""
        self._whole = 0
        self._stopped = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._stopped:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        first, self._stopped = not self._stopped, True
        if first and not self._whole:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """What is done here is done to its end; a signal counts afterwards."""
        stopped = self._stopped
        self._whole += 1
        try:
            yield
        finally:
            self._whole -= 1
        if self._stopped and not stopped and not self._whole:
            raise KeyboardInterrupt


def _in_lines(tasks: list[Task], settings: Settings, jobs: int) -> None:
    """Convert and tell another program, line by line; who does not listen any more wants no more."""
    import os
    import sys

    from realtime.convert_files import convert_files
    from realtime.convert_lines import Lines
    from realtime.errors import RetimbreError

    stopping = _Stopping()

    def write(line: str) -> None:
        try:
            with stopping.whole():
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        except BrokenPipeError:
            # What Python still holds for the pipe at its end goes nowhere, instead of being a second error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise KeyboardInterrupt from None

    def finished(result: Result) -> None:
        with stopping.whole():
            lines.finished(result)

    with stopping:
        lines = Lines(tasks, write)
        try:
            results = convert_files(
                tasks, settings, jobs=jobs, progress=lambda _: None, finished=finished, parts=lines.running
            )
        except RetimbreError as error:
            lines.all_failed(str(error))
            raise
        except KeyboardInterrupt:
            lines.cancelled()
            raise typer.Exit(130) from None
    if any(result.failure for result in results):
        raise typer.Exit(1)


def _seconds(path: Path) -> float:
    """Duration as the file's header has it; 0 where there is none to read (its own sentence follows later)."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except (OSError, RuntimeError, ValueError):
        return 0.0
