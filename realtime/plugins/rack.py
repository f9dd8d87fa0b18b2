"""Plugins in the signal path, in a process of their own, so that none of them can stop the sound.

    x ─┬─▶ shared memory ─▶ rack process: plugin ▸ plugin ▸ … ─▶ shared memory ─▶ wet ─┐
       └─▶ delay by the sum of the latencies ───────────────────────────────▶ dry ───┴─▶ WetDry ─▶ out

    process          audio thread      waits for the process for a share of the block's time, at most
    everything else  control thread    `tick` some 50 times a second

A late block, a dead process: the delayed input is heard instead, at once and without a click. A plugin that crashes or
hangs (nothing done for `HANG_S`) is found, black-listed for the session and taken out; the others come back in a new
process, with their knobs as they stand, and a delay in the place of the lost one, so that `latency_samples` never
moves. A process that was ended from outside comes back whole.

Over 300 lines because the life of a chain, through the deaths of its plugins, is one state machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from realtime.controls import ramp_samples
from realtime.errors import ConfigError, PluginError
from realtime.plugins import blacklist
from realtime.plugins.plugin import PluginInfo
from realtime.plugins.rack_link import Link
from realtime.plugins.rack_memory import MOST_PARAMETERS, MOST_PLUGINS, FloatArray
from realtime.plugins.rack_node import MOST_FAULTS, spread
from realtime.plugins.rack_process import Place, Ready, Refused, Work
from realtime.plugins.spec import PluginSpec
from realtime.plugins.wet_dry import WetDry
from realtime.ring import DelayLine

HANG_S: Final = 1.0
_OFFLINE_HANG_S = 10.0
_START_S, _LOAD_S = 30.0, 15.0  # for the process alone, for one plugin
_POLL_S = 0.05
_FADE_MS = 5.0
_MOST_DEATHS, _DEATHS_S = 3, 60.0
_LATE_REPORT_S, _LATE_REPORT_BLOCKS = 10.0, 5


@dataclass(slots=True)
class _Seat:
    """What the engine knows of one place; `info` and `latency` None: not loaded yet."""

    spec: PluginSpec
    info: PluginInfo | None = None
    latency: int | None = None
    out: str | None = None  # why it was taken out
    faults: int = 0
    told_latency: int | None = None

    @property
    def name(self) -> str:
        return self.info.name if self.info is not None else self.spec.uri


class Rack:
    """An ordered chain of plugins; owns one process while it has any to run."""

    def __init__(
        self,
        specs: Sequence[PluginSpec],
        *,
        rate_hz: int,
        longest: int,
        channels: tuple[int, int] = (1, 1),
        share: float = 0.4,
        offline: bool = False,
        lenient: bool = False,
    ) -> None:
        """Load all plugins; takes tenths of a second, or as long as they do.

        longest: the most frames of a block; channels: in and out, 1 or 2 each; share: of a block's time, the longest
        that `process` waits; offline: it waits as long as a plugin that works takes. A plugin that is black-listed,
        crashes or hangs is left out, and `tick` says so; one that is not installed, refuses, or has no such parameter
        or preset raises `PluginError`, or is left out too when `lenient`.
        """
        if len(specs) > MOST_PLUGINS:
            raise ConfigError(f"The chain has {len(specs)} plugins, but {MOST_PLUGINS} is the most: leave some out.")
        self.misses = 0
        """Blocks for which the delayed input was heard because the plugins were late or away."""
        self._rate_hz, self._longest, self._channels = rate_hz, longest, channels
        self._offline, self._lenient = offline, lenient
        self._wait_per_frame = share / rate_hz
        self._seats = [_Seat(spec) for spec in specs]
        self._said: list[str] = []
        self._link: Link | None = None
        self._coming: Link | None = None
        self._deaths: list[float] = []
        self._told_misses, self._next_report = 0, 0.0
        self._leave_out_black_listed()
        self._load()
        self.latency_samples = sum(seat.latency or 0 for seat in self._seats)
        inputs, outputs = channels
        lines = inputs if self.latency_samples else 0
        self._delays = [DelayLine(self.latency_samples, longest) for _ in range(lines)]
        self._delayed = np.zeros((inputs, longest), np.float32)
        self._dry = np.zeros((outputs, longest), np.float32)
        self._mix = WetDry(outputs, ramp_samples(rate_hz, _FADE_MS), longest)

    @property
    def specs(self) -> tuple[PluginSpec, ...]:
        """The chain as it stands, with the values that were set since."""
        return tuple(seat.spec for seat in self._seats)

    @property
    def infos(self) -> tuple[PluginInfo | None, ...]:
        """Facts of each plugin; None for one that was never loaded."""
        return tuple(seat.info for seat in self._seats)

    @property
    def left_out(self) -> dict[int, str]:
        """Why a plugin of the chain does not play, by its place."""
        return {number: seat.out for number, seat in enumerate(self._seats) if seat.out is not None}

    @property
    def process_id(self) -> int | None:
        """The process id of the plugins, while they play."""
        link = self._link
        return None if link is None else link.process_id

    def process(self, sound: FloatArray, out: FloatArray) -> bool:
        """One block, (in, frames) to (out, frames); false when the delayed input is heard instead. Audio thread."""
        frames = sound.shape[1]
        made = True
        for begin in range(0, frames, self._longest):
            part = slice(begin, min(frames, begin + self._longest))
            made = self._process(sound[:, part], out[:, part]) and made
        return made

    def _process(self, sound: FloatArray, out: FloatArray) -> bool:
        frames = sound.shape[1]
        delayed = sound
        if self._delays:
            delayed = self._delayed[:, :frames]
            for channel, delay in enumerate(self._delays):
                delayed[channel] = delay.push(sound[channel])
        if not self._seats:
            spread(delayed, out)
            return True
        link = self._link
        wet = None if link is None else link.exchange(sound, self._patience(frames))
        if wet is not None and self._mix.passes(wet):
            out[:] = wet
            return True
        dry = self._dry[:, :frames]
        spread(delayed, dry)
        self._mix.mix(wet, dry, out)
        if wet is not None or (link is None and self._coming is None):  # or every plugin was left out
            return True
        self.misses += 1
        return False

    def _patience(self, frames: int) -> float:
        return _OFFLINE_HANG_S if self._offline else frames * self._wait_per_frame

    def set_parameter(self, index: int, name: str, value: float) -> None:
        """Move a knob of the plugin at `index`; numbers walk there within 20 ms. Raises `PluginError`."""
        seat, link = self._seat(index), self._link
        if seat.info is None:
            seat.spec = seat.spec.with_parameter(name, value)
            return
        place = seat.info.parameter(name)
        seat.spec = seat.spec.with_parameter(name, seat.info.parameters[place].fitted(value))
        if link is not None and place < MOST_PARAMETERS:
            link.memory.values[index, place] = seat.spec.parameters[name]
            link.memory.changes[index] += 1

    def set_bypass(self, index: int, on: bool) -> None:
        """Let the plugin at `index` be heard or not; the delay stays. Raises `PluginError`."""
        seat, link = self._seat(index), self._link
        seat.spec = replace(seat.spec, bypass=on)
        if link is not None:
            link.memory.bypass[index] = on
            link.memory.changes[index] += 1

    def values(self, index: int) -> dict[str, float]:
        """Value of each parameter of the plugin at `index`, by symbol. Raises `PluginError`."""
        seat, link = self._seat(index), self._link
        if seat.info is None or link is None:
            return dict(seat.spec.parameters)
        symbols = [one.symbol for one in seat.info.parameters[:MOST_PARAMETERS]]
        return dict(zip(symbols, link.memory.values[index].tolist(), strict=False))

    def tick(self) -> list[str]:
        """Look after the process, some 50 times a second; sentences for the user come back. Never waits for it."""
        link = self._link
        if link is not None:
            if not link.held or link.ended() or link.stuck_for() > (_OFFLINE_HANG_S if self._offline else HANG_S):
                self._link = None
                self._bury(link)
            else:
                self._watch(link)
        elif self._coming is not None:
            self._step(self._coming)
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """End the process. Call it when no `process` will come any more."""
        for link in (self._link, self._coming):
            if link is not None:
                link.close()
        self._link = self._coming = None

    def _seat(self, index: int) -> _Seat:
        if not 0 <= index < len(self._seats):
            raise PluginError(f"There is no plugin {index} in this chain, which has {len(self._seats)}, from 0.")
        return self._seats[index]

    def _leave_out_black_listed(self) -> None:
        try:
            for seat in self._seats:
                seat.out = blacklist.reason(seat.spec.uri)
                if seat.out is not None:
                    self._said.append(seat.out)
        except PluginError as error:  # a damaged file shall not take all plugins from a player
            self._said.append(str(error))

    def _load(self) -> None:
        """Start the process and wait until its plugins play; each that cannot be had is left out."""
        self._restart()
        while self._coming is not None:
            self._coming.poll(_POLL_S)
            self._step(self._coming, strict=not self._lenient)

    def _restart(self) -> None:
        """Start a process for all that is not left out; `_step` sees it through."""
        if all(seat.out is not None for seat in self._seats):
            return
        places = tuple(Place(seat.spec, seat.out is not None, seat.latency) for seat in self._seats)
        self._coming = Link(Work(places, self._rate_hz, self._longest, self._channels, self._offline))

    def _step(self, link: Link, *, strict: bool = False) -> None:
        """See how far a new process has come. Strict: a plugin that refuses raises `PluginError`."""
        answer = link.poll()
        if isinstance(answer, Ready):
            self._coming = None
            self._adopt(link, answer)
        elif isinstance(answer, Refused):
            self._coming = None
            link.close()
            if strict:
                raise PluginError(answer.sentence)
            self._leave_out(self._seats[answer.place], f"{answer.sentence} It is left out of the chain.")
            self._restart()
        elif link.ended() or link.stuck_for() > (_START_S if link.running is None else _LOAD_S):
            self._coming = None
            self._bury(link, strict=strict)

    def _adopt(self, link: Link, ready: Ready) -> None:
        """Let a process play whose plugins are loaded."""
        for number, seat in enumerate(self._seats):
            info = ready.infos[number]
            if info is not None:
                seat.info, seat.latency, seat.faults = info, ready.latencies[number], 0
                seat.told_latency = seat.latency
                # What was set while it loaded; the rest is there already.
                for symbol, value in seat.spec.parameters.items():
                    place = info.parameter(symbol)
                    if place < MOST_PARAMETERS:
                        link.memory.values[number, place] = info.parameters[place].fitted(value)
                link.memory.bypass[number] = seat.spec.bypass
                link.memory.changes[number] += 1
        self._told_misses = self.misses
        self._link = link

    def _bury(self, link: Link, *, strict: bool = False) -> None:
        """Find whose fault the end of a process is, and start another without. The audio thread may still hold it."""
        hung = not link.ended()
        if hung:
            link.kill()
        words, from_outside = link.how_it_ended()
        place = link.running
        if place is not None and not from_outside:
            seat = self._seats[place]
            what = "hung" if hung else f"crashed ({words})"
            self._leave_out(seat, f"The plugin {seat.name} {what} and is left out of the chain for this session.")
            blacklist.add_for_session(seat.spec.uri, str(seat.out))
        else:
            now = time.monotonic()
            self._deaths = [*(one for one in self._deaths if now - one < _DEATHS_S), now]
            what = "hung while no plugin ran" if hung else f"was ended from outside ({words})"
            if not hung and not from_outside:
                what = f"ended by itself ({words})"
            if len(self._deaths) > _MOST_DEATHS:
                sentence = f"The process of the plugins {what} again and again: the chain is left out, open it anew."
                if strict:
                    raise PluginError(sentence)
                for seat in self._seats:
                    seat.out = seat.out or sentence
                self._said.append(sentence)
            else:
                self._said.append(f"The process of the plugins {what} and is started again.")
        self._restart()

    def _leave_out(self, seat: _Seat, sentence: str) -> None:
        seat.out = sentence
        self._said.append(sentence)

    def _watch(self, link: Link) -> None:
        """Tell what a process that plays has to say: faults, latencies that moved, late blocks."""
        for number, seat in enumerate(self._seats):
            faults, latency = int(link.memory.faults[number]), int(link.memory.latencies[number])
            if faults > seat.faults:
                seat.faults = faults
                if faults >= MOST_FAULTS:
                    self._leave_out(seat, f"The plugin {seat.name} gave sounds that are no numbers and is left out.")
                else:
                    self._said.append(f"The plugin {seat.name} gave a sound that is no number and was begun anew.")
            if seat.out is None and latency != seat.told_latency:
                seat.told_latency = latency
                self._said.append(
                    f"The plugin {seat.name} now delays by {latency} samples where {seat.latency} are counted: open "
                    "the chain anew to line it up."
                )
        now = time.monotonic()
        late = self.misses - self._told_misses
        if late >= _LATE_REPORT_BLOCKS and now >= self._next_report:
            self._told_misses, self._next_report = self.misses, now + _LATE_REPORT_S
            self._said.append(f"The plugins were late for {late} blocks, which played without them.")
