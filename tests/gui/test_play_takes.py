from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QAbstractItemView, QLineEdit, QWidget

from gui.play.take_list import TAKE_ROLE
from gui.play.take_store import SHAPE_COLUMNS, clock, read_takes, renamed
from realtime.audio_file import write_audio
from realtime.errors import AudioFileError

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.play.record_column import RecordColumn


def click(widget: QWidget) -> None:
    """Press the left button in the middle of a widget."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # the stubs miss that it is static


def make_take(path: Path, seconds: float = 1.0, channels: int = 2, made_s: float = 1.6e9) -> Path:
    """A recording whose second half alone sounds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.zeros((channels, round(48000 * seconds)), np.float32)
    sound[:, sound.shape[1] // 2 :] = 0.5
    write_audio(path, sound, 48000, subtype="FLOAT")
    os.utime(path, (made_s, made_s))
    return path


def test_takes_are_read_newest_first_with_length_and_shape(tmp_path: Path) -> None:
    """Each take has its length, channels and a shape; what was recorded is remembered by name."""
    make_take(tmp_path / "001 a.wav", 2.0, made_s=1.6e9)
    make_take(tmp_path / "002 b.wav", 65.0, 1, made_s=1.7e9)
    (tmp_path / "notes.txt").write_text("no take")
    takes = read_takes(tmp_path, sides={"002 b.wav": "output"})
    assert [take.name for take in takes] == ["002 b", "001 a"]
    assert [take.length for take in takes] == ["1:05", "0:02"]
    assert [take.recorded for take in takes] == ["wet", "dry + wet"]
    for take in takes:
        assert len(take.shape) == SHAPE_COLUMNS
        assert max(take.shape[:50]) == 0.0 and take.shape[-5] == pytest.approx(0.5)


def test_a_file_that_is_no_sound_is_listed_with_its_sentence(tmp_path: Path) -> None:
    """A damaged file is shown, not hidden, and says that it cannot be read."""
    (tmp_path / "x.wav").write_bytes(b"RIFF....")
    take = read_takes(tmp_path)[0]
    assert "x.wav cannot be read as sound" in take.problem and take.seconds == 0


def test_a_folder_that_is_not_there_has_no_takes(tmp_path: Path) -> None:
    """Before the first recording there is no folder, and that is no error."""
    assert read_takes(tmp_path / "none") == ()


def test_a_take_is_renamed_but_never_over_another(tmp_path: Path) -> None:
    """The file gets the new name; a name that is taken, empty or no name at all is refused."""
    first, second = make_take(tmp_path / "a.wav"), make_take(tmp_path / "b.wav")
    assert renamed(first, " Solo in D ") == tmp_path / "Solo in D.wav"
    with pytest.raises(AudioFileError, match="already a take"):
        renamed(second, "Solo in D")
    for bad in ("", "..", "a/b", "x" * 200):
        with pytest.raises(AudioFileError, match="cannot be named"):
            renamed(second, bad)
    second.unlink()
    with pytest.raises(AudioFileError, match="could not be renamed"):
        renamed(second, "c")


def test_dates_and_lengths_are_written_for_people(tmp_path: Path) -> None:
    """Today shows the time alone, another day its date; an hour has three parts."""
    make_take(tmp_path / "a.wav")
    take = read_takes(tmp_path)[0]
    made = dt.datetime.fromtimestamp(1.6e9).astimezone()
    assert take.date(made.date()) == f"today {made:%H:%M}"
    assert take.date(dt.date(2020, 1, 1)).startswith(f"{made.day} ")
    assert clock(59.9) == "0:59" and clock(3600 + 62) == "1:01:02"


@pytest.fixture
def column(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> RecordColumn:
    """The record column over two takes, read."""
    from gui.play.file_playback import FilePlayback
    from gui.play.record_column import RecordColumn

    make_take(quiet_bridge.takes_folder / "001 a.wav", made_s=1.6e9)
    make_take(quiet_bridge.takes_folder / "002 b.wav", made_s=1.7e9)
    shown = RecordColumn(quiet_bridge, memory, FilePlayback(quiet_bridge, quiet_bridge))
    qtbot.addWidget(shown)
    shown.resize(280, 520)
    shown.show()
    qtbot.waitUntil(lambda: len(shown.model.takes) == 2)
    return shown


def choose(column: RecordColumn, row: int) -> None:
    """Select a take."""
    column.list.setCurrentIndex(column.model.index(row))


def test_a_take_is_dragged_as_a_file(column: RecordColumn) -> None:
    """What a drag carries is the address of the file, to be copied."""
    data = column.model.mimeData([column.model.index(1)])
    assert [Path(url.toLocalFile()).name for url in data.urls()] == ["001 a.wav"]
    assert column.model.supportedDragActions() == Qt.DropAction.CopyAction
    assert column.list.dragEnabled() and column.model.flags(column.model.index(0)) & Qt.ItemFlag.ItemIsDragEnabled


def test_a_take_is_renamed_where_it_stands(column: RecordColumn, qtbot: QtBot) -> None:
    """Typed over in the list, the name becomes the file's, and the take stays chosen."""
    choose(column, 0)
    column.list.edit(column.model.index(0))
    editor = column.list.findChild(QLineEdit)
    assert editor.text() == "002 b"
    editor.setText("Chorus")
    QTest.keyClick(editor, Qt.Key.Key_Return)  # type: ignore[call-overload]  # the stubs miss that it is static
    qtbot.waitUntil(lambda: column.model.takes[0].name == "Chorus")
    current = column.current()
    assert current is not None and current.name == "Chorus"
    assert current.path.is_file()
    column.model.setData(column.model.index(0), "001 a")
    qtbot.waitUntil(column.notice.isVisible)
    assert column.model.takes[0].name == "Chorus"


def test_a_click_on_the_chosen_take_renames_nothing(column: RecordColumn, qtbot: QtBot) -> None:
    """A click on the take that is chosen already never opens its name; F2 does."""
    choose(column, 0)
    column.activateWindow()
    column.list.setFocus()
    qtbot.waitUntil(column.list.hasFocus)
    assert not column.list.editTriggers() & QAbstractItemView.EditTrigger.SelectedClicked
    QTest.keyClick(column.list, Qt.Key.Key_F2)  # type: ignore[call-overload]  # the stubs miss that it is static
    assert column.list.findChild(QLineEdit).isVisible()


def test_a_deleted_take_can_be_brought_back(
    column: RecordColumn, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delete moves the file to the trash and offers to undo it."""
    said: list[Any] = []
    monkeypatch.setattr(column.notice, "show_notice", said.append)
    choose(column, 0)
    path = column.model.takes[0].path
    column.activateWindow()
    column.list.setFocus()
    qtbot.waitUntil(column.list.hasFocus)
    QTest.keyClick(column.list, Qt.Key.Key_Delete)  # type: ignore[call-overload]  # the stubs miss that it is static
    qtbot.waitUntil(lambda: len(said) == 1)
    assert said[0].severity == "info", said[0].text
    qtbot.waitUntil(lambda: len(column.model.takes) == 1)
    assert not path.exists() and said[-1].action == "Undo"
    said[-1].do()
    qtbot.waitUntil(lambda: len(column.model.takes) == 2)
    assert path.is_file()


def test_files_that_vanish_vanish_from_the_list(column: RecordColumn, qtbot: QtBot) -> None:
    """A take deleted elsewhere is said to be gone when it is used, and the list looks again."""
    choose(column, 1)
    column.model.takes[1].path.unlink()
    click(column.delete)
    qtbot.waitUntil(lambda: len(column.model.takes) == 1)
    assert column.notice.isVisible()
    column.model.takes[0].path.unlink()
    column.reload()
    qtbot.waitUntil(column.none.isVisible)
    assert not column.play.isVisible()


def test_what_cannot_be_read_is_not_played(column: RecordColumn, qtbot: QtBot, quiet_bridge: Bridge) -> None:
    """Play on a damaged take says why in place."""
    (quiet_bridge.takes_folder / "003 c.wav").write_bytes(b"RIFF....")
    column.reload()
    qtbot.waitUntil(lambda: len(column.model.takes) == 3)
    choose(column, 0)
    click(column.play)
    assert column.notice.isVisible() and column._playback.path is None


def test_the_menu_has_everything_that_can_be_done_with_a_take(
    column: RecordColumn, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """Play, rename, show and delete are in the menu of the list, and Show in files names the folder if it must."""
    from gui import show_file

    said: list[Any] = []
    monkeypatch.setattr(column.notice, "show_notice", said.append)
    monkeypatch.setattr(show_file, "reveal", lambda _: False)
    monkeypatch.setattr(show_file, "open_file", lambda _: False)
    choose(column, 0)
    actions = {action.text(): action for action in column.list.actions()}
    assert list(actions) == ["Play or stop", "Rename", "Show in files", "Move to the trash"]
    actions["Rename"].trigger()
    assert column.list.findChild(QLineEdit).text() == "002 b"
    actions["Show in files"].trigger()
    qtbot.waitUntil(lambda: bool(said))
    assert str(column._bridge.takes_folder) in said[0].text


def test_what_is_recorded_is_remembered(column: RecordColumn, memory: Memory, qtbot: QtBot) -> None:
    """The choice of sides is kept, and recording waits for the power in words."""
    assert not column.record.isEnabled() and column.time.text() == "Turn the sound on to record."
    column.sides.setFocus()
    QTest.keyClick(column.sides, Qt.Key.Key_Down)  # type: ignore[call-overload]  # the stubs miss that it is static
    assert column.sides.currentData() == "output"
    assert memory.get("takes.sides", "both") == "output"


def test_every_take_is_said_in_words(column: RecordColumn) -> None:
    """A screen reader hears name, length, date and what was recorded."""
    words = column.model.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert words.startswith("002 b: 0:01 · ") and words.endswith("dry + wet")
    assert column.model.index(0).data(TAKE_ROLE).channels == 2
