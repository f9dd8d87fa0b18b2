"""The other side of the engine process: start it, tell it, look at it, and end it even when it hangs.

    host = Host();  running = host.open(StreamSettings("voice"));  host.set_controls(…);  host.events();  host.close()

A host never waits for audio: requests go through a pipe with a deadline, meters are read from shared memory. An
engine that does not answer or end in time is killed, which is the only cure when a sound server has died under
PortAudio. Methods may be called from any one thread at a time; `snapshot` from any thread at any time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections import deque
from typing import Any

from realtime.closing import Closing
from realtime.controls import Controls
from realtime.errors import EngineError
from realtime.measure import Measuring
from realtime.messages import (
    Event,
    Learn,
    MidiSettings,
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
    decode_answer,
)
from realtime.meters import Meters, Snapshot, Times, shared_memory
from realtime.midi.midi_map import MidiMap

__all__ = ["Event", "Host", "Running", "Snapshot", "StreamSettings", "Times"]

OPEN_TIMEOUT_S = 90.0  # the first load of a large model on a slow disk, and numba's first compilation
ANSWER_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 7.0  # a recording may have seconds to write


class Host(Closing):
    """Owns one engine process, started by the first `open`."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._memory = shared_memory()
        self._meters = Meters(self._memory)
        self._process: Any = None
        self._pipe: Any = None
        self._number = 0
        self._said: deque[Event] = deque(maxlen=1000)
        self.killed = False
        """Whether the last engine had to be killed because it did not end."""

    @property
    def alive(self) -> bool:
        """Whether the engine process runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def process_id(self) -> int | None:
        """The engine's process id, while it runs."""
        return self._process.pid if self.alive else None

    def open(self, settings: StreamSettings) -> Running:
        """Start the engine if need be and let sound run; replaces a stream that is open. Raises `RetimbreError`."""
        if not self.alive:
            self._spawn()
        running: Running = self._ask("open", settings, OPEN_TIMEOUT_S)
        return running

    def set_controls(self, controls: Controls) -> None:
        """Hand new controls to the chain."""
        self._ask("controls", controls)

    def change_model(self, model: str, controls: Controls | None = None) -> None:
        """Begin to load another model, which is crossfaded in; a `running` or `refused` event tells the end."""
        self._ask("model", ModelChange(model, controls or Controls()))

    def change_slack(self, blocks: int | None) -> None:
        """Give the model's worker so many blocks of time (0: the callback; None: as measured)."""
        self._ask("slack", blocks)

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound again."""
        self._ask("mute", muted)

    def record(self, recording: Recording | None) -> str | None:
        """Record into a new .wav file, or end with None; a sentence about the one that ended comes back."""
        problem: str | None = self._ask("record", recording, CLOSE_TIMEOUT_S)
        return problem

    def change_plugins(self, plugins: Plugins) -> None:
        """Begin to exchange the plugins; a `running` or `refused` event tells the end."""
        self._ask("plugins", plugins)

    def change_plugin(self, change: PluginChange) -> None:
        """Turn a knob of one plugin."""
        self._ask("plugin", change)

    def set_midi(self, settings: MidiSettings | None) -> None:
        """Open another MIDI input and source, or none."""
        self._ask("midi", settings, OPEN_TIMEOUT_S)

    def set_map(self, bindings: MidiMap) -> None:
        """Other bindings of MIDI controllers."""
        self._ask("map", bindings)

    def learn(self, control: str | None, *, any_channel: bool = True) -> None:
        """Bind a control to the next controller that moves; a `learnt` event tells. None: wait no more."""
        self._ask("learn", Learn(control, any_channel))

    def send_midi(self, message: bytes) -> None:
        """A message of a MIDI channel, 2 or 3 bytes, that acts as if it had come from the port."""
        self._ask("send", tuple(message))

    def play_file(self, file: PlayedFile | None) -> None:
        """Begin to read a sound file, which then plays; None ends the one that plays.

        `Snapshot.file_s` tells where it is, a `file` event that it has ended, `refused` that it cannot be read.
        """
        self._ask("file", file)

    def panic(self) -> None:
        """End every note and the file, and be silent for a moment, in which what feeds on itself dies away."""
        self._ask("panic")

    def measure(self, events: int = 500) -> None:
        """Begin to measure the latency through a loop outside; a `measured` or `refused` event tells the result."""
        self._ask("measure", Measuring(events))

    @property
    def meters(self) -> Meters:
        """The meters themselves, to read only."""
        return self._meters

    def snapshot(self) -> Snapshot:
        """What the meters show now."""
        return self._meters.snapshot()

    def events(self) -> list[Event]:
        """What the engine had to tell since the last call; its end is one of them."""
        try:
            while self._pipe is not None and self._pipe.poll():
                self._take(self._pipe.recv_bytes(), None)
        except (EOFError, OSError):
            self._said.append(Event("said", f"{self._end_words()}."))
            self._forget()
        said = list(self._said)
        self._said.clear()
        return said

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """End the engine: asked first, killed when it does not end in time. `killed` says which."""
        self.killed = False
        if self._process is None:
            self._meters.forget_files()
            return
        with contextlib.suppress(OSError):  # it may have ended by itself
            self._pipe.send_bytes(Request(0, "close").encode())
        self._process.join(timeout_s)
        if self._process.is_alive():
            self.killed = True
            self._process.kill()
            self._process.join(timeout_s)
        self._drain()
        self._forget()
        self._meters.forget_files()

    def _spawn(self) -> None:
        from realtime.engine import run  # the engine's modules need not be here before there is one

        self._forget()
        self._meters.clear()
        # Spawned, not forked: a fork would inherit PortAudio, Qt and locks in unknown states.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, self._memory), name="retimbre-engine", daemon=True)
        self._process.start()
        theirs.close()

    def _ask(self, what: str, value: Any = None, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        if self._pipe is None:
            raise EngineError("The engine is not running: open a stream first.")
        self._number += 1
        deadline = time.monotonic() + timeout_s
        try:
            self._pipe.send_bytes(Request(self._number, what, value).encode())
            while self._pipe.poll(max(0.0, deadline - time.monotonic())):
                answer = self._take(self._pipe.recv_bytes(), what)
                if isinstance(answer, Refusal) and answer.number == self._number:
                    raise answer.to_error()
                if isinstance(answer, Reply) and answer.number == self._number:
                    return answer.value
        except (EOFError, OSError):
            words = self._end_words()
            self._forget()
            raise EngineError(f"{words} before it answered {what!r}: try again.") from None
        self._kill()
        raise EngineError(
            f"The engine did not answer {what!r} within {timeout_s:g} s and was ended (the card or server may hang): "
            "try again."
        )

    def _take(self, data: bytes, asked: str | None) -> Event | Reply | Refusal:
        answer = decode_answer(data, asked)
        if isinstance(answer, Event):
            self._said.append(answer)
        return answer

    def _drain(self) -> None:
        try:
            while self._pipe.poll():
                self._take(self._pipe.recv_bytes(), None)
        except (EOFError, OSError):
            return

    def _end_words(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"The engine process ended unexpectedly ({how})"

    def _kill(self) -> None:
        self.killed = True
        self._process.kill()
        self._process.join(CLOSE_TIMEOUT_S)
        self._forget()

    def _forget(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        self._pipe = self._process = None
