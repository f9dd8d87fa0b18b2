"""A preset as a value: everything of one sound, checked when made, ready to be opened.

    model, controls, targets by name, plugins before and after, MIDI map and input, source, stream ─▶ StreamSettings

What is not said has its default, or is for the command line to say. Targets go by name, so that a preset survives a new
order of them in the package; relative paths count from the folder of the preset's file. Any thread. As text:
`realtime.presets.preset_text`; files: `realtime.presets.library`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from realtime.controls import Controls
from realtime.errors import ConfigError, RetimbreError
from realtime.messages import MidiSettings, StreamSettings
from realtime.midi.midi_map import MidiMap
from realtime.midi.source import SourceSettings
from realtime.plain import from_plain, to_plain
from realtime.plugins.spec import PluginSpec
from realtime.presets.file_name import checked_name, shown
from realtime.presets.toml_file import only

# Fields of StreamSettings that a preset says elsewhere, or never; the rest is the section [stream].
NOT_STREAM = ("model", "controls", "before", "after", "midi", "record", "file", "muted")
# Fields of MidiSettings that a preset says elsewhere; the rest is in [midi], with the bindings of the map.
NOT_MIDI = ("map", "source")
_SOUNDING = ("mixed",)  # of MidiSettings: a matter of the sound, not of where MIDI comes from
_PLUGIN_FILES = (".vst3", ".component")


@dataclass(frozen=True, slots=True)
class Preset:
    """One sound, by name.

    controls: all but the target. targets: weight by the target's name; empty: the model's first. midi: what controllers
    and program numbers do. midi_input: where MIDI comes from, fields of `MidiSettings` by name; stream: fields of
    `StreamSettings` by name; what is not in them is for the command line to say, or default. path: the file it is from.
    """

    name: str
    model: str
    controls: Controls = field(default_factory=Controls)
    targets: Mapping[str, float] = field(default_factory=dict, hash=False)
    before: tuple[PluginSpec, ...] = ()
    after: tuple[PluginSpec, ...] = ()
    midi: MidiMap = field(default_factory=MidiMap)
    midi_input: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: SourceSettings | None = None
    stream: Mapping[str, Any] = field(default_factory=dict, hash=False)
    path: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "preset")
        if not _is_text(self.model):
            raise ConfigError(
                f"The model is {shown(self.model)}, but it must be the name or folder of a model package."
            )
        if self.controls.target is not None:
            raise ConfigError("The controls of a preset hold a target, but a preset names its targets: use targets.")
        object.__setattr__(self, "targets", checked_weights(self.targets))
        stream = _checked_fields(StreamSettings, NOT_STREAM, self.stream, "[stream]")
        StreamSettings(self.model, **stream)  # refuses what is out of range
        object.__setattr__(self, "stream", stream)
        midi = _checked_fields(MidiSettings, NOT_MIDI, self.midi_input, "[midi]")
        if _names_an_input(midi):
            MidiSettings(**midi)
        object.__setattr__(self, "midi_input", midi)

    @staticmethod
    def of(name: str, settings: StreamSettings, target_names: Sequence[str]) -> Preset:
        """What is set now, as a preset; `target_names` in the order of the model's package. A recording is left out."""
        weights = settings.controls.target
        midi = settings.midi
        return Preset(
            name=name,
            model=settings.model,
            controls=replace(settings.controls, target=None),
            targets={} if weights is None else {n: w for n, w in zip(target_names, weights, strict=True) if w > 0},
            before=settings.before,
            after=settings.after,
            midi=MidiMap() if midi is None else midi.map,
            midi_input={} if midi is None else _said(midi, NOT_MIDI),
            source=None if midi is None else midi.source,
            stream=_said(settings, NOT_STREAM),
        )

    def controls_for(self, target_names: Sequence[str]) -> Controls:
        """The controls, with weights in the order of a package's targets. Raises `ConfigError` for an unknown one."""
        for name in self.targets:
            if name not in target_names:
                known = f"known are {', '.join(target_names)}" if target_names else "it has none"
                raise ConfigError(f"{self.where} [targets] names {shown(name)}, which {self.model} has not: {known}.")
        if not self.targets:
            return self.controls
        return replace(self.controls, target=tuple(self.targets.get(name, 0.0) for name in target_names))

    def settings(self, target_names: Sequence[str], midi: MidiSettings | None = None) -> StreamSettings:
        """What to open. midi: where MIDI comes from instead of the preset's own input; all else of it is the preset's.

        Without `midi` and without an input in the preset there is no MIDI. Raises `ConfigError`.
        """
        controls = self.controls_for(target_names)
        inputs = self._rooted_midi()
        if midi is not None:
            own = {key: value for key, value in inputs.items() if key in _SOUNDING}
            inputs = {key: value for key, value in _said(midi, NOT_MIDI).items() if key not in _SOUNDING} | own
        source = self.source
        if source is not None and source.soundfont is not None:
            source = replace(source, soundfont=self._rooted(source.soundfont))
        return StreamSettings(
            model=self._rooted_model(),
            controls=controls,
            before=tuple(self._rooted_plugin(spec) for spec in self.before),
            after=tuple(self._rooted_plugin(spec) for spec in self.after),
            midi=MidiSettings(**inputs, source=source, map=self.midi) if _names_an_input(inputs) else None,
            **self.stream,
        )

    def resolved(self, midi: MidiSettings | None = None) -> StreamSettings:
        """What to open, as `settings`, with the model looked up for its targets. Raises `RetimbreError`."""
        from realtime.package import resolve

        try:
            package = resolve(self._rooted_model())
        except RetimbreError as error:
            raise type(error)(f"{self.where} cannot play: {error}") from None
        return self.settings([target.name for target in package.manifest.targets], midi)

    @property
    def where(self) -> str:
        """How a sentence about it begins."""
        return f"The preset {self.path or self.name}"

    def files(self) -> dict[str, Path]:
        """The files that it needs beside the model, by the place that names them."""
        found = {
            f"plugin {spec.uri}": self._rooted(spec.uri)
            for spec in (*self.before, *self.after)
            if spec.uri.endswith(_PLUGIN_FILES)
        }
        if self.source is not None and self.source.soundfont is not None:
            found["[source] soundfont"] = self._rooted(self.source.soundfont)
        if self.midi_input.get("file") is not None:
            found["[midi] file"] = self._rooted(self.midi_input["file"])
        return found

    def _rooted(self, path: str | Path) -> Path:
        """A path that counts from the preset's folder; ~ is the user's own."""
        wide = os.path.expanduser(path)  # noqa: PTH111  # Path.expanduser raises where there is no such user
        return Path(wide) if self.path is None else self.path.parent / wide

    def _rooted_model(self) -> str:
        is_path = any(mark and mark in self.model for mark in (os.sep, os.altsep)) or self.model.endswith(".nam")
        return str(self._rooted(self.model)) if is_path else self.model

    def _rooted_plugin(self, spec: PluginSpec) -> PluginSpec:
        return replace(spec, uri=str(self._rooted(spec.uri))) if spec.uri.endswith(_PLUGIN_FILES) else spec

    def _rooted_midi(self) -> dict[str, Any]:
        file = self.midi_input.get("file")
        return {**self.midi_input, **({} if file is None else {"file": self._rooted(file)})}


