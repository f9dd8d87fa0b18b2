from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PyQt6.QtCore import QPoint, QRect, Qt
from PyQt6.QtGui import QPaintEvent
from PyQt6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from gui.live_state import Notice, Power
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.empty_state import EmptyState
from gui.widgets.level_ballistics import FLOOR_DB, Ballistics, place, to_db
from gui.widgets.meter import LevelMeter
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.power_button import WORDS, PowerButton
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    """A shown window with a column, in which something else has the keyboard."""
    made = QWidget()
    qtbot.addWidget(made)
    QVBoxLayout(made)
    elsewhere = QLineEdit(made)
    made.resize(500, 300)
    made.show()
    qtbot.waitExposed(made)
    made.activateWindow()
    elsewhere.setFocus()
    qtbot.waitUntil(elsewhere.hasFocus)
    return made


def placed(window: QWidget, widget: QWidget) -> None:
    layout = window.layout()
    assert layout is not None
    layout.addWidget(widget)
    if not isinstance(widget, NoticeBar):  # it shows itself
        widget.show()
    layout.activate()


# power


@pytest.mark.parametrize("state", WORDS)
def test_each_state_of_power_looks_and_reads_differently(state: Power, window: QWidget) -> None:
    """Each state has its own picture and word, also for screen readers, and the button never changes its size."""
    pictures, sizes = {}, set()
    for each in WORDS:
        button = PowerButton()
        placed(window, button)
        button.set_state(each)
        image = button.grab().toImage()
        pictures[each] = bytes(image.bits().asarray(image.sizeInBytes()))
        sizes.add((button.sizeHint().width(), button.sizeHint().height()))
        assert button.accessibleDescription().startswith(WORDS[each])
    assert all(pictures[state] != pictures[other] for other in WORDS if other != state)
    assert len(sizes) == 1


def test_a_press_says_what_is_wanted(window: QWidget, qtbot: QtBot) -> None:
    """A press wants on when off and off in every other state, by mouse and by Space; showing a state says nothing."""
    button = PowerButton()
    placed(window, button)
    told: list[bool] = []
    button.toggled.connect(told.append)
    for state in ("off", "opening", "on", "waiting"):
        button.set_state(state)
    assert told == []
    button.set_state("off")
    qtbot.mouseClick(button, LEFT)
    assert (told, button.state()) == ([True], "off")
    qtbot.mouseClick(button, LEFT)
    assert told == [True, True]
    button.set_state("waiting")
    button.setFocus()
    qtbot.keyClick(button, KEY.Key_Space)
    assert told == [True, True, False]
    assert button.height() >= 44


def test_power_turns_only_while_it_works_and_is_seen(window: QWidget) -> None:
    """The picture moves while opening or waiting, and stands still when on, off or hidden."""
    button = PowerButton()
    placed(window, button)
    moving = {}
    for state in WORDS:
        button.set_state(state)
        moving[state] = button._timer.isActive()
    assert moving == {"off": False, "opening": True, "on": False, "waiting": True}
    button.hide()
    assert not button._timer.isActive()
    button.show()
    assert button._timer.isActive()


# meters


def test_the_scale_is_the_standard_one() -> None:
    """The scale meets IEC 60268-18 at its knees, grows throughout, and ends at full scale."""
    for level, part in ((-80, 0.0), (-60, 0.025), (-40, 0.15), (-20, 0.5), (-6, 0.85), (0, 1.0), (12, 1.0)):
        assert place(level) == pytest.approx(part)
    assert to_db(1.0) == 0.0 and to_db(0.0) == FLOOR_DB and to_db(float("nan")) == FLOOR_DB


def test_peaks_fall_and_are_held() -> None:
    """A peak falls 20 dB a second; the line stays 1.5 s, then falls; the highest stays until it is forgotten."""
    levels = Ballistics()
    levels.hear(1.0, 0.5, 10.0)
    levels.hear(0.0, 0.0, 11.0)
    assert levels.peak_db == pytest.approx(-20.0) and levels.hold_db == 0.0
    levels.hear(0.0, 0.0, 12.0)
    assert levels.hold_db == pytest.approx(-20.0)
    assert levels.most_db == 0.0
    levels.clear_clip()
    assert levels.most_db == pytest.approx(levels.peak_db)


