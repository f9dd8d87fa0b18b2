"""LV2 plugins through lilv: which there are, what their texts say of them, and their presets.

    world().uris()   world().info(uri)        reads .ttl files only; no code of a plugin is loaded
    realtime.plugins.lv2_instance                     loads and runs one

A `World` holds everything that lilv has read; it belongs to one thread at a
time and lives as long as its process, because plugins that were made from it point into it.
"""

from __future__ import annotations

import functools
import math
from ctypes import c_float
from dataclasses import dataclass
from typing import Final

from realtime.errors import PluginError
from realtime.plugins.lilv import each, library, taken, text
from realtime.plugins.plugin import Kind, Parameter, PluginInfo

LV2: Final = "http://lv2plug.in/ns/lv2core#"
ATOM: Final = "http://lv2plug.in/ns/ext/atom#"
BUF_SIZE: Final = "http://lv2plug.in/ns/ext/buf-size#"
OPTIONS: Final = "http://lv2plug.in/ns/ext/options#options"
URID: Final = "http://lv2plug.in/ns/ext/urid#"
WORKER: Final = "http://lv2plug.in/ns/ext/worker#"
_PROPS = "http://lv2plug.in/ns/ext/port-props#"
_UNITS = "http://lv2plug.in/ns/extensions/units#"
_PRESET = "http://lv2plug.in/ns/ext/presets#Preset"
_MINIMUM_SIZE = "http://lv2plug.in/ns/ext/resize-port#minimumSize"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_LICENCE = "http://usefulinc.com/ns/doap#license"

