"""The Play panel: what one looks at while playing, in the order in which the sound goes.

    (⏻) You are playing                                                     [Bypass]
    ┌ Input ─────┐ ┌ the model ──────────────────┐ ┌ Output ────┐ ┌ Record ─────┐
    │ ▮ gain …   │ │ name, blend of its targets  │ │ ▮ gain …   │ │ takes       │
    └────────────┘ └─────────────────────────────┘ └────────────┘ │             │
    Spectrum · Latency · Load · More                              │             │
    ┌ the one of these that is chosen ────────────────────────────┐             │
    └──────────────────────────────────────────────────────────────┘ └─────────────┘

Where there is little room for text that size, the cards stand below each other in two columns, and scroll. The model
library lies behind, as a second page. One slot takes each frame and hands it to what is seen. GUI thread.
"""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QScrollArea, QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.live_state import LiveState, Notice
from gui.memory import Memory
from gui.play.file_playback import FilePlayback
from gui.play.latency_view import LatencyView
from gui.play.library import Library, dropped
from gui.play.load_view import LoadView
from gui.play.model_column import ModelColumn
from gui.play.more_controls import MoreControls
from gui.play.power_strip import PowerStrip
from gui.play.record_column import RecordColumn
from gui.play.signal_columns import InputColumn, OutputColumn
from gui.widgets.live_spectrogram import LiveSpectrogram
from gui.widgets.notice_bar import NoticeBar
from realtime.meters import Snapshot

DETAILS = ("spectrum", "latency", "load", "more")
_TITLES = ("Spectrum", "Latency", "Load and drop-outs", "More controls")
_TAB_KEY = "play.details"
_WIDE_UNITS = 230
# strip, notice, input, model, output, details, record: row, column, rows, columns
_WIDE = ((0, 0, 1, 4), (1, 0, 1, 4), (2, 0, 1, 1), (2, 1, 1, 1), (2, 2, 1, 1), (3, 0, 1, 3), (2, 3, 2, 1))
_NARROW = ((0, 0, 1, 2), (1, 0, 1, 2), (2, 0, 1, 1), (3, 0, 1, 2), (2, 1, 1, 1), (4, 0, 1, 2), (5, 0, 1, 2))


class _Fitting(QGridLayout):
    """A grid that fits where it is put: its lines may wrap, but never make it taller than the window."""

    def hasHeightForWidth(self) -> bool:  # noqa: N802
        """It does not."""
        return False


