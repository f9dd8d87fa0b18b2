"""One stream that outlives its engine: what is wanted of it, and the watch that brings it back.

    wishes ──▶ KeptStream ──▶ Host ══▶ engine process
                  └─ tick: engine killed, server dead, device gone? say so, wait, open again as it was

A wish is passed on and then remembered, so that what was refused is not wanted any more; while the stream is lost it is
only remembered. A device that vanished is asked for by its name again; when it stays away, the system's default takes
its place. A recording goes on in a new file beside the first, a file that plays where it was. What has to do with
presets is above (`realtime.live_session`). Over 300 lines because every wish about a stream is a method here. Every
method belongs to one thread; opening again blocks it for as long as opening takes.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from realtime.closing import Closing
from realtime.controls import Controls
from realtime.errors import ConfigError, DeviceError, EngineError, RetimbreError
from realtime.host import Host
from realtime.messages import (
    LONGEST_PLAYED_S,
    Event,
    MidiSettings,
    PlayedFile,
    PluginChange,
    Plugins,
    Recording,
    Running,
    Side,
    StreamSettings,
)
from realtime.meters import Incident, Snapshot
from realtime.plugins.spec import PluginSpec
from realtime.recorder import RecordedSides

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.3, 2.0
_DEFAULT_AFTER_S = 10.0
_KILL_S = 0.5
_CLOSE_S = 7.0
_MOST_INCIDENTS = 100_000


class KeptStream(Closing):
    """What is wanted of a stream, kept true while devices, servers and engines come and go."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self.host = Host()
        self.incidents: deque[Incident] = deque(maxlen=_MOST_INCIDENTS)
        self.running: Running | None = None
        self.settings: StreamSettings | None = None
        """What is wanted: devices, model, controls, plugins, MIDI, file."""
        self.learning: str | None = None
        """The control that waits for a controller to move."""
        self.restarts = 0
        """How often the stream was opened again."""
        self._muted = False
        self._recording: Recording | None = None
        self._file_s = math.nan  # where the file was when the stream was lost
        self._midi_file_s = math.nan  # and the MIDI file
        self._lost_s: float | None = None
        self._next_try_s = 0.0
        self._wait_s = _FIRST_WAIT_S
        self._obstacle = ""
        self._before: dict[str, StreamSettings] = {}  # what was wanted before a change that is under way, by its kind
        self._events: list[Event] = []

    @property
    def waiting(self) -> bool:
        """Whether the stream was lost and is not yet open again."""
        return self._lost_s is not None

    @property
    def muted(self) -> bool:
        """Whether silence is wanted, or a howl has brought it."""
        return self._muted if self.waiting else self.host.snapshot().muted

    @property
    def recording(self) -> Recording | None:
        """What is being recorded."""
        return self._recording

    def open(self, settings: StreamSettings) -> Running:
        """Let sound run; replaces what plays. Raises `RetimbreError`."""
        running = self.host.open(settings)
        self.settings = settings
        self._recording = None if settings.record is None else Recording(settings.record, settings.recorded)
        self._muted = running.muted
        self._lost_s, self._midi_file_s = None, math.nan
        self._before.clear()
        self._adopt(running)
        return running

    def close(self) -> str | None:
        """End everything; a sentence about the recording that ended, if there is one to say."""
        problem = None
        if self._recording is not None and self.host.alive and not self.waiting:
            try:
                problem = self.host.record(None)
            except RetimbreError as error:
                problem = str(error)
        self.host.close(_KILL_S if self.waiting else _CLOSE_S)
        return problem

    def tick(self) -> list[Event]:
        """Look after the stream, ten times a second or more often; what there is to tell comes back."""
        self._take_events()
        if self.settings is not None:
            now = time.monotonic()
            if self._lost_s is None and (not self.host.alive or self.host.snapshot().stalled):
                self._lose(now)
            if self._lost_s is not None and now >= self._next_try_s:
                self._open_again(now)
        told, self._events = self._events, []
        return told

    def snapshot(self) -> Snapshot:
        """What the meters show."""
        return self.host.snapshot()

    def change_stream(self, **changes: Any) -> Running | None:
        """Open again with other devices, channels, rate, block and so on; None while the stream is lost.

        When that fails what played before is opened again, and the sentence of the error says so. Raises
        `RetimbreError`, `ConfigError` for an unknown name.
        """
        before = self._wanted()
        known = [field.name for field in fields(StreamSettings)]
        for name in changes:
            if name not in known:
                raise ConfigError(f"A stream has no setting {name!r}; it has {', '.join(known)}.")
        wanted = replace(before, **changes)
        if self.waiting:
            self.settings, self.running, self._next_try_s = wanted, None, 0.0
            return None
        self._note_place()
        try:
            return self._go_on(self._again(wanted), wanted)
        except RetimbreError as error:
            rest = "What played before plays on."
            try:
                self._go_on(self._by_name(self._again(before)), before)
            except RetimbreError:
                rest = "What played before is opened again as soon as it can be."
                self._lose(time.monotonic())
            raise type(error)(f"{error} {rest}") from None

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

    def panic(self) -> None:
        """End every note and the file, and be silent for a moment, in which what feeds on itself dies away."""
        if self.settings is None:
            return
        if not self.waiting:
            self.host.panic()
        self.settings = replace(self.settings, file=None)

    def record(self, path: Path | None, recorded: RecordedSides | None = None) -> str | None:
        """Begin to record into this new .wav file, or end with None; a sentence when the one that ended has lost.

        recorded: what goes into it; None: as the stream was opened with.
        """
        recording = None if path is None else Recording(path, recorded or self._wanted().recorded)
        problem = self.host.record(recording) if not self.waiting else None
        self._recording = recording
        return problem

    def play_file(self, file: PlayedFile | None) -> None:
        """Play a sound file, as soon as it is read; None ends the one that plays. Events tell of its end."""
        if not self.waiting:
            before = self._wanted()
            self.host.play_file(file)
            self._take_events()  # the end of the one before, lest it be taken for this one's
            self._before["file"] = replace(before, file=self._wanted().file)
        self.settings, self._file_s = replace(self._wanted(), file=file), math.nan

    def send_midi(self, message: bytes) -> None:
        """A message of a MIDI channel, which acts as if it had come from the port; lost while the stream is."""
        if not self.waiting:
            self.host.send_midi(message)

    def set_midi(self, midi: MidiSettings | None) -> None:
        """Other MIDI, or none; where only the map is another, the port stays open, or the file plays on.

        The very same once more plays a MIDI file again, from where it was to begin.
        """
        settings = self._wanted()
        again = midi is not None and midi.file is not None and midi == settings.midi
        same = midi is not None and settings.midi is not None and replace(midi, map=settings.midi.map) == settings.midi
        if midi is not None and same and not again:
            self._set_map(midi)
            return
        if not self.waiting:
            self.host.set_midi(midi)
            if midi is None:
                self.learning = None
            elif self.learning is not None:
                self.host.learn(self.learning)
            self._take_events()  # the end of the file before, lest it be taken for this one's
        self.settings, self._midi_file_s = replace(self._wanted(), midi=midi), math.nan

    def learn(self, control: str | None) -> None:
        """Bind a control to the next controller that moves; None: wait no more. A `learnt` event tells."""
        if not self.waiting:
            self.host.learn(control)
        self.learning = control

    def forget(self, control: str) -> None:
        """Let no controller turn this control any more."""
        midi = self._wanted().midi
        if midi is not None:
            self._set_map(replace(midi, map=midi.map.without(control)))

    def _set_map(self, midi: MidiSettings) -> None:
        """The same MIDI with another map."""
        if not self.waiting:
            self.host.set_map(midi.map)
        self.settings = replace(self._wanted(), midi=midi)

    def set_plugins(
        self, before: tuple[PluginSpec, ...], after: tuple[PluginSpec, ...], forgiven: tuple[str, ...] = ()
    ) -> None:
        """Other plugins around the model; a `running` or `refused` event tells how it went.

        forgiven: URIs of some that broke and get another chance.
        """
        settings = self._wanted()
        if not self.waiting:
            self.host.change_plugins(Plugins(before, after, forgiven))
            self._before.setdefault("plugins", settings)
        self.settings = replace(settings, before=before, after=after)

    def set_plugin_parameter(self, place: Side, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin; `index` is there."""
        self._change_plugin(place, index, name, value)

    def set_plugin_bypass(self, place: Side, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in; `index` is there."""
        self._change_plugin(place, index, "bypass", float(bypass))

    def _change_plugin(self, place: Side, index: int, name: str, value: float) -> None:
        if not self.waiting:
            self.host.change_plugin(PluginChange(place, index, name, value))
        self.settings = _with_knob(self._wanted(), PluginChange(place, index, name, value))

    def _change_model(self, name: str, controls: Controls) -> None:
        settings = self._wanted()
        if not self.waiting:
            self.host.change_model(name, controls)
            self._before.setdefault("model", settings)
        self.settings = replace(settings, model=name, controls=controls)

    def _take_events(self) -> None:
        for event in self.host.events():
            self._take(event)

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
            case "learnt":
                self.learning = None
                if settings.midi is not None:
                    self.settings = replace(settings, midi=replace(settings.midi, map=event.value))
            case "recording":  # it ended by itself; another may have begun since
                if self._recording is not None and self._recording.path == event.value:
                    self._recording = None
            case "incident":
                self.incidents.append(event.value)
            case "file":
                self.settings, self._file_s = replace(settings, file=None), math.nan
            case "midi_file":
                self._midi_file_s = LONGEST_PLAYED_S  # its end: it is not played again when the stream is
            case "plugin":
                # Where other plugins are on their way the knob is of those that were there before.
                if "plugins" in self._before:
                    self._before["plugins"] = _with_knob(self._before["plugins"], event.value)
                else:
                    self.settings = _with_knob(settings, event.value)

    def _go_back(self, change: str) -> None:
        """What was asked for cannot be had: want again what plays, lest the next restart asks for it too."""
        before, wanted = self._before.pop(change, None), self._wanted()
        if before is None:
            if change == "file":
                self.settings = replace(wanted, file=None)
            return
        if change == "model":
            wanted = replace(wanted, model=before.model, controls=before.controls)
        elif change == "file":
            wanted = replace(wanted, file=before.file)
        else:
            wanted = replace(wanted, before=before.before, after=before.after)
        self.settings = wanted

    def _adopt(self, running: Running) -> None:
        """It runs so."""
        self.running = running

    def _note_place(self) -> None:
        """Keep what only the engine knows: where the file is, and whether a howl or a controller has muted."""
        now = self.host.snapshot()
        if now.callbacks:
            self._muted = now.muted
        if math.isfinite(now.file_s):
            self._file_s = now.file_s
        if math.isfinite(now.midi_file_s):
            self._midi_file_s = now.midi_file_s

    def _again(self, wanted: StreamSettings) -> StreamSettings:
        """`wanted`, with the recording going on in a new file and the file playing on where it was."""
        if self._recording is None:
            wanted = replace(wanted, record=None)
        else:
            wanted = replace(wanted, record=_free(self._recording.path), recorded=self._recording.recorded)
        if wanted.file is not None and math.isfinite(self._file_s):
            wanted = replace(wanted, file=replace(wanted.file, from_s=self._file_s, in_step=False))
        midi = wanted.midi
        if midi is not None and midi.file is not None and math.isfinite(self._midi_file_s):
            wanted = replace(wanted, midi=replace(midi, from_s=self._midi_file_s))
        return replace(wanted, muted=self._muted)

    def _by_name(self, wanted: StreamSettings) -> StreamSettings:
        """`wanted` with the devices that were found, which "default" may not mean any more."""
        running = self.running
        if running is None:
            return wanted
        return replace(wanted, input=running.input, output=running.output, host_api=running.host_api)

    def _go_on(self, again: StreamSettings, wanted: StreamSettings) -> Running:
        """Open `again` instead of what ran before, and be as it was. Raises `RetimbreError`."""
        ran, running = self.running, self.host.open(again)
        same = ran is not None and (ran.input, ran.output) == (running.input, running.output)
        self.settings = wanted
        self._lost_s = None
        self._before.clear()
        self._adopt(running)
        if self._recording is not None and again.record is not None:
            self._recording = replace(self._recording, path=again.record)
        if running.muted and not self._muted and same:
            self.host.mute(False)  # devices that may howl begin muted; those that were heard before need not
        else:
            self._muted = running.muted
        if self.learning is not None and wanted.midi is not None:
            self.host.learn(self.learning)
        return running

    def _lose(self, now: float) -> None:
        self._lost_s, self._wait_s, self._obstacle = now, _FIRST_WAIT_S, ""
        self._next_try_s = now
        self._note_place()
        self.host.close(_KILL_S)
        self._events.append(Event("said", "The sound stopped; it goes on by itself as soon as it can."))

    def _open_again(self, now: float) -> None:
        wanted, lost_s = self._wanted(), self._lost_s
        assert lost_s is not None
        again = self._by_name(self._again(wanted))
        if again.midi is not None:
            again = replace(again, midi=replace(again.midi, wait=True))
        try:
            try:
                running = self._go_on(again, wanted)
            except DeviceError:
                if now - lost_s < _DEFAULT_AFTER_S:
                    raise
                running = self._go_on(replace(again, input=None, output=None, host_api=None, rate_hz=None), wanted)
        except RetimbreError as error:
            self._try_later(error)
            return
        self.restarts += 1
        rest = f", recording on into {again.record.name}" if again.record is not None else ""
        gone_s = time.monotonic() - lost_s
        sentence = f"The sound is back after {gone_s:.1f} s ({running.input} to {running.output}{rest})."
        self._events.append(Event("running", sentence, running))

    def _try_later(self, error: RetimbreError) -> None:
        self.host.close(_KILL_S)
        for change in tuple(self._before):
            if change != "file":  # which is read once sound runs, and stops nothing
                self._go_back(change)
        if str(error) != self._obstacle:
            self._obstacle = str(error)
            self._events.append(Event("said", f"Not yet: {error}"))
        self._next_try_s = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _wanted(self) -> StreamSettings:
        if self.settings is None:
            raise EngineError("No stream is open: open one first.")
        return self.settings


def _with_knob(settings: StreamSettings, change: PluginChange) -> StreamSettings:
    """The settings with one knob, or the bypass, of a plugin as it is now."""
    specs = list(getattr(settings, change.side))
    spec: PluginSpec = specs[change.index]
    turned = change.value >= 0.5
    fresh = replace(spec, bypass=turned) if change.name == "bypass" else spec.with_parameter(change.name, change.value)
    specs[change.index] = fresh
    sides: dict[str, Any] = {change.side: tuple(specs)}
    return replace(settings, **sides)


def _free(path: Path) -> Path:
    """A name beside `path` that is not taken: NAME-2.wav, then NAME-3.wav, and so on."""
    number = 2
    while (candidate := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return candidate
