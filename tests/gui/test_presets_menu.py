from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui import preset_files
from gui.presets_menu import PresetsMenu
from realtime.presets.library import preset_folder, read_preset, resolve_setlist, write_preset, write_setlist
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.presets_popup import PresetsPopup

SCREENLESS = pytest.mark.qt_log_ignore("does not support (raise|grabbing|propagate)")  # of the offscreen platform
HANDS: Any = QTest  # its stubs take static methods for methods


@pytest.fixture
def menu(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> PresetsMenu:
    """The menu, shown, with two presets of the user, one broken, and those that come with the program."""
    from realtime.controls import Controls

    write_preset(Preset("Lead", "voice", Controls(mix=0.75), {"cello": 1.0}))
    write_preset(Preset("Soft", "voice", Controls(output_gain_db=-6.0)))
    (preset_folder() / "Broken.toml").write_text("model = 3\n")
    made = PresetsMenu(quiet_bridge, memory)
    qtbot.addWidget(made)
    made.show()
    return made


def opened(menu: PresetsMenu, qtbot: QtBot) -> PresetsPopup:
    menu.open_list()
    popup = menu.popup
    qtbot.waitUntil(lambda: popup.list.count() > 0)
    return popup


def pick(popup: PresetsPopup, name: str) -> None:
    popup.list.setCurrentRow([one.name for one in popup.entries].index(name))


@SCREENLESS
def test_a_preset_is_found_loaded_and_marked_when_it_is_changed(
    menu: PresetsMenu, quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """Search and Enter load; the dot appears when the sound differs from the preset and goes when it does not."""
    popup = opened(menu, qtbot)
    HANDS.keyClicks(popup.search, "lea")
    HANDS.keyClick(popup.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: quiet_bridge.state.preset == "Lead")
    assert not popup.isVisible()
    qtbot.waitUntil(lambda: menu._loaded is not None)
    qtbot.waitUntil(lambda: menu.text() == "Lead" and not menu.modified)
    assert quiet_bridge.controls.mix == 0.75
    quiet_bridge.set_controls(mix=0.5)
    qtbot.waitUntil(lambda: menu.text() == "Lead •")
    assert menu.accessibleName() == "Preset Lead, changed since it was loaded"
    quiet_bridge.undo_stack.undo()
    qtbot.waitUntil(lambda: menu.text() == "Lead")


@SCREENLESS
def test_saving_over_and_under_another_name(menu: PresetsMenu, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Save writes into the loaded preset, the field saves under a new name, and says so where it would overwrite."""
    quiet_bridge.load_preset("Soft")
    qtbot.waitUntil(lambda: quiet_bridge.state.preset == "Soft" and menu._loaded is not None)
    quiet_bridge.set_controls(mix=0.25)
    qtbot.waitUntil(lambda: menu.modified)
    popup = opened(menu, qtbot)
    assert popup.save_button.text() == "Save Soft" and popup.save_button.isEnabled()
    popup.save_button.click()
    qtbot.waitUntil(lambda: read_preset(preset_folder() / "Soft.toml").controls.mix == 0.25)
    qtbot.waitUntil(lambda: menu.text() == "Soft")
    HANDS.keyClicks(popup.name, "Lead")
    assert popup.keep_button.text() == "Overwrite"
    popup.name.clear()
    HANDS.keyClicks(popup.name, "New one")
    assert popup.keep_button.text() == "Save as"
    HANDS.keyClick(popup.name, Qt.Key.Key_Return)
    qtbot.waitUntil((preset_folder() / "New one.toml").exists)
    qtbot.waitUntil(lambda: menu.text() == "New one")
    HANDS.keyClicks(popup.name, "a:b")
    popup.keep()
    said = popup.notice.notice()
    assert said is not None and "may hold no" in said.text


@SCREENLESS
def test_renaming_takes_setlists_along_and_deleting_can_be_undone(menu: PresetsMenu, qtbot: QtBot) -> None:
    """A renamed preset keeps its place in the user's setlists; a deleted one comes back byte by byte."""
    write_setlist(Setlist("Club", ("Soft", "Lead", "Soft"), {3: "Soft"}))
    popup = opened(menu, qtbot)
    pick(popup, "Soft")
    HANDS.keyClick(popup.list, Qt.Key.Key_F2)
    assert popup.keep_button.text() == "Rename"
    HANDS.keyClicks(popup.name, "Softer")
    HANDS.keyClick(popup.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "Softer" in [one.name for one in popup.entries])
    assert "Soft" not in [one.name for one in popup.entries]
    club = resolve_setlist("Club")
    assert (club.presets, club.programs) == (("Softer", "Lead", "Softer"), {3: "Softer"})
    pick(popup, "Softer")
    content = (preset_folder() / "Softer.toml").read_bytes()
    popup.notice.clear()
    HANDS.keyClick(popup.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: "Softer" not in [one.name for one in popup.entries])
    assert not (preset_folder() / "Softer.toml").exists()
    popup.notice.action.click()
    qtbot.waitUntil(lambda: "Softer" in [one.name for one in popup.entries])
    assert (preset_folder() / "Softer.toml").read_bytes() == content


@SCREENLESS
def test_favourites_come_first_and_broken_ones_say_why(menu: PresetsMenu, memory: Memory, qtbot: QtBot) -> None:
    """A favourite heads the list, also next time; a broken preset shows its sentence and cannot be loaded."""
    popup = opened(menu, qtbot)
    pick(popup, "Soft")
    popup.star_button.click()
    assert popup.entries[0].name == "Soft"
    assert memory.get("presets.favourites", []) == ["Soft"]
    pick(popup, "Broken")
    assert popup.problem.isVisible() and "Broken.toml" in popup.problem.text()
    popup.load()
    assert popup.isVisible()
    popup.star_button.click()
    assert [one.name for one in popup.entries[:2]] == ["Broken", "Soft"]


@SCREENLESS
def test_presets_of_the_program_are_neither_renamed_nor_deleted(menu: PresetsMenu, qtbot: QtBot) -> None:
    """A preset that comes with the program can be loaded and starred only; saved, it becomes one of the user's."""
    popup = opened(menu, qtbot)
    pick(popup, "violin")
    assert not popup.rename_button.isEnabled() and not popup.delete_button.isEnabled()
    pick(popup, "Lead")
    assert popup.rename_button.isEnabled() and popup.delete_button.isEnabled()
    assert {one.name for one in preset_files.listed() if one.own} == {"Broken", "Lead", "Soft"}
