from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtTest import QTest

from gui.live_state import LiveState, Notice
from gui.play.blend import Blend
from gui.play.latency_view import LatencyView, measured_words
from gui.play.load_view import CAUSE_WORDS, LoadView, line_of, log_text
from gui.play.more_controls import MoreControls
from gui.play.pitch_view import PitchView
from gui.play.play_panel import DETAILS, PlayPanel
from gui.play.power_strip import words_of
from realtime.controls import RANGES
from realtime.desk.tuner import TunerReading
from realtime.latency import Latency
from realtime.measure import Measured
from realtime.messages import MidiSettings, Running, StreamSettings
from realtime.meters import Incident, Times
from realtime.midi.midi_map import Binding, MidiMap

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

LAW = Latency(48000, device_in=128, buffering=64, feature=256, device_out=128)


def running(**changes: Any) -> Running:
    """A stream that was opened."""
    made = Running(
        model="voice", title="Voice", input="Mic", output="Phones", host_api="JACK", rate_hz=48000, block=128,
        model_rate_hz=48000, step_samples=128, latency=LAW, where="callback", slack=0, why="", provider="cpu",
        model_warm=Times(0, 0, 0, 0, 0), muted=False, remarks=(),
    )  # fmt: skip
    return replace(made, **changes)


def state(**changes: Any) -> LiveState:
    """A stream that plays."""
    return replace(LiveState(StreamSettings("voice"), power="on", running=running()), **changes)


