"""Hours of sound in minutes: a real JACK server in freewheel, a live session, and everything that can happen to it.

    auditor (JACK client in a process of its own) ─▶ engine ─▶ auditor
    this process: random controls, models, notes, recordings, period changes; faults on purpose; checks all along

The auditor plays a sound that it knows, counts every frame, and hears whether what comes back is finite and within full
scale. Now and then the session is set to pass its input on; then what comes back must be the same samples. Freewheel
means that the server does not wait for the clock: the engine's real callback runs as fast as this machine can.

Over 300 lines because everything that may happen on stage is a method here.

Checked: every sample that the server asked for was served; memory flat within 2 MB after warm-up, threads and handles
as many as before; no xrun, fault or restart but those that were caused on purpose.
"""

from __future__ import annotations

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

from realtime.auditor import KEYS, Auditor
from realtime.bench_live import jack_without_hardware
from realtime.controls import Controls
from realtime.errors import EngineError, RetimbreError
from realtime.host import Event, StreamSettings
from realtime.live_session import LiveSession
from realtime.machine import machine
from realtime.messages import MidiSettings
from realtime.midi.source import SourceSettings
from realtime.package import resolve
from realtime.plain import to_plain
from realtime.plugins.spec import PluginSpec

# Of the whole, after the last kill: memory grows in steps of one model's session until as many as ever meet have met.
_WARM_UP_PART = 0.25
_SIZE_EVERY_PART = 0.05
_MEMORY_MB = 2.0
_CHANGE_S = 60.0
_MOST_PAUSE_S = 4.0
_CALM_AFTER_HOURS = 4.0  # the pauses between two actions grow with the length, lest restarts take most of the time
_PERIODS = (128, 256, 512, 1024)


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
    """What happened. `failures` holds a sentence per assertion that did not hold; empty: all held.

    seconds_with_late_plugins: of those compared, which differed while the plugins' process was late: then the
    sound goes past it. memory_at_rest_mb: of the second half, in order.
    """

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
    seconds_with_late_plugins: int = 0
    xruns: int = 0
    memory_mb: tuple[float, float] = (0.0, 0.0)
    memory_at_rest_mb: list[float] = field(default_factory=list)
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

    def run(
        self, progress: Callable[[float], None] = lambda _part: None, stop: Callable[[], bool] = lambda: False
    ) -> SoakReport:
        """Everything, or as much as there was when `stop` says so; raises only what ends a session for good."""
        pause_s = _MOST_PAUSE_S * (1 + self.settings.hours / _CALM_AFTER_HOURS)
        wanted = int(self.settings.hours * 3600 * self.settings.rate_hz)
        began, first = time.monotonic(), self._auditor["frames"]
        self._begin_counting()
        sizes: list[tuple[float, int, int]] = []
        while (done := self._auditor["frames"] - first) < wanted and not stop():
            part = done / wanted
            progress(part)
            # Faults in the first half; the second half shows that what is left neither grows nor stumbles.
            if self.settings.faults and part < 0.5 and self._random.random() < 0.1:
                self._cause_a_fault()
            else:
                self._act()
            self._wait(self._random.uniform(0.2, pause_s))
            if part > 0.5 + _WARM_UP_PART + _SIZE_EVERY_PART * len(sizes):
                sizes.append(self._size_at_rest())
        sizes.append(self._size_at_rest())
        self._end_counting()
        report, took = self.report, time.monotonic() - began
        report.hours = (self._auditor["frames"] - first) / self.settings.rate_hz / 3600
        report.times_real_time = round(report.hours * 3600 / took, 1)
        report.actions, report.faults_caused = dict(self._actions), dict(self._caused)
        report.restarts = self._session.restarts
        report.frames_compared = self._auditor["compared"]
        before, after = sizes[0], sizes[-1]
        report.memory_at_rest_mb = [round(size[0], 2) for size in sizes]
        report.memory_mb = (round(before[0], 2), round(after[0], 2))
        report.threads, report.handles = (before[1], after[1]), (before[2], after[2])
        self._judge()
        return report

    def _judge(self) -> None:
        report, fail = self.report, self.report.failures.append
        if report.frames_missing:
            fail(f"{report.frames_missing} of {report.frames_asked} frames that the server asked for were not served.")
        wrong = {
            "blocks were not finite": self._auditor["not_finite"],
            "blocks were over full scale": self._auditor["too_loud"],
            "seconds were not what was played": self._auditor["differed"] - report.seconds_with_late_plugins,
        }
        for what, count in wrong.items():
            if count:
                fail(f"{count} {what}.")
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
        self._play(self._random.choice(self.settings.models))

    def _play(self, model: str) -> None:
        """Exchange the model, and wait until it is there: other events tell of what runs too."""
        self._session.load_model(model)
        name = resolve(model).manifest.name

        def over(event: Event) -> bool:
            there = event.kind == "running" and (event.value.change, event.value.model) == ("model", name)
            return there or event.kind == "refused"

        self._await(over, f"the model {name}")

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
        period = self._random.choices(_PERIODS, (1, 2, 3, 6))[0]  # long ones pass more sound in less time
        before = self._session.snapshot().block
        if period != before:
            self._auditor.set_period(period)  # by the clock; counting begins in freewheel again
            self._await(lambda event: event.kind == "running", "another period")
        self._begin_counting()

    def _act_compare(self) -> None:
        """Pass the input on, and look whether every sample of it comes back."""
        self._play("identity")
        self._auditor.storm(-1)
        self._session.change_controls(Controls().to_mapping())
        self._session.mute(False)
        for index in range(len(self.settings.plugins)):
            self._session.set_plugin_bypass("before", index, True)
        self._wait(3.0)  # notes die away, ramps end
        late, differed = self._session.snapshot().missed_plugins, self._auditor["differed"]
        self._auditor.compare()
        self._until(lambda: not self._auditor.comparing, "a comparison")
        if self._session.snapshot().missed_plugins > late:
            self.report.seconds_with_late_plugins += self._auditor["differed"] - differed

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
        # A server that runs free neither buries a client that died nor leaves one that joins the time to do so.
        self._auditor.set_freewheel(False)
        self._until(lambda: self._auditor.obeyed, "the clock")
        os.kill(engine, signal.SIGKILL)
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

    def _size_at_rest(self) -> tuple[float, int, int]:
        """The size with nothing recorded, after every model was there, and with the same one each time."""
        if self._session.state().recording is not None:
            self._act_record()
        for model in self.settings.models:
            self._play(model)
        self._act_compare()
        return self._size()

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


def soak(
    settings: SoakSettings,
    progress: Callable[[float], None] = lambda _part: None,
    stop: Callable[[], bool] = lambda: False,
) -> SoakReport:
    """Run it, until its hours are over or `stop` says so.

    Raises `DeviceError` without JACK, `EngineError` when the session could not go on.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        jack_without_hardware(period=1024, rate_hz=settings.rate_hz),
        LiveSession() as session,
    ):
        auditor = Auditor(settings.rate_hz)
        try:
            midi = MidiSettings(virtual=KEYS, source=SourceSettings("pluck"), mixed=True) if settings.midi else None
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
            return Soak(settings, session, auditor, Path(folder)).run(progress, stop)
        finally:
            auditor.set_freewheel(False)
            time.sleep(0.1)
            auditor.close()
