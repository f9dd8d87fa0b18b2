"""The window: rail of panels, header, notices, and one panel at a time, made when it is first shown.

    ┌────┬──────────────────────────────────┐
    │rail│ header                           │   F11, the stage screen: no rail, the setlist in big type
    │    │ notice (place "everywhere")      │
    │    │ panel                            │
    └────┴──────────────────────────────────┘

A notice for a panel that is not shown lights its dot on the rail, and is shown there when the panel is. GUI thread.
Over 300 lines because every action of the table of shortcuts is a method here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QByteArray, QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QHideEvent, QKeyEvent, QShowEvent
from PyQt6.QtWidgets import QGridLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from gui import theme
from gui.header import Header
from gui.icon import app_icon
from gui.live_state import LiveState, Notice
from gui.panels import PANELS, spec_of
from gui.rail import Rail
from gui.settings_page import SCALE as SCALE_KEY
from gui.settings_page import SCALES, THEME, SettingsPage, wear
from gui.shortcut_sheet import ShortcutSheet
from gui.shortcuts import ShortcutKeys
from gui.stall_watch import excuse_building
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.memory import Memory

GEOMETRY, PANEL, GUIDE_DONE = "window.geometry", "window.panel", "first_start.done"
SMALLEST: Final = (640, 420)
_MIX_STEP: Final = 0.05


class MainWindow(QMainWindow):
    """Everything that the player sees."""

    closed = pyqtSignal()

    def __init__(self, bridge: Bridge, memory: Memory) -> None:
        """bridge: the stream; memory: where the window was, and which panel it showed."""
        super().__init__()
        self._bridge, self._memory = bridge, memory
        self.panels: dict[str, QWidget] = {}
        self._unseen: dict[str, Notice] = {}
        self._guide: QWidget | None = None
        self._learn: QObject | None = None
        self._before_stage = "play"
        self._power = bridge.state.power
        self.on_stage = self._locked = False
        self.current = ""
        self.setWindowTitle("Retimbre")
        self.setWindowIcon(app_icon())
        self.setMinimumSize(*SMALLEST)
        self.rail, self.header, self.notices = Rail(), Header(bridge, memory), NoticeBar()
        self._stack = QStackedWidget()
        self._stack.setMinimumSize(1, 1)  # a panel that needs more scrolls; the header is never squeezed
        self._page = QWidget()
        column = QVBoxLayout(self._page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.notices)
        column.addWidget(self._stack, 1)
        self._middle = middle = QWidget()
        grid = QGridLayout(middle)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(0)
        grid.addWidget(self.rail, 0, 0)
        grid.addWidget(self._page, 0, 1)
        self.setCentralWidget(middle)
        self.sheet = ShortcutSheet(self)
        self.keys = ShortcutKeys(self, self._actions())
        self._connect()
        geometry = QByteArray.fromBase64(memory.get(GEOMETRY, "").encode())
        if not self.restoreGeometry(geometry):
            self.resize(1280, 720)

    def _connect(self) -> None:
        bridge = self._bridge
        self.rail.chosen.connect(self.choose_panel)
        self.header.library_wanted.connect(self.show_library)
        self.header.details_wanted.connect(self.show_details)
        bridge.learn_mode_changed.connect(self._begin_learning)
        bridge.panel_wanted.connect(self.show_panel)
        bridge.noticed.connect(self.take_notice)
        bridge.state_changed.connect(self._show_title)
        theme.notifier.changed.connect(self.rail.dress)

    def _actions(self) -> dict[str, Callable[[], None]]:
        bridge, header = self._bridge, self.header
        actions: dict[str, Callable[[], None]] = {
            "power": header.toggle_power,
            "bypass": lambda: bridge.set_controls(bypass=not bridge.controls.bypass),
            "mute": header.toggle_mute,
            "record": header.toggle_recording,
            "panic": bridge.panic,
            "less": lambda: self._turn_mix(-_MIX_STEP),
            "more": lambda: self._turn_mix(_MIX_STEP),
            "learn": lambda: bridge.set_learn_mode(not bridge.learn_mode),
            "next": lambda: bridge.step_preset(1),
            "previous": lambda: bridge.step_preset(-1),
            "presets": self._open_presets,
            "library": self.show_library,
            "undo": bridge.undo_stack.undo,
            "redo": bridge.undo_stack.redo,
            "stage": lambda: self.set_stage(not self.on_stage),
            "theme": self._other_theme,
            "larger": lambda: self._resize_text(1),
            "smaller": lambda: self._resize_text(-1),
            "usual": lambda: self._resize_text(0),
            "help": self.show_shortcuts,
            "back": self.go_back,
            "quit": self._quit,
        }
        for spec in (*PANELS, spec_of("settings")):
            actions[f"panel:{spec.key}"] = lambda key=spec.key: self.choose_panel(key)  # type: ignore[misc]
        return actions

    # panels

    def choose_panel(self, key: str) -> None:
        """The player asks for a panel; asking for Play again leads from the library back to playing."""
        if key == "play" and (show := getattr(self.panels.get("play"), "show_playing", None)) is not None:
            show()
        self.show_panel(key)

    def show_panel(self, key: str) -> None:
        """Show a panel; it is made now if it has not been."""
        spec = spec_of(key)
        if spec.key not in self.panels:
            self._make(spec.key)
        self.current = spec.key
        self._stack.setCurrentWidget(self.panels[spec.key])
        self._calm_header()
        self.rail.show_chosen(spec.key)
        if not self.on_stage:
            self._memory.set(PANEL, spec.key)
        notice = self._unseen.pop(spec.key, None)
        if notice is not None and notice.place == spec.key:
            self._bridge.say(notice)

    def _make(self, key: str) -> None:
        spec = spec_of(key)
        excuse_building()
        made = spec.make(self._bridge, self._memory)
        self.panels[key] = made
        self._stack.addWidget(made)
        if isinstance(made, SettingsPage):
            made.guide_wanted.connect(self.show_guide)
            made.shortcuts_wanted.connect(self.show_shortcuts)
        if key == "setlist":
            made.stage.lock_changed.connect(self._follow_lock)  # type: ignore[attr-defined]  # SetlistPanel has one
        if (turned := getattr(made, "page_turned", None)) is not None:
            turned.connect(self._calm_header)

    def _calm_header(self) -> None:
        """A panel that shows power and levels large says so: they are not shown twice."""
        panel = self.panels.get(self.current)
        meters_below = getattr(panel, "shows_meters", False)
        self.header.set_calm(getattr(panel, "shows_levels", False), meters_below=meters_below)

    def show_library(self) -> None:
        """Where models are chosen."""
        self.show_panel("play")
        show = getattr(self.panels["play"], "show_library", None)
        if show is not None:
            show()

    def show_details(self, which: str) -> None:
        """What is behind a number of the header."""
        if self._locked:
            return
        self.show_panel("play")
        show = getattr(self.panels["play"], "show_details", None)
        if show is not None:
            show(which)

    def _begin_learning(self) -> None:
        if self._learn is None:
            from gui.midi_learn import MidiLearn

            self._learn = MidiLearn(self._bridge, self)

    def show_guide(self) -> None:
        """The guide of the first start."""
        from gui.first_start import FirstStart

        excuse_building()
        if self._guide is not None:
            self._guide.deleteLater()
        self._guide = guide = FirstStart(self._bridge, self._memory, self)
        guide.finished.connect(lambda: self._middle.setEnabled(True))
        guide.show()
        self._middle.setEnabled(False)  # what is covered is reached by nothing, a screen reader neither

    def begin(self) -> None:
        """What comes after the window is on the screen: the panel that was shown last, and the guide at first."""
        self.show_panel(self._memory.get(PANEL, "play"))
        self.setFocus()  # no control begins with the keyboard; the first Tab goes to the rail
        if not self._memory.get(GUIDE_DONE, False):
            self.show_guide()

    # notices

    def take_notice(self, notice: Notice) -> None:
        """Show it here, or say on the rail where it waits."""
        if notice.place == "everywhere":
            if notice.severity == "info" and self._power == "waiting":
                self.notices.clear()  # the sound is back: what was wrong is over
            self.notices.show_notice(notice)
        elif notice.place not in self.panels or (notice.place != self.current and notice.severity != "info"):
            # A panel that is there has shown it already, in its own bar.
            if notice.place not in self.panels:
                self._unseen[notice.place] = notice
            self.rail.set_waiting(notice.place, notice.severity)

    def say(self, text: str) -> None:
        """A sentence from anywhere in the app."""
        self._bridge.say(Notice(text, severity="error"))

    # the stage screen, help, size and theme

    def set_stage(self, on: bool) -> None:
        """The whole screen and the setlist, or the window as it was."""
        if on == self.on_stage:
            return
        if on:
            self._before_stage = self.current
        self.on_stage = on
        self.rail.setVisible(not on)
        self.keys.set_stage(on)
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)
        self.show_panel("setlist" if on else self._before_stage)
        stage = getattr(self.panels.get("setlist"), "set_stage", None)
        if stage is not None:
            stage(on)
        self._follow_lock()

    def _follow_lock(self) -> None:
        """While the stage screen is locked the header shows, and only panic answers."""
        stage = getattr(self.panels.get("setlist"), "stage", None)
        self._locked = locked = self.on_stage and stage is not None and stage.locked
        self.keys.set_locked(locked)
        header = self.header
        for part in (header.power, header.model, header.presets, header.record, header.mute, header.learn):
            part.setEnabled(not locked)

    def show_shortcuts(self) -> None:
        """The overlay, or away with it."""
        if self.sheet.isVisible():
            self.sheet.dismiss()
        else:
            self.sheet.open()

    def go_back(self) -> None:
        """Leave what lies over the window, the innermost first."""
        if self.sheet.isVisible():
            self.sheet.dismiss()
        elif self._bridge.learn_mode:
            self._bridge.set_learn_mode(False)
        elif self.on_stage:
            self.set_stage(False)

    def _other_theme(self) -> None:
        self._memory.set(THEME, "light" if theme.current().name == "dark" else "dark")
        wear(self._memory)
        self._refresh_settings()

    def _resize_text(self, by: int) -> None:
        now = self._memory.get(SCALE_KEY, 1.0)
        place = min(range(len(SCALES)), key=lambda index: abs(SCALES[index] - now))
        self._memory.set(SCALE_KEY, SCALES[min(max(place + by, 0), len(SCALES) - 1)] if by else 1.0)
        wear(self._memory)
        self._refresh_settings()

    def _refresh_settings(self) -> None:
        page = self.panels.get("settings")
        if isinstance(page, SettingsPage):
            page.refresh()

    def _turn_mix(self, by: float) -> None:
        self._bridge.set_controls(mix=min(max(round(self._bridge.controls.mix + by, 3), 0.0), 1.0))

    def _open_presets(self) -> None:
        self.header.presets.open_list()

    def _show_title(self, state: LiveState) -> None:
        if state.power != self._power:
            if state.power == "waiting" or (self._power == "waiting" and state.power == "off"):
                self.notices.clear()  # it will be said what is the matter now
            self._power = state.power
        title = "● Retimbre – recording" if state.recording is not None else "Retimbre"
        if title != self.windowTitle():
            self.setWindowTitle(title)

    # the window itself

    def _quit(self) -> None:
        self.close()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Escape comes here when nothing that has the focus took it."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self.go_back()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Meters run while the window is seen."""
        super().showEvent(event)
        self._bridge.set_watched(not self.isMinimized())

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Nobody looks."""
        super().hideEvent(event)
        self._bridge.set_watched(False)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Minimised, nobody looks either."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.WindowStateChange:
            self._bridge.set_watched(self.isVisible() and not self.isMinimized())

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        """Remember where the window was; `gui.app` ends the rest."""
        if self.on_stage:
            self.set_stage(False)
        self._memory.set(GEOMETRY, self.saveGeometry().toBase64().data().decode())
        super().closeEvent(event)
        self.closed.emit()
