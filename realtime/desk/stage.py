"""What every stage of the strip has: the memory of its kernel, walks to new settings, and rest while it is off.

    off ──▶ share walks 0 → 1 over 20 ms ──▶ on ──▶ share walks 1 → 0 ──▶ idle: forgotten, costs nothing

A stage's sound is x + share·(f(x) − x), so that it comes and goes without a click and is x bit by bit while it is off.
The share is always at place 0 of the memory. The audio thread owns a stage and makes no memory here.
"""

from __future__ import annotations

import math

import numpy as np

from realtime.controls import ramp_samples
from realtime.desk.strip_kernel import CHANGE, GOAL, LEFT, VALUE, Memory


class Stage:
    """One stage; off at first."""

    def __init__(self, places: int, walks: tuple[int, ...], rate_hz: int) -> None:
        """places: size of the kernel's memory; walks: where in it walks begin."""
        self.memory: Memory = np.zeros(places)
        self.rate_hz = rate_hz
        self.idle = True
        """Off and settled: `process` would change nothing."""
        self._on = False
        self._walks = walks
        self._ramp = ramp_samples(rate_hz)

    def turn(self, *, on: bool, at_once: bool) -> None:
        """Bring the stage in or take it out."""
        self.walk(0, 1.0 if on else 0.0, at_once=at_once)
        self._on = on
        self.rest()

    def rest(self) -> None:
        """After a block: forget the sound once the stage has gone out."""
        idle = not self._on and self.memory[LEFT] == 0.0
        if idle and not self.idle:
            self.forget()
        self.idle = idle

    def forget(self) -> None:
        """Take the memory of sound away; settings stay. Each stage says what that is."""

    def reset(self) -> None:
        """Forget the sound and stand at the settings asked for."""
        for at in self._walks:
            self.memory[at + VALUE], self.memory[at + LEFT] = self.memory[at + GOAL], 0.0
        self.rest()
        self.forget()

    def walk(self, at: int, goal: float, *, at_once: bool) -> None:
        """Begin the walk at the places from `at`; the same goal again does nothing."""
        memory = self.memory
        if at_once:
            memory[at + VALUE] = memory[at + GOAL] = goal
            memory[at + LEFT] = 0.0
        elif memory[at + GOAL] != goal:
            memory[at + GOAL] = goal
            memory[at + CHANGE] = (goal - memory[at + VALUE]) / self._ramp
            memory[at + LEFT] = self._ramp

    def part(self, milliseconds: float) -> float:
        """One minus the pole of a first-order average with this time constant, per sample."""
        return -math.expm1(-1000.0 / (milliseconds * self.rate_hz))

    def samples(self, milliseconds: float) -> float:
        """A duration in whole samples, as kernels count them."""
        return float(max(1, round(self.rate_hz * milliseconds / 1000.0)))
