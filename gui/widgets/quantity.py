"""How a number with a unit is written, read back, and stepped through. Pure; any thread.

Quantity(-60, 40, 0, "dB").text(-6)        "−6.0 dB"        .read("-6 db")  −6.0
Quantity(0, 1, 1).text(0.5)                "50 %"           .read("75")     0.75
Quantity(0, 1000, 0, "Hz", off=0).text(0)  "Off"            .read("1.2k")   1000 (its end)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*(k?)\s*([^\d\s].*)?")
_STEPS = {"dB": (0.5, 3.0), "semitones": (1.0, 12.0), "cents": (1.0, 100.0)}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A range of numbers with a unit.

    step: what one arrow key moves; None: fitting to unit and range. off: the value that is written "Off".
    A range of 0 to 1 without unit is written and read in percent. A fine step is a tenth of a step.
    """

    low: float
    high: float
    default: float
    unit: str = ""
    step: float | None = None
    off: float | None = None

    @property
    def percent(self) -> bool:
        """Whether it is written in percent."""
        return not self.unit and (self.low, self.high) == (0.0, 1.0)

    @property
    def coarse(self) -> float:
        """What an arrow key moves."""
        if self.step is not None:
            return self.step
        if self.unit in _STEPS:
            return _STEPS[self.unit][0]
        return 10.0 ** math.floor(math.log10((self.high - self.low) / 50.0))

    @property
    def fine(self) -> float:
        """What an arrow key moves with Shift."""
        return self.coarse / (5.0 if self.unit == "dB" and self.step is None else 10.0)

    @property
    def page(self) -> float:
        """What Page Up moves."""
        return _STEPS[self.unit][1] if self.unit in _STEPS and self.step is None else 10.0 * self.coarse

    def clamped(self, value: float) -> float:
        """The nearest value there is; what is not a number becomes the default."""
        return min(max(value, self.low), self.high) if math.isfinite(value) else self.default

    def stepped(self, value: float, by: float) -> float:
        """`value` moved by `by`, onto the grid of fine steps, so that no rest of floats adds up."""
        return self.clamped(round((value + by) / self.fine) * self.fine)

    def text(self, value: float) -> str:
        """The value as it is shown, with a true minus sign, and a plus where both signs are possible."""
        if self.off is not None and math.isclose(value, self.off, abs_tol=1e-9):
            return "Off"
        shown = value * 100.0 if self.percent else value
        decimals = self._decimals(shown)
        shown = round(shown, decimals) + 0.0  # no minus before a zero
        sign = "+" if self.low < 0 < self.high else "-"
        written = f"{shown:{sign}.{decimals}f}" if shown else f"{0:.{decimals}f}"
        unit = "%" if self.percent else self.unit
        return f"{written.replace('-', '−')} {unit}".rstrip()

    def read(self, text: str) -> float | None:
        """The number that was typed, brought into the range; None when it is none."""
        plain = text.strip().replace("−", "-").replace(",", ".").lower()
        if self.off is not None and plain == "off":
            return self.off
        found = _NUMBER.fullmatch(plain)
        if found is None or not self._fits(found[3]):
            return None
        value = float(found[1]) * (1000.0 if found[2] else 1.0)
        return self.clamped(value / 100.0 if self.percent else value)

    def _fits(self, unit: str | None) -> bool:
        told = (unit or "").strip()
        return not told or ("%" if self.percent else self.unit.lower()).startswith(told)

    def _decimals(self, shown: float) -> int:
        if self.percent:
            return 0 if math.isclose(shown, round(shown), abs_tol=0.05) else 1
        counted = not self.unit and self.step is not None and self.step % 1 == 0
        least = 0 if counted or self.unit in {"Hz", "ms", "semitones", "cents"} else 1
        fitting = max(least, math.ceil(-math.log10(self.coarse) - 1e-9))
        exact = math.isclose(shown, round(shown, fitting), abs_tol=self.fine / 2)
        return fitting if exact else fitting + 1
