"""Hours of sound in minutes: a real JACK server in freewheel, a live session, and everything that can happen to it.

    auditor (JACK client in a process of its own) ─▶ engine ─▶ auditor
    this process: random controls, models, notes, recordings, period changes; faults on purpose; checks all along

The auditor plays a sound that it knows, counts every frame, and hears whether what comes back is finite and within full
scale. Now and then the session is set to pass its input on; then what comes back must be the same samples. Freewheel
means that the server does not wait for the clock: the engine's real callback runs as fast as this machine can.

Checked: every sample that the server asked for was served; memory flat within 2 MB after warm-up, threads and handles
as many as before; no xrun, fault or restart but those that were caused on purpose.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.bench import machine
from realtime.bench_live import jack_without_hardware
from realtime.controls import Controls
from realtime.errors import EngineError, RetimbreError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.messages import MidiSettings
from realtime.plain import to_plain
from realtime.plugin_spec import PluginSpec
from realtime.source import SourceSettings

FloatArray = NDArray[np.float32]

_WARM_UP_PART = 0.1
_MEMORY_MB = 2.0
_START_S, _CHANGE_S = 20.0, 60.0
_PERIODS = (128, 256, 512, 1024)
_KEYS = "soak-keys"
_STATUSES = (0x80, 0x90, 0xB0, 0xC0, 0xE0, 0xF0, 0x00)
_MOST_NOTES, _ALL_SOUND_OFF = 40, 120
_OUTPUT_PORT = "_1"  # the second: the engine is told to play there


@dataclass(frozen=True, slots=True)
class SoakSettings:
    """hours: of sound. models: what is exchanged; plugins: what is put around it. faults: cause some on purpose."""

    hours: float = 1.0
    models: tuple[str, ...] = ("identity",)
    plugins: tuple[PluginSpec, ...] = ()
    rate_hz: int = 48000
    seed: int = 0
    faults: bool = True
    midi: bool = True


@dataclass(slots=True)
class SoakReport:
    """What happened. `failures` holds a sentence per assertion that did not hold; empty: all held."""

    machine: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    hours: float = 0.0
    times_real_time: float = 0.0
    actions: dict[str, int] = field(default_factory=dict)
    faults_caused: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    frames_asked: int = 0
    frames_missing: int = 0
    frames_compared: int = 0
    xruns: int = 0
    memory_mb: tuple[float, float] = (0.0, 0.0)
    threads: tuple[int, int] = (0, 0)
    handles: tuple[int, int] = (0, 0)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Count:
    """Frames that the engine had served before, that the server had asked for, that the engine had served after."""

    before: int
    asked: int
    after: int
    xruns: int


class Auditor:
    """A JACK client in a process of its own, and what it has counted, in shared memory."""

    NUMBERS = ("frames", "not_finite", "too_loud", "heard_sound", "xruns", "compared", "differed")

    def __init__(self, rate_hz: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._memory = context.RawArray("d", len(self.NUMBERS))
        self._stop = context.Event()
        self._ready = context.Event()
        self._period = context.RawValue("i", 0)
        self._freewheel = context.RawValue("i", -1)
        self._compare = context.RawValue("i", 0)
        self._storm = context.RawValue("i", 0)
        self._process = context.Process(
            target=_audit,
            args=(
                self._memory,
                self._ready,
                self._stop,
                self._period,
                self._freewheel,
                self._compare,
                self._storm,
                rate_hz,
            ),
            daemon=True,
        )
        self._process.start()
        if not self._ready.wait(_START_S):
            raise EngineError("The auditor did not join the JACK server: try again when the machine is idle.")

    def __getitem__(self, name: str) -> int:
        return int(self._memory[self.NUMBERS.index(name)])

    def set_period(self, frames: int) -> None:
        """Ask the server for another period."""
        self._period.value = frames

    def set_freewheel(self, on: bool) -> None:
        """Let the server run free of the clock, or by it."""
        self._freewheel.value = int(on)

    @property
    def obeyed(self) -> bool:
        """Whether the server runs as it was last told."""
        return self._freewheel.value < 0

    def compare(self) -> None:
        """Compare a second of what comes back with what was played; `comparing` tells when it is done."""
        self._compare.value = 1

    def storm(self, messages: int) -> None:
        """Send so many random messages to the engine's MIDI port, -1: the end of all notes; `storming` tells it."""
        self._storm.value = messages

    @property
    def storming(self) -> bool:
        """Whether messages are still on their way."""
        return self._storm.value != 0

    @property
    def comparing(self) -> bool:
        """Whether that second is not over yet."""
        return bool(self._compare.value)

    def close(self) -> None:
        """Leave the server."""
        self._stop.set()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _audit(
    memory: Any, ready: Any, stop: Any, period: Any, freewheel: Any, compare: Any, storm: Any, rate_hz: int
) -> None:
    """The auditor's process."""
    import jack

    numbers = np.frombuffer(memory, np.float64)
    client = jack.Client("auditor", no_start_server=True)
    speak, listen = client.outports.register("out"), client.inports.register("in")
    keys = client.midi_outports.register("keys")
    rubbish = np.random.default_rng(0).integers(0, 128, (4096, 3), dtype=np.uint8)
    rubbish[:, 0] |= np.random.default_rng(1).choice(np.array(_STATUSES, np.uint8), 4096)
    messages = [row.tobytes() for row in rubbish]
    sound = _sound(rate_hz)
    place = 0
    kept = np.zeros((2, rate_hz), np.float32)
    filled = 0
    free = False

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(_frames: int) -> None:
        nonlocal place, filled
        heard, out = listen.get_array(), speak.get_array()
        frames = out.size  # while the period changes the two differ
        if place + frames > sound.size:
            place = 0
        out[:] = sound[place : place + frames]
        place += frames
        power = float(np.dot(heard, heard))
        if not np.isfinite(power):
            numbers[1] += 1
        elif power > 0.0:
            numbers[3] += frames
            if float(np.abs(heard).max()) > 1.0:
                numbers[2] += 1
        numbers[0] += frames
        keys.clear_buffer()
        if storm.value < 0:
            for channel in range(16):
                keys.write_midi_event(0, bytes((0xB0 | channel, _ALL_SOUND_OFF, 0)))
            storm.value = 0
        elif storm.value:
            with contextlib.suppress(jack.JackError):
                for _ in range(min(_MOST_NOTES, storm.value)):
                    keys.write_midi_event(0, messages[storm.value % len(messages)])
                    storm.value -= 1
        if compare.value and filled < rate_hz:
            part = min(frames, rate_hz - filled)
            kept[0, filled : filled + part] = out[:part]
            kept[1, filled : filled + part] = heard[:part]
            filled += part

    @client.set_xrun_callback  # type: ignore[untyped-decorator]
    def xrun(_delayed_us: float) -> None:
        numbers[4] += 1

    with client:
        ready.set()
        while not stop.wait(0.02):
            _join_engine(client, speak, listen, keys)
            if period.value:
                client.blocksize, period.value = period.value, 0
            if freewheel.value >= 0:
                if free != bool(freewheel.value):  # a server that already runs free refuses to be told so
                    free = bool(freewheel.value)
                    client.set_freewheel(free)
                freewheel.value = -1
            if compare.value and filled == rate_hz:
                numbers[5] += rate_hz
                numbers[6] += not same_but_later(kept[0], kept[1])
                filled = compare.value = 0


