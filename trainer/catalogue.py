"""The shipped run files in plain words, and how long each would take here: what a person chooses from.

    run file ─▶ [about] title, purpose, what it wants          ─▶ Entry   (about a second each, torch included)
             ─▶ every setting with type, range, meaning
    a few steps at several places of the run, made-up material ─▶ Speed   (some seconds each)

A run's `[about]` trains nothing. The speed is that of the shipped sizes, for a run has phases that cost differently.
"""

from __future__ import annotations

import dataclasses
import os
import time
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from realtime.latency import latency
from trainer import distributed
from trainer.config import RunConfig, from_table, read_run_file, recipe_config, setting, to_table
from trainer.material import write_material
from trainer.recipe import Recipe, find
from trainer.step import training_step

RUNS = Path(__file__).resolve().parent / "runs"
_PLACES = (0.5, 0.1, 0.9, 0.3, 0.7)  # parts of a run at which its speed is measured, those that differ most first
_MEASURE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class About:
    """`[about]` of a run file: words for people."""

    title: str = setting("", "what lists call it; empty: the file's name")
    purpose: str = setting("", "what comes out, in one or two sentences")
    wants: str = setting("", "what material it needs")
    data: Literal["recordings", "paired"] = setting("recordings", "which `retimbre prepare` makes its data")
    minutes: float = setting(1.0, "of each sound below which results are poor", minimum=0)
    simple: tuple[str, ...] = setting((), "settings that are shown first")
    phases: tuple[str, ...] = setting((), "settings that count steps, which follow the length of the run")


@dataclass(frozen=True, slots=True)
class Entry:
    """One shipped run: what it is, what it costs, and all that can be set."""

    run: str
    recipe: str
    about: About
    playable: bool
    parameters: int
    latency_ms: float | None
    steps: int
    tables: dict[str, Any]
    settings: tuple[dict[str, Any], ...]


def entries(material: Path) -> Iterator[Entry]:
    """Every shipped run, by name; `material` is a folder of `write_material`."""
    for path in sorted(RUNS.glob("*.toml")):
        tables = read_run_file(path)
        run = from_table(RunConfig, tables["run"], "run")
        recipe = _made_up(path, material)
        yield Entry(
            path.stem,
            run.recipe,
            from_table(About, tables.pop("about", {}), "about"),
            recipe.playable,
            sum(p.numel() for network in recipe.exported_networks().values() for p in network.parameters()),
            latency(recipe.manifest()).total_ms if recipe.playable else None,
            run.steps,
            tables,
            tuple(_settings(run, "run") + _settings(recipe_config(find(run.recipe).Config, tables), "")),
        )


def seconds_per_step(name: str, material: Path) -> float:
    """The mean over a whole run of the shipped `name`, from a few steps at several places of it."""
    path = RUNS / f"{name}.toml"
    recipe = _made_up(path, material, device="auto")
    run = recipe.run
    if run.threads:
        torch.set_num_threads(run.threads)
    for network in recipe.networks().values():
        network.train()
    began = time.monotonic()
    _one_step(recipe, int(_PLACES[0] * run.steps))  # the first of all also warms up
    taken: list[float] = []
    for place in _PLACES:
        if len(taken) >= 3 and time.monotonic() - began > _MEASURE_SECONDS:
            break
        taken.append(_one_step(recipe, int(place * run.steps)))
    return sum(taken) / len(taken)


def device_words() -> tuple[str, bool]:
    """What a training would run on here, and whether that is a GPU."""
    device = distributed.choose_device("auto")
    cores = os.cpu_count() or 1
    words = distributed.device_words(device)
    return (words, True) if device.type == "cuda" else (f"{words} ({cores} cores)", False)


def make_material(folder: Path) -> Path:
    """Made-up recordings and pairs in `folder`."""
    write_material(folder)
    return folder


def _one_step(recipe: Recipe, step: int) -> float:
    run = recipe.run
    began = time.perf_counter()
    batch = recipe.batch(step, range(run.batch))
    made = time.perf_counter() - began
    batch = {name: tensor.to(recipe.device) for name, tensor in batch.items()}
    began = time.perf_counter()
    losses = training_step(recipe, [batch], step)
    for loss in losses.values():
        loss.item()  # a GPU answers when it is done
    learnt = time.perf_counter() - began
    return max(made, learnt) if run.prefetch else made + learnt


def _made_up(path: Path, material: Path, device: str = "cpu") -> Recipe:
    """The recipe of a run file in its own sizes, on made-up material."""
    tables = read_run_file(path)
    run = from_table(RunConfig, tables["run"], "run")
    recipe_class = find(run.recipe)
    config = recipe_config(recipe_class.Config, tables)
    config = dataclasses.replace(config, data=recipe_class.tiny(material).data)
    torch.manual_seed(0)
    run = dataclasses.replace(run, out=material / "run", device=typing.cast("Any", device))
    return recipe_class(config, run)


def _settings(config: Any, where: str) -> list[dict[str, Any]]:
    """Key, kind, value, meaning, range and choices of every setting below `where`, as plain values."""
    rows: list[dict[str, Any]] = []
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, key = getattr(config, field.name), f"{where}.{field.name}" if where else field.name
        if dataclasses.is_dataclass(value):
            rows += _settings(value, key)
            continue
        kind, choices = _kind(hints[field.name])
        meta = field.metadata
        rows.append(
            {
                "key": key, "kind": kind, "choices": choices, "value": to_table({"v": value})["v"],
                "help": meta.get("help", ""), "minimum": meta.get("minimum"), "maximum": meta.get("maximum"),
            }
        )  # fmt: skip
    return rows


def _kind(declared: Any) -> tuple[str, list[Any]]:
    """How a form asks for a value of this type."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        return "choice", list(arguments)
    simple = {bool: "bool", int: "int", float: "float"}
    if declared in simple:
        return simple[declared], []
    return ("list" if origin is tuple else "text"), []
