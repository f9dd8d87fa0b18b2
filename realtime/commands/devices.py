"""`retimbre devices`: the sound cards that can be named in `retimbre live`."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("devices")(devices)


def devices(as_json: Annotated[bool, typer.Option("--json", help="Print the devices as JSON.")] = False) -> None:
    """List the sound devices by host API, with the names that --input, --output and --host-api take."""
    from rich.console import Console
    from rich.table import Table

    from realtime import audio_io

    found = audio_io.list_devices()
    if as_json:
        rows = [dataclasses.asdict(device) for device in found]
        for row in rows:
            del row["index"]  # it moves when a plug is pulled, so nobody shall keep it
        typer.echo(json.dumps({"devices": rows}, indent=2))
        return
    if not found:
        typer.echo(audio_io.no_card("input or output"))
        raise typer.Exit(1)
    table = Table("host API", "name", "in", "out", "rate", "default", box=None)
    for device in found:
        default = " and ".join(
            name for name, is_so in (("input", device.is_default_input), ("output", device.is_default_output)) if is_so
        )
        inputs, outputs = str(device.input_channels), str(device.output_channels)
        table.add_row(device.host_api, device.name, inputs, outputs, f"{device.default_rate_hz} Hz", default)
    Console().print(table)
