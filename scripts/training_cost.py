"""What a training costs: arithmetic of a step, counted; its time on this processor, measured; hours on GPUs, scaled.

    python scripts/training_cost.py [RUN …] [--steps 2] [--batch 2] [--tflops 5.0] [--link-gbit 10]

For each shipped run, in its own sizes on made-up sound: the floating-point operations of a step, forwards and
backwards, as torch's formulas count them (convolutions and matrix products), and this thread's seconds for it.
Measured with `--batch` items and scaled to the run's own batch, which both are proportional to.

    hours = operations a step · run.steps / (GPUs · sustained operations a second) + time to average gradients
    average gradients of P float32 weights over n machines (ring):  2 · (n − 1)/n · 4 P bytes over the link

`--tflops` is what a GPU is assumed to sustain, not its peak: it is an assumption, and scales every figure.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from trainer.commands.train import load_settings
from trainer.material import write_material
from trainer.recipe import Recipe, find
from trainer.step import training_step

RUNS = ("pix2pix", "cyclegan", "streaming_wavenet", "umtn", "wavenet", "timbretron/paper")
GPUS = (1, 4, 8)


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of one shipped run. operations, seconds: of a step of its own batch; seconds: 0 when not timed."""

    name: str
    weights: int
    batch: int
    steps: int
    operations: float
    seconds: float

    def hours(self, gpus: int, sustained: float, link_bytes: float) -> float:
        """Of all steps, on GPUs that sustain so many operations a second and exchange so many bytes a second."""
        exchanged = 2 * (gpus - 1) / gpus * 4 * self.weights
        return self.steps * (self.operations / gpus / sustained + exchanged / link_bytes) / 3600


class Counted(TorchDispatchMode):
    """Operations of everything computed inside (FlopCounterMode's module hooks do not stand a gradient penalty)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, function: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        """Compute, and count what has a formula."""
        result = function(*given, **(named or {}))
        formula = flop_registry.get(function.overloadpacket)
        if formula is not None:
            self.operations += formula(*given, **(named or {}), out_val=result)
        return result


def made(name: str, material: Path, batch: int) -> Recipe:
    """The recipe of a shipped run in its own sizes: only what names recordings is taken from the made-up ones."""
    run, config = load_settings(Path(name), [f"run.batch={batch}", "run.device=cpu", "run.precision=float32"])
    small = find(run.recipe).tiny(material).data
    names: dict[str, Any] = {
        field.name: getattr(small, field.name)
        for field in dataclasses.fields(small)
        if isinstance(getattr(small, field.name), str | Path | tuple) or getattr(config.data, field.name) is None
    }
    torch.manual_seed(0)
    return find(run.recipe)(dataclasses.replace(config, data=dataclasses.replace(config.data, **names)), run)


def cost(name: str, material: Path, steps: int, batch: int) -> Cost:
    """Count one step and time `steps` more; the step in the middle of the run, where all its losses take part."""
    run, _ = load_settings(Path(name), [])
    recipe = made(name, material, min(batch, run.batch))
    middle = run.steps // 2
    items = range(recipe.run.batch)
    for network in recipe.networks().values():
        network.train()
    torch.manual_seed(1)
    with Counted() as counter:
        training_step(recipe, [recipe.batch(middle, items)], middle)
    taken = []
    for step in range(middle + 1, middle + 1 + steps):
        made_batch = recipe.batch(step, items)
        began = time.thread_time()
        training_step(recipe, [made_batch], step)
        taken.append(time.thread_time() - began)
    scale = run.batch / recipe.run.batch
    learnt = {
        id(p): p.numel()
        for optimizer in recipe.optimizers().values()
        for group in optimizer.param_groups
        for p in group["params"]
    }
    return Cost(
        name, sum(learnt.values()), run.batch, run.steps, counter.operations * scale,
        statistics.median(taken) * scale if taken else 0.0,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="*", default=RUNS)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tflops", type=float, default=5.0)
    parser.add_argument("--link-gbit", type=float, default=10.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=150)
    table = Table("run", "weights", "batch", "GFLOP a step", "s a step, one core", "GFLOP/s here", "steps", *(
        f"hours, {n} GPU{'s' if n > 1 else ''}" for n in GPUS
    ))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_material(Path(folder), seconds=6.0)
        for name in options.runs:
            found = cost(name, Path(folder), options.steps, options.batch)
            giga = found.operations / 1e9
            row = [name, f"{found.weights / 1e6:.2f} M", str(found.batch), f"{giga:.0f}"]
            row += [f"{found.seconds:.2f}", f"{giga / found.seconds:.0f}"] if found.seconds else ["", ""]
            row.append(str(found.steps))
            for gpus in GPUS:
                hours = found.hours(gpus, options.tflops * 1e12, options.link_gbit * 1e9 / 8)
                row.append("–" if found.batch % gpus else f"{hours:.2f}")  # such a batch cannot be shared
            table.add_row(*row)
            print("  ".join(row), flush=True)
    console.print(table)
    console.print(
        f"hours: {options.tflops} TFLOP/s sustained by each GPU (assumed), {options.link_gbit} Gbit/s between them"
    )


if __name__ == "__main__":
    main()
