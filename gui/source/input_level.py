"""The input's level, live, and what to do about it; the guard against howling, with its way out. GUI thread.

frame ─▶ meter, verdict, sentence          muted by the guard ─▶ why, "I use headphones", "Let it sound"
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from PyQt6.QtWidgets import QWidget

from gui import theme
from gui.source.arrange import Card, Flow, button, words
from gui.source.level_advice import Kind, LevelWatch
from gui.widgets.meter import LevelMeter

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from realtime.meters import Snapshot

_ROLES: Final = {"waiting": "dim", "silent": "warn", "quiet": "warn", "good": "good", "clipping": "bad"}
_MARKS: Final = {"waiting": "…", "silent": "○", "quiet": "◔", "good": "●", "clipping": "▲"}


class InputLevel(Card):
    """A card that shows at once whether sound arrives."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose frames it draws."""
        super().__init__("What arrives", parent)
        self._bridge = bridge
        self._watch = LevelWatch()
        self._kind: Kind = "card"
        self._shown = ("", "")
        self._input_of: object = None
        self.meter = LevelMeter("Input")
        self.verdict, self.advice = words("", "strong", wrap=False), words("", "dim")
        self.power = button("Turn the power on", "power", "primary")
        self.power.clicked.connect(lambda: bridge.set_power(True))
        self.guard = words("", "warn")
        self.headphones = button("I use headphones", "check")
        self.headphones.setToolTip("Remembered: the sound will not start muted again")
        self.headphones.clicked.connect(self._use_headphones)
        self.unmute = button("Let it sound once")
        self.unmute.clicked.connect(lambda: bridge.set_muted(False))
        self.column.addWidget(self.meter)
        self.column.addLayout(Flow(self.verdict, self.power))
        self.column.addWidget(self.advice)
        self.column.addWidget(self.guard)
        self.column.addLayout(Flow(self.headphones, self.unmute))
        self.column.addStretch(1)
        bridge.frame.connect(self._draw)
        bridge.state_changed.connect(self._show_state)
        self._show_state(bridge.state)

    def set_kind(self, kind: Kind) -> None:
        """Where the sound comes from, which decides the advice."""
        if kind != self._kind:
            self._kind = kind
            self._watch.reset()

    def _use_headphones(self) -> None:
        self._bridge.set_muted(False)
        self._bridge.change_stream(headphones=True)

    def _show_state(self, state: LiveState) -> None:
        sounding = state.power == "on"
        self.power.setVisible(state.power == "off")
        running = state.running
        now = None if running is None else (running.input, running.rate_hz, state.settings.input_channel)
        if now != self._input_of:
            self._input_of = now
            self._watch.reset()
        if not sounding:
            self.meter.reset()
            if state.power == "waiting":
                self._say(
                    "The sound card is gone", "It is waited for: the sound goes on as soon as it is back.", "warn"
                )
            elif state.power == "opening":
                self._say("Opening…", "", "dim")
            else:
                self._say("The power is off", "Turn it on to see whether sound arrives.", "dim")
        guarded = sounding and state.muted and running is not None and running.muted
        self.guard.setVisible(guarded)
        self.headphones.setVisible(guarded)
        self.unmute.setVisible(guarded)
        if guarded and running is not None:
            self.guard.setText(
                f"The output is muted: {running.input} may hear {running.output}, and then they howl together. Put on "
                "headphones, or turn the speakers down first."
            )

    def _draw(self, snapshot: Snapshot) -> None:
        if not self.isVisible() or not self._bridge.state.sounding:
            return
        self.meter.set_levels(snapshot.input_peak, snapshot.input_rms)
        self._watch.push(snapshot.input_peak, time.monotonic())
        advice = self._watch.advice(self._kind)
        self._say(f"{_MARKS[advice.verdict]}  {advice.word}", advice.text, _ROLES[advice.verdict])

    def _say(self, verdict: str, text: str, role: str) -> None:
        if (verdict, text) == self._shown:
            return
        self._shown = verdict, text
        self.verdict.setText(verdict)
        theme.set_role(self.verdict, role)
        self.advice.setText(text)
        self.advice.setVisible(bool(text))
        self.meter.setAccessibleDescription(f"{verdict}. {text}")
