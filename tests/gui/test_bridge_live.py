from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from gui.main_window import MainWindow
from realtime.presets.library import write_preset
from realtime.presets.preset import Preset

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

LONG_MS = 60_000


def test_power_controls_takes_and_frames(bridge: Bridge, qtbot: QtBot, notices: list[Any]) -> None:
    """With power on frames come while the window is seen, controls reach the engine, and a take is a named file."""
    assert bridge.state.running is not None and bridge.state.running.title
    with qtbot.assertNotEmitted(bridge.frame, wait=150):
        bridge.set_watched(False)
    bridge.set_watched(True)
    with qtbot.waitSignal(bridge.frame) as frame:
        pass
    assert frame.args[0].rate_hz == 48000
    for step in range(50):
        bridge.set_controls(output_gain_db=-float(step))
    assert bridge.undo_stack.count() == 1
    qtbot.waitUntil(lambda: bridge._session.state().controls.output_gain_db == -49.0)
    bridge.set_muted(True)
    qtbot.waitUntil(lambda: bridge.state.muted)
    bridge.start_recording("both")
    qtbot.waitUntil(lambda: bridge.state.recording is not None)
    qtbot.waitUntil(lambda: bridge.snapshot().recorded_samples > 1000)
    with qtbot.waitSignal(bridge.take_finished) as finished:
        bridge.stop_recording()
    take: Path = finished.args[0]
    assert take.name.startswith("001 identity ") and soundfile.info(take).frames > 1000
    bridge.set_power(False)
    qtbot.waitUntil(lambda: bridge.state.power == "off" and not bridge.state.busy)
    assert bridge.state.settings.controls.output_gain_db == -49.0
    assert not bridge._session.host.alive
    assert notices == []


@pytest.mark.kills
def test_a_killed_engine_is_said_and_comes_back(
    bridge: Bridge, qtbot: QtBot, notices: list[Any], memory: Memory
) -> None:
    """After SIGKILL of the engine a sentence says so, and the sound comes back as it was, with no warning left."""
    window = MainWindow(bridge, memory)
    qtbot.addWidget(window)
    bridge.set_controls(mix=0.3)
    bridge.start_recording()
    qtbot.waitUntil(lambda: bridge.state.recording is not None)
    first = bridge.state.recording
    seen: list[str] = []
    bridge.state_changed.connect(lambda state: seen.append(state.power))
    number = bridge._session.host.process_id
    assert number is not None
    with qtbot.waitSignal(bridge.take_finished, timeout=LONG_MS) as finished:
        os.kill(number, signal.SIGKILL)
    assert finished.args[0] == first
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    assert "waiting" in seen
    words = " ".join(notice.text for notice in notices)
    assert "The sound stopped" in words and "The sound is back" in words
    assert "start" not in words and "is there again" not in words  # the player need do nothing
    left = window.notices.notice()
    assert left is not None and left.severity == "info" and "The sound is back" in left.text
    assert bridge.state.settings.controls.mix == 0.3
    assert bridge.state.recording not in (None, first)


def test_a_take_that_the_disk_ends_is_over_in_the_app(bridge: Bridge, qtbot: QtBot, notices: list[Any]) -> None:
    """When the disk takes no more the sentence comes, nothing is shown as recording any more, and the take is there."""
    bridge.start_recording()
    qtbot.waitUntil(lambda: bridge.state.recording is not None)
    first, number = bridge.state.recording, bridge._session.host.process_id
    assert first is not None and number is not None
    with qtbot.waitSignal(bridge.take_finished) as finished:
        resource.prlimit(number, resource.RLIMIT_FSIZE, (200_000, 200_000))  # as full as a disk
    assert finished.args[0] == first and soundfile.info(first).frames > 0
    qtbot.waitUntil(lambda: bridge.state.recording is None)
    assert bridge.state.power == "on"
    assert [(notice.place, notice.severity) for notice in notices] == [("play", "warning")]
    assert "make room" in notices[0].text


def test_a_dead_sound_server_is_waited_for(
    jack_server: Callable[..., Any], make_bridge: Callable[..., Bridge], qtbot: QtBot, notices: list[Any]
) -> None:
    """When the JACK server is killed the bridge waits, can be switched off meanwhile, and says why there is no card."""
    server = jack_server(period=128, sample_rate=48000)
    bridge = make_bridge(input="loopback", output="loopback", output_channel=2, headphones=True)
    bridge.set_power(True)
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    server.kill()
    qtbot.waitUntil(lambda: bridge.state.power == "waiting", timeout=LONG_MS)
    qtbot.waitUntil(lambda: any("The sound stopped" in notice.text for notice in notices), timeout=LONG_MS)
    bridge.set_power(False)
    qtbot.waitUntil(lambda: bridge.state.power == "off" and not bridge.state.busy, timeout=LONG_MS)
    notices.clear()
    bridge.set_power(True)
    assert bridge.state.power == "opening"
    qtbot.waitUntil(lambda: bridge.state.power == "off", timeout=LONG_MS)
    assert [notice.severity for notice in notices] == ["error"]


def test_a_preset_is_loaded_saved_and_its_controls_are_told(bridge: Bridge, qtbot: QtBot) -> None:
    """A preset that is loaded tells its controls and its name, and ends the undo of what was before."""
    from realtime.controls import Controls

    write_preset(Preset("half", "identity", Controls(mix=0.5)))
    bridge.set_controls(mix=0.9)
    bridge.load_preset("half")
    assert not bridge.undo_stack.canUndo()
    qtbot.waitUntil(lambda: bridge.state.preset == "half" and bridge.controls.mix == 0.5)
    bridge.set_controls(mix=0.75)
    bridge.save_preset("mine")
    from realtime.presets.library import resolve_preset

    qtbot.waitUntil(lambda: bridge.state.preset == "mine")
    assert resolve_preset("mine").controls.mix == 0.75
