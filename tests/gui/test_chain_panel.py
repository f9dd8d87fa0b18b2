from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from gui.chain.chain_panel import ChainPanel
from gui.chain.plugin_editor import PluginEditor
from realtime.plugins.spec import PluginSpec
from tests.realtime.plugin_parts import MDA, TEST, build, installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

HANDS: Any = QTest  # its stubs take static methods for methods

LONG_MS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lv2"))


@pytest.fixture
def make_panel(qtbot: QtBot, memory: Memory) -> Callable[[Bridge], ChainPanel]:
    """Show the panel as a window of the size that it has in the app."""

    def make(bridge: Bridge) -> ChainPanel:
        panel = ChainPanel(bridge, memory)
        qtbot.addWidget(panel, before_close_func=lambda one: one.shelf.close())
        panel.resize(1190, 600)
        panel.show()
        qtbot.waitUntil(lambda: panel.shelf.listed and not panel.shelf.busy, timeout=LONG_MS)
        return panel

    return make


def names(panel: ChainPanel) -> tuple[list[str], list[str]]:
    return [card.name for card in panel.path.plugins["before"]], [card.name for card in panel.path.plugins["after"]]


def test_cards_are_dragged_across_the_model_and_moved_by_keys(
    make_bridge: Callable[..., Bridge], make_panel: Callable[[Bridge], ChainPanel], qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch, folder: Path,
) -> None:  # fmt: skip
    """With the mouse a card goes where it is let down, with Alt and the arrows one place on, and Escape gives up."""
    installed(monkeypatch, folder, "late", "wide")
    late, wide = PluginSpec(f"{TEST}late"), PluginSpec(f"{TEST}wide")
    bridge = make_bridge(before=(late, wide))
    panel = make_panel(bridge)
    qtbot.waitUntil(lambda: names(panel) == (["Test late", "Test wide"], []))
    card = panel.path.plugins["before"][0]
    beyond = panel.path.stages["model"].mapToGlobal(QPoint(panel.path.stages["model"].width() - 5, 20))
    middle = card.rect().center()
    HANDS.mousePress(card, Qt.MouseButton.LeftButton, pos=middle)
    HANDS.mouseMove(card, card.mapFromGlobal(beyond))
    assert card.carried
    HANDS.keyClick(card, Qt.Key.Key_Escape)
    assert not getattr(card, "carried")  # noqa: B009 - mypy would take it for what it was
    HANDS.mouseRelease(card, Qt.MouseButton.LeftButton, pos=middle)
    assert names(panel) == (["Test late", "Test wide"], [])
    HANDS.mousePress(card, Qt.MouseButton.LeftButton, pos=middle)
    HANDS.mouseMove(card, card.mapFromGlobal(beyond))
    HANDS.mouseRelease(card, Qt.MouseButton.LeftButton, pos=card.mapFromGlobal(beyond))
    qtbot.waitUntil(lambda: names(panel) == (["Test wide"], ["Test late"]))
    qtbot.waitUntil(lambda: bridge.state.settings.after == (late,))
    moved = panel.path.plugins["after"][0]
    assert moved.isChecked()
    HANDS.keyClick(moved, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: names(panel) == (["Test wide", "Test late"], []))
    HANDS.keyClick(panel.path.plugins["before"][1], Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: bridge.state.settings.before == (wide,))
    bridge.undo_stack.undo()
    qtbot.waitUntil(lambda: names(panel) == (["Test wide", "Test late"], []))


