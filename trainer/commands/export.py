"""`retimbre export RUN_FOLDER -o FOLDER`: make a model package of a trained run, after the contract checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `export`."""
    app.command("export")(export)


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="The run.out of a training run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The package's folder; its name is the package's.")],
    title: Annotated[str, typer.Option(help="What lists and cards call it; left out: the recipe's own title.")] = "",
    last: Annotated[bool, typer.Option("--last", help="Take the last weights instead of the best.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="stream.KEY=VALUE", help="How the package is called; repeatable."),
    ] = None,
) -> None:
    """Make a model package of a trained run; refuses a model that breaks the contract."""
    from rich.console import Console

    from trainer.export import export as make

    package, report = make(run_folder, output, "last" if last else "best", title=title, overrides=overrides or [])
    size = package.size_bytes() / 1e6
    Console().print(
        f"{package.folder}: {size:.1f} MB, {report.parameters} parameters, {report.nodes} nodes; stepped = offline to "
        f"{report.stepped_against_offline:.1e}, onnxruntime = torch to {report.onnxruntime_against_torch:.1e}, "
        f"look-ahead {report.lookahead} as declared",
        highlight=False,
    )
