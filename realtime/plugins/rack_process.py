"""The process of a rack: loads the plugins, then runs them over each block that the engine hands it.

    engine ── bell ──▶ wait ─▶ for each posted block: spread ▸ node ▸ node ▸ … ▸ spread ─▶ DONE + 1 ── bell ──▶ engine

Spawned, so that it inherits nothing; it knows no model and no sound card. It says once, through a pipe, what its
plugins are (`Ready`) or which one refuses (`Refused`); a crash says itself, by whom RUNNING names. Where it is allowed
the blocks run in a real-time class with memory locked, and the kernel ends a plugin that computes for ever
(RLIMIT_RTTIME). A thread waits for the end of the engine and ends this process with it.

    main thread     everything            watch          sleeps until the engine is gone
    lv2-worker      one for each plugin that asks for one
"""

from __future__ import annotations

import ctypes
import gc
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from realtime.errors import RetimbreError
from realtime.family import end_with_parent
from realtime.plugins.bell import Bell
from realtime.plugins.loading import open_plugin
from realtime.plugins.plugin import PluginInfo
from realtime.plugins.rack_memory import DONE, NOBODY, POSTED, RUNNING, SLOTS, RackMemory
from realtime.plugins.rack_node import Node, is_doubled, spread, width_after
from realtime.plugins.spec import PluginSpec
from realtime.scheduling import lock_memory, make_ordinary, make_real_time

_PRIORITY: Final = 4  # under a JACK server (10) and its clients (5): a plugin that spins must not starve them
_LONGEST_COMPUTING_S: Final = 1
_WARM_UP_FRAMES: Final = (64, 256)
_EXIT_DEFECT: Final = 70
_FLUSH_X86, _FLUSH_ARM = 0x8040, 1 << 24


@dataclass(frozen=True, slots=True)
class Place:
    """One plugin of the chain; `latency` None: not known yet; `out`: a delay stands for it."""

    spec: PluginSpec
    out: bool = False
    latency: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything is loaded: facts, latency and parameter values of each place, None where it is out."""

    infos: tuple[PluginInfo | None, ...]
    latencies: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A plugin cannot be loaded; `place` counts from 0."""

    place: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a rack process must know when it begins."""

    places: tuple[Place, ...]
    rate_hz: int
    longest: int
    channels: tuple[int, int]
    offline: bool


def run(work: Work, memory: Any, requests: Any, answers: Any, said: Connection) -> None:
    """The life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which then ends us
    make_ordinary()
    dump_no_core()
    end_with_parent()
    shared = RackMemory(work.channels, work.longest, memory)
    rack = RackChain(work, shared)
    try:
        ready = rack.load()
    except RetimbreError as error:
        said.send(Refused(int(shared.counters[RUNNING]), str(error)))
        return
    except Exception:  # noqa: BLE001  (of foreign code: RUNNING says whose, and no traceback helps the user)
        sys.exit(_EXIT_DEFECT)
    flush_denormals()
    gc.collect()
    gc.freeze()
    gc.disable()
    if not work.offline:
        lock_memory()
        if make_real_time(0, _PRIORITY):
            _limit_computing()
    said.send(ready)  # from now on blocks may come
    try:
        serve(rack, shared, Bell(requests), Bell(answers))
    except Exception:  # noqa: BLE001  (as above)
        sys.exit(_EXIT_DEFECT)
    make_ordinary()
    rack.close()


def serve(rack: RackChain, shared: RackMemory, requests: Bell, answers: Bell) -> None:
    """Process what is posted until the engine lets go of its end."""
    counters = shared.counters
    done = int(counters[DONE])
    while requests.wait(None) or requests.held:
        while done < int(counters[POSTED]):
            rack.process(done % SLOTS)
            done += 1
            counters[DONE] = done
            answers.ring()


