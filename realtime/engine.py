"""The engine process: owns the stream, the chain and the recorder; answers a host through a pipe.

    host process ══ pipe ══▶ control thread (this module) ──▶ Player: callback and worker ──▶ sound card
                 ◀═ shared memory: meters ═════════════════════┘

A process of its own because Python threads take the interpreter from one another: with a busy window in the same
process thousands of callbacks were late, with two processes none. For the same reason nothing here is busy but the
callback and the worker, the cyclic garbage collector is off while sound runs, and the two sleep in a real-time class
where that is allowed. After the death of a sound server PortAudio may hang in its close: the host then kills this
process.

Over 300 lines because the life of the stream, from a command to the end of the process, is one state machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime import audio_io, meters
from realtime.controls import Controls
from realtime.deadline import choose_slack, nearly_too_slow, warm_up
from realtime.errors import EngineError, RetimbreError
from realtime.feedback import WINDOW_S, HowlGuard
from realtime.latency import Latency, latency
from realtime.messages import Event, Refusal, Reply, Request, Running, StreamSettings, Where
from realtime.meters import Meters, Times
from realtime.player import Player
from realtime.recorder import Recorder
from realtime.scheduling import lock_memory, make_ordinary, make_real_time

if TYPE_CHECKING:
    from realtime.chain import Chain

_TICK_S = 0.02
_STALL_S = 1.5
_FIRST_BLOCK_S = 5.0
_CLOSE_S = 10.0
_REAL_TIME_PRIORITY, _CONTROL_PRIORITY = 20, 1

HOWL_SENTENCE = (
    "The output howled and is muted, because the microphone hears the loudspeaker: put on headphones or turn the "
    "level down, then unmute."
)
STALL_SENTENCE = (
    "The sound card or sound server has stopped asking for sound: look whether it is still there, then start again."
)


@dataclass(slots=True)
class _Stream:
    """Everything of one open stream; `player` is None until the first block has shown how long blocks are."""

    settings: StreamSettings
    duplex: audio_io.DuplexStream
    chain: Chain
    rate_hz: int
    warm: Times
    channels: tuple[int, ...]
    faults_before: int
    player: Player | None = None
    frames: int = 0


class Engine:
    """Opens one stream at a time and keeps it healthy; every method runs on the control thread."""

    def __init__(self, shown: Meters) -> None:
        """shown: where to count."""
        self._shown = shown
        self._stream: _Stream | None = None
        self._guard = HowlGuard()
        self._next_window = 0.0
        self._last_call = (0.0, 0.0)
        self._scheduled: set[int] = set()

    def open(self, settings: StreamSettings) -> Running:
        """Load, warm up, choose devices and let sound run. Raises `RetimbreError`; then nothing stays open."""
        self.close()
        try:
            return self._open(settings)
        except BaseException:
            self.close()
            raise

    def _open(self, settings: StreamSettings) -> Running:
        from realtime.chain import Chain  # onnxruntime takes 0.3 s, and devices may be wrong before it is needed
        from realtime.package import resolve

        devices = audio_io.list_devices(refresh=True)
        source, sink = audio_io.choose_devices(devices, settings.input, settings.output, settings.host_api)
        channels = _channels(settings, source, sink)
        chain = Chain(resolve(settings.model), settings.controls, provider=settings.provider)
        manifest = chain.package.manifest
        rate_hz = audio_io.choose_rate(source, sink, settings.rate_hz, chain.sample_rate)
        warm = warm_up(chain)
        muted = audio_io.may_howl(source, sink) and not settings.headphones
        self._shown.clear()
        duplex = audio_io.DuplexStream(
            source,
            sink,
            rate_hz=rate_hz,
            block=settings.block,
            input_channels=settings.input_channel,
            output_channels=max(channels) + 1,
            callback=self._callback,
        )
        stream = self._stream = _Stream(settings, duplex, chain, rate_hz, warm, channels, chain.faults)
        _collect_once()
        duplex.start()
        block = self._wait_for_block(stream)
        law, where = self._arm(stream, block, muted=muted)
        # This thread too, and the recorder's after it: an ordinary thread that another process interrupts while it
        # holds the interpreter would keep the callback waiting (12 ms were seen on a busy machine).
        make_real_time(0, _CONTROL_PRIORITY)
        if settings.record is not None:
            self.record(settings.record)
        running = Running(
            model=manifest.name,
            title=manifest.title,
            input=source.name,
            output=sink.name,
            host_api=sink.host_api,
            rate_hz=rate_hz,
            block=block,
            model_rate_hz=chain.sample_rate,
            step_samples=chain.step_samples,
            latency=law,
            where=where,
            provider=chain.provider,
            model_warm=warm,
            muted=muted,
            remarks=(),
        )
        return replace(running, remarks=_remarks(running, settings.block))

    def _callback(self, indata: Any, outdata: Any, frames: int, flags: int) -> None:
        stream = self._stream
        if stream is None or stream.player is None:
            outdata.fill(0.0)
            if stream is not None:
                stream.frames = frames
        else:
            stream.player.callback(indata, outdata, frames, flags)

    @staticmethod
    def _wait_for_block(stream: _Stream) -> int:
        """Frames that the card asks for, seen in its first call."""
        deadline = time.monotonic() + _FIRST_BLOCK_S
        while not stream.frames:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The sound card was opened but asked for no sound within {_FIRST_BLOCK_S:g} s: another program "
                    "may hold it; close that, or choose another device."
                )
            time.sleep(0.005)
        return stream.frames

    def _arm(self, stream: _Stream, block: int, *, muted: bool) -> tuple[Latency, Where]:
        """Make the player for this block and let the callback use it; a player that is there is replaced."""
        chain = stream.chain
        step_s = chain.step_samples / chain.sample_rate
        slack = block * choose_slack(
            stream.warm, block_s=block / stream.rate_hz, step_s=step_s, where=stream.settings.where
        )
        device_in, device_out = stream.duplex.latency_samples(block)
        law = latency(
            chain.package.manifest,
            block=block,
            device_rate=stream.rate_hz,
            device_in=device_in,
            device_out=device_out,
            slack=slack,
        )
        old, stream.player = stream.player, None
        if old is not None:
            time.sleep(2 * block / stream.rate_hz)  # a call that began with the old one ends
            old.close()
            chain.reset()
        player = Player(
            chain,
            self._shown,
            rate_hz=stream.rate_hz,
            block=block,
            delay_samples=round(law.total - law.device_in - law.device_out),
            slack_samples=slack,
            input_channel=stream.settings.input_channel - 1,
            output_channels=stream.channels,
            muted=muted,
        )
        player.recorder = old.recorder if old is not None else None
        self._shown.numbers[meters.MUTED] = muted
        self._shown.numbers[meters.STATE] = meters.RUNNING
        self._guard.reset()
        self._last_call = (float(self._shown.numbers[meters.CALLBACKS]), time.monotonic())
        stream.player = player
        return law, "worker" if slack else "callback"

    def set_controls(self, controls: Controls) -> None:
        """Hand new controls to the chain. Raises `ConfigError` when they do not fit the package."""
        self._open_stream().chain.set_controls(controls)

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        player = self._open_stream().player
        if player is not None:
            player.muted = muted
            self._shown.numbers[meters.MUTED] = muted
            self._guard.reset()

    def record(self, path: Path | None) -> str | None:
        """Begin to record into `path`, or end with None; what went wrong with the one that ended comes back."""
        stream = self._open_stream()
        problem = self._end_recording()
        if path is not None and stream.player is not None:
            stream.player.recorder = Recorder(path, stream.rate_hz)
        return problem

    def _open_stream(self) -> _Stream:
        if self._stream is None:
            raise EngineError("No stream is open: open one first.")
        return self._stream

    def _end_recording(self) -> str | None:
        player = self._stream.player if self._stream is not None else None
        if player is None or player.recorder is None:
            return None
        recorder, player.recorder = player.recorder, None
        recorder.close()
        return recorder.problem

    def tick(self) -> list[str]:
        """Look after the stream, some 50 times a second; sentences for the user come back."""
        stream = self._stream
        if stream is None or stream.player is None:
            return []
        player, numbers = stream.player, self._shown.numbers
        numbers[meters.MODEL_FAULTS] = stream.chain.faults - stream.faults_before
        for thread in (player.thread_id, player.worker.thread.native_id if player.worker else None):
            if thread is not None and thread not in self._scheduled:
                self._scheduled.add(thread)
                make_real_time(thread, _REAL_TIME_PRIORITY)
        said = [*self._watch_recording(player), *self._watch_level(player), *self._watch_calls()]
        if player.frames not in (0, numbers[meters.BLOCK]):
            law, _ = self._arm(stream, player.frames, muted=player.muted)
            said.append(
                f"The sound server changed its period to {player.frames} frames; the latency is now "
                f"{law.total_ms:.1f} ms."
            )
        return said

    def _watch_recording(self, player: Player) -> list[str]:
        recorder = player.recorder
        if recorder is None or recorder.problem is None:
            return []
        player.recorder = None
        return [recorder.problem]

    def _watch_level(self, player: Player) -> list[str]:
        now = time.monotonic()
        if player.muted or now < self._next_window:
            return []
        self._next_window = now + WINDOW_S
        if not self._guard.push(meters.level_db(float(self._shown.numbers[meters.OUTPUT_RMS]))):
            return []
        self.mute(True)
        self._shown.numbers[meters.HOWLS] += 1
        return [HOWL_SENTENCE]

    def _watch_calls(self) -> list[str]:
        numbers = self._shown.numbers
        calls, since = self._last_call
        if numbers[meters.CALLBACKS] != calls:
            self._last_call = (float(numbers[meters.CALLBACKS]), time.monotonic())
            numbers[meters.STATE] = meters.RUNNING
            return []
        if numbers[meters.STATE] == meters.STALLED or time.monotonic() - since < _STALL_S:
            return []
        numbers[meters.STATE] = meters.STALLED
        problem = self._end_recording()
        return [STALL_SENTENCE, *([problem] if problem else [])]

    def close(self) -> None:
        """End recording, stream and player; hangs when the sound server died with the stream open."""
        make_ordinary()
        stream = self._stream
        if stream is None:
            return
        self._end_recording()
        if stream.player is not None:
            stream.player.ended = True
        stream.duplex.close()
        if stream.player is not None:
            stream.player.close()
        self._stream = None
        self._shown.numbers[meters.STATE] = meters.CLOSED


def _channels(settings: StreamSettings, source: audio_io.Device, sink: audio_io.Device) -> tuple[int, ...]:
    """Output channels, from 0; raises when a channel is wanted that the device lacks."""
    if settings.input_channel > source.input_channels:
        raise EngineError(
            f"The input channel {settings.input_channel} was asked for, but {source.name!r} has "
            f"{source.input_channels}: choose one of those."
        )
    if settings.output_channel is None:
        return tuple(range(min(2, sink.output_channels)))
    if settings.output_channel > sink.output_channels:
        raise EngineError(
            f"The output channel {settings.output_channel} was asked for, but {sink.name!r} has "
            f"{sink.output_channels}: choose one of those."
        )
    return (settings.output_channel - 1,)


def _remarks(running: Running, wanted_block: int) -> tuple[str, ...]:
    """What the user should know about a stream that runs."""
    said = []
    if running.rate_hz != running.model_rate_hz:
        said.append(
            f"The card runs at {running.rate_hz} Hz and the model at {running.model_rate_hz} Hz: the sound is "
            "resampled on the way in and out, and the delay of that is counted below."
        )
    if running.block != wanted_block:
        said.append(f"The block is {running.block} frames, as {running.host_api} decides, not {wanted_block}.")
    if nearly_too_slow(running.model_warm, running.step_samples / running.model_rate_hz):
        said.append("The model needs nearly all the time there is: expect gaps; a smaller model may help.")
    if running.muted:
        said.append(
            f"The output is muted: {running.input!r} and {running.output!r} look like a built-in microphone and "
            "loudspeaker, which howl together; put on headphones and unmute, or start with --i-use-headphones."
        )
    return tuple(said)


def _collect_once() -> None:
    # Collections of cyclic garbage paused the callback by up to 254 ms; what runs per block makes none.
    gc.collect()
    gc.freeze()
    gc.disable()


def run(connection: Connection, memory: Any) -> None:
    """The engine process from beginning to end; ends when told, or when the host's end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's business, and it reaches the whole group
    sys.setswitchinterval(0.0005)  # a thread with work gets the interpreter from another after this
    lock_memory()
    engine = Engine(Meters(memory))
    with contextlib.suppress(EOFError, OSError):
        _serve(engine, connection)
    # With the host gone nobody else would end a close that hangs.
    last_resort = threading.Timer(_CLOSE_S, os._exit, (1,))
    last_resort.daemon = True
    last_resort.start()
    engine.close()
    # Leaving through the interpreter's end would let PortAudio's exit handler hang on a dead server.
    os._exit(0)


def _serve(engine: Engine, connection: Connection) -> None:
    while True:
        if connection.poll(_TICK_S):
            request: Request = connection.recv()
            try:
                reply: Reply | Refusal = Reply(request.number, _do(engine, request))
            except RetimbreError as error:
                reply = Refusal(request.number, type(error).__name__, str(error))
            except Exception as error:  # noqa: BLE001  (a defect must not end the sound that runs)
                reply = Refusal(
                    request.number,
                    "EngineError",
                    f"A defect of the engine stopped {request.what!r} ({type(error).__name__}: {error}): start again, "
                    "and report it if it comes back.",
                )
            connection.send(reply)
            if request.what == "close":
                return
        for sentence in engine.tick():
            connection.send(Event(sentence))


def _do(engine: Engine, request: Request) -> Any:
    match request.what:
        case "open":
            return engine.open(request.value)
        case "controls":
            return engine.set_controls(request.value)
        case "mute":
            return engine.mute(request.value)
        case "record":
            return engine.record(request.value)
        case "close":
            return engine.close()