def test_a_search_finds_and_a_scan_black_lists_and_forgives(
    make_bridge: Callable[..., Bridge], make_panel: Callable[[Bridge], ChainPanel], qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch, folder: Path,
) -> None:  # fmt: skip
    """A scan out of process counts, black-lists what crashes with its sentence and another try; Enter adds."""
    from realtime.plugins import vst3

    monkeypatch.setattr(vst3, "uris", list)
    installed(monkeypatch, folder, "early", "late")
    bridge = make_bridge()
    panel = make_panel(bridge)
    HANDS.mouseClick(panel.path.add_buttons["after"], Qt.MouseButton.LeftButton)
    browser = panel.browser
    assert browser.isVisible()
    counted: list[tuple[int, int, str]] = []
    panel.shelf.progress.connect(lambda *told: counted.append(told))
    HANDS.mouseClick(browser.scan, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.shelf.busy and f"{TEST}early" in panel.shelf.plugins, timeout=LONG_MS)
    qtbot.waitUntil(lambda: panel.shelf.plugins[f"{TEST}early"].black_listed)
    assert (1, 12, "Test early") in counted or any(one[2] == "Test early" for one in counted)
    assert counted[-1] == (0, 0, "")
    HANDS.keyClicks(browser.search, "early")
    marked = browser.current()
    assert marked is not None and marked.uri == f"{TEST}early"
    assert "crashed (SIGABRT)" in browser._problem.text()
    assert "retimbre plugins" not in browser._problem.text()
    assert not browser.add.isEnabled() and browser.again.isVisible()
    HANDS.mouseClick(browser.again, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.shelf.busy, timeout=LONG_MS)
    assert panel.shelf.plugins[f"{TEST}early"].black_listed  # it crashed again
    browser.search.clear()
    HANDS.keyClicks(browser.search, "test late")
    HANDS.keyClick(browser.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bridge.state.settings.after == (PluginSpec(f"{TEST}late"),))
    assert not browser.isVisible()
    assert isinstance(panel.editor, PluginEditor)
    assert "delays 0.8 ms" in panel.editor._facts.text()
    rows = {row.parameter.symbol: row for row in panel.editor.rows}
    assert {symbol: row.parameter.kind for symbol, row in rows.items()} == {
        "level": "number", "trouble": "switch", "mode": "choice",
    }  # fmt: skip
    choices = rows["mode"]._choices
    assert choices is not None and [choices.itemText(n) for n in range(choices.count())] == ["Thin", "Thick"]
    choices.setCurrentIndex(1)
    choices.activated.emit(1)
    qtbot.waitUntil(lambda: bridge.state.settings.after[0].parameters.get("mode") == 4.0)
    presets = panel.editor.presets
    assert [presets.itemText(n) for n in range(presets.count())] == ["Quiet"]
    presets.activated.emit(0)
    qtbot.waitUntil(lambda: bridge.state.settings.after[0].preset == "Quiet", timeout=LONG_MS)
    qtbot.waitUntil(lambda: {r.parameter.symbol: r.value() for r in panel.editor.rows}["level"] == 0.25)  # type: ignore[union-attr]


def test_fixed_stages_say_what_they_do_and_are_walked_by_arrows(
    quiet_bridge: Bridge, make_panel: Callable[[Bridge], ChainPanel], qtbot: QtBot
) -> None:
    """A stage's card follows its controls in words, arrows go along the path, and Enter shows a stage's faders."""
    panel = make_panel(quiet_bridge)
    gate = panel.path.stages["gate"]
    assert gate.accessibleName() == "Gate, off"
    quiet_bridge.set_controls(gate_db=-50.0)
    assert gate.accessibleName() == "Gate, −50.0 dB"
    panel.path.stages["input"].setFocus()
    HANDS.keyClick(panel.path.stages["input"], Qt.Key.Key_Right)
    assert QApplication.focusWidget() is gate
    HANDS.keyClick(gate, Qt.Key.Key_Return)
    assert panel.path.choice == "gate"
    assert panel.editor is not None
    assert "Threshold" in {child.accessibleName() for child in panel.editor.findChildren(QWidget)}


def ratio(bridge: Bridge, samples: int = 4000) -> float:
    """How much louder the output is than the input, linear."""
    heard = bridge.meters.scope.latest(samples)
    return float((heard[1] ** 2).mean() ** 0.5 / max((heard[0] ** 2).mean() ** 0.5, 1e-9))


