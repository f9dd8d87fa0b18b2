"""What a preset says of one plugin in the chain: which one, with which knobs, by-passed or not.

    uri = "http://drobilla.net/plugins/mda/Delay"      an LV2 plugin by its URI, or the path of a .vst3 or .component
    preset = "…"                                       optional: the settings to begin from
    parameters = { fx_mix = 0.3 }                      by the symbols that `retimbre plugins show URI` lists

A value, made and checked on any thread; it knows no plugin, so a specification of one that is not installed here can be
read, kept and written again. Whether the plugin exists and has such parameters is found when a `Rack` loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from realtime.errors import ConfigError

_LARGEST = 3.4e38  # plugins take 32-bit numbers


@dataclass(frozen=True, slots=True)
class PluginSpec:
    """One plugin of a chain.

    uri: an LV2 URI, or the path of a VST3 (.vst3) or Audio Unit (.component).
    parameters: value by symbol, in the plugin's own units; what is not named keeps the preset's or its default value.
    preset: the URI or the label of one of the plugin's presets.
    bypass: it runs, but its input, delayed by its latency, is heard in its place.
    """

    uri: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    preset: str | None = None
    bypass: bool = False

    def __post_init__(self) -> None:
        if not _is_name(self.uri):
            raise ConfigError(f"The plugin's uri is {self.uri!r}, but it must be an LV2 URI or the path of a plugin.")
        if self.preset is not None and not isinstance(self.preset, str):
            raise ConfigError(f"The preset of plugin {self.uri} is {self.preset!r}, but it must be a name or left out.")
        if not isinstance(self.bypass, bool):
            raise ConfigError(f"The bypass of plugin {self.uri} is {self.bypass!r}, but it must be true or false.")
        if not isinstance(self.parameters, Mapping):
            raise ConfigError(
                f"The parameters of plugin {self.uri} are {self.parameters!r}, but they must be values by name."
            )
        values = {name: _number(self.uri, name, value) for name, value in self.parameters.items()}
        object.__setattr__(self, "parameters", MappingProxyType(values))

    def __hash__(self) -> int:
        return hash((self.uri, tuple(sorted(self.parameters.items())), self.preset, self.bypass))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy cannot be pickled; a host sends specifications to the engine and the engine to the rack.
        return PluginSpec, (self.uri, dict(self.parameters), self.preset, self.bypass)

    def with_parameter(self, name: str, value: float) -> PluginSpec:
        """A copy with one parameter set."""
        return replace(self, parameters={**self.parameters, name: value})

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> PluginSpec:
        """A specification from plain values (JSON, TOML). Raises `ConfigError` for an unknown key or a wrong value."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"A plugin is {values!r}, but it must be keys and values with at least a uri.")
        known = [one.name for one in fields(PluginSpec)]
        for key in values:
            if key not in known:
                raise ConfigError(f"A plugin has no key {key!r}; the keys are {', '.join(known)}.")
        if "uri" not in values:
            raise ConfigError(f"A plugin has no uri, only {', '.join(values) or 'nothing'}: say which plugin it is.")
        return PluginSpec(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` reads back; what is as it would be by itself is left out."""
        mapping: dict[str, Any] = {"uri": self.uri}
        if self.preset is not None:
            mapping["preset"] = self.preset
        if self.bypass:
            mapping["bypass"] = True
        if self.parameters:
            mapping["parameters"] = dict(self.parameters)
        return mapping


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _number(uri: str, name: object, value: object) -> float:
    if not _is_name(name):
        raise ConfigError(f"A parameter of plugin {uri} is named {name!r}, but a name must be text.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise ConfigError(f"The parameter {name} of plugin {uri} is {value!r}, but it must be a finite number.")
    return float(value)