@pytest.fixture
def panel(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> PlayPanel:
    """The panel with the power off, the library read."""
    shown = PlayPanel(quiet_bridge, memory)
    qtbot.addWidget(shown)
    shown.resize(1180, 610)
    shown.show()
    qtbot.waitUntil(lambda: len(shown.library.entries) >= 3)
    return shown


@pytest.mark.parametrize(
    ("made", "words", "detail"),
    [
        (state(power="off", running=None), "Sound is off", "Press the large button"),
        (state(power="opening", running=None), "Starting…", "default output"),
        (state(power="waiting"), "Waiting for the device", "by itself"),
        (state(), "You are playing", "Mic → Phones, 48 kHz, 128 samples"),
        (state(muted=True), "On, but muted", "Mic"),
        (
            state(muted=True, running=running(remarks=("The output is muted lest it howls.",))),
            "On, but muted",
            "howls",
        ),
        (state(busy="Loading…"), "Loading…", "Mic"),
    ],
)
def test_what_goes_on_is_said_in_words(made: LiveState, words: str, detail: str) -> None:
    """Every state of the stream has a few words, and a line that says what to do or what is open."""
    first, second = words_of(made)
    assert first == words and detail in second


def test_the_essentials_fit_without_scrolling(panel: PlayPanel) -> None:
    """At 1280 by 720, less rail and header, everything of the first page is within the panel."""
    for which in DETAILS:
        panel.show_details(which)
        for widget in (panel.strip, panel.input, panel.model, panel.output, panel.details, panel.record):
            place = widget.mapTo(panel, widget.rect().bottomRight())
            assert panel.rect().contains(place), (which, type(widget).__name__)


def test_the_chosen_view_and_the_way_back_are_kept(panel: PlayPanel, memory: Memory, quiet_bridge: Bridge) -> None:
    """The view at the bottom is remembered, and its name from elsewhere leads out of the library."""
    panel.show_details("load")
    assert memory.get("play.details", "") == "load"
    panel.show_library()
    assert panel.library.isVisible()
    panel.show_details("latency")
    assert panel.latency.isVisible()
    quiet_bridge.say(Notice("Here.", "play"))
    assert panel.notice.isVisible()


def test_the_blend_follows_and_turns_the_target(panel: PlayPanel, quiet_bridge: Bridge) -> None:
    """The pad shows whatever turned the weights, and turns them itself; undo takes it back."""
    blend = panel.model.blend
    assert blend.pad.targets()[:2] == ("Violin", "Cello")  # known from the library before the power comes on
    quiet_bridge.set_controls(target=(0, 0, 1, 0, 0, 0))
    assert blend.pad.weights()[2] == 1.0
    QTest.keyClick(blend.pad, "5")  # type: ignore[call-overload]  # the stubs miss that it is static
    assert quiet_bridge.controls.target is not None and quiet_bridge.controls.target[4] == pytest.approx(1.0)
    quiet_bridge.undo_stack.undo()
    assert blend.pad.weights()[4] == 0.0


def test_each_target_can_learn_and_forget_a_controller(
    make_bridge: Callable[..., Bridge], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The menu of the pad offers every target by its title, and to forget what is bound."""
    bindings = MidiMap({(None, 20): Binding("target:cello", 0.0, 1.0)})
    bridge = make_bridge("voice", midi=MidiSettings(virtual="test", map=bindings))
    blend = Blend(bridge)
    qtbot.addWidget(blend)
    blend.set_titles({"violin": "Violin", "cello": "Cello"})
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(bridge, "learn", lambda control: asked.append(("learn", control)))
    monkeypatch.setattr(bridge, "forget", lambda control: asked.append(("forget", control)))
    bridge._state = replace(bridge.state, power="on")
    actions = {action.text(): action for action in blend.make_menu().actions()}
    assert list(actions) == ["Learn MIDI for Violin", "Learn MIDI for Cello", "Forget MIDI for Cello (CC 20)"]
    actions["Learn MIDI for Violin"].trigger()
    actions["Forget MIDI for Cello (CC 20)"].trigger()
    assert asked == [("learn", "target:violin"), ("forget", "target:cello")]


def test_the_latency_bar_has_every_part_that_is_not_nothing(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """The parts add up to the law's total and are named in words; without a stream none is shown."""
    view = LatencyView(quiet_bridge)
    qtbot.addWidget(view)
    assert not view.bar.parts and not view.measure.isEnabled()
    view._follow(state())
    parts: dict[str, float] = dict(view.bar.parts)
    assert list(parts) == ["device_in", "buffering", "feature", "device_out"]
    assert sum(parts.values()) == pytest.approx(12.0)
    assert view.total.text().startswith("12.0 ms") and "finding pitch" in view.bar.accessibleName()
    assert "cable" in view.measured.text() and view.measure.isEnabled()
    view.measure.setEnabled(False)
    view._measuring = True
    quiet_bridge.say(Notice("Only 2 of 50 test sweeps came back to the input.", "play", "warning"))
    assert "2 of 50" in view.measured.text() and view.measure.isEnabled()


@pytest.mark.parametrize(("median", "words"), [(576.0, "as the bar says"), (624.0, "1.0 ms more"), (528.0, "less")])
def test_a_measurement_is_compared_with_the_bar(median: float, words: str) -> None:
    """What was measured is told in milliseconds, beside what was declared."""
    said = measured_words(Measured(50, 49, 570, median, 640, 576.0, 48000))
    assert words in said and "49 of 50" in said


def test_every_drop_out_is_a_line_with_time_and_cause(quiet_bridge: Bridge, qtbot: QtBot, tmp_path: Path) -> None:
    """However many come at once, the newest stand first, the list stays short, and the log holds them all."""
    view = LoadView(quiet_bridge)
    qtbot.addWidget(view)
    assert view.summary.text() == "No drop-outs."
    now = time.monotonic()
    for number in range(400):
        one = Incident(now, number, "late callback", 3100.0)
        quiet_bridge.incidents.append(one)
        quiet_bridge.incident.emit(one)
    last = Incident(now, 400, "xrun", 0.0)
    quiet_bridge.incidents.append(last)
    quiet_bridge.incident.emit(last)
    view._show_new()
    assert view.list.count() == 300 and view.summary.text().startswith("401 drop-outs")
    first = view.list.item(0)
    assert first is not None and first.text().endswith("lost a block")
    log = tmp_path / "log.csv"
    with qtbot.waitSignal(quiet_bridge.noticed) as said:
        view.save_log(log)
    assert said.args[0].severity == "info"
    assert len(log.read_text().splitlines()) == 402
    with qtbot.waitSignal(quiet_bridge.noticed) as said:
        view.save_log(tmp_path / "no" / "log.csv")
    assert said.args[0].severity == "error" and "choose another folder" in said.args[0].text


def test_every_cause_has_words_of_its_own() -> None:
    """No cause is shown as a bare word, and the log names the stream."""
    lines = {line_of(Incident(time.monotonic(), 1, cause, 1000.0)) for cause in CAUSE_WORDS}
    assert len(lines) == 7 and all("(1.0 ms)" in line for line in lines)
    assert log_text([], running()).startswith("# Voice, Mic to Phones, 48000 Hz, 128\n")


def test_every_control_is_on_the_panel(panel: PlayPanel, qtbot: QtBot) -> None:
    """Each number of the controls has its fader somewhere on the first page."""
    large = {"mix", "input_gain_db", "output_gain_db", "gate_db"}
    assert set(panel.more.faders) == set(RANGES) - large


def test_the_octave_follows_and_is_chosen(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """The choice of the octave shows what is set by whomever and sets it."""
    more = MoreControls(quiet_bridge)
    qtbot.addWidget(more)
    quiet_bridge.set_controls(octave="off")
    assert more.octave.currentData() == "off"
    more.octave.setFocus()
    QTest.keyClick(more.octave, Qt.Key.Key_Up)  # type: ignore[call-overload]  # the stubs miss that it is static
    assert quiet_bridge.controls.octave == "auto"


def test_the_needle_is_calm_and_the_note_is_spoken(qtbot: QtBot) -> None:
    """On one note the needle goes a part of the way at each reading; a new note is shown at once."""
    view = PitchView()
    qtbot.addWidget(view)
    view.show_reading(TunerReading(440.0, "A4", 0.0, -10.0))
    view.show_reading(TunerReading(452.0, "A4", 40.0, -10.0))
    assert 0 < view._needle < 20 and view.cents == 40.0
    view.show_reading(TunerReading(470.0, "A♯4", 14.0, -10.0))
    assert view._needle == 14.0 and view.accessibleName() == "Pitch: A♯4 +14 cents"
    view.show_reading(TunerReading(None, "", 0.0, -80.0))
    assert view.note == "" and "nothing clear" in view.accessibleName()


def test_a_model_dropped_anywhere_is_imported(panel: PlayPanel, tmp_path: Path, qtbot: QtBot) -> None:
    """A drop on the panel leads to the library, which says what comes of it; a sound file is left to others."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "gone.nam"))])
    action, button, modifier = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    panel.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, modifier))
    assert panel.library.isVisible() and panel.library.notice.isVisible()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "sound.wav"))])
    entered = QDragEnterEvent(QPoint(5, 5), action, data, button, modifier)
    entered.ignore()
    panel.dragEnterEvent(entered)
    assert not entered.isAccepted()


def test_hidden_views_take_no_frames(panel: PlayPanel, quiet_bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another view or panel is shown, the spectrogram is not even given the sound."""
    given: list[int] = []
    monkeypatch.setattr(panel.spectrogram, "push", lambda sound, _: given.append(sound.shape[1]))
    meters = quiet_bridge.meters
    meters.numbers[2], meters.numbers[1] = 48000, 128
    block = np.zeros(256, np.float32)

    def frame() -> int:
        meters.scope.push(block, block)
        quiet_bridge.frame.emit(quiet_bridge.snapshot())
        return len(given)

    panel.show_details("spectrum")
    frame()
    assert frame() > 0
    panel.show_details("more")
    count = len(given)
    assert frame() == count
    panel.show_details("spectrum")
    panel.hide()
    assert frame() == count
