"""The top of the Play panel: one large power button, and what is going on in words.

    (⏻)  You are playing                                                      [Let it sound]  [Bypass]
         Interface → Headphones, 48 kHz, 128 samples a block

Mute and the numbers (latency, load, drop-outs) stand in the header, as above every panel. GUI thread.
"""

from __future__ import annotations

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.control_fader import ControlToggle
from gui.live_state import LiveState
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.power_button import PowerButton
from realtime.messages import Running, StreamSettings


class PowerStrip(QWidget):
    """Power, words and bypass."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.power = PowerButton(size="large")
        self.power.toggled.connect(bridge.set_power)
        self.words, self.detail = QLabel(), ElidedLabel()
        theme.set_role(self.words, "display")
        theme.set_role(self.detail, "dim")
        self.unmute = QPushButton("Let it sound")
        theme.set_role(self.unmute, "primary")
        self.unmute.clicked.connect(lambda: bridge.set_muted(False))
        self.bypass = ControlToggle(bridge, "bypass", label="Bypass", icon="bypass")
        self.bypass.setToolTip("Hear your instrument as it is, without the model.")

        lines = QVBoxLayout()
        lines.setSpacing(theme.px(0.5))
        lines.addStretch()
        lines.addWidget(self.words)
        lines.addWidget(self.detail)
        lines.addStretch()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.px(4))
        layout.addWidget(self.power)
        layout.addLayout(lines, 1)
        layout.addWidget(self.unmute)
        layout.addWidget(self.bypass)
        bridge.state_changed.connect(self._follow)
        self._follow(bridge.state)

    def _follow(self, state: LiveState) -> None:
        self.power.set_state(state.power)
        words, detail = words_of(state)
        self.words.setText(words)
        self.detail.setText(detail)
        playing = state.power == "on"
        self.unmute.setVisible(playing and state.muted)


def words_of(state: LiveState) -> tuple[str, str]:
    """What goes on, in a few words and a line below them."""
    running = state.running
    if state.power == "off":
        return state.busy or "Sound is off", f"Press the large button to play. {wanted(state.settings)}"
    if state.power == "waiting":
        return "Waiting for the device", "The sound stopped. It goes on by itself as soon as the device is there again."
    if state.power == "opening" or running is None:
        return "Starting…", f"The model is loaded and the sound opened. {wanted(state.settings)}"
    if state.busy:
        return state.busy, path_of(running)
    if state.muted:
        why = next((remark for remark in running.remarks if "mute" in remark.lower()), path_of(running))
        return "On, but muted", why
    if state.settings.controls.bypass:
        return "Bypassed: your own sound", path_of(running)
    return "You are playing", path_of(running)


def wanted(settings: StreamSettings) -> str:
    """The devices that will be opened."""
    return f"From {settings.input or 'the default input'} to {settings.output or 'the default output'}."


def path_of(running: Running) -> str:
    """The devices that are open, with rate and block."""
    return f"{running.input} → {running.output}, {running.rate_hz / 1000:g} kHz, {running.block} samples a block"
