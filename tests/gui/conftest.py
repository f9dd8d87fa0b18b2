"""What the tests of the app share: an application that times its events, and bridges with and without an engine.

`quiet_bridge` has the power off and no engine process; `bridge` plays the package `identity` on a real JACK server of
its own (slow: use it where only the real thing will do). Every test fails on a Qt warning, a stray log line, an
exception in a slot or thread, and an event that takes the GUI thread longer than 16 ms of its own time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_ENABLE_HIGHDPI_SCALING", "0")

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.stall_watch import WatchedApplication

PATIENCE_MS = 30_000
STALL = "ms of the GUI thread"
PAINTING_S = 0.0050  # of the GUI thread, for `slowness`, on the quiet machine on which the limit of 16 ms was held
LONGEST = ("test_journey.py", "test_train_panel.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, lest one process waits for the other at the end.

    And let the screenless platform say of windows with a least size what no user ever sees. A stall that does not come
    again was the machine's.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if item.get_closest_marker("flaky") is None:
                item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=STALL))
            item.add_marker(pytest.mark.qt_log_ignore("does not support propagateSizeHints"))


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """Wait longer than pytest-qt's five seconds: a deadline is for what never comes, not for a machine that is busy."""
    from pytestqt.qtbot import QtBot

    for wait in (QtBot.waitUntil, QtBot.waitSignal, QtBot.waitSignals, QtBot.waitActive, QtBot.waitExposed):
        defaults: dict[str, Any] | None = wait.__kwdefaults__
        assert defaults is not None
        assert defaults["timeout"] == 5000
        defaults["timeout"] = PATIENCE_MS


@pytest.fixture(scope="session")
def qapp_cls() -> type[WatchedApplication]:
    """Time every event."""
    from gui.stall_watch import WatchedApplication

    return WatchedApplication


@pytest.fixture(scope="session")
def qapp(qapp_args: list[str], qapp_cls: type[WatchedApplication], pytestconfig: Any) -> Iterator[WatchedApplication]:
    """The application, dressed, with its fonts loaded: finding them takes longer than any event may."""
    from PyQt6.QtWidgets import QLabel

    from gui import theme
    from gui.collection import Collection
    from gui.panels import EVERY_PANEL

    app = qapp_cls(qapp_args)
    app.setApplicationName("retimbre-tests")
    theme.apply(app, "dark")
    label = QLabel("Warm ♯ ♭ → °")
    label.grab()
    slowness()  # the first time reads the letters
    for panel in EVERY_PANEL:
        panel.read()  # as the app does in its first second, in the background
    app.without_collection = True
    collection = Collection()
    yield app
    collection.end()
    app.stalls.clear()
    app.end_watch()


def slowness() -> float:
    """How many times as long as on the quiet machine this one takes now for what the GUI thread does; 1 or more."""
    from PyQt6.QtGui import QColor, QImage, QPainter

    took = []
    for _ in range(3):
        begin = time.thread_time()
        image = QImage(400, 300, QImage.Format.Format_ARGB32_Premultiplied)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for k in range(200):
            painter.setBrush(QColor.fromHsv(k, 200, 200))
            painter.drawRoundedRect(k, k // 2, 120, 60, 8.0, 8.0)
            painter.drawText(k, k, f"{sum(range(k))} Hz")
        painter.end()
        took.append(time.thread_time() - begin)
    return max(1.0, max(took) / PAINTING_S)


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which an event kept the GUI thread, or anything was logged as a warning.

    A test whose subject is just that empties `qapp.stalls` itself.
    """
    if "qapp" not in request.fixturenames and "qtbot" not in request.fixturenames:
        yield
        return
    app = request.getfixturevalue("qapp")
    app.stalls.clear()
    yield
    from gui import theme
    from gui.collection import collect
    from gui.stall_watch import LIMIT_S

    with contextlib.suppress(TypeError):  # nobody listens
        theme.notifier.changed.disconnect()  # the widgets of this test are gone; another theme is not theirs to wear
    collect()  # the timer that does this in the app has few loops of events to come by
    stalls, app.stalls = app.stalls, []
    if stalls:
        slow = slowness()
        stalls = [f"{stall} (this machine takes {slow:.1f} ×)" for stall in stalls if stall.thread_s > slow * LIMIT_S]
    logged = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not stalls, "\n".join(stalls)
    assert not logged, "\n".join(logged)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """A memory in a file of the test's own."""
    from gui.memory import Memory

    kept = Memory(tmp_path / "memory" / "desktop.json")
    yield kept
    kept.close()


@pytest.fixture
def notices() -> list[Any]:
    """Every notice of the bridges of this test, in order."""
    return []


@pytest.fixture
def make_bridge(
    jack_server: Callable[..., Any], qtbot: QtBot, tmp_path: Path, notices: list[Any]
) -> Iterator[Callable[..., Bridge]]:
    """Make bridges, `make_bridge(model="identity", session=None, **settings)`, which end with the test.

    They end before the sound servers, which are asked for first: an engine whose server is gone has to be killed, after
    seven seconds.
    """
    from gui.bridge import Bridge
    from realtime.messages import StreamSettings

    made: list[Bridge] = []

    def make(model: str = "identity", *, session: Any = None, **settings: Any) -> Bridge:
        bridge = Bridge(StreamSettings(model, **settings), session=session)
        bridge.takes_folder = tmp_path / "takes"
        bridge.noticed.connect(notices.append)
        made.append(bridge)
        return bridge

    yield make
    for bridge in made:
        bridge.close()
        bridge.deleteLater()


@pytest.fixture
def quiet_bridge(make_bridge: Callable[..., Bridge]) -> Bridge:
    """A bridge whose power is off: no engine process; the model is `voice`, which has six targets."""
    return make_bridge("voice")


@pytest.fixture
def bridge(
    jack_server: Callable[..., Any], make_bridge: Callable[..., Bridge], qtbot: QtBot, notices: list[Any]
) -> Bridge:
    """A bridge that plays `identity` from JACK's loopback to it, power on."""
    jack_server(period=128, sample_rate=48000)
    playing = make_bridge(input="loopback", output="loopback", output_channel=2, headphones=True)
    playing.set_power(True)
    qtbot.waitUntil(lambda: playing.state.power != "opening", timeout=60_000)
    assert playing.state.power == "on", [notice.text for notice in notices]
    return playing
