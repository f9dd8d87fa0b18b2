"""VST3 and Audio Unit plugins, and a few effects of its own, through pedalboard (the optional extra `plugins`).

    PATH.vst3, PATH.component        a plugin by its file;  "PATH#NAME" where one file holds several
    pedalboard:Reverb                one of `BUILT_IN_RANGES`

pedalboard hides a plugin's latency by giving back fewer samples at the start; here they are put back as silence, so
that the delay is counted and constant, as a live host needs it. Its knobs go from 0 to 1, as VST3's do; those of its
own effects have units. Loading must be on the main thread, and a plugin must be loaded to be asked anything: do it in a
process that may die.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from realtime.errors import PluginError
from realtime.plugins.plugin import BUILT_IN, FloatArray, Parameter, PluginInfo, format_of

BUILT_IN_RANGES: Final[Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "Chorus": {
        "rate_hz": (0, 100), "depth": (0, 1), "centre_delay_ms": (1, 100), "feedback": (-1, 1), "mix": (0, 1)
    },
    "Compressor": {"threshold_db": (-80, 0), "ratio": (1, 50), "attack_ms": (0.1, 500), "release_ms": (1, 5000)},
    "Delay": {"delay_seconds": (0, 10), "feedback": (0, 1), "mix": (0, 1)},
    "Distortion": {"drive_db": (0, 60)},
    "Gain": {"gain_db": (-60, 40)},
    "HighpassFilter": {"cutoff_frequency_hz": (10, 20000)},
    "LowpassFilter": {"cutoff_frequency_hz": (10, 20000)},
    "Limiter": {"threshold_db": (-60, 0), "release_ms": (1, 5000)},
    "Phaser": {
        "rate_hz": (0, 100), "depth": (0, 1), "centre_frequency_hz": (20, 20000), "feedback": (-1, 1), "mix": (0, 1)
    },
    "Reverb": {"room_size": (0, 1), "damping": (0, 1), "wet_level": (0, 1), "dry_level": (0, 1), "width": (0, 1)},
}  # fmt: skip
"""Effects of pedalboard that make sense live, with the ranges that they check or that make sense."""
_UNITS = {"_hz": "Hz", "_db": "dB", "_ms": "ms", "_seconds": "s"}
_LONGEST_RUN = 8192
_SETTLING_FRAMES, _SETTLING_S = 512, 4.0


def available() -> bool:
    """Whether pedalboard is installed."""
    import importlib.util

    return importlib.util.find_spec("pedalboard") is not None


def uris() -> list[str]:
    """Every plugin file where the system keeps them, and the effects of pedalboard's own; none without pedalboard."""
    if not available():
        return []
    pedalboard = _pedalboard("")
    found = {str(path) for path in pedalboard.VST3Plugin.installed_plugins}
    audio_units = getattr(pedalboard, "AudioUnitPlugin", None)
    if audio_units is not None:
        found.update(str(path) for path in audio_units.installed_plugins)
    return sorted(found) + [BUILT_IN + name for name in BUILT_IN_RANGES]


def read_info(uri: str) -> PluginInfo:
    """The facts of a plugin, which is loaded for it. Raises `PluginError`."""
    plugin = PedalboardPlugin(uri, 48000, _SETTLING_FRAMES)
    plugin.close()
    return plugin.info


class PedalboardPlugin:
    """A `HostedPlugin` around any effect that pedalboard runs."""

    def __init__(self, uri: str, rate_hz: int, longest: int, preset: str | None = None) -> None:
        """preset: the path of a .vstpreset file. Raises `PluginError` when the plugin cannot be loaded."""
        self._effect, knobs = _load(uri)
        self._gets = [get for _, get, _ in knobs]
        self._sets = [set_ for _, _, set_ in knobs]
        self._rate_hz, self._longest = rate_hz, min(longest, _LONGEST_RUN)
        name = str(getattr(self._effect, "name", uri.removeprefix(BUILT_IN)))
        if preset is not None:
            _take_preset(self._effect, name, preset)
        channels, self.latency_samples = self._settle(name)
        self.info = PluginInfo(
            uri=uri,
            name=name,
            format=format_of(uri),
            maker=str(getattr(self._effect, "manufacturer_name", "Spotify")),
            category=str(getattr(self._effect, "category", "")),
            inputs=channels,
            outputs=channels,
            parameters=tuple(parameter for parameter, _, _ in knobs),
            problem=None
            if self._effect.is_effect
            else f"The plugin {name} takes no sound (it is an instrument): choose an effect.",
        )
        if self.info.problem is not None:
            raise PluginError(self.info.problem)
        self._pending: FloatArray = self._silence()

    def values(self) -> list[float]:
        """Value of each parameter."""
        return [get() for get in self._gets]

    def set_value(self, place: int, value: float) -> None:
        """Set one parameter, from the next `run` on."""
        self._sets[place](value)

    def run(self, inputs: FloatArray, outputs: FloatArray) -> None:
        """Process (info.inputs, frames) into (info.outputs, frames)."""
        frames = inputs.shape[1]
        for begin in range(0, frames, self._longest):
            end = min(frames, begin + self._longest)
            made = self._effect.process(inputs[:, begin:end], self._rate_hz, self._longest, False)
            self._pending = np.concatenate((self._pending, made), axis=1)
            outputs[:, begin:end] = self._pending[:, : end - begin]
            self._pending = self._pending[:, end - begin :]

    def reset(self) -> None:
        """Forget the sound so far."""
        self._effect.reset()
        self._pending = self._silence()

    def close(self) -> None:
        """Let it go: pedalboard frees it with its last reference."""
        self._effect = None

    def _silence(self) -> FloatArray:
        return np.zeros((self.info.inputs, self.latency_samples), np.float32)

    def _settle(self, name: str) -> tuple[int, int]:
        """How many channels it takes, two if it can, and how many samples it keeps back for good."""
        frames = min(_SETTLING_FRAMES, self._longest)
        problem = ""
        for channels in (2, 1):
            silence = np.zeros((channels, frames), np.float32)
            kept = 0
            try:
                for _ in range(int(_SETTLING_S * self._rate_hz / frames)):
                    given = self._effect.process(silence, self._rate_hz, self._longest, False).shape[1]
                    kept += frames - given
                    if given == frames:
                        break
                self._effect.reset()
            except (ValueError, RuntimeError) as error:
                problem = str(error)
                continue
            return channels, kept
        raise PluginError(f"The plugin {name} processes neither two channels nor one ({problem}): choose another.")


