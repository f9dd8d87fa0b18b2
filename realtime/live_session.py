"""What the musician wants: a stream that is kept (`realtime.kept_stream`), and above it presets, setlist and models.

    command line, app, OSC ──▶ LiveSession ──▶ KeptStream ──▶ Host ══▶ engine process

Every method belongs to one thread, which calls `tick` ten times a second or more often; opening again blocks it for as
long as opening takes.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from realtime.errors import EngineError, RetimbreError
from realtime.kept_stream import KeptStream
from realtime.messages import Event, MidiSettings, Running, StreamSettings
from realtime.presets.library import resolve_preset, write_preset
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist
from realtime.remote.session import RemoteState


def _take_by_time() -> Path:
    return Path(time.strftime("take-%Y%m%d-%H%M%S.wav"))


class LiveSession(KeptStream):
    """One live stream that outlives its engine, and what is played through it by name."""

    def __init__(self, setlist: Setlist | None = None, next_take: Callable[[], Path] = _take_by_time) -> None:
        """setlist: presets to step through. next_take: the file that a controller bound to `record` begins."""
        super().__init__()
        self.next_take = next_take
        self._setlist, self._position = setlist, 0
        self._preset = ""
        self._targets: tuple[str, ...] = ()

    def open(self, settings: StreamSettings, preset: str = "") -> Running:
        """Let sound run; replaces what plays. preset: what it is called. Raises `RetimbreError`."""
        running = super().open(replace(settings, midi=self._with_programs(settings.midi)))
        self._preset = preset
        if self._setlist is not None and preset in self._setlist.presets:
            self._position = self._setlist.place_of(preset)
        return running

    @property
    def setlist(self) -> Setlist | None:
        """The presets to step through."""
        return self._setlist

    def set_setlist(self, setlist: Setlist | None) -> None:
        """Step through other presets, or none; nothing of the sound changes.

        What plays keeps its place when it is one of them. Program numbers that came from the setlist before follow.
        """
        before, self._setlist = self._setlist, setlist
        self._position = setlist.place_of(self._preset) if setlist and self._preset in setlist.presets else 0
        midi = None if self.settings is None else self.settings.midi
        if midi is None:
            return
        if before is not None and midi.map.programs == before.program_names:
            midi = replace(midi, map=replace(midi.map, programs={}))
        midi = self._with_programs(midi)
        if midi is not None and midi != self._wanted().midi:
            self._set_map(midi)

    def _take(self, event: Event) -> None:
        super()._take(event)
        if event.kind in ("press", "program") and self.settings is not None:
            self._press(event.kind, event.value)

    def _press(self, kind: str, value: str) -> None:
        try:
            if kind == "program":
                self.load_named(value)
            elif value == "record":
                self.record(None if self._recording is not None else self.next_take())
            else:
                self.step_preset(1 if value == "next" else -1)
        except RetimbreError as error:
            self._events.append(Event("refused", str(error)))

    def _adopt(self, running: Running) -> None:
        from realtime.package import resolve

        super()._adopt(running)
        self._targets = tuple(target.name for target in resolve(self._wanted().model).manifest.targets)

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
            muted=self.muted,
            recording=None if self._recording is None else self._recording.path,
            latency_ms=0.0 if running is None else running.latency.total_ms,
        )

    def load_model(self, name: str) -> None:
        """Play through another model, with the controls as they are but for its first target."""
        self._change_model(name, replace(self._wanted().controls, target=None))
        self._preset = ""

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
        self._change_model(wanted.model, wanted.controls)
        if (wanted.before, wanted.after) != (now.before, now.after):
            self.set_plugins(wanted.before, wanted.after)
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
        path = write_preset(Preset.of(name, self._wanted(), self._targets))
        self._preset = name
        return path

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
