"""What a system must say about itself so that one loop trains it, one exporter ships it, one test judges it.

A recipe is one class in one file of `trainer/models/`, registered by name where it is written:

    @register("voice")
    class Voice(Recipe):
        Config = VoiceConfig                  # a frozen dataclass whose fields are dataclasses: the run file's sections
        metric = "loss"                       # the key of `validate()` that decides which checkpoint is best (lower)

The loop owns time (steps, checkpoints, curves, processes); the recipe owns networks, batches and the algorithm box:

    def training_step(self, batch, step):
        fake = self.generator(batch["x"])
        loss = l1(fake, batch["y"])
        self.descend("generator", loss)       # backward, average over processes, clip, optimizer step
        return {"l1": loss}

Randomness is a function of (seed, step, item): `batch` uses its own generators made from them (it runs in a background
thread, ahead of the step), `training_step` uses torch's global generator (seeded by the loop at every step) through
`distributed.uniform/normal`. So a resumed run is bit-equal and two processes equal one.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError, RetimbreError
from trainer import accumulation, distributed
from trainer.config import RunConfig

if TYPE_CHECKING:
    from realtime.package import Manifest


class DivergedError(RetimbreError):
    """A loss or gradient became NaN or infinite; the networks were not touched by that step."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A test clip as heard: mono float32 signals at one rate; `truth` is the real target where there is one."""

    name: str
    sample_rate: int
    input: npt.NDArray[np.float32]
    output: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32] | None = None


class Recipe(ABC):
    """One trainable system. Construct networks and optimizers in `__init__` (after `super().__init__`), on `device`."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    metric: ClassVar[str]
    playable: ClassVar[bool] = True  # False: makes no sound and so no package (a classifier)

    def __init__(self, config: Any, run: RunConfig) -> None:
        self.config = config
        self.run = run
        self.device = distributed.choose_device(run.device)
        self.division = accumulation.Division()

    # -- what is learnt ------------------------------------------------------------------------------------------
    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Every network by name; those not called `discriminator…` are averaged (`run.ema`) and exported."""

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Every optimizer by name; the loop scales their learning rates by the schedule and checkpoints them."""

    # -- how -----------------------------------------------------------------------------------------------------
    @abstractmethod
    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """Items `items` of the batch of `step`, on the CPU: a pure function of (run.seed, step, item), thread-safe."""

    @abstractmethod
    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """One step of the paper's algorithm on a batch already on `device`; returns named scalar losses."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Metrics on the validation split, the same items every time; networks in eval mode, no gradients."""

    def convert(
        self,
        signal: npt.NDArray[np.float32],
        rate: int,
        target: str | None = None,
        *,
        temperature: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """A whole signal (samples,) at `rate` Hz → the same length and rate, as the networks play it, aligned.

        For systems that are too slow to live as packages, or hear the whole file. target: one of the run's targets by
        name or by its place from 1; None: the run's own choice. temperature: of what is drawn by chance. progress: told
        the seconds of sound done since it was last told. Raises ConfigError for an unknown target, and here, where a
        system has no way of its own.
        """
        raise ConfigError(
            f"{self.run.out} trained a {self.name}, which has no way of its own to convert files: export it with "
            "`retimbre export`, and convert with --model and the package"
        )

    def remarks(self) -> list[str]:
        """What the last `validate` found going wrong: sentences that name the setting to change, told as warnings."""
        return []

    @abstractmethod
    def clips(self) -> list[Clip]:
        """The same few test clips every time, converted by the networks as they are now."""

    # -- how it ships --------------------------------------------------------------------------------------------
    @abstractmethod
    def streaming_module(self) -> nn.Module:
        """A module on the CPU whose forward is (x, [target], *states) → (y, *next_states), with the current weights."""

    @abstractmethod
    def initial_states(self) -> tuple[Tensor, ...]:
        """Zeros in the shapes of `state_0…n` for one stream (batch of one)."""

    @abstractmethod
    def manifest(self) -> Manifest:
        """The package's manifest with empty `files`; needs no trained weights."""

    @abstractmethod
    def card(self) -> str:
        """Markdown: what it is, what it was trained on, licences, limits; the exporter adds numbers and pictures."""

    @classmethod
    @abstractmethod
    def tiny(cls, material: Path) -> Any:
        """The smallest Config that runs every part, on `material`/recordings and `material`/paired (tests, zoo)."""

    # -- given ---------------------------------------------------------------------------------------------------
    def exported_networks(self) -> dict[str, nn.Module]:
        """The networks that ship: all but the discriminators."""
        return {name: net for name, net in self.networks().items() if not name.startswith("discriminator")}

    def side_of(self, network: str) -> int:
        """Which of two processes holds a network under `run.model_parallel` (0 or 1); ConfigError without sides."""
        raise ConfigError(
            f"run.model_parallel is for systems of two sides, cyclegan and timbretron, and {self.name} is none: leave "
            f"it away, and use run.gradient_checkpointing or run.accumulate if {network} is too large"
        )

    def descend(self, optimizer: str, loss: Tensor) -> None:
        """Gradient of `loss` for this optimizer's parameters alone, averaged over processes, clipped, applied.

        With `run.accumulate` a part of the batch waits here for the others (`trainer.accumulation`).
        Raises DivergedError, before anything is changed, when the averaged gradient is not finite.
        """
        chosen = self.optimizers()[optimizer]
        parameters = [p for group in chosen.param_groups for p in group["params"]]

        def gradient(parts: int) -> None:
            # Backward and optimizers are outside of autocast: it is for what is computed forwards.
            with torch.autocast(loss.device.type, enabled=False):
                (loss.float() / parts).backward(inputs=parameters)

        accumulation.descend(parameters, gradient, lambda: self._take_step(optimizer, parameters, loss))

    def _take_step(self, optimizer: str, parameters: list[nn.Parameter], loss: Tensor) -> None:
        distributed.average_gradients(parameters)
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = distributed.norm_of_both_sides(torch.nn.utils.get_total_norm(gradients))
        # The averaged norm is the same in every process, so that all of them stop together.
        if not torch.isfinite(norm):
            raise DivergedError(
                f"the gradient of {optimizer} became {norm.item()} (loss {loss.item():.4g}): "
                "lower its learning rate or set run.clip_gradient, then run again to go on from the last checkpoint"
            )
        if self.run.clip_gradient > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.run.clip_gradient, norm)
        self.optimizers()[optimizer].step()
        # Autocast keeps weights as bfloat16 until it ends: what follows in this step must see the new ones.
        torch.clear_autocast_cache()


