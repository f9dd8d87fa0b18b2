"""Data parallel training as plain functions: start, take a part, average, draw noise for the whole batch.

`torchrun --nproc_per_node=N` starts N copies of the command. Each takes its part of every batch's items; gradients and
batch statistics are averaged, random numbers are drawn for the whole batch by everyone and each keeps its part. With a
loss that is a mean over items,

    mean over processes of (gradient of the local mean) = gradient of the mean over the whole batch,

so N processes equal one to float precision. With one process every function here does nothing and needs no set-up.

After `pair_up()` two neighbours are one place of the batch, each with one side of a model (`trainer.placement`): then
"processes" are those places, and gradients are averaged over the processes of the same side.

Longer than 300 lines because every law of sharing a batch, layers that look at all of it among them, is read together.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer.recompute import is_again


@dataclass(frozen=True, slots=True)
class Processes:
    """Who this process is among those that train together."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """True for the one process that validates, writes and prints."""
        return self.rank == 0


@dataclass(frozen=True, slots=True)
class Pair:
    """This process's side of a model that two processes hold, and the rank of the other."""

    side: int
    partner: int
    group: dist.ProcessGroup
    """The processes of the same side."""


_pairs: list[Pair] = []  # one, or none
_part: list[tuple[int, int]] = [(0, 1)]  # which of how many parts of the batch (`trainer.accumulation`)


def start(device: torch.device) -> Processes:
    """Join the processes that torchrun started (gloo on CPU, nccl on GPUs), or be alone."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Processes()
    if not dist.is_initialized():
        if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0" and (
            os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        ):
            # Seen here, and pytorch issue 135712: the addresses of the processes that ended are found again.
            raise ConfigError(
                "torchrun would start again into the addresses of the processes that ended: give --max-restarts with "
                "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment of every torchrun"
            )
        # A process that validates alone keeps the others waiting; one that was killed is noticed by torchrun at once.
        nccl = device.type == "cuda"
        dist.init_process_group(
            "nccl" if nccl else "gloo", timeout=timedelta(hours=2), device_id=device if nccl else None
        )
    return processes()


def stop() -> None:
    """Leave the group, if one was joined: all together, unless an error is on its way out of this process."""
    if dist.is_available() and dist.is_initialized():
        if sys.exc_info()[0] is None:
            # A process that left while the first still wrote was seen to abort at its exit, now and then.
            dist.barrier()
        dist.destroy_process_group()
    _pairs.clear()


def pair_up() -> Pair:
    """Make partners of ranks 0 and 1, 2 and 3 …; call it in every process, after `start` and before batches are shared.

    Raises ConfigError when the number of processes is not even.
    """
    if not _pairs:
        joined = dist.is_available() and dist.is_initialized()
        count = dist.get_world_size() if joined else 1
        if count % 2:
            raise ConfigError(f"{count} processes cannot be paired: start an even number with torchrun")
        rank = dist.get_rank()
        groups = [dist.new_group(list(range(side, count, 2))) for side in (0, 1)]  # everyone makes every group
        _pairs.append(Pair(rank % 2, rank ^ 1, groups[rank % 2]))
    return _pairs[0]


def pair() -> Pair | None:
    """What `pair_up` made; None without it."""
    return _pairs[0] if _pairs else None


def everyone() -> int:
    """How many processes there are, whatever they share."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _group() -> dist.ProcessGroup | None:
    return _pairs[0].group if _pairs else None


