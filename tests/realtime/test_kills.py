"""Everything that can be killed is killed at random moments, and what is left plays on.

Twice each by default; `RETIMBRE_KILLS=50 pytest tests/realtime/test_kills.py` is the long form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from realtime.bench_live import release_name
from realtime.host import StreamSettings
from realtime.live_session import LiveSession
from realtime.plugins.spec import PluginSpec
from tests.realtime.live_parts import samples_package, spectrum_package

KILLS = int(os.environ.get("RETIMBRE_KILLS", "2"))
RATE = 48000
DELAY = PluginSpec("http://drobilla.net/plugins/mda/Delay")
pytestmark = pytest.mark.timeout(120 + 30 * KILLS)

OWNER = """
import sys, time
from realtime.host import StreamSettings
from realtime.live_session import LiveSession
from realtime.plugins.spec import PluginSpec

if __name__ == "__main__":
    session = LiveSession()
    session.open(StreamSettings(sys.argv[1], input="loopback", output="loopback", output_channel=2,
                                before=(PluginSpec(sys.argv[2]),)))
    print(session.host.process_id, flush=True)
    while True:
        session.tick()
        session.change_controls({"output_gain_db": -3.0})
        time.sleep(0.01)
"""


def settings(folder: Path, **more: Any) -> StreamSettings:
    return StreamSettings(str(folder), input="loopback", output="loopback", output_channel=2, **more)


def tick_until(session: LiveSession, done: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    said: list[str] = []
    while not done() and time.monotonic() < deadline:
        said += [event.sentence for event in session.tick() if event.sentence]
        time.sleep(0.01)
    assert done(), said


def plays(session: LiveSession) -> bool:
    """Whether sound runs now: two readings a moment apart differ."""
    before = session.snapshot().samples
    time.sleep(0.1)
    return session.host.alive and session.snapshot().samples > before


def processes_of(parent: int) -> list[psutil.Process]:
    """A process's children and their children."""
    found: list[psutil.Process] = psutil.Process(parent).children(recursive=True)
    return found


@pytest.mark.kills
def test_a_killed_engine_is_replaced_each_time(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The engine is killed while it plays or changes its model; the session plays on and leaves no process behind."""
    jack_server(period=256, sample_rate=RATE)
    first, second = samples_package(tmp_path / "a"), spectrum_package(tmp_path / "b")
    moments = random.Random(1)
    with LiveSession() as session:
        session.open(settings(first.folder))
        for number in range(1, KILLS + 1):
            session.load_model(str(moments.choice((first, second)).folder))
            time.sleep(moments.uniform(0.0, 1.0))
            engine = session.host.process_id
            assert engine is not None
            os.kill(engine, signal.SIGKILL)
            tick_until(session, lambda number=number: session.restarts == number)  # type: ignore[misc]
            assert plays(session)
    assert not [child for child in processes_of(os.getpid()) if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_server_is_waited_for_each_time(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The sound server is killed and started again; the session plays on every time."""
    server = jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path)
    moments = random.Random(2)
    with LiveSession() as session:
        session.open(settings(package.folder))
        for number in range(1, KILLS + 1):
            time.sleep(moments.uniform(0.0, 0.5))
            server.kill()
            tick_until(session, lambda: session.waiting)
            release_name(server.name)
            server = jack_server(period=256, sample_rate=RATE)
            tick_until(session, lambda number=number: session.restarts == number)  # type: ignore[misc]
            assert plays(session)


def test_killed_plugins_leave_the_engine_playing(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The plugins' process is killed; the engine plays on all the while, and says which plugin it was."""
    jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path)
    moments = random.Random(3)
    said: list[str] = []
    with LiveSession() as session:
        session.open(settings(package.folder, before=(DELAY,)))
        engine = session.host.process_id
        assert engine is not None
        for _ in range(KILLS):
            racks = [one for one in processes_of(engine) if "spawn_main" in " ".join(one.cmdline())]
            if not racks:
                break  # a plugin that died too often stays out
            time.sleep(moments.uniform(0.0, 0.5))
            served = session.snapshot().samples
            racks[0].kill()
            deadline = time.monotonic() + 30
            while not said and time.monotonic() < deadline:
                said += [event.sentence for event in session.tick() if event.sentence]
                time.sleep(0.01)
            assert said and session.snapshot().samples > served
            said.clear()
            assert session.restarts == 0 and session.host.process_id == engine and plays(session)


@pytest.mark.kills
def test_an_engine_ends_with_its_owner(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """The process that owns the engine is killed; engine and plugins end by themselves, and the server plays on."""
    server = jack_server(period=256, sample_rate=RATE)
    package = samples_package(tmp_path)
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    moments = random.Random(4)
    for _ in range(KILLS):
        command = [sys.executable, str(script), str(package.folder), DELAY.uri]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert owner.stdout is not None
        engine = int(owner.stdout.readline())
        left = [psutil.Process(engine), *processes_of(engine)]
        time.sleep(moments.uniform(0.0, 0.5))
        owner.kill()
        owner.communicate(timeout=10)
        gone, alive = psutil.wait_procs(left, timeout=15)
        assert not alive, alive
        assert len(gone) >= 2
    assert server.process.poll() is None
