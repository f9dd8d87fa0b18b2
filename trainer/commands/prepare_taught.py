"""`retimbre prepare taught`: recordings and what a slow model makes of them, as pairs for a student that plays live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.prepare_outcome import AsJson, JsonLines, tell_pairs


def register(_app: typer.Typer) -> None:
    """Add `prepare taught` to `prepare`."""
    from trainer.commands.prepare import prepare

    prepare.command("taught")(taught)


def taught(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folders that hold one folder per domain, or the index.json of `prepare recordings`."),
    ],
    teacher: Annotated[str, typer.Option("--teacher", "-t", help="A run's folder, or a package's name or folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    target: Annotated[str | None, typer.Option(help="The teacher's target, where it has several.")] = None,
    origin_name: Annotated[str, typer.Option("--origin", help="What the input is called in the index.")] = "input",
    target_name: Annotated[
        str, typer.Option("--as", help="What the teacher's sound is called; left out: its target, else its own name.")
    ] = "",
    temperature: Annotated[float, typer.Option(help="Of a run that draws by chance: lower is surer and duller.")] = 1.0,
    rate: Annotated[int, typer.Option(help="Sample rate of the written files, Hz.")] = 44100,
    piece: Annotated[
        float, typer.Option(help="Teach recordings longer than 1.5 times this in pieces of about it, s; 0: whole.")
    ] = 30.0,
    domains: Annotated[str, typer.Option(help="Only these domains, separated by commas.")] = "",
    split_file: Annotated[
        Path | None,
        typer.Option(help="CSV with a column split (train, validation, test, leave) and any of domain, source, file."),
    ] = None,
    validation: Annotated[float, typer.Option(help="Fraction for validation where nothing else decides.")] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction for test, which is left alone, where nothing decides.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of that choice.")] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Refused recordings do not make the run fail.")] = False,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Let a slow model convert recordings, and keep both: a system on aligned pairs then learns to do it live.

    A stopped or killed run goes on where it was. Recordings that are unfit, or come out silent, are refused and
    listed; the exit status is then 1, unless --skip-bad is given.
    """
    from rich.console import Console
    from rich.progress import Progress

    from trainer.datasets.cutting import in_pieces
    from trainer.recordings import SplitSettings
    from trainer.splits import read_split_file
    from trainer.taught import TaughtSettings, find_lessons, prepare_taught
    from trainer.teacher import find_teacher

    found = find_teacher(teacher, target, temperature)
    settings = TaughtSettings(origin_name, target_name or target or found.name, rate)
    rules = read_split_file(split_file) if split_file else ()
    wanted = [name.strip() for name in domains.split(",") if name.strip()]
    lessons = in_pieces(find_lessons(sources, SplitSettings(rules, validation, test, seed), domains=wanted), piece)
    lines = JsonLines(as_json, len(lessons), out)
    with Progress(console=Console(stderr=True, quiet=as_json)) as progress:
        task = progress.add_task("recordings", total=len(lessons))
        prepared = prepare_taught(
            lessons, found, out, settings, workers=workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            on_lesson=lambda item, result: lines.item(item.name, result, path=item.path, domain=item.domain),
        )  # fmt: skip
    tell_pairs(
        lines, prepared.pairs, prepared.refusals,
        f"{len(prepared.pairs)} pairs taught by {found.name} ({prepared.kept} already done), {{minutes}}",
        (out / "index.json",), skip_bad=skip_bad,
    )  # fmt: skip
