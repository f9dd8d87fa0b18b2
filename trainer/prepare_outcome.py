"""What the subcommands of `retimbre prepare` share: how their end is told, as text or as JSON, and their status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trainer.recordings import Found, RecordingSettings, Refusal

AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON object a line on stdout: each file as it is checked, then the whole."),
]


def write_recordings(
    found: Sequence[Found],
    out: Path,
    settings: RecordingSettings,
    *,
    workers: int,
    skip_bad: bool,
    as_json: bool,
    already_refused: Iterable[Refusal] = (),
) -> None:
    """Prepare what was found with a progress bar, write index and report, tell the end; Exit 1 for refusals."""
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress

    from trainer.prepare_report import recordings_report
    from trainer.recordings import prepare_recordings

    lines = JsonLines(as_json, len(found), out)
    with Progress(console=Console(stderr=True, quiet=as_json)) as progress:
        task = progress.add_task("recordings", total=len(found))
        prepared = prepare_recordings(
            found, out, settings, workers=workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            on_file=lambda item, result: lines.item(item.name, result, path=item.path, domain=item.domain),
        )  # fmt: skip
    prepared = replace(prepared, refusals=(*already_refused, *prepared.refusals))
    recordings_report(out, prepared, settings.sample_rate)
    minutes: dict[str, dict[str, float]] = {}
    for entry in prepared.entries:
        _add_minutes(minutes, entry["domain"], entry)
    lines.whole(len(prepared.entries), len(prepared.refusals), minutes)
    if as_json:
        return
    seconds = sum(entry["seconds"] for entry in prepared.entries)
    tell_end(
        f"{len(prepared.entries)} recordings ({prepared.kept} already done), {seconds / 60:.1f} minutes",
        prepared.refusals, (out / "index.json", out / "report.md"), skip_bad=skip_bad,
    )  # fmt: skip


def tell_pairs(
    lines: JsonLines,
    pairs: tuple[dict[str, Any], ...],
    refusals: Sequence[Refusal],
    what: str,
    made: tuple[Path, ...],
    *,
    skip_bad: bool,
) -> None:
    """The end of `paired` and `aligned`; `what` is a sentence with {minutes}."""
    minutes: dict[str, dict[str, float]] = {}
    for pair in pairs:
        for name in pair["files"]:
            _add_minutes(minutes, name, pair)
    lines.whole(len(pairs), len(refusals), minutes)
    if not lines.wanted:
        seconds = sum(pair["seconds"] for pair in pairs)
        tell_end(what.format(minutes=f"{seconds / 60:.1f} minutes"), refusals, made, skip_bad=skip_bad)


def tell_end(what: str, refusals: Sequence[Refusal], made: tuple[Path, ...], *, skip_bad: bool) -> None:
    """Refusals on stderr, what was made on stdout; Exit 1 when something was refused and --skip-bad not given."""
    for refusal in refusals:
        typer.echo(f"refused: {refusal}.", err=True)
    typer.echo(f"{what}, {len(refusals)} refused: {', '.join(str(path) for path in made)}")
    if refusals and not skip_bad:
        raise typer.Exit(1)


def _add_minutes(minutes: dict[str, dict[str, float]], name: str, entry: dict[str, Any]) -> None:
    of = minutes.setdefault(name, {"train": 0.0, "validation": 0.0, "test": 0.0})
    of[entry["split"]] += entry["seconds"] / 60


def named_values(texts: list[str], option: str) -> dict[str, str]:
    """NAME=VALUE texts as a dictionary; ConfigError for one that is not."""
    from realtime.errors import ConfigError

    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()) or name.strip() in pairs:
            raise ConfigError(f"{option} {text} is not NAME=VALUE with a new name: write it as in `{option} a=b`.")
        pairs[name.strip()] = value.strip()
    return pairs


class JsonLines:
    """What `--json` prints: `found`, one `file` for each as it is done, `whole`; refusals are no failure then."""

    def __init__(self, wanted: bool, total: int, out: Path) -> None:
        import json

        self.wanted, self._total, self._out, self._done = wanted, total, out, 0
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
        if self.wanted:
            print(self._dumps({"kind": kind, **values}, ensure_ascii=False), flush=True)  # noqa: T201
