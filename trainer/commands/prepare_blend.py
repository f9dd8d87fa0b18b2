"""`retimbre prepare blend`: aligned pairs of two instruments, one side of each made by a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trainer.blend_pairs import Maker


def register(_app: typer.Typer) -> None:
    """Add `prepare blend` to `prepare`."""
    from trainer.commands.prepare import prepare

    prepare.command("blend")(blend)


def blend(
    recordings: Annotated[Path, typer.Argument(help="index.json of `prepare recordings`, with both instruments.")],
    instrument: Annotated[
        list[str],
        typer.Option(
            "--instrument", "-i", help="NAME=MODEL[:TARGET], twice: an instrument and what makes the other into it."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Refused recordings do not make the run fail.")] = False,
) -> None:
    """Pair two instruments whose recordings are of different pieces, by a model for each direction.

    Recordings whose conversion is silent or failed are refused and listed; the exit status is then 1, unless
    --skip-bad is given.
    """
    from rich.console import Console
    from rich.progress import Progress

    from realtime.errors import ConfigError
    from trainer.blend_pairs import prepare_blend

    if len(instrument) != 2:
        raise ConfigError(f"There are {len(instrument)} instruments, but a blend has two: give --instrument twice.")
    makers = (_maker(instrument[0]), _maker(instrument[1]))
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("recordings", total=None)
        prepared = prepare_blend(
            recordings, makers, out,
            on_recording=lambda done, total: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    for refusal in prepared.refusals:
        typer.echo(f"refused: {refusal}.", err=True)
    minutes = sum(pair["seconds"] for pair in prepared.pairs) / 60
    typer.echo(
        f"{len(prepared.pairs)} pairs, {minutes:.1f} minutes, {len(prepared.refusals)} refused: {out / 'index.json'}"
    )
    if prepared.refusals and not skip_bad:
        raise typer.Exit(1)


def _maker(text: str) -> Maker:
    from realtime.errors import ConfigError
    from realtime.package import resolve
    from trainer.blend_pairs import Maker

    name, equals, model = (part.strip() for part in text.partition("="))
    if not (name and equals and model):
        raise ConfigError(f"--instrument {text} is not NAME=MODEL[:TARGET]: write it as in `-i violin=voice:violin`.")
    model, _, target = model.partition(":")
    package = resolve(model)
    known = [one.name for one in package.manifest.targets]
    if target and target not in known:
        raise ConfigError(f"{package.name} has no target {target!r}: choose from {', '.join(known) or 'none'}.")
    if not target and len(known) > 1:
        raise ConfigError(f"{package.name} has the targets {', '.join(known)}: say which, as in `-i {name}={model}:…`.")
    return Maker(name, package, target or None)
