"""One module per subcommand of `retimbre` that plays or converts; each exposes `register(app)` and imports late."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
