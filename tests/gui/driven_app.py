"""The real command `retimbre gui`, with an eye for a test: it tells where things are, to be clicked there.

    python driven_app.py --memory FILE          every line on the standard input is a question in JSON, answered in one

    {"where": NAME}   the middle of the visible widget, item or tab with this accessible name or text: {"x": …, …}
    {"names": true}   every visible widget that takes the keyboard: its class and name
    {"state": true}   the live stream, as the bridge knows it
    {"grab": FILE}    a picture of the window

It only looks: what happens is done by real keys and a real mouse (xdotool) on a real screen (Xvfb).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from PyQt6.QtCore import QModelIndex, QPoint, QSocketNotifier, Qt
from PyQt6.QtWidgets import QAbstractButton, QAbstractItemView, QApplication, QLabel, QLineEdit, QWidget

import gui.app
from realtime.cli import main as retimbre
from realtime.plain import to_plain


class EyedApp(gui.app.App):
    """The app, and answers."""

    def begin(self) -> None:
        """Answer from now on."""
        super().begin()
        self._left = ""
        self._eye = QSocketNotifier(QSocketNotifier.Type.Read)
        self._eye.setSocket(sys.stdin.fileno())  # type: ignore[arg-type]  # the stubs know only sip's own kind of number
        self._eye.setEnabled(True)
        self._eye.activated.connect(self._read)

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
        if "names" in question:
            return [
                [type(one).__name__, words_of(one)]
                for one in visible()
                if one.focusPolicy() != Qt.FocusPolicy.NoFocus and one.isEnabled()
            ]
        if "grab" in question:
            return self.window.grab().save(question["grab"])
        state = self.bridge.state
        return {
            "power": state.power, "model": state.settings.model, "muted": state.muted, "targets": state.targets,
            "input": state.settings.input, "output": state.settings.output, "block": state.settings.block,
            "recording": None if state.recording is None else str(state.recording), "panel": self.window.current,
            "controls": self.bridge.controls.to_mapping(),
            "running": None if state.running is None else to_plain(state.running),
            "latency": None if state.running is None else state.running.latency.total,
            "samples": self.bridge.snapshot().samples, "late": self.bridge.snapshot().late_callbacks,
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
    """The place of what has this name; those that can be clicked first, then texts, then items of lists."""
    found = sorted(
        (one for one in visible() if words_of(one) == name),
        key=lambda one: (not one.isEnabled(), isinstance(one, QLabel)),
    )
    if found:
        area = found[0].visibleRegion().boundingRect()
        middle = found[0].mapToGlobal(area.center())
        corner = found[0].mapToGlobal(area.topLeft())
        return place(middle, corner, area.width(), area.height(), enabled=found[0].isEnabled())
    for view in (one for one in visible() if isinstance(one, QAbstractItemView)):
        model = view.model()
        assert model is not None
        for row in range(model.rowCount()):
            index = model.index(row, 0, QModelIndex())
            if str(index.data() or "").startswith(name):
                view.scrollTo(index)
                area = view.visualRect(index)
                port = view.viewport()
                assert port is not None
                return place(
                    port.mapToGlobal(area.center()), port.mapToGlobal(area.topLeft()), area.width(), area.height()
                )
    return None


def place(middle: QPoint, corner: QPoint, width: int, height: int, *, enabled: bool = True) -> dict[str, Any]:
    """As it is answered."""
    return {
        "x": middle.x(), "y": middle.y(), "left": corner.x(), "top": corner.y(), "width": width, "height": height,
        "enabled": enabled,
    }  # fmt: skip


if __name__ == "__main__":
    gui.app.App = EyedApp  # type: ignore[misc]
    sys.argv = ["retimbre", "gui", *sys.argv[1:]]
    retimbre()
