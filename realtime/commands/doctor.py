"""`retimbre doctor`: what is installed, what really works here, and how to repair what does not."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    short: Annotated[bool, typer.Option("--short", help="One line, plus what does not work.")] = False,
) -> None:
    """Tell what is installed, which back ends really work here, and how to repair what does not."""
    # Late: these parts import what the other commands' --help must not wait for.
    from realtime.doctor import examine, print_findings  # noqa: PLC0415

    findings = examine()
    print_findings(findings, as_json=as_json, short=short)
    raise typer.Exit(0 if findings.can_convert else 1)
