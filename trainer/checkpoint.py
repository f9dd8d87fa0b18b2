"""A run's folder: settings and checkpoints, written beside and renamed, read back strictly.

    config.json   every setting of the run                       last.pt   networks, optimizers, averages, step, best
    best.pt       the networks as they validated best: averaged weights where there are any

Tensors and plain values only (`weights_only`), so that a checkpoint from elsewhere cannot run code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from realtime.errors import ConfigError, DataError
from trainer import distributed
from trainer.agreement import from_first, refuse_differences
from trainer.config import (
    RunConfig,
    apply_overrides,
    first_difference,
    from_table,
    recipe_config,
    to_table,
    without_none,
)
from trainer.recipe import Recipe, find


class State:
    """All that a checkpoint holds: networks, optimizers, averaged weights, step and best-so-far."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.step = 0
        self.best: float | None = None
        self.best_step: int | None = None
        self.average: dict[str, dict[str, Tensor]] = {}
        self._config = whole_config(recipe.run, recipe.config)
        for optimizer in recipe.optimizers().values():
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]

    def resume_or_begin(self, me: distributed.Processes) -> None:
        """Load last.pt when the folder has one of the same settings; otherwise make the folder.

        The first process reads and writes, the others are given what it read: their machines need not see the folder.
        """
        refuse_differences(self._config)
        weights, resumed = from_first(self._read)
        if resumed:
            self._load(weights)
            return
        if weights is not None:
            load_networks(self.recipe, weights)
        distributed.copy_from_first(self.recipe.networks())
        if self.recipe.run.ema > 0:
            networks = self.recipe.exported_networks()
            self.average = {n: {k: v.clone() for k, v in net.state_dict().items()} for n, net in networks.items()}
        if me.is_first:
            folder = self.recipe.run.out
            folder.mkdir(parents=True, exist_ok=True)
            _write_beside(folder / "config.json", lambda p: p.write_text(json.dumps(self._config, indent=2) + "\n"))

    def _read(self) -> tuple[Any, bool]:
        """The checkpoint to begin with, if any, and whether it is this run's own."""
        run = self.recipe.run
        last = run.out / "last.pt"
        # Through the memory where it is sent to other processes.
        device = self.recipe.device if distributed.everyone() == 1 else torch.device("cpu")
        if not last.is_file():
            return (None if run.start_from is None else load_checkpoint(run.start_from / "best.pt", device)), False
        old = _settings(run.out)
        difference = first_difference(old, self._config)
        if difference is not None:
            key, was, now = difference
            raise ConfigError(
                f"{run.out} holds a run with {key} = {was!r} but this one has {now!r}: "
                f"set {key} back to go on with it, or choose another run.out"
            )
        return load_checkpoint(last, device), True

    def collect(self) -> None:
        """Under `run.model_parallel`, before the first process judges or writes: give it its partner's side."""
        pair = distributed.pair()
        if pair is None or dist.get_rank() > 1:
            return
        names = [name for name in self.recipe.networks() if self.recipe.side_of(name) == 1]
        if pair.side == 1:
            dist.send_object_list([self._held(names)], dst=0)
            return
        held: list[Any] = [None]
        dist.recv_object_list(held, src=1)
        self._take(held[0])

    def _held(self, names: Iterable[str]) -> dict[str, Any]:
        """Networks, their averages and what their optimizers know of them, in the CPU's memory."""
        networks = {name: self.recipe.networks()[name] for name in names}
        theirs = {id(parameter) for network in networks.values() for parameter in network.parameters()}
        known = {}
        for name, optimizer in self.recipe.optimizers().items():
            every = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state = optimizer.state_dict()["state"]
            known[name] = {at: s for at, s in state.items() if id(every[at]) in theirs}
        held = {
            "networks": {name: network.state_dict() for name, network in networks.items()},
            "average": {name: self.average[name] for name in networks if name in self.average},
            "optimizers": known,
        }
        return _on_cpu(held)  # type: ignore[no-any-return]

    def _take(self, held: Mapping[str, Any]) -> None:
        for name, weights in held["networks"].items():
            self.recipe.networks()[name].load_state_dict(weights)
        for name, weights in held["average"].items():
            for key, value in weights.items():
                self.average[name][key].copy_(value)
        for name, optimizer in self.recipe.optimizers().items():
            known = optimizer.state_dict()
            known["state"] = known["state"] | held["optimizers"][name]
            optimizer.load_state_dict(known)

    def update_average(self) -> None:
        """Average ← decay·average + (1 − decay)·weights; counters and other integers are copied."""
        networks = self.recipe.networks()
        for name, average in self.average.items():
            for key, value in networks[name].state_dict().items():
                if value.is_floating_point():
                    average[key].lerp_(value, 1 - self.recipe.run.ema)
                else:
                    average[key].copy_(value)

    def write_last(self) -> None:
        """Everything that going on needs, written beside and renamed so that it is never half there."""
        checkpoint = self._weights() | {
            "optimizers": {name: o.state_dict() for name, o in self.recipe.optimizers().items()},
            "average": self.average,
        }
        _write_beside(self.recipe.run.out / "last.pt", lambda path: torch.save(checkpoint, path))

    def write_best(self) -> None:
        """The networks as they validated: averaged weights where there are any."""
        weights = self._weights()
        weights["networks"] = weights["networks"] | self.average
        _write_beside(self.recipe.run.out / "best.pt", lambda path: torch.save(weights, path))

    def _weights(self) -> dict[str, Any]:
        networks = {name: net.state_dict() for name, net in self.recipe.networks().items()}
        return {"step": self.step, "best": self.best, "best_step": self.best_step, "networks": networks}

    def _load(self, checkpoint: Mapping[str, Any]) -> None:
        self.step, self.best, self.best_step = (checkpoint[k] for k in ("step", "best", "best_step"))
        load_networks(self.recipe, checkpoint)
        for name, optimizer in self.recipe.optimizers().items():
            optimizer.load_state_dict(checkpoint["optimizers"][name])
        networks = self.recipe.networks()
        for name, average in checkpoint["average"].items():
            places = {key: value.device for key, value in networks[name].state_dict().items()}
            self.average[name] = {key: value.to(places[key]) for key, value in average.items()}


