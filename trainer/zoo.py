"""All systems and what each costs: measured with the shipped run's sizes, random weights and made-up material.

Real-time factor: seconds of computing per second of sound, on one core, through the whole live chain.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from realtime.chain import Chain
from realtime.latency import latency
from realtime.package import Package
from trainer.config import RunConfig, read_run_file, recipe_config
from trainer.export import measured_lookahead, offline, probe, to_onnx
from trainer.graph_part import draws
from trainer.material import write_material
from trainer.recipe import Recipe, registered

RUNS = Path(__file__).resolve().parent / "runs"
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """One system of the zoo; what a system without sound has not is None."""

    name: str
    about: str
    parameters: int
    lookahead: int | None = None
    latency_ms: float | None = None
    real_time_factor: float | None = None


def rows(on_row: Callable[[str], None] | None = None) -> list[Row]:
    """Measure every registered system; `on_row` hears the name of each before it is measured."""
    with tempfile.TemporaryDirectory() as folder:
        write_material(Path(folder))
        found = []
        for name, recipe_class in registered().items():
            if on_row is not None:
                on_row(name)
            found.append(measure(shipped_recipe(recipe_class, Path(folder))))
        return found


def shipped_recipe(recipe_class: type[Recipe], material: Path) -> Recipe:
    """The recipe with the settings of its run file, but made-up material; its tiny settings when it ships no run."""
    config = recipe_class.tiny(material)
    path = RUNS / f"{recipe_class.name}.toml"
    if path.is_file():
        config = dataclasses.replace(recipe_config(recipe_class.Config, read_run_file(path)), data=config.data)
    run = RunConfig(recipe=recipe_class.name, out=material / "run", device="cpu")
    torch.manual_seed(0)
    recipe = recipe_class(config, run)
    for network in recipe.networks().values():
        network.eval()
    return recipe


def measure(recipe: Recipe) -> Row:
    """Parameters of what ships, its look-ahead as heard, its latency and its speed."""
    about = (type(recipe).__doc__ or "").strip().splitlines()[0]
    parameters = sum(p.numel() for network in recipe.exported_networks().values() for p in network.parameters())
    if not recipe.playable:
        return Row(recipe.name, about, parameters)
    manifest, module, states = recipe.manifest(), recipe.streaming_module().eval(), recipe.initial_states()
    model = to_onnx(module, states, manifest)
    target = torch.eye(1, len(manifest.targets)) if manifest.targets else None
    frames = max(4, -(-3 * (manifest.lookahead + manifest.step) // manifest.step)) * manifest.step
    heard = measured_lookahead(
        offline(module, states, manifest, target),
        manifest,
        probe(manifest, frames, 0),
        exact=hasattr(module, "offline"),
        drawn=draws(module),
    )
    factor = real_time_factor(Package(Path(recipe.name), manifest, model))
    return Row(recipe.name, about, parameters, heard, latency(manifest).total_ms, factor)


def real_time_factor(package: Package) -> float:
    """The median time of a step of the chain over the step's own length."""
    chain = Chain(package, provider="cpu")
    step = chain.step_samples
    sound = 0.1 * np.sin(2 * np.pi * 220 / chain.sample_rate * np.arange(step)).astype(np.float32)
    out = np.zeros(step, np.float32)
    seconds = []
    for _ in range(max(8, round(_SECONDS * chain.sample_rate / step))):
        start = time.perf_counter()
        chain.process(sound, out)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * chain.sample_rate / step
