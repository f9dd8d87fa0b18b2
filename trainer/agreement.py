"""What the processes of one training must have in common: the checkpoint, the settings, and one another.

    from_first(read)        the first process reads, all have it: no folder need be shared between machines
    refuse_differences(…)   another command on one machine is refused before the first step, by the setting that differs
    company()               a process that was killed ends the others with one sentence, in place of a traceback

What then happens is torchrun's: with `--max-restarts` it starts all again, and they go on from the last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from realtime.errors import ConfigError, RetimbreError
from trainer import distributed
from trainer.config import flattened

T = TypeVar("T")

# What may differ from machine to machine: where things lie, and how a machine is used.
_OWN = frozenset(("run.out", "run.threads", "run.prefetch"))


class LostError(RetimbreError):
    """Another process of this training ended or cannot be reached."""


def from_first(make: Callable[[], T]) -> T:
    """What `make()` gives in the first process, in all of them.

    Its RetimbreError is raised there, and ends the others without a word: it is told once.
    """
    if distributed.everyone() == 1:
        return make()
    told: list[Any] = [None, None]
    error: RetimbreError | None = None
    if dist.get_rank() == 0:
        try:
            told[0] = make()
        except RetimbreError as found:
            told[1], error = str(found), found
    dist.broadcast_object_list(told, src=0)
    if error is not None:
        raise error
    if told[1] is not None:
        raise SystemExit(1)
    made: T = told[0]
    return made


def refuse_differences(config: Mapping[str, Any]) -> None:
    """Raise ConfigError, in the first process, when another trains with other settings than it."""
    if distributed.everyone() == 1:
        return
    mine = {key: value for key, value in flattened(config).items() if key not in _OWN}
    settings: list[dict[str, Any]] = [{}] * distributed.everyone()
    dist.all_gather_object(settings, mine)
    for rank, other in enumerate(settings):
        for key in settings[0]:
            if other.get(key) != settings[0][key]:
                if dist.get_rank() != 0:
                    raise SystemExit(1)
                raise ConfigError(
                    f"process {rank} trains with {key} = {other.get(key)!r} but the first with {settings[0][key]!r}: "
                    "give the same command on every machine"
                )


@contextlib.contextmanager
def company() -> Iterator[None]:
    """Inside, a message that another process can no longer take part in is a LostError."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        if distributed.everyone() == 1 or not _is_of_another(error):
            raise
        raise LostError(
            f"process {dist.get_rank()} of {distributed.everyone()} lost another one, which ended or is out of reach: "
            "torchrun starts all again when --max-restarts says so; or give the same command again to go on from the "
            "last checkpoint"
        ) from error


def words(device: torch.device, batch: int) -> str:
    """Who trains together, in one line, as torchrun started them."""
    count, here = distributed.everyone(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    machines = -(-count // here)
    places = distributed.processes().count
    return (
        f"{count} processes on {machines} machine{'s' if machines > 1 else ''} ({dist.get_backend()}, "
        f"{distributed.device_words(device)}), each with {batch // places} of {batch} items a step"
    )


def _is_of_another(error: BaseException) -> bool:
    # gloo tells a closed connection as a plain RuntimeError that begins with the place in its own source.
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)
