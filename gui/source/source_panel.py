"""The Source panel: what goes into the model, and at once whether it arrives.

    ┌ Microphone or interface ┐ ┌ MIDI ┐ ┌ Audio file ┐      the one in use says so
    │ the page of the one that is shown              │ what arrives: level, advice, guard
    └ MIDI: the on-screen keyboard, always in reach ─┘

Pages are made when they are first shown. While the panel is seen and no stream runs, devices are looked for every two
seconds; beside a running stream only when asked, because opening a sound system twice may disturb it. GUI
thread. Over 300 lines because the three pages change one stream together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QBoxLayout, QFrame, QScrollArea, QVBoxLayout, QWidget

from gui import theme
from gui.session_work import without_midi_file
from gui.source.device_choice import DeviceChoice
from gui.source.input_level import InputLevel
from gui.source.midi_wishes import first_midi, input_of, without_notes
from gui.source.source_kinds import KINDS, KindRow
from gui.widgets.notice_bar import NoticeBar
from realtime.errors import RetimbreError
from realtime.messages import MidiSettings
from realtime.plain import from_plain, to_plain

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState, Notice
    from gui.memory import Memory
    from gui.source.file_source import FileSource
    from gui.source.keyboard_desk import KeyboardDesk
    from gui.source.midi_choice import BindingsTable, MidiInputChoice
    from gui.source.sound_choice import SoundChoice
    from realtime.device_watch import Hardware

LOOK_MS: Final = 2000
PREPARE_MS: Final = 60
SIDE_UNITS: Final = 84
_NARROW_UNITS: Final = 220
_LOW_UNITS: Final = 125


class SourcePanel(QWidget):
    """The whole panel."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps the page, the MIDI that was used last, and what the pages remember."""
        super().__init__(parent)
        self.setProperty("role", "panel")
        self._bridge, self._memory = bridge, memory
        self._hardware: Hardware | None = None
        self.devices: DeviceChoice | None = None
        self.midi_input: MidiInputChoice | None = None
        self.sound: SoundChoice | None = None
        self.bindings: BindingsTable | None = None
        self.keyboard: KeyboardDesk | None = None
        self.file: FileSource | None = None
        self.notices, self.kinds, self.level = NoticeBar(), KindRow(), InputLevel(bridge)
        self._pages = QWidget()  # no QStackedWidget: in one the tallest page decides the height of all
        self._pages_column = QVBoxLayout(self._pages)
        self._pages_column.setContentsMargins(0, 0, 0, 0)
        self._holders = {kind.key: self._holder() for kind in KINDS}
        self._arrange()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self.kinds.chosen.connect(self._choose)
        bridge.noticed.connect(self._take_notice)
        bridge.state_changed.connect(self._show_state)
        bridge.devices_changed.connect(self._take_hardware)
        self._show_page(self._kind_in_use(bridge.state))
        self._show_state(bridge.state)

    def _holder(self) -> QWidget:
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        self._pages_column.addWidget(holder)
        return holder

    def _arrange(self) -> None:
        edge = theme.px(4)
        self._side = QWidget()
        side = QVBoxLayout(self._side)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(theme.px(3))
        side.addWidget(self.level)
        side.addStretch(1)
        self._middle = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._middle.setSpacing(theme.px(3))
        self._middle.addWidget(self._pages, 2)
        self._middle.addWidget(self._side, 1)
        self._midi_columns: QBoxLayout | None = None
        inside = QWidget()
        self._body = QVBoxLayout(inside)
        self._body.setContentsMargins(edge, theme.px(3), edge, edge)
        self._body.setSpacing(theme.px(3))
        self._body.addWidget(self.kinds)
        self._body.addLayout(self._middle, 1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notices)
        column.addWidget(self.area, 1)
        self._dock = QWidget()
        self._dock_column = QVBoxLayout(self._dock)
        self._dock_column.setContentsMargins(edge, 0, edge, theme.px(3))
        column.addWidget(self._dock)

    # what is shown

    def _show_page(self, key: str) -> None:
        getattr(self, f"_make_{key}")()
        for other, holder in self._holders.items():
            holder.setVisible(other == key)
        self._dock.setVisible(key == "midi")
        if self.keyboard is not None and self._midi_columns is not None:
            self.keyboard.setVisible(key == "midi")
        self.kinds.show_chosen(key)
        self._shown = key
        self._memory.set("source.page", key)

    def _make_card(self) -> None:
        if self.devices is None:
            self.devices = DeviceChoice(self._bridge)
            self._fill("card", self.devices)
            if self._hardware is not None:
                self.devices.set_hardware(self._hardware)

    def _make_midi(self) -> None:
        while self._prepare():
            pass
        if self._midi_columns is not None or self.midi_input is None:
            return
        assert self.bindings is not None
        assert self.sound is not None
        left = QVBoxLayout()
        left.setSpacing(theme.px(3))
        left.addWidget(self.midi_input)
        left.addWidget(self.bindings)
        left.addStretch(1)
        right = QVBoxLayout()
        right.addWidget(self.sound)
        right.addStretch(1)
        self._midi_columns = QBoxLayout(self._middle.direction())
        self._midi_columns.setSpacing(theme.px(3))
        self._midi_columns.addLayout(left, 1)
        self._midi_columns.addLayout(right, 1)
        column = self._holders["midi"].layout()
        assert isinstance(column, QVBoxLayout)
        column.addLayout(self._midi_columns)
        column.addStretch(1)
        self._place_keyboard()
        if self._hardware is not None:
            self.midi_input.set_hardware(self._hardware)
        self._show_state(self._bridge.state)

    def _prepare(self) -> bool:
        """Make the next part of the MIDI page; whether there was one. One alone takes less than an event may."""
        if self.midi_input is None:
            from gui.source.midi_choice import MidiInputChoice

            self.midi_input = MidiInputChoice(self._bridge, self._memory)
        elif self.bindings is None:
            from gui.source.midi_choice import BindingsTable

            self.bindings = BindingsTable(self._bridge)
        elif self.sound is None:
            from gui.source.sound_choice import SoundChoice

            self.sound = SoundChoice(self._memory)
            self.sound.changed.connect(lambda source: self._change_midi(source=source))
            self.sound.mixed_changed.connect(lambda mixed: self._change_midi(mixed=mixed))
        elif self.keyboard is None:
            from gui.source.keyboard_desk import KeyboardDesk

            self.keyboard = KeyboardDesk(self._bridge, self._memory)
        else:
            return False
        return True

    def _prepare_ahead(self) -> None:
        """While the first page is looked at, one part a moment, so that a press on MIDI finds them made."""
        if self.isVisible() and self._prepare():
            QTimer.singleShot(PREPARE_MS, self._prepare_ahead)

    def _make_file(self) -> None:
        if self.file is None:
            from gui.source.file_source import FileSource

            self.file = FileSource(self._bridge, self._memory)
            self.file.chosen.connect(lambda _sound: self._show_state(self._bridge.state))
            self.file.playing_changed.connect(lambda _on: self._show_state(self._bridge.state))
            self._fill("file", self.file)

    def _fill(self, key: str, *widgets: QWidget) -> None:
        column = self._holders[key].layout()
        assert isinstance(column, QVBoxLayout)
        for widget in widgets:
            column.addWidget(widget)

    # what is wanted

    def _choose(self, key: str) -> None:
        """Show a page, and make it the source where that takes no further choice."""
        self._show_page(key)
        midi = self._bridge.state.settings.midi
        if key == "midi" and (midi is None or midi.source is None):
            self._bridge.set_midi(self._last_midi(midi))
        elif key == "card":
            if self._file_plays():
                self._bridge.stop_file()
            if midi is not None and midi.source is not None:
                self._memory.set("source.midi", to_plain(without_midi_file(midi, None)))
                self._bridge.set_midi(without_notes(midi))

    def _last_midi(self, now: MidiSettings | None) -> MidiSettings:
        """What MIDI was when notes last played, with the bindings of now."""
        plain: Any = self._memory.get("source.midi", None)
        last = first_midi()
        if plain is not None:
            try:
                last = from_plain(MidiSettings, plain, "The last MIDI")
            except RetimbreError:  # of another version; what sounds at once will do
                self._memory.set("source.midi", None)
        if last.source is None:
            last = replace(last, source=first_midi().source)
        return last if now is None else replace(last, map=now.map)

    def _change_midi(self, **fields: object) -> None:
        midi = self._bridge.state.settings.midi
        if midi is not None:
            self._bridge.set_midi(replace(midi, **fields))  # type: ignore[arg-type]  # by its own names
        elif fields.get("source") is not None:
            self._bridge.set_midi(replace(first_midi(), **fields))  # type: ignore[arg-type]

    def _file_plays(self) -> bool:
        return self.file is not None and self.file.playing

    def _kind_in_use(self, state: LiveState) -> str:
        file = state.settings.file
        if self._file_plays() or (file is not None and file.to == "input"):
            return "file"
        midi = state.settings.midi
        return "midi" if midi is not None and midi.source is not None else "card"

    # what comes

    def _show_state(self, state: LiveState) -> None:
        key = self._kind_in_use(state)
        self.kinds.show_used(key, self._kind_words(state))
        self.level.set_kind({"card": "card", "midi": "notes", "file": "file"}[key])  # type: ignore[arg-type]
        midi = state.settings.midi
        if self.sound is not None:
            self.sound.show_settings(None if midi is None else midi.source, mixed=midi is not None and midi.mixed)
        self._pace()

    def _kind_words(self, state: LiveState) -> dict[str, str]:
        running = state.running if state.power == "on" else None
        card = running.input if running is not None else state.settings.input or "The default input"
        midi = input_of(state.settings.midi)
        known = {"keyboard": "The on-screen piano", "file": "A MIDI file"}
        notes = "Keyboard, piano or MIDI file" if midi is None else known.get(midi[0], midi[1])
        file = self._memory.get("source.file", "").replace("\\", "/").rsplit("/", 1)[-1]
        return {"card": card, "midi": notes, "file": file or "To try models without playing"}

    def _take_hardware(self, hardware: Hardware) -> None:
        self._hardware = hardware
        if self.devices is not None:
            self.devices.set_hardware(hardware)
        if self.midi_input is not None:
            self.midi_input.set_hardware(hardware)

    def _take_notice(self, notice: Notice) -> None:
        if notice.place == "source":
            self.notices.show_notice(notice)

    # looking for devices

    def _look(self) -> None:
        if self.isVisible() and self._bridge.state.power in ("off", "waiting"):
            self._bridge.refresh_devices()

    def _pace(self) -> None:
        wanted = self.isVisible() and self._bridge.state.power in ("off", "waiting")
        if wanted and not self._timer.isActive():
            self._timer.start()
        elif not wanted:
            self._timer.stop()

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Look at once: what runs is no reason not to know the list, once."""
        super().showEvent(event)
        if self._hardware is None or self._bridge.state.power in ("off", "waiting"):
            self._bridge.refresh_devices()
        self._pace()
        QTimer.singleShot(PREPARE_MS, self._prepare_ahead)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Nobody looks."""
        super().hideEvent(event)
        self._timer.stop()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Side by side where there is room."""
        super().resizeEvent(event)
        narrow = self.width() < theme.px(_NARROW_UNITS)
        direction = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if self._middle.direction() != direction:
            self._middle.setDirection(direction)
            if self._midi_columns is not None:
                self._midi_columns.setDirection(direction)
        if self._midi_columns is not None:
            self._place_keyboard()

    def _place_keyboard(self) -> None:
        """Below everything, always in reach; but where that would leave no room, it scrolls with the rest."""
        if self.keyboard is None:
            return
        low = self.height() < theme.px(_LOW_UNITS)
        home = self._body if low else self._dock_column
        if home.indexOf(self.keyboard) < 0:
            home.addWidget(self.keyboard)