def whole_config(run: RunConfig, config: Any) -> dict[str, Any]:
    """`[run]` and the recipe's sections as one JSON-able table: what config.json holds."""
    return {"run": to_table(run)} | to_table(config)


def load_run(folder: Path, overrides: Iterable[str] = ()) -> tuple[RunConfig, Any]:
    """The settings of the run in `folder`, with `run.out` set to where it now lies, and the recipe's overridden."""
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{folder} is no run folder (it has no config.json): give the run.out of a training run")
    tables = without_none(_settings(folder))
    run = from_table(RunConfig, tables["run"] | {"out": str(folder)}, "run")
    return run, recipe_config(find(run.recipe).Config, apply_overrides(tables, overrides))


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        tables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tables["run"]["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path} does not hold a run's settings: restore a copy, or train in another run.out") from None
    return tables


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """A checkpoint's tensors on `device`; DataError when it is missing or damaged."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: train the run until its first validation first")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise DataError(f"{path} cannot be read as a checkpoint ({error}): delete it or restore a copy") from error
    return checkpoint


def load_networks(recipe: Recipe, checkpoint: Mapping[str, Any]) -> None:
    """Put a checkpoint's weights into the recipe's networks. DataError names the first part that does not fit."""
    for name, network in recipe.networks().items():
        held = checkpoint.get("networks", {}).get(name, {})
        wanted = network.state_dict()
        for part in dict.fromkeys([*wanted, *held]):
            was, now = (tuple(of[part].shape) if part in of else "nothing" for of in (held, wanted))
            if was != now:
                raise DataError(
                    f"The checkpoint does not fit this run of {recipe.name}: it has {was} for {part} of the {name}, "
                    f"but {now} is wanted; give the run the settings of `[model]` and `[training]` that it was made "
                    "with."
                )
        network.load_state_dict(held)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _on_cpu(inner) for key, inner in value.items()}
    return value.cpu() if isinstance(value, Tensor) else value


def _write_beside(path: Path, write: Callable[[Path], object]) -> None:
    beside = path.with_name(path.name + ".tmp")
    write(beside)
    beside.replace(path)
