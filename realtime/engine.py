"""The engine process: owns the stream and the recorder; answers a host through a pipe.

    host process ══ pipe ══▶ control thread (this module) ──▶ Stream, Player: callback and worker ──▶ sound card
                 ◀═ shared memory: meters ═════════════════════┘

A process of its own because Python threads take the interpreter from one another: with a busy window in the same
process thousands of callbacks were late, with two processes none. For the same reason nothing here is busy but the
callback and the worker, the cyclic garbage collector is off while sound runs, and the two sleep in a real-time class
where that is allowed. After the death of a sound server PortAudio may hang in its close: the host then kills this
process.

Over 300 lines because the life of the stream, from a request to the end of the process, is one state machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from realtime import meters
from realtime.audio_io import leave_servers
from realtime.errors import EngineError, RetimbreError
from realtime.feedback import WINDOW_S, HowlGuard
from realtime.file_deck import FileDeck
from realtime.measure import Measured
from realtime.messages import (
    Change,
    Event,
    Learn,
    ModelChange,
    PlayedFile,
    PluginChange,
    Plugins,
    Recording,
    Refusal,
    Reply,
    Request,
    Running,
    StreamSettings,
    decode_request,
)
from realtime.meters import Incident, Meters
from realtime.midi.midi_map import MidiMap
from realtime.player import Player
from realtime.plugins import blacklist
from realtime.plugins.turned_knobs import TurnedKnobs
from realtime.recorder import Recorder
from realtime.scheduling import give_back_memory, lock_memory, make_ordinary, make_real_time
from realtime.stream import Stream

_TICK_S = 0.02
_STALL_S = 0.7  # beyond the longest block that a card may have (8192 frames at 12 kHz)
_CLOSE_S = 10.0
_REAL_TIME_PRIORITY, _CONTROL_PRIORITY = 20, 1
_PATIENCE, _PATIENCE_S = 3, 10.0  # so many misses within so many seconds are one slack too little
_MOST_SLACK = 16
_PANIC_S = 0.5  # a howl in a small room has died away, a player has not yet looked up

HOWL_SENTENCE = (
    "The output howled and is muted, because the microphone hears the loudspeaker: put on headphones or turn the "
    "level down, then unmute."
)
STALL_SENTENCE = "The sound card or sound server has stopped asking for sound: look whether it is still there."
_MISSES = ("late callback", "model missed")


class Engine:
    """Opens one stream at a time and keeps it healthy; every method runs on the control thread."""

    def __init__(self, shown: Meters) -> None:
        """shown: where to count."""
        self._shown = shown
        self._stream: Stream | None = None
        self._guard = HowlGuard()
        self._deck = FileDeck()
        self._panic_ends = 0.0
        self._next_window = 0.0
        self._last_call = (0.0, 0.0)
        self._scheduled: set[int] = set()
        self._changes: deque[tuple[Change, Iterator[Running | Measured | None]]] = deque()
        self._knobs = TurnedKnobs()
        self._misses: deque[float] = deque(maxlen=_PATIENCE)
        self._events: list[Event] = []

    def open(self, settings: StreamSettings) -> Running:
        """Load, warm up, choose devices and let sound run. Raises `RetimbreError`; then nothing stays open."""
        self.close()
        try:
            stream = self._stream = Stream(settings, self._shown)
            _collect_once()
            running = stream.start()
            # This thread too, and the recorder's after it: an ordinary thread that another process interrupts while it
            # holds the interpreter would keep the callback waiting (12 ms were seen on a busy machine).
            make_real_time(0, _CONTROL_PRIORITY)
            self._last_call = (0.0, time.monotonic())
            self._deck.join(self._player().playback, stream.rate_hz)
            self._deck.play(settings.file)
            if settings.record is not None:
                self.record(Recording(settings.record, settings.recorded))
        except BaseException:
            self.close()
            raise
        return running

    def do(self, request: Request) -> Any:
        """What a request asks for; what its reply holds. Raises `RetimbreError`."""
        value = request.value
        match request.what:
            case "open":
                return self.open(value)
            case "close":
                return self.close()
            case "controls":
                return self._open_stream().set_controls(value)
            case "model":
                return self.change_model(value)
            case "slack":
                return self._begin("slack", self._open_stream().change_slack(value))
            case "mute":
                return self.mute(value)
            case "record":
                return self.record(value)
            case "plugins":
                return self.change_plugins(value)
            case "plugin":
                return self.change_plugin(value)
            case "midi":
                return self._open_stream().set_midi(value)
            case "map":
                return self.set_map(value)
            case "learn":
                return self.learn(value)
            case "send":
                return self._feed().send(value)
            case "file":
                return self.play_file(value)
            case "panic":
                return self.panic()
            case "measure":
                return self._begin("measurement", self._open_stream().measure(value.events))
        raise EngineError(f"There is nothing to do for {request.what!r}.")

    def change_model(self, change: ModelChange) -> None:
        """Begin to load another model; one that waits for its turn is forgotten."""
        stream = self._open_stream()
        waiting = [one for one in self._changes if one[0] != "model" or one is self._changes[0]]
        self._changes = deque(waiting)
        self._begin("model", stream.change_model(change.model, change.controls))

    def change_plugins(self, plugins: Plugins) -> None:
        """Begin to exchange the plugins."""
        stream = self._open_stream()
        for uri in plugins.forgiven:
            blacklist.forgive(uri)
        self._begin("plugins", stream.change_plugins(plugins))

    def _begin(self, what: Change, change: Iterator[Running | Measured | None]) -> None:
        self._open_stream()
        self._changes.append((what, change))

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        self._player().muted = muted
        self._shown.numbers[meters.MUTED] = muted
        self._guard.reset()

    def play_file(self, wanted: PlayedFile | None) -> None:
        """Play a sound file once it is read, or end the one that plays."""
        self._open_stream()
        self._deck.play(wanted)

    def panic(self) -> None:
        """End every note and the file, and be silent for a moment."""
        stream, player = self._open_stream(), self._player()
        if stream.feed is not None:
            stream.feed.silence()
        self._deck.play(None)
        player.panicked = True
        self._panic_ends = time.monotonic() + _PANIC_S

    def record(self, wanted: Recording | None) -> str | None:
        """Begin to record, or end with None; what went wrong with the one that ended comes back."""
        player = self._player()
        problem = self._end_recording()
        if wanted is not None:
            sides = 2 if player.after is not None else 1
            player.recorder = Recorder(wanted.path, self._open_stream().rate_hz, wanted.recorded, sides)
        return problem

    def change_plugin(self, change: PluginChange) -> None:
        """Turn one knob, or the bypass, of a plugin."""
        rack = self._open_stream().rack(change.side)
        if change.name == "bypass":
            rack.set_bypass(change.index, change.value >= 0.5)
        else:
            rack.set_parameter(change.index, change.name, change.value)

    def set_map(self, bindings: MidiMap) -> None:
        """Other bindings of controllers."""
        self._feed().map = bindings

    def learn(self, wanted: Learn) -> None:
        """Bind a control to the next controller that moves."""
        self._feed().learn(wanted.control, any_channel=wanted.any_channel)

    def tick(self) -> list[Event]:
        """Look after the stream, some 50 times a second; what there is to tell comes back."""
        stream = self._stream
        if stream is not None and stream.player is not None:
            self._look_after(stream, stream.player)
        told, self._events = self._events, []
        return told

    def _look_after(self, stream: Stream, player: Player) -> None:
        self._shown.numbers[meters.MODEL_FAULTS] = stream.model_faults
        for thread in stream.threads():
            if thread not in self._scheduled:
                self._scheduled.add(thread)
                make_real_time(thread, _REAL_TIME_PRIORITY)
        for rack in stream.racks:
            self._say(*rack.tick())
        self._watch_recording(player)
        self._watch_level(player)
        self._watch_calls()
        self._watch_deadlines(stream, player)
        self._turn_knobs(stream)
        self._events += self._deck.tick()
        if player.panicked and time.monotonic() >= self._panic_ends:
            player.panicked = False
        if player.frames not in (0, player.lane.block) and not any(what == "block" for what, _ in self._changes):
            self._begin("block", stream.follow_block(player.frames))
        self._advance()

    def _advance(self) -> None:
        """Take the change whose turn it is one tick further."""
        if not self._changes:
            return
        what, change = self._changes[0]
        try:
            result = next(change)
        except RetimbreError as error:
            self._changes.popleft()
            self._events.append(Event("refused", str(error), what))
            return
        if result is None:
            return
        self._changes.popleft()
        if isinstance(result, Measured):
            self._events.append(Event("measured", "", result))
            return
        if what == "plugins":
            self._knobs.clear()  # those were of the plugins before
        running = replace(result, change=what)
        sentence = f"The {what} changed; the latency is now {running.latency.total_ms:.1f} ms."
        if what == "block":
            sentence = (
                f"The sound server changed its period to {running.block} frames; the latency is now "
                f"{running.latency.total_ms:.1f} ms."
            )
        elif what == "slack":
            sentence = f"{running.why} The latency is now {running.latency.total_ms:.1f} ms."
        self._events.append(Event("running", sentence, running))

    def _turn_knobs(self, stream: Stream) -> None:
        """What MIDI asked for since the last tick."""
        feed = stream.feed
        if feed is None:
            return
        self._say(*feed.problems())
        ended = feed.ended()
        if ended is not None:
            self._events.append(Event("midi_file", "", ended))
        turned = feed.turned(stream.controls, muted=self._player().muted, targets=stream.chain.manifest.targets)
        if turned.learnt is not None:
            self._events.append(Event("learnt", f"{turned.learnt_control} follows that controller now.", feed.map))
        with contextlib.suppress(RetimbreError):  # a controller cannot be told what is wrong with its value
            if turned.controls is not None:
                stream.set_controls(turned.controls)
                self._events.append(Event("controls", "", turned.controls))
        for name, value in turned.plugins.items():
            side, index, parameter = name.split(".", 2)
            change = PluginChange("after" if side == "after" else "before", int(index), parameter, value)
            with contextlib.suppress(RetimbreError):
                self.change_plugin(change)
                self._knobs.turned(change, stream.rack(change.side).specs[change.index])
        self._events += [Event("plugin", "", change) for change in self._knobs.due()]
        if turned.muted is not None:
            self.mute(turned.muted)
        self._events += [Event("press", "", press) for press in turned.presses]
        self._events += [Event("program", "", name) for name in turned.programs]

    def _watch_deadlines(self, stream: Stream, player: Player) -> None:
        """Tell what was missed; step the slack up when it is too little."""
        now = time.monotonic()
        while player.incidents:
            incident: Incident = player.incidents.popleft()
            self._events.append(Event("incident", "", incident))
            if incident.cause in _MISSES:
                self._misses.append(now)
        patience_ends = len(self._misses) == _PATIENCE and now - self._misses[0] < _PATIENCE_S
        slack = player.lane.slack_samples // player.lane.block
        fixed = stream.settings.slack is not None or stream.settings.where == "callback"
        if not patience_ends or fixed or self._changes or slack >= _MOST_SLACK:
            return
        self._misses.clear()
        self._say(f"The model missed {_PATIENCE} blocks within {_PATIENCE_S:g} s: it gets one block more time.")
        self._begin("slack", stream.widen_slack(slack + 1))

    def _watch_recording(self, player: Player) -> None:
        recorder = player.recorder
        if recorder is not None and recorder.problem is not None:
            player.recorder = None
            self._events.append(Event("recording", recorder.problem, recorder.first))

    def _watch_level(self, player: Player) -> None:
        now = time.monotonic()
        if player.muted or now < self._next_window:
            return
        self._next_window = now + WINDOW_S
        # Before the limiter, behind which a howl is no louder than music.
        if self._guard.push(meters.level_db(float(self._shown.numbers[meters.MADE_RMS]))):
            self.mute(True)
            self._shown.numbers[meters.HOWLS] += 1
            self._say(HOWL_SENTENCE)

    def _watch_calls(self) -> None:
        numbers = self._shown.numbers
        calls, since = self._last_call
        if numbers[meters.CALLBACKS] != calls:
            self._last_call = (float(numbers[meters.CALLBACKS]), time.monotonic())
            numbers[meters.STATE] = meters.RUNNING
            return
        if numbers[meters.STATE] == meters.STALLED or time.monotonic() - since < _STALL_S:
            return
        numbers[meters.STATE] = meters.STALLED
        self._say(STALL_SENTENCE)

    def _say(self, *sentences: str) -> None:
        self._events += [Event("said", sentence) for sentence in sentences]

    def close(self) -> None:
        """End recording, stream and player; hangs when the sound server died with the stream open."""
        make_ordinary()
        self._changes.clear()
        self._knobs.clear()
        self._misses.clear()
        self._guard.reset()
        stream = self._stream
        if stream is None:
            return
        self._end_recording()
        self._deck.leave()
        stream.close()
        self._stream = None
        self._shown.numbers[meters.STATE] = meters.CLOSED
        self._shown.forget_files()

    def _open_stream(self) -> Stream:
        if self._stream is None:
            raise EngineError("No stream is open: open one first.")
        return self._stream

    def _player(self) -> Player:
        player = self._open_stream().player
        assert player is not None, "a stream that was opened has a player"
        return player

    def _feed(self) -> Any:
        feed = self._open_stream().feed
        if feed is None:
            raise EngineError("No MIDI port is open: open one first.")
        return feed

    def _end_recording(self) -> str | None:
        player = self._stream.player if self._stream is not None else None
        if player is None or player.recorder is None:
            return None
        recorder, player.recorder = player.recorder, None
        recorder.close()
        return recorder.problem


def _collect_once() -> None:
    # Collections of cyclic garbage paused the callback by up to 254 ms; what runs per block makes none.
    gc.collect()
    gc.freeze()
    gc.disable()


def run(connection: Connection, memory: Any) -> None:
    """The engine process from beginning to end; ends when told, or when the host's end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's business, and it reaches the whole group
    sys.setswitchinterval(0.0001)  # a thread with work gets the interpreter from another after this
    lock_memory()
    give_back_memory()
    engine = Engine(Meters(memory))
    with contextlib.suppress(EOFError, OSError):
        _serve(engine, connection)
    # With the host gone nobody else would end a close that hangs.
    last_resort = threading.Timer(_CLOSE_S, os._exit, (1,))
    last_resort.daemon = True
    last_resort.start()
    engine.close()
    leave_servers()
    # Leaving through the interpreter's end would let PortAudio's exit handler hang on a dead server.
    os._exit(0)


def _serve(engine: Engine, connection: Connection) -> None:
    while True:
        if connection.poll(_TICK_S):
            request = decode_request(connection.recv_bytes())
            connection.send_bytes(_answer(engine, request).encode())
            if isinstance(request, Request) and request.what == "close":
                return
        for event in engine.tick():
            connection.send_bytes(event.encode())


def _answer(engine: Engine, request: Request | Refusal) -> Reply | Refusal:
    if isinstance(request, Refusal):
        return request
    try:
        return Reply(request.number, engine.do(request))
    except RetimbreError as error:
        return Refusal(request.number, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001  (a defect must not end the sound that runs)
        return Refusal(
            request.number,
            "EngineError",
            f"A defect of the engine stopped {request.what!r} ({type(error).__name__}: {error}): start again, "
            "and report it if it comes back.",
        )
