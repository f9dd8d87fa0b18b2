"""The bar of learn mode: what to do next, what stands in the way and the button that removes it, buttons, the table.

    ⚇ Click a control, then move a knob or pedal.      [Pedal buttons ▾] [Forget] [All bindings…] [Done]
    ⚠ No MIDI input is open.                           [Open MIDI input ▾]

It lies at the foot of the window, which makes room for it. GUI thread.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from gui import theme
from gui.icon import pixmap
from gui.midi_words import BUTTONS, controller_words, words_for
from realtime.messages import MidiSettings

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.midi_bindings import MidiBindings
    from realtime.device_watch import Hardware
    from realtime.meters import Snapshot

VIRTUAL_NAME = "Retimbre"


class MidiLearnBar(QFrame):
    """Words and buttons of learn mode."""

    picked = pyqtSignal(str)
    """A pedal's button shall be learnt."""

    def __init__(self, bridge: Bridge, window: QWidget) -> None:
        """window: at whose foot it lies."""
        super().__init__(window)
        theme.set_role(self, "card")
        self.setAutoFillBackground(True)
        self._bridge = bridge
        self._told = self._heard = ""
        self._ports: tuple[str, ...] = ()
        self.table: MidiBindings | None = None
        self.picture, self.words = QLabel(), QLabel()
        self.words.setWordWrap(True)
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.power = self._button("Turn the power on", lambda: bridge.set_power(True))
        theme.set_role(self.power, "primary")
        self.open_input = self._button("Open a MIDI input", None)
        theme.set_role(self.open_input, "primary")
        self.inputs = QMenu(self.open_input)
        self.open_input.setMenu(self.inputs)
        self.inputs.aboutToShow.connect(self._fill_inputs)
        self.buttons = self._button("Pedal buttons", None)
        pedals = QMenu(self.buttons)
        for control, words in BUTTONS.items():
            action = pedals.addAction(words)
            assert action is not None
            action.triggered.connect(lambda _=False, one=control: self.picked.emit(one))
        self.buttons.setMenu(pedals)
        self.stop = self._button("Stop waiting", lambda: bridge.learn(None))
        self.all = self._button("All bindings…", self.show_table)
        self.done = self._button("Done", lambda: bridge.set_learn_mode(False))
        said, row = QHBoxLayout(), QHBoxLayout()
        said.addWidget(self.picture)
        said.addWidget(self.words, 1)
        for button in (self.power, self.open_input, self.stop, self.buttons, self.all, self.done):
            row.addWidget(button)
        narrow = QBoxLayout.Direction.TopToBottom
        self._box = QBoxLayout(narrow if window.width() < theme.px(200) else QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(theme.px(4), theme.px(2), theme.px(3), theme.px(2))
        self._box.addLayout(said, 1)
        self._box.addLayout(row)
        for layout in (said, row, self._box):
            layout.setSpacing(theme.px(2))
        bridge.devices_changed.connect(self._take_hardware)
        bridge.frame.connect(self._listen)
        self.show_state(bridge.state)
        self.place()

    def place(self) -> None:
        """At the foot of the window, as wide as it."""
        window = self.parentWidget()
        assert window is not None
        inset = theme.px(3)
        narrow = window.width() < theme.px(200)  # the words above the buttons
        self._box.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)
        width = window.width() - 2 * inset
        height = max(self.heightForWidth(width), self.sizeHint().height())
        self.setGeometry(inset, window.height() - height - inset, width, height)
        self._make_room(height + inset)

    def leave(self) -> None:
        """Give the room back."""
        self._make_room(0)
        self.hide()
        self.deleteLater()

    def _make_room(self, high: int) -> None:
        window = self.parentWidget()
        central = window.centralWidget() if isinstance(window, QMainWindow) else None
        layout = central.layout() if central is not None else None
        if layout is not None and layout.contentsMargins().bottom() != high:
            layout.setContentsMargins(0, 0, 0, high)

    def tell(self, words: str) -> None:
        """What was learnt; shown until something else is chosen."""
        self._told = words
        self.show_state(self._bridge.state)

    def show_state(self, state: LiveState) -> None:
        """What is to be done now."""
        midi = state.settings.midi
        listens = midi is not None and (midi.port is not None or midi.virtual is not None)
        off = state.power == "off"
        picture, token = "midi", "accent"
        if state.learning is not None:
            self._told = ""
            words = f"{words_for(state.learning)}: move a knob or press a pedal."
        elif not listens:
            words, picture, token = "No MIDI input is open, so no knob can be heard.", "warning", "warn"
        elif off:
            words, picture, token = "A knob is heard while the power is on.", "warning", "warn"
        else:
            words = self._told or f"Click a control, then move a knob or pedal. {self._heard}".rstrip()
        if words != self.words.text():
            self.words.setText(words)
            self.words.setAccessibleName(words)
            self.setAccessibleName(f"Learn MIDI: {words}")
        self.picture.setPixmap(pixmap(picture, theme.px(5), token, self.devicePixelRatioF()))
        self.open_input.setVisible(not listens)
        self.power.setVisible(listens and off)
        self.stop.setVisible(state.learning is not None)
        self.place()

    def _listen(self, snapshot: Snapshot) -> None:
        """Say which controller moved last, so that the right knob is found before anything is bound to it."""
        message = snapshot.midi_bytes
        if message[:1] and message[0] & 0xF0 == 0xB0:
            heard = f"{controller_words(((message[0] & 0x0F) + 1, message[1]))} moved."
            if heard != self._heard:
                self._heard = heard
                self.show_state(self._bridge.state)

    def show_table(self) -> None:
        """Every binding, with its range."""
        from gui.midi_bindings import MidiBindings  # only those who want the table

        if self.table is None:
            self.table = MidiBindings(self._bridge, self.window())
        self.table.show()
        self.table.raise_()

    def open_port(self, port: str) -> None:
        """Listen to this input."""
        self._open(MidiSettings(port=port, wait=True))

    def open_virtual(self) -> None:
        """Make a port to which others can connect."""
        self._open(MidiSettings(virtual=VIRTUAL_NAME))

    def _open(self, wanted: MidiSettings) -> None:
        now = self._bridge.state.settings.midi
        if now is not None:
            wanted = replace(wanted, map=now.map, source=now.source, mixed=now.mixed)
        self._bridge.set_midi(wanted)

    def _take_hardware(self, hardware: Hardware) -> None:
        self._ports = hardware.midi_inputs

    def _fill_inputs(self) -> None:
        self.inputs.clear()
        for port in self._ports:
            action = self.inputs.addAction(port)
            assert action is not None
            action.triggered.connect(lambda _=False, one=port: self.open_port(one))
        if not self._ports:
            none = self.inputs.addAction("No MIDI device is connected")
            assert none is not None
            none.setEnabled(False)
        self.inputs.addSeparator()
        if sys.platform != "win32":  # there is no such thing on Windows
            virtual = self.inputs.addAction("A port for other programs")
            assert virtual is not None
            virtual.triggered.connect(self.open_virtual)
        more = self.inputs.addAction("More under Source…")
        assert more is not None
        more.triggered.connect(lambda: self._bridge.ask_for_panel("source"))

    def _button(self, words: str, do: object) -> QPushButton:
        button = QPushButton(words)
        button.setAutoDefault(False)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if callable(do):
            button.clicked.connect(do)
        return button

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as its rows."""
        return QSize(theme.px(120), max(self._box.minimumSize().height(), theme.px(13)))
