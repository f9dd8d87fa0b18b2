"""The settings of remote control: whether OSC is heard, on which port, and from where. GUI thread.

Remote control (OSC)
( ) Let other programs turn what you can            Port [7770]
( ) From the whole network, not only this machine
Hears OSC on 127.0.0.1, port 7770.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from gui import theme
from gui.remembered import OSC, OSC_NETWORK, OSC_PORT, hear_osc
from gui.widgets.notice_bar import NoticeBar
from gui.widgets.toggle import Toggle
from realtime.remote.osc import DEFAULT_PORT

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState, Notice
    from gui.memory import Memory

_WORDS: Final = "Programs, tablets and foot switches that speak OSC can turn controls, load presets and record."


class RemoteSettings(QWidget):
    """Two switches, a port, and what is heard now."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.on = Toggle("Listen for OSC")
        self.on.set_checked(memory.get(OSC, False), quiet=True)
        self.network = Toggle("From the whole network, not only this machine: OSC has no password")
        self.network.set_checked(memory.get(OSC_NETWORK, False), quiet=True)
        self.port = QSpinBox()
        self.port.setRange(1024, 65535)
        self.port.setValue(memory.get(OSC_PORT, DEFAULT_PORT))
        self.port.setAccessibleName("OSC port")
        self.port.setKeyboardTracking(False)  # 7 and 77 on the way to 7770 are not wished for
        self.now = QLabel()
        self.now.setWordWrap(True)
        theme.set_role(self.now, "dim")
        self.notice = NoticeBar()
        label = QLabel("Port")
        label.setBuddy(self.port)
        first = QHBoxLayout()
        first.setSpacing(theme.px(2))
        first.addWidget(self.on, 1)
        first.addWidget(label)
        first.addWidget(self.port)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.px(3))
        column.addLayout(first)
        column.addWidget(self.network)
        column.addWidget(self.now)
        column.addWidget(self.notice)
        self.on.toggled.connect(lambda _: self._changed())
        self.network.toggled.connect(lambda _: self._changed())
        self.port.valueChanged.connect(lambda _: self._changed())
        bridge.state_changed.connect(self._follow)
        bridge.noticed.connect(self._hear)
        self._follow(bridge.state)

    def _changed(self) -> None:
        self._memory.set(OSC, self.on.isChecked())
        self._memory.set(OSC_NETWORK, self.network.isChecked())
        self._memory.set(OSC_PORT, self.port.value())
        self.notice.clear()
        hear_osc(self._bridge, self._memory)

    def _follow(self, state: LiveState) -> None:
        where = "every address of this machine" if self.network.isChecked() else "127.0.0.1"
        self.now.setText(f"Hears OSC on {where}, port {state.osc_port}." if state.osc_port else _WORDS)

    def _hear(self, notice: Notice) -> None:
        if notice.place == "settings":
            self.notice.show_notice(notice)
