from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from rich.console import Console
from torch import Tensor

from realtime.errors import ConfigError, DataError
from tests.trainer import toy
from tests.trainer.test_loop import assert_equal_bits
from trainer import agreement, distributed, loop
from trainer.commands.train import load_settings
from trainer.monitor import read_metrics

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(toy.__file__).parents[2])}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def test_the_command_trains_pix2pix_under_torchrun(material: Path, tmp_path: Path) -> None:
    """`torchrun --no-python retimbre train` with dropout and batch statistics equals the command alone."""
    run_file = tmp_path / "run.toml"
    run_file.write_text(
        f"""
        run = {{ recipe = "pix2pix", out = "{tmp_path}/one", steps = 2, batch = 4, device = "cpu" }}
        data = {{ index = "{material}/paired/index.json", origin = "bell", target = "horn" }}
        model = {{ n_fft = 512, hop = 256, bins = 16, frames = 16, width = 2, discriminator_width = 2 }}
        """
    )
    changed = ["model.patch_layers=1"]
    loop.train(*load_settings(run_file, changed), Console(file=io.StringIO()))
    retimbre = [str(Path(sys.executable).with_name("retimbre")), "train", str(run_file)]
    for change in (*changed, f"run.out={tmp_path}/two"):
        retimbre += ["--set", change]
    command = [*TORCHRUN, "--no-python", *retimbre]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("2 steps done") == 1
    assert result.stdout.count("2 processes on 1 machine (gloo, the processor), each with 2 of 4 items") == 1
    one, two = (torch.load(tmp_path / out / "last.pt", weights_only=True)["networks"] for out in ("one", "two"))
    for name, weights in one.items():
        for key, value in weights.items():
            torch.testing.assert_close(two[name][key], value, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def nodes(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `nodes.py` left: the same training on two nodes, killed once, and alone."""
    out = tmp_path_factory.mktemp("nodes")
    program = Path(toy.__file__).with_name("nodes.py")
    command = [sys.executable, str(program), str(out), str(material)]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return out


def _saved(folder: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / "last.pt", weights_only=True)
    return saved


def _assert_near(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-5) -> None:
    for name, weights in one.items():
        for key, value in weights.items():
            torch.testing.assert_close(other[name][key], value, rtol=tolerance, atol=tolerance)


def test_two_nodes_of_two_processes_equal_one(nodes: Path) -> None:
    """Four processes on two nodes, each with one domain of two, leave the weights and curves of one process."""
    one, four = _saved(nodes / "alone"), _saved(nodes / "nodes")
    for group in ("networks", "average"):
        _assert_near(one[group], four[group])
    curves = [read_metrics(nodes / name / "metrics.jsonl") for name in ("alone", "nodes")]
    for a, b in zip(*curves, strict=True):
        assert a.keys() == b.keys()
        assert [a[k] for k in a if k not in ("kind", "seconds")] == pytest.approx(
            [b[k] for k in a if k not in ("kind", "seconds")], rel=1e-4
        )


def test_what_no_process_uses_stays_as_it_was(nodes: Path) -> None:
    """A decoder without items in any process gets no gradient, so that its optimizer holds nothing of it."""
    for name in ("alone", "nodes"):
        held = _saved(nodes / name)["optimizers"]["decoders"]["state"]
        assert sorted(held)[:5] == [0, 1, 2, 3, 6], name  # weight and bias of each decoder, then the generator's


def test_a_killed_worker_costs_the_steps_since_the_checkpoint(nodes: Path) -> None:
    """Process 3 is killed in step 5; all start again by themselves from step 3 and end with the undisturbed bits."""
    assert_equal_bits(_saved(nodes / "nodes"), _saved(nodes / "killed"))
    told = (nodes / "killed.0.0.txt").read_text()
    assert "4 processes on 2 machines" in told
    assert "items a step, from step 3" in told
    assert (nodes / "died").exists()
    steps = [[r["step"] for r in read_metrics(nodes / name / "metrics.jsonl")] for name in ("nodes", "killed")]
    assert steps[0] == steps[1]


def test_one_process_speaks_and_writes_for_all(nodes: Path) -> None:
    """The first process of two nodes says once who trains; the other node's folder is not needed and not made."""
    told = {path.name: path.read_text() for path in nodes.glob("nodes.*.txt")}
    assert len(told) == 4
    assert told["nodes.0.0.txt"].count("4 processes on 2 machines (gloo, the processor), each with 1 of 4 items") == 1
    assert [name for name, text in told.items() if text] == ["nodes.0.0.txt"]
    assert not (nodes / "nodes-of-node-1").exists()


def test_a_domain_for_each_process_equals_one_process(nodes: Path) -> None:
    """UMTN on two processes, each with the items of one domain, is UMTN on one: encoder, classifier and decoders."""
    one, two = _saved(nodes / "umtn-alone"), _saved(nodes / "umtn-apart")
    for name, held in one["optimizers"].items():
        moments = [
            torch.cat([s["exp_avg"].flatten() for s in o["state"].values()]) for o in (held, two["optimizers"][name])
        ]
        assert float((moments[0] - moments[1]).norm() / moments[0].norm()) < 1e-4, name


def test_sides_in_processes_of_their_own_equal_one_process(nodes: Path) -> None:
    """Two pairs of processes with a side of the CycleGAN each, batch halved, once resumed: weights and curves of one.

    A pair exchanges two tensors a step: the fakes, and the losses' gradients by them.
    """
    one, four = _saved(nodes / "cycle-alone"), _saved(nodes / "cycle-apart")
    for group in ("networks", "average"):
        # Adam makes a visible step of a gradient that is nearly zero.
        _assert_near(one[group], four[group], 1e-4)
    for name, held in one["optimizers"].items():
        theirs = four["optimizers"][name]["state"]
        assert theirs.keys() == held["state"].keys()
        moments = [torch.cat([s["exp_avg"].flatten() for s in o.values()]) for o in (held["state"], theirs)]
        assert float((moments[0] - moments[1]).norm() / moments[0].norm()) < 1e-4, name
    last = [read_metrics(nodes / name / "metrics.jsonl")[-1] for name in ("cycle-alone", "cycle-apart")]
    numbers = [{key: value for key, value in row.items() if key not in ("kind", "seconds")} for row in last]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-3)
    assert [(nodes / f"exchanged-{rank}").read_text() for rank in range(4)] == ["2"] * 4


def test_the_first_process_reads_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first process could not read is its sentence, and the others end without another."""
    sent: list[Any] = []
    rank = 0

    def exchanged(told: list[Any], src: int) -> None:
        assert src == 0
        if rank == 0:
            sent[:] = told
        told[:] = sent

    def damaged() -> int:
        raise DataError("last.pt is damaged: restore a copy")

    monkeypatch.setattr(distributed, "everyone", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: rank)
    monkeypatch.setattr(dist, "broadcast_object_list", exchanged)
    for rank in (0, 1):
        assert agreement.from_first(functools.partial(int, 7 + rank)) == 7
    rank = 0
    with pytest.raises(DataError, match="restore a copy"):
        agreement.from_first(damaged)
    rank = 1
    with pytest.raises(SystemExit):
        agreement.from_first(damaged)


def test_machines_with_other_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another setting on one machine is refused by its name, in the first process; folders of their own are not."""
    first = {"run": {"out": "here", "steps": 6}, "model": {"width": 4}}

    def everyones(found: list[Any], mine: dict[str, Any]) -> None:
        found[:] = [{"run.steps": 6, "model.width": 4}, theirs]
        assert "run.out" not in mine

    monkeypatch.setattr(distributed, "everyone", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "all_gather_object", everyones)
    theirs = {"run.steps": 6, "model.width": 4}
    agreement.refuse_differences(first)
    theirs = {"run.steps": 6, "model.width": 8}
    with pytest.raises(ConfigError, match=r"process 1 trains with model\.width = 8 but the first with 4"):
        agreement.refuse_differences(first)


def test_a_restart_that_would_fail_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun that may start again, but would find the addresses of those that ended, is refused with what to set."""
    told = {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        distributed.start(torch.device("cpu"))


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes take equal parts: other batch sizes are a ConfigError, since means would be weighted wrongly."""
    monkeypatch.setattr(distributed, "processes", lambda: distributed.Processes(1, 3))
    assert distributed.part(6) == range(2, 4)
    with pytest.raises(ConfigError, match=r"run\.batch is 8, which 3 processes cannot share"):
        distributed.part(8)


def test_processes_draw_parts_of_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts that processes draw, put together, are what one process draws."""

    def drawn(rank: int, count: int, size: int) -> Tensor:
        monkeypatch.setattr(distributed, "processes", lambda: distributed.Processes(rank, count))
        torch.manual_seed(5)
        return distributed.normal((size, 2, 3), torch.device("cpu"))

    assert torch.equal(torch.cat([drawn(0, 2, 2), drawn(1, 2, 2)]), drawn(0, 1, 4))


def test_batch_normalisation_alone_is_torchs() -> None:
    """With one process the shared batch normalisation is torch's own."""
    ours, theirs = distributed.BatchNorm2d(3), torch.nn.BatchNorm2d(3)
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(ours(x), theirs(x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_dropout_keeps_the_mean() -> None:
    """Dropout zeroes its share, scales the rest so that the mean stays, and does nothing in eval mode."""
    torch.manual_seed(0)
    dropout = distributed.Dropout(0.25)
    x = torch.ones(4, 5000)
    y = dropout(x)
    assert float((y == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(dropout.eval()(x), x)