def test_rms_is_smooth() -> None:
    """RMS reaches a steady level within a second, and no step of it is shown at once."""
    levels = Ballistics()
    levels.hear(0.0, 0.0, 0.0)
    levels.hear(0.1, 0.1, 0.03)
    assert levels.rms_db < -25
    for k in range(2, 60):
        levels.hear(0.1, 0.1, 0.03 * k)
    assert levels.rms_db == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("peak", [1.0, 4.0, float("nan"), float("inf")])
def test_the_clip_lamp_stays_until_it_is_clicked(peak: float, window: QWidget, qtbot: QtBot) -> None:
    """Full scale, and what is no number, lights the lamp; it stays lit, and a click or Space puts it out."""
    meter = LevelMeter("Input")
    placed(window, meter)
    meter.set_levels(0.9, 0.3, 0.0)
    assert not meter.clipped()
    meter.set_levels(peak, 0.3, 0.1)
    meter.set_levels(0.0, 0.0, 60.0)
    assert meter.clipped() and "clipped" in meter.spoken()
    qtbot.mouseClick(meter, LEFT, pos=QPoint(5, 5))
    assert not meter.clipped()
    meter.set_levels(peak, 0.3, 61.0)
    meter.setFocus()
    qtbot.keyClick(meter, KEY.Key_Space)
    assert not meter.clipped()