def processes() -> Processes:
    """The group that shares batches, as it is now; (0, 1) when training alone."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(_group()), dist.get_world_size(_group()))
    return Processes()


def choose_device(name: str) -> torch.device:
    """The device for `run.device`; under torchrun each process takes the GPU of its local rank."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("run.device is cuda but torch finds no usable GPU: set run.device to auto or cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def device_words(device: torch.device) -> str:
    """The device as a person calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"


def part(batch: int) -> range:
    """The items of a batch that this process computes: equal, contiguous, in rank order."""
    me = processes()
    if batch % me.count:
        raise ConfigError(f"run.batch is {batch}, which {me.count} processes cannot share equally: make it a multiple")
    size = batch // me.count
    return range(me.rank * size, (me.rank + 1) * size)


def parts(batch: int, count: int) -> list[range]:
    """The items of each of `count` parts of a batch (gradient accumulation) that this process computes.

    A part is a run of the batch's items and shared like a batch, so that parts in turn are in the order of the items.
    """
    if batch % count:
        raise ConfigError(f"run.batch is {batch}, which {count} parts cannot share equally: make it a multiple")
    size = batch // count
    if size % processes().count:
        raise ConfigError(
            f"run.batch is {batch}, of which run.accumulate makes {count} parts of {size}, which {processes().count} "
            "processes cannot share equally: make it a multiple of both"
        )
    own = part(size)
    return [range(first + own.start, first + own.stop) for first in range(0, batch, size)]


@contextlib.contextmanager
def part_of_batch(index: int, count: int) -> Iterator[None]:
    """Inside, what is computed is part `index` of `count` of the batch: noise is drawn for the whole and cut."""
    before = _part[0]
    _part[0] = index, count
    try:
        yield
    finally:
        _part[0] = before


def place_in_batch() -> Processes:
    """Which of how many equal shares of the batch, in the order of its items, is computed now."""
    me, (index, count) = processes(), _part[0]
    return Processes(index * me.count + me.rank, me.count * count)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over processes, in one message.

    A parameter without a gradient here (a decoder whose domain this process has not) counts as zero; one without a
    gradient anywhere stays without. So networks that only some processes use are averaged over those that do, weighted
    by their part of the batch, and all processes keep all weights.
    """
    count = processes().count
    if count == 1:
        return
    # Of a model's other side, which is not here, nothing is sent; its partners agree.
    every = [parameter for parameter in parameters if not _pairs or parameter.grad is not None]
    if not every:
        return
    has = [parameter.grad is not None for parameter in every]
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in every]
    home = _device_of_messages(parts[0])
    presence = torch.tensor(has, dtype=torch.float32)
    flat = torch.cat([part.reshape(-1).to(home) for part in (*parts, presence)])
    dist.all_reduce(flat, group=_group())
    flat /= count
    anywhere = has if all(has) else (flat[-len(every) :] > 0).tolist()
    offset = 0
    for parameter, part, present in zip(every, parts, anywhere, strict=True):
        if present:
            parameter.grad = part.copy_(flat[offset : offset + part.numel()].view_as(part))
        offset += part.numel()


def _device_of_messages(like: Tensor) -> torch.device:
    """Where a tensor must be to be sent: nccl sends from this process's GPU alone."""
    if everyone() > 1 and dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return like.device


def norm_of_both_sides(norm: Tensor) -> Tensor:
    """The norm of a gradient of which this process has one side (`pair_up`): √(a² + b²); else as it is."""
    if not _pairs:
        return norm
    total = norm.square()
    dist.all_reduce(total)
    return (total / processes().count).sqrt()


