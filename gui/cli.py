"""The command of the desktop app. Qt is imported only when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gui")(gui)


def gui(
    memory: Annotated[
        Path | None, typer.Option(help="A file to remember settings in, instead of the user's own.")
    ] = None,
    install_desktop: Annotated[
        bool, typer.Option("--install-desktop", help="Put the app into the desktop's menu, and stop.")
    ] = False,
    watch_stalls: Annotated[
        bool,
        typer.Option("--watch-stalls", help="Print every event that keeps the window busy for longer than 16 ms."),
    ] = False,
) -> None:
    """Open the desktop app."""
    if install_desktop:
        from gui.desktop_entry import install

        entry, picture = install()
        typer.echo(f"Wrote {entry} and {picture}: Retimbre is in the desktop's menu.")
        return
    from gui.display_check import check_display

    check_display()
    from gui.app import run

    raise typer.Exit(run(memory, watch_stalls=watch_stalls))
