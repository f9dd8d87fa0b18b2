from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDropEvent, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QPushButton, QWidget

from gui import show_file
from gui.play import library_entries
from gui.play.card_view import CardView, read_card
from gui.play.import_model import AlreadyThereError, bring_back, import_model, may_import, remove
from gui.play.library_entries import BLEND, OWN, QUICK, SHIPPED, SLOW, matching, own_folder, read_library, tags_of
from gui.play.preview_sound import preview_file
from realtime.audio_file import read_audio
from realtime.errors import PackageError
from realtime.package import Package

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.play.library import Library

IDENTITY = library_entries.shipped_folder() / "identity"
VOICE = library_entries.shipped_folder() / "voice"
CAPTURE = Path(__file__).parents[1] / "realtime" / "nam" / "linear.nam"


def click(widget: QWidget) -> None:
    """Press the left button in the middle of a widget."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # the stubs miss that it is static


def named(folder: Path, name: str) -> Path:
    """A copy of the package `identity` under another name."""
    copy = folder / name
    shutil.copytree(IDENTITY, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest.update(name=name, title=name.title())
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def zipped(folder: Path, path: Path, inside: str = "") -> Path:
    """A zip of a package's folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{inside}{file.name}")
    return path


def test_the_library_knows_what_each_package_gives() -> None:
    """Titles, targets, latency, licence, tags and a picture of every shipped package are read from its files."""
    entries = {entry.name: entry for entry in read_library()}
    voice, guitar = entries["voice"], entries["keyboard-guitar"]
    assert voice.tags == (SHIPPED, QUICK, BLEND) and guitar.tags == (SHIPPED, SLOW)
    assert [target.name for target in voice.targets][:2] == ["violin", "cello"]
    assert voice.licences is not None and voice.licences.weights == "CC-BY-4.0"
    assert all(entry.picture is not None and not entry.picture.isNull() for entry in entries.values())
    # With no picture of sound in its card a package shows the shape of its golden sound.
    identity = entries["identity"].picture
    assert identity is not None and identity.format() == QImage.Format.Format_Alpha8
    assert tags_of(entries.values()) == (SHIPPED, BLEND, QUICK, SLOW)


def test_search_and_tags_narrow_the_list() -> None:
    """Every word must be found somewhere and every tag be there."""
    entries = read_library()
    assert [entry.name for entry in matching(entries, "SAXOPHONE", ())] == ["voice"]
    assert [entry.name for entry in matching(entries, "chords guitar", (SLOW,))] == ["keyboard-guitar"]
    assert [entry.name for entry in matching(entries, "chords guitar", (QUICK,))] == ["streaming-keyboard"]
    assert [entry.name for entry in matching(entries, "violin", (QUICK, BLEND))] == ["streaming-melody", "voice"]
    assert matching(entries, "violin", (SLOW,)) == []


def test_a_broken_package_keeps_its_sentence_and_stands_last() -> None:
    """A folder that is no package is listed after the good ones, with what is wrong and no way to choose it."""
    (own_folder() / "broken").mkdir(parents=True)
    entry = read_library()[-1]
    assert entry.name == "broken" and not entry.playable and "manifest.json" in entry.error
    assert entry.removable and OWN in entry.tags


@pytest.mark.parametrize("inside", ["", "some/where/"])
def test_a_folder_and_a_zip_are_imported(tmp_path: Path, inside: str) -> None:
    """A package's folder, or a zip of it at any depth, becomes a verified package among the user's own."""
    archive = zipped(named(tmp_path, "mine"), tmp_path / "mine.zip", inside)
    assert import_model(archive) == "mine"
    assert Package.read(own_folder() / "mine").manifest.title == "Mine"
    with pytest.raises(AlreadyThereError, match="'mine'"):
        import_model(tmp_path / "mine")
    assert import_model(tmp_path / "mine", replace=True) == "mine"
    assert sorted(path.name for path in own_folder().iterdir()) == ["mine"]