def checked_weights(weights: Mapping[Any, Any]) -> dict[str, float]:
    """Weights by name as numbers of 0 or more, of which one is above 0; none are fine. Raises `ConfigError`."""
    found: dict[str, float] = {}
    for name, weight in weights.items():
        if not _is_text(name):
            raise ConfigError(f"A target is named {shown(name)}, but a name must be text.")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ConfigError(f"The weight of target {name} is {shown(weight)}, but it must be a number of 0 or more.")
        found[name] = float(weight)
    if found and not 0 < sum(found.values()) < math.inf:
        raise ConfigError("The weights of the targets have no sum that can be scaled to 1: raise one of them above 0.")
    return found


@functools.cache
def plain_fields(kind: type, elsewhere: tuple[str, ...]) -> dict[str, Any]:
    """Types by name of the fields of `kind` that a section of the same file holds."""
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind) if one.name not in elsewhere}


def _checked_fields(kind: type, elsewhere: tuple[str, ...], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = plain_fields(kind, elsewhere)
    only(dict(values), list(known), where)
    said = {key: value for key, value in values.items() if value is not None}
    return {key: from_plain(known[key], to_plain(value), f"{where} {key}") for key, value in said.items()}


def _said(value: Any, elsewhere: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are not as they would be by themselves."""
    return {
        one.name: getattr(value, one.name)
        for one in dataclasses.fields(value)
        if one.name not in elsewhere and getattr(value, one.name) != one.default
    }


def _names_an_input(midi: Mapping[str, Any]) -> bool:
    return any(midi.get(name) not in (None, False) for name in ("port", "virtual", "file", "keyboard"))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
