from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from gui.widgets.blend_pad import BlendPad
from gui.widgets.blend_place import inside, place_of, target_places, weights_at

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
NAMES = ("violin", "flute", "cello", "voice", "organ", "trumpet")


@pytest.fixture
def stage(qtbot: QtBot) -> QWidget:
    """A shown window with one pad that has the keyboard."""
    window = QWidget()
    qtbot.addWidget(window)
    pad = BlendPad(window)
    QVBoxLayout(window).addWidget(pad)
    pad.set_targets(NAMES[:3])
    window.resize(320, 300)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    pad.setFocus()
    qtbot.waitUntil(pad.hasFocus)
    return window


@pytest.fixture
def pad(stage: QWidget) -> BlendPad:
    """The pad of the stage, with three targets."""
    found = stage.findChild(BlendPad)
    assert isinstance(found, BlendPad)
    return found


@pytest.mark.parametrize("count", [3, 4, 6, 9])
def test_the_mixture_is_exact_at_targets_and_even_in_the_middle(count: int) -> None:
    """At a target it sounds alone, in the middle all sound alike, and everywhere the weights sum to 1."""
    places = target_places(count)
    for k, place in enumerate(places):
        assert weights_at(place, places) == tuple(float(j == k) for j in range(count))
    assert weights_at((0.0, 0.0), places) == pytest.approx([1 / count] * count)
    for place in np.random.default_rng(1).uniform(-0.7, 0.7, (50, 2)):
        weights = weights_at(place, places)
        assert sum(weights) == pytest.approx(1.0) and min(weights) >= 0


@pytest.mark.parametrize("count", [3, 4, 6])
def test_a_mixture_finds_its_place_again(count: int) -> None:
    """The place found for the mixture of a place has that mixture."""
    places = target_places(count)
    for place in np.random.default_rng(2).uniform(-0.65, 0.65, (20, 2)):
        weights = weights_at(place, places)
        assert weights_at(place_of(weights, places), places) == pytest.approx(weights, abs=0.01)
    alone = [float(k == 1) for k in range(count)]
    assert weights_at(place_of(alone, places), places) == tuple(alone)


def test_near_places_have_near_mixtures() -> None:
    """A step of a thousandth changes no weight by more than a hundredth."""
    places = target_places(5)
    for place in np.random.default_rng(3).uniform(-0.7, 0.7, (100, 2)):
        change = np.subtract(weights_at(place, places), weights_at(place + np.array((0.001, 0.0)), places))
        assert np.abs(change).max() < 0.01


def test_outside_comes_to_the_circle() -> None:
    """What lies outside the circle is brought onto it."""
    assert inside((3.0, 4.0)) == pytest.approx((0.6, 0.8))
    assert inside((0.3, 0.4)) == (0.3, 0.4)


def test_numbers_jump_to_targets(pad: BlendPad, qtbot: QtBot) -> None:
    """1…9 choose a target alone, 0 all alike; a number without a target changes nothing."""
    told: list[tuple[float, ...]] = []
    pad.weights_changed.connect(told.append)
    qtbot.keyClicks(pad, "2")
    assert pad.weights() == (0.0, 1.0, 0.0)
    qtbot.keyClicks(pad, "0")
    assert pad.weights() == pytest.approx([1 / 3] * 3)
    qtbot.keyClicks(pad, "7")
    assert len(told) == 2 and told[0] == (0.0, 1.0, 0.0)


def test_arrows_move_the_ring(pad: BlendPad, qtbot: QtBot) -> None:
    """Arrows move the ring, finer with Shift, and never out of the circle."""
    qtbot.keyClicks(pad, "0")
    qtbot.keyClick(pad, KEY.Key_Up)
    assert pad.place() == pytest.approx((0.0, -0.05))
    assert pad.weights()[0] == max(pad.weights())
    qtbot.keyClick(pad, KEY.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert pad.place() == pytest.approx((0.01, -0.05))
    for _ in range(30):
        qtbot.keyClick(pad, KEY.Key_Left)
    assert np.hypot(*pad.place()) == pytest.approx(1.0)


def test_the_mouse_drags_the_ring(pad: BlendPad, qtbot: QtBot) -> None:
    """A press moves the ring there, a drag takes it along to a target, and beyond the circle it stays on it."""
    told: list[tuple[float, ...]] = []
    pad.weights_changed.connect(told.append)
    middle = pad.point_of((0.0, 0.0)).toPoint()
    qtbot.mousePress(pad, LEFT, pos=middle)
    assert pad.weights() == pytest.approx([1 / 3] * 3, abs=0.01)
    qtbot.mouseMove(pad, middle - QPoint(0, 500))
    qtbot.mouseRelease(pad, LEFT, pos=middle - QPoint(0, 500))
    assert pad.weights() == pytest.approx((1.0, 0.0, 0.0), abs=1e-3)
    qtbot.mouseMove(pad, middle)
    assert pad.weights()[0] > 0.99
    assert len(told) == 2


def test_a_mixture_from_elsewhere_is_shown_silently(pad: BlendPad) -> None:
    """`set_weights` keeps the exact mixture, moves the ring, tells screen readers and sends nothing."""
    told: list[tuple[float, ...]] = []
    pad.weights_changed.connect(told.append)
    before = pad.grab().toImage()
    pad.set_weights((1, 1, 2))
    assert pad.weights() == (0.25, 0.25, 0.5)
    assert weights_at(pad.place(), target_places(3)) == pytest.approx((0.25, 0.25, 0.5), abs=0.02)
    assert pad.accessibleDescription() == "violin 25%, flute 25%, cello 50%"
    pad.set_weights((1, 1))
    pad.set_weights((0, 0, 0))
    assert pad.weights() == (0.25, 0.25, 0.5)
    assert told == [] and pad.grab().toImage() != before


def test_two_targets_are_a_slider(pad: BlendPad, qtbot: QtBot) -> None:
    """With two targets arrows go 5 % a step, Home and End to the ends, and a press where it is pressed."""
    pad.set_targets(NAMES[:2])
    assert pad.weights() == (1.0, 0.0)
    qtbot.keyClick(pad, KEY.Key_Right)
    assert pad.weights() == pytest.approx((0.95, 0.05))
    qtbot.keyClick(pad, KEY.Key_Up)
    assert pad.weights() == pytest.approx((0.9, 0.1))
    qtbot.keyClick(pad, KEY.Key_End)
    assert pad.weights() == (0.0, 1.0)
    qtbot.mouseClick(pad, LEFT, pos=pad.point_of((0.0, 0.0)).toPoint())
    assert pad.weights() == pytest.approx((0.5, 0.5), abs=0.01)


def test_one_target_is_nothing_to_blend(pad: BlendPad, qtbot: QtBot) -> None:
    """With one target or none the pad hides and keys do nothing; with more it is back."""
    pad.set_targets(["violin"])
    assert not pad.isVisible() and pad.weights() == (1.0,)
    qtbot.keyClick(pad, KEY.Key_Right)
    assert pad.weights() == (1.0,)
    pad.set_targets([])
    assert pad.weights() == ()
    pad.set_targets(NAMES)
    assert pad.isVisible() and len(pad.weights()) == 6


def test_the_same_targets_again_change_nothing(pad: BlendPad) -> None:
    """Telling the same targets again keeps the mixture."""
    pad.set_weights((0.2, 0.3, 0.5))
    pad.set_targets(NAMES[:3])
    assert pad.weights() == pytest.approx((0.2, 0.3, 0.5))
