"""`retimbre train RUN`: train a system from a run file, or go on with a run that was interrupted.

Several processes: `torchrun --standalone --nproc_per_node=2 --no-python retimbre train RUN`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trainer.config import RunConfig

RUNS = Path(__file__).resolve().parent.parent / "runs"


def register(app: typer.Typer) -> None:
    """Add `train`."""
    app.command("train")(train)


def train(
    run_file: Annotated[Path, typer.Argument(metavar="RUN", help="A run file (TOML), or the name of a shipped one.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; repeatable.")
    ] = None,
    show_settings: Annotated[
        bool, typer.Option("--settings", help="Print every setting with its value and meaning, and stop.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Refuse to begin anew: go on only from the checkpoint in run.out.")
    ] = False,
) -> None:
    """Train a system; run again with the same settings to go on from the last checkpoint (Ctrl-C saves one)."""
    from rich.console import Console

    from realtime.errors import ConfigError
    from trainer.loop import train as run_loop

    run, config = load_settings(run_file, overrides or [])
    console = Console()
    if show_settings:
        print_settings(run, config, console)
        return
    if resume and not (run.out / "last.pt").is_file():
        raise ConfigError(f"--resume found no checkpoint {run.out / 'last.pt'}: leave --resume away to begin the run")
    outcome = run_loop(run, config, console)
    if not outcome.is_first:
        return
    if outcome.interrupted:
        console.print(
            f"interrupted at step {outcome.step} with a checkpoint: run the same command again to go on, "
            f"or `retimbre export {run.out} -o exported_models/{run.out.name}` to use what there is",
            soft_wrap=True,
        )
        raise typer.Exit(130)
    console.print(
        f"{outcome.step} steps done, best {outcome.best:.6g} at step {outcome.best_step}: "
        f"`retimbre export {run.out} -o exported_models/{run.out.name}` makes a package of it",
        soft_wrap=True,
    )


def load_settings(run_file: Path, overrides: list[str]) -> tuple[RunConfig, Any]:
    """The `[run]` settings and the recipe's Config from a run file (or a shipped run's name) and overrides."""
    from trainer.config import RunConfig, apply_overrides, from_table, read_run_file, recipe_config
    from trainer.recipe import find

    shipped = RUNS / f"{run_file}.toml"
    path = shipped if not run_file.is_file() and shipped.is_file() else run_file
    tables = apply_overrides(read_run_file(path), overrides)
    run = from_table(RunConfig, tables.get("run", {}), "run")
    return run, recipe_config(find(run.recipe).Config, tables)


def print_settings(run: RunConfig, config: Any, console: Any) -> None:
    """A table of every setting: key, type, value, meaning."""
    from rich.table import Table

    from trainer.config import described_settings

    table = Table("setting", "type", "value", "meaning")
    for row in described_settings(run, "run") + described_settings(config, ""):
        table.add_row(*row)
    console.print(table)
