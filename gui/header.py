"""What is always in sight: power, model, preset, levels, tuner, latency, load, drop-outs, take, mute, panic, learn.

    [power] model · preset        in ▮▮▮▮▯  A4 +3   12 ms  18 %  0      [record][mute][panic][learn]
                                  out▮▮▮▯▯  ──◆──  latency load drop-outs

Where the window is too narrow for one row the measures move into a second. Above a panel that shows power, levels and
tuner itself (or the last two), and larger, they are not shown twice (`set_calm`); what is pressed in need stays where
it is. Driven by the bridge's state and frames; texts are set only when they change. GUI thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QWidget,
)

from gui import theme
from gui.header_parts import HeaderAction, HeaderNumber, ModelButton
from gui.presets_menu import PresetsMenu
from gui.tuner_readout import TunerReadout
from gui.widgets.meter import LevelMeter
from gui.widgets.power_button import PowerButton

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory
    from realtime.meters import Snapshot

_EVERY: Final = 8  # numbers change with every eighth frame, so that they can be read


class Header(QFrame):
    """The row above every panel."""

    library_wanted = pyqtSignal()
    details_wanted = pyqtSignal(str)
    """A number was clicked, "latency" or "load": its explanation is on the Play panel."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """bridge: the stream; memory: what of a take is recorded."""
        super().__init__(parent)
        theme.set_role(self, "bar")
        self._bridge, self._memory = bridge, memory
        self._frames = 0
        self._narrow: bool | None = None
        self._calm = self._meters_below = False
        self.power = PowerButton(self)
        self.model = ModelButton(self)
        self.presets = PresetsMenu(bridge, memory)
        self.input = LevelMeter("Input", Qt.Orientation.Horizontal, "input", scale=False)
        self.output = LevelMeter("Output", Qt.Orientation.Horizontal, "output", scale=False)
        self.tuner = TunerReadout(bridge)
        self.latency = HeaderNumber("Latency", "From the input to the output, with sound card and model")
        self.load = HeaderNumber("CPU", "Time that a block takes, of the time that it may take")
        self.dropouts = HeaderNumber("Drop-outs", "Blocks that came too late or were lost since the power came on")
        self.record = HeaderAction("Record", "record", "record", checkable=True)
        self.mute = HeaderAction("Mute", "mute", "mute", checkable=True)
        self.panic = HeaderAction("Panic", "panic", "panic")
        self.learn = HeaderAction("Learn", "midi", "learn", checkable=True)
        self._buttons = (self.record, self.mute, self.panic, self.learn)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._lay_out()
        self._connect()
        self.dress()
        self.show_state(bridge.state)

    def _lay_out(self) -> None:
        self._chosen, self._measures, self._actions = QWidget(), QWidget(), QWidget()
        chosen = _row(self._chosen, self.power, self.model, self.presets)
        chosen.addStretch(1)  # model and preset stand together
        self._meters = levels = QWidget()
        self._levels = QBoxLayout(QBoxLayout.Direction.TopToBottom, levels)
        self._levels.setContentsMargins(0, 0, 0, 0)
        self._levels.setSpacing(theme.px(0.5))
        self._levels.addWidget(self.input)
        self._levels.addWidget(self.output)
        numbers = QWidget()
        _row(numbers, self.latency, self.load, self.dropouts).setSpacing(0)
        measures = _row(self._measures, levels, self.tuner, numbers)
        measures.setStretch(0, 1)
        _row(self._actions, self.record, self.mute, self.panic, self.learn).setSpacing(0)
        self._grid = QGridLayout(self)
        self._fold(narrow=False)

    def _fold(self, *, narrow: bool) -> None:
        if narrow == self._narrow:
            return
        self._narrow = narrow
        for part in (self._chosen, self._measures, self._actions):
            self._grid.removeWidget(part)
        self._grid.addWidget(self._chosen, 0, 0)
        if narrow:
            self._grid.addWidget(self._actions, 0, 1)
            self._grid.addWidget(self._measures, 1, 0, 1, 2)
        else:
            self._grid.addWidget(self._measures, 0, 1)
            self._grid.addWidget(self._actions, 0, 2)
        self._levels.setDirection(QBoxLayout.Direction.LeftToRight if narrow else QBoxLayout.Direction.TopToBottom)
        # The style sheet gives every button a least width, which only a sheet of its own can change.
        least = (22, 18) if narrow else (32, 24)
        most = (100, 60) if self._calm else (60, 40)
        # The list that opens is a child of its button: only the selector keeps it as wide as it wants to be.
        for part, low, high in zip((self.model, self.presets), least, most, strict=True):
            width = f"min-width: {theme.px(low)}px; max-width: {theme.px(high)}px;"
            part.setStyleSheet(f"{type(part).__name__} {{ {width} }}")
        self.power.setHidden(self._calm)
        for meter in (self._meters, self.tuner):
            meter.setHidden(self._calm or self._meters_below)
        self._grid.setRowMinimumHeight(0, 0 if narrow else self._meters.sizeHint().height())  # equal above every panel
        self._measures.setHidden(self._calm and narrow)  # its numbers stand, explained, on the panel
        for action in self._buttons:
            action.set_bare(bare=narrow and self.width() < theme.px(220))
        self._grid.setColumnStretch(0, 2)
        self._grid.setColumnStretch(1, 0 if narrow or self._calm or self._meters_below else 3)

    def set_calm(self, calm: bool, *, meters_below: bool = False) -> None:
        """Whether the panel below shows power, levels and tuner itself, or levels and tuner alone."""
        if (calm, meters_below) != (self._calm, self._meters_below):
            self._calm, self._meters_below, self._narrow = calm, meters_below, None
            self._fold_to_fit()

    def _connect(self) -> None:
        bridge = self._bridge
        self.power.clicked.connect(self.toggle_power)
        self.model.clicked.connect(self.library_wanted)
        for number, which in ((self.latency, "latency"), (self.load, "load"), (self.dropouts, "load")):
            number.clicked.connect(lambda _, which=which: self.details_wanted.emit(which))
        self.record.clicked.connect(self.toggle_recording)
        self.mute.clicked.connect(self.toggle_mute)
        self.panic.clicked.connect(bridge.panic)
        self.learn.clicked.connect(bridge.set_learn_mode)
        bridge.learn_mode_changed.connect(self.learn.setChecked)
        bridge.state_changed.connect(self.show_state)
        bridge.frame.connect(self.show_frame)
        theme.notifier.changed.connect(self.dress)

    def dress(self) -> None:
        """Sizes and colours of the theme that is applied."""
        self._grid.setContentsMargins(theme.px(4), theme.px(1.5), theme.px(3), theme.px(1.5))
        self._grid.setHorizontalSpacing(theme.px(4))
        self._grid.setVerticalSpacing(theme.px(1))
        self._chosen.setMinimumHeight(self.power.sizeHint().height())
        for action in self._buttons:
            action.dress()
        self._narrow = None
        self._fold_to_fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """One row where it fits, else two."""
        super().resizeEvent(event)
        self._fold_to_fit()

    def _fold_to_fit(self) -> None:
        self._fold(narrow=self.width() < theme.px(200 if self._calm else 290))

    # what the buttons and the keys do

    def toggle_power(self) -> None:
        """On, or off."""
        self._bridge.set_power(self._bridge.state.power == "off")
        self.power.set_state(self._bridge.state.power)

    def toggle_recording(self) -> None:
        """Begin a take, or end it."""
        if self._bridge.state.recording is None:
            sides = self._memory.get("takes.sides", "both")
            self._bridge.start_recording("input" if sides == "input" else "output" if sides == "output" else "both")
        else:
            self._bridge.stop_recording()
        self.record.setChecked(self._bridge.state.recording is not None)

    def toggle_mute(self) -> None:
        """Silence, or sound."""
        self._bridge.set_muted(not self._bridge.state.muted)
        self.mute.setChecked(self._bridge.state.muted)

    # what is shown

    def show_state(self, state: LiveState) -> None:
        """Everything that is not a meter."""
        self.power.set_state(state.power)
        title = state.running.title if state.running is not None else named(state.settings.model)
        self.model.show_model(title, state.busy or _under(state))
        self.mute.setChecked(state.muted)
        self.record.setChecked(state.recording is not None)
        self.mute.set_alarm(on=state.muted)
        self.record.set_alarm(on=state.recording is not None)
        if state.recording is None:
            self.record.setText("Record")
        if state.running is not None and state.sounding:
            self.latency.show_value(f"{state.running.latency.total_ms:.1f} ms")
        if not state.sounding:
            for number in (self.latency, self.load, self.dropouts):
                number.show_value("–")
            for meter in (self.input, self.output):
                meter.reset()

    def show_frame(self, now: Snapshot) -> None:
        """The meters."""
        self.input.set_levels(now.input_peak, now.input_rms)
        self.output.set_levels(now.output_peak, now.output_rms)
        self._frames += 1
        if self._frames % _EVERY:
            return
        self.load.show_value(f"{100 * now.load:.0f} %", "warn" if now.load > 0.8 else "")
        lost = now.xruns + now.late_callbacks + now.late_model_calls + now.faults + now.model_faults
        self.dropouts.show_value(f"{lost}", "warn" if lost else "")
        if self._bridge.state.recording is not None and now.rate_hz:
            seconds = now.recorded_samples // now.rate_hz
            self.record.setText(f"{seconds // 60}:{seconds % 60:02d}")


def named(model: str) -> str:
    """A model's name or folder as a title, until its package is read."""
    return Path(model).stem.replace("-", " ").replace("_", " ").capitalize()


def _under(state: LiveState) -> str:
    """The line under the model's name: what sounds of it."""
    weights = state.settings.controls.target
    if state.power == "waiting":
        return "Waiting for the device…"
    if state.power == "off" and not state.targets:
        return "Not loaded yet"
    if not state.targets:
        return "Choose a model"
    if weights is None or len(weights) != len(state.targets):
        return state.targets[0].replace("-", " ").title()
    strong = sorted(zip(weights, state.targets, strict=True), reverse=True)
    return " + ".join(name.replace("-", " ").title() for weight, name in strong[:2] if weight >= 0.05)


def _row(parent: QWidget, *widgets: QWidget) -> QHBoxLayout:
    made = QHBoxLayout(parent)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(theme.px(2))
    for widget in widgets:
        made.addWidget(widget)
    return made
