from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gui.chain.chain_desk import ChainDesk
from gui.chain.plugin_shelf import PluginShelf, Shelved, short_name, without_command
from gui.live_state import Notice
from realtime.plugins.plugin import Parameter, PluginInfo
from realtime.plugins.scan import Finding

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge

MIX = Parameter("mix", "Mix", 0.0, 1.0, 0.5)


@pytest.fixture
def shelf(quiet_bridge: Bridge) -> PluginShelf:
    """A shelf that knows three plugins, and asks nobody."""
    made = PluginShelf(quiet_bridge)
    for name in ("One", "Two", "Three"):
        uri = f"urn:{name.lower()}"
        info = PluginInfo(uri, name, "LV2", inputs=1, outputs=1, parameters=(MIX,))
        made.plugins = {**made.plugins, uri: Shelved(uri, name, "LV2", finding=Finding(uri, info, 48))}
    return made


@pytest.fixture
def desk(quiet_bridge: Bridge, shelf: PluginShelf) -> ChainDesk:
    return ChainDesk(quiet_bridge, shelf)


def uris(desk: ChainDesk) -> tuple[list[str], list[str]]:
    return [one.uri[4:] for one in desk.before], [one.uri[4:] for one in desk.after]


def settled(qtbot: QtBot, bridge: Bridge, desk: ChainDesk) -> None:
    """Wait until the session wants what the desk shows."""
    qtbot.waitUntil(
        lambda: (
            (bridge.state.settings.before, bridge.state.settings.after) == (desk.before, desk.after)
            and not desk.loading
            and not desk._ahead
        )
    )


def test_plugins_are_added_moved_and_removed_with_undo(quiet_bridge: Bridge, desk: ChainDesk, qtbot: QtBot) -> None:
    """Every change of the chain reaches the session, and each can be taken back and done again."""
    desk.add("before", 0, "urn:one")
    desk.add("before", 1, "urn:two")
    desk.add("after", 0, "urn:three")
    assert uris(desk) == (["one", "two"], ["three"])
    assert desk.step("before", 1, 1) == ("after", 0)
    assert uris(desk) == (["one"], ["two", "three"])
    assert desk.step("after", 0, -1) == ("before", 1)
    assert desk.step("before", 1, -1) == ("before", 0)
    assert uris(desk) == (["two", "one"], ["three"])
    assert desk.step("before", 0, -1) == ("before", 0)
    assert desk.step("after", 0, 1) == ("after", 0)
    desk.remove("before", 0)
    settled(qtbot, quiet_bridge, desk)
    assert uris(desk) == (["one"], ["three"])
    stack = quiet_bridge.undo_stack
    assert stack.undoText() == "remove Two"
    stack.undo()
    assert uris(desk) == (["two", "one"], ["three"])
    while stack.canUndo():
        stack.undo()
    assert uris(desk) == ([], [])
    while stack.canRedo():
        stack.redo()
    settled(qtbot, quiet_bridge, desk)
    assert uris(desk) == (["one"], ["three"])


def test_a_drag_of_a_knob_is_one_step_and_shown_at_once(quiet_bridge: Bridge, desk: ChainDesk, qtbot: QtBot) -> None:
    """A knob is shown where the hand is, its last value reaches the session, and undo goes to where it began."""
    desk.add("after", 0, "urn:one")
    settled(qtbot, quiet_bridge, desk)
    before = quiet_bridge.undo_stack.count()
    for step in range(1, 40):
        desk.turn("after", 0, MIX, 0.5 + step / 100)
        assert desk.value("after", 0, MIX) == 0.5 + step / 100
    assert quiet_bridge.undo_stack.count() == before + 1
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.after[0].parameters == {"mix": 0.89})
    quiet_bridge.undo_stack.undo()
    assert desk.value("after", 0, MIX) == 0.5
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.after[0].parameters == {"mix": 0.5})
    desk.set_bypass("after", 0, bypass=True)
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.after[0].bypass)
    quiet_bridge.undo_stack.undo()
    qtbot.waitUntil(lambda: not quiet_bridge.state.settings.after[0].bypass)


def test_a_turned_knob_travels_with_its_plugin(quiet_bridge: Bridge, desk: ChainDesk, qtbot: QtBot) -> None:
    """What was turned a moment before a move is not lost by the move."""
    desk.add("before", 0, "urn:one")
    settled(qtbot, quiet_bridge, desk)
    desk.turn("before", 0, MIX, 0.25)
    desk.move("before", 0, "after", 0)
    settled(qtbot, quiet_bridge, desk)
    assert quiet_bridge.state.settings.after[0].parameters == {"mix": 0.25}


def test_facts_that_come_while_the_list_is_read_are_kept(shelf: PluginShelf) -> None:
    """A list that was read for long takes away nothing that became known of a plugin meanwhile."""
    info = shelf.info_of("urn:one")
    assert info is not None
    shelf._add({"urn:one": Shelved("urn:one", "One", "LV2", facts=info)})
    shelf._put(({"urn:one": Shelved("urn:one", "One", "LV2"), "urn:four": Shelved("urn:four", "Four", "LV2")}, ()))
    assert shelf.listed
    assert set(shelf.plugins) == {"urn:one", "urn:four"}
    assert shelf.info_of("urn:one") == info


def test_what_became_of_a_plugin_is_known_also_from_before(quiet_bridge: Bridge, shelf: PluginShelf) -> None:
    """The sentence of a plugin that died is found by its name, also when it was said before the desk was made."""
    sentence = "The plugin Two crashed (SIGSEGV) and is left out of the chain for this session."
    quiet_bridge.say(Notice(sentence))
    desk = ChainDesk(quiet_bridge, shelf)
    assert desk.trouble("urn:two") == sentence
    assert desk.trouble("urn:one") == ""
    quiet_bridge.say(Notice("The plugin One gave a sound that is no number and was begun anew."))
    assert desk.trouble("urn:one") == ""
    desk.bring_back("urn:two")
    assert desk.trouble("urn:two") == ""


def test_a_side_has_room_for_sixteen(
    quiet_bridge: Bridge, desk: ChainDesk, notices: list[Notice], qtbot: QtBot
) -> None:
    """A seventeenth plugin on one side is refused with a sentence, and nothing changes."""
    for place in range(16):
        desk.add("before", place, "urn:one")
    desk.add("before", 16, "urn:one")
    assert len(desk.before) == 16
    assert "room for 16" in notices[-1].text and notices[-1].place == "chain"


def test_words_of_the_command_line_are_not_shown() -> None:
    """A black-list's sentence loses the command for which the app has a button, and a URI gives a short name."""
    assert without_command("The plugin x crashed: `retimbre plugins forgive x` gives it another chance.") == (
        "The plugin x crashed."
    )
    assert without_command("It takes no sound: choose an effect.") == "It takes no sound: choose an effect."
    assert [short_name(uri) for uri in ("http://a/b/Delay", "urn:x:late", "pedalboard:Gain")] == [
        "Delay", "late", "Gain",
    ]  # fmt: skip