def _join_engine(client: Any, speak: Any, listen: Any, keys: Any) -> None:
    """Connect to whatever engine there is now: a server's loopback driver is silent while it runs free."""
    import jack

    with contextlib.suppress(jack.JackError):  # it may leave while it is looked at
        for port in client.get_ports("^PortAudio", is_audio=True):
            if port.is_input and not client.get_all_connections(speak):
                client.connect(speak, port)
            elif port.is_output and port.name.endswith(_OUTPUT_PORT) and not client.get_all_connections(listen):
                client.connect(port, listen)
        for port in client.get_ports(_KEYS, is_midi=True, is_input=True):
            if not client.get_all_connections(keys):
                client.connect(keys, port)


def same_but_later(played: FloatArray, heard: FloatArray) -> bool:
    """Whether `heard` is `played` some samples later, to 1e-6, and not silence."""
    size = 2 * played.size
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    delay = int(np.argmax(np.fft.irfft(spectrum, size)[: played.size // 2]))
    rest = heard[delay:]
    return bool(np.abs(rest).max() > 0.01 and np.abs(rest - played[: rest.size]).max() <= 1e-6)


def _sound(rate_hz: int) -> FloatArray:
    """Ten seconds of notes with pauses, whole periods of 8192."""
    from realtime.bench import melody

    sound = melody(10.0, rate_hz)
    return sound[: sound.size // 8192 * 8192]


class Soak:
    """One run."""

    def __init__(self, settings: SoakSettings, session: LiveSession, auditor: Auditor, folder: Path) -> None:
        self.settings, self._session, self._auditor, self._folder = settings, session, auditor, folder
        self._random = random.Random(settings.seed)
        self.report = SoakReport(machine=machine(), settings=to_plain(settings))
        self._actions: Counter[str] = Counter()
        self._caused: Counter[str] = Counter()
        self._since: _Count | None = None
        self._takes = 0
        self._told: list[Event] = []

    def run(self, progress: Callable[[float], None] = lambda _part: None) -> SoakReport:
        """Everything; raises only what ends a session for good."""
        wanted = int(self.settings.hours * 3600 * self.settings.rate_hz)
        began, first = time.monotonic(), self._auditor["frames"]
        self._begin_counting()
        calm: dict[str, tuple[float, int, int]] = {}
        while (done := self._auditor["frames"] - first) < wanted:
            part = done / wanted
            progress(part)
            # Faults in the first half; the second half shows that what is left neither grows nor stumbles.
            if self.settings.faults and part < 0.5 and self._random.random() < 0.1:
                self._cause_a_fault()
            else:
                self._act()
            self._wait(self._random.uniform(0.2, 4.0))
            if part > 0.5 + _WARM_UP_PART and "before" not in calm:
                calm["before"] = self._size()
        self._act_compare()
        calm["after"] = self._size()
        self._end_counting()
        report, took = self.report, time.monotonic() - began
        report.hours = (self._auditor["frames"] - first) / self.settings.rate_hz / 3600
        report.times_real_time = round(report.hours * 3600 / took, 1)
        report.actions, report.faults_caused = dict(self._actions), dict(self._caused)
        report.restarts = self._session.restarts
        report.frames_compared = self._auditor["compared"]
        before, after = calm.get("before", calm["after"]), calm["after"]
        report.memory_mb = (round(before[0], 2), round(after[0], 2))
        report.threads, report.handles = (before[1], after[1]), (before[2], after[2])
        self._judge()
        return report

    def _judge(self) -> None:
        report, fail = self.report, self.report.failures.append
        if report.frames_missing:
            fail(f"{report.frames_missing} of {report.frames_asked} frames that the server asked for were not served.")
        wrong = {
            "not_finite": "blocks were not finite", "too_loud": "blocks were over full scale",
            "differed": "seconds were not what was played",
        }  # fmt: skip
        for name, what in wrong.items():
            if self._auditor[name]:
                fail(f"{self._auditor[name]} {what}.")
        if not self._auditor["heard_sound"] or not report.frames_compared:
            fail("No sound came back, or none was compared.")
        grown = report.memory_mb[1] - report.memory_mb[0]
        if grown > _MEMORY_MB:
            fail(f"The engine grew by {grown:.1f} MB.")
        for name, (before, after) in (("threads", report.threads), ("handles", report.handles)):
            if after > before:
                fail(f"The engine has {after} {name}, {before} before.")
        if report.restarts != self._caused["engine killed"]:
            wanted = self._caused["engine killed"]
            fail(f"The engine was started again {report.restarts} times, {wanted} of them on purpose.")
        if report.xruns:
            fail(f"There were {report.xruns} xruns that nothing on purpose had caused.")

    def _act(self) -> None:
        """One thing that a musician might do."""
        name = self._random.choices(
            ("controls", "target", "model", "mute", "record", "period", "compare", "plugin", "notes"),
            (30, 15, 6, 6, 6, 2, 4, 6 if self.settings.plugins else 0, 6 if self.settings.midi else 0),
        )[0]
        self._actions[name] += 1
        try:
            getattr(self, f"_act_{name}")()
        except RetimbreError as error:
            if not self._session.waiting:
                self.report.failures.append(f"{name}: {error}")

    def _act_controls(self) -> None:
        pick = self._random
        self._session.change_controls(
            {
                "mix": pick.choice((0.0, 0.5, 1.0)),
                "input_gain_db": pick.uniform(-12, 12),
                "output_gain_db": pick.uniform(-40, 6),
                "transpose_semitones": pick.choice((0, 0, -12, 7)),
                "bypass": pick.random() < 0.1,
                "gate_db": pick.choice((-100.0, -50.0)),
                "compressor_db": pick.choice((0.0, -20.0)),
            }
        )

    def _act_target(self) -> None:
        names = self._session.state().targets
        if names:
            weights = tuple(self._random.random() + 0.01 for _ in names)
            self._session.change_controls({"target": weights})

    def _act_model(self) -> None:
        self._session.load_model(self._random.choice(self.settings.models))
        self._await(lambda event: event.kind in ("running", "refused"), "another model")

    def _act_mute(self) -> None:
        self._session.mute(self._random.random() < 0.3)

    def _act_record(self) -> None:
        if self._session.state().recording is not None:
            self._session.record(None)
            for file in self._folder.glob("take*.wav"):
                file.unlink()
            return
        self._takes += 1
        self._session.record(self._folder / f"take{self._takes}.wav")

    def _act_period(self) -> None:
        self._end_counting()
        period = self._random.choice(_PERIODS)
        before = self._session.snapshot().block
        self._auditor.set_period(period)
        if period != before:
            self._await(lambda event: event.kind == "running", "another period")
        self._begin_counting()

    def _act_compare(self) -> None:
        """Pass the input on, and look whether every sample of it comes back."""
        self._session.load_model("identity")
        self._await(lambda event: event.kind in ("running", "refused"), "the identity")
        self._auditor.storm(-1)
        self._session.change_controls(Controls().to_mapping())
        self._session.mute(False)
        for index in range(len(self.settings.plugins)):
            self._session.set_plugin_bypass("before", index, True)
        self._wait(3.0)  # notes die away, ramps end
        self._auditor.compare()
        self._until(lambda: not self._auditor.comparing, "a comparison")

    def _act_plugin(self) -> None:
        self._session.set_plugin_bypass("before", 0, self._random.random() < 0.5)

    def _act_notes(self) -> None:
        """A storm: thousands of messages, much of it rubbish, into the engine's own port."""
        self._auditor.storm(2000)
        self._until(lambda: not self._auditor.storming, "a storm of notes")

    def _cause_a_fault(self) -> None:
        """Something that goes wrong by itself on stage."""
        names = ["engine killed", *(["plugins killed"] if self.settings.plugins else [])]
        name = self._random.choice(names)
        if name == "plugins killed":
            import psutil

            engine = self._session.host.process_id
            children = psutil.Process(engine).children() if engine is not None else []
            racks = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if racks:
                self._end_counting()
                self._caused[name] += 1
                racks[0].kill()
                self._wait(2.0)
                self._begin_counting()
            return
        engine = self._session.host.process_id
        if engine is None:
            return
        self._end_counting()
        self._caused[name] += 1
        restarts = self._session.restarts
        os.kill(engine, signal.SIGKILL)
        # A server that runs free leaves a client that joins no time to do so.
        self._auditor.set_freewheel(False)
        self._until(lambda: self._session.restarts > restarts, "the engine after a kill")
        self._begin_counting()

    def _begin_counting(self) -> None:
        """From here, in freewheel, every frame that the server asks for must be served."""
        self._auditor.set_freewheel(True)
        self._until(lambda: self._auditor.obeyed, "freewheel")
        self._wait(0.5)
        self._since = self._count()

    def _end_counting(self) -> None:
        since, self._since = self._since, None
        if since is None:
            return
        now = self._count()
        asked = now.asked - since.asked
        # The two are not read in the same moment: served is known to lie between a reading before and one after, and
        # a cycle in which one of the two had its turn and the other not adds a period at either end.
        least, most = now.before - since.after, now.after - since.before
        spread = 2 * max(_PERIODS)
        self.report.xruns += now.xruns - since.xruns
        self.report.frames_asked += asked
        self.report.frames_missing += max(0, asked - most - spread) + max(0, least - asked - spread)

    def _count(self) -> _Count:
        before = self._session.snapshot().samples
        asked = self._auditor["frames"]
        return _Count(before, asked, self._session.snapshot().samples, self._auditor["xruns"])

    def _size(self) -> tuple[float, int, int]:
        """The engine's memory in MB (its own, not shared), threads and open files."""
        import psutil

        process = psutil.Process(self._session.host.process_id)
        memory = process.memory_full_info()
        return memory.uss / 1e6, process.num_threads(), process.num_fds() if hasattr(process, "num_fds") else 0

    def _wait(self, sound_s: float) -> None:
        """Let so much sound pass."""
        goal = self._auditor["frames"] + sound_s * self.settings.rate_hz
        self._until(lambda: self._auditor["frames"] >= goal, "the sound")

    def _await(self, wanted: Callable[[Event], bool], what: str) -> None:
        self._told.clear()
        self._until(lambda: any(wanted(event) for event in self._told), what)

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _CHANGE_S
        while not done():
            self._told += self._session.tick()
            if time.monotonic() > deadline:
                said = " ".join(event.sentence for event in self._told if event.sentence)
                raise EngineError(f"Waited {_CHANGE_S:g} s for {what} in vain. {said}".rstrip())
            time.sleep(0.005)


def soak(settings: SoakSettings, progress: Callable[[float], None] = lambda _part: None) -> SoakReport:
    """Run it. Raises `DeviceError` without JACK, `EngineError` when the session could not go on."""
    with (
        tempfile.TemporaryDirectory() as folder,
        jack_without_hardware(period=256, rate_hz=settings.rate_hz),
        LiveSession() as session,
    ):
        auditor = Auditor(settings.rate_hz)
        try:
            midi = MidiSettings(virtual=_KEYS, source=SourceSettings("pluck"), mixed=True) if settings.midi else None
            session.open(
                StreamSettings(
                    settings.models[0],
                    Controls(),
                    input="loopback",
                    output="loopback",
                    output_channel=2,
                    where="callback",  # a worker would never be in time for a server that does not wait
                    before=settings.plugins,
                    midi=midi,
                )
            )
            return Soak(settings, session, auditor, Path(folder)).run(progress)
        finally:
            auditor.set_freewheel(False)
            time.sleep(0.1)
            auditor.close()
