"""Model parallel: sides in processes of their own equal one process, with two transfers an iteration."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from realtime.errors import ConfigError
from tests.trainer import pairs_apart
from trainer import distributed, placement


def test_pairs_apart_equal_one_process() -> None:
    """Two pairs on two processes each, the batch halved as well, leave one process's weights to float precision."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(pairs_apart.__file__).parents[2])}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "4"}
    started = [
        subprocess.Popen(
            [sys.executable, pairs_apart.__file__],
            env=environment | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(4)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], ended
    told = json.loads(ended[0][0].strip().splitlines()[-1])
    assert told["processes"] == 2
    assert told["exchanges_a_step"] == 2
    assert told["moved"] > 1e-2
    assert told["difference"] < 1e-5


def test_together_is_the_sum_of_both_losses() -> None:
    """Both sides in one process get each other's fakes, and the sum's gradient reaches both generators."""
    torch.manual_seed(1)
    (g, d), (h, e) = pairs_apart.networks(), pairs_apart.networks()
    a, b = pairs_apart.data(0, range(4))
    loss = placement.together(pairs_apart.side(g, d, a, b), pairs_apart.side(h, e, b, a))
    by_hand = ((d(g(a)) - 1) ** 2).mean() + 10 * (g(h(b)) - b).abs().mean()
    by_hand = by_hand + ((e(h(b)) - 1) ** 2).mean() + 10 * (h(g(a)) - a).abs().mean()
    torch.testing.assert_close(loss, by_hand)
    weights = [*g.parameters(), *h.parameters()]
    for one, other in zip(torch.autograd.grad(loss, weights), torch.autograd.grad(by_hand, weights), strict=True):
        torch.testing.assert_close(one, other)


def test_sides_of_unequal_length_are_refused() -> None:
    """A side that gives oftener than the other cannot be paired."""
    g, d = pairs_apart.networks()
    a, b = pairs_apart.data(0, range(4))

    def longer() -> placement.Side:
        got = yield a
        got = yield got
        return got.mean()

    with pytest.raises(RuntimeError, match="equally often"):
        placement.together(pairs_apart.side(g, d, a, b), longer())


def test_what_cannot_be_placed_is_refused() -> None:
    """A device that is not there and an odd number of processes are refused with what was found."""
    cpu = torch.device("cpu")
    assert placement.second_device("", cpu) == cpu
    with pytest.raises(ConfigError, match=r"cuda:7, but torch finds \d+ GPUs"):
        placement.second_device("cuda:7", cpu)
    with pytest.raises(ConfigError, match="'gpu'"):
        placement.second_device("gpu", cpu)
    with pytest.raises(ConfigError, match="1 processes cannot be paired"):
        distributed.pair_up()
    with pytest.raises(RuntimeError, match="pair_up"):
        placement.swap(torch.zeros(1))
