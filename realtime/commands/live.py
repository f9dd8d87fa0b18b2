"""`retimbre live`: play one instrument, hear another, now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from realtime.host import Host

_PICTURES_PER_S = 15
_LAST_WORDS_S = 0.3  # the meters show a stall before the engine has said why
_HUNG_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("live")(live)


def live(
    model: Annotated[str | None, typer.Option(help="A model's name or folder; left out: the shipped voice.")] = None,
    target: Annotated[str | None, typer.Option(help="NAME, or a blend NAME=0.7,NAME=0.3.")] = None,
    mix: Annotated[float, typer.Option(help="0 the input alone, 1 the model alone.")] = 1.0,
    transpose: Annotated[float, typer.Option(help="Semitones.")] = 0.0,
    octave: Annotated[str, typer.Option(help="auto moves whole octaves into the target's range, or off.")] = "auto",
    player_level: Annotated[float, typer.Option(help="Your forte in dBFS: what plays the target loud.")] = -20.0,
    input_gain: Annotated[float, typer.Option(help="dB before everything.")] = 0.0,
    output_gain: Annotated[float, typer.Option(help="dB after everything.")] = 0.0,
    input_: Annotated[
        str | None, typer.Option("--input", help="Input device, by name (see `retimbre devices`).")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", help="Output device, by name.")] = None,
    host_api: Annotated[str | None, typer.Option(help="JACK, ALSA, WASAPI, Core Audio …")] = None,
    input_channel: Annotated[int, typer.Option(help="Channel to hear, from 1.")] = 1,
    output_channel: Annotated[int | None, typer.Option(help="Channel to play on; left out: the first two.")] = None,
    block: Annotated[int, typer.Option(help="Frames a block; a JACK server decides it instead.")] = 128,
    rate: Annotated[int | None, typer.Option(help="Hz of the card; left out: the model's where the card can.")] = None,
    run_in: Annotated[str, typer.Option(help="Where the model runs: auto, callback or worker.")] = "auto",
    record: Annotated[Path | None, typer.Option(help="Record to a new .wav: left the input, right the output.")] = None,
    monitor: Annotated[bool | None, typer.Option(help="Show meters; left out: when this is a terminal.")] = None,
    headphones: Annotated[
        bool, typer.Option("--i-use-headphones", help="The microphone does not hear the output: do not start muted.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Stop after this long; left out: at q or Ctrl-C.")] = None,
) -> None:
    """Play through a model: sound card in, model, sound card out. Stop with q or Ctrl-C."""
    from rich.console import Console

    from realtime.controls import Controls, target_weights
    from realtime.host import Host, StreamSettings
    from realtime.live_view import latency_table, opening_lines
    from realtime.package import default_package_name, resolve

    model = model or default_package_name()
    package = resolve(model)
    names = [one.name for one in package.manifest.targets]
    settings = StreamSettings(
        model=model,
        controls=Controls().with_changes(
            mix=mix,
            target=None if target is None else target_weights(target, names),
            transpose_semitones=transpose,
            octave=octave,
            player_level_db=player_level,
            input_gain_db=input_gain,
            output_gain_db=output_gain,
        ),
        input=input_,
        output=output,
        host_api=host_api,
        block=block,
        rate_hz=rate,
        input_channel=input_channel,
        output_channel=output_channel,
        where=parse_where(run_in),
        record=record,
        headphones=headphones,
    )
    console = Console(highlight=False)
    with Host() as host:
        running = host.open(settings)
        for line in opening_lines(running):
            console.print(line, markup=False)
        console.print(latency_table(running.latency))
        show = console.is_terminal if monitor is None else monitor
        healthy = _play(host, console, seconds, show=show)
        last = host.snapshot()
        problem = host.record(None) if record is not None and healthy else None
        if not healthy:
            host.close(_HUNG_S)
        killed = host.killed
    if problem:
        console.print(problem, markup=False)
    if killed:
        console.print("The engine hung at the end (a sound server that died does that) and was ended.", markup=False)
    console.print(
        f"Played {last.seconds:.1f} s: {last.xruns} xruns, {last.late_callbacks} late callbacks, "
        f"{last.late_model_calls} missed model calls, {last.faults + last.model_faults} faults."
    )
    if not healthy:
        raise typer.Exit(1)


def parse_where(text: str) -> Literal["auto", "callback", "worker"]:
    """The thread that `--run-in` names. Raises `ConfigError` for another word."""
    from realtime.errors import ConfigError

    for known in ("auto", "callback", "worker"):
        if text == known:
            return known
    raise ConfigError(f"The model cannot run in {text!r}: choose auto, callback or worker.")


def _play(host: Host, console: object, seconds: float | None, *, show: bool) -> bool:
    """Watch until the end that the user wants (true) or that the sound card or engine makes (false)."""
    import time

    from rich.console import Console
    from rich.live import Live

    from realtime.live_view import keys, meters_view

    assert isinstance(console, Console)
    until = None if seconds is None else time.monotonic() + seconds
    picture = Live(console=console, refresh_per_second=_PICTURES_PER_S, auto_refresh=False, transient=not show)
    try:
        with keys() as pressed, picture:
            while until is None or time.monotonic() < until:
                for sentence in [event.sentence for event in host.events() if event.sentence]:
                    console.print(sentence, markup=False)
                now = host.snapshot()
                if show:
                    picture.update(meters_view(now), refresh=True)
                if now.stalled or not host.alive:
                    time.sleep(_LAST_WORDS_S)
                    for sentence in [event.sentence for event in host.events() if event.sentence]:
                        console.print(sentence, markup=False)
                    return False
                match pressed():
                    case "q":
                        return True
                    case "u":
                        host.mute(False)
                    case "m":
                        host.mute(True)
                time.sleep(1 / _PICTURES_PER_S)
    except KeyboardInterrupt:
        return True
    return True
