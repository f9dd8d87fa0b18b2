"""`retimbre doctor`: what is installed, what really works here, and how to repair what does not."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from realtime.doctor import Findings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    short: Annotated[bool, typer.Option("--short", help="One line, plus what must be repaired.")] = False,
) -> None:
    """Tell what is installed, which back ends really work here, and how to repair what does not.

    Ends with exit code 0 when files can be converted on this machine, else with 1.
    """
    from realtime.doctor import examine

    found = examine()
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        print_findings(found, short=short)
    raise typer.Exit(0 if found.can_convert else 1)


def print_findings(found: Findings, *, short: bool) -> None:
    """Print every finding, or when `short` those that keep files from being converted; then one line in sum."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    area = ""
    for finding in found.findings:
        if short and (finding.works or not finding.needed):
            continue
        if finding.area != area and not short:
            area = finding.area
            console.print(Text(area, style="bold"))
        mark, style = ("✓", "green") if finding.works else ("✗", "red" if finding.needed else "yellow")
        console.print(Text(f"  {mark} ", style=style) + Text(f"{finding.name}: {finding.detail}"))
        if finding.repair:
            console.print(Text(f"      {finding.repair}", style="dim"))
    converts = "converts files" if found.can_convert else "cannot convert files"
    live = "plays live" if found.can_play_live else "has no working sound card to play live"
    host = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    console.print(Text(f"retimbre {version('retimbre')} ({host}) {converts} and {live}.", style="bold"))