def test_a_capture_is_imported_through_the_command_line() -> None:
    """A .nam file becomes a package among the user's own, with the tag of a capture."""
    name = import_model(CAPTURE)
    entry = next(entry for entry in read_library() if entry.name == name)
    assert library_entries.CAPTURE in entry.tags and entry.removable


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: zipped(folder / "mine", folder / "two.zip"), "holds no model package"),
        (lambda folder: (folder / "bad.zip").write_bytes(b"PK no") and folder / "bad.zip", "cannot be unpacked"),
        (lambda folder: (folder / "bad.nam").write_text("{") and folder / "bad.nam", "bad.nam"),
        (lambda folder: folder / "gone.zip", "not there any more"),
        (lambda folder: folder / "mine", "manifest.json"),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    """A refusal names the file and nothing is left behind."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("no package")
    with pytest.raises(PackageError, match=words):
        import_model(make(tmp_path))
    assert not own_folder().exists() or list(own_folder().iterdir()) == []


def test_a_changed_file_is_never_imported(tmp_path: Path) -> None:
    """A package whose model was changed is refused before it has a name in the library."""
    package = named(tmp_path, "mine")
    (package / "model.onnx").write_bytes(b"other")
    with pytest.raises(PackageError, match=r"model\.onnx"):
        import_model(package)
    assert not (own_folder() / "mine").exists()


@pytest.mark.parametrize(("spoil", "words"), [(b"no model", "not the file"), (b"", "too early"), (None, "missing")])
def test_a_broken_zip_is_named_as_the_player_knows_it(spoil: bytes | None, words: str, tmp_path: Path) -> None:
    """What is wrong inside a zip is said of the zip and its file, not of the room that it is unpacked in."""
    folder = named(tmp_path, "mine")
    model = next(folder.glob("*.onnx"))
    model.unlink()
    if spoil is not None:
        model.write_bytes(spoil)
    with pytest.raises(PackageError, match=words) as raised:
        import_model(zipped(folder, tmp_path / "mine.zip"))
    assert "mine.zip" in str(raised.value) and model.name in str(raised.value)
    assert ".importing" not in str(raised.value) and str(own_folder()) not in str(raised.value)


def test_a_zip_cannot_write_outside_its_room(tmp_path: Path) -> None:
    """Names with .. in an archive become plain names in the room, or nothing."""
    archive = tmp_path / "evil.zip"
    zipped(named(tmp_path, "mine"), archive)
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("../../evil.txt", "out")
    assert import_model(archive) == "mine"
    assert not list(own_folder().parent.rglob("evil.txt")) and not list(tmp_path.rglob("evil.txt"))


def test_what_was_removed_comes_back(tmp_path: Path) -> None:
    """A removed package lies in the trash, and the undo puts it back where it was."""
    name = import_model(named(tmp_path, "mine"))
    removed = remove(own_folder() / name)
    assert not removed.was.exists()
    bring_back(removed)
    assert Package.read(removed.was).name == "mine"
    with pytest.raises(PackageError, match="not in the trash any more"):
        bring_back(removed)


def test_only_models_are_taken_by_a_drop(tmp_path: Path) -> None:
    """Folders, zips and captures may be imported; a sound file is left to others."""
    assert may_import(tmp_path) and may_import(Path("a.NAM")) and may_import(Path("a.zip"))
    assert not may_import(Path("a.wav"))


def test_the_golden_sound_becomes_two_files_to_hear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What went in and what came out are sound files of the model's rate."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = [read_audio(preview_file(VOICE, heard)) for heard in ("in", "out")]
    assert [file.sample_rate for file in files] == [48000, 48000]
    assert files[0].signal.shape == files[1].signal.shape and abs(files[0].signal - files[1].signal).max() > 0.01


def test_a_card_shows_its_own_pictures_and_opens_nothing_else(qtbot: QtBot, tmp_path: Path) -> None:
    """Headings, tables and the package's pictures are shown; no other file, address or HTML is."""
    card = read_card(VOICE, 400)
    assert "clips.png" in card.pictures and all(image.width() <= 400 for image in card.pictures.values())
    view = CardView()
    qtbot.addWidget(view)
    view.resize(500, 400)
    view.show()
    view.show_card(card)
    qtbot.waitUntil(lambda: view.complete)
    text = view.toPlainText()
    assert "Chords and reverberant input" in text and "harmonic-plus-noise" in text
    secret = tmp_path / "secret.png"
    QImage(8, 8, QImage.Format.Format_RGB32).save(str(secret))
    for address in (f"file://{secret}", str(secret), "https://example.org/a.png", "../identity/clips.png"):
        assert view.loadResource(2, QUrl(address)).width() == 1
    bar = view.verticalScrollBar()
    assert bar is not None and bar.value() == 0 and bar.maximum() > 400


