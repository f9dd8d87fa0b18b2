"""`retimbre plugins`: the effects of others that can stand before and behind the model, tried where they do no harm.

Exit codes: 0 done; 1 a plugin asked for is missing, broken or cannot run here. `list` and `scan` name broken plugins
and still give 0: one bad plugin must not stop a script from seeing the good ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.commands import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.plugins.plugin import Parameter, PluginInfo
    from realtime.plugins.scan import Finding

app = typer.Typer(help="List, try, show and forgive plugins (LV2, VST3, Audio Unit).", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="plugins")


@app.command("list")
def list_plugins(
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="Those too that cannot stand in a chain.")] = False,
) -> None:
    """List the installed plugins, and say why a broken one is broken. No plugin is loaded for it."""
    from realtime.plugins import blacklist
    from realtime.plugins.loading import find_uris
    from realtime.plugins.scan import remembered

    uris, said = find_uris()
    known, black_listed = remembered(), blacklist.read()
    entries = []
    for uri in uris:
        info = _info(uri, known.get(uri))
        found = known.get(uri)
        problem = black_listed.get(uri)
        if problem is None and found is not None and not found.black_listed:  # it may have been forgiven since
            problem = found.problem
        if problem is None and info is not None:
            problem = info.problem
        entries.append(_entry(uri, info, found, problem))
    if as_json:
        typer.echo(json.dumps({"plugins": entries, "remarks": said}, indent=2, ensure_ascii=False))
        return
    lines = [("NAME", "KIND", "IN", "OUT", "DELAY", "URI")]
    for one in entries:
        if one["problem"] is None:
            cells = ("inputs", "outputs", "latency_samples", "uri")
            shown = ("–" if one[key] is None else str(one[key]) for key in cells)
            lines.append((one["name"], one["category"] or one["format"], *shown))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line in lines:  # no table: a URI must stay whole, to be copied
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]))
    broken = [one["problem"] for one in entries if one["problem"] is not None]
    for sentence in broken if everything else ():
        typer.secho(sentence, err=True, fg=typer.colors.YELLOW)
    if broken and not everything:
        typer.echo(f"{len(broken)} more cannot stand in a chain: --all says why.")
    for sentence in said:
        typer.echo(sentence)


@app.command("scan")
def scan_plugins(
    uris: Annotated[list[str] | None, typer.Argument(help="Plugins to try; none: every one installed.")] = None,
    as_json: AsJson = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Print a line on stderr as each trial begins: NUMBER OF-HOW-MANY URI.")
    ] = False,
) -> None:
    """Try plugins in a process of their own, and black-list those that crash or hang."""
    from rich.console import Console

    from realtime.plugins import blacklist
    from realtime.plugins.loading import find_uris
    from realtime.plugins.scan import remember, scan

    found, said = find_uris()
    black_listed = blacklist.read()
    wanted = list(dict.fromkeys(uris)) if uris else [uri for uri in found if uri not in black_listed]
    status = Console(stderr=True, highlight=False, markup=False)
    with status.status("Trying plugins …") as shown:

        def begun(uri: str) -> None:
            shown.update(f"Trying {uri}")
            if progress:
                typer.echo(f"{wanted.index(uri) + 1} {len(wanted)} {uri}", err=True)

        findings = list(scan(wanted, begun=begun))
    remember(findings)
    skipped = [] if uris else [uri for uri in found if uri in black_listed]
    if as_json:
        rows = [one.to_mapping() for one in findings]
        typer.echo(json.dumps({"plugins": rows, "skipped": skipped, "remarks": said}, indent=2, ensure_ascii=False))
    else:
        well = [one for one in findings if one.problem is None]
        slowest = max(well, key=lambda one: one.run_us, default=None)
        tail = "" if slowest is None else f"; the slowest needs {slowest.run_us:.0f} µs for 128 frames"
        typer.echo(f"Tried {len(findings)} plugins: {len(well)} can stand in a chain{tail}.")
        for one in findings:
            if one.problem is not None:
                typer.secho(one.problem, fg=typer.colors.RED if one.black_listed else None)
        for uri in skipped:
            typer.echo(f"Not tried, because it is black-listed: {uri}.")
        for sentence in said:
            typer.echo(sentence)
    if uris and any(one.problem is not None for one in findings):
        raise typer.Exit(1)


@app.command("show")
def show_plugin(
    uri: Annotated[str, typer.Argument(help="An LV2 URI, or the path of a .vst3 or .component.")],
    as_json: AsJson = False,
    preset: Annotated[
        str | None, typer.Option("--preset", help="One of its presets: every knob's value in it too. This loads it.")
    ] = None,
) -> None:
    """Show what a plugin says of itself: its knobs, with their ranges, and its presets."""
    import dataclasses

    from realtime.errors import PluginError
    from realtime.plugins import blacklist
    from realtime.plugins.loading import open_plugin, read_info
    from realtime.plugins.plugin import format_of
    from realtime.plugins.scan import remember, scan
    from realtime.plugins.spec import PluginSpec

    black = blacklist.read().get(uri)
    if format_of(uri) == "LV2":
        info = read_info(uri)
    else:
        if black is not None:
            raise PluginError(black)
        (finding,) = scan([uri])  # it must be loaded to be asked
        remember([finding])
        if finding.info is None:
            raise PluginError(str(finding.problem))
        info = finding.info
    problem = black or info.problem
    values: dict[str, float] = {}
    if preset is not None:
        if problem is not None:
            raise PluginError(problem)
        plugin = open_plugin(PluginSpec(uri, preset=preset), 48000, 1024)
        values = {one.symbol: value for one, value in zip(info.parameters, plugin.values(), strict=True)}
        plugin.close()
    if as_json:
        facts = {**dataclasses.asdict(info), "problem": problem, **({} if preset is None else {"values": values})}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    summary = _table(info.name, ("", ""))
    for key, value in (
        ("URI", info.uri),
        ("format", info.format),
        ("kind", info.category or "–"),
        ("maker", info.maker or "–"),
        ("licence", info.licence or "–"),
        ("channels", f"{info.inputs} in, {info.outputs} out"),
    ):
        summary.add_row(key, value)
    _print(summary)
    held = "Default" if preset is None else "In the preset"
    knobs = _table("Parameters", ("Symbol", "Name", "From", "To", held, "Unit", "Values"))
    for one in info.parameters:
        ends = (f"{one.minimum:g}", f"{one.maximum:g}", f"{values.get(one.symbol, one.default):g}")
        knobs.add_row(one.symbol, one.name, *ends, one.unit, _values(one))
    _print(knobs)
    if info.presets:
        presets = _table("Presets", ("Label", "URI"))
        for name, label in info.presets:
            presets.add_row(label, name)
        _print(presets)
    if problem is not None:
        typer.secho(problem, err=True, fg=typer.colors.YELLOW)


@app.command("forgive")
def forgive_plugin(uri: Annotated[str, typer.Argument(help="A plugin that is black-listed.")]) -> None:
    """Take a plugin off the black-list, after an update for example."""
    from realtime.errors import PluginError
    from realtime.plugins import blacklist

    if not blacklist.forgive(uri):
        listed = ", ".join(blacklist.read()) or "none"
        raise PluginError(f"The plugin {uri} is not black-listed; those that are: {listed}.")
    typer.echo(f"The plugin {uri} will be loaded again: `retimbre plugins scan {uri}` tries it.")


def _info(uri: str, known: Finding | None) -> PluginInfo | None:
    """Facts without loading code: from the texts of an LV2, from an earlier scan of another."""
    from realtime.plugins.loading import read_info
    from realtime.plugins.plugin import format_of

    if format_of(uri) == "LV2":
        return read_info(uri)
    return None if known is None else known.info


def _entry(uri: str, info: PluginInfo | None, known: Finding | None, problem: str | None) -> dict[str, Any]:
    """What a list says of a plugin."""
    from realtime.plugins.plugin import format_of

    return {
        "uri": uri,
        "name": uri if info is None else info.name,
        "format": format_of(uri),
        "category": "not scanned yet" if info is None else info.category,
        "inputs": None if info is None else info.inputs,
        "outputs": None if info is None else info.outputs,
        "parameters": None if info is None else len(info.parameters),
        "presets": None if info is None else [label for _, label in info.presets],
        "latency_samples": None if known is None or known.info is None else known.latency_samples,
        "problem": problem,
    }


def _values(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"{value:g} {label}" for label, value in parameter.choices)
    return {"switch": "0 off, 1 on", "whole": "whole numbers"}.get(parameter.kind, "")


def _table(title: str, columns: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table) -> None:
    """Text of a plugin is shown as it is: square brackets in it are no markup."""
    from rich.console import Console

    Console(markup=False, highlight=False).print(table)
