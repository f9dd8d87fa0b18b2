"""`retimbre bench`: how quick this machine is with a model, without a sound card and with a sound server."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

_Model = Annotated[str | None, typer.Option(help="A model's name or folder; left out: the shipped voice.")]
_Period = Annotated[int, typer.Option(help="Frames a block.")]
_Rate = Annotated[int, typer.Option(help="Hz of the card.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the command and its second form."""
    bench = typer.Typer(help="Measure how quick this machine is with a model.", invoke_without_command=True)
    bench.callback()(still)
    bench.command("live")(live)
    app.add_typer(bench, name="bench")


def still(
    context: typer.Context,
    model: _Model = None,
    period: _Period = 128,
    rate: Annotated[int | None, typer.Option(help="Hz of the card; left out: the model's.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of the sound that is played on a schedule.")] = 5.0,
    as_json: _Json = False,
) -> None:
    """Measure a model's step against the block's time, where the time goes, and the speed of converting."""
    if context.invoked_subcommand is not None:
        return
    from realtime.bench import bench_convert, bench_model
    from realtime.machine import machine
    from realtime.package import default_package_name, resolve

    package = resolve(model or default_package_name())
    found = {
        "machine": machine(),
        "live": bench_model(package, block=period, rate_hz=rate, seconds=seconds),
        "convert": bench_convert(package),
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    one, files = found["live"], found["convert"]
    _print(
        found["machine"],
        f"{one['model']} on {one['provider']}, block {one['block']} at {one['rate_hz']} Hz, {one['budget_us']:.0f} µs",
        [
            ("one step, live", one["step"]),
            ("one step, in a row", one["step_in_a_row"]),
            ("whole callback", one["callback"]),
            ("the engine around the model", one["overhead"]),
        ],
        [
            f"p99 of the model in a block is {one['p99_of_half_budget']:.2f} of half the block's time",
            "of a step at the median: "
            + ", ".join(f"{name} {us:.0f} µs" for name, us in one["parts_p50_us"].items() if us is not None),
            f"real-time factor {one['real_time_factor']:.3f}; live the model's place would be: {one['runs_in']}",
            f"latency without the card {one['latency_total_ms']:.2f} ms",
            f"files: {files['times_real_time']:.1f} times real time on one core",
        ],
    )


def live(
    model: _Model = None,
    period: _Period = 128,
    rate: _Rate = 48000,
    seconds: Annotated[float, typer.Option(help="How long to play.")] = 60.0,
    busy: Annotated[int, typer.Option(help="Processes that spin beside the engine.")] = 1,
    run_in: Annotated[str, typer.Option(help="Where the model runs: auto, callback or worker.")] = "auto",
    as_json: _Json = False,
) -> None:
    """Play through a JACK server without hardware beside a busy process, and count what comes late.

    Ends with 1 when anything was lost.
    """
    import signal
    import sys

    from rich.progress import Progress

    from realtime.bench_live import bench_live
    from realtime.commands.live import parse_where
    from realtime.package import default_package_name

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order, lest the server and the rest stay behind
    name, where = model or default_package_name(), parse_where(run_in)
    with Progress(transient=True, disable=as_json) as progress:
        task = progress.add_task("playing", total=seconds)
        found = bench_live(
            name,
            seconds=seconds,
            period=period,
            rate_hz=rate,
            busy=busy,
            where=where,
            progress=lambda played: progress.update(task, completed=played),
        )
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _print(
            found["machine"],
            f"{found['model']}, {found['seconds']} s at {rate} Hz, period {period}, model in the {found['runs_in']}, "
            f"{busy} busy processes beside",
            [("one step of the model", found["model_us"]), ("whole callback", found["callback_us"])],
            [
                _losses(found),
                _stalls(found),
                *(f"the server said: {line}" for line in found["server_said"]),
                f"p99 of the model in a period is {found['model_p99_of_half_budget']:.2f} of half the period",
                f"latency {found['latency_total_ms']:.2f} ms: " + _listed(found["latency_ms"]),
            ],
        )
    raise typer.Exit(0 if found["clean"] else 1)


def _listed(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in parts.items())


def _losses(found: dict[str, Any]) -> str:
    return (
        f"xruns {found['xruns']}, late callbacks {found['late_callbacks']} of {found['callbacks']}, "
        f"missed model calls {found['late_model_calls']}, faults {found['faults'] + found['model_faults']}"
    )


def _stalls(found: dict[str, Any]) -> str:
    return (
        f"the machine itself stood still on a core {found['machine_stalls']} times, for "
        f"{found['machine_longest_stall_us']} µs at the most; beside such a moment stand "
        f"{found['xruns_beside_a_stall']} of the {found['xruns']} xruns, and "
        f"{found['moments_beside_a_stall']:.0%} of all time"
    )


def _print(machine: dict[str, Any], title: str, times: list[tuple[str, dict[str, float]]], lines: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim", markup=False)
    console.print(title, markup=False)
    table = Table("µs", "p50", "p99", "p99.9", "longest", "calls", box=None)
    for name, row in times:
        values = [f"{row[column]:.0f}" for column in ("p50_us", "p99_us", "p999_us", "max_us", "count")]
        table.add_row(name, *values)
    console.print(table)
    for line in lines:
        console.print(line, markup=False)
