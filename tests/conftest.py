"""What the tests of every room share: a real JACK server without hardware, and a folder of one's own for user files."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Two processes that compile the same library function at the same moment can spoil a shared cache (seen as a crash in
# librosa's peak picking), so each keeps its own; set before anything imports numba.
if "PYTEST_XDIST_WORKER" in os.environ:
    _CACHE = Path(__file__).parents[1] / ".pytest_cache" / "numba" / os.environ["PYTEST_XDIST_WORKER"]
    os.environ["NUMBA_CACHE_DIR"] = str(_CACHE)

_NUMBERS = itertools.count()
_START_SECONDS = 60.0
_ENDING_SECONDS = 60.0
_FULL = "Too many servers already active"


@pytest.hookimpl(tryfirst=True)  # of two marks of a kind the first counts, and tests/gui adds its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what plays in real time a second chance: a machine that stands still for a moment loses sound."""
    for item in items:
        if "jack_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_configure(config: pytest.Config) -> None:
    """Say what fails at once, in a line: a run that is cut says it too. No example is too slow."""
    config.addinivalue_line("markers", "kills: a client of the sound server is killed, and it must notice soon")
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Teller(config))


class _Teller:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome: str = report.outcome
        if outcome in ("failed", "rerun"):
            crash = getattr(report.longrepr, "reprcrash", None)
            why = (crash.message if crash else str(report.longrepr)).strip().splitlines()[:2]
            terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            terminal.ensure_newline()
            what = f"{outcome} ({report.when}, {report.duration:.0f} s) {report.nodeid}"
            terminal.write_line(f"{what}: {' '.join(why)}")


@dataclass(frozen=True, slots=True)
class JackServer:
    """A running JACK server with the dummy back end and, with `loopback` ports, a device whose output is its input."""

    name: str
    sample_rate: int
    period: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]  # what a client process needs to find this server

    def kill(self) -> None:
        """End the server as a crash would, for tests of what happens then."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)


@pytest.fixture
def jack_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., JackServer]]:
    """Start real JACK servers: `jack_server(period=128, sample_rate=48000, loopback=2, synchronous=True)`.

    Child processes of the test find the newest server by the environment set here. PortAudio must be opened in a child
    only: its calls hang for ever when a server dies. Synchronous servers never lose a sample (functional tests);
    without it late means lost (real-time tests). All servers end with the test.
    """
    jackd = shutil.which("jackd")
    assert jackd is not None, "jackd is missing: run scripts/test, which installs it, or install the package jackd2"
    servers: list[JackServer] = []

    from realtime.bench_live import answers, release_name  # may be the first to load numpy, which other tests need not

    def start(
        *, period: int = 128, sample_rate: int = 48000, loopback: int = 2, synchronous: bool = True
    ) -> JackServer:
        name = f"retimbre-{os.getpid()}-{next(_NUMBERS)}"
        settings = {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": name}
        for key, value in settings.items():
            monkeypatch.setenv(key, value)
        command = [jackd, "-R" if may_run_in_real_time() else "-r", *(["-S"] if synchronous else [])]
        # Few ports: a third of the memory. And the longest wait for a client that a server in real time allows, because
        # one that waits for its loopback in vain once stays broken; but it waits so long for one that was killed too.
        wait_ms = 500 if request.node.get_closest_marker("kills") else 4900
        command += ["-p", "128", "-t", str(wait_ms), "-L", str(loopback), "-n", name]
        command += ["-d", "dummy", "-r", str(sample_rate), "-p", str(period)]
        log = tmp_path / f"{name}.log"
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with log.open("wb") as sink:
                process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
            server = JackServer(name, sample_rate, period, process, {**os.environ, **settings})
            servers.append(server)
            if answers(process, name, deadline - time.monotonic()):
                return server
            servers.pop()
            process.kill()
            process.wait()
            said = log.read_text(errors="replace")
            assert _FULL in said and time.monotonic() < deadline, f"jackd did not start:\n{said}"
            _free_names(release_name)

    yield start
    left = _end_clients({server.name for server in servers})
    for server in servers:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                server.kill()
        if server.process.returncode:
            release_name(server.name)
    assert not left, f"these outlived the test: {left}"


def _end_clients(names: set[str]) -> list[str]:
    """Wait until every process that was started for these servers has ended, kill those that do not, and name them.

    One that stays would play on, in real time, beside every later test.
    """
    import psutil

    deadline = time.monotonic() + _ENDING_SECONDS
    while found := [one for one in psutil.process_iter(["cmdline"]) if _belongs(one, names)]:
        if time.monotonic() > deadline:
            for one in found:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            return [" ".join(one.info["cmdline"] or ()) for one in found]
        time.sleep(0.05)
    return []


def _belongs(process: Any, names: set[str]) -> bool:
    import psutil

    words = process.info["cmdline"] or ()
    if process.pid == os.getpid() or any("resource_tracker" in word or "jackd" in word for word in words):
        return False  # Python's tracker serves all tests of this process
    try:
        return process.environ().get("JACK_DEFAULT_SERVER") in names and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _free_names(release: Callable[[str], None]) -> None:
    """Give back what killed servers of other tests hold: JACK knows eight servers on a machine, dead ones included."""
    import psutil

    registry = Path("/dev/shm/jack-shm-registry")  # noqa: S108 - JACK's own choice
    names = {name.decode() for name in re.findall(rb"retimbre-[\w-]+", registry.read_bytes())}
    alive = {word for one in psutil.process_iter(["cmdline"]) for word in one.info["cmdline"] or ()}
    for name in names - alive:
        release(name)
    time.sleep(0.5)  # those of other processes that end by themselves


def may_run_in_real_time() -> bool:
    """Tell whether this user may ask for a real-time scheduling class, which jackd's -R needs."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, policy, parameter)
    return True


@pytest.fixture(autouse=True)
def user_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give every test its own home for user data, settings and logs, so that none reads or writes the user's."""
    home = tmp_path_factory.mktemp("user")
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(home / variable.lower()))
    monkeypatch.delenv("RETIMBRE_DEBUG", raising=False)
    return home
