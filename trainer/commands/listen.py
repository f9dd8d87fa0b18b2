"""`retimbre listen`: make a listening test from clips, serve it to browsers, and say what came of it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trainer.listening.report import Results

# What the `listen` extra installs and these commands import.
NEEDED = ("flask", "flask_sqlalchemy", "flask_wtf", "flask_bootstrap", "waitress", "scipy", "pyloudnorm", "matplotlib")
StudyFolder = Annotated[Path, typer.Argument(help="The folder that `retimbre listen create` made.", metavar="STUDY")]

listen = typer.Typer(
    help="Let people compare systems by ear: make, serve and evaluate a listening test.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add `listen create`, `listen serve` and `listen results`."""
    app.add_typer(listen, name="listen")


def _need_extra() -> None:
    from realtime.errors import ConfigError

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        if getattr(sys, "frozen", False):
            raise ConfigError(
                "The listening test is not in the app without Python: use the Python install with its extra `listen`."
            )
        raise ConfigError(
            f"The listening test needs {', '.join(missing)}, which the base install leaves out: install the extra with "
            f"`{Path(sys.executable).name} -m pip install 'retimbre[listen]'` (in a checkout: "
            "`pip install -e '.[listen]'`)."
        )


@listen.command("create")
def create(
    source: Annotated[Path, typer.Argument(help="A folder laid out as the manual says, or a TOML file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The study's folder, which is made.")],
    title: Annotated[str, typer.Option(help="The heading of every page, instead of the source's.")] = "",
) -> None:
    """Check clips, make anchors, match loudness, and write a study that `serve` can serve.

    SOURCE holds reference/ (the originals), target/ (the wanted sound) and a folder for each system, the same piece
    under the same name in each; anchor/ may be there, and is made where it is not.
    """
    _need_extra()
    from dataclasses import replace

    from trainer.listening.making import make_study
    from trainer.listening.source import read_source

    read = read_source(source)
    if title:
        read = replace(read, study=replace(read.study, title=title))
    made = make_study(read, out, told=lambda sentence: typer.echo(sentence, err=True))
    for sentence in made.remarks:
        typer.echo(sentence)
    typer.echo(f"The study is in {out}: serve it with `retimbre listen serve {out}`.")


@listen.command("serve")
def serve(
    study: StudyFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen on. 127.0.0.1: this machine alone; 0.0.0.0: all who can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")] = 8080,
    name: Annotated[
        list[str] | None, typer.Option(help="Host name that browsers use, refused otherwise. Repeatable.")
    ] = None,
    behind_https: Annotated[
        bool,
        typer.Option("--behind-https", help="A reverse proxy that speaks HTTPS stands before it: believe its headers."),
    ] = False,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Requests answered at once.")] = 8,
) -> None:
    """Serve a study to browsers until Ctrl-C. Every answer is on the disk before the browser hears that it is.

    By default only this machine can reach it. Stopping and starting again loses nothing: people go on where they were.
    """
    _need_extra()
    from realtime.errors import ConfigError
    from trainer.listening.server import is_loopback, start_server

    if behind_https and not name:
        raise ConfigError(
            "--behind-https needs the name by which browsers call the proxy: add --name study.example.org."
        )
    server = start_server(study, host=host, port=port, threads=threads, behind_https=behind_https, names=name or ())
    shown = f"[{host}]" if ":" in host else host
    address = f"https://{name[0]}/" if behind_https and name else f"http://{shown}:{server.port}/"
    typer.echo(f"The listening test is at {address} (Ctrl-C ends it; nothing that was answered is lost).")
    if is_loopback(host) and not behind_https:
        typer.echo("Only this machine can reach it: --host opens it to others.")
    elif not behind_https:
        typer.secho(
            "Answers and links travel unencrypted: use it on a network that you trust, or --behind-https.", err=True
        )
    server.run()


@listen.command("results")
def results(
    study: StudyFolder,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to; left out: STUDY/results.")
    ] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Use those too who stopped early.")] = False,
    no_screening: Annotated[
        bool, typer.Option("--no-screening", help="Keep those who rate the hidden reference no better than the anchor.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json instead of words.")] = False,
) -> None:
    """Write every answer as CSV, histograms, intervals and paired tests between systems; also while it is served."""
    _need_extra()
    from trainer.listening.report import write_results

    folder = out or study / "results"
    found = write_results(study, folder, unfinished=unfinished, screen=not no_screening)
    typer.echo((folder / "report.json").read_text(encoding="utf-8") if as_json else _words(found, folder))


def _words(found: Results, folder: Path) -> str:
    lines = [
        f"{found.began} began, {found.finished} finished, {found.answers} answers; {found.used} participants are used."
    ]
    lines += [f"Screened out: {sentence}" for sentence in found.screened]
    for outcome in found.outcomes:
        shown = []
        for one in outcome.described:
            interval = f" ({one.interval[0]:.2f} … {one.interval[1]:.2f})" if one.interval else ""
            shown.append(f"{one.condition} {one.mean:.2f}{interval}")
        lines.append(f"{outcome.section}, {outcome.question}: {', '.join(shown)}.")
        for pair in outcome.between_systems:
            if pair.p_corrected is not None:
                verdict = "differ" if pair.p_corrected < 0.05 else "are not told apart"
                lines.append(
                    f"  {pair.one} and {pair.other} {verdict}: {pair.difference:+.2f}, p = {pair.p_corrected:.3g} "
                    f"(Wilcoxon, Holm), r = {pair.rank_biserial:.2f}, {pair.participants} participants."
                )
    lines.append(f"{folder / 'report.md'}, report.json, answers.csv and {len(found.outcomes)} histograms beside it")
    return "\n".join(lines)
