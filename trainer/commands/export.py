"""`retimbre export RUN_FOLDER -o FOLDER`: make a model package of a trained run, after the contract checks.

`--nam FILE` writes a small streaming WaveNet as a file of Neural Amp Modeler, beside the package or in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `export`."""
    app.command("export")(export)


def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="The run.out of a training run.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The package's folder; its name is the package's.")
    ] = None,
    title: Annotated[str, typer.Option(help="What lists and cards call it; left out: the recipe's own title.")] = "",
    last: Annotated[bool, typer.Option("--last", help="Take the last weights instead of the best.")] = False,
    nam: Annotated[
        Path | None,
        typer.Option(help="Also, or only, write a .nam file: a streaming_wavenet of one band and one target."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="stream.KEY=VALUE", help="How the package is called; repeatable."),
    ] = None,
) -> None:
    """Make a model package of a trained run; refuses a model that breaks the contract."""
    from rich.console import Console

    from realtime.at_rest import at_rest
    from realtime.errors import ConfigError
    from trainer.export import export as make

    if output is None and nam is None:
        raise ConfigError("Nothing is to be written: give --output FOLDER for a package, or --nam FILE")
    if nam is not None:
        from trainer.nam_file import export_nam

        count = export_nam(run_folder, nam, "last" if last else "best", title=title)
        Console().print(f"{nam}: {count} weights, for Neural Amp Modeler and its plugins", highlight=False)
    if output is None:
        return
    package, report = make(run_folder, output, "last" if last else "best", title=title, overrides=overrides or [])
    size = package.size_bytes() / 1e6
    Console().print(
        f"{package.folder}: {size:.1f} MB, {report.parameters} parameters, {report.nodes} nodes; stepped = offline to "
        f"{report.stepped_against_offline:.1e}, onnxruntime = torch to {report.onnxruntime_against_torch:.1e}, "
        f"look-ahead {report.lookahead} as declared",
        highlight=False,
    )
    for found in at_rest(package):
        if found.sentence:
            typer.secho(found.sentence, err=True, fg=typer.colors.YELLOW)
