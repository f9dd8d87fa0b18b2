"""The command `retimbre`: gathers the subcommands of every room, runs one, and turns an error into one sentence.

Rooms contribute through the entry-point group `retimbre.commands` (a function that receives the application), so this
room need not import the trainer or the gui. Nothing heavy is imported here: `retimbre --help` answers at once, because
a command imports torch, onnxruntime, sounddevice or Qt inside its body only.

Exit codes: 0 done, 1 an error of ours (one sentence on stderr), 2 a wrong command line, 70 a defect of the program
(one sentence and the name of a report file; `RETIMBRE_DEBUG=1` shows the traceback instead), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated

import typer

from realtime.errors import RetimbreError

ENTRY_POINT_GROUP = "retimbre.commands"
# One module in `realtime/commands/` per subcommand; the order is the order of `--help`.
COMMANDS: tuple[str, ...] = (
    "live",
    "convert",
    "devices",
    "latency",
    "midi",
    "models",
    "plugins",
    "presets",
    "demo",
    "bench",
    "soak",
    "doctor",
)
# Top-level modules that only the `train` extra installs: their absence is a missing extra, not a defect.
TRAIN_MODULES = frozenset({"torch", "librosa", "onnx", "onnxscript", "tensorboard", "matplotlib", "scipy", "swift_f0"})
EXIT_ERROR, EXIT_DEFECT, EXIT_INTERRUPTED = 1, 70, 130


def register(app: typer.Typer) -> None:
    """Add this room's subcommands."""
    register_modules(app, "realtime.commands", COMMANDS)


def register_modules(app: typer.Typer, folder: str, names: tuple[str, ...]) -> None:
    """Let each module `folder.name` register its command; a name without a module is an error, never skipped."""
    for name in names:
        import_module(f"{folder}.{name}").register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"retimbre {version('retimbre')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Play one instrument, hear another, now: live, in files, and the training of its models."""


def build_app() -> typer.Typer:
    """Build the application with the subcommands of every installed room."""
    app = typer.Typer(
        name="retimbre",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    # The order of `--help`: this room's commands first, the others' by name.
    for room in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name != "realtime", entry.name)):
        room.load()(app)
    return app


def main() -> None:
    """Run the command line; the only place where errors become words and exit codes."""
    debug = os.environ.get("RETIMBRE_DEBUG") == "1"
    try:
        build_app()()
    except RetimbreError as error:
        if debug:
            raise
        _fail(str(error), EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in TRAIN_MODULES:
            _fail(missing_extra_sentence(error.name or ""), EXIT_ERROR)
        _fail(_defect_sentence(error), EXIT_DEFECT)


def missing_extra_sentence(module: str) -> str:
    """Say how to install the `train` extra, because `module` was asked for and is not there."""
    if getattr(sys, "frozen", False):
        return (
            f"This command needs {module}: the app without Python plays and converts, but training needs the Python "
            "install with its training extra (README, Install)."
        )
    return (
        f"This command needs {module}, which the base install leaves out: install the training extra with "
        f"`{Path(sys.executable).name} -m pip install 'retimbre[train]'` (in a checkout: `pip install -e '.[train]'`)."
    )


def _defect_sentence(error: Exception) -> str:
    # Imported here because a run without a defect never needs it.
    from realtime.report import save_report

    what = f"{type(error).__name__}: {error}".splitlines()[0]
    saved = save_report(error)
    where = f"the full report is in {saved}" if saved else "and no report could be saved (no folder is writable)"
    return f"A defect stopped retimbre ({what}); {where}, and RETIMBRE_DEBUG=1 shows it here."


def _fail(sentence: str, code: int) -> None:
    typer.secho(f"retimbre: {sentence}", err=True, fg=typer.colors.RED)
    sys.exit(code)


if __name__ == "__main__":
    main()