FEATURES: Final = frozenset({
    URID + "map", URID + "unmap", OPTIONS, BUF_SIZE + "boundedBlockLength", WORKER + "schedule",
    LV2 + "isLive", LV2 + "hardRTCapable", LV2 + "inPlaceBroken",
    "http://lv2plug.in/ns/ext/state#threadSafeRestore",
})  # fmt: skip
"""What a plugin may require of this host."""
_UNIT_SYMBOLS = {
    "bar": "bars", "beat": "beats", "bpm": "BPM", "cent": "cents", "cm": "cm", "coef": "", "db": "dB", "degree": "°",
    "frame": "frames", "hz": "Hz", "khz": "kHz", "m": "m", "mhz": "MHz", "midiNote": "MIDI note", "min": "min",
    "mm": "mm", "ms": "ms", "oct": "octaves", "pc": "%", "s": "s", "semitone12TET": "semitones",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Port:
    """One port of a plugin. `size`: bytes that an atom port needs."""

    index: int
    symbol: str
    type: str  # "audio", "control", "cv", "atom" or "unknown"
    is_input: bool
    optional: bool
    parameter: Parameter | None = None
    default: float = 0.0
    side_chain: bool = False
    size: int = 0


@functools.cache
def world() -> World:
    """This process's one world; the first call reads the texts of every installed plugin."""
    return World()


class World:
    """Everything that lilv found in the folders of LV2_PATH, or the system's own."""

    def __init__(self) -> None:
        """Read all texts. Raises `PluginError` when lilv is not installed."""
        self.lilv = library()
        self.pointer = self.lilv.lilv_world_new()
        self.lilv.lilv_world_load_all(self.pointer)
        self._plugins = self.lilv.lilv_world_get_all_plugins(self.pointer)
        self._nodes: dict[str, int] = {}

    def node(self, uri: str) -> int:
        """lilv's node of a URI; kept for good, because most are asked for again."""
        if uri not in self._nodes:
            self._nodes[uri] = self.lilv.lilv_new_uri(self.pointer, uri.encode())
        return self._nodes[uri]

    def uris(self) -> list[str]:
        """Every plugin found, sorted."""
        found = (self.lilv.lilv_plugin_get_uri(one) for one in each("plugins", self._plugins))
        return sorted(text(node) for node in found)

    def plugin(self, uri: str) -> int:
        """lilv's plugin. Raises `PluginError` when it is not installed."""
        found: int | None = None
        if ":" in uri:  # else it is no URI, and lilv would complain on stderr
            found = self.lilv.lilv_plugins_get_by_uri(self._plugins, self.node(uri))
        if not found:
            raise PluginError(
                f"The plugin {uri!r} is not installed: `retimbre plugins list` shows those that are "
                "(LV2 by its URI, VST3 by the path of its .vst3)."
            )
        return found

    def bundle(self, uri: str) -> str:
        """URI of the folder that holds a plugin."""
        return text(self.lilv.lilv_plugin_get_bundle_uri(self.plugin(uri)))

    def info(self, uri: str, rate_hz: int = 48000) -> PluginInfo:
        """The facts of a plugin; some ranges are parts of the sample rate. Raises `PluginError`."""
        plugin, lilv = self.plugin(uri), self.lilv
        ports = self.ports(uri, rate_hz)
        types = [one.removeprefix(LV2) for one in self._values(plugin, _TYPE) if one.startswith(LV2)]
        kinds = [one.removesuffix("Plugin") for one in types if one != "Plugin"]
        licences = self._values(plugin, _LICENCE)
        return PluginInfo(
            uri=uri,
            name=taken(lilv.lilv_plugin_get_name(plugin)) or uri,
            format="LV2",
            maker=taken(lilv.lilv_plugin_get_author_name(plugin)),
            category=", ".join(kinds),
            licence=", ".join(licences),
            inputs=sum(port.type == "audio" and port.is_input and not port.side_chain for port in ports),
            outputs=sum(port.type == "audio" and not port.is_input for port in ports),
            parameters=tuple(port.parameter for port in ports if port.parameter is not None),
            presets=tuple(self._presets(plugin)),
            problem=self._problem(uri, plugin, ports),
        )

    def ports(self, uri: str, rate_hz: int = 48000) -> list[Port]:
        """All ports of a plugin, in their order. Raises `PluginError`."""
        plugin = self.plugin(uri)
        count = self.lilv.lilv_plugin_get_num_ports(plugin)
        low, high, begin = ((c_float * max(1, count))() for _ in range(3))
        self.lilv.lilv_plugin_get_port_ranges_float(plugin, low, high, begin)
        return [self._port(plugin, index, (low[index], high[index], begin[index]), rate_hz) for index in range(count)]

    def latency_port(self, uri: str) -> int | None:
        """Index of the port that says the latency, if there is one."""
        plugin = self.plugin(uri)
        if not self.lilv.lilv_plugin_has_latency(plugin):
            return None
        return int(self.lilv.lilv_plugin_get_latency_port_index(plugin))

    def _port(self, plugin: int, index: int, ranges: tuple[float, float, float], rate_hz: int) -> Port:
        lilv = self.lilv
        port = lilv.lilv_plugin_get_port_by_index(plugin, index)

        def is_a(uri: str) -> bool:
            return bool(lilv.lilv_port_is_a(plugin, port, self.node(uri)))

        def has(uri: str) -> bool:
            return bool(lilv.lilv_port_has_property(plugin, port, self.node(uri)))

        def values(uri: str) -> list[str]:
            found = lilv.lilv_port_get_value(plugin, port, self.node(uri))
            return [text(one) for one in each("nodes", found, free=True)]

        symbol = text(lilv.lilv_port_get_symbol(plugin, port))
        types = {"AudioPort": "audio", "ControlPort": "control", "CVPort": "cv"}
        type_ = next((name for uri, name in types.items() if is_a(LV2 + uri)), "unknown")
        if type_ == "unknown" and is_a(ATOM + "AtomPort"):
            type_ = "atom"
        is_input, size, default = is_a(LV2 + "InputPort"), 0, 0.0
        if type_ == "atom":
            size = max([8192, *(int(float(one)) for one in values(_MINIMUM_SIZE))])
        parameter = None
        if type_ == "control" and is_input:
            toggled, whole, choice = has(LV2 + "toggled"), has(LV2 + "integer"), has(LV2 + "enumeration")
            scale = rate_hz if has(LV2 + "sampleRate") else 1
            low, high, default = (_short(scale * value) for value in ranges)
            low = 0.0 if math.isnan(low) else low
            high = max(low + 1.0, low) if math.isnan(high) else high
            default = (0.0 if low <= 0.0 <= high else low) if math.isnan(default) else default
            kind: Kind = "switch" if toggled else "choice" if choice else "whole" if whole else "number"
            designation = values(LV2 + "designation")
            if LV2 + "enabled" in designation:
                default = 1.0
            elif LV2 + "freeWheeling" not in designation:
                parameter = Parameter(
                    symbol=symbol,
                    name=taken(lilv.lilv_port_get_name(plugin, port)) or symbol,
                    minimum=low,
                    maximum=high,
                    default=min(max(default, low), high),
                    unit=self._unit(values(_UNITS + "unit")),
                    kind=kind,
                    choices=self._choices(plugin, port),
                    logarithmic=has(_PROPS + "logarithmic"),
                    sudden=has(_PROPS + "expensive") or has(_PROPS + "causesArtifacts") or has(_PROPS + "trigger"),
                )
        return Port(
            index=index,
            symbol=symbol,
            type=type_,
            is_input=is_input,
            optional=has(LV2 + "connectionOptional"),
            parameter=parameter,
            default=default,
            side_chain=has(LV2 + "isSideChain"),
            size=size,
        )

    def _choices(self, plugin: int, port: int) -> tuple[tuple[str, float], ...]:
        lilv = self.lilv
        points = lilv.lilv_port_get_scale_points(plugin, port)
        found = [
            (
                text(lilv.lilv_scale_point_get_label(one)),
                _short(lilv.lilv_node_as_float(lilv.lilv_scale_point_get_value(one))),
            )
            for one in each("scale_points", points, free=True)
        ]
        return tuple(sorted(found, key=lambda point: point[1]))

    def _unit(self, values: list[str]) -> str:
        known = [one.removeprefix(_UNITS) for one in values if one.startswith(_UNITS)]
        if known:
            return _UNIT_SYMBOLS.get(known[0], known[0])
        return ""

    def _presets(self, plugin: int) -> list[tuple[str, str]]:
        lilv, found = self.lilv, []
        for one in each("nodes", lilv.lilv_plugin_get_related(plugin, self.node(_PRESET)), free=True):
            lilv.lilv_world_load_resource(self.pointer, one)
            label = taken(lilv.lilv_world_get(self.pointer, one, self.node(_LABEL), None))
            uri = text(one)
            found.append((uri, label or uri))
        return sorted(found, key=lambda preset: preset[1])

    def _problem(self, uri: str, plugin: int, ports: list[Port]) -> str | None:
        name = taken(self.lilv.lilv_plugin_get_name(plugin)) or uri
        wanted = each("nodes", self.lilv.lilv_plugin_get_required_features(plugin), free=True)
        missing = [one for one in (text(node) for node in wanted) if one not in FEATURES]
        if missing:
            return f"The plugin {name} requires {', '.join(missing)}, which this host has not: choose another plugin."
        odd = [port.symbol for port in ports if port.type == "unknown" and not port.optional]
        if odd:
            return f"The plugin {name} has ports of an unknown kind ({', '.join(odd)}): choose another plugin."
        if not any(port.type == "audio" and not port.is_input for port in ports):
            return f"The plugin {name} makes no sound: choose one with an audio output."
        if not any(port.type == "audio" and port.is_input for port in ports):
            return f"The plugin {name} takes no sound (it is an instrument or a generator): choose an effect."
        return None

    def _values(self, plugin: int, predicate: str) -> list[str]:
        found = self.lilv.lilv_plugin_get_value(plugin, self.node(predicate))
        return [text(one) for one in each("nodes", found, free=True)]


def _short(value: float) -> float:
    """A 32-bit number as it was written: 0.6, not 0.6000000238."""
    return float(f"{value:.7g}")