@pytest.mark.parametrize("orientation", [Qt.Orientation.Horizontal, Qt.Orientation.Vertical])
def test_a_meter_repaints_only_what_changed(
    orientation: Qt.Orientation, window: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same levels again paint nothing, and a small change paints a small part of the bar."""
    meter = LevelMeter("Input", orientation)
    placed(window, meter)
    asked: list[QRect] = []
    paint = LevelMeter.paintEvent

    def watched(self: LevelMeter, event: QPaintEvent | None) -> None:
        assert event is not None
        asked.append(event.rect())
        paint(self, event)

    for k in range(100):
        meter.set_levels(0.5, 0.3, 0.05 * k)
    monkeypatch.setattr(LevelMeter, "paintEvent", watched)
    qtbot.waitUntil(lambda: bool(asked))
    qtbot.wait(20)
    asked.clear()
    meter.set_levels(0.5, 0.3, 5.01)
    qtbot.wait(20)
    assert asked == []
    meter.set_levels(0.47, 0.3, 5.1)
    qtbot.waitUntil(lambda: bool(asked))
    whole = meter.width() * meter.height()
    assert all(part.width() * part.height() < whole / 4 for part in asked)


def test_a_louder_meter_shows_more_colour(window: QWidget) -> None:
    """The body grows with the level, and reset empties it."""
    from gui.theme import color

    def coloured(meter: LevelMeter) -> int:
        image, ink = meter.grab().toImage(), color("output")
        row = meter._bar().center().y()
        return sum(image.pixelColor(x, row) == ink for x in range(image.width()))

    meter = LevelMeter("Output", colour_role="output")
    placed(window, meter)
    found = []
    for level in (0.0, 0.1, 0.7):
        meter.reset()
        meter.set_levels(level, level, 0.0)
        found.append(coloured(meter))
    assert found[0] == 0 < found[1] < found[2]
    meter.reset()
    assert coloured(meter) == 0


def test_a_meter_can_be_heard(window: QWidget) -> None:
    """With the keyboard a meter tells screen readers its levels in words."""
    meter = LevelMeter("Input")
    placed(window, meter)
    assert meter.accessibleName() == "Input level"
    assert meter.spoken() == "silent"
    meter.setFocus()
    assert meter.accessibleDescription() == "silent"
    meter.set_levels(0.5, 0.25, 1.0)
    assert meter.accessibleDescription() == "peak −6.0 dB, RMS −12.0 dB, highest −6.0 dB"


# notices


def test_notices_wait_in_line_the_gravest_first(window: QWidget, qtbot: QtBot) -> None:
    """An error goes before a warning before information, of equals the oldest; dismissing shows the next."""
    bar = NoticeBar()
    placed(window, bar)
    assert not bar.isVisible()
    for text, severity in (("A.", "info"), ("B.", "warning"), ("C.", "error"), ("D.", "warning"), ("B.", "warning")):
        bar.show_notice(Notice(text, severity=severity))  # type: ignore[arg-type]
    seen = []
    while (notice := bar.notice()) is not None:
        assert bar.isVisible() and bar.sentence.text() == notice.text
        seen.append(notice.text)
        qtbot.mouseClick(bar.dismiss, LEFT)
    assert seen == ["C.", "B.", "D.", "A."]
    assert not bar.isVisible()


def test_a_notice_offers_its_next_step(window: QWidget, qtbot: QtBot) -> None:
    """The button has the words of the action and does it; a notice without action has no button."""
    bar = NoticeBar()
    placed(window, bar)
    done: list[str] = []
    bar.show_notice(Notice("The card is gone.", severity="error", action="Choose another", do=lambda: done.append("x")))
    assert bar.action.text() == "Choose another" and bar.action.isVisible()
    qtbot.mouseClick(bar.action, LEFT)
    assert done == ["x"] and bar.notice() is None
    bar.show_notice(Notice("Saved."))
    assert not bar.action.isVisible()


def test_a_notice_can_be_read_copied_and_left(window: QWidget, qtbot: QtBot) -> None:
    """Its severity is a word and a picture too, its text can be selected, Escape dismisses it."""
    bar = NoticeBar()
    placed(window, bar)
    bar.show_notice(Notice("The disk is full: free some space.", severity="warning"))
    assert bar.accessibleName() == "Warning: The disk is full: free some space."
    assert not bar.picture.pixmap().isNull() and bar.picture.accessibleName() == "Warning"
    bar.sentence.setSelection(0, 8)
    assert bar.sentence.selectedText() == "The disk"
    bar.sentence.setFocus()
    qtbot.keyClick(bar.sentence, KEY.Key_Escape)
    assert bar.notice() is None


def test_only_information_leaves_by_itself(window: QWidget, qtbot: QtBot) -> None:
    """Information leaves when its time is over, unless it has the keyboard; warnings and errors stay."""
    bar = NoticeBar()
    placed(window, bar)
    bar._leave.setInterval(1)
    bar.show_notice(Notice("Saved."))
    bar.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)  # wherever another test left the mouse
    qtbot.waitUntil(lambda: bar.notice() is None)
    bar.show_notice(Notice("Saved again."))
    bar.sentence.setFocus()
    qtbot.wait(30)
    assert bar.notice() is not None
    bar.clear()
    bar.show_notice(Notice("Gone.", severity="error"))
    assert not bar._leave.isActive()
    bar.clear()
    assert not bar.isVisible()


# switches, empty places, labels


def test_a_switch_turns_by_mouse_and_keyboard(window: QWidget, qtbot: QtBot) -> None:
    """A click anywhere on it and Space turn it and say so; a quiet change does not; the picture and word follow."""
    toggle = Toggle("Bypass", "bypass")
    placed(window, toggle)
    told: list[bool] = []
    toggle.toggled.connect(told.append)
    off = toggle.grab().toImage()
    qtbot.mouseClick(toggle, LEFT, pos=QPoint(toggle.width() - 4, 4))
    toggle.setFocus()
    qtbot.keyClick(toggle, KEY.Key_Space)
    assert told == [True, False]
    toggle.clearFocus()
    toggle.set_checked(True, quiet=True)
    assert toggle.isChecked() and told == [True, False]
    assert toggle.grab().toImage() != off
    assert toggle.accessibleName() == "Bypass" and toggle.height() >= 32


def test_an_empty_place_says_how_to_begin(window: QWidget, qtbot: QtBot) -> None:
    """An empty place has a picture, a title, a sentence and a button that begins; without words there is no button."""
    empty = EmptyState("folder", "No takes yet", "Press record and play.", "Record")
    placed(window, empty)
    told: list[bool] = []
    empty.acted.connect(lambda: told.append(True))
    qtbot.mouseClick(empty.button, LEFT)
    assert told == [True] and not empty.picture.pixmap().isNull()
    assert (empty.accessibleName(), empty.accessibleDescription()) == ("No takes yet", "Press record and play.")
    empty.set_words("Nothing found", "")
    assert not empty.button.isVisible() and not empty.text.isVisible()


def test_a_long_line_ends_in_dots(window: QWidget) -> None:
    """What has no room is cut with dots and told by the tool tip; the whole text stays the label's text."""
    label = ElidedLabel("a take with a very long name that nobody could read at once.wav", Qt.TextElideMode.ElideMiddle)
    placed(window, label)
    label.resize(120, 20)
    assert "…" in label.shown_text() and label.shown_text().endswith("wav")
    assert label.toolTip() == label.text()
    label.setText("short")
    assert (label.shown_text(), label.toolTip()) == ("short", "")
