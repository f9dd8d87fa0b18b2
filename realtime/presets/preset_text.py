"""A preset as text that people read and edit: TOML without comments, in one order.

    model = "voice"          [controls] mix = 0.8         [[before]] uri = "…"          [midi] port = "Keystation"
    [stream] block = 64      [targets] violin = 0.7       [before.parameters] gain = 2  [source] kind = "pluck"

What is its default is not written. Nothing unknown is passed over in reading: a sentence names the file, the key and
what is known. preset_from_table(tomllib.loads(preset_to_text(preset))) = preset. Any thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from realtime.controls import RANGES, Controls
from realtime.errors import ConfigError
from realtime.messages import MidiSettings
from realtime.midi.midi_map import MidiMap
from realtime.midi.source import SourceSettings
from realtime.plain import to_plain
from realtime.plugins.spec import PluginSpec
from realtime.presets.file_name import shown
from realtime.presets.preset import NOT_MIDI, Preset, checked_weights, plain_fields
from realtime.presets.toml_file import only

FORMAT = 1
SECTIONS = ("format", "model", "stream", "controls", "targets", "before", "after", "midi", "source")
_TABLES = ("stream", "controls", "targets", "midi", "source")
_MAP = ("cc", "programs")
_T = TypeVar("_T")


def preset_from_table(name: str, table: Mapping[str, Any], path: Path | None = None) -> Preset:
    """A preset from what a file holds. Raises `ConfigError` with a sentence that names the file and the key."""
    where = f"The preset {path or name}"
    values = dict(table)
    only(values, SECTIONS, where)
    if values.get("format", FORMAT) != FORMAT or isinstance(values.get("format"), bool | float):
        raise ConfigError(
            f"{where} has format {shown(values['format'])}, but this program reads {FORMAT}: get a newer version of it."
        )
    if "model" not in values:
        raise ConfigError(f"{where} has no model, but it must name one: write model = 'voice' above the first section.")
    sections = {key: _table(values.get(key, {}), f"{where} [{key}]") for key in _TABLES}
    midi = sections["midi"]
    map_ = {key: midi.pop(key) for key in _MAP if key in midi}
    known = [*plain_fields(MidiSettings, NOT_MIDI), *_MAP]
    only(midi, known, f"{where} [midi]")
    return _within(
        where,
        lambda: Preset(
            name=name,
            model=values["model"],
            controls=_within(f"{where} [controls]", lambda: _controls(sections["controls"])),
            targets=_within(f"{where} [targets]", lambda: checked_weights(sections["targets"])),
            before=_plugins(values.get("before", []), f"{where} [[before]]"),
            after=_plugins(values.get("after", []), f"{where} [[after]]"),
            midi=_within(f"{where} [midi]", lambda: MidiMap.from_mapping(map_)),
            midi_input=midi,
            source=(
                _within(f"{where} [source]", lambda: SourceSettings.from_mapping(sections["source"]))
                if "source" in values
                else None
            ),
            stream=sections["stream"],
            path=path,
        ),
    )


def preset_to_text(preset: Preset) -> str:
    """The preset as TOML, in the order of `SECTIONS`, without what is default."""
    import tomli_w

    parts = [tomli_w.dumps({"format": FORMAT, "model": preset.model})]
    plain = Controls().to_mapping()
    sections: dict[str, Mapping[str, Any]] = {
        "stream": to_plain(preset.stream),
        "controls": {name: value for name, value in preset.controls.to_mapping().items() if value != plain[name]},
        "targets": preset.targets,
    }
    parts += [tomli_w.dumps({name: dict(section)}) for name, section in sections.items() if section]
    for name, specs in (("before", preset.before), ("after", preset.after)):
        for spec in specs:
            values = spec.to_mapping()
            parameters = values.pop("parameters", {})
            parts.append(f"[[{name}]]\n{tomli_w.dumps(values)}")
            if parameters:
                parts.append(f"[{name}.parameters]\n{tomli_w.dumps(parameters)}")
    midi = {**to_plain(preset.midi_input), **preset.midi.to_mapping()}
    if midi:
        parts.append(tomli_w.dumps({"midi": midi}))
    if preset.source is not None:
        parts.append(tomli_w.dumps({"source": preset.source.to_mapping()}))
    return "\n".join(parts)


def _within(where: str, make: Callable[[], _T]) -> _T:
    """What `make` gives; its refusal is told with the place in front, once."""
    try:
        return make()
    except ConfigError as error:
        sentence = str(error)
        if sentence.startswith("The preset "):
            raise
        raise ConfigError(f"{where}: {sentence}") from None
    except OverflowError:
        raise ConfigError(f"{where} holds a number that is too large: write a smaller one.") from None


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {shown(value)}, but it must be a table of keys and values.")
    return dict(value)


def _controls(values: Mapping[str, Any]) -> Controls:
    if "target" in values:
        raise ConfigError("There is a target among the controls, but targets go by name: write them under [targets].")
    whole = (name in RANGES and type(value) is int for name, value in values.items())
    return Controls.from_mapping(
        {name: float(value) if number else value for (name, value), number in zip(values.items(), whole, strict=True)}
    )


def _plugins(values: object, where: str) -> tuple[PluginSpec, ...]:
    if not isinstance(values, list):
        raise ConfigError(f"{where} is {shown(values)}, but it must be one table per plugin, each under {where[-10:]}.")
    return tuple(
        _within(f"{where} number {n}", functools.partial(PluginSpec.from_mapping, value))
        for n, value in enumerate(values, 1)
    )
