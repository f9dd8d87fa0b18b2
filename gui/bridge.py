"""The only object of the app that touches the host: wishes go down, what is comes back as signals.

    widgets ── set_controls(mix=0.5) ──▶ Bridge ══▶ session thread (gui.session_thread): LiveSession ──▶ Host ══▶ engine
    widgets ◀── state_changed, controls_changed, noticed, … ── Bridge ◀══ queued signals
    widgets ◀── frame, 30 per second while the window is seen and sound runs ── Bridge ◀── shared memory

Every method returns at once. Controls are set here at once and sent on at most 60 times a second, the latest value
winning; what the session says of them is overlaid with what it has not yet been given, so that no fader jumps back.
Everything here runs on the GUI thread. Over 300 lines because every wish that a player can have is a method here.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QUndoStack

from gui.background import Background
from gui.live_state import LiveState, Notice, Place
from gui.pitch_watch import PitchWatch
from gui.session_thread import SessionThread
from gui.session_work import Seen, SessionWork
from gui.undo import ControlsStep
from realtime.controls import Controls
from realtime.errors import ConfigError, RetimbreError
from realtime.live_session import LiveSession
from realtime.messages import Event, MidiSettings, Side, StreamSettings
from realtime.meters import Incident, Meters, Snapshot
from realtime.plugins.spec import PluginSpec
from realtime.presets.setlist import Setlist
from realtime.recorder import RecordedSides

T = TypeVar("T")
FRAME_MS: Final = 33
SEND_MS: Final = 16
MOST_INCIDENTS: Final = 10_000
MOST_SAID: Final = 50
END_S: Final = 9.0  # an engine may need seven seconds for a recording and a card that hangs
_EVENT_PLACES: Final[Mapping[str, Place]] = {"measured": "play", "recording": "play"}
_REFUSED_PLACES: Final[Mapping[str, Place]] = {"model": "play", "measurement": "play", "plugins": "chain"}


class Bridge(QObject):
    """The live stream, as widgets see it."""

    state_changed = pyqtSignal(object)
    controls_changed = pyqtSignal(object)
    noticed = pyqtSignal(object)
    incident = pyqtSignal(object)
    frame = pyqtSignal(object)
    devices_changed = pyqtSignal(object)
    take_finished = pyqtSignal(object)
    measured = pyqtSignal(object)
    pitch = pyqtSignal(object)
    """`TunerReading` of the input, 12 per second while the window is seen and sound runs."""
    learn_mode_changed = pyqtSignal(bool)
    """In learn mode a click on a control chooses it for `learn`."""
    panel_wanted = pyqtSignal(str)
    """Somebody asks for a panel to be shown, by its key."""
    _told = pyqtSignal(object)  # from any thread to the GUI thread

    def __init__(
        self,
        settings: StreamSettings,
        *,
        session: LiveSession | None = None,
        report: Callable[[BaseException], str] | None = None,
        parent: QObject | None = None,
    ) -> None:
        """settings: what is wanted, to be opened when the power comes on.

        session: another than a new one. report: takes an exception that is a defect of ours, and gives a sentence.
        """
        super().__init__(parent)
        self._session = LiveSession() if session is None else session
        self._work = SessionWork(self._session, settings, self._told.emit)
        self._thread = SessionThread(self._tick, self._defect)
        self._report = _report if report is None else report
        self._background = Background(self._told.emit, self._report)
        self._state = LiveState(settings)
        self._controls = settings.controls
        self._unsent: dict[str, Any] = {}
        self._sent: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._wishes = self._opened_by = self._busy_until = (
            0  # wishes; the one that opens, the one that is shown as busy
        )
        self._closed = False
        self._seen_window = False
        self._learn_mode = False
        self._pitch = PitchWatch(self.meters, self.pitch.emit, self._defect)
        self.takes_folder = default_takes_folder()
        self.incidents: deque[Incident] = deque(maxlen=MOST_INCIDENTS)
        self.said: deque[Notice] = deque(maxlen=MOST_SAID)
        """What was said last, for panels that are made later."""
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(200)
        self._send_timer = QTimer(self)
        self._send_timer.setInterval(SEND_MS)
        self._send_timer.setSingleShot(True)
        self._send_timer.timeout.connect(self._send)
        self._frame_timer = QTimer(self)
        self._frame_timer.setInterval(FRAME_MS)
        self._frame_timer.timeout.connect(self._show_frame)
        self._told.connect(self._hear)
        self.noticed.connect(self.said.append)

    # what is

    @property
    def state(self) -> LiveState:
        """The stream as it is wanted and as it is."""
        return self._state

    @property
    def controls(self) -> Controls:
        """The controls as they were last set, by whomever."""
        return self._controls

    @property
    def meters(self) -> Meters:
        """The meters themselves, to read only: `.scope` has the newest samples."""
        return self._session.host.meters

    def snapshot(self) -> Snapshot:
        """What the meters show now."""
        return self._session.snapshot()

    @property
    def takes_folder(self) -> Path:
        """Where takes are kept."""
        return self._work.takes_folder

    @takes_folder.setter
    def takes_folder(self, folder: Path) -> None:
        self._work.takes_folder = folder

    # power and stream

    def set_power(self, on: bool) -> None:
        """Let sound run, or end it; an opening that hangs is broken off."""
        if on and self._state.power == "off":
            self._show_opening()
            self._wish(lambda: self._work.power(True))
        elif not on and self._state.power != "off":
            if self._state.power in {"opening", "waiting"}:
                self._work.breaking_off = True
                self._break_off()
            self._show_busy("Closing…")
            self._wish(lambda: self._work.power(False))

    def change_stream(self, **fields: Any) -> None:
        """Other devices, block, rate …, by the names of `StreamSettings`; opens again if the power is on."""
        try:
            replace(self._state.settings, **fields)
        except (RetimbreError, TypeError) as error:
            self._say(str(error), "source")
            return
        if self._state.power == "on":
            self._show_busy("Opening…")
        self._wish(lambda: self._work.change_stream(**fields), "source")

    # sound

    def set_controls(self, **changes: Any) -> None:
        """Turn controls by name; undoable, what belongs to one gesture as one step."""
        try:
            after = self._controls.with_changes(**changes)
        except ConfigError as error:
            self._say(str(error), "play")
            return
        before = {name: getattr(self._controls, name) for name in changes}
        values = {name: getattr(after, name) for name in changes}
        if before == values:
            return
        self.undo_stack.push(ControlsStep(before, values, self._turn))
        self._turn(values)

    def load_model(self, name: str) -> None:
        """Play through another model, by its name or folder."""
        self.undo_stack.clear()
        self._show_busy("Loading…")
        self._wish(lambda: self._work.load_model(name), "play")

    def load_preset(self, name: str | int) -> None:
        """Play as a preset says, by its name or its place in the setlist from 1."""
        self.undo_stack.clear()
        self._wish(lambda: self._work.load_preset(name))

    def save_preset(self, name: str) -> None:
        """Keep what is set as a preset of this name."""
        self._wish(lambda: self._work.save_preset(name))

    def step_preset(self, by: int) -> None:
        """Go so many places on in the setlist."""
        self.undo_stack.clear()
        self._wish(lambda: self._work.step_preset(by))

    def set_setlist(self, setlist: Setlist | None, position: int = 0) -> None:
        """Step through these presets; position: the place that plays already, from 1."""
        self._wish(lambda: self._work.set_setlist(setlist, position), "setlist")

    def resume(self, preset: str) -> None:
        """The settings that the bridge began with are those of this preset."""
        self._wish(lambda: self._work.resume(preset))

    def set_muted(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        self._wish(lambda: self._work.mute(muted))

    def panic(self) -> None:
        """All notes off, the output silent for a moment, loops of feedback broken."""
        self._wish(self._work.panic)

    # takes and files

    def start_recording(self, sides: RecordedSides = "both") -> None:
        """Begin a take in `takes_folder`."""
        self._wish(lambda: self._work.record(sides), "play")

    def stop_recording(self) -> None:
        """End the take."""
        self._wish(self._work.stop_recording, "play")

    def play_file(
        self, path: Path, to: Literal["output", "input"] = "output", *, loop: bool = False, from_s: float = 0.0
    ) -> None:
        """Play a sound file behind the model, or into it; `snapshot().file_s` tells how far."""
        if self._state.power == "off":
            self._show_opening()
        self._wish(lambda: self._work.play_file(path, to, loop, from_s))

    def stop_file(self) -> None:
        """End the file that plays."""
        self._wish(self._work.stop_file)

    # MIDI

    def set_midi(self, midi: MidiSettings | None) -> None:
        """Other MIDI, or none."""
        self._wish(lambda: self._work.set_midi(midi), "source")

    def send_midi(self, message: bytes) -> None:
        """A message as if it had come from the port (on-screen keyboard)."""
        self._wish(lambda: self._work.send_midi(message), "source")

    def learn(self, control: str | None) -> None:
        """Bind a control to the next controller that moves; None: wait no more."""
        self._wish(lambda: self._work.learn(control))

    @property
    def learn_mode(self) -> bool:
        """Whether a click on a control chooses it for `learn`."""
        return self._learn_mode

    def set_learn_mode(self, on: bool) -> None:
        """Enter learn mode, or leave it and wait for no controller any more."""
        if on == self._learn_mode:
            return
        self._learn_mode = on
        if not on and self._state.learning is not None:
            self.learn(None)
        self.learn_mode_changed.emit(on)

    def forget(self, control: str) -> None:
        """Take a control's MIDI bindings away."""
        self._wish(lambda: self._work.forget(control))

    # plugins

    def set_plugins(
        self, before: Sequence[PluginSpec], after: Sequence[PluginSpec], forgiven: Sequence[str] = ()
    ) -> None:
        """Other plugins in front of the model and behind it; forgiven: URIs of some that get another chance."""
        self._wish(lambda: self._work.set_plugins(tuple(before), tuple(after), tuple(forgiven)), "chain")

    def set_plugin_parameter(self, side: Side, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin, counted from 0."""
        self._wish(lambda: self._work.change_plugin(side, index, name, value), "chain")

    def set_plugin_bypass(self, side: Side, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in."""
        self._wish(lambda: self._work.change_plugin(side, index, "bypass", float(bypass)), "chain")

    # measuring, devices, work in the background

    def measure_latency(self, events: int = 50) -> None:
        """Measure the latency through a loop outside; `measured` tells."""
        self._wish(lambda: self._work.measure(events), "play")

    def refresh_devices(self) -> None:
        """Look for sound cards and MIDI ports; `devices_changed` tells, also when one comes or goes later."""
        self._wish(self._work.look_for_devices, "source")

    def hear_osc(self, port: int | None, *, network: bool = False) -> None:
        """Let other programs turn what the player can, on this UDP port of 127.0.0.1 or of every address; None: not."""
        if port is None:
            self._wish(self._work.close_osc, "settings")
        else:
            self._wish(lambda: self._work.open_osc(self._thread.post, port, network=network), "settings")

    def in_background(
        self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """Do `work` on another thread; `then` gets its result here, `failed` the sentence of what it raised."""
        self._background.run(work, then, self._say if failed is None else failed)

    def ask_for_panel(self, key: str) -> None:
        """Have a panel shown."""
        self.panel_wanted.emit(key)

    def say(self, notice: Notice) -> None:
        """Tell the player, in the place that the notice names."""
        self.noticed.emit(notice)

    def set_watched(self, watched: bool) -> None:
        """Whether anybody sees the meters: without, no frames are made."""
        self._seen_window = watched
        self._pace_frames()

    def close(self) -> None:
        """End everything, in END_S at most: the take is closed, the engine ended, by force where it hangs."""
        if self._closed:
            return
        self._send()
        self._closed = True
        self._frame_timer.stop()
        self._send_timer.stop()
        self._background.close()
        self._pitch.end()
        self._thread.end(self._work.end)
        if not self._thread.join(END_S):
            self._break_off()
            self._thread.join(1.0)

    # inside

    def _wish(self, wish: Callable[[], None], place: Place = "everywhere") -> None:
        self._send()  # what was turned before is heard before
        self._wishes += 1
        number = self._wishes
        self._thread.post(lambda: self._work.do(wish, place, number))

    def _show_busy(self, words: str) -> None:
        """Show this until the next wish is done: what is said of those before it ends nothing."""
        self._busy_until = self._wishes + 1
        self._set_state(replace(self._state, busy=words))

    def _show_opening(self) -> None:
        """Show that the next wish opens the stream, until it is done."""
        self._opened_by = self._wishes + 1
        self._busy_until = self._opened_by
        self._set_state(replace(self._state, power="opening", busy="Opening…"))

    def _turn(self, values: Mapping[str, Any]) -> None:
        self._unsent.update(values)
        self._set_controls(self._controls.with_changes(**values))
        if not self._send_timer.isActive() and not self._sent:
            self._send_timer.start()

    def _send(self) -> None:
        if not self._unsent or self._closed:
            return
        changes, self._unsent = self._unsent, {}
        self._number += 1
        number = self._number
        self._sent[number] = changes
        self._thread.post(lambda: self._work.do(lambda: self._work.change_controls(changes, number), "play"))

    def _tick(self) -> None:
        self._work.tick()

    def _hear(self, told: object) -> None:
        """Something came from another thread; on the GUI thread."""
        if self._closed:
            return
        if isinstance(told, Seen):
            self._take_seen(told)
        elif isinstance(told, Notice):
            self.noticed.emit(told)
        elif isinstance(told, Event):
            self._take_event(told)
        elif isinstance(told, Path):
            self.take_finished.emit(told)
        elif callable(told):
            told()
        else:
            self.devices_changed.emit(told)

    def _take_seen(self, seen: Seen) -> None:
        for number in [number for number in self._sent if number <= seen.applied]:
            del self._sent[number]
        if self._unsent and not self._sent and not self._send_timer.isActive():
            self._send_timer.start()
        pending: dict[str, Any] = {}
        for changes in self._sent.values():
            pending.update(changes)
        pending.update(self._unsent)
        controls = seen.settings.controls
        with contextlib.suppress(ConfigError):  # weights for a model that is gone
            controls = controls.with_changes(**pending)
        opening = self._state.power == "opening" and seen.done < self._opened_by
        self._set_state(
            LiveState(
                settings=replace(seen.settings, controls=controls),
                power="opening" if opening else seen.power,
                running=seen.running,
                targets=seen.targets,
                preset=seen.preset,
                setlist=seen.setlist,
                position=seen.position,
                muted=seen.muted,
                recording=seen.recording,
                osc_port=seen.osc_port,
                learning=seen.learning,
                busy=self._state.busy if seen.done < self._busy_until else "",
            )
        )
        self._set_controls(controls)

    def _take_event(self, event: Event) -> None:
        if event.kind == "incident":
            self.incidents.append(event.value)
            self.incident.emit(event.value)
        elif event.kind == "measured":
            self.measured.emit(event.value)
        if event.sentence:
            bad = event.kind in ("refused", "said", "recording")
            places = _REFUSED_PLACES if event.kind == "refused" else _EVENT_PLACES
            place = places.get(event.value if event.kind == "refused" else event.kind, "everywhere")
            self.noticed.emit(Notice(event.sentence, place, "warning" if bad else "info"))

    def _set_controls(self, controls: Controls) -> None:
        if controls != self._controls:
            self._controls = controls
            self._state = replace(self._state, settings=replace(self._state.settings, controls=controls))
            self.controls_changed.emit(controls)

    def _set_state(self, state: LiveState) -> None:
        if state != self._state:
            self._state = state
            self._pace_frames()
            self.state_changed.emit(state)

    def _pace_frames(self) -> None:
        wanted = self._seen_window and self._state.power == "on" and not self._closed
        if wanted != self._frame_timer.isActive():
            if wanted:
                self._frame_timer.start()
            else:
                self._frame_timer.stop()
            self._pitch.set_on(wanted)

    def _show_frame(self) -> None:
        self.frame.emit(self.snapshot())

    def _say(self, sentence: str, place: Place = "everywhere") -> None:
        self.noticed.emit(Notice(sentence, place, "error"))

    def _break_off(self) -> None:
        """Kill the engine that the session thread waits for: its wait then ends with a sentence."""
        number = self._session.host.process_id
        if number is not None:
            with contextlib.suppress(OSError):
                os.kill(number, getattr(signal, "SIGKILL", signal.SIGTERM))

    def _defect(self, error: BaseException) -> None:
        """On another thread: a defect of ours."""
        self._told.emit(Notice(self._report(error), "everywhere", "error"))


def _report(error: BaseException) -> str:
    from realtime.report import save_report

    saved = save_report(error) if isinstance(error, Exception) else None
    where = f"; the report is in {saved}" if saved else ""
    return f"Something went wrong in the app ({type(error).__name__}){where}. You can go on."


def default_takes_folder() -> Path:
    """Music/Retimbre."""
    from platformdirs import user_music_path

    return user_music_path() / "Retimbre"
