from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from realtime.errors import ConfigError
from tests.trainer import toy
from trainer import distributed
from trainer.monitor import read_metrics

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(toy.__file__).parents[2])}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """torchrun with two gloo processes leaves the weights, averages and curves of one, to float precision."""
    for command, out in (([sys.executable], "one"), (TORCHRUN, "two")):
        result = subprocess.run(
            [*command, toy.__file__, str(tmp_path / out)], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
    one, two = (torch.load(tmp_path / out / "last.pt", weights_only=True) for out in ("one", "two"))
    for group in ("networks", "average"):
        for name, weights in one[group].items():
            for key, value in weights.items():
                torch.testing.assert_close(two[group][name][key], value, rtol=1e-5, atol=1e-6)
    curves = [read_metrics(tmp_path / out / "metrics.jsonl") for out in ("one", "two")]
    assert len(curves[0]) == len(curves[1])
    for a, b in zip(*curves, strict=True):
        assert a.keys() == b.keys()
        assert [a[k] for k in a if k not in ("kind", "seconds")] == pytest.approx(
            [b[k] for k in a if k not in ("kind", "seconds")], rel=1e-4
        )


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
    retimbre = [
        str(Path(sys.executable).with_name("retimbre")),
        "train",
        str(run_file),
        "--set",
        "model.patch_layers=1",
    ]
    for command in (retimbre, [*TORCHRUN, "--no-python", *retimbre, "--set", f"run.out={tmp_path}/two"]):
        result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("2 steps done") == 1
    one, two = (torch.load(tmp_path / out / "last.pt", weights_only=True)["networks"] for out in ("one", "two"))
    for name, weights in one.items():
        for key, value in weights.items():
            torch.testing.assert_close(two[name][key], value, rtol=1e-5, atol=1e-5)


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
