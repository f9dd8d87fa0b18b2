"""Two nodes of two processes, on this machine: the same weights as one process, also when a worker is killed.

    python scripts/two_nodes.py [RECIPE] [--steps 40] [--keep FOLDER]

Trains RECIPE (umtn) in its smallest form on made-up material by the command line alone, as docs/distributed.md gives it
for two machines, each "machine" with a folder of its own:

    alone        retimbre train RUN
    nodes        torchrun --nnodes 2 --node-rank 0|1 --nproc-per-node 2 …, undisturbed
    restarted    the same with --max-restarts 1; a worker of the second node is killed (SIGKILL) after a checkpoint
    again        the same without restarts; a worker is killed, everything ends, the same commands are given again

and prints how far the weights are from one process's, and whether the killed runs ended with the undisturbed bits.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from trainer.checkpoint import whole_config
from trainer.config import RunConfig, without_none
from trainer.material import write_material
from trainer.recipe import find

RETIMBRE = str(Path(sys.executable).with_name("retimbre"))


class Bench:
    """A folder with material, a run file, and the trainings made from them."""

    def __init__(self, root: Path, recipe: str, steps: int) -> None:
        self.root, self.steps = root, steps
        write_material(root / "material")
        config = find(recipe).tiny(root / "material")
        self.recipe = recipe
        run = RunConfig(
            recipe, root / "alone", steps=steps, batch=4, validate_every=steps, checkpoint_every=5, log_every=1,
            device="cpu", threads=1,
        )  # fmt: skip
        self.run_file = root / "run.toml"
        self.run_file.write_text(_toml(without_none(whole_config(run, config))))
        self.apart = "data.order" if hasattr(config.data, "order") else ""

    def command(self, out: Path) -> list[str]:
        """`retimbre train`, into `out`."""
        changed = ["--set", f"run.out={out}"] + (["--set", f"{self.apart}=apart"] if self.apart else [])
        return [RETIMBRE, "train", str(self.run_file), *changed]

    def nodes(self, name: str, restarts: int) -> list[subprocess.Popen[str]]:
        """Both nodes, begun."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = []
        for node in range(2):
            torchrun = [
                sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(node),
                "--nproc-per-node", "2", "--max-restarts", str(restarts), "--rdzv-backend", "c10d",
                "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", name, "--local-addr", "127.0.0.1",
                "--rdzv-conf", f"is_host={int(node == 0)}", "--no-python",
            ]  # fmt: skip
            # A folder of its own for each machine: the second one's is never made.
            out = self.root / (name if node == 0 else f"{name}-second-machine")
            log = (self.root / f"{name}.{node}.log").open("a")
            environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
            process = subprocess.Popen(
                torchrun + self.command(out), stdout=log, stderr=subprocess.STDOUT, text=True, env=environment
            )
            started.append(process)
        return started

    def kill_one(self, name: str, agent: subprocess.Popen[str]) -> int:
        """Kill a worker of `agent` once a checkpoint is there; the step that was reached."""
        state = self.root / name / "state.json"
        while True:
            time.sleep(0.05)
            if agent.poll() is not None:
                raise SystemExit(f"{name} ended before its worker was killed: see {self.root}")
            step = int(json.loads(state.read_text())["step"]) if state.is_file() else 0
            if step > self.steps // 2:
                workers = [p for p in psutil.Process(agent.pid).children() if RETIMBRE in p.cmdline()]
                workers[-1].send_signal(signal.SIGKILL)
                return step

    def weights(self, name: str) -> dict[str, Any]:
        """last.pt."""
        saved: dict[str, Any] = torch.load(self.root / name / "last.pt", weights_only=True)
        return saved


def main() -> None:
    """Train in four ways; print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="umtn")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        bench = Bench(root, options.recipe, options.steps)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(bench.command(root / "alone"), check=True, capture_output=True, env=environment)
        _wait(bench.nodes("nodes", 0))

        processes = bench.nodes("restarted", 1)
        restarted_at = bench.kill_one("restarted", processes[1])
        _wait(processes)

        processes = bench.nodes("again", 0)
        again_at = bench.kill_one("again", processes[1])
        ended = [process.wait() for process in processes]
        _wait(bench.nodes("again", 0))

        one, four = bench.weights("alone"), bench.weights("nodes")
        pairs = [(one["networks"][n][k], v) for n, net in four["networks"].items() for k, v in net.items()]
        off = max(float((a.double() - b.double()).abs().max()) for a, b in pairs)
        size = max(float(a.abs().max()) for a, _ in pairs if a.is_floating_point())
        print(f"{options.recipe}, {options.steps} steps, batch 4, 2 nodes × 2 processes on loopback (gloo)")
        print(_said(root / "nodes.0.log"))
        print(f"two nodes against one process: weights differ by at most {off:.1e} (largest weight {size:.2f})")
        print(_said(root / "restarted.0.log"))
        for name, step, how in (
            ("restarted", restarted_at, "torchrun started all again"),
            ("again", again_at, f"torchrun ended with {ended}; the same commands again"),
        ):
            same = _same_bits(bench.weights(name), four)
            print(f"killed in step {step}, {how}: {'the undisturbed bits' if same else 'OTHER WEIGHTS'}")
            if not same:
                raise SystemExit(1)
        if off > 1e-3 * size:
            raise SystemExit("two nodes did not equal one process")


def _wait(processes: list[subprocess.Popen[str]]) -> None:
    ended = [process.wait() for process in processes]
    if any(ended):
        raise SystemExit(f"torchrun ended with {ended}")


def _said(log: Path) -> str:
    """What was said of who trains, each time it was begun."""
    return "\n".join(f"  said: {line}" for line in log.read_text().splitlines() if "processes on 2 machines" in line)


def _same_bits(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same_bits(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_same_bits, a, b))
    return a == b


def _toml(table: dict[str, Any]) -> str:
    """Sections of plain values: JSON's scalars and lists are TOML's."""
    return "".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items() if value is not None)
        for name, section in table.items()
    )


if __name__ == "__main__":
    main()
