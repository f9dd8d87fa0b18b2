"""The first step: a microphone or interface, a MIDI keyboard, the piano on the screen, or an example recording.

What is there comes first and is chosen already; where there is no sound card at all, the step says what to do. Devices
are looked for every two seconds while no stream runs. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QButtonGroup, QCheckBox, QRadioButton, QVBoxLayout, QWidget

from gui import theme
from gui.source.arrange import Card, button, row, words
from gui.source.choice_box import ChoiceBox
from gui.source.midi_wishes import KEYBOARD, first_midi, with_input, without_notes
from gui.source.offers import Offer
from gui.source.sound_file import example_words, examples
from realtime.errors import RetimbreError

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from realtime.audio_io import Device
    from realtime.device_watch import Hardware

LOOK_MS: Final = 2000


class InputStep(QWidget):
    """`apply` makes the choice real and turns the power on."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose stream is set."""
        super().__init__(parent)
        self._bridge = bridge
        self._best: tuple[Device, Device] | None = None
        self._touched = False
        self._examples = examples()
        self.group = QButtonGroup(self)
        self.choices: dict[str, QRadioButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        self.card_why, self.input = words("Looking for sound cards…", "dim"), ChoiceBox("Input device")
        self.apart = QCheckBox("My microphone cannot hear my speakers")
        apart = words(
            "Tick this with headphones, or an instrument by cable. Without it a built-in microphone with speakers "
            "starts muted, so that nothing howls.",
            "small",
        )
        self.apart.setAccessibleDescription(apart.text())
        self.ports, self.example = ChoiceBox("MIDI keyboard"), ChoiceBox("Example")
        self.example.offer(
            [Offer(example_words(path), path) for path in self._examples], next(iter(self._examples), None)
        )
        self.midi_why = words("", "dim")
        for key, title, parts in (
            ("card", "An instrument or my voice, through a microphone or interface",
             (self.card_why, self.input, self.apart, apart)),
            ("midi", "A MIDI keyboard", (self.midi_why, self.ports)),
            ("piano", "Nothing at hand: the piano on this screen", ()),
            ("example", "Nothing at all: let an example recording play", (self.example,)),
        ):  # fmt: skip
            self._add(column, key, title, parts)
        self.choices["example"].parentWidget().setVisible(bool(self._examples))  # type: ignore[union-attr]
        self.trouble, self.look = words("", "warn"), button("Look again", "retry")
        self.look.clicked.connect(bridge.refresh_devices)
        line = row(self.trouble, self.look)
        line.setStretch(0, 1)
        column.addLayout(line)
        column.addStretch(1)
        self.trouble.hide()
        self.look.hide()
        self.choices["card"].setChecked(True)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._refresh)

    def _add(self, column: QVBoxLayout, key: str, title: str, parts: tuple[QWidget, ...]) -> None:
        card = Card()
        choice = QRadioButton(title)
        self.choices[key] = choice
        self.group.addButton(choice)
        choice.clicked.connect(self._touch)
        card.column.addWidget(choice)
        for part in parts:
            card.column.addWidget(part)
            choice.toggled.connect(part.setVisible)
            part.setVisible(False)
        choice.toggled.connect(lambda on: self._mark(card, on=on))
        column.addWidget(card)

    @staticmethod
    def _mark(card: Card, *, on: bool) -> None:
        card.setProperty("chosen", "true" if on else "false")
        theme.set_role(card, "card")

    def _touch(self) -> None:
        self._touched = True

    @property
    def chosen(self) -> str:
        """Which of the choices."""
        return next(key for key, choice in self.choices.items() if choice.isChecked())

    def begin(self) -> None:
        """Shown: look, and go on looking."""
        self._timer.start()
        self.apart.setChecked(self._bridge.state.settings.headphones)

    def end(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _refresh(self) -> None:
        if self.isVisible() and self._bridge.state.power in ("off", "waiting"):
            self._bridge.refresh_devices()

    def show_state(self, state: LiveState) -> None:
        """Nothing here depends on it."""

    def set_hardware(self, hardware: Hardware) -> None:
        """Offer what is there; the best is chosen until a hand has chosen."""
        from realtime.device_watch import suggest

        try:
            source, sink, why = suggest(hardware.devices)
        except RetimbreError as error:
            self._best = None
            self.card_why.setText("No sound card was found.")
            self.trouble.setText(hardware.problem or str(error))
        else:
            first = self._best is None
            self._best = source, sink
            self.card_why.setText(why)
            inputs = [d for d in hardware.devices if d.host_api == source.host_api and d.input_channels]
            keep = None if first else self.input.value
            names = [device.name for device in inputs]
            self.input.offer([Offer(name, name) for name in names], keep if keep in names else source.name)
        silent = self._best is None
        self.trouble.setVisible(silent)
        self.look.setVisible(silent)
        ports = hardware.midi_inputs
        self.choices["midi"].setEnabled(bool(ports))
        self.choices["midi"].setText("A MIDI keyboard" if ports else "A MIDI keyboard (none is connected)")
        self.midi_why.setText("Its notes pluck a string, and that goes through the model.")
        self.ports.offer(
            [Offer(name, name) for name in ports],
            self.ports.value if self.ports.value in ports else next(iter(ports), None),
        )
        if not ports and self.choices["midi"].isChecked():
            self.choices["piano"].setChecked(True)

    def apply(self) -> None:
        """Make it so, and let sound run."""
        bridge, midi = self._bridge, self._bridge.state.settings.midi
        bridge.stop_file()
        fields: dict[str, Any] = {"headphones": self.apart.isChecked()}
        if self._best is not None:
            source, sink = self._best
            name = self.input.value if self.chosen == "card" and self.input.value is not None else source.name
            fields |= {"host_api": source.host_api, "input": name, "output": sink.name, "input_channel": 1}
        settings = bridge.state.settings
        if any(getattr(settings, key) != value for key, value in fields.items()):
            bridge.change_stream(**fields)
        match self.chosen:
            case "card" | "example":
                wanted = without_notes(midi)
            case "midi":
                wanted = with_input(
                    midi if midi is not None and midi.source is not None else None, ("port", self.ports.value)
                )
            case _:
                wanted = with_input(midi, KEYBOARD) if midi is not None and midi.source is not None else first_midi()
        if wanted != midi:
            bridge.set_midi(wanted)
        if bridge.state.power == "off":
            bridge.set_power(True)
        if self.chosen == "example" and self.example.value is not None:
            bridge.play_file(self.example.value, "input", loop=True)
