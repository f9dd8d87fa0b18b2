"""What is done on the session thread: every wish of the player, whether the power is on or off.

    power on    wish ──▶ LiveSession, which remembers it and tells the engine
    power off   wish ──▶ `wanted`, which is opened when the power comes on
    after each wish and tick: Seen ──▶ the bridge, when something of it changed

Every method runs on the session thread (`gui.session_thread`) and may block there. A `RetimbreError` becomes a notice.
Over 300 lines because every wish of the bridge is a method here, with power and without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gui.live_state import Notice, Place, Power, Severity
from realtime.errors import EngineError, RetimbreError
from realtime.live_session import LiveSession
from realtime.messages import Event, MidiSettings, PlayedFile, Running, StreamSettings
from realtime.presets.library import resolve_preset, write_preset
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from gui.osc_door import OscDoor
    from realtime.device_watch import DeviceWatch


@dataclass(frozen=True, slots=True)
class Seen:
    """The session at one moment; `applied`: the last change of controls that it was given; `done`: the last wish."""

    settings: StreamSettings
    power: Power = "off"
    running: Running | None = None
    targets: tuple[str, ...] = ()
    preset: str = ""
    setlist: Setlist | None = None
    position: int = 0
    muted: bool = False
    recording: Path | None = None
    learning: str | None = None
    osc_port: int = 0
    applied: int = 0
    done: int = 0


class SessionWork:
    """The live session and what is wanted of it."""

    def __init__(self, session: LiveSession, wanted: StreamSettings, tell: Callable[[object], None]) -> None:
        """tell: takes `Seen`, `Notice` and `Event` to the bridge."""
        self.session = session
        self.wanted = wanted
        self.on = False
        self.breaking_off = False
        """Set by the bridge while it ends an opening by force, whose complaint nobody need read."""
        self.takes_folder = Path()
        session.next_take = self._next_take
        self.preset = ""
        self.setlist: Setlist | None = None
        self.position = 0
        self.applied = self.done = 0
        self._targets: tuple[str, ...] = ()
        self._targets_of = ""
        self._only_file = False  # the stream is open for the sake of a file that plays
        self._watch: DeviceWatch | None = None
        self._osc: OscDoor | None = None
        self._recording: Path | None = None
        self._midi_before: MidiSettings | None = wanted.midi  # the MIDI that a file took the place of
        self._tell = tell
        self._seen: Seen | None = None

    def do(self, wish: Callable[[], None], place: Place = "everywhere", number: int = 0) -> None:
        """Fulfil one wish; what cannot be had becomes a notice in `place`. number: which wish it is, from 1."""
        try:
            wish()
        except RetimbreError as error:
            if not self.breaking_off:
                # What the loss of the stream brings about is over, and cleared, when the sound is back.
                lost = self.on and not self.session.host.alive
                self.say(str(error), "everywhere" if lost else place, "error")
        self.done = max(self.done, number)
        self._seen = None  # told in any case: the bridge may have shown what was wished for
        self.report()

    def say(self, text: str, place: Place = "everywhere", severity: Severity = "info") -> None:
        """One sentence for the player."""
        self._tell(Notice(text, place, severity))

    def tick(self) -> None:
        """Look after the stream."""
        if self.on:
            session = self.session
            lost = not session.waiting and (not session.host.alive or session.snapshot().stalled)
            if lost:
                self._tell(replace(self._look(), power="waiting"))  # opening again takes its time: said before
                self._seen = None
            restarts = session.restarts
            events = session.tick()
            if not lost and (session.waiting or session.restarts != restarts):
                self._tell(replace(self._look(), power="waiting"))  # it was lost just now, and may be back already
                self._seen = None
            for event in events:
                self._take(event)
        if self._osc is not None:
            self._osc.serve()
        if self._watch is not None and (found := self._watch.poll()) is not None:
            self._tell(found)
        self.report()

    def report(self) -> None:
        """Tell what is, where it is not what was told."""
        seen = self._look()
        if self._recording is not None and seen.recording != self._recording:
            self._tell(self._recording)
        self._recording = seen.recording
        if seen != self._seen:
            self._seen = seen
            self._tell(seen)

    def _look(self) -> Seen:
        if not self.on:
            return Seen(
                settings=self.wanted, targets=self.targets(), preset=self.preset, setlist=self.setlist,
                position=self.position, osc_port=self._osc_port, applied=self.applied, done=self.done,
            )  # fmt: skip
        state = self.session.state()
        settings = self.session.settings
        assert settings is not None
        return Seen(
            settings=settings, power="waiting" if self.session.waiting else "on", running=self.session.running,
            targets=state.targets, preset=state.preset, setlist=self.setlist, position=state.position,
            muted=state.muted, recording=state.recording, learning=self.session.learning,
            osc_port=self._osc_port, applied=self.applied, done=self.done,
        )  # fmt: skip

    def targets(self) -> tuple[str, ...]:
        """The names of the targets of the model that is wanted while the power is off."""
        model = self.wanted.model
        if model != self._targets_of:
            from realtime.package import resolve

            self._targets_of, self._targets = model, ()
            try:
                self._targets = tuple(target.name for target in resolve(model).manifest.targets)
            except RetimbreError as error:
                self.say(str(error), "play", "warning")
        return self._targets

    def _take(self, event: Event) -> None:
        if event.kind == "file" and self._only_file:
            self.off()
        if self._osc is not None and event.sentence:
            self._osc.tell(event.sentence)
        self._tell(event)

    # power and stream

    def power(self, on: bool) -> None:
        """Open the stream, or end it."""
        if on and not self.on:
            self.session.open(replace(self.wanted, record=None, file=None, muted=False), self.preset)
            self.on = True
        elif not on:
            self.breaking_off = False
            self.off()

    def off(self) -> None:
        """End the stream; what it has become is what is wanted next time."""
        if not self.on:
            return
        state, settings = self.session.state(), self.session.settings
        assert settings is not None
        self.on = self._only_file = False
        self.wanted, self.preset, self.position = kept(settings, self._midi_before), state.preset, state.position
        problem = self.session.close()
        self.session.settings = self.session.learning = None
        if problem:
            self.say(problem, "play", "warning")

    def change_stream(self, **fields: Any) -> None:
        """Other devices, block, rate …; a stream that runs is opened again."""
        if self.on:
            self.session.change_stream(**fields)
        else:
            self.wanted = replace(self.wanted, **fields)

    # sound

    def change_controls(self, changes: Mapping[str, Any], number: int) -> None:
        """Turn controls; `number` says which change this is."""
        self.applied = number
        if self.on:
            self.session.change_controls(changes)
        else:
            self.wanted = replace(self.wanted, controls=self.wanted.controls.with_changes(**changes))

    def load_model(self, name: str) -> None:
        """Play through another model."""
        if self.on:
            self.session.load_model(name)
            return
        self.wanted = replace(self.wanted, model=name, controls=replace(self.wanted.controls, target=None))
        self.preset = ""

    def load_preset(self, which: str | int) -> None:
        """Play as a preset says, by its name or its place in the setlist."""
        if self.on:
            self.session.load_preset(which)
            return
        if isinstance(which, int):
            songs = self._songs()
            place = songs.place_of(which)
            self._use(resolve_preset(songs.presets[place - 1]))
            self.position = place
            return
        self._use(resolve_preset(which))
        if self.setlist is not None and which in self.setlist.presets:
            self.position = self.setlist.place_of(which, self.position)

    def step_preset(self, by: int) -> None:
        """Go so many places on in the setlist."""
        songs = self._songs()
        if self.on:
            self.session.step_preset(by)
        elif (place := songs.step(self.position, by)) != self.position:
            self.load_preset(place)

    def _songs(self) -> Setlist:
        if self.setlist is None:
            raise EngineError("There is no setlist yet: choose or make one under Setlist.")
        return self.setlist

    def _use(self, preset: Preset) -> None:
        now = self.wanted
        found = preset.resolved(now.midi)
        midi = found.midi if now.midi is not None else None
        if midi is not None and now.midi is not None:
            midi = replace(midi, source=midi.source or now.midi.source)
        self.wanted = replace(
            now, model=found.model, controls=found.controls, before=found.before, after=found.after, midi=midi
        )
        self.preset = preset.name

    def save_preset(self, name: str) -> None:
        """Keep what is set as a preset of this name."""
        if self.on:
            path = self.session.save_preset(name)
        else:
            path = write_preset(Preset.of(name, self.wanted, self.targets()))
            self.preset = name
        self.say(f"Kept as the preset {path.stem}.", "everywhere", "info")

    def set_setlist(self, setlist: Setlist | None, position: int = 0) -> None:
        """Step through these presets; `position` of them plays already."""
        self.setlist, self.position = setlist, position
        self.session.set_setlist(setlist)

    def resume(self, preset: str) -> None:
        """What is wanted is what this preset says."""
        self.preset = preset

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        self.need_power("mute")
        self._only_file = self._only_file and muted  # whoever unmutes wants to play on when the file has ended
        self.session.mute(muted)

    def panic(self) -> None:
        """Every note off, the end of a MIDI file, and a moment of silence."""
        if self.on:
            self.session.panic()
            midi = self.session.settings.midi if self.session.settings is not None else None
            quiet = without_midi_file(midi, self._midi_before)
            if quiet != midi:
                self.session.set_midi(quiet)

    # recording

    def record(self, sides: Any) -> None:
        """Begin a take."""
        self.need_power("record")
        self.session.record(self._next_take(), sides)

    def _next_take(self) -> Path:
        settings, folder = self.session.settings or self.wanted, self.takes_folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"The folder of takes {folder} cannot be made ({error.strerror or error}): choose another."
            ) from None
        return take_name(folder, settings.model)

    def stop_recording(self) -> None:
        """End the take."""
        if self.on:
            problem = self.session.record(None)
            if problem:
                self.say(problem, "play", "warning")

    # files, measuring, devices

    def play_file(self, path: Path, to: Any, loop: bool, from_s: float) -> None:
        """Play a sound file behind the model or into it; without power only the file sounds."""
        file = PlayedFile(path, to, loop, from_s)
        if not self.on:
            only = to == "output"
            self.session.open(replace(kept(self.wanted, self._midi_before), file=file, muted=only), self.preset)
            self.on, self._only_file = True, only
            return
        self.session.play_file(file)

    def stop_file(self) -> None:
        """End the file that plays."""
        if self.on:
            self.session.play_file(None)
            if self._only_file:
                self.off()

    def measure(self, events: int) -> None:
        """Begin to measure the latency through a loop outside."""
        self.need_power("measure the latency")
        self.session.host.measure(events)

    def look_for_devices(self) -> None:
        """Ask for the sound cards and MIDI ports; `tick` tells of them."""
        if self._watch is None:
            from realtime.device_watch import DeviceWatch  # late: only those who look for devices need its process

            self._watch = DeviceWatch()
        self._watch.ask()

    def end(self) -> None:
        """The last work: end the stream and the children."""
        self.off()
        self.session.close()  # an engine whose stream could not be opened still waits for the next try
        if self._watch is not None:
            self._watch.close()
        self.close_osc()

    # OSC

    @property
    def _osc_port(self) -> int:
        return 0 if self._osc is None else self._osc.port

    def open_osc(self, post: Callable[[Callable[[], None]], None], port: int, *, network: bool) -> None:
        """Hear OSC on this port, in place of the one before; post: has something done on this thread."""
        from gui.osc_door import OscDoor  # late: few who play ask for it

        self.close_osc()
        self._osc = OscDoor(self, post, port=port, network=network)

    def close_osc(self) -> None:
        """Hear no more OSC."""
        if self._osc is not None:
            self._osc.close()
            self._osc = None

    # MIDI

    def set_midi(self, midi: MidiSettings | None) -> None:
        """Other MIDI, or none."""
        settings = self.session.settings if self.on else self.wanted
        if settings is not None and settings.midi is not None and settings.midi.file is None:
            self._midi_before = settings.midi
        if self.on:
            self.session.set_midi(midi)
        else:
            self.wanted = replace(self.wanted, midi=midi)

    def send_midi(self, message: bytes) -> None:
        """A message as if it had come from the port."""
        if self.on:
            self.session.send_midi(message)

    def learn(self, control: str | None) -> None:
        """Bind a control to the next controller that moves."""
        if control is not None:
            self.need_power("learn MIDI")
        if self.on:
            self.session.learn(control)

    def forget(self, control: str) -> None:
        """Take a control's bindings away."""
        if self.on:
            self.session.forget(control)
        elif self.wanted.midi is not None:
            bindings = self.wanted.midi.map.without(control)
            self.wanted = replace(self.wanted, midi=replace(self.wanted.midi, map=bindings))

    # plugins

    def set_plugins(self, before: Any, after: Any, forgiven: tuple[str, ...] = ()) -> None:
        """Other plugins around the model."""
        if self.on:
            self.session.set_plugins(before, after, forgiven)
        else:
            self.wanted = replace(self.wanted, before=tuple(before), after=tuple(after))

    def change_plugin(self, side: Any, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin, or its bypass."""
        if self.on and name == "bypass":
            self.session.set_plugin_bypass(side, index, value >= 0.5)
            return
        if self.on:
            self.session.set_plugin_parameter(side, index, name, value)
            return
        specs = list(getattr(self.wanted, side))
        if index < len(specs):
            one = specs[index]
            specs[index] = replace(one, bypass=value >= 0.5) if name == "bypass" else one.with_parameter(name, value)
            sides: dict[str, Any] = {side: tuple(specs)}
            self.wanted = replace(self.wanted, **sides)

    def need_power(self, what: str) -> None:
        """EngineError when the power is off."""
        if not self.on:
            raise EngineError(f"To {what}, turn the power on first.")


def kept(settings: StreamSettings, midi_before: MidiSettings | None) -> StreamSettings:
    """The settings without what belongs to the moment: the take, the files that play, and silence.

    midi_before: where messages came from before a MIDI file did; None: the on-screen keyboard.
    """
    midi = without_midi_file(settings.midi, midi_before)
    return replace(settings, record=None, file=None, muted=False, midi=midi)


def without_midi_file(midi: MidiSettings | None, before: MidiSettings | None) -> MidiSettings | None:
    """The same sound and knobs, with messages from where they came from before a file was played."""
    if midi is None or midi.file is None:
        return midi
    port, virtual = (None, None) if before is None else (before.port, before.virtual)
    keyboard = port is None and virtual is None
    return replace(
        midi, file=None, loop=False, from_s=0.0, port=port, virtual=virtual, wait=port is not None, keyboard=keyboard
    )


def take_name(folder: Path, model: str) -> Path:
    """The next take: NNN model date.wav, one more than the highest number there."""
    highest = 0
    for path in folder.glob("[0-9][0-9][0-9]*.wav"):
        number = path.name.split(" ", 1)[0]
        highest = max(highest, int(number)) if number.isdecimal() else highest
    return folder / f"{highest + 1:03d} {Path(model).stem} {time.strftime('%Y-%m-%d %H-%M-%S')}.wav"
