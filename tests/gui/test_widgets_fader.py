from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QKeyEvent, QWheelEvent
from PyQt6.QtWidgets import QApplication, QLineEdit

from gui.widgets.fader import Fader
from gui.widgets.quantity import Quantity

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

KEY, SHIFT, LEFT = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.MouseButton.LeftButton


def shown(widget: QWidget, qtbot: QtBot, width: int = 240, height: int = 48) -> None:
    qtbot.addWidget(widget)
    widget.resize(width, height)
    widget.show()
    qtbot.waitExposed(widget)
    widget.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)


@pytest.fixture
def gain(qtbot: QtBot) -> Fader:
    """A fader in decibels that has the keyboard."""
    fader = Fader("Input gain", -60.0, 40.0, 0.0, "dB")
    shown(fader, qtbot)
    return fader


def entry(fader: Fader) -> QLineEdit:
    found = fader.findChild(QLineEdit)
    assert found is not None
    assert found.isVisible()
    return found


def turn(fader: Fader, notches: int, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> bool:
    """Turn the wheel over it; whether it was taken."""
    at = QPointF(fader.rect().center())
    event = QWheelEvent(
        at, QPointF(fader.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        held, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(fader, event)
    return event.isAccepted()


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (Quantity(-60, 40, 0, "dB"), -6.0, "−6.0 dB"),
        (Quantity(-60, 40, 0, "dB"), 3.0, "+3.0 dB"),
        (Quantity(-60, 40, 0, "dB"), -0.0, "0.0 dB"),
        (Quantity(-60, 0, 0, "dB"), 0.0, "0.0 dB"),
        (Quantity(0, 1, 1), 0.5, "50 %"),
        (Quantity(0, 1, 1), 0.125, "12.5 %"),
        (Quantity(-48, 48, 0, "semitones"), 12.0, "+12 semitones"),
        (Quantity(-48, 48, 0, "semitones"), 0.5, "+0.5 semitones"),
        (Quantity(-100, 0, -100, "dB", off=-100), -100.0, "Off"),
        (Quantity(0, 1000, 0, "Hz", off=0), 80.0, "80 Hz"),
        (Quantity(1, 20, 4), 4.0, "4.0"),
    ],
)
def test_a_quantity_is_written_and_read_back(quantity: Quantity, value: float, text: str) -> None:
    """A number is written with true signs, fitting decimals and its unit, and reading that gives it back."""
    assert quantity.text(value) == text
    assert quantity.read(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("typed", "value"),
    [("-6", -6), ("−6,5 dB", -6.5), ("+3db", 3), (".5", 0.5), ("999", 40), ("-999", -60), ("six", None), ("", None),
     ("3 Hz", None), ("1 2", None), ("nan", None), ("1e400", None)],
)  # fmt: skip
def test_what_is_typed_is_read_generously(typed: str, value: float | None) -> None:
    """Commas, signs and units are read, what lies outside becomes the nearest end, nonsense is none."""
    assert Quantity(-60, 40, 0, "dB").read(typed) == value


def test_thousands_and_off_can_be_typed() -> None:
    """1.2k is 1200, and Off is the end that does nothing."""
    quantity = Quantity(0, 5000, 0, "Hz", off=0)
    assert quantity.read("1.2k") == 1200
    assert quantity.read("1.2 kHz") == 1200
    assert quantity.read("OFF") == 0


def test_steps_leave_no_rest() -> None:
    """A hundred fine steps up and down again give exactly the number that was."""
    quantity, value = Quantity(0, 1, 0.5), 0.5
    for by in [quantity.fine] * 100 + [-quantity.fine] * 100:
        value = quantity.stepped(value, by)
    assert value == 0.5


def test_keys_turn_a_fader(gain: Fader, qtbot: QtBot) -> None:
    """Arrows step, Shift steps finely, pages step widely, Home and End go to the ends, Backspace to the default."""
    told: list[float] = []
    gain.value_changed.connect(told.append)
    for key, held, value in (
        (KEY.Key_Up, None, 0.5), (KEY.Key_Right, None, 1.0), (KEY.Key_Down, None, 0.5), (KEY.Key_Left, SHIFT, 0.4),
        (KEY.Key_PageUp, None, 3.4), (KEY.Key_PageDown, None, 0.4), (KEY.Key_Home, None, -60.0),
        (KEY.Key_End, None, 40.0), (KEY.Key_Backspace, None, 0.0),
    ):  # fmt: skip
        qtbot.keyClick(gain, key, held or Qt.KeyboardModifier.NoModifier)
        assert gain.value() == pytest.approx(value)
    assert told == pytest.approx([0.5, 1.0, 0.5, 0.4, 3.4, 0.4, -60.0, 40.0, 0.0])


def test_a_number_can_be_typed(gain: Fader, qtbot: QtBot) -> None:
    """A digit opens the number, Enter takes it, and the fader has the keyboard again."""
    qtbot.keyClicks(gain, "-")
    qtbot.keyClicks(entry(gain), "12.3")
    qtbot.keyClick(entry(gain), KEY.Key_Return)
    assert gain.value() == -12.3
    assert gain.hasFocus()


def test_nonsense_stays_and_escape_leaves(gain: Fader, qtbot: QtBot) -> None:
    """What is no number stays in its marked field, and Escape leaves the fader as it was."""
    qtbot.keyClick(gain, KEY.Key_Return)
    field = entry(gain)
    assert field.text() == "0.0 dB"
    field.selectAll()
    qtbot.keyClicks(field, "loud")
    qtbot.keyClick(field, KEY.Key_Return)
    assert field.isVisible() and field.property("wrong") is True
    assert "−60.0 dB to +40.0 dB" in field.toolTip()
    qtbot.keyClick(field, KEY.Key_Escape)
    assert not field.isVisible() and gain.value() == 0.0


def test_a_click_on_the_number_opens_it(gain: Fader, qtbot: QtBot) -> None:
    """A click on the number types it; a click on the track moves nothing."""
    qtbot.mouseClick(gain, LEFT, pos=QPoint(20, 36))
    assert gain.value() == 0.0
    qtbot.mouseClick(gain, LEFT, pos=QPoint(gain.width() - 12, 12))
    qtbot.keyClicks(entry(gain), "5\r")
    assert gain.value() == 5.0


def test_a_drag_moves_by_as_much_as_the_hand(gain: Fader, qtbot: QtBot) -> None:
    """Half the track moves it by half its range wherever the hand began."""
    released: list[bool] = []
    gain.released.connect(lambda: released.append(True))
    track = gain._track().width()
    qtbot.mousePress(gain, LEFT, pos=QPoint(10, 36))
    assert gain.held()
    qtbot.mouseMove(gain, QPoint(10 + round(track / 4), 36))
    assert gain.value() == pytest.approx(25.0, abs=0.6)
    qtbot.mouseRelease(gain, LEFT, pos=QPoint(10 + round(track / 4), 36))
    assert released and not gain.held()


def test_a_double_click_brings_the_default(gain: Fader, qtbot: QtBot) -> None:
    """A double click on the track brings the default."""
    gain.set_value(-20.0)
    qtbot.mouseDClick(gain, LEFT, pos=QPoint(20, 36))
    assert gain.value() == 0.0


def test_the_wheel_turns_only_what_has_the_keyboard(gain: Fader, qtbot: QtBot) -> None:
    """The wheel steps a fader that has the keyboard, and is left to the page by one that has not."""
    assert turn(gain, 2)
    assert gain.value() == 1.0
    assert turn(gain, -1, SHIFT)
    assert gain.value() == pytest.approx(0.9)
    gain.clearFocus()
    assert not turn(gain, 3)
    assert gain.value() == pytest.approx(0.9)


def test_a_quiet_value_is_shown_but_not_said(gain: Fader) -> None:
    """A value set quietly is shown and read aloud without `value_changed`; outside becomes the nearest end."""
    told: list[float] = []
    gain.value_changed.connect(told.append)
    gain.moved.connect(told.append)
    gain.set_value(500.0, quiet=True)
    assert (gain.value(), gain.accessibleDescription(), told) == (40.0, "+40.0 dB", [])
    gain.set_value(float("nan"))
    assert (gain.value(), told) == (0.0, [0.0])


def test_a_screen_reader_sees_a_slider(gain: Fader) -> None:
    """It is named, described with number and unit, and moves when the slider that a screen reader knows is moved."""
    assert gain.accessibleName() == "Input gain"
    assert gain.accessibleDescription() == "0.0 dB"
    gain.setValue(gain.maximum())
    assert gain.value() == 40.0
    gain.set_value(-60.0)
    assert gain.sliderPosition() == gain.minimum()


def test_a_standing_fader_goes_up(qtbot: QtBot) -> None:
    """A vertical fader grows upward under the hand, and paints its badge beside its name."""
    fader = Fader("Out", 0.0, 1.0, 0.5, orientation=Qt.Orientation.Vertical)
    shown(fader, qtbot, 80, 240)
    plain = fader.grab().toImage()
    fader.set_badge("CC 7")
    assert fader.grab().toImage() != plain
    qtbot.mousePress(fader, LEFT, pos=QPoint(40, 120))
    qtbot.mouseMove(fader, QPoint(40, 80))
    qtbot.mouseRelease(fader, LEFT, pos=QPoint(40, 80))
    assert fader.value() > 0.6


def test_a_disabled_fader_does_nothing(qtbot: QtBot) -> None:
    """A fader that cannot be used ignores keys and looks different."""
    fader = Fader("Mix", 0.0, 1.0, 0.5)
    shown(fader, qtbot)
    usable = fader.grab().toImage()
    fader.setEnabled(False)
    QApplication.sendEvent(fader, QKeyEvent(QKeyEvent.Type.KeyPress, KEY.Key_End, Qt.KeyboardModifier.NoModifier))
    assert fader.value() == 0.5
    assert fader.grab().toImage() != usable


def test_a_logarithmic_fader_gives_equal_ways_to_equal_ratios(qtbot: QtBot) -> None:
    """Half of the track of 10 to 1000 is their geometric middle; the ends are exact; a range from 0 keeps its 0."""
    fader = Fader("Release", 10.0, 1000.0, 120.0, "ms", curve="log")
    qtbot.addWidget(fader)
    fader.setSliderPosition(5_000)  # as a screen reader does
    assert fader.value() == pytest.approx(100.0)
    fader.setSliderPosition(10_000)
    assert fader.value() == 1000.0
    cut = Fader("High-pass", 0.0, 1000.0, 0.0, "Hz", off=0.0, curve="log")
    qtbot.addWidget(cut)
    cut.set_value(100.0)
    assert 3_000 < cut.sliderPosition() < 7_000
    cut.setSliderPosition(0)
    assert cut.value() == 0.0


def test_counts_have_no_decimals() -> None:
    """A number without unit that goes in whole steps is written whole."""
    assert Quantity(0, 127, 96, step=1).text(96) == "96"
