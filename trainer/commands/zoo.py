"""`retimbre zoo`: the table of systems that can be trained."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add `zoo`."""
    app.command("zoo")(zoo)


def zoo() -> None:
    """List the systems that can be trained: parameters, look-ahead, latency and speed, measured now."""
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
