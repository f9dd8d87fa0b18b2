from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QPoint, QProcess, Qt
from PyQt6.QtWidgets import QApplication, QWidget

from gui import theme
from gui.live_state import Notice
from gui.main_window import GUIDE_DONE, PANEL, MainWindow
from gui.midi_learn_bar import MidiLearnBar
from gui.panels import EVERY_PANEL, PANELS

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory


@pytest.fixture
def window(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> Iterator[MainWindow]:
    memory.set(GUIDE_DONE, True)
    memory.set(PANEL, "settings")
    made = MainWindow(quiet_bridge, memory)
    qtbot.addWidget(made)
    with qtbot.waitActive(made):
        made.show()
    made.begin()
    yield made
    for process in made.findChildren(QProcess):  # as the end of the app does
        process.kill()
        process.waitForFinished()
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    theme.apply(app, "dark")


def shown(window: MainWindow) -> str:
    """The notice below the header."""
    notice = window.notices.notice()
    return notice.text if notice is not None else ""


def learning(bridge: Bridge) -> bool:
    """Whether learn mode is on, asked anew."""
    return bridge.learn_mode


@pytest.mark.parametrize("spec", EVERY_PANEL, ids=lambda spec: spec.key)
def test_every_panel_opens_by_its_keys_and_is_marked(spec: Any, window: MainWindow, qtbot: QtBot) -> None:
    """Each panel is made when its keys are pressed, shown, marked on the rail and remembered."""
    window.show_panel("play" if spec.key == "settings" else "settings")
    last = spec.keys[-1]
    key = Qt.Key.Key_Comma if last == "," else Qt.Key(ord(last))
    qtbot.keyClick(window, key, Qt.KeyboardModifier.ControlModifier)
    assert window.current == spec.key
    assert window.panels[spec.key].isVisible()
    assert window.rail.buttons[spec.key].isChecked()
    assert window._memory.get(PANEL, "") == spec.key


def test_only_the_panel_that_is_shown_is_made(window: MainWindow) -> None:
    """At start no other panel than the remembered one exists."""
    assert list(window.panels) == ["settings"]


def test_every_control_of_the_frame_is_named_and_reached(window: MainWindow) -> None:
    """Whatever takes the keyboard in rail, header and settings has a name for a screen reader."""
    for part in (window.rail, window.header, window.panels["settings"]):
        for widget in part.findChildren(QWidget):
            takes = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            if takes and widget.isVisible() and not widget.inherits("QAbstractScrollArea"):
                name = widget.accessibleName() or getattr(widget, "text", str)()
                assert name, widget


def test_tab_goes_round_through_the_whole_header(window: MainWindow, qtbot: QtBot) -> None:
    """With Tab alone every button of the header gets the keyboard."""
    header = window.header
    wanted = {header.power, header.model, header.record, header.mute, header.panic, header.learn, header.latency}
    window.rail.buttons["play"].setFocus()
    seen = set()
    for _ in range(60):
        focused = QApplication.focusWidget()
        assert focused is not None
        seen.add(focused)
        qtbot.keyClick(focused, Qt.Key.Key_Tab)
    assert wanted <= seen


def test_a_notice_is_shown_in_its_place(window: MainWindow, quiet_bridge: Bridge) -> None:
    """A notice for everywhere lies below the header; one for a panel that is not made yet waits on the rail."""
    quiet_bridge.say(Notice("Something is to be said."))
    assert window.notices.isVisible()
    quiet_bridge.say(Notice("The chain broke.", place="chain", severity="error"))
    assert "notice" in window.rail.buttons["chain"].accessibleName()
    told: list[Notice] = []
    quiet_bridge.noticed.connect(told.append)
    window.show_panel("chain")
    assert [notice.text for notice in told] == ["The chain broke."]
    assert window.rail.buttons["chain"].accessibleName() == "Chain"


def test_what_is_over_is_not_said_any_more(window: MainWindow, quiet_bridge: Bridge) -> None:
    """While the stream is lost its warnings stand below the header; they go when the sound is back."""
    waiting = replace(quiet_bridge.state, power="waiting")
    quiet_bridge._set_state(waiting)
    quiet_bridge.say(Notice("The sound stopped.", severity="warning"))
    assert shown(window) == "The sound stopped."
    quiet_bridge.say(Notice("The sound is back."))
    assert shown(window) == "The sound is back."
    quiet_bridge._set_state(replace(waiting, power="off"))


def test_escape_leaves_what_is_on_top(window: MainWindow, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Escape closes the list of shortcuts, then learn mode, then the stage screen."""
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert window.on_stage and window.current == "setlist" and not window.rail.isVisible()
    quiet_bridge.set_learn_mode(True)
    qtbot.keyClick(window, Qt.Key.Key_F1)
    assert window.sheet.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.sheet.isVisible() and learning(quiet_bridge)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not learning(quiet_bridge)
    assert window.on_stage
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.rail.isVisible() and window.current == "settings"


def test_escape_belongs_to_what_has_the_keyboard(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escape leaves a number that is being typed, with its old value, and closes the library and the plugin browser."""
    from gui.chain.plugin_shelf import PluginShelf
    from gui.widgets.fader import Fader

    monkeypatch.setattr(PluginShelf, "refresh", lambda _self: None)  # what is installed does not matter

    def press(key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> QWidget | None:
        focused = QApplication.focusWidget()
        assert focused is not None
        qtbot.keyClick(focused, key, modifier)
        return QApplication.focusWidget()

    press(Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    play: Any = window.panels["play"]
    pages = [play.pages.currentWidget()]
    press(Qt.Key.Key_Escape)
    pages.append(play.pages.currentWidget())
    assert pages[0] is play.library is not pages[1]
    fader = next(one for one in play.findChildren(Fader) if one.isVisible() and one.isEnabled())
    before = fader.value()
    fader.setFocus()
    focused = [press(Qt.Key.Key_5), press(Qt.Key.Key_Escape)]
    assert [one is fader for one in focused] == [False, True]
    assert fader.value() == before
    window.show_panel("chain")
    chain: Any = window.panels["chain"]
    chain._browse("before")
    opened = [chain.browser.isVisible()]
    press(Qt.Key.Key_Escape)
    assert [*opened, chain.browser.isVisible()] == [True, False]


def test_a_locked_stage_leaves_the_header_deaf(window: MainWindow, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """On the locked stage screen power, record, mute and single letters do nothing; unlocked they act again."""
    qtbot.keyClick(window, Qt.Key.Key_F11)
    header, setlist = window.header, window.panels["setlist"]
    guarded = (header.power, header.model, header.presets, header.record, header.mute, header.learn)
    for key in (Qt.Key.Key_B, Qt.Key.Key_L, Qt.Key.Key_M, Qt.Key.Key_R):
        qtbot.keyClick(window, key)
    for part in guarded:
        qtbot.mouseClick(part, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(header.load, Qt.MouseButton.LeftButton)
    control = Qt.KeyboardModifier.ControlModifier
    for key in (Qt.Key.Key_P, Qt.Key.Key_1, Qt.Key.Key_L, Qt.Key.Key_K, Qt.Key.Key_Comma):
        qtbot.keyClick(window, key, control)
    acted = [quiet_bridge.controls.bypass, quiet_bridge.learn_mode, quiet_bridge.state.power != "off"]
    assert window.current == "setlist" and acted == [False, False, False]
    assert header.panic.isEnabled()
    setlist.stage.set_locked(False)  # type: ignore[attr-defined]
    assert all(part.isEnabled() for part in guarded)
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert quiet_bridge.controls.bypass
    setlist.stage.set_locked(True)  # type: ignore[attr-defined]
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert all(part.isEnabled() for part in guarded)


def test_levels_are_shown_once_above_the_stage_view(window: MainWindow, qtbot: QtBot) -> None:
    """Where the setlist shows levels and tuner large, the header leaves its own out, but keeps the power; else not."""
    window.resize(1280, 720)
    window.show_panel("setlist")
    setlist, header = window.panels["setlist"], window.header
    setlist.show_stage()  # type: ignore[attr-defined]  # SetlistPanel has it
    qtbot.waitUntil(lambda: setlist.shows_meters)  # type: ignore[attr-defined]  # as above
    assert [header.power.isVisible(), header.input.isVisible(), header.tuner.isVisible()] == [True, False, False]
    setlist.show_editor()  # type: ignore[attr-defined]  # as above
    assert [header.power.isVisible(), header.input.isVisible(), header.tuner.isVisible()] == [True, True, True]


def test_learn_mode_covers_nothing(window: MainWindow, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """The window makes room for the bar of learn mode, and takes it back."""
    panel = window.panels["settings"]
    before = panel.height()
    quiet_bridge.set_learn_mode(True)
    bar = window.findChild(MidiLearnBar)
    assert bar is not None
    qtbot.waitUntil(lambda: panel.mapTo(window, QPoint(0, panel.height())).y() <= bar.y())
    quiet_bridge.set_learn_mode(False)
    qtbot.waitUntil(lambda: panel.height() == before)


@pytest.mark.qt_log_ignore("does not support (raise|grabbing|propagate)")  # of the offscreen platform
def test_the_list_of_presets_is_as_wide_as_it_wants(window: MainWindow, qtbot: QtBot) -> None:
    """The narrow button of the header does not narrow what it opens."""
    menu = window.header.presets
    menu.open_list()
    assert menu.width() < menu.popup.sizeHint().width() <= menu.popup.width()
    menu.popup.hide()


def test_keys_turn_and_undo_controls(window: MainWindow, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """B bypasses, the brackets turn the mix, and Ctrl+Z takes it back."""
    qtbot.keyClick(window, Qt.Key.Key_B)
    assert quiet_bridge.controls.bypass
    qtbot.keyClick(window, Qt.Key.Key_BracketLeft)
    assert quiet_bridge.controls.mix == 0.95
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert quiet_bridge.controls.mix == 1.0 and quiet_bridge.controls.bypass
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not quiet_bridge.controls.bypass


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_header_fits_at_every_size(scale: float, window: MainWindow, qapp: Any) -> None:
    """At 1280×720, also with text of twice the size, nothing of the header is cut off or lies over another."""
    theme.apply(qapp, "dark", scale)
    window.resize(1280, 720)
    qapp.processEvents()
    qapp.stalls.clear()  # a new look redraws everything at once
    header = window.header
    area = header.rect()
    parts = [
        header.power, header.model, header.presets, header.input, header.output, header.tuner, header.latency,
        header.load, header.dropouts, header.record, header.mute, header.panic, header.learn,
    ]  # fmt: skip
    spots = [part.rect().translated(part.mapTo(header, part.rect().topLeft())) for part in parts]
    assert all(area.contains(spot) for spot in spots)
    assert not [(a, b) for n, a in enumerate(spots) for b in spots[n + 1 :] if a.intersects(b)]
    assert header.power.height() >= header.power.sizeHint().height()


def test_the_look_is_remembered(window: MainWindow, memory: Memory, qtbot: QtBot, qapp: Any) -> None:
    """Ctrl+D changes between dark and light and Ctrl+Plus enlarges the text, for the next start too."""
    qtbot.keyClick(window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert theme.current().name == "light" and memory.get("look.theme", "") == "light"
    qtbot.keyClick(window, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    assert memory.get("look.scale", 1.0) == 1.25
    qapp.processEvents()
    qapp.stalls.clear()  # a new look redraws everything at once


def test_the_guide_is_shown_at_the_first_start_only(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> None:
    """Without a memory of it the guide lies over the window; with one it does not."""
    first = MainWindow(quiet_bridge, memory)
    qtbot.addWidget(first)
    with qtbot.waitActive(first):
        first.show()
    first.begin()
    assert first._guide is not None and first._guide.isVisible()
    first._guide.leave()  # type: ignore[attr-defined]
    focused = QApplication.focusWidget()
    assert focused is first
    qtbot.keyClick(focused, Qt.Key.Key_B)
    assert quiet_bridge.controls.bypass
    memory.set(GUIDE_DONE, True)
    second = MainWindow(quiet_bridge, memory)
    qtbot.addWidget(second)
    second.begin()
    assert second._guide is None


def test_the_header_shows_what_is(window: MainWindow, quiet_bridge: Bridge) -> None:
    """Waiting, mute, a take and a blend are written in the header."""
    header, state = window.header, quiet_bridge.state
    controls = replace(state.settings.controls, target=(0.5, 0.0, 0.5, 0.0, 0.0, 0.0))
    names = ("violin", "cello", "flute", "clarinet", "trumpet", "saxophone")
    settings = replace(state.settings, controls=controls)
    header.show_state(replace(state, settings=settings, targets=names, muted=True))
    assert header.model.under.text() == "Violin + Flute" or header.model.under.text() == "Flute + Violin"
    assert header.mute.isChecked() and not header.record.isChecked()
    header.show_state(replace(state, power="waiting", targets=names))
    assert "Waiting" in header.model.under.text()


def test_the_table_of_panels_is_whole() -> None:
    """Every panel's class is where the table says, and has a shortcut of its own."""
    from importlib import import_module

    assert all(issubclass(getattr(import_module(spec.module), spec.name), QWidget) for spec in EVERY_PANEL)
    assert len({spec.keys for spec in EVERY_PANEL}) == len(EVERY_PANEL) == len(PANELS) + 1


def test_library_and_details_are_a_click_away(
    window: MainWindow, qtbot: QtBot, make_bridge: Callable[..., Bridge]
) -> None:
    """A click on the model leads to the library, one on a number to what is behind it."""
    qtbot.mouseClick(window.header.model, Qt.MouseButton.LeftButton)
    assert window.current == "play"
    play: Any = window.panels["play"]
    assert play.pages.currentWidget() is play.library
    qtbot.mouseClick(window.header.load, Qt.MouseButton.LeftButton)
    assert play.pages.currentWidget() is not play.library


def test_above_play_nothing_is_shown_twice(window: MainWindow) -> None:
    """Play shows power and levels itself, so the header hides its own; before the library and elsewhere they are."""
    header = window.header
    window.show_panel("play")
    assert not header.power.isVisible() and not header.input.isVisible() and header.mute.isVisible()
    window.show_library()
    assert header.power.isVisible() and header.input.isVisible()
    window.show_panel("settings")
    assert header.power.isVisible() and header.tuner.isVisible()
