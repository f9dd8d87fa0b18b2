"""`retimbre presets`: list the presets and setlists that are found, show one, check them, and say where they are.

Exit codes: 0 all is well; 1 a preset asked for is missing, broken, or names what is not here. `list` names broken files
and still gives 0: one bad file must not stop a script from seeing the good ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.commands import AsJson

if TYPE_CHECKING:
    from realtime.presets.library import Found, Preset

app = typer.Typer(help="List, show and check presets and setlists.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="presets")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every preset and setlist that is found, and say why a broken one is broken."""
    from rich.console import Console
    from rich.table import Table

    from realtime.presets.library import Preset, Setlist, list_presets, list_setlists, preset_folder

    presets, setlists = list_presets(), list_setlists()
    if as_json:
        typer.echo(json.dumps({"presets": _entries(presets), "setlists": _entries(setlists)}, indent=2))
        return
    console = Console(markup=False, highlight=False)
    table = Table(title="Presets", title_justify="left")
    for column in ("Name", "Model", "Targets", "Plugins", "Plays"):
        table.add_column(column, overflow="fold")
    for one in presets:
        if isinstance(one.value, Preset):
            table.add_row(_name(one), *_row(one.value))
    console.print(table)
    table = Table(title="Setlists", title_justify="left")
    for column in ("Name", "Presets"):
        table.add_column(column, overflow="fold")
    for one in setlists:
        if isinstance(one.value, Setlist):
            table.add_row(_name(one), ", ".join(one.value.presets))
    if setlists:
        console.print(table)
    for one in (*presets, *setlists):
        if one.error is not None:
            typer.secho(f"broken: {one.error}", err=True, fg=typer.colors.YELLOW)
    typer.echo(f"Your own are in {preset_folder()}.")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a preset, or its file.")],
    setlist: Annotated[bool, typer.Option("--setlist", help="It is a setlist.")] = False,
) -> None:
    """Show a preset, or a setlist, as the program understands it: TOML, to be edited and saved under another name."""
    from realtime.presets.library import resolve_preset, resolve_setlist
    from realtime.presets.preset_text import preset_to_text

    typer.echo(resolve_setlist(name).to_text() if setlist else preset_to_text(resolve_preset(name)), nl=False)


@app.command("check")
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names or files of presets; none: everything found.")
    ] = None,
) -> None:
    """Check that models, targets and files are here that presets and setlists name; 1 when any is not."""
    from realtime.errors import ConfigError
    from realtime.presets.library import (
        Preset,
        Setlist,
        check_preset,
        check_setlist,
        list_presets,
        list_setlists,
        resolve_preset,
    )

    wrong: list[str] = []
    checked = 0
    for name in names or ():
        try:
            wrong += check_preset(resolve_preset(name))
            checked += 1
        except ConfigError as error:
            wrong.append(str(error))
    for one in () if names else (*list_presets(), *list_setlists()):
        checked += 1
        if isinstance(one.value, Preset):
            wrong += check_preset(one.value)
        elif isinstance(one.value, Setlist):
            wrong += check_setlist(one.value)
        elif one.error is not None:
            wrong.append(one.error)
    for sentence in dict.fromkeys(wrong):
        typer.secho(sentence, err=True, fg=typer.colors.RED)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"{checked} checked: all that they name is here.")


@app.command("path")
def path(
    name: Annotated[str | None, typer.Argument(help="Name of a preset; left out: your folder of presets.")] = None,
) -> None:
    """Print where your presets are, or where one is."""
    from realtime.presets.library import preset_folder, resolve_preset

    typer.echo(str(preset_folder() if name is None else resolve_preset(name).path))


def _entries(found: list[Found]) -> list[dict[str, Any]]:
    return [{"name": one.name, "path": str(one.path), "error": one.error, "hidden": one.hidden} for one in found]


def _name(one: Found) -> str:
    return f"{one.name} (hidden by an earlier folder)" if one.hidden else one.name


def _row(preset: Preset) -> tuple[str, str, str, str]:
    count = len(preset.before) + len(preset.after)
    return (
        preset.model,
        ", ".join(preset.targets) or "–",
        str(count) if count else "–",
        "sound card" if preset.source is None else f"MIDI: {preset.source.kind}",
    )