_Knob = tuple[Parameter, Callable[[], float], Callable[[float], None]]


def _load(uri: str) -> tuple[Any, list[_Knob]]:
    pedalboard = _pedalboard(uri)
    if uri.startswith(BUILT_IN):
        name = uri.removeprefix(BUILT_IN)
        if name not in BUILT_IN_RANGES:
            raise PluginError(f"pedalboard has no effect {name!r} for live use; it has {', '.join(BUILT_IN_RANGES)}.")
        effect = getattr(pedalboard, name)()
        return effect, [_own_knob(effect, symbol, *ends) for symbol, ends in BUILT_IN_RANGES[name].items()]
    file, _, name = uri.partition("#")
    path = Path(file).expanduser()
    if not path.exists():
        raise PluginError(f"The plugin {file} is not there: give the path of a .vst3 or .component that is.")
    try:
        effect = pedalboard.load_plugin(os.fspath(path), plugin_name=name or None)
    except (ImportError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise PluginError(
            f"The plugin {uri} could not be loaded ({said}): install it again, or leave it out."
        ) from None
    return effect, [_foreign_knob(symbol, one) for symbol, one in effect.parameters.items()]


def _own_knob(effect: Any, symbol: str, low: float, high: float) -> _Knob:
    unit = next((unit for ending, unit in _UNITS.items() if symbol.endswith(ending)), "")
    default = min(max(float(getattr(effect, symbol)), low), high)
    parameter = Parameter(symbol, symbol.replace("_", " "), float(low), float(high), default, unit)
    return parameter, lambda: float(getattr(effect, symbol)), lambda value: setattr(effect, symbol, value)


def _foreign_knob(symbol: str, knob: Any) -> _Knob:
    """A knob of a VST3 or Audio Unit by its raw value, 0 to 1: setting that neither searches nor makes texts."""
    is_switch = bool(knob.is_boolean)
    steps = int(knob.num_steps)
    choices: tuple[tuple[str, float], ...] = ()
    if bool(knob.is_discrete) and not is_switch and 2 <= steps <= 64:
        values = [step / (steps - 1) for step in range(steps)]
        choices = tuple((str(knob.get_text_for_raw_value(value)), value) for value in values)
    parameter = Parameter(
        symbol=symbol,
        name=str(knob.name),
        minimum=0.0,
        maximum=1.0,
        default=float(knob.default_raw_value),
        kind="switch" if is_switch else "choice" if choices else "number",
        choices=choices,
    )
    return parameter, lambda: float(knob.raw_value), lambda value: setattr(knob, "raw_value", value)


def _take_preset(effect: Any, name: str, preset: str) -> None:
    if not hasattr(effect, "load_preset"):
        raise PluginError(f"The plugin {name} has no presets: leave the preset out.")
    path = Path(preset).expanduser()
    if not path.is_file():
        raise PluginError(f"The preset {preset} of plugin {name} is not there: give the path of a .vstpreset file.")
    try:
        effect.load_preset(os.fspath(path))
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise PluginError(f"The preset {preset} does not fit the plugin {name} ({said}): leave it out.") from None


def _pedalboard(uri: str) -> Any:
    try:
        import pedalboard
    except ImportError:
        raise PluginError(
            f"The plugin {uri} needs pedalboard, which is not installed: pip install 'retimbre[plugins]'."
        ) from None
    return pedalboard
