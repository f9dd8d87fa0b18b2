"""Where the delay comes from: one bar of all its parts in order, each in words, and how it compares with a measurement.

    ▓▓ sound card in ▒▒▒ blocks against steps ░░░░ the model ▓▓ sound card out             together 9.3 ms
    Measured: 9.4 ms in the middle, 9.3 to 9.5 ms       [Measure]   how to connect the loop

GUI thread; painted only when the stream changes.
"""

from __future__ import annotations

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.live_state import LiveState, Notice
from realtime.latency import Latency
from realtime.measure import Measured

PART_WORDS = {
    "device_in": "sound card in",
    "buffering": "blocks against model steps",
    "slack": "spare time of the model's thread",
    "analysis": "spectrum analysis",
    "lookahead": "future that the model looks at",
    "model": "the model itself",
    "feature": "finding pitch and loudness",
    "resampler": "change of sample rate",
    "plugins": "plugins",
    "device_out": "sound card out",
}
_KINDS = {"device_in": "input", "device_out": "output", "buffering": "warn", "slack": "warn"}
_LOOP = (
    "To measure, let the sound come back: a cable from the output to the input, or the microphone close to the "
    "loudspeaker. Short clicks are played for a few seconds; turn the volume down first."
)


class LatencyBar(QWidget):
    """The parts, as long as they last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parts: tuple[tuple[str, float], ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.notifier.changed.connect(self.update)

    def set_latency(self, law: Latency | None) -> None:
        """Show these; None: nothing is known."""
        parts = () if law is None else tuple((name, ms) for name, ms in law.parts_ms().items() if ms > 0.004)
        if parts != self._parts:
            self._parts = parts
            words = ", ".join(f"{PART_WORDS[name]} {ms:.1f} ms" for name, ms in parts)
            self.setAccessibleName(f"Latency: {words}" if words else "Latency: not known while the sound is off")
            self.updateGeometry()
            self.update()

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """(name, milliseconds) of each part that is not nothing."""
        return self._parts

    def sizeHint(self) -> QSize:  # noqa: N802
        """The bar, and a line for every two parts."""
        return QSize(theme.px(80), theme.px(10) + theme.px(6) * ((len(self._parts) + 1) // 2))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """No less than that."""
        return QSize(theme.px(40), self.sizeHint().height())

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802
        """The bar, and below it what its colours mean."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        unit, total = theme.px(1), sum(ms for _, ms in self._parts)
        bar = QRectF(0, 0, self.width(), 7 * unit)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(bar, unit, unit)
        left = 0.0
        for place, (name, ms) in enumerate(self._parts):
            width = bar.width() * ms / total
            ink = _colour(name, place)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ink)
            painter.drawRect(QRectF(left, 0, max(1.0, width - 1.0), bar.height()))
            words = f"{ms:.1f}"
            painter.setFont(theme.font("number"))
            if painter.fontMetrics().horizontalAdvance(words) + unit < width:
                painter.setPen(theme.color("background"))
                painter.drawText(QRectF(left, 0, width, bar.height()), Qt.AlignmentFlag.AlignCenter, words)
            row, column = divmod(place, 2)
            self._paint_words(painter, row, column, ink, f"{ms:.2f} ms  {PART_WORDS[name]}")
            left += width
        painter.end()

    def _paint_words(self, painter: QPainter, row: int, column: int, ink: QColor, words: str) -> None:
        unit = theme.px(1)
        top, left, width = 10 * unit + 6 * unit * row, column * self.width() / 2, self.width() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawRect(QRectF(left, top + 1.25 * unit, 2.5 * unit, 2.5 * unit))
        painter.setPen(theme.color("text"))
        painter.setFont(theme.font("body"))
        place = QRectF(left + 4 * unit, top, width - 5 * unit, 5 * unit)
        words = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


def _colour(name: str, place: int) -> QColor:
    """Sound card in and out as everywhere, waiting in the colour of a warning, the model's parts in shades of one."""
    if name in _KINDS:
        return theme.color(_KINDS[name], 1.0 if name != "slack" else 0.6)
    return theme.color("good", (1.0, 0.75, 0.5)[place % 3])


class LatencyView(QWidget):
    """The bar, its sum, and the measurement."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._law: Latency | None = None
        self._measuring = False
        self.total, self.bar, self.measured = QLabel(), LatencyBar(), QLabel()
        theme.set_role(self.total, "title")
        theme.set_role(self.measured, "dim")
        self.measured.setWordWrap(True)
        self.measure = QPushButton("Measure")
        self.measure.clicked.connect(self._start)
        row = QHBoxLayout()
        row.setSpacing(theme.px(3))
        row.addWidget(self.measured, 1)
        row.addWidget(self.measure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, theme.px(2), 0, 0)
        layout.setSpacing(theme.px(2))
        layout.addWidget(self.total)
        layout.addWidget(self.bar)
        layout.addStretch()
        layout.addLayout(row)
        bridge.state_changed.connect(self._follow)
        bridge.measured.connect(self._take)
        bridge.noticed.connect(self._hear_notice)
        self._follow(bridge.state)

    def _follow(self, state: LiveState) -> None:
        law = state.running.latency if state.running is not None and state.power == "on" else None
        self.measure.setEnabled(law is not None and not self._measuring)
        if law is None:
            self._measuring = False
        if law == self._law and self.total.text():
            return
        self._law = law
        self.bar.set_latency(law)
        if law is None:
            self.total.setText("Turn the sound on to see where the delay comes from.")
        else:
            self.total.setText(f"{law.total_ms:.1f} ms from your instrument to your ear")
        self.measured.setText(_LOOP)

    def _start(self) -> None:
        self._measuring = True
        self.measure.setEnabled(False)
        self.measured.setText("Listening for the clicks to come back…")
        self._bridge.measure_latency()

    def _take(self, result: Measured) -> None:
        self._measuring = False
        self.measure.setEnabled(self._law is not None)
        self.measured.setText(measured_words(result))

    def _hear_notice(self, notice: Notice) -> None:
        if self._measuring and notice.severity != "info":
            self._measuring = False
            self.measure.setEnabled(self._law is not None)
            self.measured.setText(f"{notice.text} {_LOOP}" if "sweep" not in notice.text else notice.text)


def measured_words(result: Measured) -> str:
    """What a measurement says, beside what the bar adds up to."""
    scale = 1000.0 / result.rate_hz
    more = (result.median - result.declared) * scale
    beside = (
        "as the bar says" if abs(more) < 0.15 else f"{abs(more):.1f} ms {'more' if more > 0 else 'less'} than the bar"
    )
    return (
        f"Measured: {result.median * scale:.1f} ms, {beside}; {result.shortest * scale:.1f} to "
        f"{result.longest * scale:.1f} ms over {result.found} of {result.events} clicks."
    )
