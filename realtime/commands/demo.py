"""`retimbre demo`: convert an example with a shipped model and print how fast, how late and how true it was."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from realtime.demo import Measured
    from realtime.package import Package

_BLOCK, _DEVICE_RATE = 128, 48_000
_MOST_TARGETS = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    file: Annotated[Path | None, typer.Argument(help="A sound file of your own; else an example.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A model's name or folder; else the default one.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for what is made.")] = Path(
        "retimbre-demo"
    ),
    play: Annotated[bool | None, typer.Option("--play/--no-play", help="Play it; else you are asked.")] = None,
) -> None:
    """Convert an example to the first targets of a model and print speed, latency by part and the pitch kept."""
    import numpy as np
    import soundfile
    from rich.console import Console

    from realtime.demo import convert_and_measure, example_clips
    from realtime.errors import AudioFileError
    from realtime.package import default_package_name, resolve

    console = Console(soft_wrap=True)
    package = resolve(model or default_package_name())
    clip = file or example_clips()[0]
    try:
        sound, sample_rate = soundfile.read(clip, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioFileError(f"{clip} could not be read ({error}): give a wav, flac, ogg, mp3 or aiff file.") from error
    signal = np.ascontiguousarray(sound.T if sound.shape[1] > 1 else sound[:, 0])
    targets = [target.name for target in package.manifest.targets][:_MOST_TARGETS] or [""]
    console.print(f"{clip.name} ({len(sound) / sample_rate:.1f} s) through the model {package.name}:")
    conversions = convert_and_measure(signal, sample_rate, package, targets)
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for conversion in conversions:
        path = output / f"{clip.stem}-{conversion.target or package.name}.wav"
        soundfile.write(path, conversion.output.T, sample_rate, subtype="PCM_16")
        written.append(path)
    _print_conversions(console, conversions, written)
    _print_latency(console, package)
    if play or (play is None and sys.stdin.isatty() and _has_sound_card() and typer.confirm("Play before and after?")):
        _play([clip, *written])


def _print_conversions(console: Console, conversions: list[Measured], written: list[Path]) -> None:
    from rich.table import Table

    table = Table("target", "× real time", "pitch kept", "octaves", "file")
    for conversion, path in zip(conversions, written, strict=True):
        kept = "no pitch in it" if conversion.pitch_kept is None else f"{100 * conversion.pitch_kept:.1f} %"
        speed = f"{conversion.times_real_time:.1f}"
        table.add_row(conversion.target or "–", speed, kept, f"{conversion.octaves:+d}", path.name)
    console.print(table)
    console.print(f"written to {written[0].parent}")


def _print_latency(console: Console, package: Package) -> None:
    from rich.table import Table

    from realtime.latency import latency

    # PortAudio on JACK, measured: a round trip through callbacks of the card's own period is one period.
    delay = latency(package.manifest, block=_BLOCK, device_rate=_DEVICE_RATE, device_in=_BLOCK)
    table = Table(
        "latency by part", "ms", title=f"live at {_DEVICE_RATE} Hz, {_BLOCK} samples a block", title_justify="left"
    )
    for name, milliseconds in delay.parts_ms().items():
        if milliseconds:
            table.add_row(name.replace("_", " "), f"{milliseconds:.2f}")
    table.add_section()
    table.add_row("total", f"{delay.total_ms:.2f}")
    console.print(table)


def _has_sound_card() -> bool:
    from realtime.doctor import ask

    answer, wrong = ask("audio")
    return not wrong and any(api["tried"].get("output") == "" for api in answer["apis"])


def _play(paths: list[Path]) -> None:
    import sounddevice
    import soundfile

    from realtime.errors import DeviceError

    for path in paths:
        typer.echo(f"playing {path.name}")
        try:
            sounddevice.play(*soundfile.read(path), blocking=True)
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"{path.name} could not be played ({error}): look with `retimbre doctor`.") from error
