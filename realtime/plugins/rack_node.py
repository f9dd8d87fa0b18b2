"""One place in a rack: a plugin with its channels, its walking knobs, and the way around it.

    x ─┬─▶ to the plugin's channels ─▶ plugin ─▶ to the rack's channels ─▶ wet ─┐
       └─▶ delay by the plugin's latency ──────────────────────────────▶ dry ──┴─▶ WetDry ─▶ y

Bypass keeps the plugin running, so that it comes back without a gap, and keeps its delay. A block that holds what is no
number (or is beyond all measure) is replaced by the dry sound and the plugin made to forget; after `MOST_FAULTS` the
place stays dry. Runs in the rack's process, on its main thread.

    width in → out      plugin 1 → 1          plugin 2 → 2            plugin 1 → 2 and 2 → 1
    1 → 1               as it is              both fed, mean heard    mean heard; both fed
    1 → 2 (first        stays 1               both fed                as it is; stays 1
      place in stereo)
    2 → 2               twice, once a side    as it is                mean fed; heard on both sides
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.controls import ramp_samples
from realtime.plugins.plugin import HostedPlugin
from realtime.plugins.rack_memory import MOST_PARAMETERS
from realtime.plugins.wet_dry import WetDry
from realtime.ring import DelayLine

FloatArray = NDArray[np.float32]

MOST_FAULTS: Final = 3
_WALK_FRAMES = 64  # how often a knob that walks is moved


def width_after(width: int, widest: int, plugin_outputs: int) -> int:
    """Channels behind a place: two once a plugin makes two and the rack may have two; never fewer than before."""
    return max(width, min(widest, plugin_outputs))


def is_doubled(width: int, plugin_inputs: int, plugin_outputs: int) -> bool:
    """Whether a place needs its plugin twice: a mono plugin between two channels."""
    return width == 2 and plugin_inputs == plugin_outputs == 1


def spread(sound: FloatArray, out: FloatArray) -> None:
    """Write (n, frames) to (m, frames): as it is, one to all, or the mean of the first two to one."""
    if sound.shape[0] > 1 and out.shape[0] == 1:
        np.add(sound[0], sound[1], out=out[0])
        out *= np.float32(0.5)
    elif sound.shape[0] == 1:
        out[:] = sound
    else:
        out[:] = sound[: out.shape[0]]


class Node:
    """One place of the chain; no plugins: a delay, which stands for a plugin that was taken out."""

    def __init__(
        self,
        plugins: Sequence[HostedPlugin],
        *,
        widths: tuple[int, int],
        latency_samples: int,
        rate_hz: int,
        longest: int,
        bypass: bool = False,
    ) -> None:
        """plugins: one, or two where `is_doubled`, or none; widths: channels in and out of this place."""
        self._plugins = list(plugins)
        self._info = plugins[0].info if plugins else None
        inputs = self._info.inputs * len(plugins) if self._info else 1
        outputs = self._info.outputs * len(plugins) if self._info else 1
        # None: the plugin takes the sound, or makes it, in just the channels that there are.
        self._feed = None if inputs == widths[0] else np.zeros((inputs, longest), np.float32)
        self._made = None if outputs == widths[1] else np.zeros((outputs, longest), np.float32)
        self._wet, self._dry, self._out = (np.zeros((widths[1], longest), np.float32) for _ in range(3))
        self._delayed = np.zeros((widths[0], longest), np.float32)
        self._delays = [DelayLine(latency_samples, longest) for _ in range(widths[0])] if latency_samples else []
        self._mix = WetDry(widths[1], ramp_samples(rate_hz), longest, wet=bool(plugins) and not bypass)
        self._ramp = ramp_samples(rate_hz)
        self.bypass = bypass
        self.faults = 0
        self._values = np.array(plugins[0].values()[:MOST_PARAMETERS] if plugins else [], np.float64)
        self._goals = self._values.copy()
        self._left = np.zeros(self._values.size, np.int64)
        self._moving = False

    @property
    def latency_samples(self) -> int:
        """What the plugin reported last."""
        return max((one.latency_samples for one in self._plugins), default=0)

    def values(self) -> list[float]:
        """Value of each parameter, or where it walks to."""
        return [float(goal) for goal in self._goals]

    def aim(self, goals: NDArray[np.float64]) -> None:
        """New goals for all parameters: numbers walk there, switches and choices jump with the next block."""
        if self._info is None:
            return
        for place in np.flatnonzero(goals[: self._goals.size] != self._goals):
            parameter = self._info.parameters[place]
            self._goals[place] = goals[place]
            self._left[place] = self._ramp if parameter.kind == "number" and not parameter.sudden else 1
            self._moving = True

    def process(self, sound: FloatArray, running: Callable[[bool], None]) -> FloatArray:
        """One block (width, frames) through this place; a view that is valid until the next call.

        running: told before foreign code runs, and after.
        """
        frames = sound.shape[1]
        wet: FloatArray | None = None
        if self._plugins and self.faults < MOST_FAULTS:
            wet = self._wet[:, :frames]
            running(True)
            self._run(sound, wet)
            if not _is_sound(wet):
                self.faults += 1
                for plugin in self._plugins:
                    plugin.reset()
                wet = None
            running(False)
        delayed = sound
        if self._delays:
            delayed = self._delayed[:, :frames]
            for channel, delay in enumerate(self._delays):
                delayed[channel] = delay.push(sound[channel])
        want_wet = not self.bypass
        if wet is not None and self._mix.passes(wet, want_wet=want_wet):
            return wet
        dry, out = self._dry[:, :frames], self._out[:, :frames]
        spread(delayed, dry)
        self._mix.mix(wet, dry, out, want_wet=want_wet)
        return out

    def _run(self, sound: FloatArray, wet: FloatArray) -> None:
        """Feed the plugin, or both, in pieces while a knob walks."""
        frames = sound.shape[1]
        feed = sound
        if self._feed is not None:
            feed = self._feed[:, :frames]
            if feed.shape[0] == 1:
                spread(sound, feed)
            else:
                feed[0], feed[1] = sound[0], sound[-1]  # what is beyond the first two stays silent
        made = wet if self._made is None else self._made[:, :frames]
        if not self._moving:
            self._run_plugins(feed, made)
        else:
            for begin in range(0, frames, _WALK_FRAMES):
                part = slice(begin, min(frames, begin + _WALK_FRAMES))
                self._walk(part.stop - begin)
                self._run_plugins(feed[:, part], made[:, part])
        if made is not wet:
            spread(made, wet)

    def _run_plugins(self, feed: FloatArray, made: FloatArray) -> None:
        if len(self._plugins) == 1:
            self._plugins[0].run(feed, made)
            return
        for side, plugin in enumerate(self._plugins):
            plugin.run(feed[side : side + 1], made[side : side + 1])

    def _walk(self, frames: int) -> None:
        for place in np.flatnonzero(self._left):
            left = int(self._left[place])
            count = min(frames, left)
            self._values[place] += (self._goals[place] - self._values[place]) * (count / left)
            self._left[place] = left - count
            value = float(self._goals[place] if left == count else self._values[place])
            for plugin in self._plugins:
                plugin.set_value(int(place), value)
        self._moving = bool(self._left.any())


def _is_sound(wet: FloatArray) -> bool:
    """Whether every sample is a number, and the power of the block too."""
    return math.isfinite(np.dot(wet[0], wet[0])) and (wet.shape[0] == 1 or math.isfinite(np.dot(wet[1], wet[1])))
