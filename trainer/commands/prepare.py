"""`retimbre prepare`: turn recordings, or MIDI files and single notes, into data to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON object a line on stdout: each file as it is checked, then the whole."),
]

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
    from rich.console import Console
    from rich.progress import Progress

    from realtime.errors import ConfigError
    from trainer.prepare_report import recordings_report
    from trainer.recording_checks import Limits
    from trainer.recordings import RecordingSettings, SplitSettings, find_recordings, prepare_recordings
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
        sample_rate=rate, level_db=None if keep_levels else level_db, subtype=f"PCM_{bits}",
        limits=Limits(lowest_rate=lowest_rate, shortest_seconds=shortest),
    )  # fmt: skip
    wanted = [name.strip() for name in domains.split(",") if name.strip()]
    found = find_recordings(folders, splits, domains=wanted, rename=_pairs(rename or [], "--rename"))
    lines = _JsonLines(as_json, len(found), out)
    console = Console(stderr=True, quiet=as_json)
    with Progress(console=console) as progress:
        task = progress.add_task("recordings", total=len(found))
        prepared = prepare_recordings(
            found, out, settings, workers=workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            on_file=lambda item, result: lines.item(item.name, result, path=item.path, domain=item.domain),
        )  # fmt: skip
    recordings_report(out, prepared, rate)
    if as_json:
        minutes: dict[str, dict[str, float]] = {}
        for entry in prepared.entries:
            of = minutes.setdefault(entry["domain"], {"train": 0.0, "validation": 0.0, "test": 0.0})
            of[entry["split"]] += entry["seconds"] / 60
        lines.whole(len(prepared.entries), len(prepared.refusals), minutes)
        return
    for refusal in prepared.refusals:
        typer.echo(f"refused: {refusal}.", err=True)
    seconds = sum(entry["seconds"] for entry in prepared.entries)
    typer.echo(
        f"{len(prepared.entries)} recordings ({prepared.kept} already done), {seconds / 60:.1f} minutes, "
        f"{len(prepared.refusals)} refused: {out / 'index.json'}, {out / 'report.md'}"
    )
    if prepared.refusals and not skip_bad:
        raise typer.Exit(1)


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
    named = _pairs(instrument, "--instrument")
    settings = PairedSettings(
        sample_rate=rate, speed=speed, duration_rate=duration_rate, transpose=transpose, velocity_curve=velocity_curve,
        legato_overlap=legato_overlap, release=release, reach=reach, note_rate=note_rate,
        fold=out_of_range == "fold", longest=longest,
    )  # fmt: skip
    rules = read_split_file(split_file) if split_file else ()
    chosen = find_pieces(midi, SplitSettings(rules, validation, test, seed), count=pieces)
    licences = _pairs(licence or [], "--licence")
    if unknown := set(licences) - set(named):
        raise ConfigError(f"--licence names {', '.join(sorted(unknown))}: name one of {', '.join(named)}.")
    lines = _JsonLines(as_json, len(chosen), out)
    voices = [open_voice(name, source, out, settings, licences.get(name, "")) for name, source in named.items()]
    with Progress(console=Console(stderr=True, quiet=as_json)) as progress:
        task = progress.add_task("pieces", total=len(chosen))
        prepared = prepare_pairs(
            chosen, voices, out, settings, workers=workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            on_piece=lambda piece, result: lines.item(piece.path.name, result, path=piece.path),
        )  # fmt: skip
    paired_report(out, prepared, chosen, voices, settings)
    if as_json:
        lines.whole(len(prepared.pairs), len(prepared.refusals), _paired_minutes(prepared.pairs))
        return
    for refusal in prepared.refusals:
        typer.echo(f"refused: {refusal}.", err=True)
    seconds = sum(pair["seconds"] for pair in prepared.pairs)
    typer.echo(
        f"{len(prepared.pairs)} pieces ({prepared.kept} already done), {seconds / 60:.1f} minutes for each of "
        f"{len(voices)} instruments, {len(prepared.refusals)} refused: {out / 'index.json'}, {out / 'report.md'}"
    )
    if prepared.refusals and not skip_bad:
        raise typer.Exit(1)


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

    takes = find_takes({name: Path(folder) for name, folder in _pairs(instrument, "--instrument").items()})
    lines = _JsonLines(as_json, len(takes), out)
    prepared = prepare_takes(
        takes, out, rate, seed=seed,
        on_file=lambda take, result: lines.item(
            take.name, result, path=result.get("path", next(iter(take.files.values())))
        ),
    )  # fmt: skip
    if as_json:
        lines.whole(len(prepared.pairs), len(prepared.refusals), _paired_minutes(prepared.pairs))
        return
    for refusal in prepared.refusals:
        typer.echo(f"refused: {refusal}.", err=True)
    seconds = sum(pair["seconds"] for pair in prepared.pairs)
    typer.echo(
        f"{len(prepared.pairs)} pairs, {seconds / 60:.1f} minutes, {len(prepared.refusals)} refused: "
        f"{out / 'index.json'}"
    )
    if prepared.refusals and not skip_bad:
        raise typer.Exit(1)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    """NAME=VALUE texts as a dictionary; ConfigError for one that is not."""
    from realtime.errors import ConfigError

    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()) or name.strip() in pairs:
            raise ConfigError(f"{option} {text} is not NAME=VALUE with a new name: write it as in `{option} a=b`.")
        pairs[name.strip()] = value.strip()
    return pairs


def _paired_minutes(pairs: tuple[dict[str, Any], ...]) -> dict[str, dict[str, float]]:
    """Minutes of each instrument by split: the same for all of them."""
    minutes: dict[str, dict[str, float]] = {}
    for pair in pairs:
        for name in pair["files"]:
            of = minutes.setdefault(name, {"train": 0.0, "validation": 0.0, "test": 0.0})
            of[pair["split"]] += pair["seconds"] / 60
    return minutes


class _JsonLines:
    """What `--json` prints: `found`, one `file` for each as it is done, `whole`; refusals are no failure then."""

    def __init__(self, wanted: bool, total: int, out: Path) -> None:
        import json

        self._wanted, self._total, self._out, self._done = wanted, total, out, 0
        self._dumps: Callable[..., str] = json.dumps
        self._say("found", files=total)

    def item(self, name: str, result: dict[str, Any], *, path: Path, domain: str = "") -> None:
        """One file: fit or refused, its sentence, and its faults with their places in seconds."""
        from dataclasses import asdict, is_dataclass

        faults = [asdict(f) if is_dataclass(f) and not isinstance(f, type) else f for f in result.get("faults", ())]
        self._done += 1
        reason = result.get("refused", "")
        self._say(
            "file", name=name, path=str(path.absolute()), domain=domain, done=self._done, total=self._total,
            state="refused" if reason else "fit", sentence=f"{name} {reason}." if reason else "",
            seconds=result.get("seconds", 0.0), faults=faults,
        )  # fmt: skip

    def whole(self, fit: int, refused: int, minutes: dict[str, dict[str, float]]) -> None:
        """The end: what can be trained on, in minutes of each sound and split."""
        self._say("whole", index=str((self._out / "index.json").absolute()), fit=fit, refused=refused, minutes=minutes)

    def _say(self, kind: str, **values: Any) -> None:
        if self._wanted:
            print(self._dumps({"kind": kind, **values}, ensure_ascii=False), flush=True)  # noqa: T201
