"""`retimbre prepare nsynth|maestro|…|chill`: public sets of recordings, each by the layout that it is published in.

A command's options are those that all sets share and the fields of the set's own `Options`.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trainer.datasets import DATASETS
from trainer.prepare_outcome import AsJson, named_values, write_recordings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.datasets.cutting import Span
    from trainer.datasets.item import Dataset, Item
    from trainer.recordings import Found, Refusal

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
Rate = Annotated[int, typer.Option(help="Sample rate of the written files, Hz.")]
SplitFile = Annotated[
    Path | None,
    typer.Option(help="CSV with a column split (train, validation, test, leave) and any of domain, source, file."),
]
Validation = Annotated[float, typer.Option(help="Fraction for validation where the set has none.")]
Test = Annotated[float, typer.Option(help="Fraction for test where the set has none.")]
Seed = Annotated[int, typer.Option(help="Seed of these choices.")]
Published = Annotated[
    bool, typer.Option("--published-splits", help="Keep the set's splits exactly, even where they share a player.")
]
Domains = Annotated[str, typer.Option(help="Only these domains, separated by commas.")]
Rename = Annotated[list[str] | None, typer.Option(help="Count one domain as another: OLD=NEW. Repeatable.")]
AtMost = Annotated[int, typer.Option(help="About so many recordings of each domain, chosen by the seed; 0: all.")]
Level = Annotated[float, typer.Option(help="Level that sounding parts are brought to, dBFS.")]
KeepLevels = Annotated[bool, typer.Option("--keep-levels", help="Leave levels as they are.")]
Lufs = Annotated[float | None, typer.Option(help="In place of that level: integrated loudness (ITU-R BS.1770), LUFS.")]
Bits = Annotated[int, typer.Option(help="Bits of the written FLAC files: 16 or 24.")]
Piece = Annotated[float, typer.Option(help="Cut recordings into pieces of about so many seconds; 0: never.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Refused recordings do not make the run fail.")]
Workers = Annotated[int, typer.Option(help="Processes.")]

_SHARED: dict[str, tuple[Any, Any]] = {
    "out": (Out, inspect.Parameter.empty), "rate": (Rate, 48000), "split_file": (SplitFile, None),
    "validation": (Validation, 0.1), "test": (Test, 0.1), "seed": (Seed, 0), "published_splits": (Published, False),
    "domains": (Domains, ""), "rename": (Rename, None), "at_most": (AtMost, 0), "level_db": (Level, -20.0),
    "keep_levels": (KeepLevels, False), "lufs": (Lufs, None), "bits": (Bits, 16), "piece": (Piece, 0.0),
    "skip_bad": (SkipBad, False), "workers": (Workers, 2), "as_json": (AsJson, False),
}  # fmt: skip


def register(_app: typer.Typer) -> None:
    """Add one command for each set, `chill` and `join` to `prepare`."""
    from trainer.commands.prepare import prepare

    if any(command.name == "chill" for command in prepare.registered_commands):
        return
    for dataset in DATASETS:
        prepare.command(dataset.name)(_command(dataset))
    prepare.command("chill")(chill)
    prepare.command("join")(join)


def _command(dataset: Dataset) -> Any:
    """A function with the parameters of this set, for typer to read."""

    def command(**given: Any) -> None:
        own = {field.name: given[field.name] for field in dataclasses.fields(dataset.Options)}
        _prepare_set(dataset, own, given)

    hints = typing.get_type_hints(dataset.Options)
    folders = Annotated[list[Path], typer.Argument(help="Where it was unpacked.")]
    parameters: dict[str, tuple[Any, Any]] = {"folders": (folders, inspect.Parameter.empty), "out": _SHARED["out"]}
    for field in dataclasses.fields(dataset.Options):
        kind, text = hints[field.name], str(field.metadata["help"])
        if typing.get_origin(kind) is Literal:
            kind, text = str, f"{' | '.join(typing.get_args(kind))}. {text[:1].upper()}{text[1:]}."
        parameters[field.name] = (Annotated[kind, typer.Option(help=_plain(text))], field.default)
    parameters |= _SHARED | {"piece": (Piece, dataset.piece_s)}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind)
            for name, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    command.__doc__ = "\n\n".join(
        _plain(text)
        for text in (
            f"{dataset.title}.", f"Download: {dataset.address}", f"Size: {dataset.size}.",
            f"Licence: {dataset.licence}.", f"Layout: {dataset.layout}", dataset.notes,
        )
    )  # fmt: skip
    return command


def _plain(text: str) -> str:
    return text.replace("[", r"\[")  # rich reads brackets as styles


def _prepare_set(dataset: Dataset, own: dict[str, Any], given: dict[str, Any]) -> None:
    from trainer.config import from_table
    from trainer.datasets.division import at_most, divide, present

    options = from_table(dataset.Options, own, dataset.name)
    splits = _splits(given)
    rename = named_values(given["rename"] or [], "--rename")
    chosen: list[tuple[Path, Item]] = []
    for folder in given["folders"]:
        listed = present(_of_domains(dataset.find(folder, options), rename, given["domains"]), folder)
        if listed.missing:
            typer.echo(f"{listed.missing} recordings that {folder} lists are not there: left out.", err=True)
        divided = divide(listed.items, splits, published=given["published_splits"])
        chosen += [(folder, item) for item in at_most(divided, given["at_most"], given["seed"])]
    _write_items(chosen, given)


def _of_domains(items: Iterable[Item], rename: dict[str, str], domains: str) -> Iterable[Item]:
    """Items under their new domains, those that are wanted; ConfigError for a domain that the set has not."""
    from realtime.errors import ConfigError

    wanted = {name.strip() for name in domains.split(",") if name.strip()}
    seen: set[str] = set()
    for item in items:
        domain = rename.get(item.domain, item.domain)
        seen.add(domain)
        if not wanted or domain in wanted:
            yield dataclasses.replace(item, domain=domain)
    if lacking := wanted - seen:
        raise ConfigError(
            f"--domains names {', '.join(sorted(lacking))}, which the set has not: choose of {', '.join(sorted(seen))}."
        )


def _splits(given: dict[str, Any]) -> Any:
    from trainer.recordings import SplitSettings
    from trainer.splits import read_split_file

    rules = read_split_file(given["split_file"]) if given["split_file"] else ()
    return SplitSettings(rules, given["validation"], given["test"], given["seed"])


def _write_items(chosen: Sequence[tuple[Path, Item]], given: dict[str, Any]) -> None:
    """Cut, name and prepare items, each with the folder that it comes from."""
    from trainer.datasets.cutting import cut
    from trainer.recordings import Refusal

    by_item = {id(item): folder for folder, item in chosen}
    good, bad = cut([item for _, item in chosen], given["out"], given["piece"], given["workers"])
    refused = [Refusal(f"{by_item[id(item)].resolve().name}/{item.inside}", reason) for item, reason in bad]
    _write_spans([(by_item[id(item)], item, spans) for item, spans in good], refused, given)


def _write_spans(
    cut_up: Iterable[tuple[Path, Item, list[Span]]], refused: list[Refusal], given: dict[str, Any]
) -> None:
    from realtime.errors import ConfigError, DataError
    from trainer.datasets.division import named
    from trainer.recording_checks import Limits
    from trainer.recordings import RecordingSettings

    if given["bits"] not in (16, 24):
        raise ConfigError(f"--bits {given['bits']} is not known: choose 16 or 24.")
    found: dict[str, Found] = {}
    for folder, item, spans in cut_up:
        for one in named(item, folder.resolve(), spans):
            if one.output in found:
                raise DataError(
                    f"{one.path} and {found[one.output].path} would both be written to {one.output}: rename one folder."
                )
            found[one.output] = one
    settings = RecordingSettings(
        sample_rate=given["rate"], level_db=None if given["keep_levels"] else given["level_db"], lufs=given["lufs"],
        subtype=f"PCM_{given['bits']}",
        # nobody can record a published set again: mastered music touches full scale, anechoic pp is quiet
        limits=Limits(silence_db=-65.0, clipped_run=1 << 30),
    )  # fmt: skip
    write_recordings(
        [found[name] for name in sorted(found)], given["out"], settings, workers=given["workers"],
        skip_bad=given["skip_bad"], as_json=given["as_json"], already_refused=refused,
    )  # fmt: skip


def chill(
    out: Out,
    archive: Annotated[Path | None, typer.Argument(help="Where FMA was unpacked (see `prepare fma --help`).")] = None,
    stream: Annotated[
        list[Path] | None, typer.Option(help="Folder (or file) of chill recordings, however long. Repeatable.")
    ] = None,
    pop: Annotated[str, typer.Option(help="Genres of the domain pop_rock, as FMA names them.")] = "Pop,Rock",
    chill_genres: Annotated[
        str, typer.Option("--chill", help="Genres of the domain chill.")
    ] = "Chill-out,Downtempo,Trip-Hop,Lounge,Hip-Hop Beats",
    instrumental: Annotated[
        float, typer.Option(help="Only FMA tracks whose instrumentalness is at least this; 0: all.")
    ] = 0.0,
    silence_db: Annotated[float, typer.Option(help="Silence is so far below a file's loudest moment, dB.")] = 60.0,
    gap: Annotated[float, typer.Option(help="Silences shorter than this do not cut, s.")] = 0.5,
    shortest: Annotated[float, typer.Option(help="Intervals shorter than this are left out, s.")] = 2.0,
    rate: Rate = 48000,
    split_file: SplitFile = None,
    validation: Validation = 0.1,
    test: Test = 0.1,
    seed: Seed = 0,
    published_splits: Published = False,
    at_most: AtMost = 0,
    lufs: Annotated[float, typer.Option(help="Integrated loudness (ITU-R BS.1770) of every piece, LUFS.")] = -23.0,
    bits: Bits = 16,
    piece: Piece = 30.0,
    skip_bad: SkipBad = False,
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """The domains pop_rock and chill ("chillify"): FMA by genres, and chill streams of your own.

    Everything is cut into its non-silent intervals and these into pieces, and brought to one loudness. FMA's own splits
    are kept; a stream is in one split, but fewer than three streams are divided by time.

    Download: https://github.com/mdeff/fma (fma_metadata.zip with fma_large.zip: fma_small has neither many chill nor
    all genres). Size and licence: see `retimbre prepare fma --help`; streams are what you have the right to use.
    """
    from realtime.errors import ConfigError
    from trainer.datasets import chill as chilling
    from trainer.datasets import division
    from trainer.datasets.cutting import cut
    from trainer.datasets.item import Silence
    from trainer.recordings import Refusal

    if archive is None and not stream:
        raise ConfigError(
            "There is nothing to prepare: name FMA's folder, or a folder of chill recordings by --stream."
        )
    given = {
        "out": out, "rate": rate, "split_file": split_file, "validation": validation, "test": test, "seed": seed,
        "level_db": -20.0, "keep_levels": False, "lufs": lufs, "bits": bits, "piece": piece, "skip_bad": skip_bad,
        "workers": workers, "as_json": as_json,
    }  # fmt: skip
    genres = [tuple(name.strip() for name in text.split(",") if name.strip()) for text in (pop, chill_genres)]
    root = archive if archive is not None else Path("streams")
    items = chilling.find(
        archive, stream or [], pop=genres[0], chill=genres[1], instrumental=instrumental,
        silence=Silence(silence_db, gap, shortest),
    )  # fmt: skip
    listed = division.present(items, root).items
    streams = [item for item in listed if not item.split and item.group.startswith("stream ")]
    few = streams if len(streams) < 3 else []
    whole = [item for item in listed if item not in few]
    splits = _splits(given)
    chosen = division.at_most(division.divide(whole, splits, published=published_splits), at_most, seed)
    good, bad = cut([*chosen, *few], out, piece, workers)
    timed = chilling.divided_by_time([(item, spans) for item, spans in good if not item.split], splits)
    spans = [*((item, spans) for item, spans in good if item.split), *timed]
    refused = [Refusal(item.inside, reason) for item, reason in bad]
    _write_spans([(root, item, parts) for item, parts in spans], refused, given)


def join(
    folders: Annotated[list[Path], typer.Argument(help="Folders that `prepare` wrote.")],
    out: Out,
    domains: Domains = "",
    rename: Rename = None,
) -> None:
    """Make one index of several, as for piano of MAESTRO against guitar of GuitarSet; no sound is copied."""
    from trainer.datasets.joining import join as join_indexes

    wanted = [name.strip() for name in domains.split(",") if name.strip()]
    counted = join_indexes(folders, out, domains=wanted, rename=named_values(rename or [], "--rename"))
    told = ", ".join(f"{count} of {domain}" for domain, count in sorted(counted.items()))
    typer.echo(f"{told}: {out / 'index.json'}")
