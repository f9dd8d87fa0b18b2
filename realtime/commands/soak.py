"""`retimbre soak`: hours of sound in minutes, with everything that can happen on stage."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

_TOLD_PARTS = 50


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("soak")(soak)


def soak(
    hours: Annotated[float, typer.Option(help="Hours of sound.")] = 1.0,
    model: Annotated[
        list[str] | None, typer.Option(help="Models to exchange, repeatable; left out: all that are installed.")
    ] = None,
    plugin: Annotated[list[str] | None, typer.Option(help="An LV2 plugin's URI before the model; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of what happens.")] = 0,
    faults: Annotated[
        bool, typer.Option(help="Kill the engine and the plugins now and then, in the first half.")
    ] = True,
    midi: Annotated[bool, typer.Option(help="Storms of MIDI.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the report as JSON.")] = None,
) -> None:
    """Play through a JACK server in freewheel while everything happens that can; ends with 1 when a check fails.

    Ctrl-C ends it early, with a report of what there was.
    """
    import signal

    from rich.console import Console
    from rich.progress import Progress

    from realtime.package import find_packages
    from realtime.plugins.spec import PluginSpec
    from realtime.soak import SoakSettings
    from realtime.soak import soak as run

    models = tuple(model or ()) or tuple(found.manifest.name for found in find_packages() if found.manifest is not None)
    settings = SoakSettings(
        hours, models, tuple(PluginSpec(uri) for uri in plugin or ()), seed=seed, faults=faults, midi=midi
    )
    console = Console(highlight=False)
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda one, _frame: stopped.append(one))
    screen = Console(stderr=True, highlight=False)
    told = [0]

    def tell(part: float) -> None:
        progress.update(task, completed=part)
        if not screen.is_terminal and int(part * _TOLD_PARTS) > told[0]:  # into a log: a line now and then
            told[0] = int(part * _TOLD_PARTS)
            screen.print(f"{part:.0%} of {hours:g} h of sound", markup=False)

    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
        task = progress.add_task(f"{hours:g} h of sound", total=1.0)
        report = run(settings, tell, lambda: bool(stopped))
    if out is not None:
        out.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    console.print(
        f"{report.hours:.2f} h of sound at {report.times_real_time:g} times real time: {report.frames_asked} frames "
        f"asked for, {report.frames_missing} missing, {report.frames_compared} compared sample by sample.",
        markup=False,
    )
    console.print(f"Done: {_listed(report.actions)}. Caused: {_listed(report.faults_caused)}.", markup=False)
    console.print(
        f"Memory {report.memory_mb[0]:g} to {report.memory_mb[1]:g} MB, threads {report.threads[0]} to "
        f"{report.threads[1]}, handles {report.handles[0]} to {report.handles[1]}, {report.restarts} restarts, "
        f"{report.xruns} xruns.",
        markup=False,
    )
    for failure in report.failures:
        console.print(f"FAILED: {failure}", markup=False)
    if report.failures:
        raise typer.Exit(1)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} × {name}" for name, number in sorted(counts.items())) or "nothing"
