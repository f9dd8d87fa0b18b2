from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gui.app import App
from gui.desktop_entry import install
from gui.display_check import check_display, missing_sentence
from gui.faults import Faults
from gui.main_window import GUIDE_DONE
from gui.memory import Memory
from gui.remembered import SETTINGS, remembered_settings
from realtime.errors import ConfigError
from realtime.messages import MidiSettings, StreamSettings
from realtime.plain import to_plain
from realtime.plugins.spec import PluginSpec
from realtime.presets.library import write_setlist
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.stall_watch import WatchedApplication


@pytest.fixture
def start(qtbot: QtBot, qapp: WatchedApplication, tmp_path: Path) -> Iterator[Callable[[], App]]:
    """Start the app, again and again, with the same memory."""
    running: list[App] = []

    def begin() -> App:
        memory = Memory(tmp_path / "desktop.json")
        memory.set(GUIDE_DONE, True)
        memory.set("window.panel", memory.get("window.panel", "settings"))
        app = App(qapp, memory)
        running.append(app)
        app.begin()
        qtbot.waitUntil(lambda: bool(app.window.current))
        return app

    yield begin
    qapp.stalls.clear()  # starting makes every widget of the frame in one event
    for app in running:
        if not app.ended:
            app.end()


def test_everything_is_restored(start: Callable[[], App], qtbot: QtBot, tmp_path: Path) -> None:
    """Stream, controls, plugins, MIDI, setlist, takes folder and panel are after a new start as they were left."""
    setlist = Setlist("evening", ("violin", "sax-and-trumpet"))
    write_setlist(setlist)
    first = start()
    bridge = first.bridge
    bridge.change_stream(input="A mixer", block=64, headphones=True)
    bridge.set_controls(mix=0.5, gate_db=-60.0)
    bridge.set_plugins((), (PluginSpec("http://example.org/reverb", {"size": 0.25}),))
    bridge.set_midi(MidiSettings(port="A keyboard"))
    bridge.set_setlist(setlist)
    bridge.takes_folder = tmp_path / "takes"
    first.window.show_panel("setlist")
    qtbot.waitUntil(lambda: bridge.state.setlist is not None and bridge.state.settings.midi is not None)
    left = bridge.state
    first.end()
    again = start()
    qtbot.waitUntil(lambda: again.bridge.state.setlist is not None)
    now = again.bridge.state
    assert now.settings == left.settings
    assert now.settings.controls.mix == 0.5 and now.settings.block == 64
    assert now.setlist == setlist
    assert again.bridge.takes_folder == tmp_path / "takes"
    assert again.window.current == "setlist"
    assert now.power == "off"


def test_the_preset_is_restored_with_its_name(start: Callable[[], App], qtbot: QtBot) -> None:
    """The name of the preset is there again, as are the controls that were turned after it was loaded."""
    first = start()
    first.bridge.load_preset("violin")
    qtbot.waitUntil(lambda: first.bridge.state.preset == "violin")
    first.bridge.set_controls(mix=0.25)
    first.end()
    again = start()
    qtbot.waitUntil(lambda: again.bridge.state.preset == "violin")
    assert again.bridge.controls.mix == 0.25


def test_power_comes_by_itself_only_when_wished_and_left_on(tmp_path: Path, qapp: Any, qtbot: QtBot) -> None:
    """The power comes on at start only where the player has set so and it was on at the end."""
    wanted = {}
    for wished in (False, True):
        for was_on in (False, True):
            memory = Memory(tmp_path / f"{wished}{was_on}.json")
            memory.set("start.power", wished)
            memory.set("live.power", was_on)
            app = App(qapp, memory)
            wanted[wished, was_on] = app.wanted_power
            app.end()
    assert [case for case, on in wanted.items() if on] == [(True, True)]


def test_a_remembered_stream_that_does_not_fit_is_put_aside(memory: Memory) -> None:
    """Settings of another version are kept in a file, said in a sentence, and replaced by the defaults."""
    memory.set(SETTINGS, {**to_plain(StreamSettings("voice")), "block": "wide"})
    settings, sentence = remembered_settings(memory)
    assert settings.model == "voice" and settings.block == 128
    aside = memory.path.with_name("desktop-live.settings-aside.json")
    assert str(aside) in sentence and '"wide"' in aside.read_text(encoding="utf-8")
    assert remembered_settings(memory)[1] == ""


def test_a_fault_is_one_sentence_and_a_line_in_the_log(tmp_path: Path) -> None:
    """An exception that nobody caught, on whatever thread, becomes one sentence, once, and a line in the log."""
    said: list[str] = []
    faults = Faults(said.append, tmp_path / "desktop.log")
    for _ in range(3):
        faults.take(ValueError("three\nlines\nlong"))
    thread = threading.Thread(target=lambda: faults.take(KeyError("other")))
    thread.start()
    thread.join()
    assert len(said) == 2
    assert all("\n" not in sentence and "Traceback" not in sentence for sentence in said)
    assert len((tmp_path / "desktop.log").read_text(encoding="utf-8").splitlines()) == 4
    assert ConfigError("Say it.").args[0] in faults.take(ConfigError("Say it."))


def test_without_a_display_there_is_a_sentence() -> None:
    """No display, or one that does not answer, is said before Qt could end the process."""
    with pytest.raises(ConfigError, match="no display"):
        check_display({})
    with pytest.raises(ConfigError, match=":4711 does not answer"):
        check_display({"DISPLAY": ":4711"})
    check_display({"QT_QPA_PLATFORM": "offscreen"})
    assert "libxcb-cursor0" in missing_sentence("libxcb-cursor.so.0: cannot open shared object file")
    assert "libxcb-cursor.so.0 is missing" in missing_sentence("libxcb-cursor.so.0: cannot open shared object file")


def test_the_command_says_so_too(tmp_path: Path) -> None:
    """`retimbre gui` without a display ends with one sentence and exit code 1."""
    environment = {k: v for k, v in os.environ.items() if k not in {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}}
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", "gui", "--memory", str(tmp_path / "memory.json")],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("retimbre: There is no display") and done.stderr.count("\n") == 1


def test_the_desktop_entry_names_this_program(tmp_path: Path) -> None:
    """The entry and the icon lie where the desktop looks, and the entry starts the program that wrote it."""
    entry, picture = install(tmp_path)
    text = entry.read_text(encoding="utf-8")
    command = next(line for line in text.splitlines() if line.startswith("Exec=")).removeprefix("Exec=")
    assert command.endswith(" gui")
    assert picture.read_text(encoding="utf-8").lstrip().startswith("<")
    checker = shutil.which("desktop-file-validate")
    if checker is not None:
        subprocess.run([checker, str(entry)], check=True)
