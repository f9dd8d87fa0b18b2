"""Two nodes of two processes on this machine train the toy under torchrun's own agent; a worker may be killed.

As a program (`python nodes.py OUT MATERIAL`) it trains on two nodes, on two nodes of which process 3 kills itself in
step 5, and alone: into OUT/nodes, OUT/killed and OUT/alone. Then UMTN on two processes with a domain each, the CycleGAN
on four, two of which hold a side each, and both alone: OUT/umtn-apart, OUT/umtn-alone, OUT/cycle-apart … torch is
imported once and agents and workers are forked, since a dozen imports would take longer than all the rest.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import io
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tests.trainer import toy
from trainer import placement, recipe
from trainer.config import RunConfig
from trainer.loop import train
from trainer.models.cyclegan import CycleGAN
from trainer.models.umtn import Umtn

KILLED_IN_STEP = 4  # counted from 0: after the checkpoint of step 3


class Mortal(toy.Toy):
    """The toy with a network for each domain, side by side in the batch, whose process 3 is killed once if it may be.

    Of four processes each has one domain of two; a third domain has no items anywhere.
    """

    may_die = False

    def __init__(self, config: toy.ToyConfig, run: RunConfig) -> None:
        super().__init__(config, run)
        self.decoders = nn.ModuleList(nn.Conv2d(1, 1, 3, padding=1) for _ in range(3))
        self._optimizers["decoders"] = torch.optim.Adam(
            [*self.decoders.parameters(), *self.generator.parameters()], config.model.learning_rate
        )

    def networks(self) -> dict[str, nn.Module]:
        """With the decoders."""
        return super().networks() | {"decoders": self.decoders}

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """With each item's domain."""
        domains = [item * 2 // self.run.batch for item in items]
        return super().batch(step, items) | {"domain": torch.tensor(domains)}

    def training_step(self, batch: Mapping[str, Tensor], step: int) -> dict[str, Tensor]:
        """The toy's step and one of the decoders; or the end."""
        if self.may_die and os.environ.get("RANK") == "3" and step == KILLED_IN_STEP:
            died = self.run.out.with_name("died")
            if not died.exists():  # once, however torchrun counts its restarts
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        losses = super().training_step(batch, step)
        codes, loss = self.generator(batch["x"]), torch.zeros(())
        for number, decoder in enumerate(self.decoders):
            mine = batch["domain"] == number
            if mine.any():
                part = (decoder(codes[mine]) - 2 * number).square().mean()
                losses[f"domain_{number}"] = part
                loss = loss + part * mine.float().mean()
        self.descend("decoders", loss)
        return losses


def work(folder: str, node: int, mortal: bool) -> str:
    """One process of the training; what it printed. A node has a folder of its own: nothing is shared."""
    out = Path(folder) if node == 0 else Path(f"{folder}-of-node-{node}")
    Mortal.may_die = mortal
    told = io.StringIO()
    train(*toy.settings(out), Console(file=told, width=200))
    return told.getvalue()


def agent(node: int, port: int, folder: str, mortal: bool) -> None:
    """What `torchrun --nnodes 2 --nproc-per-node 2 --max-restarts 1 --rdzv-backend c10d` does on one node."""
    config = LaunchConfig(
        min_nodes=2,
        max_nodes=2,
        nproc_per_node=2,
        run_id="toy",
        rdzv_backend="c10d",
        rdzv_endpoint=f"127.0.0.1:{port}",
        rdzv_configs={"is_host": str(node == 0)},
        max_restarts=1,
        monitor_interval=0.05,
        start_method="fork",
        local_addr="127.0.0.1",
    )
    printed = elastic_launch(config, work)(folder, node, mortal)
    for rank, text in printed.items():
        Path(f"{folder}.{node}.{rank}.txt").write_text(text)


def forked(do: Callable[[int, int], object], count: int = 2) -> None:
    """`do(number, port)` in `count` processes at once; an error when one fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                do(number, port)
                status = 0
            finally:
                if status:
                    traceback.print_exc()
                os._exit(status)
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(ended):
        raise SystemExit(f"the processes ended with {ended}")


def translate(out: Path, material: Path) -> None:
    """Two steps of UMTN, each domain in the items of one half of the batch."""
    config = Umtn.tiny(material)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, order="apart"))
    run = RunConfig("umtn", out, steps=2, batch=4, validate_every=2, log_every=1, device="cpu")
    train(run, config, Console(file=io.StringIO()))


def translate_apart(rank: int, port: int) -> None:
    """UMTN in one of two processes, each of which has one domain."""
    told = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= told
    translate(Path(sys.argv[1]) / "umtn-apart", Path(sys.argv[2]))


def cycle(out: Path, steps: int, **settings: Any) -> None:
    """The CycleGAN with all that is drawn: replayed fakes, gradient penalty, two steps of the judges."""
    config = CycleGAN.tiny(Path(sys.argv[2]))
    training = dataclasses.replace(config.training, game="wgan_gp", discriminator_steps=2)
    run = RunConfig(
        "cyclegan", out, steps=steps, batch=4, validate_every=3, log_every=1, device="cpu", ema=0.5, clip_gradient=0.5,
        **settings,
    )  # fmt: skip
    train(run, dataclasses.replace(config, training=training), Console(file=io.StringIO()))


def cycle_apart(rank: int, port: int) -> None:
    """The same in one of four processes, two of which hold a side each, and once interrupted."""
    told = {"RANK": str(rank), "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= told
    exchanged, plain = [], placement._exchange

    def counted(tensor: Tensor) -> Tensor:
        exchanged.append(tensor.shape)
        return plain(tensor)

    placement._exchange = counted
    out = Path(sys.argv[1]) / "cycle-apart"
    cycle(out, 2, model_parallel=True)
    exchanged.clear()
    os.environ["MASTER_PORT"] = str(port + 1)
    cycle(out, 3, model_parallel=True)
    out.with_name(f"exchanged-{rank}").write_text(str(len(exchanged)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    recipe.registered()
    for late in ("torch._dynamo", "torch.utils.tensorboard", "PIL.Image"):  # else imported by every worker
        importlib.import_module(late)
    recipe._registry["toy"] = Mortal
    root = Path(sys.argv[1])
    forked(functools.partial(agent, folder=f"{root}/nodes", mortal=False))
    forked(functools.partial(agent, folder=f"{root}/killed", mortal=True))
    forked(translate_apart)
    forked(cycle_apart, 4)
    # Last: a process that has used autograd's threads is not one to fork.
    train(*toy.settings(root / "alone"), Console(file=io.StringIO()))
    translate(root / "umtn-alone", Path(sys.argv[2]))
    cycle(root / "cycle-alone", 3)
