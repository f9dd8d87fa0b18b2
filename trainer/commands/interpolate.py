"""`retimbre interpolate`: the way from one target to another, as a gliding sound, a picture and a judge's verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trainer.evaluate import Clip
    from trainer.interpolation import Audio, Mixer


def register(app: typer.Typer) -> None:
    """Add `interpolate`."""
    app.command("interpolate")(interpolate)


def interpolate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A package's name or folder; with --with the run folder of a vae.")
    ],
    clips: Annotated[list[Path], typer.Argument(metavar="IN...", help="Sound files, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for glide.wav, interpolation.png and .json.")],
    start: Annotated[str, typer.Option("--from", help="The target at the beginning; left out: the first.")] = "",
    end: Annotated[str, typer.Option("--to", help="The target at the end; left out: the second.")] = "",
    other: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Mix IN (sounds of --from) with these (of --to) in the latent space; repeatable."),
    ] = None,
    points: Annotated[int, typer.Option(min=2, help="Positions at which the judge listens.")] = 9,
    keep_audio: Annotated[bool, typer.Option("--keep-audio", help="Write every position of every clip too.")] = False,
    judge_folder: Annotated[
        Path | None, typer.Option("--judge", help="Folder of another judge (classifier.onnx); left out: ours.")
    ] = None,
) -> None:
    """Walk from one target to another: what the live blend control does, over time and step by step.

    With --with nothing is converted: two recordings are encoded, and the line between their encodings is heard.
    """
    import numpy as np
    from rich.console import Console

    from realtime.audio_file import write_audio
    from realtime.errors import ConfigError
    from trainer import interpolation as work
    from trainer.judge import SAMPLE_RATE, Judge

    judge, given = Judge(judge_folder), _clips(clips)

    def keep(clip: Clip, position: float, made: Audio) -> None:
        if keep_audio:
            rate = clip.sample_rate if other is None else SAMPLE_RATE
            name = f"{Path(clip.name).stem}_{round(1000 * position):04d}.wav"
            out.mkdir(parents=True, exist_ok=True)
            peak = max(1.0, float(np.abs(made).max(initial=0.0)))
            write_audio(out / name, made[None] / np.float32(peak), rate, overwrite=True)

    if other is None:
        from realtime.package import resolve

        package = resolve(model)
        names = [target.name for target in package.manifest.targets]
        if len(names) < 2:
            raise ConfigError(f"{package.name} has {len(names)} targets, but a way needs two: choose another model.")
        start, end = start or names[0], end or names[1]
        found = work.along_package(package, given, start, end, judge, points=points, heard=keep)
        glided, rate = work.glide(package, given[0], start, end), given[0].sample_rate
    else:
        mixer, domains = _mixer(Path(model))
        start, end = start or domains[0], end or domains[1]
        pairs = _pairs(given, _clips(other), start, end)
        found = work.along_mixture(mixer, pairs, judge, points=points, heard=keep)
        glided, rate = work.glide_mixture(mixer, *pairs[0], points=points), SAMPLE_RATE
    work.write(found, glided, rate, out)
    console = Console(highlight=False)
    curve = "  ".join(
        f"{position:.2f}: {share:.3f}" for position, share in zip(found.positions, found.mean, strict=True)
    )
    console.print(f"{found.end} against {found.start} by the judge, mean of {len(found.clips)} clips: {curve}")
    console.print(
        f"rank {found.rank:.3f} (1: monotone), largest fall {found.largest_fall:.4f}: {out / 'interpolation.png'}",
        soft_wrap=True,
    )


def _mixer(folder: Path) -> tuple[Mixer, tuple[str, ...]]:
    """The trained VAE of a run folder, and its domains."""
    from realtime.errors import ConfigError
    from trainer.export import load_recipe
    from trainer.models.vae import Vae

    recipe = load_recipe(folder)
    if not isinstance(recipe, Vae):
        raise ConfigError(f"{folder} trained a {recipe.name}, but only a vae mixes two recordings: leave --with out.")
    return recipe, recipe.config.data.domains


def _pairs(first: list[Clip], second: list[Clip], start: str, end: str) -> list[tuple[Clip, Clip]]:
    """Every clip of the one with one of the other, in turn, each told its domain."""
    from dataclasses import replace

    return [
        (replace(clip, domain=start), replace(second[number % len(second)], domain=end))
        for number, clip in enumerate(first)
    ]


def _clips(paths: list[Path]) -> list[Clip]:
    import numpy as np

    from realtime.audio_file import read_audio
    from trainer.evaluate import Clip, clips_of_folder

    found = []
    for path in paths:
        if path.is_dir():
            found += clips_of_folder(path)
            continue
        sound = read_audio(path)
        found.append(Clip(path.name, "", np.ascontiguousarray(sound.signal.mean(axis=0)), sound.sample_rate))
    return found