@pytest.fixture
def library(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> Library:
    """The library page, read."""
    from gui.play.file_playback import FilePlayback
    from gui.play.library import Library

    page = Library(quiet_bridge, memory, FilePlayback(quiet_bridge, quiet_bridge))
    qtbot.addWidget(page)
    page.resize(1150, 600)
    page.show()
    qtbot.waitUntil(lambda: len(page.entries) >= 3)
    return page


def test_the_library_is_used_by_keyboard_alone(library: Library, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Typing finds, Enter chooses and leads back, Escape leads back without choosing."""
    library.search.setText("guitar")
    qtbot.waitUntil(lambda: library.facts.title.text() == "Keyboard to guitar")
    with qtbot.waitSignal(library.done):
        QTest.keyClick(library.search, Qt.Key.Key_Return)  # type: ignore[call-overload]
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.model == "keyboard-guitar")
    with qtbot.waitSignal(library.done):
        QTest.keyClick(library.search, Qt.Key.Key_Escape)  # type: ignore[call-overload]
    library.search.setText("nothing like it")
    assert library.none.isVisible() and not library.facts.isEnabled()
    library.search.clear()
    chips = {chip.text(): chip for chip in library.findChildren(QPushButton) if chip.isCheckable()}
    click(chips[BLEND])
    blends = matching(read_library(), "", (BLEND,))
    assert 0 < library.model.rowCount() == len(blends) < len(read_library())
    assert library.facts.title.text() == blends[0].title


def test_with_little_room_the_list_stands_above_the_facts(library: Library, qtbot: QtBot) -> None:
    """In a narrow window no button's words are cut, and the list keeps room for its words."""
    from gui import theme
    from gui.widgets.bending import NARROW_UNITS

    library.resize(theme.px(NARROW_UNITS) - 40, 400)
    qtbot.waitUntil(lambda: library.facts.y() > library.list.y())
    assert library.list.width() > 400
    for button in (library.facts.before, library.facts.after, library.import_file, library.import_folder):
        assert button.width() >= button.sizeHint().width(), button.text()
    library.resize(1150, 600)
    qtbot.waitUntil(lambda: library.facts.x() > library.list.x() + 300)


def test_import_replace_remove_and_undo_are_asked_in_place(
    library: Library, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dropped folder is imported and shown; the same again asks; removing offers the way back."""
    said: list[Any] = []
    monkeypatch.setattr(library.notice, "show_notice", said.append)
    package = named(tmp_path, "mine")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(package))])
    action, button, modifier = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    library.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, modifier))
    qtbot.waitUntil(lambda: library.facts.title.text() == "Mine")
    library.import_path(package)
    qtbot.waitUntil(lambda: said[-1].action == "Replace it")
    said[-1].do()
    qtbot.waitUntil(lambda: "is in your library" in said[-1].text)
    assert library.facts.remove.isVisible()
    click(library.facts.remove)
    qtbot.waitUntil(lambda: said[-1].action == "Undo")
    qtbot.waitUntil(lambda: library.model.row_of("mine") < 0)
    said[-1].do()
    qtbot.waitUntil(lambda: library.model.row_of("mine") >= 0)
    library.import_path(tmp_path / "gone.zip")
    qtbot.waitUntil(lambda: said[-1].severity == "error" and "not there any more" in said[-1].text)


def test_a_broken_model_says_why_and_cannot_be_chosen(library: Library, qtbot: QtBot) -> None:
    """The sentence stands where the facts would, and the button to play it is off."""
    (own_folder() / "broken").mkdir(parents=True)
    library.reload("broken")
    qtbot.waitUntil(lambda: library.facts.title.text() == "broken")
    assert library.facts.problem.isVisible() and "manifest.json" in library.facts.problem.text()
    assert not library.facts.play.isEnabled() and library.facts.remove.isVisible()


def test_show_in_files_says_where_when_no_file_manager_opens(
    library: Library, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """Without a file manager the folder is told in words."""
    library.search.setText("voice")
    qtbot.waitUntil(lambda: library.facts.title.text() == "Voice")
    monkeypatch.setattr(show_file, "reveal", lambda _: False)
    monkeypatch.setattr(show_file, "open_file", lambda _: False)
    with qtbot.waitSignal(library.facts.noticed) as said:
        click(library.facts.reveal)
    assert str(VOICE) in said.args[0].text
