"""`retimbre models`: list the installed model packages, show one, check that they play as heard, or import a capture.

Exit codes: 0 all is well; 1 a package asked for is missing, broken, or does not sound as it should. `list` names broken
packages and still gives 0: one bad folder must not stop a script from seeing the good ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from realtime.commands import AsJson

if TYPE_CHECKING:
    from rich.table import Table

    from realtime.package import Manifest

app = typer.Typer(help="List, show, check and import model packages.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="models")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List every model package that is found, and say why a broken one is broken."""
    from realtime.package import default_package_name, find_packages, package_folders

    found = find_packages()
    if as_json:
        entries = [
            {
                "name": one.name,
                "folder": str(one.folder),
                "error": one.error,
                "hidden": one.hidden,
                "bytes": one.size_bytes,
                **({} if one.manifest is None else _facts(one.manifest)),
            }
            for one in found
        ]
        typer.echo(json.dumps(entries, indent=2))
        return
    table = _table("Models", ("Name", "Title", "Targets", "Rate", "Latency", "Size"))
    for one in found:
        if one.manifest is None:
            continue
        facts = _facts(one.manifest)
        name = f"{one.name} (default)" if one.name == default_package_name() and not one.hidden else one.name
        table.add_row(
            f"{one.name} (hidden by an earlier folder)" if one.hidden else name,
            one.manifest.title,
            ", ".join(facts["targets"]) or "–",
            f"{one.manifest.sample_rate} Hz",
            f"{facts['latency_ms']:.1f} ms",
            f"{one.size_bytes / 1e6:.1f} MB",
        )
    _print(table)
    for one in found:
        if one.error is not None:
            typer.secho(f"broken: {one.error}", err=True, fg=typer.colors.YELLOW)
    if not found:
        typer.echo(f"No packages in {', '.join(str(folder) for folder in package_folders())}.")


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(help="Name of a package, or its folder.")], as_json: AsJson = False
) -> None:
    """Show everything that a package says of itself; its files are verified first."""
    from realtime.latency import latency
    from realtime.package import resolve

    package = resolve(model)
    manifest = package.manifest
    if as_json:
        typer.echo(manifest.to_text(), nl=False)
        return
    facts = _table(manifest.title, ("", ""))
    parts = ", ".join(f"{name} {ms:.2f}" for name, ms in latency(manifest).parts_ms().items() if ms)
    for key, value in (
        ("name", manifest.name),
        ("what it does", manifest.description),
        ("architecture", manifest.architecture),
        ("sample rate", f"{manifest.sample_rate} Hz"),
        ("input", str(manifest.input)),
        ("output", str(manifest.output)),
        ("phase", manifest.phase or "–"),
        ("step", f"{manifest.step_samples} samples ({1000 * manifest.step_samples / manifest.sample_rate:.2f} ms)"),
        ("latency", f"{_facts(manifest)['latency_ms']:.2f} ms" + (f" ({parts})" if parts else "")),
        ("states", f"{len(manifest.states)}"),
        ("licence of the code", manifest.licences.code),
        ("licence of the weights", manifest.licences.weights),
        ("licence of the data", manifest.licences.data),
        ("folder", str(package.folder)),
        ("size", f"{package.size_bytes() / 1e6:.2f} MB"),
    ):
        facts.add_row(key, value)
    _print(facts)
    if manifest.targets:
        targets = _table("Targets", ("Name", "Title", "Lowest", "Highest"))
        for target in manifest.targets:
            targets.add_row(target.name, target.title, _hz(target.low_hz), _hz(target.high_hz))
        _print(targets)
    if manifest.controls:
        controls = _table("Controls", ("Name", "Title", "Range", "Default", "MIDI CC"))
        for one in manifest.controls:
            span = f"{one.minimum:g} … {one.maximum:g} {one.unit}".rstrip()
            cc = "–" if one.midi_cc is None else str(one.midi_cc)
            controls.add_row(one.name, one.title, span, f"{one.default:g}", cc)
        _print(controls)


