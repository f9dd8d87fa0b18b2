"""The real command `retimbre gui`, with an eye for a test: it tells where things are, to be clicked there.

    python driven_app.py --memory FILE          every line on the standard input is a question in JSON, answered in one

    {"where": NAME}   the middle of the visible widget, item or tab with this accessible name or text: {"x": …, …}
    {"says": TEXT}    whether this stands anywhere on the screen
    {"choices": NAME} what a box to choose from offers
    {"popup": true}   whether a list or menu is open above the window
    {"names": true}   every visible widget that takes the keyboard: its class and name
    {"missed": true}  (before, now, late callbacks, xruns) of every look that found some, in s
    {"state": true}   the live stream, as the bridge knows it
    {"grab": FILE}    a picture of the window

It only looks: what happens is done by real keys and a real mouse (xdotool) on a real screen (Xvfb).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from PyQt6.QtCore import QModelIndex, QRect, QSocketNotifier, Qt
from PyQt6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QComboBox, QLabel, QLineEdit, QWidget

import gui.app
from realtime.cli import main as retimbre
from realtime.meters import Snapshot
from realtime.plain import to_plain


class EyedApp(gui.app.App):
    """The app, and answers."""

    def begin(self) -> None:
        """Answer from now on."""
        super().begin()
        self._looked, self._late, self._xruns = time.monotonic(), 0, 0
        self._missed: list[tuple[float, float, int, int]] = []
        self.bridge.frame.connect(self._look)
        self._told: list[str] = []
        self.bridge.noticed.connect(lambda notice: self._told.append(notice.text))
        self._eye = QSocketNotifier(QSocketNotifier.Type.Read)
        self._eye.setSocket(sys.stdin.fileno())  # type: ignore[arg-type]  # the stubs know only sip's own kind of number
        self._eye.setEnabled(True)
        self._eye.activated.connect(self._read)

    def _look(self, now: Snapshot) -> None:
        before, self._looked = self._looked, time.monotonic()
        late, xruns = now.late_callbacks - self._late, now.xruns - self._xruns
        self._late, self._xruns = now.late_callbacks, now.xruns
        if late > 0 or xruns > 0:
            self._missed.append((before, self._looked, max(0, late), max(0, xruns)))

    def _read(self) -> None:
        line = sys.stdin.readline()
        if not line:
            self._eye.setEnabled(False)
            return
        sys.stdout.write(json.dumps(self._answer(json.loads(line))) + "\n")
        sys.stdout.flush()

    def _answer(self, question: dict[str, Any]) -> Any:
        if "where" in question:
            return where(question["where"])
        if "says" in question:
            return any(question["says"] in one.text() for one in visible() if isinstance(one, QLabel))
        if "choices" in question:
            boxes = [one for one in visible() if isinstance(one, QComboBox) and words_of(one) == question["choices"]]
            return [box.itemText(row).split("·")[0].strip() for box in boxes for row in range(box.count())]
        if "missed" in question:
            return self._missed
        if "popup" in question:
            return QApplication.activePopupWidget() is not None
        if "names" in question:
            return [
                [type(one).__name__, words_of(one)]
                for one in visible()
                if one.focusPolicy() != Qt.FocusPolicy.NoFocus and one.isEnabled()
            ]
        if "grab" in question:
            return self.window.grab().save(question["grab"])
        state, now = self.bridge.state, self.bridge.snapshot()
        return {
            "power": state.power, "model": state.settings.model, "muted": state.muted, "targets": state.targets,
            "input": state.settings.input, "output": state.settings.output, "block": state.settings.block,
            "recording": None if state.recording is None else str(state.recording), "panel": self.window.current,
            "controls": self.bridge.controls.to_mapping(),
            "running": None if state.running is None else to_plain(state.running),
            "latency": None if state.running is None else state.running.latency.total,
            "told": self._told[-5:], "active": self.window.isActiveWindow(),
            "samples": now.samples, "late": now.late_callbacks, "xruns": now.xruns,
            "stalls": [str(stall) for stall in getattr(self.qt, "stalls", [])],
        }  # fmt: skip


def visible() -> list[QWidget]:
    """Every widget on the screen."""
    return [one for one in QApplication.allWidgets() if one.isVisible() and not one.visibleRegion().isEmpty()]


def words_of(widget: QWidget) -> str:
    """What a screen reader says, or what stands on it."""
    if widget.accessibleName():
        return widget.accessibleName()
    if isinstance(widget, QAbstractButton | QLabel):
        return widget.text().replace("&", "")
    return widget.placeholderText() if isinstance(widget, QLineEdit) else ""


def where(name: str) -> dict[str, Any] | None:
    """The place of what has this name: in an open list, what can be clicked, texts, any list; what is off is last."""
    popup = QApplication.activePopupWidget()
    if popup is not None:
        return item([one for one in popup.findChildren(QAbstractItemView) if one.isVisible()], name)
    there = visible()
    found = sorted(
        (one for one in there if words_of(one) == name), key=lambda one: (not one.isEnabled(), isinstance(one, QLabel))
    )
    if not found or not found[0].isEnabled():  # a name that lies under the guide stands in a list above, perhaps
        row = item([one for one in there if isinstance(one, QAbstractItemView) and one.isEnabled()], name)
        if row is not None or not found:
            return row
    area = found[0].visibleRegion().boundingRect()
    return place(found[0], area, enabled=found[0].isEnabled())


def item(views: list[QAbstractItemView], name: str) -> dict[str, Any] | None:
    """The place of a list's row that begins with this text."""
    for view in views:
        model, port = view.model(), view.viewport()
        assert model is not None
        assert port is not None
        for row in range(model.rowCount()):
            index = model.index(row, 0, QModelIndex())
            if str(index.data() or "").startswith(name):
                view.scrollTo(index)
                return place(port, view.visualRect(index))
    return None


def place(widget: QWidget, area: QRect, *, enabled: bool = True) -> dict[str, Any]:
    """As it is answered."""
    middle, corner = widget.mapToGlobal(area.center()), widget.mapToGlobal(area.topLeft())
    return {
        "x": middle.x(), "y": middle.y(), "left": corner.x(), "top": corner.y(), "width": area.width(),
        "height": area.height(), "enabled": enabled,
    }  # fmt: skip


if __name__ == "__main__":
    gui.app.App = EyedApp  # type: ignore[misc]
    sys.argv = ["retimbre", "gui", *sys.argv[1:]]
    retimbre()
