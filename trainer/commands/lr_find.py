"""`retimbre lr-find RUN`: which learning rates a system should be given on this data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `lr-find`."""
    app.command("lr-find")(lr_find)


def lr_find(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="A run file (TOML), or the name of a shipped one.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help="generator, discriminator or joint; repeatable. Left out: all that make sense."),
    ] = None,
    start: Annotated[float, typer.Option(help="The smallest learning rate.")] = 1e-7,
    stop: Annotated[float, typer.Option(help="The largest; a sweep ends earlier when its loss explodes.")] = 1.0,
    steps: Annotated[int, typer.Option(help="Training steps of a sweep.")] = 100,
    loss: Annotated[
        str, typer.Option(help="The loss to watch, a+b for a sum; left out: what the system is judged by.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of plot and numbers; left out: beside the run's.")
    ] = None,
) -> None:
    """Sweep the learning rate of generator, discriminator and both; plot the losses and say what to set."""
    from rich.console import Console
    from rich.progress import Progress

    from realtime.errors import ConfigError
    from trainer.commands.train import load_settings
    from trainer.lr_finder import PARTS, Part, advice, find_rates, write

    for name in part or ():
        if name not in PARTS:
            raise ConfigError(f"--part is {name!r}, expected one of {', '.join(PARTS)}")
    run, config = load_settings(run_file, overrides or [])
    if run.threads:
        import torch

        torch.set_num_threads(run.threads)
    console = Console()
    chosen: tuple[Part, ...] | None = tuple(known for known in PARTS if known in part) if part else None
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("sweeping")

        def begun(name: str, count: int) -> None:
            progress.update(task, total=count * (steps + 1), description=f"sweeping {name}")

        sweeps = find_rates(
            run,
            config,
            chosen,
            on_sweep=begun,
            on_step=lambda: progress.advance(task),
            on_refused=lambda sentence: console.print(sentence, soft_wrap=True, highlight=False),
            start=start,
            stop=stop,
            steps=steps,
            loss=loss,
        )
    plot = write(sweeps, out or run.out.with_name(f"{run.out.name}-learning-rates"))
    for swept in sweeps:
        console.print(advice(swept, config), soft_wrap=True, highlight=False)
    console.print(f"plot and numbers: {plot.parent}", soft_wrap=True, highlight=False)
