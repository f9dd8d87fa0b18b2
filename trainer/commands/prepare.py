"""`retimbre prepare`: turn recordings, or MIDI files and single notes, into data to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.prepare_outcome import AsJson, JsonLines, named_values, tell_pairs, write_recordings

prepare = typer.Typer(
    help="Turn recordings, or MIDI files and single notes, into data to train on.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add `prepare recordings`, `prepare paired` and `prepare aligned`."""
    app.add_typer(prepare, name="prepare")


@prepare.command("recordings")
def recordings(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that hold one folder per domain (instrument); they are merged.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    rate: Annotated[int, typer.Option(help="Sample rate of the written files, Hz.")] = 48000,
    split_file: Annotated[
        Path | None,
        typer.Option(help="CSV with a column split (train, validation, test, leave) and any of domain, source, file."),
    ] = None,
    validation: Annotated[float, typer.Option(help="Fraction for validation where nothing else decides.")] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction for test where nothing else decides.")] = 0.1,
    split_by: Annotated[str, typer.Option(help="What that fraction counts: recording, or source.")] = "recording",
    seed: Annotated[int, typer.Option(help="Seed of that choice.")] = 0,
    domains: Annotated[str, typer.Option(help="Only these domains, separated by commas.")] = "",
    rename: Annotated[list[str] | None, typer.Option(help="Count one domain as another: OLD=NEW. Repeatable.")] = None,
    level_db: Annotated[float, typer.Option(help="Level that sounding parts are brought to, dBFS.")] = -20.0,
    keep_levels: Annotated[bool, typer.Option("--keep-levels", help="Leave levels as they are.")] = False,
    lufs: Annotated[
        float | None, typer.Option(help="In place of that level: integrated loudness (ITU-R BS.1770), LUFS.")
    ] = None,
    piece: Annotated[
        float, typer.Option(help="Cut recordings longer than 1.5 times this into pieces of about it, s; 0: never.")
    ] = 0.0,
    bits: Annotated[int, typer.Option(help="Bits of the written FLAC files: 16 or 24.")] = 24,
    shortest: Annotated[float, typer.Option(help="Refuse recordings shorter than this, seconds.")] = 0.25,
    lowest_rate: Annotated[int, typer.Option(help="Refuse recordings sampled below this, Hz.")] = 16000,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Refused recordings do not make the run fail.")] = False,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Check, resample and level folders of recordings, and write an index split by recording.

    What is unfit (clipped, silent, too short, wrong rate, damaged) is refused with the file and the second; the rest
    is prepared. The exit status is then 1, unless --skip-bad is given. Running again does only what is missing.
    """
    from realtime.errors import ConfigError
    from trainer.datasets.cutting import in_pieces
    from trainer.recording_checks import Limits
    from trainer.recordings import RecordingSettings, SplitSettings, find_recordings
    from trainer.splits import read_split_file

    if bits not in (16, 24):
        raise ConfigError(f"--bits {bits} is not known: choose 16 or 24.")
    if split_by not in ("recording", "source"):
        raise ConfigError(f"--split-by {split_by} is not known: choose recording or source.")
    splits = SplitSettings(
        rules=read_split_file(split_file) if split_file else (),
        validation=validation, test=test, seed=seed, by_source=split_by == "source",
    )  # fmt: skip
    settings = RecordingSettings(
        sample_rate=rate, level_db=None if keep_levels else level_db, lufs=lufs, subtype=f"PCM_{bits}",
        limits=Limits(lowest_rate=lowest_rate, shortest_seconds=shortest),
    )  # fmt: skip
    wanted = [name.strip() for name in domains.split(",") if name.strip()]
    found = find_recordings(folders, splits, domains=wanted, rename=named_values(rename or [], "--rename"))
    write_recordings(in_pieces(found, piece), out, settings, workers=workers, skip_bad=skip_bad, as_json=as_json)


@prepare.command("paired")
def paired(
    instrument: Annotated[
        list[str],
        typer.Option(
            "--instrument",
            "-i",
            help="NAME=SOURCE, repeatable. SOURCE is a folder of single notes, FOLDER:SOURCE for one source in it, "
            "or FILE.sf2:PROGRAM[:BANK].",
        ),
    ],
    midi: Annotated[list[Path], typer.Option(help="Folder of MIDI files, repeatable.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    licence: Annotated[
        list[str] | None, typer.Option(help="NAME=LICENCE of an instrument's notes, where no metadata.csv states it.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Sample rate of the written files, Hz.")] = 44100,
    speed: Annotated[float, typer.Option(help="Playback speed.")] = 1.0,
    duration_rate: Annotated[float, typer.Option(help="Length of notes against the written one.")] = 1.0,
    transpose: Annotated[int, typer.Option(help="Semitones.")] = 0,
    velocity_curve: Annotated[float, typer.Option(help="1: MIDI's square law; 0: every note equally loud.")] = 1.0,
    legato_overlap: Annotated[float, typer.Option(help="Seconds that a note reaches into the next.")] = 0.0,
    release: Annotated[float, typer.Option(help="Seconds in which a note fades after its end.")] = 0.15,
    reach: Annotated[int, typer.Option(help="Semitones that a recorded note may be transposed by.")] = 3,
    note_rate: Annotated[
        int | None,
        typer.Option(help="Take the notes at this rate first, Hz: 16000, as NSynth's, leaves nothing above 8 kHz."),
    ] = None,
    out_of_range: Annotated[
        str, typer.Option(help="Notes that an instrument lacks: fold (by octaves) or drop, for all instruments alike.")
    ] = "fold",
    longest: Annotated[float, typer.Option(help="Use only so many seconds of each piece; 0: all.")] = 0.0,
    pieces: Annotated[int, typer.Option(help="Use only so many pieces, chosen by the seed; 0: all.")] = 0,
    split_file: Annotated[
        Path | None, typer.Option(help="CSV with a column split (train, validation, test, leave) and file (patterns).")
    ] = None,
    validation: Annotated[
        float, typer.Option(help="Fraction of pieces for validation where nothing else decides.")
    ] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction of pieces for test where nothing else decides.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of these choices.")] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Refused pieces do not make the run fail.")] = False,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Play MIDI files with single notes of several instruments: recordings aligned to the sample.

    Pieces that no instrument or only some can play are refused and listed; the exit status is then 1, unless
    --skip-bad is given. Running again does only what is missing.
    """
    from rich.console import Console
    from rich.progress import Progress

    from realtime.errors import ConfigError
    from trainer.paired import PairedSettings, find_pieces, open_voice, prepare_pairs
    from trainer.prepare_report import paired_report
    from trainer.recordings import SplitSettings
    from trainer.splits import read_split_file

    if out_of_range not in ("fold", "drop"):
        raise ConfigError(f"--out-of-range {out_of_range} is not known: choose fold or drop.")
    named = named_values(instrument, "--instrument")
    settings = PairedSettings(
        sample_rate=rate, speed=speed, duration_rate=duration_rate, transpose=transpose, velocity_curve=velocity_curve,
        legato_overlap=legato_overlap, release=release, reach=reach, note_rate=note_rate,
        fold=out_of_range == "fold", longest=longest,
    )  # fmt: skip
    rules = read_split_file(split_file) if split_file else ()
    chosen = find_pieces(midi, SplitSettings(rules, validation, test, seed), count=pieces)
    licences = named_values(licence or [], "--licence")
    if unknown := set(licences) - set(named):
        raise ConfigError(f"--licence names {', '.join(sorted(unknown))}: name one of {', '.join(named)}.")
    lines = JsonLines(as_json, len(chosen), out)
    voices = [open_voice(name, source, out, settings, licences.get(name, "")) for name, source in named.items()]
    with Progress(console=Console(stderr=True, quiet=as_json)) as progress:
        task = progress.add_task("pieces", total=len(chosen))
        prepared = prepare_pairs(
            chosen, voices, out, settings, workers=workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            on_piece=lambda piece, result: lines.item(piece.path.name, result, path=piece.path),
        )  # fmt: skip
    paired_report(out, prepared, chosen, voices, settings)
    tell_pairs(
        lines, prepared.pairs, prepared.refusals,
        f"{len(prepared.pairs)} pieces ({prepared.kept} already done), {{minutes}} for each of {len(voices)} "
        "instruments",
        (out / "index.json", out / "report.md"), skip_bad=skip_bad,
    )  # fmt: skip


@prepare.command("aligned")
def aligned(
    instrument: Annotated[
        list[str], typer.Option("--instrument", "-i", help="NAME=FOLDER, twice: what is played, and what it becomes.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    rate: Annotated[int, typer.Option(help="Sample rate of the written files, Hz.")] = 44100,
    seed: Annotated[int, typer.Option(help="Seed of the choice of what to judge by.")] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Refused takes do not make the run fail.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check and align one performance recorded on two sounds: files of the same name in two folders.

    Takes that do not belong together, or have a fault, are refused and listed; the exit status is then 1, unless
    --skip-bad is given.
    """
    from trainer.aligned import find_takes, prepare_takes

    takes = find_takes({name: Path(folder) for name, folder in named_values(instrument, "--instrument").items()})
    lines = JsonLines(as_json, len(takes), out)
    prepared = prepare_takes(
        takes, out, rate, seed=seed,
        on_file=lambda take, result: lines.item(
            take.name, result, path=result.get("path", next(iter(take.files.values())))
        ),
    )  # fmt: skip
    tell_pairs(
        lines, prepared.pairs, prepared.refusals, f"{len(prepared.pairs)} pairs, {{minutes}}", (out / "index.json",),
        skip_bad=skip_bad,
    )  # fmt: skip
