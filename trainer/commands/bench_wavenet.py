"""`retimbre bench wavenet`: how many samples a second a WaveNet draws here, each way."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `wavenet` to the benchmarks of the live side."""
    bench = next(group.typer_instance for group in app.registered_groups if group.name == "bench")
    assert bench is not None
    bench.command("wavenet")(wavenet)


def wavenet(
    rounds: Annotated[int, typer.Option(min=2, help="Times that all ways take turns.")] = 40,
    block: Annotated[int, typer.Option(min=128, help="Samples that a way draws at its turn.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Measure samples per second of a WaveNet on one core: PyTorch, compiled, and as a package, in four sizes."""
    import dataclasses
    import json

    import torch
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from realtime.machine import machine
    from trainer.wavenet_bench import measure

    torch.set_num_threads(1)  # the table says: on one core
    told = machine() | {"torch": torch.__version__}
    with Progress(transient=True, disable=as_json) as progress:
        task = progress.add_task("drawing", total=rounds)
        rows = measure(rounds=rounds, block=block, on_round=lambda _: progress.advance(task))
    if as_json:
        typer.echo(json.dumps({"machine": told, "rows": [dataclasses.asdict(row) for row in rows]}, indent=2))
        return
    table = Table(
        "shape", "parameters", "way", "samples/s", "by the clock", "× 8192 Hz", "p99", "as the reference", box=None
    )
    for row in rows:
        table.add_row(
            row.shape,
            f"{row.parameters / 1000:.0f} k",
            row.way,
            f"{row.samples_per_second:.0f}",
            f"{row.samples_per_second_by_clock:.0f}",
            f"{row.samples_per_second / 8192:.2f}",
            f"{row.p99_ms:.1f} ms of {row.block}",
            f"{row.agreed} of {row.compared}",
        )
    console = Console(highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in told.items()), style="dim", markup=False)
    console.print(table)
