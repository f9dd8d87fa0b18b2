"""`retimbre bench wavenet` and `bench streaming`: what the trainer's own networks cost on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add both to the benchmarks of the live side."""
    bench = next(group.typer_instance for group in app.registered_groups if group.name == "bench")
    assert bench is not None
    bench.command("wavenet")(wavenet)
    bench.command("streaming")(streaming)


def wavenet(
    rounds: Annotated[int, typer.Option(min=2, help="Times that all ways take turns.")] = 40,
    block: Annotated[int, typer.Option(min=128, help="Samples that a way draws at its turn.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Measure samples per second of a WaveNet on one core: PyTorch, compiled, and as a package, in four sizes."""
    import dataclasses
    import json

    import torch
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
    _print(told, table)


def streaming(
    calls: Annotated[int, typer.Option(min=10, help="Times that all sizes and blocks take turns.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Measure a block of 64 to 512 samples of the streaming WaveNet in four sizes, beside a standard capture."""
    import dataclasses
    import json

    import torch
    from rich.progress import Progress
    from rich.table import Table

    from realtime.machine import machine
    from trainer.streaming_bench import BRAVE_IN_STANDARDS, measure

    torch.set_num_threads(1)
    told = machine() | {"torch": torch.__version__}
    with Progress(transient=True, disable=as_json) as progress:
        task = progress.add_task("calling", total=calls)
        rows = measure(calls=calls, on_call=lambda _: progress.advance(task))
    if as_json:
        typer.echo(json.dumps({"machine": told, "rows": [dataclasses.asdict(row) for row in rows]}, indent=2))
        return
    table = Table(
        "",
        "parameters",
        "block",
        "p50",
        "p99",
        "× real time",
        "p99 of the period",
        "in standards",
        box=None,
        caption="BRAVE: measured once, docs/streaming-wavenet.md",
    )
    for row in rows:
        table.add_row(
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            str(row.block),
            f"{row.p50_ms:.2f} ms",
            f"{row.p99_ms:.2f} ms",
            f"{row.real_time_factor:.3f}",
            f"{row.p99_of_period:.2f}",
            f"{row.in_standards:.2f}",
        )
    for block, standards in BRAVE_IN_STANDARDS.items():
        table.add_row("BRAVE", "4.2 M", str(block), "", "", "", "", f"{standards:.2f}")
    _print(told, table)


def _print(told: dict[str, Any], table: Table) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in told.items()), style="dim", markup=False)
    console.print(table)
