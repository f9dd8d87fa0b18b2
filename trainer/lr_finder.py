"""The learning-rate finder: a short training whose learning rate grows from almost nothing to far too much.

    rate_t = start · (stop / start)^(t / (steps − 1))        loss after step t against ln rate_t, smoothed
    suggestion = the rate where the smoothed loss falls steepest, before it is lowest

Smith: Cyclical learning rates for training neural networks, WACV 2017; pix2pix timbre transfer has three sweeps:

    generator        the discriminators stand still       the loss is what the recipe judges by, or its first
    discriminator    the generators stand still           the sum of the losses called discriminator…
    joint            both move at one rate                as generator

For any recipe: an optimizer whose name begins with discriminator is one, all others are generators. A network stands
still at a rate of 0. Each sweep begins anew from the run's seed; nothing is kept. On ½·h·w² with plain descent the
answer is known, ln(stop / start) / (steps − 1) / 2h, and a test holds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from realtime.errors import ConfigError
from trainer import distributed
from trainer.config import RunConfig, described_settings
from trainer.recipe import DivergedError, Recipe, find
from trainer.step import training_step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = Literal["generator", "discriminator", "joint"]
PARTS: tuple[Part, ...] = ("generator", "discriminator", "joint")
_SMOOTH = 0.025  # of the sweep: the Gaussian's standard deviation
_NOISE = 3.0  # a fall of fewer standard errors than this is chance


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep: `losses[t]` is what the loss was after a step at `rates[t]`."""

    part: Part
    loss: str
    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float | None
    """None: the loss did not fall by more than chance."""
    lowest: float
    """The rate at which the smoothed loss is lowest."""
    diverged: float | None
    """The rate at which the sweep ended early, because the loss exploded."""


def parts_of(recipe: Recipe) -> tuple[Part, ...]:
    """The sweeps that make sense: all three for a game, joint alone where there is no discriminator."""
    return PARTS if any(_judges(name) for name in recipe.optimizers()) else ("joint",)


def sweep(
    recipe: Recipe,
    part: Part,
    *,
    start: float = 1e-7,
    stop: float = 1.0,
    steps: int = 100,
    loss: str = "",
    on_step: Callable[[], None] | None = None,
) -> Sweep:
    """Sweep a fresh recipe, not to be used afterwards; `loss`: what to watch (a+b: a sum), empty: as the module says.

    Raises ConfigError for a range that does not grow, a loss that the recipe does not tell, a part that it has not.
    """
    if not 0 < start < stop or steps < 10:
        raise ConfigError(f"The sweep goes from {start:g} to {stop:g} in {steps} steps: let it grow, in at least 10.")
    if part not in parts_of(recipe):
        raise ConfigError(f"{recipe.name} has no discriminator, so its only sweep is joint, not {part}: leave it out.")
    optimizers = recipe.optimizers()
    ratios = {
        name: [group["lr"] / max(g["lr"] for g in chosen.param_groups) for group in chosen.param_groups]
        for name, chosen in optimizers.items()
    }
    grid = np.geomspace(start, stop, steps)
    seen: list[float] = []
    name, diverged = loss, None
    for number in range(steps + 1):
        rate = float(grid[min(number, steps - 1)])
        for called, chosen in optimizers.items():
            moving = part == "joint" or _judges(called) == (part == "discriminator")
            for group, ratio in zip(chosen.param_groups, ratios[called], strict=True):
                group["lr"] = rate * ratio if moving else 0.0
        try:
            told = _step(recipe, number)
        except DivergedError:
            diverged = rate
            break
        name = name or _watched(told, part, recipe)
        for one in name.split("+"):
            if one not in told:
                raise ConfigError(f"{recipe.name} tells no loss {one!r}: choose among {', '.join(told)}.")
        seen.append(sum(told[one] for one in name.split("+")))
        if on_step is not None:
            on_step()
        # Losses of a Wasserstein game are negative: measure the rise by how far it had come, and by its size.
        if not np.isfinite(seen[-1]) or seen[-1] > min(seen) + 4.0 * max(abs(seen[0]), seen[0] - min(seen)):
            diverged = float(grid[max(0, number - 1)])
            break
    if len(seen) < 5:
        raise DivergedError(
            f"the sweep of {part} ended after {len(seen)} steps, at a rate of {rate:.2g}: begin with a smaller one"
        )
    return _read(part, name, grid, np.array(seen), diverged)


def find_rates(
    run: RunConfig,
    config: Any,
    parts: tuple[Part, ...] | None = None,
    *,
    on_sweep: Callable[[Part, int], None] | None = None,
    on_step: Callable[[], None] | None = None,
    on_refused: Callable[[str], None] | None = None,
    **options: Any,
) -> list[Sweep]:
    """`sweep` for each of `parts` (None: all that make sense), each on a recipe made anew from the run's seed.

    With parts None and `on_refused`, a sweep that cannot be is told there, and the others go on.
    """
    found: list[Sweep] = []
    number, chosen = 0, parts
    while chosen is None or number < len(chosen):
        torch.manual_seed(run.seed)
        recipe = find(run.recipe)(config, run)
        chosen = parts_of(recipe) if chosen is None else chosen
        if on_sweep is not None:
            on_sweep(chosen[number], len(chosen))
        try:
            found.append(sweep(recipe, chosen[number], on_step=on_step, **options))
        except ConfigError as error:
            if parts is not None or on_refused is None or not found:
                raise
            on_refused(str(error))
        number += 1
    return found