class RackChain:
    """The plugins in their order, between the two ends of a rack."""

    def __init__(self, work: Work, shared: RackMemory) -> None:
        """Nothing is loaded yet."""
        self._work, self._shared = work, shared
        self._nodes: list[Node] = []
        self._plugins: list[Any] = []
        self._infos: list[PluginInfo | None] = []
        self._seen = np.full(len(work.places), -1, np.int64)
        self._again = [0] * len(work.places)
        self._marks = [partial(self._mark, number) for number in range(len(work.places))]

    def load(self) -> Ready:
        """Load everything and run it on silence. Raises `PluginError`; RUNNING names the plugin."""
        width, widest = self._work.channels[0], max(self._work.channels)
        running = self._shared.counters
        latencies: list[int] = []
        for number, place in enumerate(self._work.places):
            running[RUNNING] = number
            plugins = [] if place.out else [self._open(place.spec)]
            info = plugins[0].info if plugins else None
            after = width if info is None else width_after(width, widest, info.outputs)
            if info is not None and is_doubled(width, info.inputs, info.outputs):
                plugins.append(self._open(place.spec))
            latency = max((one.latency_samples for one in plugins), default=0)
            latency = latency if place.latency is None else place.latency
            make = partial(
                Node,
                plugins,
                widths=(width, after),
                latency_samples=latency,
                rate_hz=self._work.rate_hz,
                longest=self._work.longest,
                bypass=place.spec.bypass,
            )
            self._warm_up(make(), plugins, width)
            node = make()
            self._nodes.append(node)
            self._infos.append(info)
            latencies.append(latency)
            values = node.values()
            self._shared.values[number, : len(values)] = values
            self._shared.bypass[number] = place.spec.bypass
            self._shared.latencies[number] = node.latency_samples
            width = after
        running[RUNNING] = NOBODY
        values_of = tuple(tuple(node.values()) for node in self._nodes)
        return Ready(tuple(self._infos), tuple(latencies), values_of)

    def process(self, slot: int) -> None:
        """One block, from its slot to its slot."""
        shared = self._shared
        frames = int(shared.frames[slot])
        sound = shared.inputs[slot][:, :frames]
        for number, node in enumerate(self._nodes):
            self._adopt(number, node)
            sound = node.process(sound, self._marks[number])
            shared.faults[number] = node.faults
            shared.latencies[number] = node.latency_samples
        spread(sound, shared.outputs[slot][:, :frames])

    def close(self) -> None:
        """Free all plugins."""
        for plugin in self._plugins:
            plugin.close()

    def _open(self, spec: PluginSpec) -> Any:
        plugin = open_plugin(spec, self._work.rate_hz, self._work.longest)
        self._plugins.append(plugin)
        return plugin

    def _mark(self, number: int, runs: bool) -> None:
        self._shared.counters[RUNNING] = number if runs else NOBODY

    def _adopt(self, number: int, node: Node) -> None:
        """Take knobs that changed; once more a block later, for machines that let others see stores out of order."""
        changes = int(self._shared.changes[number])
        if changes != self._seen[number]:
            self._seen[number] = changes
            self._again[number] = 2
        if self._again[number]:
            self._again[number] -= 1
            node.bypass = bool(self._shared.bypass[number])
            node.aim(self._shared.values[number])

    def _warm_up(self, node: Node, plugins: Sequence[Any], width: int) -> None:
        """First runs take pages and compile tables; they shall not do it while sound runs. The node is spent then."""
        for frames in _WARM_UP_FRAMES:
            node.process(np.zeros((width, min(frames, self._work.longest)), np.float32), lambda _running: None)
        for plugin in plugins:
            plugin.reset()


def dump_no_core() -> None:
    """Let a crash be over at once: writing hundreds of megabytes would hold up a recording on the same disk."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def flush_denormals() -> bool:
    """Let numbers near zero be zero on this thread, where glibc is asked; some plugins crawl in silence without.

    The C library's floating-point environment ends with the control register: MXCSR on x86-64 (bits FTZ and DAZ),
    FPCR on 64-bit ARM (bit FZ), as its <fenv.h> lays out.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        return False
    library = ctypes.CDLL("libm.so.6")
    words = (ctypes.c_uint32 * 16)()
    if library.fegetenv(words) != 0:
        return False
    if machine == "x86_64":
        words[7] |= _FLUSH_X86
    else:
        words[0] |= _FLUSH_ARM
    return bool(library.fesetenv(words) == 0)


def _limit_computing() -> None:
    """Let the kernel end this process when it computes for seconds without sleep: it would starve all others."""
    if sys.platform != "linux":
        return
    import resource

    # Microseconds of a real-time thread between two sleeps.
    try:
        resource.setrlimit(
            resource.RLIMIT_RTTIME, (_LONGEST_COMPUTING_S * 1_000_000, 2 * _LONGEST_COMPUTING_S * 1_000_000)
        )
    except (ValueError, OSError):
        return  # then the engine notices the hang and ends us
