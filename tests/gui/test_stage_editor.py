from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.stage import setlist_files
from gui.stage.setlist_draft import SetlistDraft
from gui.stage.setlist_panel import SetlistPanel
from realtime.errors import ConfigError
from realtime.presets.library import preset_folder, read_setlist, resolve_setlist, write_preset
from realtime.presets.preset import Preset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.stage.setlist_editor import SetlistEditor

HANDS: Any = QTest  # its stubs take static methods for methods

SONGS = ("Intro", "Lead", "Outro")


@pytest.fixture
def editor(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> Iterator[SetlistEditor]:
    """The desk, shown, with three presets of the user and one that is broken."""
    for name in SONGS:
        write_preset(Preset(name, "voice"))
    (preset_folder() / "Broken.toml").write_text("model = 3\n")
    panel = SetlistPanel(quiet_bridge, memory)
    qtbot.addWidget(panel)
    panel.resize(1190, 600)
    panel.show()
    qtbot.waitUntil(lambda: len(panel.editor.presets) >= 4)
    assert panel.editing
    yield panel.editor
    assert panel.editing


def fill(editor: SetlistEditor) -> None:
    for name in SONGS:
        editor.search.setText(name)
        HANDS.keyClick(editor.search, Qt.Key.Key_Return)


def test_a_setlist_is_made_saved_and_played(editor: SetlistEditor, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Presets are added by search and Enter, ordered by keys, numbered, saved as a file, and are what is played."""
    assert not editor.save_button.isEnabled()
    fill(editor)
    assert list(editor.draft.songs) == list(SONGS)
    editor.songs.setCurrentRow(2)
    HANDS.keyClick(editor.songs, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    HANDS.keyClick(editor.songs, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert list(editor.draft.songs) == ["Outro", "Intro", "Lead"]
    HANDS.keyClick(editor.songs, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    HANDS.keyClick(editor.songs, Qt.Key.Key_Delete)
    assert list(editor.draft.songs) == ["Intro", "Lead"]
    quiet_bridge.undo_stack.undo()
    assert list(editor.draft.songs) == ["Intro", "Outro", "Lead"]
    editor.songs.setCurrentRow(0)
    editor.program.setValue(40)
    assert editor.draft.programs == ((1, "Outro"), (2, "Lead"), (40, "Intro"))
    HANDS.keyClicks(editor.name, "The club")
    assert editor.save_button.isEnabled()
    editor.save_button.click()
    qtbot.waitUntil(lambda: quiet_bridge.state.setlist is not None)
    kept = resolve_setlist("The club")
    assert kept.presets == ("Intro", "Outro", "Lead")
    assert kept.programs == {1: "Outro", 2: "Lead", 40: "Intro"}
    assert quiet_bridge.state.setlist == kept
    assert not editor.save_button.isEnabled()


def test_dragging_is_a_change_of_order(editor: SetlistEditor) -> None:
    """Rows that were dragged in the list become the order, and undo brings the old one."""
    fill(editor)
    model = editor.songs.model()
    assert model is not None
    from PyQt6.QtCore import QModelIndex

    assert model.moveRow(QModelIndex(), 2, QModelIndex(), 0)
    assert editor.draft.songs == ("Outro", "Intro", "Lead")


def test_rename_delete_and_back(editor: SetlistEditor, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """A setlist's file gets another name, is deleted with a notice, and comes back by that notice's button."""
    fill(editor)
    HANDS.keyClicks(editor.name, "First")
    editor.save_button.click()
    qtbot.waitUntil(lambda: [one.name for one in editor.entries] == ["First"])
    editor.name.selectAll()
    HANDS.keyClicks(editor.name, "Second")
    editor.rename_button.click()
    qtbot.waitUntil(lambda: [one.name for one in editor.entries] == ["Second"])
    assert editor.delete_button.isEnabled()
    editor.delete_button.click()
    qtbot.waitUntil(lambda: editor.entries == [])
    notice = editor.notice.notice()
    while notice is not None and notice.action != "Undo":
        editor.notice.dismiss.click()
        notice = editor.notice.notice()
    assert notice is not None and notice.do is not None
    notice.do()
    qtbot.waitUntil(lambda: [one.name for one in editor.entries] == ["Second"])
    assert read_setlist(preset_folder() / "setlists" / "Second.toml").presets == SONGS


def test_what_cannot_be_saved_is_said(editor: SetlistEditor, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """A name that can be no file is refused with its sentence, and a broken setlist is named and not loaded."""
    fill(editor)
    HANDS.keyClicks(editor.name, "a/b")
    editor.save()
    said = editor.notice.notice()
    assert said is not None and "may hold no" in said.text
    folder = preset_folder() / "setlists"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Bad.toml").write_text("presets = 3\n")
    editor.refresh()
    qtbot.waitUntil(lambda: [one.name for one in editor.entries] == ["Bad"])
    editor.notice.clear()
    editor.chooser.activated.emit(0)
    said = editor.notice.notice()
    assert said is not None and "must be a list of names" in said.text
    assert editor.draft.songs == SONGS


def test_drafts_keep_numbers_with_their_presets() -> None:
    """A number calls one place, a moved preset keeps it, one that is removed takes it along, and order is a default."""
    draft = SetlistDraft("x", ("a", "b", "c"))
    assert [draft.program_of(place) for place in range(3)] == [0, 1, 2]
    numbered = draft.with_program(1, 0)
    assert numbered.programs == ((0, "b"), (2, "c"))
    assert numbered.moved(1, 0).program_of(0) == 0
    assert numbered.without(1).programs == ((2, "c"),)
    assert numbered.in_order().programs is None
    assert numbered.with_program(1, None).program_of(1) is None
    assert draft.with_song("d", 1).songs == ("a", "d", "b", "c")
    with pytest.raises(ConfigError, match="empty"):
        SetlistDraft("x").to_setlist()


def test_a_taken_name_is_not_overwritten_by_renaming(editor: SetlistEditor) -> None:
    """Renaming onto a setlist that is there is refused and leaves both files."""
    for name in ("One", "Two"):
        setlist_files.saved(SetlistDraft(name, SONGS).to_setlist())
    one = next(entry for entry in setlist_files.listed() if entry.name == "One")
    with pytest.raises(ConfigError, match="already"):
        setlist_files.renamed(one, "Two")
    assert {entry.name for entry in setlist_files.listed()} == {"One", "Two"}
