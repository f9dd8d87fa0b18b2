"""`retimbre live`: play one instrument, hear another, now.

Over 300 lines because every setting of a live session is an option here, with its help beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from realtime.live_session import LiveSession
    from realtime.messages import MidiSettings, StreamSettings
    from realtime.presets.preset import Preset
    from realtime.remote.osc import OscServer

_PICTURES_PER_S = 15
_SOUND, _MODEL, _MIDI, _SESSION = "Sound card", "Model and controls", "MIDI", "Session"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("live")(live)


def live(
    model: Annotated[
        str | None,
        typer.Option(
            help="A model's name or folder, or a .nam file; left out: the shipped voice.", rich_help_panel=_MODEL
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A preset's name or file; options beside it win.", rich_help_panel=_SESSION)
    ] = None,
    setlist: Annotated[
        str | None, typer.Option(help="A setlist to step through; begins with its first.", rich_help_panel=_SESSION)
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="NAME, or a blend NAME=0.7,NAME=0.3.", rich_help_panel=_MODEL)
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE of any control (mix=0.5, gate_db=-50, …); repeatable.", rich_help_panel=_MODEL
        ),
    ] = None,
    mix: Annotated[
        float | None, typer.Option(help="0 the input alone, 1 the model alone.", rich_help_panel=_MODEL)
    ] = None,
    transpose: Annotated[float | None, typer.Option(help="Semitones.", rich_help_panel=_MODEL)] = None,
    octave: Annotated[
        str | None,
        typer.Option(help="auto moves whole octaves into the target's range, or off.", rich_help_panel=_MODEL),
    ] = None,
    player_level: Annotated[
        float | None, typer.Option(help="Your forte in dBFS: what plays the target loud.", rich_help_panel=_MODEL)
    ] = None,
    input_gain: Annotated[float | None, typer.Option(help="dB before everything.", rich_help_panel=_MODEL)] = None,
    output_gain: Annotated[float | None, typer.Option(help="dB after everything.", rich_help_panel=_MODEL)] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", help="Input device, by name (see `retimbre devices`).", rich_help_panel=_SOUND),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", help="Output device, by name.", rich_help_panel=_SOUND)
    ] = None,
    host_api: Annotated[
        str | None, typer.Option(help="JACK, ALSA, WASAPI, Core Audio …", rich_help_panel=_SOUND)
    ] = None,
    input_channel: Annotated[int | None, typer.Option(help="Channel to hear, from 1.", rich_help_panel=_SOUND)] = None,
    output_channel: Annotated[
        int | None, typer.Option(help="Channel to play on; left out: the first two.", rich_help_panel=_SOUND)
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="Frames a block, 128 if left out; a JACK server decides.", rich_help_panel=_SOUND)
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(help="Hz of the card; left out: the model's where the card can.", rich_help_panel=_SOUND),
    ] = None,
    run_in: Annotated[
        str | None, typer.Option(help="Where the model runs: auto, callback or worker.", rich_help_panel=_SOUND)
    ] = None,
    slack: Annotated[
        int | None, typer.Option(help="Blocks that a worker may take; left out: as measured.", rich_help_panel=_SOUND)
    ] = None,
    headphones: Annotated[
        bool,
        typer.Option(
            "--i-use-headphones",
            help="The microphone does not hear the output: do not start muted.",
            rich_help_panel=_SOUND,
        ),
    ] = False,
    midi: Annotated[
        str | None, typer.Option(help="MIDI input, by name (see `retimbre midi ports`).", rich_help_panel=_MIDI)
    ] = None,
    virtual_midi: Annotated[
        str | None, typer.Option(help="Make a MIDI port of this name instead.", rich_help_panel=_MIDI)
    ] = None,
    midi_file: Annotated[
        Path | None, typer.Option(help="Play this standard MIDI file instead.", rich_help_panel=_MIDI)
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(help="Play this sound file instead of the card's input.", rich_help_panel=_SOUND),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Play the file, sound or MIDI, again and again.", rich_help_panel=_SESSION)
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            help="What notes play: pluck, oscillator, or a SoundFont FILE.sf2[:PROGRAM].", rich_help_panel=_MIDI
        ),
    ] = None,
    learn: Annotated[
        list[str] | None,
        typer.Option(help="Bind this control to the next controller that moves; repeatable.", rich_help_panel=_MIDI),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Record to a new .wav: the input, then the output.", rich_help_panel=_SESSION)
    ] = None,
    recorded: Annotated[
        str, typer.Option(help="What is recorded: input, output or both.", rich_help_panel=_SESSION)
    ] = "both",
    log: Annotated[
        Path | None,
        typer.Option(help="At the end, write what was missed, when and why: for a report.", rich_help_panel=_SESSION),
    ] = None,
    save_preset: Annotated[
        str | None,
        typer.Option(help="At the end, keep what is set as this preset.", rich_help_panel=_SESSION),
    ] = None,
    osc_port: Annotated[
        int | None, typer.Option(help="Listen for OSC on this UDP port (7770 is usual).", rich_help_panel=_SESSION)
    ] = None,
    osc_host: Annotated[
        str, typer.Option(help="Where to listen; only this machine unless said.", rich_help_panel=_SESSION)
    ] = "127.0.0.1",
    monitor: Annotated[
        bool | None, typer.Option(help="Show meters; left out: when this is a terminal.", rich_help_panel=_SESSION)
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after this long; left out: at q or Ctrl-C.", rich_help_panel=_SESSION)
    ] = None,
) -> None:
    """Play through a model: sound card in, model, sound card out. Stop with q, Ctrl-C or SIGTERM."""
    import signal
    import sys

    from rich.console import Console

    from realtime.live_session import LiveSession
    from realtime.live_view import latency_table, opening_lines
    from realtime.messages import PlayedFile
    from realtime.presets.library import resolve_preset, resolve_setlist

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # while opening; then the session ends in order
    songs = None if setlist is None else resolve_setlist(setlist)
    if songs is not None and preset is None:
        preset = songs.presets[0]
    chosen = None if preset is None else resolve_preset(preset)
    midi_from = _midi(midi, virtual_midi, midi_file, source, loop=loop)
    said: dict[str, Any] = {
        "input": input_, "output": output, "host_api": host_api, "input_channel": input_channel,
        "output_channel": output_channel, "block": block, "rate_hz": rate, "slack": slack, "record": record,
        "where": None if run_in is None else parse_where(run_in),
        "file": None if input_file is None else PlayedFile(input_file, loop=loop),
    }  # fmt: skip
    named = {
        "mix": mix, "transpose_semitones": transpose, "octave": octave, "player_level_db": player_level,
        "input_gain_db": input_gain, "output_gain_db": output_gain,
    }  # fmt: skip
    settings = _settings(
        model,
        chosen,
        midi_from,
        target,
        {name: value for name, value in named.items() if value is not None} | assignments(control or []),
        {name: value for name, value in said.items() if value is not None} | {"recorded": parse_recorded(recorded)},
        headphones=headphones,
        named_source=source is not None,
    )
    console = Console(highlight=False)
    with LiveSession(songs) as session, _listening(session, osc_host, osc_port) as osc:
        running = session.open(settings, "" if chosen is None else chosen.name)
        for line in opening_lines(running):
            console.print(line, markup=False)
        console.print(latency_table(running.latency))
        if osc is not None:
            console.print(f"OSC on {osc_host}:{osc_port}.", markup=False)
        show = console.is_terminal if monitor is None else monitor
        _play(session, console, seconds, osc, show=show, learn=learn or [])
        last = session.snapshot()
        if save_preset is not None:
            console.print(f"Kept as the preset {session.save_preset(save_preset)}.", markup=False)
        if log is not None:
            session.write_log(log)
        problem = session.close()
        killed = session.host.killed
    if problem:
        console.print(problem, markup=False)
    if killed:
        console.print("The engine hung at the end (a sound server that died does that) and was ended.", markup=False)
    console.print(
        f"Played {last.seconds:.1f} s: {last.xruns} xruns, {last.late_callbacks} late callbacks, "
        f"{last.late_model_calls} missed model calls, {last.faults + last.model_faults} faults."
    )


def parse_where(text: str) -> Literal["auto", "callback", "worker"]:
    """The thread that `--run-in` names. Raises `ConfigError` for another word."""
    from realtime.errors import ConfigError

    for known in ("auto", "callback", "worker"):
        if text == known:
            return known
    raise ConfigError(f"The model cannot run in {text!r}: choose auto, callback or worker.")


def parse_recorded(text: str) -> Literal["input", "output", "both"]:
    """What `--recorded` names. Raises `ConfigError` for another word."""
    from realtime.errors import ConfigError

    for known in ("input", "output", "both"):
        if text == known:
            return known
    raise ConfigError(f"There is no {text!r} to record: choose input, output or both.")


def assignments(texts: list[str]) -> dict[str, Any]:
    """NAME=VALUE texts as controls, each of the type that the control has."""
    from realtime.controls import Controls
    from realtime.errors import ConfigError

    known = Controls().to_mapping()
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in known:
            raise ConfigError(f"--set {text} is not understood: write NAME=VALUE with one of {', '.join(known)}.")
        if isinstance(known[name], bool) and value in ("on", "true", "1", "off", "false", "0"):
            found[name] = value in ("on", "true", "1")
        elif isinstance(known[name], str):
            found[name] = value
        else:
            try:
                found[name] = float(value)
            except ValueError:
                raise ConfigError(f"--set {text}: {value!r} is not a value of {name}.") from None
    return found


def _midi(
    port: str | None, virtual: str | None, file: Path | None, source: str | None, *, loop: bool
) -> MidiSettings | None:
    """Where MIDI comes from and what its notes play, as the options say; None: they say nothing."""
    from realtime.errors import ConfigError
    from realtime.messages import MidiSettings

    if port is None and virtual is None and file is None:
        if source is not None:
            raise ConfigError("A source plays MIDI notes, but none come: give --midi, --virtual-midi or --midi-file.")
        return None
    return MidiSettings(port, virtual, file, loop=loop, source=parse_source(source or "pluck"))


def parse_source(text: str) -> Any:
    """The `SourceSettings` of `pluck`, `oscillator` or FILE.sf2[:PROGRAM]. Raises `ConfigError` for another word."""
    from realtime.errors import ConfigError
    from realtime.midi.source import SourceSettings

    if text in ("pluck", "oscillator"):
        return SourceSettings(kind="pluck" if text == "pluck" else "oscillator")
    name, _, program = text.rpartition(":")
    if not (name and program.isdecimal()):
        name, program = text, "0"
    if Path(name).suffix.lower() not in (".sf2", ".sf3"):
        raise ConfigError(f"There is no source {text!r}: choose pluck, oscillator or a SoundFont FILE.sf2[:PROGRAM].")
    return SourceSettings(kind="soundfont", soundfont=Path(name), program=int(program))


def _settings(
    model: str | None,
    preset: Preset | None,
    midi: MidiSettings | None,
    target: str | None,
    controls: dict[str, Any],
    stream: dict[str, Any],
    *,
    headphones: bool,
    named_source: bool,
) -> StreamSettings:
    """What to open: the preset, if any, and over it what the command line says."""
    from dataclasses import replace

    from realtime.controls import target_weights
    from realtime.messages import StreamSettings
    from realtime.package import default_package_name, resolve

    settings = StreamSettings(model or default_package_name(), midi=midi) if preset is None else preset.resolved(midi)
    if settings.midi is not None and midi is not None and (named_source or settings.midi.source is None):
        settings = replace(settings, midi=replace(settings.midi, source=midi.source))
    if preset is not None and model is not None:
        settings = replace(settings, model=model, controls=replace(settings.controls, target=None))
    if target is not None:
        names = [one.name for one in resolve(settings.model).manifest.targets]
        controls["target"] = target_weights(target, names)
    return replace(
        settings,
        controls=settings.controls.with_changes(**controls),
        headphones=headphones or settings.headphones,
        **stream,
    )


def _listening(session: LiveSession, host: str, port: int | None) -> Any:
    """The OSC server, where one is asked for."""
    import contextlib

    if port is None:
        return contextlib.nullcontext()
    from realtime.remote.osc import OscServer

    return OscServer(session, port=port, host=host)


def _play(
    session: LiveSession,
    console: Console,
    seconds: float | None,
    osc: OscServer | None,
    *,
    show: bool,
    learn: list[str],
) -> None:
    """Look after the session until its end; learn: controls that wait for a knob, one after the other."""
    import signal
    import time

    from rich.live import Live

    from realtime.live_view import TunerView, keys, meters_view

    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    until = None if seconds is None else time.monotonic() + seconds
    learning = False
    tuner = TunerView(session.host.meters)
    picture = Live(console=console, refresh_per_second=_PICTURES_PER_S, auto_refresh=False, transient=not show)
    try:
        with keys() as pressed, picture:
            while not stopped and (until is None or time.monotonic() < until):
                if learn and not learning:
                    learning = True
                    session.host.learn(learn[0])
                    console.print(f"Move the knob for {learn[0]}.", markup=False)
                for event in session.tick():
                    if event.kind == "learnt":
                        learn, learning = learn[1:], False
                    if event.sentence:
                        console.print(event.sentence, markup=False)
                        if osc is not None:
                            osc.tell(event.sentence)
                if show:
                    picture.update(meters_view(session.snapshot(), tuner.line()), refresh=True)
                match pressed():
                    case "q":
                        return
                    case "u":
                        session.mute(False)
                    case "m":
                        session.mute(True)
                if osc is not None:
                    osc.serve(1 / _PICTURES_PER_S)
                else:
                    time.sleep(1 / _PICTURES_PER_S)
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
