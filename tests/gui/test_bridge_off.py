from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge


def test_a_control_is_set_at_once_and_reaches_what_is_wanted(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Without power a control that is set is there at once, and the session thread keeps it."""
    quiet_bridge.set_controls(mix=0.25)
    assert quiet_bridge.controls.mix == 0.25 == quiet_bridge.state.settings.controls.mix
    qtbot.waitUntil(lambda: quiet_bridge._work.wanted.controls.mix == 0.25)


def test_the_targets_of_the_wanted_model_are_known_without_power(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """A model that is chosen shows its targets before anything is opened."""
    quiet_bridge.load_model("voice")
    qtbot.waitUntil(lambda: len(quiet_bridge.state.targets) == 6)