def average_metrics(metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean of named scalars over the processes that have them."""
    names = sorted(metrics)
    count = everyone()
    if count > 1:
        told: list[list[str]] = [[]] * count
        dist.all_gather_object(told, names)
        names = sorted({name for some in told for name in some})
    if not names:
        return {}
    found = [metrics[name].detach().float().reshape(()) if name in metrics else None for name in names]
    zero = torch.zeros(())
    home = _device_of_messages(next((value for value in found if value is not None), zero))
    values = torch.stack([(zero if value is None else value).to(home) for value in found])
    if count > 1:
        seen = torch.tensor([float(value is not None) for value in found], device=home)
        both = torch.stack([values, seen])
        dist.all_reduce(both)
        values = both[0] / both[1]
    return dict(zip(names, values.tolist(), strict=True))


def gathered(tensor: Tensor) -> Tensor:
    """The tensors of all processes along the first axis, in rank order; no gradient passes."""
    count = processes().count
    if count == 1:
        return tensor
    parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(count)]
    dist.all_gather(parts, tensor.contiguous(), group=_group())
    return torch.cat(parts)


def any_process(flag: bool, device: torch.device) -> bool:
    """True everywhere when `flag` is true anywhere, so that all stop at the same step."""
    if everyone() == 1:
        return flag
    value = torch.tensor(float(flag), device=device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return bool(value.item())


def wait_for_all() -> None:
    """Return once every process has come here."""
    if everyone() > 1:
        dist.barrier()


def copy_from_first(networks: Mapping[str, nn.Module]) -> None:
    """Give every process the parameters and buffers of the first."""
    if processes().count > 1:
        for name in sorted(networks):
            for tensor in networks[name].state_dict().values():
                sent = tensor.to(_device_of_messages(tensor))
                dist.broadcast(sent, group=_group(), group_src=0)
                tensor.copy_(sent)


def uniform(shape: Sequence[int], device: torch.device) -> Tensor:
    """Uniform noise in [0, 1) whose first axis is this process's part of the batch (draws the whole batch's)."""
    return _own_part(torch.rand, shape, device)


def normal(shape: Sequence[int], device: torch.device) -> Tensor:
    """Normal noise whose first axis is this process's part of the batch (draws the whole batch's)."""
    return _own_part(torch.randn, shape, device)


def _own_part(draw: object, shape: Sequence[int], device: torch.device) -> Tensor:
    # Every process has the same generator state (the loop seeds each step), so all draw the same whole and cut it.
    me = place_in_batch()
    whole: Tensor = draw((shape[0] * me.count, *shape[1:]), device=device)  # type: ignore[operator]
    return whole[me.rank * shape[0] : (me.rank + 1) * shape[0]]


class Dropout(nn.Module):
    """Dropout whose mask does not depend on how many processes share the batch.

    whole_channels: an item's channel is dropped with all its values (torch's Dropout2d).
    """

    def __init__(self, probability: float, *, whole_channels: bool = False) -> None:
        super().__init__()
        self.probability, self.whole_channels = probability, whole_channels

    def forward(self, x: Tensor) -> Tensor:
        """Zero with `probability`, scale the rest so that the mean stays."""
        if not self.training or self.probability == 0.0:
            return x
        shape = (*x.shape[:2], *(1,) * (x.ndim - 2)) if self.whole_channels else tuple(x.shape)
        keep = uniform(shape, x.device) >= self.probability
        return x * keep / (1.0 - self.probability)


class _Sum(torch.autograd.Function):
    """Sum over processes, and so is its gradient: each process's input reaches every process's loss."""

    @staticmethod
    def forward(_ctx: object, x: Tensor) -> Tensor:
        """The sum over processes."""
        total = x.clone()
        dist.all_reduce(total, group=_group())
        return total

    @staticmethod
    def backward(_ctx: object, *gradients: Tensor) -> Tensor:
        """The gradients' sum over processes."""
        total = gradients[0].clone()
        dist.all_reduce(total, group=_group())
        return total


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the whole batch of all processes (torch's SyncBatchNorm refuses CPUs)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (batch, channels, bins, frames) with the mean and variance over all but channels."""
        if not self.training:
            return super().forward(x)
        count, again = processes().count, is_again()
        if count == 1:
            if not again:
                return super().forward(x)
            mean, variance = (None if s is None else s.clone() for s in (self.running_mean, self.running_var))
            return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, training=True, eps=self.eps)
        wide = x.float()  # a difference of squares: bfloat16 has not the digits
        sums = torch.stack([wide.mean((0, 2, 3)), wide.square().mean((0, 2, 3))])
        mean, square = _Sum.apply(sums) / count  # type: ignore[no-untyped-call]
        variance = square - mean.square()
        if not again:
            self._count(mean, variance, x.numel() // x.shape[1] * count)
        scale = torch.rsqrt(variance + self.eps)
        shift = -mean * scale
        if self.affine:
            scale, shift = self.weight * scale, self.bias + self.weight * shift
        shifted: Tensor = wide * scale[:, None, None] + shift[:, None, None]
        return shifted.to(x.dtype)

    @torch.no_grad()
    def _count(self, mean: Tensor, variance: Tensor, n: int) -> None:
        momentum = 0.1 if self.momentum is None else self.momentum
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * n / (n - 1), momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
