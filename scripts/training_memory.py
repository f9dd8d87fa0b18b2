"""Peak memory of a training step, without the memory: the step runs on tensors that have sizes and no data.

    python scripts/training_memory.py RUN [--set SECTION.KEY=VALUE]…        weights, between steps, peak: megabytes

    every operation's output ─▶ its storage counted once, until nothing holds it any more ─▶ the largest sum

Counted are weights, gradients, Adam's moments, and all that autograd keeps; not the workspace of a GPU's convolutions,
nor what its allocator leaves between blocks, nor the CUDA context.
Normalisation runs in float32 under autocast on a GPU and in bfloat16 on a processor, whose rules count here. Material
is made up; a run with pictures in [data] needs none of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainer.commands.train import load_settings
from trainer.material import write_material
from trainer.recipe import Recipe, find
from trainer.step import training_step


class Held(TorchDispatchMode):
    """Bytes of all storages that operations have made and something still holds."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known = weakref.WeakKeyDictionary[Any, bool]()

    def keep(self, tensor: Tensor) -> None:
        """Count a tensor's storage, once."""
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known[storage] = True
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, storage.nbytes())

    def _free(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and count what it made."""
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.keep(leaf)
        return out


def measure(name: str, overrides: Sequence[str]) -> tuple[int, int, int]:
    """Bytes of weights, of what stays between two steps, and the peak of the second step."""
    with tempfile.TemporaryDirectory() as folder:
        write_material(Path(folder), 8.0)
        run, config = load_settings(Path(name), [*overrides, "run.device=cpu", f"run.out={folder}/run"])
        recipe_class = find(run.recipe)
        config = dataclasses.replace(config, data=recipe_class.tiny(Path(folder)).data)
        real = recipe_class(config, run).batch(0, range(run.batch))
        with _without_numbers(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
            recipe = recipe_class(config, run)
            batch = {key: fake.from_tensor(value) for key, value in real.items()}
            with Held() as held:
                for network in recipe.networks().values():
                    for tensor in [*network.train().parameters(), *network.buffers()]:
                        held.keep(tensor)
                weights = held.now
                for step in range(2):
                    training_step(recipe, [batch], step)
                return weights, held.now, held.peak


@contextlib.contextmanager
def _without_numbers() -> Any:
    """What asks for a number, which there is none of, or moves a module, whose tensors cannot be exchanged."""

    def take_step(self: Recipe, optimizer: str, _parameters: list[nn.Parameter], _loss: Tensor) -> None:
        self.optimizers()[optimizer].step()

    replaced = [(Recipe, "_take_step", take_step), (nn.Module, "to", lambda self, *_, **__: self)]
    before = [getattr(owner, name) for owner, name, _ in replaced]
    for owner, name, function in replaced:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name, _), function in zip(replaced, before, strict=True):
            setattr(owner, name, function)


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="a run file, or a shipped one's name")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="SECTION.KEY=VALUE")
    arguments = parser.parse_args()
    weights, between, peak = (size / 1e6 for size in measure(arguments.run, arguments.overrides))
    print(f"{arguments.run}: weights {weights:.0f} MB, between steps {between:.0f} MB, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
