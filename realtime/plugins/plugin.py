"""What a plugin is to its host, whichever format it has: facts to show, and a small protocol to run it by.

    LV2 (`lv2`, through lilv)           uri = "http://…" or "urn:…"
    VST3, Audio Unit (`vst3`, through   uri = the path of a .vst3 or .component, "PATH#NAME" where one file
      pedalboard, the extra `plugins`)  holds several; "pedalboard:Reverb" is one of pedalboard's own effects

The facts (`PluginInfo`) travel between processes. A `HostedPlugin` lives in a rack's or a scan's process only, because
its code is foreign: it may crash, hang, or give sounds that are no numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.errors import PluginError

FloatArray = NDArray[np.float32]
Kind = Literal["number", "whole", "switch", "choice"]

_FILES = {".vst3": "VST3", ".component": "AU"}
BUILT_IN = "pedalboard:"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One knob: its value lies from `minimum` to `maximum`, in the plugin's own unit.

    kind: a number moves smoothly; a whole number, a switch (0 or 1) and a choice (values with labels) jump.
    sudden: a number that jumps all the same, because the plugin says that each change is dear or heard.
    logarithmic: a slider moves by equal ratios.
    """

    symbol: str
    name: str
    minimum: float
    maximum: float
    default: float
    unit: str = ""
    kind: Kind = "number"
    choices: tuple[tuple[str, float], ...] = ()
    logarithmic: bool = False
    sudden: bool = False

    def fitted(self, value: float) -> float:
        """The value nearest to `value` that the knob can have."""
        value = min(max(float(value), self.minimum), self.maximum)
        if self.kind == "choice" and self.choices:
            return min((one for _, one in self.choices), key=lambda one: abs(one - value))
        if self.kind == "switch":
            return self.maximum if value >= (self.minimum + self.maximum) / 2 else self.minimum
        return float(round(value)) if self.kind == "whole" else value


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What can be said of a plugin without running it.

    inputs, outputs: audio channels. problem: a sentence, when this host cannot run it in a chain.
    presets: URI and label of each.
    """

    uri: str
    name: str
    format: str
    maker: str = ""
    category: str = ""
    licence: str = ""
    inputs: int = 0
    outputs: int = 0
    parameters: tuple[Parameter, ...] = ()
    presets: tuple[tuple[str, str], ...] = ()
    problem: str | None = None

    def parameter(self, symbol: str) -> int:
        """Place of a parameter among `parameters`. Raises `PluginError` when there is none of that symbol."""
        for place, one in enumerate(self.parameters):
            if one.symbol == symbol:
                return place
        known = ", ".join(one.symbol for one in self.parameters) or "none"
        raise PluginError(f"The plugin {self.name} has no parameter {symbol!r}; its parameters are {known}.")

    def preset(self, wanted: str) -> str:
        """URI of a preset, from its URI or label. Raises `PluginError` when there is none."""
        for uri, label in self.presets:
            if wanted in (uri, label):
                return uri
        known = ", ".join(repr(label) for _, label in self.presets) or "none"
        raise PluginError(f"The plugin {self.name} has no preset {wanted!r}; its presets are {known}.")


class HostedPlugin(Protocol):
    """A plugin ready to run; one thread at a time."""

    info: PluginInfo
    latency_samples: int
    """What it reported last; `run` brings it up to date."""

    def values(self) -> list[float]:
        """Value of each parameter, in the order of `info.parameters`."""
        ...

    def set_value(self, place: int, value: float) -> None:
        """Set one parameter, from the next `run` on."""
        ...

    def run(self, inputs: FloatArray, outputs: FloatArray) -> None:
        """Process (info.inputs, frames) into (info.outputs, frames)."""
        ...

    def reset(self) -> None:
        """Forget the sound so far."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


def format_of(uri: str) -> str:
    """Name of the format that `uri` means."""
    if uri.startswith(BUILT_IN):
        return "pedalboard"
    return _FILES.get(Path(uri.partition("#")[0]).suffix.lower(), "LV2")