class UnplayableRecipe(Recipe):
    """A recipe of which nothing plays: it has no clips and makes no package, which `no_package` says in a sentence."""

    playable = False
    no_package: ClassVar[str]

    def clips(self) -> list[Clip]:
        """None: nothing sounds."""
        return []

    def streaming_module(self) -> nn.Module:
        """Refused."""
        raise ConfigError(self.no_package)

    def initial_states(self) -> tuple[Tensor, ...]:
        """No state."""
        return ()

    def manifest(self) -> Manifest:
        """Refused."""
        raise ConfigError(self.no_package)


_registry: dict[str, type[Recipe]] = {}
R = TypeVar("R", bound=type[Recipe])


def register(name: str) -> Callable[[R], R]:
    """Class decorator: make the recipe known to run files, the zoo and the tests as `name`."""

    def keep(cls: R) -> R:
        known = _registry.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"two recipes are called {name!r}: {known.__module__} and {cls.__module__}")
        # The run file's sections are the fields of Config, so each must itself be a dataclass.
        if not dataclasses.is_dataclass(cls.Config):
            raise TypeError(f"{cls.__qualname__}.Config must be a dataclass of dataclasses")
        cls.name = name
        _registry[name] = cls
        return cls

    return keep


def registered() -> dict[str, type[Recipe]]:
    """Every recipe by name, from all files in `trainer/models/`."""
    import trainer.models

    for module in pkgutil.iter_modules(trainer.models.__path__):
        importlib.import_module(f"trainer.models.{module.name}")
    return dict(sorted(_registry.items()))


def find(name: str) -> type[Recipe]:
    """The recipe called `name`; ConfigError lists the known ones."""
    recipes = registered()
    if name not in recipes:
        raise ConfigError(
            f"run.recipe is {name!r}, which no file in trainer/models registers: use {', '.join(recipes)}"
        )
    return recipes[name]
