"""`retimbre latency`: what the law declares, part by part, and what a loop really takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from realtime.host import Host
    from realtime.measure import Measured

_LOOK_S = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("latency")(latency)


def latency(
    model: Annotated[str | None, typer.Option(help="A model's name or folder; left out: the shipped voice.")] = None,
    block: Annotated[int, typer.Option(help="Frames a block; a JACK server decides it instead.")] = 128,
    rate: Annotated[int | None, typer.Option(help="Hz of the card; left out: the model's.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Play sweeps and find them in the input: connect the output to it first.")
    ] = False,
    events: Annotated[int, typer.Option(help="How many sweeps to measure with.")] = 500,
    wet: Annotated[
        bool,
        typer.Option(
            "--wet", help="Through the model itself, one that echoes what it hears; else the aligned dry path."
        ),
    ] = False,
    input_: Annotated[str | None, typer.Option("--input", help="Input device, by name.")] = None,
    output: Annotated[str | None, typer.Option("--output", help="Output device, by name.")] = None,
    host_api: Annotated[str | None, typer.Option(help="JACK, ALSA, WASAPI, Core Audio …")] = None,
    input_channel: Annotated[int, typer.Option(help="Channel where the loop comes back, from 1.")] = 1,
    output_channel: Annotated[int | None, typer.Option(help="Channel where it goes out; left out: 1 and 2.")] = None,
    slack: Annotated[int | None, typer.Option(help="Blocks that a worker may take; left out: as measured.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell the latency by its parts; with --measure, play sweeps through a loop and compare."""
    from rich.console import Console

    from realtime.controls import Controls
    from realtime.host import Host, StreamSettings
    from realtime.latency import latency as law_of
    from realtime.live_view import latency_table
    from realtime.package import default_package_name, resolve

    name = model or default_package_name()
    console = Console(highlight=False)
    if not measure:
        law = law_of(resolve(name).manifest, block=block, device_rate=rate, device_in=block)
        if as_json:
            typer.echo(json.dumps({"parts_ms": law.parts_ms(), "total_ms": law.total_ms}))
            return
        console.print(latency_table(law))
        console.print("The card adds its own converters and buffers; `--measure` finds them.", markup=False)
        return
    settings = StreamSettings(
        name, Controls(mix=1.0 if wet else 0.0, limiter=False), input=input_, output=output, host_api=host_api,
        block=block, rate_hz=rate, input_channel=input_channel, output_channel=output_channel, slack=slack,
        headphones=True,
    )  # fmt: skip
    with Host() as host:
        running = host.open(settings)
        if not as_json:
            console.print(latency_table(running.latency))
        measured = _measure(host, events)
    _tell(console, measured, running.latency.parts_ms(), as_json=as_json)


def _measure(host: Host, events: int) -> Measured:
    import time

    from realtime.errors import EngineError
    from realtime.measure import Measured

    host.measure(events)
    while host.alive:
        for event in host.events():
            if isinstance(event.value, Measured):
                return event.value
            if event.kind == "refused" or host.snapshot().stalled:
                raise EngineError(event.sentence)
        time.sleep(_LOOK_S)
    raise EngineError("The engine ended while it measured: try again.")


def _tell(console: Console, measured: Measured, parts_ms: dict[str, float], *, as_json: bool) -> None:
    per_ms = measured.rate_hz / 1000
    if as_json:
        found: dict[str, Any] = {
            "events": measured.events, "found": measured.found, "shortest": measured.shortest,
            "median": measured.median, "longest": measured.longest, "jitter": measured.jitter,
            "declared": measured.declared, "rate_hz": measured.rate_hz,
        }  # fmt: skip
        typer.echo(json.dumps({"parts_ms": parts_ms, "measured_samples": found, "median_ms": measured.median / per_ms}))
        return
    console.print(
        f"Measured: {measured.median / per_ms:.2f} ms ({measured.median:g} samples), declared "
        f"{measured.declared / per_ms:.2f} ms ({measured.declared:g} samples); {measured.found} of {measured.events} "
        f"sweeps found, jitter {measured.jitter} samples ({measured.jitter / per_ms:.2f} ms).",
        markup=False,
    )
