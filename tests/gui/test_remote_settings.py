"""Remote control of the app: OSC is done as the player's own wish is, power on or off, and only where it is allowed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.remembered import OSC, OSC_NETWORK, OSC_PORT, restore
from gui.remote_settings import RemoteSettings
from tests.realtime.remote_parts import Controller, answered

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(port: int, address: str, *values: Any) -> None:
    """One message of another program."""
    with Controller(port) as other:
        other.send(address, *values)


def heard_by(bridge: Bridge, qtbot: QtBot, port: int) -> None:
    """Let the bridge hear OSC there, and wait for it."""
    bridge.hear_osc(port)
    qtbot.waitUntil(lambda: bridge.state.osc_port == port)


def test_what_is_turned_from_afar_is_turned_in_the_app(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Without power controls, targets and the model that are wanted follow OSC, and who asks is answered."""
    port = free_port()
    heard_by(quiet_bridge, qtbot, port)
    send(port, "/retimbre/control/mix", 0.25)
    qtbot.waitUntil(lambda: quiet_bridge.controls.mix == 0.25)
    send(port, "/retimbre/target", "flute")
    qtbot.waitUntil(lambda: quiet_bridge.controls.target == (0, 0, 1, 0, 0, 0))
    assert answered(port, "/retimbre/control/mix")["/retimbre/control/mix"] == (0.25,)
    assert "turn the power on" in str(answered(port, "/retimbre/mute", 1)["/retimbre/error"])
    send(port, "/retimbre/model", "identity")
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.model == "identity")
    quiet_bridge.hear_osc(None)
    qtbot.waitUntil(lambda: quiet_bridge.state.osc_port == 0)
    send(port, "/retimbre/control/mix", 0.75)
    qtbot.wait(150)
    assert quiet_bridge.controls.mix == 0.25


def test_a_stream_that_plays_is_muted_from_afar(bridge: Bridge, qtbot: QtBot) -> None:
    """With the power on the engine does it, and the app shows it."""
    port = free_port()
    heard_by(bridge, qtbot, port)
    send(port, "/retimbre/mute", 1)
    qtbot.waitUntil(lambda: bridge.state.muted)
    send(port, "/retimbre/control/output_gain_db", -6.0)
    qtbot.waitUntil(lambda: bridge.controls.output_gain_db == -6.0)


def test_the_switch_listens_and_is_remembered(
    quiet_bridge: Bridge, memory: Memory, qtbot: QtBot, notices: list[Any]
) -> None:
    """The switch listens on the port beside it, and the next start does so by itself; a port in use is a sentence."""
    port = free_port()
    memory.set(OSC_PORT, port)
    view = RemoteSettings(quiet_bridge, memory)
    qtbot.addWidget(view)
    view.show()
    QTest.mouseClick(view.on, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]
    qtbot.waitUntil(lambda: f"port {port}" in view.now.text())
    assert "127.0.0.1" in view.now.text() and memory.get(OSC, False) and not memory.get(OSC_NETWORK, False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        other = taken.getsockname()[1]
        view.port.setValue(other)
        qtbot.waitUntil(lambda: any(f"port {other}" in notice.text for notice in notices))
        assert view.notice.isVisible() and quiet_bridge.state.osc_port == 0
    notices.clear()
    view.port.setValue(port)
    qtbot.waitUntil(lambda: quiet_bridge.state.osc_port == port)
    QTest.keyClick(view.on, Qt.Key.Key_Space)  # type: ignore[call-overload]
    qtbot.waitUntil(lambda: quiet_bridge.state.osc_port == 0)
    assert not memory.get(OSC, True)
    memory.set(OSC, value=True)
    restore(quiet_bridge, memory)
    qtbot.waitUntil(lambda: quiet_bridge.state.osc_port == port)
