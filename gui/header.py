"""What is always in sight: power, model, preset, levels, tuner, latency, load, drop-outs, take, mute, panic, learn.

    [power] model · preset        in ▮▮▮▮▯  A4 +3   12 ms  18 %  0      [record][mute][panic][learn]
                                  out▮▮▮▯▯  ──◆──  latency load drop-outs

Where the window is too narrow for one row the measures move into a second. Driven by the bridge's state and frames;
texts are set only when they change. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import icon
from gui.presets_menu import PresetsMenu
from gui.shortcuts import keys_of
from gui.tuner_readout import TunerReadout
from gui.widgets.elided_label import ElidedLabel
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
        self.power = PowerButton(self)
        self.model = _ModelButton(self)
        self.presets = PresetsMenu(bridge, memory)
        self.input = LevelMeter("Input", Qt.Orientation.Horizontal, "input", scale=False)
        self.output = LevelMeter("Output", Qt.Orientation.Horizontal, "output", scale=False)
        self.tuner = TunerReadout(bridge)
        self.latency = _Number("Latency", "From the input to the output, with sound card and model")
        self.load = _Number("CPU", "Time that a block takes, of the time that it may take")
        self.dropouts = _Number("Drop-outs", "Blocks that came too late or were lost since the power came on")
        self.record = _Action("Record", "record", "record", checkable=True)
        self.mute = _Action("Mute", "mute", "mute", checkable=True)
        self.panic = _Action("Panic", "panic", "panic")
        self.learn = _Action("Learn", "midi", "learn", checkable=True)
        self._buttons = (self.record, self.mute, self.panic, self.learn)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._lay_out()
        self._connect()
        self.dress()
        self.show_state(bridge.state)

    def _lay_out(self) -> None:
        self._chosen, self._measures, self._actions = QWidget(), QWidget(), QWidget()
        chosen = _row(self._chosen, self.power, self.model, self.presets)
        chosen.setStretch(1, 1)
        levels = QWidget()
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
        self.model.setStyleSheet(f"min-width: {theme.px(least[0])}px; max-width: {theme.px(60)}px;")
        self.presets.setStyleSheet(f"min-width: {theme.px(least[1])}px; max-width: {theme.px(40)}px;")
        for action in self._buttons:
            action.set_bare(bare=narrow and self.width() < theme.px(220))
        self._grid.setColumnStretch(0, 2)
        self._grid.setColumnStretch(1, 0 if narrow else 3)

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
        self._fold(narrow=self.width() < theme.px(290))

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
        title = state.running.title if state.running is not None else state.settings.model
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


def _under(state: LiveState) -> str:
    """The line under the model's name: what sounds of it."""
    weights = state.settings.controls.target
    if state.power == "waiting":
        return "Waiting for the device…"
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


class _ModelButton(QToolButton):
    """The model's name over what sounds of it; a click goes to the library."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_role(self, "ghost")
        self.title, self.under = ElidedLabel(), ElidedLabel()
        theme.set_role(self.title, "strong")
        theme.set_role(self.under, "dim")
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.px(2), theme.px(0.5), theme.px(2), theme.px(0.5))
        box.setSpacing(0)
        for label in (self.title, self.under):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            box.addWidget(label)
        self.setToolTip(f"Choose a model ({keys_of('library')})")

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for most names."""
        return QSize(theme.px(42), theme.px(11))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Room for a short one."""
        return QSize(theme.px(22), theme.px(10))

    def show_model(self, title: str, under: str) -> None:
        """The two lines."""
        if title != self.title.text():
            self.title.setText(title)
        if under != self.under.text():
            self.under.setText(under)
        self.setAccessibleName(f"Model {title}, {under}")


class _Number(QToolButton):
    """A number with its name under it; a click shows what is behind it."""

    def __init__(self, name: str, help_: str) -> None:
        super().__init__()
        theme.set_role(self, "ghost")
        self._name = name
        self.value, caption = QLabel("–"), QLabel(name)
        theme.set_role(self.value, "number")
        theme.set_role(caption, "small")
        box = QVBoxLayout(self)
        box.setContentsMargins(theme.px(1), theme.px(0.5), theme.px(1), theme.px(0.5))
        box.setSpacing(0)
        for label in (self.value, caption):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            box.addWidget(label)
        self.setToolTip(help_)
        self.setAccessibleName(f"{name}: –")

    def sizeHint(self) -> QSize:  # noqa: N802
        """As wide as its name, and never narrower for a short number."""
        box: Any = self.layout()
        return QSize(max(box.sizeHint().width(), theme.px(14)), theme.px(11))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Nothing less."""
        return self.sizeHint()

    def show_value(self, text: str, token: str = "") -> None:
        """The number; token: "warn" for one that should be noticed."""
        if text != self.value.text():
            self.value.setText(text)
            self.setAccessibleName(f"{self._name}: {text}")
        colour = getattr(theme.current(), token) if token else ""
        sheet = f"color: {colour};" if colour else ""
        if sheet != self.value.styleSheet():
            self.value.setStyleSheet(sheet)


class _Action(QToolButton):
    """An icon over a word."""

    def __init__(self, words: str, picture: str, action: str, *, checkable: bool = False) -> None:
        super().__init__()
        theme.set_role(self, "ghost")
        self._picture, self._alarm = picture, False
        self.setText(words)
        self.setAccessibleName(words)
        self.setCheckable(checkable)
        self.setToolTip(f"{words} ({keys_of(action)})")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)

    def dress(self) -> None:
        """Size and colour of the theme that is applied."""
        self.setIcon(icon(self._picture, "bad" if self._alarm else "text"))
        self.setIconSize(QSize(theme.px(5), theme.px(5)))

    def set_bare(self, *, bare: bool) -> None:
        """The icon alone, where there is no room for its word."""
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if bare else Qt.ToolButtonStyle.ToolButtonTextUnderIcon
        if style != self.toolButtonStyle():
            self.setToolButtonStyle(style)
        self.setStyleSheet(f"min-width: {theme.px(5 if bare else 10)}px;")

    def set_alarm(self, *, on: bool) -> None:
        """Draw it in the colour of what must not be overlooked."""
        if on != self._alarm:
            self._alarm = on
            self.dress()
