"""Microphone or interface: the best choice with its reason, then every choice with what it costs in milliseconds.

    Hardware (what is there) + settings (what is wanted) + Running (what sounds) ─▶ gui.source.offers ─▶ lists
    a choice ─▶ bridge.change_stream(…)

What is wanted and not there stays in the lists and is waited for. GUI thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PyQt6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from gui import theme
from gui.source import offers
from gui.source.arrange import Card, Form, button, row, words
from gui.source.choice_box import ChoiceBox
from realtime.errors import RetimbreError

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from realtime.audio_io import Device
    from realtime.device_watch import Hardware


class DeviceChoice(QWidget):
    """The first page of the Source panel."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose stream is chosen."""
        super().__init__(parent)
        self._bridge = bridge
        self._hardware: Hardware | None = None
        self._best: tuple[Device, Device] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        column.addWidget(self._make_best())
        column.addWidget(self._make_choices())
        column.addStretch(1)
        bridge.state_changed.connect(self.show_state)
        self.show_state(bridge.state)

    def _make_best(self) -> Card:
        self.best = Card("Best choice")
        self.best_words, self.best_why = words("Looking for sound cards…"), words("", "dim")
        self.use_best = button("Use it", "check", "primary")
        self.use_best.clicked.connect(self._use_best)
        self.in_use = words("✓ In use", "good", wrap=False)
        self.look = button("Look again", "retry", "ghost")
        self.look.setToolTip("Look for devices that were plugged in or out")
        self.look.clicked.connect(self._bridge.refresh_devices)
        line = row(self.best_words, self.in_use, self.use_best, self.look)
        line.setStretch(0, 1)
        self.best.column.addLayout(line)
        self.best.column.addWidget(self.best_why)
        self.use_best.hide()
        self.in_use.hide()
        return self.best

    def _make_choices(self) -> Card:
        card = Card("Your choice")
        form = Form()
        self.api, self.input = ChoiceBox("Host API"), ChoiceBox("Input device")
        self.input_channel, self.output = ChoiceBox("Input channel"), ChoiceBox("Output device")
        self.output_channel, self.rate, self.block = (ChoiceBox(n) for n in ("Output channels", "Rate", "Block"))
        for box in (self.input_channel, self.output_channel):
            box.setMinimumContentsLength(14)
            box.setMaximumWidth(theme.px(52))
        form.add("Input", self.input, self.input_channel)
        form.add("Output", self.output, self.output_channel)
        form.add("Host API", self.api)
        form.add("Rate", self.rate)
        form.add("Block", self.block)
        card.column.addLayout(form)
        self.gone = words("", "warn")
        self.latency = words("", "dim")
        self.apart = QCheckBox("My microphone cannot hear my speakers")
        apart = words(
            "True with headphones, or an instrument by cable. Without it a built-in microphone with speakers "
            "starts muted, so that nothing howls.",
            "small",
        )
        self.apart.setAccessibleDescription(apart.text())
        self.apart.clicked.connect(lambda on: self._change(headphones=bool(on)))
        for widget in (self.gone, self.latency, self.apart, apart):
            card.column.addWidget(widget)
        self.api.chosen.connect(lambda api: self._change(host_api=api, input=None, output=None, output_channel=None))
        self.input.chosen.connect(lambda name: self._change(input=name, input_channel=1))
        self.output.chosen.connect(lambda name: self._change(output=name, output_channel=None))
        self.input_channel.chosen.connect(lambda channel: self._change(input_channel=channel))
        self.output_channel.chosen.connect(lambda channel: self._change(output_channel=channel))
        self.rate.chosen.connect(lambda rate: self._change(rate_hz=rate))
        self.block.chosen.connect(lambda block: self._change(block=block))
        return card

    def _change(self, **fields: Any) -> None:
        self._bridge.change_stream(**fields)

    def set_hardware(self, hardware: Hardware) -> None:
        """What is there now."""
        from realtime.device_watch import suggest

        self._hardware = hardware
        try:
            source, sink, why = suggest(hardware.devices)
        except RetimbreError as error:
            self._best = None
            self.best_words.setText("No sound card was found")
            self.best_why.setText(hardware.problem or str(error))
        else:
            self._best = source, sink
            one = source.name if source.name == sink.name else f"{source.name} → {sink.name}"
            self.best_words.setText(f"{one}  ·  {source.host_api}")
            self.best_why.setText(why)
        self.best_why.setVisible(bool(self.best_why.text()))
        self.show_state(self._bridge.state)

    def _use_best(self) -> None:
        if self._best is not None:
            source, sink = self._best
            fields = {"host_api": source.host_api, "input": source.name, "output": sink.name}
            self._change(**fields, input_channel=1, output_channel=None, rate_hz=None)

    def show_state(self, state: LiveState) -> None:
        """Follow what is wanted and what sounds."""
        settings = state.settings
        running = state.running if state.power == "on" else None
        known = self._hardware is not None
        devices: tuple[Device, ...] = () if self._hardware is None else self._hardware.devices
        api = offers.chosen_api(devices, settings, running)
        source, sink = (self._device(state, devices, direction, api) for direction in ("input", "output"))
        rate = offers.rate_of(sink, settings, running)
        self.api.offer(
            offers.api_offers(devices, settings, running, known=known),
            None if settings.host_api is None else offers.chosen_api(devices, settings, None),
        )
        for box, direction in ((self.input, "input"), (self.output, "output")):
            box.offer(
                offers.device_offers(devices, settings, running, direction, known=known),  # type: ignore[arg-type]
                offers.chosen_value(devices, settings, direction, api),  # type: ignore[arg-type]
            )
        channels = offers.channel_offers(source, "input", settings.input_channel)
        self.input_channel.offer(channels, settings.input_channel)
        self.output_channel.offer(
            offers.channel_offers(sink, "output", settings.output_channel), settings.output_channel
        )
        jack = (running is not None and running.host_api.startswith("JACK")) or (sink is not None and sink.is_jack)
        wanted = settings if running is None or not jack else replace(settings, block=running.block)
        self.rate.offer(offers.rate_offers(settings, running), settings.rate_hz)
        self.block.offer(offers.block_offers(wanted, rate), wanted.block)
        for box in (self.rate, self.block):
            box.setEnabled(not jack)
            if jack:
                box.setToolTip("JACK's server decides this")
        self.latency.setText(offers.latency_words(settings, source, sink, running))
        self.latency.setVisible(bool(self.latency.text()))
        self._show_gone(state, devices)
        self.apart.setChecked(settings.headphones)
        self._show_best(state)

    def _device(self, state: LiveState, devices: tuple[Device, ...], direction: Any, api: str | None) -> Device | None:
        name = getattr(state.settings, direction)
        if state.running is not None and state.power == "on":
            name = getattr(state.running, direction)
        return offers.find(devices, name, direction, api)

    def _show_gone(self, state: LiveState, devices: tuple[Device, ...]) -> None:
        running = state.running if state.power == "on" else None
        wanted = state.settings
        if state.power == "waiting" and state.running is not None:  # by their names, which "default" may not be now
            wanted = replace(wanted, input=state.running.input, output=state.running.output)
        gone = [] if self._hardware is None else offers.missing(devices, wanted, running)
        if gone:
            rest = (
                "The sound goes on as soon as it is back."
                if state.power == "waiting"
                else "Plug it in, or choose another."
            )
            are = "is" if len(gone) == 1 else "are"
            self.gone.setText(f"{' and '.join(gone)} {are} not connected. {rest}")
        self.gone.setVisible(bool(gone))

    def _show_best(self, state: LiveState) -> None:
        if self._best is None:
            self.use_best.hide()
            self.in_use.hide()
            return
        source, sink = self._best
        running = state.running if state.power == "on" else None
        if running is not None:
            used = (running.input, running.output, running.host_api) == (source.name, sink.name, source.host_api)
        else:
            wanted = state.settings
            used = (wanted.input, wanted.output) == (source.name, sink.name) and wanted.host_api == source.host_api
        self.in_use.setVisible(used)
        self.use_best.setVisible(not used)