class PlayPanel(QWidget):
    """Play it, see it, trust it."""

    page_turned = pyqtSignal()

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "panel")
        self._bridge, self._memory = bridge, memory
        self._end = -1
        self._sounding = False
        self.setAcceptDrops(True)
        self.playback = FilePlayback(bridge, self)
        self.strip = PowerStrip(bridge)
        self.notice = NoticeBar()
        self.input, self.output = InputColumn(bridge), OutputColumn(bridge)
        self.model = ModelColumn(bridge)
        self.record = RecordColumn(bridge, memory, self.playback)
        self.spectrogram = LiveSpectrogram()
        self.latency, self.load, self.more = LatencyView(bridge), LoadView(bridge), MoreControls(bridge)
        self.details = QTabWidget()
        for view, title in zip((self.spectrogram, self.latency, self.load, self.more), _TITLES, strict=True):
            self.details.addTab(view, title)
        self.details.setDocumentMode(True)
        self.library = Library(bridge, memory, self.playback)
        self.pages = QStackedWidget()
        self._lay_out()
        self.show_details(memory.get(_TAB_KEY, "spectrum"))
        self.details.currentChanged.connect(lambda row: memory.set(_TAB_KEY, DETAILS[row]))
        self.model.library_wanted.connect(self.show_library)
        self.library.done.connect(self.show_playing)
        self.library.read.connect(self.model.set_entries)
        bridge.frame.connect(self._show_frame)
        bridge.pitch.connect(self.input.pitch.show_reading)
        bridge.state_changed.connect(self._follow)
        bridge.noticed.connect(self._hear)
        theme.notifier.changed.connect(self._rescaled)
        self._follow(bridge.state)
        self.library.reload()

    def _lay_out(self) -> None:
        self.bottom = bottom = QFrame()
        theme.set_role(bottom, "card")
        inside = QVBoxLayout(bottom)
        inside.setContentsMargins(theme.px(3), theme.px(1), theme.px(3), theme.px(2))
        inside.addWidget(self.details)
        self._live = live = QWidget()
        self._grid = grid = _Fitting(live)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.px(3))
        self._narrow: bool | None = None
        self._arrange(narrow=False)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(live)
        self.pages.addWidget(scroll)
        self.pages.addWidget(self.library)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        layout.addWidget(self.pages)
        self.pages.currentChanged.connect(lambda _: self.page_turned.emit())

    def _arrange(self, *, narrow: bool) -> None:
        """Everything beside each other, or below each other in two columns."""
        if narrow == self._narrow:
            return
        self._narrow = narrow
        grid, places = self._grid, _NARROW if narrow else _WIDE
        cards: tuple[QWidget, ...] = (
            self.strip,
            self.notice,
            self.input,
            self.model,
            self.output,
            self.bottom,
            self.record,
        )
        for card in cards:
            grid.removeWidget(card)
        for card, place in zip(cards, places, strict=True):
            grid.addWidget(card, *place)
        for row in range(6):
            grid.setRowStretch(row, 0 if narrow else {2: 5, 3: 4}.get(row, 0))
        for column, stretch in enumerate((1, 1, 0, 0) if narrow else (4, 8, 4, 6)):
            grid.setColumnStretch(column, stretch)
        self.model.setMinimumHeight(theme.px(64) if narrow else 0)
        self.bottom.setMinimumHeight(theme.px(56) if narrow else 0)
        self.record.setMinimumHeight(theme.px(48) if narrow else 0)

        self._live.setMinimumHeight(grid.sizeHint().height() if narrow else 0)  # there it scrolls anyway: no squeezing

    def resizeEvent(self, a0: QResizeEvent | None) -> None:  # noqa: N802
        """As many columns as there is room for."""
        super().resizeEvent(a0)
        self._arrange(narrow=self.width() < theme.px(_WIDE_UNITS))

    def _rescaled(self) -> None:
        self._narrow = None
        self._arrange(narrow=self.width() < theme.px(_WIDE_UNITS))

    @property
    def shows_levels(self) -> bool:
        """Whether power, levels and tuner are seen here: not behind the library."""
        return self.pages.currentIndex() == 0

    # where to

    def show_library(self) -> None:
        """The model library."""
        self.pages.setCurrentWidget(self.library)

    def show_playing(self) -> None:
        """What one looks at while playing."""
        self.pages.setCurrentIndex(0)
        self.model.choose.setFocus()

    def show_details(self, which: str = "latency") -> None:
        """One of `DETAILS` at the bottom."""
        self.pages.setCurrentIndex(0)
        self.details.setCurrentIndex(DETAILS.index(which) if which in DETAILS else 0)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:  # noqa: N802
        """Take what may be a model."""
        if a0 is not None and dropped(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:  # noqa: N802
        """Import it, where one sees what comes of it."""
        if a0 is not None and dropped(a0):
            self.show_library()
            self.library.dropEvent(a0)

    # what comes

    def _follow(self, state: LiveState) -> None:
        sounding = state.power == "on"
        if sounding == self._sounding:
            return
        self._sounding = sounding
        if sounding:
            self.notice.clear()
        else:
            self._end = -1
            self.input.reset()
            self.output.reset()
            self.spectrogram.clear()

    def _hear(self, notice: Notice) -> None:
        if notice.place == "play":
            self.notice.show_notice(notice)

    def _show_frame(self, now: Snapshot) -> None:
        if not self.isVisible():
            return
        self.record.show_frame(now)
        if self.pages.currentIndex() != 0:
            return
        self.input.show_frame(now)
        self.output.show_frame(now)
        if self.load.isVisible():
            self.load.show_frame(now)
        if self.spectrogram.isVisible():
            sound, self._end = self._bridge.meters.scope.since(self._end)
            if now.rate_hz and sound.shape[1]:
                self.spectrogram.push(sound, float(now.rate_hz))