@app.command("check")
def check_models(
    models: Annotated[list[str] | None, typer.Argument(help="Names or folders; none: every package found.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay each package's golden sound and compare; 1 when any is broken or sounds different.

    A model that is loud while nothing is played is told of too.
    """
    from realtime.at_rest import at_rest
    from realtime.errors import RetimbreError
    from realtime.package import Package, check, find_packages, resolve

    wanted: list[Any] = list(models) if models else [one.folder for one in find_packages()]
    entries: list[dict[str, Any]] = []
    for one in wanted:
        try:
            package = resolve(one) if isinstance(one, str) else Package.load(one)
            report = check(package)
            loud = [found.sentence for found in at_rest(package) if found.sentence]
        except RetimbreError as error:
            entries.append({"model": str(one), "passed": False, "sentence": str(error)})
            continue
        sentence = (
            "plays as its maker heard it."
            if report.passed
            else f"differs from its golden sound by {report.error:.1e} of the peak, but {report.tolerance:.0e} is the "
            "most: copy or export it again."
        )
        entries.append(
            {
                "model": report.name,
                "passed": report.passed,
                "sentence": sentence,
                "error": report.error,
                "tolerance": report.tolerance,
                "real_time_factor": report.real_time_factor,
                "latency_ms": report.latency_ms,
                "provider": report.provider,
                "at_rest": loud,
            }
        )
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
    else:
        table = _table("Golden sounds", ("Model", "Result", "Error", "Speed", "Latency"))
        for entry in entries:
            measured = "error" in entry
            table.add_row(
                entry["model"],
                "passed" if entry["passed"] else "FAILED",
                f"{entry['error']:.1e} of {entry['tolerance']:.0e}" if measured else "–",
                f"{entry['real_time_factor']:.1f} × real time" if measured else "–",
                f"{entry['latency_ms']:.1f} ms" if measured else "–",
            )
        _print(table)
        for entry in entries:
            if not entry["passed"]:
                typer.secho(f"{entry['model']}: {entry['sentence']}", err=True, fg=typer.colors.RED)
            for sentence in entry.get("at_rest", ()):
                typer.secho(f"{entry['model']}: {sentence}", err=True, fg=typer.colors.YELLOW)
    if not all(entry["passed"] for entry in entries):
        raise typer.Exit(1)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="A capture of Neural Amp Modeler, ending in .nam.")],
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the package's folder goes; none: among your models.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the package; none: from the file's.")] = None,
    step: Annotated[int, typer.Option("--step", help="Samples per call of the model, 16 to 1024.")] = 64,
    size: Annotated[
        float, typer.Option("--size", help="Of a file with several sizes: 0 the smallest, 1 the whole one.")
    ] = 1.0,
) -> None:
    """Make a model package of a .nam file; `--model FILE.nam` does the same in passing."""
    from realtime.nam.capture import import_capture
    from realtime.package import package_folders

    package = import_capture(file, folder, name=name, step=step, size=size)
    manifest = package.manifest
    typer.echo(f"{manifest.title}: {manifest.architecture}, {manifest.sample_rate} Hz.")
    known = package.folder.parent.resolve() in [parent.resolve() for parent in package_folders()]
    typer.echo(
        f"Wrote {package.folder}; play it with: retimbre live --model {package.name if known else package.folder}"
    )


def _facts(manifest: Manifest) -> dict[str, Any]:
    """What a list says of a package."""
    return {
        "title": manifest.title,
        "architecture": manifest.architecture,
        "sample_rate": manifest.sample_rate,
        "targets": [target.name for target in manifest.targets],
        "latency_ms": 1000.0 * manifest.latency_samples / manifest.sample_rate,
    }


def _hz(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} Hz"


def _table(title: str, columns: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table) -> None:
    """Text of a package is shown as it is: square brackets in it are no markup."""
    from rich.console import Console

    Console(markup=False, highlight=False).print(table)
