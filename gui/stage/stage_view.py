"""The setlist on a dark stage: the preset huge, the next one below, and few buttons that cannot be missed.

    The club · 3 of 8                                  [Locked 🔒]
    Violin, bright                      │ 1 Intro
    next  Sax                           │ 2 Lead
    A4 ──◆──   in ▮▮▮▯ out ▮▮▯          │ ▸ 3 Violin, bright
    [ ◀ Previous ][ Bypass ][ Mute ][ Panic ][ Next ▶ ]

Space, arrows and page keys, which page-turn pedals send, step; wherever the keyboard is, Space steps here. While it is
locked, nothing else answers but bypass, mute and panic; it is unlocked by holding the button. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QResizeEvent
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon
from gui.stage.big_words import BigTuner, BigWords
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.meter import LevelMeter
from gui.widgets.notice_bar import NoticeBar

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from realtime.meters import Snapshot

HOLD_MS: Final = 800
_HEARD_UNITS: Final = 110  # of height, from which on tuner and levels are shown
_ON = (Qt.Key.Key_Space, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_PageDown)
_BACK = (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_PageUp, Qt.Key.Key_Backspace)


class StageView(QWidget):
    """What a player sees between the songs, and during them."""

    edit_wanted = pyqtSignal()
    lock_changed = pyqtSignal(bool)
    meters_changed = pyqtSignal()

    def __init__(self, bridge: Bridge, *, locked: bool, parent: QWidget | None = None) -> None:
        """locked: nothing but stepping, bypass, mute and panic answers."""
        super().__init__(parent)
        self._bridge, self.locked = bridge, locked
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Stage view of the setlist")
        self.heading = ElidedLabel()
        theme.set_role(self.heading, "title")
        self.current, self.next_up = BigWords(28, lines=2), BigWords(12, "text_dim")
        self.notice = NoticeBar()
        self.songs = QListWidget()
        self.songs.setAccessibleName("Presets of the setlist")
        theme.set_role(self.songs, "bare")  # few names in a large box would look like something missing
        self.songs.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.songs.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.songs.itemClicked.connect(self._jump)
        self.tuner = BigTuner()
        self.input = LevelMeter("Input", Qt.Orientation.Horizontal, "input")
        self.output = LevelMeter("Output", Qt.Orientation.Horizontal, "output")
        self.previous = self._big("Previous", "previous", lambda: bridge.step_preset(-1))
        self.next = self._big("Next", "next", lambda: bridge.step_preset(1))
        self.bypass = self._big("Bypass", "bypass", self._toggle_bypass, checkable=True)
        self.mute = self._big("Mute", "mute", self._toggle_mute, checkable=True)
        self.panic = self._big("Panic", "panic", bridge.panic)
        self.lock = QPushButton()
        self.lock.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.lock.pressed.connect(self._press_lock)
        self.lock.released.connect(self._release_lock)
        self.lock.installEventFilter(self)
        self.edit = QPushButton("Edit")
        self.edit.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.edit.clicked.connect(self.edit_wanted)
        self.edit.installEventFilter(self)
        for button, control in (
            (self.previous, "previous"), (self.next, "next"), (self.bypass, "bypass"), (self.mute, "mute"),
        ):  # fmt: skip
            button.setProperty("midi_control", control)
        self._hold = QTimer(self)
        self._hold.setSingleShot(True)
        self._hold.setInterval(HOLD_MS)
        self._hold.timeout.connect(lambda: self.set_locked(False))
        self._shown_songs: tuple[str, ...] = ()
        self._lay_out()
        bridge.state_changed.connect(self.show_state)
        bridge.controls_changed.connect(lambda _: self._show_bypass())
        bridge.frame.connect(self._show_frame)
        bridge.pitch.connect(self.tuner.show_reading)
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self.set_locked(locked)
        self.show_state(bridge.state)

    @property
    def shows_meters(self) -> bool:
        """Whether there is room for tuner and levels."""
        return not self._heard.isHidden()

    def set_locked(self, locked: bool) -> None:
        """Let only stepping, bypass, mute and panic answer, or everything."""
        changed, self.locked = locked != self.locked, locked
        self.lock.setText("Locked: hold to unlock" if locked else "Lock")
        self.lock.setToolTip("Hold to unlock" if locked else "Nothing but stepping, bypass, mute and panic will answer")
        self.lock.setAccessibleName("Locked, hold to unlock" if locked else "Lock the stage view")
        self.edit.setVisible(not locked)
        self.songs.setFocusPolicy(Qt.FocusPolicy.NoFocus if locked else Qt.FocusPolicy.TabFocus)
        self.songs.viewport().setAttribute(  # type: ignore[union-attr]  # a list has a viewport
            Qt.WidgetAttribute.WA_TransparentForMouseEvents, locked
        )
        if changed:
            self.lock_changed.emit(locked)

    def show_state(self, state: LiveState) -> None:
        """Where the evening is."""
        setlist, place = state.setlist, state.position
        songs = () if setlist is None else setlist.presets
        inside = 1 <= place <= len(songs)
        self.heading.setText(
            "No setlist" if setlist is None else f"{setlist.name}  ·  {place if inside else '–'} of {len(songs)}"
        )
        self.current.set_text(state.preset or (songs[place - 1] if inside else "No preset"))
        following = songs[place] if place < len(songs) else ""
        self.next_up.set_text(f"next  {following}" if following else "the last one" if songs else "")
        if songs != self._shown_songs:
            self._shown_songs = songs
            self.songs.clear()
            for number, name in enumerate(songs, 1):
                self.songs.addItem(QListWidgetItem(f"{number}  {name}"))
        row = place - 1 if inside else -1
        if self.songs.currentRow() != row:
            self.songs.setCurrentRow(row)
            item = self.songs.item(row)
            if item is not None:
                self.songs.scrollToItem(item, QListWidget.ScrollHint.PositionAtCenter)
        self.previous.setEnabled(place > 1)
        self.next.setEnabled(place < len(songs))
        self.mute.setChecked(state.muted)
        self.mute.setText("Muted" if state.muted else "Mute")
        self._show_bypass()
        if state.power != "on":
            self.tuner.show_reading(None)
            self.input.reset()
            self.output.reset()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Step, as pedals do."""
        if event is None or not self._step_key(event):
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Whatever button has the keyboard, stepping keys step: a pedal must never press it. Enter does."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if self._step_key(event):
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(watched, QPushButton):
                if not event.isAutoRepeat() and watched is not self.lock:
                    watched.click()
                elif not event.isAutoRepeat():
                    self._press_lock()
                return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyRelease:
            enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            if enter and watched is self.lock and not event.isAutoRepeat():
                self._release_lock()
            return event.key() == Qt.Key.Key_Space
        return super().eventFilter(watched, event)

    def _step_key(self, event: QKeyEvent) -> bool:
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if not plain or event.key() not in (*_ON, *_BACK):
            return False
        if not event.isAutoRepeat():  # a foot that rests on the pedal must not run through the evening
            button = self.next if event.key() in _ON else self.previous
            if button.isEnabled():
                self._bridge.step_preset(1 if button is self.next else -1)
        event.accept()
        return True

    def _big(self, words: str, picture: str, do: Any, *, checkable: bool = False) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("picture", picture)
        theme.set_role(button, "stage")
        button.setCheckable(checkable)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        button.setAccessibleName(words)
        button.clicked.connect(do)
        button.installEventFilter(self)
        return button

    def _buttons(self) -> tuple[QPushButton, ...]:
        return self.previous, self.bypass, self.mute, self.panic, self.next

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.edit)
        top.addWidget(self.lock)
        levels = QVBoxLayout()
        levels.addWidget(self.input)
        levels.addWidget(self.output)
        self._heard = QWidget()
        self._heard.hide()  # until there is room
        heard = QHBoxLayout(self._heard)
        heard.setContentsMargins(0, 0, 0, 0)
        heard.addWidget(self.tuner, 3)
        heard.addLayout(levels, 2)
        words = QVBoxLayout()
        words.addWidget(self.current, 5)
        words.addWidget(self.next_up, 2)
        words.addWidget(self._heard, 0)
        self._body = QHBoxLayout()
        self._body.addLayout(words, 5)
        self._body.addWidget(self.songs, 2)
        buttons = QGridLayout()
        for column, (button, stretch) in enumerate(zip(self._buttons(), (4, 2, 2, 2, 4), strict=True)):
            buttons.addWidget(button, 0, column)
            buttons.setColumnStretch(column, stretch)
        self._column = QVBoxLayout(self)
        self._column.addLayout(top)
        self._column.addWidget(self.notice)
        self._column.addLayout(self._body, 6)
        self._column.addLayout(buttons, 1)
        self._rows = (top, heard, self._body, buttons)

    def _dress(self) -> None:
        self._column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        self._column.setSpacing(theme.px(2))
        for row in self._rows:
            row.setSpacing(theme.px(3))
        self._fit()
        font = theme.font("title")
        font.setPixelSize(round(theme.px(5)))
        self.songs.setFont(font)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """As large as the place allows; tuner and levels where they fit, else in the header."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        shown = self.height() >= theme.px(_HEARD_UNITS)
        if shown == self._heard.isHidden():
            self._heard.setVisible(shown)
            self.meters_changed.emit()
        size = max(14, min(theme.px(6), self.width() // 52))
        for button in self._buttons():
            set_icon(button, button.property("picture"), units=1.5 * size / theme.px(1))
            look = f"min-height: {theme.px(7)}px; font-size: {size}px; padding: {theme.px(1)}px;"
            button.setStyleSheet(f"QPushButton {{ {look} }}")

    def _jump(self, item: QListWidgetItem) -> None:
        if not self.locked:
            self._bridge.load_preset(self.songs.row(item) + 1)

    def _toggle_bypass(self) -> None:
        self._bridge.set_controls(bypass=not self._bridge.controls.bypass)
        self._show_bypass()

    def _toggle_mute(self) -> None:
        self._bridge.set_muted(not self._bridge.state.muted)
        self.mute.setChecked(self._bridge.state.muted)

    def _show_bypass(self) -> None:
        on = self._bridge.controls.bypass
        self.bypass.setChecked(on)
        self.bypass.setText("Bypassed" if on else "Bypass")

    def _show_frame(self, now: Snapshot) -> None:
        if self.isVisible():
            self.input.set_levels(now.input_peak, now.input_rms)
            self.output.set_levels(now.output_peak, now.output_rms)

    def _press_lock(self) -> None:
        if self.locked:
            self._hold.start()
        else:
            self.set_locked(True)

    def _release_lock(self) -> None:
        self._hold.stop()
