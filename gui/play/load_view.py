"""How much of its time the sound needs, and every drop-out with its cause: what one looks at when something crackles.

    Each block has 2.67 ms.   now ▓▓░░░░░░░│ 0.4 ms    99 of 100 ▓▓▓░░░░│ 0.6    longest ▓▓▓▓▓▓░│ 1.9
    12:03:44  A block took longer than there was time (3.1 of 2.7 ms).                           [Save the log]

Numbers change four times a second. The list grows in steps of a frame, however many come at once. GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.bridge import Bridge
from gui.live_state import LiveState, Notice
from realtime.errors import EngineError
from realtime.messages import Running
from realtime.meters import Cause, Incident, Snapshot

CAUSE_WORDS: dict[Cause, str] = {
    "xrun": "The sound card or its driver lost a block.",
    "late callback": "A block took longer than there was time.",
    "model missed": "The model was late; your own sound stood in.",
    "model failed": "The model failed and was restarted; your own sound stood in.",
    "model not finite": "The model lost its way and was restarted; your own sound stood in.",
    "plugins missed": "A plugin was late; the sound went round it.",
    "defect": "Something went wrong in the engine; the sound went on.",
}
_MOST_ROWS = 300
_EVERY = 8


class TimeBar(QWidget):
    """A duration against the time there is."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._took_ms, self._there_ms = name, 0.0, 0.0
        self._drawn = (0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.notifier.changed.connect(self.update)

    def set_times(self, took_ms: float, there_ms: float) -> None:
        """took_ms: of there_ms."""
        drawn = (round(100 * took_ms), round(100 * there_ms))
        if drawn != self._drawn:
            self._drawn, self._took_ms, self._there_ms = drawn, took_ms, there_ms
            self.setAccessibleName(f"{self._name}: {took_ms:.2f} of {there_ms:.2f} ms")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Words and bar."""
        return QSize(theme.px(40), theme.px(9))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """No less than the words."""
        return QSize(theme.px(26), theme.px(9))

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802
        """Words above, bar below; the whole bar is the time there is."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        unit = theme.px(1)
        part = self._took_ms / self._there_ms if self._there_ms else 0.0
        words = QRectF(0, 0, self.width(), 5 * unit)
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._name)
        painter.setPen(theme.color("text"))
        number = f"{100 * part:.0f} %" if self._there_ms else "–"
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, number)
        bar = QRectF(0, 6 * unit, self.width(), 2 * unit)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(bar, unit, unit)
        if part > 0:
            painter.setBrush(theme.color("good" if part < 0.7 else "warn" if part < 1.0 else "bad"))
            painter.drawRoundedRect(QRectF(0, bar.top(), bar.width() * min(1.0, part), bar.height()), unit, unit)
        painter.end()


class LoadView(QWidget):
    """Load and drop-outs."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._new: list[Incident] = list(bridge.incidents)
        self._frames = 0
        self.now, self.mostly, self.longest = TimeBar("Now"), TimeBar("99 of 100 blocks"), TimeBar("Longest")
        self.deadline, self.summary = QLabel(), QLabel()
        theme.set_role(self.deadline, "dim")
        theme.set_role(self.summary, "strong")
        self.list = QListWidget()
        self.list.setAccessibleName("Drop-outs")
        self.list.setUniformItemSizes(True)
        self.save = QPushButton("Save the log")
        self.save.clicked.connect(self._ask_where)
        bars = QVBoxLayout()
        bars.setSpacing(theme.px(1))
        for bar in (self.now, self.mostly, self.longest):
            bars.addWidget(bar)
        bars.addWidget(self.deadline)
        bars.addStretch()
        head = QHBoxLayout()
        head.addWidget(self.summary, 1)
        head.addWidget(self.save)
        right = QVBoxLayout()
        right.addLayout(head)
        right.addWidget(self.list, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, theme.px(2), 0, 0)
        layout.setSpacing(theme.px(6))
        layout.addLayout(bars, 2)
        layout.addLayout(right, 3)
        bridge.incident.connect(self._new.append)
        bridge.state_changed.connect(self._follow)
        self._follow(bridge.state)
        self._show_new()

    def show_frame(self, now: Snapshot) -> None:
        """New numbers, a few times a second."""
        self._frames += 1
        if self._frames % _EVERY != 1 or not now.rate_hz:
            return
        there_ms = 1000.0 * now.block / now.rate_hz
        self.now.set_times(now.load * there_ms, there_ms)
        self.mostly.set_times(now.callback.p99_us / 1000.0, there_ms)
        self.longest.set_times(now.callback.max_us / 1000.0, there_ms)
        text = f"Each block of {now.block} samples has {there_ms:.2f} ms."
        if text != self.deadline.text():
            self.deadline.setText(text)
        self._show_new()

    def _follow(self, state: LiveState) -> None:
        if state.power == "on":
            return
        self._frames = 0
        for bar in (self.now, self.mostly, self.longest):
            bar.set_times(0.0, 0.0)
        self.deadline.setText("Turn the sound on to see this.")
        self._show_new()

    def _show_new(self) -> None:
        if self._new:
            lines = [line_of(incident) for incident in self._new[-_MOST_ROWS:]]
            self._new.clear()
            for line in lines:
                self.list.insertItem(0, line)
                shown = self.list.item(0)
                if shown is not None:
                    shown.setToolTip(line)
            while self.list.count() > _MOST_ROWS:
                self.list.takeItem(self.list.count() - 1)
        count = len(self._bridge.incidents)
        text = "No drop-outs." if count == 0 else f"{count} drop-out{'' if count == 1 else 's'}, the newest first"
        if text != self.summary.text():
            self.summary.setText(text)
        self.save.setVisible(count > 0)

    def _ask_where(self) -> None:
        name = f"drop-outs {time.strftime('%Y-%m-%d %H-%M')}.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save the log", str(Path.home() / name), "Table (*.csv)")
        if path:
            self.save_log(Path(path))

    def save_log(self, path: Path) -> None:
        """Write all drop-outs to a table."""
        text = log_text(tuple(self._bridge.incidents), self._bridge.state.running)

        def work() -> None:
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                raise EngineError(f"{path} cannot be written ({error.strerror}): choose another folder.") from error

        def say(sentence: str, severity: str) -> None:
            self._bridge.say(Notice(sentence, "play", "error" if severity == "error" else "info"))

        self._bridge.in_background(
            work, lambda _: say(f"The log is in {path.name}.", "info"), lambda text: say(text, "error")
        )


def line_of(incident: Incident) -> str:
    """A drop-out in a line: when, what, how long."""
    words = CAUSE_WORDS[incident.cause].rstrip(".")
    took = f" ({incident.took_us / 1000:.1f} ms)" if incident.took_us > 0 else ""
    return f"{_clock(incident)}   {words}{took}"


def log_text(incidents: Iterable[Incident], running: Running | None) -> str:
    """All drop-outs as a table that a spreadsheet opens, with what was playing above it."""
    lines = []
    if running is not None:
        lines.append(f"# {running.title}, {running.input} to {running.output}, {running.rate_hz} Hz, {running.block}")
    lines.append("time,sample,cause,milliseconds")
    lines += [f"{_clock(one)},{one.sample},{one.cause},{one.took_us / 1000:.3f}" for one in incidents]
    return "\n".join(lines) + "\n"


def _clock(incident: Incident) -> str:
    """The time of day at which it happened."""
    return time.strftime("%H:%M:%S", time.localtime(time.time() - time.monotonic() + incident.monotonic_s))
