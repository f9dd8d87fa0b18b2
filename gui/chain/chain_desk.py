"""The chain as it is being changed: every wish about plugins, undoable, and what has become of each plugin.

    cards, rows ── add, move, turn … ──▶ ChainDesk ── steps on the undo stack ──▶ Bridge ══▶ engine
                ◀── changed ────────── ChainDesk ◀── state, sentences ────────── Bridge

What is turned is shown at once and sent at most 60 times a second, the latest value winning; while other plugins are
being loaded it waits, because places are counted in the chain that plays. GUI thread.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from gui.chain.chain_steps import PluginsStep, TurnStep
from gui.chain.plugin_shelf import without_command
from gui.live_state import LiveState, Notice
from realtime.plugins.spec import PluginSpec

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.chain.plugin_shelf import PluginShelf
    from realtime.messages import Side
    from realtime.plugins.plugin import Parameter

Specs = tuple[PluginSpec, ...]
SEND_MS: Final = 16
AHEAD_S: Final = 2.0
"""A value that the engine never took is shown no longer than this."""
LOAD_S: Final = 30.0
MOST_A_SIDE: Final = 16
_OUT = re.compile(r"left out|black-listed")
_CAME = "The plugins changed"  # the engine's words, when other plugins play
_BACK = "The sound is back"


class ChainDesk(QObject):
    """Plugins before and after the model, as wanted and as they are."""

    changed = pyqtSignal()

    def __init__(self, bridge: Bridge, shelf: PluginShelf, parent: QObject | None = None) -> None:
        """shelf: knows the names, ranges and presets of plugins."""
        super().__init__(parent)
        self._bridge, self._shelf = bridge, shelf
        self._heard = [one.text for one in bridge.said if _is_end(one.text)]
        self._ahead: dict[tuple[Side, int, str], tuple[float, float]] = {}  # value, when it was turned
        self._unsent: dict[tuple[Side, int, str], float] = {}
        self._pending: tuple[Specs, Specs] | None = None
        self._pending_since = 0.0
        self._was_on = bridge.state.power == "on"
        self._was_refused = False
        self._step: PluginsStep | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(SEND_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._send)
        bridge.state_changed.connect(self._follow)
        bridge.noticed.connect(self._listen)
        shelf.changed.connect(self.changed)

    # what is

    @property
    def before(self) -> Specs:
        """Plugins in front of the model."""
        return self._sides()[0]

    @property
    def after(self) -> Specs:
        """Plugins behind the model."""
        return self._sides()[1]

    def side(self, side: Side) -> Specs:
        """Plugins of one side."""
        return self._sides()[side == "after"]

    @property
    def loading(self) -> bool:
        """Whether other plugins are on their way into the chain."""
        return self._pending is not None

    def value(self, side: Side, index: int, parameter: Parameter) -> float:
        """Where a knob stands."""
        turned = self._ahead.get((side, index, parameter.symbol))
        if turned is not None:
            return turned[0]
        specs = self.side(side)
        return specs[index].parameters.get(parameter.symbol, parameter.default) if index < len(specs) else 0.0

    def bypassed(self, side: Side, index: int) -> bool:
        """Whether a plugin is out of the way."""
        turned = self._ahead.get((side, index, "bypass"))
        specs = self.side(side)
        return turned[0] >= 0.5 if turned is not None else index < len(specs) and specs[index].bypass

    def trouble(self, uri: str) -> str:
        """Why a plugin does not play, "" when it does as far as is known."""
        for sentence in reversed(self._heard):
            if sentence.startswith(self._names(uri)):
                return without_command(sentence)
        known = self._shelf.plugins.get(uri)
        if known is not None and known.problem is not None:
            return without_command(known.problem)
        return ""

    # wishes

    def add(self, side: Side, index: int, uri: str) -> None:
        """Put a plugin into the chain."""
        specs = list(self.side(side))
        specs.insert(index, PluginSpec(uri))
        self._change(f"add {self._shelf.name_of(uri)}", side, tuple(specs))

    def remove(self, side: Side, index: int) -> None:
        """Take a plugin out of the chain."""
        specs = list(self._with_values(side))
        gone = specs.pop(index)
        self._change(f"remove {self._shelf.name_of(gone.uri)}", side, tuple(specs))

    def move(self, side: Side, index: int, to_side: Side, to_index: int) -> None:
        """Put a plugin elsewhere; `to_index` counts among the others of its new side."""
        sides = {"before": list(self._with_values("before")), "after": list(self._with_values("after"))}
        moved = sides[side].pop(index)
        sides[to_side].insert(to_index, moved)
        self._push(f"move {self._shelf.name_of(moved.uri)}", tuple(sides["before"]), tuple(sides["after"]))

    def step(self, side: Side, index: int, by: int) -> tuple[Side, int]:
        """Move a plugin one place on, across the model at an end; where it is then."""
        to = index + by
        others = len(self.side(side)) - 1
        if 0 <= to <= others:
            where: tuple[Side, int] = (side, to)
        elif side == "before" and by > 0:
            where = ("after", 0)
        elif side == "after" and by < 0:
            where = ("before", len(self.before))
        else:
            return side, index
        self.move(side, index, *where)
        return where

    def set_preset(self, side: Side, index: int, label: str, values: dict[str, float]) -> None:
        """Begin from one of a plugin's presets, whose knobs stand at `values`."""
        specs = list(self.side(side))
        specs[index] = replace(specs[index], preset=label, parameters=values)
        self._change(f"preset {label}", side, tuple(specs))

    def turn(self, side: Side, index: int, parameter: Parameter, value: float) -> None:
        """Turn a knob; what belongs to one gesture is one step of undo."""
        old, new = self.value(side, index, parameter), parameter.fitted(value)
        if new != old:
            step = TurnStep((side, index, parameter.symbol), parameter.name, old, new, self._turn)
            self._bridge.undo_stack.push(step)

    def set_bypass(self, side: Side, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in."""
        old = self.bypassed(side, index)
        if bypass != old:
            words = f"bypass {self._shelf.name_of(self.side(side)[index].uri)}"
            self._bridge.undo_stack.push(
                TurnStep((side, index, "bypass"), words, float(old), float(bypass), self._turn)
            )

    def bring_back(self, uri: str) -> None:
        """Give a plugin that broke another chance: it is loaded again where it stands."""
        known = self._shelf.plugins.get(uri)
        if known is not None and known.black_listed:
            self._shelf.forgive(uri)
        self._heard = [one for one in self._heard if not one.startswith(self._names(uri))]
        if self._bridge.state.power != "off":
            sides = (self._with_values("before"), self._with_values("after"))
            self._step = None
            self._put(sides, (uri,))
        self.changed.emit()

    # inside

    def _names(self, uri: str) -> tuple[str, str]:
        """How sentences about a plugin begin."""
        return f"The plugin {self._shelf.name_of(uri)} ", f"The plugin {uri} "

    def _sides(self) -> tuple[Specs, Specs]:
        if self._pending is not None:
            return self._pending
        settings = self._bridge.state.settings
        return settings.before, settings.after

    def _with_values(self, side: Side) -> Specs:
        """A side with the knobs where they were turned to, which the engine may not have said yet."""
        specs = list(self.side(side))
        for (where, index, name), (value, _) in self._ahead.items():
            if where == side and index < len(specs):
                one = specs[index]
                fresh = replace(one, bypass=value > 0) if name == "bypass" else one.with_parameter(name, value)
                specs[index] = fresh
        return tuple(specs)

    def _change(self, words: str, side: Side, specs: Specs) -> None:
        other = self._with_values("after" if side == "before" else "before")
        self._push(words, *((specs, other) if side == "before" else (other, specs)))

    def _push(self, words: str, before: Specs, after: Specs) -> None:
        if max(len(before), len(after)) > MOST_A_SIDE:
            self._bridge.say(
                Notice(f"Each side of the model has room for {MOST_A_SIDE} plugins: remove one first.", "chain")
            )
            return
        now = (self._with_values("before"), self._with_values("after"))
        if now == (before, after):
            return
        self._step = PluginsStep(words, now, (before, after), self._put)
        self._bridge.undo_stack.push(self._step)

    def _put(self, sides: tuple[Specs, Specs], forgiven: tuple[str, ...] = ()) -> None:
        self._ahead.clear()
        self._unsent.clear()
        self._pending, self._pending_since, self._was_refused = sides, time.monotonic(), False
        self._bridge.set_plugins(*sides, forgiven)
        QTimer.singleShot(0, self.changed.emit)  # the card that was pressed may be replaced: after its event

    def _turn(self, where: tuple[Side, int, str], value: float) -> None:
        self._ahead[where] = value, time.monotonic()
        self._unsent[where] = value
        if not self._timer.isActive():
            self._timer.start()
        self.changed.emit()

    def _send(self) -> None:
        if self._pending is not None:
            if time.monotonic() - self._pending_since > LOAD_S:
                self._pending = None
            self._timer.start()
            return
        unsent, self._unsent = self._unsent, {}
        for (side, index, name), value in unsent.items():
            if index >= len(self.side(side)):
                continue
            if name == "bypass":
                self._bridge.set_plugin_bypass(side, index, value > 0)
            else:
                self._bridge.set_plugin_parameter(side, index, name, value)

    def _follow(self, state: LiveState) -> None:
        if self._pending is not None:
            there = (state.settings.before, state.settings.after)
            if state.power == "off" and there == self._pending:
                self._settle()
            elif self._was_refused and there != self._pending:
                if self._step is not None:
                    self._step.refused = True
                self._settle()
        self._forget_what_came(state)
        if state.power == "on" and not self._was_on:
            self._heard.clear()  # a new engine tries every plugin again
        self._was_on = state.power == "on"
        self.changed.emit()

    def _settle(self) -> None:
        """The plugins on their way have come, or will not."""
        self._pending, self._was_refused = None, False
        if self._unsent:
            self._timer.start()

    def _forget_what_came(self, state: LiveState) -> None:
        now = time.monotonic()
        for where, (value, since) in list(self._ahead.items()):
            side, index, name = where
            specs: Specs = getattr(state.settings, side)
            there: float | None = None
            if index < len(specs):
                there = float(specs[index].bypass) if name == "bypass" else specs[index].parameters.get(name)
            if where not in self._unsent and (there == value or now - since > AHEAD_S):
                del self._ahead[where]

    def _listen(self, notice: Notice) -> None:
        if self._pending is not None:
            if notice.text.startswith(_CAME):
                self._settle()
                self.changed.emit()
            elif notice.severity != "info":
                self._was_refused = True
        if notice.text.startswith(_BACK):
            self._heard.clear()
        if _is_end(notice.text):
            self._heard = [*self._heard[-20:], notice.text]
            self.changed.emit()


def _is_end(sentence: str) -> bool:
    """Whether a sentence says that a plugin does not play any more."""
    return sentence.startswith("The plugin ") and _OUT.search(sentence) is not None
