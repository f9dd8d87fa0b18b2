"""The command of the desktop app. Qt is imported only when it runs."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gui")(gui)


def gui() -> None:
    """Open the desktop app."""
    from gui.app import run

    raise typer.Exit(run())
