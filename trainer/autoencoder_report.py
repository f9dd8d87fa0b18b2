"""`python -m trainer.autoencoder_report FOLDER`: table 3.1 of the autoencoders' document beside what was trained here.

FOLDER holds run folders named as the run files in trainer/runs/autoencoders (what `retimbre train autoencoders/NAME`
writes, in runs-out/autoencoders). Each is measured anew with its last weights on its own validation notes. The document
gives the mean of the last ten epochs' validation; Paterna 2017, table 3.1.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from trainer.checkpoint import load_checkpoint, load_run
from trainer.export import load_recipe


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the document's table."""

    words: str
    loss: float
    error: float


PUBLISHED = {
    "piano_shallow_b4": Published("piano: shallow, batch 4", 5.232e-3, 3.215e-4),
    "piano_shallow_b8": Published("piano: shallow, batch 8", 4.47e-3, 2.043e-4),
    "piano_2_layers": Published("piano: 2 layers", 8.756e-3, 5.237e-4),
    "piano_3_layers": Published("piano: 3 layers", 1.339e-2, 1.418e-3),
    "piano_shallow_l1": Published("piano: shallow, L1", 7.759e-1, 1.424e-3),
    "flute_base": Published("flute → clarinet: base", 2.028e-1, 4.697e-2),
    "flute_2_layers": Published("flute → clarinet: 2 layers", 1.062e-1, 4.876e-2),
    "flute_3_layers": Published("flute → clarinet: 3 layers", 1.379e-1, 5.292e-2),
    "flute_dilated": Published("flute → clarinet: dilated", 2.199e-1, 4.698e-2),
    "flute_residual": Published("flute → clarinet: residual", 2.022, 5.210e-2),
    "flute_dilated_residual": Published("flute → clarinet: dilated, residual", 1.355, 3.417e-2),
    "flute_dilated_residual_2_layers": Published("flute → clarinet: dilated, residual, 2 layers", 3.505, 3.825e-2),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `found` is None where no run was trained."""

    name: str
    words: str
    published: Published | None
    channels: tuple[int, ...] = ()
    steps: int = 0
    found: dict[str, float] | None = None


def rows(folder: Path) -> list[Row]:
    """The document's rows in its order, then every other run of an autoencoder in `folder`."""
    runs = [p for p in sorted(folder.iterdir()) if (p / "last.pt").is_file() and load_run(p)[0].recipe == "autoencoder"]
    others = [p.name for p in runs if p.name not in PUBLISHED]
    return [_row(folder / name) for name in (*PUBLISHED, *others)]


def _row(run: Path) -> Row:
    published = PUBLISHED.get(run.name)
    words = published.words if published else run.name.replace("_", " ")
    if not (run / "last.pt").is_file():
        return Row(run.name, words, published)
    recipe = load_recipe(run, "last")
    step = int(load_checkpoint(run / "last.pt", torch.device("cpu"))["step"])
    with torch.no_grad():
        return Row(run.name, words, published, tuple(recipe.config.model.channels), step, recipe.validate())


def markdown(table: list[Row]) -> str:
    """The table."""
    lines = [
        "| model | document: loss | error | here: channels; steps | loss | error | part of power | input as is |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table:
        told = "– | –" if row.published is None else f"{row.published.loss:.3e} | {row.published.error:.3e}"
        if row.found is None:
            found = "not run | – | – | – | –"
        else:
            f = row.found
            numbers = " | ".join(f"{f[key]:.3e}" for key in ("loss", "error"))
            sizes = ", ".join(map(str, row.channels))
            found = f"{sizes}; {row.steps} | {numbers} | {f['relative_error']:.1%} | {f['input_error']:.3e}"
        lines.append(f"| {row.words} | {told} | {found} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of the runs' folders")
    print(markdown(rows(parser.parse_args().folder)), end="")  # noqa: T201


if __name__ == "__main__":
    main()
