"""The signal path of one package: one step of samples in, one step out. The engine and file conversion run the same.

    in ─▶ input gain ─┬─▶ x ─▶ session ─▶ y ─▶ samples ─▶ level ─▶ × mix ──────┬─▶ output gain ─▶ out
                      └─▶ delay of exactly latency_samples ────▶ × (1 − mix) ──┘

Mix, gains, level and target weights walk to new values over 20 ms. An output that is not finite, or absurdly loud, or a
session that fails, is a fault: the sound crosses over to the dry signal within 10 ms, the states start from zero, the
fault is counted, and the model comes back after a rest. The sound never stops because of a model.

A chain belongs to one thread. Only `set_controls` may be called from another: it hands over one immutable value.
`process` makes no lasting memory.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Controls, Smoother, db_to_gain, ramp_samples
from realtime.errors import ConfigError
from realtime.latency import chain_latency_samples
from realtime.model_io import model_input, model_output
from realtime.ring import DelayLine
from realtime.session import Session

if TYPE_CHECKING:
    from realtime.model_io import ModelOutput
    from realtime.package import Package

FloatArray = NDArray[np.float32]

FAULT_FADE_MS = 10.0
FAULT_REST_MS = 100.0
FALL_MS = 2.0
LOUDEST = 100.0  # RMS of one step, full scale being 1: beyond it a model has lost its mind, and ears are at risk
_BLEND_STEPS = 4  # a blend walks in at least this many steps, however long they are


class Chain:
    """One package, its state and its controls."""

    def __init__(
        self,
        package: Package,
        controls: Controls | None = None,
        *,
        provider: Literal["auto", "cpu", "cuda"] = "auto",
        output: ModelOutput | None = None,
    ) -> None:
        """output: what takes the model's `y` instead of the package's own (a phase for whole files).

        Raises `ConfigError` for weights that do not fit the targets, `PackageError` for an unplayable package.
        """
        manifest = package.manifest
        self.package = package
        self.manifest = manifest
        self.sample_rate = manifest.sample_rate
        self.step_samples = step = manifest.step_samples
        self.latency_samples = chain_latency_samples(manifest)
        self.faults = 0
        """Steps whose model output had to be replaced by the dry signal."""
        self.input_faults = 0
        """Steps whose input held values that were not finite."""
        self.last_fault: str | None = None
        """What the newest fault was, for a log."""
        self.session = Session(package, provider)
        """What runs the model; only its own thread may."""
        self._input = model_input(manifest)
        self._output = model_output(manifest) if output is None else output
        self._dry = DelayLine(self.latency_samples, step)
        self._heard = np.zeros(step, np.float32)
        self._wet = np.zeros(step, np.float32)
        self._share = np.zeros(step, np.float32)
        ramp = ramp_samples(manifest.sample_rate)
        self._input_gain = Smoother(1.0, ramp, step)
        self._output_gain = Smoother(1.0, ramp, step)
        self._mix = Smoother(1.0, ramp, step)
        self._level = Smoother(1.0, ramp, step)
        self._trust = Smoother(1.0, ramp_samples(manifest.sample_rate, FAULT_FADE_MS), step)
        # A model that starts anew says nothing sensible before its latency has passed.
        rest = max(manifest.sample_rate * FAULT_REST_MS / 1000.0, 2 * self.latency_samples)
        self._rest_steps = math.ceil(rest / step)
        # Where the model's sound breaks off, its last sample falls to nothing instead, within a few milliseconds.
        fall_samples = manifest.sample_rate * FALL_MS / 1000.0
        self._fall = np.exp(-np.arange(1, step + 1) / fall_samples).astype(np.float32)
        self._last = 0.0
        self._resting = 0
        self._blend = _Blend(len(manifest.targets), max(_BLEND_STEPS, math.ceil(ramp / step)), self.session.target)
        self._asked = self._controls = self._checked(controls or Controls())
        self._adopt(self._controls, at_once=True)

    @property
    def provider(self) -> str:
        """What runs the model: "cpu" or "cuda"."""
        return self.session.provider

    @property
    def controls(self) -> Controls:
        """The controls asked for last."""
        return self._asked

    def set_controls(self, controls: Controls) -> None:
        """Use `controls` from the next step on. Any thread. Raises `ConfigError` when they do not fit the package."""
        self._asked = self._checked(controls)

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """One step: `block` (step_samples,) in, `out` (step_samples,) filled; they may be the same memory."""
        if self._asked is not self._controls:
            self._controls = self._asked
            self._adopt(self._controls)
        step = self.step_samples
        heard, wet = self._heard, self._wet
        if self._input_gain.is_one:
            heard[:] = block
        else:
            np.multiply(block, self._input_gain.fill(step), out=heard)
        if not math.isfinite(np.vdot(heard, heard)):
            self._clean(heard)
        self._blend.advance()
        self._input.feed(heard, self.session.x)
        dry = self._dry.push(heard)
        self._render(wet)
        if not self._level.is_one:
            np.multiply(wet, self._level.fill(step), out=wet)
        if not (self._mix.is_one and self._trust.is_one):
            share = self._mix.fill(step)
            if not self._trust.is_one:
                share = np.multiply(share, self._trust.fill(step), out=self._share)
            # dry·(1 − share) + wet·share, kept as two products so that 0 and 1 give either signal bit by bit.
            np.multiply(wet, share, out=wet)
            np.subtract(1.0, share, out=self._share)
            np.multiply(dry, self._share, out=heard)
            np.add(wet, heard, out=wet)
        if self._output_gain.is_one:
            out[:] = wet
        else:
            np.multiply(wet, self._output_gain.fill(step), out=out)

    def reset(self) -> None:
        """Forget the sound so far and stand at the controls asked for; faults stay counted."""
        self.session.reset()
        self._input.reset()
        self._output.reset()
        self._dry.reset()
        self._resting, self._last = 0, 0.0
        self._trust.jump(1.0)
        self._controls = self._asked
        self._adopt(self._controls, at_once=True)

    def _render(self, wet: FloatArray) -> None:
        """The model's step into `wet`, or a fade where the model fails."""
        fault = None
        falling = self._resting > 0 and not self._trust.settled
        try:
            self.session.run()
            y = self.session.y
            power = float(np.vdot(y, y))
            if math.isfinite(power):
                self._output.give(y, self._input.spectra, wet)
                power = float(np.vdot(wet, wet))
            if not power <= LOUDEST**2 * wet.size:
                fault = "the model's output is too loud" if math.isfinite(power) else "the model's output is not finite"
        except Exception as error:  # noqa: BLE001  (whatever a session dies of, the sound goes on, dry)
            fault = f"the model failed: {error}"
        if fault is not None:
            self.faults += 1
            self.last_fault = fault
            self._resting = self._rest_steps
            self._trust.to(0.0)
            with contextlib.suppress(Exception):  # a session lost with its card cannot even be reset
                self.session.reset()
            self._output.reset()
        elif self._resting:
            self._resting -= 1
        elif self._trust.goal != 1.0:
            self._trust.to(1.0)
        if fault is not None or falling:
            np.multiply(self._fall, self._last, out=wet)
        self._last = float(wet[-1])

    def _clean(self, heard: FloatArray) -> None:
        self.input_faults += 1
        np.nan_to_num(heard, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(heard, -LOUDEST, LOUDEST, out=heard)

    def _checked(self, controls: Controls) -> Controls:
        names = [target.name for target in self.manifest.targets]
        if controls.target is not None and len(controls.target) != len(names):
            raise ConfigError(
                f"There are {len(controls.target)} target weights, but the package '{self.manifest.name}' has "
                f"{len(names)} targets ({', '.join(names) or 'none'}); give one weight for each."
            )
        return controls

    def _adopt(self, controls: Controls, *, at_once: bool = False) -> None:
        goals = (
            (self._input_gain, 1.0 if controls.bypass else db_to_gain(controls.input_gain_db)),
            (self._output_gain, 1.0 if controls.bypass else db_to_gain(controls.output_gain_db)),
            (self._mix, 0.0 if controls.bypass else controls.mix),
            (self._level, self._level_gain(controls)),
        )
        for smoother, goal in goals:
            if at_once:
                smoother.jump(goal)
            else:
                smoother.to(goal)
        weights = controls.target or tuple(float(index == 0) for index in range(len(self.manifest.targets)))
        self._blend.to(weights, at_once=at_once)
        self._input.adopt(controls, weights)

    def _level_gain(self, controls: Controls) -> float:
        if self.manifest.level_db is None:
            return 1.0
        return db_to_gain(controls.player_level_db - self.manifest.level_db)


class _Blend:
    """Target weights that walk in straight lines, one move per step, in the session's own `target` array."""

    def __init__(self, targets: int, steps: int, bound: FloatArray | None) -> None:
        self._bound = bound
        self._goal = np.zeros(targets, np.float32)
        self._start = np.zeros(targets, np.float32)
        self._walk = np.zeros(targets, np.float32)
        self._steps, self._walked = steps, steps

    def to(self, weights: tuple[float, ...], *, at_once: bool) -> None:
        if self._bound is None:
            return
        self._start[:] = self._bound[0]
        self._goal[:] = weights
        self._walked = 0
        if at_once:
            self._walked = self._steps
            self._bound[0] = self._goal

    def advance(self) -> None:
        if self._bound is None or self._walked >= self._steps:
            return
        self._walked += 1
        np.subtract(self._goal, self._start, out=self._walk)
        np.multiply(self._walk, self._walked / self._steps, out=self._walk)
        np.add(self._walk, self._start, out=self._bound[0])
        if self._walked == self._steps:
            self._bound[0] = self._goal
