"""The trainer's subcommands of `retimbre`. Importing this room's command modules must not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.cli import register_modules

if TYPE_CHECKING:
    import typer

# One module in `trainer/commands/` per subcommand; the order is the order of `--help`.
COMMANDS: tuple[str, ...] = (
    "prepare",
    "prepare_sets",
    "prepare_blend",
    "prepare_taught",
    "train",
    "lr_find",
    "phase",
    "export",
    "evaluate",
    "interpolate",
    "listen",
    "zoo",
    "bench",
)


def register(app: typer.Typer) -> None:
    """Add this room's subcommands."""
    register_modules(app, "trainer.commands", COMMANDS)
