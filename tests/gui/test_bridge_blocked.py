from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
from PyQt6.QtCore import QTimer

from gui.session_work import Seen, SessionWork
from realtime.errors import EngineError
from realtime.host import Event, Host, StreamSettings
from realtime.plugins.spec import PluginSpec
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.stall_watch import WatchedApplication


class StuckSession:
    """A session each of whose methods hangs until it is let go, as a sound server that died makes them hang."""

    def __init__(self) -> None:
        self.host = Host()
        self.settings = self.running = self.setlist = self.recording = self.learning = None
        self.waiting = self.muted = False
        self.gone = threading.Event()
        self.hanging = threading.Event()
        self.next_take = None

    def snapshot(self) -> Any:
        """The meters never hang."""
        return self.host.snapshot()

    def open(self, *_: Any) -> None:
        """As when the engine that hangs is killed."""
        self.hanging.set()
        self.gone.wait(60)
        raise EngineError("The engine was ended.")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def hang(*_: Any, **__: Any) -> Any:
            self.hanging.set()
            self.gone.wait(60)

        return hang


@pytest.fixture
def stuck() -> StuckSession:
    return StuckSession()


def test_the_window_lives_while_the_session_hangs(
    make_bridge: Callable[..., Bridge], stuck: StuckSession, qtbot: QtBot, qapp: WatchedApplication, tmp_path: Path
) -> None:
    """While opening hangs every method of the bridge returns, and timers of the GUI thread go on."""
    bridge = make_bridge("voice", session=stuck)
    beats: list[int] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(1))
    timer.start(5)
    bridge.set_power(True)
    assert bridge.state.power == "opening" and bridge.state.busy
    qtbot.waitUntil(stuck.hanging.is_set)
    spec = PluginSpec("http://example.org/plugin")
    for wish in (
        lambda: bridge.set_controls(mix=0.5),
        lambda: bridge.change_stream(block=64),
        lambda: bridge.load_model("identity"),
        lambda: bridge.load_preset("anything"),
        lambda: bridge.save_preset("anything"),
        lambda: bridge.step_preset(1),
        lambda: bridge.set_setlist(Setlist("evening", ("one", "two"))),
        lambda: bridge.set_muted(True),
        bridge.panic,
        bridge.start_recording,
        bridge.stop_recording,
        lambda: bridge.play_file(tmp_path / "nothing.wav"),
        bridge.stop_file,
        lambda: bridge.set_midi(None),
        lambda: bridge.send_midi(b"\x90\x40\x40"),
        lambda: bridge.learn("mix"),
        lambda: bridge.forget("mix"),
        lambda: bridge.set_plugins((spec,), ()),
        lambda: bridge.set_plugin_parameter("before", 0, "gain", 1.0),
        lambda: bridge.set_plugin_bypass("before", 0, True),
        bridge.measure_latency,
        bridge.snapshot,
    ):
        wish()
    assert bridge.controls.mix == 0.5
    beats.clear()
    qtbot.waitUntil(lambda: len(beats) > 10)
    stuck.gone.set()


def test_power_off_is_obeyed_at_once_while_opening_hangs(
    make_bridge: Callable[..., Bridge], stuck: StuckSession, qtbot: QtBot, notices: list[Any]
) -> None:
    """Power off during an opening that hangs is shown at once, done when the hanging ends, and no complaint follows."""
    bridge = make_bridge("voice", session=stuck)
    bridge.set_power(True)
    qtbot.waitUntil(stuck.hanging.is_set)
    bridge.set_power(False)
    assert bridge.state.busy == "Closing…"
    stuck.gone.set()
    qtbot.waitUntil(lambda: bridge.state.power == "off" and not bridge.state.busy)
    assert notices == []


def test_closing_ends_although_the_session_hangs(
    make_bridge: Callable[..., Bridge], stuck: StuckSession, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the bridge returns even when the session never does."""
    monkeypatch.setattr("gui.bridge.END_S", 0.2)
    bridge = make_bridge("voice", session=stuck)
    bridge.set_power(True)
    qtbot.waitUntil(stuck.hanging.is_set)
    bridge.close()
    assert bridge._thread.alive
    stuck.gone.set()
    assert bridge._thread.join(5)


def test_an_event_that_keeps_the_thread_is_noticed(qtbot: QtBot, qapp: WatchedApplication) -> None:
    """The watch tells of an event that computes for longer than the limit, and not of one that is excused."""

    def compute() -> None:
        while not done(sum(range(1000))):
            pass

    import time

    begin = [0.0]

    def done(_: int) -> bool:
        return time.thread_time() - begin[0] > 0.03

    def start(*, excused: bool) -> None:
        begin[0] = time.thread_time()
        if excused:
            qapp.excuse()
        compute()

    QTimer.singleShot(0, lambda: start(excused=True))
    qtbot.wait(50)
    assert qapp.stalls == []
    QTimer.singleShot(0, lambda: start(excused=False))
    qtbot.waitUntil(lambda: len(qapp.stalls) == 1)
    assert "GUI thread" in str(qapp.stalls[0])
    qapp.stalls.clear()


def test_an_opening_is_shown_until_it_is_done(
    make_bridge: Callable[..., Bridge], stuck: StuckSession, qtbot: QtBot, tmp_path: Path
) -> None:
    """What is heard of an earlier wish does not end "Opening…", neither after Power nor after playing a take."""
    bridge = make_bridge("voice", session=stuck)
    seen: list[tuple[str, str]] = []
    bridge.state_changed.connect(lambda state: seen.append((state.power, state.busy)))
    wishes: list[Callable[[], None]] = [
        lambda: bridge.set_power(True),
        lambda: bridge.play_file(tmp_path / "take.wav"),
    ]
    for wish in wishes:
        stuck.gone.clear()
        stuck.hanging.clear()
        seen.clear()
        bridge.resume("mine")
        wish()
        qtbot.waitUntil(stuck.hanging.is_set)
        bridge.set_controls(mix=bridge.controls.mix / 2)
        told = threading.Event()
        bridge.in_background(lambda: None, lambda _, told=told: told.set())  # type: ignore[misc]
        qtbot.waitUntil(told.is_set)  # what the session told before was heard before
        assert set(seen) == {("opening", "Opening…")}
        stuck.gone.set()
        qtbot.waitUntil(lambda: seen[-1] == ("off", ""))


def test_a_loss_that_is_over_at_once_is_shown_as_one() -> None:
    """A stream that is lost and back within one look is told as waiting before, so that its warnings are cleared."""
    told: list[Any] = []
    session: Any = MagicMock(waiting=False, restarts=0)
    session.host.alive, session.snapshot.return_value.stalled = True, False

    def tick() -> list[Event]:
        session.restarts += 1
        return [Event("said", "The engine process ended unexpectedly (signal 9).")]

    session.tick = tick
    work = SessionWork(session, StreamSettings("voice"), told.append)
    work.on = True
    work.tick()
    assert [one.power if isinstance(one, Seen) else one.kind for one in told] == ["waiting", "said", "on"]
