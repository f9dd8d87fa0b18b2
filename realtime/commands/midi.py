"""`retimbre midi`: list the MIDI ports, watch what one sends, and list the instruments of a SoundFont."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from realtime.commands import AsJson

app = typer.Typer(help="List MIDI ports, watch what one sends, list a SoundFont's instruments.", no_args_is_help=True)
_LOOK_S = 0.01
_NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="midi")


@app.command("ports")
def list_ports(as_json: AsJson = False) -> None:
    """List the ports that send MIDI, by the names that --midi takes."""
    from realtime.midi import ports as midi

    ports = midi.list_ports()
    if as_json:
        typer.echo(json.dumps({"ports": [dataclasses.asdict(port) for port in ports]}, indent=2))
        return
    if not ports:
        typer.echo(
            "There is no MIDI port: plug a keyboard in, or watch a virtual port with "
            "`retimbre midi monitor --virtual NAME` and connect to it."
        )
        raise typer.Exit(1)
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "interface", box=None)
    for port in ports:
        table.add_row(port.name, port.api)
    Console().print(table)


@app.command()
def monitor(
    port: Annotated[str | None, typer.Argument(help="The port, or a part of its name.")] = None,
    virtual: Annotated[str | None, typer.Option("--virtual", help="Make a port of this name instead.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Stop after so long.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every message that a port sends, until Ctrl-C."""
    import time

    from realtime.midi import ports as midi

    # No sound runs, so any rate will do.
    heard = midi.open_input(port, virtual_name=virtual, rate_hz=48000, jack=_jack_runs(), wait=False)
    typer.echo(f"Listening to {heard.name}; Ctrl-C stops.", err=True)
    began = time.monotonic()
    try:
        while seconds is None or time.monotonic() - began < seconds:
            for message in heard.drain():
                typer.echo(json.dumps(list(message)) if as_json else spelt(message))
            for sentence in heard.problems():
                typer.echo(sentence, err=True)
            time.sleep(_LOOK_S)
    finally:
        heard.close()


@app.command()
def instruments(
    soundfont: Annotated[Path, typer.Argument(help="An .sf2 file.")],
    as_json: AsJson = False,
) -> None:
    """List the instruments of a SoundFont by bank and program."""
    from realtime.midi import soundfont as fonts

    found = fonts.instruments(soundfont)
    if as_json:
        rows = [{"bank": bank, "program": program, "name": name} for bank, program, name in found]
        typer.echo(json.dumps({"instruments": rows}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("bank", "program", "name", box=None)
    for bank, program, name in found:
        table.add_row(str(bank), str(program), name)
    Console().print(table)


def spelt(message: bytes) -> str:
    """A message in words: channel, what it is, its numbers."""
    kind, channel = message[0] & 0xF0, (message[0] & 0x0F) + 1
    values = list(message[1:])
    if kind in {0x80, 0x90} or kind == 0xA0:
        note = f"{_NOTES[values[0] % 12]}{values[0] // 12 - 1} ({values[0]})"
        if kind == 0xA0:
            words = f"pressure {values[1]} on {note}"
        elif kind == 0x90 and values[1]:
            words = f"note {note} velocity {values[1]}"
        else:
            words = f"note {note} off"
    elif kind == 0xB0:
        words = f"controller {values[0]} value {values[1]}"
    elif kind == 0xC0:
        words = f"program {values[0]}"
    elif kind == 0xD0:
        words = f"pressure {values[0]}"
    elif kind == 0xE0:
        words = f"bend {values[0] + 128 * values[1] - 8192:+d}"
    else:
        return "system reset"
    return f"channel {channel:2d}  {words}"


def _jack_runs() -> bool:
    from realtime.midi import jack_input

    return jack_input.is_running()
