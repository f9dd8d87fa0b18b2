"""`retimbre zoo`: the table of systems that can be trained; `--json`: the shipped runs for a program to offer."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `zoo`."""
    app.command("zoo")(zoo)


def zoo(
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object a line: the device, then every shipped run with its settings."),
    ] = False,
    speed: Annotated[
        bool, typer.Option("--speed", help="With --json: also measure how long each run would take on this machine.")
    ] = False,
) -> None:
    """List the systems that can be trained: parameters, look-ahead, latency and speed, measured now."""
    if as_json:
        _json_lines(speed)
        return
    from rich.console import Console
    from rich.table import Table

    from trainer.zoo import rows

    console = Console()
    table = Table("system", "parameters", "look-ahead (frames)", "latency (ms)", "of real time", "what it is")
    with console.status("measuring") as status:
        for row in rows(lambda name: status.update(f"measuring {name}")):
            numbers = (
                "–" if row.lookahead is None else str(row.lookahead),
                "–" if row.latency_ms is None else f"{row.latency_ms:.1f}",
                "–" if row.real_time_factor is None else f"{100 * row.real_time_factor:.0f} %",
            )
            table.add_row(row.name, f"{row.parameters:,}".replace(",", " "), *numbers, row.about)
    console.print(table)


def _json_lines(speed: bool) -> None:
    """Device, runs, and with `speed` one line per playable run as its measurement ends."""
    import json
    import tempfile
    from pathlib import Path

    from trainer import catalogue
    from trainer.config import to_table

    def say(kind: str, **values: object) -> None:
        # A pipe is buffered: whoever reads along wants each line when it is there.
        print(json.dumps({"kind": kind, **values}, ensure_ascii=False), flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory() as folder:
        material = catalogue.make_material(Path(folder))
        words, gpu = catalogue.device_words()
        say("device", words=words, gpu=gpu)
        found = []
        for entry in catalogue.entries(material):
            say("run", **to_table(entry))
            found.append(entry)
        say("listed", runs=len(found))
        for entry in found if speed else ():
            if entry.playable:
                each = catalogue.seconds_per_step(entry.run, material)
                say("speed", run=entry.run, seconds_per_step=round(each, 5), seconds=round(each * entry.steps, 1))
