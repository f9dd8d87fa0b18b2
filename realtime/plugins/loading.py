"""From what a preset names to facts or to a plugin that runs, whichever format it has.

`find_uris` and, for LV2, `read_info` read texts only. `open_plugin` runs foreign code: call it on the main thread of a
process that may die (a rack's, a scan's). Nothing of a format is imported before it is asked for.
"""

from __future__ import annotations

from realtime.errors import PluginError
from realtime.plugins.plugin import HostedPlugin, PluginInfo, format_of
from realtime.plugins.spec import PluginSpec


def find_uris() -> tuple[list[str], list[str]]:
    """Every installed plugin, and a sentence for each format that cannot be had here."""
    from realtime.plugins.vst3 import available, uris

    found: list[str] = []
    said: list[str] = []
    try:
        from realtime.plugins.lv2 import world

        found += world().uris()
    except PluginError as error:
        said.append(str(error))
    if not available():
        said.append("VST3 plugins need pedalboard, which is not installed: pip install 'retimbre[plugins]'.")
    return found + uris(), said


def read_info(uri: str) -> PluginInfo:
    """The facts of a plugin. Raises `PluginError` when there is no such plugin, or nothing to run its format with.

    For LV2 this reads texts only; a VST3 or Audio Unit must be loaded to be asked: do it in a process of its own.
    """
    if format_of(uri) == "LV2":
        from realtime.plugins.lv2 import world

        return world().info(uri)
    from realtime.plugins.vst3 import read_info as read_vst3

    return read_vst3(uri)


def open_plugin(spec: PluginSpec, rate_hz: int, longest: int) -> HostedPlugin:
    """Load a plugin with its preset and parameters; `longest` is the most frames of a `run`. Raises `PluginError`.

    Call it on the main thread of a process that may die: foreign code runs here for the first time.
    """
    plugin: HostedPlugin
    if format_of(spec.uri) == "LV2":
        from realtime.plugins.lv2 import world
        from realtime.plugins.lv2_instance import Lv2Plugin

        plugin = Lv2Plugin(world(), spec.uri, rate_hz, longest, spec.preset)
    else:
        from realtime.plugins.vst3 import PedalboardPlugin

        plugin = PedalboardPlugin(spec.uri, rate_hz, longest, spec.preset)
    try:
        apply_parameters(plugin, spec)
    except PluginError:
        plugin.close()
        raise
    return plugin


def apply_parameters(plugin: HostedPlugin, spec: PluginSpec) -> None:
    """Set what the specification names, each value moved into its range. Raises `PluginError` for an unknown name."""
    for symbol, value in spec.parameters.items():
        place = plugin.info.parameter(symbol)
        plugin.set_value(place, plugin.info.parameters[place].fitted(value))
