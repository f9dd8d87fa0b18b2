"""Try every installed plugin in a process that may die, and remember those that kill it or never come back.

    scan ── spawn ──▶ for each URI: "begin", load, run odd block sizes, noise, silence, every knob at both ends, "done"
         ◀─ pipe ───  nothing for `TRIAL_S`, or the pipe ends: that plugin is black-listed, and a new process goes on

What was found is kept in plugins.json in the user's data folder, because a VST3 can be asked nothing without loading
it. Commands only; nothing here runs while sound does.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np

from realtime.errors import PluginError, RetimbreError
from realtime.family import end_with_parent
from realtime.plugins import blacklist
from realtime.plugins.plugin import HostedPlugin, Parameter, PluginInfo
from realtime.plugins.rack_process import dump_no_core

TRIAL_S: Final = 15.0
_START_S = 30.0
_BLOCKS: Final = (1, 64, 65, 256, 1024)
_RATE_HZ, _TIMED_FRAMES, _TIMED_RUNS = 48000, 128, 20
_VERSION = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What a trial of one plugin found.

    problem: a sentence why it cannot be used; black_listed: whether it broke the process. run_us: time of one block of
    128 frames.
    """

    uri: str
    info: PluginInfo | None = None
    latency_samples: int = 0
    run_us: float = 0.0
    problem: str | None = None
    black_listed: bool = False

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> Finding:
        """What `to_mapping` gave, read from JSON. Raises `KeyError` or `TypeError` when it is something else."""
        info = values["info"]
        if info is not None:
            parameters = [
                Parameter(**{**one, "choices": tuple((str(label), float(at)) for label, at in one["choices"])})
                for one in info["parameters"]
            ]
            presets = tuple((str(uri), str(label)) for uri, label in info["presets"])
            info = PluginInfo(**{**info, "parameters": tuple(parameters), "presets": presets})
        return Finding(**{**values, "info": info})


def scan(
    uris: Sequence[str], *, trial_s: float = TRIAL_S, begun: Callable[[str], None] | None = None
) -> Iterator[Finding]:
    """Try plugins in their order and black-list those that crash or hang. `begun` hears of each as its trial begins."""
    left = list(uris)
    while left:
        process, said = _start(left)
        try:
            for finding in _listen(process, said, left, trial_s, begun):
                left.remove(finding.uri)
                if finding.black_listed:
                    blacklist.add(finding.uri, str(finding.problem))
                yield finding
        finally:
            process.kill()
            process.join()
            said.close()


def remembered() -> dict[str, Finding]:
    """What earlier scans found, by URI; nothing when the file is missing, damaged or of another version."""
    try:
        stored = json.loads(_path().read_text(encoding="utf-8"))
        if stored["version"] != _VERSION:
            return {}
        return {uri: Finding.from_mapping(values) for uri, values in stored["plugins"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(findings: Sequence[Finding]) -> None:
    """Keep what was found, besides what is known of others. Raises `PluginError` when that cannot be written."""
    known = remembered() | {one.uri: one for one in findings}
    plugins = {uri: known[uri].to_mapping() for uri in sorted(known)}
    blacklist.write_json(_path(), {"version": _VERSION, "plugins": plugins})


def _path() -> Path:
    return blacklist.blacklist_path().with_name("plugins.json")


def _start(uris: Sequence[str]) -> tuple[Any, Connection]:
    context = multiprocessing.get_context("spawn")
    said, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_try_all, args=(list(uris), theirs), name="retimbre-scan", daemon=True)
    process.start()
    theirs.close()
    return process, said


def _listen(
    process: Any, said: Connection, uris: Sequence[str], trial_s: float, begun: Callable[[str], None] | None
) -> Iterator[Finding]:
    """Findings until the process is done or a plugin broke it."""
    current: str | None = None
    limit_s = _START_S
    while True:
        try:
            if not said.poll(limit_s):
                process.kill()
                yield _broken(current, uris, f"hung for {limit_s:g} s")
                return
            message = said.recv()
        except (EOFError, OSError):
            process.join()
            if current is not None or (uris and process.exitcode != 0):
                code = process.exitcode
                how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
                yield _broken(current, uris, f"crashed ({how})")
            return
        if isinstance(message, Finding):
            current = None
            yield message
        else:
            current, limit_s = str(message), trial_s
            if begun is not None:
                begun(current)


def _broken(uri: str | None, uris: Sequence[str], what: str) -> Finding:
    if uri is None:
        raise PluginError(f"The process that tries plugins {what} before it reached {uris[0]}: scan again.")
    sentence = (
        f"The plugin {uri} {what} when it was tried, and is black-listed: `retimbre plugins forgive {uri}` gives it "
        "another chance."
    )
    return Finding(uri, problem=sentence, black_listed=True)


def _try_all(uris: list[str], said: Connection) -> None:
    """The process: everything that a plugin prints goes to stderr, so that the command's own output stays whole."""
    end_with_parent()
    dump_no_core()
    os.dup2(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, 1)
    for uri in uris:
        said.send(uri)
        try:
            finding = _try_one(uri)
        except RetimbreError as error:
            finding = Finding(uri, problem=str(error))
        said.send(finding)
    said.close()
    os._exit(0)  # a plugin that is not freed well may not spoil what was found


def _try_one(uri: str) -> Finding:
    from realtime.plugins.loading import open_plugin, read_info
    from realtime.plugins.spec import PluginSpec

    info = read_info(uri)
    if info.problem is not None:
        return Finding(uri, info, problem=info.problem)
    plugin = open_plugin(PluginSpec(uri), _RATE_HZ, max(_BLOCKS))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (info.inputs, max(_BLOCKS))).astype(np.float32)
    finite = True
    for sound in (noise, np.zeros_like(noise)):
        for frames in _BLOCKS:
            finite = _run(plugin, sound[:, :frames]) and finite
    values = plugin.values()
    for place, parameter in enumerate(info.parameters):
        for value in (parameter.minimum, parameter.maximum, values[place]):
            plugin.set_value(place, value)
            finite = _run(plugin, noise[:, :64]) and finite
    plugin.reset()
    began = time.perf_counter()
    for _ in range(_TIMED_RUNS):
        _run(plugin, noise[:, :_TIMED_FRAMES])
    run_us = (time.perf_counter() - began) / _TIMED_RUNS * 1e6
    latency = plugin.latency_samples
    plugin.close()
    problem = None
    if not finite:
        problem = f"The plugin {info.name} gave sounds that are no numbers when its knobs stood at their ends."
    return Finding(uri, info, latency, round(run_us, 1), problem)


def _run(plugin: HostedPlugin, sound: np.typing.NDArray[np.float32]) -> bool:
    out = np.zeros((plugin.info.outputs, sound.shape[1]), np.float32)
    plugin.run(sound, out)
    return bool(np.isfinite(out).all())