def test_a_real_plugin_is_heard_bypassed_and_removed(
    bridge: Bridge, make_panel: Callable[[Bridge], ChainPanel], qtbot: QtBot, tmp_path: Path
) -> None:
    """MDA Delay, added in the panel, changes the sound that leaves; by-passed and removed it changes nothing."""
    import numpy as np
    import soundfile

    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 48000).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", noise, 48000)
    bridge.play_file(tmp_path / "noise.wav", "input", loop=True)
    qtbot.waitUntil(lambda: abs(ratio(bridge) - 1) < 0.05, timeout=LONG_MS)
    panel = make_panel(bridge)
    panel.path.add_wanted.emit("after")
    HANDS.keyClicks(panel.browser.search, "mda delay")
    HANDS.keyClick(panel.browser.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not panel.desk.loading, timeout=LONG_MS)
    qtbot.waitUntil(lambda: isinstance(panel.editor, PluginEditor) and len(panel.editor.rows) == 6, timeout=LONG_MS)
    editor = panel.editor
    assert isinstance(editor, PluginEditor)
    rows = {row.parameter.symbol: row for row in editor.rows}
    fader = rows["output"]._fader
    assert fader is not None
    fader.setFocus()
    HANDS.keyClick(fader, Qt.Key.Key_End)
    assert panel.desk.value("after", 0, rows["output"].parameter) == 1.0
    qtbot.waitUntil(lambda: ratio(bridge) > 2, timeout=LONG_MS)
    editor.bypass.click()
    qtbot.waitUntil(lambda: abs(ratio(bridge) - 1) < 0.05, timeout=LONG_MS)
    assert panel.path.plugins["after"][0].word == "bypassed"
    editor.bypass.click()
    qtbot.waitUntil(lambda: ratio(bridge) > 2, timeout=LONG_MS)
    editor.remove.click()
    qtbot.waitUntil(lambda: not panel.desk.loading and abs(ratio(bridge) - 1) < 0.05, timeout=LONG_MS)
    assert panel.path.plugins["after"] == []
    assert panel.path.choice == "model"
    assert f"{MDA}Delay" in panel.shelf.plugins


def test_a_plugin_that_dies_is_said_in_place_and_brought_back(
    make_bridge: Callable[..., Bridge], make_panel: Callable[[Bridge], ChainPanel], qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch, folder: Path, jack_server: Callable[..., object],
) -> None:  # fmt: skip
    """The card of a crashed plugin says that it does not play, and its button loads it again without a restart."""
    installed(monkeypatch, folder, "crash")
    jack_server(period=256)
    bridge = make_bridge(
        input="loopback", output="loopback", output_channel=2, headphones=True, after=(PluginSpec(f"{TEST}crash"),)
    )
    bridge.set_power(True)
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    panel = make_panel(bridge)
    engine = bridge._session.host.process_id
    panel.path.choose(("after", 0))
    qtbot.waitUntil(lambda: isinstance(panel.editor, PluginEditor) and len(panel.editor.rows) == 3, timeout=LONG_MS)
    editor = panel.editor
    assert isinstance(editor, PluginEditor)
    trouble = next(row for row in editor.rows if row.parameter.symbol == "trouble")
    assert trouble._toggle is not None
    trouble._toggle.click()
    card = panel.path.plugins["after"][0]
    qtbot.waitUntil(lambda: card.broken, timeout=LONG_MS)
    assert card.accessibleName() == "Test crash, does not play"
    said = editor.notice.notice()
    assert said is not None and "crashed (SIGSEGV)" in said.text and said.action == "Bring back"
    assert trouble._toggle.isChecked()
    trouble._toggle.click()  # else it would crash again at once
    qtbot.waitUntil(lambda: bridge.state.settings.after[0].parameters.get("trouble") == 0.0)
    editor.notice.action.click()
    qtbot.waitUntil(lambda: not panel.desk.loading, timeout=LONG_MS)
    assert not panel.path.plugins["after"][0].broken
    assert bridge.state.power == "on" and bridge._session.host.process_id == engine
    trouble._toggle.click()  # it plays again: it can crash again
    qtbot.waitUntil(lambda: panel.path.plugins["after"][0].broken, timeout=LONG_MS)