def advice(swept: Sweep, config: Any) -> str:
    """One sentence that says what to set, with the settings' names as the run file has them."""
    names = rate_settings(config, swept.part)
    setting = " and ".join(names) if names else "the learning rate"
    if swept.suggestion is None:
        return (
            f"{swept.part}: {swept.loss} did not fall by more than chance between {swept.rates[0]:.1g} and "
            f"{swept.rates[-1]:.1g}; sweep with more steps, or watch another loss"
        )
    end = "and did not explode" if swept.diverged is None else f"and explodes at {swept.diverged:.1g}"
    return (
        f"{swept.part}: set {setting} to {swept.suggestion:.1e}, where {swept.loss} falls steepest "
        f"(it is lowest at {swept.lowest:.1g} {end})"
    )


def rate_settings(config: Any, part: Part) -> list[str]:
    """The settings of a recipe's Config that are learning rates of `part`."""
    names = [row[0] for row in described_settings(config, "") if row[0].endswith("learning_rate")]
    return [
        name
        for name in names
        if part == "joint" or ("discriminator" in name.split(".")[-1]) == (part == "discriminator")
    ]


def write(sweeps: list[Sweep], folder: Path) -> Path:
    """Write `learning-rates.json` and the plot `learning-rates.png` into `folder`; gives the plot's path."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = json.dumps([asdict(one) for one in sweeps], indent=1)
    (folder / "learning-rates.json").write_text(numbers + "\n", encoding="utf-8")
    path = folder / "learning-rates.png"
    draw(sweeps).savefig(path, dpi=100)
    return path


def draw(sweeps: list[Sweep]) -> Figure:
    """A panel for each sweep: loss against rate, smoothed, the suggestion as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 * len(sweeps), 3.0), layout="constrained")
    for axis, one in zip(figure.subplots(1, len(sweeps), squeeze=False).flat, sweeps, strict=True):
        axis.plot(one.rates, one.losses, color="0.75", linewidth=1)
        axis.plot(one.rates, one.smoothed, linewidth=1.5)
        axis.set_xscale("log")
        axis.set_ylim(min(one.losses), max(one.smoothed) + 0.3 * (max(one.smoothed) - min(one.smoothed)) + 1e-12)
        title = f"{one.part}: {one.loss}"
        if one.suggestion is not None:
            axis.axvline(one.suggestion, color="C3", linewidth=1)
            title += f", steepest at {one.suggestion:.1e}"
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("learning rate", fontsize=7)
        axis.tick_params(labelsize=6)
    return figure


def _step(recipe: Recipe, number: int) -> dict[str, float]:
    run = recipe.run
    parts = [recipe.batch(number, items) for items in distributed.parts(run.batch, run.accumulate)]
    batches = [{key: value.to(recipe.device) for key, value in part.items()} for part in parts]
    torch.manual_seed(number)
    for network in recipe.networks().values():
        network.train()
    return {key: float(value) for key, value in training_step(recipe, batches, number).items()}


def _read(
    part: Part, name: str, grid: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], diverged: float | None
) -> Sweep:
    """Make a Sweep of the losses before each step: what a step at rate t did is seen in loss t + 1."""
    losses = seen[1:]
    rates = grid[: losses.size]
    finite = np.where(np.isfinite(losses), losses, np.inf)
    # The explosion at the end must not lean on the fall before it.
    shown = np.minimum(finite, seen[0] + max(seen[0] - float(finite.min()), 1e-3 * abs(seen[0])))
    width = max(1.0, _SMOOTH * grid.size)
    apart = np.arange(losses.size)[:, None] - np.arange(losses.size)
    weights = np.exp(-0.5 * (apart / width) ** 2)
    weights /= weights.sum(1, keepdims=True)
    smoothed = weights @ shown
    lowest = int(smoothed.argmin())
    slope = np.gradient(smoothed, np.log(rates))
    steepest = int(slope[: lowest + 1].argmin())
    quiet = shown[: max(3, lowest + 1)] - smoothed[: max(3, lowest + 1)]
    error = float(np.sqrt(np.mean(quiet**2)) * np.sqrt(np.square(weights[lowest]).sum()))
    fell = float(smoothed[: lowest + 1].max() - smoothed[lowest]) > _NOISE * error and slope[steepest] < 0
    return Sweep(
        part,
        name,
        rates.tolist(),
        np.where(np.isfinite(losses), losses, shown).tolist(),
        smoothed.tolist(),
        float(rates[steepest]) if fell and lowest > 0 else None,
        float(rates[lowest]),
        diverged,
    )


def _watched(told: Mapping[str, float], part: Part, recipe: Recipe) -> str:
    if part == "discriminator":
        names = [name for name in told if _judges(name)]
        if not names:
            raise ConfigError(
                f"{recipe.name} tells no loss of its discriminator in its first steps: sweep generator or joint, or "
                f"name one with --loss, among {', '.join(told)}."
            )
        return "+".join(names)
    if recipe.metric in told:
        return recipe.metric
    return next((name for name in told if not _judges(name)), next(iter(told)))


def _judges(optimizer: str) -> bool:
    return optimizer.startswith("discriminator")
