"""What the musician wants, kept true while devices, servers and engines come and go.

    command line, app, OSC ──▶ LiveSession ──▶ Host ══▶ engine process
                                  │  remembers stream, model, controls, plugins, MIDI, mute and recording
                                  └─ tick: engine killed, server dead, device gone? say so, wait, open again as it was

A device that vanished is asked for by its name again; when it stays away, the system's default takes its place. A
recording goes on in a new file beside the first. Over 300 lines because every wish that a player can have is a method
here, remembered before it is passed on. Every method belongs to one thread, which calls `tick` ten times a
second or more often; opening again blocks it for as long as opening takes.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realtime.controls import Controls
from realtime.errors import DeviceError, EngineError, RetimbreError
from realtime.host import Host
from realtime.messages import (
    Event,
    MidiSettings,
    PluginChange,
    Plugins,
    Recording,
    Running,
    Side,
    StreamSettings,
)
from realtime.meters import Incident, Snapshot
from realtime.plugins.spec import PluginSpec
from realtime.presets.library import resolve_preset, write_preset
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist
from realtime.remote.session import RemoteState

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.3, 2.0
_DEFAULT_AFTER_S = 10.0
_KILL_S = 0.5
_MOST_INCIDENTS = 100_000


class LiveSession:
    """One live stream that outlives its engine."""

    def __init__(self, setlist: Setlist | None = None) -> None:
        """setlist: presets to step through."""
        self.host = Host()
        self.incidents: deque[Incident] = deque(maxlen=_MOST_INCIDENTS)
        self.running: Running | None = None
        self.settings: StreamSettings | None = None
        """What is wanted: devices, model, controls, plugins, MIDI."""
        self._setlist, self._position = setlist, 0
        self._preset = ""
        self._targets: tuple[str, ...] = ()
        self._muted = False
        self._recording: Recording | None = None
        self._lost_s: float | None = None
        self._next_try_s = 0.0
        self._wait_s = _FIRST_WAIT_S
        self._obstacle = ""
        self._before: dict[str, StreamSettings] = {}  # what was wanted before a change that is under way, by its kind
        self._events: list[Event] = []
        self.restarts = 0
        """How often the stream was opened again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def waiting(self) -> bool:
        """Whether the stream was lost and is not yet open again."""
        return self._lost_s is not None

    def open(self, settings: StreamSettings, preset: str = "") -> Running:
        """Let sound run; replaces what plays. Raises `RetimbreError`."""
        settings = replace(settings, midi=self._with_programs(settings.midi))
        running = self.host.open(settings)
        self.settings, self._preset = settings, preset
        if self._setlist is not None and preset in self._setlist.presets:
            self._position = self._setlist.place_of(preset)
        self._recording = None if settings.record is None else Recording(settings.record, settings.recorded)
        self._adopt(running)
        self._muted = running.muted
        self._lost_s = None
        return running

    def close(self) -> str | None:
        """End everything; a sentence about the recording that ended, if there is one to say."""
        problem = None
        if self._recording is not None and self.host.alive and not self.waiting:
            try:
                problem = self.host.record(None)
            except RetimbreError as error:
                problem = str(error)
        self.host.close(_KILL_S if self.waiting else 7.0)
        return problem

    def tick(self) -> list[Event]:
        """Look after the stream; what there is to tell comes back."""
        for event in self.host.events():
            self._take(event)
        if self.settings is not None:
            now = time.monotonic()
            if self._lost_s is None and (not self.host.alive or self.host.snapshot().stalled):
                self._lose(now)
            if self._lost_s is not None and now >= self._next_try_s:
                self._open_again(now)
        told, self._events = self._events, []
        return told

    def _take(self, event: Event) -> None:
        self._events.append(event)
        settings = self.settings
        if settings is None:
            return
        match event.kind:
            case "running":
                self._before.pop(event.value.change, None)
                self._adopt(event.value)
            case "refused":
                self._go_back(event.value)
            case "controls":
                self.settings = replace(settings, controls=event.value)
            case "learnt" if settings.midi is not None:
                self.settings = replace(settings, midi=replace(settings.midi, map=event.value))
            case "incident":
                self.incidents.append(event.value)
            case "press" | "program":
                self._press(event.kind, event.value)

    def _go_back(self, change: str) -> None:
        """What was asked for cannot be had: want again what plays, lest the next restart asks for it too."""
        before = self._before.pop(change, None)
        if before is not None and change == "model":
            self.settings = replace(self._wanted(), model=before.model, controls=before.controls)
        elif before is not None:
            self.settings = replace(self._wanted(), before=before.before, after=before.after)

    def _press(self, kind: str, value: str) -> None:
        try:
            if kind == "program":
                self.load_named(value)
            elif value == "record":
                self.record(None if self._recording is not None else Path(time.strftime("take-%Y%m%d-%H%M%S.wav")))
            else:
                self.step_preset(1 if value == "next" else -1)
        except RetimbreError as error:
            self._events.append(Event("refused", str(error)))

    def _adopt(self, running: Running) -> None:
        from realtime.package import resolve

        self.running = running
        assert self.settings is not None
        self._targets = tuple(target.name for target in resolve(self.settings.model).manifest.targets)

    def _lose(self, now: float) -> None:
        self._lost_s, self._wait_s, self._obstacle = now, _FIRST_WAIT_S, ""
        self._next_try_s = now
        self.host.close(_KILL_S)
        self._events.append(Event("said", "The sound stopped; it will go on as soon as the device is there again."))

    def _open_again(self, now: float) -> None:
        wanted, lost_s = self._wanted(), self._lost_s
        assert lost_s is not None
        record = None if self._recording is None else _free(self._recording.path)
        if self.running is not None:  # by the names that were found, which "default" may not mean any more
            wanted = replace(
                wanted, input=self.running.input, output=self.running.output, host_api=self.running.host_api
            )
        wanted = replace(wanted, record=record)
        if wanted.midi is not None:
            wanted = replace(wanted, midi=replace(wanted.midi, wait=True))
        try:
            try:
                running = self.host.open(wanted)
            except DeviceError:
                if now - lost_s < _DEFAULT_AFTER_S:
                    raise
                running = self.host.open(replace(wanted, input=None, output=None, host_api=None, rate_hz=None))
        except RetimbreError as error:
            self.host.close(_KILL_S)
            for change in tuple(self._before):
                self._go_back(change)
            if str(error) != self._obstacle:
                self._obstacle = str(error)
                self._events.append(Event("said", f"Not yet: {error}"))
            self._next_try_s = time.monotonic() + self._wait_s
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            return
        self._adopt(running)
        if self._muted and not running.muted:
            self.host.mute(True)
        if record is not None and self._recording is not None:
            self._recording = replace(self._recording, path=record)
        gone_s = time.monotonic() - lost_s
        self._lost_s = None
        self.restarts += 1
        rest = f", recording on into {record.name}" if record is not None else ""
        sentence = f"The sound is back after {gone_s:.1f} s ({running.input} to {running.output}{rest})."
        self._events.append(Event("running", sentence, running))

    def snapshot(self) -> Snapshot:
        """What the meters show."""
        return self.host.snapshot()

    def state(self) -> RemoteState:
        """What is playing."""
        settings, running = self._wanted(), self.running
        return RemoteState(
            model=settings.model,
            targets=self._targets,
            controls=settings.controls,
            before=settings.before,
            after=settings.after,
            preset=self._preset,
            position=self._position,
            songs=len(self._setlist.presets) if self._setlist is not None else 0,
            muted=self.host.snapshot().muted,
            recording=None if self._recording is None else self._recording.path,
            latency_ms=0.0 if running is None else running.latency.total_ms,
        )

    def change_controls(self, changes: Mapping[str, Any]) -> None:
        """Replace the named fields of `Controls`. Raises `ConfigError`."""
        settings = self._wanted()
        controls = settings.controls.with_changes(**changes)
        if not self.waiting:
            self.host.set_controls(controls)
        self.settings = replace(settings, controls=controls)

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        if not self.waiting:
            self.host.mute(muted)
        self._muted = muted

    def record(self, path: Path | None) -> str | None:
        """Begin to record into this new .wav file, or end with None; a sentence when the one that ended has lost."""
        recording = None if path is None else Recording(path, self._wanted().recorded)
        problem = self.host.record(recording) if not self.waiting else None
        self._recording = recording
        return problem

    def load_model(self, name: str) -> None:
        """Play through another model, with the controls as they are but for its first target."""
        self._load_model(name, replace(self._wanted().controls, target=None))
        self._preset = ""

    def _load_model(self, name: str, controls: Controls) -> None:
        settings = self._wanted()
        if not self.waiting:
            self.host.change_model(name, controls)
            self._before.setdefault("model", settings)
        self.settings = replace(settings, model=name, controls=controls)

    def load_named(self, name: str) -> None:
        """Load the preset of this name, or else the model."""
        try:
            preset = resolve_preset(name)
        except RetimbreError:
            self.load_model(name)
            return
        self.use(preset)

    def load_preset(self, which: str | int) -> None:
        """Load a preset by its name, or by its place in the setlist, from 1."""
        setlist = self._setlist
        if isinstance(which, int):
            which = self._songs().place_of(which)
            self.use(resolve_preset(self._songs().presets[which - 1]))
            self._position = which
            return
        self.use(resolve_preset(which))
        if setlist is not None and which in setlist.presets:
            self._position = setlist.place_of(which, self._position)

    def step_preset(self, by: int) -> None:
        """Go so many places on in the setlist; past an end nothing changes."""
        place = self._songs().step(self._position, by)
        if place != self._position:
            self.load_preset(place)

    def _songs(self) -> Setlist:
        if self._setlist is None:
            raise EngineError("There is no setlist: start with --setlist NAME.")
        return self._setlist

    def use(self, preset: Preset) -> None:
        """Play as a preset says; devices and the MIDI input stay as they are. Raises `RetimbreError`."""
        now = self._wanted()
        wanted = preset.resolved(now.midi)
        self._load_model(wanted.model, wanted.controls)
        if (wanted.before, wanted.after) != (now.before, now.after):
            if not self.waiting:
                self.host.change_plugins(Plugins(wanted.before, wanted.after))
                self._before.setdefault("plugins", now)
            self.settings = replace(self._wanted(), before=wanted.before, after=wanted.after)
        midi = self._with_programs(wanted.midi)
        if now.midi is not None and midi is not None:
            midi = replace(midi, source=midi.source or now.midi.source)
            if midi != now.midi:
                self.set_midi(midi)
        self._preset = preset.name

    def _with_programs(self, midi: MidiSettings | None) -> MidiSettings | None:
        """The setlist's program numbers, where the map has none of its own."""
        if midi is None or self._setlist is None or midi.map.programs:
            return midi
        return replace(midi, map=replace(midi.map, programs=self._setlist.program_names))

    def save_preset(self, name: str) -> Path:
        """Keep what is set as a preset of this name; its file. Raises `ConfigError`."""
        return write_preset(Preset.of(name, self._wanted(), self._targets))

    def set_midi(self, midi: MidiSettings | None) -> None:
        """Other MIDI, or none."""
        if not self.waiting:
            self.host.set_midi(midi)
        self.settings = replace(self._wanted(), midi=midi)

    def set_plugin_parameter(self, place: Side, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin; `index` is there."""
        self._change_plugin(place, index, name, value)

    def set_plugin_bypass(self, place: Side, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in; `index` is there."""
        self._change_plugin(place, index, "bypass", float(bypass))

    def _change_plugin(self, place: Side, index: int, name: str, value: float) -> None:
        if not self.waiting:
            self.host.change_plugin(PluginChange(place, index, name, value))
        settings = self._wanted()
        specs = list(getattr(settings, place))
        spec: PluginSpec = specs[index]
        specs[index] = replace(spec, bypass=value >= 0.5) if name == "bypass" else spec.with_parameter(name, value)
        sides: dict[str, Any] = {place: tuple(specs)}
        self.settings = replace(settings, **sides)

    def write_log(self, path: Path) -> None:
        """Everything that may have been heard as a fault, for a report: JSON. Raises `EngineError`."""
        now = self.host.snapshot()
        running = None if self.running is None else asdict(self.running)
        log = {
            "running": running,
            "restarts": self.restarts,
            "samples": now.samples,
            "counts": dict(Counter(incident.cause for incident in self.incidents)),
            "callback_us": now.callback.to_mapping(),
            "model_us": now.model.to_mapping(),
            "incidents": [asdict(incident) for incident in self.incidents],
        }
        try:
            path.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise EngineError(f"The log {str(path)!r} cannot be written ({error.strerror or error}).") from None

    def _wanted(self) -> StreamSettings:
        if self.settings is None:
            raise EngineError("No stream is open: open one first.")
        return self.settings


def _free(path: Path) -> Path:
    """A name beside `path` that is not taken: NAME-2.wav, then NAME-3.wav, and so on."""
    number = 2
    while (candidate := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return candidate
