"""Reads the addresses of `remote.ADDRESSES` and makes a live session do what they say.

    /retimbre/control/mix 0.5 ┐
    /retimbre/target/violin 1 ┴ gathered ─ flush ─▶ Remote.change_controls({"mix": 0.5, "target": (1.0, 0.0)})
    /retimbre/next            ─── after a flush ──▶ Remote.step_preset(1)

It knows neither sockets nor OSC's bytes. Controls that are turned one after the other are handed over once, in one
piece, so that a bundle is one change and a storm of messages from a fader costs one question to the engine. On the one
thread that serves (see `remote`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from realtime.controls import Controls, target_weights
from realtime.errors import ConfigError
from realtime.meters import level_db
from realtime.plugins.spec import PluginSpec
from realtime.presets.file_name import checked_name
from realtime.remote.arguments import first_word, no_more, number, switch, text
from realtime.remote.session import ROOT, Answer, Argument, Place, Remote
from realtime.remote.target_faders import TargetFaders, weights_of

_GATHERED = ("control", "bypass", "target", "blend")


class RemoteControl:
    """Reads one address after another and makes the session do it."""

    def __init__(self, remote: Remote, recordings: Path, now: Callable[[], float] = time.time) -> None:
        """recordings: the only folder in which files are made; now: the clock that names them."""
        self._remote, self._recordings, self._now = remote, recordings, now
        self._pending: dict[str, Any] = {}
        self._faders = TargetFaders()
        self._doing: Mapping[str, Callable[[Sequence[str], Sequence[Argument]], list[Answer]]] = {
            "control": self._control,
            "bypass": lambda words, values: self._control(["bypass", *words], values),
            "target": self._target,
            "blend": self._blend,
            "mute": self._mute,
            "record": self._record,
            "preset": self._preset,
            "next": lambda words, values: self._step(words, values, 1),
            "previous": lambda words, values: self._step(words, values, -1),
            "model": self._model,
            "plugin": self._plugin,
            "status": self._status,
            "ping": self._ping,
        }

    @property
    def turned(self) -> bool:
        """Whether controls wait for `flush`."""
        return bool(self._pending)

    @staticmethod
    def gathers(address: str) -> bool:
        """Whether what the address turns waits for `flush`."""
        return first_word(address) in _GATHERED

    def do(self, address: str, values: Sequence[Argument]) -> list[Answer]:
        """Do what the address says; what it answers. Raises `RetimbreError` with a sentence when it cannot be done.

        Without an argument an address that has a value answers with it.
        """
        word = first_word(address)
        if word not in self._doing:
            known = ", ".join(f"{ROOT}/{one}" for one in [*self._doing, "subscribe", "unsubscribe"])
            raise ConfigError(f"There is no address {address[:80]!r}; known are {known}.")
        if not self.gathers(address):
            self.flush()
        return self._doing[word](address.split("/")[3:], values)

    def flush(self) -> None:
        """Hand over the controls that were turned."""
        if self._pending:
            changes, self._pending = self._pending, {}
            self._remote.change_controls(changes)

    def values(self) -> dict[str, tuple[Argument, ...]]:
        """Everything that can be turned or loaded, as it is now, by the address that says so."""
        state = self._remote.state()
        controls = state.controls.to_mapping()
        target = controls.pop("target")
        found: dict[str, tuple[Argument, ...]] = {
            f"{ROOT}/control/{name}": (value,) for name, value in controls.items() if value is not None
        }
        weights = weights_of(target, len(state.targets))
        found |= {f"{ROOT}/target/{name}": (weight,) for name, weight in zip(state.targets, weights, strict=True)}
        for place, specs in (("before", state.before), ("after", state.after)):
            for index, spec in enumerate(specs):
                own = f"{ROOT}/plugin/{place}/{index}"
                found[f"{own}/bypass"] = (spec.bypass,)
                found |= {f"{own}/{name}": (value,) for name, value in spec.parameters.items()}
        found[f"{ROOT}/mute"] = (state.muted,)
        now: dict[str, Argument] = {
            "model": state.model,
            "preset": state.preset,
            "position": state.position,
            "songs": state.songs,
            "recording": "" if state.recording is None else str(state.recording),
            "latency_ms": state.latency_ms,
        }
        return found | {f"{ROOT}/now/{name}": (value,) for name, value in now.items()}

    def meters(self) -> list[Answer]:
        """The numbers of the snapshot; levels in dBFS under names that end in `_db`."""
        snapshot = self._remote.snapshot()
        answers: list[Answer] = [(f"{ROOT}/meter/seconds", (snapshot.seconds,))]
        for one in fields(snapshot):
            value = getattr(snapshot, one.name)
            if one.name.endswith(("_peak", "_rms")):
                answers.append((f"{ROOT}/meter/{one.name}_db", (level_db(value),)))
            elif isinstance(value, bool | int | float):
                answers.append((f"{ROOT}/meter/{one.name}", (value,)))
        return answers

    def _controls(self) -> Controls:
        return self._remote.state().controls.with_changes(**self._pending)

    def _turn(self, name: str, value: Any) -> None:
        self._controls().with_changes(**{name: value})  # refuses what is out of range, now, to who asked
        self._pending[name] = value

    def _control(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        present = self._controls().to_mapping()
        del present["target"]  # it has addresses of its own
        if len(words) != 1 or words[0] not in present:
            raise ConfigError(f"There is no control {'/'.join(words)[:80]!r}; the controls are {', '.join(present)}.")
        name = words[0]
        old = present[name]
        if not values:
            return [(f"{ROOT}/control/{name}", (old,))]
        if isinstance(old, bool):
            self._turn(name, switch(name, values, old=old))
        elif isinstance(old, str):
            self._turn(name, text(name, values))
        else:
            self._turn(name, number(name, values))
        return []

    def _target(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        names = self._remote.state().targets
        present = self._controls().target
        if not words and values:
            self._turn("target", target_weights(text("target", values), names))
            return []
        if len(words) > 1 or (words and words[0] not in names):
            known = f"choose from {', '.join(names)}" if names else "this model has none"
            raise ConfigError(f"There is no target {'/'.join(words)[:80]!r} in this model; {known}.")
        if not values:
            found = zip(names, weights_of(present, len(names)), strict=True)
            return [(f"{ROOT}/target/{name}", (weight,)) for name, weight in found if words in ([], [name])]
        weight = number(f"target {words[0]}", values)
        if weight < 0:
            raise ConfigError(f"The weight of target {words[0]} is {weight:g}, but it must be 0 or more.")
        blend = self._faders.move(names, present, words[0], weight)
        if blend is None:
            raise ConfigError(f"With {words[0]} at {weight:g} all targets are down: the sound stays until one goes up.")
        self._turn("target", blend)
        return []

    def _blend(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("blend", words)
        names = self._remote.state().targets
        if not values:
            return [(f"{ROOT}/blend", tuple(weights_of(self._controls().target, len(names))))]
        if len(values) != len(names):
            raise ConfigError(
                f"A blend came with {len(values)} weights, but this model has {len(names)} targets"
                f"{': ' if names else ''}{', '.join(names)}."
            )
        self._turn("target", tuple(number("blend", [value]) for value in values))
        return []

    def _mute(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("mute", words)
        muted = self._remote.state().muted
        if not values:
            return [(f"{ROOT}/mute", (muted,))]
        self._remote.mute(switch("mute", values, old=muted))
        return []

    def _record(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("record", words)
        if not values:
            running = self._remote.state().recording
            return [(f"{ROOT}/now/recording", ("" if running is None else str(running),))]
        if isinstance(values[0], str):
            name = checked_name(text("record", values).removesuffix(".wav"), "recording")
        elif switch("record", values, old=False):
            name = time.strftime("%Y-%m-%d %H-%M-%S", time.localtime(self._now()))
        else:
            lost = self._remote.record(None)
            return [(f"{ROOT}/now/recording", ("",)), *([(f"{ROOT}/event", (lost,))] if lost else [])]
        path = self._recordings / f"{name}.wav"
        try:
            self._recordings.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder of recordings {self._recordings} cannot be made ({error.strerror}): make it yourself."
            ) from None
        self._remote.record(path)
        return [(f"{ROOT}/now/recording", (str(path),))]

    def _preset(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("preset", words)
        state = self._remote.state()
        if values and isinstance(values[0], str):
            self._remote.load_preset(checked_name(text("preset", values), "preset"))
        elif values:
            place = number("preset", values)
            if not state.songs:
                raise ConfigError(f"Preset number {place:g} was asked for, but no setlist is loaded: ask by name.")
            if place != int(place) or not 1 <= place <= state.songs:
                raise ConfigError(
                    f"Preset number {place:g} was asked for, but the setlist goes from 1 to {state.songs}."
                )
            self._remote.load_preset(int(place))
        state = self._remote.state()
        return [(f"{ROOT}/now/preset", (state.preset,)), (f"{ROOT}/now/position", (state.position,))]

    def _step(self, words: Sequence[str], values: Sequence[Argument], by: int) -> list[Answer]:
        no_more("next" if by > 0 else "previous", words)
        if values and not switch("next", values, old=False):
            return []  # a button that is let go
        if not self._remote.state().songs:
            raise ConfigError("There is no next or previous preset, because no setlist is loaded: ask by name.")
        self._remote.step_preset(by)
        return self._preset([], [])

    def _model(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("model", words)
        if values:
            # Names only: a peer must not choose which files of this machine are opened.
            self._remote.load_model(checked_name(text("model", values), "model"))
        return [(f"{ROOT}/now/model", (self._remote.state().model,))]

    def _plugin(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        state = self._remote.state()
        chains: Mapping[str, tuple[Place, tuple[PluginSpec, ...]]] = {
            "before": ("before", state.before),
            "after": ("after", state.after),
        }
        if len(words) < 3 or words[0] not in chains:
            raise ConfigError(
                f"A plugin's address is {ROOT}/plugin/before/0/PARAMETER or {ROOT}/plugin/after/0/PARAMETER."
            )
        place, specs = chains[words[0]]
        name = "/".join(words[2:])
        index = int(words[1]) if words[1].isascii() and words[1].isdecimal() and len(words[1]) < 4 else len(specs)
        if index >= len(specs):
            known = f"0 to {len(specs) - 1}" if len(specs) > 1 else "0" if specs else "none"
            raise ConfigError(f"There is no plugin {words[1][:20]!r} {place} the model; there is {known}.")
        spec = specs[index]
        if name == "bypass" and values:
            self._remote.set_plugin_bypass(place, index, switch("bypass", values, old=spec.bypass))
        elif values:
            self._remote.set_plugin_parameter(place, index, name, number(name, values))
        elif name == "bypass":
            return [(f"{ROOT}/plugin/{place}/{index}/bypass", (spec.bypass,))]
        elif name in spec.parameters:
            return [(f"{ROOT}/plugin/{place}/{index}/{name}", (spec.parameters[name],))]
        else:
            known = ", ".join(spec.parameters) or "none"
            raise ConfigError(f"The parameter {name[:80]!r} of {spec.uri} was never set; those that were: {known}.")
        return []

    def _status(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("status", words)
        return [*self.values().items(), *self.meters()]

    def _ping(self, words: Sequence[str], values: Sequence[Argument]) -> list[Answer]:
        no_more("ping", words)
        return [(f"{ROOT}/pong", (f"retimbre {_version()}",))]


@functools.cache
def _version() -> str:
    from importlib.metadata import version

    return version("retimbre")
