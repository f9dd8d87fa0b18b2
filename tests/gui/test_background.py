from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6 import sip
from PyQt6.QtWidgets import QLabel

from gui.background import Background
from gui.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge


class Widget:
    """Stands for a widget: notes on which thread the last reference to it went."""

    def __init__(self, ended_on: list[int]) -> None:
        self.ended_on = ended_on
        self.got: list[Any] = []

    def take(self, result: Any) -> None:
        """Keep an answer."""
        self.got.append(result)

    def __del__(self) -> None:
        self.ended_on.append(threading.get_ident())


def test_who_is_told_is_let_go_of_where_it_is_told() -> None:
    """The last reference to a widget that waits for an answer never goes on a working thread."""
    answers: list[Callable[[], None]] = []
    came = threading.Semaphore(0)

    def deliver(answer: Callable[[], None]) -> None:
        answers.append(answer)
        came.release()

    background = Background(deliver, str)
    ended_on: list[int] = []
    for _ in range(20):
        widget = Widget(ended_on)
        background.run(lambda: 7, widget.take, widget.take)
        assert came.acquire(timeout=30)
        answer = answers.pop()
        answer()
        assert widget.got == [7]
        del widget, answer
    background.close()
    assert ended_on == 20 * [threading.get_ident()]


@pytest.mark.parametrize("answer", ["method", "closure"])
def test_a_widget_that_is_gone_is_told_nothing(answer: str, qtbot: QtBot, make_bridge: Callable[..., Bridge]) -> None:
    """An answer for a widget that was destroyed while it was looked for is dropped; others arrive."""
    bridge, asker = make_bridge(), QLabel()
    told: list[bool] = []
    closures: dict[str, Callable[[str], None]] = {
        "method": asker.setText, "closure": lambda words: asker.setText(words.upper()),
    }  # fmt: skip
    go_on = threading.Event()
    bridge.in_background(lambda: str(go_on.wait(30)), closures[answer])
    sip.delete(asker)
    bridge.in_background(lambda: go_on.wait(30), told.append)
    go_on.set()
    qtbot.waitUntil(lambda: told == [True])


def test_nothing_is_delivered_after_the_end() -> None:
    """`close` waits for a delivery that is under way, and none begins after it, so that the bridge can be destroyed."""
    delivering, go_on = threading.Event(), threading.Event()
    delivered: list[str] = []

    def deliver(_answer: Callable[[], None]) -> None:
        delivering.set()
        assert go_on.wait(30)
        delivered.append("answer")

    background = Background(deliver, str)
    background.run(lambda: None, print, print)
    background.run(lambda: None, print, print)
    assert delivering.wait(30)
    closing = threading.Thread(target=background.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    go_on.set()
    closing.join(30)
    before = len(delivered)
    for thread in background._threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(delivered) == before


def test_no_other_thread_collects_garbage(qtbot: QtBot) -> None:
    """What a working thread leaves behind in circles is taken apart on the GUI thread."""
    collection = Collection()
    ended_on: list[int] = []

    def leave_circles() -> None:
        for _ in range(5000):
            one = Widget(ended_on)
            one.got.append(one)

    thread = threading.Thread(target=leave_circles)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: bool(ended_on))
    collection.end()
    gc.collect()
    assert set(ended_on) == {threading.get_ident()}
